//! Incidents: begun, joined, gone on with, and what they list.

use serde_json::Value;
use splashtail_guild::{Id, Structure};

use super::retention::{MAX_EVIDENCE, MAX_INCIDENTS};
use super::{Engine, NOBODY};
use crate::act::{Act, Instant, deleted_kind};
use crate::actor::State;
use crate::effect::Effect;
use crate::incident::{
    ActRecord, Incident, IncidentKind, IncidentState, MAX_ACTORS, Rule, Suspect, Times,
};
use crate::moment::{MINUTE, Moment};
use crate::policy::Mode;

impl Engine {
    /// The incident of an actor: the one that is open, or a new one.
    pub(super) fn open(
        &mut self,
        actor: Id,
        kind: IncidentKind,
        rules: &[Rule],
        structure: &Structure,
        now: Moment,
    ) -> Id {
        let known = self.actors.get(&actor).and_then(|a| a.incident);
        let known = known.filter(|id| {
            let found = self.incidents.get(id);
            let held = self
                .actors
                .get(&actor)
                .is_some_and(|a| a.state != State::Idle);
            found.is_some_and(|i| self.goes_on(i) && (held || now.since(i.updated) < 10 * MINUTE))
        });
        let real = self.is_real(actor, structure);
        let known = known.or_else(|| self.begun_without(actor, now).filter(|_| real));
        let id = known.unwrap_or_else(|| self.begin(actor, kind, structure, now));
        if let Some(incident) = self.incidents.get_mut(&id) {
            let of_nobody = real && incident.suspects.is_empty() && !incident.asked_for;
            if incident.kind == IncidentKind::Actor || of_nobody {
                incident.kind = kind;
            }
            rules.iter().for_each(|rule| incident.note_rule(*rule));
        }
        if real {
            self.join(id, actor, 0, structure, now);
        }
        id
    }

    /// Whether more can come to an incident: one of a dry run would have nothing done about it when
    /// protection is on by now.
    pub(super) fn goes_on(&self, incident: &Incident) -> bool {
        incident.is_open() && (incident.asked_for || incident.mode == self.policy.mode)
    }

    /// In a dry run nobody was stopped: whoever would have been is judged anew once protection is on.
    pub(super) fn part_from_dry_runs(&mut self) {
        if self.policy.mode != Mode::On {
            return;
        }
        for actor in self.actors.values_mut() {
            let found = actor.incident.and_then(|id| self.incidents.get(&id));
            if found.is_some_and(|incident| incident.mode != Mode::On) {
                actor.incident = None;
                actor.state = State::Idle;
                actor.tried.clear();
            }
        }
    }

    fn begin(&mut self, actor: Id, kind: IncidentKind, structure: &Structure, now: Moment) -> Id {
        let last = self.evidence.iter().rev().find(|e| e.actor == actor);
        let id = last
            .map(|e| e.act.id)
            .filter(|id| !self.incidents.contains_key(id));
        let act = last.map_or(now, |e| e.act.at());
        let id = id.unwrap_or_else(|| self.own_id(now));
        while self.incidents.len() >= MAX_INCIDENTS {
            let idle = self
                .incidents
                .keys()
                .copied()
                .find(|id| !self.is_needed(*id));
            let first = idle.or_else(|| self.incidents.keys().next().copied());
            if let Some(first) = first {
                self.incidents.remove(&first);
            }
        }
        let incident = Incident {
            id,
            guild: self.guild,
            kind,
            mode: self.policy.mode,
            asked_for: false,
            state: IncidentState::Open,
            suspects: Vec::new(),
            rules: Vec::new(),
            acts: Vec::new(),
            acts_in_all: 0,
            calls: Vec::new(),
            panic: false,
            losses: Vec::new(),
            by_hand: Vec::new(),
            times: Times {
                act,
                received: now,
                decided: now,
                ..Times::default()
            },
            updated: now,
        };
        self.incidents.insert(id, incident);
        self.join(id, actor, 0, structure, now);
        id
    }

    /// Adds an actor, with what they did lately.
    pub(super) fn join(
        &mut self,
        incident: Id,
        actor: Id,
        link: u32,
        structure: &Structure,
        now: Moment,
    ) {
        let real = self.is_real(actor, structure);
        let column = self.column(actor, structure, now);
        let bot = self.sight(structure).is_bot(actor);
        let acts = self.evidence.iter().filter(|e| e.actor == actor);
        let acts: Vec<ActRecord> = acts
            .filter_map(|e| self.record_of(actor, &e.act, e.raw.as_deref(), structure))
            .collect();
        let Some(open) = self.incidents.get_mut(&incident) else {
            return;
        };
        let known = open.suspect(actor).is_some();
        if known || open.suspects.len() >= MAX_ACTORS {
            return;
        }
        for act in acts {
            // Evidence of whoever had a part in it may be listed.
            if !open.lists(&act) {
                open.note_act(act);
            }
        }
        if real {
            open.suspects.push(Suspect {
                id: actor,
                bot,
                column,
                link,
                contained: None,
                unreachable: false,
            });
            self.part_from_nobody(incident);
        }
        self.actor(actor).incident = Some(incident);
    }

    /// Somebody answers for an incident: what nobody stands for does not go on in it, and entries that
    /// explain that do not end it.
    fn part_from_nobody(&mut self, incident: Id) {
        if let Some(nobody) = self.actors.get_mut(&NOBODY) {
            nobody.incident.take_if(|theirs| *theirs == incident);
        }
    }

    /// Somebody who can be held responsible.
    fn is_real(&self, actor: Id, structure: &Structure) -> bool {
        let stand_ins = [NOBODY, self.me, structure.id(), self.guild];
        !stand_ins.contains(&actor) && !self.webhooks.contains_key(&actor)
    }

    pub(super) fn record_of(
        &self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
    ) -> Option<ActRecord> {
        let kind = deleted_kind(act.action);
        let before = kind.zip(act.target).and_then(|(kind, target)| {
            let object = self.object(kind, target, structure)?;
            Some((kind, object.clone()))
        });
        Some(ActRecord {
            actor: (actor != NOBODY).then_some(actor),
            kind: act.kind()?,
            target: act.target,
            entry: raw.cloned(),
            at: act.at(),
            before,
        })
    }

    pub(super) fn add_evidence(
        &mut self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(id) = self.actors.get(&actor).and_then(|a| a.incident) else {
            return;
        };
        let record = self.record_of(actor, act, raw, structure);
        let Some((incident, record)) = self.incidents.get_mut(&id).zip(record) else {
            return;
        };
        incident.note_act(record);
        // What follows is written down with the next change of state, or after a while.
        if incident.acts_in_all.is_multiple_of(MAX_EVIDENCE as u32 / 8) {
            incident.updated = now;
            out.push(Effect::Record(Box::new(incident.clone())));
        }
    }

    /// An incident against nobody who could be punished.
    pub(super) fn alarm(
        &mut self,
        what: Instant,
        act: Act,
        raw: &Value,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let structure = Structure::empty(self.guild);
        let me = self.me;
        self.note(me, &act, Some(raw), &structure, now);
        let known = self.actor(me).incident;
        let known = known.filter(|id| self.incidents.contains_key(id));
        let rules = [Rule::Instant { what }];
        let id = self.open(me, IncidentKind::SelfToken, &rules, &structure, now);
        match known == Some(id) {
            true => self.add_evidence(me, &act, Some(raw), &structure, now, out),
            false => self.publish(id, true, now, out),
        }
    }
}
