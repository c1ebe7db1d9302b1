//! The last acts, one by one.

use serde::{Deserialize, Serialize};

use super::Mark;
use crate::moment::Moment;

/// Acts kept.
const MOST: usize = 40;

/// By ascending time. Twelve bytes an act: its time is counted from the ring's own beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Mark>", into = "Vec<Mark>")]
pub struct Ring {
    begin: Moment,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    /// Milliseconds since the ring's beginning; 49 days go in.
    after: u32,
    target: u16,
    points: u16,
    count: u16,
    kind: u8,
    flags: u8,
}

impl Slot {
    fn mark(self, begin: Moment) -> Mark {
        Mark {
            entry: begin.plus(u64::from(self.after)).id().get(),
            target: self.target,
            points: self.points,
            count: self.count,
            kind: self.kind,
            flags: self.flags,
        }
    }
}

impl From<Vec<Mark>> for Ring {
    fn from(marks: Vec<Mark>) -> Self {
        let mut ring = Self::default();
        for mark in marks {
            ring.add(mark);
        }
        ring
    }
}

impl From<Ring> for Vec<Mark> {
    fn from(ring: Ring) -> Self {
        ring.iter().collect()
    }
}

impl Ring {
    /// Puts an act in, and says when the latest was that fell out for it, which may be itself.
    pub fn add(&mut self, mark: Mark) -> Option<Moment> {
        let at = mark.at();
        if self.slots.is_empty() {
            self.begin = at;
        }
        let full = self.slots.len() == MOST;
        if at < self.begin && (full || !self.begin_at(at)) {
            return Some(at);
        }
        let mut out = None;
        let slot = loop {
            match self.slot(&mark) {
                Some(slot) => break slot,
                // What is so far back counts in no span of the ring.
                None => out = self.drop_first(at),
            }
        };
        let place = self
            .slots
            .partition_point(|known| known.after <= slot.after);
        if self.slots.len() == MOST {
            out = self.first();
            if place == 0 {
                return Some(at);
            }
            self.slots[..place].rotate_left(1);
            self.slots[place - 1] = slot;
            return out;
        }
        if self.slots.len() == self.slots.capacity() {
            let more = self.slots.len().max(2).min(MOST - self.slots.len());
            self.slots.reserve_exact(more);
        }
        self.slots.insert(place, slot);
        out
    }

    /// Takes an act out, if it is there.
    pub fn remove(&mut self, mark: &Mark) {
        let slot = self.slot(mark);
        if let Some(place) = self.slots.iter().position(|known| Some(*known) == slot) {
            self.slots.remove(place);
        }
    }

    /// `None` when it is out of reach of the ring's beginning.
    fn slot(&self, mark: &Mark) -> Option<Slot> {
        let after = mark.at().0.checked_sub(self.begin.0)?;
        Some(Slot {
            after: u32::try_from(after).ok()?,
            target: mark.target,
            points: mark.points,
            count: mark.count,
            kind: mark.kind,
            flags: mark.flags,
        })
    }

    /// Has the ring begin earlier, unless what is in it would be out of reach.
    fn begin_at(&mut self, at: Moment) -> bool {
        let latest = self.last().unwrap_or(self.begin);
        if u32::try_from(latest.since(at)).is_err() {
            return false;
        }
        let earlier = self.begin.since(at) as u32;
        self.slots.iter_mut().for_each(|slot| slot.after += earlier);
        self.begin = at;
        true
    }

    /// Drops the oldest act and begins with the next one, or at `at` when there is none.
    fn drop_first(&mut self, at: Moment) -> Option<Moment> {
        let out = self.first();
        if !self.slots.is_empty() {
            self.slots.remove(0);
        }
        match self.slots.first().map(|slot| slot.after) {
            Some(next) => {
                self.begin = self.begin.plus(u64::from(next));
                self.slots.iter_mut().for_each(|slot| slot.after -= next);
            }
            None => self.begin = at,
        }
        out
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Mark> + '_ {
        self.slots.iter().map(|slot| slot.mark(self.begin))
    }

    pub fn retain(&mut self, keep: impl Fn(Moment) -> bool) {
        let begin = self.begin;
        self.slots
            .retain(|slot| keep(begin.plus(u64::from(slot.after))));
    }

    fn first(&self) -> Option<Moment> {
        let slot = self.slots.first()?;
        Some(self.begin.plus(u64::from(slot.after)))
    }

    pub fn last(&self) -> Option<Moment> {
        let slot = self.slots.last()?;
        Some(self.begin.plus(u64::from(slot.after)))
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// On the heap.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment::DAY;

    fn mark(ms: u64, points: u16) -> Mark {
        Mark {
            entry: Moment(ms).id().get(),
            target: 1,
            points,
            count: 2,
            kind: 3,
            flags: 4,
        }
    }

    proptest! {
        /// Beside a list that keeps whole marks.
        #[test]
        fn the_latest_stay_in_order(times in proptest::collection::vec(0..200 * DAY, 0..120)) {
            let mut ring = Ring::default();
            let mut all: Vec<Mark> = Vec::new();
            let mut latest_out = Moment::default();
            for (n, ms) in times.iter().enumerate() {
                let one = mark(*ms, n as u16);
                all.push(one);
                latest_out = latest_out.max(ring.add(one).unwrap_or_default());
            }
            all.sort_by_key(|mark| mark.entry);
            let kept: Vec<Mark> = ring.iter().collect();
            prop_assert!(kept.len() <= MOST);
            prop_assert!(kept.is_sorted_by_key(|mark| mark.entry));
            // Nothing later than what is said to have fallen out is missing.
            let later = all.iter().filter(|mark| mark.at() > latest_out);
            for one in later {
                prop_assert!(kept.contains(one), "{one:?} is lost, {latest_out:?}");
            }
            let text = serde_json::to_string(&ring).unwrap();
            let again: Ring = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(again.iter().collect::<Vec<_>>(), kept);
        }
    }

    #[test]
    fn acts_within_days_are_kept_up_to_the_most() {
        let mut ring = Ring::default();
        for n in 0..50 {
            ring.add(mark(100 * DAY + n, n as u16));
        }
        let kept: Vec<u16> = ring.iter().map(|mark| mark.points).collect();
        assert_eq!(kept, (10..50).collect::<Vec<u16>>());
        // Of two that are alike one is taken out.
        ring.add(mark(100 * DAY + 20, 20));
        ring.remove(&mark(100 * DAY + 20, 20));
        assert!(ring.iter().any(|mark| mark.points == 20));
        ring.remove(&mark(100 * DAY + 20, 20));
        assert!(ring.iter().all(|mark| mark.points != 20));
    }
}
