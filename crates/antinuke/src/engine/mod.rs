//! The engine of one guild: events in, effects out. It is serial, and knows time only from what it
//! is told.

mod answer;
mod attribute;
mod belonging;
mod colluders;
mod command;
mod contain;
mod discount;
mod gap;
mod gateway;
mod graveyard;
mod incidents;
mod inquiry;
mod judge;
mod looking;
mod measure;
mod near;
mod order;
mod own;
mod panicking;
mod rank;
mod reach;
mod repair;
mod retention;
mod saved;
mod telling;
mod trust;
mod unexplained;
mod wake;
mod webhook;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use crate::act::Act;
use crate::actor::{Actor, State};
use crate::effect::{CallKey, Effect, Notice, Outcome, Timing};

use crate::incident::Incident;
use crate::input::Input;
use crate::looks::Looks;
use crate::members::{Members, Sight};
use crate::moment::Moment;
use crate::panic::Panic;
use crate::policy::{Mode, Policy};
use crate::tag::TagKey;
use crate::window::Mark;
use inquiry::Inquiry;
use retention::{MAX_PENDING, bounded};

pub use near::Nearness;
pub use order::Order;
pub use saved::{Saved, SavedAct};

/// The stand-in for whoever did what nobody stands for.
pub const NOBODY: Id = Id::MIN;

#[derive(Debug, Clone, Copy)]
struct OwnCall {
    action: u16,
    target: Option<Id>,
    by: Option<Id>,
    at: Moment,
    /// It gives back what was taken from a member.
    gives: bool,
}

/// A deed seen by its event alone.
#[derive(Debug, Clone, Copy)]
struct Pending {
    action: u16,
    target: Id,
    at: Moment,
    /// Its id as an act of nobody.
    id: Id,
    patience: Patience,
}

/// How far a deed without an entry was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Its entry is waited for.
    Waiting,
    /// The log is asked first.
    Asking,
    /// It counts for nobody, unless its kind does not count.
    Counted(Option<Mark>),
    /// Something was taken back for it, in this incident.
    Answered(Id),
}

#[derive(Debug, Clone)]
struct Evidence {
    actor: Id,
    act: Act,
    raw: Option<Arc<Value>>,
    /// It was not one with another act.
    counted: bool,
}

/// An act whose actor seemed unable to do it: their roles are read anew first.
#[derive(Debug, Clone)]
struct Doubt {
    actor: Id,
    raw: Arc<Value>,
    since: Moment,
}

/// A merged entry and how far its count is known.
#[derive(Debug, Clone, Copy)]
struct Merged {
    action: u16,
    actor: Id,
    channel: Option<Id>,
    known: u64,
    at: Moment,
    /// Deletions seen since the count was known.
    seen_since: u32,
}

#[derive(Debug)]
pub struct Engine {
    guild: Id,
    me: Id,
    tags: TagKey,
    policy: Arc<Policy>,
    members: Members,
    seen: (VecDeque<Id>, BTreeSet<Id>),
    highest: Id,
    /// Boxed, because a map has room for twice of what is in it.
    actors: BTreeMap<Id, Box<Actor>>,
    incidents: BTreeMap<Id, Incident>,
    pending: VecDeque<Pending>,
    /// Entries whose event has not come yet.
    explained: VecDeque<(u16, Id, Moment)>,
    /// Bans without a user, and those with one, of a bulk ban.
    nulls: Vec<(Arc<Value>, Moment)>,
    own: VecDeque<OwnCall>,
    /// Effects of jobs, what they made, and when.
    effects: VecDeque<(Box<str>, Id, Moment)>,
    doubts: Vec<Doubt>,
    evidence: VecDeque<Evidence>,
    punished: VecDeque<Moment>,
    panic: Option<Panic>,
    made: BTreeMap<Id, (Id, Moment)>,
    inviters: BTreeMap<Id, (Id, Moment)>,
    /// Bots that were just added: their role is emptied when it shows, in the incident's name.
    held_bots: BTreeMap<Id, (Id, Moment)>,
    /// Last sign of life of a channel.
    activity: BTreeMap<Id, Moment>,
    graveyard: VecDeque<(Kind, Id, Arc<Value>, Moment)>,
    merged: BTreeMap<Id, Merged>,
    webhooks: BTreeMap<Id, webhook::Posts>,
    timed_out: VecDeque<(Id, Moment)>,
    unexplained: VecDeque<Moment>,
    /// What the log is asked of deeds without entries, by action.
    inquiries: BTreeMap<u16, Inquiry>,
    rereading: Option<gap::Rereading>,
    /// When a panic over nobody ends, because entries came for the deeds.
    relief: Option<Moment>,
    poll_after: Moment,
    told: BTreeMap<(Notice, Id), Moment>,
    raid_until: Moment,
    place: Option<rank::Place>,
    /// When those are taken up whose turn did not come, and the permissions that were gained for it.
    reach_at: Option<(Moment, u64)>,
    /// Members of whom nothing was known, and when they were asked for.
    asked_for: BTreeMap<Id, Moment>,
    looks: Looks,
    /// When Discord last took no ban of somebody outside the server: it takes so many of them.
    bans_full: Option<Moment>,
    /// The entry that is judged was read in the log.
    reads_log: bool,
    /// Suspects of whom that was so. Whoever holds no power any more is not punished for it.
    late: BTreeSet<Id>,
    serial: u32,
    /// Sets apart calls that are against nobody.
    round: u16,
}

