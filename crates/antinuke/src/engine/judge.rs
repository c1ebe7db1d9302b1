//! What counts, for whom, and whether it is too much.

use std::sync::Arc;

use serde_json::Value;
use splashtail_guild::{Id, Structure};

use super::discount::{Discount, FULL, NOTHING};
use super::retention::{MAX_EVIDENCE, MAX_OBJECTS, bounded};
use super::{Engine, Evidence};
use crate::act::{Act, Instant};
use crate::actor::{State, fold_id};
use crate::effect::{Alert, Effect, Notice};
use crate::entry::{Entry, action as a};
use crate::incident::{IncidentKind, Rule};
use crate::limit::LimitType as T;
use crate::members::owner;
use crate::moment::{DAY, Moment};
use crate::window::{DESTRUCTIVE, DISCOUNTED, FURTHER, Mark};

impl Engine {
    /// Counts an act for somebody and answers it when it is too much.
    pub(super) fn count(
        &mut self,
        actor: Id,
        act: Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if self.is_maintained(actor, &act) {
            return;
        }
        self.note(actor, &act, raw, structure, now);
        if !self.reads_log {
            self.late.remove(&actor);
        }
        if let Some(raw) = raw.and_then(Entry::read) {
            self.note_ties(actor, &raw, &act, structure, now);
        }
        let spared = self.is_spared(actor, structure);
        let mut act = act;
        self.freed(&mut act);
        if spared {
            let rules = self.rules_of(actor, &act, structure, act.at());
            let instant = act.instants.iter().any(|i| i.is_punished());
            if instant || !rules.is_empty() {
                self.tell_of_spared(actor, structure, now, out);
            }
            return;
        }
        self.went_on(actor, &act, raw, structure, now, out);
        let mut rules = self.rules_of(actor, &act, structure, act.at());
        let punished = act.instants.iter().filter(|i| i.is_punished());
        rules.extend(punished.map(|what| Rule::Instant { what: *what }));
        self.answer_act(actor, &act, rules, structure, now, out);
        if let Some(inviter) = self.inviter_of(actor, act.at(), structure) {
            self.note(inviter, &act, raw, structure, now);
            if !self.is_spared(inviter, structure) {
                let rules = self.rules_of(inviter, &act, structure, act.at());
                self.answer_act(inviter, &act, rules, structure, now, out);
            }
        }
    }

    fn answer_act(
        &mut self,
        actor: Id,
        act: &Act,
        rules: Vec<Rule>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let parties = self.parties_of(actor, structure, act, now);
        let shared = match parties.is_empty() {
            true => Vec::new(),
            false => self.shared_rules(actor, &parties, act, structure),
        };
        if rules.is_empty() && shared.is_empty() {
            self.repair_without_blame(actor, act, structure, now, out);
            self.suspect(actor, act, structure, now, out);
            return;
        }
        let kind = match (shared.is_empty(), act.instants.contains(&Instant::Tamper)) {
            (_, true) => IncidentKind::Tamper,
            (false, false) => IncidentKind::Colluders,
            (true, false) => IncidentKind::Actor,
        };
        let mut all = rules;
        all.extend(&shared);
        if all.iter().all(|rule| self.policy.is_only_told(rule)) {
            let alert = Alert {
                notice: Notice::OnlyTold,
                incident: None,
                about: Some(actor),
                owner: false,
            };
            self.tell(alert, now, out);
            self.repair_without_blame(actor, act, structure, now, out);
            return;
        }
        if self.begins_anew(actor, now) {
            let actor = self.actor(actor);
            (actor.state, actor.incident) = (State::Idle, None);
            actor.tried.clear();
        }
        if self.actor(actor).is_held() && shared.is_empty() {
            self.repair_in_incident(actor, act, structure, now, out);
            return;
        }
        let shares = parties.iter().find_map(|(other, link)| {
            let known = self.actors.get(other)?.incident?;
            let open = self.incidents.get(&known).is_some_and(|i| self.goes_on(i));
            open.then_some((known, *link))
        });
        if let Some((known, link)) = shares.filter(|_| self.actor(actor).incident.is_none()) {
            self.join(known, actor, link, structure, now);
        }
        let incident = self.open(actor, kind, &all, structure, now);
        self.repair(incident, &act.repairs, structure, now, out);
        let mut who = vec![actor];
        if !shared.is_empty() {
            for (other, link) in &parties {
                self.join(incident, *other, *link, structure, now);
                who.push(*other);
            }
        }
        self.contain(incident, &who, structure, now, out);
        self.publish(incident, false, now, out);
    }

    /// Puts an act into somebody's windows and keeps it as evidence. What it counts first is given
    /// back, so that it can be taken out again.
    pub(super) fn note(
        &mut self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
    ) -> Option<Mark> {
        let (discount, marks) = self.marks_of(actor, act, raw, structure);
        for mark in &marks {
            self.actor(actor).windows.add(*mark);
        }
        if let Some(target) = act.target
            && matches!(
                act.action,
                a::CHANNEL_CREATE | a::ROLE_CREATE | 50 | 60 | 90 | 100 | 110 | 130 | 140
            )
        {
            if self.made.len() >= MAX_OBJECTS {
                self.made.pop_first();
            }
            self.made.insert(target, (actor, act.at()));
        }
        bounded(&mut self.evidence, MAX_EVIDENCE).push_back(Evidence {
            actor,
            act: act.clone(),
            raw: raw.map(|raw| Arc::new(raw.clone())),
            counted: discount != NOTHING,
        });
        let _ = now;
        marks.first().copied()
    }

    /// What an act puts into somebody's windows, and what was taken from it.
    pub(super) fn marks_of(
        &self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
    ) -> (Discount, Vec<Mark>) {
        let discount = self.discount(actor, act, raw, structure);
        let target = act.target.unwrap_or(act.id);
        let common = self.parent_of(target, structure).unwrap_or(target);
        let mut flags = if act.destructive { DESTRUCTIVE } else { 0 };
        if discount != FULL {
            flags |= DISCOUNTED;
        }
        if discount == NOTHING {
            return (discount, Vec::new());
        }
        let marks = act.counts.iter().enumerate().map(|(place, count)| {
            let first = place == 0;
            let harms = first && !self.policy.only_tells(count.kind);
            Mark {
                entry: act.id.get(),
                target: fold_id(common),
                points: if harms { discount.of(act.points) } else { 0 },
                count: discount.of(count.count),
                kind: count.kind as u8,
                flags: if first { flags } else { FURTHER | DISCOUNTED },
            }
        });
        (discount, marks.collect())
    }

    /// Freeing somebody who was contained is a hit of its own.
    fn freed(&self, act: &mut Act) {
        let Some(target) = act.target else { return };
        let held = self.actors.get(&target).is_some_and(|actor| {
            matches!(actor.state, State::Contained { .. } | State::Watch { .. })
        });
        let frees = act.action == a::MEMBER_BAN_REMOVE
            || act.counts.iter().any(|c| c.kind == T::DangerousRoleGiven);
        if held && frees {
            act.instants.push(Instant::FreedContained);
        }
    }

    pub(super) fn inviter_of(&self, bot: Id, at: Moment, structure: &Structure) -> Option<Id> {
        let (inviter, since) = self.inviters.get(&bot)?;
        let shares = at.since(*since) < DAY && Some(*inviter) != owner(structure);
        shares.then_some(*inviter)
    }
}
