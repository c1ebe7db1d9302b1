//! Which shards a cluster runs.

use std::ops::Range;

use splashtail_core::ids::{ClusterId, ShardId};

/// One entry of the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: ClusterId,
    pub name: String,
    pub shards: Vec<ShardId>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    #[error("`per_cluster` is 0: a cluster needs at least one shard")]
    PerCluster,
    #[error("Discord says that the bot needs 0 shards")]
    NoShards,
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
/// A name comes from the list; past its end, or where it repeats or is empty, it is
/// `Cluster-<id>`, so that names are unique and the same at every start.
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
        Some(name) if !name.is_empty() && !names[..id].contains(name) => name.clone(),
        _ => format!("Cluster-{id}"),
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
    /// The range leaves the port space or touches a used port.
    pub fn check(&self, clusters: usize) -> Result<(), MapError> {
        let base = self.base;
        if base < 1024 {
            return Err(MapError::LowPort(base));
        }
        let last = usize::from(base) + clusters.saturating_sub(1);
        let last = u16::try_from(last).map_err(|_| MapError::PortRange { base, clusters })?;
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
    fn ports_stay_in_range_and_clear_of_others() {
        let ports = Ports {
            base: 65_000,
            used: vec![(65_100, "meta.port")],
        };
        assert_eq!(ports.check(100), Ok(()));
        assert!(matches!(
            ports.check(101),
            Err(MapError::PortTaken { port: 65_100, .. })
        ));
        let alone = Ports {
            base: 65_000,
            used: Vec::new(),
        };
        assert_eq!(alone.check(536), Ok(()), "65535 itself is fine");
        assert!(matches!(alone.check(537), Err(MapError::PortRange { .. })));
        assert_eq!(
            Ports {
                base: 80,
                used: Vec::new()
            }
            .check(1),
            Err(MapError::LowPort(80))
        );
    }

    proptest! {
        #[test]
        fn each_shard_is_in_one_cluster(shards in 1_u16.., per in 1_u16.., names in proptest::collection::vec("[a-c]{0,2}", 0..6)) {
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
