use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use splashtail_core::ids::TaskId;

use crate::engine::{Query, Row, query};
use crate::error::StorageError;
use crate::sql::INSERT_ENTRY;

/// Largest entry: message and extra values together, as JSON.
pub const MAX_ENTRY_BYTES: usize = 8 * 1024;
/// Entries per task; the closing one comes on top.
pub const MAX_ENTRIES: i64 = 10_000;

/// Longest message. The rest of an entry belongs to its extra values.
const MAX_MESSAGE_BYTES: usize = 4 * 1024;
const ELLIPSIS: &str = "…";
/// Set on an entry of which something was cut off.
const TRUNCATED: &str = "truncated";
/// Callers flatten an entry into one object: extra values must not replace these.
const RESERVED: [&str; 3] = ["level", "ts", "msg"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a log level")]
pub struct UnknownLevel;

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(UnknownLevel),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct TaskLogEntry {
    /// Rising from 1 within a task, in the order of writing.
    pub seq: i64,
    pub level: Level,
    pub ts: DateTime<Utc>,
    pub msg: String,
    pub extra: Map<String, Value>,
}

/// An entry within the limits.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLogEntry {
    level: Level,
    ts: DateTime<Utc>,
    msg: String,
    extra: Map<String, Value>,
}

impl NewLogEntry {
    /// Cuts what is too long: a message at 4 KiB, the whole at 8 KiB. An entry that lost extra
    /// values has `truncated: true`. Extra values named like an entry's own fields get a `_`
    /// behind their name.
    pub fn new(
        level: Level,
        ts: DateTime<Utc>,
        msg: impl Into<String>,
        extra: Map<String, Value>,
    ) -> Self {
        let msg = shortened(&msg.into(), MAX_MESSAGE_BYTES);
        let left = MAX_ENTRY_BYTES - json_len(&Value::String(msg.clone())).min(MAX_ENTRY_BYTES);
        Self {
            level,
            ts,
            msg,
            extra: fitted(extra, left),
        }
    }

    pub(crate) fn too_many(ts: DateTime<Utc>) -> Self {
        let msg = format!("The log is full ({MAX_ENTRIES} entries): later entries are left out");
        Self {
            level: Level::Warn,
            ts,
            msg,
            extra: Map::new(),
        }
    }

    pub fn level(&self) -> Level {
        self.level
    }

    pub fn ts(&self) -> DateTime<Utc> {
        self.ts
    }

    pub fn msg(&self) -> &str {
        &self.msg
    }

    pub fn extra(&self) -> &Map<String, Value> {
        &self.extra
    }

    pub(crate) fn extra_json(&self) -> String {
        Value::Object(self.extra.clone()).to_string()
    }
}

/// Writes it at that place of the task's log.
pub(crate) fn insert(task: TaskId, seq: i64, entry: &NewLogEntry) -> Query {
    query(INSERT_ENTRY)
        .bind(task)
        .bind(seq)
        .bind(entry.level.as_str())
        .bind(entry.ts)
        .bind(entry.msg.as_str())
        .bind(entry.extra_json())
}

pub(crate) fn read(row: &Row) -> Result<TaskLogEntry, StorageError> {
    Ok(TaskLogEntry {
        seq: row.get("seq")?,
        level: row.parsed("level")?,
        ts: row.get("ts")?,
        msg: row.get("msg")?,
        extra: row.json("extra")?,
    })
}

fn fitted(extra: Map<String, Value>, limit: usize) -> Map<String, Value> {
    let mut fitted = Map::new();
    // The braces and the mark.
    let mut left = limit.saturating_sub(TRUNCATED.len() + 16);
    let mut whole = true;
    for (mut key, mut value) in extra {
        while RESERVED.contains(&key.as_str()) {
            key.push('_');
        }
        // Two quotes, colon and comma.
        let key_len = json_len(&Value::from(key.as_str())) + 2;
        let mut len = key_len + json_len(&value);
        if len > left {
            whole = false;
            let Value::String(text) = &value else {
                continue;
            };
            // Escapes make JSON longer than the text, at most sixfold.
            let room = left.saturating_sub(key_len + 2) / 6;
            if room <= ELLIPSIS.len() {
                continue;
            }
            value = Value::String(shortened(text, room));
            len = key_len + json_len(&value);
        }
        left = left.saturating_sub(len);
        fitted.insert(key, value);
    }
    if !whole {
        fitted.insert(TRUNCATED.to_owned(), Value::Bool(true));
    }
    fitted
}

fn json_len(value: &Value) -> usize {
    value.to_string().len()
}

/// At most `limit` bytes, ending in an ellipsis when something is missing.
fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit - ELLIPSIS.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn entry(msg: &str, extra: Value) -> NewLogEntry {
        let Value::Object(extra) = extra else {
            panic!("an object")
        };
        NewLogEntry::new(Level::Info, DateTime::UNIX_EPOCH, msg, extra)
    }

    #[test]
    fn small_entries_stay_as_they_are() {
        let extra = json!({"b": 1, "a": {"deep": [true]}});
        let kept = entry("hello", extra.clone());
        assert_eq!(kept.msg(), "hello");
        assert_eq!(Value::Object(kept.extra().clone()), extra);
        assert_eq!(
            kept.extra_json(),
            r#"{"b":1,"a":{"deep":[true]}}"#,
            "in order"
        );
    }

    #[test]
    fn long_values_are_cut_and_marked() {
        let cut = entry(
            "m",
            json!({"text": "x".repeat(20_000), "n": 1, "list": vec![0; 9000]}),
        );
        assert_eq!(cut.extra()["truncated"], true);
        assert_eq!(cut.extra()["n"], 1);
        assert!(cut.extra()["text"].as_str().unwrap().ends_with('…'));
        assert!(!cut.extra().contains_key("list"));
    }

    #[test]
    fn extra_values_never_replace_an_entrys_own() {
        let kept = entry("m", json!({"msg": "x", "level": 1, "ts": 2}));
        assert_eq!(kept.extra_json(), r#"{"msg_":"x","level_":1,"ts_":2}"#);
    }

    proptest! {
        #[test]
        fn no_entry_is_larger_than_the_limit(
            msg in "\\PC{0,3000}",
            pairs in proptest::collection::vec(("\\PC{0,40}", "[\\x00-\\x7f]{0,6000}"), 0..6),
        ) {
            let extra = pairs.into_iter().map(|(key, text)| (key, Value::String(text))).collect();
            let entry = NewLogEntry::new(Level::Info, DateTime::UNIX_EPOCH, msg, extra);
            let size = json_len(&Value::String(entry.msg().to_owned())) + entry.extra_json().len();
            prop_assert!(size <= MAX_ENTRY_BYTES + 16, "{size}");
        }
    }
}
