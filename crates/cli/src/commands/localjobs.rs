//! `localjobs`: runs jobs from a terminal, without any daemon.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Result, anyhow};

use crate::supervisor::sibling;

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub struct LocalJobsArgs {
    /// Passed on as they are; `splashtail localjobs --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Becomes the jobserver's binary, which knows the kinds of jobs; returns only when it cannot be
/// started.
///
/// # Errors
/// The binary is missing.
pub fn run(args: LocalJobsArgs) -> Result<ExitCode> {
    let program = sibling("splashtail-jobserver")?;
    let error = Command::new(&program)
        .arg("localjobs")
        .args(args.args)
        .exec();
    Err(anyhow!(error).context(format!("cannot start {}", program.display())))
}
