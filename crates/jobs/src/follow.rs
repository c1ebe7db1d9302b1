//! A task's log while it grows, for those who watch.

use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use splashtail_api_types::tasks::{StatusEntry, TaskProgress};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::TaskId;
use splashtail_storage::{Advance, Storage, StorageError, TaskLogEntry, TaskRow};
use tokio_util::sync::CancellationToken;

use crate::render;

/// Entries that are read at a time.
const ENTRIES: u32 = 500;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Whoever follows is sent away by then, and comes back with the last entry they have.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What there is to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A line of the log under its number: with that it is gone on.
    Entry(i64, StatusEntry),
    Progress(TaskProgress),
    /// The task's last state, or `gone`; nothing follows.
    End(&'static str),
}

struct Follower {
    storage: Storage,
    clock: SharedClock,
    shutdown: CancellationToken,
    id: TaskId,
    after: i64,
    advance: Option<Advance>,
    left: Duration,
}

/// The log behind `after`, each entry once and in order, until the task has ended; the stream ends
/// sooner when the process does, or when it has been long. A database that is away is waited for.
pub fn follow(
    storage: Storage,
    clock: SharedClock,
    shutdown: CancellationToken,
    id: TaskId,
    after: i64,
) -> impl Stream<Item = Told> + Send {
    let follower = Follower {
        storage,
        clock,
        shutdown,
        id,
        after,
        advance: None,
        left: LONGEST,
    };
    let told = stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        loop {
            let (told, over) = follower.look().await.unwrap_or_default();
            if over {
                return Some((told, None));
            }
            if !told.is_empty() {
                return Some((told, Some(follower)));
            }
            if follower.left.is_zero() {
                return None;
            }
            follower.left = follower.left.saturating_sub(LOOK);
            let rest = follower.clock.sleep(LOOK);
            follower.shutdown.run_until_cancelled(rest).await?;
        }
    });
    told.flat_map(stream::iter)
}

impl Follower {
    /// What is new, and whether that is all there will ever be.
    async fn look(&mut self) -> Result<(Vec<Told>, bool), StorageError> {
        let tasks = self.storage.tasks();
        // The row first: the entry that ends it is then in the log that is read after it.
        let row = tasks.get(self.id, self.clock.now()).await?;
        let log = tasks.log(self.id, self.after, ENTRIES).await?;
        let whole = log.len() < ENTRIES as usize;
        let mut told = self.entries(log);
        let Some(row) = row else {
            told.push(Told::End("gone"));
            return Ok((told, true));
        };
        told.extend(self.progress(&row));
        let over = whole && row.state.is_terminal();
        if over {
            told.push(Told::End(row.state.as_str()));
        }
        Ok((told, over))
    }

    fn entries(&mut self, log: Vec<TaskLogEntry>) -> Vec<Told> {
        if let Some(last) = log.last() {
            self.after = last.seq;
        }
        let told = |entry: TaskLogEntry| Told::Entry(entry.seq, render::status_entry(entry));
        log.into_iter().map(told).collect()
    }

    fn progress(&mut self, row: &TaskRow) -> Option<Told> {
        if row.advance == self.advance {
            return None;
        }
        self.advance.clone_from(&row.advance);
        let advance = self.advance.as_ref()?;
        Some(Told::Progress(render::progress(advance)))
    }
}
