//! What one actor did lately: exact for ten minutes as far as the last acts go, in buckets beyond.

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use crate::limit::LimitType;
use crate::moment::{DAY, HOUR, MINUTE, Moment};
use ring::Ring;

mod ring;

const BUCKETS: usize = 8;
/// Longest span for which the ring can answer.
const EXACT: u64 = 10 * MINUTE;

/// A length of time in which acts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    Minute,
    TenMinutes,
    Hour,
    Day,
}

impl Span {
    pub const fn ms(self) -> u64 {
        match self {
            Self::Minute => MINUTE,
            Self::TenMinutes => EXACT,
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }
}

/// One act; its time is that of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub entry: u64,
    /// Folded: only equality matters, and nearly always is what it seems.
    pub target: u16,
    /// Twentieths.
    pub points: u16,
    /// Twentieths.
    pub count: u16,
    pub kind: u8,
    pub flags: u8,
}

/// The act counts less than it could, so it links nobody.
pub const DISCOUNTED: u8 = 1;
/// The act destroyed something.
pub const DESTRUCTIVE: u8 = 2;
/// A further count of an act whose points are in another mark.
pub const FURTHER: u8 = 4;

impl Mark {
    pub fn at(&self) -> Moment {
        Moment::of(Id::new(self.entry))
    }
}

/// Sums of a span in eight steps. The oldest step counts whole, so a span is never too short: early,
/// never late.
type Sums = [u16; BUCKETS];

/// Spans that are summed up in steps.
const STEPPED: [Span; 3] = [Span::TenMinutes, Span::Hour, Span::Day];
const TEN_MINUTES: usize = 0;
const HOURS: usize = 1;
const DAYS: usize = 2;

/// Types that go beyond the ring within a minute on ordinary days: these have steps of a minute too.
const WIDE: [LimitType; 4] = [
    LimitType::RoleGivenToMember,
    LimitType::RoleRemovedFromMember,
    LimitType::MessageRemove,
    LimitType::BulkDelete,
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Long {
    kind: u8,
    hour: Sums,
    day: Sums,
}

/// Minutes of the wide types.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Wide {
    newest: u32,
    minutes: [Sums; WIDE.len()],
}

/// Everything counted for one actor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    ring: Ring,
    /// Newest act that fell out of the ring.
    dropped: Moment,
    /// Numbers of the newest steps since 2015.
    newest: [u32; STEPPED.len()],
    points: [Sums; 2],
    kinds: Vec<Long>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wide: Option<Box<Wide>>,
}

fn step(at: Moment, span: Span) -> u32 {
    let length = span.ms() / (BUCKETS as u64 - 1);
    u32::try_from(at.0 / length).unwrap_or(u32::MAX)
}

fn shift(sums: &mut Sums, steps: u32) {
    let steps = steps.min(BUCKETS as u32) as usize;
    sums.rotate_right(steps % BUCKETS);
    sums[..steps].fill(0);
}

/// Sum of the steps that reach into the `steps` before `now`.
fn sum(sums: &Sums, newest: u32, now: u32, steps: usize) -> u32 {
    let ahead = now.saturating_sub(newest) as usize;
    let live = steps.saturating_sub(ahead).min(BUCKETS);
    sums[..live].iter().map(|sum| u32::from(*sum)).sum()
}

/// Puts in or takes out.
fn change(sums: &mut Sums, newest: u32, number: u32, amount: u16, add: bool) {
    let age = newest.checked_sub(number).map(|age| age as usize);
    if let Some(sum) = age.and_then(|age| sums.get_mut(age)) {
        *sum = match add {
            true => sum.saturating_add(amount),
            false => sum.saturating_sub(amount),
        };
    }
}

impl Windows {
    /// Counts an act. The order in which acts come does not matter.
    pub fn add(&mut self, mark: Mark) {
        if let Some(out) = self.ring.add(mark) {
            self.dropped = self.dropped.max(out);
        }
        self.advance(mark.at());
        self.change(&mark, true);
    }

    /// Takes back what was added, also when the ring holds it no more: it turned out to be somebody
    /// else's.
    pub fn remove(&mut self, mark: &Mark) {
        self.ring.remove(mark);
        self.change(mark, false);
    }

    fn advance(&mut self, at: Moment) {
        for (place, span) in STEPPED.into_iter().enumerate() {
            let number = step(at, span);
            let steps = number.saturating_sub(self.newest[place]);
            if steps == 0 {
                continue;
            }
            self.newest[place] = number;
            match place {
                TEN_MINUTES => shift(&mut self.points[0], steps),
                HOURS => self
                    .kinds
                    .iter_mut()
                    .for_each(|k| shift(&mut k.hour, steps)),
                _ => {
                    shift(&mut self.points[1], steps);
                    self.kinds.iter_mut().for_each(|k| shift(&mut k.day, steps));
                }
            }
        }
    }

