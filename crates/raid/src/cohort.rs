//! Who of those who came belongs to the attack.

use serde::{Deserialize, Serialize};

use crate::family::{Family, batch, most_common};
use crate::moment::{DAY, MINUTE, Moment};
use crate::ring::{Record, Ring, Traits};
use crate::shares::Shares;

/// Who has so many points is a raider, or held.
const RAIDER: f64 = 4.0;
const SUSPECT: f64 = 1.5;
/// What one thing counts at most, either way.
const MOST: f64 = 2.5;
/// That somebody is silent proves little.
const MOST_OF_SILENCE: f64 = 0.3;
/// The most that is told of one account.
const TOLD: usize = 3;
/// Who came this long before the others is one of them, whatever their gaps.
const SHORTEST_GAP: u64 = MINUTE;
/// A family of fewer proves nothing about its members.
const FEWEST: u32 = 4;
const SMALLEST: f64 = 0.12;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    #[default]
    Bystander,
    Suspect,
    Raider,
}

/// Why somebody stands where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Reason {
    /// They have in common with so many of so many what is usual for such a part.
    #[serde(rename = "family")]
    Family {
        family: Family,
        count: u32,
        of: u32,
        usual: f64,
        points: f64,
    },
    /// Wrote where nobody is to write.
    #[serde(rename = "trap")]
    Trap,
    /// Discord once marked the account as a spammer's.
    #[serde(rename = "spammer")]
    Spammer,
    /// Belonged to a raid of the last day.
    #[serde(rename = "back")]
    Back,
}

impl Reason {
    fn points(&self) -> f64 {
        match self {
            Self::Family { points, .. } => *points,
            Self::Trap => 3.0,
            Self::Spammer => 0.5,
            Self::Back => RAIDER,
        }
    }
}

/// Those who came with the attack: in the window and before it as long as gaps stay small, and all after.
pub(crate) fn cohort(ring: &Ring, from: Moment, to: Moment) -> Vec<Record> {
    let within: Vec<Record> = ring.between(from, to).copied().collect();
    let mut gaps: Vec<u64> = within
        .windows(2)
        .map(|pair| pair[1].at.since(pair[0].at))
        .collect();
    gaps.sort_unstable();
    let median = gaps.get(gaps.len() / 2).copied().unwrap_or(0);
    let largest = SHORTEST_GAP.max(5 * median);
    let mut first = within.first().map_or(from, |record| record.at);
    let before = first.minus(DAY);
    for record in ring.between(before, first).rev() {
        if first.since(record.at) > largest {
            break;
        }
        first = record.at;
    }
    ring.between(first, to).copied().collect()
}

/// What a cohort has in common, by which each of it is judged.
pub(crate) struct Portrait<'a> {
    shares: &'a Shares,
    n: u32,
    counts: [(Family, u32); 6],
    silent: u32,
    shape: Option<(u32, u32)>,
    cluster: Option<(u32, u32)>,
    avatar: Option<(u32, u32)>,
    text: Option<(u32, u32)>,
    batch: (Moment, u32),
}

impl<'a> Portrait<'a> {
    pub fn of(cohort: &[Record], shares: &'a Shares) -> Self {
        let count = |family: Family| {
            let of = cohort
                .iter()
                .filter(|record| classes(record).any(|own| own == family));
            (family, of.count() as u32)
        };
        let ages = [Family::Day, Family::Week, Family::Month];
        let others = [Family::NoAvatar, Family::Spoke, Family::FastScreen];
        let [a, b, c] = ages.map(count);
        let [d, e, f] = others.map(count);
        let known = |found: Option<(u32, u32)>| {
            found.filter(|(_, count)| {
                *count >= FEWEST && f64::from(*count) >= SMALLEST * cohort.len() as f64
            })
        };
        let silent = cohort
            .iter()
            .filter(|record| !record.traits.has(Traits::SPOKE));
        Self {
            shares,
            n: cohort.len() as u32,
            counts: [a, b, c, d, e, f],
            silent: silent.count() as u32,
            shape: known(most_common(cohort, |record| record.shape)),
            cluster: known(most_common(cohort, |record| record.cluster)),
            avatar: known(most_common(cohort, |record| record.avatar)),
            text: known(most_common(cohort, |record| record.text)),
            batch: batch(cohort),
        }
    }

    /// The usual part of one class of age.
    fn usual(&self, family: Family) -> f64 {
        let of = |family| self.shares.of(family, 0);
        let alone = match family {
            Family::Week => of(Family::Week) - of(Family::Day),
            Family::Month => of(Family::Month) - of(Family::Week),
            family => of(family),
        };
        alone.max(0.005)
    }

    /// Natural logarithm of how much likelier they are in the cohort than elsewhere, smoothed.
    fn weight(&self, count: u32, usual: f64) -> f64 {
        let (c, n) = (f64::from(count), f64::from(self.n));
        let p = ((c - n * usual / 2.0).max(0.0) + 2.0 * usual) / (n * (1.0 - usual / 2.0) + 2.0);
        (p / usual).ln().clamp(-MOST, MOST)
    }