impl Engine {
    pub fn new(guild: Id, me: Id, policy: Arc<Policy>, tags: TagKey) -> Self {
        Self {
            guild,
            me,
            tags,
            policy,
            members: Members::default(),
            seen: <_>::default(),
            highest: Id::MIN,
            actors: BTreeMap::new(),
            incidents: BTreeMap::new(),
            pending: VecDeque::new(),
            explained: VecDeque::new(),
            nulls: Vec::new(),
            own: VecDeque::new(),
            effects: VecDeque::new(),
            doubts: Vec::new(),
            evidence: VecDeque::new(),
            punished: VecDeque::new(),
            panic: None,
            made: BTreeMap::new(),
            inviters: BTreeMap::new(),
            held_bots: BTreeMap::new(),
            activity: BTreeMap::new(),
            graveyard: VecDeque::new(),
            merged: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            timed_out: VecDeque::new(),
            unexplained: VecDeque::new(),
            inquiries: BTreeMap::new(),
            rereading: None,
            relief: None,
            poll_after: Moment::default(),
            told: BTreeMap::new(),
            raid_until: Moment::default(),
            place: None,
            reach_at: None,
            asked_for: BTreeMap::new(),
            looks: Looks::default(),
            bans_full: None,
            reads_log: false,
            late: BTreeSet::new(),
            serial: 0,
            round: 0,
        }
    }

    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
        self.part_from_dry_runs();
        self.release_cleared();
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values()
    }

    pub fn incident(&self, id: Id) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    pub fn panic(&self) -> Option<&Panic> {
        self.panic.as_ref()
    }

    pub fn members(&self) -> &Members {
        &self.members
    }

    pub fn actor_state(&self, user: Id) -> State {
        self.actors
            .get(&user)
            .map_or(State::Idle, |actor| actor.state)
    }

    pub fn actor_count(&self) -> usize {
        self.actors.len()
    }

    /// The greatest entry that was told: what a poll after a gap begins with.
    pub fn highest(&self) -> Id {
        self.highest
    }

    /// The oldest entry that is still remembered.
    pub fn first(&self) -> Option<Id> {
        self.seen.1.first().copied()
    }

    /// Whether anybody can be held responsible at all.
    pub fn may_read_audit_log(&self, structure: &Structure) -> bool {
        self.sight(structure).my_permissions() & crate::bits::VIEW_AUDIT_LOG != 0
    }

    /// Somebody was told of an incident.
    pub fn note_alerted(&mut self, incident: Id, at: Moment) {
        if let Some(incident) = self.incidents.get_mut(&incident) {
            incident.times.alerted.get_or_insert(at);
        }
    }

    /// The owner was told of an incident in private.
    pub fn note_owner_told(&mut self, incident: Id, at: Moment) {
        if let Some(incident) = self.incidents.get_mut(&incident) {
            incident.times.owner_told.get_or_insert(at);
        }
    }

    /// How many members the server has; what it may do without alarm grows with them.
    pub fn count_members(&mut self, members: u64) {
        self.members.told = members;
    }

    /// Bans that belong to a raid count a tenth until then.
    pub fn raid_until(&mut self, until: Moment) {
        self.raid_until = until;
    }

    /// Judges what came. `now` is the pulse of the cluster; it never goes backwards.
    pub fn decide(&mut self, input: Input<'_>, structure: &Structure, now: Moment) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.policy.mode == Mode::Off && !matches!(input, Input::Command(_)) {
            // Members are learned all the same: switching on must not begin blind.
            if let Input::Event { name, data, .. } = input {
                self.learn(name, data, structure, now);
            }
            return out;
        }
        match input {
            Input::Entry { raw, polled } => {
                self.reads_log = polled;
                self.on_entry(raw, polled, structure, now, &mut out);
                self.reads_log = false;
            }
            Input::Event { name, data, before } => {
                self.on_event((name, data, before), structure, now, &mut out);
            }
            Input::Member { user, raw } => self.on_member(user, raw, structure, now, &mut out),
            Input::OwnCall {
                action,
                target,
                by,
                at,
            } => {
                let at = at.unwrap_or(now);
                bounded(&mut self.own, MAX_PENDING).push_back(OwnCall {
                    action,
                    target,
                    by,
                    at,
                    // Its entry, which is told behind it, says what it gives.
                    gives: false,
                });
            }
            Input::Gap { lost } => self.on_gap(lost, structure, now, &mut out),
            Input::Polled { poll, read } => {
                self.on_polled(poll, read, structure, now, &mut out);
            }
            Input::Seen { look, raw } => self.on_seen(look, raw, now, &mut out),
            Input::Command(command) => self.on_command(command, structure, now, &mut out),
            Input::Tick => self.on_tick(structure, now, &mut out),
        }
        self.inquire(structure, now, &mut out);
        self.look(structure, now, &mut out);
        out
    }

    /// Takes in how a call went.
    pub fn on_answer(
        &mut self,
        key: CallKey,
        outcome: Outcome,
        timing: Timing,
        structure: &Structure,
    ) -> Vec<Effect> {
        let mut out = Vec::new();
        self.answered(key, outcome, timing, structure, &mut out);
        out
    }

    fn sight<'a>(&'a self, structure: &'a Structure) -> Sight<'a> {
        Sight {
            structure,
            members: &self.members,
            me: self.me,
        }
    }

    /// An id for something that has none, unique and of this moment.
    fn own_id(&mut self, now: Moment) -> Id {
        self.serial = self.serial.wrapping_add(1) & 0x003f_ffff;
        Id::new(now.id().get() | u64::from(self.serial))
    }
}
