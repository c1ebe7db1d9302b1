//! The public face of the platform: REST API, immediate OAuth for downloads, the website.
//!
//! It owns no work and no bot. Jobs are the jobserver's, clusters the clusterer's; both are asked
//! over signed HTTP, so this process can be restarted at any time. It writes nothing to the
//! database.

mod admin;
mod app;
mod auth;
mod dashboard;
mod error;
mod extract;
mod fleet;
mod fresh;
mod ioauth;
mod layers;
mod links;
mod objects;
mod openapi;
mod rate_limit;
mod render;
mod routes;
mod site;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use splashtail_core::clock::{Clock, SharedClock};
use splashtail_core::config::Config;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::{ErrorResponse, serve};
use splashtail_storage::{Storage, StorageError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{info, warn};
use url::Url;

pub use routes::document;
pub use site::{Site, locate as locate_site};

use app::App;
use dashboard::DeployProxy;

/// Time that background tasks get at the end, beside the drain of the servers.
const GRACE: Duration = Duration::from_secs(4);
/// Pause between looks at a database without our tables.
const MIGRATION_WAIT: Duration = Duration::from_secs(2);

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
    /// Names the users who may open the dashboard; without it nobody may.
    pub cluster_file: Option<PathBuf>,
}

/// Serves until the lifecycle's shutdown. Both servers answer at once; the public one with 503
/// until the database is reached.
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
    let _ = admin::recorder();
    let (ready, readiness) = watch::channel(None);
    let app_router = Arc::new(OnceLock::new());
    let front = Router::new().fallback(front).with_state(app_router.clone());

    let admin = lifecycle.tasks().spawn(serve(
        listeners.admin,
        admin::router(readiness),
        shutdown.clone(),
    ));
    let web = lifecycle
        .tasks()
        .spawn(serve(listeners.web, front, shutdown.clone()));

    match database(&config, clock.as_ref(), &shutdown).await {
        Ok(storage) => {
            let app = Arc::new(App::new(config, storage.clone(), site, proxy, clock)?);
            let router = layers::wrap(routes::router(&app), &app);
            // Nobody else sets it.
            let _ = app_router.set(router);
            ready.send_replace(Some(storage));
            lifecycle.notify_ready();
            info!(
                site = app.site.is_built(),
                "serving {}", app.config.sites.api
            );
        }
        Err(StorageError::Stopped) => {}
        Err(error) => return Err(error).context("the database cannot be used"),
    }
    shutdown.cancelled().await;
    lifecycle.drain(GRACE).await;
    for server in [admin, web] {
        server
            .await
            .context("a server panicked")?
            .context("a listener failed")?;
    }
    Ok(())
}

/// The database with the tables of this version. Waits for an operator who migrates it.
async fn database(
    config: &Config,
    clock: &dyn Clock,
    shutdown: &CancellationToken,
) -> Result<Storage, StorageError> {
    let storage = Storage::open(&config.database(), shutdown).await?;
    loop {
        match storage.tasks().summary().await {
            Ok(_) => return Ok(storage),
            Err(error @ (StorageError::Outdated(_) | StorageError::Unavailable(_))) => {
                warn!(error = %Chain(&error), "waiting for the database");
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = clock.sleep(MIGRATION_WAIT) => {}
            () = shutdown.cancelled() => return Err(StorageError::Stopped),
        }
    }
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
