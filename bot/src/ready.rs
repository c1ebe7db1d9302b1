//! Which shards have been ready. Discord says ready again after every new session; here each
//! turning point comes once per process.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use splashtail_core::ids::ShardId;
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub any: bool,
    pub all: bool,
}

/// Clones of the receiver see the progress; it never goes back.
#[derive(Debug)]
pub struct ReadyBoard {
    expected: BTreeSet<ShardId>,
    seen: Mutex<BTreeSet<ShardId>>,
    progress: watch::Sender<Progress>,
}

impl ReadyBoard {
    pub fn new(expected: &[ShardId]) -> Self {
        Self {
            expected: expected.iter().copied().collect(),
            seen: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
        }
    }

    /// Records a Ready. Shards that are not ours count for nothing.
    pub fn mark(&self, shard: ShardId) {
        if !self.expected.contains(&shard) {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(shard);
        let now = Progress {
            any: true,
            all: seen.len() == self.expected.len(),
        };
        self.progress
            .send_if_modified(|progress| std::mem::replace(progress, now) != now);
    }

    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Resolves at the first Ready of any shard.
    pub async fn any(&self) {
        // The sender lives as long as `self`.
        let _ = self
            .progress
            .subscribe()
            .wait_for(|progress| progress.any)
            .await;
    }

    /// Resolves when every shard has been ready at least once.
    pub async fn all(&self) {
        let _ = self
            .progress
            .subscribe()
            .wait_for(|progress| progress.all)
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_means_every_shard_and_not_the_last_one() {
        let board = ReadyBoard::new(&[ShardId(2), ShardId(3)]);
        assert_eq!(
            board.progress(),
            Progress {
                any: false,
                all: false
            }
        );
        board.mark(ShardId(7));
        assert!(!board.progress().any);
        board.mark(ShardId(3));
        board.any().await;
        assert!(
            !board.progress().all,
            "shard 3 is last in the list, but shard 2 is missing"
        );
        board.mark(ShardId(2));
        board.all().await;
    }

    #[tokio::test]
    async fn a_second_ready_is_no_news() {
        let board = ReadyBoard::new(&[ShardId(0)]);
        board.mark(ShardId(0));
        let mut progress = board.progress.subscribe();
        board.mark(ShardId(0));
        assert!(!progress.has_changed().unwrap());
        assert!(progress.borrow_and_update().all);
    }
}
