//! What a server has set names roles and channels by their ids. Where a job makes such an object
//! again, the settings go on with the new one.
//!
//! Only what the job itself made counts: an object that was found in its place is somebody else's,
//! and trust would go to whoever holds it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use splashtail_core::clock::Clock;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_jobs::{JobContext, JobError, Level};
use splashtail_storage::{Edit, NewChange, SettingRow, Storage, StorageError, Written};

use crate::carry_out::Carried;

/// Times that the change is begun anew because somebody else was faster.
const ATTEMPTS: u32 = 8;
/// What the history of settings calls it.
const WAY: &str = "restore";

/// New ids by the old ones, as settings write them.
type Renewed = BTreeMap<String, String>;

/// What settings are written with.
pub struct Settings<'a> {
    pub cx: &'a JobContext,
    pub storage: &'a Storage,
    pub clock: &'a dyn Clock,
    pub guild: GuildId,
    /// The bot, who changes them.
    pub bot: u64,
}

impl Settings<'_> {
    /// Has the settings name what the job made, once.
    ///
    /// # Errors
    /// The database is away, or others change the settings all the time: it is tried again.
    pub async fn follow(&self, carried: &Carried) -> Result<(), JobError> {
        let renewed = renewed(carried);
        let Some(by) = UserId::new(self.bot).filter(|_| !renewed.is_empty()) else {
            return Ok(());
        };
        let changed: usize = self
            .cx
            .step("settings", || self.write(by, &renewed))
            .await?;
        if changed > 0 {
            let say = || async {
                let message = "The server's settings name the new roles and channels";
                let extra = json!({"entries": changed});
                self.cx.log(Level::Info, message, extra).await;
                Ok(())
            };
            self.cx.step("settings_told", say).await?;
        }
        Ok(())
    }

    async fn write(&self, by: UserId, renewed: &Renewed) -> Result<usize, JobError> {
        let settings = self.storage.settings();
        for _ in 0..ATTEMPTS {
            let now = settings.read(self.guild, None).await.map_err(away)?;
            let edits: Vec<Edit> = now
                .rows
                .iter()
                .flat_map(|row| edits(row, renewed))
                .collect();
            if edits.is_empty() {
                return Ok(0);
            }
            self.cx.fence_check().await?;
            let change = NewChange {
                guild: self.guild,
                decided_on: now.version,
                by,
                way: WAY,
                at: self.clock.now(),
                undoes: None,
                edits: &edits,
            };
            match settings.write(&change).await.map_err(away)? {
                Written::At(_) => return Ok(edits.iter().filter(|e| e.after.is_some()).count()),
                Written::Stale => {}
            }
        }
        let message = "Others are changing the server's settings";
        Err(JobError::transient("settings_busy", message))
    }
}

fn away(error: StorageError) -> JobError {
    JobError::transient("unavailable", "the database failed").caused_by(error)
}

fn renewed(carried: &Carried) -> Renewed {
    let pairs = carried.mapping.pairs().chain(carried.mapping.renewals());
    let made = pairs.filter(|(_, old, new)| old != new && carried.created.contains(&new.get()));
    made.map(|(_, old, new)| (old.to_string(), new.to_string()))
        .collect()
}

/// An entry whose name is an id is another one under the new id.
fn edits(row: &SettingRow, renewed: &Renewed) -> Vec<Edit> {
    let (entry, fields) = (name(&row.entry, renewed), value(&row.fields, renewed));
    if entry == row.entry && fields == row.fields {
        return Vec::new();
    }
    let edit = |entry: &str, before: Option<&Value>, after: Option<Value>| Edit {
        setting: row.setting.clone(),
        entry: entry.to_owned(),
        before: before.cloned(),
        after,
    };
    match entry == row.entry {
        true => vec![edit(&entry, Some(&row.fields), Some(fields))],
        false => vec![
            edit(&row.entry, Some(&row.fields), None),
            edit(&entry, None, Some(fields)),
        ],
    }
}

fn value(old: &Value, renewed: &Renewed) -> Value {
    match old {
        Value::String(text) => name(text, renewed).into(),
        Value::Array(items) => items.iter().map(|item| value(item, renewed)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(key, field)| (key.clone(), value(field, renewed)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// An id, or one behind its kind: `role/5`. Ids within longer texts are what somebody wrote.
fn name(text: &str, renewed: &Renewed) -> String {
    let (kind, id) = match text.split_once('/') {
        Some((kind @ ("role" | "channel"), id)) => (Some(kind), id),
        _ => (None, text),
    };
    match (kind, renewed.get(id)) {
        (_, None) => text.to_owned(),
        (None, Some(new)) => new.clone(),
        (Some(kind), Some(new)) => format!("{kind}/{new}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;
    use splashtail_guild::{Id, Kind, Mapping};

    use super::*;

    fn row(setting: &str, entry: &str, fields: Value) -> SettingRow {
        SettingRow {
            setting: setting.to_owned(),
            entry: entry.to_owned(),
            fields,
            created_at: DateTime::UNIX_EPOCH,
            created_by: None,
            updated_at: DateTime::UNIX_EPOCH,
            updated_by: None,
        }
    }

    fn known() -> Renewed {
        let mut mapping = Mapping::default();
        mapping.insert(Kind::Role, Id::new(5), Id::new(50));
        mapping.insert(Kind::Channel, Id::new(6), Id::new(60));
        // Found in its place, and never gone.
        mapping.insert(Kind::Role, Id::new(7), Id::new(70));
        mapping.insert(Kind::Role, Id::new(8), Id::new(8));
        mapping.renew(Kind::Channel, Id::new(9), Id::new(90));
        renewed(&Carried {
            mapping,
            created: BTreeSet::from([50, 60, 8, 90]),
            done: 2,
            left: Vec::new(),
        })
    }

    #[test]
    fn settings_name_what_was_made_again_and_nothing_else() {
        let policy = json!({"mode": "on", "alert_channel": "6", "quarantine_role": "5", "rank": 5,
            "others": ["7", "9", "user/5", "5 of 6"]});
        let found = edits(&row("antinuke", "server", policy), &known());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].after.as_ref().unwrap(),
            &json!({"mode": "on", "alert_channel": "60", "quarantine_role": "50", "rank": 5,
                "others": ["7", "90", "user/5", "5 of 6"]})
        );
        assert!(edits(&row("x", "7", json!({"role": "7"})), &known()).is_empty());
    }

    #[test]
    fn an_entry_that_is_called_by_an_id_moves() {
        let trust = row("trust", "role/5", json!({"who": "role/5"}));
        let found = edits(&trust, &known());
        let told: Vec<_> = found
            .iter()
            .map(|edit| {
                (
                    edit.entry.as_str(),
                    edit.before.is_some(),
                    edit.after.clone(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("role/5", true, None),
                ("role/50", false, Some(json!({"who": "role/50"}))),
            ]
        );
    }
}
