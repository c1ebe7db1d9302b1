//! An earlier backup of the same server, of which a new one copies what does not change any more, so that
//! only what is new is read from Discord.

mod found;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{AttachmentId, ChannelId, MessageId, TaskId};
use splashtail_discord::snowflake::typed;
use splashtail_iblfile::{self as iblfile, Archive, DerivedKey, Limits, msgpack};
use splashtail_storage::TaskRow;

use super::attachments::{self, Budget, Outcome, Stored, object};
use super::dialect::{self, join};
use super::error::BackupError;
use super::files::{self, Kept};
use super::work::temporary;
use crate::objects::{ObjectError, Objects, is_full_disk};

pub use found::{Found, find, salted};

/// The newest messages of a channel are read again: those are edited and deleted most.
const READ_AGAIN: usize = 100;
/// Whatever was missed is made good when everything is read.
const FULL_EVERY: TimeDelta = TimeDelta::days(30);
/// Section of a file: threads, archived ones included.
const THREADS: &str = "ext/threads";
/// The first id of July 2022: threads made before do not tell how many messages they have (documentation,
/// "Channel Object").
const COUNTED_SINCE: u64 = 992_217_976_012_800_000;
/// Section of a file: how its messages were read.
pub const READING: &str = "ext/reading";

/// What the step that looks for it leaves in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// `None`: everything is read.
    pub task: Option<TaskId>,
    /// When everything was read last.
    pub full_at: Option<DateTime<Utc>>,
    /// Channels of which something is copied.
    pub channels: BTreeMap<ChannelId, Known>,
}

/// What it holds of a channel: a row of messages without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What is older than this is copied.
    pub joint: MessageId,
    pub oldest: MessageId,
    /// There was nothing older.
    pub whole: bool,
    /// Something is pinned, or was.
    pub pins: bool,
    /// An archived thread that nobody touched since: all of it is copied.
    #[serde(default)]
    pub rests: bool,
    /// The message that such a thread began with is among it; nothing counts that one.
    #[serde(default)]
    pub starter: bool,
}

impl Known {
    /// Whether what follows `before` is copied.
    pub fn holds(&self, before: Option<MessageId>) -> bool {
        match before {
            None => self.rests,
            Some(before) => (self.rests || before <= self.joint) && before > self.oldest,
        }
    }
}

/// How the messages of a file were read.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Reading {
    /// The backup that messages were copied from.
    pub former: Option<TaskId>,
    /// When everything was read.
    pub full_at: Option<DateTime<Utc>>,
    /// Channels that are there from their first message on.
    #[serde(default)]
    pub whole: BTreeSet<ChannelId>,
}

const NO_ROOM: &str = "there is no room here for a copy of the earlier backup";

/// Why an earlier backup is of no use; for people.
pub type Useless = String;

/// The object that it left.
fn key(row: &TaskRow) -> Option<String> {
    let output = row.output.as_ref()?;
    Some(format!("tasks/{}/{}", row.id, output.filename))
}

/// An earlier backup, open. Its file has no name and is gone with it.
pub struct Opened(Mutex<Archive<BufReader<File>>>);

/// Copies the file here and opens it.
///
/// # Errors
/// The object store is away. That the file is gone, damaged or under another key is an answer.
pub async fn open(
    objects: &Objects,
    row: &TaskRow,
    old_key: Option<&DerivedKey>,
    most: u64,
    directory: &Path,
) -> Result<Result<Opened, Useless>, BackupError> {
    let Some(object) = key(row) else {
        return Ok(Err("the earlier backup has no file".into()));
    };
    let here = match temporary(directory).await {
        Err(BackupError::File(error)) if is_full_disk(&error) => return Ok(Err(NO_ROOM.into())),
        here => here?,
    };
    let file = match objects.fetch(&object, here).await {
        Ok(file) => file,
        Err(ObjectError::File(error)) if is_full_disk(&error) => return Ok(Err(NO_ROOM.into())),
        Err(ObjectError::Missing(_)) => {
            return Ok(Err("the file of the earlier backup is gone".into()));
        }
        Err(error) => return Err(error.into()),
    };
    let old_key = old_key.filter(|_| row.encrypted).cloned();
    let opened = tokio::task::spawn_blocking(move || {
        let (source, limits) = (BufReader::new(file), Limits::with_total(most));
        match old_key {
            Some(key) => Archive::open_keyed(source, &key, limits),
            None => Archive::open(source, None, limits),
        }
    });
    match opened.await.map_err(BackupError::background)? {
        Ok(archive) => Ok(Ok(Opened(Mutex::new(archive)))),
        Err(error) => useless(error).map(Err),
    }
}

