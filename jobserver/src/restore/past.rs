//! The server as it was at a time: out of what the bot wrote down, as far as that reaches back and somebody
//! looked, else out of the newest backup of before.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_antinuke::Moment;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_guild::{History, Kind, Structure};
use splashtail_iblfile::msgpack;
use splashtail_iblfile::{self as iblfile, Encryption, FileType, Limits, Meta, Writer};
use splashtail_storage::{HistoryRow, Storage, TaskRow};

use super::error::RestoreError;
use crate::backup::dialect::{self, split};
use crate::backup::finished;
use crate::packed::unpack;
use crate::parts::LISTED;

/// Where the server of that time is found.
#[derive(Debug)]
pub enum Found {
    /// In what the bot wrote down.
    History(Box<Structure>),
    /// In what this task left.
    Backup(TaskId),
}

/// What the bot wrote down of a time.
#[derive(Debug)]
enum Remembered {
    Then(Box<Structure>),
    /// Nobody looked then; before, up to this time.
    Unwatched(DateTime<Utc>),
    /// It begins later, or cannot be read.
    Nothing,
}

/// # Errors
/// Nothing is known of the server from then, or it is yet to come; the database is away.
pub async fn find(
    storage: &Storage,
    server: GuildId,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Found, RestoreError> {
    if at > now {
        return Err(RestoreError::YetToCome(at));
    }
    let history = storage.histories().history(server).await;
    let history = history.map_err(RestoreError::Storage)?;
    let remembered = history.map_or(Remembered::Nothing, |row| then(&row, server, at));
    let since = match remembered {
        Remembered::Then(structure) => return Ok(Found::History(structure)),
        Remembered::Unwatched(since) => Some(since),
        Remembered::Nothing => None,
    };
    // One that was still being made may hold a part of what came after. One that was begun before somebody
    // looked last is older than what is remembered.
    let is_wanted =
        |row: &TaskRow| row.last_updated <= at && since.is_none_or(|since| row.created_at > since);
    let found = finished::newest(storage, server, now, 1, is_wanted).await;
    let found = found.map_err(RestoreError::Storage)?;
    match (found.first(), since) {
        (Some(row), _) => Ok(Found::Backup(row.id)),
        (None, Some(since)) => Err(RestoreError::Unwatched { at, since }),
        (None, None) => Err(RestoreError::NoPast(at)),
    }
}

/// The server of that time, if what was written down reaches so far and can be read.
fn then(row: &HistoryRow, server: GuildId, at: DateTime<Utc>) -> Remembered {
    let read = || -> std::io::Result<(Structure, History)> {
        Ok((unpack(&row.base)?, unpack(&row.changes)?))
    };
    let (base, history) = match read() {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(guild.id = %server, %error, "a server's history cannot be read: going on without it");
            return Remembered::Nothing;
        }
    };
    // The bot dates what it writes down by Discord's clock.
    let asked = Moment::from_unix_ms(u64::try_from(at.timestamp_millis()).unwrap_or_default()).0;
    let is_whole = base.id().get() == server.get()
        && base.knows(Kind::Role)
        && base.knows(Kind::Channel)
        && history.begins() <= asked;
    if !is_whole {
        return Remembered::Nothing;
    }
    if let Some((from, _)) = history.gap(asked) {
        let ms = i64::try_from(Moment(from).unix_ms()).unwrap_or_default();
        return Remembered::Unwatched(DateTime::from_timestamp_millis(ms).unwrap_or_default());
    }
    if at > row.watched_until {
        return Remembered::Unwatched(row.watched_until);
    }
    // What happened in that very millisecond was not yet.
    let (_, then) = history.back(&history.forward(&base), asked);
    Remembered::Then(Box::new(then))
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

    /// The bot's clock begins in 2015.
    const EPOCH: i64 = 1_420_070_400_000;

    fn remembered(history: &History, until: i64) -> HistoryRow {
        HistoryRow {
            base: packed(&server()),
            changes: packed(history),
            watched_until: at(EPOCH + until),
        }
    }

    fn roles(row: &HistoryRow, ms: i64) -> Result<usize, Option<i64>> {
        match then(row, GuildId::new(1).unwrap(), at(EPOCH + ms)) {
            Remembered::Then(then) => Ok(then.all(Kind::Role).count()),
            Remembered::Unwatched(since) => Err(Some(since.timestamp_millis() - EPOCH)),
            Remembered::Nothing => Err(None),
        }
    }

    /// Of a server that lost a role.
    fn lost(when: u64) -> History {
        let (mut now, mut history) = (server(), History::new(1000));
        let gone = json!({"guild_id": "1", "role_id": "2"});
        history.note(when, now.apply_event("GUILD_ROLE_DELETE", &gone));
        history
    }

    #[test]
    fn one_goes_back_as_far_as_was_written_down() {
        let row = remembered(&lost(2000), 3000);
        assert_eq!(roles(&row, 999), Err(None));
        assert_eq!(roles(&row, 1500), Ok(2));
        assert_eq!(roles(&row, 2000), Ok(2));
        assert_eq!(roles(&row, 2001), Ok(1));
        let other = then(&row, GuildId::new(2).unwrap(), at(EPOCH + 1500));
        assert!(matches!(other, Remembered::Nothing));
        let damaged = HistoryRow {
            base: vec![1, 2],
            ..row.clone()
        };
        assert_eq!(roles(&damaged, 1500), Err(None));
    }

    #[test]
    fn what_nobody_looked_at_is_not_known() {
        let mut history = lost(2000);
        assert!(history.note_gap(1200, 2000));
        let row = remembered(&history, 3000);
        assert_eq!(roles(&row, 1200), Ok(2));
        assert_eq!(roles(&row, 1201), Err(Some(1200)));
        assert_eq!(roles(&row, 2000), Err(Some(1200)));
        assert_eq!(roles(&row, 3000), Ok(1));
        assert_eq!(roles(&row, 3001), Err(Some(3000)), "the bot was gone");
    }
}