    fn change(&mut self, mark: &Mark, add: bool) {
        let at = mark.at();
        let numbers = STEPPED.map(|span| step(at, span));
        let [ten, hour, day] = self.newest;
        change(
            &mut self.points[0],
            ten,
            numbers[TEN_MINUTES],
            mark.points,
            add,
        );
        change(&mut self.points[1], day, numbers[DAYS], mark.points, add);
        let long = self.long(mark.kind);
        change(&mut long.hour, hour, numbers[HOURS], mark.count, add);
        change(&mut long.day, day, numbers[DAYS], mark.count, add);
        if let Some(place) = WIDE.iter().position(|kind| *kind as u8 == mark.kind) {
            let wide = self.wide.get_or_insert_default();
            let number = step(at, Span::Minute);
            let steps = number.saturating_sub(wide.newest);
            if steps > 0 {
                wide.newest = number;
                wide.minutes.iter_mut().for_each(|sums| shift(sums, steps));
            }
            change(
                &mut wide.minutes[place],
                wide.newest,
                number,
                mark.count,
                add,
            );
        }
    }

    fn long(&mut self, kind: u8) -> &mut Long {
        let place = match self.kinds.binary_search_by_key(&kind, |long| long.kind) {
            Ok(place) => place,
            Err(place) => {
                self.kinds.reserve_exact(1);
                let (hour, day) = ([0; BUCKETS], [0; BUCKETS]);
                self.kinds.insert(place, Long { kind, hour, day });
                place
            }
        };
        &mut self.kinds[place]
    }

    /// Twentieths of a type within a minute, an hour or a day. Of all minutes which hold `at`, the
    /// fullest as far as single acts are known.
    pub fn count(&self, kind: LimitType, span: Span, at: Moment) -> u32 {
        let found = self.kinds.iter().find(|long| long.kind == kind as u8);
        let Some(long) = found else { return 0 };
        match span {
            Span::Minute | Span::TenMinutes if self.is_exact(span, at) => {
                self.fullest(span, at, |m| (m.kind == kind as u8).then_some(m.count))
            }
            Span::Minute => match (&self.wide, WIDE.iter().position(|k| *k == kind)) {
                (Some(wide), Some(place)) => {
                    let now = step(at, span).max(wide.newest);
                    sum(&wide.minutes[place], wide.newest, now, BUCKETS)
                }
                _ => self.recent_hour(long, at, 2),
            },
            Span::TenMinutes => self.recent_hour(long, at, 3),
            Span::Hour => self.recent_hour(long, at, BUCKETS),
            Span::Day => {
                let now = step(at, span).max(self.newest[DAYS]);
                sum(&long.day, self.newest[DAYS], now, BUCKETS)
            }
        }
    }

    fn recent_hour(&self, long: &Long, at: Moment, steps: usize) -> u32 {
        let now = step(at, Span::Hour).max(self.newest[HOURS]);
        sum(&long.hour, self.newest[HOURS], now, steps)
    }

    /// Twentieths of points within a minute, ten minutes or a day.
    pub fn points(&self, span: Span, at: Moment) -> u32 {
        let ten = |steps| {
            let now = step(at, Span::TenMinutes).max(self.newest[TEN_MINUTES]);
            sum(&self.points[0], self.newest[TEN_MINUTES], now, steps)
        };
        match span {
            Span::Minute | Span::TenMinutes if self.is_exact(span, at) => {
                self.fullest(span, at, |m| Some(m.points))
            }
            Span::Minute => ten(2),
            Span::TenMinutes | Span::Hour => ten(BUCKETS),
            Span::Day => {
                let now = step(at, span).max(self.newest[DAYS]);
                sum(&self.points[1], self.newest[DAYS], now, BUCKETS)
            }
        }
    }

    /// Whether every act of the span is in the ring.
    fn is_exact(&self, span: Span, at: Moment) -> bool {
        self.dropped == Moment::default() || self.dropped < at.minus(span.ms())
    }

    fn fullest(&self, span: Span, at: Moment, amount: impl Fn(&Mark) -> Option<u16>) -> u32 {
        let length = span.ms();
        let near = self.ring.iter().filter(|m| m.at().apart(at) <= length);
        let near: Vec<(Moment, u32)> = near
            .filter_map(|m| Some((m.at(), u32::from(amount(&m)?))))
            .collect();
        let (mut first, mut total, mut most) = (0, 0, 0);
        for (last, (end, amount)) in near.iter().enumerate() {
            total += amount;
            while end.since(near[first].0) > length {
                total -= near[first].1;
                first += 1;
            }
            // The window holds `at`, or nothing later is known.
            if *end >= at || last + 1 == near.len() {
                most = most.max(total);
            }
        }
        most
    }