/// What the file itself is to blame for; a disk that fails is not.
///
/// # Errors
/// The disk failed.
pub fn useless(error: iblfile::Error) -> Result<Useless, BackupError> {
    match error {
        iblfile::Error::Io(error) => Err(BackupError::File(error)),
        iblfile::Error::WrongPassword | iblfile::Error::PasswordRequired => {
            Ok("the earlier backup has another password".into())
        }
        error => Ok(format!("the earlier backup cannot be read: {error}")),
    }
}

/// Messages copied at a time, and the attachments that are named with them.
pub struct Piece {
    /// Newest first.
    pub messages: Vec<Value>,
    /// What becomes of them: those that are saved are still to be copied.
    pub outcomes: BTreeMap<AttachmentId, Outcome>,
    /// Attachments that messages name by now, and of which the earlier backup knows nothing.
    pub new: Vec<AttachmentId>,
}

/// What was pinned, as it is now.
pub type Pins = BTreeMap<MessageId, Value>;

/// A channel's messages, to be taken piece by piece.
pub struct Row {
    /// Section values and remainders, newest first.
    entries: Vec<msgpack::Value>,
    rests: Value,
    next: usize,
}

impl Opened {
    fn with<T>(&self, work: impl FnOnce(&mut Archive<BufReader<File>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What there is of the channels that are there now. `present`: channels and threads.
    ///
    /// # Errors
    /// The file is of no use.
    pub fn survey(
        &self,
        task: TaskId,
        present: &[Value],
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Result<Former, Useless>, BackupError> {
        let surveyed = self.with(|archive| -> iblfile::Result<_> {
            let created_at = archive.meta().created_at.to_utc();
            let reading: Option<Reading> = match archive.contains(READING) {
                true => serde_json::from_slice(&archive.read(READING)?).ok(),
                false => None,
            };
            let reading = reading.unwrap_or_default();
            let full_at = reading.full_at.unwrap_or(created_at);
            let mut channels = BTreeMap::new();
            let threads: Vec<Value> = match archive.contains(THREADS) {
                true => serde_json::from_slice(&archive.read(THREADS)?).unwrap_or_default(),
                false => Vec::new(),
            };
            let threads = threads
                .iter()
                .filter_map(|thread| Some((typed(&thread["id"])?, thread)));
            let threads: BTreeMap<ChannelId, &Value> = threads.collect();
            for channel in present {
                let Some(id) = typed::<ChannelId>(&channel["id"]) else {
                    continue;
                };
                let name = format!("messages/{id}");
                if channels.len() == most || !archive.contains(&name) {
                    continue;
                }
                let section = msgpack::decode(&archive.read(&name)?)?;
                let whole = reading.whole.contains(&id);
                let entries = section.as_array().unwrap_or_default();
                let known = known(entries, whole, (threads.get(&id).copied(), channel));
                channels.extend(known.map(|known| (id, known)));
            }
            Ok((full_at, channels))
        });
        let (full_at, channels) = match surveyed {
            Ok(surveyed) => surveyed,
            Err(error) => return useless(error).map(Err),
        };
        if full_at > now {
            return Ok(Err(
                "everything was read at a time that is yet to come".into()
            ));
        }
        if now - full_at >= FULL_EVERY {
            let days = FULL_EVERY.num_days();
            return Ok(Err(format!(
                "everything was read {days} days ago or earlier"
            )));
        }
        Ok(Ok(Former {
            task: Some(task),
            full_at: Some(full_at),
            channels,
        }))
    }

    /// At most so many messages of a channel that are older than `before`.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn row(
        &self,
        channel: ChannelId,
        before: Option<MessageId>,
        most: usize,
    ) -> iblfile::Result<Row> {
        let rests = format!("ext/messages/{channel}");
        let (section, rests) = self.with(|archive| -> iblfile::Result<_> {
            let section = archive.read(&format!("messages/{channel}"))?;
            let rests = match archive.contains(&rests) {
                true => archive.read(&rests)?,
                false => b"{}".to_vec(),
            };
            Ok((section, rests))
        })?;
        let rests = serde_json::from_slice(&rests);
        let rests = rests.map_err(|error| iblfile::Error::Corrupt(error.to_string()))?;
        let msgpack::Value::Array(mut entries) = msgpack::decode(&section)? else {
            return Err(iblfile::Error::Corrupt("messages are no list".into()));
        };
        entries.retain(|entry| {
            let id = message_id(entry);
            id.is_some() && before.is_none_or(|before| id < Some(before))
        });
        entries.sort_by_key(|entry| std::cmp::Reverse(message_id(entry)));
        entries.dedup_by_key(|entry| message_id(entry));
        entries.truncate(most);
        Ok(Row {
            entries,
            rests,
            next: 0,
        })
    }

    /// The next piece of a row. `pins`: what is pinned now, where that is known; `budget`: room for
    /// attachments, where they are wanted.
    pub fn piece(
        &self,
        row: &mut Row,
        size: usize,
        pins: Option<&Pins>,
        mut budget: Option<&mut Budget>,
    ) -> Option<Piece> {
        let end = (row.next + size).min(row.entries.len());
        let entries = &row.entries[row.next..end];
        row.next = end;
        if entries.is_empty() {
            return None;
        }
        let mut piece = Piece {
            messages: Vec::with_capacity(entries.len()),
            outcomes: BTreeMap::new(),
            new: Vec::new(),
        };
        for entry in entries {
            let (Some(id), Some(message)) = (message_id(entry), entry.get("message")) else {
                continue;
            };
            let rest = &row.rests[id.to_string()];
            let message = join(message, Some(rest), &dialect::MESSAGE);
            let message = as_now(message, id, pins);
            let named = attachments::of(&message).filter_map(|one| typed(&one["id"]));
            let mut named: BTreeSet<AttachmentId> = named.collect();
            piece.messages.push(message);
            let Some(budget) = budget.as_deref_mut() else {
                continue;
            };
            let metadata = entry.get("attachment_metadata");
            for attachment in metadata
                .and_then(|list| list.as_array())
                .unwrap_or_default()
            {
                let id = attachment.get("id").and_then(|id| id.as_str());
                // One that an edit took away is not copied.
                if let Some(id) = id.and_then(|id| id.parse().ok())
                    && named.remove(&id)
                {
                    self.note(id, attachment, budget, &mut piece);
                }
            }
            piece.new.extend(named);
        }
        Some(piece)
    }

    /// The bytes of an attachment, as they are stored.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn attachment(&self, id: AttachmentId) -> iblfile::Result<Vec<u8>> {
        self.with(|archive| archive.read(&object(id)))
    }

    /// What there is of pictures and sounds.
    ///
    /// # Errors
    /// The section is damaged.
    pub fn files(&self) -> iblfile::Result<Vec<Kept>> {
        let index = self.with(|archive| match archive.contains(files::INDEX) {
            true => archive.read(files::INDEX).map(Some),
            false => Ok(None),
        })?;
        let Some(index) = index else {
            return Ok(Vec::new());
        };
        let index = serde_json::from_slice(&index);
        index.map_err(|error| iblfile::Error::Corrupt(error.to_string()))
    }

    /// The bytes of a picture or sound.
    ///
    /// # Errors
    /// The section is not there, or damaged.
    pub fn file(&self, digest: &str) -> iblfile::Result<Vec<u8>> {
        self.with(|archive| archive.read(&files::section(digest)))
    }

    /// Notes what becomes of an attachment.
    fn note(
        &self,
        id: AttachmentId,
        metadata: &msgpack::Value,
        budget: &mut Budget,
        piece: &mut Piece,
    ) {
        let text = |name: &str| metadata.get(name).and_then(msgpack::Value::as_str);
        if piece.outcomes.contains_key(&id) {
            return;
        }
        let stored = match text("storage_format") {
            Some("uncompressed") => Some(Stored::Uncompressed),
            Some("gzip") => Some(Stored::Gzip),
            _ => None,
        };
        let size = stored.and_then(|_| self.with(|archive| archive.size(&object(id))));
        let outcome = match stored.zip(size) {
            None => {
                let errors = metadata.get("errors").and_then(msgpack::Value::as_array);
                let why = errors.and_then(|errors| errors.first()?.as_str());
                Outcome::Lost(why.unwrap_or("the earlier backup does not have it").into())
            }
            Some((as_, bytes)) => match budget.admit(bytes) {
                Err(why) => Outcome::Lost(why),
                Ok(()) => Outcome::Saved { as_, bytes },
            },
        };
        piece.outcomes.insert(id, outcome);
    }
}

/// A stored message with what is known of it now: whether it is pinned, and if so all of it.
fn as_now(mut message: Value, id: MessageId, pins: Option<&Pins>) -> Value {
    match pins.map(|pins| pins.get(&id)) {
        None => {}
        Some(Some(fresh)) => {
            // The list of pins is without them.
            let reactions = message["reactions"].take();
            message.clone_from(fresh);
            if message.get("reactions").is_none() && !reactions.is_null() {
                message["reactions"] = reactions;
            }
        }
        Some(None) if message["pinned"] == true => message["pinned"] = false.into(),
        Some(None) => {}
    }
    message
}

fn message_id(entry: &msgpack::Value) -> Option<MessageId> {
    let id = entry.get("message")?.get("id")?;
    id.as_str()?.parse().ok()
}

/// Whether an archived thread is as it was: opening it moves its time of archiving, nothing is written or
/// edited while it is archived, and what is deleted is counted, but for the message that it began with.
fn rests(then: &Value, now: &Value) -> bool {
    let state = |thread: &Value, field: &str| thread["thread_metadata"][field].clone();
    let id = typed::<ChannelId>(&now["id"]);
    id.is_some_and(|id| id.get() >= COUNTED_SINCE)
        && now["message_count"].is_u64()
        && [then, now].map(|thread| state(thread, "archived")) == [true, true]
        && state(now, "archive_timestamp").is_string()
        && state(then, "archive_timestamp") == state(now, "archive_timestamp")
        && ["message_count", "total_message_sent", "last_message_id"]
            .iter()
            .all(|field| then[*field] == now[*field])
}

/// `None`: all that there is of the channel is read anyway. `then`: the channel as it was, if it is a
/// thread.
fn known(
    entries: &[msgpack::Value],
    whole: bool,
    (then, channel): (Option<&Value>, &Value),
) -> Option<Known> {
    let mut ids: Vec<MessageId> = entries.iter().filter_map(message_id).collect();
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    let rests = then.is_some_and(|then| rests(then, channel));
    // Also of a thread that is archived again messages were deleted.
    let joint = match rests {
        true => ids.first(),
        false => ids.get(READ_AGAIN - 1),
    };
    let (joint, oldest) = (*joint?, *ids.last()?);
    let is_pinned = |entry: &msgpack::Value| {
        let pinned = entry
            .get("message")
            .and_then(|message| message.get("pinned"));
        pinned.and_then(msgpack::Value::as_bool) == Some(true)
    };
    Some(Known {
        joint,
        oldest,
        whole,
        rests,
        starter: rests && typed::<MessageId>(&channel["id"]) == Some(oldest),
        pins: channel["last_pin_timestamp"].is_string() || entries.iter().any(is_pinned),
    })
}

#[cfg(test)]
mod tests;
