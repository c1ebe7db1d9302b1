//! Deeds without an entry: they count for nobody, and only permissions are taken for them.

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use super::retention::{MAX_PENDING, bounded};
use super::{Engine, NOBODY, Patience, Pending};
use crate::act::{Act, Count, Repair};
use crate::bits;
use crate::effect::{Alert, Call, Effect, Inverse, Notice};
use crate::entry::{Entry, action as a};
use crate::incident::IncidentKind;
use crate::limit::{LimitType as T, UNIT};
use crate::moment::{HOUR, MINUTE, Moment, SECOND};
use crate::window::Mark;

/// Entries of a deed come before or after its event; so long they are waited for.
const PATIENCE: u64 = 2 * SECOND;
/// A role held without an entry takes longer to explain.
const ROLE_PATIENCE: u64 = 10 * SECOND;
/// An entry that comes later than this explains a deed no more.
const EXPLAINED_FOR: u64 = 10 * MINUTE;
/// From the entry that explains enough to the return of what was taken: more of them follow, and
/// Discord tells of the roles as they are now.
const RELIEF: u64 = 2 * SECOND;
const BLIND_AT: usize = 10;

pub(super) fn patience(action: u16) -> u64 {
    match action {
        a::MEMBER_ROLE_UPDATE => ROLE_PATIENCE,
        _ => PATIENCE,
    }
}

/// Whether an entry says that somebody was given power: roles that are taken, ours among them, and
/// harmless ones explain none. Of a role that is not there any more nobody knows what it gave.
fn gives_power(entry: &Entry<'_>, structure: &Structure) -> bool {
    let armed = |role: &Id| {
        let known = structure.get(Kind::Role, *role);
        known.is_none_or(|role| bits::read(&role["permissions"]) & bits::POWER != 0)
    };
    entry.roles("$add").iter().any(armed)
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
        // What we took from a member does not explain what they have.
        let of_power = action == a::MEMBER_ROLE_UPDATE;
        let own = self.own.iter().any(|own| {
            own.action == action
                && (own.gives || !of_power)
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
            patience: Patience::Waiting,
        });
    }

    /// An entry explains a deed: what was counted for nobody is taken back.
    pub(super) fn explain(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(target) = entry.target else { return };
        if entry.action == a::MEMBER_ROLE_UPDATE && !gives_power(entry, structure) {
            return;
        }
        let place = self
            .pending
            .iter()
            .position(|p| p.action == entry.action && p.target == target);
        let Some(deed) = place.and_then(|place| self.pending.remove(place)) else {
            let known = (entry.action, target, now);
            bounded(&mut self.explained, MAX_PENDING).push_back(known);
            return;
        };
        match deed.patience {
            Patience::Waiting | Patience::Asking => {}
            Patience::Counted(mark) => {
                if let Some((nobody, mark)) = self.actors.get_mut(&NOBODY).zip(mark) {
                    nobody.windows.remove(&mark);
                }
                let of_it = |e: &super::Evidence| e.actor == NOBODY && e.act.id == deed.id;
                self.evidence.retain(|e| !of_it(e));
                let place = self.unexplained.iter().position(|at| *at == deed.at);
                place.map(|place| self.unexplained.remove(place));
                self.relief.get_or_insert(now.plus(RELIEF));
            }
            // What was taken for want of an entry goes back; the entry is judged by itself.
            Patience::Answered(incident) => {
                let his = |call: &Call| matches!(&call.inverse, Some(Inverse::GiveRoles { user, .. }) if *user == target);
                self.take_back(incident, his, structure, now, out);
                self.publish(incident, false, now, out);
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
        self.pending.retain(|p| now.since(p.at) <= EXPLAINED_FOR);
        let due =
            |p: &Pending| p.patience == Patience::Waiting && now.since(p.at) >= patience(p.action);
        let late: Vec<Pending> = self.pending.iter().filter(|p| due(p)).copied().collect();
        for deed in late {
            if deed.action == a::MEMBER_ROLE_UPDATE {
                self.set_patience(deed.id, Patience::Asking);
                self.begin_inquiry(deed.action, deed.at, true, now);
                continue;
            }
            self.set_patience(deed.id, Patience::Counted(None));
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
            let mark = self.by_nobody(act, None, structure, now, out);
            self.set_patience(deed.id, Patience::Counted(mark));
        }
    }

    fn set_patience(&mut self, deed: Id, patience: Patience) {
        if let Some(pending) = self.pending.iter_mut().find(|p| p.id == deed) {
            pending.patience = patience;
        }
    }

    /// Powers without an entry of which the log, read since, says nothing.
    pub(super) fn on_powers_unexplained(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let asked = self
            .pending
            .iter()
            .filter(|p| p.patience == Patience::Asking && p.action == a::MEMBER_ROLE_UPDATE);
        let asked: Vec<Pending> = asked.copied().collect();
        for deed in asked {
            let about = (deed.target, deed.at);
            let incident = self.on_unexplained_power(about, structure, now, out);
            let patience = incident.map_or(Patience::Counted(None), Patience::Answered);
            self.set_patience(deed.id, patience);
        }
    }

    /// Counts for nobody. When that is more than an administrator may, the log is asked, and then
    /// the permission goes that the act needs. What was counted is given back.
    pub(super) fn by_nobody(
        &mut self,
        act: Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) -> Option<Mark> {
        // Whoever has a webhook's URL changes and deletes it without a user, and no permission that
        // could be taken would stop that (discord-api-docs#7644).
        let by_url = (a::WEBHOOK_CREATE..=a::WEBHOOK_DELETE).contains(&act.action);
        if act.points == 0 || by_url {
            return None;
        }
        bounded(&mut self.unexplained, BLIND_AT).push_back(act.at());
        let noted = self.note(NOBODY, &act, raw, structure, now);
        let blind = self.unexplained.len() == BLIND_AT
            && self
                .unexplained
                .iter()
                .all(|at| now.since(*at) <= 10 * MINUTE);
        if blind || !self.may_read_audit_log(structure) {
            self.tell_of_blindness(now, out);
        }
        if self.rules_of(NOBODY, &act, structure, act.at()).is_empty() {
            return noted;
        }
        let known = self.actor(NOBODY).incident;
        if known.is_some_and(|id| self.incidents.contains_key(&id)) && self.panic.is_some() {
            self.add_evidence(NOBODY, &act, raw, structure, now, out);
            return noted;
        }
        self.begin_inquiry(act.action, act.at(), raw.is_some(), now);
        noted
    }

    /// Power that nobody gave: it is taken back, whoever has it.
    fn on_unexplained_power(
        &mut self,
        (user, at): (Id, Moment),
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) -> Option<Id> {
        let may_read = self.may_read_audit_log(structure);
        let blind = self.told.contains_key(&(Notice::Blind, self.guild));
        let member = self.members.here(user)?;
        let recent = member.empowered.is_some_and(|at| now.since(at) < HOUR);
        if !may_read || blind || !recent || self.is_spared(user, structure) {
            return None;
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
            return None;
        }
        let kind = IncidentKind::Tamper;
        let incident = self.open_beside(NOBODY, Some(user), kind, &[], structure, now);
        self.note_power(incident, user, at);
        self.repair(incident, &repairs, structure, now, out);
        let alert = Alert {
            notice: Notice::UnexplainedPower,
            incident: Some(incident),
            about: Some(user),
            owner: false,
        };
        self.tell(alert, now, out);
        self.publish(incident, false, now, out);
        Some(incident)
    }
}