    /// Acts of the ring since a moment, oldest first.
    pub fn since(&self, from: Moment) -> impl Iterator<Item = Mark> {
        self.ring.iter().filter(move |m| m.at() >= from)
    }

    /// Types counted so far.
    pub fn kinds(&self) -> impl Iterator<Item = LimitType> {
        let known = |kind: u8| LimitType::ALL.get(usize::from(kind)).copied();
        self.kinds.iter().filter_map(move |long| known(long.kind))
    }

    /// When the last act was.
    pub fn last(&self) -> Moment {
        self.ring.last().unwrap_or_default().max(self.dropped)
    }

    /// Drops types of which nothing has counted for more than a day, and acts older than any span of
    /// the ring.
    pub fn forget(&mut self, now: Moment) {
        let newest = self.newest[DAYS];
        let today = step(now, Span::Day).max(newest);
        self.kinds
            .retain(|long| sum(&long.day, newest, today, BUCKETS) > 0);
        let last = self.last();
        self.ring.retain(|at| now.since(at) <= 2 * EXACT);
        if self.ring.is_empty() {
            self.dropped = last;
        }
    }

    /// Heap and own bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.ring.bytes()
            + self.kinds.capacity() * size_of::<Long>()
            + self.wide.iter().len() * size_of::<Wide>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::UNIT;
    use proptest::prelude::*;

    const KIND: LimitType = LimitType::ChannelRemove;

    fn mark(ms: u64, n: u64) -> Mark {
        Mark {
            entry: (ms << 22) | n,
            target: 0,
            points: 8 * UNIT as u16,
            count: UNIT as u16,
            kind: KIND as u8,
            flags: DESTRUCTIVE,
        }
    }

    #[test]
    fn a_day_of_one_an_hour_is_seen() {
        let mut windows = Windows::default();
        let start = 100 * DAY;
        for hour in 0..13 {
            windows.add(mark(start + hour * HOUR, 0));
        }
        let now = Moment(start + 12 * HOUR);
        assert_eq!(windows.count(KIND, Span::Day, now), 13 * UNIT);
        assert_eq!(windows.count(KIND, Span::Minute, now), UNIT);
        let later = Moment(start + 40 * HOUR);
        assert_eq!(windows.count(KIND, Span::Day, later), 0);
        windows.forget(later);
        assert_eq!(windows.kinds().count(), 0);
    }

    #[test]
    fn an_actor_of_eight_types_is_small() {
        let mut windows = Windows::default();
        for n in 0..1000 {
            let mut one = mark(DAY + n, n);
            one.kind = (n % 8) as u8;
            windows.add(one);
        }
        assert!(windows.bytes() < 1024, "{}", windows.bytes());
    }

    proptest! {
        #[test]
        fn order_of_arrival_does_not_matter(
            mut times in proptest::collection::vec(0..90_000_u64, 1..30),
            seed in any::<u64>(),
        ) {
            let build = |times: &[u64]| {
                let mut windows = Windows::default();
                for ms in times {
                    windows.add(mark(DAY + ms, 0));
                }
                windows
            };
            let now = Moment(DAY + 90_000);
            let one = build(&times);
            let len = times.len();
            times.rotate_left(seed as usize % len);
            times.reverse();
            let other = build(&times);
            for span in [Span::Minute, Span::TenMinutes, Span::Hour, Span::Day] {
                prop_assert_eq!(one.count(KIND, span, now), other.count(KIND, span, now));
            }
        }

        #[test]
        fn sums_are_never_too_small(times in proptest::collection::vec(0..100_000_u64, 1..200)) {
            let mut windows = Windows::default();
            for ms in &times {
                windows.add(mark(DAY + ms, 0));
            }
            let now = Moment(DAY + times.iter().max().copied().unwrap_or(0));
            let truth = times.iter().filter(|ms| now.since(Moment(DAY + **ms)) <= MINUTE).count();
            prop_assert!(windows.count(KIND, Span::Minute, now) >= truth as u32 * UNIT);
        }

        #[test]
        fn what_is_taken_back_was_never_there(times in proptest::collection::vec(0..9_000_u64, 1..60)) {
            let mut windows = Windows::default();
            windows.add(mark(DAY, 7));
            let before = windows.clone();
            for (n, ms) in times.iter().enumerate() {
                windows.add(mark(DAY + ms, 100 + n as u64));
            }
            for (n, ms) in times.iter().enumerate() {
                windows.remove(&mark(DAY + ms, 100 + n as u64));
            }
            let now = Moment(DAY + 9_000);
            for span in [Span::Minute, Span::TenMinutes, Span::Hour, Span::Day] {
                prop_assert_eq!(windows.count(KIND, span, now), before.count(KIND, span, now));
                prop_assert_eq!(windows.points(span, now), before.points(span, now));
            }
        }
    }
}
