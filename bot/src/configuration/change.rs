use std::sync::Arc;

use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, RoleId};
use splashtail_storage::{Edit, NewChange, Written};

use super::ask::Trial;
use super::{Asked, Configuration, Read, Refusal, command_of, entry_of};
use crate::settings::{Actor, Column, Draft, Fields, Format, Kind, Operation, Setting, Why, Wrong};

/// Times that a change is begun anew because somebody else was faster.
pub(super) const ATTEMPTS: u32 = 8;

/// What a change did.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The guild's settings are of this version now; it names the change, if there was one.
    pub version: i64,
    /// Whether anything had to change.
    pub made: bool,
    /// The entry as it is now, without secrets; `None` when it is gone.
    pub fields: Option<Fields>,
    /// Other entries that had to change along.
    pub others: usize,
}

impl Configuration {
    /// Creates, changes or deletes an entry. What is not given stays as it is on Update, and is
    /// the default on Create.
    ///
    /// # Errors
    /// See [`Refusal`]; all that is wrong with the fields is told at once.
    pub async fn change(
        &self,
        asked: &Asked,
        setting: &str,
        operation: Operation,
        fields: &Fields,
    ) -> Result<Changed, Refusal> {
        let setting = self.setting(setting)?;
        for _ in 0..ATTEMPTS {
            let mut read = self.read(asked.guild).await?;
            self.permit(asked, &setting, operation, &read)?;
            let entry = fields.get(setting.primary_key).and_then(Value::as_str);
            let about = entry.map(|entry| (setting.as_ref(), entry));
            read.members = self.members_of(asked.guild, about).await?;
            let decided = self.decide(asked, &setting, operation, fields, &read)?;
            let edits = decided.edits;
            // Nothing is written, and nothing remembered, when nothing changes.
            if edits.iter().all(|edit| edit.before == edit.after) {
                return Ok(Changed {
                    version: read.version,
                    made: false,
                    fields: decided.after.map(|after| setting.shown(&after)),
                    others: 0,
                });
            }
            if let Some(version) = self.write(asked, &read, None, &edits).await? {
                return Ok(Changed {
                    version,
                    made: true,
                    fields: decided.after.map(|after| setting.shown(&after)),
                    others: edits.len() - 1,
                });
            }
        }
        Err(Refusal::Busy)
    }

    /// Creates the entry or changes it, whichever it takes.
    ///
    /// # Errors
    /// As [`Configuration::change`].
    pub async fn set(
        &self,
        asked: &Asked,
        setting: &str,
        fields: &Fields,
    ) -> Result<Changed, Refusal> {
        let known = self.setting(setting)?;
        let entry = entry_of(fields, &known)?;
        let read = self.read(asked.guild).await?;
        let stored = read.rows.get(setting, &entry);
        let operation = known.way_to(stored.is_some());
        if let Some(stored) = stored.filter(|_| !known.supports(operation)) {
            // All there is to it is that it is there.
            self.permit(asked, &known, Operation::Create, &read)?;
            return Ok(Changed {
                version: read.version,
                made: false,
                fields: Some(known.shown(stored)),
                others: 0,
            });
        }
        self.change(asked, setting, operation, fields).await
    }

    pub(super) fn setting(&self, id: &str) -> Result<Arc<Setting>, Refusal> {
        let found = self.gate.registry().setting(id);
        let found = found.map(|(_, setting)| Arc::clone(setting));
        found.ok_or_else(|| Refusal::NoSetting(id.to_owned()))
    }

    /// `None`: somebody else was faster.
    pub(super) async fn write(
        &self,
        asked: &Asked,
        read: &Read,
        undoes: Option<i64>,
        edits: &[Edit],
    ) -> Result<Option<i64>, Refusal> {
        self.guard(asked, read, edits).await?;
        let change = NewChange {
            guild: asked.guild,
            decided_on: read.version,
            by: asked.user,
            way: asked.way.as_str(),
            at: self.now(),
            undoes,
            edits,
        };
        match self.storage.settings().write(&change).await? {
            Written::Stale => Ok(None),
            Written::At(version) => {
                self.changes.tell(asked.guild, version).await;
                metrics::counter!("bot_setting_changes_total", "way" => asked.way.as_str())
                    .increment(1);
                Ok(Some(version))
            }
        }
    }

