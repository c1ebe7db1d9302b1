//! A loopback websocket in front of Discord's gateway. Downstream it is transparent: one connection
//! for one, frames passed on as they are. It holds an identify until it is its shard's turn, it
//! remembers with which code Discord closed, and a shard always hears a close with a code.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::ShardId;
use splashtail_core::random;
use splashtail_core::telemetry::Chain;
use splashtail_gateway::{ConnectError, Upstream, address, connect, unlimited};
use splashtail_ipc::launcher::GatewayRefusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use url::Url;

use super::door::Door;
use super::link::{Downstream, Link, away, hang_up, is_resume};
use super::pace::Pace;
use super::tap::Tap;
use crate::events::Router;

/// For a shard of this process to ask for a websocket.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// To connect to the gateway, TLS and websocket included. With the pause after a failure it is no
/// more than the 15 s that serenity waits for a first message.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// How long a shard waits for its close when the gateway cannot be reached: it comes back at once.
const PAUSE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(5);
/// serenity asks to resume as soon as it is connected; whoever has not by now has no session.
const RESUMES_WITHIN: Duration = Duration::from_secs(1);
/// After a connection that could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Why Discord does not want this bot, once it has said so.
pub type Ends = watch::Receiver<Option<GatewayRefusal>>;

/// Listens until the token given to [`Relay::start`] is cancelled.
pub struct Relay {
    address: SocketAddr,
    links: Arc<Links>,
}

impl Relay {
    /// `gateway` is the address that Discord's API names.
    ///
    /// # Errors
    /// No port is free, there are no random numbers, or the gateway's address is none.
    pub async fn start(
        gateway: &str,
        pace: Arc<Pace>,
        router: Arc<Router>,
        clock: SharedClock,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let gateway: Url = gateway.parse().context("the gateway's address is no URL")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.await.context("no port for the gateway relay")?;
        let address = listener.local_addr()?;
        let links = Arc::new(Links {
            door: Door::new()?,
            pace,
            tap: Tap::new(gateway, router, Arc::clone(&clock)),
            compressed: AtomicBool::new(true),
            clock,
            rng: Mutex::new(StdRng::seed_from_u64(u64::from_le_bytes(random::bytes()?))),
            away: AtomicBool::new(false),
            refused: watch::Sender::new(None),
        });
        tokio::spawn(shutdown.run_until_cancelled_owned(Arc::clone(&links).accept(listener)));
        Ok(Self { address, links })
    }

    /// Where a shard connects to. Nobody else may learn of it.
    pub fn url(&self, shard: ShardId) -> String {
        format!("ws://{}{}", self.address, self.links.door.path(shard))
    }

    pub fn refused(&self) -> Ends {
        self.links.refused.subscribe()
    }
}

struct Links {
    door: Door,
    pace: Arc<Pace>,
    tap: Tap,
    /// Whether to ask for compression.
    compressed: AtomicBool,
    clock: SharedClock,
    rng: Mutex<StdRng>,
    /// The gateway could not be reached last time.
    away: AtomicBool,
    refused: watch::Sender<Option<GatewayRefusal>>,
}

impl Links {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let links = Arc::clone(&self);
                    tokio::spawn(async move {
                        if let Err(error) = links.serve(stream).await {
                            debug!(error = format!("{error:#}"), "a gateway connection ended");
                        }
                    });
                }
                Err(error) => {
                    warn!(%error, "the gateway relay cannot take a connection");
                    self.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let asked = OnceLock::new();
        #[allow(clippy::result_large_err, reason = "the library's own signature")]
        let look = |request: &Request, response: Response| match self.door.admit(request) {
            Ok(shard) => {
                // It is set here only.
                let _ = asked.set(shard);
                Ok(response)
            }
            Err(refusal) => Err(*refusal),
        };
        let handshake = accept_hdr_async_with_config(stream, look, Some(unlimited()));
        let mut down = tokio::select! {
            biased;
            down = handshake => down?,
            () = self.clock.sleep(HANDSHAKE_DEADLINE) => bail!("no handshake in time"),
        };
        let asked = asked.into_inner().context("a request without an address")?;
        let shard = asked.shard;
        let session = self.tap.addresses().of_session(shard);
        let first = match &session {
            Some(_) => tokio::select! {
                biased;
                first = down.next() => Some(first.context("the shard is gone")??),
                () = self.clock.sleep(RESUMES_WITHIN) => None,
            },
            None => None,
        };
        let session = session.filter(|_| first.as_ref().is_some_and(is_resume));
        let gateway = session.unwrap_or_else(|| self.tap.addresses().gateway().clone());
        match self.reach(shard, &gateway, asked.query.as_deref()).await {
            Some(up) => {
                let link = Link {
                    shard,
                    pace: &self.pace,
                    tap: &self.tap,
                    compressed: &self.compressed,
                    refused: &self.refused,
                };
                link.pass_on(down, up, first).await;
            }
            None => {
                // The next time it is the address that the API names.
                self.tap.addresses().forget(shard);
                self.put_off(down).await;
            }
        }
        Ok(())
    }

    /// Says once that the gateway is away, however many shards look for it and however often.
    async fn reach(&self, shard: ShardId, gateway: &Url, query: Option<&str>) -> Option<Upstream> {
        let connecting = self.connect(gateway, query);
        let problem = match tokio::time::timeout(CONNECT_DEADLINE, connecting).await {
            Ok(Ok(up)) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    info!("Discord's gateway can be reached again");
                }
                return Some(up);
            }
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if self.away.swap(true, Ordering::Relaxed) {
            debug!(shard.id = %shard, error = problem, "cannot connect to Discord's gateway");
        } else {
            warn!(
                shard.id = %shard,
                error = problem,
                "cannot connect to Discord's gateway, shards keep trying"
            );
        }
        None
    }

    /// A gateway that knows no compression may refuse the whole request.
    async fn connect(&self, gateway: &Url, query: Option<&str>) -> Result<Upstream, ConnectError> {
        let compressed = self.compressed.load(Ordering::Relaxed);
        match connect(&address(gateway, query, compressed)).await {
            Err(error) if compressed && error.is_refusal() => {
                let up = connect(&address(gateway, query, false)).await?;
                info!("the gateway does not compress");
                self.compressed.store(false, Ordering::Relaxed);
                Ok(up)
            }
            answer => answer,
        }
    }

    /// Closes after a pause, or when the shard does.
    async fn put_off(&self, down: Downstream) {
        let pause = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            rng.random_range(PAUSE)
        };
        let (mut sink, mut stream) = down.split();
        let leaves = async {
            while let Some(Ok(Message::Text(_) | Message::Binary(_))) = stream.next().await {}
        };
        tokio::select! {
            () = leaves => {}
            () = self.clock.sleep(pause) => {}
        }
        hang_up(
            &mut sink,
            &mut stream,
            away("the gateway cannot be reached"),
        )
        .await;
    }
}

#[cfg(test)]
mod tests;
