//! `splashtail-clusterer`

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;
use splashtail_clusterer::Outcome;
use splashtail_clusterer::settings::{Settings, Surroundings, cluster_file_path};
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
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
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(problem) => {
            error!(error = %Chain(&problem), "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(arguments));
    drop(runtime);
    match outcome {
        Ok(Outcome::Stopped { code, reason: None }) => ExitCode::from(code),
        Ok(Outcome::Stopped {
            code,
            reason: Some(reason),
        }) => {
            error!(reason, "stopped");
            ExitCode::from(code)
        }
        Ok(Outcome::Replace) => replace(),
        Err(problem) => {
            error!(error = format!("{problem:#}"), "cannot run the clusterer");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
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
        .unwrap_or_else(|| cluster_file_path(path, &loaded.config));
    info!(environment = %loaded.config.environment, cluster_file = %file.display(), "starting");
    let settings = Settings::resolve(&loaded.config, &file, &Surroundings::of_process(path)?)?;
    let lifecycle = Lifecycle::install().context("cannot listen to signals")?;
    splashtail_clusterer::run(&loaded.config, settings, &lifecycle).await
}

/// Becomes the newest version of this program, under the same process number. The clusters run
/// on and are adopted.
fn replace() -> ExitCode {
    let own = match env::current_exe() {
        Ok(own) => own,
        Err(problem) => {
            error!(error = %Chain(&problem), "cannot tell where this program is");
            return ExitCode::FAILURE;
        }
    };
    // The kernel marks the path of a program whose file was replaced.
    let shown = own.display().to_string();
    let program = shown.strip_suffix(" (deleted)").unwrap_or(&shown);
    info!(program, "replacing this process");
    let problem = Command::new(program).args(env::args_os().skip(1)).exec();
    error!(error = %Chain(&problem), "cannot replace this process");
    ExitCode::FAILURE
}
