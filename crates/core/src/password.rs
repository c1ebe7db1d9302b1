//! Where the password of a backup comes from, the same for every command that opens one.

use std::io;
use std::path::{Path, PathBuf};

use crate::text;

/// Asked when no file is named.
pub const VARIABLE: &str = "SPLASHTAIL_BACKUP_PASSWORD";

/// A password file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the password file {}", path.display())]
pub struct Unreadable {
    path: PathBuf,
    source: io::Error,
}

/// What was given: the file's text without its line end, else the variable; `None`: neither.
///
/// # Errors
/// The file cannot be read.
pub fn given(file: Option<&Path>) -> Result<Option<String>, Unreadable> {
    let Some(path) = file else {
        return Ok(std::env::var(VARIABLE).ok());
    };
    let text = text::read(path).map_err(|source| Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Asks whoever sits at the terminal for the password of this file; `None`: there is no terminal.
pub fn ask(of: &Path) -> Option<String> {
    rpassword::prompt_password(format!("Password of {}: ", of.display())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_end_and_the_mark_of_an_editor_are_no_part_of_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff} correct horse \r\n").unwrap();
        let read = given(Some(file.path())).unwrap();
        assert_eq!(read.unwrap(), " correct horse ");
        let absent = file.path().join("absent");
        let error = given(Some(&absent)).unwrap_err().to_string();
        assert!(error.contains("password file"), "{error}");
    }
}
