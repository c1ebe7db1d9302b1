//! `splashtail backup diff`: how two backups of a server differ.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use splashtail_core::password;
use splashtail_iblfile::Error;

use crate::compare::{self, Difference};
use crate::restore::error::RestoreError;
use crate::restore::file::{self, BackupFile};

const LARGEST: u64 = 2_000_000_000;
const DIFFERENT: u8 = 10;
const UNREADABLE: u8 = 1;
const DAMAGED: u8 = 2;
const UNKNOWN_TYPE: u8 = 4;

/// `splashtail-jobserver compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    before: PathBuf,
    after: PathBuf,
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

/// Exit codes: 0 no difference, 10 they differ, 1 a file cannot be read, 2 it is damaged, 3 its password
/// is wrong or missing, 4 it is no backup that is known.
pub fn run(args: &CompareArgs) -> ExitCode {
    let done = differences(args).and_then(|found| show(&found, args.json).map(|()| found));
    match done {
        Ok(found) if found.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(DIFFERENT),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn differences(args: &CompareArgs) -> anyhow::Result<Vec<Difference>> {
    let mut password = password::given(args.password_file.as_deref())?;
    let before = open(&args.before, &mut password)?;
    let after = open(&args.after, &mut password)?;
    Ok(compare::differences(&before, &after))
}

/// Asks for the password when none was given and the file has one; both files are tried with it.
fn open(path: &Path, password: &mut Option<String>) -> anyhow::Result<BackupFile> {
    let shown = path.display();
    let read = |password: Option<&str>| {
        let opened = std::fs::File::open(path);
        let opened = opened.with_context(|| format!("cannot read {shown}"))?;
        let read = file::open(opened, password, LARGEST);
        read.map_err(|error| anyhow::Error::new(error).context(shown.to_string()))
    };
    let done = read(password.as_deref());
    let lacks = |error: &anyhow::Error| matches!(of_file(error), Some(Error::PasswordRequired));
    if !done.as_ref().is_err_and(lacks) {
        return done;
    }
    let asked = password::ask(path)
        .ok_or(Error::PasswordRequired)
        .with_context(|| {
            let variable = password::VARIABLE;
            format!("{shown} has a password: use --password-file or the variable {variable}")
        })?;
    read(Some(password.insert(asked)))
}

fn of_file(error: &anyhow::Error) -> Option<&Error> {
    match error.downcast_ref() {
        Some(RestoreError::Container(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

/// As the other commands about backup files answer.
fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        Some(RestoreError::OtherFile(_)) => UNKNOWN_TYPE,
        Some(RestoreError::Section { .. }) => DAMAGED,
        _ => of_file(error)
            .and_then(Error::exit_code)
            .unwrap_or(UNREADABLE),
    }
}

fn show(found: &[Difference], as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", json!({"differences": found}))?;
        return Ok(());
    }
    if found.is_empty() {
        writeln!(out, "There is no difference.")?;
    }
    for one in found {
        writeln!(out, "{} {} {} ({})", one.change, one.kind, one.name, one.id)?;
        for (field, [old, new]) in &one.fields {
            writeln!(out, "    {field}: {old} -> {new}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_its_exit_code() {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/iblfile/tests/vectors");
        let directory = tempfile::tempdir().unwrap();
        let wrong = directory.path().join("password");
        std::fs::write(&wrong, "wrong\n").unwrap();
        let answer = |file: PathBuf| {
            let args = CompareArgs {
                before: file.clone(),
                after: file,
                password_file: Some(wrong.clone()),
                json: false,
            };
            let error = differences(&args).unwrap_err();
            (exit_code(&error), format!("{error:#}"))
        };
        let (code, message) = answer(vectors.join("aes256-rev7.iblfile"));
        assert_eq!(code, 3, "{message}");
        assert!(message.contains("password"), "{message}");
        assert_eq!(answer(vectors.join("absent.iblfile")).0, 1);
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = std::fs::read(vectors.join("plain-rev6.iblfile")).unwrap();
            change(&mut bytes);
            let path = directory.path().join("changed.iblfile");
            std::fs::write(&path, bytes).unwrap();
            answer(path).0
        };
        assert_eq!(changed(&|bytes| bytes.truncate(700)), 2);
        let unknown = changed(&|bytes| {
            let mut places = bytes.windows(13);
            let at = places.position(|found| found == b"backup.server").unwrap();
            bytes[at..at + 13].copy_from_slice(b"backup.galaxy");
        });
        assert_eq!(unknown, 4);
    }
}
