//! Ids as types. A Discord id (snowflake) is a non-zero `u64` that travels as a decimal string,
//! because JSON numbers lose digits beyond 2^53 in browsers.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// Milliseconds between the Unix epoch and the first second of 2015, where Discord counts from.
const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;
/// The timestamp of a snowflake lies above its worker, process and increment bits.
const TIMESTAMP_SHIFT: u32 = 22;

/// The text or number is not a snowflake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    #[error("an id cannot be zero")]
    Zero,
    #[error("an id is a decimal number of at most 20 digits")]
    NotANumber,
}

macro_rules! snowflakes {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// `None` for zero, which is no id.
            pub const fn new(id: u64) -> Option<Self> {
                match NonZeroU64::new(id) {
                    Some(id) => Some(Self(id)),
                    None => None,
                }
            }

            pub const fn get(self) -> u64 {
                self.0.get()
            }

            /// The same 64 bits as a signed column value. Ids of this century are positive, so
            /// their order survives.
            pub const fn to_db(self) -> i64 {
                self.get().cast_signed()
            }

            /// # Errors
            /// [`InvalidId::Zero`]: the column holds zero.
            pub const fn from_db(value: i64) -> Result<Self, InvalidId> {
                match Self::new(value.cast_unsigned()) {
                    Some(id) => Ok(id),
                    None => Err(InvalidId::Zero),
                }
            }

            /// When Discord made the id, to the millisecond.
            pub fn created_at(self) -> DateTime<Utc> {
                created_at(self.get())
            }
        }

        impl TryFrom<u64> for $name {
            type Error = InvalidId;

            fn try_from(id: u64) -> Result<Self, InvalidId> {
                Self::new(id).ok_or(InvalidId::Zero)
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> u64 {
                id.get()
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_snowflake(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(SnowflakeVisitor).map(Self)
            }
        }
    )+};
}

snowflakes! {
    GuildId,
    UserId,
    /// A channel or a thread: Discord numbers both in one space.
    ChannelId,
    MessageId,
    RoleId,
    AttachmentId,
    ApplicationId,
}

impl GuildId {
    /// The shard that receives the guild's events: `(id >> 22) % shard_count` (Discord gateway
    /// documentation, "Sharding Formula"). A count of zero is treated as one.
    pub fn shard(self, shard_count: u16) -> ShardId {
        let shard = (self.get() >> TIMESTAMP_SHIFT) % u64::from(shard_count.max(1));
        ShardId(u16::try_from(shard).unwrap_or(u16::MAX))
    }
}

fn parse_snowflake(text: &str) -> Result<NonZeroU64, InvalidId> {
    // `u64::from_str` also takes a leading plus sign.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidId::NotANumber);
    }
    let id = text.parse::<u64>().map_err(|_| InvalidId::NotANumber)?;
    NonZeroU64::new(id).ok_or(InvalidId::Zero)
}

/// When Discord made this id, to the millisecond.
pub fn created_at(id: u64) -> DateTime<Utc> {
    // 42 bits of milliseconds end in the year 2154, far inside chrono's range.
    let milliseconds = (id >> TIMESTAMP_SHIFT) + DISCORD_EPOCH_MS;
    i64::try_from(milliseconds)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The smallest id that Discord can have given at this time; zero for times before its first.
pub fn first_id_at(at: DateTime<Utc>) -> u64 {
    let since_unix = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    since_unix.saturating_sub(DISCORD_EPOCH_MS) << TIMESTAMP_SHIFT
}

struct SnowflakeVisitor;

impl Visitor<'_> for SnowflakeVisitor {
    type Value = NonZeroU64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Discord id as a decimal string or a positive integer")
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<NonZeroU64, E> {
        NonZeroU64::new(id).ok_or_else(|| E::custom(InvalidId::Zero))
    }

    fn visit_i64<E: de::Error>(self, id: i64) -> Result<NonZeroU64, E> {
        let id = u64::try_from(id).map_err(|_| E::custom(InvalidId::NotANumber))?;
        self.visit_u64(id)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NonZeroU64, E> {
        parse_snowflake(text).map_err(E::custom)
    }
}

/// One durable job.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct TaskId(pub Uuid);

impl TaskId {
    /// A new random id (version 4).
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    pub const fn get(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TaskId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for TaskId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

macro_rules! small_numbers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u16);

        impl $name {
            pub const fn get(self) -> u16 {
                self.0
            }
        }

        impl From<u16> for $name {
            fn from(id: u16) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )+};
}

small_numbers! {
    /// A bot process: its index in the cluster map.
    ClusterId,
    /// One gateway connection, from 0.
    ShardId,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn creation_time_is_discords_documented_example() {
        // Discord reference, "Snowflakes": 175928847299117063.
        let id: UserId = "175928847299117063".parse().unwrap();
        assert_eq!(
            id.created_at().to_rfc3339(),
            "2016-04-30T11:18:25.796+00:00"
        );
        UserId::new(u64::MAX).unwrap().created_at();
    }

    #[test]
    fn shard_follows_the_documented_formula() {
        for (guild, shard) in [
            (1_100_000_000_001_179_648, 0),
            (1_100_000_000_005_373_952, 1),
            (1_100_000_000_009_568_256, 2),
            (1_100_000_000_013_762_560, 3),
        ] {
            assert_eq!(GuildId::new(guild).unwrap().shard(4), ShardId(shard));
            assert_eq!(GuildId::new(guild).unwrap().shard(0), ShardId(0));
        }
    }

    #[test]
    fn json_is_a_string_and_both_forms_are_read() {
        let id = GuildId::new(849_331_145_862_283_275).unwrap();
        assert_eq!(
            serde_json::to_string(&id).unwrap(),
            "\"849331145862283275\""
        );
        for text in ["\"849331145862283275\"", "849331145862283275"] {
            assert_eq!(serde_json::from_str::<GuildId>(text).unwrap(), id);
        }
        for text in [
            "0",
            "\"0\"",
            "\"\"",
            "-1",
            "\"+1\"",
            "1.5",
            "null",
            "\"99999999999999999999\"",
        ] {
            assert!(serde_json::from_str::<GuildId>(text).is_err(), "{text}");
        }
        let map = std::collections::BTreeMap::from([(id, 1)]);
        assert_eq!(
            serde_json::to_string(&map).unwrap(),
            r#"{"849331145862283275":1}"#
        );
    }

    proptest! {
        #[test]
        fn every_form_round_trips(raw in 1_u64..) {
            let id = RoleId::new(raw).unwrap();
            prop_assert_eq!(id.to_string().parse::<RoleId>().unwrap(), id);
            prop_assert_eq!(RoleId::from_db(id.to_db()).unwrap(), id);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<RoleId>(&json).unwrap(), id);
            prop_assert_eq!(serde_json::from_str::<RoleId>(&raw.to_string()).unwrap(), id);
        }

        #[test]
        fn arbitrary_text_is_an_id_only_when_it_prints_as_one(text in ".{0,24}") {
            if let Ok(id) = text.parse::<UserId>() {
                prop_assert_eq!(id.to_string(), text.trim_start_matches('0'));
            }
        }

        #[test]
        fn a_shard_is_below_the_count(raw in 1_u64.., count in 1_u16..) {
            prop_assert!(GuildId::new(raw).unwrap().shard(count).get() < count);
        }
    }
}
