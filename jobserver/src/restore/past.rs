//! The server as it was at a time: out of what the bot wrote down, as far as that reaches back, else out
//! of the newest backup of before.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_guild::{History, Kind, Structure};
use splashtail_iblfile::msgpack;
use splashtail_iblfile::{self as iblfile, Encryption, FileType, Limits, Meta, Writer};
use splashtail_storage::{HistoryRow, Owner, Storage, TaskQuery, TaskState};

use super::error::RestoreError;
use crate::backup::CreateBackup;
use crate::backup::dialect::{self, split};
use crate::packed::unpack;
use crate::parts::LISTED;

/// Backups that are looked through.
const LOOKED_AT: u32 = 100;

/// Where the server of that time is found.
#[derive(Debug)]
pub enum Found {
    /// In what the bot wrote down.
    History(Box<Structure>),
    /// In what this task left.
    Backup(TaskId),
}

/// # Errors
/// Nothing is known of the server from then; the database is away.
pub async fn find(
    storage: &Storage,
    server: GuildId,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Found, RestoreError> {
    let history = storage.histories().history(server).await;
    let history = history.map_err(RestoreError::Storage)?;
    if let Some(structure) = history.and_then(|row| then(&row, server, at)) {
        return Ok(Found::History(Box::new(structure)));
    }
    let query = TaskQuery {
        name: Some(CreateBackup::NAME),
        ..TaskQuery::newest(Owner::Server(server), LOOKED_AT)
    };
    let rows = storage.tasks().list(&query, now).await;
    let rows = rows.map_err(RestoreError::Storage)?;
    // One that was still being made may hold a part of what came after.
    let is_before = |row: &&splashtail_storage::TaskRow| {
        row.state == TaskState::Completed && row.last_updated <= at
    };
    let found = rows.iter().find(is_before);
    found
        .map(|row| Found::Backup(row.id))
        .ok_or(RestoreError::NoPast(at))
}

/// The server of that time, if what was written down reaches back so far and can be read.
fn then(row: &HistoryRow, server: GuildId, at: DateTime<Utc>) -> Option<Structure> {
    let read = || -> std::io::Result<(Structure, History)> {
        Ok((unpack(&row.base)?, unpack(&row.changes)?))
    };
    let (base, history) = match read() {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(guild.id = %server, %error, "a server's history cannot be read: going on without it");
            return None;
        }
    };
    let at = u64::try_from(at.timestamp_millis()).ok()?;
    let is_whole = base.id().get() == server.get()
        && base.knows(Kind::Role)
        && base.knows(Kind::Channel)
        && history.begins() <= at;
    // What happened in that very millisecond was not yet.
    is_whole.then(|| history.back(&history.forward(&base), at).1)
}

/// A backup file of a structure, at its beginning. It holds no messages and no bytes of pictures.
///
/// # Errors
/// It cannot be written.
pub fn write(structure: &Structure, at: DateTime<Utc>, file: File) -> iblfile::Result<File> {
    let mut guild = structure.guild().clone();
    let mut list = |kind: Kind, field: &str| {
        if structure.knows(kind) {
            let clear = structure
                .all(kind)
                .filter(|(id, _)| kind != Kind::Channel || !structure.is_hidden(*id));
            guild[field] = clear.map(|(_, object)| object.clone()).collect();
        }
    };
    list(Kind::Role, "roles");
    list(Kind::Channel, "channels");
    list(Kind::Emoji, "emojis");
    list(Kind::Sticker, "stickers");
    let mut writer = Writer::new(file, Limits::default())?;
    let (section, rest) = split(&guild, &dialect::GUILD);
    writer.add("core/guild", &msgpack::encode(&section))?;
    let mut add = |name: &str, value: &Value| writer.add(name, value.to_string().as_bytes());
    if let Some(rest) = rest {
        add("ext/guild", &rest)?;
    }
    for listed in LISTED.iter().filter(|listed| structure.knows(listed.kind)) {
        let objects: Value = structure
            .all(listed.kind)
            .map(|(_, object)| object.clone())
            .collect();
        add(listed.section, &objects)?;
    }
    let hidden = structure.all(Kind::Hidden).map(|(id, channel)| {
        json!({"id": id, "type": channel["type"], "parent_id": channel["parent_id"]})
    });
    let hidden: Vec<Value> = hidden.collect();
    let coverage = json!({"exact": structure.knows(Kind::Hidden), "hidden": hidden});
    add("ext/coverage", &coverage)?;
    let meta = Meta::new(FileType::SERVER_BACKUP, at);
    let mut file = writer.finish(&meta, &Encryption::None)?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use splashtail_guild::Parts;

    use super::*;
    use crate::restore::file;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(ms).unwrap()
    }

    fn packed(value: &impl serde::Serialize) -> Vec<u8> {
        zstd::stream::encode_all(&*serde_json::to_vec(value).unwrap(), 1).unwrap()
    }

    fn server() -> Structure {
        let guild = json!({"id": "1", "name": "Harbour", "emojis": [{"id": "9", "name": "e"}],
            "stickers": [], "roles": [
                {"id": "1", "name": "@everyone", "permissions": "0", "position": 0},
                {"id": "2", "name": "Mods", "permissions": "8", "position": 1}]});
        let channel = json!({"id": "5", "type": 0, "name": "general", "position": 0});
        let hidden = json!({"id": "6", "type": 0, "name": splashtail_guild::HIDDEN_NAME,
                            "flags": splashtail_guild::HIDDEN_FLAG});
        let parts = Parts {
            channels: Some(vec![channel.clone()]),
            gateway_channels: Some(vec![channel, hidden]),
            ..Parts::default()
        };
        Structure::from_rest(&guild, parts).unwrap()
    }

    #[test]
    fn a_written_past_is_read_like_a_backup() {
        let written = write(&server(), at(5000), tempfile::tempfile().unwrap()).unwrap();
        let read = file::open(written, None, 1 << 20).unwrap();
        assert_eq!(read.created_at.timestamp_millis(), 5000);
        let names = |kind| {
            let all = read.wanted.all(kind);
            all.map(|(_, object)| object["name"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Kind::Role), ["@everyone", "Mods"]);
        assert_eq!(names(Kind::Channel), ["general"]);
        assert_eq!(names(Kind::Emoji), ["e"]);
        assert_eq!(read.hidden, 1);
        assert!(!read.wanted.knows(Kind::AutomodRule), "nobody told of them");
        assert!(read.messages.is_empty());
    }

    #[test]
    fn one_goes_back_as_far_as_was_written_down() {
        let (base, mut now) = (server(), server());
        let mut history = History::new(1000);
        let gone = json!({"guild_id": "1", "role_id": "2"});
        history.note(2000, now.apply_event("GUILD_ROLE_DELETE", &gone));
        let row = HistoryRow {
            base: packed(&base),
            changes: packed(&history),
        };
        let guild = GuildId::new(1).unwrap();
        let roles = |ms| then(&row, guild, at(ms)).map(|then| then.all(Kind::Role).count());
        assert_eq!(roles(999), None);
        assert_eq!(roles(1500), Some(2));
        assert_eq!(roles(2000), Some(2));
        assert_eq!(roles(2001), Some(1));
        assert!(then(&row, GuildId::new(2).unwrap(), at(1500)).is_none());
        let damaged = HistoryRow {
            base: vec![1, 2],
            ..row.clone()
        };
        assert!(then(&damaged, guild, at(1500)).is_none());
    }
}
