//! `sandbox`: the simulated Discord alone, and `sandbox ctl`: acting in a running one.

mod act;
mod address;
mod answer;
mod ctl;
mod drill;
mod names;
mod see;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;
use splashtail_sandbox::server::{ServeArgs, run as serve};

use drill::DrillArgs;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SandboxArgs {
    #[command(subcommand)]
    command: Option<SandboxCommand>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one value per process")]
enum SandboxCommand {
    /// Act in a running sandbox: speak, moderate, run commands, move its clock
    Ctl(ctl::CtlArgs),
    /// Attack a server of a running sandbox and report what came of it
    Drill(DrillArgs),
}

/// Runs a sandbox in this process, or sends one call to a running one.
///
/// # Errors
/// The sandbox cannot serve, cannot be reached, or refuses the call.
pub async fn run(args: SandboxArgs) -> Result<ExitCode> {
    match args.command {
        Some(SandboxCommand::Ctl(args)) => ctl::run(args).await,
        Some(SandboxCommand::Drill(args)) => drill::run(args).await,
        None => {
            telemetry::init("sandbox");
            let lifecycle = Lifecycle::install().context("signals cannot be handled")?;
            serve(args.serve, lifecycle).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: SandboxArgs,
    }

    #[test]
    fn serving_and_steering_are_told_apart() {
        let serve = Command::try_parse_from(["sandbox", "--rest-port", "0"]).unwrap();
        assert!(serve.args.command.is_none());
        assert_eq!(serve.args.serve.rest_port, 0);
        let words = "sandbox ctl interact admin slash --guild 1 --channel 2 backups messages:true";
        let ctl = Command::try_parse_from(words.split(' ')).unwrap();
        assert!(matches!(ctl.args.command, Some(SandboxCommand::Ctl(_))));
        for words in [
            "sandbox drill nuke --control http://127.0.0.1:1",
            "sandbox drill --control http://127.0.0.1:1 nuke",
            "sandbox ctl --data-dir /tmp overview",
            "sandbox drill nuke --data-dir /tmp",
        ] {
            assert!(Command::try_parse_from(words.split(' ')).is_ok(), "{words}");
        }
    }
}
