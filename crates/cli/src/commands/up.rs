//! `up`, `webserver` and `jobs`: load the configuration, prepare the engines, run the supervisor.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::data_dir::DataDir;
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;
use splashtail_ipc::hub::{Hub, HubError};
use splashtail_storage::Storage;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::supervisor::{self, Plan, PlanOptions, Role};

/// How long the hub has to take leave of its clients.
const HUB_GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct UpArgs {
    /// Config file; without one the embedded defaults are used.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// `staging` or `prod`.
    #[arg(long, value_name = "NAME")]
    env: Option<Environment>,
    /// Where everything is kept; default `data` beside the config.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Listen on any free ports, so that several platforms run at once.
    #[arg(long)]
    free_ports: bool,
    /// Print one line of JSON when everything is ready.
    #[arg(long)]
    json: bool,
    /// Start the sandbox although a token is configured.
    #[arg(long)]
    sandbox: bool,
    /// Built website to serve.
    #[arg(long, value_name = "DIR")]
    site_dir: Option<PathBuf>,
    /// Built page of the sandbox to serve.
    #[arg(long, value_name = "DIR")]
    page_dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct WebserverArgs {
    /// Only the webserver: another command or machine runs the bot.
    #[arg(long)]
    no_clusterer: bool,
    /// Built website to serve.
    #[arg(long, value_name = "DIR")]
    site_dir: Option<PathBuf>,
    #[command(flatten)]
    daemon: DaemonArgs,
}

#[derive(Debug, clap::Args)]
pub struct DaemonArgs {
    /// Config file.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// `staging` or `prod`.
    #[arg(long, value_name = "NAME")]
    env: Option<Environment>,
    /// Where everything is kept; default `data` beside the config.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Everything on this machine.
///
/// # Errors
/// One message that says what to do.
pub async fn up(args: UpArgs) -> Result<ExitCode> {
    let options = PlanOptions {
        free_ports: args.free_ports,
        sandbox: args.sandbox,
        site_dir: args.site_dir,
        page_dir: args.page_dir,
        bin_dir: None,
    };
    let load = LoadOptions {
        path: args.config,
        environment: args.env,
        data_dir: args.data_dir,
        component: Component::All,
        allow_missing: true,
    };
    Box::pin(run(Role::Everything, load, options, args.json)).await
}

/// The webserver with the clusterer, and so the bot; or alone.
///
/// # Errors
/// One message that says what to do.
pub async fn webserver(args: WebserverArgs) -> Result<ExitCode> {
    let role = match args.no_clusterer {
        true => Role::WebserverAlone,
        false => Role::Webserver,
    };
    Box::pin(run_daemon(role, args.daemon, args.site_dir)).await
}

/// The jobserver.
///
/// # Errors
/// One message that says what to do.
pub async fn jobs(args: DaemonArgs) -> Result<ExitCode> {
    Box::pin(run_daemon(Role::Jobs, args, None)).await
}

async fn run_daemon(role: Role, args: DaemonArgs, site_dir: Option<PathBuf>) -> Result<ExitCode> {
    let options = PlanOptions {
        site_dir,
        ..PlanOptions::default()
    };
    let load = LoadOptions {
        path: args.config,
        environment: args.env,
        data_dir: args.data_dir,
        component: Component::All,
        allow_missing: false,
    };
    Box::pin(run(role, load, options, false)).await
}

async fn run(role: Role, load: LoadOptions, options: PlanOptions, json: bool) -> Result<ExitCode> {
    telemetry::init("splashtail");
    let loaded = Config::load(&load)?;
    // Parts of an installation hold their own parts of the data directory.
    let part = match role {
        Role::Everything => None,
        Role::Webserver | Role::WebserverAlone => Some("webserver"),
        Role::Jobs => Some("jobs"),
    };
    if let Some(command) = part {
        let path = loaded.path.as_deref();
        loaded.config.require_token(command, path)?;
    }
    loaded.announce();
    let root = &loaded.config.data_dir;
    let data_dir = match part {
        None => DataDir::open(root)?,
        Some(part) => DataDir::open_part(root, part)?,
    };
    let lifecycle = Lifecycle::install().context("cannot handle signals")?;
    let plan = Plan::make(role, load, loaded, data_dir, options)?;

    let storage = Storage::open(&plan.config.database(), &lifecycle.shutdown()).await?;
    storage
        .migrate()
        .await
        .context("the database cannot be brought up to date")?;
    drop(storage);

    // The hub outlives the daemons, which report their end on it.
    let hub = Lifecycle::manual(CancellationToken::new());
    if let Some(path) = plan.hub() {
        host_hub(&hub, &plan, &path)?;
    }
    let exit = supervisor::run(plan, lifecycle, SystemClock::shared(), json).await;
    hub.drain(HUB_GRACE).await;
    exit
}

/// Hosts the bus, unless another command of this installation already does.
fn host_hub(lifecycle: &Lifecycle, plan: &Plan, path: &Path) -> Result<()> {
    match Hub::bind(path, &plan.main_channel()?, &plan.data_dir.action_logs()) {
        Ok(hub) => {
            let shutdown = lifecycle.shutdown();
            lifecycle
                .tasks()
                .spawn(async move { hub.serve(shutdown).await });
            Ok(())
        }
        Err(HubError::AlreadyServed(path)) => {
            info!(path = %path.display(), "using the bus that is already there");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
