//! `clusters`: what the bot's clusters do, and telling them what to do, over the clusterer's own
//! port.

mod act;
mod connection;
mod events;
mod fleet;
mod logs;
mod refusal;
mod sequence;
mod status;
mod table;
mod target;
mod terminal;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use act::Action;
use sequence::Sequence;

/// The command was carried out as far as the clusterer is concerned, but its end was not seen.
const TIMED_OUT: u8 = 3;

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

/// `90`, `90s`, `2m` or `1h`.
fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "not a span such as 90s or 2m".to_owned())?;
    match number.checked_mul(unit) {
        Some(seconds @ 1..=604_800) => Ok(Duration::from_secs(seconds)),
        _ => Err("a span is at least a second and at most a week".to_owned()),
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
    fn spans_have_a_unit_or_are_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("2m", 120), ("1h", 3600)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "",
            "s",
            "0",
            "-1",
            "1d",
            "1é",
            "99999999999999999999h",
            "8000000",
        ] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
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
