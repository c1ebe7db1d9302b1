//! People as somebody pastes them: ids and mentions, with whatever is between them.

use std::collections::BTreeSet;

use splashtail_core::ids::UserId;

/// People of one order.
pub(super) const MOST: usize = 1000;
/// Digits of an id so far (Discord documentation, "Snowflakes").
const DIGITS: std::ops::RangeInclusive<usize> = 17..=20;
/// Of what cannot be read.
const QUOTED: usize = 5;
/// The zeros of the decimal digits of the world: the nine others follow each (Unicode, category Nd).
const ZEROS: [u32; 42] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6,
    0x0D66, 0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80,
    0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
    0xFF10, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
];

/// What was pasted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pasted {
    /// Each once, ascending.
    pub(super) users: BTreeSet<UserId>,
    /// Parts that are no person: the first ones.
    pub(super) unread: Vec<String>,
    /// How many there are.
    pub(super) unread_in_all: usize,
}

impl Pasted {
    pub(super) fn read(text: &str) -> Self {
        let mut pasted = Self::default();
        let between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '、' | '，');
        for part in text.split(between) {
            let part = part.trim_matches(is_invisible);
            if part.is_empty() {
                continue;
            }
            // Mentions may follow each other with nothing between them.
            for part in part.split_inclusive('>') {
                match person(part) {
                    Some(user) => drop(pasted.users.insert(user)),
                    None => {
                        pasted.unread_in_all += 1;
                        if pasted.unread.len() < QUOTED {
                            pasted.unread.push(part.to_owned());
                        }
                    }
                }
            }
        }
        pasted
    }
}

impl Pasted {
    /// A number as somebody types it.
    pub(super) fn number(text: &str) -> Option<usize> {
        let digits = text
            .trim()
            .chars()
            .filter(|c| !matches!(c, ',' | '.' | ' '));
        let digits: String = digits.map(digit).collect::<Option<_>>()?;
        digits.parse().ok()
    }
}

/// Comes along when text is copied.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn person(part: &str) -> Option<UserId> {
    let part = part.trim_matches(|c: char| is_invisible(c) || matches!(c, '"' | '\'' | '`' | '.'));
    let inner = match part.strip_prefix("<@") {
        Some(rest) => rest.strip_prefix('!').unwrap_or(rest).strip_suffix('>')?,
        None => part,
    };
    let digits: String = inner.chars().map(digit).collect::<Option<_>>()?;
    match DIGITS.contains(&digits.len()) {
        true => digits.parse().ok(),
        false => None,
    }
}

fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let zero = ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(text: &str) -> Vec<u64> {
        Pasted::read(text)
            .users
            .iter()
            .map(|user| user.get())
            .collect()
    }

    #[test]
    fn ids_and_mentions_are_read_however_they_are_pasted() {
        let one = 1_100_000_000_000_000_010;
        let two = 1_100_000_000_000_000_011;
        for text in [
            "1100000000000000010 1100000000000000011",
            "1100000000000000011,1100000000000000010,\n1100000000000000010",
            "<@1100000000000000010><@!1100000000000000011>",
            "\u{FEFF}`1100000000000000010`;\t\"1100000000000000011\"\r\n",
            "١١٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠١٠ １１０００００００００００００００１１",
            "\u{200B}1100000000000000010\u{200B}、११०००००००००००००००११",
        ] {
            let read = Pasted::read(text);
            assert_eq!(ids(text), [one, two], "{text}");
            assert!(read.unread.is_empty(), "{read:?}");
        }
    }

    #[test]
    fn a_number_may_be_typed_in_any_digits() {
        for text in ["1000", " 1,000 ", "1.000", "１０００", "١٠٠٠"] {
            assert_eq!(Pasted::number(text), Some(1000), "{text}");
        }
        for text in ["", "a thousand", "-5"] {
            assert_eq!(Pasted::number(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_person_is_named() {
        let text = "1100000000000000010 <@&1100000000000000020> <#1100000000000000030> Mara 123 \
                    99999999999999999999 1100000000000000011x <@1100000000000000012";
        let read = Pasted::read(text);
        assert_eq!(ids(text), [1_100_000_000_000_000_010]);
        assert_eq!(read.unread_in_all, 7);
        assert_eq!(
            read.unread,
            [
                "<@&1100000000000000020>",
                "<#1100000000000000030>",
                "Mara",
                "123",
                "99999999999999999999"
            ]
        );
        assert_eq!(Pasted::read(" ,\n; "), Pasted::default());
    }

    proptest! {
        #[test]
        fn nothing_that_is_pasted_breaks_it(text in ".{0,400}") {
            let read = Pasted::read(&text);
            prop_assert!(read.unread.len() <= QUOTED && read.unread.len() <= read.unread_in_all);
        }

        #[test]
        fn an_id_in_any_digits_is_that_id(id in 10_u64.pow(16)..u64::MAX >> 1, script in 0..ZEROS.len()) {
            let written: String = id
                .to_string()
                .chars()
                .map(|c| char::from_u32(ZEROS[script] + c.to_digit(10).unwrap()).unwrap())
                .collect();
            prop_assert_eq!(ids(&written), [id]);
        }
    }
}
