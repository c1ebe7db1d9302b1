//! A minimal gateway client, an HTTP client, and a sandbox to talk to.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use splashtail_sandbox::gateway::{ReplayLimits, Settings};
use splashtail_sandbox::server::{Edge, Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::openapi::complaints;
use splashtail_sandbox_world::seed::small;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything here takes; only a broken test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

pub const ALL_INTENTS: u64 = 0x1_ffff | (3 << 20) | (3 << 24);

pub struct Bench {
    pub running: Running,
    pub http: reqwest::Client,
    /// Stands still until it is moved, whatever the machine does meanwhile.
    pub clock: Arc<SandboxClock>,
    _verdict: Verdict,
}

pub fn settings() -> Settings {
    Settings {
        reconnect_grace: Duration::from_millis(200),
        ..Settings::default()
    }
}

pub async fn bench() -> Bench {
    bench_with(settings()).await
}

pub async fn bench_with(settings: Settings) -> Bench {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(SandboxClock::frozen(
        "2026-01-01T00:00:00Z".parse().unwrap(),
    ));
    let running = start("small", 1, clock.clone(), settings, true)
        .await
        .unwrap();
    Bench {
        _verdict: Verdict(running.edge.clone()),
        running,
        http: reqwest::Client::new(),
        clock,
    }
}

/// A replay buffer of so many dispatches.
pub fn short_replay(frames: usize) -> Settings {
    Settings {
        replay: ReplayLimits {
            frames,
            bytes: 64 << 20,
        },
        ..settings()
    }
}

/// Whatever was said must fit Discord's description, deliberate mistakes aside.
pub struct Verdict(Arc<Edge>);

impl Drop for Verdict {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(checker) = self.0.sandbox.checker.get() {
            checker.wait();
            let found = complaints(&self.0.found());
            assert!(found.is_empty(), "{}", found.join("\n"));
        }
    }
}

impl Bench {
    /// A path of the REST listener.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.rest.as_str().trim_end_matches('/'))
    }

    pub fn gateway(&self) -> String {
        self.running
            .gateway
            .as_str()
            .trim_end_matches('/')
            .to_owned()
    }

    /// A request as the small world's bot.
    pub fn bot(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(
                method.parse().unwrap(),
                self.url(&format!("/api/v10{path}")),
            )
            .header("authorization", format!("Bot {}", small::bot_token()))
            .header("user-agent", "DiscordBot (https://example.test, 1)")
    }

    pub async fn client(&self, query: &str) -> Client {
        Client::connect(&format!("{}{query}", self.gateway())).await
    }

    /// A session of all guilds, past its GUILD_CREATEs.
    pub async fn session(&self, intents: u64) -> Client {
        let mut client = self.client("?v=10").await;
        client.hello().await;
        client.identify(json!({"intents": intents})).await;
        client.until("READY").await;
        if intents & 1 != 0 {
            for _ in 0..4 {
                client.until("GUILD_CREATE").await;
            }
        }
        client
    }

    /// A channel of the first guild in which everyone may write.
    pub async fn channel(&self) -> String {
        let path = format!("/guilds/{}/channels", small::GUILDS[0]);
        let channels: Vec<Value> = self
            .bot("GET", &path)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let open = channels
            .iter()
            .find(|c| c["type"] == 0 && c["parent_id"].is_null());
        let open = open
            .or_else(|| channels.iter().find(|c| c["type"] == 0))
            .unwrap();
        open["id"].as_str().unwrap().to_owned()
    }

    /// Says something as a member, through the control API.
    pub async fn say(&self, channel: &str, content: &str) -> Value {
        let client = self.running.client().unwrap();
        let act = splashtail_sandbox::control::types::Act {
            channel_id: Some(channel.to_owned()),
            body: json!({"content": content}),
            ..Default::default()
        };
        let results = client
            .act(&small::OWNER.to_string(), "say", &act)
            .await
            .unwrap()
            .results;
        assert_eq!(results[0].status, 200, "{:?}", results[0].body);
        results[0].body.clone()
    }
}

/// How binary frames are read.
enum Decoder {
    /// Each frame a whole zlib stream.
    Payload,
    Zlib(flate2::Decompress),
    Zstd(Box<zstd::stream::raw::Decoder<'static>>),
}

pub struct Client {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    decoder: Decoder,
    pub session_id: String,
    pub seq: u64,
    /// What the session was identified with.
    token: String,
    /// Every binary frame as received.
    pub binary: Vec<Vec<u8>>,
    pub texts: usize,
    /// Largest payload that can be decompressed.
    room: usize,
}

impl Client {
    pub async fn connect(url: &str) -> Self {
        // As clients do that keep addresses in a URL type: an empty path becomes the root.
        let address = url::Url::parse(url).unwrap();
        let (ws, _) = connect_async(address.as_str()).await.unwrap();
        let decoder = if url.contains("zlib-stream") {
            Decoder::Zlib(flate2::Decompress::new(true))
        } else if url.contains("zstd-stream") {
            Decoder::Zstd(Box::new(zstd::stream::raw::Decoder::new().unwrap()))
        } else {
            Decoder::Payload
        };
        Self {
            ws,
            decoder,
            session_id: String::new(),
            seq: 0,
            token: small::bot_token(),
            binary: Vec::new(),
            texts: 0,
            room: 1 << 20,
        }
    }

