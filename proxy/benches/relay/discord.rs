//! A Discord that answers at once: buckets as headers tell them, one gateway session per connection.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use serde_json::{Value, json};
use splashtail_gateway::{Pack, Packing};
use splashtail_ipc::http::{Capacity, ServeOptions, serve_with};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_util::sync::CancellationToken;

/// Events that a slow reader of the benchmark may be behind.
const BACKLOG: usize = 1 << 18;

pub struct Discord {
    pub rest: SocketAddr,
    pub gateway: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    gateway: SocketAddr,
    /// Before each answer.
    latency: Mutex<Duration>,
    /// Requests and window of the buckets of a path.
    limit: Mutex<Option<(u64, Duration)>>,
    buckets: Mutex<HashMap<String, (Instant, u64)>>,
    limited: AtomicU64,
    guilds: Arc<[Arc<str>]>,
    events: broadcast::Sender<Arc<str>>,
    identifies: AtomicU64,
}

impl Discord {
    /// With so many servers of so many bytes.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(guilds: usize, bytes: usize) -> Result<Self> {
        let gateway = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let rest = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let shared = Arc::new(Shared {
            gateway: gateway.local_addr()?,
            latency: Mutex::default(),
            limit: Mutex::default(),
            buckets: Mutex::default(),
            limited: AtomicU64::new(0),
            guilds: (0..guilds).map(|number| guild(number, bytes)).collect(),
            events: broadcast::Sender::new(BACKLOG),
            identifies: AtomicU64::new(0),
        });
        let discord = Self {
            rest: rest.local_addr()?,
            gateway: gateway.local_addr()?,
            shared: Arc::clone(&shared),
        };
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let options = ServeOptions {
            capacity: Capacity {
                total: 20_000,
                ..Capacity::default()
            },
            ..ServeOptions::default()
        };
        tokio::spawn(serve_with(rest, router, CancellationToken::new(), options));
        tokio::spawn(async move {
            while let Ok((stream, _)) = gateway.accept().await {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                // A connection that ends is the other side's affair.
                tokio::spawn(async move {
                    let _ = shared.session(stream).await;
                });
            }
        });
        Ok(discord)
    }

    pub fn answers_after(&self, latency: Duration) {
        *lock(&self.shared.latency) = latency;
    }

    /// Each path is a bucket with so many requests in a window.
    pub fn limits(&self, limit: Option<(u64, Duration)>) {
        *lock(&self.shared.limit) = limit;
    }

    /// 429 answers so far.
    pub fn limited(&self) -> u64 {
        self.shared.limited.load(Ordering::Relaxed)
    }

    pub fn identifies(&self) -> u64 {
        self.shared.identifies.load(Ordering::Relaxed)
    }

    /// Tells all sessions; `d` is the body of a MESSAGE_CREATE.
    pub fn tell(&self, d: &str) {
        // Without a session nobody listens.
        let _ = self.shared.events.send(d.into());
    }
}

