//! Starting a task that waits for somebody's word.

use serde_json::Map;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::ClientError;
use splashtail_storage::TaskState;
use tracing::warn;

use super::{Backups, RESTORE_TASK};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Begun {
    Now,
    /// By an earlier call.
    Already,
    /// It cannot be; why, as a sentence.
    Refused(String),
    /// The jobserver or its database is away.
    Later,
}

impl Backups {
    /// Starts a restore that was only created so far. Repeating it changes nothing.
    pub(super) async fn begin(&self, task: TaskId) -> Begun {
        let begun = self.jobserver.execute_task(RESTORE_TASK, task, Map::new());
        let error = match begun.await {
            Ok(()) => return Begun::Now,
            Err(error) => error,
        };
        let refused = match &error {
            ClientError::Status { status, body, .. } if status.is_client_error() => body.clone(),
            _ => {
                warn!(job.id = %task, error = %Chain(&error), "a restore was not started yet");
                return Begun::Later;
            }
        };
        if refused.code != "not_pending" {
            return Begun::Refused(format!("{}.", refused.message));
        }
        let row = self.storage.tasks().get(task, self.clock.now()).await;
        match row {
            // Another call, or another process, has started it.
            Ok(Some(row)) if row.state != TaskState::Failed => Begun::Already,
            Ok(_) => Begun::Refused("it was cancelled, or given up after a long time.".to_owned()),
            Err(error) => {
                warn!(job.id = %task, error = %Chain(&error), "a restore was not looked up");
                Begun::Later
            }
        }
    }
}
