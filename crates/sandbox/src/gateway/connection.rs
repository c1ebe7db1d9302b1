//! One websocket connection: handshake, frames in, dispatches out, and every way it can end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use splashtail_sandbox_world::faults::Action;
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::world::compact;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::close::Close;
use super::compress::{Encoder, Encoding};
use super::handshake::{self, Query};
use super::session::{Next, Order, Session};
use super::{Gateway, Resumed, Started};
use crate::server::wire::Wire;

/// Largest payload a client may send.
const MAX_PAYLOAD: usize = 4096;
/// Payloads a client may send per minute.
const SENDS_PER_MINUTE: usize = 120;
/// Dispatches written before the connection looks at its client again.
const BATCH: usize = 256;

/// How a connection ended.
enum End {
    /// Say goodbye with this code.
    Close(Close),
    /// The client closed; its code when it gave one.
    Client(Option<u16>),
    /// TCP is gone, or shall be cut.
    Lost,
}

type Flow = Result<(), End>;

struct Connection {
    gateway: Arc<Gateway>,
    ws: WebSocketStream<Wire>,
    encoder: Encoder,
    encoding: Encoding,
    live: Option<Live>,
    /// Real and sandbox time of recent sends of the client.
    sends: VecDeque<(Instant, i64)>,
    last_beat: Instant,
    zombie: bool,
    /// When a client that was asked to reconnect is closed.
    close_at: Option<Instant>,
    host: Host,
}

/// Which address a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// The one of `GET /gateway`.
    Main,
    /// The one that READY names for resuming, where it is another.
    Resume,
}

struct Live {
    session: Arc<Session>,
    id: u64,
    work: watch::Receiver<u64>,
}

/// Serves one connection until it ends; never panics on what the client sends.
pub(super) async fn serve(
    gateway: Arc<Gateway>,
    stream: Wire,
    host: Host,
    shutdown: CancellationToken,
) {
    let refuse = gateway.sandbox.faults.on_handshake();
    let accepted = handshake::accept(stream, &gateway.names, refuse);
    let accepted = tokio::time::timeout(Duration::from_secs(10), accepted).await;
    let (ws, query) = match accepted {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(error)) => return debug!(%error, "websocket handshake failed"),
        Err(_) => return debug!("websocket handshake took too long"),
    };
    let encoding = query.encoding();
    let encoder = match Encoder::new(encoding) {
        Ok(encoder) => encoder,
        Err(error) => return debug!(%error, "no compression context"),
    };
    let mut connection = Connection {
        gateway,
        ws,
        encoder,
        encoding,
        live: None,
        sends: VecDeque::new(),
        last_beat: Instant::now(),
        zombie: false,
        close_at: None,
        host,
    };
    let end = tokio::select! {
        end = connection.run(&query) => end.err().unwrap_or(End::Lost),
        () = shutdown.cancelled() => End::Lost,
    };
    connection.finish(end).await;
}

