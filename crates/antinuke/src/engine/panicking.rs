//! The panic: dangerous permissions are taken from everybody within reach.

use std::collections::BTreeSet;

use splashtail_guild::{Id, Kind, Structure};

use super::Engine;
use crate::bits::{ADMINISTRATOR, PANIC, SPEECH};
use crate::effect::{Effect, Inverse, Outcome, Rung};
use crate::members::role_bits;
use crate::moment::Moment;
use crate::panic::{self, Panic, Reach, Taken};
use crate::policy::Mode;

impl Engine {
    /// What a panic would take now, beside what one has taken that is on. Nothing is noted.
    pub fn panic_reach(&self, structure: &Structure, now: Moment) -> Reach {
        let (sight, guild) = (self.sight(structure), self.guild);
        let calls = self.with_case(now.id(), guild, |case, engine| {
            let taken = (PANIC, engine.taken());
            panic::begin(&case, engine.sight(structure), taken, &[], now)
        });
        let mut reach = Reach::default();
        for call in &calls {
            match call.inverse {
                Some(Inverse::GiveBits { role, taken, left }) => {
                    reach.roles.push(Taken { role, taken, left });
                }
                Some(Inverse::EndPause) => reach.pauses = true,
                _ => {}
            }
        }
        // The bot's own role is left alone: whoever has the bot has more than that.
        let mine = sight.roles(sight.me).unwrap_or_default();
        let has_power = |role: Id| role_bits(structure, role) & PANIC != 0;
        let stays = structure.all(Kind::Role).map(|(role, _)| role);
        let stays = stays.filter(|role| has_power(*role) && !mine.contains(role));
        let stays = stays.filter(|role| !reach.roles.iter().any(|known| known.role == *role));
        reach.beyond = stays.collect();
        reach
    }

    pub(super) fn begin_panic(
        &mut self,
        incident: Id,
        mask: u64,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let dry = self
            .incidents
            .get(&incident)
            .is_none_or(|i| i.mode != Mode::On);
        let before = self.panic.as_ref().map_or(0, |panic| panic.mask);
        let told = self.incidents.get(&incident).is_some_and(|i| i.panic);
        if dry && told {
            return;
        }
        if mask & !before == 0 {
            // Another incident's panic took it all: this one relies on that.
            if let Some(open) = self.incidents.get_mut(&incident) {
                open.panic = true;
            }
            return;
        }
        let suspects = self.incidents.get(&incident).map(|i| i.suspects.clone());
        let first: Vec<Id> = suspects
            .iter()
            .flatten()
            .filter_map(|suspect| self.members.get(suspect.id))
            .flat_map(|member| member.roles.iter().copied())
            .collect();
        let guild = self.guild;
        let mask = mask | before;
        let calls = self.with_case(incident, guild, |case, engine| {
            let taken = (mask, engine.taken());
            panic::begin(&case, engine.sight(structure), taken, &first, now)
        });
        if let Some(open) = self.incidents.get_mut(&incident) {
            open.panic = true;
        }
        if !dry {
            let panic = self.panic.get_or_insert_with(|| Panic {
                incident,
                mask,
                since: now,
                renewed: now,
                confirmed: false,
                taken: Vec::new(),
                suspect_roles: Vec::new(),
            });
            panic.mask = mask;
            panic.note_taken(&calls);
            panic.suspect_roles.extend(first);
            self.round = self.round.wrapping_add(1);
        }
        for call in calls {
            self.issue(incident, call, structure, now, out);
        }
    }

    fn taken(&self) -> &[Taken] {
        self.panic.as_ref().map_or(&[], |panic| &panic.taken)
    }

    /// What of writing and speaking can be taken from everybody: what the bot has by roles of its
    /// own, so that it still has it then and can give it back.
    pub(super) fn speech(&self, structure: &Structure) -> u64 {
        let roles = self.sight(structure).roles(self.me).unwrap_or_default();
        let own = roles.into_iter().filter(|role| *role != self.guild);
        let own = own.fold(0, |all, role| all | role_bits(structure, role));
        match own & ADMINISTRATOR {
            0 => SPEECH & own,
            _ => SPEECH,
        }
    }

    /// Takes from roles that came below the bot since a panic began what was taken from the others.
    /// Roles that are disarmed by themselves, or were made since, are not among them.
    pub(super) fn extend_panic(
        &mut self,
        risen: &[Id],
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(panic) = &self.panic else { return };
        let (incident, mask) = (panic.incident, panic.mask);
        let calls = self.incidents.values().flat_map(|i| &i.calls);
        let disarmed = calls.filter(|record| {
            let stands = matches!(record.outcome, None | Some(Outcome::Done));
            record.call.key.rung == Rung::DisarmRole && stands && !record.returned
        });
        let disarmed: BTreeSet<Id> = disarmed.map(|record| record.call.key.subject).collect();
        let roles = risen.iter().copied().filter(|role| {
            Moment::of(*role) <= panic.since
                && !disarmed.contains(role)
                && !panic.taken.iter().any(|taken| taken.role == *role)
        });
        let roles: Vec<Id> = roles.collect();
        self.round = self.round.wrapping_add(1);
        let guild = self.guild;
        let calls = self.with_case(incident, guild, |case, engine| {
            let taken = (mask, engine.taken());
            panic::take_from(&case, engine.sight(structure), taken, roles)
        });
        if calls.is_empty() {
            return;
        }
        let suspects = self.incidents.values().flat_map(|i| &i.suspects);
        let held = suspects.filter_map(|suspect| self.members.get(suspect.id));
        let held: Vec<Id> = held
            .flat_map(|member| member.roles.iter().copied())
            .collect();
        if let Some(panic) = &mut self.panic {
            panic.note_taken(&calls);
            let theirs = risen.iter().filter(|role| held.contains(role));
            let fresh = theirs.filter(|role| !panic.suspect_roles.contains(role));
            let fresh: Vec<Id> = fresh.copied().collect();
            panic.suspect_roles.extend(fresh);
        }
        for call in calls {
            self.issue(incident, call, structure, now, out);
        }
        self.publish(incident, false, now, out);
    }

    pub(super) fn renew_panic(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let due = self.panic.as_ref().filter(|panic| panic.needs_renewal(now));
        let Some(incident) = due.map(|panic| panic.incident) else {
            return;
        };
        let guild = self.guild;
        self.round = self.round.wrapping_add(1);
        let call = self.with_case(incident, guild, |case, engine| {
            panic::pause(&case, engine.sight(structure), Some(now))
        });
        if let Some(panic) = &mut self.panic {
            panic.renewed = now;
        }
        self.issue(incident, call, structure, now, out);
    }
}
