//! A backup of the server when an attack begins, of what the attacker has not reached: it is ordered
//! once they are held, so that no call that stops them waits for it. One that fails is tried again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
/// An incident that is older has its backup, or gets none any more.
const OVER_MS: u64 = 3 * 60 * 60 * 1000;
/// Backups of a server that are looked through.
const LOOKED_AT: u32 = 50;
/// Backups of incidents that stay; and of tries that failed.
const KEPT: usize = 5;
/// Incidents whose backup is known.
const MAX_KNOWN: usize = 5000;
/// Tries for one incident.
const TRIES: usize = 4;
/// After the first try that failed; after each further one twice as long.
const PAUSE: TimeDelta = TimeDelta::minutes(5);
/// Between two looks at a backup that is being made.
const POLL: Duration = Duration::from_secs(5);
/// Between two looks where nothing can be looked up or ordered, and how many there are.
const AWAY: Duration = Duration::from_secs(30);
const MOST_AWAY: u32 = 20;
/// A backup that waits for longer is looked at again when its incident goes on.
const PATIENCE: Duration = Duration::from_hours(12);

/// What is known of the backup of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Somebody sees to it, and there is nothing to tell yet.
    Awaited,
    Done(TaskId),
    /// The latest try; when there is another one, if there is.
    Failed(TaskId, Option<DateTime<Utc>>),
}

impl Known {
    fn text(self, language: Language) -> Option<String> {
        Some(match self {
            Self::Awaited => return None,
            Self::Done(task) => text!(language, "incident-backup", id = task.to_string()),
            Self::Failed(task, None) => {
                text!(language, "incident-backup-failed", id = task.to_string())
            }
            Self::Failed(task, Some(again)) => text!(
                language,
                "incident-backup-again",
                id = task.to_string(),
                when = format!("<t:{}:R>", again.timestamp())
            ),
        })
    }
}

/// Which backup was made for which incident. The oldest incident comes first.
#[derive(Default)]
pub(super) struct Backups(Mutex<BTreeMap<(Id, GuildId), Known>>);

impl Backups {
    /// Whether this is the first to care for an incident.
    fn begin(&self, guild: GuildId, incident: Id) -> bool {
        let mut known = self.lock();
        let is_first = !known.contains_key(&(incident, guild));
        if is_first {
            known.insert((incident, guild), Known::Awaited);
            if known.len() > MAX_KNOWN {
                known.pop_first();
            }
        }
        is_first
    }

    /// Whether it is something else than before.
    fn set(&self, guild: GuildId, incident: Id, now: Known) -> bool {
        self.lock().insert((incident, guild), now) != Some(now)
    }

    /// It is tried again when the incident goes on.
    fn forget(&self, guild: GuildId, incident: Id) {
        self.lock().remove(&(incident, guild));
    }

    fn get(&self, guild: GuildId, incident: Id) -> Option<Known> {
        self.lock().get(&(incident, guild)).copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Id, GuildId), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A backup of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    task: TaskId,
    incident: Id,
    at: DateTime<Utc>,
    /// When it ended, if it has.
    changed: DateTime<Utc>,
    state: TaskState,
}

impl Made {
    fn of(row: &TaskRow) -> Option<Self> {
        Some(Self {
            task: row.id,
            incident: Id::read(&row.fields["Incident"])?,
            at: row.created_at,
            changed: row.last_updated,
            state: row.state,
        })
    }
}

/// What is to be done about an incident.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// It has one.
    Made(TaskId),
    /// One is being made.
    Underway,
    /// The last one is young enough.
    NotYet,
    /// This try failed, and the next one is due then; there is none after so many.
    Failed(TaskId, Option<DateTime<Utc>>),
    /// The last try before, which failed.
    Now(Option<TaskId>),
}

/// `made`: the newest first. Only a backup that is done stands in for another.
fn due(made: &[Made], incident: Id, every: TimeDelta, now: DateTime<Utc>) -> Due {
    let own = || made.iter().filter(|made| made.incident == incident);
    let is_done = |made: &&Made| made.state == TaskState::Completed;
    if let Some(done) = own().find(is_done) {
        return Due::Made(done.task);
    }
    if made.iter().any(|made| !made.state.is_terminal()) {
        return Due::Underway;
    }
    if made
        .iter()
        .filter(is_done)
        .any(|made| now - made.at < every)
    {
        return Due::NotYet;
    }
    let failed = own().count();
    let Some(last) = own().next() else {
        return Due::Now(None);
    };
    if failed >= TRIES {
        return Due::Failed(last.task, None);
    }
    let doubled = 1 << (failed - 1);
    match last.changed + PAUSE * doubled {
        again if again > now => Due::Failed(last.task, Some(again)),
        _ => Due::Now(Some(last.task)),
    }
}

