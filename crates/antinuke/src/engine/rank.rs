//! Whether the bot was moved down. Positions leave no entry: it shows only in what is below it.

use std::collections::BTreeSet;

use splashtail_guild::{Id, Kind, Structure};

use super::{Engine, NOBODY};
use crate::act::Instant;
use crate::bits::{PANIC, POWER};
use crate::effect::Effect;
use crate::incident::{ActRecord, IncidentKind, Rule};
use crate::members::role_bits;
use crate::moment::{Moment, SECOND};

/// Roles that are dragged come one by one, in orders that nobody wanted: the order is judged when no
/// role changed for so long.
const QUIET: u64 = 3 * SECOND / 2;
/// Whoever goes on changing roles does not put it off for longer.
const LONGEST: u64 = 5 * SECOND;
/// Once the bot is back where it was: what was done meanwhile may be told of so much later.
const TOLD_LATER: u64 = 3 * SECOND;
/// The event of a role comes so long after the role was moved, at the most.
const ON_ITS_WAY: u64 = SECOND;

/// The bot's place as it was last, while nothing was in doubt.
#[derive(Debug)]
pub(super) struct Place {
    below: BTreeSet<Id>,
    may: u64,
    dip: Option<Dip>,
}

/// Roles with power are above the bot, or were until lately.
#[derive(Debug)]
struct Dip {
    since: Moment,
    /// When a role changed.
    last: Moment,
    /// Roles that were above the bot in it and are not otherwise.
    above: BTreeSet<Id>,
    /// When the bot was back in its place.
    over: Option<Moment>,
}

impl Place {
    pub(super) fn wakes(&self) -> Option<Moment> {
        let dip = self.dip.as_ref()?;
        Some(match dip.over {
            Some(over) => over.plus(TOLD_LATER),
            None => dip.last.plus(QUIET).min(dip.since.plus(LONGEST)),
        })
    }
}

impl Engine {
    /// To be called when a role or the bot's own member changed.
    pub(super) fn watch_rank(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        let Some(present) = self.present_place(structure) else {
            return;
        };
        // After a start nothing is known of before: whatever the bot may do may be new.
        let known = self.place.as_ref();
        let gained = known.map_or(present.may, |known| present.may & !known.may);
        let risen = known.map_or(Vec::new(), |known| {
            present.below.difference(&known.below).copied().collect()
        });
        self.take_place(present, structure, now, out);
        self.reach_again(gained, structure, now, out);
        self.extend_panic(&risen, structure, now, out);
    }

    fn take_place(
        &mut self,
        present: Place,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(known) = &mut self.place else {
            self.place = Some(present);
            return;
        };
        let above = overtaken(known, &present, structure);
        if above.is_empty() {
            if let Some(dip) = &mut known.dip {
                dip.over.get_or_insert(now);
            }
            let dip = known.dip.take();
            *known = Place { dip, ..present };
            return;
        }
        let dip = known.dip.get_or_insert_with(|| Dip {
            since: now,
            last: now,
            above: BTreeSet::new(),
            over: None,
        });
        dip.last = now;
        dip.over = None;
        dip.above.extend(above);
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
        let lost = overtaken(&known, &present, structure).len();
        self.place = Some(present);
        // A bot that is back was moved by somebody's dragging, unless it was made use of.
        let used = known
            .dip
            .map_or(Vec::new(), |dip| self.done_in(&dip, structure));
        if lost == 0 && used.is_empty() {
            return;
        }
        let what = Instant::Tamper;
        let guild = self.guild;
        let rules = [Rule::Instant { what }];
        let kind = IncidentKind::Tamper;
        // What others did is no part of somebody's attack.
        let incident = match used.is_empty() {
            true => self.open_beside(guild, None, kind, &rules, structure, now),
            false => self.open(guild, kind, &rules, structure, now),
        };
        if let Some(open) = self.incidents.get_mut(&incident) {
            used.into_iter().for_each(|act| open.note_act(act));
        }
        // One role above the bot may be somebody's tidying; several are an attack on the bot.
        if lost > 1 {
            self.begin_panic(incident, PANIC, structure, now, out);
        }
        self.publish(incident, true, now, out);
    }

    /// Destructive acts of people whom nothing could stop while the bot was low, and of nobody, as
    /// far as they belong to no incident.
    fn done_in(&self, dip: &Dip, structure: &Structure) -> Vec<ActRecord> {
        let from = dip.since.minus(ON_ITS_WAY);
        let acts = self.evidence.iter().filter(|e| {
            let at = e.act.at();
            let then = at >= from && dip.over.is_none_or(|over| at <= over);
            then && e.act.destructive && e.counted
        });
        let acts = acts.filter(|e| {
            let roles = self.sight(structure).roles(e.actor).unwrap_or_default();
            let stood_above = roles.iter().any(|role| dip.above.contains(role));
            (e.actor == NOBODY || stood_above) && !self.is_spared(e.actor, structure)
        });
        // What an incident tells of already needs no second one.
        let acts = acts.filter(|e| {
            let actor = (e.actor != NOBODY).then_some(e.actor);
            !self.incidents.values().any(|i| i.holds(actor, &e.act))
        });
        acts.filter_map(|e| self.record_of(e.actor, &e.act, e.raw.as_deref(), structure))
            .collect()
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

/// Roles with power that stood below the bot and do no more.
fn overtaken(known: &Place, present: &Place, structure: &Structure) -> Vec<Id> {
    let lost = known.below.difference(&present.below).copied();
    let armed = lost.filter(|role| {
        structure.get(Kind::Role, *role).is_some() && role_bits(structure, *role) & POWER != 0
    });
    armed.collect()
}
