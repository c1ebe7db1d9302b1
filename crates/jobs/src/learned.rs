//! How long effects take, out of the ledgers of jobs that were done before.

use std::collections::BTreeMap;
use std::time::Duration;

use splashtail_core::telemetry::Chain;
use splashtail_storage::{Item, Outcome, StorageError, TaskQuery, TaskState};

use crate::context::JobContext;

/// Jobs of the same kind and owner that are looked at, and of how many the ledger is read.
const LISTED: u32 = 20;
const READ: usize = 5;
/// Effects of each.
const ITEMS: u32 = 500;
/// One that took longer was cut off, or stood before a limit: it says nothing about the next one.
const LONGEST: Duration = Duration::from_secs(60);

/// Means of what is known, by what was done: `role.create`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    of: BTreeMap<String, Mean>,
    all: Mean,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Mean {
    sum: Duration,
    count: u32,
}

impl Mean {
    fn add(&mut self, took: Duration) {
        self.sum += took;
        self.count += 1;
    }

    fn get(self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

impl Learned {
    /// Adds what a ledger tells.
    pub fn learn(&mut self, items: &[Item]) {
        for item in items.iter().filter(|item| item.outcome == Outcome::Done) {
            let took = item.settled_at.map(|at| at - item.intended_at);
            let Some(took) = took.and_then(|took| took.to_std().ok()) else {
                continue;
            };
            let took = took.min(LONGEST);
            self.all.add(took);
            let of = self.of.entry(verb(&item.what).to_owned()).or_default();
            of.add(took);
        }
    }

    /// How long each of these takes from there to the end: the first is that of all, the last that of
    /// none. `None` where nothing is known. What was never done takes as long as the mean of all.
    pub fn left<'v>(
        &self,
        verbs: impl DoubleEndedIterator<Item = &'v str>,
    ) -> Option<Vec<Duration>> {
        let usual = self.all.get()?;
        let mut left = vec![Duration::ZERO];
        for verb in verbs.rev() {
            let takes = self.of.get(verb).and_then(|mean| mean.get());
            let behind = left.last().copied().unwrap_or_default();
            left.push(behind + takes.unwrap_or(usual));
        }
        left.reverse();
        Some(left)
    }
}

/// What an item did, without what it did it to.
fn verb(what: &str) -> &str {
    what.split_once(' ').map_or(what, |(verb, _)| verb)
}

impl JobContext {
    /// What the ledgers of the latest jobs of this kind for this owner tell, and that of this job's earlier
    /// runs. Nothing, where they cannot be read: nobody waits for an estimate.
    pub async fn learned(&self) -> Learned {
        match self.read_ledgers().await {
            Ok(learned) => learned,
            Err(error) => {
                tracing::debug!(job.id = %self.id(), error = %Chain(&error), "nothing was learned");
                Learned::default()
            }
        }
    }

    async fn read_ledgers(&self) -> Result<Learned, StorageError> {
        let held = self.held();
        let (tasks, ledger) = (held.storage.tasks(), held.storage.ledger());
        let query = TaskQuery {
            name: Some(held.name),
            ..TaskQuery::newest(self.owner(), LISTED)
        };
        let listed = tasks.list(&query, held.clock.now()).await?;
        let done = listed.into_iter();
        let done = done.filter(|row| row.state == TaskState::Completed);
        let mut learned = Learned::default();
        let mut read = 0;
        for id in done.map(|row| row.id).filter(|id| *id != self.id()) {
            let items = ledger.items(id, 0, ITEMS).await?;
            // A dry run of the same kind did nothing.
            if items.is_empty() {
                continue;
            }
            learned.learn(&items);
            read += 1;
            if read == READ {
                break;
            }
        }
        learned.learn(&ledger.items(self.id(), 0, ITEMS).await?);
        Ok(learned)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn item(what: &str, outcome: Outcome, took: Option<i64>) -> Item {
        let at = DateTime::UNIX_EPOCH;
        Item {
            seq: 1,
            name: what.to_owned(),
            nonce: String::new(),
            what: what.to_owned(),
            before: serde_json::Value::Null,
            after: None,
            outcome,
            code: None,
            note: None,
            intended_at: at,
            intended_ago: TimeDelta::zero(),
            settled_at: took.map(|ms| at + TimeDelta::milliseconds(ms)),
        }
    }

    #[test]
    fn each_kind_takes_as_long_as_it_did() {
        let mut learned = Learned::default();
        assert_eq!(learned.left(["role.create"].into_iter()), None);
        learned.learn(&[
            item("role.create Mods", Outcome::Done, Some(100)),
            item("role.create a b", Outcome::Done, Some(300)),
            item("channel.create x", Outcome::Done, Some(1000)),
            // It failed, was found, or is under way.
            item("role.create", Outcome::Failed, Some(9000)),
            item("role.create", Outcome::Adopted, Some(9000)),
            item("role.create", Outcome::Intended, None),
            // A clock was set back.
            item("role.create", Outcome::Done, Some(-5)),
        ]);
        let ms = Duration::from_millis;
        let left = learned.left(["role.create", "channel.create", "role.create"].into_iter());
        assert_eq!(left, Some(vec![ms(1400), ms(1200), ms(200), ms(0)]));
        let mean = (100 + 300 + 1000) * 1_000_000 / 3;
        let unknown = learned.left(["emoji.create"].into_iter()).unwrap();
        assert_eq!(unknown[0].as_nanos(), mean);
    }

    #[test]
    fn a_wait_of_hours_is_no_pace() {
        let mut learned = Learned::default();
        learned.learn(&[item("role.create", Outcome::Done, Some(90_000_000))]);
        let left = learned.left(["role.create"].into_iter()).unwrap();
        assert_eq!(left[0], LONGEST);
    }
}
