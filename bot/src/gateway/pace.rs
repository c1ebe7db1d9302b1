//! When a shard may identify. Shards with equal `id % max_concurrency` share a key, and Discord lets
//! one of a key through per five seconds (gateway documentation, "Max Concurrency").

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::ShardId;
use splashtail_ipc::launcher::IDENTIFY_REST;
use tokio::sync::{Mutex, MutexGuard, watch};
use tracing::warn;

/// When keys may be used that other clusters used last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Floors {
    all: Option<DateTime<Utc>>,
    keys: BTreeMap<u16, DateTime<Utc>>,
}

impl Floors {
    /// From `IDENTIFY_FLOORS` (`key=unix milliseconds`, with commas), else `IDENTIFY_NOT_BEFORE` for
    /// every key. What cannot be read is left out with a warning: Discord tells shards that come too
    /// early to try again.
    pub fn read(floors: Option<&str>, not_before: Option<&str>) -> Self {
        let time = |text: &str| {
            let at = text.trim().parse().ok();
            let at = at.and_then(DateTime::from_timestamp_millis);
            if at.is_none() {
                warn!(
                    value = text,
                    "a time to identify is ignored: not unix milliseconds"
                );
            }
            at
        };
        let given = |text: &&str| !text.trim().is_empty();
        match floors.filter(given) {
            Some(text) => {
                let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
                let pair = |(key, at): (&str, &str)| Some((key.trim().parse().ok()?, time(at)?));
                Self {
                    all: None,
                    keys: pairs.filter_map(pair).collect(),
                }
            }
            None => Self {
                all: not_before.filter(given).and_then(time),
                keys: BTreeMap::new(),
            },
        }
    }

    fn of(&self, key: u16) -> Option<DateTime<Utc>> {
        self.keys.get(&key).copied().or(self.all)
    }
}

/// The turns of this process's shards.
#[derive(Debug)]
pub struct Pace {
    clock: SharedClock,
    max_concurrency: u16,
    /// Monotonic time from which on a key may be used. Whoever waits holds the key, so waiting is
    /// in the order of arrival.
    keys: BTreeMap<u16, Mutex<Duration>>,
    identified: watch::Sender<BTreeSet<ShardId>>,
}

impl Pace {
    pub fn new(
        shards: &[ShardId],
        max_concurrency: u16,
        floors: &Floors,
        clock: SharedClock,
    ) -> Self {
        let max_concurrency = max_concurrency.max(1);
        let (now, wall) = (clock.monotonic(), clock.now());
        let first = |shard: &ShardId| {
            let key = shard.get() % max_concurrency;
            let wait = floors.of(key).and_then(|at| (at - wall).to_std().ok());
            (key, Mutex::new(now + wait.unwrap_or_default()))
        };
        Self {
            keys: shards.iter().map(first).collect(),
            clock,
            max_concurrency,
            identified: watch::Sender::default(),
        }
    }

    pub(super) fn key(&self, shard: ShardId) -> u16 {
        shard.get() % self.max_concurrency
    }

    /// Resolves when the shard may identify. The key is its own until the turn is dropped.
    pub(super) async fn turn(&self, shard: ShardId) -> Option<Turn<'_>> {
        let next = self.keys.get(&self.key(shard))?.lock().await;
        let wait = next.saturating_sub(self.clock.monotonic());
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        Some(Turn {
            pace: self,
            next,
            shard,
        })
    }

    /// How long the key rests from now on, if nobody else waits for it.
    pub(super) async fn rest(&self, shard: ShardId) -> Duration {
        match self.keys.get(&self.key(shard)) {
            Some(next) => next.lock().await.saturating_sub(self.clock.monotonic()),
            None => Duration::ZERO,
        }
    }

    /// Those that have identified at least once.
    pub fn identified(&self) -> watch::Receiver<BTreeSet<ShardId>> {
        self.identified.subscribe()
    }
}

pub(super) struct Turn<'a> {
    pace: &'a Pace,
    next: MutexGuard<'a, Duration>,
    shard: ShardId,
}

impl Turn<'_> {
    /// The shard has identified just now.
    pub(super) fn taken(mut self) {
        *self.next = self.pace.clock.monotonic() + IDENTIFY_REST;
        let shard = self.shard;
        self.pace
            .identified
            .send_if_modified(|all| all.insert(shard));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use splashtail_core::clock::{Clock, ManualClock};

    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000 + ms).unwrap()
    }

    #[test]
    fn floors_are_read_by_key_or_for_all() {
        let read = Floors::read(Some("0=1700000001000, 3=1700000002000,x,5=soon"), Some("9"));
        assert_eq!(
            (read.of(0), read.of(3), read.of(5)),
            (Some(at(1000)), Some(at(2000)), None)
        );
        let read = Floors::read(None, Some("1700000001000"));
        assert_eq!(read.of(7), Some(at(1000)));
        assert_eq!(Floors::read(Some(""), Some("soon")), Floors::default());
    }

    /// Shards 0 to 5 with two keys: each key goes its own way, five seconds a step.
    #[tokio::test]
    async fn keys_are_used_side_by_side_and_shards_of_one_after_the_other() {
        let clock = ManualClock::new(at(0));
        let shards: Vec<_> = (0..6).map(ShardId).collect();
        let floors = Floors::read(Some("1=1700000002000"), None);
        let pace = Arc::new(Pace::new(&shards, 2, &floors, clock.shared()));
        let mut identified = pace.identified();
        for shard in shards {
            let pace = Arc::clone(&pace);
            tokio::spawn(async move { pace.turn(shard).await.unwrap().taken() });
        }
        let mut seen = Vec::new();
        let begin = clock.monotonic();
        for step in 0..14_000 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if identified.has_changed().unwrap() {
                let all = identified.borrow_and_update().len();
                seen.push((all, clock.monotonic() - begin));
            }
            if step % 10 == 0 {
                clock.advance(Duration::from_millis(10));
            }
        }
        let seen: Vec<_> = seen
            .iter()
            .map(|(all, at)| (*all, at.as_millis()))
            .collect();
        assert_eq!(
            seen,
            [
                (1, 0),
                (2, 2000),
                (3, 5150),
                (4, 7150),
                (5, 10_300),
                (6, 12_300)
            ]
        );
    }
}
