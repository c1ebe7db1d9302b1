//! Which part of the bot this process is.

use std::path::PathBuf;

use splashtail_core::environment::Environment;
use splashtail_core::ids::{ClusterId, ShardId};
use splashtail_ipc::args::{ArgsError, ClusterArgs};

/// One cluster of the bot: a range of shards, their commands and events.
///
/// The clusterer passes nine positional arguments: shard list, shard count, cluster id, cluster
/// name, directory, cluster count, API URL, channel, environment. Without them the process runs
/// alone.
#[derive(Debug, clap::Parser)]
#[command(name = "splashtail-bot", version)]
pub struct Arguments {
    /// The config file
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Which of the two environments to run
    #[arg(long, value_name = "staging|prod")]
    pub env: Option<Environment>,

    /// Shards to run alone, as `0,1` or `[0, 1]`
    #[arg(
        long,
        value_name = "LIST",
        requires = "shard_count",
        conflicts_with = "cluster"
    )]
    pub shards: Option<String>,

    /// Shards of the whole bot; without `--shards` all of them run here
    #[arg(long, value_name = "N", conflicts_with = "cluster")]
    pub shard_count: Option<u16>,

    /// 9 arguments, 10 (the tenth is ignored), or mewld's 6
    #[arg(value_name = "CLUSTER")]
    pub cluster: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    #[error(transparent)]
    Cluster(#[from] ArgsError),
    #[error("the shards of one cluster have to follow each other, {0} does not")]
    Gap(ShardId),
    #[error("`--shard-count` has to be at least 1")]
    NoShards,
}

/// The identity of this process among its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: String,
    /// How many clusters the bot has.
    pub count: u16,
    /// Consecutive, never empty.
    pub shards: Vec<ShardId>,
    pub shard_count: u16,
    /// The bus channel of the fleet; `None` without a clusterer.
    pub channel: Option<String>,
}

/// What the command line says about shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardPlan {
    Fixed(Cluster),
    /// Run alone with as many shards as Discord recommends.
    Auto,
}

impl Arguments {
    /// `channel` is the value of `MEWLD_CHANNEL`, for callers that pass no channel argument.
    ///
    /// # Errors
    /// See [`ArgumentError`].
    pub fn plan(
        &self,
        channel: Option<String>,
    ) -> Result<(ShardPlan, Option<Environment>), ArgumentError> {
        if !self.cluster.is_empty() {
            let args = ClusterArgs::parse(&self.cluster)?;
            let environment = args.environment.or(self.env);
            return Ok((
                ShardPlan::Fixed(Cluster::from_args(args, channel)?),
                environment,
            ));
        }
        let Some(count) = self.shard_count else {
            return Ok((ShardPlan::Auto, self.env));
        };
        if count == 0 {
            return Err(ArgumentError::NoShards);
        }
        let cluster = match &self.shards {
            None => Cluster::alone(count),
            Some(list) => {
                let list = list.trim().trim_start_matches('[').trim_end_matches(']');
                // One reading of shard lists, with its checks.
                let argv = [
                    &format!("[{list}]"),
                    &count.to_string(),
                    "0",
                    "alone",
                    "0",
                    ".",
                ];
                Cluster::from_args(ClusterArgs::parse(&argv.map(str::to_owned))?, None)?
            }
        };
        Ok((ShardPlan::Fixed(cluster), self.env))
    }
}

/// mewld does not tell how many clusters there are, but it gives each the same number of shards,
/// the last one excepted, in the order of their ids.
fn count(args: &ClusterArgs) -> u16 {
    let first = args.shards.first().map_or(0, |shard| shard.get());
    let own = u16::try_from(args.shards.len()).unwrap_or(u16::MAX);
    let per_cluster = first.checked_div(args.cluster_id.get()).unwrap_or(own);
    let all = args.shard_count.div_ceil(per_cluster.max(1));
    all.max(args.cluster_id.get().saturating_add(1))
}

impl Cluster {
    fn from_args(args: ClusterArgs, channel: Option<String>) -> Result<Self, ArgumentError> {
        let gap = args
            .shards
            .windows(2)
            .find(|pair| pair[1].get() != pair[0].get() + 1);
        if let Some(gap) = gap {
            return Err(ArgumentError::Gap(gap[1]));
        }
        let count = args.cluster_count.unwrap_or_else(|| count(&args));
        let channel = args
            .channel
            .filter(|channel| !channel.is_empty())
            .or(channel);
        Ok(Self {
            id: args.cluster_id,
            name: args.cluster_name,
            count: count.max(1),
            shards: args.shards,
            shard_count: args.shard_count,
            channel,
        })
    }

