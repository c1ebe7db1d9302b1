//! Events of servers on their way from the gateway to the modules.

mod delivery;
mod event;
mod intents;
mod kind;
mod listener;
mod mailbox;
mod meters;
mod router;

pub use delivery::DEADLINE;
pub(crate) use event::Body;
pub use event::{Event, Gap, GapCause, Unreadable};
pub use kind::{Class, EventKind, EventKinds};
pub use listener::{Enabled, Interactions, Listener, Subscription};
pub use router::Router;
