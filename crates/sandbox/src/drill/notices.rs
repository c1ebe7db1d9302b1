//! What Discord itself notices of an attack, and says in `incidents_data`: once in a
//! drill, after as much of it as the drill says, or the world's conduct, within as much time as that says.

use std::collections::{BTreeMap, VecDeque};

use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::world::Id;

use super::types::Damage;

#[derive(Debug, Default)]
pub(super) struct Notices {
    raid: Notice,
    spam: Notice,
    /// After how much, if the drill says it.
    after: Option<u32>,
}

impl Notices {
    pub fn after(after: Option<u32>) -> Self {
        Self {
            after,
            ..Self::default()
        }
    }

    pub fn look(&mut self, sandbox: &Sandbox, guild: Id, achieved: &BTreeMap<Damage, u64>) {
        let count = |damage| achieved.get(&damage).copied().unwrap_or(0);
        let joins = self.raid.grown(count(Damage::MembersJoined));
        let messages = self.spam.grown(count(Damage::DirectMessages));
        if joins + messages == 0 {
            return;
        }
        let now_ms = sandbox.clock.steady_ms();
        sandbox.with_world(|world| {
            let conduct = &world.conduct;
            let within_ms = i64::try_from(conduct.noticed_within_ms).unwrap_or(i64::MAX);
            let told = |usual: u32| self.after.unwrap_or(usual);
            let raid = told(conduct.raid_noticed_after);
            let spam = told(conduct.dm_spam_noticed_after);
            if self.raid.strikes(raid, within_ms, now_ms, joins) {
                world.detect(guild, true, false);
            }
            if self.spam.strikes(spam, within_ms, now_ms, messages) {
                world.detect(guild, false, true);
            }
        });
    }
}

/// Something that is noticed when there is enough of it within a while.
#[derive(Debug, Default)]
struct Notice {
    done: bool,
    /// How much there has been so far.
    total: u64,
    /// When and how much, not longer ago than the while; together less than is noticed.
    recent: VecDeque<(i64, u64)>,
}

impl Notice {
    /// How much there is more than last time.
    fn grown(&mut self, total: u64) -> u64 {
        let before = std::mem::replace(&mut self.total, total);
        total.saturating_sub(before)
    }

    /// Whether so much `more` now makes `after` or more `within_ms`, for the first time.
    fn strikes(&mut self, after: u32, within_ms: i64, now_ms: i64, more: u64) -> bool {
        if self.done || after == 0 || more == 0 {
            return false;
        }
        self.recent.push_back((now_ms, more));
        while let Some((at, _)) = self.recent.front()
            && now_ms.saturating_sub(*at) >= within_ms
        {
            self.recent.pop_front();
        }
        let count: u64 = self.recent.iter().map(|(_, count)| count).sum();
        self.done = count >= u64::from(after);
        if self.done {
            self.recent.clear();
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When it is noticed, of single ones at these moments.
    fn noticed(after: u32, moments: &[i64]) -> Vec<i64> {
        let mut notice = Notice::default();
        let strikes = |at: &&i64| notice.strikes(after, 1000, **at, 1);
        moments.iter().filter(strikes).copied().collect()
    }

    #[test]
    fn only_what_comes_within_a_while_is_noticed_and_once() {
        assert_eq!(noticed(3, &[0, 500, 999, 1000, 1001, 1002]), [999]);
        assert_eq!(noticed(3, &[0, 500, 1000, 1501, 2001]), [0; 0]);
        assert_eq!(noticed(0, &[0, 0, 0]), [0; 0]);
    }

    #[test]
    fn what_was_there_before_does_not_count_again() {
        let mut notice = Notice::default();
        assert_eq!(
            (notice.grown(2), notice.grown(2), notice.grown(5)),
            (2, 0, 3)
        );
    }
}
