//! Whom or what a row of a setting is for.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Longest key or value of a custom modifier, in bytes.
const MAX_PART: usize = 64;

/// Selects a target. Of rows that match, the most specific one holds ([`choose`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modifier {
    User(NonZeroU64),
    Channel(NonZeroU64),
    Role(NonZeroU64),
    Global,
    /// Has a specificity of its own.
    Custom {
        key: String,
        value: String,
        specificity: i32,
    },
}

/// A text that is no modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a modifier is `user/<id>`, `channel/<id>`, `role/<id>`, `global` or \
     `custom/<key>/<value>/<specificity>`"
)]
pub struct NoModifier;

/// What a modifier is held against.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    pub user: Option<u64>,
    pub channel: Option<u64>,
    /// Of the member, the everyone role included.
    pub roles: &'a [u64],
    /// Keys and values that hold.
    pub custom: &'a [(&'a str, &'a str)],
}

impl Modifier {
    pub const fn specificity(&self) -> i32 {
        match self {
            Self::User(_) => 3,
            Self::Channel(_) => 2,
            Self::Role(_) => 1,
            Self::Global => 0,
            Self::Custom { specificity, .. } => *specificity,
        }
    }

    pub fn matches(&self, subject: Subject<'_>) -> bool {
        match self {
            Self::User(id) => subject.user == Some(id.get()),
            Self::Channel(id) => subject.channel == Some(id.get()),
            Self::Role(id) => subject.roles.contains(&id.get()),
            Self::Global => true,
            Self::Custom { key, value, .. } => {
                subject.custom.contains(&(key.as_str(), value.as_str()))
            }
        }
    }
}

/// The value that holds: of the most specific modifier that matches, and of several the largest.
pub fn choose<'a, V: Ord + Copy + 'a>(
    rows: impl IntoIterator<Item = (&'a Modifier, V)>,
    subject: Subject<'_>,
) -> Option<V> {
    let matching = rows.into_iter().filter(|(row, _)| row.matches(subject));
    let ranked = matching.map(|(row, value)| (row.specificity(), value));
    ranked.max().map(|(_, value)| value)
}

impl FromStr for Modifier {
    type Err = NoModifier;

    /// Mentions of Discord are read as well.
    fn from_str(text: &str) -> Result<Self, NoModifier> {
        let id = |id: &str| id.parse().map_err(|_| NoModifier);
        if let Some(mention) = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')) {
            let of = |sign: &str| mention.strip_prefix(sign);
            return match (of("@&"), of("@!").or(of("@")), of("#")) {
                (Some(role), ..) => id(role).map(Self::Role),
                (None, Some(user), _) => id(user).map(Self::User),
                (None, None, Some(channel)) => id(channel).map(Self::Channel),
                _ => Err(NoModifier),
            };
        }
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            ["global"] => Ok(Self::Global),
            ["user", user] => id(user).map(Self::User),
            ["channel", channel] => id(channel).map(Self::Channel),
            ["role", role] => id(role).map(Self::Role),
            ["custom", key, value, specificity] => {
                let is_part = |part: &str| {
                    (1..=MAX_PART).contains(&part.len()) && !part.chars().any(char::is_control)
                };
                let specificity = specificity.parse().map_err(|_| NoModifier)?;
                match is_part(key) && is_part(value) {
                    true => Ok(Self::Custom {
                        key: key.to_owned(),
                        value: value.to_owned(),
                        specificity,
                    }),
                    false => Err(NoModifier),
                }
            }
            _ => Err(NoModifier),
        }
    }
}

impl fmt::Display for Modifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user/{id}"),
            Self::Channel(id) => write!(f, "channel/{id}"),
            Self::Role(id) => write!(f, "role/{id}"),
            Self::Global => f.write_str("global"),
            Self::Custom {
                key,
                value,
                specificity,
            } => write!(f, "custom/{key}/{value}/{specificity}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Modifier {
        text.parse().unwrap()
    }

    #[test]
    fn texts_that_are_modifiers_and_that_are_not() {
        for text in ["user/1", "channel/2", "role/3", "global", "custom/a/b/-4"] {
            assert_eq!(read(text).to_string(), text);
        }
        for (mention, text) in [
            ("<@1>", "user/1"),
            ("<@!1>", "user/1"),
            ("<@&3>", "role/3"),
            ("<#2>", "channel/2"),
        ] {
            assert_eq!(read(mention).to_string(), text);
        }
        for text in [
            "",
            "user",
            "user/",
            "user/0",
            "user/x",
            "user/1/2",
            "global/1",
            "custom/a/b",
            "custom/a/b/c",
            "custom//b/1",
            "custom/a/b/1/2",
            "<1>",
            "<@&>",
            "everyone",
        ] {
            assert_eq!(text.parse::<Modifier>(), Err(NoModifier), "{text}");
        }
    }

    /// Three parts were one too few for a custom modifier, and one of a role never matched.
    #[test]
    fn the_most_specific_one_that_matches_holds() {
        let subject = Subject {
            user: Some(1),
            channel: Some(2),
            roles: &[3, 4],
            custom: &[("kind", "invite")],
        };
        let rows = [
            (read("global"), 9),
            (read("role/3"), 1),
            (read("role/4"), 2),
            (read("channel/8"), 7),
            (read("custom/kind/invite/-1"), 8),
        ];
        let hold = |rows: &[(Modifier, i32)]| {
            choose(rows.iter().map(|(row, value)| (row, *value)), subject)
        };
        assert_eq!(hold(&rows), Some(2));
        assert_eq!(hold(&rows[..1]), Some(9));
        assert_eq!(hold(&rows[3..4]), None);
        let custom = [rows[1].clone(), (read("custom/kind/invite/5"), 0)];
        assert_eq!(hold(&custom), Some(0));
        let user = [(read("user/1"), 0), (read("channel/2"), 5)];
        assert_eq!(hold(&user), Some(0));
    }
}
