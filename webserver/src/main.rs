//! `splashtail-webserver`: reads its arguments and configuration, then [`splashtail_webserver`]
//! does the rest.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use splashtail_core::clock::SystemClock;
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::listen::listener;
use splashtail_core::telemetry;
use splashtail_webserver::{Listeners, Options, run};
use tracing::{error, warn};

/// REST API and website of splashtail.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file; else SPLASHTAIL_CONFIG, ./config.yaml, ../config.yaml.
    #[arg(long)]
    config: Option<PathBuf>,
    /// staging or prod
    #[arg(long)]
    env: Option<Environment>,
    /// The built website.
    #[arg(long)]
    site_dir: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    telemetry::init("webserver");
    match start(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            error!("{cause:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(arguments: Arguments) -> Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("another TLS provider is installed already"))?;
    let lifecycle = Lifecycle::install().context("cannot listen to signals")?;
    let loaded = Config::load(&LoadOptions {
        path: arguments.config,
        environment: arguments.env,
        component: Component::Webserver,
        ..LoadOptions::default()
    })?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let config = loaded.config;
    let cluster_file = config.environment.cluster_file(loaded.path.as_deref());
    let listeners = Listeners {
        web: listener(0, config.web_address(), "meta.port")?,
        admin: listener(1, config.admin_address(), "meta.admin_port")?,
    };
    let options = Options {
        site_dir: arguments.site_dir,
        cluster_file: Some(cluster_file),
    };
    run(
        config,
        listeners,
        options,
        &lifecycle,
        SystemClock::shared(),
    )
    .await
}