    /// Points and the largest reasons.
    pub fn judge(&self, record: &Record, is_back: bool) -> (Standing, Vec<Reason>) {
        let mut reasons = Vec::new();
        let mut points = 0.0;
        let mut add = |reason: Reason| {
            points += reason.points();
            reasons.push(reason);
        };
        let family = |family, count, usual, points| Reason::Family {
            family,
            count,
            of: self.n,
            usual,
            points,
        };
        for (kind, count) in self.counts {
            let is_of = classes(record).any(|own| own == kind);
            if is_of && kind == Family::FastScreen {
                add(family(kind, count, self.usual(kind), 0.5));
            } else if is_of {
                let usual = self.usual(kind);
                add(family(kind, count, usual, self.weight(count, usual)));
            }
        }
        // What is missing counts as well: an old account, a picture, silence.
        let young: u32 = self.counts[..3].iter().map(|(_, count)| count).sum();
        let old_usual = (1.0 - self.shares.of(Family::Month, 0)).max(0.005);
        let mut missing = 0.0;
        if !record.traits.has(Traits::MONTH) {
            missing += self.weight(self.n - young, old_usual).min(0.0);
        }
        if !record.traits.has(Traits::NO_AVATAR) {
            let with = self.n - self.counts[3].1;
            missing += self
                .weight(with, 1.0 - self.usual(Family::NoAvatar))
                .min(0.0);
        }
        if !record.traits.has(Traits::SPOKE) {
            let usual = 1.0 - self.usual(Family::Spoke);
            let weight = self.weight(self.silent, usual);
            missing += weight.clamp(-MOST_OF_SILENCE, MOST_OF_SILENCE);
        }
        let keyed = [
            (Family::Shape, record.shape, self.shape, 2.0),
            (Family::Cluster, record.cluster, self.cluster, 2.0),
            (Family::SameAvatar, record.avatar, self.avatar, 2.0),
        ];
        for (kind, own, found, most) in keyed {
            let Some((key, count)) = found else { continue };
            if own != key {
                continue;
            }
            let kind = match kind == Family::Shape && record.traits.has(Traits::COMMON_SHAPE) {
                true => Family::CommonShape,
                false => kind,
            };
            let usual = self.shares.of(kind, key);
            let weight = self.weight(count, usual).clamp(0.0, most);
            add(family(kind, count, usual, weight));
        }
        if self.is_of_batch(record) {
            let usual = Family::Batch.assumed();
            let weight = self.weight(self.batch.1, usual).clamp(0.0, MOST);
            add(family(Family::Batch, self.batch.1, usual, weight));
        }
        if let Some((_, count)) = self.text.filter(|(text, _)| record.text == *text) {
            add(family(
                Family::SameText,
                count,
                Family::SameText.assumed(),
                3.0,
            ));
        }
        if record.traits.has(Traits::TRAPPED) {
            add(Reason::Trap);
        }
        if record.traits.has(Traits::SPAMMER) {
            add(Reason::Spammer);
        }
        if is_back {
            add(Reason::Back);
        }
        points += missing;
        if record.traits.has(Traits::INVESTED) {
            points -= 1.5;
        }
        let standing = match points {
            points if points >= RAIDER || is_back => Standing::Raider,
            points if points >= SUSPECT => Standing::Suspect,
            _ => Standing::Bystander,
        };
        reasons.retain(|reason| reason.points() > 0.0);
        reasons.sort_by(|a, b| b.points().total_cmp(&a.points()));
        reasons.truncate(TOLD);
        (standing, reasons)
    }

    fn is_of_batch(&self, record: &Record) -> bool {
        let (begin, count) = self.batch;
        let made = Moment::of(splashtail_guild::Id::new(record.user));
        let within = made >= begin && made.since(begin) < DAY;
        let is_family = count >= FEWEST && f64::from(count) >= SMALLEST * f64::from(self.n);
        is_family && within && !record.traits.has(Traits::MONTH)
    }
}

/// What somebody is of, one class of age alone.
fn classes(record: &Record) -> impl Iterator<Item = Family> + use<> {
    let traits = record.traits;
    let age = match () {
        () if traits.has(Traits::DAY) => Some(Family::Day),
        () if traits.has(Traits::WEEK) => Some(Family::Week),
        () if traits.has(Traits::MONTH) => Some(Family::Month),
        () => None,
    };
    let of = |bit, family| traits.has(bit).then_some(family);
    let others = [
        of(Traits::NO_AVATAR, Family::NoAvatar),
        of(Traits::SPOKE, Family::Spoke),
        of(Traits::FAST_SCREEN, Family::FastScreen),
    ];
    [age].into_iter().chain(others).flatten()
}
