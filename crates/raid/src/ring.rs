//! Who came lately, in the order of their coming.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, Exempt};
use crate::moment::{DAY, Moment};

/// Arrivals that are remembered.
pub(crate) const MOST: usize = 2048;
/// And for how long: a day, in which somebody counts once.
pub(crate) const LONGEST: u64 = DAY;

/// What of somebody is the same whatever happens: yes or no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Traits(u16);

impl Traits {
    pub const DAY: Self = Self(1);
    pub const WEEK: Self = Self(1 << 1);
    pub const MONTH: Self = Self(1 << 2);
    pub const NO_AVATAR: Self = Self(1 << 3);
    /// No picture, and nothing that costs.
    pub const BARE: Self = Self(1 << 4);
    pub const INVESTED: Self = Self(1 << 5);
    pub const SPOKE: Self = Self(1 << 6);
    pub const FAST_SCREEN: Self = Self(1 << 7);
    pub const COMMON_SHAPE: Self = Self(1 << 8);
    pub const SPAMMER: Self = Self(1 << 9);
    pub const TRAPPED: Self = Self(1 << 10);
    /// The rules are still to be accepted.
    pub const PENDING: Self = Self(1 << 11);

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    pub const fn with(mut self, other: Self, is_so: bool) -> Self {
        if is_so {
            self.0 |= other.0;
        }
        self
    }
}

/// An arrival as it is remembered: 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub user: u64,
    pub at: Moment,
    pub traits: Traits,
    pub shape: u32,
    /// Names that are alike; zero for none.
    pub cluster: u32,
    /// The picture; zero for none.
    pub avatar: u32,
    /// What they said; zero for nothing yet.
    pub text: u32,
    pub exempt: Exempt,
    pub is_late: bool,
}

impl Record {
    pub(crate) fn of(arrival: &Arrival, cluster: u32) -> Self {
        let traits = Traits::default()
            .with(Traits::DAY, arrival.is_younger(DAY))
            .with(Traits::WEEK, arrival.is_younger(7 * DAY))
            .with(Traits::MONTH, arrival.is_younger(30 * DAY))
            .with(Traits::NO_AVATAR, arrival.avatar == 0)
            .with(Traits::BARE, arrival.avatar == 0 && !arrival.is_invested)
            .with(Traits::INVESTED, arrival.is_invested)
            .with(Traits::COMMON_SHAPE, arrival.name.is_common_shape)
            .with(Traits::SPAMMER, arrival.is_spammer)
            .with(Traits::PENDING, arrival.is_pending);
        Self {
            user: arrival.user.get(),
            at: arrival.at,
            traits,
            shape: arrival.name.shape,
            cluster,
            avatar: arrival.avatar,
            text: 0,
            exempt: arrival.exempt,
            is_late: arrival.is_late,
        }
    }
}

/// Oldest first; of two at the same time the smaller id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ring(VecDeque<Record>);

impl Ring {
    /// `false`: they came before, within a day.
    pub fn add(&mut self, record: Record) -> bool {
        if self.position(record.user).is_some() {
            return false;
        }
        let key = (record.at, record.user);
        let place = self.0.partition_point(|known| (known.at, known.user) < key);
        self.0.insert(place, record);
        if self.0.len() > MOST {
            self.0.pop_front();
        }
        let newest = self.0.back().map_or(record.at, |last| last.at);
        while self
            .0
            .front()
            .is_some_and(|first| newest.since(first.at) > LONGEST)
        {
            self.0.pop_front();
        }
        true
    }

    pub fn remove(&mut self, user: u64) {
        if let Some(at) = self.position(user) {
            self.0.remove(at);
        }
    }

    fn position(&self, user: u64) -> Option<usize> {
        // Whoever is asked about came lately.
        self.0.iter().rposition(|record| record.user == user)
    }

    #[cfg(test)]
    pub fn get(&self, user: u64) -> Option<&Record> {
        self.position(user).and_then(|at| self.0.get(at))
    }

    /// When the latest came.
    pub fn newest(&self) -> Option<Moment> {
        self.0.back().map(|last| last.at)
    }

    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.0.iter()
    }

    pub fn get_mut(&mut self, user: u64) -> Option<&mut Record> {
        let at = self.position(user)?;
        self.0.get_mut(at)
    }

    /// Those who came at `from` or later and not after `to`.
    pub fn between(
        &self,
        from: Moment,
        to: Moment,
    ) -> impl DoubleEndedIterator<Item = &Record> + Clone {
        let begin = self.0.partition_point(|record| record.at < from);
        let end = self.0.partition_point(|record| record.at <= to);
        self.0.range(begin..end.max(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(user: u64, at: u64) -> Record {
        Record {
            user,
            at: Moment(at),
            traits: Traits::default(),
            shape: 1,
            cluster: 0,
            avatar: 0,
            text: 0,
            exempt: Exempt::No,
            is_late: false,
        }
    }

    #[test]
    fn somebody_counts_once_and_in_the_order_of_their_coming() {
        let mut ring = Ring::default();
        assert!(ring.add(record(1, 500)));
        assert!(ring.add(record(2, 100)));
        assert!(!ring.add(record(1, 900)), "told again");
        ring.add(record(3, 50));
        ring.remove(3);
        let users = |from, to| -> Vec<u64> {
            ring.between(Moment(from), Moment(to))
                .map(|record| record.user)
                .collect()
        };
        assert_eq!(users(0, 1000), [2, 1]);
        assert_eq!(users(101, 500), [1]);
        assert_eq!(users(501, 100), [0; 0]);
    }

    #[test]
    fn only_so_many_are_remembered_and_for_a_day() {
        let mut ring = Ring::default();
        for user in 1..=3000 {
            ring.add(record(user, user));
        }
        assert_eq!(ring.0.len(), MOST);
        assert!(ring.position(1).is_none() && ring.position(3000).is_some());
        ring.add(record(5000, 3000 + LONGEST + 1));
        assert_eq!(ring.0.len(), 1);
        assert!(std::mem::size_of::<Record>() <= 48);
    }
}
