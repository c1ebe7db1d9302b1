//! Deeds without an entry: they count for nobody, and only permissions are taken for them.

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_guild::{Id, Structure};

use super::{Engine, MAX_PENDING, NOBODY, Pending, bounded};
use crate::act::{Act, Count, Repair, stopped_by};
use crate::bits;
use crate::effect::{Alert, Effect, Notice, Poll};
use crate::entry::{Entry, action as a};
use crate::incident::IncidentKind;
use crate::limit::{LimitType as T, UNIT};
use crate::moment::{HOUR, MINUTE, Moment, SECOND};

/// Entries of a deed come before or after its event; so long they are waited for.
const PATIENCE: u64 = 2 * SECOND;
/// A role held without an entry takes longer to explain.
const ROLE_PATIENCE: u64 = 10 * SECOND;
const BLIND_AT: usize = 10;

pub(super) fn patience(action: u16) -> u64 {
    match action {
        a::MEMBER_ROLE_UPDATE => ROLE_PATIENCE,
        _ => PATIENCE,
    }
}

impl Engine {
    /// A deed was seen by its event.
    pub(super) fn seen_deed(&mut self, action: u16, target: Id, now: Moment) {
        let place = self
            .explained
            .iter()
            .position(|(known, whom, _)| *known == action && *whom == target);
        if let Some(place) = place {
            self.explained.remove(place);
            return;
        }
        let own = self.own.iter().any(|own| {
            own.action == action
                && own.target.is_none_or(|whom| whom == target)
                && now.since(own.at) <= MINUTE
        });
        if own {
            return;
        }
        let id = self.own_id(now);
        bounded(&mut self.pending, MAX_PENDING).push_back(Pending {
            action,
            target,
            at: now,
            id,
            counted: false,
        });
    }

    /// An entry explains a deed: what was counted for nobody is taken back.
    pub(super) fn explain(&mut self, entry: &Entry<'_>, now: Moment) {
        let Some(target) = entry.target else { return };
        let place = self
            .pending
            .iter()
            .position(|p| p.action == entry.action && p.target == target);
        match place.and_then(|place| self.pending.remove(place)) {
            Some(pending) if pending.counted => {
                if let Some(nobody) = self.actors.get_mut(&NOBODY) {
                    nobody.windows.remove(pending.id.get());
                }
                self.unexplained.pop_back();
            }
            Some(_) => {}
            None => {
                let known = (entry.action, target, now);
                bounded(&mut self.explained, MAX_PENDING).push_back(known);
            }
        }
    }

    /// Counts deeds whose entry did not come in time, and forgets those it will not come for.
    pub(super) fn expire_pending(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        self.pending.retain(|p| now.since(p.at) <= MINUTE);
        let late: Vec<Pending> = self
            .pending
            .iter_mut()
            .filter(|p| !p.counted && now.since(p.at) >= patience(p.action))
            .map(|p| {
                p.counted = true;
                *p
            })
            .collect();
        for deed in late {
            if deed.action == a::MEMBER_ROLE_UPDATE {
                self.on_unexplained_power(deed.target, structure, now, out);
                continue;
            }
            let (kind, points) = match deed.action {
                a::CHANNEL_DELETE => (T::ChannelRemove, 8),
                a::ROLE_DELETE => (T::RoleRemove, 8),
                a::MEMBER_BAN_ADD => (T::Ban, 3),
                a::AUTOMOD_RULE_DELETE => (T::AutomodRemove, 4),
                a::SCHEDULED_EVENT_DELETE => (T::EventRemove, 2),
                a::THREAD_DELETE => (T::ThreadRemove, 3),
                a::SOUND_DELETE => (T::ExpressionRemove, 1),
                _ => continue,
            };
            let act = Act {
                id: deed.id,
                action: deed.action,
                target: Some(deed.target),
                channel: None,
                counts: vec![Count { kind, count: UNIT }],
                points: points * UNIT,
                destructive: true,
                needs: 0,
                instants: Vec::new(),
                repairs: Vec::new(),
            };
            self.by_nobody(act, None, structure, now, out);
        }
    }

