//! `splashtail-jobserver`: runs long work durably.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;
use splashtail_jobserver::local::compare::CompareArgs;
use splashtail_jobserver::local::{self, LocalArgs};

/// Runs backups and other long work durably.
#[derive(Debug, Parser)]
#[command(name = "splashtail-jobserver", version)]
struct Arguments {
    /// Config file; else SPLASHTAIL_CONFIG, ./config.yaml, ../config.yaml.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// staging or prod.
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<Environment>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run jobs in this process, without any server; what `splashtail localjobs` does
    Localjobs(Box<LocalArgs>),
    /// Say how two backups differ; what `splashtail backup diff` does
    Compare(CompareArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    let command = arguments.command.take();
    // Whoever runs a job by hand is shown its log; ours only on request.
    if command.is_none() || std::env::var_os("RUST_LOG").is_some() {
        telemetry::init("jobserver");
    }
    // An error means that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        Some(Command::Localjobs(arguments)) => return local::run(*arguments).await,
        Some(Command::Compare(arguments)) => return local::compare::run(&arguments),
        None => {}
    }
    match start(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(arguments: Arguments) -> anyhow::Result<()> {
    let loaded = Config::load(&LoadOptions {
        path: arguments.config,
        environment: arguments.env,
        component: Component::Jobserver,
        ..LoadOptions::default()
    })?;
    loaded.announce();
    loaded
        .config
        .require_token("jobs", loaded.path.as_deref())?;
    let lifecycle = Lifecycle::install()?;
    splashtail_jobserver::run(loaded.config, &lifecycle).await
}
