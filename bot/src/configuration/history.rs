use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::UserId;
use splashtail_storage::{ChangedEntry, Edit};

use super::ask::Trial;
use super::change::ATTEMPTS;
use super::goal::Goal;
use super::{Asked, Changed, Configuration, Refusal, Way, command_of};
use crate::settings::{Fields, Operation, Rule, Wrong};

/// Changes that are read at once where some of them are not for the one who asks.
const LOOK: u32 = 100;

/// A change that was made; secrets are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct PastChange {
    pub version: i64,
    pub at: DateTime<Utc>,
    pub by: UserId,
    pub way: String,
    /// The change that it took back.
    pub undoes: Option<i64>,
    pub edits: Vec<PastEdit>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PastEdit {
    pub setting: String,
    pub entry: String,
    pub before: Option<Fields>,
    pub after: Option<Fields>,
}

impl Configuration {
    /// Changes before the version `below`, the newest first: `limit` of them, as long as there are so
    /// many that the one who asks may view; others are left out, and older ones come in their place.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn history(
        &self,
        asked: &Asked,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<PastChange>, Refusal> {
        let read = self.read(asked.guild).await?;
        let trial = Trial::new(&self.gate, asked, &read);
        let store = self.storage.settings();
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut may_view: BTreeMap<String, bool> = BTreeMap::new();
        let mut past: Vec<PastChange> = Vec::new();
        // One look is enough for whoever may view everything. How far it goes back is bounded by what
        // is remembered.
        let (mut below, mut at_once) = (below, limit);
        loop {
            let entries = store.history(asked.guild, below, at_once).await?;
            let Some(oldest) = entries.last().map(|entry| entry.version) else {
                return Ok(past);
            };
            for entry in entries {
                let setting = &entry.edit.setting;
                let viewed = may_view.entry(setting.clone()).or_insert_with(|| {
                    let view = command_of(setting, Operation::View);
                    trial.require(&view).is_ok()
                });
                if !*viewed {
                    continue;
                }
                let is_same = past
                    .last()
                    .is_some_and(|last| last.version == entry.version);
                if !is_same && past.len() == wanted {
                    return Ok(past);
                }
                let edit = self.past(&entry.edit);
                match past.last_mut().filter(|last| last.version == entry.version) {
                    Some(last) => last.edits.push(edit),
                    None => past.push(PastChange {
                        version: entry.version,
                        at: entry.at,
                        by: entry.by,
                        way: entry.way,
                        undoes: entry.undoes,
                        edits: vec![edit],
                    }),
                }
            }
            if past.len() == wanted {
                return Ok(past);
            }
            (below, at_once) = (Some(oldest), limit.max(LOOK));
        }
    }

    /// Takes a change back: each entry becomes what it was before, and others move along as they
    /// have to. That is a change like any other, judged by the same rules.
    ///
    /// # Errors
    /// See [`Refusal`]; an entry that was changed again since is in the way.
    pub async fn roll_back(&self, asked: &Asked, version: i64) -> Result<Changed, Refusal> {
        let asked = &Asked {
            way: Way::Rollback,
            command: None,
            ..asked.clone()
        };
        let done = self.storage.settings().change(asked.guild, version).await?;
        if done.is_empty() {
            return Err(Wrong::from(Rule::NoChange(version)).into());
        }
        for _ in 0..ATTEMPTS {
            let mut read = self.read(asked.guild).await?;
            let mut goals = Vec::new();
            for ChangedEntry { edit, .. } in &done {
                let setting = self.setting(&edit.setting)?;
                let now = read.rows.get(&edit.setting, &edit.entry);
                if now != edit.after.as_ref().and_then(Value::as_object) {
                    let changed = Rule::EntryChanged {
                        entry: edit.entry.clone(),
                        setting: setting.name,
                    };
                    return Err(Wrong::from(changed).into());
                }
                goals.push(Goal {
                    // Rows can be older than a column.
                    fields: edit
                        .before
                        .as_ref()
                        .map(|before| setting.whole(&object(before))),
                    entry: edit.entry.clone(),
                    setting,
                });
            }
            // What goes makes room first.
            goals.sort_by_key(|goal| goal.fields.is_some());
            let edits = self.reach(asked, &mut goals, &mut read).await?;
            if edits.is_empty() {
                return Err(Wrong::from(Rule::NothingToUndo(version)).into());
            }
            let written = self.write(asked, &read, Some(version), &edits).await?;
            if let Some(version) = written {
                return Ok(Changed {
                    version,
                    made: true,
                    fields: None,
                    others: edits.len().saturating_sub(1),
                });
            }
        }
        Err(Refusal::Busy)
    }

    pub(super) fn past(&self, edit: &Edit) -> PastEdit {
        let setting = self.gate.registry().setting(&edit.setting);
        let shown = |fields: &Option<Value>| {
            let fields = fields.as_ref().map(object)?;
            // Of a setting that is no more, nobody knows what was secret.
            setting.map(|(_, setting)| setting.shown(&fields))
        };
        PastEdit {
            setting: edit.setting.clone(),
            entry: edit.entry.clone(),
            before: shown(&edit.before),
            after: shown(&edit.after),
        }
    }
}

fn object(value: &Value) -> Fields {
    value.as_object().cloned().unwrap_or_default()
}
