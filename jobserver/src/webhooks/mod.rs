//! Tells addresses outside what happens in servers (docs/webhooks.md).
//!
//! What the database noted becomes messages (`say`), and messages are sent until they arrive or are
//! given up (`send`). All that is known is in the database: any jobserver goes on with any of it.

mod makers;
mod say;
mod send;
mod sign;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context as _;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::{Config, is_local};
use splashtail_core::ids::GuildId;
use splashtail_core::places::Places;
use splashtail_discord::Discord;
use splashtail_jobs::DataKey;
use splashtail_storage::{Busy, Storage, StorageError, address};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::due::{Looks, see_to};

use makers::Makers;
use send::Sender;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Messages that are on their way at a time: in all, to one address, of one server to one address, and of
/// one server.
const AT_ONCE: usize = 64;
const TO_ONE: usize = 4;
const OF_ONE_TO_ONE: usize = 2;
const OF_ONE: usize = 8;
/// Longer than an attempt takes: whoever took a message and was killed loses it then.
const HELD: Duration = Duration::from_secs(60);

/// What sends messages.
#[derive(Clone)]
pub struct Webhooks {
    storage: Storage,
    clock: SharedClock,
    sender: Sender,
    /// Shares of what is on its way: nobody holds up anybody else.
    to: Places<String>,
    of: Places<GuildId>,
    /// An address may be that of many servers.
    both: Places<(GuildId, String)>,
}

impl Webhooks {
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        config: &Config,
        storage: Storage,
        clock: SharedClock,
        key: DataKey,
        discord: &Discord,
    ) -> anyhow::Result<Self> {
        let inner = is_local(&config.discord.api_base);
        let makers = Makers::new(discord, clock.clone());
        let sender = Sender::new(key, inner, makers).context("webhooks cannot be sent")?;
        Ok(Self {
            storage,
            clock,
            sender,
            to: Places::new(AT_ONCE, TO_ONE),
            of: Places::new(AT_ONCE, OF_ONE),
            both: Places::new(AT_ONCE, OF_ONE_TO_ONE),
        })
    }

    /// Until the shutdown. What is on its way then is sent again by the next process.
    pub async fn run(self, shutdown: CancellationToken) {
        let clock = self.clock.clone();
        see_to(self, clock, LOOK, shutdown).await;
    }
}

impl Looks for Webhooks {
    const WHAT: &str = "webhooks";

    async fn look(&self, under_way: &mut JoinSet<()>) -> Result<(), StorageError> {
        say::all(&self.storage).await?;
        while under_way.try_join_next().is_some() {}
        while under_way.len() < AT_ONCE {
            let busy = Busy {
                addresses: self.to.full(),
                guilds: self.of.full(),
                both: self.both.full(),
            };
            let Some(due) = self.storage.webhooks().take_due(HELD, &busy).await? else {
                break;
            };
            let (guild, to) = (due.webhook.guild, address(&due.webhook.url).to_owned());
            let both = self.both.take((guild, to.clone()));
            let places = (self.to.take(to), self.of.take(guild), both);
            let (storage, clock) = (self.storage.clone(), self.clock.clone());
            let sender = self.sender.clone();
            under_way.spawn(async move {
                sender.deliver(&storage, &clock, due).await;
                drop(places);
            });
        }
        Ok(())
    }
}
