//! One client's websocket.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use futures_util::{SinkExt, StreamExt};
use metrics::{counter, histogram};
use splashtail_core::clock::BoxFuture;
use splashtail_gateway::{Pack, Packing};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use tracing::{debug, info};

use super::frames::{self, Close, Identify, Query, Request, Resume};
use super::session::{Next, Outgoing, Session};
use crate::gateway::Gateway;
use crate::gateway::event::Frame;
use crate::gateway::shard::{Ready, Status};

/// Frames of a client in a minute, heartbeats not counted.
const PER_MINUTE: usize = 120;
const MINUTE: Duration = Duration::from_secs(60);
/// Written at once, before the client is looked at again.
const BATCH: usize = 64 << 10;
/// A client that takes nothing of a batch for so long is cut off, and resumes.
const STALL: Duration = Duration::from_secs(10);
/// Between two looks at how far a client is behind that takes nothing.
const LOOK: Duration = Duration::from_secs(1);
/// For a client to ask for a session.
const IDLE: Duration = Duration::from_secs(120);
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// For clients that are asked to come again.
const GOODBYE_DEADLINE: Duration = Duration::from_millis(500);
/// Payloads below are not worth to be compressed alone.
const PAYLOAD_COMPRESSED: usize = 1024;

/// Ends a connection.
#[derive(Debug)]
enum End {
    Close(Close),
    /// Op 7 first.
    Reconnect,
    /// The client closed, with its code.
    Client(Option<u16>),
    Broken,
}

type Flow<T = ()> = Result<T, End>;

pub struct Connection<S> {
    gateway: Arc<Gateway>,
    id: u64,
    socket: WebSocketStream<S>,
    pack: Option<Pack>,
    session: Option<Arc<Session>>,
    /// Until the shards are ready.
    waiting: Option<Waiting>,
    heard: Duration,
    /// Without a session since.
    without: Duration,
    ack_at: Option<Duration>,
    sent: VecDeque<Duration>,
}

struct Waiting {
    identify: Identify,
    status: Vec<watch::Receiver<Status>>,
}

