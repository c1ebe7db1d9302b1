//! Which clusters a command is for.

use anyhow::{Result, bail};
use splashtail_core::ids::ClusterId;

use super::fleet::{Cluster, Fleet};

#[derive(Debug, Clone, clap::Args)]
#[group(required = true)]
pub struct Target {
    /// Ids of clusters, or `all`.
    #[arg(value_name = "ID")]
    clusters: Vec<Which>,
    /// Name of a cluster; may be repeated.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    All,
    One(ClusterId),
}

impl std::str::FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            id => id
                .parse()
                .map(Self::One)
                .map_err(|_| "neither a cluster id nor `all`; names go after --name"),
        }
    }
}

impl Target {
    /// In the order of their ids, each once.
    ///
    /// # Errors
    /// There is no such cluster.
    pub fn resolve<'a>(&self, fleet: &'a Fleet) -> Result<Vec<&'a Cluster>> {
        let known = || match &fleet.clusters[..] {
            [] => "there are no clusters yet".to_owned(),
            [one] => format!("there is only {}", one.label()),
            [first, .., last] => format!("there are {} to {}", first.label(), last.label()),
        };
        for which in &self.clusters {
            if let Which::One(id) = which
                && fleet.cluster(*id).is_none()
            {
                bail!("there is no cluster {id}: {}", known());
            }
        }
        for name in &self.names {
            if !fleet
                .clusters
                .iter()
                .any(|cluster| is_called(cluster, name))
            {
                bail!("no cluster is called {name:?}: {}", known());
            }
        }
        let wanted = |cluster: &&Cluster| {
            self.clusters.contains(&Which::All)
                || self.clusters.contains(&Which::One(cluster.id))
                || self.names.iter().any(|name| is_called(cluster, name))
        };
        Ok(fleet.clusters.iter().filter(wanted).collect())
    }
}

fn is_called(cluster: &Cluster, name: &str) -> bool {
    cluster.name.to_lowercase() == name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::super::fleet::samples::fleet;
    use super::*;

    fn resolve(clusters: &[&str], names: &[&str]) -> Result<Vec<u16>, String> {
        let target = Target {
            clusters: clusters.iter().map(|id| id.parse().unwrap()).collect(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let fleet = fleet(&["Flare", "Waffle", "Zürich"]);
        let found = target.resolve(&fleet).map_err(|error| error.to_string())?;
        Ok(found.iter().map(|cluster| cluster.id.get()).collect())
    }

    #[test]
    fn clusters_are_named_by_id_by_name_or_all_at_once() {
        assert_eq!(resolve(&["2", "0", "2"], &[]), Ok(vec![0, 2]));
        assert_eq!(resolve(&["all", "1"], &[]), Ok(vec![0, 1, 2]));
        assert_eq!(resolve(&["0"], &["ZÜRICH", "flare"]), Ok(vec![0, 2]));
        assert_eq!(
            resolve(&["3"], &[]),
            Err("there is no cluster 3: there are 0 (Flare) to 2 (Zürich)".to_owned())
        );
        assert_eq!(
            resolve(&[], &["Aqua"]),
            Err("no cluster is called \"Aqua\": there are 0 (Flare) to 2 (Zürich)".to_owned())
        );
        for wrong in ["", "Flare", "-1", "65536", "1.5"] {
            assert!(wrong.parse::<Which>().is_err(), "{wrong}");
        }
    }
}
