//! Names, as far as they give away that one program made many.

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// Of a name only so much is looked at, in characters.
const LONGEST: usize = 32;
/// Shorter ones are alike only when they are equal.
const SHORTEST_SIMILAR: usize = 4;
/// Up to this length one letter may differ, from there on two.
const SHORT: usize = 5;
/// Part of three-letter pieces that two names share at least.
const SHARED: f64 = 0.5;

/// A user name, twice: what is left when looks, case and digits are taken away, and how it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Letters alone, by what they look like (Unicode TR39); empty where there are none.
    pub(crate) key: Box<str>,
    /// Letters of the name; what it looks like may have more or fewer.
    letters: usize,
    /// Equal for names that are built alike: `word1234` and `bird5678`.
    pub(crate) shape: u32,
    /// One word, with up to five digits behind it or none, as many people are called.
    pub(crate) is_common_shape: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// How long, roughly, and of which block of letters.
    Letters(u8, u32),
    /// How many, exactly.
    Digits(u32),
    Mark(char),
}

impl Name {
    pub fn of(text: &str) -> Self {
        let plain: String = text.nfkc().take(LONGEST).collect();
        let plain = plain.to_lowercase();
        let runs = runs(&plain);
        // Digits look like letters, so they go first.
        let letters: String = plain.chars().filter(|c| c.is_alphabetic()).collect();
        let looks = skeleton(&letters).collect::<String>().to_lowercase();
        // A skeleton is taken apart: accents and syllables into pieces, and `m` into what looks like it.
        let whole: String = looks.as_str().nfc().collect();
        Self {
            key: whole.replace("rn", "m").into_boxed_str(),
            letters: letters.chars().count(),
            shape: shape(&runs),
            is_common_shape: matches!(
                runs[..],
                [Run::Letters(..)] | [Run::Letters(..), Run::Digits(1..=5)]
            ),
        }
    }

    /// Whether one may have been made from the other.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let (key, shorter) = (&*other.key, self.letters.min(other.letters));
        if self.key.is_empty() || key.is_empty() {
            return false;
        }
        if *self.key == *key {
            return true;
        }
        let (own, other) = (self.key.chars().count(), key.chars().count());
        if shorter < SHORTEST_SIMILAR {
            return false;
        }
        let apart = match shorter <= SHORT {
            true => 1,
            false => 2,
        };
        let near =
            own.abs_diff(other) <= apart && strsim::damerau_levenshtein(&self.key, key) <= apart;
        near || shares(&self.key, key) >= SHARED
    }
}

/// Part of their three-letter pieces that two texts have in common (Jaccard).
fn shares(one: &str, other: &str) -> f64 {
    let pieces = |text: &str| {
        let letters: Vec<char> = text.chars().collect();
        let mut pieces: Vec<[char; 3]> = letters
            .windows(3)
            .filter_map(|piece| piece.try_into().ok())
            .collect();
        pieces.sort_unstable();
        pieces.dedup();
        pieces
    };
    let (one, other) = (pieces(one), pieces(other));
    let both = one
        .iter()
        .filter(|piece| other.binary_search(piece).is_ok())
        .count();
    let all = one.len() + other.len() - both;
    match all {
        0 => 0.0,
        all => both as f64 / all as f64,
    }
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        let mut count = 1;
        if first.is_numeric() {
            while chars.next_if(|c| c.is_numeric()).is_some() {
                count += 1;
            }
            runs.push(Run::Digits(count));
        } else if first.is_alphabetic() {
            while chars.next_if(|c| c.is_alphabetic()).is_some() {
                count += 1;
            }
            let length = match count {
                0..=3 => 0,
                4..=6 => 1,
                7..=9 => 2,
                _ => 3,
            };
            // Blocks of letters stand for scripts: ASCII, and each 256 characters behind it.
            let block = match first.is_ascii() {
                true => 0,
                false => 1 + (u32::from(first) >> 8),
            };
            runs.push(Run::Letters(length, block));
        } else {
            runs.push(Run::Mark(first));
        }
    }
    runs
}

fn shape(runs: &[Run]) -> u32 {
    let mut hash = Hash::default();
    for run in runs {
        match *run {
            Run::Letters(length, block) => {
                hash.add(&[1, length]);
                hash.add(&block.to_le_bytes());
            }
            Run::Digits(count) => {
                hash.add(&[2]);
                hash.add(&count.to_le_bytes());
            }
            Run::Mark(mark) => {
                hash.add(&[3]);
                hash.add(&u32::from(mark).to_le_bytes());
            }
        }
    }
    hash.value()
}

/// A short name for something (FNV-1a), never zero. Who can choose what is hashed gains nothing from two
/// that are equal.
pub(crate) struct Hash(u32);

impl Default for Hash {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Hash {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    pub(crate) const fn value(&self) -> u32 {
        match self.0 {
            0 => 1,
            value => value,
        }
    }

    pub(crate) fn of(bytes: &[u8]) -> u32 {
        let mut hash = Self::default();
        hash.add(bytes);
        hash.value()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_built_alike() {
        let shape = |name: &str| Name::of(name).shape;
        assert_eq!(shape("word1234"), shape("bird5678"));
        assert_ne!(shape("word1234"), shape("word123"));
        assert_ne!(shape("word1234"), shape("word_1234"));
        assert_ne!(shape("word1234"), shape("слово1234"));
        assert!(Name::of("bird5678").is_common_shape);
        assert!(!Name::of("bird_567").is_common_shape && !Name::of("10027").is_common_shape);
    }

    #[test]
    fn names_that_look_alike() {
        let like = |one: &str, other: &str| Name::of(one).is_like(&Name::of(other));
        // Cyrillic, full width, digits and case.
        assert!(like("раураl", "paypal"));
        assert!(like("ＳｔａｒＬｉｇｈｔ", "starlight77"));
        assert!(like("starlight", "starlihgt"), "two letters swapped");
        assert!(like("starlight", "starlights"));
        assert!(like("midnightwolfpack", "midnightwolf"));
        assert!(
            like("mark", "park"),
            "one letter, though `m` looks like two"
        );
        assert!(like("rnidnight", "midnight"));
        for (one, other) in [
            ("anna", "berta"),
            // Three letters, and two syllables of five pieces.
            ("mmm", "mmn"),
            ("민수", "민서"),
            ("mia", "mio"),
            ("10027", "10028"),
            ("", ""),
        ] {
            assert!(!like(one, other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn no_name_breaks_it(one in ".{0,60}", other in ".{0,60}") {
            let (one, other) = (Name::of(&one), Name::of(&other));
            prop_assert_eq!(one.is_like(&other), other.is_like(&one));
            prop_assert!(one.shape != 0);
        }
    }
}
