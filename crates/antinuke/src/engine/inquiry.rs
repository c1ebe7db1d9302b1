//! What the log is asked before anything is taken for deeds that nobody stands for, and how that is
//! taken back.

use std::collections::BTreeSet;

use splashtail_guild::{Id, Structure};

use super::{Engine, NOBODY};
use crate::act::stopped_by;
use crate::bits;
use crate::effect::{Alert, Effect, Notice, Poll, Rung};
use crate::entry::action as a;
use crate::incident::{IncidentKind, IncidentState};
use crate::limit::LimitType as T;
use crate::moment::{MINUTE, Moment, SECOND};

/// The log may lag behind the gateway: what it does not say counts only when it was read so long
/// after the hit.
pub(super) const SETTLING: u64 = 8 * SECOND;
const ASKED_EACH: u64 = 5 * SECOND;
/// A log that cannot be read for so long will not say anything.
const GIVEN_UP: u64 = MINUTE;
const RELIEF_AGAIN: u64 = 2 * SECOND;

/// A question to the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inquiry {
    since: Moment,
    after: Id,
    /// A reading at this moment or later answers it.
    settled: Moment,
    asked: Option<Moment>,
}

impl Inquiry {
    /// At once, because the entries may be there; then when the log had time.
    fn due(&self) -> Moment {
        self.asked
            .map_or(self.since, |asked| asked.plus(ASKED_EACH).max(self.settled))
    }
}

impl Engine {
    /// `late`: the log had its time already.
    pub(super) fn begin_inquiry(&mut self, action: u16, at: Moment, late: bool, now: Moment) {
        let settled = if late { now } else { now.plus(SETTLING) };
        self.inquiries.entry(action).or_insert(Inquiry {
            since: now,
            after: at.minus(5 * SECOND).id(),
            settled,
            asked: None,
        });
    }

    pub(super) fn inquiry_wakes(&self) -> Option<Moment> {
        let due = self.inquiries.values().map(Inquiry::due).min();
        let due = due.map(|due| due.max(self.poll_after));
        due.into_iter().chain(self.relief).min()
    }

    /// Asks what is due, one question at a time.
    pub(super) fn inquire(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        if self.inquiries.is_empty() {
            return;
        }
        if !self.may_read_audit_log(structure) {
            // There will be no entries: only the time is left.
            let over = self.inquiries.iter().filter(|(_, i)| now >= i.settled);
            let over: Vec<u16> = over.map(|(action, _)| *action).collect();
            for action in over {
                self.conclude(action, structure, now, out);
            }
            return;
        }
        let before = self.inquiries.len();
        self.inquiries
            .retain(|_, inquiry| now.since(inquiry.since) < GIVEN_UP);
        if self.inquiries.len() < before {
            self.tell_of_blindness(now, out);
        }
        if now < self.poll_after {
            return;
        }
        let due = self.inquiries.iter_mut().filter(|(_, i)| now >= i.due());
        let Some((action, inquiry)) = due.min_by_key(|(_, i)| i.asked) else {
            return;
        };
        inquiry.asked = Some(now);
        let (action, after) = (*action, inquiry.after);
        self.poll_after = now.plus(ASKED_EACH);
        out.push(Effect::PollAudit(Poll::Unexplained { action, after }));
    }

    pub(super) fn on_polled(
        &mut self,
        poll: Poll,
        read: bool,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        // What could not be read is asked again.
        let Poll::Unexplained { action, .. } = poll else {
            return;
        };
        if !read {
            return;
        }
        if action == a::MEMBER_BAN_ADD && !self.nulls.is_empty() {
            let first = self.nulls.iter().filter_map(|(raw, _)| Id::of(raw)).min();
            let at = Moment::of(first.unwrap_or(Id::MIN));
            let actor = self.bulk_banner_at(at, structure);
            self.give_nulls(actor, structure, now, out);
        }
        let inquiry = self.inquiries.get(&action);
        if inquiry.is_some_and(|inquiry| now >= inquiry.settled) {
            self.conclude(action, structure, now, out);
        }
    }

    /// The log said all that it will say of an action.
    fn conclude(&mut self, action: u16, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        self.inquiries.remove(&action);
        match action {
            a::MEMBER_ROLE_UPDATE => self.on_powers_unexplained(structure, now, out),
            _ => self.panic_over_nobody(structure, now, out),
        }
    }

    pub(super) fn tell_of_blindness(&mut self, now: Moment, out: &mut Vec<Effect>) {
        let alert = Alert {
            notice: Notice::Blind,
            incident: None,
            about: None,
            owner: false,
        };
        self.tell(alert, now, out);
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

    /// Limits that nobody is beyond, and the bits that those acts need.
    fn rules_of_nobody(&self, structure: &Structure) -> (Vec<crate::incident::Rule>, u64) {
        let Some(nobody) = self.actors.get(&NOBODY) else {
            return (Vec::new(), 0);
        };
        let last = nobody.windows.last();
        let kinds: Vec<T> = nobody.windows.kinds().collect();
        let mut mask = 0;
        let mut rules = Vec::new();
        for kind in &kinds {
            let found = self.rules_of_kind(NOBODY, *kind, structure, last);
            if !found.is_empty() {
                mask |= stopped_by(*kind);
                rules.extend(found);
            }
        }
        let points = self.rules_of_points(NOBODY, structure, last);
        if mask == 0 && !points.is_empty() {
            mask = kinds.iter().fold(0, |mask, kind| mask | stopped_by(*kind));
        }
        rules.extend(points);
        (rules, mask)
    }

    /// Takes from all what the unexplained acts need, if they are still too many.
    fn panic_over_nobody(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        let (rules, mask) = self.rules_of_nobody(structure);
        if rules.is_empty() || now.since(self.actor(NOBODY).windows.last()) > MINUTE {
            return;
        }
        let incident = self.open(NOBODY, IncidentKind::Unattributed, &rules, structure, now);
        self.begin_panic(incident, mask | bits::ADMINISTRATOR, structure, now, out);
        self.publish(incident, true, now, out);
    }

    /// Ends a panic whose deeds have entries by now, unless a person or another incident wants it.
    pub(super) fn relieve(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        if self.relief.is_none_or(|due| now < due) {
            return;
        }
        self.relief = None;
        let id = self.actors.get(&NOBODY).and_then(|nobody| nobody.incident);
        let Some(incident) = id.and_then(|id| self.incidents.get(&id)) else {
            return;
        };
        let id = incident.id;
        let panics = incident.kind == IncidentKind::Unattributed && incident.panic;
        if !panics || !self.rules_of_nobody(structure).0.is_empty() {
            return;
        }
        // A role that is not known to be edited yet would get nothing back.
        let mut calls = incident.calls.iter();
        let under_way = calls.any(|c| c.call.key.rung == Rung::PanicRole && c.outcome.is_none());
        if under_way && now.since(incident.updated) < MINUTE && self.panic.is_some() {
            self.relief = Some(now.plus(RELIEF_AGAIN));
            return;
        }
        let wanted = self.panic.as_ref().is_some_and(|p| p.confirmed)
            || self
                .incidents
                .values()
                .any(|other| other.id != id && other.panic && other.is_open());
        if wanted {
            return;
        }
        if self.panic.as_ref().is_some_and(|p| p.incident == id) {
            self.end_panic(true, structure, now, out);
        }
        if let Some(nobody) = self.actors.get_mut(&NOBODY) {
            nobody.incident = None;
        }
        self.set_state(id, IncidentState::Returned);
        self.publish(id, false, now, out);
    }
}
