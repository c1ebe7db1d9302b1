//! What this process knows about its own shards and about its peers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use poise::serenity_prelude as serenity;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ClusterId, GuildId, ShardId};
use splashtail_discord::Discord;
use splashtail_ipc::launcher::ShardHealth;

use crate::arguments::Cluster;
use crate::gateway::Shards;
use crate::guilds::Guilds;
use crate::ready::ReadyBoard;

/// Where a guild is, as far as this cluster can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuildPresence {
    Present,
    /// Ours, but Discord says it is in an outage.
    Unavailable,
    Absent,
    /// Its shard runs elsewhere.
    WrongCluster,
}

impl GuildPresence {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Unavailable => "unavailable",
            Self::Absent => "absent",
            Self::WrongCluster => "wrong_cluster",
        }
    }
}

/// The questions other parts ask about the running shards.
#[async_trait]
pub trait ShardView: Send + Sync {
    fn cluster(&self) -> &Cluster;
    fn uptime(&self) -> Duration;
    /// Whether a shard has been ready.
    fn is_ready(&self) -> bool;
    fn guild(&self, guild: GuildId) -> GuildPresence;
    /// One record per shard of this cluster, in order.
    async fn health(&self) -> Vec<ShardHealth>;
}

/// Handles into the running client.
#[derive(Clone)]
pub struct Connection {
    pub clock: SharedClock,
    pub guilds: Arc<Guilds>,
    /// Answers interactions and registers commands.
    pub http: Arc<serenity::Http>,
    /// Everything else that is asked of Discord.
    pub discord: Discord,
    pub shards: Shards,
}

pub struct ClusterState {
    pub cluster: Cluster,
    pub ready: ReadyBoard,
    pub guilds: Arc<Guilds>,
    clock: SharedClock,
    started: Duration,
    connection: OnceLock<Connection>,
    fleet: Fleet,
}

impl ClusterState {
    pub fn new(cluster: Cluster, clock: SharedClock) -> Self {
        Self {
            ready: ReadyBoard::new(&cluster.shards),
            guilds: Arc::default(),
            cluster,
            started: clock.monotonic(),
            clock,
            connection: OnceLock::new(),
            fleet: Fleet::default(),
        }
    }

    /// Called once, when the client exists.
    pub fn connect(&self, connection: Connection) {
        // A second client in one process does not happen; the first handles would stay.
        let _ = self.connection.set(connection);
    }

    pub fn connection(&self) -> Option<&Connection> {
        self.connection.get()
    }

    /// The last health reports of all clusters heard of, this one not included.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }
}

#[async_trait]
impl ShardView for ClusterState {
    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn uptime(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    fn is_ready(&self) -> bool {
        self.ready.progress().any
    }

    fn guild(&self, guild: GuildId) -> GuildPresence {
        if !self.cluster.owns(guild.shard(self.cluster.shard_count)) {
            return GuildPresence::WrongCluster;
        }
        match self.guilds.get(guild) {
            Some(guild) if guild.is_available() => GuildPresence::Present,
            Some(_) => GuildPresence::Unavailable,
            None => GuildPresence::Absent,
        }
    }

    async fn health(&self) -> Vec<ShardHealth> {
        let mut health: BTreeMap<ShardId, ShardHealth> = self
            .cluster
            .shards
            .iter()
            .map(|shard| (*shard, down(*shard)))
            .collect();
        let Some(connection) = self.connection() else {
            return health.into_values().collect();
        };
        for (shard, record) in &mut health {
            // Those in an outage count for nobody.
            let count = self.guilds.count(*shard);
            (record.guilds, record.users) = (count.guilds, count.members);
            if let Some((up, latency)) = connection.shards.state(*shard).await {
                record.up = up;
                record.latency = latency.map_or(0.0, |latency| latency.as_secs_f64() * 1e3);
            }
        }
        health.into_values().collect()
    }
}

fn down(shard_id: ShardId) -> ShardHealth {
    ShardHealth {
        shard_id,
        up: false,
        latency: 0.0,
        guilds: 0,
        users: 0,
    }
}

/// What peers last said about themselves in their replies to diag pings.
#[derive(Debug, Default)]
pub struct Fleet(Mutex<BTreeMap<ClusterId, Vec<ShardHealth>>>);

/// Sums over the whole bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub guilds: u64,
    pub users: u64,
    pub shards: usize,
    pub clusters: usize,
}

impl Fleet {
    pub fn report(&self, cluster: ClusterId, health: Vec<ShardHealth>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(cluster, health);
    }

    /// The peers' last reports plus this cluster's current state.
    pub fn totals(&self, own: ClusterId, own_health: &[ShardHealth]) -> Totals {
        let peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = peers.iter().filter(|(cluster, _)| **cluster != own);
        let clusters = 1 + others.clone().count();
        let shards = others.flat_map(|(_, health)| health).chain(own_health);
        shards.fold(
            Totals {
                clusters,
                ..Totals::default()
            },
            |totals, shard| Totals {
                guilds: totals.guilds + shard.guilds,
                users: totals.users + shard.users,
                shards: totals.shards + 1,
                ..totals
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(shard: u16, guilds: u64, users: u64) -> ShardHealth {
        ShardHealth {
            guilds,
            users,
            ..down(ShardId(shard))
        }
    }

    #[test]
    fn totals_count_each_cluster_once() {
        let fleet = Fleet::default();
        // Our own reply comes back to us over the bus; the live state wins over it.
        fleet.report(ClusterId(0), vec![health(0, 100, 100)]);
        fleet.report(ClusterId(1), vec![health(2, 1, 1)]);
        fleet.report(ClusterId(1), vec![health(2, 5, 50), health(3, 6, 60)]);
        let totals = fleet.totals(ClusterId(0), &[health(0, 1, 10), health(1, 2, 20)]);
        assert_eq!(
            totals,
            Totals {
                guilds: 14,
                users: 140,
                shards: 4,
                clusters: 2
            }
        );
    }

    #[tokio::test]
    async fn before_the_client_exists_all_shards_are_down() {
        let clock = splashtail_core::clock::SystemClock::shared();
        let state = ClusterState::new(Cluster::alone(2), clock);
        assert_eq!(state.health().await, [down(ShardId(0)), down(ShardId(1))]);
        assert!(!state.is_ready());
        let guild = GuildId::new(1_100_000_000_001_179_648).unwrap();
        assert_eq!(state.guild(guild), GuildPresence::Absent);
    }

    #[test]
    fn guilds_of_other_shards_are_somebody_elses() {
        let clock = splashtail_core::clock::SystemClock::shared();
        let cluster = Cluster {
            shards: vec![ShardId(0)],
            ..Cluster::alone(4)
        };
        let state = ClusterState::new(cluster, clock);
        let guild = GuildId::new(1_100_000_000_005_373_952).unwrap();
        assert_eq!(state.guild(guild), GuildPresence::WrongCluster);
    }
}
