//! `bot`: one cluster without a clusterer, for very small installations and for debugging.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Result, anyhow};

use crate::supervisor::sibling;

#[derive(Debug, clap::Args)]
pub struct BotArgs {
    /// Passed to splashtail-bot as they are; `splashtail bot -- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Becomes the bot; returns only when it cannot be started.
///
/// # Errors
/// The binary is missing.
pub fn run(args: BotArgs) -> Result<ExitCode> {
    let program = sibling("splashtail-bot")?;
    let error = Command::new(&program).args(args.args).exec();
    Err(anyhow!(error).context(format!("cannot start {}", program.display())))
}
