//! A guild's configuration: reading it, changing it, and taking changes back.
//!
//! [`Configuration`] is the one way to change a row of any setting. It reads all that the guild has
//! set, judges the change by the declaration and by the setting's rules, and writes it on the
//! version it has read; when somebody else was faster, it begins again.

mod ask;
mod change;
mod goal;
mod guard;
mod history;
mod members;
mod transfer;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_permissions::{Permission, PermissionResult};
use splashtail_storage::{Snapshot, Storage, StorageError};

use crate::cluster::ClusterState;
use crate::framework::gate::{
    Gate, GuildKnowledge, PermissionRows, Standing, member_standing, not_connected,
};
use crate::inputs::Changes;
use crate::settings::{Fields, GuildRows, Operation, Setting, Why, Wrong};

pub use change::Changed;
pub use guard::{Applied, Guard, Proposal, ProposeError, Proposed, digest, record, recorded};
pub use history::{PastChange, PastEdit};
pub use transfer::{MAX_FILE, Plan};
pub use view::View;

pub struct Configuration {
    gate: Arc<Gate>,
    storage: Storage,
    changes: Arc<Changes>,
    guilds: Arc<dyn GuildKnowledge>,
    clock: SharedClock,
    guard: Option<Arc<dyn Guard>>,
}

/// Who asks, and how.
#[derive(Debug, Clone)]
pub struct Asked {
    pub guild: GuildId,
    pub user: UserId,
    /// Where the user stands on Discord.
    pub standing: Standing,
    /// Narrows the user's kittycat permissions to those of an API token.
    pub custom: Option<Vec<Permission>>,
    pub way: Way,
    /// The command that has to be allowed; `None`: `<setting> <operation>`.
    pub command: Option<&'static str>,
}

impl Asked {
    /// A member who asks in Discord. `roles` are the member's if they are known already.
    ///
    /// # Errors
    /// Discord does not say who they are.
    pub async fn in_discord(
        state: &ClusterState,
        (guild, user): (GuildId, UserId),
        roles: Option<Vec<RoleId>>,
        command: Option<&'static str>,
    ) -> Result<Self, PermissionResult> {
        let connection = state.connection().ok_or_else(not_connected)?;
        Ok(Self {
            guild,
            user,
            standing: member_standing(connection, guild, user, roles).await?,
            custom: None,
            way: Way::Discord,
            command,
        })
    }
}

/// How a change was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Discord,
    Api,
    Rollback,
    Import,
}

impl Way {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discord => "discord",
            Self::Api => "api",
            Self::Rollback => "rollback",
            Self::Import => "import",
        }
    }
}

/// Why nothing was changed or shown.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no setting `{0}`")]
    NoSetting(String),
    #[error("denied: {}", .0.code())]
    Denied(PermissionResult),
    /// Everything that is wrong, at least one.
    #[error("{}", told(.0))]
    Wrong(Vec<Wrong>),
    /// Others have to agree; the text says whom it waits for.
    #[error("{0}")]
    Guarded(String),
    /// Somebody else changed the same again and again.
    #[error("others are changing the settings right now, please try again")]
    Busy,
    #[error("the database failed")]
    Storage(#[from] StorageError),
}

impl From<Wrong> for Refusal {
    fn from(error: Wrong) -> Self {
        Self::Wrong(vec![error])
    }
}

fn told(errors: &[Wrong]) -> String {
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    errors.join("; ")
}

/// A guild's rows, as the rules and as the gate read them.
struct Read {
    version: i64,
    rows: GuildRows,
    permissions: PermissionRows,
    /// Roles of the members that the entries in question are about, everyone's included.
    members: BTreeMap<UserId, Vec<RoleId>>,
}

impl Configuration {
    pub fn new(
        gate: Arc<Gate>,
        storage: Storage,
        changes: Arc<Changes>,
        guilds: Arc<dyn GuildKnowledge>,
        clock: SharedClock,
    ) -> Self {
        Self {
            gate,
            storage,
            changes,
            guilds,
            clock,
            guard: None,
        }
    }

    /// From the database itself: what is decided on has to be true.
    async fn read(&self, guild: GuildId) -> Result<Read, StorageError> {
        let now = self.clock.now();
        self.storage.guilds().ensure(guild, now).await?;
        let Snapshot { version, rows } = self.storage.settings().read(guild, None).await?;
        let stored = rows.iter().map(|row| {
            let (setting, entry) = (row.setting.as_str(), row.entry.as_str());
            (setting, entry, &row.fields)
        });
        let permissions = PermissionRows::read(stored)?;
        let mut all = GuildRows::default();
        for row in rows {
            // Rows are objects; anything else is not ours.
            if let Value::Object(fields) = row.fields {
                all.insert(&row.setting, &row.entry, fields);
            }
        }
        Ok(Read {
            version,
            rows: all,
            permissions,
            members: BTreeMap::new(),
        })
    }

    /// What is kept of a guild's settings may be out of date.
    pub fn doubt(&self, guild: GuildId) {
        self.changes.doubt(guild);
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// The value of a row's primary key, which needs no word where there is only one.
fn entry_of(fields: &Fields, setting: &Setting) -> Result<String, Wrong> {
    let key = fields.get(setting.primary_key);
    match key.or_else(|| setting.single_key()) {
        Some(Value::String(entry)) => Ok(entry.clone()),
        _ => Err(Wrong::field(setting.primary_key, Why::NotGiven)),
    }
}

/// The name of the command that gates an operation.
fn command_of(setting: &str, operation: Operation) -> String {
    format!("{setting} {}", operation.as_str())
}

#[cfg(test)]
mod tests;
