//! Tells addresses outside what happens in servers (docs/webhooks.md).
//!
//! What the database noted becomes messages (`say`), and messages are sent until they arrive or are
//! given up (`send`). All that is known is in the database: any jobserver goes on with any of it.

mod say;
mod send;
mod sign;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context as _;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::{Config, is_local};
use splashtail_core::telemetry::Chain;
use splashtail_jobs::DataKey;
use splashtail_storage::{MESSAGES_PURGED_AT_ONCE, Storage, StorageError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use send::Sender;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Messages that are on their way at a time.
const AT_ONCE: usize = 16;
/// Longer than an attempt takes: whoever took a message and was killed loses it then.
const HELD: Duration = Duration::from_secs(60);
/// How long messages are kept, and how often old ones are looked for.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
const PURGE: Duration = Duration::from_secs(3600);

/// What sends messages.
#[derive(Clone)]
pub struct Webhooks {
    storage: Storage,
    clock: SharedClock,
    sender: Sender,
}

impl Webhooks {
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        config: &Config,
        storage: Storage,
        clock: SharedClock,
        key: DataKey,
    ) -> anyhow::Result<Self> {
        let inner = is_local(&config.discord.api_base);
        let sender = Sender::new(key, inner).context("webhooks cannot be sent")?;
        Ok(Self {
            storage,
            clock,
            sender,
        })
    }

    /// Until the shutdown. What is on its way then is sent again by the next process.
    pub async fn run(self, shutdown: CancellationToken) {
        let looks = async {
            let mut under_way = JoinSet::new();
            let mut purged_at = None;
            let mut fails = false;
            loop {
                match self.look(&mut under_way, &mut purged_at).await {
                    Ok(()) => fails = false,
                    // Told once, until a look succeeds again.
                    Err(error) if !fails => {
                        fails = true;
                        warn!(error = %Chain(&error), "webhooks were not seen to");
                    }
                    Err(_) => {}
                }
                let rest = self.clock.sleep(LOOK);
                tokio::select! {
                    () = rest => {}
                    // There is room for another one.
                    Some(_) = under_way.join_next() => {}
                }
            }
        };
        let _ = shutdown.run_until_cancelled(looks).await;
    }

    async fn look(
        &self,
        under_way: &mut JoinSet<()>,
        purged_at: &mut Option<Duration>,
    ) -> Result<(), StorageError> {
        say::all(&self.storage).await?;
        while under_way.try_join_next().is_some() {}
        while under_way.len() < AT_ONCE {
            let Some(due) = self.storage.webhooks().take_due(HELD).await? else {
                break;
            };
            let (storage, clock) = (self.storage.clone(), self.clock.clone());
            let sender = self.sender.clone();
            under_way.spawn(async move { sender.deliver(&storage, &clock, due).await });
        }
        let now = self.clock.monotonic();
        if purged_at.is_none_or(|at| now.saturating_sub(at) >= PURGE) {
            let purged = self.storage.webhooks().purge_messages(KEPT).await?;
            // What is left is purged at the next look.
            if purged < u64::from(MESSAGES_PURGED_AT_ONCE) {
                *purged_at = Some(now);
            }
        }
        Ok(())
    }
}
