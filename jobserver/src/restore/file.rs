//! What a backup file says: the structure of a server as it was, and what else it holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, FixedOffset};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use splashtail_guild::{Id, Kind, Parts, Structure};
use splashtail_iblfile::{Archive, FileType, Limits, msgpack};

use super::error::RestoreError;
use super::options::Options;
use super::people::{Everybody, Scope};
use crate::backup::dialect::{self, join};
use crate::backup::files::{self, Kept};
use crate::backup::members::People;
use crate::backup::options::Asset;
use crate::parts::LISTED;
use crate::templates;

const GUILD: &str = "core/guild";
/// Bytes of an attachment, at most.
const MOST_UNPACKED: u64 = 64 << 20;

/// A backup that was read and found whole.
#[derive(Debug)]
pub struct BackupFile {
    pub wanted: Structure,
    pub created_at: DateTime<FixedOffset>,
    /// Members and bans, where they were saved.
    pub everybody: Everybody,
    /// Sections with messages: channel and how many there are.
    pub messages: BTreeMap<String, usize>,
    /// Threads and posts, archived ones included.
    pub threads: Vec<Value>,
    /// Channels that were hidden from the bot then.
    pub hidden: usize,
    /// `None` where nobody could read them.
    pub templates: Option<Vec<Value>>,
    /// Sections with the bytes of pictures and sounds, by digest.
    files: BTreeMap<String, String>,
    /// The file itself; a section at a time is in memory.
    archive: Mutex<Opened>,
}

impl BackupFile {
    /// Whether it may say of people what somebody else made up: it was brought as a file, or is another
    /// server's.
    pub fn is_foreign(&self, server: Id, options: &Options) -> bool {
        options.is_brought() || self.wanted.id() != server
    }

    /// How far a server's members can be put right by it, if at all.
    pub fn members(&self, server: Id, options: &Options) -> Option<Scope> {
        let scope = options.members(self.is_foreign(server, options));
        scope.filter(|_| self.everybody.members.is_some())
    }
}

/// A message, and what the backup has of its attachments.
#[derive(Debug)]
pub struct Saved {
    pub message: Value,
    pub files: Vec<SavedFile>,
}

#[derive(Debug, Clone)]
pub struct SavedFile {
    id: String,
    pub name: String,
    /// As the original names it; empty: not saved.
    format: String,
}

impl SavedFile {
    /// What it is called when it is sent: the original's pictures became JPEGs under their old name.
    pub fn filename(&self) -> String {
        match self.format.as_str() {
            "jpeg_encoded" => {
                let stem = self
                    .name
                    .rsplit_once('.')
                    .map_or(&*self.name, |(stem, _)| stem);
                format!("{stem}.jpg")
            }
            _ => self.name.clone(),
        }
    }
}

impl BackupFile {
    /// The messages of a channel, oldest first.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn saved(&self, channel: &str) -> Result<Vec<Saved>, RestoreError> {
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let section = read_msgpack(&mut archive, &format!("messages/{channel}"))?;
        let rests = read_json(&mut archive, &format!("ext/messages/{channel}"))?;
        let entries = section.as_array().into_iter().flatten();
        let mut saved: Vec<Saved> = entries
            .filter_map(|entry| {
                let message = entry.get("message")?;
                let id = message.get("id").and_then(msgpack::Value::as_str)?;
                let rest = rests.as_ref().map(|rests| &rests[id]);
                let files = entry
                    .get("attachment_metadata")
                    .map(msgpack::Value::to_json);
                let files = files
                    .as_ref()
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                let text =
                    |file: &Value, name: &str| file[name].as_str().unwrap_or_default().to_owned();
                let files = files.map(|file| SavedFile {
                    id: text(file, "id"),
                    name: text(file, "name"),
                    format: text(file, "storage_format"),
                });
                Some(Saved {
                    files: files.collect(),
                    message: join(message, rest, &dialect::MESSAGE),
                })
            })
            .collect();
        saved.sort_by_key(|saved| Id::of(&saved.message));
        Ok(saved)
    }

    /// The bytes of a picture or sound of the server.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn file(&self, digest: &str) -> Result<Option<Vec<u8>>, RestoreError> {
        let Some(section) = self.files.get(digest) else {
            return Ok(None);
        };
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = archive.read(section).map_err(RestoreError::Container)?;
        Ok(Some(bytes))
    }

    /// The bytes of an attachment as they were uploaded, or as the JPEG that the original made of
    /// them; `None` when they were not saved.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn attachment(&self, file: &SavedFile) -> Result<Option<Vec<u8>>, RestoreError> {
        let name = format!("attachments/{}", file.id);
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        if file.format.is_empty() || file.format == "remote" || !archive.contains(&name) {
            return Ok(None);
        }
        let bytes = archive.read(&name).map_err(RestoreError::Container)?;
        if file.format != "gzip" {
            return Ok(Some(bytes));
        }
        let mut plain = Vec::new();
        let unpacked = GzDecoder::new(&*bytes)
            .take(MOST_UNPACKED)
            .read_to_end(&mut plain);
        unpacked.map_err(|error| RestoreError::section(&name, error.to_string()))?;
        // What is larger than any upload is a bomb, and of no use.
        Ok((plain.len() < MOST_UNPACKED as usize).then_some(plain))
    }
}

