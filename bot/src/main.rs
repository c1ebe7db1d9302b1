//! `splashtail-bot`: one cluster of the bot.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use splashtail_bot::arguments::{Arguments, ShardPlan};
use splashtail_bot::{Surroundings, run};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry;
use tracing::{error, warn};

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(start(Arguments::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
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
