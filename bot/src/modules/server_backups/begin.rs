//! Starting a restore on one person's word.

use splashtail_core::ids::{GuildId, TaskId};
use splashtail_core::telemetry::Chain;
use tracing::warn;

use super::{Backups, RESTORE_TASK};
use crate::catalogue::Language;
use crate::modules::guarded::Wanted;
use crate::modules::jobs::Begun;
use crate::text;

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
            Ok(_) => self.jobs.begin(RESTORE_TASK, task).await,
            Err(error) => {
                warn!(job.id = %task, error = %Chain(&error), "a restore was not started yet");
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
    use crate::modules::jobs::Jobs;
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
        let nobody: Arc<dyn People> = Arc::new(Nobody);
        let jobs = Arc::new(Jobs::new(&foundation, Arc::clone(&nobody)));
        let backups = ServerBackups::new(&foundation, nobody, jobs).backups;
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
