//! Orders mass bans and starts them on somebody's word.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_api_types::job_kinds;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ChannelId, GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, Lane};
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::{
    Owner, RequestState, Storage, StorageError, TaskQuery, TaskRow, TaskState,
};
use tokio::sync::Mutex;
use tracing::warn;

use super::deed::{Deed, Words};
use super::operation;
use super::plan::{FRESH, Plan, stop_button};
use crate::error::BotError;
use crate::modules::antinuke::{Protection, Stopped};
use crate::modules::guarded::{People, Wanted};
use crate::modules::jobs::{Begun, Board, Jobs};
use crate::text;

/// Entries of a log that are looked through for the plan.
const LOOKED_AT: u32 = 200;
/// Orders of one person count together for so long.
const DAY: TimeDelta = TimeDelta::hours(24);
/// Orders of a server that are looked through for those of the last day, and requests.
const ORDERS: u32 = 200;
/// Orders that were counted and could not begin at once.
const COUNTED: usize = 256;

pub(super) struct MassBans {
    pub(super) jobs: Arc<Jobs>,
    pub(super) jobserver: JobserverClient,
    pub(super) storage: Storage,
    pub(super) clock: SharedClock,
    pub(super) discord: Discord,
    pub(super) people: Arc<dyn People>,
    pub(super) protection: Arc<Protection>,
    /// Taken while an order is weighed and begun; holds what protection has counted.
    pub(super) weighed: Mutex<VecDeque<TaskId>>,
}

/// Why one person's word does not start a ban.
#[derive(Debug, PartialEq)]
pub(super) enum NotAlone {
    Guarded,
    TooOld,
    /// Protection says no.
    Stopped(Stopped),
}

/// An order as a task's row keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Earlier {
    task: TaskId,
    deed: Deed,
    at: DateTime<Utc>,
    people: usize,
}

impl Earlier {
    /// `None`: a look, or nobody has begun it.
    fn of(row: &TaskRow) -> Option<Self> {
        let options = &row.fields["Options"];
        let is_look = options["DryRun"] == true;
        (row.requested && !is_look).then(|| Self {
            task: row.id,
            deed: Deed::of(&row.fields),
            at: row.created_at,
            people: people_of(&row.fields).len(),
        })
    }
}

fn people_of(order: &Value) -> Vec<UserId> {
    let users = order["Options"]["Users"].clone();
    serde_json::from_value(users).unwrap_or_default()
}

/// People of all orders of a day that nobody else agreed to.
fn in_all(orders: &[Earlier], deed: Deed, agreed: &BTreeSet<TaskId>, now: DateTime<Utc>) -> usize {
    let alone = orders.iter().filter(|order| {
        order.deed == deed && now - order.at < DAY && !agreed.contains(&order.task)
    });
    alone.map(|order| order.people).sum()
}

impl MassBans {
    pub(super) const TASK: &'static str = job_kinds::MASS_BAN.name;

