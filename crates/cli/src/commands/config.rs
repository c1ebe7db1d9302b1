//! `config sample` and `config check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use splashtail_core::config::{self, Component, SampleNote};

use super::finding::{any_failed, table};
use super::output::print;
use super::probe;
use super::source::ConfigSource;

#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigCommand {
    /// Write config.yaml.sample
    Sample(SampleArgs),
    /// Validate the whole configuration, then try to reach what it names
    Check(ConfigSource),
}

#[derive(Debug, clap::Args)]
struct SampleArgs {
    /// Print it instead.
    #[arg(long)]
    stdout: bool,
    /// Directory to write it to.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        conflicts_with = "stdout"
    )]
    directory: PathBuf,
}

/// # Errors
/// The configuration is invalid, or the sample cannot be written.
pub async fn run(args: ConfigArgs) -> Result<ExitCode> {
    match args.command {
        ConfigCommand::Sample(args) if args.stdout => {
            print(&config::sample())?;
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Sample(args) => write_sample(&args.directory),
        ConfigCommand::Check(source) => check(&source).await,
    }
}

fn write_sample(directory: &Path) -> Result<ExitCode> {
    match config::write_beside(&directory.join("config.yaml")) {
        SampleNote::Written(path) => print(&format!("Wrote {}\n", path.display()))?,
        SampleNote::UpToDate(path) => print(&format!("{} is up to date\n", path.display()))?,
        SampleNote::NotWritten => {
            bail!("cannot write to {}; use --stdout", directory.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(source: &ConfigSource) -> Result<ExitCode> {
    let loaded = source.load_file(Component::All)?;
    let path = loaded.path.as_deref().unwrap_or(Path::new("config.yaml"));
    // At once: what follows may take some seconds.
    let mut text = format!(
        "{}: valid, environment {}\n",
        path.display(),
        loaded.config.environment
    );
    for warning in &loaded.warnings {
        text.push_str(&format!("  warning: {warning}\n"));
    }
    print(&text)?;
    let findings = probe::everything(&loaded, None).await;
    print(&table(&findings))?;
    Ok(if any_failed(&findings) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
