//! What several of those who came may have in common.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::chance;
use crate::moment::{DAY, Moment};
use crate::ring::{Record, Traits};
use crate::shares::Shares;

/// Fewer are no family.
const FEWEST: u32 = 4;
/// Nor is a smaller part of all who came.
const SMALLEST: f64 = 0.12;
/// What both parts of the evidence have to reach.
const LEAST: f64 = 2.0;
/// However many come, they alone prove no more.
const MOST_OF_RATE: f64 = 8.0;
/// What regular gaps add.
const REGULAR: f64 = 2.0;
/// How unlike gaps may be (their coefficient of variation) to be regular, from so many gaps on: each is
/// one in a thousand by chance.
const GAPS: [(usize, f64); 4] = [(40, 0.63), (20, 0.51), (12, 0.40), (8, 0.29)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Accounts made within the last day, week or month.
    Day,
    Week,
    Month,
    NoAvatar,
    Bare,
    /// Spoke within five minutes.
    Spoke,
    /// Accepted the rules within two seconds.
    FastScreen,
    /// Names that are built alike; `CommonShape`: as many people's are.
    Shape,
    CommonShape,
    SameAvatar,
    /// Old accounts that were made within 24 hours.
    Batch,
    SameText,
    /// Names that look alike.
    Cluster,
}

/// What shows that they belong together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub family: Family,
    /// So many of so many.
    pub count: u32,
    pub of: u32,
    /// The usual part.
    pub usual: f64,
    /// Their gaps are those of a machine.
    pub regular: bool,
    /// The window, in milliseconds.
    pub window: u64,
    /// `S`.
    pub score: f64,
}

/// A window as families are judged in it.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub length: u64,
    /// Those who are usual in it.
    pub mean: f64,
    /// How unsteady numbers of this window are.
    pub unsteady: f64,
    pub shares: &'a Shares,
}

impl Family {
    /// Told by a yes or no of each.
    pub(crate) const TRAITS: [Self; 7] = [
        Self::Day,
        Self::Week,
        Self::Month,
        Self::NoAvatar,
        Self::Bare,
        Self::Spoke,
        Self::FastScreen,
    ];

    pub(crate) const fn trait_of(self) -> Option<Traits> {
        Some(match self {
            Self::Day => Traits::DAY,
            Self::Week => Traits::WEEK,
            Self::Month => Traits::MONTH,
            Self::NoAvatar => Traits::NO_AVATAR,
            Self::Bare => Traits::BARE,
            Self::Spoke => Traits::SPOKE,
            Self::FastScreen => Traits::FAST_SCREEN,
            _ => return None,
        })
    }

    /// The part of ordinary people, as long as a server's own is not known.
    pub(crate) const fn assumed(self) -> f64 {
        match self {
            Self::Day => 0.03,
            Self::Week => 0.08,
            Self::Month => 0.15,
            Self::NoAvatar => 0.25,
            Self::Bare => 0.12,
            Self::Spoke => 0.20,
            Self::FastScreen => 0.05,
            Self::Shape => 0.003,
            Self::CommonShape => 0.06,
            Self::SameAvatar => 0.001,
            Self::Batch => 0.004,
            Self::SameText | Self::Cluster => 0.002,
        }
    }

    /// What is taken off because many such families are looked for.
    fn penalty(self, n: f64) -> f64 {
        match self {
            Self::Shape | Self::CommonShape | Self::SameAvatar | Self::SameText | Self::Cluster => {
                1.0
            }
            Self::Batch => n.log10(),
            _ => 0.0,
        }
    }

    /// Crowds from outside have more of it than those who come on other days.
    const fn grows_with_crowds(self) -> bool {
        matches!(
            self,
            Self::Day | Self::Week | Self::Month | Self::NoAvatar | Self::Bare | Self::Spoke
        )
    }

    /// Bans without asking are for these alone.
    pub const fn is_fresh(self) -> bool {
        matches!(self, Self::Day | Self::Week)
    }
}

