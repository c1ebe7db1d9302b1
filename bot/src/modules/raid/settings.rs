//! What a server sets about raids.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_discord::snowflake;
use splashtail_raid::{Expected, Mode, Moment, Policy};
use splashtail_storage::{Snapshot, Storage, StorageError};

use crate::inputs::Source;
use crate::settings::{
    Column, Draft, EntryChange, Fields, Format, Gravity, Kind, Operation, Rules, Setting, Weaker,
    Why, Wrong,
};
use crate::text;

pub const POLICY: &str = "raid_policy";
/// The key of its only row.
const SERVER: &str = "server";
const MODES: [&str; 4] = ["off", "dry_run", "ask", "auto"];
/// What counts without a row: everything begins with a dry run.
const MODE: &str = MODES[1];
const MOST_EXPECTED: i64 = 100_000;
/// Longest time for which a crowd can be announced.
const LONGEST: TimeDelta = TimeDelta::days(7);
/// A longer one makes protection weaker.
const LONG: TimeDelta = TimeDelta::hours(24);

/// What a server wants, and where its staff reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub policy: Policy,
    /// Without one alerts go where those of protection go.
    pub alert_channel: Option<ChannelId>,
}

pub(super) fn setting() -> Setting {
    let choice = |id, name, description, allowed, default: &str| Column {
        default: Some(json!(default)),
        ..Column::new(id, name, description, one_of(allowed))
    };
    let maybe = |id, name, description, kind| Column {
        nullable: true,
        ..Column::new(id, name, description, kind)
    };
    Setting {
        id: POLICY,
        name: "Raids",
        description: "What is done about crowds of newcomers, and where alerts go",
        primary_key: "policy",
        title_template: "Raids: {mode}",
        retired: &[],
        columns: vec![
            choice(
                "policy",
                "Policy",
                "There is one for the whole server",
                &[SERVER],
                SERVER,
            ),
            choice(
                "mode",
                "Mode",
                "off; dry_run: told; ask: held, banned on your word; auto: banned where there is no doubt",
                &MODES,
                MODE,
            ),
            Column {
                default: Some(json!(false)),
                ..Column::new(
                    "pause_waves",
                    "Pause at waves",
                    "Pause invites for 15 minutes when far more come than usual",
                    Kind::Boolean,
                )
            },
            maybe(
                "alert_channel",
                "Alert channel",
                "A channel that only staff can read; empty: where protection's alerts go",
                Kind::of(Format::Channel),
            ),
            maybe(
                "expected_people",
                "Expected people",
                "So many will come, and that is fine",
                Kind::Integer {
                    min: 1,
                    max: MOST_EXPECTED,
                },
            ),
            maybe(
                "expected_from",
                "Expected from",
                "When they begin to come",
                Kind::Timestamp,
            ),
            maybe(
                "expected_until",
                "Expected until",
                "At most seven days after the beginning",
                Kind::Timestamp,
            ),
        ],
        operations: &[Operation::View, Operation::Update, Operation::Delete],
        max_entries: 1,
        rules: Some(Arc::new(Sensible)),
    }
}

