//! What an engine is told.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_guild::Id;

use crate::effect::Poll;
use crate::looks::Look;
use crate::moment::Moment;

/// What the engine is told.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// An audit log entry, from its event or, polled, from the list.
    Entry {
        raw: &'a Value,
        polled: bool,
    },
    /// Any other dispatch of the gateway. `before`: the object as it was, where the event deletes or
    /// replaces one.
    Event {
        name: &'a str,
        data: &'a Value,
        before: Option<&'a Value>,
    },
    /// A member as REST gives it; null when there is none.
    Member {
        user: Id,
        raw: &'a Value,
    },
    /// We act ourselves, for a person or of our own accord. `at`: when the call was made, if that is
    /// not now.
    OwnCall {
        action: u16,
        target: Option<Id>,
        by: Option<Id>,
        at: Option<Moment>,
    },
    /// Events may be missing since then.
    Gap {
        lost: Moment,
    },
    /// A poll is over, and all entries that it brought were told. `read`: the log was read to its
    /// end, so what it does not say is not there.
    Polled {
        poll: Poll,
        read: bool,
    },
    /// What was asked for by [`Effect::Look`](crate::Effect::Look).
    Seen {
        look: Look,
        raw: &'a Value,
    },
    Command(Command),
    /// Time has passed.
    Tick,
}

/// What a person asks for. Whether they may was checked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    Panic,
    /// A panic in which nobody but staff writes or speaks.
    Quiet,
    EndPanic {
        suspects_too: bool,
    },
    ConfirmPanic,
    /// Give back what was taken in an incident.
    Return {
        incident: Id,
    },
    /// It was no attack: give back, and forget what was counted.
    NotAnAttack {
        incident: Id,
    },
    /// Contain the suspects of an incident, whatever mode it ran in.
    Contain {
        incident: Id,
    },
}
