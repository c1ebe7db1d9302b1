//! A shard's connection to Discord, for ever: it resumes whenever that is possible.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use metrics::{counter, histogram};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use splashtail_core::clock::{BoxFuture, SharedClock};
use splashtail_core::telemetry::Chain;
use splashtail_gateway::{Head, Unpack, Upstream as Socket, address, connect};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use url::Url;

use super::super::commands::Turn as Command;
use super::backoff::Backoff;
use super::budget::Budget;
use super::{Shard, Status, Taken};

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// For Discord's first frame.
const HELLO_DEADLINE: Duration = Duration::from_secs(20);
/// For Discord to take a frame of ours: while one is on its way nothing else is looked at.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// For the session to begin or to go on, since Discord said anything of it.
const BEGIN_DEADLINE: Duration = Duration::from_secs(30);
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// A close with which Discord keeps the session; 1000 and 1001 would end it.
const KEEP_SESSION: u16 = 4900;
const END_SESSION: u16 = 1000;
/// Discord says so before a session may begin anew (gateway documentation, "Invalid Session").
const INVALID_PAUSE: std::ops::Range<Duration> = Duration::from_secs(1)..Duration::from_secs(5);

/// What all shards share.
pub struct Upstream {
    pub token: SecretString,
    pub intents: u64,
    pub shards: u16,
    pub gateway: Url,
    pub budget: Arc<Budget>,
    /// Its sessions are over: another set has taken its place.
    pub retired: AtomicBool,
    pub clock: SharedClock,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Discord keeps the session, if there is one.
    Again,
    /// The session is over.
    Fresh,
    /// Op 9: after a pause, with the session or without.
    Invalid {
        resumable: bool,
    },
    Refused(u16),
    Stopped,
}

impl End {
    /// Of Discord's close code (gateway documentation, "Gateway Close Event Codes").
    fn of_close(code: Option<u16>) -> Self {
        match code {
            Some(code @ (4004 | 4010..=4014)) => Self::Refused(code),
            Some(4007 | 4009) => Self::Fresh,
            _ => Self::Again,
        }
    }
}

/// Runs until the shutdown or until Discord refuses the bot.
pub async fn run(shard: Arc<Shard>, upstream: Arc<Upstream>, shutdown: CancellationToken) {
    let clock = &upstream.clock;
    let (mut backoff, mut compressed) = (Backoff::default(), true);
    loop {
        let connection = Connection {
            shard: &shard,
            upstream: &upstream,
            shutdown: &shutdown,
        };
        let mut since = None;
        let ended = match connection.open(&backoff, &mut compressed).await {
            Some(socket) => connection.serve(socket, &mut since, &mut compressed).await,
            None => End::Again,
        };
        backoff.ended(since.map(|since| clock.monotonic().saturating_sub(since)));
        if shutdown.is_cancelled() || ended == End::Stopped {
            return;
        }
        if !matches!(shard.status(), Status::Away(_)) {
            shard.set_status(Status::Away(clock.monotonic()));
        }
        let pause = backoff.pause(rand::rng().random_range(0.75..1.0));
        let pause = match ended {
            End::Stopped => return,
            End::Refused(code) => {
                error!(
                    shard.id = shard.id,
                    code, "Discord refuses the bot; nothing more is tried"
                );
                return shard.set_status(Status::Refused(code));
            }
            End::Fresh => {
                shard.inner().session = None;
                pause
            }
            End::Invalid { resumable } => {
                if !resumable {
                    shard.inner().session = None;
                }
                pause.max(rand::rng().random_range(INVALID_PAUSE))
            }
            End::Again => pause,
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = clock.sleep(pause) => {}
        }
    }
}

struct Connection<'a> {
    shard: &'a Arc<Shard>,
    upstream: &'a Upstream,
    shutdown: &'a CancellationToken,
}

