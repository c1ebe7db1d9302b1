//! What a mass ban, or taking one back, did before it was stopped or failed: published as that of one that is
//! done, from its ledger.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use splashtail_core::ids::{TaskId, UserId};
use splashtail_storage::{Item, Outcome, StorageError, TaskOutput, TaskState};

use super::job::MassBan;
use super::lift;
use super::options::Fields;
use super::run::{self, Banned};
use crate::carry_out::items;
use crate::objects::ObjectError;

#[derive(Debug, thiserror::Error)]
pub enum NotPublished {
    #[error("the database failed")]
    Storage(#[from] StorageError),
    #[error("the object store failed")]
    Objects(#[from] ObjectError),
    #[error("it cannot be written")]
    Json(#[from] serde_json::Error),
}

impl MassBan {
    /// Publishes what a task did that is over without an output of its own. Of one that did nothing there
    /// is nothing to say.
    pub(super) async fn publish_stopped(&self, task: TaskId) -> Result<(), NotPublished> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        let Some(row) = row.filter(|row| row.state == TaskState::Failed) else {
            return Ok(());
        };
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
        let output = TaskOutput {
            filename: filename.to_owned(),
            segregated: false,
        };
        self.storage.tasks().leave(task, &output).await?;
        Ok(())
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
            (_, Outcome::Failed | Outcome::Skipped) => done.failed.extend(users),
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
        "not_tried": left})
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