    /// The next payload, or the close code.
    pub async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.ws.next()).await;
            let text = match message.expect("the gateway said nothing") {
                Some(Ok(Message::Text(text))) => {
                    self.texts += 1;
                    text.as_str().to_owned()
                }
                Some(Ok(Message::Binary(bytes))) => {
                    self.binary.push(bytes.to_vec());
                    self.decode(&bytes)
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|f| f.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(None),
            };
            let payload: Value = serde_json::from_str(&text).unwrap();
            if let Some(s) = payload["s"].as_u64() {
                self.seq = s;
            }
            if payload["t"] == "READY" {
                self.session_id = payload["d"]["session_id"].as_str().unwrap().to_owned();
            }
            return Ok(payload);
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        match &mut self.decoder {
            Decoder::Payload => {
                flate2::read::ZlibDecoder::new(bytes)
                    .read_to_end(&mut out)
                    .unwrap();
            }
            Decoder::Zlib(context) => {
                assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
                out.reserve(self.room);
                context
                    .decompress_vec(bytes, &mut out, flate2::FlushDecompress::Sync)
                    .unwrap();
            }
            Decoder::Zstd(context) => {
                use zstd::stream::raw::{InBuffer, Operation, OutBuffer};
                let mut source = InBuffer::around(bytes);
                let mut chunk = vec![0; self.room];
                let mut buffer = OutBuffer::around(&mut chunk[..]);
                while source.pos() < bytes.len() {
                    assert_ne!(
                        context.run(&mut source, &mut buffer).unwrap(),
                        0,
                        "frame ended"
                    );
                }
                let written = buffer.pos();
                out.extend_from_slice(&chunk[..written]);
            }
        }
        String::from_utf8(out).unwrap()
    }

    pub async fn hello(&mut self) -> Value {
        let hello = self.next().await.unwrap();
        assert_eq!(hello["op"], 10);
        hello
    }

    /// Reads until the next dispatch of this name; returns its `d`.
    pub async fn until(&mut self, name: &str) -> Value {
        loop {
            let payload = self.next().await.unwrap();
            if payload["t"] == name {
                return payload["d"].clone();
            }
        }
    }

    /// Reads until the next payload of this opcode; returns its `d`.
    pub async fn until_op(&mut self, op: u64) -> Value {
        loop {
            let payload = self.next().await.unwrap();
            if payload["op"] == op {
                return payload["d"].clone();
            }
        }
    }

    /// Reads until the server closes; returns the code.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    pub async fn send(&mut self, payload: Value) {
        self.raw(Message::text(payload.to_string())).await;
    }

    pub async fn raw(&mut self, message: Message) {
        self.ws.send(message).await.unwrap();
    }

    /// Identifies as the small world's bot, with these fields replaced.
    pub async fn identify(&mut self, fields: Value) {
        let mut d = json!({"token": small::bot_token(), "intents": ALL_INTENTS,
            "properties": {"os": "linux", "browser": "test", "device": "test"}});
        for (key, value) in fields.as_object().unwrap() {
            d[key] = value.clone();
        }
        if let Some(token) = d["token"].as_str() {
            self.token = token.to_owned();
        }
        self.send(json!({"op": 2, "d": d})).await;
    }

    pub async fn resume(&mut self, session_id: &str, seq: u64) {
        let d = json!({"token": self.token, "session_id": session_id, "seq": seq});
        self.send(json!({"op": 6, "d": d})).await;
    }

    /// Goes on with a session of another connection, whatever its application.
    pub async fn resume_as(&mut self, old: &Self) {
        self.token.clone_from(&old.token);
        self.session_id.clone_from(&old.session_id);
        self.resume(&old.session_id, old.seq).await;
    }

    /// Closes; returns the code that the server answers with.
    pub async fn close(&mut self, code: u16) -> Option<u16> {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        let _ = self.ws.close(Some(frame)).await;
        let mut answer = None;
        while let Some(Ok(message)) = self.ws.next().await {
            if let Message::Close(frame) = message {
                answer = frame.map(|f| f.code.into());
            }
        }
        answer
    }
}

/// Asks the sandbox until it says yes.
pub async fn eventually<F, Fut>(mut holds: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "it never came true");
        tokio::task::yield_now().await;
    }
}
