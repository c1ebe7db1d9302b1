//! `splashtail backup`: looks into backup files and checks them, without any daemon.

mod convert;
mod extract;
mod inspect;
mod open;
mod rehearse;
mod verify;

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::anyhow;
use convert::NewKey;
use splashtail_iblfile::Error;

use crate::supervisor::sibling;

/// `splashtail backup …`
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: BackupCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BackupCommand {
    /// List the sections of a backup file.
    Inspect {
        #[command(flatten)]
        file: BackupFile,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Decode every section of a backup file.
    Verify {
        #[command(flatten)]
        file: BackupFile,
    },
    /// Write the sections of a backup file into a directory, readable
    Extract {
        #[command(flatten)]
        file: BackupFile,
        /// The directory; it is made, and nothing in it is overwritten.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Only sections whose name begins so; may be repeated.
        #[arg(long, value_name = "NAME")]
        section: Vec<String>,
    },
    /// Say how two backups differ
    Diff {
        /// The older one.
        before: PathBuf,
        /// The newer one.
        after: PathBuf,
        /// File with the password of both.
        #[arg(long, value_name = "PATH")]
        password_file: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write a file of any revision as one of the present revision, under the same password
    Convert {
        #[command(flatten)]
        file: BackupFile,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Write a file under another password, for the holder of a private key, or for everybody
    Rekey {
        #[command(flatten)]
        file: BackupFile,
        /// The new file.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// File with the new password; without it the new password is asked for.
        #[arg(long, value_name = "PATH", conflicts_with = "no_password")]
        new_password_file: Option<PathBuf>,
        /// File with an RSA public key of 2048 bits in PEM: only its private half opens the new file, given
        /// as --password-file.
        #[arg(long, value_name = "PATH", conflicts_with_all = ["no_password", "new_password_file"])]
        public_key: Option<PathBuf>,
        /// Leave the new file readable for everybody.
        #[arg(long)]
        no_password: bool,
    },
    /// Restore a file into an empty simulated server and say what would be missing
    Rehearse {
        #[command(flatten)]
        file: BackupFile,
        /// Post the messages, too, at the speed that Discord allows.
        #[arg(long)]
        messages: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct BackupFile {
    /// The `.iblfile` to read.
    file: PathBuf,
    /// File that holds the password. Without it the environment variable
    /// SPLASHTAIL_BACKUP_PASSWORD is used, else the password is asked for.
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
}

/// Exit codes: 0 fine, 1 the file cannot be read, 2 corrupt, 3 wrong or missing password,
/// 4 a kind of file that is not known.
pub async fn run(args: BackupArgs) -> anyhow::Result<ExitCode> {
    let outcome = match &args.command {
        BackupCommand::Inspect { file, json } => inspect::inspect(file, *json),
        BackupCommand::Verify { file } => verify::verify(file),
        BackupCommand::Extract { file, to, section } => extract::extract(file, to, section),
        BackupCommand::Convert { file, output } => convert::convert(file, output),
        BackupCommand::Rekey {
            file,
            output,
            new_password_file,
            public_key,
            no_password,
        } => {
            let new = match (public_key, no_password) {
                (Some(key), _) => NewKey::PublicKey(key),
                (None, true) => NewKey::Nothing,
                (None, false) => NewKey::Password(new_password_file.as_deref()),
            };
            convert::rekey(file, output, &new)
        }
        BackupCommand::Diff { .. } => return diff(&args.command),
        BackupCommand::Rehearse {
            file,
            messages,
            json,
        } => {
            return rehearse::rehearse(file, *messages, *json).await;
        }
    };
    let error = match outcome {
        Ok(()) => return Ok(ExitCode::SUCCESS),
        Err(error) => error,
    };
    let Some(code) = error.downcast_ref::<Error>().and_then(Error::exit_code) else {
        return Err(error);
    };
    writeln!(std::io::stderr(), "error: {error:#}").ok();
    Ok(ExitCode::from(code))
}

/// The jobserver's binary knows what the sections mean: it takes over.
fn diff(command: &BackupCommand) -> anyhow::Result<ExitCode> {
    let BackupCommand::Diff {
        before,
        after,
        password_file,
        json,
    } = command
    else {
        return Ok(ExitCode::FAILURE);
    };
    let program = sibling("splashtail-jobserver")?;
    let mut comparing = Command::new(&program);
    comparing.arg("compare").args([before, after]);
    if let Some(path) = password_file {
        comparing.arg("--password-file").arg(path);
    }
    if *json {
        comparing.arg("--json");
    }
    let error = comparing.exec();
    Err(anyhow!(error).context(format!("cannot start {}", program.display())))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::verify::verify;
    use super::*;

    const CORRUPT: u8 = 2;
    const PASSWORD: u8 = 3;
    const UNKNOWN_TYPE: u8 = 4;

    fn vector(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../iblfile/tests/vectors")
            .join(name)
    }

    fn exit(file: PathBuf, password: Option<&str>) -> Option<u8> {
        let directory = tempfile::tempdir().unwrap();
        let password_file = directory.path().join("password");
        std::fs::write(&password_file, format!("{}\n", password.unwrap_or("none"))).unwrap();
        let file = BackupFile {
            file,
            password_file: Some(password_file),
        };
        verify(&file).err().map(|error| {
            error
                .downcast_ref::<Error>()
                .and_then(Error::exit_code)
                .unwrap_or(1)
        })
    }

    fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
        let mut bytes = std::fs::read(vector(name)).unwrap();
        change(&mut bytes);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (directory, path)
    }

    #[test]
    fn every_sample_verifies() {
        for (name, password) in [
            ("plain-rev7.iblfile", None),
            ("aes256-rev7.iblfile", Some("correct horse")),
            ("plain-rev6.iblfile", None),
            ("aes256-rev6.iblfile", Some("correct horse")),
            ("persection-aes256-rev7.iblfile", Some("secretpw")),
            ("altwriter-plain-rev7.iblfile", None),
        ] {
            assert_eq!(exit(vector(name), password), None, "{name}");
        }
    }

    #[test]
    fn each_problem_has_its_exit_code() {
        assert_eq!(
            exit(vector("aes256-rev7.iblfile"), Some("wrong")),
            Some(PASSWORD)
        );
        let (_keep, damaged) = changed("aes256-rev7.iblfile", |bytes| bytes[5000] ^= 1);
        assert_eq!(exit(damaged, Some("correct horse")), Some(CORRUPT));
        let (_keep, cut) = changed("plain-rev7.iblfile", |bytes| bytes.truncate(4000));
        assert_eq!(exit(cut, None), Some(CORRUPT));
        let (_keep, unknown) = changed("plain-rev6.iblfile", |bytes| {
            let at = bytes
                .windows(13)
                .position(|w| w == b"backup.server")
                .unwrap();
            bytes[at..at + 13].copy_from_slice(b"backup.galaxy");
        });
        assert_eq!(exit(unknown, None), Some(UNKNOWN_TYPE));
        assert_eq!(exit(vector("absent.iblfile"), None), Some(1));
    }

    #[test]
    fn messages_about_passwords_say_password() {
        for error in [Error::WrongPassword, Error::PasswordRequired] {
            assert!(error.to_string().contains("password"));
        }
    }
}
