//! What nobody is held responsible for, and the attack it belongs to: one attack is one incident,
//! whichever part of it shows first.

use splashtail_guild::{Id, Structure};

use super::{Engine, NOBODY};
use crate::act::{Act, Repair};
use crate::incident::{ActRecord, Incident, IncidentKind, Rule};
use crate::limit::LimitType;
use crate::moment::{MINUTE, Moment};

impl Engine {
    /// The incident of something that nobody is held responsible for: that of the person whom it is
    /// about, else the attack that is under way, else one that stands for itself.
    pub(super) fn open_beside(
        &mut self,
        stand_in: Id,
        about: Option<Id>,
        kind: IncidentKind,
        rules: &[Rule],
        structure: &Structure,
        now: Moment,
    ) -> Id {
        let theirs = about.and_then(|who| self.open_incident_of(who, now));
        let Some(id) = theirs.or_else(|| self.attack_under_way(now)) else {
            let id = self.open(stand_in, kind, rules, structure, now);
            if let Some(who) = about.filter(|who| self.is_known(*who)) {
                // Not held responsible; what they are found to have done belongs to it.
                self.actor(who).incident = Some(id);
            }
            return id;
        };
        if let Some(open) = self.incidents.get_mut(&id) {
            rules.iter().for_each(|rule| open.note_rule(*rule));
        }
        id
    }

    fn open_incident_of(&self, who: Id, now: Moment) -> Option<Id> {
        let id = self.actors.get(&who)?.incident?;
        let found = self.incidents.get(&id)?;
        (self.goes_on(found) && self.is_fresh(found, now)).then_some(id)
    }

    /// The last attack of somebody who is known.
    fn attack_under_way(&self, now: Moment) -> Option<Id> {
        let all = self.incidents.values();
        let open = all
            .filter(|i| !i.suspects.is_empty() && self.goes_on(i) && now.since(i.updated) < MINUTE);
        open.max_by_key(|i| i.updated).map(|i| i.id)
    }

    fn is_fresh(&self, incident: &Incident, now: Moment) -> bool {
        now.since(incident.updated) < 10 * MINUTE
    }

    fn is_known(&self, who: Id) -> bool {
        self.actors.contains_key(&who) && ![NOBODY, self.me, self.guild].contains(&who)
    }

    /// What began without anybody a moment before an attacker was found, and is nobody else's.
    pub(super) fn begun_without(&self, actor: Id, now: Moment) -> Option<Id> {
        let orphan = |i: &&Incident| {
            matches!(i.kind, IncidentKind::Webhook | IncidentKind::Tamper)
                && i.suspects.is_empty()
                && !i.asked_for
                && self.goes_on(i)
                && now.since(i.updated) < MINUTE
        };
        let others = |id: Id| {
            self.actors.iter().any(|(who, known)| {
                known.incident == Some(id)
                    && *who != actor
                    && self.is_known(*who)
                    && !self.webhooks.contains_key(who)
            })
        };
        let orphans = self.incidents.values().filter(orphan);
        let ours = orphans.filter(|i| !others(i.id));
        ours.max_by_key(|i| i.updated).map(|i| i.id)
    }

    /// Lists power that somebody got from nobody, once.
    pub(super) fn note_power(&mut self, incident: Id, user: Id, at: Moment) {
        let Some(open) = self.incidents.get_mut(&incident) else {
            return;
        };
        let record = ActRecord {
            actor: None,
            kind: LimitType::DangerousRoleGiven,
            target: Some(user),
            entry: None,
            at,
            before: None,
        };
        let mut acts = open.acts.iter();
        if !acts.any(|act| act.kind == record.kind && act.target == record.target) {
            open.note_act(record);
        }
    }

    /// Whom an act without an actor is about, and the power that they got by it.
    pub(super) fn note_repaired(&mut self, incident: Id, act: &Act) {
        for repair in &act.repairs {
            if let Repair::TakeRole { user, .. } = repair {
                self.note_power(incident, *user, act.at());
            }
        }
    }

    /// Whoever made a webhook, as far as that was seen.
    pub(super) fn maker_of(&self, webhook: Id) -> Option<Id> {
        let (maker, _) = self.made.get(&webhook)?;
        (*maker != NOBODY && *maker != self.me).then_some(*maker)
    }
}
