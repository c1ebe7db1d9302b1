//! A loopback websocket in front of Discord's gateway. Downstream it is transparent: one connection
//! for one, frames and closes passed on as they are. It holds an identify until it is its shard's
//! turn, and it remembers with which code Discord closed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::Deserialize;
use splashtail_core::ids::ShardId;
use splashtail_ipc::launcher::GatewayRefusal;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use url::Url;

use super::pace::Pace;

/// To connect to the gateway, TLS and websocket included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(20);
/// For the answer to a close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// Opcode of an identify (gateway documentation, "Gateway Opcodes").
const IDENTIFY: u8 = 2;

/// Anything bytes go through, with TLS or without.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

type Upstream = WebSocketStream<Box<dyn Wire>>;
type Downstream = WebSocketStream<TcpStream>;

/// Why Discord does not want this bot, once it has said so.
pub type Ends = watch::Receiver<Option<GatewayRefusal>>;

/// Listens until the token given to [`Relay::start`] is cancelled.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    refused: Ends,
}

impl Relay {
    /// `gateway` is the address that Discord's API names.
    ///
    /// # Errors
    /// No port is free, or the gateway's address is none.
    pub async fn start(
        gateway: &str,
        pace: Arc<Pace>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let gateway: Url = gateway.parse().context("the gateway's address is no URL")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.await.context("no port for the gateway relay")?;
        let address = listener.local_addr()?;
        let (sender, refused) = watch::channel(None);
        let links = Links {
            gateway,
            pace,
            refused: sender,
        };
        tokio::spawn(shutdown.run_until_cancelled_owned(Arc::new(links).accept(listener)));
        Ok(Self { address, refused })
    }

    /// Where a shard connects to.
    pub fn url(&self, shard: ShardId) -> String {
        format!("ws://{}/{shard}", self.address)
    }

    pub fn refused(&self) -> Ends {
        self.refused.clone()
    }
}

struct Links {
    gateway: Url,
    pace: Arc<Pace>,
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
                    tokio::time::sleep(CLOSE_DEADLINE).await;
                }
            }
        }
    }

    async fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let target = OnceLock::new();
        #[allow(clippy::result_large_err, reason = "the library's own signature")]
        let note = |request: &Request, response: Response| {
            // It is set here only.
            let _ = target.set(request.uri().clone());
            Ok(response)
        };
        let mut down = accept_hdr_async_with_config(stream, note, Some(unlimited())).await?;
        let target = target.get().context("a request without a target")?;
        let shard = target
            .path()
            .trim_start_matches('/')
            .parse()
            .ok()
            .map(ShardId);
        let shard = shard.context("the path names no shard")?;
        let mut gateway = self.gateway.clone();
        gateway.set_query(target.query());
        let up = match tokio::time::timeout(CONNECT_DEADLINE, connect(&gateway)).await {
            Ok(Ok(up)) => up,
            outcome => {
                let problem = match outcome {
                    Ok(Err(error)) => format!("{error:#}"),
                    _ => "no answer in time".to_owned(),
                };
                warn!(shard.id = %shard, error = problem, "cannot connect to Discord's gateway");
                let frame = CloseFrame {
                    code: CloseCode::Away,
                    reason: "the gateway cannot be reached".into(),
                };
                down.close(Some(frame)).await?;
                bail!(problem);
            }
        };
        self.pass_on(shard, down, up).await;
        Ok(())
    }

    /// Until one side ends; then the other one is closed, too.
    async fn pass_on(&self, shard: ShardId, down: Downstream, up: Upstream) {
        let (mut down_sink, mut down_stream) = down.split();
        let (mut up_sink, mut up_stream) = up.split();
        let ended = tokio::select! {
            ended = self.to_shard(&mut up_stream, &mut down_sink) => ended,
            ended = self.to_discord(shard, &mut down_stream, &mut up_sink) => ended,
        };
        if let Err(error) = ended {
            debug!(shard.id = %shard, %error, "a gateway connection broke");
        }
        let closing = async {
            // Both may be gone already.
            let _ = up_sink.close().await;
            let _ = down_sink.close().await;
        };
        let _ = tokio::time::timeout(CLOSE_DEADLINE, closing).await;
    }

    async fn to_shard(
        &self,
        up: &mut SplitStream<Upstream>,
        down: &mut SplitSink<Downstream, Message>,
    ) -> Result<(), WsError> {
        while let Some(message) = up.next().await {
            let message = message?;
            if let Message::Close(frame) = &message {
                let code = frame.as_ref().map(|frame| u16::from(frame.code));
                if let Some(refusal) = code.and_then(GatewayRefusal::of_close) {
                    self.refused.send_if_modified(|refused| {
                        let news = refused.is_none();
                        refused.get_or_insert(refusal);
                        news
                    });
                }
                return down.send(message).await;
            }
            if message.is_text() || message.is_binary() {
                down.send(message).await?;
            }
        }
        Ok(())
    }

    async fn to_discord(
        &self,
        shard: ShardId,
        down: &mut SplitStream<Downstream>,
        up: &mut SplitSink<Upstream, Message>,
    ) -> Result<(), WsError> {
        let mut held: Option<Message> = None;
        loop {
            let turn = async {
                match &held {
                    Some(_) => self.pace.turn(shard).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Heartbeats go on while an identify waits.
                message = down.next() => match message {
                    None => return Ok(()),
                    Some(Ok(message)) if is_identify(&message) => held = Some(message),
                    Some(Ok(message)) => {
                        let last = message.is_close();
                        if last || message.is_text() || message.is_binary() {
                            up.send(message).await?;
                        }
                        if last {
                            return Ok(());
                        }
                    }
                    Some(Err(error)) => return Err(error),
                },
                turn = turn => {
                    if let Some(identify) = held.take() {
                        up.send(identify).await?;
                    }
                    if let Some(turn) = turn {
                        turn.taken();
                    }
                }
            }
        }
    }
}

