//! What the attackers do, and when: a pure sequence, given what their earlier acts brought.

use splashtail_sandbox_world::draw::Draw;
use splashtail_sandbox_world::world::Id;

use super::act::Step;
use super::cast::Stage;
use super::cycle::Cycle;
use super::raid::Schedule;
use super::spoils::Spoils;
use super::tally::Refusal;
use super::types::{DrillKind, DrillSettings};

/// The sequence, and how far it is.
#[derive(Debug)]
pub(super) enum Script {
    Raid(Schedule),
    Cycle(Cycle),
}

impl Script {
    /// Draws what is left to chance from `seed`, for this drill alone.
    pub fn new(kind: DrillKind, settings: &DrillSettings, seed: u64, number: u64) -> Self {
        let mut draw = Draw::new(seed, &format!("drill {number}"));
        match kind {
            DrillKind::Raid => Self::Raid(Schedule::new(settings, &mut draw)),
            DrillKind::Spam | DrillKind::Nuke | DrillKind::TokenLeak => {
                Self::Cycle(Cycle::new(kind, settings, &mut draw))
            }
        }
    }

    /// Acts of the attackers in all, those included that they try anew.
    pub fn planned(&self) -> u64 {
        match self {
            Self::Raid(raid) => raid.planned(),
            Self::Cycle(cycle) => cycle.planned(),
        }
    }

    /// Whether every attacker has had its entry.
    pub fn all_entered(&self) -> bool {
        match self {
            Self::Raid(raid) => raid.all_entered(),
            Self::Cycle(_) => true,
        }
    }

    /// Whether anything is planned. A guest who comes later than it meant to is not waited for.
    pub fn goes_on(&self) -> bool {
        match self {
            Self::Raid(raid) => raid.goes_on(),
            Self::Cycle(cycle) => cycle.due().is_some(),
        }
    }

    /// When the next act is due, in milliseconds since the first.
    pub fn due(&self) -> Option<i64> {
        match self {
            Self::Raid(raid) => raid.due(),
            Self::Cycle(cycle) => cycle.due(),
        }
    }

    /// The act that is due; `None` when it falls away. `gone`: all attackers are out of the
    /// guild, so only their webhooks still speak.
    pub fn step(
        &mut self,
        stage: &mut Stage,
        spoils: &Spoils,
        gone: bool,
        inside: impl Fn(Id) -> bool,
    ) -> Option<Step> {
        match self {
            Self::Raid(raid) => raid.step(stage, spoils, inside),
            Self::Cycle(cycle) => cycle.step(stage, gone),
        }
    }

    /// Someone was told at `at` that nothing came of this.
    pub fn refused(&mut self, step: &Step, at: i64, refusal: &Refusal) {
        match self {
            Self::Raid(raid) => raid.refused(step, at, refusal),
            Self::Cycle(cycle) => cycle.refused(step.who, at, refusal),
        }
    }

    /// Someone waits so long for an answer: others go on, and with nobody left everything after
    /// is later.
    pub fn await_answer(&mut self, step: &Step, at: i64, took_ms: i64) {
        match self {
            Self::Raid(raid) => raid.await_answer(step, at, took_ms),
            Self::Cycle(cycle) => cycle.await_answer(step.who, at, took_ms),
        }
    }
}
