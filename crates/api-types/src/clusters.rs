//! The clusterer's view of the fleet, in mewld's JSON: PascalCase names, Go's zero time for times
//! that are not set.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use splashtail_core::ids::{ClusterId, GuildId, ShardId};
use utoipa::ToSchema;

/// `0001-01-01T00:00:00Z`, what "never" looks like in this format.
pub const UNSET_TIME: DateTime<Utc> = unset_time();

#[allow(clippy::panic, reason = "evaluated by the compiler")]
const fn unset_time() -> DateTime<Utc> {
    match DateTime::from_timestamp(-62_135_596_800, 0) {
        Some(time) => time,
        None => panic!("year 1 is within chrono's range"),
    }
}

/// `GET /clusters/health` and the clusterer's `/instance-list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceList {
    pub last_cluster_started_at: DateTime<Utc>,
    pub map: Vec<ClusterMapEntry>,
    pub instances: Vec<Instance>,
    pub shard_count: u16,
    pub get_gateway_bot: GatewayBot,
    /// Working directory of the clusters; empty in public answers.
    pub dir: String,
    pub roll_restarting: bool,
    /// All clusters were launched once.
    pub fully_up: bool,
    /// Discord refuses the bot, and nothing starts before somebody has mended that; absent when it
    /// does not, and in the answers of other clusterers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<FleetHold>,
}

/// How the bot is doing, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BotStats {
    /// By number of the shard; names in JSON are text.
    #[schema(value_type = BTreeMap<String, ShardStats>)]
    pub shard_conns: BTreeMap<u16, ShardStats>,
    /// Of shards whose clusters answer.
    pub total_guilds: u64,
    pub total_users: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShardStats {
    /// `connected`, `disconnected` or `unknown`: its cluster does not answer.
    pub status: String,
    /// Heartbeat round trip in milliseconds; `null`: not known.
    pub real_latency: Option<f64>,
    pub guilds: u64,
    /// Seconds since the process of the shard was started, while it is connected; `null` while it is not.
    pub uptime: Option<u64>,
    /// The same, whether or not it is connected; `null`: no process runs.
    pub total_uptime: Option<u64>,
}

impl BotStats {
    pub fn of(list: &InstanceList, now: DateTime<Utc>) -> Self {
        let mut stats = Self::default();
        for instance in &list.instances {
            let runs = instance.active && instance.started_at != UNSET_TIME;
            let seconds = (now - instance.started_at).num_seconds();
            let total_uptime = runs.then(|| u64::try_from(seconds).unwrap_or_default());
            for shard in &instance.shards {
                let unknown = ShardStats {
                    status: "unknown".to_owned(),
                    real_latency: None,
                    guilds: 0,
                    uptime: None,
                    total_uptime,
                };
                stats.shard_conns.insert(shard.get(), unknown);
            }
            for health in instance.cluster_health.iter().flatten() {
                stats.total_guilds += health.guilds;
                stats.total_users += health.users;
                let shard = ShardStats {
                    status: if health.up {
                        "connected"
                    } else {
                        "disconnected"
                    }
                    .to_owned(),
                    real_latency: Some(health.latency).filter(|latency| *latency > 0.0),
                    guilds: health.guilds,
                    uptime: total_uptime.filter(|_| health.up),
                    total_uptime,
                };
                stats.shard_conns.insert(health.shard_id.get(), shard);
            }
        }
        stats
    }
}

/// Which part of the bot looks after a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuildShard {
    #[schema(value_type = u16)]
    pub shard_id: ShardId,
    /// `null`: no cluster runs this shard.
    #[schema(value_type = Option<u16>)]
    pub cluster_id: Option<ClusterId>,
    pub cluster_name: Option<String>,
    /// `null`: its cluster has not told.
    pub up: Option<bool>,
    /// Heartbeat round trip in milliseconds; `null`: not known.
    pub latency: Option<f64>,
}