    /// A mass ban of this server.
    pub(super) async fn row(
        &self,
        guild: GuildId,
        task: TaskId,
    ) -> Result<Option<TaskRow>, StorageError> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        Ok(row.filter(|row| row.name == Self::TASK && row.owner == Owner::Server(guild)))
    }

    /// The plan that a look has told; `None` when it told none.
    pub(super) async fn plan_of(&self, task: TaskId) -> Result<Option<Plan>, StorageError> {
        let log = self.storage.tasks().log(task, 0, LOOKED_AT).await?;
        Ok(Plan::read(&log))
    }

    /// Orders what was shown; nothing is done before it is started.
    pub(super) async fn prepare(
        &self,
        data: Value,
        plan: &Plan,
        key: &str,
    ) -> Result<TaskId, BotError> {
        let data = plan.approved(data);
        let created = self
            .jobserver
            .create_task(Self::TASK, data, false, Some(key));
        Ok(created.await?.task_id)
    }

    /// How many people were banned, or freed, on one person's word within a day, by whomever.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn alone_lately(
        &self,
        guild: GuildId,
        deed: Deed,
    ) -> Result<usize, StorageError> {
        let now = self.clock.now();
        let query = TaskQuery {
            name: Some(Self::TASK),
            ..TaskQuery::newest(Owner::Server(guild), ORDERS)
        };
        let rows = self.storage.tasks().list(&query, now).await?;
        let is_cut = rows.len() >= ORDERS as usize;
        if is_cut && rows.last().is_some_and(|row| now - row.created_at < DAY) {
            // Nobody orders so many by hand.
            return Ok(usize::MAX);
        }
        let requests = self.storage.guarded().list(guild, false, ORDERS).await?;
        let agreed = requests.iter().filter(|request| {
            [Deed::Ban, Deed::Lift]
                .map(operation::id)
                .contains(&request.operation.as_str())
                && matches!(request.state, RequestState::Running | RequestState::Done)
        });
        let agreed: BTreeSet<TaskId> = agreed.filter_map(operation::task).collect();
        let orders: Vec<Earlier> = rows.iter().filter_map(Earlier::of).collect();
        Ok(in_all(&orders, deed, &agreed, now))
    }

    /// Begins an order on one person's word, where that is enough at this moment: it may have been
    /// when it was planned. Protection counts it for that person as if they did it by hand.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn begin_alone(
        &self,
        guild: GuildId,
        task: TaskId,
        by: UserId,
        board: Option<Board>,
    ) -> Result<Result<Begun, NotAlone>, StorageError> {
        // One at a time: the next one counts what this one has begun.
        let mut weighed = self.weighed.lock().await;
        let Some(row) = self.row(guild, task).await? else {
            return Ok(Ok(Begun::Cancelled));
        };
        if row.state == TaskState::Pending && !row.requested {
            if let Err(why) = self.may_alone(guild, &row).await? {
                return Ok(Err(why));
            }
            if !weighed.contains(&task) {
                let targets = people_of(&row.fields);
                let order = (by, Deed::of(&row.fields).action());
                if let Err(why) = self.protection.count_order(guild, order, &targets) {
                    return Ok(Err(NotAlone::Stopped(why)));
                }
                while weighed.len() >= COUNTED {
                    weighed.pop_front();
                }
                weighed.push_back(task);
            }
        }
        Ok(Ok(self.begin(task, board).await))
    }

    /// Whether one person's word is enough at this moment.
    async fn may_alone(
        &self,
        guild: GuildId,
        row: &TaskRow,
    ) -> Result<Result<(), NotAlone>, StorageError> {
        let age = (self.clock.now() - row.created_at).to_std();
        if age.is_ok_and(|age| age > FRESH) {
            return Ok(Err(NotAlone::TooOld));
        }
        let wanted = Wanted::stored(&self.storage, guild).await?;
        if !wanted.is_on {
            return Ok(Ok(()));
        }
        let before = self.alone_lately(guild, Deed::of(&row.fields)).await?;
        let people = people_of(&row.fields).len();
        Ok(match wanted.guards_bans(before.saturating_add(people)) {
            true => Err(NotAlone::Guarded),
            false => Ok(()),
        })
    }

    /// Starts it and shows how far it is on the board. Repeating it changes nothing.
    pub(super) async fn begin(&self, task: TaskId, board: Option<Board>) -> Begun {
        let begun = self.jobs.begin(Self::TASK, task).await;
        if let Some(board) = board.filter(|_| begun == Begun::Now) {
            let stop = stop_button(board.language(), task);
            self.jobs.follow_beside(task, board.with_stop(stop));
        }
        begun
    }

    /// Ends it between two calls, and says how far it came.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn stop(&self, row: &TaskRow, words: Words) -> Result<String, StorageError> {
        let language = words.language;
        if row.state.is_terminal() {
            return Ok(text!(language, "massban-over"));
        }
        if let Err(error) = self.jobserver.cancel_task(row.id).await {
            warn!(job.id = %row.id, error = %Chain(&error), "a mass ban was not stopped");
            return Ok(text!(language, "jobs-away"));
        }
        let row = self.storage.tasks().get(row.id, self.clock.now()).await?;
        let advance = row.as_ref().and_then(|row| row.advance.as_ref());
        let advance = advance.filter(|advance| advance.what == "bans");
        let of = row.as_ref().map_or(0, |row| people_of(&row.fields).len());
        let done = advance.map_or(0, |advance| advance.done);
        Ok(match row {
            Some(row) => words.stopped(done, of, row.id),
            None => text!(language, "task-gone"),
        })
    }

    /// Nobody wants it any more.
    pub(super) async fn cancel(&self, task: TaskId) {
        if let Err(error) = self.jobserver.cancel_task(task).await {
            // Nobody starts it, so the jobserver gives it up by itself.
            warn!(job.id = %task, error = %Chain(&error), "a mass ban that nobody wants was not cancelled");
        }
    }

    /// Tells where alerts go that one person bans many.
    pub(super) async fn tell(
        &self,
        guild: GuildId,
        here: ChannelId,
        (by, task): (UserId, TaskId),
        (deed, count): (Deed, usize),
    ) {
        let Some(circle) = self.people.circle(guild) else {
            return;
        };
        let Some(channel) = circle.alert_channel.filter(|channel| *channel != here) else {
            return;
        };
        let who = format!("<@{by}>");
        let told = deed.words(circle.language).told(&who, count, task);
        let body = json!({"content": told, "allowed_mentions": {"parse": []}});
        let post = self.discord.in_lane(Lane::Interactive);
        let post = post.post(format!("/channels/{channel}/messages"));
        if let Err(error) = post.json(&body).send_empty().await {
            warn!(guild.id = %guild, error = %Chain(&error), "a mass ban was not told");
        }
    }
}

