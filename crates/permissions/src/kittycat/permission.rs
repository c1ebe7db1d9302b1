//! One permission and its text form `[~]namespace.perm`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The namespace that stands for all namespaces.
pub const GLOBAL: &str = "global";
/// The name that stands for every permission of a namespace.
pub const WILDCARD: &str = "*";
/// While resolving: forget what was gathered so far.
pub const CLEAR: &str = "@clear";

/// Longest permission that users may enter, in bytes.
const MAX_INPUT: usize = 128;

/// Compared byte by byte, case included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Permission {
    pub namespace: String,
    pub perm: String,
    /// Takes the permission away instead of granting it.
    pub negator: bool,
}

/// Why a permission entered by a user is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPermission {
    #[error("a permission needs a name on both sides of the dot")]
    Empty,
    #[error("a permission cannot contain spaces or control characters")]
    Blank,
    #[error("a permission cannot be negated twice")]
    SecondTilde,
    #[error("a permission has at most {MAX_INPUT} bytes")]
    TooLong,
}

impl Permission {
    pub fn new(namespace: impl Into<String>, perm: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            perm: perm.into(),
            negator: false,
        }
    }

    /// Reads the text form as stored rows hold it; every text is some permission. One tilde is
    /// taken off, the first dot separates, and without a dot the namespace is `global`.
    pub fn parse(text: &str) -> Self {
        let (negator, rest) = match text.strip_prefix('~') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (namespace, perm) = rest.split_once('.').unwrap_or((GLOBAL, rest));
        Self {
            namespace: namespace.to_owned(),
            perm: perm.to_owned(),
            negator,
        }
    }

    /// Reads what a user typed.
    ///
    /// # Errors
    /// See [`InvalidPermission`]; nothing is trimmed.
    pub fn from_input(text: &str) -> Result<Self, InvalidPermission> {
        if text.len() > MAX_INPUT {
            return Err(InvalidPermission::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidPermission::Blank);
        }
        if text.strip_prefix('~').unwrap_or(text).contains('~') {
            return Err(InvalidPermission::SecondTilde);
        }
        let permission = Self::parse(text);
        if permission.namespace.is_empty() || permission.perm.is_empty() {
            return Err(InvalidPermission::Empty);
        }
        Ok(permission)
    }

    /// The same permission with the opposite negator.
    pub fn twin(&self) -> Self {
        Self {
            negator: !self.negator,
            ..self.clone()
        }
    }

    /// The same permission without a negator.
    pub fn positive(&self) -> Self {
        Self {
            negator: false,
            ..self.clone()
        }
    }

    pub fn is_global_wildcard(&self) -> bool {
        !self.negator && self.namespace == GLOBAL && self.perm == WILDCARD
    }
}

impl From<&str> for Permission {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl FromStr for Permission {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::parse(text))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tilde = if self.negator { "~" } else { "" };
        write!(f, "{tilde}{}.{}", self.namespace, self.perm)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn triple(text: &str) -> (bool, String, String) {
        let permission = Permission::parse(text);
        (permission.negator, permission.namespace, permission.perm)
    }

    #[test]
    fn the_grammar_table() {
        for (text, negator, namespace, perm, printed) in [
            ("limits.add", false, "limits", "add", "limits.add"),
            ("limits.*", false, "limits", "*", "limits.*"),
            ("global.view", false, "global", "view", "global.view"),
            ("~limits.add", true, "limits", "add", "~limits.add"),
            ("limits.@clear", false, "limits", "@clear", "limits.@clear"),
            ("view", false, "global", "view", "global.view"),
            // The ports of the library disagree on these.
            ("~view", true, "global", "view", "~global.view"),
            ("a.b.c", false, "a", "b.c", "a.b.c"),
            ("~a.b.c", true, "a", "b.c", "~a.b.c"),
            ("~~a.b", true, "~a", "b", "~~a.b"),
            (" Limits.Add ", false, " Limits", "Add ", " Limits.Add "),
            ("", false, "global", "", "global."),
            (".a", false, "", "a", ".a"),
        ] {
            assert_eq!(
                triple(text),
                (negator, namespace.to_owned(), perm.to_owned()),
                "{text:?}"
            );
            assert_eq!(Permission::parse(text).to_string(), printed);
        }
    }

    #[test]
    fn input_is_stricter_than_rows() {
        use InvalidPermission as E;
        let long = format!("a.{}", "b".repeat(127));
        for (text, expected) in [
            ("limits.add", None),
            ("~limits.*", None),
            ("view", None),
            ("a.b.c", None),
            ("", Some(E::Empty)),
            ("~", Some(E::Empty)),
            (".add", Some(E::Empty)),
            ("limits.", Some(E::Empty)),
            ("limits. add", Some(E::Blank)),
            ("limits.\u{7}", Some(E::Blank)),
            ("limits.\u{a0}a", Some(E::Blank)),
            ("~~limits.add", Some(E::SecondTilde)),
            ("limits.~add", Some(E::SecondTilde)),
            (long.as_str(), Some(E::TooLong)),
            (&long[..128], None),
        ] {
            assert_eq!(Permission::from_input(text).err(), expected, "{text:?}");
        }
    }

    #[test]
    fn json_uses_the_three_keys() {
        let json = serde_json::to_string(&Permission::parse("~limits.add")).unwrap();
        assert_eq!(
            json,
            r#"{"namespace":"limits","perm":"add","negator":true}"#
        );
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(text in "\\PC{0,40}") {
            let once = Permission::parse(&text);
            prop_assert_eq!(&Permission::parse(&once.to_string()), &once);
            prop_assert_eq!(once.twin().twin(), once);
        }

        #[test]
        fn accepted_input_survives(text in "~?[a-z]{1,9}(\\.[a-z*@.]{1,9})?") {
            let permission = Permission::from_input(&text).unwrap();
            prop_assert_eq!(Permission::from_input(&permission.to_string()), Ok(permission));
        }
    }
}
