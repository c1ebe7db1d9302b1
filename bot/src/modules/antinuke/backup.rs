//! A backup of the server when an attack begins, of what the attacker has not reached: it is ordered
//! once they are held, so that no call that stops them waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_antinuke::{Alert, Incident, IncidentState, Moment, Notice};
use splashtail_api_types::job_kinds::CREATE_BACKUP;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::telemetry::Chain;
use splashtail_guild::Id;
use splashtail_storage::{Owner, StorageError, TaskQuery, TaskRow, TaskState};
use tracing::{info, warn};

use super::server::Server;
use super::service::Protection;
use crate::catalogue::Language;
use crate::error::BotError;
use crate::modules::server_backups::KnownChannel;
use crate::text;

/// What is older than this when it is heard of did not just begin.
const LATE_MS: u64 = 10 * 60 * 1000;
/// Backups of a server that are looked through.
const LOOKED_AT: u32 = 50;
/// Backups of incidents that stay.
const KEPT: usize = 5;
/// Incidents whose backup is known.
const MAX_KNOWN: usize = 5000;

/// Which backup was made for which incident; nothing where none is made. The oldest incident comes first.
#[derive(Default)]
pub(super) struct Backups(Mutex<BTreeMap<(Id, GuildId), Option<TaskId>>>);

impl Backups {
    /// Whether this is the first to care for an incident.
    fn begin(&self, guild: GuildId, incident: Id) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !known.contains_key(&(incident, guild));
        if is_first {
            known.insert((incident, guild), None);
            if known.len() > MAX_KNOWN {
                known.pop_first();
            }
        }
        is_first
    }

    fn set(&self, guild: GuildId, incident: Id, task: TaskId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((incident, guild), Some(task));
    }

    /// It is tried again when the incident goes on.
    fn forget(&self, guild: GuildId, incident: Id) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(incident, guild));
    }

    fn get(&self, guild: GuildId, incident: Id) -> Option<TaskId> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(incident, guild)).copied().flatten()
    }
}

/// A backup of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    task: TaskId,
    incident: Id,
    at: DateTime<Utc>,
    state: TaskState,
}

impl Made {
    fn of(row: &TaskRow) -> Option<Self> {
        Some(Self {
            task: row.id,
            incident: Id::read(&row.fields["Incident"])?,
            at: row.created_at,
            state: row.state,
        })
    }
}

/// What is to be done about an incident.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// It has one.
    Made(TaskId),
    /// The last one is young enough.
    NotYet,
    Now,
}

/// `made`: the newest first.
fn due(made: &[Made], incident: Id, every: TimeDelta, now: DateTime<Utc>) -> Due {
    if let Some(own) = made.iter().find(|made| made.incident == incident) {
        return Due::Made(own.task);
    }
    let is_young = |made: &Made| made.state != TaskState::Failed && now - made.at < every;
    match made.iter().any(is_young) {
        true => Due::NotYet,
        false => Due::Now,
    }
}

/// Those that go when another one comes.
fn surplus(made: &[Made]) -> impl Iterator<Item = TaskId> + '_ {
    let over = made.iter().filter(|made| made.state.is_terminal());
    over.skip(KEPT - 1).map(|made| made.task)
}

/// Whether whoever attacks is held by now, as far as they can be.
fn is_held(incident: &Incident) -> bool {
    matches!(
        incident.state,
        IncidentState::Contained
            | IncidentState::Unreachable
            | IncidentState::Failed
            | IncidentState::DryRun
    )
}

impl Protection {
    /// Orders a backup for an incident that began just now, where the server wants that.
    pub(super) fn back_up(self: &Arc<Self>, server: &Arc<Server>, incident: &Incident) {
        let (guild, id) = (server.guild, incident.id);
        let hours = server.read(|engine, _| engine.policy().backup_hours);
        let age = self.now().0.saturating_sub(Moment::of(id).0);
        let wanted = hours.filter(|_| is_held(incident) && age < LATE_MS && !server.is_cold());
        let Some(hours) = wanted.filter(|_| self.backups.begin(guild, id)) else {
            return;
        };
        let (protection, server) = (Arc::clone(self), Arc::clone(server));
        tokio::spawn(async move {
            let every = TimeDelta::hours(hours.into());
            match protection.order_backup(&server, id, every).await {
                Ok(Some(task)) => {
                    info!(guild.id = %guild, incident.id = %id, task.id = %task, "backing up");
                    protection.backups.set(guild, id, task);
                    protection.alerts.push(guild, redrawn(id));
                }
                Ok(None) => {}
                Err(error) => {
                    warn!(guild.id = %guild, error = %Chain(&error), "a backup was not ordered");
                    protection.backups.forget(guild, id);
                }
            }
        });
    }