const fn one_of(allowed: &'static [&'static str]) -> Kind {
    Kind::Text {
        min: 1,
        max: 16,
        allowed,
        format: Format::Plain,
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    mode: Mode,
    pause_waves: bool,
    alert_channel: Value,
    expected_people: Option<u32>,
    expected_from: Option<DateTime<Utc>>,
    expected_until: Option<DateTime<Utc>>,
}

impl Row {
    fn expected(&self) -> Option<(DateTime<Utc>, DateTime<Utc>, u32)> {
        let (from, until) = self.expected_from.zip(self.expected_until)?;
        Some((from, until, self.expected_people?))
    }

    fn wishes(self) -> Wishes {
        let moment =
            |at: DateTime<Utc>| Moment(u64::try_from(at.timestamp_millis()).unwrap_or_default());
        let expected = self.expected().map(|(from, until, people)| Expected {
            from: moment(from),
            until: moment(until),
            people,
        });
        Wishes {
            policy: Policy {
                mode: self.mode,
                pauses_waves: self.pause_waves,
                expected: expected.filter(Expected::is_sound),
            },
            alert_channel: snowflake::typed(&self.alert_channel),
        }
    }
}

/// Of rows of all settings. What cannot be read is not followed: the server is in a dry run.
pub(super) struct StoredWishes(pub Storage);

#[async_trait]
impl Source<Wishes> for StoredWishes {
    async fn load(&self, guild: GuildId) -> Result<(i64, Wishes), StorageError> {
        let Snapshot { version, rows } = self.0.settings().read(guild, Some(POLICY)).await?;
        let row = rows.iter().find(|row| row.entry == SERVER);
        let row = row.and_then(|row| Row::deserialize(&row.fields).ok());
        Ok((version, row.unwrap_or_default().wishes()))
    }
}

/// A crowd that is announced has a beginning, an end and a size.
struct Sensible;

impl Rules for Sensible {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        if draft.operation == Operation::Delete {
            return Ok(());
        }
        let fields = Value::Object(draft.after.clone().unwrap_or_default());
        let row = Row::deserialize(&fields).unwrap_or_default();
        let given = [
            ("expected_people", row.expected_people.is_some()),
            ("expected_from", row.expected_from.is_some()),
            ("expected_until", row.expected_until.is_some()),
        ];
        if given.iter().any(|(_, is_given)| *is_given)
            && let Some((lacking, _)) = given.iter().find(|(_, is_given)| !is_given)
        {
            return Err(Wrong::field(*lacking, Why::NotGiven));
        }
        let Some((from, until, _)) = row.expected() else {
            return Ok(());
        };
        let last = from + LONGEST;
        match from < until && until <= last {
            true => Ok(()),
            false => Err(Wrong::field(
                "expected_until",
                Why::UntilAtMost(last.timestamp()),
            )),
        }
    }

    fn weakens(&self, change: &EntryChange<'_>) -> Option<Weaker> {
        let language = change.language;
        let mode = |fields: Option<&Fields>| {
            let mode = fields.and_then(|fields| fields.get("mode")?.as_str());
            let mode = mode.unwrap_or(MODE).to_owned();
            MODES.iter().position(|known| *known == mode)
        };
        if mode(change.after) < mode(change.before) {
            return Some(Gravity::Off.of(text!(language, "weaker-raid-mode")));
        }
        let long = |fields: Option<&Fields>| {
            let fields = Value::Object(fields.cloned().unwrap_or_default());
            let row = Row::deserialize(&fields).unwrap_or_default();
            row.expected().map(|(from, until, _)| until - from)
        };
        let (before, after) = (long(change.before), long(change.after));
        let longer = after > before && after.is_some_and(|length| length > LONG);
        longer.then(|| Gravity::Less.of(text!(language, "weaker-raid-expected")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_makes_wishes_and_none_makes_a_dry_run() {
        setting().check().unwrap();
        assert_eq!(Row::default().wishes().policy.mode, Mode::DryRun);
        let row = json!({"policy": "server", "mode": "auto", "pause_waves": true,
            "alert_channel": "30", "expected_people": 500,
            "expected_from": "2026-12-01T10:00:00Z", "expected_until": "2026-12-01T20:00:00Z"});
        let wishes = Row::deserialize(&row).unwrap().wishes();
        assert_eq!(wishes.policy.mode, Mode::Auto);
        assert_eq!(wishes.alert_channel, ChannelId::new(30));
        let expected = wishes.policy.expected.unwrap();
        assert_eq!(expected.people, 500);
        assert_eq!(
            expected.until.since(expected.from),
            10 * splashtail_raid::HOUR
        );
        let mut half = row;
        half["expected_until"] = Value::Null;
        assert_eq!(
            Row::deserialize(&half).unwrap().wishes().policy.expected,
            None
        );
    }
}