    /// Every shard of a bot with `shard_count` shards, without a clusterer.
    pub fn alone(shard_count: u16) -> Self {
        let shard_count = shard_count.max(1);
        Self {
            id: ClusterId(0),
            name: "alone".to_owned(),
            count: 1,
            shards: (0..shard_count).map(ShardId).collect(),
            shard_count,
            channel: None,
        }
    }

    /// The channel on which only this cluster listens.
    pub fn mailbox(&self) -> Option<String> {
        self.channel
            .as_ref()
            .map(|channel| format!("{channel}:{}", self.id))
    }

    pub fn owns(&self, shard: ShardId) -> bool {
        self.shards.contains(&shard)
    }

    /// The name in front of log lines.
    pub fn label(&self) -> String {
        format!(
            "{} ({} of {})",
            self.name,
            self.id,
            self.count.saturating_sub(1)
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn plan(arguments: &[&str]) -> Result<(ShardPlan, Option<Environment>), ArgumentError> {
        let arguments = [&["splashtail-bot"], arguments].concat();
        Arguments::try_parse_from(arguments)
            .unwrap()
            .plan(Some("from-variable".to_owned()))
    }

    const NINE: [&str; 9] = [
        "[2, 3]",
        "5",
        "1",
        "Waffle",
        "bot",
        "3",
        "http://localhost:8081",
        "ar/prod",
        "prod",
    ];

    #[test]
    fn the_clusterers_arguments() {
        let (plan, environment) = plan(&NINE).unwrap();
        let ShardPlan::Fixed(cluster) = plan else {
            panic!()
        };
        assert_eq!(environment, Some(Environment::Prod));
        assert_eq!(cluster.shards, [ShardId(2), ShardId(3)]);
        assert_eq!(cluster.mailbox().unwrap(), "ar/prod:1");
        assert_eq!(cluster.label(), "Waffle (1 of 2)");
    }

    #[test]
    fn mewlds_six_take_the_channel_from_the_variable() {
        let (plan, environment) = plan(&["[0]", "1", "0", "Flare", "0", "bot"]).unwrap();
        let ShardPlan::Fixed(cluster) = plan else {
            panic!()
        };
        assert_eq!(cluster.channel.as_deref(), Some("from-variable"));
        assert_eq!(environment, None);
    }

    #[test]
    fn how_many_clusters_there_are_follows_from_the_shards() {
        for (shards, total, id, count) in [
            ("[0]", "1", "0", 1),
            ("[0, 1]", "5", "0", 3),
            ("[2, 3]", "5", "1", 3),
            // The last one may be short.
            ("[4]", "5", "2", 3),
            ("[0]", "4", "3", 4),
        ] {
            let (ShardPlan::Fixed(cluster), _) =
                plan(&[shards, total, id, "Flare", "0", "bot"]).unwrap()
            else {
                panic!()
            };
            assert_eq!(cluster.count, count, "{shards} of {total}, cluster {id}");
        }
    }

    #[test]
    fn alone_with_some_all_or_recommended_shards() {
        for (arguments, shards) in [
            (vec!["--shards", "1,2", "--shard-count", "4"], vec![1, 2]),
            (vec!["--shards", "[0, 1]", "--shard-count", "4"], vec![0, 1]),
            (vec!["--shard-count", "3"], vec![0, 1, 2]),
        ] {
            let (ShardPlan::Fixed(cluster), None) = plan(&arguments).unwrap() else {
                panic!()
            };
            assert_eq!(
                cluster.shards,
                shards.into_iter().map(ShardId).collect::<Vec<_>>()
            );
            assert_eq!(cluster.channel, None);
        }
        assert_eq!(plan(&[]).unwrap(), (ShardPlan::Auto, None));
        let (_, environment) = plan(&["--env", "prod"]).unwrap();
        assert_eq!(environment, Some(Environment::Prod));
    }

    #[test]
    fn bad_arguments() {
        for (arguments, part) in [
            (
                &["[0, 2]", "5", "0", "Flare", "0", "bot"][..],
                "follow each other",
            ),
            (&NINE[..8], "9 arguments"),
            (&["--shard-count", "0"], "at least 1"),
            (&["--shards", "4", "--shard-count", "4"], "not below"),
        ] {
            assert!(
                plan(arguments).unwrap_err().to_string().contains(part),
                "{arguments:?}"
            );
        }
    }
}
