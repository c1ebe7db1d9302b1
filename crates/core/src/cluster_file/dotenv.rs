//! Files of `KEY=value` lines.

use std::io;
use std::path::{Path, PathBuf};

use crate::text;

#[derive(Debug, thiserror::Error)]
pub enum DotenvError {
    #[error("cannot read the environment file {} (`env`)", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}:{line} is not of the form NAME=value", path.display())]
    Line { path: PathBuf, line: usize },
}

/// The variables of all files in order; the first mention of a name counts. Relative paths start at
/// `base`.
///
/// # Errors
/// A file cannot be read, or a line of it is no assignment.
pub fn load(files: &[PathBuf], base: &Path) -> Result<Vec<(String, String)>, DotenvError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for file in files {
        let path = base.join(file);
        let text = text::read(&path).map_err(|source| DotenvError::Read {
            path: path.clone(),
            source,
        })?;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = parse(line) else {
                return Err(DotenvError::Line {
                    path,
                    line: number + 1,
                });
            };
            if !variables.iter().any(|(known, _)| known == name) {
                variables.push((name.to_owned(), value));
            }
        }
    }
    Ok(variables)
}

fn parse(line: &str) -> Option<(&str, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) || name.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    let value = value.trim();
    let value = if let Some(rest) = value.strip_prefix('"') {
        unescape(rest.strip_suffix('"')?)
    } else if let Some(rest) = value.strip_prefix('\'') {
        rest.strip_suffix('\'')?.to_owned()
    } else {
        // A comment needs a space in front: values may contain a hash.
        value
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    Some((name, value))
}

fn unescape(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(other) => value.push(other),
                None => value.push('\\'),
            },
            (plain, false) => value.push(plain),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_usual_forms_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write(
            "a.env",
            "# comment\n\nexport A=1\nB = two words # comment\nC=\"x\\n\\\"y\\\"\"\nD='$A #'\nE=\nF=a#b\n",
        );
        write("b.env", "A=2\nG=3\n");
        let files = ["a.env".into(), "b.env".into()];
        let variables = load(&files, directory.path()).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "x\n\"y\""),
            ("D", "$A #"),
            ("E", ""),
            ("F", "a#b"),
            ("G", "3"),
        ];
        assert_eq!(
            variables,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_missing_file_and_a_bad_line_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = load(&["none.env".into()], directory.path()).unwrap_err();
        assert!(error.to_string().contains("none.env"), "{error}");
        for line in ["novalue", "1A=x", "A B=x", "=x", "A=\"open"] {
            fs::write(directory.path().join("bad.env"), format!("OK=1\n{line}\n")).unwrap();
            let error = load(&["bad.env".into()], directory.path()).unwrap_err();
            assert!(error.to_string().contains("bad.env:2"), "{line}: {error}");
        }
    }
}