/// The strongest family of those who came in a window. `fresh` learns how strong the strongest of new
/// accounts is.
pub(crate) fn strongest(window: Window<'_>, came: &[Record], fresh: &mut f64) -> Option<Evidence> {
    let n = came.len();
    if n < FEWEST as usize {
        return None;
    }
    let mut best: Option<Evidence> = None;
    let regular = is_regular(came);
    let mut judge = |family: Family, count: u32, key: u32| {
        let usual = window.shares.of(family, key);
        let Some(score) = window.score(family, (count, n as u32), usual) else {
            return;
        };
        let score = match regular {
            true => score + REGULAR,
            false => score,
        };
        if family.is_fresh() {
            *fresh = fresh.max(score);
        }
        if best.is_none_or(|best| score > best.score) {
            best = Some(Evidence {
                family,
                count,
                of: n as u32,
                usual,
                regular,
                window: window.length,
                score,
            });
        }
    };
    for family in Family::TRAITS {
        let Some(bit) = family.trait_of() else {
            continue;
        };
        let count = came.iter().filter(|record| record.traits.has(bit)).count();
        judge(family, count as u32, 0);
    }
    if let Some((shape, count)) = most_common(came, |record| record.shape) {
        let common = came.iter().find(|record| record.shape == shape);
        let is_common = common.is_some_and(|record| record.traits.has(Traits::COMMON_SHAPE));
        let family = match is_common {
            true => Family::CommonShape,
            false => Family::Shape,
        };
        judge(family, count, shape);
    }
    type Key = fn(&Record) -> u32;
    let keyed: [(Family, Key); 3] = [
        (Family::SameAvatar, |record| record.avatar),
        (Family::SameText, |record| record.text),
        (Family::Cluster, |record| record.cluster),
    ];
    for (family, key) in keyed {
        if let Some((key, count)) = most_common(came, key) {
            judge(family, count, key);
        }
    }
    let (_, batch) = batch(came);
    judge(Family::Batch, batch, 0);
    best
}

impl Window<'_> {
    /// `S` of a family in this window; `None`: that is nothing unusual.
    fn score(&self, family: Family, (count, of): (u32, u32), q: f64) -> Option<f64> {
        let (count_f, n) = (f64::from(count), f64::from(of));
        if count < FEWEST {
            return None;
        }
        let more = (n - self.mean).max(0.0);
        let newer = match family.grows_with_crowds() {
            true => (more / 50.0).min(1.0),
            false => 0.0,
        };
        let of_crowd = ((2.5 + 1.5 * newer) * q + 0.03 + 0.02 * newer).min(0.85);
        let in_all = (1.15 * q * self.mean.min(n) + of_crowd * more) / n;
        if count_f / n < SMALLEST.max(2.0 * in_all) {
            return None;
        }
        let kinship = -chance::share(n, count_f, in_all) - 1.0 - family.penalty(n);
        let mean = self.mean * (1.15 * q + 0.002);
        let rate = -chance::crowd(count_f, mean, variance(mean, self.unsteady)) - 1.0;
        match kinship >= LEAST && rate >= LEAST {
            true => Some(rate.min(MOST_OF_RATE) + kinship),
            false => None,
        }
    }
}

/// How numbers vary around a mean: more than by chance alone, and by an estimate that is half or double.
pub(crate) fn variance(mean: f64, unsteady: f64) -> f64 {
    unsteady * mean + (0.3 * mean).powi(2)
}

