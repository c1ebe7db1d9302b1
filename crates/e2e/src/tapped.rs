//! The bot's own gateway relay, with its pace and its tap, between a library of strangers and the
//! sandbox. The relay wants to know which shard connects, as the bot's shards tell it by their
//! address; here a front asks the library's first message.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use splashtail_bot::events::Router;
use splashtail_bot::gateway::{Floors, Pace, Relay};
use splashtail_core::clock::{Clock, SharedClock, SystemClock};
use splashtail_core::ids::{GuildId, ShardId};
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{Listeners, Running, start_on};
use splashtail_sandbox_world::Options;
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::world::{Addresses, Conduct};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Shards that a library may ask for.
const SHARDS: u16 = 16;
/// For the end of a connection whose other side is told.
const GOODBYE: Duration = Duration::from_secs(2);

type Client = WebSocketStream<TcpStream>;
type Relayed = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A relay that runs until this is dropped.
pub struct Tapped {
    _running: DropGuard,
}

/// A strict sandbox with the `small` world whose gateway is reached through a relay, and resumed at
/// an address of its own.
///
/// # Errors
/// No port is free.
pub async fn start(settings: Settings) -> Result<(Running, Tapped)> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let front = bind().await?;
    let listeners = Listeners {
        rest: bind().await?,
        gateway: bind().await?,
        control: bind().await?,
        resume: Some(bind().await?),
        tls: None,
    };
    let real = listeners.addresses()?;
    let address = format!("ws://{}", front.local_addr()?);
    let options = Options {
        world: "small".to_owned(),
        seed: 1,
        addresses: Addresses {
            rest: real.rest,
            gateway: address.clone(),
        },
        clock: Arc::new(SandboxClock::new(SystemClock.now())),
        conduct: Conduct::prompt(),
    };
    let sandbox = start_on(listeners, &options, settings, true)?;

    let shutdown = CancellationToken::new();
    let clock: SharedClock = Arc::new(SystemClock);
    let shards: Vec<ShardId> = (0..SHARDS).map(ShardId).collect();
    let pace = Pace::new(&shards, 1, &Floors::default(), clock.clone());
    let nobody = |_: GuildId, _: &'static str| false;
    let router = Router::start(
        Vec::new(),
        Arc::new(nobody),
        Arc::default(),
        clock.clone(),
        &TaskTracker::new(),
        &shutdown,
    );
    let pace = Arc::new(pace);
    let relay = Relay::start(&real.gateway, pace, router, clock, shutdown.clone()).await?;
    let serving = Arc::new(Front {
        relay,
        address,
        sessions: Mutex::default(),
    })
    .accept(front);
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(serving));
    Ok((
        sandbox,
        Tapped {
            _running: shutdown.drop_guard(),
        },
    ))
}

struct Front {
    relay: Relay,
    address: String,
    /// Which shard a session belongs to.
    sessions: Mutex<HashMap<String, ShardId>>,
}

impl Front {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let front = Arc::clone(&self);
            // A connection that breaks concerns nobody else.
            tokio::spawn(async move {
                let _ = front.serve(stream).await;
            });
        }
    }

    async fn serve(&self, stream: TcpStream) -> Result<()> {
        let mut client = accept_async(stream).await?;
        let hello = json!({"op": 10, "d": {"heartbeat_interval": 41_250}, "s": null, "t": null});
        client.send(Message::text(hello.to_string())).await?;
        let (shard, first) = self.first(&mut client).await?;
        let url = format!("{}?v=10", self.relay.url(shard));
        let (mut relayed, _) = connect_async(url).await?;
        // As the bot's shards do: at once, or the relay takes it for a new session.
        relayed.send(first).await?;
        self.pass_on(shard, client, relayed).await
    }

    /// What the library wants, and for which shard.
    async fn first(&self, client: &mut Client) -> Result<(ShardId, Message)> {
        while let Some(message) = client.next().await {
            let message = message?;
            let Message::Text(text) = &message else {
                continue;
            };
            let said: Value = serde_json::from_str(text.as_str())?;
            let d = &said["d"];
            match said["op"].as_u64() {
                Some(1) => {
                    let beat = json!({"op": 11, "d": null, "s": null, "t": null});
                    client.send(Message::text(beat.to_string())).await?;
                }
                Some(2) => {
                    let shard = d["shard"][0].as_u64().unwrap_or_default();
                    return Ok((ShardId(u16::try_from(shard)?), message));
                }
                Some(6) => {
                    let session = d["session_id"].as_str().unwrap_or_default();
                    let shard = self.shard_of(session).context("an unknown session")?;
                    return Ok((shard, message));
                }
                _ => bail!("the library speaks before it identifies"),
            }
        }
        bail!("the library is gone")
    }

    fn shard_of(&self, session: &str) -> Option<ShardId> {
        let sessions = self.sessions.lock();
        let sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        sessions.get(session).copied()
    }

    async fn pass_on(&self, shard: ShardId, client: Client, relayed: Relayed) -> Result<()> {
        let (mut to_client, mut from_client) = client.split();
        let (mut to_relay, mut from_relay) = relayed.split();
        let down = async {
            let mut greeted = false;
            while let Some(Ok(message)) = from_relay.next().await {
                let last = matches!(message, Message::Close(_));
                let message = match message {
                    Message::Text(text) if !greeted => {
                        let said: Value = serde_json::from_str(text.as_str())?;
                        if said["op"] == 10 {
                            greeted = true;
                            continue;
                        }
                        Message::Text(text)
                    }
                    Message::Text(text) if text.as_str().contains(r#""READY""#) => {
                        Message::text(self.ready(shard, text.as_str())?)
                    }
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                    other => other,
                };
                to_client.send(message).await?;
                if last {
                    break;
                }
            }
            anyhow::Ok(())
        };
        let up = async {
            while let Some(Ok(message)) = from_client.next().await {
                let last = matches!(message, Message::Close(_));
                if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                    to_relay.send(message).await?;
                }
                if last {
                    break;
                }
            }
            anyhow::Ok(())
        };
        tokio::select! {
            ended = up => ended?,
            ended = down => ended?,
        }
        // A close is answered by reading on; nobody says one who was not told to.
        let goodbye = async {
            let last_of_relay = async { while let Some(Ok(_)) = from_relay.next().await {} };
            let last_of_client = async { while let Some(Ok(_)) = from_client.next().await {} };
            tokio::join!(last_of_relay, last_of_client);
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        Ok(())
    }

    /// Sessions go on here too.
    fn ready(&self, shard: ShardId, text: &str) -> Result<String> {
        let mut said: Value = serde_json::from_str(text)?;
        if said["t"] != "READY" {
            return Ok(text.to_owned());
        }
        let session = said["d"]["session_id"].as_str().unwrap_or_default();
        let sessions = self.sessions.lock();
        let mut sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session.to_owned(), shard);
        drop(sessions);
        said["d"]["resume_gateway_url"] = self.address.as_str().into();
        Ok(said.to_string())
    }
}
