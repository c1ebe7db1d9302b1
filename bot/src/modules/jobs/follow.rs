//! Keeping a message up to date with its task.

use std::time::Duration;

use async_trait::async_trait;
use splashtail_core::clock::{Clock, SharedClock};
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Storage, StorageError, TaskState};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::board::BoardError;
use super::status::{Note, Picture};

const POLL: Duration = Duration::from_secs(1);
/// Time between two edits of the message.
const BETWEEN_EDITS: Duration = Duration::from_millis(2500);
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Looks at a job that failed: what it did before is published a moment later.
const LAST_LOOKS: u32 = 3;
/// Entries read at a time.
const BATCH: u32 = 200;

/// Where a picture of the task is drawn.
#[async_trait]
pub trait Canvas: Send {
    async fn draw(&mut self, picture: &Picture, note: Option<Note>) -> Result<(), BoardError>;
}

/// Where news of the task come from.
#[async_trait]
pub trait Source: Send {
    fn task(&self) -> TaskId;

    /// Brings the picture up to date; `false` when the task does not exist any more.
    async fn refresh(&mut self, picture: &mut Picture) -> Result<bool, StorageError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The task ended and the message says so.
    Finished,
    TaskGone,
    MessageGone,
    TooLong,
    Shutdown,
}

/// Polls the task every second and redraws what changed, at most every 2.5 s, until the task ends.
/// Gives up after 30 minutes, when the message is deleted and at shutdown.
pub async fn follow(
    source: &mut dyn Source,
    canvas: &mut dyn Canvas,
    clock: &dyn Clock,
    shutdown: &CancellationToken,
) -> Ending {
    let task = source.task();
    let ending = run(source, canvas, clock, shutdown).await;
    info!(task.id = %task, ?ending, "no longer following a task");
    ending
}

async fn run(
    source: &mut dyn Source,
    canvas: &mut dyn Canvas,
    clock: &dyn Clock,
    shutdown: &CancellationToken,
) -> Ending {
    let started = clock.monotonic();
    let mut picture = Picture::new(source.task());
    let mut drawn: Option<Picture> = None;
    let mut last_edit: Option<Duration> = None;
    let mut storage_failed = false;
    let mut last_looks = 0;
    loop {
        match source.refresh(&mut picture).await {
            Ok(true) => storage_failed = false,
            Ok(false) => return Ending::TaskGone,
            Err(error) => {
                if !std::mem::replace(&mut storage_failed, true) {
                    warn!(task.id = %picture.task, error = %Chain(&error), "cannot read a task");
                }
            }
        }
        let now = clock.monotonic();
        let may_edit = last_edit.is_none_or(|at| now.saturating_sub(at) >= BETWEEN_EDITS);
        if may_edit && drawn.as_ref() != Some(&picture) {
            last_edit = Some(now);
            match canvas.draw(&picture, None).await {
                Ok(()) => drawn = Some(picture.clone()),
                Err(BoardError::Gone) => return Ending::MessageGone,
                Err(BoardError::Discord(error)) => {
                    // Tried again after the pause.
                    warn!(task.id = %picture.task, error = %Chain(&error), "a status was not shown");
                }
            }
        }
        if picture.state.is_terminal() && drawn.as_ref() == Some(&picture) {
            let complete = picture.state != TaskState::Failed || picture.filename.is_some();
            if complete || last_looks == LAST_LOOKS {
                return Ending::Finished;
            }
            last_looks += 1;
        }
        if now.saturating_sub(started) >= PATIENCE {
            return leave(canvas, &picture, Note::TooLong, Ending::TooLong).await;
        }
        tokio::select! {
            () = clock.sleep(POLL) => {}
            () = shutdown.cancelled() => {
                return leave(canvas, &picture, Note::Restarting, Ending::Shutdown).await;
            }
        }
    }
}

async fn leave(canvas: &mut dyn Canvas, picture: &Picture, note: Note, ending: Ending) -> Ending {
    match canvas.draw(picture, Some(note)).await {
        Ok(()) => ending,
        Err(BoardError::Gone) => Ending::MessageGone,
        Err(BoardError::Discord(error)) => {
            warn!(task.id = %picture.task, error = %Chain(&error), "a last status was not shown");
            ending
        }
    }
}

/// A task in the database.
pub struct StoredTask {
    storage: Storage,
    clock: SharedClock,
    task: TaskId,
}

impl StoredTask {
    pub fn new(storage: Storage, clock: SharedClock, task: TaskId) -> Self {
        Self {
            storage,
            clock,
            task,
        }
    }
}

#[async_trait]
impl Source for StoredTask {
    fn task(&self) -> TaskId {
        self.task
    }

