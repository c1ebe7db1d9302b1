//! The proxy, gateway and REST, between a program of strangers and the sandbox.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_proxy::{Listeners, serve_on};
use splashtail_sandbox::server::Running;
use splashtail_sandbox_world::seed::small;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// A proxy that runs until this is dropped.
pub struct Proxied {
    /// Everything that a library asks of Discord, the gateway's address included.
    pub rest: Url,
    _directory: TempDir,
    _running: DropGuard,
}

impl Proxied {
    /// Starts one before a sandbox, and waits until it has its sessions.
    ///
    /// # Errors
    /// No port is free, or it does not become ready.
    pub async fn start(sandbox: &Running) -> Result<Self> {
        // An error means that a provider is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bind = || -> Result<TcpListener> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listeners = Listeners {
            gateway: bind()?,
            rest: bind()?,
        };
        let gateway = format!("http://{}", listeners.gateway.local_addr()?);
        let rest = format!("http://{}", listeners.rest.local_addr()?);
        let directory = TempDir::new()?;
        let mut config = Config::embedded(directory.path(), Environment::Staging);
        config.discord.api_base = sandbox.rest.clone();
        config.discord_auth.token = Some(small::bot_token().into());
        config.simple_gateway_proxy.url = gateway.parse()?;
        let shutdown = CancellationToken::new();
        let lifecycle = Lifecycle::manual(shutdown.clone());
        tokio::spawn(async move {
            // Without it whoever waits for it says so.
            let _ = serve_on(listeners, &config, &lifecycle, SystemClock::shared()).await;
        });
        let http = reqwest::Client::builder().no_proxy().build()?;
        let ready = async {
            loop {
                let answer = http.get(format!("{gateway}/readyz")).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, ready).await;
        waited.context("the proxy does not become ready")?;
        Ok(Self {
            rest: rest.parse()?,
            _directory: directory,
            _running: shutdown.drop_guard(),
        })
    }
}
