//! `splashtail-bot`: one cluster of the bot.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use splashtail_bot::arguments::{Arguments, ShardPlan};
use splashtail_bot::{Refused, Surroundings, run};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;
use splashtail_ipc::launcher::{END_FILE_VARIABLE, REFUSED_EXIT};
use tracing::{error, warn};

/// For what still runs when the cluster has ended. serenity's shards can spin on a connection that is
/// gone, so nothing of the runtime is waited for beyond it.
const REST_GRACE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(Box::pin(start(arguments)));
    runtime.shutdown_timeout(REST_GRACE);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            match error.downcast_ref::<Refused>() {
                Some(_) => ExitCode::from(REFUSED_EXIT),
                None => ExitCode::FAILURE,
            }
        }
    }
}

async fn start(arguments: Arguments) -> anyhow::Result<()> {
    let plan = arguments.plan(variable("MEWLD_CHANNEL"));
    let process_name = match &plan {
        Ok((ShardPlan::Fixed(cluster), _)) => cluster.label(),
        _ => "bot".to_owned(),
    };
    telemetry::init(&process_name);
    // Two TLS backends are linked in; neither is chosen by itself. A second call is no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let (plan, environment) = plan.context("the arguments are wrong")?;
    let options = LoadOptions {
        path: arguments.config,
        environment,
        component: Component::Bot,
        ..LoadOptions::default()
    };
    let loaded = Config::load(&options)?;
    for warning in loaded.warnings {
        warn!("{warning}");
    }
    let lifecycle = Lifecycle::install().context("cannot listen to signals")?;
    let surroundings = Surroundings {
        bus_url: variable("REDIS_URL"),
        orphan_timeout: variable("CLUSTERER_ORPHAN_TIMEOUT"),
        identify_not_before: variable("IDENTIFY_NOT_BEFORE"),
        identify_floors: variable("IDENTIFY_FLOORS"),
        gateway: variable("CLUSTER_GATEWAY"),
        end_file: variable(END_FILE_VARIABLE),
        bootstrap_commands: variable("BOOTSTRAP_COMMANDS"),
        register_commands: variable("REGISTER_COMMANDS"),
    };
    let running = run(
        loaded.config,
        plan,
        surroundings,
        lifecycle,
        SystemClock::shared(),
    );
    Box::pin(running).await
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
