//! `clusters`: what the bot's clusters do, and telling them what to do, over the clusterer's own
//! port.

mod act;
mod connection;
mod events;
mod fleet;
mod logs;
mod patience;
mod refusal;
mod sequence;
mod status;
mod table;
mod target;
mod terminal;

use std::process::ExitCode;

use anyhow::Result;

use act::Action;
use sequence::Sequence;

#[derive(Debug, clap::Args)]
pub struct ClustersArgs {
    #[command(subcommand)]
    command: ClustersCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ClustersCommand {
    /// Show every cluster: state, process, shards, latency, guilds
    Status(status::StatusArgs),
    /// Start clusters that are stopped, or that rest after a crash
    Start(act::ActArgs),
    /// Stop clusters; they stay stopped
    Stop(act::ActArgs),
    /// Stop clusters and start them again
    Restart(act::ActArgs),
    /// Restart all clusters, one after the other
    RollingRestart(sequence::SequenceArgs),
    /// Ask Discord how many shards are needed and move to that number
    Reshard(sequence::SequenceArgs),
    /// Show what happened to the clusters
    Logs(logs::LogsArgs),
}

/// # Errors
/// A sentence that says what to do: the clusterer cannot be reached, refuses the secret, or
/// refuses the command.
pub async fn run(args: ClustersArgs) -> Result<ExitCode> {
    match args.command {
        ClustersCommand::Status(args) => status::run(args).await,
        ClustersCommand::Start(args) => act::run(Action::Start, args).await,
        ClustersCommand::Stop(args) => act::run(Action::Stop, args).await,
        ClustersCommand::Restart(args) => act::run(Action::Restart, args).await,
        ClustersCommand::RollingRestart(args) => sequence::run(Sequence::Rolling, args).await,
        ClustersCommand::Reshard(args) => sequence::run(Sequence::Reshard, args).await,
        ClustersCommand::Logs(args) => logs::run(args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<ClustersArgs, clap::Error> {
        let command = ClustersArgs::augment_args(Command::new("clusters").no_binary_name(true));
        ClustersArgs::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn a_command_needs_to_know_which_clusters() {
        for good in [
            &["stop", "0", "3"][..],
            &["restart", "all"],
            &["start", "--name", "Flare", "--no-wait"],
            &["restart", "1", "--timeout", "2m"],
            &["rolling-restart"],
            &["status", "--json", "--watch"],
            &["logs", "--follow", "--limit", "5"],
        ] {
            assert!(parse(good).is_ok(), "{good:?}");
        }
        for wrong in [
            &["stop"][..],
            &["start", "--timeout", "5s"],
            &["restart", "1", "--timeout", "x"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
