//! Banning the raiders of a wave, and taking that back: jobs of the jobserver.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use splashtail_api_types::job_kinds;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_guild::Id;
use splashtail_ipc::clients::ClientError;
use splashtail_raid::{Effect, Engine, Fate, Phase};
use splashtail_storage::{Owner, StorageError, TaskQuery, TaskRow, TaskState};
use tracing::warn;

use super::server::Server;
use super::service::Watch;
use crate::modules::guarded::Wanted;
use crate::text;

const KIND: &str = job_kinds::MASS_BAN.name;
/// Orders of one server count together for so long, of those that are looked through.
const DAY: TimeDelta = TimeDelta::hours(24);
const ORDERS: u32 = 200;
/// Messages of so many seconds go with a ban.
const MESSAGES: u32 = 60 * 60;
/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(500);
/// Events of bans may come later than the job ends.
const SETTLES: Duration = Duration::from_secs(3);
/// Attempts to order something while another job of its kind has the server.
const ATTEMPTS: u32 = 240;
const PAUSE: Duration = Duration::from_secs(5);

/// Why a job was not ordered.
enum NotOrdered {
    /// Another one runs here, or the jobserver is away.
    Later,
    Refused(String),
}

impl Watch {
    /// Has raiders banned, and tells the engine who was.
    pub(super) async fn ban(self: &Arc<Self>, server: &Arc<Server>, users: Vec<Id>) {
        // Somebody let them in meanwhile.
        let goes_on = |engine: &Engine| {
            let wave = engine.wave();
            wave.is_some_and(|wave| wave.phase != Phase::Dismissed)
        };
        if !server.read(goes_on) {
            return;
        }
        let by = server.state().approved_by.or_else(|| self.own_user());
        let Some(by) = by else {
            self.later(server, &users);
            return;
        };
        match self.is_guarded(server.guild, users.len()).await {
            Ok(true) => {
                let why = text!(self.language(server), "raid-guarded", count = users.len());
                self.tell(server, |engine| engine.on_banned(&[], &users, Some(why)));
                return;
            }
            Ok(false) => {}
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "raiders are banned later");
                self.later(server, &users);
                return;
            }
        }
        let job = match self.order(server, by, &users).await {
            Ok(job) => job,
            Err(NotOrdered::Later) => {
                self.later(server, &users);
                return;
            }
            Err(NotOrdered::Refused(why)) => {
                self.tell(server, |engine| engine.on_banned(&[], &users, Some(why)));
                return;
            }
        };
        self.tell(server, |engine| {
            engine.note_job(job.to_string());
            vec![Effect::Keep]
        });
        let why = self.outcome(job).await;
        self.clock.sleep(SETTLES).await;
        self.tell(server, |engine| {
            let fate = |user: &Id| {
                let person = engine.wave()?.people.get(&user.get())?;
                Some(person.fate)
            };
            let (banned, left): (Vec<Id>, Vec<Id>) = users
                .iter()
                .partition(|user| fate(user) == Some(Fate::Banned));
            engine.on_banned(&banned, &left, why)
        });
    }

    /// Whether one person's word, or the policy's, is not enough for so many more within a day.
    pub(super) async fn is_guarded(
        &self,
        guild: GuildId,
        more: usize,
    ) -> Result<bool, StorageError> {
        let wanted = Wanted::stored(&self.storage, guild).await?;
        if !wanted.is_on {
            return Ok(false);
        }
        let now = self.clock.now();
        let query = TaskQuery {
            name: Some(KIND),
            ..TaskQuery::newest(Owner::Server(guild), ORDERS)
        };
        let orders = self.storage.tasks().list(&query, now).await?;
        let bans = orders.iter().filter(|row| {
            let options = &row.fields["Options"];
            let is_ban = options["DryRun"] != true && options["Undo"].is_null();
            row.requested && is_ban && now - row.created_at < DAY
        });
        let people = bans.map(|row| {
            row.fields["Options"]["Users"]
                .as_array()
                .map_or(0, Vec::len)
        });
        Ok(wanted.guards_bans(people.sum::<usize>().saturating_add(more)))
    }

    /// Nothing was ordered; the engine orders it again.
    fn later(self: &Arc<Self>, server: &Arc<Server>, users: &[Id]) {
        self.tell(server, |engine| {
            engine.on_not_ordered(users);
            Vec::new()
        });
    }

    async fn order(&self, server: &Server, by: UserId, users: &[Id]) -> Result<TaskId, NotOrdered> {
        let Some((wave, reason)) = self.reason(server) else {
            return Err(NotOrdered::Later);
        };
        let named: Vec<String> = users.iter().map(Id::to_string).collect();
        let data = json!({"ServerID": server.guild, "CallerID": by, "Options": {
            "Users": named, "DeleteSeconds": MESSAGES, "Reason": reason, "DryRun": false}});
        let first = users.first().map_or(0, |user| user.get());
        let key = format!("raid-{wave}-{first}-{}", users.len());
        self.create(data, &key).await
    }

    /// What the audit log says about the bans of a wave.
    fn reason(&self, server: &Server) -> Option<(Id, String)> {
        let language = self.language(server);
        server.read(|engine| {
            let wave = engine.wave()?;
            let count = wave.count(splashtail_raid::Standing::Raider);
            Some((wave.id, text!(language, "raid-reason-ban", count = count)))
        })
    }

    async fn create(&self, data: Value, key: &str) -> Result<TaskId, NotOrdered> {
        let created = self.jobserver.create_task(KIND, data, true, Some(key));
        match created.await {
            Ok(created) => Ok(created.task_id),
            Err(ClientError::Status { status, body, .. })
                if status.is_client_error() && body.code != "slot_taken" =>
            {
                Err(NotOrdered::Refused(body.message))
            }
            Err(error) => {
                warn!(error = %Chain(&error), "a job about a raid is ordered later");
                Err(NotOrdered::Later)
            }
        }
    }

    /// Waits for a job's end: why it did not come to a good one.
    async fn outcome(&self, job: TaskId) -> Option<String> {
        loop {
            self.clock.sleep(LOOK).await;
            match self.task(job).await {
                Ok(Some(row)) if row.state == TaskState::Completed => return None,
                Ok(Some(row)) if row.state.is_terminal() => return Some(self.last_word(job).await),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                // The job goes on without our looking.
                Err(error) => {
                    warn!(job.id = %job, error = %Chain(&error), "a job about a raid cannot be looked at");
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    async fn task(&self, job: TaskId) -> Result<Option<TaskRow>, StorageError> {
        self.storage.tasks().get(job, self.clock.now()).await
    }

    async fn last_word(&self, job: TaskId) -> String {
        const LOOKED_AT: u32 = 500;
        let log = self.storage.tasks().log(job, 0, LOOKED_AT).await;
        let last = log
            .ok()
            .and_then(|log| log.last().map(|entry| entry.msg.clone()));
        last.unwrap_or_default()
    }

    /// Lifts the bans of a wave, one job after the other. Repeating it changes nothing.
    pub(super) fn lift(self: &Arc<Self>, server: &Arc<Server>, jobs: Vec<String>, by: UserId) {
        let (watch, server) = (Arc::clone(self), Arc::clone(server));
        tokio::spawn(async move {
            let reason = text!(watch.language(&server), "raid-reason-undo");
            for job in jobs {
                let data = json!({"ServerID": server.guild, "CallerID": by, "Options": {
                    "Undo": job, "Reason": reason, "DryRun": false}});
                let key = format!("raid-undo-{job}");
                for _ in 0..ATTEMPTS {
                    match watch.create(data.clone(), &key).await {
                        Ok(lifting) => {
                            watch.outcome(lifting).await;
                            break;
                        }
                        Err(NotOrdered::Later) => watch.clock.sleep(PAUSE).await,
                        Err(NotOrdered::Refused(why)) => {
                            warn!(guild.id = %server.guild, job.id = job, why, "bans of a raid are not lifted");
                            break;
                        }
                    }
                }
            }
        });
    }
}
