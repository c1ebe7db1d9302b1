//! Events to one client that has every intent: messages are said by a member through the control
//! API, and every MESSAGE_CREATE is waited for.

use anyhow::{Context, Result, bail};
use flate2::{Decompress, FlushDecompress};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use splashtail_sandbox::control::types::Act;
use splashtail_sandbox_world::seed::small;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::peer;
use crate::process::{Process, Sandbox, Watch};
use crate::table::{Rate, Row};

const ALL_INTENTS: u64 = 0x1_ffff | (3 << 20) | (3 << 24);
/// Messages of one call of the control API, and calls.
const TIMES: u32 = 5_000;
const ROUNDS: usize = 8;
/// Largest payload: a large GUILD_CREATE.
const ROOM: usize = 4 << 20;

/// A gateway client.
pub struct Client {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    inflate: Inflate,
    room: Vec<u8>,
}

enum Inflate {
    None,
    Zlib(Box<Decompress>),
    Zstd(Box<Decoder<'static>>),
}

impl Client {
    /// A session of the small world's bot that has heard of `guilds` guilds.
    pub async fn identified(port: u16, query: &str, guilds: usize) -> Result<Self> {
        let address = format!("ws://127.0.0.1:{port}/?v=10&encoding=json{query}");
        let (ws, _) = connect_async(&address).await?;
        let inflate = match query {
            "" => Inflate::None,
            "&compress=zlib-stream" => Inflate::Zlib(Box::new(Decompress::new(true))),
            "&compress=zstd-stream" => Inflate::Zstd(Box::new(Decoder::new()?)),
            _ => bail!("there is no `{query}`"),
        };
        let mut client = Self {
            ws,
            inflate,
            room: Vec::new(),
        };
        client.next().await?;
        let identify = json!({"op": 2, "d": {
            "token": small::bot_token(), "intents": ALL_INTENTS, "properties": {},
        }});
        client.ws.send(Message::text(identify.to_string())).await?;
        client.until("READY").await?;
        for _ in 0..guilds {
            client.until("GUILD_CREATE").await?;
        }
        Ok(client)
    }

    /// Asks for all members of a guild.
    pub async fn ask_for_everyone(&mut self, guild: &str) -> Result<()> {
        let ask = json!({"op": 8, "d": {"guild_id": guild, "query": "", "limit": 0}});
        Ok(self.ws.send(Message::text(ask.to_string())).await?)
    }

    /// The next payload's length; the text is in `room`.
    pub async fn next(&mut self) -> Result<usize> {
        let frame = loop {
            match self.ws.next().await.context("the gateway is gone")?? {
                Message::Text(text) => break text.into(),
                Message::Binary(bytes) => break bytes,
                Message::Close(close) => bail!("the gateway closed: {close:?}"),
                _ => {}
            }
        };
        self.room.clear();
        self.room.reserve(ROOM);
        match &mut self.inflate {
            Inflate::None => self.room.extend_from_slice(&frame),
            Inflate::Zlib(context) => {
                context.decompress_vec(&frame, &mut self.room, FlushDecompress::Sync)?;
            }
            Inflate::Zstd(context) => {
                let mut source = InBuffer::around(&frame[..]);
                let mut out = OutBuffer::around(&mut self.room);
                while source.pos() < frame.len() {
                    context.run(&mut source, &mut out)?;
                }
            }
        }
        Ok(self.room.len())
    }

    fn is(&self, name: &str) -> bool {
        let start = format!(r#"{{"t":"{name}","#);
        self.room.starts_with(start.as_bytes())
    }

    /// Skips to the next event `name`.
    pub async fn until(&mut self, name: &str) -> Result<Value> {
        self.skip_to(name).await?;
        Ok(serde_json::from_slice(&self.room)?)
    }

    /// The length of the next event `name`.
    pub async fn skip_to(&mut self, name: &str) -> Result<usize> {
        loop {
            let length = self.next().await?;
            if self.is(name) {
                return Ok(length);
            }
        }
    }
}

pub async fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let count = TIMES as usize * ROUNDS;
    for (name, query) in [
        ("events to one client", ""),
        ("events, zlib-stream", "&compress=zlib-stream"),
        ("events, zstd-stream", "&compress=zstd-stream"),
    ] {
        let sandbox = Sandbox::start("small").await?;
        let mut client = Client::identified(sandbox.gateway, query, small::GUILDS.len()).await?;
        let watch = Watch::start(&sandbox.process)?;
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            let act = say();
            let saying = sandbox.control.act("1100000000000000013", "say", &act);
            let hearing = async {
                let mut heard = 0;
                for _ in 0..TIMES {
                    heard += client.skip_to("MESSAGE_CREATE").await?;
                }
                Ok::<usize, anyhow::Error>(heard)
            };
            let (said, heard) = tokio::join!(saying, hearing);
            said?;
            bytes += heard?;
        }
        let own = watch.rate(&sandbox.process, count)?;
        let bytes = bytes / count;
        drop(sandbox);
        let bare = bare_rate(peer::start("events")?, count, bytes).await?;
        let row = Row::rate(name, own, bare, bytes, "20,000/s");
        row.announce();
        rows.push(row);
    }
    Ok(())
}

fn say() -> Act {
    Act {
        channel_id: Some("1150000000030212096".to_owned()),
        times: Some(TIMES),
        body: json!({"content": "a message of ordinary size, number {n}, as people write them"}),
        ..Act::default()
    }
}

async fn bare_rate(peer: (Process, u16), count: usize, bytes: usize) -> Result<Rate> {
    let (mut ws, _) = connect_async(format!("ws://127.0.0.1:{}/", peer.1)).await?;
    let watch = Watch::start(&peer.0)?;
    ws.send(Message::text(format!("{count} {bytes}"))).await?;
    for _ in 0..count {
        ws.next().await.context("the peer is gone")??;
    }
    watch.rate(&peer.0, count)
}
