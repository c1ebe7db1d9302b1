//! A guild's whole configuration as one readable file, and back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_storage::Edit;

use super::ask::Trial;
use super::change::ATTEMPTS;
use super::{Asked, Changed, Configuration, Read, Refusal, Way, command_of, entry_of};
use crate::framework::gate::PermissionRows;
use crate::settings::{Fields, Operation, refuse};

/// The form of the file; others are refused.
const FORM: u32 = 1;
/// Largest file that is read, in bytes.
pub const MAX_FILE: usize = 256 * 1024;

/// Times that a file's entries are gone through.
const PASSES: usize = 4;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    form: u32,
    guild: GuildId,
    /// Rows by setting.
    settings: BTreeMap<String, Vec<Fields>>,
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
            refuse(error.to_string(), "export").into()
        })
    }

    /// Makes the guild's configuration what a file says, as one change. Each entry is judged as if
    /// it had been entered by hand. Entries that the file does not name stay, unless `replace` is
    /// set: then those of its settings are deleted.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing is changed then.
    pub async fn import(
        &self,
        asked: &Asked,
        text: &str,
        replace: bool,
    ) -> Result<Changed, Refusal> {
        let file = parse(text)?;
        for _ in 0..ATTEMPTS {
            let mut read = self.read(asked.guild).await?;
            if let Some(command) = asked.command {
                Trial::new(&self.gate, asked, &read).require(command)?;
            }
            let asked = &Asked {
                way: Way::Import,
                command: None,
                ..asked.clone()
            };
            let edits = self.edits(asked, &file, replace, &mut read)?;
            if edits.is_empty() {
                return Ok(Changed {
                    version: read.version,
                    fields: None,
                    others: 0,
                });
            }
            if let Some(version) = self.write(asked, read.version, None, &edits).await? {
                return Ok(Changed {
                    version,
                    fields: None,
                    others: edits.len(),
                });
            }
        }
        Err(Refusal::Busy)
    }

    /// What changes, one edit per entry. Later entries are judged on the earlier ones.
    fn edits(
        &self,
        asked: &Asked,
        file: &File,
        replace: bool,
        read: &mut Read,
    ) -> Result<Vec<Edit>, Refusal> {
        let mut edits: Vec<Edit> = Vec::new();
        // An entry can move one that was there before it: it is put right the next time.
        for _ in 0..PASSES {
            if !self.pass(asked, file, replace, read, &mut edits)? {
                break;
            }
        }
        edits.retain(|edit| edit.before != edit.after);
        Ok(edits)
    }

    /// Whether anything had to change.
    fn pass(
        &self,
        asked: &Asked,
        file: &File,
        replace: bool,
        read: &mut Read,
        edits: &mut Vec<Edit>,
    ) -> Result<bool, Refusal> {
        let mut changed = false;
        for (id, rows) in &file.settings {
            let setting = self.setting(id)?;
            let mut named = Vec::new();
            for row in rows {
                let entry = entry_of(row, setting.primary_key)?;
                let operation = match read.rows.get(id, &entry) {
                    Some(_) => Operation::Update,
                    None => Operation::Create,
                };
                let decided = self.decide(asked, &setting, operation, row, read)?;
                changed |= apply(&decided.edits, read, edits)?;
                named.push(entry);
            }
            let surplus: Vec<String> = match replace {
                false => Vec::new(),
                true => {
                    let all = read.rows.of(id).map(|(entry, _)| entry.to_owned());
                    all.filter(|entry| !named.contains(entry)).collect()
                }
            };
            for entry in surplus {
                let key = Fields::from_iter([(setting.primary_key.to_owned(), entry.into())]);
                let decided = self.decide(asked, &setting, Operation::Delete, &key, read)?;
                changed |= apply(&decided.edits, read, edits)?;
            }
        }
        Ok(changed)
    }
}

fn parse(text: &str) -> Result<File, Refusal> {
    let wrong = |text: String| Refusal::from(refuse(text, "file"));
    if text.len() > MAX_FILE {
        return Err(wrong(format!("The file has more than {MAX_FILE} bytes.")));
    }
    let file: File = serde_yaml::from_str(text)
        .map_err(|error| wrong(format!("The file cannot be read: {error}.")))?;
    match file.form {
        FORM => Ok(file),
        form => Err(wrong(format!("The file has form {form}, known is {FORM}."))),
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
