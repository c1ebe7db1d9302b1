//! Banning the raiders of a wave, and taking that back: jobs of the jobserver.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::job_kinds;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_guild::Id;
use splashtail_ipc::clients::ClientError;
use splashtail_raid::{Answer, Ended, Moment, Order, Standing, Wave};
use splashtail_storage::{
    Idempotency, Item, Outcome, Owner, StorageError, TaskQuery, TaskRow, TaskState,
};
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
/// Of a job's ledger so much is read at once.
const CALLS: u32 = 500;
/// The bot, as the jobserver knows it.
const CLIENT: &str = "bot";
const PAUSE: Duration = Duration::from_secs(5);

/// Why a job was not ordered.
enum NotOrdered {
    /// Another one runs here, or the jobserver is away.
    Later,
    Refused(String),
}

/// What a job's ledger keeps of a call, as `splashtail-jobserver` writes it: everybody of it is in one list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call {
    banned: Vec<Id>,
    /// Before.
    already: Vec<Id>,
    failed: Vec<Id>,
    /// Why the rest was not tried: code and words.
    stopped: Option<(String, String)>,
}

/// By which the jobserver knows an order again. Of one that failed nothing is asked again: the next has
/// another number.
fn key(wave: Id, order: &Order) -> String {
    format!("raid-{wave}-{}", order.number)
}

/// By which the jobserver knows an order to lift again: it has room for 64 characters. What failed before
/// somebody asked anew is not asked about again.
fn lift_key(job: TaskId, users: &[Id], (since, tries): (Moment, u32)) -> String {
    let job = job.to_string().replace('-', "");
    let first = users.first().map_or(0, |user| user.get());
    let since = since.0 / 1000;
    format!("ru{job}-{first:x}-{since:x}-{tries}")
}

/// What became of those whom a job was to ban. `why`: the job itself did not come to a good end.
fn ended(items: &[Item], why: Option<String>) -> Ended {
    let mut ended = Ended::default();
    for item in items.iter().filter(|item| item.name.starts_with("ban/")) {
        let users = serde_json::from_value::<Vec<Id>>(item.before["users"].clone());
        let call = item.after.as_deref().map(serde_json::from_str::<Call>);
        match (call, item.outcome, users.as_deref()) {
            (Some(Ok(call)), _, _) => {
                ended.banned.extend(call.banned);
                ended.banned.extend(call.already);
                ended.refused.extend(call.failed);
                ended.why = ended.why.or(call.stopped.map(|(_, why)| why));
            }
            // Somebody alone may have risen; a call for many that is refused is refused to the bot.
            (_, Outcome::Failed, Ok([one])) => ended.refused.push(*one),
            (_, Outcome::Failed, _) => ended.why = ended.why.or_else(|| item.note.clone()),
            // Nobody knows: who is banned is seen by events.
            _ => {}
        }
    }
    ended.why = why.or(ended.why);
    ended
}

