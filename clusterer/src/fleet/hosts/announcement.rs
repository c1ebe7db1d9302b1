//! What the clusterers of several hosts tell each other.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_api_types::clusters::Instance;
use splashtail_core::ids::ClusterId;

use crate::map::Layout;

/// The whole truth about one host. It replaces what was known of it, so a lost one does no harm.
///
/// The bus hands all messages to all hosts in the same order, and [`super::claims`] relies on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::fleet) struct Announcement {
    /// Changes with every start of the clusterer.
    pub(in crate::fleet) id: String,
    /// Host name and port, for people.
    pub(in crate::fleet) name: String,
    /// Unix milliseconds when it began to run its range; of two that claim the same shards the
    /// elder stays.
    pub(in crate::fleet) since: i64,
    pub(in crate::fleet) sequence: u64,
    #[serde(flatten)]
    pub(in crate::fleet) layout: Layout,
    /// It has no `shard_range`: every shard is its own, whatever the layout says.
    #[serde(default)]
    pub(in crate::fleet) whole: bool,
    /// It has listened for others and starts clusters.
    #[serde(default)]
    pub(in crate::fleet) joined: bool,
    /// All its clusters are stopped and it ends now.
    #[serde(default)]
    pub(in crate::fleet) leaving: bool,
    /// None of its clusters is on its way up or down.
    #[serde(default)]
    pub(in crate::fleet) settled: bool,
    /// The whole fleet was up, said by the host with shard 0.
    #[serde(default)]
    pub(in crate::fleet) fleet_up: bool,
    /// Clusters that have launched since it started.
    #[serde(default)]
    pub(in crate::fleet) launches: u64,
    /// Shards that have been told to identify since it started.
    #[serde(default)]
    pub(in crate::fleet) identifies: u64,
    /// Identify keys it uses or waits for, each with the number of the announcement that first
    /// asked for it.
    #[serde(default)]
    pub(in crate::fleet) claims: Vec<(u16, u64)>,
    /// Identify keys that still rest, and how many milliseconds ago they were used: hosts need not
    /// agree on the time of day.
    #[serde(default)]
    pub(in crate::fleet) identified: Vec<(u16, u64)>,
    /// The rolling operation under way, said by the host with shard 0.
    #[serde(default)]
    pub(in crate::fleet) roll: Option<Roll>,
    /// The last rolling operation this host has taken its turn in.
    #[serde(default)]
    pub(in crate::fleet) done: Option<Done>,
    #[serde(default)]
    pub(in crate::fleet) clusters: Vec<NamedInstance>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fleet) struct Roll {
    pub(in crate::fleet) id: String,
    pub(in crate::fleet) kind: RollKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::fleet) enum RollKind {
    Restart,
    Reshard,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fleet) struct Done {
    pub(in crate::fleet) roll: String,
    pub(in crate::fleet) error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::fleet) struct NamedInstance {
    pub(in crate::fleet) name: String,
    pub(in crate::fleet) instance: Instance,
}

/// Names and reasons of other hosts are shown to people.
const LONGEST_NAME: usize = 128;

impl Announcement {
    /// `None` for what no clusterer says.
    pub(in crate::fleet) fn read(data: Option<&Map<String, Value>>) -> Option<Self> {
        let said: Self = serde_json::from_value(Value::Object(data?.clone())).ok()?;
        said.layout.checked()?;
        let named = |name: &str| !name.is_empty() && name.len() <= LONGEST_NAME;
        let own = |cluster: &NamedInstance| said.layout.has_cluster(cluster.instance.cluster_id);
        let sound = named(&said.id)
            && named(&said.name)
            && said.clusters.iter().all(own)
            && said.claims.len() <= usize::from(u16::MAX);
        sound.then_some(said)
    }

    pub(in crate::fleet) fn data(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            // A struct with string keys always becomes an object.
            _ => Map::new(),
        }
    }

    /// Of two hosts that cannot both be there, the one with the smaller rank stays.
    pub(super) fn rank(&self) -> (bool, i64, &str) {
        (!self.joined, self.since, &self.id)
    }

    /// What it runs, for people.
    pub(super) fn shards(&self) -> String {
        match self.whole {
            true => "all shards".to_owned(),
            false => format!("the shards {} of {}", self.layout, self.layout.shard_count),
        }
    }

    pub(in crate::fleet) fn cluster(&self, id: ClusterId) -> Option<&NamedInstance> {
        self.clusters
            .iter()
            .find(|cluster| cluster.instance.cluster_id == id)
    }
}
