//! What the defence does to people who have nothing to do with the attack.

use std::collections::BTreeSet;

use splashtail_sandbox_world::world::{AuditEntry, Id, Removal, Removed, Verdict, World, action};

use super::spoils::Spoils;
use super::types::Innocents;

/// What came of a knock at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In, or waiting for a verdict.
    Admitted,
    TurnedAway,
    /// Kept out by a fault.
    Struck,
}

/// Counts by the audit log, and by what became of people.
#[derive(Debug, Default)]
pub(super) struct Bystanders {
    seen: Innocents,
    touched: BTreeSet<Id>,
}

impl Bystanders {
    /// A harmless newcomer came to the door.
    pub fn arrived(&mut self, how: Arrival) {
        self.seen.arrived += 1;
        match how {
            Arrival::Admitted => {}
            Arrival::TurnedAway => self.seen.turned_away += 1,
            Arrival::Struck => self.seen.struck += 1,
        }
    }

    /// Takes in an entry by someone who is no attacker.
    pub fn note(&mut self, entry: &AuditEntry, attackers: &BTreeSet<Id>) {
        let Some(target) = entry.target.filter(|target| !attackers.contains(target)) else {
            return;
        };
        let change = |key: &str| entry.changes.iter().find(|c| c.key == key);
        let count = match entry.action {
            action::MEMBER_UPDATE
                if change("communication_disabled_until").is_some_and(|c| c.new.is_some()) =>
            {
                &mut self.seen.timed_out
            }
            action::MEMBER_ROLE_UPDATE if change("$remove").is_some() => &mut self.seen.roles_taken,
            _ => return,
        };
        *count += 1;
        self.touched.insert(target);
    }

    /// Somebody who is no attacker was removed by another who is none.
    pub fn removed(&mut self, removal: &Removal) {
        *match removal.how {
            Removed::Banned => &mut self.seen.banned,
            Removed::Kicked | Removed::Pruned => &mut self.seen.kicked,
        } += 1;
        self.touched.insert(removal.user);
    }

    /// How they fared as of now.
    pub fn report(
        &self,
        world: &World,
        guild: Id,
        attackers: &BTreeSet<Id>,
        spoils: &Spoils,
    ) -> Innocents {
        let greetings = spoils.greetings.iter();
        let gone = greetings.filter(|(channel, id)| world.message(*channel, *id).is_none());
        let guild = world.guilds.get(&guild);
        let requests = guild.into_iter().flat_map(|g| g.join_requests.values());
        let rejected = requests.filter(|r| {
            r.status == Verdict::Rejected
                && !attackers.contains(&r.user)
                && spoils.asked.contains_key(&r.user)
        });
        let turned_away = self.seen.turned_away + rejected.count() as u32;
        Innocents {
            turned_away,
            messages_deleted: gone.count() as u64,
            touched: self.touched.len() as u64 + u64::from(turned_away),
            ..self.seen
        }
    }
}