impl Watch {
    /// Has the order of the wave carried out, and tells the engine what became of it. It may have been given
    /// by a process that is gone.
    pub(super) async fn ban(self: &Arc<Self>, server: &Arc<Server>, users: Vec<Id>) {
        let known = server.read(|engine| {
            let wave = engine.wave()?;
            let order = wave.order.as_ref().filter(|order| order.users == users)?;
            let raiders = wave.count(Standing::Raider);
            Some((wave.id, wave.wanted().is_empty(), order.clone(), raiders))
        });
        let Some((wave, is_withdrawn, order, raiders)) = known else {
            return;
        };
        let job = match self.earlier(wave, &order).await {
            Ok(Some(job)) => Ok(job),
            // Somebody let them in, or switched bans off, before it was given.
            Ok(None) if is_withdrawn => {
                self.answered(server, |engine, now| engine.on_withdrawn(wave, now));
                return;
            }
            Ok(None) => self.order(server, (wave, &order), raiders).await,
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "raiders are banned later");
                Err(NotOrdered::Later)
            }
        };
        let job = match job {
            Ok(job) => job,
            Err(NotOrdered::Later) => {
                self.answered(server, |engine, now| engine.on_not_ordered(wave, now));
                return;
            }
            Err(NotOrdered::Refused(why)) => {
                let ended = Ended {
                    why: Some(why),
                    ..Ended::default()
                };
                self.answered(server, |engine, now| engine.on_banned(wave, ended, now));
                return;
            }
        };
        self.answered(server, |engine, now| {
            engine.on_ordered(wave, &job.to_string(), now)
        });
        let why = self.outcome(server, job).await;
        self.clock.sleep(SETTLES).await;
        let mut ended = ended(&self.ledger(job).await, why);
        // Of an order whose intent was not written down before a process ended there were fewer.
        if let Ok(Some(row)) = self.task(job).await
            && let Ok(named) =
                serde_json::from_value::<BTreeSet<Id>>(row.fields["Options"]["Users"].clone())
        {
            let users = order.users.iter().copied();
            ended.untried = users.filter(|user| !named.contains(user)).collect();
        }
        self.answered(server, |engine, now| engine.on_banned(wave, ended, now));
    }

    /// The job that an earlier attempt at this order has made.
    pub(super) async fn earlier(
        &self,
        wave: Id,
        order: &Order,
    ) -> Result<Option<TaskId>, StorageError> {
        if let Some(job) = order.job.as_deref().and_then(|job| job.parse().ok()) {
            return Ok(Some(job));
        }
        let used = Idempotency {
            client: CLIENT.to_owned(),
            key: key(wave, order),
        };
        let row = self.storage.tasks().repeated(KIND, &used).await?;
        Ok(row.map(|row| row.id))
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

    async fn order(
        &self,
        server: &Server,
        (wave, order): (Id, &Order),
        raiders: usize,
    ) -> Result<TaskId, NotOrdered> {
        let language = self.language(server);
        match self.is_guarded(server.guild, order.users.len()).await {
            Ok(false) => {}
            Ok(true) => {
                let why = text!(language, "raid-guarded", count = order.users.len());
                return Err(NotOrdered::Refused(why));
            }
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "raiders are banned later");
                return Err(NotOrdered::Later);
            }
        }
        let Some(by) = self.on_behalf_of(order.by) else {
            return Err(NotOrdered::Later);
        };
        // What the audit log says about their bans.
        let reason = match order.by {
            Some(by) => text!(
                language,
                "raid-reason-ban-by",
                count = raiders,
                by = by.to_string()
            ),
            None => text!(language, "raid-reason-ban", count = raiders),
        };
        // Whoever goes on has to know what was ordered.
        self.write_first(server).await;
        let wanted = self.wanted(server, wave, order);
        if wanted.is_empty() {
            return Err(NotOrdered::Later);
        }
        let named: Vec<String> = wanted.iter().map(Id::to_string).collect();
        let data = json!({"ServerID": server.guild, "CallerID": by, "Options": {
            "Users": named, "DeleteSeconds": MESSAGES, "Reason": reason, "DryRun": false}});
        self.create(data, &key(wave, order)).await
    }

    /// Whom this order is still to ban, at this moment: somebody may have let them in since it was made, or
    /// switched bans off.
    fn wanted(&self, server: &Server, wave: Id, order: &Order) -> Vec<Id> {
        self.follow_wishes(server);
        server.read(|engine| {
            let known = engine.wave().filter(|known| known.id == wave);
            let known = known.filter(|known| {
                let current = known.order.as_ref();
                current.is_some_and(|current| current.number == order.number)
            });
            known.map(Wave::wanted).unwrap_or_default()
        })
    }

    /// Somebody who decided, or the bot where it was the policy.
    fn on_behalf_of(&self, by: Option<Id>) -> Option<UserId> {
        let by = by.and_then(|by| UserId::new(by.get()));
        by.or_else(|| self.own_user())
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
    async fn outcome(&self, server: &Server, job: TaskId) -> Option<String> {
        loop {
            self.clock.sleep(LOOK).await;
            match self.task(job).await {
                Ok(Some(row)) if row.state == TaskState::Completed => return None,
                Ok(Some(row)) if row.state.is_terminal() => return Some(self.last_word(job).await),
                Ok(Some(_)) => {}
                Ok(None) => return Some(text!(self.language(server), "raid-job-gone")),
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
        let last = self.storage.tasks().log_end(job, 1).await;
        let last = last.ok().and_then(|log| log.into_iter().next());
        last.map(|entry| entry.msg).unwrap_or_default()
    }

    /// What a job did, call by call.
    async fn ledger(&self, job: TaskId) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        loop {
            let after = items.last().map_or(0, |item| item.seq);
            match self.storage.ledger().items(job, after, CALLS).await {
                Ok(page) => {
                    let is_last = page.len() < CALLS as usize;
                    items.extend(page);
                    if is_last {
                        return items;
                    }
                }
                Err(error) => {
                    warn!(job.id = %job, error = %Chain(&error), "what a job about a raid did cannot be read");
                    self.clock.sleep(PAUSE).await;
                }
            }
        }
    }

    /// Lifts what a job has banned: these, or all, and then it goes no further. Repeating it changes nothing.
    pub(super) async fn lift(
        &self,
        server: &Server,
        job: &str,
        users: &[Id],
        by: Option<Id>,
        attempt: (Moment, u32),
    ) -> Answer {
        let Ok(banned) = job.parse::<TaskId>() else {
            return Answer::Gone;
        };
        if users.is_empty()
            && let Err(error) = self.jobserver.cancel_task(banned).await
        {
            if error.status() == Some(http::StatusCode::NOT_FOUND) {
                return Answer::Gone;
            }
            warn!(guild.id = %server.guild, job.id = job, error = %Chain(&error), "bans of a raid are stopped later");
            return Answer::Later;
        }
        let Some(by) = self.on_behalf_of(by) else {
            return Answer::Later;
        };
        let reason = text!(self.language(server), "raid-reason-undo");
        let named: Vec<String> = users.iter().map(Id::to_string).collect();
        let data = json!({"ServerID": server.guild, "CallerID": by, "Options": {
            "Undo": job, "Users": named, "Reason": reason, "DryRun": false}});
        match self.create(data, &lift_key(banned, users, attempt)).await {
            Ok(lifting) => match self.outcome(server, lifting).await {
                None => Answer::Done,
                Some(why) => Answer::Refused(why),
            },
            Err(NotOrdered::Later) => Answer::Later,
            Err(NotOrdered::Refused(why)) => {
                warn!(guild.id = %server.guild, job.id = job, why, "bans of a raid are not lifted");
                Answer::Refused(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn item(name: &str, users: &[&str], outcome: Outcome, after: Option<Value>) -> Item {
        Item {
            seq: 1,
            name: name.to_owned(),
            nonce: String::new(),
            what: String::new(),
            before: json!({"users": users}),
            after: after.map(|after| after.to_string()),
            outcome,
            code: None,
            note: Some("Missing Permissions".to_owned()),
            intended_at: DateTime::UNIX_EPOCH,
            intended_ago: TimeDelta::zero(),
            settled_at: None,
        }
    }

    #[test]
    fn each_attempt_to_lift_has_its_own_key() {
        let job = TaskId::random();
        let (at, most) = (Moment(1_795_996_800_000), Id::new(u64::MAX));
        let first = lift_key(job, &[most], (at, 11));
        assert!(first.len() <= splashtail_storage::IDEMPOTENCY_KEY_LEN);
        assert_eq!(first, lift_key(job, &[most], (at, 11)));
        for other in [
            lift_key(TaskId::random(), &[most], (at, 11)),
            lift_key(job, &[], (at, 11)),
            lift_key(job, &[most], (at, 0)),
            lift_key(job, &[most], (at.plus(1000), 11)),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn of_an_order_that_ends_halfway_each_part_is_what_it_is() {
        let call = json!({"banned": ["1"], "already": ["2"], "failed": ["3"], "left": ["4"],
            "stopped": ["discord_30035", "no more"]});
        let items = [
            item(
                "ban/from/1",
                &["1", "2", "3", "4"],
                Outcome::Done,
                Some(call),
            ),
            item("ban/5", &["5"], Outcome::Failed, None),
            item("ban/from/6", &["6", "7"], Outcome::Failed, None),
            item("ban/from/8", &["8", "9"], Outcome::Intended, None),
            item("lift/9", &["9"], Outcome::Done, None),
        ];
        let found = ended(&items, None);
        let ids = |ids: &[u64]| ids.iter().map(|id| Id::new(*id)).collect::<Vec<_>>();
        assert_eq!(found.banned, ids(&[1, 2]));
        assert_eq!(found.refused, ids(&[3, 5]));
        assert_eq!(found.why.as_deref(), Some("no more"));
        let refused = ended(&items[2..3], None);
        assert_eq!(refused.why.as_deref(), Some("Missing Permissions"));
        let stopped = ended(&[], Some("cancelled".to_owned()));
        assert_eq!(stopped.why.as_deref(), Some("cancelled"));
        assert_eq!(ended(&items[..0], None), Ended::default());
    }
}
