//! Starting it on one person's word, and giving it up.

use chrono::TimeDelta;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::telemetry::Chain;
use splashtail_storage::{StorageError, TaskRow, TaskState};
use tracing::warn;

use super::super::Backups;
use super::TASK;
use crate::catalogue::Language;
use crate::modules::guarded::Wanted;
use crate::modules::jobs::Begun;
use crate::text;

/// A plan that is older has to be looked at again.
const FRESH: TimeDelta = TimeDelta::minutes(15);

impl Backups {
    /// An order of this server to bring people back.
    pub(super) async fn rejoin_row(
        &self,
        guild: GuildId,
        task: TaskId,
    ) -> Result<Option<TaskRow>, StorageError> {
        let row = self.jobs.row(guild, task).await?;
        Ok(row.filter(|row| row.name == TASK))
    }

    pub(super) fn is_too_old(&self, row: &TaskRow) -> bool {
        row.state == TaskState::Pending && self.clock.now() - row.created_at > FRESH
    }

    /// Where one person's word is enough at this moment: it may have been when it was planned.
    pub(super) async fn begin_rejoin_alone(
        &self,
        guild: GuildId,
        task: TaskId,
        language: Language,
    ) -> Begun {
        match Wanted::stored(&self.storage, guild).await {
            Ok(wanted) if wanted.is_on => Begun::Refused(text!(language, "rejoin-guarded")),
            Ok(_) => self.jobs.begin(TASK, task).await,
            Err(error) => {
                warn!(job.id = %task, error = %Chain(&error), "people are not brought back yet");
                Begun::Later
            }
        }
    }

    /// Nobody wants it any more.
    pub(super) async fn cancel_rejoin(&self, task: TaskId) {
        if let Err(error) = self.jobserver.cancel_task(task).await {
            // Nobody starts it, so the jobserver gives it up by itself.
            warn!(job.id = %task, error = %Chain(&error), "an order that nobody wants was not cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::modules::antinuke::Antinuke;
    use crate::modules::foundation;
    use crate::modules::guarded::turn_on_for_tests;
    use crate::modules::jobs::Jobs;
    use crate::modules::server_backups::ServerBackups;

    #[tokio::test]
    async fn a_plan_from_before_the_guard_is_not_carried_out_by_one_person() {
        let foundation = foundation::for_tests().await;
        let people = Antinuke::new(&foundation).people();
        let jobs = Arc::new(Jobs::new(&foundation, Arc::clone(&people)));
        let backups = ServerBackups::new(&foundation, people, jobs).backups;
        let guild = GuildId::new(1).unwrap();
        let task: TaskId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let begin = async || {
            let begun = backups.begin_rejoin_alone(guild, task, Language::English);
            begun.await
        };
        assert_eq!(begin().await, Begun::Later, "there is no jobserver here");
        turn_on_for_tests(&foundation, guild, 20).await;
        match begin().await {
            Begun::Refused(why) => assert!(why.contains("others have to agree"), "{why}"),
            begun => panic!("{begun:?}"),
        }
    }
}