    fn permit(
        &self,
        asked: &Asked,
        setting: &Setting,
        operation: Operation,
        read: &Read,
    ) -> Result<(), Refusal> {
        let trial = Trial::new(&self.gate, asked, read);
        match asked.command {
            Some(command) => trial.require(command),
            None => trial.require(&command_of(setting.id, operation)),
        }
    }

    /// Everything but the writing: a function of what was read.
    pub(super) fn decide(
        &self,
        asked: &Asked,
        setting: &Setting,
        operation: Operation,
        fields: &Fields,
        read: &Read,
    ) -> Result<Decided, Refusal> {
        self.permit(asked, setting, operation, read)?;
        let trial = Trial::new(&self.gate, asked, read);
        if operation == Operation::View || !setting.supports(operation) {
            return Err(Wrong::NotSupported(operation).into());
        }
        let given = setting.read(operation, fields).map_err(Refusal::Wrong)?;
        let entry = entry_of(&given, setting)?;
        let stored = read.rows.get(setting.id, &entry);
        let untouched = setting.untouched();
        let before = match operation {
            Operation::Update => stored.or(untouched.as_ref()),
            _ => stored,
        };
        let column_id = || setting.primary_key.to_owned();
        let after = match (operation, before) {
            (Operation::Create, Some(_)) => {
                let (column, count) = (column_id(), 1);
                return Err(Wrong::RowExists { column, count }.into());
            }
            (Operation::Update | Operation::Delete, None) => {
                let column = column_id();
                return Err(Wrong::NoRow { column }.into());
            }
            (Operation::Create, None) => {
                let (current, max) = (read.rows.count(setting.id), setting.max_entries);
                if current >= max {
                    return Err(Wrong::Full { max, current }.into());
                }
                Some(given)
            }
            (Operation::Update, Some(before)) => {
                let mut after = before.clone();
                after.extend(given);
                Some(after)
            }
            _ => None,
        };
        let actor = trial.actor();
        if let Some(after) = &after {
            self.check_objects(setting, before, after, &actor, asked.guild)?;
        }
        let mut draft = Draft {
            guild: asked.guild,
            now: self.now(),
            operation,
            actor: &actor,
            rows: &read.rows,
            members: &read.members,
            before,
            after,
            also: Vec::new(),
            commands: &trial,
        };
        if let Some(rules) = &setting.rules {
            rules.judge(&mut draft)?;
        }
        let Draft { after, also, .. } = draft;
        if let Some(after) = &after {
            // What rules move out of the way is out of the way.
            let moved = |other: &str| {
                also.iter()
                    .any(|edit| edit.setting == setting.id && edit.entry == other)
            };
            let others = read.rows.of(setting.id);
            let others = others.filter(|(other, _)| *other != entry && !moved(other));
            setting.check_unique(after, &others.collect::<Vec<_>>())?;
        }
        let own = Edit {
            setting: setting.id.to_owned(),
            entry,
            before: stored.cloned().map(Value::Object),
            after: after.clone().map(Value::Object),
        };
        let mut edits = vec![own];
        edits.extend(also);
        Ok(Decided { after, edits })
    }

