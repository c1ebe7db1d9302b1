//! What decides on a change besides the columns.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_api_types::settings::{Fields, Operation};
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_guild::permissions::Rank;
use splashtail_permissions::edit::Editor;
use splashtail_permissions::{CheckOptions, Permission, PermissionResult};
use splashtail_storage::Edit;

use super::wrong::Wrong;
use crate::catalogue::Language;

/// A setting's own word on a change, after its columns were read. A function of the draft: nothing
/// in here waits for anybody.
pub trait Rules: Send + Sync {
    /// May change [`Draft::after`] and add to [`Draft::also`].
    ///
    /// # Errors
    /// Why the change is refused.
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong>;

    /// What becomes weaker by such a change of an entry: protection that goes off, a higher limit,
    /// somebody who is trusted. Where the guild wants it so, others then have to agree. `None`: nothing.
    fn weakens(&self, change: &EntryChange<'_>) -> Option<Weaker> {
        let _ = change;
        None
    }
}

/// A change of one entry, among everything that the guild has set before it and after it: what an
/// entry comes to can depend on others.
#[derive(Debug, Clone, Copy)]
pub struct EntryChange<'a> {
    /// In which what becomes weaker is said.
    pub language: Language,
    pub before: Option<&'a Fields>,
    pub after: Option<&'a Fields>,
    pub rows_before: &'a GuildRows,
    pub rows_after: &'a GuildRows,
}

/// What a change makes weaker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weaker {
    pub gravity: Gravity,
    /// For people.
    pub line: String,
}

/// How bad that is; the worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Somebody is never stopped any more.
    Trust,
    /// Something goes off, or is done by halves.
    Off,
    /// Less is done, or later.
    Less,
}

impl Gravity {
    pub const fn of(self, line: String) -> Weaker {
        Weaker {
            gravity: self,
            line,
        }
    }
}

/// A change that is about to be made.
pub struct Draft<'a> {
    pub guild: GuildId,
    pub now: DateTime<Utc>,
    pub operation: Operation,
    pub actor: &'a Actor,
    /// Everything that the guild has set.
    pub rows: &'a GuildRows,
    /// Roles of members whose entries are changed, the everyone role included. Of a member who is not
    /// here nothing is known.
    pub members: &'a BTreeMap<UserId, Vec<RoleId>>,
    /// The entry as it is; of a setting of one row that nobody has touched, its defaults.
    pub before: Option<&'a Fields>,
    /// The entry as it shall be; `None` on Delete.
    pub after: Option<Fields>,
    /// What changes along with it.
    pub also: Vec<Edit>,
    pub commands: &'a dyn Commands,
}

/// What rules can ask about commands, as if the actor ran them now.
pub trait Commands: Send + Sync {
    /// Whether the actor may run it.
    fn may_run(&self, command: &str, options: &CheckOptions) -> PermissionResult;

    /// Whether they may as a person, whatever the token is limited to with which they ask.
    fn person_may_run(&self, command: &str, options: &CheckOptions) -> PermissionResult;

    /// The command's own name, if there is such a command.
    fn command(&self, name: &str) -> Option<String>;

    /// Whether a guild may switch the module and its commands on and off; `None`: no such module.
    fn toggles(&self, module: &str) -> Option<Toggles>;

    /// The qualified names of all commands of a module.
    fn of_module(&self, module: &str) -> Vec<String>;

    /// The module of a command.
    fn module_of(&self, command: &str) -> Option<String>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toggles {
    pub module: bool,
    pub commands: bool,
}

/// Whoever asks for a change, and what Discord says of the server's roles.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    pub user: Option<UserId>,
    pub is_owner: bool,
    /// The everyone role included.
    pub roles: Vec<RoleId>,
    /// Resolved.
    pub kittycat: Vec<Permission>,
    /// Index of the strongest configured role among `roles`.
    pub index: Option<i32>,
    /// Each role of the server.
    pub ranks: BTreeMap<RoleId, Rank>,
}

impl Actor {
    pub fn editor(&self) -> Editor<'_, Rank> {
        let held = self.roles.iter().filter_map(|role| self.ranks.get(role));
        Editor {
            is_owner: self.is_owner,
            kittycat: &self.kittycat,
            highest: held.max().copied(),
            index: self.index,
        }
    }
}

impl Draft<'_> {
    /// Whether anything about the entry changes.
    pub fn is_change(&self) -> bool {
        self.before != self.after.as_ref()
    }

    /// The value of a column before and after; null where there is none.
    pub fn values(&self, column: &str) -> (&Value, &Value) {
        (
            self.before
                .and_then(|fields| fields.get(column))
                .unwrap_or(&Value::Null),
            self.after
                .as_ref()
                .and_then(|fields| fields.get(column))
                .unwrap_or(&Value::Null),
        )
    }
}

/// All that a guild has set, by setting and entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuildRows(BTreeMap<String, BTreeMap<String, Fields>>);

impl GuildRows {
    pub fn insert(&mut self, setting: &str, entry: &str, fields: Fields) {
        let rows = self.0.entry(setting.to_owned()).or_default();
        rows.insert(entry.to_owned(), fields);
    }

    /// Puts an entry in place of the one before; `None` takes it out.
    pub fn set(&mut self, setting: &str, entry: &str, fields: Option<Fields>) {
        match fields {
            Some(fields) => self.insert(setting, entry, fields),
            None => {
                if let Some(rows) = self.0.get_mut(setting) {
                    rows.remove(entry);
                }
            }
        }
    }

    /// The rows of a setting, by entry.
    pub fn of(&self, setting: &str) -> impl Iterator<Item = (&str, &Fields)> {
        let rows = self.0.get(setting).into_iter().flatten();
        rows.map(|(entry, fields)| (entry.as_str(), fields))
    }

    pub fn get(&self, setting: &str, entry: &str) -> Option<&Fields> {
        self.0.get(setting)?.get(entry)
    }

    pub fn settings(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Fields>)> {
        self.0
            .iter()
            .map(|(setting, rows)| (setting.as_str(), rows))
    }

    pub fn count(&self, setting: &str) -> usize {
        self.0.get(setting).map_or(0, BTreeMap::len)
    }
}
