//! Permission bits by Discord's names (Discord docs, "Permissions"; November 2026).
#![allow(missing_docs)]

/// Names and bits, lowest first. Bits without a name exist and are kept.
macro_rules! permissions {
    ($($name:ident = $bit:literal),+ $(,)?) => {
        $(pub const $name: u64 = 1 << $bit;)+

        /// Every named permission.
        pub const NAMED: &[(&str, u64)] = &[$((stringify!($name), $name)),+];
    };
}

permissions! {
    CREATE_INSTANT_INVITE = 0,
    KICK_MEMBERS = 1,
    BAN_MEMBERS = 2,
    ADMINISTRATOR = 3,
    MANAGE_CHANNELS = 4,
    MANAGE_GUILD = 5,
    ADD_REACTIONS = 6,
    VIEW_AUDIT_LOG = 7,
    PRIORITY_SPEAKER = 8,
    STREAM = 9,
    VIEW_CHANNEL = 10,
    SEND_MESSAGES = 11,
    SEND_TTS_MESSAGES = 12,
    MANAGE_MESSAGES = 13,
    EMBED_LINKS = 14,
    ATTACH_FILES = 15,
    READ_MESSAGE_HISTORY = 16,
    MENTION_EVERYONE = 17,
    USE_EXTERNAL_EMOJIS = 18,
    VIEW_GUILD_INSIGHTS = 19,
    CONNECT = 20,
    SPEAK = 21,
    MUTE_MEMBERS = 22,
    DEAFEN_MEMBERS = 23,
    MOVE_MEMBERS = 24,
    USE_VAD = 25,
    CHANGE_NICKNAME = 26,
    MANAGE_NICKNAMES = 27,
    MANAGE_ROLES = 28,
    MANAGE_WEBHOOKS = 29,
    MANAGE_GUILD_EXPRESSIONS = 30,
    USE_APPLICATION_COMMANDS = 31,
    REQUEST_TO_SPEAK = 32,
    MANAGE_EVENTS = 33,
    MANAGE_THREADS = 34,
    CREATE_PUBLIC_THREADS = 35,
    CREATE_PRIVATE_THREADS = 36,
    USE_EXTERNAL_STICKERS = 37,
    SEND_MESSAGES_IN_THREADS = 38,
    USE_EMBEDDED_ACTIVITIES = 39,
    MODERATE_MEMBERS = 40,
    VIEW_CREATOR_MONETIZATION_ANALYTICS = 41,
    USE_SOUNDBOARD = 42,
    CREATE_GUILD_EXPRESSIONS = 43,
    CREATE_EVENTS = 44,
    USE_EXTERNAL_SOUNDS = 45,
    SEND_VOICE_MESSAGES = 46,
    SET_VOICE_CHANNEL_STATUS = 48,
    SEND_POLLS = 49,
    USE_EXTERNAL_APPS = 50,
    PIN_MESSAGES = 51,
    BYPASS_SLOWMODE = 52,
}

/// Every bit, those to come included.
pub const ALL: u64 = u64::MAX;

/// The names of the bits set, for people; a bit without a name is given by its number.
pub fn names(set: u64) -> Vec<String> {
    (0..u64::BITS)
        .map(|bit| 1 << bit)
        .filter(|bit| set & bit != 0)
        .map(|bit: u64| {
            let named = NAMED.iter().find(|(_, named)| *named == bit);
            named.map_or_else(
                || format!("bit {}", bit.trailing_zeros()),
                |(name, _)| (*name).to_owned(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_distinct_and_named() {
        let all = NAMED.iter().fold(0, |all, (_, bit)| all | bit);
        assert_eq!(all.count_ones() as usize, NAMED.len());
        assert_eq!(all, (1 << 53) - 1 - (1 << 47));
        assert_eq!(
            names(PIN_MESSAGES | SET_VOICE_CHANNEL_STATUS | 1 << 47 | 1 << 60),
            [
                "bit 47",
                "SET_VOICE_CHANNEL_STATUS",
                "PIN_MESSAGES",
                "bit 60"
            ]
        );
    }
}
