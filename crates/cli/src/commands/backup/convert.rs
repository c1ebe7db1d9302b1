//! `backup convert` and `backup rekey`: the same sections in another file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use splashtail_core::text;
use splashtail_iblfile::{
    DerivedKey, Encryption, EncryptionKind, Limits, Meta, PROTOCOL_REV7, PublicKey, Writer,
};
use tempfile::NamedTempFile;

use super::BackupFile;
use super::open::{Opened, open, open_with_password};

const LONGEST_PASSWORD: usize = 1024;

/// Any revision becomes the present one.
pub fn convert(file: &BackupFile, output: &Path) -> anyhow::Result<()> {
    let (archive, password) = open_with_password(file)?;
    let encryption = match (archive.encryption(), password) {
        (EncryptionKind::None, _) => Encryption::None,
        (EncryptionKind::Pem, Some(private)) => {
            let public = PublicKey::of_private(&private);
            let public = public.context("the file was opened by something else than its key")?;
            Encryption::Pem(public.seal()?)
        }
        (_, Some(password)) => Encryption::Aes256(DerivedKey::generate(&password)),
        (_, None) => bail!("the password of {} is not known", file.file.display()),
    };
    let from = archive.revision().number();
    write(archive, output, &encryption)?;
    let shown = output.display();
    writeln!(
        io::stdout(),
        "{shown}: revision 7, made from revision {from}"
    )?;
    Ok(())
}

