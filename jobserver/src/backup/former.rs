//! An earlier backup of the same server, of which a new one copies what does not change any more, so that
//! only what is new is read from Discord.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{AttachmentId, ChannelId, GuildId, MessageId, TaskId};
use splashtail_discord::snowflake::typed;
use splashtail_iblfile::{self as iblfile, Archive, DerivedKey, Limits, block, msgpack};
use splashtail_storage::{Storage, StorageError, TaskRow};

use super::attachments::{self, Budget, Outcome, Stored, object};
use super::dialect::{self, join};
use super::error::BackupError;
use super::finished;
use super::options::Fields;
use super::work::temporary;
use crate::objects::{ObjectError, Objects, is_full_disk};

/// The newest messages of a channel are read again: those are edited and deleted most.
const READ_AGAIN: usize = 100;
/// Whatever was missed is made good when everything is read.
const FULL_EVERY: TimeDelta = TimeDelta::days(30);
/// Backups of a server that are looked at.
const LOOKED_AT: usize = 20;
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
}

impl Known {
    /// Whether what follows `before` is copied.
    pub fn holds(&self, before: Option<MessageId>) -> bool {
        before.is_some_and(|before| before <= self.joint && before > self.oldest)
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

/// The newest backup that this one can go on from.
///
/// # Errors
/// The database is away.
pub async fn find(
    storage: &Storage,
    fields: &Fields,
    now: DateTime<Utc>,
) -> Result<Result<TaskRow, Useless>, StorageError> {
    let rows = backups(storage, fields.server_id, now).await?;
    let mut why = "there is no earlier backup with messages".to_owned();
    for row in rows {
        match fits(&row, fields) {
            Ok(true) => return Ok(Ok(row)),
            Ok(false) => {}
            Err(because) => why = because.to_owned(),
        }
    }
    Ok(Err(why))
}

/// Of an order with a password: the newest backup with one, and the salt of its key.
///
/// # Errors
/// The database or the object store is away.
pub async fn salted(
    storage: &Storage,
    objects: &Objects,
    fields: &Fields,
    now: DateTime<Utc>,
) -> Result<Option<(TaskId, [u8; 8])>, BackupError> {
    let rows = backups(storage, fields.server_id, now).await;
    let rows = rows.map_err(BackupError::Storage)?;
    let Some(row) = rows.into_iter().find(|row| row.encrypted) else {
        return Ok(None);
    };
    let Some(key) = key(&row) else {
        return Ok(None);
    };
    match objects.start(&key, block::SALTED as u64).await {
        Ok(start) => Ok(block::salt(&start).map(|salt| (row.id, salt))),
        Err(error) if error.is_transient() => Err(error.into()),
        Err(_) => Ok(None),
    }
}

async fn backups(
    storage: &Storage,
    server: GuildId,
    now: DateTime<Utc>,
) -> Result<Vec<TaskRow>, StorageError> {
    finished::newest(storage, server, now, LOOKED_AT, |_| true).await
}

/// `Ok(false)`: it has nothing that could be copied.
fn fits(row: &TaskRow, wanted: &Fields) -> Result<bool, &'static str> {
    let Ok(fields) = serde_json::from_value::<Fields>(row.fields.clone()) else {
        return Ok(false);
    };
    if !fields.options.backup_messages {
        return Ok(false);
    }
    if wanted.options.backup_attachments && !fields.options.backup_attachments {
        return Err("the earlier backup has no attachments");
    }
    if row.encrypted && wanted.former != Some(row.id) {
        return Err("the earlier backup has a password, and this one has none or another");
    }
    Ok(true)
}

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
        row: &TaskRow,
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
                let known = known(section.as_array().unwrap_or_default(), whole, channel);
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
            task: Some(row.id),
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

/// `None`: all that there is of the channel is read anyway.
fn known(entries: &[msgpack::Value], whole: bool, channel: &Value) -> Option<Known> {
    let mut ids: Vec<MessageId> = entries.iter().filter_map(message_id).collect();
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    // Also of an archived thread messages are deleted, and it may have been open meanwhile.
    let (joint, oldest) = (*ids.get(READ_AGAIN - 1)?, *ids.last()?);
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
        pins: channel["last_pin_timestamp"].is_string() || entries.iter().any(is_pinned),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backup::dialect::split;

    fn entry(id: u64, pinned: bool) -> msgpack::Value {
        let message = json!({"id": id.to_string(), "content": "hi", "pinned": pinned});
        let section = split(&message, &dialect::MESSAGE).0;
        msgpack::Value::object([("message", section)])
    }

    fn id(id: u64) -> MessageId {
        MessageId::new(id).unwrap()
    }

    #[test]
    fn all_but_the_newest_hundred_is_copied() {
        let entries: Vec<_> = (1..=250).rev().map(|n| entry(n, false)).collect();
        let found = known(&entries, true, &json!({"last_message_id": "250"})).unwrap();
        assert_eq!((found.joint, found.oldest), (id(151), id(1)));
        assert!(!found.pins && found.whole);
        assert!(!found.holds(None), "the newest are read");
        assert!(!found.holds(Some(id(152))), "not a hundred yet");
        assert!(found.holds(Some(id(151))));
        assert!(found.holds(Some(id(140))), "151 was deleted");
        assert!(!found.holds(Some(id(1))), "all of it is copied");
        assert!(known(&entries[..99], true, &json!({})).is_none());
    }

    /// Messages are deleted there, too, and it may have been open since.
    #[test]
    fn of_an_archived_thread_the_newest_are_read() {
        let thread = json!({"last_message_id": "250", "thread_metadata": {"archived": true}});
        let entries: Vec<_> = (1..=250).rev().map(|n| entry(n, n == 5)).collect();
        let found = known(&entries, false, &thread).unwrap();
        assert!(found.pins && !found.holds(None) && found.holds(Some(id(151))));
        assert!(known(&entries[..2], false, &thread).is_none());
    }

    #[test]
    fn pins_are_as_they_are_now() {
        let old = json!({"id": "5", "content": "old", "pinned": true});
        let fresh = json!({"id": "5", "content": "new", "pinned": true});
        let now = |pins: Option<&Pins>| as_now(old.clone(), id(5), pins);
        assert_eq!(now(None), old);
        assert_eq!(now(Some(&Pins::from([(id(5), fresh.clone())]))), fresh);
        assert_eq!(now(Some(&Pins::new()))["pinned"], false);
        let mut loved = old.clone();
        loved["reactions"] = json!([{"count": 2}]);
        let pins = Pins::from([(id(5), fresh.clone())]);
        let mut expected = fresh;
        expected["reactions"] = json!([{"count": 2}]);
        assert_eq!(as_now(loved, id(5), Some(&pins)), expected);
    }

    /// What is copied again and again stays what it is.
    #[test]
    fn a_copy_of_a_copy_is_the_same() {
        let message = json!({
            "id": "2", "channel_id": "1", "content": "hi", "type": 0, "flags": 4,
            "timestamp": "2024-01-20T12:00:00.123000+00:00", "edited_timestamp": null,
            "mention_roles": ["5"], "pinned": true, "position": 12, "referenced_message": null,
            "author": {"id": "9", "username": "alice", "discriminator": "0", "global_name": null,
                       "avatar_decoration_data": {"asset": "a"}},
            "attachments": [{"id": "7", "filename": "a.png", "size": 3, "width": null,
                             "placeholder": "abc", "duration_secs": 1.5, "url": "u"}],
            "embeds": [{"title": "T", "footer": {"text": "f", "height": 3}}],
            "reactions": [{"count": 2, "burst_colors": ["#fff"], "emoji": {"id": null, "name": "x"}}],
            "components": [{"type": 1, "components": [{"type": 2, "custom_id": "x"}]}],
            "message_snapshots": [{"message": {"content": "forwarded"}}]});
        let copy = |message: &Value| {
            let (section, rest) = split(message, &dialect::MESSAGE);
            let joined = join(&section, rest.as_ref(), &dialect::MESSAGE);
            (joined, section, rest)
        };
        let (first, section, rest) = copy(&message);
        let (second, section_again, rest_again) = copy(&first);
        assert_eq!(section, section_again);
        assert_eq!(rest, rest_again);
        assert_eq!(first, second);
    }
}
