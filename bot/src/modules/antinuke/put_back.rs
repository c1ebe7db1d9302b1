//! *Put back*: orders the job that undoes an attack, and shows how far it is in the alert.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_antinuke::{Alert, Notice};
use splashtail_api_types::job_kinds::REVERT_INCIDENT;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::telemetry::Chain;
use splashtail_guild::Id;
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::{Owner, StorageError, TaskLogEntry, TaskQuery, TaskRow};
use tracing::{info, warn};

use super::past::Past;
use super::progress::{Parts, Progress};
use super::server::Server;
use super::service::Protection;
use crate::catalogue::Language;
use crate::error::BotError;
use crate::inputs::Hear as _;
use crate::modules::server_backups::KnownChannel;
use crate::text;

/// The kind of task that undoes an attack.
pub(super) const TASK: &str = REVERT_INCIDENT.name;
const POLL: Duration = Duration::from_secs(1);
/// Between two edits of the alert.
const BETWEEN_EDITS: Duration = Duration::from_millis(2500);
/// A job that waits for a limit of Discord's longer than this is looked at again after a restart.
const PATIENCE: Duration = Duration::from_hours(12);
/// Jobs of a server that are looked through.
const LOOKED_AT: u32 = 50;
const LOG: u32 = 500;
const MAX_KNOWN: usize = 5000;
/// How long an order waits for what it needs to be written down.
const WRITING: Duration = Duration::from_millis(100);
const WRITINGS: usize = 30;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) incident: Id,
    pub(super) parts: Parts,
    /// Only the plan.
    pub(super) look: bool,
    /// The beginning of the hash of the plan that was shown.
    pub(super) approved: Option<String>,
    /// Takes back what this put-back did.
    pub(super) undo: Option<TaskId>,
}

/// Digits of a plan's hash that tell it from others.
const SHORT: usize = 16;

impl Order {
    /// Whether a job was ordered so: whoever presses twice, or two people at once, get one.
    fn is_of(&self, row: &TaskRow) -> bool {
        let fields = &row.fields;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let parts = fields["Parts"].as_array().into_iter().flatten();
        Parts::of(parts.filter_map(Value::as_str)) == self.parts
            && (fields["DryRun"] == true) == self.look
            && short(&text(&fields["PlanHash"]))
                == short(self.approved.as_deref().unwrap_or_default())
            && text(&fields["Undo"]).parse::<TaskId>().ok() == self.undo
    }

    /// One per press on what was shown, behind the put-back that was the latest then. The jobserver takes
    /// 64 characters.
    fn key(&self, before: Option<TaskId>) -> String {
        let before = before.map(|task| task.to_string()).unwrap_or_default();
        format!(
            "pb:{}:{}:{}:{}{}",
            self.incident,
            before.get(..8).unwrap_or_default(),
            self.parts.hex(),
            match (self.look, self.undo) {
                (true, _) => "look",
                (false, Some(_)) => "undo",
                (false, None) => "",
            },
            short(self.approved.as_deref().unwrap_or_default()),
        )
    }
}

/// A program gives the whole hash, a button its beginning.
fn short(hash: &str) -> String {
    let digits = hash.chars().take(SHORT);
    digits.map(|digit| digit.to_ascii_lowercase()).collect()
}

/// Why a put-back was not ordered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOrdered {
    #[error("{0} goes on, and is another one")]
    Busy(TaskId),
    #[error(transparent)]
    Failed(#[from] BotError),
}

/// How far put-backs are.
pub(super) struct PutBacks {
    pub(super) jobserver: JobserverClient,
    /// The oldest incident comes first.
    known: Mutex<BTreeMap<(Id, GuildId), Progress>>,
    /// Jobs that are being followed.
    followed: Mutex<BTreeSet<TaskId>>,
}

/// Whoever has it is the only one who follows a job.
struct Following<'a> {
    put_backs: &'a PutBacks,
    task: TaskId,
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        let followed = self.put_backs.followed.lock();
        followed
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.task);
    }
}

