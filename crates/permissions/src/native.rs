//! Discord's own permissions as far as checks need them.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// Names of the bits as Discord's settings show them (Discord documentation, "Permissions").
const NAMES: [(u32, &str); 52] = [
    (0, "Create Invite"),
    (1, "Kick Members"),
    (2, "Ban Members"),
    (3, "Administrator"),
    (4, "Manage Channels"),
    (5, "Manage Server"),
    (6, "Add Reactions"),
    (7, "View Audit Log"),
    (8, "Priority Speaker"),
    (9, "Video"),
    (10, "View Channels"),
    (11, "Send Messages"),
    (12, "Send TTS Messages"),
    (13, "Manage Messages"),
    (14, "Embed Links"),
    (15, "Attach Files"),
    (16, "Read Message History"),
    (17, "Mention Everyone"),
    (18, "Use External Emoji"),
    (19, "View Server Insights"),
    (20, "Connect"),
    (21, "Speak"),
    (22, "Mute Members"),
    (23, "Deafen Members"),
    (24, "Move Members"),
    (25, "Use Voice Activity"),
    (26, "Change Nickname"),
    (27, "Manage Nicknames"),
    (28, "Manage Roles"),
    (29, "Manage Webhooks"),
    (30, "Manage Expressions"),
    (31, "Use Application Commands"),
    (32, "Request to Speak"),
    (33, "Manage Events"),
    (34, "Manage Threads"),
    (35, "Create Public Threads"),
    (36, "Create Private Threads"),
    (37, "Use External Stickers"),
    (38, "Send Messages in Threads"),
    (39, "Use Activities"),
    (40, "Timeout Members"),
    (41, "View Creator Monetization Analytics"),
    (42, "Use Soundboard"),
    (43, "Create Expressions"),
    (44, "Create Events"),
    (45, "Use External Sounds"),
    (46, "Send Voice Messages"),
    (48, "Set Voice Channel Status"),
    (49, "Create Polls"),
    (50, "Use External Apps"),
    (51, "Pin Messages"),
    (52, "Bypass Slow Mode"),
];

/// A set of Discord permission bits. JSON is the decimal string of the bits, because numbers lose
/// digits in browsers; numbers are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NativePermissions(pub u64);

impl NativePermissions {
    pub const ADMINISTRATOR: Self = Self(1 << 3);
    pub const MANAGE_GUILD: Self = Self(1 << 5);

    pub const fn is_administrator(self) -> bool {
        self.0 & Self::ADMINISTRATOR.0 != 0
    }

    /// Without the bits that Discord does not have.
    pub fn known(self) -> Self {
        let all = NAMES.iter().fold(0, |all, (bit, _)| all | 1 << bit);
        Self(self.0 & all)
    }

    /// Whether every bit of `listed` is here. The empty set is never held, or a row whose bits all
    /// became unknown would admit everybody.
    pub const fn holds(self, listed: Self) -> bool {
        listed.0 != 0 && self.0 & listed.0 == listed.0
    }
}

/// The names joined with ` + `; bits without a name as a number.
impl fmt::Display for NativePermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut separator = "";
        for (bit, name) in NAMES {
            if rest & (1 << bit) != 0 {
                rest &= !(1 << bit);
                write!(f, "{separator}{name}")?;
                separator = " + ";
            }
        }
        if rest != 0 || self.0 == 0 {
            write!(f, "{separator}{rest}")?;
        }
        Ok(())
    }
}

impl Serialize for NativePermissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NativePermissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bits;
        impl Visitor<'_> for Bits {
            type Value = NativePermissions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("permission bits as a decimal string or a number")
            }

            fn visit_u64<E: de::Error>(self, bits: u64) -> Result<Self::Value, E> {
                Ok(NativePermissions(bits))
            }

            fn visit_i64<E: de::Error>(self, bits: i64) -> Result<Self::Value, E> {
                u64::try_from(bits)
                    .map(NativePermissions)
                    .map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(NativePermissions).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_strings_on_the_wire() {
        let bits = NativePermissions(1 << 52);
        assert_eq!(
            serde_json::to_string(&bits).unwrap(),
            r#""4503599627370496""#
        );
        for json in [r#""8""#, "8"] {
            let read: NativePermissions = serde_json::from_str(json).unwrap();
            assert_eq!(read, NativePermissions::ADMINISTRATOR);
        }
        for json in ["-1", r#""x""#, "null", "1.5"] {
            assert!(
                serde_json::from_str::<NativePermissions>(json).is_err(),
                "{json}"
            );
        }
    }

    #[test]
    fn the_empty_set_is_never_held() {
        assert!(!NativePermissions(u64::MAX).holds(NativePermissions(0)));
        assert!(NativePermissions(0b1010).holds(NativePermissions(0b1000)));
        assert!(!NativePermissions(0b1000).holds(NativePermissions(0b1010)));
    }

    #[test]
    fn names() {
        assert_eq!(
            NativePermissions(0b10_1000).to_string(),
            "Administrator + Manage Server"
        );
        assert_eq!(
            NativePermissions(1 << 60).to_string(),
            (1u64 << 60).to_string()
        );
        assert_eq!(NativePermissions(0).to_string(), "0");
    }
}
