//! The public face of the platform: REST API, immediate OAuth for downloads, the website.
//!
//! It owns no work and no bot. Jobs are the jobserver's, clusters the clusterer's; both are asked
//! over signed HTTP, so this process can be restarted at any time. Of the database it writes what
//! logins tell and the tokens that people make.

mod accounts;
mod admin;
mod app;
mod auth;
mod brought;
mod cookies;
mod error;
mod events;
mod extract;
mod fleet;
mod fresh;
mod gateway_proxy;
mod gitlogs;
mod identities;
mod ioauth;
mod layers;
mod lifetime;
mod links;
mod objects;
mod openapi;
mod operators;
mod people;
mod rate_limit;
mod rendered;
mod routes;
mod site;
mod sse;
mod together;

use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_core::descriptors;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::meters;
use splashtail_ipc::http::{Capacity, ErrorResponse, ServeOptions, serve_with};
use splashtail_storage::{Storage, StorageError};
use tokio::sync::watch;
use tower::ServiceExt;
use tracing::{info, warn};
use url::Url;

pub use routes::document;
pub use site::{Site, locate as locate_site};

use app::App;
use operators::DeployProxy;

/// Time that background tasks get at the end, beside the drain of the servers.
const GRACE: Duration = Duration::from_secs(4);

/// Descriptors that are not for whoever asks.
const OWN_DESCRIPTORS: usize = 224;
/// Somewhat more than may be followed at a time.
const MOST_CONNECTIONS: usize = 5000;

/// Where the two servers listen.
#[derive(Debug)]
pub struct Listeners {
    pub web: TcpListener,
    pub admin: TcpListener,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--site-dir`
    pub site_dir: Option<PathBuf>,
    /// Names the users who may open the operators' page; without it nobody may.
    pub cluster_file: Option<PathBuf>,
}

/// Serves until the lifecycle's shutdown. As the successor of another process on the same listeners
/// it begins when it is ready (the lifecycle's turn); else it begins at once, the public server with
/// 503 until the database is reached.
///
/// # Errors
/// A key of the configuration cannot be used, or a listener failed.
pub async fn run(
    config: Config,
    listeners: Listeners,
    options: Options,
    lifecycle: &Lifecycle,
    clock: SharedClock,
) -> Result<()> {
    let shutdown = lifecycle.shutdown();
    let site = read_site(options.site_dir, &config.sites.api)?;
    let proxy = DeployProxy::new(&config, options.cluster_file.as_deref());
    let _ = meters::install();
    let (started, has_started) = watch::channel(None);
    let app_router = Arc::new(OnceLock::new());
    let front = Router::new().fallback(front).with_state(app_router.clone());
    let public = ServeOptions {
        capacity: Capacity {
            total: connections(descriptors::raise()),
            trusted: config.meta.trusted_proxies.as_slice().into(),
            ..Capacity::default()
        },
        ..ServeOptions::default()
    };

    let reach = async {
        let storage = match Storage::open_migrated(&config.database(), &shutdown).await {
            Err(StorageError::Stopped) => return Ok(()),
            reached => reached.context("the database cannot be used")?,
        };
        let app = App::new(
            config.clone(),
            storage,
            site,
            proxy,
            clock.clone(),
            shutdown.clone(),
        )?;
        let app = Arc::new(app);
        let (feeding, storage) = (app.clone(), app.storage.clone());
        let (feed_clock, stop) = (clock.clone(), shutdown.clone());
        lifecycle.tasks().spawn(async move {
            feeding.feed.run(storage, feed_clock, stop).await;
        });
        let (app_of, stop) = (app.clone(), shutdown.clone());
        lifecycle.tasks().spawn(async move {
            let environment = app_of.config.environment;
            app_of.identities.run(&*app_of.bus, environment, stop).await;
        });
        // Nobody else sets it.
        let _ = app_router.set(layers::wrap(routes::router(&app), &app));
        info!(
            site = app.site.is_built(),
            "serving {}", app.config.sites.api
        );
        started.send_replace(Some(app));
        lifecycle.notify_ready();
        anyhow::Ok(())
    };
    let mut reach = pin!(reach);
    let reached = tokio::select! {
        reached = reach.as_mut() => {
            reached?;
            true
        }
        () = lifecycle.turn() => false,
    };
    let admin = admin::router(has_started, lifecycle, clock.clone());
    let servers = [
        serve_with(
            listeners.admin,
            admin,
            shutdown.clone(),
            ServeOptions::default(),
        ),
        serve_with(listeners.web, front, shutdown.clone(), public),
    ]
    .map(|server| lifecycle.tasks().spawn(server));
    if !reached {
        reach.await?;
    }
    shutdown.cancelled().await;
    lifecycle.drain(GRACE).await;
    for server in servers {
        server
            .await
            .context("a server panicked")?
            .context("a listener failed")?;
    }
    Ok(())
}

/// Connections that so many descriptors are enough for, beside the database, the other daemons and Discord.
fn connections(descriptors: usize) -> usize {
    descriptors
        .saturating_sub(OWN_DESCRIPTORS)
        .clamp(1, MOST_CONNECTIONS)
}

fn read_site(asked: Option<PathBuf>, api: &Url) -> Result<Site> {
    match site::locate(asked) {
        Some(directory) => Ok(Site::read(&directory, api)?),
        None => {
            warn!("the website is not built: `/` says how to build it");
            Ok(Site::absent())
        }
    }
}

/// Hands requests to the application once it exists.
async fn front(State(router): State<Arc<OnceLock<Router>>>, request: Request) -> Response {
    match router.get() {
        Some(router) => match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => ErrorResponse::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            "the database is not reached yet",
        )
        .retry_after(2)
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_connections_as_descriptors_allow() {
        assert_eq!(connections(1024), 800);
        assert_eq!(connections(4096), 3872);
        assert_eq!(connections(1 << 20), MOST_CONNECTIONS);
        assert_eq!(connections(100), 1);
    }
}