/// Those that go: of the ones that are done no newer one takes the place of one of the last few, and what
/// failed takes the place of none.
fn surplus(made: &[Made]) -> impl Iterator<Item = TaskId> + '_ {
    let over = |state: TaskState| {
        made.iter()
            .filter(move |made| made.state == state)
            .skip(KEPT)
    };
    let all = over(TaskState::Completed).chain(over(TaskState::Failed));
    all.map(|made| made.task)
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
    /// Sees to a backup of an incident that began just now, where the server wants that.
    pub(super) fn back_up(self: &Arc<Self>, server: &Arc<Server>, incident: &Incident) {
        let (guild, id) = (server.guild, incident.id);
        let hours = server.read(|engine, _| engine.policy().backup_hours);
        let age = self.now().0.saturating_sub(Moment::of(id).0);
        let wanted = hours.filter(|_| is_held(incident) && age < OVER_MS && !server.is_cold());
        let Some(hours) = wanted.filter(|_| self.backups.begin(guild, id)) else {
            return;
        };
        let (protection, server) = (Arc::clone(self), Arc::clone(server));
        tokio::spawn(async move {
            let every = TimeDelta::hours(hours.into());
            protection.see_to_backup(&server, (id, age), every).await;
        });
    }

    /// Goes on with those that were begun when the process before this one ended.
    pub(super) fn back_up_again(self: &Arc<Self>, server: &Arc<Server>) {
        let incidents: Vec<Incident> =
            server.read(|engine, _| engine.incidents().cloned().collect());
        for incident in incidents {
            self.back_up(server, &incident);
        }
    }

    /// Until there is a backup, or there will be none.
    async fn see_to_backup(&self, server: &Server, (id, age): (Id, u64), every: TimeDelta) {
        let guild = server.guild;
        let (begun, mut away) = (self.clock.monotonic(), 0);
        loop {
            let pause = match self.next_of_backup(server, (id, age), every).await {
                Ok(None) => return,
                Ok(Some(pause)) => {
                    away = 0;
                    pause
                }
                Err(error) => {
                    warn!(guild.id = %guild, error = %Chain(&error), "a backup is not seen to");
                    away += 1;
                    AWAY
                }
            };
            if away > MOST_AWAY || self.clock.monotonic().saturating_sub(begun) > PATIENCE {
                self.backups.forget(guild, id);
                return;
            }
            self.clock.sleep(pause).await;
        }
    }

    /// What is due, and when to look again; `None`: it is over.
    async fn next_of_backup(
        &self,
        server: &Server,
        (id, age): (Id, u64),
        every: TimeDelta,
    ) -> Result<Option<Duration>, BotError> {
        let guild = server.guild;
        let (made, now) = (self.incident_backups(guild).await?, self.clock.now());
        match due(&made, id, every, now) {
            Due::Made(task) => {
                self.tell_of_backup(guild, id, Known::Done(task));
                self.drop_surplus(guild, &made).await;
                Ok(None)
            }
            Due::NotYet => Ok(None),
            Due::Underway => Ok(Some(POLL)),
            Due::Failed(task, again) => {
                self.tell_of_backup(guild, id, Known::Failed(task, again));
                if again.is_none() {
                    self.drop_surplus(guild, &made).await;
                }
                Ok(again.map(|again| (again - now).to_std().unwrap_or_default()))
            }
            Due::Now(None) if age >= LATE_MS => Ok(None),
            Due::Now(failed) => {
                let task = self.order_backup(server, id, failed).await?;
                info!(guild.id = %guild, incident.id = %id, task.id = %task, "backing up");
                Ok(Some(POLL))
            }
        }
    }

    fn tell_of_backup(&self, guild: GuildId, incident: Id, known: Known) {
        if self.backups.set(guild, incident, known) {
            self.alerts.push(guild, redrawn(incident));
        }
    }

    async fn order_backup(
        &self,
        server: &Server,
        incident: Id,
        failed: Option<TaskId>,
    ) -> Result<TaskId, BotError> {
        let guild = server.guild;
        let channels = server.read(|_, structure| KnownChannel::all(structure));
        let data = order(guild, incident, &channels);
        // Twice heard of it is ordered once; a number of tries would come again when rows are deleted.
        let failed = failed.map(|task| format!(":{task}")).unwrap_or_default();
        let key = format!("ib:{incident}{failed}");
        let jobserver = &self.put_backs.jobserver;
        let created = jobserver
            .create_task(CREATE_BACKUP.name, data, true, Some(&key))
            .await?;
        Ok(created.task_id)
    }

    async fn drop_surplus(&self, guild: GuildId, made: &[Made]) {
        let jobserver = &self.put_backs.jobserver;
        for old in surplus(made) {
            if let Err(error) = jobserver.delete_task(old, guild).await {
                warn!(task.id = %old, error = %Chain(&error), "an old backup stays for now");
            }
        }
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
        self.backups.get(guild, incident)?.text(language)
    }

    /// The same, of backups that a process before this one ordered, too.
    pub(super) async fn backup_found(
        &self,
        language: Language,
        guild: GuildId,
        incident: Id,
    ) -> Option<String> {
        if let Some(known) = self.backup_line(language, guild, incident) {
            return Some(known);
        }
        let made = self.incident_backups(guild).await.unwrap_or_default();
        let known = match due(&made, incident, TimeDelta::zero(), self.clock.now()) {
            Due::Made(task) => Known::Done(task),
            Due::Failed(task, again) => Known::Failed(task, again),
            Due::Underway | Due::NotYet | Due::Now(_) => Known::Awaited,
        };
        known.text(language)
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
            changed: at(hour),
            state,
        }
    }

    #[test]
    fn there_is_one_per_incident_and_not_more_often_than_asked_for() {
        let day = TimeDelta::hours(24);
        let old = made(7, 0, TaskState::Completed);
        assert_eq!(due(&[], Id::new(8), day, at(1)), Due::Now(None));
        assert_eq!(due(&[old], Id::new(7), day, at(99)), Due::Made(old.task));
        assert_eq!(due(&[old], Id::new(8), day, at(23)), Due::NotYet);
        assert_eq!(due(&[old], Id::new(8), day, at(24)), Due::Now(None));
        // One that failed is none, and of one that is being made nobody knows yet.
        let failed = made(7, 0, TaskState::Failed);
        assert_eq!(due(&[failed], Id::new(8), day, at(1)), Due::Now(None));
        let running = made(7, 0, TaskState::Running);
        for incident in [7, 8] {
            assert_eq!(
                due(&[running], Id::new(incident), day, at(1)),
                Due::Underway
            );
        }
    }

    #[test]
    fn one_that_failed_is_tried_again_after_a_while() {
        let day = TimeDelta::hours(24);
        let mut all = Vec::new();
        for pause in [5, 10, 20] {
            let last = made(7, 0, TaskState::Failed);
            all.insert(0, last);
            let again = at(0) + TimeDelta::minutes(pause);
            let soon = again - TimeDelta::seconds(1);
            let waits = Due::Failed(last.task, Some(again));
            assert_eq!(due(&all, Id::new(7), day, soon), waits);
            assert_eq!(due(&all, Id::new(7), day, again), Due::Now(Some(last.task)));
        }
        let last = made(7, 0, TaskState::Failed);
        all.insert(0, last);
        assert_eq!(
            due(&all, Id::new(7), day, at(99)),
            Due::Failed(last.task, None)
        );
        all.insert(0, made(7, 1, TaskState::Completed));
        assert_eq!(due(&all, Id::new(7), day, at(99)), Due::Made(all[0].task));
    }

    #[test]
    fn what_failed_takes_the_place_of_no_good_one() {
        let good: Vec<Made> = (0..KEPT as u64)
            .map(|n| made(n + 1, 0, TaskState::Completed))
            .collect();
        let failed: Vec<Made> = (0..7).map(|n| made(n + 50, 1, TaskState::Failed)).collect();
        let all = [failed.clone(), good.clone()].concat();
        let gone: Vec<TaskId> = surplus(&all).collect();
        let tries: Vec<TaskId> = failed[KEPT..].iter().map(|made| made.task).collect();
        assert_eq!(gone, tries);
        // Nor does one that is being made.
        let mut all = [vec![made(60, 2, TaskState::Running)], good.clone()].concat();
        assert_eq!(surplus(&all).count(), 0);
        all[0].state = TaskState::Completed;
        assert_eq!(surplus(&all).collect::<Vec<_>>(), [good[KEPT - 1].task]);
    }

    #[test]
    fn a_backup_is_named_when_it_is_there() {
        let (backups, guild, incident) = (Backups::default(), GuildId::new(1).unwrap(), Id::new(7));
        let says = |backups: &Backups| {
            let known = backups.get(guild, incident).unwrap();
            known.text(Language::English)
        };
        assert!(backups.begin(guild, incident) && !backups.begin(guild, incident));
        assert_eq!(says(&backups), None);
        let task = TaskId::random();
        assert!(backups.set(guild, incident, Known::Failed(task, Some(at(0)))));
        let said = says(&backups).unwrap();
        assert!(
            said.contains("failed") && said.contains("<t:1764500000:R>"),
            "{said}"
        );
        assert!(backups.set(guild, incident, Known::Failed(task, None)));
        assert!(!says(&backups).unwrap().contains("<t:"));
        assert!(backups.set(guild, incident, Known::Done(task)));
        assert!(!backups.set(guild, incident, Known::Done(task)));
        assert!(says(&backups).unwrap().contains(&task.to_string()));
    }
}