impl Connection<'_> {
    async fn open(&self, backoff: &Backoff, compressed: &mut bool) -> Option<Socket> {
        let own = self
            .shard
            .inner()
            .session
            .as_ref()
            .and_then(|session| session.address.clone());
        let gateway = own
            .filter(|own| {
                // A token that goes out encrypted goes nowhere else in the clear.
                backoff.trusts_address() && own.scheme() == self.upstream.gateway.scheme()
            })
            .unwrap_or_else(|| self.upstream.gateway.clone());
        let address = address(&gateway, Some("v=10"), *compressed);
        let connecting = async {
            tokio::select! {
                connected = connect(&address) => Some(connected),
                () = self.upstream.clock.sleep(CONNECT_DEADLINE) => None,
            }
        };
        let connected = self.shutdown.run_until_cancelled(connecting).await?;
        match connected {
            Some(Ok(socket)) => return Some(socket),
            Some(Err(error)) => {
                if *compressed && error.is_refusal() {
                    *compressed = false;
                }
                warn!(shard.id = self.shard.id, error = %Chain(&error), "cannot connect to Discord's gateway");
            }
            None => warn!(
                shard.id = self.shard.id,
                "Discord's gateway does not answer"
            ),
        }
        None
    }

    /// `since`: when the session was established.
    async fn serve(
        &self,
        socket: Socket,
        since: &mut Option<Duration>,
        compressed: &mut bool,
    ) -> End {
        let (sink, stream) = socket.split();
        let mut wire = Wire {
            sink,
            stream,
            unpack: None,
            clock: Arc::clone(&self.upstream.clock),
        };
        let ended = self.converse(&mut wire, since).await;
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                if matches!(error, Broken::Packing(_)) {
                    *compressed = false;
                }
                debug!(shard.id = self.shard.id, error = %Chain(&error), "a gateway connection broke");
                End::Again
            }
        };
        // Not 1000, unless nobody will resume the session.
        let code = match self.upstream.retired.load(Ordering::Acquire) {
            true => END_SESSION,
            false => KEEP_SESSION,
        };
        let _ = tokio::time::timeout(CLOSE_DEADLINE, wire.close(code)).await;
        ended
    }

    async fn converse(&self, wire: &mut Wire, since: &mut Option<Duration>) -> Result<End, Broken> {
        let clock = &self.upstream.clock;
        let interval = tokio::select! {
            () = self.shutdown.cancelled() => return Ok(End::Stopped),
            () = clock.sleep(HELLO_DEADLINE) => return Err(Broken::Silent),
            interval = hello(wire) => interval?,
        };
        let begun = tokio::select! {
            () = self.shutdown.cancelled() => return Ok(End::Stopped),
            begun = self.begin(wire, interval) => begun?,
        };
        let resumes = match begun {
            Ok(resumes) => resumes,
            Err(end) => return Ok(end),
        };
        self.shard.commands.connected();
        let first = interval.mul_f64(rand::rng().random_range(0.0..1.0));
        let mut beat = Beat::new(clock, first, interval);
        let mut beginning = clock.sleep(BEGIN_DEADLINE);
        let mut commands: BoxFuture<'_, ()> = self.command_after(None);
        let id = self.shard.id.to_string();
        let events = counter!("splashtail_proxy_upstream_events_total", "shard" => id);
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Ok(End::Stopped),
                () = &mut beat.timer => {
                    if beat.unanswered {
                        warn!(shard.id = self.shard.id, "Discord does not answer heartbeats");
                        return Ok(End::Again);
                    }
                    self.heartbeat(wire).await?;
                    beat.sent(clock);
                }
                // It answers heartbeats, and has forgotten what it was asked for.
                () = &mut beginning, if since.is_none() => {
                    warn!(shard.id = self.shard.id, "Discord begins no session");
                    return Ok(End::Again);
                }
                frame = wire.next() => {
                    let frame = match frame? {
                        Incoming::Frame(frame) => frame,
                        Incoming::Closed(code) => return Ok(End::of_close(code)),
                    };
                    let Some(head) = Head::scan(&frame) else {
                        continue;
                    };
                    match head.op {
                        Some(0) => {
                            events.increment(1);
                            let taken = self.shard.take(frame.clone(), &head, clock.monotonic());
                            match taken {
                                Taken::Ready | Taken::Resumed if since.is_none() => {
                                    *since = Some(clock.monotonic());
                                    self.established(taken, resumes);
                                }
                                Taken::Unreadable if head.name.as_deref() == Some(b"READY") => {
                                    return Ok(End::Fresh);
                                }
                                // What was missed comes before the word that it goes on.
                                _ if since.is_none() => beginning = clock.sleep(BEGIN_DEADLINE),
                                _ => {}
                            }
                        }
                        Some(1) => self.heartbeat(wire).await?,
                        Some(7) => return Ok(End::Again),
                        Some(9) => {
                            let resumable = frame.windows(8).any(|part| part == b"\"d\":true");
                            if resumes {
                                counter!("splashtail_proxy_upstream_resumes_total", "outcome" => "refused").increment(1);
                            }
                            return Ok(End::Invalid { resumable });
                        }
                        Some(11) => {
                            if let Some(took) = beat.answered(clock) {
                                self.shard.note_latency(took);
                                histogram!("splashtail_proxy_upstream_latency_seconds").record(took.as_secs_f64());
                            }
                        }
                        _ => {}
                    }
                }
                () = &mut commands => {
                    let now = clock.monotonic();
                    // Before that Discord would close the connection.
                    let next = if since.is_some() { self.shard.commands.next(now) } else { Command::Idle };
                    commands = match next {
                        Command::Send(frame) => {
                            wire.send(&frame).await?;
                            self.command_after(Some(Duration::ZERO))
                        }
                        Command::Wait(until) => self.command_after(Some(until.saturating_sub(now))),
                        Command::Idle => self.command_after(None),
                    };
                }
            }
        }
    }

    /// Resolves when a command may be sent.
    fn command_after(&self, wait: Option<Duration>) -> BoxFuture<'_, ()> {
        let (commands, clock) = (&self.shard.commands, &self.upstream.clock);
        Box::pin(async move {
            match wait {
                Some(wait) if wait.is_zero() => {}
                Some(wait) => tokio::select! {
                    () = clock.sleep(wait) => {}
                    () = commands.changed.notified() => {}
                },
                None => commands.changed.notified().await,
            }
        })
    }

    fn established(&self, taken: Taken, resumes: bool) {
        if taken == Taken::Ready {
            info!(shard.id = self.shard.id, "a new session at Discord");
            self.shard.commands.begin();
        } else if resumes {
            counter!("splashtail_proxy_upstream_resumes_total", "outcome" => "resumed")
                .increment(1);
            info!(shard.id = self.shard.id, "the session at Discord goes on");
        }
        self.shard.commands.changed.notify_one();
    }

    /// Asks for the session to go on, or for a new one when it is this shard's turn.
    async fn begin(
        &self,
        wire: &mut Wire,
        interval: Duration,
    ) -> Result<Result<bool, End>, Broken> {
        let token = self.upstream.token.expose_secret();
        let session = self.shard.inner().session.clone();
        if let Some(session) = session {
            let body = json!({"op": 6, "d": {"token": token, "session_id": session.id, "seq": session.seq}});
            wire.send(body.to_string().as_bytes()).await?;
            return Ok(Ok(true));
        }
        let turn = {
            let mut turn = std::pin::pin!(self.upstream.budget.turn(self.shard.id));
            let clock = &self.upstream.clock;
            let mut beat = Beat::new(clock, interval, interval);
            loop {
                tokio::select! {
                    biased;
                    turn = &mut turn => break turn,
                    () = &mut beat.timer => {
                        if beat.unanswered {
                            warn!(shard.id = self.shard.id, "Discord does not answer heartbeats");
                            return Ok(Err(End::Again));
                        }
                        self.heartbeat(wire).await?;
                        beat.sent(clock);
                    }
                    frame = wire.next() => match frame? {
                        Incoming::Closed(code) => return Ok(Err(End::of_close(code))),
                        Incoming::Frame(frame) => match Head::scan(&frame).and_then(|head| head.op) {
                            Some(1) => self.heartbeat(wire).await?,
                            Some(7) => return Ok(Err(End::Again)),
                            Some(11) => {
                                if let Some(took) = beat.answered(clock) {
                                    self.shard.note_latency(took);
                                }
                            }
                            _ => {}
                        },
                    },
                }
            }
        };
        let body = json!({"op": 2, "d": {
            "token": token,
            "intents": self.upstream.intents,
            "shard": [self.shard.id, self.upstream.shards],
            "compress": false,
            "large_threshold": 250,
            "properties": {"os": "linux", "browser": "splashtail", "device": "splashtail"},
        }});
        counter!("splashtail_proxy_upstream_identifies_total").increment(1);
        wire.send(body.to_string().as_bytes()).await?;
        self.upstream.budget.taken(turn);
        Ok(Ok(false))
    }

    async fn heartbeat(&self, wire: &mut Wire) -> Result<(), Broken> {
        let seq = self
            .shard
            .inner()
            .session
            .as_ref()
            .map(|session| session.seq);
        let seq = seq.map_or_else(|| "null".to_owned(), |seq| seq.to_string());
        wire.send(format!(r#"{{"op":1,"d":{seq}}}"#).as_bytes())
            .await
    }
}

struct Beat<'a> {
    timer: BoxFuture<'a, ()>,
    interval: Duration,
    unanswered: bool,
    since: Duration,
}

