//! What the log is asked when events may be missing.

use splashtail_guild::{Id, Structure};

use super::Engine;
use super::inquiry::SETTLING;
use crate::effect::{Effect, Poll};
use crate::moment::{Moment, SECOND};

/// So much older entries are read too: their events may have been on their way.
const MARGIN: u64 = 30 * SECOND;

/// The reading that finds what was not in the log yet when the gap ended. Nothing else tells of it:
/// events are missing of what happened before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rereading {
    pub(super) at: Moment,
    after: Id,
}

impl Engine {
    /// Reads the log at once, and what is new in it when it had time.
    pub(super) fn on_gap(
        &mut self,
        lost: Moment,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let before = lost.minus(MARGIN).id();
        let after = match self.highest {
            Id::MIN => before,
            highest => before.min(highest),
        };
        out.push(Effect::PollAudit(Poll::Missed { after }));
        // Older entries are in the log by now, and their number has no bound.
        let after = after.max(now.minus(MARGIN).id());
        let waiting = self.rereading.map(|waiting| waiting.after);
        self.rereading = Some(Rereading {
            at: now.plus(SETTLING),
            after: waiting.map_or(after, |waiting| waiting.min(after)),
        });
        // Where the bot stood before stays known: it may have been moved meanwhile.
        self.watch_rank(structure, now, out);
    }

    pub(super) fn read_again(&mut self, now: Moment, out: &mut Vec<Effect>) {
        if let Some(Rereading { after, .. }) = self.rereading.take_if(|due| now >= due.at) {
            out.push(Effect::PollAudit(Poll::Missed { after }));
        }
    }
}
