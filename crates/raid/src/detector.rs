//! How unusual it is what came.

use serde::{Deserialize, Serialize};

use crate::baseline::Baseline;
use crate::chance;
use crate::family::{Evidence, Window, strongest, variance};
use crate::moment::{HOUR, MINUTE, Moment, SECOND};
use crate::policy::Expected;
use crate::ring::{Record, Ring};
use crate::shares::Shares;

/// Windows, and how unsteady the numbers of each are: the shorter, the less.
const WINDOWS: [(u64, f64); 6] = [
    (5 * SECOND, 1.5),
    (30 * SECOND, 2.2),
    (2 * MINUTE, 3.0),
    (10 * MINUTE, 4.0),
    (HOUR, 5.0),
    (6 * HOUR, 6.0),
];
/// Families are looked for from here on.
const SUSPICIOUS: f64 = 2.0;
const WATCH: f64 = 3.0;
const WAVE: f64 = 5.0;
/// Fewer are no wave.
const FEWEST: u32 = 5;
const RAID: f64 = 7.0;
const CERTAIN: f64 = 9.0;
/// What came in no longer time than this goes on.
const LATELY: u64 = 10 * MINUTE;
/// From here on Discord's own suspicion counts.
const LIKELY: f64 = 5.0;

/// What those who come are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    #[default]
    Calm,
    /// More than usual.
    Watch,
    /// Far more than usual; nobody knows what they want.
    Wave,
    /// Far more than usual, and made for it.
    Raid,
    /// The same without much doubt.
    Certain,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub grade: Grade,
    /// `R`: the chance of so many is one in ten to the power of it.
    pub rate: f64,
    /// The same of the last ten minutes alone: whether it still goes on.
    #[serde(default)]
    pub lately: f64,
    /// The window in which `rate` is.
    pub window: u64,
    pub came: u32,
    pub usual: f64,
    /// What they have in common.
    pub evidence: Option<Evidence>,
    /// That so many accounts are new says enough by itself.
    #[serde(default)]
    pub is_fresh: bool,
}

/// What is known besides those who came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// People said that a crowd would come.
    pub expected: Option<Expected>,
    /// More is needed for a raid, since there is a reason for a crowd.
    pub has_cause: bool,
    /// Discord itself saw a raid lately.
    pub discord_warned: bool,
    /// Who came until then belongs to a wave that is over, and is no sign of another.
    pub since: Option<Moment>,
}

pub(crate) fn judge(
    ring: &Ring,
    baseline: &Baseline,
    shares: &Shares,
    known: Known,
    now: Moment,
) -> Verdict {
    let mut verdict = Verdict::default();
    let mut is_wave = false;
    let mean = |length: u64| {
        let from = now.minus(length);
        let announced = known.expected;
        baseline.expected(from, now) + announced.map_or(0.0, |of| of.between(from, now))
    };
    let begin = |length: u64| {
        let from = now.minus(length);
        known.since.map_or(from, |since| from.max(since.plus(1)))
    };
    for (length, unsteady) in WINDOWS {
        let came = ring.between(begin(length), now).count() as u32;
        if came == 0 {
            continue;
        }
        let mean = mean(length);
        let rate = -chance::crowd(f64::from(came), mean, variance(mean, unsteady));
        is_wave |= rate >= WAVE && came >= FEWEST;
        if length <= LATELY {
            verdict.lately = verdict.lately.max(rate);
        }
        if rate > verdict.rate {
            verdict.rate = rate;
            (verdict.window, verdict.came, verdict.usual) = (length, came, mean);
        }
    }
    let mut fresh = 0.0;
    if verdict.rate >= SUSPICIOUS {
        for (length, unsteady) in WINDOWS {
            let came: Vec<Record> = ring.between(begin(length), now).copied().collect();
            let window = Window {
                length,
                mean: mean(length),
                unsteady,
                shares,
            };
            let found = strongest(window, &came, &mut fresh);
            if let Some(found) = found
                && verdict.evidence.is_none_or(|best| found.score > best.score)
            {
                verdict.evidence = Some(found);
            }
        }
    }
    let score = verdict.evidence.map_or(0.0, |evidence| evidence.score);
    let score = match known.discord_warned && score >= LIKELY {
        true => score + 1.0,
        false => score,
    };
    verdict.is_fresh = fresh >= CERTAIN;
    let raid = match known.has_cause {
        true => CERTAIN,
        false => RAID,
    };
    verdict.grade = match () {
        () if score >= CERTAIN => Grade::Certain,
        () if score >= raid => Grade::Raid,
        () if is_wave => Grade::Wave,
        () if verdict.rate >= WATCH => Grade::Watch,
        () => Grade::Calm,
    };
    verdict
}
