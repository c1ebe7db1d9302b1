//! A server's latest past: what it was before what happened just now.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::delta::Delta;
use crate::{Id, Kind, Structure};

/// Deltas with their times, oldest first. Times are the caller's, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    deltas: VecDeque<(u64, Delta)>,
    /// From when on it is whole.
    begins: u64,
    /// Times in which nobody looked and something changed, oldest first: after the first of a pair, and up
    /// to the second.
    #[serde(default)]
    gaps: VecDeque<(u64, u64)>,
}

impl History {
    /// Changed objects that are kept.
    pub const MAX_CHANGES: usize = 4000;
    /// Gaps that are told apart.
    const MAX_GAPS: usize = 64;

    pub fn new(begins: u64) -> Self {
        Self {
            deltas: VecDeque::new(),
            begins,
            gaps: VecDeque::new(),
        }
    }

    pub fn begins(&self) -> u64 {
        self.begins
    }

    pub fn is_empty(&self) -> bool {
        self.deltas.is_empty()
    }

    /// Adds what changed. It happened no earlier than what was noted before.
    pub fn note(&mut self, at: u64, delta: Delta) {
        if !delta.is_empty() {
            let last = self.deltas.back().map_or(self.begins, |(at, _)| *at);
            self.deltas.push_back((at.max(last), delta));
        }
    }

    /// Nobody looked after `from` and up to `to`. Where nothing changed then, nothing was missed. Whether
    /// anything was.
    pub fn note_gap(&mut self, from: u64, to: u64) -> bool {
        let from = from.max(self.begins.saturating_sub(1));
        let changed = self.deltas.iter().any(|(at, _)| *at > from && *at <= to);
        if !changed {
            return false;
        }
        let place = self.gaps.partition_point(|(start, _)| *start <= from);
        self.gaps.insert(place, (from, to));
        if self.gaps.len() > Self::MAX_GAPS
            && let (Some(first), Some(second)) = (self.gaps.pop_front(), self.gaps.pop_front())
        {
            self.gaps.push_front((first.0, first.1.max(second.1)));
        }
        true
    }

    /// All that are known, oldest first.
    pub fn gaps(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.gaps.iter().copied()
    }

    /// The time around this one in which nobody looked: after the first, up to the second.
    pub fn gap(&self, at: u64) -> Option<(u64, u64)> {
        let around = |(from, to): &&(u64, u64)| *from < at && at <= *to;
        self.gaps.iter().find(around).copied()
    }

    /// When the oldest change happened that is kept.
    pub fn oldest(&self) -> Option<u64> {
        self.deltas.front().map(|(at, _)| *at)
    }

    /// Forgets what is older, and the older half of what is too much. Whether anything was forgotten.
    pub fn forget(&mut self, before: u64) -> bool {
        let mut all: usize = self.deltas.iter().map(|(_, d)| d.changes().len()).sum();
        let room = match all > Self::MAX_CHANGES {
            true => Self::MAX_CHANGES / 2,
            false => usize::MAX,
        };
        let mut forgot = false;
        while let Some((at, delta)) = self.deltas.front() {
            if *at >= before && all <= room {
                break;
            }
            all -= delta.changes().len();
            // Of what happened at the same time a part is gone.
            self.begins = at.saturating_add(1);
            self.deltas.pop_front();
            forgot = true;
        }
        let begins = self.begins;
        self.gaps.retain(|(_, to)| *to >= begins);
        forgot
    }

    /// The server as it was then, or as early as is known; and when that is.
    pub fn back(&self, now: &Structure, at: u64) -> (u64, Structure) {
        let mut then = now.clone();
        for (_, delta) in self.deltas.iter().rev().take_while(|(when, _)| *when >= at) {
            then.apply(&delta.inverse());
        }
        (at.max(self.begins), then)
    }

    /// What was noted since an earlier form of this history; `None` when something was forgotten.
    pub fn behind(&self, earlier: &Self) -> Option<Vec<(u64, Delta)>> {
        let same = self.begins == earlier.begins;
        same.then(|| {
            self.deltas
                .iter()
                .skip(earlier.deltas.len())
                .cloned()
                .collect()
        })
    }

    /// Where it leads from the server that it begins with.
    pub fn forward(&self, base: &Structure) -> Structure {
        let mut then = base.clone();
        self.deltas.iter().for_each(|(_, delta)| then.apply(delta));
        then
    }

