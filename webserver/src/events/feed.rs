use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Storage, StorageError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Between two looks, while anybody follows anything.
const LOOK: Duration = Duration::from_millis(250);
/// Longer than any transaction takes: what one has noted is seen when it ends.
const BACK: Duration = Duration::from_secs(20);

/// Tells who follows a server that there is something new.
#[derive(Debug, Default)]
pub struct Feed {
    /// By server that anybody follows: the newest number that is known.
    followed: Mutex<HashMap<GuildId, watch::Sender<i64>>>,
    begun: Notify,
}

impl Feed {
    /// Changes when something has happened in the server.
    pub fn of(&self, guild: GuildId) -> watch::Receiver<i64> {
        let news = {
            let mut followed = self.followed();
            let news = followed
                .entry(guild)
                .or_insert_with(|| watch::Sender::new(0));
            news.subscribe()
        };
        self.begun.notify_one();
        news
    }

    /// Looks for what is new for as long as anybody follows.
    pub async fn run(&self, storage: Storage, clock: SharedClock, shutdown: CancellationToken) {
        let looks = async {
            // Failures are told once, until a look succeeds again.
            let mut fails = false;
            loop {
                if self.is_idle() {
                    self.begun.notified().await;
                    continue;
                }
                match self.look(&storage).await {
                    Ok(()) => fails = false,
                    Err(error) if !fails => {
                        fails = true;
                        warn!(error = %Chain(&error), "news of servers were not looked for");
                    }
                    Err(_) => {}
                }
                clock.sleep(LOOK).await;
            }
        };
        let _ = shutdown.run_until_cancelled(looks).await;
    }

    async fn look(&self, storage: &Storage) -> Result<(), StorageError> {
        let lately = storage.events().lately(BACK).await?;
        let followed = self.followed();
        for (guild, newest) in lately {
            if let Some(news) = followed.get(&guild) {
                news.send_if_modified(|known| {
                    let is_news = newest > *known;
                    *known = newest.max(*known);
                    is_news
                });
            }
        }
        Ok(())
    }

    /// Whether nobody follows anything. Forgets servers that nobody follows any more.
    fn is_idle(&self) -> bool {
        let mut followed = self.followed();
        followed.retain(|_, news| !news.is_closed());
        followed.is_empty()
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<GuildId, watch::Sender<i64>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_nobody_follows_are_forgotten() {
        let (feed, guild) = (Feed::default(), GuildId::new(1).unwrap());
        assert!(feed.is_idle());
        let (one, two) = (feed.of(guild), feed.of(guild));
        drop(one);
        assert!(!feed.is_idle());
        drop(two);
        assert!(feed.is_idle() && feed.followed().is_empty());
    }
}
