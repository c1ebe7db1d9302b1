//! Servers that are changed only by what more than one person agreed to. The bot asks them and starts
//! what was agreed to; no other way leads around it.

use async_trait::async_trait;
use splashtail_api_types::setting_names::guarded::{ENABLED, ENTRY, SETTING};
use splashtail_core::ids::GuildId;
use splashtail_jobs::{EngineError, Guard, Owner};
use splashtail_storage::{Storage, StorageError};

use crate::restore::RestoreBackup;

/// The bot has people agree before it orders; whoever has the command line has the machine. All
/// others speak for people without anybody's agreement, schedules too.
const AGREED: [&str; 2] = ["bot", "cli"];

/// What the servers' owners have set.
pub struct GuardedServers(pub Storage);

#[async_trait]
impl Guard for GuardedServers {
    async fn admit(&self, client: &str, job: &str, owner: Owner) -> Result<(), EngineError> {
        let Owner::Server(guild) = owner else {
            return Ok(());
        };
        if AGREED.contains(&client) || !self.is_on(guild).await? {
            return Ok(());
        }
        let message = if job == RestoreBackup::NAME {
            "a restore of this server has to be agreed to: run /backups restore in Discord"
        } else {
            "what changes this server has to be agreed to: order it in Discord, or have the owner turn \
             guarded operations off with /guarded set"
        };
        Err(EngineError::Guarded(message.to_owned()))
    }
}

impl GuardedServers {
    async fn is_on(&self, guild: GuildId) -> Result<bool, StorageError> {
        let read = self.0.settings().read(guild, Some(SETTING)).await?;
        let row = read.rows.iter().find(|row| row.entry == ENTRY);
        Ok(row.is_some_and(|row| row.fields[ENABLED] == true))
    }
}