impl Shared {
    async fn session(&self, stream: TcpStream) -> Result<()> {
        let mut asked = String::new();
        #[allow(clippy::result_large_err, reason = "the library's signature")]
        let look = |request: &server::Request, response: server::Response| {
            request
                .uri()
                .query()
                .unwrap_or_default()
                .clone_into(&mut asked);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, look).await?;
        let packing = match asked.contains("zstd-stream") {
            true => Packing::of_query(Some("zstd-stream")),
            false => Packing::of_query(None),
        };
        let mut pack = Pack::new(packing)?;
        let mut message = |text: &str| -> Result<Message> {
            Ok(match &mut pack {
                Some(pack) => Message::Binary(pack.message(&[text.as_bytes()])?.into()),
                None => Message::text(text),
            })
        };
        let hello = r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}"#;
        socket.send(message(hello)?).await?;
        let mut events = self.events.subscribe();
        let mut seq = 0;
        let mut dispatch = |name: &str, d: &str| {
            seq += 1;
            format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{d}}}"#)
        };
        let mut open = false;
        loop {
            tokio::select! {
                heard = socket.next() => {
                    let Some(heard) = heard else { return Ok(()) };
                    let Ok(text) = heard?.into_text() else { continue };
                    let Ok(payload) = serde_json::from_str::<Value>(&text) else { continue };
                    match payload["op"].as_u64() {
                        Some(1) => socket.send(message(r#"{"t":null,"s":null,"op":11,"d":null}"#)?).await?,
                        Some(2) => {
                            open = true;
                            self.identifies.fetch_add(1, Ordering::Relaxed);
                            let announced: Vec<Value> = (0..self.guilds.len())
                                .map(|number| json!({"id": id(number), "unavailable": true}))
                                .collect();
                            let ready = json!({
                                "v": 10, "user": {"id": "1100000000000000001", "username": "bench", "bot": true},
                                "guilds": announced, "session_id": "bench", "shard": [0, 1],
                                "resume_gateway_url": format!("ws://{}", self.gateway),
                                "application": {"id": "1100000000000000001", "flags": 0},
                            });
                            socket.send(message(&dispatch("READY", &ready.to_string()))?).await?;
                            for guild in self.guilds.iter() {
                                socket.feed(message(&dispatch("GUILD_CREATE", guild))?).await?;
                            }
                            socket.flush().await?;
                        }
                        _ => {}
                    }
                }
                event = events.recv(), if open => {
                    let Ok(event) = event else { return Ok(()) };
                    socket.feed(message(&dispatch("MESSAGE_CREATE", &event))?).await?;
                    // What came meanwhile goes along.
                    while let Ok(event) = events.try_recv() {
                        socket.feed(message(&dispatch("MESSAGE_CREATE", &event))?).await?;
                    }
                    socket.flush().await?;
                }
            }
        }
    }

    fn bucket(&self, path: &str) -> Option<(u64, u64, f64)> {
        let (limit, window) = (*lock(&self.limit))?;
        let now = Instant::now();
        let mut buckets = lock(&self.buckets);
        let (began, used) = buckets.entry(path.to_owned()).or_insert((now, 0));
        if now.duration_since(*began) >= window {
            (*began, *used) = (now, 0);
        }
        *used += 1;
        let left = (*began + window)
            .saturating_duration_since(now)
            .as_secs_f64();
        Some((limit, *used, left))
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path();
    if path.ends_with("/gateway/bot") {
        let limit =
            json!({"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1});
        let url = format!("ws://{}", shared.gateway);
        return Json(json!({"url": url, "shards": 1, "session_start_limit": limit}))
            .into_response();
    }
    // Calls that differ in their last id alone share a bucket.
    let bucket = path.split("/bans/").next().unwrap_or_default();
    let bucket = shared.bucket(bucket);
    let latency = *lock(&shared.latency);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match bucket {
        None => Json(json!({"id": "1"})).into_response(),
        Some((limit, used, left)) if used > limit => {
            shared.limited.fetch_add(1, Ordering::Relaxed);
            let body = json!({"message": "limited", "retry_after": left, "global": false});
            (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
        }
        Some((limit, used, left)) => {
            let headers = [
                ("x-ratelimit-bucket", "bench".to_owned()),
                ("x-ratelimit-limit", limit.to_string()),
                ("x-ratelimit-remaining", (limit - used).to_string()),
                ("x-ratelimit-reset-after", format!("{left:.3}")),
            ];
            (headers, Json(json!({"id": "1"}))).into_response()
        }
    }
}

fn id(number: usize) -> String {
    ((number as u64 + 1) << 40).to_string()
}

/// A server of so many bytes, mostly members and channels.
fn guild(number: usize, bytes: usize) -> Arc<str> {
    let mut channels = String::new();
    let mut member = 0_u64;
    while channels.len() < bytes.saturating_sub(400) {
        if member > 0 {
            channels.push(',');
        }
        member += 1;
        channels.push_str(&format!(
            r#"{{"id":"{}","type":0,"name":"channel-{member}","position":{member},"topic":"About the {member}th thing","permission_overwrites":[],"parent_id":null,"nsfw":false,"last_message_id":"{}","rate_limit_per_user":0,"flags":0}}"#,
            ((number as u64 + 1) << 40) + member,
            ((number as u64 + 7) << 38) + member * 7919,
        ));
    }
    format!(
        r#"{{"id":"{}","name":"Server {number}","owner_id":"1100000000000000010","roles":[{{"id":"{}","name":"@everyone","permissions":"0","position":0}}],"emojis":[],"stickers":[],"member_count":5,"members":[],"voice_states":[],"presences":[],"threads":[],"channels":[{channels}],"unavailable":false}}"#,
        id(number),
        id(number)
    )
    .into()
}

fn lock<T>(place: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
