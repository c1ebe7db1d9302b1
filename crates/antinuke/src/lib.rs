//! The anti-nuke engine: who did what, whether it is too much, and what stops them.
//!
//! Pure: no I/O, no clock, no randomness. [`Engine`] is one guild's; it is told what happened
//! ([`Input`]) and when, by Discord's own clock ([`Pulse`]), and answers with [`Effect`]s as plain
//! values. Whoever carries them out tells how it went ([`Engine::on_answer`]). Nothing depends on the
//! order in which entries and events arrive; everything that grows has a bound.

mod act;
mod actor;
mod automod;
pub mod bits;
mod effect;
mod engine;
mod entry;
mod incident;
mod input;
mod ladder;
mod limit;
mod links;
mod looks;
mod members;
mod moment;
mod panic;
mod policy;
mod tag;
pub mod undo;
mod window;

pub use act::{Act, Count, Instant, Repair};
pub use actor::{Actor, State};
pub use bits::POWER;
pub use effect::{
    Alert, Call, CallKey, Effect, Inverse, Method, Notice, Outcome, Poll, Reason, Rung, Timing,
};
pub use engine::{Engine, NOBODY, Nearness, Order, Saved, SavedAct};
pub use incident::{
    ActRecord, CallRecord, Incident, IncidentKind, IncidentState, Loss, Rule, Suspect, Times,
};
pub use input::{Command, Input};
pub use limit::{Column, LimitType, NEVER, Spans, UNIT, UnknownLimitType, default_points};
pub use looks::{Look, Looks};
pub use members::{Member, Members, managed_role_of, owner};
pub use moment::{DAY, HOUR, MINUTE, Moment, Pulse, SECOND};
pub use panic::{Panic, Reach, Taken};
pub use policy::{
    Answer, MAX_BOUND, MAX_TRUSTED, Maintenance, Measure, Mode, OwnToken, Policy, PolicyProblem,
    Trusted,
};
pub use tag::{Leaves, Marked, TagKey, unmarked};
pub use window::{Span, Windows};
