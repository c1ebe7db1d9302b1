//! Taking a mass ban back: whoever it banned, unless somebody else set their ban.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_discord::snowflake::typed;
use splashtail_guild::Id;
use splashtail_jobs::{Intent, JobError, JobOutput, Level};
use splashtail_storage::{Item, Owner, Storage, StorageError};

use super::job::MassBan;
use super::judge::digest;
use super::run::{Banned, Run, names, output};
use crate::backup::error::Verdict;
use crate::carry_out::{acting, items, job_error, stops_everything};
use crate::lines::say;

pub(super) const REPORT: &str = "mass-ban-lifted.json";
const PLAN: &str = "mass-unban-plan.json";
/// What Discord lists at a time, and how far the list is read: a hundred thousand bans.
const PAGE: usize = 1000;
const MOST_PAGES: usize = 100;
/// People of one step who are asked for one by one.
const ASKED: usize = 50;

/// Whom a mass ban named, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Whom {
    all: Vec<UserId>,
    /// Of these Discord said that they were banned already.
    already: BTreeSet<UserId>,
}

/// Bans as they stand now.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Standing {
    /// Of the mass ban.
    ours: Vec<UserId>,
    /// Somebody else banned them after it.
    renewed: Vec<UserId>,
    /// Somebody else had banned them before it.
    before: Vec<UserId>,
    /// Where the next page begins; `None` after the last one.
    after: Option<UserId>,
}

impl Standing {
    /// From a page of the list, which ascends.
    fn read(page: &[Value], whom: &Whom, mark: &str) -> Self {
        let mut standing = Self::default();
        let mut last = None;
        for ban in page {
            let Some(user) = typed::<UserId>(&ban["user"]["id"]) else {
                continue;
            };
            last = last.max(Some(user));
            if whom.all.binary_search(&user).is_ok() {
                standing.sort(user, ban, whom, mark);
            }
        }
        let more = page.len() >= PAGE && last < whom.all.last().copied();
        standing.after = last.filter(|_| more);
        standing
    }

    fn sort(&mut self, user: UserId, ban: &Value, whom: &Whom, mark: &str) {
        let reason = ban["reason"].as_str();
        let ours = reason.is_some_and(|why| why.starts_with(mark));
        match (ours, whom.already.contains(&user)) {
            (true, _) => self.ours.push(user),
            (false, true) => self.before.push(user),
            (false, false) => self.renewed.push(user),
        }
    }

    fn extend(&mut self, more: Self) {
        self.ours.extend(more.ours);
        self.renewed.extend(more.renewed);
        self.before.extend(more.before);
    }
}

/// Whether it is a mass ban of this server.
///
/// # Errors
/// The database failed.
pub async fn is_ours(
    storage: &Storage,
    now: DateTime<Utc>,
    server: GuildId,
    task: TaskId,
) -> Result<bool, StorageError> {
    let row = storage.tasks().get(task, now).await?;
    Ok(row.is_some_and(|row| row.name == MassBan::NAME && row.owner == Owner::Server(server)))
}

