//! Taking a mass ban back: whoever it banned, unless somebody banned them anew since.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use splashtail_antinuke::Leaves;
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_discord::snowflake::typed;
use splashtail_guild::Id;
use splashtail_jobs::{Intent, JobError, JobOutput, Level};
use splashtail_storage::{Item, Owner, Storage, StorageError};

use super::job::MassBan;
use super::run::{Banned, Run, names, output};
use crate::carry_out::{acting, job_error, stops_everything};
use crate::revert::items;

const REPORT: &str = "mass-ban-lifted.json";
/// What Discord lists at a time, and how far the list is read: a hundred thousand bans.
const PAGE: usize = 1000;
const MOST_PAGES: usize = 100;

/// Bans as they stand now: those of the mass ban, and those that somebody else set since.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    ours: Vec<UserId>,
    renewed: Vec<UserId>,
    /// Where the next page begins; `None` after the last one.
    after: Option<UserId>,
}

impl Standing {
    /// From a page of the list, which ascends. `users`: whom the mass ban banned, ascending.
    fn read(page: &[Value], users: &[UserId], mark: &str) -> Self {
        let mut standing = Self::default();
        let mut last = None;
        for ban in page {
            let Some(user) = typed::<UserId>(&ban["user"]["id"]) else {
                continue;
            };
            last = last.max(Some(user));
            if users.binary_search(&user).is_err() {
                continue;
            }
            let ours = ban["reason"]
                .as_str()
                .is_some_and(|why| why.starts_with(mark));
            match ours {
                true => standing.ours.push(user),
                false => standing.renewed.push(user),
            }
        }
        let more = page.len() >= PAGE && last < users.last().copied();
        standing.after = last.filter(|_| more);
        standing
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
fn banned(items: &[Item]) -> Vec<UserId> {
    let mut all = Vec::new();
    for item in items.iter().filter(|item| item.name.starts_with("ban/")) {
        let after = item.after.as_deref().map(serde_json::from_str::<Banned>);
        match after {
            Some(Ok(done)) => all.extend(done.banned.into_iter().chain(done.already)),
            _ => {
                let users = serde_json::from_value(item.before["users"].clone());
                all.extend(users.unwrap_or_else(|_| Vec::<UserId>::new()));
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
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
        let users: Vec<UserId> = self.cx.step("whom", read).await?;
        let of = users.len();
        let standing = self.standing(task, &users).await?;
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
        let renewed = &standing.renewed;
        let report = || async {
            let document = json!({"kind": "mass_ban_lifted", "server_id": self.fields.server_id,
                "mass_ban": task, "ordered_by": self.fields.caller_id, "lifted": lifted,
                "banned_anew": renewed, "refused": refused});
            let filename = self.publish(REPORT, document).await?;
            for (users, line) in [
                (renewed, "Left alone: somebody banned them anew since"),
                (&refused, "Not lifted: Discord refused it"),
            ] {
                if !users.is_empty() {
                    let extra = json!({"count": users.len(), "items": names(users)});
                    self.cx.log(Level::Warn, line, extra).await;
                }
            }
            let extra = json!({"done": lifted, "of": of});
            let message = format!("Lifted {lifted} of {of} bans");
            self.cx.log(Level::Info, message, extra).await;
            Ok(filename)
        };
        Ok(output(self.cx.step("report", report).await?))
    }

    /// Reads the list of bans from the first to the last of these people. One by one Discord would
    /// soon refuse them.
    async fn standing(&self, task: TaskId, users: &[UserId]) -> Result<Standing, JobError> {
        let mut all = Standing::default();
        let Some(first) = users.first() else {
            return Ok(all);
        };
        let mut after = first.get() - 1;
        for number in 0..MOST_PAGES {
            let read = || async {
                let path = format!("/guilds/{}/bans", self.fields.server_id);
                let query = [("limit", PAGE.to_string()), ("after", after.to_string())];
                let source = self.source();
                let page = source.list("reading the bans", &path, &query).await?;
                Ok(Standing::read(&page, users, &Self::mark(task)))
            };
            let page: Standing = self.cx.step(&format!("standing/{number}"), read).await?;
            all.ours.extend(page.ours);
            all.renewed.extend(page.renewed);
            match page.after {
                Some(last) => after = last.get(),
                None => return Ok(all),
            }
        }
        let message = "The server has too many bans to read them all";
        Err(JobError::permanent("too_many_bans", message))
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
        let users = [user(5), user(7), user(8), user(9), user(12)];
        let standing = Standing::read(&page, &users, "Mass ban abc");
        assert_eq!(standing.ours, [user(5)]);
        assert_eq!(standing.renewed, [user(7), user(8), user(9)]);
        assert_eq!(standing.after, None, "the list is short");
        let long: Vec<Value> = (1..=PAGE as u64).map(|id| ban(id, Value::Null)).collect();
        let far = user(5000);
        assert_eq!(Standing::read(&long, &[far], "x").after, Some(user(1000)));
        assert_eq!(Standing::read(&long, &[user(3)], "x").after, None);
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
        assert_eq!(banned(&items), [user(3), user(4), user(7), user(8)]);
    }
}
