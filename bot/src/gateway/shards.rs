//! serenity's shards, each with a manager of its own: a manager starts its shards one after the
//! other, five seconds apart, however many Discord would let in at once.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::serenity::gateway::{GatewayError, ShardManagerOptions};
use ::serenity::prelude::TypeMap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use poise::serenity_prelude as serenity;
use serenity::{ActivityData, ConnectionStage, GatewayIntents, OnlineStatus, ShardManager};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::ShardId;
use tokio::sync::{Mutex, RwLock};
use tracing::info;

use super::pace::Pace;
use super::relay::Relay;

/// A shard begins to connect this long before its turn to identify.
const LEAD: Duration = Duration::from_secs(2);

/// What all shards share.
pub struct Parts {
    pub framework: Arc<dyn serenity::Framework>,
    pub intents: GatewayIntents,
    pub cache: Arc<serenity::Cache>,
    pub http: Arc<serenity::Http>,
}

type Ended = futures_util::future::BoxFuture<'static, Option<Result<(), GatewayError>>>;

/// The shards of this process. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Shards {
    managers: BTreeMap<ShardId, Arc<ShardManager>>,
    pace: Arc<Pace>,
    clock: SharedClock,
}

/// Resolves when serenity gives a shard up.
pub struct ShardsEnd(FuturesUnordered<Ended>);

impl Shards {
    /// Nothing connects before [`Shards::start`].
    pub fn new(
        shards: &[ShardId],
        total: u16,
        parts: &Parts,
        relay: &Relay,
        pace: Arc<Pace>,
        clock: SharedClock,
    ) -> (Self, ShardsEnd) {
        let ends = FuturesUnordered::new();
        let data = Arc::new(RwLock::new(TypeMap::new()));
        let framework = Arc::new(OnceLock::from(Arc::clone(&parts.framework)));
        let manager = |shard: &ShardId| {
            let (manager, mut end) = ShardManager::new(ShardManagerOptions {
                data: Arc::clone(&data),
                event_handlers: Vec::new(),
                raw_event_handlers: Vec::new(),
                framework: Arc::clone(&framework),
                shard_index: u32::from(shard.get()),
                shard_init: 1,
                shard_total: u32::from(total),
                ws_url: Arc::new(Mutex::new(relay.url(*shard))),
                cache: Arc::clone(&parts.cache),
                http: Arc::clone(&parts.http),
                intents: parts.intents,
                presence: None,
            });
            let ended: Ended = Box::pin(async move { end.next().await });
            ends.push(ended);
            (*shard, manager)
        };
        let managers = shards.iter().map(manager).collect();
        let shards = Self {
            managers,
            pace,
            clock,
        };
        (shards, ShardsEnd(ends))
    }

    /// Lets every shard connect shortly before its turn. Ends when all have identified.
    pub async fn start(&self) {
        let mut lanes: BTreeMap<u16, Vec<ShardId>> = BTreeMap::new();
        for shard in self.managers.keys() {
            lanes.entry(self.pace.key(*shard)).or_default().push(*shard);
        }
        let lanes = lanes.values().map(|lane| self.start_lane(lane));
        futures_util::future::join_all(lanes).await;
    }

    async fn start_lane(&self, lane: &[ShardId]) {
        let mut identified = self.pace.identified();
        for shard in lane {
            let early = self.pace.rest(*shard).await.saturating_sub(LEAD);
            self.clock.sleep(early).await;
            if let Some(manager) = self.managers.get(shard) {
                // It only sends a message to itself.
                let _ = manager.initialize();
            }
            // The sender lives in `self`.
            let _ = identified.wait_for(|all| all.contains(shard)).await;
        }
    }

    /// State and heartbeat round trip of a shard that has a connection.
    pub async fn state(&self, shard: ShardId) -> Option<(bool, Option<Duration>)> {
        let runners = self.managers.get(&shard)?.runners.lock().await;
        let runner = runners.get(&serenity::ShardId(u32::from(shard.get())))?;
        Some((runner.stage == ConnectionStage::Connected, runner.latency))
    }

    pub async fn set_activity(&self, activity: &Option<ActivityData>) {
        for manager in self.managers.values() {
            for runner in manager.runners.lock().await.values() {
                let sender = &runner.runner_tx;
                sender.set_presence(activity.clone(), OnlineStatus::Online);
            }
        }
    }

    pub async fn shut_down(&self) {
        info!("closing the gateway connections");
        let managers = self.managers.values();
        futures_util::future::join_all(managers.map(|manager| manager.shutdown_all())).await;
    }
}

impl ShardsEnd {
    /// `None` when serenity does not say why.
    pub async fn first(&mut self) -> Option<GatewayError> {
        self.0.next().await.flatten().and_then(Result::err)
    }
}
