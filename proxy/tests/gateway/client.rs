//! A minimal gateway client.

use flate2::{Decompress, FlushDecompress};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::bench::PATIENCE;

pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    zlib: Option<Decompress>,
    zstd: Option<zstd::stream::raw::Decoder<'static>>,
    pub session: String,
    pub seq: u64,
    /// Every dispatch, in order.
    pub heard: Vec<Value>,
}

impl Client {
    pub async fn connect(url: &str) -> Self {
        Self::try_connect(url).await.unwrap()
    }

    /// `None` while nobody answers.
    pub async fn try_connect(url: &str) -> Option<Self> {
        let (socket, _) = connect_async(url).await.ok()?;
        Some(Self {
            socket,
            zlib: url.contains("zlib-stream").then(|| Decompress::new(true)),
            zstd: url
                .contains("zstd-stream")
                .then(|| zstd::stream::raw::Decoder::new().unwrap()),
            session: String::new(),
            seq: 0,
            heard: Vec::new(),
        })
    }

    pub async fn hello(&mut self) -> Value {
        let hello = self.next().await.unwrap();
        assert_eq!(hello["op"], 10);
        hello
    }

    pub async fn send(&mut self, payload: Value) {
        self.say(&payload.to_string()).await;
    }

    pub async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn identify(&mut self, shard: Option<[u16; 2]>, intents: u64) {
        let mut body = json!({
            "token": small::bot_token(),
            "properties": {},
            "intents": intents,
        });
        if let Some(shard) = shard {
            body["shard"] = json!(shard);
        }
        self.send(json!({"op": 2, "d": body})).await;
    }

    pub async fn resume(&mut self, session: &str, seq: u64) {
        let token = format!("Bot {}", small::bot_token());
        let body = json!({"token": token, "session_id": session, "seq": seq});
        self.seq = seq;
        session.clone_into(&mut self.session);
        self.send(json!({"op": 6, "d": body})).await;
    }

    /// The text of the next payload, or how the connection ended.
    pub async fn text(&mut self) -> Result<String, Option<CloseFrame>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .unwrap();
            match message {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Ok(self.unpack(&bytes)),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    pub async fn next(&mut self) -> Result<Value, Option<CloseFrame>> {
        let text = self.text().await?;
        let payload: Value = serde_json::from_str(&text).unwrap();
        if payload["op"] == 0 {
            let seq = payload["s"].as_u64().unwrap();
            assert_eq!(
                seq,
                self.seq + 1,
                "a number is missing or comes twice: {text}"
            );
            self.seq = seq;
            if payload["t"] == "READY" {
                payload["d"]["session_id"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut self.session);
            }
            self.heard.push(payload.clone());
        }
        Ok(payload)
    }

    /// The body of the next event of that name.
    pub async fn until(&mut self, name: &str) -> Value {
        loop {
            let payload = self.next().await.unwrap();
            if payload["t"] == name {
                return payload["d"].clone();
            }
        }
    }

    /// The next payload that is no dispatch.
    pub async fn op(&mut self, op: u64) -> Value {
        loop {
            let payload = self.next().await.unwrap();
            if payload["op"] == op {
                return payload;
            }
        }
    }

    /// The close code, whatever comes before.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Err(frame) = self.text().await {
                return frame.map(|frame| frame.code.into());
            }
        }
    }

    fn unpack(&mut self, bytes: &[u8]) -> String {
        let mut text = Vec::with_capacity(1 << 20);
        if let Some(zlib) = &mut self.zlib {
            assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
            zlib.decompress_vec(bytes, &mut text, FlushDecompress::Sync)
                .unwrap();
        } else if let Some(zstd) = &mut self.zstd {
            use zstd::stream::raw::{InBuffer, Operation, OutBuffer};
            let mut input = InBuffer::around(bytes);
            while input.pos() < bytes.len() {
                let written = text.len();
                text.reserve(1 << 16);
                zstd.run(&mut input, &mut OutBuffer::around_pos(&mut text, written))
                    .unwrap();
            }
        } else {
            let mut alone = Decompress::new(true);
            alone
                .decompress_vec(bytes, &mut text, FlushDecompress::Finish)
                .unwrap();
        }
        String::from_utf8(text).unwrap()
    }
}
