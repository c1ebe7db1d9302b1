//! What happens because time passes.

use splashtail_guild::Structure;

use super::{Engine, Patience, contain, rank, unexplained};
use crate::actor::State;
use crate::effect::Effect;
use crate::moment::{MINUTE, Moment, SECOND};
use crate::panic::Panic;
use crate::policy::Mode;

impl Engine {
    /// When [`Input::Tick`] is needed at the latest.
    pub fn next_wake(&self) -> Option<Moment> {
        let waits = self
            .pending
            .iter()
            .filter(|p| p.patience == Patience::Waiting);
        let pending = waits.map(|p| p.at.plus(unexplained::patience(p.action)));
        let nulls = self.nulls.iter().map(|(_, at)| at.plus(2 * SECOND));
        let doubts = self.doubts.iter().map(|d| d.since.plus(5 * SECOND));
        let states = self.actors.values().filter_map(|actor| match actor.state {
            State::Idle => None,
            State::Suspect { until }
            | State::Watch { until }
            | State::Unreachable { until, .. } => Some(until),
            State::Acting { since } => Some(since.plus(contain::STUCK)),
            State::Contained { since } => Some(since.plus(MINUTE)),
        });
        let panic = self.panic.iter().map(Panic::wakes);
        let inquiries = self.inquiry_wakes();
        let rereading = self.rereading.map(|due| due.at);
        let rank = self.place.iter().filter_map(rank::Place::wakes);
        let reach = self.reach_at.iter().map(|(at, _)| *at);
        let leaves = self.leaves_at().map(|(at, _)| at);
        let looks = self.looks.wakes().filter(|_| self.policy.mode != Mode::Off);
        let all = pending
            .chain(nulls)
            .chain(doubts)
            .chain(states)
            .chain(panic)
            .chain(inquiries)
            .chain(rereading)
            .chain(rank)
            .chain(reach)
            .chain(leaves)
            .chain(looks);
        all.min()
    }

    pub(super) fn on_tick(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        self.expire_pending(structure, now, out);
        self.relieve(structure, now, out);
        self.settle_nulls(structure, now, out);
        self.settle_doubts(structure, now, out);
        self.settle_rank(structure, now, out);
        self.step_states(structure, now, out);
        self.reach_later(structure, now, out);
        self.renew_panic(structure, now, out);
        self.read_again(now, out);
        self.leave_when_told(structure, now, out);
        self.forget_bans_full(now);
        self.forget(now);
    }
}