/// Serves a connection until it ends.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    gateway: Arc<Gateway>,
    socket: WebSocketStream<S>,
    query: &Query,
) {
    let packing = Packing::of_query(query.compress.as_deref());
    let pack = match Pack::new(packing) {
        Ok(pack) => pack,
        Err(error) => return debug!(%error, "no compression"),
    };
    let mut connection = Connection {
        id: gateway.connection(),
        heard: gateway.clock.monotonic(),
        without: gateway.clock.monotonic(),
        gateway,
        socket,
        pack,
        session: None,
        waiting: None,
        ack_at: None,
        sent: VecDeque::new(),
    };
    let ended = match query.check() {
        Ok(()) => match connection.run().await {
            Err(end) => end,
            Ok(()) => End::Broken,
        },
        Err(close) => End::Close(close),
    };
    connection.finish(ended).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(&mut self) -> Flow {
        let gateway = Arc::clone(&self.gateway);
        let clock = &gateway.clock;
        self.say(&frames::hello(gateway.settings.heartbeat_ms))
            .await?;
        loop {
            while self.pump().await? {
                // Between batches the client is heard, without waiting for it.
                tokio::select! {
                    biased;
                    message = self.socket.next() => self.hear(message).await?,
                    () = std::future::ready(()) => {}
                }
                self.due().await?;
            }
            let until = self
                .ack_at
                .map_or(self.silent_at(), |ack| ack.min(self.silent_at()));
            let timer = clock.sleep(until.saturating_sub(clock.monotonic()));
            let news = news(self.session.as_ref(), self.waiting.as_mut());
            tokio::select! {
                message = self.socket.next() => self.hear(message).await?,
                () = news => {}
                () = gateway.drain.cancelled() => {}
                () = timer => {}
            }
            self.due().await?;
        }
    }

    /// When the client has said nothing for too long.
    fn silent_at(&self) -> Duration {
        self.heard + Duration::from_millis(self.gateway.settings.heartbeat_ms) * 2
    }

    /// What time has brought.
    async fn due(&mut self) -> Flow {
        if self.gateway.drain.is_cancelled() {
            return Err(End::Reconnect);
        }
        let now = self.gateway.clock.monotonic();
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_at = None;
            self.say(frames::ACK).await?;
        }
        let idle = self.session.is_none() && self.waiting.is_none();
        let silent = now >= self.silent_at();
        match silent || idle && now.saturating_sub(self.without) >= IDLE {
            true => Err(End::Close(Close::Again)),
            false => Ok(()),
        }
    }

    /// Writes what there is; `true` when there may be more.
    async fn pump(&mut self) -> Flow<bool> {
        self.begin_waiting().await?;
        let Some(session) = self.session.clone() else {
            return Ok(false);
        };
        let batch = match session.next(self.id, BATCH) {
            Next::Idle => return Ok(false),
            Next::Frames(frames) => frames,
            Next::Replaced => return Err(End::Reconnect),
            Next::Refused(code) => return Err(End::Close(Close::Upstream(code))),
            Next::Lost => {
                self.gateway.end(&session);
                self.session = None;
                return Err(End::Close(Close::Again));
            }
            Next::Over => {
                self.gateway.end(&session);
                self.session = None;
                self.without = self.gateway.clock.monotonic();
                self.say(frames::INVALID_SESSION).await?;
                return Ok(false);
            }
        };
        for outgoing in &batch {
            let message = self.message(outgoing, session.compress)?;
            self.write(message, false).await?;
        }
        self.flush().await?;
        // The oldest of a batch waited longest.
        if let Some(at) = batch.iter().find_map(|outgoing| outgoing.at) {
            let now = self.gateway.clock.monotonic();
            histogram!("splashtail_proxy_forward_seconds")
                .record(now.saturating_sub(at).as_secs_f64());
        }
        Ok(true)
    }

    async fn hear(&mut self, message: Option<Result<Message, WsError>>) -> Flow {
        let frame: Bytes = match message {
            None => return Err(End::Broken),
            Some(Err(WsError::Capacity(_) | WsError::Utf8(_))) => {
                return Err(End::Close(Close::Undecodable));
            }
            Some(Err(error)) => {
                debug!(%error, "a client's connection broke");
                return Err(End::Broken);
            }
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(frame))) => {
                return Err(End::Client(frame.map(|frame| frame.code.into())));
            }
            // Pings are answered below us.
            Some(Ok(_)) => return self.flush().await,
        };
        let now = self.gateway.clock.monotonic();
        let identified = self.session.is_some() || self.waiting.is_some();
        let request = frames::read(&frame, identified).map_err(End::Close)?;
        if !matches!(request, Request::Heartbeat) {
            self.sent.push_back(now);
            let since = now.checked_sub(MINUTE);
            while self
                .sent
                .front()
                .is_some_and(|at| since.is_some_and(|since| *at <= since))
            {
                self.sent.pop_front();
            }
            if self.sent.len() > PER_MINUTE {
                return Err(End::Close(Close::TooMany));
            }
        }
        match request {
            Request::Heartbeat => {
                self.heard = now;
                let delay = Duration::from_millis(self.gateway.settings.ack_delay_ms);
                self.ack_at.get_or_insert(now + delay);
                Ok(())
            }
            Request::Identify(_) if identified => Err(End::Close(Close::AlreadyIdentified)),
            Request::Resume(_) if identified => Err(End::Close(Close::AlreadyIdentified)),
            Request::Identify(identify) => self.identify(identify),
            Request::Resume(resume) => self.resume(&resume).await,
            Request::Command(command) => {
                if let Some(session) = &self.session {
                    self.gateway.command(session, &command);
                }
                Ok(())
            }
        }
    }

    fn identify(&mut self, identify: Identify) -> Flow {
        if !self.gateway.is_token(&identify.token) {
            return Err(End::Close(Close::WrongToken));
        }
        let sources = self.gateway.sources(identify.shard.unwrap_or((0, 1)));
        let status = sources.shards().iter().map(|shard| shard.watch());
        self.waiting = Some(Waiting {
            status: status.collect(),
            identify,
        });
        Ok(())
    }

    /// Begins the session that was asked for, once Discord has told what is in it.
    async fn begin_waiting(&mut self) -> Flow {
        let Some(waiting) = &mut self.waiting else {
            return Ok(());
        };
        for status in &mut waiting.status {
            if let Status::Refused(code) = *status.borrow_and_update() {
                return Err(End::Close(Close::Upstream(code)));
            }
        }
        let shard = waiting.identify.shard.unwrap_or((0, 1));
        let sources = self.gateway.sources(shard);
        let ready: Option<Vec<Ready>> = sources
            .shards()
            .iter()
            .map(|shard| shard.inner().greeting().cloned())
            .collect();
        let Some(ready) = ready.and_then(|ready| ready.into_iter().next()) else {
            return Ok(());
        };
        let Some(Waiting { identify, .. }) = self.waiting.take() else {
            return Ok(());
        };
        let (session, body) = self.gateway.begin(&identify, sources, &ready, self.id);
        let compress = session.compress;
        let outgoing = Outgoing {
            seq: session.greet(),
            frame: Frame::dispatch("READY", &body),
            at: None,
        };
        info!(
            shard.id = shard.0,
            shards = shard.1,
            "a client begins a session"
        );
        self.session = Some(session);
        let message = self.message(&outgoing, compress)?;
        self.write(message, true).await
    }

    async fn resume(&mut self, resume: &Resume) -> Flow {
        if !self.gateway.is_token(&resume.token) {
            return Err(End::Close(Close::WrongToken));
        }
        match self.gateway.resume(&resume.session_id, resume.seq, self.id) {
            Ok(Some(session)) => {
                counter!("splashtail_proxy_client_resumes_total", "outcome" => "resumed")
                    .increment(1);
                self.session = Some(session);
                Ok(())
            }
            Ok(None) => {
                counter!("splashtail_proxy_client_resumes_total", "outcome" => "invalid")
                    .increment(1);
                self.say(frames::INVALID_SESSION).await
            }
            Err(close) => Err(End::Close(close)),
        }
    }

    fn message(&mut self, outgoing: &Outgoing, compress: bool) -> Flow<Message> {
        let (head, tail) = outgoing.frame.parts();
        let digits = outgoing.seq.to_string();
        let parts = [head, digits.as_bytes(), tail];
        let broken = |error: io::Error| {
            debug!(%error, "a frame cannot be compressed");
            End::Broken
        };
        if let Some(pack) = &mut self.pack {
            return Ok(Message::Binary(
                pack.message(&parts).map_err(broken)?.into(),
            ));
        }
        let text = parts.concat();
        if compress && text.len() >= PAYLOAD_COMPRESSED {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            io::Write::write_all(&mut encoder, &text).map_err(broken)?;
            return Ok(Message::Binary(encoder.finish().map_err(broken)?.into()));
        }
        match Utf8Bytes::try_from(Bytes::from(text)) {
            Ok(text) => Ok(Message::Text(text)),
            Err(error) => Err(broken(io::Error::other(error))),
        }
    }

    /// A frame that is no dispatch.
    async fn say(&mut self, text: &str) -> Flow {
        let message = match &mut self.pack {
            Some(pack) => match pack.message(&[text.as_bytes()]) {
                Ok(packed) => Message::Binary(packed.into()),
                Err(_) => return Err(End::Broken),
            },
            None => Message::text(text),
        };
        self.write(message, true).await
    }

    async fn write(&mut self, message: Message, flush: bool) -> Flow {
        let socket = &mut self.socket;
        let writing = async {
            match flush {
                true => socket.send(message).await,
                false => socket.feed(message).await,
            }
        };
        patient(&self.gateway, self.session.as_deref(), writing).await
    }

    async fn flush(&mut self) -> Flow {
        let flushing = self.socket.flush();
        patient(&self.gateway, self.session.as_deref(), flushing).await
    }

    async fn finish(mut self, ended: End) {
        let now = self.gateway.clock.monotonic();
        let session = self.session.take();
        if let Some(session) = &session {
            session.detach(self.id, now);
        }
        let (close, deadline) = match ended {
            End::Close(close) => (close, CLOSE_DEADLINE),
            End::Reconnect => {
                let farewell = self.say(frames::RECONNECT);
                let _ = tokio::time::timeout(GOODBYE_DEADLINE, farewell).await;
                (Close::Again, GOODBYE_DEADLINE)
            }
            End::Client(code) => {
                // These end the session; a connection that is lost does not.
                if let Some(session) = session
                    && matches!(code, Some(1000 | 1001))
                    && session.gone().is_some()
                {
                    self.gateway.end(&session);
                }
                let _ = tokio::time::timeout(CLOSE_DEADLINE, self.socket.flush()).await;
                return;
            }
            End::Broken => return,
        };
        counter!("splashtail_proxy_client_closes_total", "code" => close.code().to_string())
            .increment(1);
        let frame = CloseFrame {
            code: CloseCode::from(close.code()),
            reason: close.reason().into(),
        };
        let socket = &mut self.socket;
        let goodbye = async {
            // What the client answers is no wish of its own, so it does not end the session.
            if socket.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        };
        let _ = tokio::time::timeout(deadline, goodbye).await;
    }
}

