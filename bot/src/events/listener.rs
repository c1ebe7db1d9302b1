//! Who hears of events.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use splashtail_core::ids::GuildId;

use super::event::Event;
use super::kind::EventKinds;
use crate::guilds::GuildView;

/// Something of a module that follows events.
#[async_trait]
pub trait Listener: Send + Sync {
    /// What it is called with. Asked once, at start.
    fn kinds(&self) -> EventKinds;

    /// Called for each event of these kinds in a server where the module is on, one after another
    /// within a server, side by side for different ones. `guild` is the server after the event. A
    /// call that takes longer than [`DEADLINE`](super::DEADLINE) is given up; the server's next event
    /// waits until then.
    ///
    /// # Errors
    /// Logged; they concern no other listener.
    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()>;
}

/// Whether a module is on in a server. Asked for each event before its listener, so it answers from
/// memory.
pub trait Enabled: Send + Sync {
    fn is_enabled(&self, guild: GuildId, module: &'static str) -> bool;
}

impl<F> Enabled for F
where
    F: Fn(GuildId, &'static str) -> bool + Send + Sync,
{
    fn is_enabled(&self, guild: GuildId, module: &'static str) -> bool {
        self(guild, module)
    }
}

/// Who answers interactions. They have no place in the mailboxes: Discord drops one that is unanswered
/// for 3 seconds.
pub trait Interactions: Send + Sync {
    /// Takes an INTERACTION_CREATE's `d`, JSON as it came. Waits for nothing.
    fn hear(self: Arc<Self>, interaction: Bytes);
}

/// A listener as the router knows it.
#[derive(Clone)]
pub struct Subscription {
    /// The id of the module, for logs and labels.
    pub module: &'static str,
    pub listener: Arc<dyn Listener>,
}
