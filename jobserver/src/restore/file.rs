//! What a backup file says: the structure of a server as it was, and what else it holds.

use std::collections::BTreeMap;
use std::io::Cursor;

use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};
use splashtail_guild::{Id, Kind, Parts, Structure};
use splashtail_iblfile::{Archive, FileType, Limits, msgpack};

use super::error::RestoreError;
use crate::backup::dialect::{self, join};

const GUILD: &str = "core/guild";

/// A backup that was read and found whole.
#[derive(Debug)]
pub struct BackupFile {
    pub wanted: Structure,
    pub created_at: DateTime<FixedOffset>,
    /// Sections with messages: channel and how many there are.
    pub messages: BTreeMap<String, usize>,
    /// Threads, archived ones included.
    pub threads: usize,
    /// Channels that were hidden from the bot then.
    pub hidden: usize,
}

/// Opens a file and reads every section that a restore needs, so that damage is found before
/// anything is touched.
///
/// # Errors
/// A file that is damaged, locked or none of a server.
pub fn open(
    bytes: Vec<u8>,
    password: Option<&str>,
    max_body_size: u64,
) -> Result<BackupFile, RestoreError> {
    let limits = Limits::with_total(max_body_size);
    let mut archive =
        Archive::open(Cursor::new(bytes), password, limits).map_err(RestoreError::Container)?;
    let (file_type, created_at) = {
        let meta = archive.meta();
        (meta.file_type.clone(), meta.created_at)
    };
    if file_type != FileType::SERVER_BACKUP.name {
        return Err(RestoreError::OtherFile(file_type));
    }
    let section = read_msgpack(&mut archive, GUILD)?;
    let rest = read_json(&mut archive, "ext/guild")?;
    let mut guild = join(&section, rest.as_ref(), &dialect::GUILD);
    let coverage = read_json(&mut archive, "ext/coverage")?;
    let channels = guild["channels"].as_array().cloned();
    let channels = channels.ok_or_else(|| RestoreError::section(GUILD, "it has no channels"))?;
    // A list inside the guild would count as the gateway's, which names hidden channels, too.
    if let Some(guild) = guild.as_object_mut() {
        guild.shift_remove("channels");
    }
    if !guild["roles"].is_array() {
        return Err(RestoreError::section(GUILD, "it has no roles"));
    }
    let hidden = hidden(coverage.as_ref());
    let count = hidden.as_ref().map_or(0, Vec::len);
    let mut gateway = None;
    if let Some(hidden) = hidden {
        gateway = Some(channels.iter().cloned().chain(hidden).collect());
    }
    let mut parts = Parts {
        channels: Some(channels),
        gateway_channels: gateway,
        ..Parts::default()
    };
    for (name, into) in [
        ("ext/automod_rules", &mut parts.automod_rules),
        ("ext/scheduled_events", &mut parts.scheduled_events),
        ("ext/sounds", &mut parts.sounds),
    ] {
        if let Some(Value::Array(list)) = read_json(&mut archive, name)? {
            *into = Some(list);
        }
    }
    let wanted = Structure::from_rest(&guild, parts);
    let wanted = wanted.ok_or_else(|| RestoreError::section(GUILD, "it has no id"))?;
    let threads = read_json(&mut archive, "ext/threads")?;
    Ok(BackupFile {
        wanted,
        created_at,
        messages: messages(&mut archive)?,
        threads: threads
            .as_ref()
            .and_then(Value::as_array)
            .map_or(0, Vec::len),
        hidden: count,
    })
}

type Opened = Archive<Cursor<Vec<u8>>>;

/// Channels as the gateway would have listed them beside the visible ones; `None` when whoever made
/// the backup did not know of them.
fn hidden(coverage: Option<&Value>) -> Option<Vec<Value>> {
    let coverage = coverage.filter(|coverage| coverage["exact"] == true)?;
    let hidden = coverage["hidden"].as_array().cloned().unwrap_or_default();
    let stub = |channel: Value| {
        let deny = json!([]);
        json!({"id": channel["id"], "type": channel["type"], "parent_id": channel["parent_id"],
               "flags": splashtail_guild::HIDDEN_FLAG, "name": splashtail_guild::HIDDEN_NAME,
               "permission_overwrites": deny})
    };
    Some(hidden.into_iter().map(stub).collect())
}

/// Sections are decoded, not only counted: what is damaged is found now.
fn messages(archive: &mut Opened) -> Result<BTreeMap<String, usize>, RestoreError> {
    let mut counted = BTreeMap::new();
    let names: Vec<String> = archive.sections().into_iter().map(|s| s.name).collect();
    for name in names {
        let Some(channel) = name.strip_prefix("messages/") else {
            continue;
        };
        let list = read_msgpack(archive, &name)?;
        let list = list.as_array();
        let list = list.ok_or_else(|| RestoreError::section(&name, "it is no list"))?;
        counted.insert(channel.to_owned(), list.len());
    }
    Ok(counted)
}

fn read_msgpack(archive: &mut Opened, name: &str) -> Result<msgpack::Value, RestoreError> {
    let bytes = archive.read(name).map_err(RestoreError::Container)?;
    msgpack::decode(&bytes).map_err(|error| RestoreError::section(name, error.to_string()))
}

fn read_json(archive: &mut Opened, name: &str) -> Result<Option<Value>, RestoreError> {
    if !archive.contains(name) {
        return Ok(None);
    }
    let bytes = archive.read(name).map_err(RestoreError::Container)?;
    let value = serde_json::from_slice(&bytes);
    value
        .map(Some)
        .map_err(|error| RestoreError::section(name, error.to_string()))
}

/// What the file holds of a kind, whether the live server is known to have it or not.
pub fn count(structure: &Structure, kind: Kind) -> usize {
    structure.all(kind).count()
}

/// The name of a channel in a structure.
pub fn channel_name(structure: &Structure, id: &str) -> String {
    let channel = id.parse::<Id>().ok();
    let channel = channel.and_then(|id| structure.get(Kind::Channel, id));
    channel
        .and_then(|c| c["name"].as_str())
        .unwrap_or(id)
        .to_owned()
}
