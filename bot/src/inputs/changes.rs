use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::bus::Bus;
use splashtail_storage::Storage;
use tracing::{debug, error, warn};

/// How often the database is asked what has changed, for all guilds at once.
const LOOK: Duration = Duration::from_secs(30);
/// A look goes back behind the one before: a transaction is seen only when it has ended, and the
/// database ends it after 20 s at the latest.
const OVERLAP: Duration = Duration::from_secs(60);
/// Guilds that one look can bring; when there are more, everything is taken for changed.
const MOST_CHANGED: u32 = 5_000;

/// Somebody who keeps what can change.
pub trait Hear: Send + Sync {
    /// The guild's settings are of this version, or of a later one. News may be old or come twice.
    fn changed(&self, guild: GuildId, version: i64);

    /// Something of the guild was changed by somebody who raised no version.
    fn doubted(&self, guild: GuildId);

    /// Anything may have changed.
    fn all_changed(&self);
}

/// News of changed settings, between all clusters.
pub struct Changes {
    /// And the channel, beside the clusters' own.
    bus: Option<(Arc<dyn Bus>, String)>,
    storage: Storage,
    clock: SharedClock,
    hearers: Mutex<Vec<Arc<dyn Hear>>>,
}

/// A message on the bus.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct News {
    guild: GuildId,
    version: i64,
}

impl Changes {
    /// `bus` is the bus and the channel of the clusters; without it only the database tells what
    /// others have changed.
    pub fn new(
        bus: Option<(Arc<dyn Bus>, &str)>,
        storage: Storage,
        clock: SharedClock,
    ) -> Arc<Self> {
        Arc::new(Self {
            bus: bus.map(|(bus, channel)| (bus, format!("{channel}/changes"))),
            storage,
            clock,
            hearers: Mutex::default(),
        })
    }

    /// From now on `hearer` hears of every change.
    pub fn heard_by(&self, hearer: Arc<dyn Hear>) {
        self.lock().push(hearer);
    }

    /// To be called by whoever has changed a guild's settings, with their new version.
    pub async fn tell(&self, guild: GuildId, version: i64) {
        self.pass_on(guild, version);
        let Some((bus, channel)) = &self.bus else {
            return;
        };
        let news = serde_json::json!(News { guild, version }).to_string();
        if let Err(error) = bus.publish(channel, &news).await {
            // The others find it at their next look.
            warn!(guild.id = %guild, error = %Chain(&error), "a change was not told to other clusters");
        }
    }

    /// To be called when a guild's settings may not be what is kept of them here.
    pub fn doubt(&self, guild: GuildId) {
        self.lock().iter().for_each(|hearer| hearer.doubted(guild));
    }

    /// Listens and looks. Never ends.
    pub async fn follow(self: Arc<Self>) {
        tokio::join!(self.listen(), self.look_again_and_again());
    }

    async fn listen(&self) {
        let Some((bus, channel)) = &self.bus else {
            return;
        };
        let mut subscription = match bus.subscribe(std::slice::from_ref(channel)).await {
            Ok(subscription) => subscription,
            Err(error) => {
                error!(error = %Chain(&error), "cannot hear of changes");
                return;
            }
        };
        while let Some(message) = subscription.next_message().await {
            match serde_json::from_str(&message.payload) {
                Ok(News { guild, version }) => self.pass_on(guild, version),
                Err(error) => debug!(%error, "dropped a message about changes"),
            }
        }
    }

    async fn look_again_and_again(&self) {
        let mut seen = self.clock.monotonic();
        loop {
            self.clock.sleep(LOOK).await;
            let now = self.clock.monotonic();
            let window = now.saturating_sub(seen) + OVERLAP;
            if self.look(window).await {
                seen = now;
            }
        }
    }

    /// `false`: the database did not answer.
    async fn look(&self, window: Duration) -> bool {
        let changed = self.storage.settings();
        let changed = match changed.changed_within(window, MOST_CHANGED).await {
            Ok(changed) => changed,
            Err(error) => {
                debug!(error = %Chain(&error), "cannot look for changes");
                return false;
            }
        };
        if changed.len() == MOST_CHANGED as usize {
            self.lock().iter().for_each(|hearer| hearer.all_changed());
        }
        for (guild, version) in changed {
            self.pass_on(guild, version);
        }
        true
    }

    fn pass_on(&self, guild: GuildId, version: i64) {
        for hearer in self.lock().iter() {
            hearer.changed(guild, version);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<dyn Hear>>> {
        self.hearers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use splashtail_core::ids::UserId;
    use splashtail_storage::{Edit, NewChange};

    use super::*;
    use crate::modules::foundation;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(GuildId, i64)>>);

    impl Hear for Heard {
        fn changed(&self, guild: GuildId, version: i64) {
            self.0.lock().unwrap().push((guild, version));
        }

        fn doubted(&self, _: GuildId) {}

        fn all_changed(&self) {
            panic!("too many");
        }
    }

    #[test]
    fn a_message_is_a_small_object() {
        let news = News {
            guild: GuildId::new(7).unwrap(),
            version: 3,
        };
        let text = serde_json::json!(news).to_string();
        assert_eq!(text, r#"{"guild":"7","version":3}"#);
        assert_eq!(serde_json::from_str::<News>(&text).unwrap(), news);
    }

    #[tokio::test]
    async fn a_look_finds_what_no_message_told() {
        let foundation = foundation::for_tests().await;
        let (storage, guild) = (&foundation.storage, GuildId::new(7).unwrap());
        let at = DateTime::UNIX_EPOCH;
        storage.guilds().ensure(guild, at).await.unwrap();
        let edits = [Edit {
            setting: "colours".to_owned(),
            entry: "wall".to_owned(),
            before: None,
            after: Some(json!({})),
        }];
        let change = NewChange {
            guild,
            decided_on: 0,
            by: UserId::new(1).unwrap(),
            way: "discord",
            at,
            undoes: None,
            edits: &edits,
        };
        // By another cluster.
        storage.settings().write(&change).await.unwrap();
        let heard = Arc::new(Heard::default());
        foundation.changes.heard_by(Arc::clone(&heard) as _);
        assert!(foundation.changes.look(OVERLAP).await);
        assert_eq!(*heard.0.lock().unwrap(), [(guild, 1)]);
        foundation.changes.tell(guild, 2).await;
        assert_eq!(*heard.0.lock().unwrap(), [(guild, 1), (guild, 2)]);
    }
}
