//! One shard's connection and Discord's, for as long as both last.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::ids::ShardId;
use splashtail_gateway::{Unpack, Upstream};
use splashtail_ipc::launcher::GatewayRefusal;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use tracing::{debug, warn};

use super::pace::{Pace, Turn};
use super::tap::{Seen, Tap, Watched};

/// For the answer to a close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// Opcodes (gateway documentation, "Gateway Opcodes").
const IDENTIFY: u8 = 2;
const RESUME: u8 = 6;
/// A close after which a session cannot be resumed.
const SESSION_OVER: u16 = 4009;

pub(super) type Downstream = WebSocketStream<TcpStream>;

pub(super) struct Link<'a> {
    pub(super) shard: ShardId,
    pub(super) pace: &'a Pace,
    pub(super) tap: &'a Tap,
    /// Cleared when what comes cannot be unpacked: from then on the process asks for plain text.
    pub(super) compressed: &'a AtomicBool,
    pub(super) refused: &'a watch::Sender<Option<GatewayRefusal>>,
}

/// How a link ended.
enum Ended {
    /// Discord's side, with its reason if it gave one.
    Up(Option<CloseFrame>),
    /// The shard said so.
    Closed,
    /// The shard is gone without a word.
    Gone,
}

impl Link<'_> {
    /// Until one side ends; then the other one is ended as that one was. `first` is what the shard
    /// has said already.
    pub(super) async fn pass_on(self, down: Downstream, up: Upstream, first: Option<Message>) {
        let (mut down_sink, mut down_stream) = down.split();
        let (mut up_sink, mut up_stream) = up.split();
        let ended = tokio::select! {
            ended = self.to_shard(&mut up_stream, &mut down_sink) => ended,
            ended = self.to_discord(first, &mut down_stream, &mut up_sink) => ended,
        };
        let ending = async {
            match ended {
                Ended::Up(frame) => {
                    // It sends the answer to Discord's close.
                    let _ = up_sink.flush().await;
                    let frame = frame.unwrap_or_else(|| away("the gateway's connection broke"));
                    hang_up(&mut down_sink, &mut down_stream, frame).await;
                }
                Ended::Closed => {
                    let _ = down_sink.flush().await;
                    while let Some(Ok(_)) = up_stream.next().await {}
                }
                // Discord keeps the session of a connection that ends without a close.
                Ended::Gone => {}
            }
        };
        let _ = tokio::time::timeout(CLOSE_DEADLINE, ending).await;
    }

    async fn to_shard(
        &self,
        up: &mut SplitStream<Upstream>,
        down: &mut SplitSink<Downstream, Message>,
    ) -> Ended {
        let (mut unpack, mut watched) = (None, Watched::default());
        loop {
            match up.next().await {
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.as_ref().map(|frame| u16::from(frame.code));
                    if let Some(refusal) = code.and_then(GatewayRefusal::of_close) {
                        self.refused.send_if_modified(|refused| {
                            let news = refused.is_none();
                            refused.get_or_insert(refusal);
                            news
                        });
                    }
                    return Ended::Up(frame);
                }
                Some(Ok(message)) if message.is_text() || message.is_binary() => {
                    let text = match self.text(message, &mut unpack) {
                        Ok(text) => text,
                        Err(error) => {
                            warn!(shard.id = %self.shard, %error, "the gateway's compressed stream cannot be read, asking for an uncompressed one");
                            self.compressed.store(false, Ordering::Relaxed);
                            return Ended::Up(None);
                        }
                    };
                    let frame: &Bytes = text.as_ref();
                    let seen = self.tap.see(self.shard, &mut watched, frame).await;
                    if let Err(error) = down.send(Message::Text(text)).await {
                        debug!(shard.id = %self.shard, %error, "a shard's connection broke");
                        return Ended::Gone;
                    }
                    if seen == Seen::Ends {
                        warn!(shard.id = %self.shard, "events of a session are lost, beginning another one");
                        return Ended::Up(Some(lost()));
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return self.broke(&error),
                None => return Ended::Up(None),
            }
        }
    }

    /// What a shard understands, whatever the gateway chose to send.
    fn text(&self, message: Message, unpack: &mut Option<Unpack>) -> io::Result<Utf8Bytes> {
        match message {
            Message::Text(text) => Ok(text),
            message => {
                let unpack = match unpack {
                    Some(unpack) => unpack,
                    None => unpack.insert(Unpack::new()?),
                };
                let text = unpack.message(&message.into_data())?;
                Utf8Bytes::try_from(text).map_err(io::Error::other)
            }
        }
    }

    async fn to_discord(
        &self,
        mut first: Option<Message>,
        down: &mut SplitStream<Downstream>,
        up: &mut SplitSink<Upstream, Message>,
    ) -> Ended {
        let mut held: Option<(Message, BoxFuture<'_, Option<Turn<'_>>>)> = None;
        loop {
            let next = async {
                match first.take() {
                    Some(first) => Some(Ok(first)),
                    None => down.next().await,
                }
            };
            // It keeps its place whatever else is sent meanwhile.
            let turn = async {
                match &mut held {
                    Some((_, turn)) => turn.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Heartbeats go on while an identify waits.
                message = next => match message {
                    Some(Ok(message)) if is_identify(&message) => match &mut held {
                        Some((held, _)) => *held = message,
                        None => held = Some((message, self.pace.turn(self.shard).boxed())),
                    },
                    Some(Ok(message)) => {
                        let last = message.is_close();
                        if (last || message.is_text() || message.is_binary())
                            && let Err(error) = up.send(message).await
                        {
                            return self.broke(&error);
                        }
                        if last {
                            return Ended::Closed;
                        }
                    }
                    Some(Err(error)) => {
                        debug!(shard.id = %self.shard, %error, "a shard's connection broke");
                        return Ended::Gone;
                    }
                    None => return Ended::Gone,
                },
                turn = turn => {
                    if let Some((identify, _)) = held.take() {
                        self.tap.addresses().forget(self.shard);
                        if let Err(error) = up.send(in_plain_text(identify)).await {
                            return self.broke(&error);
                        }
                    }
                    if let Some(turn) = turn {
                        turn.taken();
                    }
                }
            }
        }
    }

    fn broke(&self, error: &WsError) -> Ended {
        debug!(shard.id = %self.shard, %error, "a gateway connection broke");
        Ended::Up(None)
    }
}

/// serenity asks for messages that are compressed one by one. The connection is compressed as a whole.
fn in_plain_text(identify: Message) -> Message {
    let Message::Text(text) = &identify else {
        return identify;
    };
    match serde_json::from_str::<Value>(text) {
        Ok(mut json) if json["d"]["compress"] == true => {
            json["d"]["compress"] = false.into();
            Message::text(json.to_string())
        }
        _ => identify,
    }
}

/// A close without a frame leaves serenity turning in circles until its next heartbeat, and then it
/// gives up the session; after any frame but those of a refusal it resumes at once.
pub(super) fn away(reason: &'static str) -> CloseFrame {
    CloseFrame {
        code: CloseCode::Away,
        reason: reason.into(),
    }
}

/// What Discord says to a shard whose session is over (gateway documentation, "Gateway Close Event
/// Codes"): serenity begins another one.
fn lost() -> CloseFrame {
    CloseFrame {
        code: CloseCode::from(SESSION_OVER),
        reason: "events of the session are lost".into(),
    }
}

/// Closes a shard's connection and reads what it still sends: bytes that nobody reads would have the
/// kernel reset the connection, and the close would be lost.
pub(super) async fn hang_up(
    sink: &mut SplitSink<Downstream, Message>,
    stream: &mut SplitStream<Downstream>,
    frame: CloseFrame,
) {
    let closing = async {
        // It may be gone already.
        let _ = sink.send(Message::Close(Some(frame))).await;
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = tokio::time::timeout(CLOSE_DEADLINE, closing).await;
}

pub(super) fn is_resume(message: &Message) -> bool {
    opcode(message) == Some(RESUME)
}

pub(super) fn is_identify(message: &Message) -> bool {
    opcode(message) == Some(IDENTIFY)
}

fn opcode(message: &Message) -> Option<u8> {
    #[derive(Deserialize)]
    struct Op {
        op: u8,
    }
    let Message::Text(text) = message else {
        return None;
    };
    Some(serde_json::from_str::<Op>(text.as_str()).ok()?.op)
}
