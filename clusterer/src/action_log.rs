//! Entries of the action log: flat objects with `event`, `ts` in unix microseconds and the
//! fields of the event.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use splashtail_core::ids::ClusterId;

/// Entries that are kept.
pub const CAP: usize = 10_000;
/// An entry of a bot above this is dropped.
pub const MAX_ENTRY: usize = 16 * 1024;

/// An event that has no time yet.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    fields: Map<String, Value>,
}

impl LogEntry {
    pub fn new(event: &str) -> Self {
        Self {
            fields: Map::from_iter([("event".to_owned(), Value::from(event))]),
        }
    }

    /// An event of one cluster.
    pub fn of(event: &str, cluster: ClusterId) -> Self {
        Self::new(event).with("id", cluster.get())
    }

    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    pub(crate) fn at(mut self, time: DateTime<Utc>) -> Map<String, Value> {
        self.fields
            .insert("ts".to_owned(), Value::from(time.timestamp_micros()));
        self.fields
    }
}
