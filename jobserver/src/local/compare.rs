//! `splashtail backup diff`: how two backups of a server differ.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};
use splashtail_core::password;
use splashtail_guild::{Id, Kind, Structure, compare};
use splashtail_iblfile::Error;

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

/// One difference.
#[derive(Debug, PartialEq)]
struct Found {
    change: &'static str,
    kind: String,
    id: String,
    name: String,
    /// Field, and what it was and is.
    fields: BTreeMap<String, [Value; 2]>,
}

fn differences(args: &CompareArgs) -> anyhow::Result<Vec<Found>> {
    let mut password = password::given(args.password_file.as_deref())?;
    let before = open(&args.before, &mut password)?;
    let after = open(&args.after, &mut password)?;
    let mut found = structure(&before.wanted, &after.wanted);
    found.extend(messages(&before, &after));
    Ok(found)
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

fn structure(before: &Structure, after: &Structure) -> Vec<Found> {
    // The older one is "live", the newer one "wanted": what is missing live has been added.
    let compared = compare(before, after);
    let item = |change, structure: &Structure, kind: Kind, id: Id| Found {
        change,
        kind: json!(kind).as_str().unwrap_or_default().to_owned(),
        id: id.to_string(),
        name: structure
            .get(kind, id)
            .and_then(|object| object["name"].as_str())
            .unwrap_or_default()
            .to_owned(),
        fields: BTreeMap::new(),
    };
    let mut found = Vec::new();
    for (kind, id) in compared.surplus {
        found.push(item("removed", before, kind, id));
    }
    for (kind, id) in compared.missing {
        found.push(item("added", after, kind, id));
    }
    for difference in compared.changed {
        let mut changed = item("changed", after, difference.kind, difference.wanted);
        for field in difference.fields {
            changed
                .fields
                .insert(field.field.to_owned(), [field.live, field.wanted]);
        }
        found.push(changed);
    }
    for kind in compared.not_known {
        found.push(Found {
            change: "not comparable",
            kind: json!(kind).as_str().unwrap_or_default().to_owned(),
            id: String::new(),
            name: String::new(),
            fields: BTreeMap::new(),
        });
    }
    // What both files lack is no difference.
    found.retain(|one| one.change != "not comparable" || known_once(one, before, after));
    found
}

fn known_once(found: &Found, before: &Structure, after: &Structure) -> bool {
    let kind: Option<Kind> = serde_json::from_value(found.kind.clone().into()).ok();
    kind.is_some_and(|kind| before.knows(kind) != after.knows(kind))
}

/// Channels whose number of saved messages differs.
fn messages(before: &BackupFile, after: &BackupFile) -> Vec<Found> {
    let channels: std::collections::BTreeSet<&String> = before
        .messages
        .keys()
        .chain(after.messages.keys())
        .collect();
    let mut found = Vec::new();
    for channel in channels {
        let count = |file: &BackupFile| file.messages.get(channel).copied().unwrap_or_default();
        let (old, new) = (count(before), count(after));
        if old != new {
            found.push(Found {
                change: "changed",
                kind: "messages".to_owned(),
                id: channel.clone(),
                name: file::channel_name(&after.wanted, channel),
                fields: BTreeMap::from([("count".to_owned(), [json!(old), json!(new)])]),
            });
        }
    }
    found
}

fn show(found: &[Found], as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let list: Vec<Value> = found
            .iter()
            .map(|one| {
                json!({"change": one.change, "kind": one.kind, "id": one.id, "name": one.name,
                       "fields": one.fields})
            })
            .collect();
        writeln!(out, "{}", json!({"differences": list}))?;
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
    use splashtail_guild::Parts;

    use super::*;

    fn server(roles: Value, channels: Value) -> Structure {
        let guild = json!({"id": "1", "name": "S", "roles": roles, "emojis": [], "stickers": []});
        let parts = Parts {
            channels: channels.as_array().cloned(),
            ..Parts::default()
        };
        Structure::from_rest(&guild, parts).unwrap()
    }

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

    #[test]
    fn additions_removals_and_changes_are_named() {
        let everyone = json!({"id": "1", "name": "@everyone", "permissions": "0", "position": 0});
        let role = |id: &str, name: &str, color: u32| json!({"id": id, "name": name, "color": color, "permissions": "0", "position": 1});
        let before = server(
            json!([everyone, role("5", "Mods", 1), role("6", "Gone", 0)]),
            json!([{"id": "9", "type": 0, "name": "a", "position": 0}]),
        );
        let after = server(
            json!([everyone, role("5", "Mods", 2), role("7", "New", 3)]),
            json!([{"id": "9", "type": 0, "name": "a", "position": 0}]),
        );
        let found = structure(&before, &after);
        let has = |change: &str, name: &str| {
            found
                .iter()
                .any(|one| one.change == change && one.name == name)
        };
        assert!(
            has("removed", "Gone") && has("added", "New") && has("changed", "Mods"),
            "{found:?}"
        );
        assert_eq!(structure(&before, &before), []);
    }
}
