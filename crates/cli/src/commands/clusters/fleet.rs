//! The fleet as an operator wants to know it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use splashtail_api_types::clusters::{
    FleetHold, Instance, InstanceList, InstanceState, SessionStartLimit, UNSET_TIME,
};
use splashtail_core::ids::{ClusterId, ShardId};

/// The answer of `status --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fleet {
    /// All clusters were launched once.
    pub fully_up: bool,
    pub roll_restarting: bool,
    /// Why nothing starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    pub shard_count: u16,
    /// As Discord told when the clusterer asked last.
    pub identifies: SessionStartLimit,
    /// By id.
    pub clusters: Vec<Cluster>,
}

/// Discord refuses the bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    pub code: String,
    pub close_code: u16,
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<FleetHold> for Hold {
    fn from(hold: FleetHold) -> Self {
        Self {
            code: hold.code,
            close_code: hold.close_code,
            message: hold.message,
            remedy: hold.remedy,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: String,
    pub shards: Vec<ShardId>,
    pub state: InstanceState,
    pub unresponsive: bool,
    pub pid: Option<u32>,
    /// The other host that runs it; `null` for the one that was asked.
    pub host: Option<String>,
    /// Of the present process.
    pub started_at: Option<DateTime<Utc>>,
    pub shards_up: usize,
    /// Mean of the shards that know theirs; this and the sums are unknown until a cluster was asked.
    pub latency_ms: Option<f64>,
    pub guilds: Option<u64>,
    pub users: Option<u64>,
    pub restarts: u32,
    /// Another one with every start.
    #[serde(skip)]
    pub session: String,
}

impl From<InstanceList> for Fleet {
    fn from(list: InstanceList) -> Self {
        let mut clusters: Vec<_> = list
            .instances
            .into_iter()
            .map(|instance| {
                let entry = list
                    .map
                    .iter()
                    .find(|entry| entry.id == instance.cluster_id);
                let name = entry.map(|entry| entry.name.clone());
                cluster(name.unwrap_or_default(), instance)
            })
            .collect();
        clusters.sort_by_key(|cluster| cluster.id);
        Self {
            fully_up: list.fully_up,
            roll_restarting: list.roll_restarting,
            hold: list.hold.map(Hold::from),
            shard_count: list.shard_count,
            identifies: list.get_gateway_bot.session_start_limit,
            clusters,
        }
    }
}

impl Fleet {
    pub fn cluster(&self, id: ClusterId) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.id == id)
    }

    pub fn shards_up(&self) -> usize {
        self.clusters.iter().map(|cluster| cluster.shards_up).sum()
    }
}

impl Cluster {
    /// `3 (Flare)`
    pub fn label(&self) -> String {
        format!("{} ({})", self.id, self.name)
    }
}

fn cluster(name: String, instance: Instance) -> Cluster {
    let (state, process) = (state(&instance), instance.process);
    let health = instance.cluster_health.filter(|health| !health.is_empty());
    let latencies: Vec<_> = health
        .iter()
        .flatten()
        .map(|shard| shard.latency)
        .filter(|latency| *latency > 0.0)
        .collect();
    let count = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
    let runs = instance.active && instance.started_at != UNSET_TIME;
    Cluster {
        id: instance.cluster_id,
        name,
        shards: instance.shards,
        state,
        unresponsive: process.as_ref().is_some_and(|process| process.unresponsive),
        pid: process.as_ref().and_then(|process| process.pid),
        host: process.as_ref().and_then(|process| process.host.clone()),
        started_at: runs.then_some(instance.started_at),
        shards_up: health.iter().flatten().filter(|shard| shard.up).count(),
        latency_ms: (count > 0).then(|| latencies.iter().sum::<f64>() / f64::from(count)),
        guilds: health
            .as_ref()
            .map(|health| health.iter().map(|shard| shard.guilds).sum()),
        users: health
            .as_ref()
            .map(|health| health.iter().map(|shard| shard.users).sum()),
        restarts: process.map_or(0, |process| process.restarts),
        session: instance.session_id,
    }
}

/// What a clusterer that does not name the state lets one conclude.
fn state(instance: &Instance) -> InstanceState {
    match &instance.process {
        Some(process) => process.state,
        None if instance.currently_killing => InstanceState::Stopping,
        None if instance.active && instance.launched_fully => InstanceState::Running,
        None if instance.active => InstanceState::Starting,
        None if instance.lock_cluster_time.is_some() => InstanceState::Queued,
        None => InstanceState::Stopped,
    }
}

