//! A server as a listener sees it.

use std::sync::Arc;
use std::time::Duration;

use splashtail_core::ids::GuildId;
use splashtail_guild::{Delta, Structure};

use super::facts::Facts;
use super::guild::Guild;

/// One server after an event. It is read from memory; nothing here waits for anybody.
#[derive(Debug, Clone)]
pub struct GuildView {
    pub(crate) guild: Arc<Guild>,
    pub(crate) delta: Arc<Delta>,
}

impl GuildView {
    pub fn id(&self) -> GuildId {
        self.guild.id()
    }

    /// Whether the bot is there and Discord has no outage of it. Without, all that is known is how it
    /// was, and nothing of a server that never was there.
    pub fn is_available(&self) -> bool {
        self.guild.is_available()
    }

    /// Owner, roles and the bot's own member.
    pub fn facts(&self) -> Arc<Facts> {
        self.guild.facts()
    }

    /// Reads the whole structure, with the last clear form of channels that are hidden now. Whoever
    /// keeps it clones it: clones share their objects.
    pub fn structure<T>(&self, read: impl FnOnce(&Structure) -> T) -> T {
        self.guild.structure(read)
    }

    /// Since when there is an outage, of a server that was there before: monotonic.
    pub fn out_since(&self) -> Option<Duration> {
        self.guild.out_since()
    }

    /// The same server, nothing changed.
    pub(crate) fn unchanged(&self) -> Self {
        Self {
            guild: Arc::clone(&self.guild),
            delta: Arc::default(),
        }
    }

    /// What the event changed, with what was there before; empty for events without meaning for the
    /// structure, and for repeats.
    pub fn delta(&self) -> &Delta {
        &self.delta
    }
}