impl PutBacks {
    pub(super) fn new(jobserver: JobserverClient) -> Self {
        Self {
            jobserver,
            known: Mutex::default(),
            followed: Mutex::default(),
        }
    }

    /// `None`: somebody follows it already.
    fn begin_to_follow(&self, task: TaskId) -> Option<Following<'_>> {
        let followed = self.followed.lock();
        let is_first = followed
            .unwrap_or_else(PoisonError::into_inner)
            .insert(task);
        is_first.then_some(Following {
            put_backs: self,
            task,
        })
    }

    pub(super) fn get(&self, guild: GuildId, incident: Id) -> Option<Progress> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(incident, guild)).cloned()
    }

    /// Whether it is another one than before.
    fn set(&self, guild: GuildId, incident: Id, progress: Progress) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert((incident, guild), progress.clone());
        if known.len() > MAX_KNOWN {
            known.pop_first();
        }
        before.as_ref() != Some(&progress)
    }
}

impl Protection {
    /// Orders a put-back, whose job it answers, and has it followed. Pressing twice orders one.
    ///
    /// # Errors
    /// It was not ordered. The incident's message says so, too, unless another one goes on: then it shows
    /// that one.
    pub(super) async fn put_back(
        self: Arc<Self>,
        server: Arc<Server>,
        order: Order,
    ) -> Result<TaskId, NotOrdered> {
        let (guild, incident) = (server.guild, order.incident);
        let row = match self.order(&server, &order).await {
            Ok(row) => row,
            Err(error) => {
                warn!(
                    guild.id = %guild,
                    incident.id = %incident,
                    error = %Chain(&error),
                    "a put-back was not ordered"
                );
                let language = self.language(&server).await;
                if let NotOrdered::Failed(cause) = &error {
                    let failed = Progress::failed(order.parts, &cause.user_text(language));
                    self.show_progress(guild, incident, failed);
                }
                return Err(error);
            }
        };
        let task = row.id;
        info!(guild.id = %guild, incident.id = %incident, task.id = %task, "putting back");
        tokio::spawn(async move { self.follow(guild, incident, row).await });
        Ok(task)
    }

    async fn order(&self, server: &Server, order: &Order) -> Result<TaskRow, NotOrdered> {
        let (guild, incident) = (server.guild, order.incident);
        let latest = self.latest(guild, incident).await;
        let latest = latest.map_err(BotError::from)?;
        if let Some(row) = latest.as_ref().filter(|row| !row.state.is_terminal()) {
            return match order.is_of(row) {
                true => Ok(row.clone()),
                false => Err(NotOrdered::Busy(row.id)),
            };
        }
        self.show_progress(guild, incident, Progress::ordered(order.parts));
        Ok(self.create(server, order, latest.map(|row| row.id)).await?)
    }

    /// `before`: the latest put-back of the incident.
    async fn create(
        &self,
        server: &Server,
        order: &Order,
        before: Option<TaskId>,
    ) -> Result<TaskRow, BotError> {
        let guild = server.guild;
        // The jobserver reads what was written down. What came after the last step is not yet.
        if let Some(incident) = server.read(|engine, _| engine.incident(order.incident).cloned()) {
            self.record(server, incident);
        }
        self.write_all().await?;
        for _ in 0..WRITINGS {
            if server.past(|past| Past::is_pinned(past)) {
                break;
            }
            self.clock.sleep(WRITING).await;
        }
        let mut data = json!({
            "ServerID": guild,
            "Incident": order.incident,
            "Parts": order.parts.names(),
            "DryRun": order.look,
            "PlanHash": order.approved.as_deref().unwrap_or_default(),
        });
        if let Some(undo) = order.undo {
            data["Undo"] = undo.to_string().into();
        }
        let channels = server.read(|_, structure| KnownChannel::all(structure));
        if !channels.is_empty() {
            data["KnownChannels"] = json!(channels);
        }
        let key = order.key(before);
        let jobserver = &self.put_backs.jobserver;
        let created = jobserver.create_task(TASK, data, true, Some(&key)).await?;
        let row = self
            .storage
            .tasks()
            .get(created.task_id, self.clock.now())
            .await?;
        if let Some(row) = row {
            return Ok(row);
        }
        let language = self.language(server).await;
        Err(BotError::Input(text!(language, "putback-gone")))
    }

