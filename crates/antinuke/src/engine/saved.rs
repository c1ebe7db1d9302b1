//! What survives a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::Id;

use super::{Engine, Evidence, NOBODY};
use crate::act::Act;
use crate::actor::{Actor, State};
use crate::incident::Incident;
use crate::looks::Looks;
use crate::moment::Moment;
use crate::panic::Panic;
use crate::policy::Policy;
use crate::tag::TagKey;

/// Acts of the last half hour that are written down: what an attack began with belongs to its
/// incident, although the process was another.
const MAX_ACTS: usize = 128;

/// An act that somebody did lately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedAct {
    pub actor: Id,
    pub act: Act,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Value>,
    pub counted: bool,
}

/// Everything that decides later: windows, states, panic, who invited and made what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    pub highest: Option<Id>,
    pub actors: BTreeMap<Id, Actor>,
    pub seen: Vec<Id>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<SavedAct>,
    pub incidents: Vec<Incident>,
    pub panic: Option<Panic>,
    pub made: BTreeMap<Id, (Id, Moment)>,
    pub inviters: BTreeMap<Id, (Id, Moment)>,
    pub round: u16,
    pub looks: Looks,
}

impl Saved {
    /// Whether nothing in it decides anything.
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
            && self.incidents.is_empty()
            && self.panic.is_none()
            && self.made.is_empty()
            && self.inviters.is_empty()
            && self.looks.is_empty()
    }
}

impl Engine {
    /// The state to be written down. Equal states give equal values.
    pub fn save(&self) -> Saved {
        let needed = self.incidents.values().filter(|i| i.is_open());
        Saved {
            highest: (self.highest != Id::MIN).then_some(self.highest),
            actors: self
                .actors
                .iter()
                .filter(|(id, _)| **id != NOBODY)
                .map(|(id, actor)| (*id, Actor::clone(actor)))
                .collect(),
            seen: self.seen.0.iter().copied().collect(),
            acts: self.acts_of_people(),
            incidents: needed.cloned().collect(),
            panic: self.panic.clone(),
            made: self.made.clone(),
            inviters: self.inviters.clone(),
            round: self.round,
            looks: self.looks.clone(),
        }
    }

    /// The newest, oldest first. What nobody stands for is not kept, as its counts are not.
    fn acts_of_people(&self) -> Vec<SavedAct> {
        let people = self.evidence.iter().filter(|e| e.actor != NOBODY);
        let newest = people.rev().take(MAX_ACTS).map(|e| SavedAct {
            actor: e.actor,
            act: e.act.clone(),
            entry: e.raw.as_deref().cloned(),
            counted: e.counted,
        });
        let mut acts: Vec<SavedAct> = newest.collect();
        acts.reverse();
        acts
    }

    /// Goes on from what was written down. A step that was under way is answered by nobody any more;
    /// it is not sent again, because its key stands in the incident: when it did not hold, the next
    /// one follows.
    pub fn warm(guild: Id, me: Id, policy: Arc<Policy>, tags: TagKey, saved: Saved) -> Self {
        let mut engine = Self::new(guild, me, policy, tags);
        engine.highest = saved.highest.unwrap_or(Id::MIN);
        engine.seen.1 = saved.seen.iter().copied().collect();
        engine.seen.0 = saved.seen.into();
        let actors = saved.actors.into_iter();
        engine.actors = actors.map(|(id, actor)| (id, Box::new(actor))).collect();
        for (user, actor) in &mut engine.actors {
            // Members are not written down: an answer of earlier is not known any more.
            actor.asked = false;
            actor.fetched = false;
            // What was under way may have held: of that the log and their roles tell.
            if matches!(actor.state, State::Acting { .. }) {
                engine.late.insert(*user);
            }
        }
        let evidence = saved.acts.into_iter().map(|saved| Evidence {
            actor: saved.actor,
            act: saved.act,
            raw: saved.entry.map(Arc::new),
            counted: saved.counted,
        });
        engine.evidence = evidence.collect();
        engine.incidents = saved.incidents.into_iter().map(|i| (i.id, i)).collect();
        engine.panic = saved.panic;
        engine.made = saved.made;
        engine.inviters = saved.inviters;
        engine.round = saved.round;
        engine.looks = saved.looks;
        engine.part_from_dry_runs();
        engine.release_cleared();
        engine
    }

    /// Begins anew from what was written down, when it could be read only after events had come.
    /// What was learnt of members and channels stays; what was counted meanwhile counts no more, and
    /// is to be told again (see [`Input::Gap`](crate::Input::Gap)).
    pub fn resume(&mut self, policy: Arc<Policy>, saved: Saved) {
        let tags = self.tags.clone();
        let warm = Self::warm(self.guild, self.me, policy, tags, saved);
        let cold = std::mem::replace(self, warm);
        self.members = cold.members;
        self.activity = cold.activity;
        self.graveyard = cold.graveyard;
        self.place = cold.place;
    }

    /// Whether nothing would be lost by forgetting this guild.
    pub fn is_idle(&self) -> bool {
        self.panic.is_none()
            && self
                .actors
                .values()
                .all(|a| a.state == State::Idle && a.windows.kinds().next().is_none())
    }
}
