//! Which shards a cluster runs.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use splashtail_core::ids::{ClusterId, ShardId};

/// One entry of the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: ClusterId,
    pub name: String,
    pub shards: Vec<ShardId>,
}

/// What one process was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    pub shards: Vec<ShardId>,
    /// Of the whole fleet: guilds are spread by it.
    pub shard_count: u16,
}

impl Split {
    pub fn is(&self, shards: &[ShardId], shard_count: u16) -> bool {
        self.shards == shards && self.shard_count == shard_count
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    #[error("`per_cluster` is 0: a cluster needs at least one shard")]
    PerCluster,
    #[error("Discord says that the bot needs 0 shards")]
    NoShards,
    #[error(
        "`shard_range` {first}-{last} does not lie within the {shard_count} shards of `fixed_shard_count`"
    )]
    RangeOutside {
        first: u16,
        last: u16,
        shard_count: u16,
    },
    #[error(
        "`shard_range` {first}-{last} cuts through a cluster: each cluster has {per_cluster} shards (`per_cluster`)"
    )]
    RangeUnaligned {
        first: u16,
        last: u16,
        per_cluster: u16,
    },
    #[error(
        "the IServer ports of {clusters} clusters from {base} on end above 65535 (`meta.bot_iserver_base_port`)"
    )]
    PortRange { base: u16, clusters: usize },
    #[error("`meta.bot_iserver_base_port` is {0}: use a port from 1024 on")]
    LowPort(u16),
    #[error(
        "the IServer ports {base}-{last} contain port {port}, which `{key}` uses (`meta.bot_iserver_base_port`)"
    )]
    PortTaken {
        base: u16,
        last: u16,
        port: u16,
        key: &'static str,
    },
}

/// Shards 0 to `shard_count - 1` in groups of `per_cluster`; the last group may be short.
///
/// A name comes from the list; past its end, or where it repeats, is empty or looks like that of
/// another cluster, it is `Cluster-<id>`, so that names are unique and the same at every start.
///
/// # Errors
/// Either number is zero.
pub fn cluster_map(
    names: &[String],
    shard_count: u16,
    per_cluster: u16,
) -> Result<Vec<Entry>, MapError> {
    if per_cluster == 0 {
        return Err(MapError::PerCluster);
    }
    if shard_count == 0 {
        return Err(MapError::NoShards);
    }
    let groups = (0..shard_count).step_by(usize::from(per_cluster));
    Ok((0_u16..)
        .zip(groups)
        .map(|(id, first)| Entry {
            id: ClusterId(id),
            name: name(names, usize::from(id)),
            shards: shards(first..first.saturating_add(per_cluster).min(shard_count)),
        })
        .collect())
}

fn shards(range: Range<u16>) -> Vec<ShardId> {
    range.map(ShardId).collect()
}

fn name(names: &[String], id: usize) -> String {
    match names.get(id) {
        Some(name) if !name.is_empty() && !is_made_up(name) && !names[..id].contains(name) => {
            name.clone()
        }
        _ => format!("Cluster-{id}"),
    }
}

fn is_made_up(name: &str) -> bool {
    let id = name.strip_prefix("Cluster-");
    id.is_some_and(|id| id.parse::<u16>().is_ok())
}

/// The part of a fleet over several hosts that one of them runs. Cluster ids are those of the whole
/// fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub first: u16,
    pub last: u16,
    /// Of the whole fleet.
    pub shard_count: u16,
    pub per_cluster: u16,
}

impl Layout {
    /// # Errors
    /// The range leaves the fleet or cuts through a cluster.
    pub fn new(
        (first, last): (u16, u16),
        shard_count: u16,
        per_cluster: u16,
    ) -> Result<Self, MapError> {
        if per_cluster == 0 {
            return Err(MapError::PerCluster);
        }
        if first > last || last >= shard_count {
            return Err(MapError::RangeOutside {
                first,
                last,
                shard_count,
            });
        }
        let whole = |shard: u16| shard == shard_count || shard.is_multiple_of(per_cluster);
        if !whole(first) || !whole(last + 1) {
            return Err(MapError::RangeUnaligned {
                first,
                last,
                per_cluster,
            });
        }
        Ok(Self {
            first,
            last,
            shard_count,
            per_cluster,
        })
    }

    /// The same numbers if they make sense, for those that came from elsewhere.
    pub fn checked(self) -> Option<Self> {
        Self::new((self.first, self.last), self.shard_count, self.per_cluster).ok()
    }

    /// Of the whole fleet.
    pub fn cluster_count(&self) -> u16 {
        self.shard_count.div_ceil(self.per_cluster)
    }

    pub fn first_cluster(&self) -> u16 {
        self.first / self.per_cluster
    }

    pub fn has_cluster(&self, cluster: ClusterId) -> bool {
        (self.first_cluster()..=self.last / self.per_cluster).contains(&cluster.get())
    }