/// Whom a mass ban may have banned, by its ledger: of a call whose outcome nobody knows all.
fn banned(items: &[Item]) -> Whom {
    let (mut all, mut already) = (Vec::new(), BTreeSet::new());
    for item in items.iter().filter(|item| item.name.starts_with("ban/")) {
        let after = item.after.as_deref().map(serde_json::from_str::<Banned>);
        match after {
            Some(Ok(done)) => {
                already.extend(&done.already);
                all.extend(done.banned.into_iter().chain(done.already));
            }
            _ => {
                let users = serde_json::from_value(item.before["users"].clone());
                all.extend(users.unwrap_or_else(|_| Vec::<UserId>::new()));
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    Whom { all, already }
}

impl Run<'_> {
    pub(super) async fn lift(&self, task: TaskId) -> Result<JobOutput, JobError> {
        let away = |error: StorageError| {
            JobError::transient("unavailable", "the database failed").caused_by(error)
        };
        let read = || async {
            let items = items(&self.job.storage, task).await.map_err(away)?;
            Ok(banned(&items))
        };
        let mut whom: Whom = self.cx.step("whom", read).await?;
        let of = whom.all.len();
        let shown: BTreeSet<&UserId> = self.fields.options.users.iter().collect();
        // An order that names people frees nobody else.
        whom.all
            .retain(|user| shown.is_empty() || shown.contains(user));
        let standing = self.standing(task, &whom).await?;
        if self.fields.options.dry_run {
            let planned = || self.tell_lift(task, &standing);
            let filename = self.cx.step("planned", planned).await?;
            return Ok(output(filename));
        }
        let (mut lifted, mut refused) = (0, Vec::new());
        for (at, user) in standing.ours.iter().enumerate() {
            match self.lift_one(task, *user).await {
                Ok(()) => lifted += 1,
                Err(JobError::Permanent { code, .. }) if !stops_everything(&code) => {
                    refused.push(*user);
                }
                Err(error) => return Err(error),
            }
            let all = standing.ours.len() as u64;
            self.cx.advance("bans", at as u64 + 1, all).await;
        }
        let (renewed, before) = (&standing.renewed, &standing.before);
        let report = || async {
            let document = json!({"kind": "mass_ban_lifted", "server_id": self.fields.server_id,
                "mass_ban": task, "ordered_by": self.fields.caller_id, "lifted": lifted,
                "banned_anew": renewed, "banned_before": before, "refused": refused});
            let filename = self.publish(REPORT, document).await?;
            for (users, line) in [
                (renewed, Line::BannedAnew),
                (before, Line::WereBannedBefore),
                (&refused, Line::NotLifted),
            ] {
                if !users.is_empty() {
                    let extra = json!({"count": users.len(), "items": names(users)});
                    say(self.cx, Level::Warn, line, extra).await;
                }
            }
            let extra = json!({"done": lifted, "of": of});
            say(self.cx, Level::Info, Line::Lifted, extra).await;
            Ok(filename)
        };
        Ok(output(self.cx.step("report", report).await?))
    }

    /// Says who would be freed, and frees nobody.
    async fn tell_lift(&self, task: TaskId, standing: &Standing) -> Result<String, JobError> {
        let ours = &standing.ours;
        let hash = digest(&json!([self.fields.server_id, task, ours]));
        let counts = match ours.len() {
            0 => json!({}),
            count => json!({"ban": {"delete": count}}),
        };
        let extra = json!({"plan_hash": hash, "counts": counts, "refusals": [],
                           "botDisplayIgnore": ["plan_hash", "counts", "refusals"]});
        let message = format!("{} to free", ours.len());
        self.cx.log(Level::Info, message, extra).await;
        self.tell_people("To free", ours, &BTreeMap::new()).await;
        let document = json!({"kind": "mass_ban_lift_plan", "server_id": self.fields.server_id,
            "mass_ban": task, "ordered_by": self.fields.caller_id, "plan_hash": hash,
            "to_free": ours, "banned_anew": standing.renewed, "banned_before": standing.before});
        self.publish(PLAN, document).await
    }

    /// Reads the list of bans from the first to the last of these people. One by one Discord would
    /// soon refuse them, so only those beyond the list's reach are.
    async fn standing(&self, task: TaskId, whom: &Whom) -> Result<Standing, JobError> {
        let mut all = Standing::default();
        let Some(first) = whom.all.first() else {
            return Ok(all);
        };
        let mut after = first.get() - 1;
        for number in 0..MOST_PAGES {
            let read = || async {
                let path = format!("/guilds/{}/bans", self.fields.server_id);
                let query = [("limit", PAGE.to_string()), ("after", after.to_string())];
                let source = self.source();
                let page = source.list("reading the bans", &path, &query).await?;
                Ok(Standing::read(&page, whom, &Self::mark(task)))
            };
            let mut page: Standing = self.cx.step(&format!("standing/{number}"), read).await?;
            let next = page.after.take();
            all.extend(page);
            match next {
                Some(last) => after = last.get(),
                None => return Ok(all),
            }
        }
        let far = whom.all.partition_point(|user| user.get() <= after);
        for (number, users) in whom.all[far..].chunks(ASKED).enumerate() {
            let read = || self.asked(task, users, whom);
            all.extend(self.cx.step(&format!("asked/{number}"), read).await?);
        }
        Ok(all)
    }

    async fn asked(
        &self,
        task: TaskId,
        users: &[UserId],
        whom: &Whom,
    ) -> Result<Standing, JobError> {
        let mut standing = Standing::default();
        for user in users {
            let path = format!("/guilds/{}/bans/{user}", self.fields.server_id);
            match self.source().object("reading a ban", &path, &[]).await {
                Ok(ban) => standing.sort(*user, &ban, whom, &Self::mark(task)),
                Err(error) if error.verdict() == Verdict::Refused => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(standing)
    }

    async fn lift_one(&self, task: TaskId, user: UserId) -> Result<(), JobError> {
        let text = format!("Took back: {}", Self::mark(task));
        let reason = self.reason(&text);
        let reason = &reason;
        let act = |nonce: splashtail_jobs::Nonce| async move {
            let leaves = Leaves::About(Id::new(user.get()));
            let acting = acting(self.cx, &self.job.discord, &nonce, reason, leaves);
            let lifted = acting.ensure_unbanned(self.fields.server_id, user, None);
            lifted.await.map_err(job_error)?;
            Ok(json!("lifted"))
        };
        let intent = Intent::new(format!("ban.delete {user}"));
        // A ban that is gone is gone: it may be done twice.
        let lifted: Value = self
            .cx
            .effect(&format!("lift/{user}"), intent, act, |_| async { Ok(None) })
            .await?;
        drop(lifted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn only_bans_that_are_still_ours_are_lifted() {
        let ban =
            |id: u64, reason: Value| json!({"user": {"id": id.to_string()}, "reason": reason});
        let page = [
            ban(5, json!("Mass ban abc: raid #1 [2]")),
            ban(6, json!("Mass ban abc: raid #1 [2]")),
            ban(7, json!("spam")),
            ban(8, Value::Null),
            ban(9, json!("Mass ban xyz")),
        ];
        let whom = |users: &[u64]| Whom {
            all: users.iter().map(|id| user(*id)).collect(),
            already: [user(5), user(8)].into(),
        };
        let standing = Standing::read(&page, &whom(&[5, 7, 8, 9, 12]), "Mass ban abc");
        assert_eq!(standing.ours, [user(5)], "by an earlier try");
        assert_eq!(standing.renewed, [user(7), user(9)]);
        assert_eq!(standing.before, [user(8)]);
        assert_eq!(standing.after, None, "the list is short");
        let long: Vec<Value> = (1..=PAGE as u64).map(|id| ban(id, Value::Null)).collect();
        let after = |user| Standing::read(&long, &whom(&[user]), "x").after;
        assert_eq!(after(5000), Some(user(1000)));
        assert_eq!(after(3), None);
    }

    #[test]
    fn of_a_call_that_nobody_knows_of_all_may_be_banned() {
        let item = |name: &str, before: Value, after: Option<&str>| Item {
            seq: 1,
            name: name.to_owned(),
            nonce: String::new(),
            what: String::new(),
            before,
            after: after.map(str::to_owned),
            outcome: splashtail_storage::Outcome::Intended,
            code: None,
            note: None,
            intended_at: DateTime::UNIX_EPOCH,
            intended_ago: chrono::TimeDelta::zero(),
            settled_at: None,
        };
        let done = r#"{"banned": ["3"], "already": ["4"], "failed": ["5"], "left": ["6"]}"#;
        let items = [
            item(
                "ban/from/1",
                json!({"users": ["3", "4", "5", "6"]}),
                Some(done),
            ),
            item("ban/from/7", json!({"users": ["7", "8"]}), None),
            item("other", json!({"users": ["9"]}), None),
        ];
        let whom = banned(&items);
        assert_eq!(whom.all, [user(3), user(4), user(7), user(8)]);
        assert_eq!(whom.already, [user(4)].into());
    }
}