/// What opens the new file.
pub enum NewKey<'a> {
    /// Nobody needs anything.
    Nothing,
    /// In a file, or typed.
    Password(Option<&'a Path>),
    /// The other half of the one in this file.
    PublicKey(&'a Path),
}

/// The same file for somebody else.
pub fn rekey(file: &BackupFile, output: &Path, new: &NewKey<'_>) -> anyhow::Result<()> {
    let archive = open(file)?;
    let (encryption, how) = match new {
        NewKey::Nothing => (Encryption::None, "without a password"),
        NewKey::Password(path) => {
            let key = DerivedKey::generate(&new_password(*path)?);
            (Encryption::Aes256(key), "under the new password")
        }
        NewKey::PublicKey(path) => {
            let shown = path.display();
            let read = text::read(path);
            let read = read.with_context(|| format!("cannot read the key file {shown}"))?;
            let key = PublicKey::parse(&read).with_context(|| shown.to_string())?;
            let how = "for whoever has the private half of the key";
            (Encryption::Pem(key.seal()?), how)
        }
    };
    write(archive, output, &encryption)?;
    writeln!(io::stdout(), "{}: {how}", output.display())?;
    Ok(())
}

fn new_password(path: Option<&Path>) -> anyhow::Result<String> {
    let password = match path {
        Some(path) => {
            let read = text::read(path);
            let read =
                read.with_context(|| format!("cannot read the password file {}", path.display()))?;
            read.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => {
            let asked = rpassword::prompt_password("New password: ");
            let asked = asked.map_err(|_| {
                anyhow!("no terminal to ask for the new password on; use --new-password-file")
            })?;
            if rpassword::prompt_password("Once more: ")? != asked {
                bail!("the two passwords are not the same");
            }
            asked
        }
    };
    match password.len() {
        0 => bail!("the new password is empty; --no-password leaves the file without one"),
        1..=LONGEST_PASSWORD => Ok(password),
        _ => bail!("the new password is longer than {LONGEST_PASSWORD} bytes"),
    }
}

/// Writes beside the target and moves it there when it is whole. Nothing is overwritten.
fn write(mut archive: Opened, output: &Path, encryption: &Encryption) -> anyhow::Result<()> {
    let shown = output.display();
    if output.exists() {
        bail!("{shown} exists already; nothing is overwritten");
    }
    let directory = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = NamedTempFile::new_in(directory);
    let mut file = file.with_context(|| format!("cannot write beside {shown}"))?;
    let limits = Limits {
        max_total: u64::MAX >> 1,
        max_member: u64::MAX >> 1,
        max_members: usize::MAX,
    };
    let mut writer = Writer::new(file.as_file_mut(), limits)?;
    for section in archive.sections() {
        // The container's own: the new one has others.
        if section.name == "meta" || section.name.starts_with("sec/") {
            continue;
        }
        let data = archive.section(&section.name)?;
        writer
            .add_reader(&section.name, data)
            .with_context(|| format!("cannot copy section `{}`", section.name))?;
    }
    let meta = Meta {
        protocol: PROTOCOL_REV7.to_owned(),
        ..archive.meta().clone()
    };
    let written: &mut File = writer.finish(&meta, encryption)?;
    written
        .sync_all()
        .with_context(|| format!("cannot write {shown}"))?;
    file.persist_noclobber(output)
        .with_context(|| format!("cannot write {shown}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn vector(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../iblfile/tests/vectors")
            .join(name)
    }

    struct Room(tempfile::TempDir);

    impl Room {
        fn file(&self, file: PathBuf, password: &str) -> BackupFile {
            let path = self.0.path().join(format!("password-{}", password.len()));
            std::fs::write(&path, format!("{password}\n")).unwrap();
            BackupFile {
                file,
                password_file: Some(path),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
    }

    fn room() -> Room {
        Room(tempfile::tempdir().unwrap())
    }

    /// All sections but the container's own.
    fn content(file: &BackupFile) -> Vec<(String, Vec<u8>)> {
        let mut archive = open(file).unwrap();
        let names = archive.sections().into_iter().map(|section| section.name);
        let own = |name: &String| name == "meta" || name.starts_with("sec/");
        let names: Vec<_> = names.filter(|name| !own(name)).collect();
        let mut content: Vec<_> = names
            .into_iter()
            .map(|name| {
                let data = archive.read(&name).unwrap();
                (name, data)
            })
            .collect();
        content.sort();
        content
    }

    #[test]
    fn every_revision_becomes_the_present_one_with_the_same_content() {
        let room = room();
        for (name, password) in [
            ("plain-rev6.iblfile", "none"),
            ("aes256-rev6.iblfile", "correct horse"),
            ("plain-rev7.iblfile", "none"),
            ("persection-aes256-rev7.iblfile", "secretpw"),
            ("altwriter-plain-rev7.iblfile", "none"),
        ] {
            let old = room.file(vector(name), password);
            let output = room.path(name);
            convert(&old, &output).unwrap();
            let new = room.file(output, password);
            let (before, after) = (open(&old).unwrap(), open(&new).unwrap());
            assert_eq!(after.revision().number(), 7, "{name}");
            assert_eq!(after.container().as_str(), "full_file", "{name}");
            assert_eq!(after.encryption(), before.encryption(), "{name}");
            assert_eq!(after.meta().created_at, before.meta().created_at, "{name}");
            assert_eq!(content(&new), content(&old), "{name}");
        }
    }

    #[test]
    fn a_new_password_opens_the_new_file_and_the_old_one_does_not() {
        let room = room();
        let old = room.file(vector("aes256-rev7.iblfile"), "correct horse");
        let new = room.path("new-password");
        std::fs::write(&new, "battery staple\n").unwrap();
        let output = room.path("out.iblfile");
        rekey(&old, &output, &NewKey::Password(Some(&new))).unwrap();
        let rekeyed = room.file(output.clone(), "battery staple");
        assert_eq!(content(&rekeyed), content(&old));
        assert!(open(&room.file(output.clone(), "correct horse")).is_err());
        assert!(
            rekey(&old, &output, &NewKey::Password(Some(&new))).is_err(),
            "nothing is overwritten"
        );
        let open_file = room.path("open.iblfile");
        rekey(&rekeyed, &open_file, &NewKey::Nothing).unwrap();
        let opened = room.file(open_file, "whatever");
        assert_eq!(open(&opened).unwrap().encryption(), EncryptionKind::None);
        assert_eq!(content(&opened), content(&old));
    }

    #[test]
    fn an_empty_password_is_refused() {
        let room = room();
        let empty = room.path("empty");
        std::fs::write(&empty, "\n").unwrap();
        let old = room.file(vector("plain-rev7.iblfile"), "none");
        let new = NewKey::Password(Some(&empty));
        let error = rekey(&old, &room.path("x"), &new).unwrap_err();
        assert!(error.to_string().contains("--no-password"), "{error}");
    }

    #[test]
    fn what_is_for_a_private_key_stays_so_until_somebody_says_otherwise() {
        let room = room();
        let key = |name: &str| {
            let keys = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../jobserver/tests/suite/support/keys");
            keys.join(name)
        };
        let private = std::fs::read_to_string(key("private.pem")).unwrap();
        let old = room.file(vector("aes256-rev7.iblfile"), "correct horse");
        let output = room.path("theirs.iblfile");
        let public = key("public.pem");
        rekey(&old, &output, &NewKey::PublicKey(&public)).unwrap();
        let theirs = room.file(output.clone(), &private);
        assert_eq!(open(&theirs).unwrap().encryption(), EncryptionKind::Pem);
        assert_eq!(content(&theirs), content(&old));
        assert!(open(&room.file(output, "correct horse")).is_err());
        let again = room.path("again.iblfile");
        convert(&theirs, &again).unwrap();
        let again = room.file(again, &private);
        assert_eq!(open(&again).unwrap().encryption(), EncryptionKind::Pem);
        let wrong = NewKey::PublicKey(&theirs.file);
        assert!(rekey(&old, &room.path("x"), &wrong).is_err());
    }
}
