//! Starting a task that waits for somebody's word.

use serde_json::Map;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::ClientError;
use splashtail_storage::TaskState;
use tracing::warn;

use super::{Backups, RESTORE_TASK};
use crate::catalogue::Language;
use crate::modules::guarded::Wanted;
use crate::text;

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

impl Backups {
    /// Starts a restore on one person's word, where that is enough at this moment: it may have been
    /// planned when it was.
    pub(super) async fn begin_alone(
        &self,
        guild: GuildId,
        task: TaskId,
        language: Language,
    ) -> Begun {
        match Wanted::stored(&self.storage, guild).await {
            Ok(wanted) if wanted.is_on => Begun::Refused(text!(language, "restore-guarded")),
            Ok(_) => self.begin(RESTORE_TASK, task).await,
            Err(error) => {
                warn!(job.id = %task, error = %Chain(&error), "a restore was not started yet");
                Begun::Later
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::modules::foundation;
    use crate::modules::guarded::{Circle, People, turn_on_for_tests};
    use crate::modules::server_backups::ServerBackups;

    struct Nobody;

    impl People for Nobody {
        fn circle(&self, _: GuildId) -> Option<Circle> {
            None
        }
    }

    #[tokio::test]
    async fn a_plan_from_before_the_guard_is_not_carried_out_by_one_person() {
        let foundation = foundation::for_tests().await;
        let backups = ServerBackups::new(&foundation, Arc::new(Nobody)).backups;
        let guild = GuildId::new(1).unwrap();
        let task: TaskId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let before = backups.begin_alone(guild, task, Language::English).await;
        assert_eq!(before, Begun::Later, "there is no jobserver here");

        turn_on_for_tests(&foundation, guild, 20).await;
        match backups.begin_alone(guild, task, Language::English).await {
            Begun::Refused(why) => assert!(why.contains("others have to agree"), "{why}"),
            begun => panic!("{begun:?}"),
        }
    }
}