/// Fleets for tests.
#[cfg(test)]
pub mod samples {
    use splashtail_api_types::clusters::{
        ClusterMapEntry, GatewayBot, InstanceProcess, ShardHealth,
    };

    use super::*;

    /// 2024-01-21T17:37:01Z
    pub fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_705_858_621, 0).unwrap()
    }

    /// Two shards each; every shard has 6 guilds of 100 users and answers after 41 ms.
    pub fn list(names: &[&str]) -> InstanceList {
        let ids = || (0..).map(ClusterId).zip(names);
        let shards = |id: ClusterId| vec![ShardId(2 * id.get()), ShardId(2 * id.get() + 1)];
        let entry = |(id, name): (ClusterId, &&str)| ClusterMapEntry {
            id,
            name: (*name).to_owned(),
            shards: shards(id),
        };
        let instance = |(id, _): (ClusterId, &&str)| Instance {
            started_at: start(),
            session_id: format!("session-{id}"),
            cluster_id: id,
            shards: shards(id),
            active: true,
            cluster_health: Some(shards(id).into_iter().map(shard).collect()),
            currently_killing: false,
            lock_cluster_time: None,
            launched_fully: true,
            last_checked: start(),
            process: Some(InstanceProcess {
                state: InstanceState::Running,
                pid: Some(4000 + u32::from(id.get())),
                host: None,
                restarts: 0,
                unresponsive: false,
            }),
        };
        InstanceList {
            last_cluster_started_at: start(),
            map: ids().map(entry).collect(),
            instances: ids().map(instance).collect(),
            shard_count: u16::try_from(2 * names.len()).unwrap(),
            get_gateway_bot: GatewayBot {
                url: "wss://gateway.test".to_owned(),
                shards: 4,
                session_start_limit: SessionStartLimit {
                    total: 1000,
                    remaining: 996,
                    reset_after: 3_600_000,
                    max_concurrency: 1,
                },
            },
            dir: String::new(),
            roll_restarting: false,
            fully_up: true,
            hold: None,
        }
    }

    fn shard(shard_id: ShardId) -> ShardHealth {
        ShardHealth {
            shard_id,
            up: true,
            latency: 41.0,
            guilds: 6,
            users: 600,
        }
    }

    pub fn fleet(names: &[&str]) -> Fleet {
        list(names).into()
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{list, start};
    use super::*;

    #[test]
    fn unknown_numbers_are_not_zero() {
        let mut list = list(&["Flare", "Waffle"]);
        list.instances[1].cluster_health = Some(Vec::new());
        list.instances[1].active = false;
        let health = list.instances[0].cluster_health.as_mut().unwrap();
        health[0].latency = 0.0;
        health[1].up = false;
        list.instances.reverse();
        let fleet = Fleet::from(list);
        let [flare, waffle] = &fleet.clusters[..] else {
            panic!("two clusters")
        };
        assert_eq!((flare.shards_up, flare.latency_ms), (1, Some(41.0)));
        assert_eq!((flare.guilds, flare.users), (Some(12), Some(1200)));
        assert_eq!(flare.started_at, Some(start()));
        assert_eq!(
            (waffle.shards_up, waffle.latency_ms, waffle.guilds),
            (0, None, None)
        );
        assert_eq!(waffle.started_at, None);
    }

    #[test]
    fn a_clusterer_without_states_is_understood() {
        let mut list = list(&["a", "b", "c", "d", "e"]);
        for instance in &mut list.instances {
            instance.process = None;
        }
        list.instances[1].launched_fully = false;
        list.instances[2].currently_killing = true;
        list.instances[3].active = false;
        list.instances[4].active = false;
        list.instances[4].lock_cluster_time = Some(start());
        let states: Vec<_> = Fleet::from(list)
            .clusters
            .iter()
            .map(|c| c.state.as_str())
            .collect();
        assert_eq!(
            states,
            ["running", "starting", "stopping", "stopped", "queued"]
        );
    }

    #[test]
    fn json_has_no_session() {
        let json = serde_json::to_value(samples::fleet(&["Flare"])).unwrap();
        assert_eq!(json["clusters"][0]["state"], "running");
        assert_eq!(json["clusters"][0]["pid"], 4000);
        assert_eq!(json["identifies"]["remaining"], 996);
        assert!(!json.to_string().contains("session-0"));
    }
}