/// The value, other than zero, that most have, and how many.
pub(crate) fn most_common(came: &[Record], key: impl Fn(&Record) -> u32) -> Option<(u32, u32)> {
    let mut counts: HashMap<u32, u32> = HashMap::with_capacity(came.len());
    for record in came {
        let key = key(record);
        if key != 0 {
            *counts.entry(key).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(key, count)| (*count, *key))
}

/// When most of the old accounts were made: the first moment of those 24 hours, and how many.
pub(crate) fn batch(came: &[Record]) -> (Moment, u32) {
    let old = came
        .iter()
        .filter(|record| !record.traits.has(Traits::MONTH));
    let mut made: Vec<Moment> = old
        .map(|record| Moment::of(splashtail_guild::Id::new(record.user)))
        .collect();
    made.sort_unstable();
    let (mut begin, mut best) = (0, (Moment::default(), 0));
    for (end, last) in made.iter().enumerate() {
        while last.since(made[begin]) >= DAY {
            begin += 1;
        }
        let count = (end + 1 - begin) as u32;
        if count > best.1 {
            best = (made[begin], count);
        }
    }
    best
}

/// Whether they came like clockwork.
fn is_regular(came: &[Record]) -> bool {
    let gaps: Vec<f64> = came
        .windows(2)
        .map(|pair| pair[1].at.since(pair[0].at) as f64)
        .collect();
    let Some((_, most)) = GAPS.into_iter().find(|(count, _)| gaps.len() >= *count) else {
        return false;
    };
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    let spread = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
    mean > 0.0 && spread.sqrt() / mean < most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(gaps: impl Iterator<Item = u64>, traits: Traits) -> Vec<Record> {
        let mut at = Moment(1_795_996_800_000);
        let users = gaps.enumerate().map(|(n, gap)| {
            at = at.plus(gap);
            Record {
                user: at.minus(400 * DAY + n as u64 * 40 * DAY).id().get(),
                at,
                traits,
                shape: 100 + n as u32,
                cluster: 0,
                avatar: 0,
                text: 0,
                exempt: crate::arrival::Exempt::No,
                is_late: false,
            }
        });
        users.collect()
    }

    fn window(shares: &Shares, mean: f64) -> Window<'_> {
        Window {
            length: 30_000,
            mean,
            unsteady: 2.2,
            shares,
        }
    }

    #[test]
    fn ten_accounts_of_today_are_a_family_and_four_of_thirty_are_none() {
        let shares = Shares::default();
        let window = window(&shares, 0.005);
        let mut traits = Traits::default();
        for bit in [Traits::DAY, Traits::WEEK, Traits::MONTH] {
            traits.add(bit);
        }
        let irregular = [100, 900, 300, 2000, 50, 700, 4000, 20, 1500, 600];
        let found = strongest(window, &came(irregular.into_iter(), traits), &mut 0.0).unwrap();
        assert_eq!((found.family, found.count, found.of), (Family::Day, 10, 10));
        assert!(found.score >= 7.0 && !found.regular, "{found:?}");
        let mut mixed = came((0..30).map(|n| 10 + n * n % 700), Traits::default());
        for record in mixed.iter_mut().take(4) {
            record.traits = traits;
        }
        assert_eq!(strongest(window, &mixed, &mut 0.0), None);
        assert_eq!(strongest(window, &mixed[..3], &mut 0.0), None);
    }

    #[test]
    fn a_machine_comes_at_regular_gaps() {
        assert!(is_regular(&came((0..9).map(|_| 1000), Traits::default())));
        assert!(
            !is_regular(&came((0..8).map(|_| 1000), Traits::default())),
            "too few"
        );
        assert!(!is_regular(&came(
            (0..30).map(|n| n * n % 97 * 50),
            Traits::default()
        )));
        assert!(
            !is_regular(&came((0..9).map(|_| 0), Traits::default())),
            "all at once"
        );
    }

    #[test]
    fn accounts_of_one_day_long_ago() {
        let mut old = came((0..6).map(|_| 500), Traits::default());
        assert_eq!(batch(&old).1, 1);
        let day = Moment(1_700_000_000_000);
        for (n, record) in old.iter_mut().enumerate().take(5) {
            record.user = day.plus(n as u64 * 3_600_000).id().get();
        }
        let (begin, count) = batch(&old);
        assert_eq!((begin, count), (day, 5));
    }
}
