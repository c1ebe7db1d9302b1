//! Permission bits by Discord's names, and the sets that decide.

pub use splashtail_guild::permissions::bits::*;

/// Whoever holds one of these can harm a server: kick, ban, Administrator, channels, server, roles,
/// webhooks, timeouts.
pub const POWER: u64 = KICK_MEMBERS
    | BAN_MEMBERS
    | ADMINISTRATOR
    | MANAGE_CHANNELS
    | MANAGE_GUILD
    | MANAGE_ROLES
    | MANAGE_WEBHOOKS
    | MODERATE_MEMBERS;

/// Taken from every role in reach while a panic lasts: [`POWER`], messages, mentions of everyone,
/// moving members, expressions, events, threads.
pub const PANIC: u64 = POWER
    | MANAGE_MESSAGES
    | MENTION_EVERYONE
    | MOVE_MEMBERS
    | MANAGE_GUILD_EXPRESSIONS
    | MANAGE_EVENTS
    | MANAGE_THREADS;

/// Writing and speaking, taken beside [`PANIC`] on request.
pub const SPEECH: u64 = SEND_MESSAGES
    | SEND_MESSAGES_IN_THREADS
    | CREATE_PUBLIC_THREADS
    | CREATE_PRIVATE_THREADS
    | SEND_TTS_MESSAGES
    | CONNECT;

pub(crate) use splashtail_guild::bit_set as read;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_are_those_of_the_design() {
        assert_eq!(POWER, 0x0100_3000_003e);
        assert_eq!(PANIC, 0x0106_7102_203e);
    }
}
