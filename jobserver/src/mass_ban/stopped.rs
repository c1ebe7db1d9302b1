//! What a mass ban, or taking one back, did before it was stopped or failed: published as that of one that is
//! done, from its ledger.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Item, Outcome, Storage, StorageError, TaskOutput, TaskState};
use tracing::warn;

use super::lift;
use super::options::Fields;
use super::run::{self, Banned};
use crate::carry_out::items;
use crate::objects::{ObjectError, Objects};

/// Before it is tried again; whatever is away longer takes with it what nobody published.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
];

#[derive(Debug, thiserror::Error)]
pub enum NotPublished {
    #[error("the database failed")]
    Storage(#[from] StorageError),
    #[error("the object store failed")]
    Objects(#[from] ObjectError),
    #[error("it cannot be written")]
    Json(#[from] serde_json::Error),
}

/// Where it is published.
#[derive(Clone)]
pub(super) struct Desk {
    pub storage: Storage,
    pub objects: Objects,
    pub clock: SharedClock,
}

impl Desk {
    /// Publishes what a task did that is over without an output of its own, and tries it again beside
    /// whatever called where that fails.
    pub async fn publish(self, task: TaskId) {
        if self.is_done_with(task).await {
            return;
        }
        tokio::spawn(async move {
            for pause in PAUSES {
                self.clock.sleep(pause).await;
                if self.is_done_with(task).await {
                    return;
                }
            }
        });
    }

    async fn is_done_with(&self, task: TaskId) -> bool {
        let Err(error) = self.try_to_publish(task).await else {
            return true;
        };
        warn!(job.id = %task, error = %Chain(&error), "what a mass ban did before it ended is not published");
        matches!(error, NotPublished::Json(_))
    }

    /// Of one that did nothing there is nothing to say.
    async fn try_to_publish(&self, task: TaskId) -> Result<(), NotPublished> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        let Some(row) = row else {
            return self.forget(task).await;
        };
        if row.state != TaskState::Failed {
            return Ok(());
        }
        let fields: Fields = serde_json::from_value(row.fields)?;
        let items = items(&self.storage, task).await?;
        if items.is_empty() {
            return Ok(());
        }
        let (filename, document) = match fields.options.undo {
            None => (run::REPORT, banned(&fields, &items)),
            Some(ban) => (lift::REPORT, lifted(&fields, ban, &items)),
        };
        let text = serde_json::to_vec_pretty(&document)?;
        let key = format!("tasks/{task}/{filename}");
        self.objects.put(&key, text.into()).await?;
        self.leave(task, filename).await
    }

    /// Names what was put; nothing stays that belongs to a task that was deleted meanwhile.
    async fn leave(&self, task: TaskId, filename: &str) -> Result<(), NotPublished> {
        let output = TaskOutput {
            filename: filename.to_owned(),
            segregated: false,
        };
        let tasks = self.storage.tasks();
        if tasks.leave(task, &output).await? || tasks.get(task, self.clock.now()).await?.is_some() {
            return Ok(());
        }
        self.forget(task).await
    }

    async fn forget(&self, task: TaskId) -> Result<(), NotPublished> {
        Ok(self.objects.remove_all(&format!("tasks/{task}")).await?)
    }
}

fn banned(fields: &Fields, items: &[Item]) -> Value {
    let mut done = Banned::default();
    // Calls whose outcome nobody knows.
    let mut unknown: Vec<UserId> = Vec::new();
    for item in items.iter().filter(|item| item.name.starts_with("ban/")) {
        let users = serde_json::from_value(item.before["users"].clone());
        let users: Vec<UserId> = users.unwrap_or_default();
        let after = item.after.as_deref().map(serde_json::from_str::<Banned>);
        match (after, item.outcome) {
            (Some(Ok(after)), _) => done.add(after),
            (_, Outcome::Failed) => {
                let why = [&item.code, &item.note].map(|text| text.clone().unwrap_or_default());
                done.add(run::refused(&users, why.into()));
            }
            _ => unknown.extend(users),
        }
    }
    let named = [&done.banned, &done.already, &done.failed, &unknown];
    let named: BTreeSet<&UserId> = named.into_iter().flatten().collect();
    // Whoever was spared is among them where the order named more than its plan did.
    let left = fields.options.users.iter();
    let left: Vec<&UserId> = left.filter(|user| !named.contains(user)).collect();
    json!({"kind": "mass_ban", "ended_early": true, "server_id": fields.server_id,
        "ordered_by": fields.caller_id, "reason": fields.options.reason,
        "plan_hash": fields.options.plan_hash, "banned": done.banned,
        "banned_before": done.already, "refused": done.failed, "unknown": unknown,
        "not_tried": left, "stopped": done.stopped.map(|(_, why)| why)})
}

fn lifted(fields: &Fields, ban: TaskId, items: &[Item]) -> Value {
    let (mut lifted, mut refused, mut unknown) = (0_usize, Vec::new(), Vec::new());
    for item in items {
        let user = item.name.strip_prefix("lift/");
        let Some(user) = user.and_then(|user| user.parse::<UserId>().ok()) else {
            continue;
        };
        match item.outcome {
            Outcome::Done | Outcome::Adopted => lifted += 1,
            Outcome::Failed | Outcome::Skipped => refused.push(user),
            Outcome::Intended => unknown.push(user),
        }
    }
    json!({"kind": "mass_ban_lifted", "ended_early": true, "server_id": fields.server_id,
        "mass_ban": ban, "ordered_by": fields.caller_id, "lifted": lifted, "refused": refused,
        "unknown": unknown})
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use splashtail_core::clock::SystemClock;
    use splashtail_core::config::{DatabaseTarget, ObjectStorage};
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn item(name: &str, users: &[u64], outcome: Outcome, code: Option<&str>) -> Item {
        let users: Vec<String> = users.iter().map(u64::to_string).collect();
        Item {
            seq: 1,
            name: name.to_owned(),
            nonce: String::new(),
            what: String::new(),
            before: json!({"users": users}),
            after: None,
            outcome,
            code: code.map(str::to_owned),
            note: code.map(|_| "no".to_owned()),
            intended_at: DateTime::UNIX_EPOCH,
            intended_ago: chrono::TimeDelta::zero(),
            settled_at: None,
        }
    }

    /// As of a ban that comes to its end: a call that is refused whole says nothing of anybody alone.
    #[test]
    fn a_refused_call_was_not_tried_and_a_refused_person_was() {
        let data = json!({"ServerID": "1", "CallerID": "2", "Options": {
            "Users": ["11", "12", "13", "14", "15", "16"]}});
        let fields = super::super::options::parse(&data).unwrap();
        let failed = |name, users: &[u64], code| item(name, users, Outcome::Failed, Some(code));
        let report = banned(
            &fields,
            &[
                failed("ban/from/11", &[11, 12], "discord_50013"),
                failed("ban/13", &[13], "discord_50013"),
                failed("ban/14", &[14], "discord_30035"),
                item("ban/15", &[15], Outcome::Intended, None),
            ],
        );
        assert_eq!(report["refused"], json!(["13"]), "{report:#}");
        assert_eq!(report["not_tried"], json!(["11", "12", "14", "16"]));
        assert_eq!(report["unknown"], json!(["15"]));
        assert_eq!(report["stopped"], "no");
    }

    #[tokio::test]
    async fn nothing_stays_of_a_task_that_is_deleted_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("objects");
        let database = DatabaseTarget::Sqlite(directory.path().join("test.db"));
        let storage = Storage::open(&database, &CancellationToken::new()).await;
        let desk = Desk {
            storage: storage.unwrap(),
            objects: Objects::open(&ObjectStorage::Local { path }).unwrap(),
            clock: SystemClock::shared(),
        };
        desk.storage.migrate().await.unwrap();
        let task = TaskId::random();
        let key = format!("tasks/{task}/{}", run::REPORT);
        for again in [false, true] {
            let put = desk.objects.put(&key, Bytes::from_static(b"{}"));
            put.await.unwrap();
            match again {
                false => desk.leave(task, run::REPORT).await.unwrap(),
                true => desk.try_to_publish(task).await.unwrap(),
            }
            assert!(desk.objects.list("tasks").await.unwrap().is_empty());
        }
    }
}
