//! A Discord that answers as it is told, and a REST proxy in front.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use splashtail_core::clock::SharedClock;
use splashtail_ipc::http::serve;
use splashtail_proxy::gateway::{self, Gateway};
use splashtail_proxy::rest::{Rest, Settings};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub const TOKEN: &str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.x.y";
/// Longer than anything here takes; only a broken test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A call as Discord got it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

type Script = Box<dyn Fn(&Seen, usize) -> Response + Send + Sync>;

struct Discord {
    script: Script,
    seen: Mutex<Vec<Seen>>,
}

pub struct Bench {
    discord: Arc<Discord>,
    pub rest: Arc<Rest>,
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub http: reqwest::Client,
    /// Of Discord.
    pub origin: SocketAddr,
    directory: tempfile::TempDir,
}

/// `script` gets a call and how many were there before it.
pub async fn bench(
    clock: SharedClock,
    script: impl Fn(&Seen, usize) -> Response + Send + Sync + 'static,
) -> Bench {
    bench_with(clock, |_| {}, script).await
}

pub async fn bench_with(
    clock: SharedClock,
    change: impl FnOnce(&mut Settings),
    script: impl Fn(&Seen, usize) -> Response + Send + Sync + 'static,
) -> Bench {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let discord = Arc::new(Discord {
        script: Box::new(script),
        seen: Mutex::default(),
    });
    let shutdown = CancellationToken::new();
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&discord));
    let origin = listen(router, &shutdown);
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings {
        api: format!("http://{origin}").parse().unwrap(),
        token: TOKEN.into(),
        per_second: 1_000_000,
        secret: None,
        state_dir: Some(directory.path().to_owned()),
    };
    change(&mut settings);
    let rest = Rest::new(settings, Arc::clone(&clock), TaskTracker::new()).unwrap();
    let address = listen(rest.router(&gateway(clock)), &shutdown);
    Bench {
        discord,
        rest,
        address,
        shutdown,
        http: reqwest::Client::new(),
        origin,
        directory,
    }
}

fn listen(router: Router, shutdown: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, router, shutdown.clone()));
    address
}

/// One that never gets to know where Discord's gateway is.
fn gateway(clock: SharedClock) -> Arc<Gateway> {
    let settings = gateway::Settings {
        token: TOKEN.into(),
        intents: 1,
        shards: 1,
        client_shards: 0,
        address: "ws://localhost".to_owned(),
        heartbeat_ms: 41_250,
        ack_delay_ms: 10,
        resume_window: PATIENCE,
        replay_bytes: 1 << 20,
        client_queue: 1 << 20,
        voice_leave: false,
        admin_secret: None,
        state_dir: None,
    };
    Gateway::new(settings, clock)
}

async fn answer(State(discord): State<Arc<Discord>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 64 << 20).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let seen = Seen {
        method: parts.method,
        path: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body,
    };
    let before = {
        let mut all = discord.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    (discord.script)(&seen, before)
}

impl Bench {
    pub fn seen(&self) -> Vec<Seen> {
        self.discord.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.discord.seen.lock().unwrap().len()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/api/v10{path}", self.address)
    }

    /// A call of the bot.
    pub fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let call = self.http.request(method, self.url(path));
        call.header("authorization", format!("Bot {TOKEN}"))
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.call(Method::GET, path).send().await.unwrap()
    }

    pub fn state_dir(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub async fn until_seen(&self, count: usize) {
        let waiting = async {
            while self.count() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn ok() -> Response {
    Json(json!({})).into_response()
}

pub fn status(code: u16, body: Value) -> Response {
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}

/// With what Discord says of a bucket.
pub fn of_bucket(limit: u64, remaining: u64, reset_after: f64) -> Response {
    let headers = [
        ("x-ratelimit-bucket", "hash".to_owned()),
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset-after", reset_after.to_string()),
    ];
    (headers, Json(json!({}))).into_response()
}

pub fn limited(scope: &'static str, retry_after: f64) -> Response {
    let body = json!({
        "message": "You are being rate limited.", "retry_after": retry_after, "global": scope == "global",
    });
    let headers = [("x-ratelimit-scope", scope)];
    (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
}

pub fn html(code: u16) -> Response {
    let head = [("content-type", "text/html")];
    (
        StatusCode::from_u16(code).unwrap(),
        head,
        Body::from("<html>"),
    )
        .into_response()
}
