//! What happens beside the shards.

use std::sync::Arc;

use splashtail_core::lifecycle::Lifecycle;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::RESTART_PAUSE;
use crate::app::Data;
use crate::fleet_bus::FleetBus;
use crate::gateway::Pace;
use crate::modules::{Surroundings, Task};
use crate::registration::Registration;

/// Starts, once per process, what waits for shards to be ready.
pub(super) fn start(
    app: &Data,
    tasks: Vec<Task>,
    fleet: Option<Arc<FleetBus>>,
    pace: Arc<Pace>,
    registration: Registration,
    lifecycle: &Lifecycle,
) {
    let shutdown = lifecycle.shutdown();
    if let Some(fleet) = fleet.clone() {
        let tell = async move { fleet.tell_identified(pace.identified()).await };
        lifecycle
            .tasks()
            .spawn(shutdown.clone().run_until_cancelled_owned(tell));
    }
    let keep_lean = {
        let (guilds, clock) = (Arc::clone(&app.state.guilds), Arc::clone(&app.clock));
        async move { guilds.keep_lean(clock.as_ref()).await }
    };
    lifecycle
        .tasks()
        .spawn(shutdown.clone().run_until_cancelled_owned(keep_lean));
    let first_ready = {
        let (app, lifecycle) = (Arc::clone(app), lifecycle.clone());
        async move {
            app.state.ready.any().await;
            lifecycle.notify_ready();
            if let Some(connection) = app.state.connection() {
                registration.run(&connection.http, app.clock.as_ref()).await;
            }
            app.state.ready.all().await;
            match fleet {
                Some(fleet) => fleet.launch_next().await,
                None => info!("all shards have been ready"),
            }
        }
    };
    lifecycle
        .tasks()
        .spawn(shutdown.clone().run_until_cancelled_owned(first_ready));

    for task in tasks {
        let app = Arc::clone(app);
        let keep = async move {
            app.state.ready.any().await;
            loop {
                let surroundings = Surroundings {
                    state: Arc::clone(&app.state),
                    clock: Arc::clone(&app.clock),
                };
                // In a task of its own, so that a panic ends there; it goes with this one.
                let mut running = JoinSet::new();
                running.spawn((task.run)(surroundings));
                match running.join_next().await {
                    Some(Err(error)) => {
                        error!(task = task.name, %error, "a task broke, starting it again");
                    }
                    _ => warn!(task = task.name, "a task ended, starting it again"),
                }
                app.clock.sleep(RESTART_PAUSE).await;
            }
        };
        lifecycle
            .tasks()
            .spawn(shutdown.clone().run_until_cancelled_owned(keep));
    }
}
