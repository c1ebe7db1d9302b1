//! The panic: dangerous permissions are taken from everybody within reach.

use splashtail_guild::{Id, Structure};

use super::Engine;
use crate::effect::{Effect, Inverse};
use crate::moment::Moment;
use crate::panic::{self, Panic, Taken};
use crate::policy::Mode;

impl Engine {
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
        if mask & !before == 0 || (dry && told) {
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
            panic::begin(&case, engine.sight(structure), mask, &first, now)
        });
        if let Some(open) = self.incidents.get_mut(&incident) {
            open.panic = true;
        }
        if !dry {
            let fresh = calls.iter().filter_map(|call| match call.inverse {
                Some(Inverse::GiveBits { role, taken, left }) => Some(Taken { role, taken, left }),
                _ => None,
            });
            let fresh: Vec<Taken> = fresh.collect();
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
            for taken in fresh {
                match panic.taken.iter_mut().find(|t| t.role == taken.role) {
                    Some(known) => {
                        known.taken |= taken.taken;
                        known.left = taken.left;
                    }
                    None => panic.taken.push(taken),
                }
            }
            panic.suspect_roles.extend(first);
            self.round = self.round.wrapping_add(1);
        }
        for call in calls {
            self.issue(incident, call, structure, now, out);
        }
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