impl GuildShard {
    /// `None` while the number of shards is not known.
    pub fn of(list: &InstanceList, guild: GuildId) -> Option<Self> {
        if list.shard_count == 0 {
            return None;
        }
        let shard_id = guild.shard(list.shard_count);
        let mut clusters = list.map.iter();
        let cluster = clusters.find(|cluster| cluster.shards.contains(&shard_id));
        let mut instances = list.instances.iter();
        let instance = instances.find(|instance| instance.shards.contains(&shard_id));
        let health = instance.and_then(|instance| instance.cluster_health.as_deref());
        let mut shards = health.unwrap_or_default().iter();
        let health = shards.find(|health| health.shard_id == shard_id);
        // A cluster that does not run tells no more, and its shards are down.
        let runs = instance.is_some_and(|instance| instance.active && !instance.currently_killing);
        let latency = health.map(|health| health.latency);
        Some(Self {
            shard_id,
            cluster_id: cluster.map(|cluster| cluster.id),
            cluster_name: cluster.map(|cluster| cluster.name.clone()),
            up: match runs {
                true => health.map(|health| health.up),
                false => Some(false),
            },
            latency: latency.filter(|latency| runs && *latency > 0.0),
        })
    }
}

/// Why no cluster starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct FleetHold {
    /// `token`, `shard`, `sharding_required`, `version`, `unknown_intents` or `intents`.
    pub code: String,
    /// With which Discord closed the connection.
    pub close_code: u16,
    /// A sentence for people.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl InstanceList {
    /// Without what only operators may see.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.dir.clear();
        for instance in &mut self.instances {
            instance.session_id.clear();
            if let Some(process) = &mut instance.process {
                process.pid = None;
                // That it is another one is no secret.
                if let Some(host) = &mut process.host {
                    host.clear();
                }
            }
        }
        self
    }
}

/// Which shards a cluster runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterMapEntry {
    #[serde(rename = "ID")]
    #[schema(value_type = u16)]
    pub id: ClusterId,
    pub name: String,
    #[schema(value_type = Vec<u16>)]
    pub shards: Vec<ShardId>,
}

/// One bot process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Instance {
    pub started_at: DateTime<Utc>,
    /// Changes with every start; empty in public answers.
    #[serde(rename = "SessionID")]
    pub session_id: String,
    #[serde(rename = "ClusterID")]
    #[schema(value_type = u16)]
    pub cluster_id: ClusterId,
    #[schema(value_type = Vec<u16>)]
    pub shards: Vec<ShardId>,
    pub active: bool,
    /// `null` until the first health check after a start.
    pub cluster_health: Option<Vec<ShardHealth>>,
    pub currently_killing: bool,
    /// Since when an operation holds the cluster.
    pub lock_cluster_time: Option<DateTime<Utc>>,
    pub launched_fully: bool,
    pub last_checked: DateTime<Utc>,
    /// What mewld's format has no word for; absent in the answers of other clusterers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<InstanceProcess>,
}

/// A cluster as our clusterer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceProcess {
    pub state: InstanceState,
    /// Process id on its machine; absent in public answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The other host that runs it, when the fleet has several; absent for clusters of the host that
    /// answers, empty in public answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Starts after the first one.
    pub restarts: u32,
    /// It missed the last health check.
    pub unresponsive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// An operator stopped it.
    Stopped,
    /// Waits for its turn to identify.
    Queued,
    /// Its process runs, and not all of its shards were ready yet.
    Starting,
    Running,
    Stopping,
    /// It crashed and starts again by itself after a pause.
    Backoff,
    /// It crashed too often and rests for some minutes, or Discord refuses the bot (`hold`).
    Held,
    /// Its shards belong to a host that is not there.
    Missing,
}

impl InstanceState {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Held => "held",
            Self::Missing => "missing",
        }
    }
}

/// One shard as its cluster reported it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShardHealth {
    #[schema(value_type = u16)]
    pub shard_id: ShardId,
    pub up: bool,
    /// Heartbeat round trip in milliseconds; 0 = not known yet.
    pub latency: f64,
    pub guilds: u64,
    pub users: u64,
}

/// Discord's answer to `GET /gateway/bot`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewayBot {
    pub url: String,
    pub shards: u16,
    pub session_start_limit: SessionStartLimit,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionStartLimit {
    pub total: u32,
    pub remaining: u32,
    /// Milliseconds.
    pub reset_after: u64,
    pub max_concurrency: u16,
}

/// The clusterer's `/cluster-health?cid=`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClusterHealth {
    pub locked: bool,
    pub health: Vec<ShardHealth>,
}

/// A command for the clusterer, as mewld's dashboards publish it.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct LauncherRequest {
    /// `launcher`
    pub scope: String,
    pub action: String,
    #[serde(default)]
    pub args: Option<LauncherArgs>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct LauncherArgs {
    /// Of the cluster, for commands of one cluster.
    #[serde(default)]
    #[schema(value_type = Option<u16>)]
    pub id: Option<serde_json::Value>,
}
