//! `splashtail-clusterer`

mod successor;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use splashtail_clusterer::Outcome;
use splashtail_clusterer::settings::{Settings, Surroundings};
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::listen;
use splashtail_core::telemetry::{self, Chain};
use tracing::{error, info, warn};

/// Runs the bot's clusters and keeps them running.
#[derive(Debug, Parser)]
#[command(name = "splashtail-clusterer", version)]
struct Arguments {
    /// The config file; else SPLASHTAIL_CONFIG, ./config.yaml, ../config.yaml.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The environment: staging or prod.
    #[arg(long, value_name = "NAME")]
    env: Option<Environment>,
    /// The cluster file; else mewld-<env>.yaml beside the config file.
    #[arg(long, value_name = "PATH")]
    cfg_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::init("clusterer");
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        warn!("another TLS provider was installed first");
    }
    // Before there are other threads, so that this one takes them all.
    if let Err(error) = successor::hold_signals() {
        warn!(%error, "signals may be lost while this program starts");
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(problem) => {
            error!(error = %Chain(&problem), "cannot start");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok((Outcome::Stopped { code, reason }, ..)) => {
            if let Some(reason) = reason {
                error!(reason, "stopped");
            }
            ExitCode::from(code)
        }
        Ok((Outcome::Replace, lifecycle, listener)) => {
            let Err(problem) = successor::replace(runtime, &lifecycle, &listener);
            error!(
                error = format!("{problem:#}"),
                "cannot replace this process"
            );
            ExitCode::FAILURE
        }
        Err(problem) => {
            error!(error = format!("{problem:#}"), "cannot run the clusterer");
            ExitCode::FAILURE
        }
    }
}

/// Also gives back what a successor needs.
async fn run(arguments: Arguments) -> anyhow::Result<(Outcome, Lifecycle, TcpListener)> {
    let options = LoadOptions {
        path: arguments.config,
        environment: arguments.env,
        component: Component::Clusterer,
        ..LoadOptions::default()
    };
    let loaded = Config::load(&options)?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let path = loaded.path.as_deref();
    let file = arguments
        .cfg_file
        .unwrap_or_else(|| loaded.config.environment.cluster_file(path));
    info!(environment = %loaded.config.environment, cluster_file = %file.display(), "starting");
    let settings = Settings::resolve(&loaded.config, &file, &Surroundings::of_process(path)?)?;
    let lifecycle = Lifecycle::install().context("cannot listen to signals")?;
    successor::take_signals().context("cannot listen to signals")?;
    let address = loaded.config.clusterer_address();
    let listener = listen::listener(0, address, "meta.clusterer_port")?;
    let kept = listener.try_clone().context("cannot keep the listener")?;
    let outcome =
        splashtail_clusterer::run_on(listener, &loaded.config, settings, &lifecycle).await?;
    Ok((outcome, lifecycle, kept))
}