    async fn refresh(&mut self, picture: &mut Picture) -> Result<bool, StorageError> {
        let store = self.storage.tasks();
        let row = store.get(self.task, self.clock.now()).await?;
        let Some(row) = row else { return Ok(false) };
        // The log is read after the state: a task that has ended gets no more entries.
        loop {
            let entries = store.log(self.task, picture.last_seq(), BATCH).await?;
            let done = entries.len() < BATCH as usize;
            entries.into_iter().for_each(|entry| picture.push(entry));
            if done {
                break;
            }
        }
        picture.state = row.state;
        picture.advance = row.advance;
        picture.filename = row.output.map(|output| output.filename);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use chrono::DateTime;
    use serde_json::Map;
    use splashtail_core::clock::ManualClock;
    use splashtail_storage::{Level, TaskLogEntry};

    use super::*;

    /// One refresh per entry; the last one repeats.
    struct Script(VecDeque<Step>);

    #[derive(Clone)]
    enum Step {
        State(TaskState),
        Log(i64),
        /// Published by a job that failed.
        Left,
        Gone,
        Broken,
    }

    #[async_trait]
    impl Source for Script {
        fn task(&self) -> TaskId {
            TaskId(uuid::Uuid::nil())
        }

        async fn refresh(&mut self, picture: &mut Picture) -> Result<bool, StorageError> {
            let step = if self.0.len() > 1 {
                self.0.pop_front()
            } else {
                self.0.front().cloned()
            };
            match step.unwrap() {
                Step::State(state) => picture.state = state,
                Step::Left => picture.filename = Some("report.json".to_owned()),
                Step::Log(seq) => picture.push(TaskLogEntry {
                    seq,
                    level: Level::Info,
                    ts: DateTime::UNIX_EPOCH,
                    msg: "m".to_owned(),
                    extra: Map::new(),
                }),
                Step::Gone => return Ok(false),
                Step::Broken => return Err(StorageError::Stopped),
            }
            Ok(true)
        }
    }

    /// Records when what was drawn.
    struct Wall {
        clock: ManualClock,
        drawn: Vec<(u64, TaskState, i64, Option<Note>)>,
        fail: VecDeque<BoardError>,
    }

    #[async_trait]
    impl Canvas for Wall {
        async fn draw(&mut self, picture: &Picture, note: Option<Note>) -> Result<(), BoardError> {
            if let Some(error) = self.fail.pop_front() {
                return Err(error);
            }
            let second = self.clock.monotonic().as_secs();
            self.drawn
                .push((second, picture.state, picture.last_seq(), note));
            Ok(())
        }
    }

    type Drawn = Vec<(u64, TaskState, i64, Option<Note>)>;

    async fn run_script(
        steps: Vec<Step>,
        fail: Vec<BoardError>,
        shutdown: &CancellationToken,
    ) -> (Ending, Drawn) {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut wall = Wall {
            clock: clock.clone(),
            drawn: Vec::new(),
            fail: fail.into(),
        };
        let mut script = Script(steps.into());
        let mut following = Box::pin(follow(&mut script, &mut wall, &clock, shutdown));
        let ending = loop {
            tokio::select! {
                biased;
                ending = &mut following => break ending,
                () = clock.wait_for_sleepers(1) => clock.advance(POLL),
            }
        };
        drop(following);
        (ending, wall.drawn)
    }

    use TaskState::{Completed, Pending, Running};

    #[tokio::test]
    async fn edits_are_spaced_and_the_end_is_shown() {
        let steps = vec![
            Step::State(Pending),
            Step::State(Running),
            Step::Log(1),
            Step::Log(2),
            Step::Log(3),
            Step::State(Completed),
        ];
        let (ending, drawn) = run_script(steps, vec![], &CancellationToken::new()).await;
        assert_eq!(ending, Ending::Finished);
        assert_eq!(
            drawn,
            [
                (0, Pending, 0, None),
                (3, Running, 2, None),
                (6, Completed, 3, None)
            ]
        );
    }

    #[tokio::test]
    async fn without_news_nothing_is_redrawn() {
        let mut steps = vec![Step::State(Running); 20];
        steps.push(Step::State(Completed));
        let (_, drawn) = run_script(steps, vec![], &CancellationToken::new()).await;
        assert_eq!(drawn, [(0, Running, 0, None), (20, Completed, 0, None)]);
    }

    #[tokio::test]
    async fn it_stops_after_half_an_hour() {
        let (ending, drawn) = run_script(
            vec![Step::State(Running)],
            vec![],
            &CancellationToken::new(),
        )
        .await;
        assert_eq!(ending, Ending::TooLong);
        assert_eq!(drawn.last(), Some(&(1800, Running, 0, Some(Note::TooLong))));
    }

    #[tokio::test]
    async fn a_deleted_message_ends_it() {
        let steps = vec![Step::State(Running)];
        let (ending, _) =
            run_script(steps, vec![BoardError::Gone], &CancellationToken::new()).await;
        assert_eq!(ending, Ending::MessageGone);
    }

    #[tokio::test]
    async fn failures_of_discord_and_of_the_database_are_survived() {
        let discord = || BoardError::Discord(splashtail_discord::DiscordError::Cancelled);
        let steps = vec![Step::Broken, Step::Broken, Step::State(Completed)];
        let (ending, drawn) =
            run_script(steps, vec![discord(), discord()], &CancellationToken::new()).await;
        assert_eq!(ending, Ending::Finished);
        assert_eq!(drawn, [(6, Completed, 0, None)]);
        let (ending, _) = run_script(vec![Step::Gone], vec![], &CancellationToken::new()).await;
        assert_eq!(ending, Ending::TaskGone);
    }

    #[tokio::test]
    async fn what_a_failed_job_left_is_waited_for_a_moment() {
        let steps = vec![
            Step::State(TaskState::Failed),
            Step::State(TaskState::Failed),
            Step::Left,
        ];
        let (ending, drawn) = run_script(steps, vec![], &CancellationToken::new()).await;
        assert_eq!((ending, drawn.len()), (Ending::Finished, 2));
        let steps = vec![Step::State(TaskState::Failed)];
        let (ending, drawn) = run_script(steps, vec![], &CancellationToken::new()).await;
        assert_eq!((ending, drawn.len()), (Ending::Finished, 1));
    }

    #[tokio::test]
    async fn a_restart_is_said() {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let (ending, drawn) = run_script(vec![Step::State(Running)], vec![], &shutdown).await;
        assert_eq!(ending, Ending::Shutdown);
        assert_eq!(drawn.last(), Some(&(0, Running, 0, Some(Note::Restarting))));
    }
}
