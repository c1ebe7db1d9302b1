//! `backup extract`: the sections as files that people and programs can read.

use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use splashtail_core::data_dir::create_new_private;
use splashtail_iblfile::msgpack;

use super::BackupFile;
use super::open::{Opened, open};

/// Characters kept of a file's own name.
const LONGEST_NAME: usize = 100;
/// Bytes that a packed attachment may have when it is unpacked.
const MOST_UNPACKED: u64 = 1 << 30;

/// What a message section says about an attachment.
struct Attachment {
    name: String,
    gzip: bool,
}

/// Writes the sections into a directory.
///
/// Names of sections come from outside, so they never become paths: what is not a plain letter is
/// an underscore, and everything lies side by side. Attachments of one name are told apart by their
/// ids.
pub fn extract(file: &BackupFile, to: &Path, wanted: &[String]) -> anyhow::Result<()> {
    let mut archive = open(file)?;
    let attachments = attachments(&mut archive)?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(to);
    made.with_context(|| format!("cannot create {}", to.display()))?;
    let mut used = HashSet::new();
    let mut count = 0;
    for section in archive.sections() {
        let name = section.name;
        let is_wanted = wanted.is_empty() || wanted.iter().any(|start| name.starts_with(&**start));
        if !is_wanted {
            continue;
        }
        let attachment = name
            .strip_prefix("attachments/")
            .and_then(|id| attachments.get(id));
        let mut target = target(&name, attachment.map(|attachment| attachment.name.as_str()));
        // Two names may come to the same letters.
        while !used.insert(target.clone()) {
            target.insert(0, '_');
        }
        let path = to.join(&target);
        let mut out = create(&path)?;
        if is_msgpack(&name) {
            let value = msgpack::decode(&archive.read(&name)?)?;
            serde_json::to_writer_pretty(&mut out, &value.to_json())?;
        } else {
            let section = archive.section(&name)?;
            copy(
                section,
                &mut out,
                attachment.is_some_and(|attachment| attachment.gzip),
            )
            .with_context(|| format!("cannot write {}", path.display()))?;
        }
        out.sync_all()
            .with_context(|| format!("cannot write {}", path.display()))?;
        count += 1;
    }
    writeln!(io::stdout(), "{count} sections are in {}", to.display())?;
    Ok(())
}

fn copy(section: impl Read, out: &mut File, gzip: bool) -> io::Result<()> {
    if gzip {
        let mut plain = GzDecoder::new(section).take(MOST_UNPACKED);
        return io::copy(&mut plain, out).map(drop);
    }
    let mut section = section;
    io::copy(&mut section, out).map(drop)
}

/// Private: a backup holds what was said in closed rooms.
fn create(path: &Path) -> anyhow::Result<File> {
    let file = create_new_private(path);
    file.with_context(|| format!("cannot create {}: nothing is overwritten", path.display()))
}

fn is_msgpack(name: &str) -> bool {
    name == "backup_opts"
        || ["core/", "dbg/", "messages/"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// The name of a section's file.
fn target(section: &str, uploaded_as: Option<&str>) -> String {
    let stem = plain(section);
    if let Some(name) = uploaded_as {
        return format!("{stem}-{}", plain(name));
    }
    match section {
        name if is_msgpack(name) || name == "meta" || name.starts_with("ext/") => {
            format!("{stem}.json")
        }
        name if name.starts_with("assets/") => format!("{stem}.jpg"),
        _ => stem,
    }
}

fn plain(name: &str) -> String {
    let letter = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => c,
        _ => '_',
    };
    let name: String = name.chars().map(letter).take(LONGEST_NAME).collect();
    // No hidden files, and no `..`.
    name.trim_start_matches('.').to_owned()
}

/// Names and storage of all attachments, by id.
fn attachments(archive: &mut Opened) -> anyhow::Result<HashMap<String, Attachment>> {
    let mut found = HashMap::new();
    for section in archive.sections() {
        if !section.name.starts_with("messages/") {
            continue;
        }
        let messages = msgpack::decode(&archive.read(&section.name)?)?;
        let entries = messages.as_array().into_iter().flatten();
        let metadata = entries.filter_map(|entry| entry.get("attachment_metadata")?.as_array());
        for attachment in metadata.flatten() {
            let text = |name: &str| attachment.get(name).and_then(msgpack::Value::as_str);
            let (Some(id), Some(name)) = (text("id"), text("name")) else {
                continue;
            };
            let gzip = text("storage_format") == Some("gzip");
            let name = name.to_owned();
            found.insert(id.to_owned(), Attachment { name, gzip });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sections_never_become_paths() {
        for (section, uploaded, expected) in [
            ("core/guild", None, "core_guild.json"),
            ("../../etc/passwd", None, "_.._etc_passwd"),
            ("attachments/5", Some("a.png"), "attachments_5-a.png"),
            (
                "attachments/5",
                Some("../x\u{202e}.sh"),
                "attachments_5-_x_.sh",
            ),
            ("assets/guildIcon", None, "assets_guildIcon.jpg"),
            ("ext/messages/7", None, "ext_messages_7.json"),
        ] {
            assert_eq!(target(section, uploaded), expected);
        }
    }

    #[test]
    fn a_whole_file_is_written_and_nothing_is_overwritten() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../iblfile/tests/vectors/aes256-rev7.iblfile");
        let directory = tempfile::tempdir().unwrap();
        let password = directory.path().join("password");
        std::fs::write(&password, "correct horse\n").unwrap();
        let file = BackupFile {
            file,
            password_file: Some(password),
        };
        let to = directory.path().join("out");
        extract(&file, &to, &["core/".to_owned()]).unwrap();
        let text = std::fs::read_to_string(to.join("core_guild.json")).unwrap();
        let guild: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(guild["id"].is_string(), "{guild}");
        let again = extract(&file, &to, &["core/".to_owned()]).unwrap_err();
        assert!(
            again.to_string().contains("nothing is overwritten"),
            "{again}"
        );
        extract(&file, &directory.path().join("all"), &[]).unwrap();
    }
}