#[cfg(test)]
mod tests {
    use splashtail_storage::{Creation, NewTask, Priority};

    use super::*;
    use crate::modules::antinuke::Antinuke;
    use crate::modules::foundation::{self, Foundation};
    use crate::modules::guarded::turn_on_for_tests;

    fn guild() -> GuildId {
        GuildId::new(1).unwrap()
    }

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    /// As `/massban` creates it, before or after somebody confirmed.
    async fn task(foundation: &Foundation, people: u64, execute: bool, dry_run: bool) -> TaskId {
        let users: Vec<UserId> = (100..100 + people).map(user).collect();
        let now = foundation.clock.now();
        let task = NewTask {
            id: TaskId::random(),
            name: MassBans::TASK.to_owned(),
            owner: Owner::Server(guild()),
            fields: json!({"ServerID": guild(), "CallerID": user(7),
                           "Options": {"Users": users, "DryRun": dry_run, "Undo": null}}),
            encrypted: false,
            wrapped_secret: None,
            slot: None,
            idempotency: None,
            execute,
            priority: Priority::Interactive,
            run_after: None,
            deadline: None,
            expires_at: None,
            created_at: now,
        };
        let created = foundation.storage.tasks().create(&task).await.unwrap();
        assert!(matches!(created, Creation::Created(_)), "{created:?}");
        task.id
    }

    #[tokio::test]
    async fn saying_it_again_and_again_does_not_ban_more_than_the_owner_allows() {
        let foundation = foundation::for_tests().await;
        turn_on_for_tests(&foundation, guild(), 20).await;
        let antinuke = Antinuke::new(&foundation);
        let jobs = Arc::new(Jobs::new(&foundation, antinuke.people()));
        let moderation = super::super::Moderation::new(&foundation, antinuke.protection(), jobs);
        let bans = &moderation.bans;
        let (mut banned, mut guarded) = (0, 0);
        for _ in 0..6 {
            task(&foundation, 8, true, true).await;
            let pending = task(&foundation, 8, false, false).await;
            let row = bans.row(guild(), pending).await.unwrap().unwrap();
            match bans.may_alone(guild(), &row).await.unwrap() {
                Ok(()) => {
                    let started = foundation.storage.tasks();
                    let started = started.start(pending, foundation.clock.now()).await;
                    drop(started.unwrap());
                    banned += 8;
                }
                Err(why) => {
                    assert_eq!(why, NotAlone::Guarded);
                    guarded += 1;
                }
            }
        }
        assert_eq!((banned, guarded), (16, 4), "20 in a day");
        let ban = bans.alone_lately(guild(), Deed::Ban).await.unwrap();
        let lift = bans.alone_lately(guild(), Deed::Lift).await.unwrap();
        assert_eq!((ban, lift), (16, 0));
        // What fits is begun; there is no jobserver here.
        let small = task(&foundation, 1, false, false).await;
        let answer = bans.begin_alone(guild(), small, user(7), None).await;
        assert_eq!(answer.unwrap(), Ok(Begun::Later));
    }

    #[test]
    fn what_others_agreed_to_and_what_is_a_day_old_does_not_count() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let (one, two) = (TaskId::random(), TaskId::random());
        let order = |task, deed, hours, people| Earlier {
            task,
            deed,
            at: now - TimeDelta::hours(hours),
            people,
        };
        let orders = [
            order(one, Deed::Ban, 1, 200),
            order(two, Deed::Ban, 2, 7),
            order(two, Deed::Ban, 24, 50),
            order(two, Deed::Lift, 1, 30),
        ];
        assert_eq!(in_all(&orders, Deed::Ban, &[one].into(), now), 7);
        assert_eq!(in_all(&orders, Deed::Ban, &BTreeSet::new(), now), 207);
        assert_eq!(in_all(&orders, Deed::Lift, &BTreeSet::new(), now), 30);
    }
}