    /// The latest put-back of an incident.
    async fn latest(&self, guild: GuildId, incident: Id) -> Result<Option<TaskRow>, StorageError> {
        let rows = self.put_back_rows(guild).await?;
        let of = |row: &TaskRow| row.fields["Incident"] == incident.json();
        Ok(rows.into_iter().find(of))
    }

    async fn put_back_rows(&self, guild: GuildId) -> Result<Vec<TaskRow>, StorageError> {
        let query = TaskQuery {
            name: Some(TASK),
            ..TaskQuery::newest(Owner::Server(guild), LOOKED_AT)
        };
        self.storage.tasks().list(&query, self.clock.now()).await
    }

    /// Goes on following what was under way when the process before this one ended.
    pub(super) async fn follow_again(self: Arc<Self>, server: Arc<Server>) {
        let incidents: Vec<Id> =
            server.read(|engine, _| engine.incidents().map(|i| i.id).collect());
        if incidents.is_empty() {
            return;
        }
        let rows = match self.put_back_rows(server.guild).await {
            Ok(rows) => rows,
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "put-backs cannot be looked up");
                return;
            }
        };
        for incident in incidents {
            let of = |row: &&TaskRow| row.fields["Incident"] == incident.json();
            if let Some(row) = rows.iter().find(of).cloned() {
                let protection = Arc::clone(&self);
                let guild = server.guild;
                tokio::spawn(async move { protection.follow(guild, incident, row).await });
            }
        }
    }

    /// Shows how far a job is until it ends. One does that for each job, however often it is called.
    async fn follow(self: &Arc<Self>, guild: GuildId, incident: Id, first: TaskRow) {
        let Some(_following) = self.put_backs.begin_to_follow(first.id) else {
            return;
        };
        let (store, task) = (self.storage.tasks(), first.id);
        let language = match self.server(guild) {
            Some(server) => self.language(&server).await,
            None => Language::default(),
        };
        let begun = self.clock.monotonic();
        let mut shown: Option<Duration> = None;
        let (mut row, mut log) = (first, Vec::new());
        loop {
            match self.read_on(task, &mut log).await {
                Ok(()) => {
                    let progress = Progress::of(language, &row, &log);
                    let over = progress.is_over();
                    let now = self.clock.monotonic();
                    let due = shown.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_EDITS);
                    if (due || over) && self.show_progress(guild, incident, progress) {
                        shown = Some(now);
                    }
                    // The job may have changed what the settings name.
                    if over {
                        self.doubted(guild);
                    }
                    if over || now.saturating_sub(begun) >= PATIENCE {
                        return;
                    }
                }
                Err(error) => warn!(task.id = %task, error = %Chain(&error), "cannot read a task"),
            }
            self.clock.sleep(POLL).await;
            match store.get(task, self.clock.now()).await {
                Ok(Some(now)) => row = now,
                Ok(None) => return,
                Err(error) => warn!(task.id = %task, error = %Chain(&error), "cannot read a task"),
            }
        }
    }

    /// Reads on: whoever reads the row first misses no entry of a job that has ended.
    async fn read_on(&self, task: TaskId, log: &mut Vec<TaskLogEntry>) -> Result<(), StorageError> {
        loop {
            let after = log.last().map_or(0, |entry| entry.seq);
            let more = self.storage.tasks().log(task, after, LOG).await?;
            let whole = more.len() < LOG as usize;
            log.extend(more);
            if whole {
                return Ok(());
            }
        }
    }

    /// Whether there was anything new to show.
    fn show_progress(&self, guild: GuildId, incident: Id, progress: Progress) -> bool {
        let new = self.put_backs.set(guild, incident, progress);
        if new {
            let alert = Alert {
                notice: Notice::Incident,
                incident: Some(incident),
                about: None,
                owner: false,
            };
            self.alerts.push(guild, alert);
        }
        new
    }
}

#[cfg(test)]
mod tests;