    async fn order_backup(
        &self,
        server: &Server,
        incident: Id,
        every: TimeDelta,
    ) -> Result<Option<TaskId>, BotError> {
        let guild = server.guild;
        let made = self.incident_backups(guild).await?;
        match due(&made, incident, every, self.clock.now()) {
            Due::Made(task) => return Ok(Some(task)),
            Due::NotYet => return Ok(None),
            Due::Now => {}
        }
        let channels = server.read(|_, structure| KnownChannel::all(structure));
        let data = order(guild, incident, &channels);
        // Twice heard of it is ordered once.
        let key = format!("ib:{incident}");
        let jobserver = &self.put_backs.jobserver;
        let created = jobserver
            .create_task(CREATE_BACKUP.name, data, true, Some(&key))
            .await?;
        for old in surplus(&made) {
            if let Err(error) = jobserver.delete_task(old, guild).await {
                warn!(task.id = %old, error = %Chain(&error), "an old backup stays for now");
            }
        }
        Ok(Some(created.task_id))
    }

    /// Those of a server, the newest first.
    async fn incident_backups(&self, guild: GuildId) -> Result<Vec<Made>, StorageError> {
        let query = TaskQuery {
            name: Some(CREATE_BACKUP.name),
            ..TaskQuery::newest(Owner::Server(guild), LOOKED_AT)
        };
        let rows = self.storage.tasks().list(&query, self.clock.now()).await?;
        Ok(rows.iter().filter_map(Made::of).collect())
    }

    /// What people are told of the backup of an incident, from memory.
    pub(super) fn backup_line(
        &self,
        language: Language,
        guild: GuildId,
        incident: Id,
    ) -> Option<String> {
        let task = self.backups.get(guild, incident)?;
        Some(text!(language, "incident-backup", id = task.to_string()))
    }

    /// The same, of backups that a process before this one ordered, too.
    pub(super) async fn backup_found(
        &self,
        language: Language,
        guild: GuildId,
        incident: Id,
    ) -> Option<String> {
        if self.backups.get(guild, incident).is_none() {
            let made = self.incident_backups(guild).await.unwrap_or_default();
            let own = made.iter().find(|made| made.incident == incident)?;
            self.backups.set(guild, incident, own.task);
        }
        self.backup_line(language, guild, incident)
    }
}

/// Without a password, since nobody is there to give one; what an earlier backup has is copied from it.
fn order(guild: GuildId, incident: Id, channels: &[KnownChannel]) -> Value {
    let mut data = json!({
        "ServerID": guild,
        "Incident": incident,
        "Options": {
            "BackupMessages": true,
            "BackupMembers": true,
            "BackupGuildAssets": ["icon", "splash", "banner"],
            "IgnoreMessageBackupErrors": true,
            "RolloverLeftovers": true,
            "Incremental": "auto",
        },
    });
    if !channels.is_empty() {
        data["KnownChannels"] = json!(channels);
    }
    data
}

fn redrawn(incident: Id) -> Alert {
    Alert {
        notice: Notice::Incident,
        incident: Some(incident),
        about: None,
        owner: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_764_500_000 + hour * 3600, 0).unwrap()
    }

    fn made(incident: u64, hour: i64, state: TaskState) -> Made {
        Made {
            task: TaskId::random(),
            incident: Id::new(incident),
            at: at(hour),
            state,
        }
    }

    #[test]
    fn there_is_one_per_incident_and_not_more_often_than_asked_for() {
        let day = TimeDelta::hours(24);
        let old = made(7, 0, TaskState::Completed);
        assert_eq!(due(&[], Id::new(8), day, at(1)), Due::Now);
        assert_eq!(due(&[old], Id::new(7), day, at(99)), Due::Made(old.task));
        assert_eq!(due(&[old], Id::new(8), day, at(23)), Due::NotYet);
        assert_eq!(due(&[old], Id::new(8), day, at(24)), Due::Now);
        // One that failed is none, one that runs is one.
        let failed = made(7, 0, TaskState::Failed);
        assert_eq!(due(&[failed], Id::new(8), day, at(1)), Due::Now);
        let running = made(7, 0, TaskState::Running);
        assert_eq!(due(&[running], Id::new(8), day, at(1)), Due::NotYet);
    }

    #[test]
    fn the_newest_stay() {
        let all: Vec<Made> = (0..8)
            .rev()
            .map(|n| made(n + 1, n.cast_signed(), TaskState::Completed))
            .collect();
        let gone: Vec<TaskId> = surplus(&all).collect();
        let oldest = all[KEPT - 1..].iter().map(|made| made.task);
        assert_eq!(gone, oldest.collect::<Vec<_>>(), "the new one is the fifth");
        let running = [made(1, 0, TaskState::Running); KEPT + 1];
        assert_eq!(surplus(&running).count(), 0);
    }
}
