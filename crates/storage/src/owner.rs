use std::fmt;
use std::str::FromStr;

use splashtail_core::ids::{GuildId, UserId};

/// Whom a task or an API token belongs to. Nothing is without an owner.
///
/// The text form is that of the columns: `g/<id>` for a server, `u/<id>` for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    Server(GuildId),
    User(UserId),
}

/// The text is not an owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an owner is g/<server id> or u/<user id>")]
pub struct InvalidOwner;

impl Owner {
    /// The id without its kind.
    pub fn id(&self) -> u64 {
        match self {
            Self::Server(id) => id.get(),
            Self::User(id) => id.get(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(id) => write!(f, "g/{id}"),
            Self::User(id) => write!(f, "u/{id}"),
        }
    }
}

impl FromStr for Owner {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, InvalidOwner> {
        let (kind, id) = text.split_once('/').ok_or(InvalidOwner)?;
        match kind {
            "g" => id.parse().map(Self::Server).map_err(|_| InvalidOwner),
            "u" => id.parse().map(Self::User).map_err(|_| InvalidOwner),
            _ => Err(InvalidOwner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_back_and_nothing_else_is() {
        for text in ["g/1100000000001179648", "u/10"] {
            assert_eq!(text.parse::<Owner>().unwrap().to_string(), text);
        }
        for text in ["", "g", "g/", "g/0", "x/1", "g/1/2", "G/1", "/1", "u/abc"] {
            assert_eq!(text.parse::<Owner>(), Err(InvalidOwner), "{text}");
        }
    }
}
