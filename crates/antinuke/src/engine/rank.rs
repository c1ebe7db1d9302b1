//! Whether the bot was moved down. Positions leave no entry: it shows only in what is below it.

use std::collections::BTreeSet;

use splashtail_guild::{Id, Kind, Structure};

use super::Engine;
use crate::act::Instant;
use crate::bits::{PANIC, POWER};
use crate::effect::Effect;
use crate::incident::{IncidentKind, Rule};
use crate::members::role_bits;
use crate::moment::{Moment, SECOND};

/// Roles that are dragged come one by one, in orders that nobody wanted: the order is judged when no
/// role changed for so long.
const QUIET: u64 = 3 * SECOND / 2;
/// Whoever goes on changing roles does not put it off for longer.
const LONGEST: u64 = 5 * SECOND;

/// The bot's place as it was last, while nothing was in doubt.
#[derive(Debug)]
pub(super) struct Place {
    below: BTreeSet<Id>,
    may: u64,
    /// Roles with power are above it since the first moment; the last one is when a role changed.
    dip: Option<(Moment, Moment)>,
}

impl Place {
    pub(super) fn wakes(&self) -> Option<Moment> {
        let (since, last) = self.dip?;
        Some(last.plus(QUIET).min(since.plus(LONGEST)))
    }
}

impl Engine {
    /// To be called when a role or the bot's own member changed.
    pub(super) fn watch_rank(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        let Some(present) = self.present_place(structure) else {
            return;
        };
        let Some(known) = &mut self.place else {
            self.place = Some(present);
            return;
        };
        if overtaken(known, &present, structure) == 0 {
            *known = present;
            return;
        }
        let (since, _) = known.dip.unwrap_or((now, now));
        known.dip = Some((since, now));
        let disarmed = known.may & !present.may & POWER != 0;
        if disarmed || known.wakes().is_some_and(|wake| wake <= now) {
            self.judge_rank(structure, now, out);
        }
    }

    /// Judges the order of roles when it has come to rest.
    pub(super) fn settle_rank(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let wake = self.place.as_ref().and_then(Place::wakes);
        if wake.is_some_and(|wake| wake <= now) {
            self.judge_rank(structure, now, out);
        }
    }

    fn judge_rank(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        let present = self.present_place(structure);
        let Some((known, present)) = self.place.take().zip(present) else {
            return;
        };
        let lost = overtaken(&known, &present, structure);
        self.place = Some(present);
        if lost == 0 {
            return;
        }
        let what = Instant::Tamper;
        let guild = self.guild;
        let rules = [Rule::Instant { what }];
        let incident = self.open(guild, IncidentKind::Tamper, &rules, structure, now);
        // One role above the bot may be somebody's tidying; several are an attack on the bot.
        if lost > 1 {
            self.begin_panic(incident, PANIC, structure, now, out);
        }
        self.publish(incident, true, now, out);
    }

    fn present_place(&self, structure: &Structure) -> Option<Place> {
        let sight = self.sight(structure);
        sight.my_rank()?;
        let roles = structure.all(Kind::Role).map(|(id, _)| id);
        Some(Place {
            below: roles.filter(|role| sight.is_below_me(*role)).collect(),
            may: sight.my_permissions(),
            dip: None,
        })
    }
}

/// How many roles with power stood below the bot and do no more.
fn overtaken(known: &Place, present: &Place, structure: &Structure) -> usize {
    let lost = known.below.difference(&present.below);
    let lost = lost.filter(|role| {
        structure.get(Kind::Role, **role).is_some() && role_bits(structure, **role) & POWER != 0
    });
    lost.count()
}
