//! Counts of a drill and its timeline.

use std::collections::{BTreeMap, BTreeSet};

use splashtail_sandbox_world::rest::error::ApiError;

use super::perform::Performed;
use super::types::{ActKind, ActReport, Beat, Damage, Defence, DrillTimes, Side};
use super::wire_name;

/// Entries of a timeline; a longer one is drawn in coarser steps.
const MAX_BEATS: usize = 600;
/// Moments of the defence that are remembered.
const MAX_DEFENCES: usize = 10_000;

/// What came of one act, whether or not its actor was told.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Nothing, or so many units of damage.
    Done(Option<(Damage, u64)>),
    Refused(Refusal),
}

/// Why an act had no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The JSON error code, or the HTTP status where there is none.
    pub code: String,
    /// Until it may be tried again.
    pub wait_ms: Option<i64>,
    /// It came at a bad moment: too early, or while the server was down.
    pub passing: bool,
}

impl Refusal {
    /// For good.
    pub fn of(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            wait_ms: None,
            passing: false,
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let code = match error.code {
            0 => error.status.to_string(),
            code => code.to_string(),
        };
        Self {
            passing: error.status >= 500,
            ..Self::of(code)
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Acts of one kind.
#[derive(Debug, Default)]
struct Kind {
    attempted: u64,
    succeeded: u64,
    achieved: u64,
    damage: Option<Damage>,
    first_success_ms: Option<i64>,
    first_defence_ms: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Tally {
    start_ms: i64,
    pub attempted: u64,
    pub succeeded: u64,
    pub unheard: u64,
    pub achieved: BTreeMap<Damage, u64>,
    pub refused: BTreeMap<String, u64>,
    pub defended: BTreeMap<Defence, u64>,
    pub times: DrillTimes,
    kinds: BTreeMap<ActKind, Kind>,
    step_ms: i64,
    beats: BTreeMap<(i64, Side, String), u64>,
    /// Moments of the defence, the first ones.
    defences: BTreeSet<i64>,
}

impl Tally {
    pub fn new(start_ms: i64) -> Self {
        Self {
            start_ms,
            attempted: 0,
            succeeded: 0,
            unheard: 0,
            achieved: BTreeMap::new(),
            refused: BTreeMap::new(),
            defended: BTreeMap::new(),
            times: DrillTimes::default(),
            kinds: BTreeMap::new(),
            step_ms: 1000,
            beats: BTreeMap::new(),
            defences: BTreeSet::new(),
        }
    }

    pub fn since_start(&self, now_ms: i64) -> i64 {
        (now_ms - self.start_ms).max(0)
    }

    /// Notes an act of this kind that was done at `now_ms`.
    pub fn act(
        &mut self,
        now_ms: i64,
        kind: ActKind,
        Performed {
            outcome,
            heard,
            beside,
            ..
        }: &Performed,
    ) {
        let at = self.since_start(now_ms);
        if let Some(damage) = beside {
            self.gain(now_ms, *damage, 1);
        }
        self.attempted += 1;
        self.times.last_act_ms = Some(at);
        let kind = self.kinds.entry(kind).or_default();
        kind.attempted += 1;
        match outcome {
            Outcome::Done(damage) => {
                kind.succeeded += 1;
                kind.first_success_ms.get_or_insert(at);
                if let Some((damage, count)) = damage {
                    kind.damage = Some(*damage);
                    kind.achieved += count;
                }
                self.succeeded += 1;
                self.unheard += u64::from(!heard);
                self.times.first_success_ms.get_or_insert(at);
                self.times.last_success_ms = Some(at);
                if let Some((damage, count)) = damage {
                    *self.achieved.entry(*damage).or_default() += count;
                    self.beat(at, Side::Attack, wire_name(damage), *count);
                }
            }
            Outcome::Refused(Refusal { code, .. }) => {
                self.times.first_refusal_ms.get_or_insert(at);
                self.beat(at, Side::Refused, code.clone(), 1);
                *self.refused.entry(code.clone()).or_default() += 1;
            }
        }
    }

    /// Notes damage that no act of the attackers brought at once, or that was not what it was for.
    pub fn gain(&mut self, now_ms: i64, damage: Damage, count: u64) {
        let at = self.since_start(now_ms);
        *self.achieved.entry(damage).or_default() += count;
        self.beat(at, Side::Attack, wire_name(&damage), count);
    }

    /// Notes what was done against the attackers.
    pub fn defence(&mut self, now_ms: i64, defence: Defence, count: u64) {
        if count == 0 {
            return;
        }
        let at = self.since_start(now_ms);
        // Not always learned of in the order in which it happened.
        let times = &mut self.times;
        times.first_defence_ms = Some(times.first_defence_ms.map_or(at, |t| t.min(at)));
        times.last_defence_ms = Some(times.last_defence_ms.map_or(at, |t| t.max(at)));
        if self.defences.len() < MAX_DEFENCES {
            self.defences.insert(at);
        }
        for kind in self.kinds.values_mut() {
            if kind.first_success_ms.is_some_and(|first| first <= at) {
                let first = kind.first_defence_ms.map_or(at, |t| t.min(at));
                kind.first_defence_ms = Some(first);
            }
        }
        *self.defended.entry(defence).or_default() += count;
        self.beat(at, Side::Defence, wire_name(&defence), count);
    }

    /// When the first defence came at or after a moment, both since the first act.
    pub fn defence_after(&self, at_ms: i64) -> Option<i64> {
        self.defences.range(at_ms..).next().copied()
    }

    fn beat(&mut self, at: i64, side: Side, what: String, count: u64) {
        let step = at - at % self.step_ms;
        *self.beats.entry((step, side, what)).or_default() += count;
        while self.beats.len() > MAX_BEATS {
            self.step_ms *= 2;
            for ((at, side, what), count) in std::mem::take(&mut self.beats) {
                let step = at - at % self.step_ms;
                *self.beats.entry((step, side, what)).or_default() += count;
            }
        }
    }

    /// Acts by kind. What is mended of damage that several kinds did goes to them in their order.
    pub fn acts(&self, undone: &BTreeMap<Damage, u64>) -> Vec<ActReport> {
        let mut left = undone.clone();
        let reports = self.kinds.iter().map(|(act, kind)| {
            let mended = kind.damage.and_then(|damage| left.get_mut(&damage));
            let undone = mended.map_or(0, |mended| {
                let undone = (*mended).min(kind.achieved);
                *mended -= undone;
                undone
            });
            ActReport {
                act: *act,
                attempted: kind.attempted,
                succeeded: kind.succeeded,
                achieved: kind.achieved,
                damage: kind.damage,
                undone,
                first_success_ms: kind.first_success_ms,
                first_defence_ms: kind.first_defence_ms,
            }
        });
        reports.collect()
    }

    /// Step length and entries.
    pub fn timeline(&self) -> (i64, Vec<Beat>) {
        let beats = self.beats.iter().map(|((at_ms, side, what), count)| Beat {
            at_ms: *at_ms,
            side: *side,
            what: what.clone(),
            count: *count,
        });
        (self.step_ms, beats.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_deeds_of_a_second_are_one_entry() {
        let mut tally = Tally::new(10_000);
        let posted = Outcome::Done(Some((Damage::MessagesPosted, 1)));
        let posted = Performed::told(posted);
        let refused = Performed::told(Refusal::of("50013").into());
        tally.act(10_000, ActKind::Post, &posted);
        tally.act(10_999, ActKind::Post, &posted);
        tally.act(11_000, ActKind::Ban, &refused);
        tally.act(
            11_500,
            ActKind::Prune,
            &Performed::told(Outcome::Done(None)),
        );
        tally.defence(10_200, Defence::AttackersBanned, 2);
        let (step, beats) = tally.timeline();
        let seen: Vec<_> = beats.iter().map(|b| (b.at_ms, &*b.what, b.count)).collect();
        assert_eq!(step, 1000);
        assert_eq!(
            seen,
            [
                (0, "messages_posted", 2),
                (0, "attackers_banned", 2),
                (1000, "50013", 1)
            ]
        );
        assert_eq!((tally.attempted, tally.succeeded), (4, 3));
        assert_eq!(tally.times.first_defence_ms, Some(200));
        assert_eq!(tally.times.last_success_ms, Some(1500));
        let acts = tally.acts(&[(Damage::MessagesPosted, 1)].into());
        let post = &acts[0];
        assert_eq!(
            (post.act, post.attempted, post.undone),
            (ActKind::Post, 2, 1)
        );
        assert_eq!(
            (post.first_success_ms, post.first_defence_ms),
            (Some(0), Some(200))
        );
        let prune = acts.iter().find(|a| a.act == ActKind::Prune).unwrap();
        assert_eq!(prune.first_defence_ms, None, "there was none after it");
    }

    #[test]
    fn what_was_achieved_counts_whether_or_not_anybody_was_told() {
        let mut tally = Tally::new(0);
        let mute = |outcome| Performed {
            heard: false,
            ..Performed::told(outcome)
        };
        let banned = mute(Outcome::Done(Some((Damage::MembersBanned, 1))));
        tally.act(0, ActKind::Ban, &banned);
        tally.act(1, ActKind::Ban, &mute(Refusal::of("50013").into()));
        assert_eq!((tally.attempted, tally.succeeded, tally.unheard), (2, 1, 1));
        assert_eq!(tally.refused, [("50013".to_owned(), 1)].into());
        assert_eq!(tally.times.first_refusal_ms, Some(1));
        assert_eq!(tally.acts(&BTreeMap::new())[0].succeeded, 1);
    }

    #[test]
    fn a_long_timeline_gets_coarser_and_loses_nothing() {
        let mut tally = Tally::new(0);
        for second in 0..5000 {
            let refused = Performed::told(Refusal::of("429").into());
            tally.act(second * 1000, ActKind::Post, &refused);
        }
        let (step, beats) = tally.timeline();
        assert_eq!(step, 16_000);
        assert!(beats.len() <= MAX_BEATS, "{}", beats.len());
        assert_eq!(beats.iter().map(|b| b.count).sum::<u64>(), 5000);
    }
}
