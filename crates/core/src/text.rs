//! Text that people wrote: files as editors save them, and words that are nearly right.

use std::path::Path;
use std::{fs, io};

/// Put in front of UTF-8 text by some editors. It is no part of the text.
const BYTE_ORDER_MARK: char = '\u{feff}';
/// How alike a name has to be to be offered, from 0 to 1.
const ALIKE: f64 = 0.5;

/// The text of a file, without a byte-order mark.
///
/// # Errors
/// As [`fs::read_to_string`].
pub fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path).map(without_mark)
}

pub fn without_mark(text: String) -> String {
    match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// What was most likely meant by `name`; `None` when nothing is alike.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mark_in_front_is_dropped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, text) in [
            ("\u{feff}a\u{feff}", "a\u{feff}"),
            ("a", "a"),
            ("\u{feff}", ""),
        ] {
            fs::write(file.path(), content).unwrap();
            assert_eq!(read(file.path()).unwrap(), text);
        }
    }

    #[test]
    fn the_nearest_name_has_to_be_near() {
        assert_eq!(nearest("prt", ["part", "port", "x"]), Some("port"));
        assert_eq!(nearest("zzz", ["part", "port"]), None);
        assert_eq!(nearest("a", []), None);
    }
}
