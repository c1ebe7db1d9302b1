//! What jobs have written down, behind a button.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_storage::{StorageError, TaskLogEntry, TaskRow};

use super::Jobs;
use super::status::log_lines;
use crate::catalogue::Language;
use crate::markdown::MESSAGE;
use crate::presses::{Presses, Reaction};
use crate::text;

const PREFIX: &str = "job";
/// Entries of a log that are read at a time.
const BATCH: u32 = 200;
/// The newest entries that are shown at most.
const SHOWN: usize = 200;

/// What jobs have written down so far, whichever module ordered them: `job:log:<task>`.
pub(in crate::modules) fn presses(jobs: &Arc<Jobs>) -> Presses {
    let jobs = Arc::clone(jobs);
    Presses::new(PREFIX, move |_, press| {
        let task = match press.parts() {
            Some(["log", task]) => task.parse::<TaskId>().ok(),
            _ => None,
        };
        let Some((guild, task)) = press.guild().ok().zip(task) else {
            return Reaction::stale(press);
        };
        let (jobs, press) = (Arc::clone(&jobs), Arc::clone(press));
        let read = async move {
            match jobs.row(guild, task).await? {
                Some(row) => Ok(jobs.log(&row, press.language).await?),
                None => Ok(text!(press.language, "task-gone")),
            }
        };
        Reaction::say(read).at_once()
    })
}

/// The button that shows what a job has written down.
pub fn log_button(language: Language, task: TaskId) -> Value {
    json!({"type": 2, "style": 2, "label": text!(language, "task-details"),
           "custom_id": format!("{PREFIX}:log:{task}")})
}

impl Jobs {
    pub(in crate::modules) async fn log(
        &self,
        row: &TaskRow,
        language: Language,
    ) -> Result<String, StorageError> {
        let mut entries = VecDeque::new();
        loop {
            let after = entries.back().map_or(0, |entry: &TaskLogEntry| entry.seq);
            let page = self.storage.tasks().log(row.id, after, BATCH).await?;
            let last = page.len() < BATCH as usize;
            entries.extend(page);
            while entries.len() > SHOWN {
                entries.pop_front();
            }
            if last {
                break;
            }
        }
        let text = log_lines(language, &entries, MESSAGE);
        Ok(match text.is_empty() {
            true => text!(language, "task-no-log"),
            false => text,
        })
    }
}