    /// Puts an earlier history before this one. `start`: the server where this one begins; `past`:
    /// where the earlier one ends; `until`: how long anybody looked then. What lies between happened at
    /// some time between.
    pub fn follow(&mut self, earlier: Self, past: &Structure, start: &Structure, until: u64) {
        let between = past.changes_to(start);
        let mut deltas = earlier.deltas;
        let last = deltas.back().map_or(0, |(at, _)| *at);
        let mut gaps = earlier.gaps;
        if !between.is_empty() {
            let to = self.begins.max(last);
            // The change is dated with the gap's end, and went unseen even where the clocks disagree.
            gaps.push_back((
                until.max(last.saturating_sub(1)).min(to.saturating_sub(1)),
                to,
            ));
            deltas.push_back((to, between));
        }
        gaps.append(&mut self.gaps);
        deltas.append(&mut self.deltas);
        // Clocks of two processes may differ.
        let mut last = 0;
        for (at, _) in &mut deltas {
            last = last.max(*at);
            *at = last;
        }
        self.deltas = deltas;
        self.gaps = gaps;
        self.begins = earlier.begins;
    }
}

impl Structure {
    /// What leads from this state to another one of the same server.
    pub fn changes_to(&self, other: &Self) -> Delta {
        let mut delta = Delta::default();
        for kind in Kind::ALL {
            let ids: BTreeSet<Id> = self
                .all(kind)
                .chain(other.all(kind))
                .map(|(id, _)| id)
                .collect();
            let shared = |value: &Value| Arc::new(value.clone());
            for id in ids {
                let (before, after) = (self.get(kind, id), other.get(kind, id));
                if before != after {
                    delta.push(kind, id, before.map(shared), after.map(shared));
                }
            }
        }
        delta
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guild() -> Structure {
        Structure::from_guild(&json!({"id": "1", "name": "Harbour", "roles": [
            {"id": "1", "name": "@everyone"}, {"id": "2", "name": "a"}, {"id": "3", "name": "b"}]}))
        .unwrap()
    }

    fn delete(guild: &mut Structure, role: u64) -> Delta {
        let data = json!({"guild_id": "1", "role_id": role.to_string()});
        guild.apply_event("GUILD_ROLE_DELETE", &data)
    }

    #[test]
    fn one_can_go_back_as_far_as_it_is_kept() {
        let (first, mut now) = (guild(), guild());
        let mut history = History::new(5);
        history.note(10, delete(&mut now, 2));
        let second = now.clone();
        history.note(20, delete(&mut now, 3));
        assert_eq!(history.back(&now, 30), (30, now.clone()));
        assert_eq!(history.back(&now, 20), (20, second.clone()));
        assert_eq!(history.back(&now, 7), (7, first.clone()));
        assert_eq!(history.back(&now, 1), (5, first));
        assert!(history.forget(15));
        assert_eq!(history.back(&now, 7), (11, second));
    }

    #[test]
    fn a_restart_in_between_is_bridged() {
        let mut now = guild();
        let mut earlier = History::new(0);
        earlier.note(10, delete(&mut now, 2));
        let past = now.clone();
        let text = serde_json::to_string(&earlier).unwrap();
        // Nobody saw this one.
        drop(delete(&mut now, 3));
        let start = now.clone();
        let mut history = History::new(50);
        history.follow(serde_json::from_str(&text).unwrap(), &past, &start, 30);
        assert_eq!(history.gap(30), None);
        assert_eq!(history.gap(31), Some((30, 50)));
        assert_eq!(history.gap(50), Some((30, 50)));
        assert_eq!(history.gap(51), None);
        assert_eq!(history.back(&now, 5).1, guild());
        assert_eq!(history.back(&now, 20).1, past);
        assert_eq!(history.forward(&guild()), now);
    }

    #[test]
    fn a_gap_counts_only_when_something_changed_in_it() {
        let mut now = guild();
        let mut history = History::new(0);
        history.note(10, delete(&mut now, 2));
        history.note_gap(10, 20);
        assert_eq!(history.gap(15), None, "10 was still seen");
        history.note_gap(5, 10);
        assert_eq!((history.gap(5), history.gap(6)), (None, Some((5, 10))));
        assert!(history.forget(11));
        assert_eq!(history.gap(6), None);
        let mut again = History::new(30);
        again.follow(history.clone(), &now, &now, 20);
        assert_eq!(again.gap(25), None, "nobody looked, and nothing happened");
        let mut many = History::new(0);
        for at in 1..=1000 {
            let role = json!({"role": {"id": "3", "name": at.to_string()}});
            many.note(at * 2, now.apply_event("GUILD_ROLE_UPDATE", &role));
            many.note_gap(at * 2 - 1, at * 2);
        }
        assert!(many.gaps.len() <= History::MAX_GAPS);
        assert!(many.gap(2).is_some() && many.gap(2000).is_some());
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let (mut now, mut history) = (guild(), History::new(0));
        for n in 0..=History::MAX_CHANGES as u64 {
            let role = json!({"role": {"id": "2", "name": n.to_string()}});
            history.note(n, now.apply_event("GUILD_ROLE_UPDATE", &role));
            let full = n == History::MAX_CHANGES as u64;
            assert_eq!(history.forget(0), full);
        }
        assert_eq!(history.deltas.len(), History::MAX_CHANGES / 2);
    }
}
