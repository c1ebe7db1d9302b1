//! Starting a task that waits for somebody's word.

use serde_json::Map;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::ClientError;
use splashtail_storage::TaskState;
use tracing::warn;

use super::Jobs;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    Now,
    /// By an earlier call.
    Already,
    /// It cannot be; why, as a sentence.
    Refused(String),
    /// Or given up after a long time.
    Cancelled,
    /// Another job of its kind runs in the server: it can begin afterwards.
    Busy,
    /// The jobserver or its database is away.
    Later,
}

impl Jobs {
    /// Starts a task of this kind that was only created so far. Repeating it changes nothing.
    pub(in crate::modules) async fn begin(&self, kind: &str, task: TaskId) -> Begun {
        let begun = self.jobserver.execute_task(kind, task, Map::new());
        let error = match begun.await {
            Ok(()) => return Begun::Now,
            Err(error) => error,
        };
        let refused = match &error {
            ClientError::Status { status, body, .. } if status.is_client_error() => body.clone(),
            _ => {
                warn!(job.id = %task, error = %Chain(&error), "a task was not started yet");
                return Begun::Later;
            }
        };
        if refused.code == "slot_taken" {
            return Begun::Busy;
        }
        if refused.code != "not_pending" {
            return Begun::Refused(format!("{}.", refused.message));
        }
        let row = self.storage.tasks().get(task, self.clock.now()).await;
        match row {
            // Another call, or another process, has started it.
            Ok(Some(row)) if row.state != TaskState::Failed => Begun::Already,
            Ok(_) => Begun::Cancelled,
            Err(error) => {
                warn!(job.id = %task, error = %Chain(&error), "a task was not looked up");
                Begun::Later
            }
        }
    }
}