    /// What is newly named has to be there: nobody points the bot at another server's channel.
    fn check_objects(
        &self,
        setting: &Setting,
        before: Option<&Fields>,
        after: &Fields,
        actor: &Actor,
        guild: GuildId,
    ) -> Result<(), Wrong> {
        for column in &setting.columns {
            let Kind::Text { format, .. } = column.kind else {
                continue;
            };
            let known: Vec<String> = before
                .map(|b| named(b, column).collect())
                .unwrap_or_default();
            let is_there = |id: &String| match format {
                Format::Channel => id
                    .parse::<ChannelId>()
                    .is_ok_and(|id| self.guilds.has_channel(guild, id)),
                // Rules of its own setting say what may be done with a role's entry.
                Format::Role if column.id != setting.primary_key => id
                    .parse::<RoleId>()
                    .is_ok_and(|id| actor.ranks.contains_key(&id)),
                _ => true,
            };
            let mut new = named(after, column).filter(|id| !known.contains(id));
            if new.any(|id| !is_there(&id)) {
                return Err(Wrong::field(column.id, Why::NotSeen));
            }
        }
        Ok(())
    }
}

/// The ids that a column names.
fn named(fields: &Fields, column: &Column) -> impl Iterator<Item = String> {
    let value = fields.get(column.id);
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    items.iter().filter_map(Value::as_str).map(str::to_owned)
}

/// What shall be written; the entry itself comes first.
pub(super) struct Decided {
    pub after: Option<Fields>,
    pub edits: Vec<Edit>,
}

impl Setting {
    /// The columns that are given and not ignored, and the defaults of a new entry.
    fn read(&self, operation: Operation, given: &Fields) -> Result<Fields, Vec<Wrong>> {
        let mut read = Fields::new();
        let mut wrong = Vec::new();
        for column in &self.columns {
            let is_key = column.id == self.primary_key;
            if operation == Operation::Delete && !is_key {
                continue;
            }
            if column.is_ignored(operation) && !is_key {
                if operation == Operation::Create {
                    let value = column.default.clone().unwrap_or(Value::Null);
                    read.insert(column.id.to_owned(), value);
                }
                continue;
            }
            let value = match (given.get(column.id), &column.default) {
                (Some(value), _) => column.read(value),
                (None, Some(default)) if operation == Operation::Create || is_key => {
                    Ok(default.clone())
                }
                (None, None) if operation == Operation::Create && column.nullable => {
                    Ok(Value::Null)
                }
                (None, _) if operation == Operation::Create || is_key => {
                    Err(Wrong::field(column.id, Why::NotGiven))
                }
                (None, _) => continue,
            };
            match value {
                Ok(value) => drop(read.insert(column.id.to_owned(), value)),
                Err(error) => wrong.push(error),
            }
        }
        let unknown = |field: &&String| {
            let is_known = self.column(field).is_some() || self.is_retired(field);
            !is_known && !field.starts_with("__")
        };
        let unknown = given.keys().filter(unknown);
        wrong.extend(unknown.map(|field| Wrong::field(field.as_str(), Why::NoColumn)));
        match wrong.is_empty() {
            true => Ok(read),
            false => Err(wrong),
        }
    }

    /// The operation that makes an entry what it shall be.
    pub(super) fn way_to(&self, is_there: bool) -> Operation {
        match is_there || self.is_single() {
            true => Operation::Update,
            false => Operation::Create,
        }
    }

    pub(super) fn check_unique(
        &self,
        fields: &Fields,
        others: &[(&str, &Fields)],
    ) -> Result<(), Wrong> {
        for column in self.columns.iter().filter(|column| column.unique) {
            let value = fields.get(column.id).filter(|value| !value.is_null());
            let same = |(_, other): &&(&str, &Fields)| other.get(column.id) == value;
            let count = match value {
                Some(_) => others.iter().filter(same).count(),
                None => 0,
            };
            if count > 0 {
                let column = column.id.to_owned();
                return Err(Wrong::RowExists { column, count });
            }
        }
        Ok(())
    }

    /// An entry as it may be shown: of a secret only whether there is one.
    pub(super) fn shown(&self, fields: &Fields) -> Fields {
        let fields = self.whole(fields);
        let shown = self.columns.iter().map(|column| {
            let value = fields.get(column.id).cloned().unwrap_or(Value::Null);
            let value = match column.secret && !value.is_null() {
                true => Value::from("********"),
                false => value,
            };
            (column.id.to_owned(), value)
        });
        shown.collect()
    }
}
