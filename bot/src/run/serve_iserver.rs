//! The IServer as a background task, and the metrics it shows.

use std::sync::Arc;

use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::meters;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::{Readiness, serve};
use tracing::error;

use super::{RESTART_PAUSE, until};
use crate::cluster::{ClusterState, ShardView};
use crate::iserver;
use crate::registry::{Need, Registry};

/// Binds the port and serves until the shutdown.
pub(super) async fn start(
    config: &Config,
    state: &Arc<ClusterState>,
    answers: iserver::Answers,
    readiness: Readiness,
    lifecycle: &Lifecycle,
    clock: &SharedClock,
) -> anyhow::Result<()> {
    let (shutdown, cluster) = (lifecycle.shutdown(), state.cluster.id);
    let binding = iserver::bind(config, cluster, clock.as_ref());
    let Some(listener) = until(&shutdown, binding).await.transpose()? else {
        return Ok(());
    };
    let _ = meters::install();
    let (gauges, view): (_, Arc<dyn ShardView>) = (Arc::clone(state), Arc::clone(state) as _);
    let render = move || {
        record_gauges(&gauges);
        meters::render().unwrap_or_default()
    };
    let gate = iserver::verifier(config, cluster, Arc::clone(clock));
    let router = iserver::router(view, answers, gate, readiness, render);
    let (config, clock) = (config.clone(), Arc::clone(clock));
    lifecycle.tasks().spawn(async move {
        let mut listener = listener;
        // A failing server does not take the shards down with it.
        while let Err(error) = serve(listener, router.clone(), shutdown.clone()).await {
            error!(error = %Chain(&error), "the IServer failed, starting it again");
            listener = loop {
                clock.sleep(RESTART_PAUSE).await;
                match iserver::bind(&config, cluster, clock.as_ref()).await {
                    Ok(listener) => break listener,
                    Err(error) => error!(error = %Chain(&error), "the IServer is down"),
                }
            };
        }
    });
    Ok(())
}

/// An object keyed by module id, in registration order. Besides what the API shows each module says
/// what it needs and why, and brings its page.
pub(super) fn canonical_modules(registry: &Registry) -> anyhow::Result<Value> {
    let modules = registry
        .all()
        .map(|module| {
            let mut described = serde_json::to_value(&module.canonical)?;
            described["needs"] = module.needs.iter().map(Need::describe).collect();
            described["docs"] = module.docs.into();
            Ok((module.id.to_owned(), described))
        })
        .collect::<Result<_, serde_json::Error>>()?;
    Ok(Value::Object(modules))
}

fn record_gauges(state: &ClusterState) {
    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("bot_guilds").set(state.guilds.available() as f64);
    metrics::gauge!("bot_ready").set(if state.is_ready() { 1.0 } else { 0.0 });
    metrics::gauge!("bot_uptime_seconds").set(state.uptime().as_secs_f64());
}