/// Something is new for the session, or for whoever waits for one.
fn news<'a>(
    session: Option<&'a Arc<Session>>,
    waiting: Option<&'a mut Waiting>,
) -> BoxFuture<'a, ()> {
    match (session, waiting) {
        (Some(session), _) => Box::pin(session.news.notified()),
        (None, Some(waiting)) if !waiting.status.is_empty() => Box::pin(async move {
            let changes = waiting
                .status
                .iter_mut()
                .map(|status| Box::pin(status.changed()));
            // An error means that the shard is gone, and so is the process.
            let _ = futures_util::future::select_all(changes).await;
        }),
        _ => Box::pin(std::future::pending()),
    }
}

/// Writes as long as the client takes something.
async fn patient(
    gateway: &Gateway,
    session: Option<&Session>,
    writing: impl Future<Output = Result<(), WsError>>,
) -> Flow {
    let mut writing = std::pin::pin!(writing);
    let begun = gateway.clock.monotonic();
    loop {
        tokio::select! {
            biased;
            written = &mut writing => {
                return written.map_err(|error| {
                    debug!(%error, "a client's connection broke");
                    End::Broken
                });
            }
            () = gateway.clock.sleep(LOOK) => {
                let stalled = gateway.clock.monotonic().saturating_sub(begun) >= STALL;
                let limit = gateway.settings.client_queue;
                if stalled || session.is_some_and(|session| session.is_behind(limit)) {
                    return Err(End::Close(Close::Again));
                }
            }
            () = gateway.drain.cancelled() => return Err(End::Close(Close::Again)),
        }
    }
}
