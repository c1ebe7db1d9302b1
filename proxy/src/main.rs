//! `splashtail-proxy`: holds the bot's gateway sessions, and the limits of Discord's REST API.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use splashtail_core::cluster_file::ClusterFile;
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;

/// Holds the bot's gateway sessions at Discord while the bot restarts.
#[derive(Debug, Parser)]
#[command(name = "splashtail-proxy", version)]
struct Arguments {
    /// Config file; else SPLASHTAIL_CONFIG, ./config.yaml, ../config.yaml.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// staging or prod.
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<Environment>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::init("proxy");
    // An error means that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
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
        component: Component::Proxy,
        ..LoadOptions::default()
    })?;
    loaded.announce();
    loaded
        .config
        .require_token("webserver", loaded.path.as_deref())?;
    let file = loaded
        .config
        .environment
        .cluster_file(loaded.path.as_deref());
    ClusterFile::load(&file)?.allows_proxy(true)?;
    let lifecycle = Lifecycle::install()?;
    splashtail_proxy::run(loaded.config, &lifecycle).await
}
