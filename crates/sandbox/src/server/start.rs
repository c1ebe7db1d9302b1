//! Starting a sandbox from command-line arguments, or inside a test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use splashtail_core::clock::{Clock, SystemClock};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_core::listen::{self, ListenError};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::openapi::{DescriptionError, complaints};
use splashtail_sandbox_world::seed::{self, UnknownWorld};
use splashtail_sandbox_world::world::Conduct;
use splashtail_sandbox_world::{Options, Sandbox};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Edge, Listeners, Tls, TlsError};
use crate::control::client::ControlClient;
use crate::control::page::{Page, PageError};
use crate::gateway::Settings;

/// Arguments of a sandbox that serves.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Address all listeners bind to.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub bind: IpAddr,
    /// Port of REST, CDN and OAuth2.
    #[arg(long, default_value_t = 4400)]
    pub rest_port: u16,
    /// Port of the gateway.
    #[arg(long, default_value_t = 4401)]
    pub gateway_port: u16,
    /// Port of the control API and its page. Anyone who reaches it can act as anyone.
    #[arg(long, default_value_t = 4402)]
    pub control_port: u16,
    /// Port of a gateway of its own for resuming, as Discord has it; sessions are then resumed
    /// nowhere else. Default: none.
    #[arg(long)]
    pub resume_port: Option<u16>,
    /// World to start with.
    #[arg(long, default_value = "small", value_parser = worlds())]
    pub world: String,
    /// What ids and secrets of new things depend on.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Heartbeat interval of the gateway, in real milliseconds.
    #[arg(long, default_value_t = 41_250, value_parser = clap::value_parser!(u64).range(100..))]
    pub heartbeat_ms: u64,
    /// How long a gateway session waits to be resumed, in seconds of the sandbox's clock.
    #[arg(long, default_value_t = 180)]
    pub session_timeout_s: u32,
    /// Serve REST and gateway as https and wss, with an authority whose certificate is in
    /// `ca.pem` of this directory; clients have to trust it.
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "data/sandbox"
    )]
    pub tls: Option<PathBuf>,
    /// Built page to serve at the control port; default: `share/splashtail/sandbox` of the
    /// installation, else `website/build-sandbox`.
    #[arg(long, value_name = "DIR")]
    pub page_dir: Option<PathBuf>,
    /// Hold every exchange against Discord's API description, list what does not fit at
    /// GET /ctl/violations and fail at the end. `splashtail up` hands the variable on.
    #[arg(long, env = "SPLASHTAIL_SANDBOX_STRICT_OPENAPI")]
    pub strict_openapi: bool,
}

/// Takes the name of a built-in world, and lists them in the help.
pub fn worlds() -> PossibleValuesParser {
    let value = |world: &seed::BuiltIn| PossibleValue::new(world.name).help(world.about);
    PossibleValuesParser::new(seed::WORLDS.iter().map(value))
}

/// Why a sandbox cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("a listener cannot be used")]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    World(#[from] UnknownWorld),
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{} exchanges violate Discord's API description:\n{}", .0.len(), .0.join("\n"))]
    Violations(Vec<String>),
    #[error("the control API would be open to the network: bind the sandbox to a loopback address")]
    Exposed,
}

/// Runs a sandbox until the process is told to stop.
///
/// Listeners come from `LISTEN_FDS` (REST, gateway, control) or are bound here.
pub async fn run(args: ServeArgs, lifecycle: Lifecycle) -> Result<(), ServeError> {
    if !args.bind.is_loopback() {
        return Err(ServeError::Exposed);
    }
    let page = Page::find(args.page_dir.as_deref())?;
    let bind = |index, port, key| listen::listener(index, SocketAddr::new(args.bind, port), key);
    let listeners = Listeners::from_std(
        bind(0, args.rest_port, "--rest-port")?,
        bind(1, args.gateway_port, "--gateway-port")?,
        bind(2, args.control_port, "--control-port")?,
    )?;
    let mut listeners = listeners;
    if let Some(dir) = &args.tls {
        listeners.tls = Some(Tls::load(dir, args.bind)?);
    }
    if let Some(port) = args.resume_port {
        let listener = TcpListener::bind(SocketAddr::new(args.bind, port)).await?;
        listeners.resume = Some(listener);
    }
    let addresses = listeners.addresses()?;
    let control = listeners.control.local_addr()?;
    let options = Options {
        world: args.world,
        seed: args.seed,
        addresses: addresses.clone(),
        clock: Arc::new(SandboxClock::new(SystemClock.now())),
        conduct: Conduct::default(),
    };
    let settings = Settings {
        heartbeat_interval: Duration::from_millis(args.heartbeat_ms),
        session_timeout_ms: i64::from(args.session_timeout_s) * 1000,
        ..Settings::default()
    };
    let edge = Edge::new(Sandbox::new(&options)?, settings, args.strict_openapi)?;
    tracing::info!(
        rest = %addresses.rest,
        gateway = %addresses.gateway,
        control = %format_args!("http://{control}"),
        "the sandbox serves"
    );
    lifecycle.notify_ready();
    edge.clone()
        .serve(listeners, page, lifecycle.shutdown())
        .await;
    let complaints = complaints(&edge.violations().await);
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(ServeError::Violations(complaints))
    }
}

/// A sandbox serving in this process, on ports of its own.
pub struct Running {
    pub edge: Arc<Edge>,
    pub rest: Url,
    pub gateway: Url,
    pub control: Url,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// A client of its control API.
    pub fn client(&self) -> Result<ControlClient, crate::control::client::ControlError> {
        ControlClient::new(&self.control)
    }

    /// Stops and waits for the end.
    pub async fn stop(self) {
        self.shutdown.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the sandbox did not stop in order");
        }
    }
}

/// Starts a sandbox, without a page, on ephemeral loopback ports.
pub async fn start(
    world: &str,
    seed: u64,
    clock: Arc<SandboxClock>,
    settings: Settings,
    strict: bool,
) -> Result<Running, ServeError> {
    let any = (Ipv4Addr::LOCALHOST, 0);
    let listeners = Listeners {
        rest: TcpListener::bind(any).await?,
        gateway: TcpListener::bind(any).await?,
        control: TcpListener::bind(any).await?,
        resume: None,
        tls: None,
    };
    let addresses = listeners.addresses()?;
    let options = Options {
        world: world.to_owned(),
        seed,
        addresses,
        clock,
        // Scripts that are about something else want things at once and in order.
        conduct: Conduct::prompt(),
    };
    start_on(listeners, &options, settings, strict)
}

/// Starts a sandbox, without a page, on these listeners. What `options` advertises may be other
/// addresses, in front of them.
///
/// # Errors
/// There is no such world, or a listener has no address.
pub fn start_on(
    listeners: Listeners,
    options: &Options,
    settings: Settings,
    strict: bool,
) -> Result<Running, ServeError> {
    let control = format!("http://{}", listeners.control.local_addr()?);
    let parse = |text: &str| Url::parse(text).map_err(std::io::Error::other);
    let (rest, gateway, control) = (
        parse(&options.addresses.rest)?,
        parse(&options.addresses.gateway)?,
        parse(&control)?,
    );
    let edge = Edge::new(Sandbox::new(options)?, settings, strict)?;
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(
        edge.clone()
            .serve(listeners, Page::default(), shutdown.clone()),
    );
    Ok(Running {
        edge,
        rest,
        gateway,
        control,
        shutdown,
        task,
    })
}
