//! What stings lead to: a punishment when somebody's come to a number for the first time.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_storage::{Storage, StorageError};

use super::sanction::{Kind, LONGEST_TIMEOUT};
use crate::settings::{
    Column, Draft, Format, Kind as Shape, Operation, Rules, Setting, Why, Wrong,
};

pub(super) const PUNISHMENTS: &str = "punishments";
const MOST: usize = 20;
/// The highest number of stings that can be named.
const HIGHEST: u32 = 1000;
const ACTIONS: [&str; 3] = ["timeout", "kick", "ban"];
/// Of a timeout whose length is not said.
const USUAL: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Threshold {
    pub stings: u32,
    pub kind: Kind,
    pub length: Option<TimeDelta>,
}

impl Threshold {
    /// `None`: a row that another version of this program wrote.
    fn read(fields: &Value) -> Option<Self> {
        let stings = fields["stings"].as_str()?.parse().ok()?;
        let seconds = fields["duration"].as_i64();
        let length = seconds.and_then(TimeDelta::try_seconds);
        let (kind, length) = match (fields["action"].as_str()?, length) {
            ("timeout", length) => (Kind::Timeout, Some(length.unwrap_or(USUAL))),
            ("kick", _) => (Kind::Kick, None),
            ("ban", None) => (Kind::Ban, None),
            ("ban", length) => (Kind::TempBan, length),
            _ => return None,
        };
        Some(Self {
            stings,
            kind,
            length,
        })
    }
}

/// The highest that is crossed. The lower ones have been passed, whatever they would have brought.
pub(super) fn crossed(thresholds: &[Threshold], before: i64, after: i64) -> Option<Threshold> {
    let within = thresholds.iter().filter(|threshold| {
        let stings = i64::from(threshold.stings);
        before < stings && stings <= after
    });
    within.max_by_key(|threshold| threshold.stings).copied()
}

pub(super) async fn stored(
    storage: &Storage,
    guild: GuildId,
) -> Result<Vec<Threshold>, StorageError> {
    let read = storage.settings().read(guild, Some(PUNISHMENTS)).await?;
    let rows = read.rows.iter();
    Ok(rows
        .filter_map(|row| Threshold::read(&row.fields))
        .collect())
}

pub(super) fn setting() -> Setting {
    Setting {
        id: PUNISHMENTS,
        name: "Punishments",
        description: "What happens to somebody whose stings come to a number",
        primary_key: "stings",
        title_template: "{stings}: {action}",
        retired: &[],
        columns: vec![
            Column {
                unique: true,
                ..Column::new("stings", "Stings", "From so many on, once", text(&[]))
            },
            Column::new("action", "Action", "What is done", text(&ACTIONS)),
            Column {
                nullable: true,
                ..Column::new(
                    "duration",
                    "Duration",
                    "Of a timeout (5 minutes if not said) or a ban (for ever)",
                    Shape::Interval {
                        min_s: 60,
                        max_s: 5 * 365 * 86_400,
                    },
                )
            },
        ],
        operations: &Operation::ALL,
        max_entries: MOST,
        rules: Some(Arc::new(Sensible)),
    }
}

const fn text(allowed: &'static [&'static str]) -> Shape {
    Shape::Text {
        min: 1,
        max: 16,
        allowed,
        format: Format::Plain,
    }
}

struct Sensible;

impl Rules for Sensible {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        if draft.operation == Operation::Delete {
            return Ok(());
        }
        let fields = Value::Object(draft.after.clone().unwrap_or_default());
        let threshold = Threshold::read(&fields);
        let Some(threshold) = threshold.filter(|one| (1..=HIGHEST).contains(&one.stings)) else {
            return Err(Wrong::field("stings", Why::Bounds { most: HIGHEST }));
        };
        let too_long = threshold.kind == Kind::Timeout
            && threshold
                .length
                .is_some_and(|length| length > LONGEST_TIMEOUT);
        match too_long {
            true => {
                let most = u32::try_from(LONGEST_TIMEOUT.num_seconds()).unwrap_or(u32::MAX);
                Err(Wrong::field("duration", Why::Bounds { most }))
            }
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(stings: u32) -> Threshold {
        Threshold {
            stings,
            kind: Kind::Kick,
            length: None,
        }
    }

    #[test]
    fn a_threshold_is_crossed_once_and_the_highest_counts() {
        let all = [at(3), at(10), at(5)];
        let of = |before, after| crossed(&all, before, after).map(|found| found.stings);
        assert_eq!(of(0, 2), None);
        assert_eq!(of(2, 4), Some(3));
        assert_eq!(of(4, 5), Some(5), "the third was crossed before");
        assert_eq!(of(3, 4), None);
        assert_eq!(of(0, 50), Some(10));
        assert_eq!(of(5, 5), None);
        // Stings that expired count anew when they come again.
        assert_eq!(of(1, 3), Some(3));
    }

    #[test]
    fn rows_say_what_happens() {
        setting().check().unwrap();
        let read = |fields: Value| Threshold::read(&fields);
        let timeout = read(json!({"stings": "3", "action": "timeout", "duration": null})).unwrap();
        assert_eq!((timeout.kind, timeout.length), (Kind::Timeout, Some(USUAL)));
        let ban = read(json!({"stings": "9", "action": "ban", "duration": 3600})).unwrap();
        assert_eq!((ban.kind, ban.stings), (Kind::TempBan, 9));
        let forever = read(json!({"stings": "9", "action": "ban", "duration": null})).unwrap();
        assert_eq!(forever.kind, Kind::Ban);
        assert_eq!(read(json!({"stings": "many", "action": "ban"})), None);
        assert_eq!(read(json!({"stings": "3", "action": "sing"})), None);
    }
}