impl Connection {
    async fn run(&mut self, query: &Query) -> Flow {
        if !query.version_is_supported() {
            return Err(End::Close(Close::InvalidVersion));
        }
        for action in self.gateway.sandbox.faults.on_connect() {
            self.misbehave(&action).await?;
        }
        let interval = self.gateway.settings.heartbeat_interval;
        let hello = json!({"heartbeat_interval": interval.as_millis() as u64, "_trace": []});
        self.send(10, hello).await?;
        self.last_beat = Instant::now();
        loop {
            if self.pump().await? {
                // Look at the client between batches without waiting for it.
                if let Some(message) = self.ws.next().now_or_never() {
                    self.receive(message).await?;
                }
                continue;
            }
            // A zombie never hangs up: to find out is the client's part.
            let missed = (!self.zombie).then(|| self.last_beat + interval + interval / 2);
            let deadline = missed.into_iter().chain(self.close_at).min();
            let deadline = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let work = async {
                match &mut self.live {
                    Some(live) => drop(live.work.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = self.ws.next() => self.receive(message).await?,
                () = work => {}
                () = deadline => {
                    let ignored_reconnect = self.close_at.is_some_and(|at| at <= Instant::now());
                    let code = if ignored_reconnect {
                        Close::UnknownError
                    } else {
                        Close::Injected(self.gateway.settings.missed_heartbeat)
                    };
                    return Err(End::Close(code));
                }
            }
        }
    }

    /// Writes what the session has; `true` when there may be more.
    async fn pump(&mut self) -> Result<bool, End> {
        let Some(live) = &mut self.live else {
            return Ok(false);
        };
        live.work.mark_unchanged();
        match live
            .session
            .next(live.id, if self.zombie { 0 } else { BATCH })
        {
            Next::Idle => Ok(false),
            Next::Lost => {
                if live.session.is_ended() {
                    self.live = None;
                    return Ok(false);
                }
                // The reader is too slow for the replay buffer: nothing can be resumed.
                live.session.end();
                Err(End::Close(Close::UnknownError))
            }
            Next::Orders(orders) => {
                for order in orders {
                    self.obey(order).await?;
                }
                Ok(true)
            }
            Next::Frames(frames) => {
                for frame in frames {
                    let message = self.encode(frame.payload())?;
                    self.write(message, false).await?;
                }
                self.flush().await?;
                Ok(true)
            }
        }
    }

    async fn obey(&mut self, order: Order) -> Flow {
        match order {
            Order::Close(close) => Err(End::Close(close)),
            Order::Drop | Order::Replaced => Err(End::Lost),
            Order::Zombie => {
                self.zombie = true;
                Ok(())
            }
            Order::Heartbeat => self.send(1, Value::Null).await,
            Order::Reconnect => {
                self.send(7, Value::Null).await?;
                let grace = self.gateway.settings.reconnect_grace;
                self.close_at = Some(Instant::now() + grace);
                Ok(())
            }
            Order::Invalidate { resumable } => {
                if let Some(live) = self.live.take() {
                    live.session
                        .detach(live.id, self.gateway.sandbox.clock.steady_ms());
                    if !resumable {
                        live.session.end();
                    }
                }
                self.send(9, json!(resumable)).await
            }
        }
    }

    async fn misbehave(&mut self, action: &Action) -> Flow {
        match super::order_of(action) {
            Some(order) => self.obey(order).await,
            None => Ok(()),
        }
    }

    async fn receive(&mut self, message: Option<Result<Message, WsError>>) -> Flow {
        let text = match message {
            None => return Err(End::Lost),
            Some(Err(WsError::Capacity(_) | WsError::Utf8(_))) => {
                return Err(End::Close(Close::Decode));
            }
            Some(Err(_)) => return Err(End::Lost),
            Some(Ok(Message::Close(frame))) => {
                return Err(End::Client(frame.map(|f| f.code.into())));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return Ok(()),
            Some(Ok(message)) => message.into_data(),
        };
        if text.len() > MAX_PAYLOAD {
            return Err(End::Close(Close::Decode));
        }
        let payload: Value =
            serde_json::from_slice(&text).map_err(|_| End::Close(Close::Decode))?;
        let op = payload["op"].as_u64().ok_or(End::Close(Close::Decode))?;
        self.note(op, &payload);
        self.count_send()?;
        match op {
            1 => self.heartbeat().await,
            2 => self.identify(&payload["d"]).await,
            6 => self.resume(&payload["d"]).await,
            _ => {
                let Some(live) = &self.live else {
                    return Err(End::Close(Close::NotAuthenticated));
                };
                let session = live.session.clone();
                match op {
                    3 => self.gateway.update_presence(&session, &payload["d"]),
                    4 => self.gateway.update_voice_state(&session, &payload["d"]),
                    8 => self.gateway.request_members(&session, &payload["d"]),
                    31 => self.gateway.request_sounds(&session, &payload["d"]),
                    43 => self.gateway.request_channel_info(&session, &payload["d"]),
                    _ => Err(Close::UnknownOpcode),
                }
                .map_err(End::Close)
            }
        }
    }

    fn note(&self, op: u64, payload: &Value) {
        if op == 1 {
            return;
        }
        let (session, shard) = match &self.live {
            Some(live) => (
                live.session.identity.session_id.clone(),
                live.session.identity.shard[0],
            ),
            None => (
                "".into(),
                payload["d"]["shard"][0].as_u64().unwrap_or_default() as u32,
            ),
        };
        let said = || compact(&payload["d"]).into_bytes();
        self.gateway.record(Record::Frame {
            digest: self.gateway.sandbox.journal.digest_of(said),
            session,
            shard,
            direction: "in".into(),
            op: u8::try_from(op).unwrap_or(u8::MAX),
            s: None,
            t: None,
        });
    }

    /// A send leaves the window when a minute has passed in either time: a stopped sandbox clock
    /// must not turn heartbeats, which run in real time, into a flood.
    fn count_send(&mut self) -> Flow {
        let (now, now_ms) = (Instant::now(), self.gateway.sandbox.clock.steady_ms());
        let minute = Duration::from_secs(60);
        while let Some((at, at_ms)) = self.sends.front()
            && (now.duration_since(*at) >= minute || now_ms - at_ms >= 60_000)
        {
            self.sends.pop_front();
        }
        self.sends.push_back((now, now_ms));
        if self.sends.len() > SENDS_PER_MINUTE {
            return Err(End::Close(Close::RateLimited));
        }
        Ok(())
    }

    async fn heartbeat(&mut self) -> Flow {
        if self.zombie {
            return Ok(());
        }
        self.last_beat = Instant::now();
        self.send(11, Value::Null).await
    }

    async fn identify(&mut self, d: &Value) -> Flow {
        if self.live.is_some() {
            return Err(End::Close(Close::AlreadyAuthenticated));
        }
        if self.host == Host::Resume {
            return self.send(9, json!(false)).await;
        }
        let compress = d["compress"] == true;
        let encoding = if compress && self.encoding == Encoding::Plain {
            Encoding::Payload
        } else {
            self.encoding
        };
        match self
            .gateway
            .identify(d, encoding.name())
            .map_err(End::Close)?
        {
            Started::TooSoon => self.send(9, json!(false)).await,
            Started::Session(session, id) => {
                if compress {
                    self.encoder.enable_payload();
                    self.encoding = encoding;
                }
                self.go_live(session, id);
                Ok(())
            }
        }
    }

    async fn resume(&mut self, d: &Value) -> Flow {
        if self.live.is_some() {
            return Err(End::Close(Close::AlreadyAuthenticated));
        }
        // With a host of their own, sessions go on nowhere else.
        if self.host == Host::Main && self.gateway.resume_url().is_some() {
            return self.send(9, json!(false)).await;
        }
        match self
            .gateway
            .resume(d, self.encoding.name())
            .map_err(End::Close)?
        {
            Resumed::Refused => self.send(9, json!(false)).await,
            Resumed::Session(session, id) => {
                self.go_live(session, id);
                Ok(())
            }
        }
    }

    fn go_live(&mut self, session: Arc<Session>, id: u64) {
        let work = session.watch();
        self.live = Some(Live { session, id, work });
    }

    fn encode(&mut self, text: String) -> Result<Message, End> {
        self.encoder.encode(text).map_err(|error| {
            debug!(%error, "a payload could not be compressed");
            End::Lost
        })
    }

    /// A payload outside the numbered stream.
    async fn send(&mut self, op: u8, d: Value) -> Flow {
        let message = self.encode(json!({"t": null, "s": null, "op": op, "d": d}).to_string())?;
        self.write(message, true).await
    }

    /// A client that does not read for the stall time loses the connection.
    async fn write(&mut self, message: Message, flush: bool) -> Flow {
        let stall = self.gateway.settings.stall;
        let written = async {
            self.ws.feed(message).await?;
            if flush { self.ws.flush().await } else { Ok(()) }
        };
        match tokio::time::timeout(stall, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Lost),
        }
    }

    async fn flush(&mut self) -> Flow {
        let stall = self.gateway.settings.stall;
        match tokio::time::timeout(stall, self.ws.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Lost),
        }
    }

    async fn finish(mut self, end: End) {
        let session = self.live.take();
        let now_ms = self.gateway.sandbox.clock.steady_ms();
        let (code, by) = match &end {
            End::Close(close) => (Some(close.code()), "server"),
            End::Client(code) => (*code, "client"),
            End::Lost => (None, "lost"),
        };
        if let Some(live) = &session {
            live.session.detach(live.id, now_ms);
            // Only a close that the client starts ends the session; after a server close
            // libraries echo 1000, which never comes here. A session that timed out is over, too:
            // the client has to start a new one.
            if let End::Client(Some(1000 | 1001)) = end {
                live.session.end();
            } else if code == Some(Close::SessionTimedOut.code()) && by == "server" {
                live.session.end();
            }
            self.gateway.record(Record::Closed {
                session: live.session.identity.session_id.clone(),
                shard: live.session.identity.shard[0],
                code,
                by: by.to_owned(),
            });
        }
        self.gateway.forget_ended();
        match end {
            End::Lost => drop(self.ws),
            End::Client(_) => {
                // Reading on sends the answer that the close frame is owed.
                let goodbye = async { while let Some(Ok(_)) = self.ws.next().await {} };
                let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
            }
            End::Close(close) => {
                let frame = CloseFrame {
                    code: CloseCode::from(close.code()),
                    reason: close.reason().into(),
                };
                let goodbye = async {
                    if self.ws.close(Some(frame)).await.is_ok() {
                        // Read on until the client has answered, or the answer is lost to a reset.
                        while let Some(Ok(_)) = self.ws.next().await {}
                    }
                };
                let _ = tokio::time::timeout(Duration::from_secs(3), goodbye).await;
            }
        }
    }
}
