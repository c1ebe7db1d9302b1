//! A guild's whole configuration as one readable file, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_core::ids::GuildId;
use splashtail_storage::Edit;

use super::ask::Trial;
use super::change::ATTEMPTS;
use super::goal::Goal;
use super::{Asked, Changed, Configuration, PastEdit, Read, Refusal, Way, command_of, entry_of};
use crate::settings::{Fields, Operation, Rule, Wrong};

/// The form of the file; others are refused.
const FORM: u32 = 1;
/// Largest file that is read, in bytes.
pub const MAX_FILE: usize = 256 * 1024;

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    form: u32,
    guild: GuildId,
    /// Rows by setting.
    settings: BTreeMap<String, Vec<Fields>>,
}

/// What an import would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The guild that the file is of.
    pub from: GuildId,
    /// What would change, without secrets.
    pub shown: Vec<PastEdit>,
    edits: Vec<Edit>,
}

impl Plan {
    /// Names what was shown, and of which file: nothing of a secret that the server has set is in it.
    pub fn hash(&self, text: &str, replace: bool) -> String {
        let edits = self.shown.iter();
        let edits = edits.map(|edit| json!([edit.setting, edit.entry, edit.before, edit.after]));
        let edits: Vec<Value> = edits.collect();
        let digest = Sha256::digest(json!([text, replace, edits]).to_string());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
impl Plan {
    pub(crate) fn empty(from: GuildId) -> Self {
        let (shown, edits) = (Vec::new(), Vec::new());
        Self { from, shown, edits }
    }
}

impl Asked {
    fn for_import(&self) -> Self {
        Self {
            way: Way::Import,
            command: None,
            ..self.clone()
        }
    }
}

impl Configuration {
    /// All settings that the one who asks may view, as YAML. Secrets are left out.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn export(&self, asked: &Asked) -> Result<String, Refusal> {
        let read = self.read(asked.guild).await?;
        let trial = Trial::new(&self.gate, asked, &read);
        if let Some(command) = asked.command {
            trial.require(command)?;
        }
        let mut settings = BTreeMap::new();
        for (_, setting) in self.gate.registry().settings() {
            let view = command_of(setting.id, Operation::View);
            let mut rows: Vec<Fields> = read.rows.of(setting.id).map(|(_, f)| f.clone()).collect();
            if rows.is_empty() || trial.require(&view).is_err() {
                continue;
            }
            // What it says by default it may say otherwise where the file goes.
            rows.iter_mut().for_each(|row| *row = setting.whole(row));
            for column in setting.columns.iter().filter(|column| column.secret) {
                rows.iter_mut().for_each(|row| drop(row.remove(column.id)));
            }
            settings.insert(setting.id.to_owned(), rows);
        }
        let file = File {
            form: FORM,
            guild: asked.guild,
            settings,
        };
        serde_yaml::to_string(&file).map_err(|error| {
            // Text, numbers, lists and maps of texts always serialise.
            Wrong::from(Rule::NotExported(error.to_string())).into()
        })
    }

    /// What a file would change, without changing it. Each entry is judged as if it had been entered
    /// by hand. Entries that the file does not name stay, unless `replace` is set: then those of its
    /// settings are deleted.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn plan_import(
        &self,
        asked: &Asked,
        text: &str,
        replace: bool,
    ) -> Result<Plan, Refusal> {
        let (_, plan) = self.prepare(asked, &parse(text)?, replace).await?;
        Ok(plan)
    }

    async fn prepare(
        &self,
        asked: &Asked,
        file: &File,
        replace: bool,
    ) -> Result<(Read, Plan), Refusal> {
        let mut read = self.read(asked.guild).await?;
        if let Some(command) = asked.command {
            Trial::new(&self.gate, asked, &read).require(command)?;
        }
        let mut goals = self.goals(file.clone(), replace, &read)?;
        let asked = asked.for_import();
        let edits = self.reach(&asked, &mut goals, &mut read).await?;
        let plan = Plan {
            from: file.guild,
            shown: edits.iter().map(|edit| self.past(edit)).collect(),
            edits,
        };
        Ok((read, plan))
    }

    /// Makes the guild's configuration what a file says, as one change: exactly what `approved` shows,
    /// where that is given.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing is changed then.
    pub async fn import(
        &self,
        asked: &Asked,
        text: &str,
        replace: bool,
        approved: Option<&Plan>,
    ) -> Result<Changed, Refusal> {
        let file = parse(text)?;
        for _ in 0..ATTEMPTS {
            let (read, plan) = self.prepare(asked, &file, replace).await?;
            if approved.is_some_and(|approved| approved.edits != plan.edits) {
                return Err(Wrong::from(Rule::PlanChanged).into());
            }
            let changed = |version, made| Changed {
                version,
                made,
                fields: None,
                others: plan.edits.len(),
            };
            if plan.edits.is_empty() {
                return Ok(changed(read.version, false));
            }
            let asked = asked.for_import();
            let written = self.write(&asked, &read, None, &plan.edits).await?;
            if let Some(version) = written {
                return Ok(changed(version, true));
            }
        }
        Err(Refusal::Busy)
    }

    /// What the file wants.
    fn goals(&self, file: File, replace: bool, read: &Read) -> Result<Vec<Goal>, Refusal> {
        let mut goals = Vec::new();
        for (id, rows) in file.settings {
            let setting = self.setting(&id)?;
            let mut named = BTreeSet::new();
            for mut row in rows {
                let entry = entry_of(&row, &setting)?;
                // Without a place it keeps the one it has, or gets one.
                if let Some(order) = setting.order() {
                    row.retain(|column, value| column != order.id || !value.is_null());
                }
                named.insert(entry.clone());
                goals.push(Goal {
                    setting: Arc::clone(&setting),
                    entry,
                    fields: Some(row),
                });
            }
            let all = read.rows.of(&id).map(|(entry, _)| entry);
            let surplus = all.filter(|entry| replace && !named.contains(*entry));
            goals.extend(surplus.map(|entry| Goal {
                setting: Arc::clone(&setting),
                entry: entry.to_owned(),
                fields: None,
            }));
        }
        Ok(goals)
    }
}

fn parse(text: &str) -> Result<File, Refusal> {
    let wrong = |rule: Rule| Refusal::from(Wrong::from(rule));
    if text.len() > MAX_FILE {
        return Err(wrong(Rule::FileTooLong { most: MAX_FILE }));
    }
    let file: File = serde_yaml::from_str(text)
        .map_err(|error| wrong(Rule::FileUnreadable(error.to_string())))?;
    match file.form {
        FORM => Ok(file),
        given => Err(wrong(Rule::FileForm { given, known: FORM })),
    }
}
