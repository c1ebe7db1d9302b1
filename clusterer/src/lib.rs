//! The clusterer: runs the bot as several processes, each with a range of shards, and keeps them
//! running. It speaks mewld's bus protocol, so bots written for mewld run under it.
//!
//! [`fleet`] decides, without I/O; [`run`] connects it to processes, the bus, Discord and its
//! HTTP port. It never talks to users and holds no gateway connection of its own.

mod action_log;
mod complaints;
mod driver;
pub mod fleet;
mod gateway;
mod handle;
mod map;
mod outbox;
mod process;
mod running;
pub mod settings;
mod state_file;
mod web;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use splashtail_core::clock::{SharedClock, SystemClock};
use splashtail_core::config::Config;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::random;
use splashtail_ipc::signing::{Verifier, tag};
use splashtail_ipc::{bus, http};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use driver::Outcome;
pub use handle::{FleetHandle, NotReady};

use crate::driver::Driver;
use crate::fleet::{Fleet, Now, ProcessId};
use crate::gateway::{Gateway, LastAnswer};
use crate::process::Adopted;
use crate::settings::Settings;
use crate::state_file::StateStore;
use crate::web::EventCounter;

/// Runs the clusterer until it is asked to stop or its clusters are.
///
/// # Errors
/// An address cannot be parsed, or no random numbers are to be had.
pub async fn run_on(
    listener: TcpListener,
    config: &Config,
    settings: Settings,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Outcome> {
    let clock: SharedClock = SystemClock::shared();
    let shutdown = lifecycle.shutdown();
    let bus = bus::connect(&config.bus(), &settings.channel).context("`meta.redis_url`")?;
    let gateway = Gateway::new(&settings.api_base, settings.token.clone())
        .context("cannot build an HTTP client")?;
    let (handle, requests) = FleetHandle::new();
    let counter = EventCounter::default();
    let verifier = Verifier::new(
        config.meta.jobserver_secrets.clone(),
        tag::CLUSTERER,
        config.meta.plain_client_secret,
        Arc::clone(&clock),
    );
    let readiness = web::readiness(&handle, &bus);
    tokio::spawn(readiness.clone().watch(shutdown.clone()));
    let router = web::router(
        handle.clone(),
        Arc::clone(&bus),
        &settings,
        verifier,
        counter.clone(),
        readiness,
    );
    // The port outlives the token: while clusters stop, their state can still be read.
    let serving = CancellationToken::new();
    let server = tokio::spawn(http::serve(listener, router, serving.clone()));

    let store = StateStore::new(&config.data_dir, &settings.channel);
    let subscription = tokio::select! {
        subscription = bus.subscribe(std::slice::from_ref(&settings.channel)) => subscription.context("cannot subscribe")?,
        () = shutdown.cancelled() => {
            // Clusters of an earlier clusterer end also when the bus does not come.
            end_all(store, &settings).await;
            serving.cancel();
            return Ok(Outcome::Stopped { code: 0, reason: None });
        }
    };
    let seed = u64::from_le_bytes(random::bytes()?);
    let predecessor = store.load(&settings.program, &settings.policy);
    if !predecessor.strays.is_empty() {
        warn!(
            processes = predecessor.strays.len(),
            "ending processes that fit no cluster"
        );
        end(predecessor.strays, settings.policy.stop_grace).await;
    }
    let mut fleet = Fleet::new(settings.policy, seed);
    let last_answer = LastAnswer::new(&config.data_dir, &settings.api_base, &settings.token);
    fleet.recall(last_answer.read(clock.now()));
    let mut adopted = Vec::new();
    match predecessor.fleet {
        Some(saved) => {
            for (index, process) in predecessor.adopted {
                let cluster = &saved.clusters[index];
                if let Some(id) = cluster.process.clone() {
                    adopted.push((cluster.id, cluster.incarnation, id, process));
                }
            }
            info!(
                clusters = adopted.len(),
                "found running clusters of an earlier clusterer"
            );
            let now = Now {
                monotonic: clock.monotonic(),
                wall: clock.now(),
            };
            fleet.adopt(now, saved);
        }
        None => fleet.remember(predecessor.remembered),
    }
    lifecycle.notify_ready();
    let driver = Driver {
        fleet,
        clock,
        bus,
        subscription,
        channel: settings.channel,
        program: settings.program,
        gateway,
        store,
        last_answer,
        adopted,
        requests,
        reload: lifecycle.reload(),
        shutdown,
        counter,
    };
    handle.open();
    let outcome = driver.run().await;
    serving.cancel();
    server
        .await
        .context("the HTTP server panicked")?
        .context("the HTTP server failed")?;
    Ok(outcome)
}

/// Ends every cluster of this fleet that runs.
async fn end_all(store: StateStore, settings: &Settings) {
    let predecessor = store.load(&settings.program, &settings.policy);
    let mut processes = predecessor.strays;
    if let Some(saved) = &predecessor.fleet {
        for (index, process) in predecessor.adopted {
            let id = saved.clusters[index].process.clone();
            processes.extend(id.map(|id| (id, process)));
        }
    }
    end(processes, settings.policy.shutdown_grace).await;
    store.leave(predecessor.fleet);
}

async fn end(processes: Vec<(ProcessId, Adopted)>, grace: Duration) {
    let ids: Vec<_> = processes.iter().map(|(id, _)| id.clone()).collect();
    let ends = processes.into_iter().map(|(_, process)| process.wait());
    process::stop_all(&ids, ends, grace).await;
}
