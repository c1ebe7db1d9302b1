//! `splashtail backup`: looks into backup files and checks them, without any daemon.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use splashtail_core::text;
use splashtail_iblfile::{Archive, EncryptionKind, Error, Limits, msgpack};

const PASSWORD_VARIABLE: &str = "SPLASHTAIL_BACKUP_PASSWORD";

const CORRUPT: u8 = 2;
const PASSWORD: u8 = 3;
const UNKNOWN_TYPE: u8 = 4;

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

type Opened = Archive<BufReader<File>>;

/// Exit codes: 0 fine, 1 the file cannot be read, 2 corrupt, 3 wrong or missing password,
/// 4 a kind of file that is not known.
pub fn run(args: BackupArgs) -> anyhow::Result<ExitCode> {
    let outcome = match &args.command {
        BackupCommand::Inspect { file, json } => inspect(file, *json),
        BackupCommand::Verify { file } => verify(file),
    };
    let error = match outcome {
        Ok(()) => return Ok(ExitCode::SUCCESS),
        Err(error) => error,
    };
    let Some(code) = error.downcast_ref::<Error>().and_then(exit_code) else {
        return Err(error);
    };
    writeln!(std::io::stderr(), "error: {error:#}").ok();
    Ok(ExitCode::from(code))
}

fn exit_code(error: &Error) -> Option<u8> {
    match error {
        Error::Corrupt(_) | Error::NoSuchSection(_) => Some(CORRUPT),
        Error::WrongPassword | Error::PasswordRequired => Some(PASSWORD),
        Error::UnknownType { .. }
        | Error::UnsupportedProtocol(_)
        | Error::UnsupportedEncryption(_) => Some(UNKNOWN_TYPE),
        Error::TooLarge { .. } | Error::BadSectionName(_) | Error::Io(_) => None,
    }
}

fn inspect(file: &BackupFile, as_json: bool) -> anyhow::Result<()> {
    let mut archive = open(file)?;
    let mut sections = Vec::new();
    for section in archive.sections() {
        let digest = Sha256::digest(archive.read(&section.name)?);
        sections.push((section.name, section.size, hex(&digest)));
    }
    let mut out = std::io::stdout().lock();
    if as_json {
        let sections: Vec<_> = sections
            .iter()
            .map(|(name, size, sha256)| json!({"name": name, "size": size, "sha256": sha256}))
            .collect();
        let whole = json!({
            "revision": archive.revision().number(),
            "container": archive.container().as_str(),
            "encryption": archive.encryption().id(),
            "meta": archive.meta(),
            "sections": sections,
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    let meta = archive.meta();
    writeln!(
        out,
        "type        {} (version {})",
        meta.file_type, meta.version
    )?;
    writeln!(out, "created     {}", meta.created_at.to_rfc3339())?;
    writeln!(
        out,
        "container   rev{}, {}",
        archive.revision().number(),
        archive.container().as_str().replace('_', " ")
    )?;
    let encryption = match archive.encryption() {
        EncryptionKind::None => "none",
        other => other.id(),
    };
    writeln!(out, "encryption  {encryption}")?;
    for (key, value) in &meta.extra {
        writeln!(out, "{key:<11} {value}")?;
    }
    let width = sections
        .iter()
        .map(|(name, ..)| name.len())
        .max()
        .unwrap_or_default();
    writeln!(out, "\n{:<width$}  {:>10}  sha256", "section", "bytes")?;
    for (name, size, sha256) in &sections {
        writeln!(out, "{name:<width$}  {size:>10}  {sha256}")?;
    }
    Ok(())
}

fn verify(file: &BackupFile) -> anyhow::Result<()> {
    let mut archive = open(file)?;
    let sections = archive.sections();
    let mut attachments = Vec::new();
    for section in &sections {
        let data = archive.read(&section.name)?;
        let found = decode_section(&section.name, &data)
            .with_context(|| format!("section `{}`", section.name))?;
        attachments.extend(found);
    }
    let saved = attachments.len();
    for attachment in attachments {
        let data = archive
            .read(&attachment.section)
            .with_context(|| format!("attachment `{}` is announced", attachment.section))?;
        attachment.check(&data)?;
    }
    writeln!(
        std::io::stdout(),
        "{}: intact, {} sections decoded, {saved} attachments complete",
        file.file.display(),
        sections.len()
    )?;
    Ok(())
}

/// An attachment that a message section says was stored.
struct Attachment {
    section: String,
    gzip: bool,
    size: Option<u64>,
}

impl Attachment {
    fn of(metadata: &msgpack::Value) -> Option<Self> {
        let format = metadata.get("storage_format")?.as_str()?;
        if !matches!(format, "uncompressed" | "gzip" | "jpeg_encoded") {
            return None;
        }
        let id = metadata.get("id")?.as_str()?;
        // A re-encoded image has another size than the file it was made from.
        let size = metadata.get("size").and_then(msgpack::Value::as_u64);
        Some(Self {
            section: format!("attachments/{id}"),
            gzip: format == "gzip",
            size: size.filter(|_| format != "jpeg_encoded"),
        })
    }

    fn check(&self, stored: &[u8]) -> Result<(), Error> {
        let length = if self.gzip {
            let mut plain = flate2::read::GzDecoder::new(stored);
            std::io::copy(&mut plain.by_ref().take(1 << 30), &mut std::io::sink())
                .map_err(|_| Error::Corrupt(format!("section `{}` is not gzip", self.section)))?
        } else {
            stored.len() as u64
        };
        match self.size {
            Some(size) if size != length => Err(Error::Corrupt(format!(
                "section `{}` holds {length} bytes instead of {size}",
                self.section
            ))),
            _ => Ok(()),
        }
    }
}

/// Decodes by what the name says the section holds; returns the attachments it refers to.
fn decode_section(name: &str, data: &[u8]) -> Result<Vec<Attachment>, Error> {
    let msgpack = name == "backup_opts"
        || ["core/", "dbg/", "messages/"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if msgpack {
        let value = msgpack::decode(data)?;
        let messages = value.as_array().filter(|_| name.starts_with("messages/"));
        return Ok(messages
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("attachment_metadata")?.as_array())
            .flatten()
            .filter_map(Attachment::of)
            .collect());
    }
    if name == "meta" || name.starts_with("ext/") {
        serde_json::from_slice::<serde::de::IgnoredAny>(data)
            .map_err(|error| Error::Corrupt(format!("section `{name}`: {error}")))?;
    }
    Ok(Vec::new())
}

/// Opens without a password first: only an encrypted file makes us look for one.
fn open(file: &BackupFile) -> anyhow::Result<Opened> {
    match try_open(&file.file, None) {
        Err(error) if matches!(error.downcast_ref(), Some(Error::PasswordRequired)) => {
            try_open(&file.file, Some(&password(file)?))
        }
        done => done,
    }
}

fn try_open(path: &Path, password: Option<&str>) -> anyhow::Result<Opened> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Archive::open(BufReader::new(file), password, Limits::default())
        .with_context(|| path.display().to_string())
}

fn password(file: &BackupFile) -> anyhow::Result<String> {
    if let Some(path) = &file.password_file {
        let text = text::read(path)
            .with_context(|| format!("cannot read the password file {}", path.display()))?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    match rpassword::prompt_password(format!("Password of {}: ", file.file.display())) {
        Ok(password) => Ok(password),
        Err(_) => Err(anyhow::Error::new(Error::PasswordRequired).context(format!(
            "no terminal to ask on; use --password-file or {PASSWORD_VARIABLE}"
        ))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
                .and_then(exit_code)
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
