//! Permission bits by Discord's names, and the sets that decide.

pub const KICK_MEMBERS: u64 = 1 << 1;
pub const BAN_MEMBERS: u64 = 1 << 2;
pub const ADMINISTRATOR: u64 = 1 << 3;
pub const MANAGE_CHANNELS: u64 = 1 << 4;
pub const MANAGE_GUILD: u64 = 1 << 5;
pub const VIEW_AUDIT_LOG: u64 = 1 << 7;
pub const VIEW_CHANNEL: u64 = 1 << 10;
pub const MANAGE_MESSAGES: u64 = 1 << 13;
pub const MANAGE_ROLES: u64 = 1 << 28;
pub const MANAGE_WEBHOOKS: u64 = 1 << 29;
pub const MANAGE_GUILD_EXPRESSIONS: u64 = 1 << 30;
pub const MANAGE_EVENTS: u64 = 1 << 33;
pub const MANAGE_THREADS: u64 = 1 << 34;
pub const MODERATE_MEMBERS: u64 = 1 << 40;

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
    | 1 << 17
    | 1 << 24
    | MANAGE_GUILD_EXPRESSIONS
    | MANAGE_EVENTS
    | MANAGE_THREADS;

/// A bit set of Discord's JSON; what is none grants nothing.
pub(crate) fn read(value: &serde_json::Value) -> u64 {
    match value {
        serde_json::Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse().unwrap_or(0)
        }
        serde_json::Value::Number(number) => number.as_u64().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_are_those_of_the_design() {
        assert_eq!(POWER, 0x0100_3000_003e);
        assert_eq!(PANIC, 0x0106_7102_203e);
    }
}
