//! Opening a file, and where its password comes from.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context as _;
use splashtail_core::password;
use splashtail_iblfile::{Archive, Error, Limits};

use super::BackupFile;

/// Largest file and section that is read here.
const LIMITS: Limits = Limits {
    max_total: 16 << 30,
    max_member: 2 << 30,
    max_members: 1_000_000,
};

pub type Opened = Archive<BufReader<File>>;

/// Opens a file, asking for its password only when it has one.
pub fn open(file: &BackupFile) -> anyhow::Result<Opened> {
    open_with_password(file).map(|(archive, _)| archive)
}

/// The same, with the password that opened it.
pub fn open_with_password(file: &BackupFile) -> anyhow::Result<(Opened, Option<String>)> {
    match try_open(&file.file, None) {
        Err(error) if matches!(error.downcast_ref(), Some(Error::PasswordRequired)) => {
            let password = password(file)?;
            let archive = try_open(&file.file, Some(&password))?;
            Ok((archive, Some(password)))
        }
        done => Ok((done?, None)),
    }
}

fn try_open(path: &Path, password: Option<&str>) -> anyhow::Result<Opened> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Archive::open(BufReader::new(file), password, LIMITS)
        .with_context(|| path.display().to_string())
}

fn password(file: &BackupFile) -> anyhow::Result<String> {
    if let Some(given) = password::given(file.password_file.as_deref())? {
        return Ok(given);
    }
    password::ask(&file.file)
        .ok_or(Error::PasswordRequired)
        .with_context(|| {
            let variable = password::VARIABLE;
            format!("no terminal to ask on; use --password-file or {variable}")
        })
}