fn is_identify(message: &Message) -> bool {
    #[derive(Deserialize)]
    struct Op {
        op: u8,
    }
    let Message::Text(text) = message else {
        return false;
    };
    serde_json::from_str::<Op>(text.as_str()).is_ok_and(|op| op.op == IDENTIFY)
}

/// Discord's guilds have no size limit that we would know of.
fn unlimited() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None)
}

async fn connect(gateway: &Url) -> anyhow::Result<Upstream> {
    let host = gateway
        .host_str()
        .context("the gateway's address has no host")?;
    let port = gateway.port_or_known_default();
    let port = port.context("the gateway's address has no port")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Wire> = match gateway.scheme() {
        "ws" => Box::new(stream),
        _ => {
            let config = rustls::ClientConfig::builder()
                .with_platform_verifier()
                .context("the certificates of this machine cannot be read")?
                .with_no_client_auth();
            let name = rustls::pki_types::ServerName::try_from(host.to_owned())?;
            Box::new(
                TlsConnector::from(Arc::new(config))
                    .connect(name, stream)
                    .await?,
            )
        }
    };
    let (socket, _) = client_async_with_config(gateway.as_str(), stream, Some(unlimited())).await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;
    use tokio_tungstenite::connect_async;

    use super::super::pace::{Floors, REST};
    use super::*;

    /// A gateway that closes with the code it is given when somebody identifies, and tells of
    /// everything else it hears.
    async fn gateway(code: u16) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let heard = heard.clone();
                tokio::spawn(async move {
                    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                    socket.send(Message::text(r#"{"op":10}"#)).await.unwrap();
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_text() {
                            heard.send(message.to_string()).unwrap();
                        }
                        if is_identify(&message) {
                            let (code, reason) = (CloseCode::from(code), "no".into());
                            let _ = socket.close(Some(CloseFrame { code, reason })).await;
                        }
                    }
                });
            }
        });
        (address, hears)
    }

    fn pace(clock: &ManualClock) -> Arc<Pace> {
        let shards = [ShardId(0), ShardId(2)];
        Arc::new(Pace::new(&shards, 2, &Floors::default(), clock.shared()))
    }

    const SHARD_IDENTIFIES: &str = r#"{"op":2,"d":{"token":"x"}}"#;

    #[tokio::test]
    async fn a_close_reaches_the_shard_and_one_for_good_is_remembered() {
        let codes = [4000, 4004, 4009, 4010, 4011, 4012, 4013, 4014];
        for code in codes {
            let (address, _hears) = gateway(code).await;
            let clock = ManualClock::new(DateTime::UNIX_EPOCH);
            let relay = Relay::start(&address, pace(&clock), CancellationToken::new());
            let relay = relay.await.unwrap();
            let url = format!("{}?v=10", relay.url(ShardId(0)));
            let (mut shard, _) = connect_async(url).await.unwrap();
            assert_eq!(
                shard.next().await.unwrap().unwrap(),
                Message::text(r#"{"op":10}"#)
            );
            shard.send(Message::text(SHARD_IDENTIFIES)).await.unwrap();
            let Some(Ok(Message::Close(Some(frame)))) = shard.next().await else {
                panic!("no close");
            };
            assert_eq!(u16::from(frame.code), code);
            let refused = *relay.refused().borrow();
            assert_eq!(refused, GatewayRefusal::of_close(code));
        }
    }

    #[tokio::test]
    async fn an_identify_waits_for_its_turn_and_nothing_else_does() {
        let (address, mut hears) = gateway(1000).await;
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let relay = Relay::start(&address, pace(&clock), CancellationToken::new());
        let relay = relay.await.unwrap();
        let mut sockets = Vec::new();
        for shard in [ShardId(0), ShardId(2)] {
            let (mut socket, _) = connect_async(relay.url(shard)).await.unwrap();
            socket.send(Message::text(SHARD_IDENTIFIES)).await.unwrap();
            sockets.push(socket);
            if shard == ShardId(0) {
                assert_eq!(hears.recv().await.unwrap(), SHARD_IDENTIFIES);
            }
        }
        let heartbeat = r#"{"op":1,"d":null}"#;
        clock.wait_for_sleepers(1).await;
        sockets[1].send(Message::text(heartbeat)).await.unwrap();
        assert_eq!(hears.recv().await.unwrap(), heartbeat);
        clock.advance(REST);
        assert_eq!(hears.recv().await.unwrap(), SHARD_IDENTIFIES);
    }

    #[tokio::test]
    async fn a_gateway_that_is_away_is_a_close_after_which_shards_come_back() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        drop(listener);
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let relay = Relay::start(&address, pace(&clock), CancellationToken::new());
        let relay = relay.await.unwrap();
        let (mut shard, _) = connect_async(relay.url(ShardId(0))).await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = shard.next().await else {
            panic!("no close");
        };
        assert_eq!(frame.code, CloseCode::Away);
        assert_eq!(*relay.refused().borrow(), None);
    }
}