/// Opens a file and reads every section that a restore needs, so that damage is found before
/// anything is touched.
///
/// # Errors
/// A file that is damaged, locked or none of a server.
pub fn open(
    file: File,
    password: Option<&str>,
    max_body_size: u64,
) -> Result<BackupFile, RestoreError> {
    let limits = Limits::with_total(max_body_size);
    let mut archive =
        Archive::open(BufReader::new(file), password, limits).map_err(RestoreError::Container)?;
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
    let parts = Parts {
        channels: Some(channels),
        gateway_channels: gateway,
        ..Parts::default()
    };
    let wanted = Structure::from_rest(&guild, parts);
    let mut wanted = wanted.ok_or_else(|| RestoreError::section(GUILD, "it has no id"))?;
    for listed in LISTED {
        if let Some(Value::Array(list)) = read_json(&mut archive, listed.section)? {
            wanted.learn(listed.kind, list);
        }
    }
    let files = files(&mut archive, &mut wanted)?;
    let threads = read_json(&mut archive, "ext/threads")?;
    let everybody = Everybody {
        members: list(&mut archive, People::Members.section())?,
        bans: list(&mut archive, People::Banned.section())?,
    };
    let templates = list(&mut archive, templates::SECTION)?;
    let messages = messages(&mut archive)?;
    Ok(BackupFile {
        everybody,
        templates,
        wanted,
        created_at,
        messages,
        threads: match threads {
            Some(Value::Array(threads)) => threads,
            _ => Vec::new(),
        },
        hidden: count,
        files,
        archive: Mutex::new(archive),
    })
}

/// Tells the structure which bytes are in the file, and where they are. The original kept the
/// server's own pictures, as JPEGs.
fn files(
    archive: &mut Opened,
    wanted: &mut Structure,
) -> Result<BTreeMap<String, String>, RestoreError> {
    let mut sections = BTreeMap::new();
    let index = read_json(archive, files::INDEX)?.unwrap_or_else(|| json!([]));
    let index: Vec<Kept> = serde_json::from_value(index)
        .map_err(|error| RestoreError::section(files::INDEX, error.to_string()))?;
    for kept in index {
        let Some(digest) = kept.digest else { continue };
        let section = files::section(&digest);
        if !archive.contains(&section) {
            return Err(RestoreError::section(&section, "it is not there"));
        }
        wanted.learn_file(kept.kind, kept.id, &kept.field, &digest);
        sections.insert(digest, section);
    }
    let server = wanted.id();
    for asset in [Asset::Icon, Asset::Banner, Asset::Splash] {
        let (field, section) = (asset.field(), asset.section());
        let named = !wanted.guild()[field].is_null();
        let known = wanted.file(Kind::Guild, server, field).is_some();
        if named && !known && archive.contains(section) {
            let bytes = archive.read(section).map_err(RestoreError::Container)?;
            let digest = files::digest(&bytes);
            wanted.learn_file(Kind::Guild, server, field, &digest);
            sections.insert(digest, section.to_owned());
        }
    }
    Ok(sections)
}

type Opened = Archive<BufReader<File>>;

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

fn list(archive: &mut Opened, name: &str) -> Result<Option<Vec<Value>>, RestoreError> {
    match read_json(archive, name)? {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(_) => Err(RestoreError::section(name, "it is no list")),
    }
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
