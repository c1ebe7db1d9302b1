//! Which clients an event is for (gateway documentation, "List of Intents").

pub const GUILDS: u64 = 1;
pub const GUILD_MEMBERS: u64 = 1 << 1;
pub const GUILD_MODERATION: u64 = 1 << 2;
pub const GUILD_EXPRESSIONS: u64 = 1 << 3;
pub const GUILD_INTEGRATIONS: u64 = 1 << 4;
pub const GUILD_WEBHOOKS: u64 = 1 << 5;
pub const GUILD_INVITES: u64 = 1 << 6;
pub const GUILD_VOICE_STATES: u64 = 1 << 7;
pub const GUILD_PRESENCES: u64 = 1 << 8;
pub const MESSAGE_CONTENT: u64 = 1 << 15;
pub const GUILD_SCHEDULED_EVENTS: u64 = 1 << 16;
pub const AUTO_MODERATION_CONFIGURATION: u64 = 1 << 20;
pub const AUTO_MODERATION_EXECUTION: u64 = 1 << 21;

/// Bits that exist.
pub const ALL: u64 = 0x1_ffff | (1 << 20) | (1 << 21) | (1 << 24) | (1 << 25);

/// Any of these bits lets an event through; 0: everybody gets it, as what nobody knows.
pub fn needed(name: &[u8], in_guild: bool) -> u64 {
    let pick = |guild: u32, direct: u32| 1 << if in_guild { guild } else { direct };
    match name {
        b"THREAD_MEMBERS_UPDATE" => GUILDS | GUILD_MEMBERS,
        b"GUILD_CREATE"
        | b"GUILD_UPDATE"
        | b"GUILD_DELETE"
        | b"VOICE_CHANNEL_STATUS_UPDATE"
        | b"VOICE_CHANNEL_START_TIME_UPDATE" => GUILDS,
        b"CHANNEL_PINS_UPDATE" => pick(0, 12),
        b"GUILD_MEMBER_ADD" | b"GUILD_MEMBER_UPDATE" | b"GUILD_MEMBER_REMOVE" => GUILD_MEMBERS,
        b"GUILD_BAN_ADD"
        | b"GUILD_BAN_REMOVE"
        | b"GUILD_AUDIT_LOG_ENTRY_CREATE"
        | b"GUILD_JOIN_REQUEST_CREATE"
        | b"GUILD_JOIN_REQUEST_UPDATE"
        | b"GUILD_JOIN_REQUEST_DELETE" => GUILD_MODERATION,
        b"GUILD_EMOJIS_UPDATE" | b"GUILD_STICKERS_UPDATE" => GUILD_EXPRESSIONS,
        b"GUILD_INTEGRATIONS_UPDATE"
        | b"INTEGRATION_CREATE"
        | b"INTEGRATION_UPDATE"
        | b"INTEGRATION_DELETE" => GUILD_INTEGRATIONS,
        b"WEBHOOKS_UPDATE" => GUILD_WEBHOOKS,
        b"INVITE_CREATE" | b"INVITE_DELETE" => GUILD_INVITES,
        b"VOICE_STATE_UPDATE" | b"VOICE_CHANNEL_EFFECT_SEND" => GUILD_VOICE_STATES,
        b"PRESENCE_UPDATE" => GUILD_PRESENCES,
        b"TYPING_START" => pick(11, 14),
        b"MESSAGE_POLL_VOTE_ADD" | b"MESSAGE_POLL_VOTE_REMOVE" => pick(24, 25),
        b"AUTO_MODERATION_ACTION_EXECUTION" => AUTO_MODERATION_EXECUTION,
        name if name.starts_with(b"GUILD_ROLE_")
            || name.starts_with(b"CHANNEL_") && name != b"CHANNEL_INFO"
            || name.starts_with(b"THREAD_")
            || name.starts_with(b"STAGE_INSTANCE_") =>
        {
            GUILDS
        }
        name if name.starts_with(b"GUILD_SOUNDBOARD_") => GUILD_EXPRESSIONS,
        name if name.starts_with(b"GUILD_SCHEDULED_EVENT_") => GUILD_SCHEDULED_EVENTS,
        name if name.starts_with(b"AUTO_MODERATION_RULE_") => AUTO_MODERATION_CONFIGURATION,
        name if name.starts_with(b"MESSAGE_REACTION_") => pick(10, 13),
        name if name.starts_with(b"MESSAGE_") => pick(9, 12),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_need_what_discord_says() {
        for (name, guild, direct) in [
            ("GUILD_CREATE", 1, 1),
            ("GUILD_ROLE_DELETE", 1, 1),
            ("THREAD_MEMBERS_UPDATE", 3, 3),
            ("CHANNEL_INFO", 0, 0),
            ("CHANNEL_PINS_UPDATE", 1, 1 << 12),
            ("GUILD_MEMBER_ADD", 2, 2),
            ("GUILD_AUDIT_LOG_ENTRY_CREATE", 4, 4),
            ("GUILD_SOUNDBOARD_SOUND_CREATE", 8, 8),
            ("VOICE_SERVER_UPDATE", 0, 0),
            ("INTERACTION_CREATE", 0, 0),
            ("GUILD_MEMBERS_CHUNK", 0, 0),
            ("MESSAGE_CREATE", 1 << 9, 1 << 12),
            ("MESSAGE_REACTION_ADD", 1 << 10, 1 << 13),
            ("MESSAGE_POLL_VOTE_ADD", 1 << 24, 1 << 25),
            ("SOMETHING_NEW", 0, 0),
        ] {
            assert_eq!(needed(name.as_bytes(), true), guild, "{name}");
            assert_eq!(needed(name.as_bytes(), false), direct, "{name}");
        }
    }
}
