//! `splashtail-clusterer`

use std::env;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;
use command_fds::{CommandFdExt, FdMapping};
use splashtail_clusterer::Outcome;
use splashtail_clusterer::settings::{Settings, Surroundings};
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::listen;
use splashtail_core::telemetry::{self, Chain};
use tracing::{error, info, warn};

/// Where an inherited listener lies (sd_listen_fds(3)).
const FIRST_LISTENER_FD: i32 = 3;

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
        Ok((Outcome::Stopped { code, reason }, _)) => {
            if let Some(reason) = reason {
                error!(reason, "stopped");
            }
            ExitCode::from(code)
        }
        Ok((Outcome::Replace, listener)) => replace(listener),
        Err(problem) => {
            error!(error = format!("{problem:#}"), "cannot run the clusterer");
            ExitCode::FAILURE
        }
    }
}

/// Also gives the listener back, for a successor.
async fn run(arguments: Arguments) -> anyhow::Result<(Outcome, TcpListener)> {
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
    let address = loaded.config.clusterer_address();
    let listener = listen::listener(0, address, "meta.clusterer_port")?;
    let kept = listener.try_clone().context("cannot keep the listener")?;
    let outcome =
        splashtail_clusterer::run_on(listener, &loaded.config, settings, &lifecycle).await?;
    Ok((outcome, kept))
}

/// Becomes the newest version of this program, under the same process number and on the same
/// listener. The clusters run on and are adopted.
fn replace(listener: TcpListener) -> ExitCode {
    let problem = match successor(listener) {
        Ok(mut successor) => {
            info!(program = ?successor.get_program(), "replacing this process");
            anyhow::Error::new(successor.exec())
        }
        Err(problem) => problem,
    };
    error!(
        error = format!("{problem:#}"),
        "cannot replace this process"
    );
    ExitCode::FAILURE
}

fn successor(listener: TcpListener) -> anyhow::Result<Command> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    // The kernel marks the path of a program whose file was replaced.
    let shown = own.display().to_string();
    let program = shown.strip_suffix(" (deleted)").unwrap_or(&shown);
    let mut command = Command::new(program);
    command
        .args(env::args_os().skip(1))
        .env_remove("LISTEN_PID")
        .env("LISTEN_FDS", "1")
        .fd_mappings(vec![FdMapping {
            parent_fd: listener.into(),
            child_fd: FIRST_LISTENER_FD,
        }])
        .context("cannot hand the listener over")?;
    Ok(command)
}