    pub fn has_shard(&self, shard: u16) -> bool {
        (self.first..=self.last).contains(&shard)
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The range: `0-15`.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The ports of the clusters' own servers and those they must keep clear of.
#[derive(Debug, Clone, Default)]
pub struct Ports {
    pub base: u16,
    /// Port and the config key that chose it.
    pub used: Vec<(u16, &'static str)>,
}

impl Ports {
    /// # Errors
    /// The range of these clusters, whose ids follow each other, leaves the port space or touches
    /// a used port.
    pub fn check(&self, map: &[Entry]) -> Result<(), MapError> {
        let first = map.first().map_or(0, |entry| entry.id.get());
        let clusters = map.len();
        if self.base < 1024 {
            return Err(MapError::LowPort(self.base));
        }
        let beyond = MapError::PortRange {
            base: self.base,
            clusters: clusters + usize::from(first),
        };
        let Some(base) = self.base.checked_add(first) else {
            return Err(beyond);
        };
        let last = usize::from(base) + clusters.saturating_sub(1);
        let last = u16::try_from(last).map_err(|_| beyond)?;
        match self
            .used
            .iter()
            .find(|(port, _)| (base..=last).contains(port))
        {
            Some(&(port, key)) => Err(MapError::PortTaken {
                base,
                last,
                port,
                key,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Vec<String> {
        ["Flare", "Waffle", "Aqua"].map(str::to_owned).to_vec()
    }

    fn table(names: &[String], shards: u16, per: u16) -> Vec<String> {
        let print = |entry: Entry| {
            format!(
                "{} {} {}",
                entry.id,
                entry.name,
                splashtail_ipc::args::print_shards(&entry.shards)
            )
        };
        cluster_map(names, shards, per)
            .unwrap()
            .into_iter()
            .map(print)
            .collect()
    }

    #[test]
    fn the_specified_table() {
        assert_eq!(table(&names(), 1, 2), ["0 Flare [0]"]);
        assert_eq!(table(&names(), 1, 16), ["0 Flare [0]"]);
        assert_eq!(
            table(&names(), 5, 2),
            ["0 Flare [0, 1]", "1 Waffle [2, 3]", "2 Aqua [4]"]
        );
        assert_eq!(
            table(&names(), 8, 2),
            [
                "0 Flare [0, 1]",
                "1 Waffle [2, 3]",
                "2 Aqua [4, 5]",
                "3 Cluster-3 [6, 7]"
            ]
        );
        assert_eq!(table(&[], 2, 1), ["0 Cluster-0 [0]", "1 Cluster-1 [1]"]);
        assert_eq!(cluster_map(&names(), 4, 0), Err(MapError::PerCluster));
        assert_eq!(cluster_map(&names(), 0, 2), Err(MapError::NoShards));
    }

    #[test]
    fn repeated_and_empty_names_are_replaced() {
        let names = ["A", "A", ""].map(str::to_owned);
        assert_eq!(
            table(&names, 3, 1),
            ["0 A [0]", "1 Cluster-1 [1]", "2 Cluster-2 [2]"]
        );
    }

    #[test]
    fn a_configured_name_cannot_be_that_of_a_later_cluster() {
        let names = ["Cluster-2", "Cluster-x"].map(str::to_owned);
        assert_eq!(
            table(&names, 3, 1),
            ["0 Cluster-0 [0]", "1 Cluster-x [1]", "2 Cluster-2 [2]"]
        );
    }

    #[test]
    fn ports_stay_in_range_and_clear_of_others() {
        let clusters = |count| cluster_map(&[], count, 1).unwrap();
        let ports = Ports {
            base: 65_000,
            used: vec![(65_100, "meta.port")],
        };
        assert_eq!(ports.check(&clusters(100)), Ok(()));
        assert!(matches!(
            ports.check(&clusters(101)),
            Err(MapError::PortTaken { port: 65_100, .. })
        ));
        // Another host of the fleet has the ports below.
        assert_eq!(ports.check(&clusters(300)[101..]), Ok(()));
        let alone = Ports {
            base: 65_000,
            used: Vec::new(),
        };
        assert_eq!(alone.check(&clusters(536)), Ok(()), "65535 itself is fine");
        for beyond in [&clusters(537)[..], &clusters(537)[536..]] {
            assert!(matches!(
                alone.check(beyond),
                Err(MapError::PortRange { clusters: 537, .. })
            ));
        }
        let low = Ports {
            base: 80,
            used: Vec::new(),
        };
        assert_eq!(low.check(&clusters(1)), Err(MapError::LowPort(80)));
    }

    #[test]
    fn a_range_consists_of_whole_clusters() {
        let layout = Layout::new((4, 7), 16, 2).unwrap();
        assert_eq!((layout.first_cluster(), layout.cluster_count()), (2, 8));
        assert!(layout.has_cluster(ClusterId(3)) && !layout.has_cluster(ClusterId(4)));
        assert_eq!(layout.to_string(), "4-7");
        // The last cluster of the fleet may be short.
        assert!(Layout::new((4, 6), 7, 2).is_ok());
        for (range, shards, per) in [((3, 7), 16, 2), ((4, 6), 16, 2)] {
            let refused = Layout::new(range, shards, per);
            assert!(matches!(refused, Err(MapError::RangeUnaligned { .. })));
        }
        for (range, shards) in [((4, 16), 16), ((5, 4), 16), ((0, 0), 0)] {
            let refused = Layout::new(range, shards, 2);
            assert!(matches!(refused, Err(MapError::RangeOutside { .. })));
        }
        assert_eq!(Layout::new((0, 1), 2, 0), Err(MapError::PerCluster));
    }

    proptest! {
        #[test]
        fn each_shard_is_in_one_cluster(shards in 1_u16.., per in 1_u16.., names in proptest::collection::vec("[a-c]{0,2}|Cluster-[0-5]", 0..6)) {
            let map = cluster_map(&names, shards, per).unwrap();
            let all: Vec<u16> = map.iter().flat_map(|entry| &entry.shards).map(|shard| shard.get()).collect();
            prop_assert!(all.iter().copied().eq(0..shards));
            prop_assert!(map.iter().all(|entry| !entry.shards.is_empty()));
            prop_assert!(map.iter().enumerate().all(|(index, entry)| usize::from(entry.id.get()) == index));
            let mut unique: Vec<_> = map.iter().map(|entry| &entry.name).collect();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), map.len());
        }
    }
}