    /// Counts for nobody. When that is more than an administrator may, the log is read once, and
    /// then the permission goes that the act needs.
    pub(super) fn by_nobody(
        &mut self,
        act: Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let action = act.action;
        let after = act.at().minus(5 * SECOND).id();
        // A harmless act without a user is a webhook's token or a race.
        if act.points == 0 {
            return;
        }
        bounded(&mut self.unexplained, BLIND_AT).push_back(now);
        self.note(NOBODY, &act, raw, structure, now);
        let blind = self.unexplained.len() == BLIND_AT
            && self
                .unexplained
                .iter()
                .all(|at| now.since(*at) <= 10 * MINUTE);
        let may_read = self.sight(structure).my_permissions() & bits::VIEW_AUDIT_LOG != 0;
        if blind || !may_read {
            let alert = Alert {
                notice: Notice::Blind,
                incident: None,
                about: None,
                owner: false,
            };
            self.tell(alert, now, out);
        }
        let at = act.at();
        let rules = self.rules_of(NOBODY, &act, structure, at);
        if rules.is_empty() {
            return;
        }
        let known = self.actor(NOBODY).incident;
        if known.is_some_and(|id| self.incidents.contains_key(&id)) && self.panic.is_some() {
            self.add_evidence(NOBODY, &act, raw, structure, now, out);
            return;
        }
        let asked = self.actor(NOBODY).asked;
        if !may_read || (asked && now >= self.poll_after) {
            self.panic_over_nobody(structure, now, out);
        } else if !asked {
            self.poll_after = now.plus(5 * SECOND);
            self.actor(NOBODY).asked = true;
            out.push(Effect::PollAudit(Poll::Unexplained { action, after }));
        }
    }

    pub(super) fn on_polled(
        &mut self,
        poll: Poll,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Poll::Unexplained { action, .. } = poll else {
            return;
        };
        if action == a::MEMBER_BAN_ADD && !self.nulls.is_empty() {
            let first = self.nulls.iter().filter_map(|(raw, _)| Id::of(raw)).min();
            let at = Moment::of(first.unwrap_or(Id::MIN));
            let actor = self.bulk_banner_at(at, structure);
            self.give_nulls(actor, structure, now, out);
        }
        self.panic_over_nobody(structure, now, out);
        self.actor(NOBODY).asked = false;
    }

    fn bulk_banner_at(&self, at: Moment, structure: &Structure) -> Option<Id> {
        let bans = self.evidence.iter().filter(|e| {
            e.act.action == a::MEMBER_BAN_ADD && e.actor != NOBODY && e.act.at().apart(at) <= SECOND
        });
        let users: BTreeSet<Id> = bans.map(|e| e.actor).collect();
        let both = bits::BAN_MEMBERS | bits::MANAGE_GUILD;
        let only = (users.len() == 1)
            .then(|| users.first().copied())
            .flatten()?;
        let had = self.sight(structure).recent_permissions(only, at)?;
        (had & both == both).then_some(only)
    }

    /// Takes from all what the unexplained acts need, if they are still too many.
    fn panic_over_nobody(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        let last = self.actor(NOBODY).windows.last();
        let kinds: Vec<T> = self.actor(NOBODY).windows.kinds().collect();
        let mut mask = 0;
        let mut rules = Vec::new();
        for kind in kinds {
            let found = self.rules_of_kind(NOBODY, kind, structure, last);
            if !found.is_empty() {
                mask |= stopped_by(kind);
                rules.extend(found);
            }
        }
        let points = self.rules_of_points(NOBODY, structure, last);
        if mask == 0 && !points.is_empty() {
            let kinds = self.actor(NOBODY).windows.kinds();
            mask = kinds.fold(0, |mask, kind| mask | stopped_by(kind));
        }
        rules.extend(points);
        if rules.is_empty() || now.since(last) > MINUTE {
            return;
        }
        let incident = self.open(NOBODY, IncidentKind::Unattributed, &rules, structure, now);
        self.begin_panic(incident, mask | bits::ADMINISTRATOR, structure, now, out);
        self.publish(incident, true, now, out);
    }

    /// Power that nobody gave: it is taken back, whoever has it.
    fn on_unexplained_power(
        &mut self,
        user: Id,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let sight = self.sight(structure);
        let may_read = sight.my_permissions() & bits::VIEW_AUDIT_LOG != 0;
        let blind = self.told.contains_key(&(Notice::Blind, self.guild));
        let Some(member) = self.members.here(user) else {
            return;
        };
        let recent = member.empowered.is_some_and(|at| now.since(at) < HOUR);
        if !may_read || blind || !recent || self.is_spared(user, structure) {
            return;
        }
        let roles = member.roles.iter().copied();
        let armed: Vec<Id> = roles
            .filter(|r| crate::members::role_bits(structure, *r) & bits::POWER != 0)
            .collect();
        let repairs = armed
            .into_iter()
            .map(|role| Repair::TakeRole { user, role });
        let repairs: Vec<Repair> = repairs.collect();
        if repairs.is_empty() {
            return;
        }
        let incident = self.open(NOBODY, IncidentKind::Tamper, &[], structure, now);
        self.repair(incident, &repairs, structure, now, out);
        let alert = Alert {
            notice: Notice::UnexplainedPower,
            incident: Some(incident),
            about: Some(user),
            owner: false,
        };
        self.tell(alert, now, out);
        self.publish(incident, false, now, out);
    }
}
