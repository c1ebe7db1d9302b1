//! The part of the action log that somebody asks for.

use serde::Deserialize;
use serde_json::Value;

/// Without both: the whole log.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct LogWindow {
    /// `ts` of the last entry that the caller has.
    #[serde(default)]
    since: Option<i64>,
    /// At most this many, the newest.
    #[serde(default)]
    limit: Option<usize>,
}

impl LogWindow {
    /// Starts with the first entry of that `ts`, so that the caller sees that the log goes on where
    /// theirs ends, and entries of the same microsecond are not lost. Starts with the oldest when
    /// there is no such entry any more.
    pub fn of(self, mut entries: Vec<Value>) -> Vec<Value> {
        let seen = self.since.and_then(|since| {
            entries
                .iter()
                .position(|entry| entry["ts"].as_i64() == Some(since))
        });
        let excess = entries
            .len()
            .saturating_sub(self.limit.unwrap_or(usize::MAX));
        entries.drain(..seen.unwrap_or(0).max(excess));
        entries
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_follows_the_last_known_entry_and_the_newest_of_it() {
        let entry = |at: i64, n: i64| json!({"ts": at, "n": n});
        let log = || {
            vec![
                entry(1, 0),
                entry(3, 1),
                entry(3, 2),
                entry(2, 3),
                json!({"n": 4}),
            ]
        };
        let of = |since, limit| {
            let entries = LogWindow { since, limit }.of(log());
            entries
                .iter()
                .map(|entry| entry["n"].as_i64().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(None, None), [0, 1, 2, 3, 4]);
        assert_eq!(of(Some(3), None), [1, 2, 3, 4]);
        assert_eq!(of(Some(2), None), [3, 4]);
        assert_eq!(of(Some(9), None), [0, 1, 2, 3, 4]);
        assert_eq!(of(Some(3), Some(2)), [3, 4]);
        assert_eq!(of(None, Some(0)), [0; 0]);
        assert_eq!(of(Some(1), Some(100)), [0, 1, 2, 3, 4]);
    }
}