impl<'a> Beat<'a> {
    fn new(clock: &'a SharedClock, first: Duration, interval: Duration) -> Self {
        Self {
            timer: clock.sleep(first),
            interval,
            unanswered: false,
            since: Duration::ZERO,
        }
    }

    fn sent(&mut self, clock: &'a SharedClock) {
        self.timer = clock.sleep(self.interval);
        self.unanswered = true;
        self.since = clock.monotonic();
    }

    fn answered(&mut self, clock: &SharedClock) -> Option<Duration> {
        let took = clock.monotonic().saturating_sub(self.since);
        std::mem::take(&mut self.unanswered).then_some(took)
    }
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the connection ended without a close")]
    Ended,
    #[error("there was no hello in time")]
    Silent,
    #[error("nothing that is sent is taken")]
    Stalled,
    #[error("there was no hello")]
    NoHello,
    #[error("the connection broke")]
    Socket(#[from] Box<tokio_tungstenite::tungstenite::Error>),
    #[error("the compressed stream cannot be read")]
    Packing(#[source] io::Error),
}

enum Incoming {
    Frame(Bytes),
    Closed(Option<u16>),
}

struct Wire {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    unpack: Option<Unpack>,
    clock: SharedClock,
}

impl Wire {
    async fn next(&mut self) -> Result<Incoming, Broken> {
        loop {
            let message = self.stream.next().await.ok_or(Broken::Ended)?;
            match message.map_err(Box::new)? {
                Message::Text(text) => return Ok(Incoming::Frame(text.into())),
                Message::Binary(packed) => {
                    let unpack = match &mut self.unpack {
                        Some(unpack) => unpack,
                        none => none.insert(Unpack::new().map_err(Broken::Packing)?),
                    };
                    let text = unpack.message(&packed).map_err(Broken::Packing)?;
                    // What is kept for clients has no room to spare.
                    return Ok(Incoming::Frame(Bytes::copy_from_slice(&text)));
                }
                Message::Close(frame) => {
                    // It sends the answer to Discord's close.
                    let _ = self.sink.flush().await;
                    return Ok(Incoming::Closed(frame.map(|frame| frame.code.into())));
                }
                _ => {}
            }
        }
    }

    async fn send(&mut self, text: &[u8]) -> Result<(), Broken> {
        let text = String::from_utf8_lossy(text).into_owned();
        let sending = self.sink.send(Message::text(text));
        tokio::select! {
            biased;
            sent = sending => Ok(sent.map_err(Box::new)?),
            () = self.clock.sleep(SEND_DEADLINE) => Err(Broken::Stalled),
        }
    }

    async fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        };
        // It may be gone already.
        if self.sink.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = self.stream.next().await {}
        }
    }
}

async fn hello(wire: &mut Wire) -> Result<Duration, Broken> {
    #[derive(Deserialize)]
    struct Hello {
        op: u64,
        d: Interval,
    }
    #[derive(Deserialize)]
    struct Interval {
        heartbeat_interval: u64,
    }
    match wire.next().await? {
        Incoming::Frame(frame) => {
            let hello: Hello = serde_json::from_slice(&frame).map_err(|_| Broken::NoHello)?;
            if hello.op != 10 || hello.d.heartbeat_interval == 0 {
                return Err(Broken::NoHello);
            }
            Ok(Duration::from_millis(hello.d.heartbeat_interval))
        }
        Incoming::Closed(_) => Err(Broken::Ended),
    }
}

#[cfg(test)]
mod tests;
