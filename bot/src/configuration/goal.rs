//! Several entries changed as one.

use std::sync::Arc;

use serde_json::Value;
use splashtail_storage::Edit;

use super::{Asked, Configuration, Read, Refusal};
use crate::framework::gate::PermissionRows;
use crate::settings::{Fields, Operation, Rule, Setting, Wrong};

/// Times that the goals are gone through. In their order each is reached the first time; what is left
/// after so many stands in the way of another.
const PASSES: usize = 4;

/// How an entry shall be.
pub(super) struct Goal {
    pub setting: Arc<Setting>,
    pub entry: String,
    /// Columns that are not named stay as they are; `None`: there shall be no such entry.
    pub fields: Option<Fields>,
}

impl Configuration {
    /// What changes, with all that has to move along, one edit per entry. Each goal is judged as if
    /// it had been entered by hand, later ones on the earlier ones.
    ///
    /// # Errors
    /// See [`Refusal`]; goals that stand in each other's way are one, too.
    pub(super) async fn reach(
        &self,
        asked: &Asked,
        goals: &mut [Goal],
        read: &mut Read,
    ) -> Result<Vec<Edit>, Refusal> {
        put_in_order(goals);
        let goals: &[Goal] = goals;
        let open = goals.iter().filter(|goal| !goal.is_reached(read));
        let about = open.map(|goal| (goal.setting.as_ref(), goal.entry.as_str()));
        read.members = self.members_of(asked.guild, about).await?;
        let mut edits: Vec<Edit> = Vec::new();
        // An entry can move one that was there before it: it is put right the next time.
        let mut moved = None;
        for _ in 0..PASSES {
            moved = None;
            for goal in goals {
                if self.approach(asked, goal, read, &mut edits)? {
                    moved = Some(goal);
                }
            }
            if moved.is_none() {
                break;
            }
        }
        if let Some(goal) = moved.filter(|_| goals.iter().any(|goal| !goal.is_reached(read))) {
            let rule = Rule::NotReached {
                entry: goal.entry.clone(),
                setting: goal.setting.name,
            };
            return Err(Wrong::from(rule).into());
        }
        edits.retain(|edit| edit.before != edit.after);
        Ok(edits)
    }

    /// Whether anything had to change.
    fn approach(
        &self,
        asked: &Asked,
        goal: &Goal,
        read: &mut Read,
        edits: &mut Vec<Edit>,
    ) -> Result<bool, Refusal> {
        if goal.is_reached(read) {
            return Ok(false);
        }
        let setting = &goal.setting;
        let is_there = read.rows.get(setting.id, &goal.entry).is_some();
        let key = || {
            (
                setting.primary_key.to_owned(),
                Value::from(goal.entry.as_str()),
            )
        };
        let decided = match (&goal.fields, is_there) {
            (Some(fields), _) => {
                self.decide(asked, setting, setting.way_to(is_there), fields, read)?
            }
            (None, true) => {
                let key = Fields::from_iter([key()]);
                self.decide(asked, setting, Operation::Delete, &key, read)?
            }
            (None, false) => return Ok(false),
        };
        apply(&decided.edits, read, edits)
    }
}

impl Goal {
    fn is_reached(&self, read: &Read) -> bool {
        match (read.rows.get(self.setting.id, &self.entry), &self.fields) {
            (None, None) => true,
            (Some(now), Some(wanted)) => {
                let now = self.setting.whole(now);
                let mut wanted = wanted
                    .iter()
                    .filter(|(column, _)| !self.setting.is_retired(column));
                wanted.all(|(column, value)| now.get(column) == Some(value))
            }
            _ => false,
        }
    }

    /// Its place among the entries of its setting, where they have places.
    fn place(&self) -> Option<i64> {
        let order = self.setting.order()?;
        self.fields.as_ref()?.get(order.id)?.as_i64()
    }
}

/// Entries of one setting by their places: what takes a place moves others up, so none is moved that
/// has its own already. Everything else stays in the order it came in.
fn put_in_order(goals: &mut [Goal]) {
    let together = |a: &Goal, b: &Goal| {
        a.setting.id == b.setting.id && a.fields.is_some() == b.fields.is_some()
    };
    for goals in goals.chunk_by_mut(together) {
        // Without a place they come behind all others.
        goals.sort_by_key(|goal| goal.place().unwrap_or(i64::MAX));
    }
}

/// Makes the edits in memory and adds them to those before. `false`: they change nothing.
fn apply(made: &[Edit], read: &mut Read, edits: &mut Vec<Edit>) -> Result<bool, Refusal> {
    if made.iter().all(|edit| edit.before == edit.after) {
        return Ok(false);
    }
    for edit in made {
        let fields = edit.after.as_ref().and_then(Value::as_object).cloned();
        read.rows.set(&edit.setting, &edit.entry, fields);
        let same = |known: &&mut Edit| known.setting == edit.setting && known.entry == edit.entry;
        match edits.iter_mut().find(same) {
            Some(known) => known.after.clone_from(&edit.after),
            None => edits.push(edit.clone()),
        }
    }
    let rows: Vec<(&str, &str, Value)> = read
        .rows
        .settings()
        .flat_map(|(setting, rows)| {
            rows.iter().map(move |(entry, fields)| {
                (setting, entry.as_str(), Value::Object(fields.clone()))
            })
        })
        .collect();
    let rows = rows
        .iter()
        .map(|(setting, entry, fields)| (*setting, *entry, fields));
    read.permissions = PermissionRows::read(rows)?;
    Ok(true)
}
