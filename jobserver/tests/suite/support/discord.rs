//! A small Discord: one guild with more in it than a simple backup would notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use splashtail_sandbox_world::openapi::judge_request;
use tokio::sync::watch;
use url::Url;

pub const GUILD: u64 = 1_100_000_000_001_179_648;
pub const BOT: u64 = 1_100_000_000_000_000_001;
pub const BIG: u64 = 1_100_000_000_000_000_110;
pub const FILES: u64 = 1_100_000_000_000_000_111;
pub const FORUM: u64 = 1_100_000_000_000_000_112;
pub const LOCKED: u64 = 1_100_000_000_000_000_113;
pub const VOICE: u64 = 1_100_000_000_000_000_114;
pub const ACTIVE_POST: u64 = 1_100_000_000_000_000_201;
pub const OLD_POST: u64 = 1_100_000_000_000_000_202;
pub const OLDER_POST: u64 = 1_100_000_000_000_000_200;
pub const PRIVATE_THREAD: u64 = 1_100_000_000_000_000_203;
pub const PNG: u64 = 1_100_000_000_000_000_301;
pub const TEXT: u64 = 1_100_000_000_000_000_302;
pub const HUGE: u64 = 1_100_000_000_000_000_303;
pub const GONE: u64 = 1_100_000_000_000_000_304;
pub const BIG_COUNT: u64 = 1230;

/// View Channel, Read Message History, Connect.
const EVERYONE: u64 = 1 << 10 | 1 << 16 | 1 << 20;
const MANAGE_THREADS: u64 = 1 << 34;

type Interceptor = Box<dyn Fn(&str) -> Option<Response> + Send + Sync>;

pub struct World {
    pub guild: Value,
    pub channels: Vec<Value>,
    pub active: Vec<Value>,
    /// Latest first.
    pub archived: BTreeMap<u64, Vec<Value>>,
    pub archive_page: usize,
    pub archived_private: BTreeMap<u64, Vec<Value>>,
    /// Ascending by id.
    pub messages: BTreeMap<u64, Vec<Value>>,
    pub files: BTreeMap<String, (Vec<u8>, &'static str)>,
}

impl World {
    /// Gives the bot Manage Threads.
    pub fn manage_threads(&mut self) {
        self.guild["roles"][0]["permissions"] = json!((EVERYONE | MANAGE_THREADS).to_string());
    }

    fn may_manage_threads(&self) -> bool {
        let granted = self.guild["roles"][0]["permissions"].as_str().unwrap();
        granted.parse::<u64>().unwrap() & MANAGE_THREADS != 0
    }
}

struct Fake {
    world: Mutex<World>,
    requests: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
    intercept: Mutex<Option<Interceptor>>,
    violations: Mutex<Vec<String>>,
}

#[derive(Clone)]
pub struct FakeDiscord {
    pub url: Url,
    fake: Arc<Fake>,
}

impl FakeDiscord {
    /// Serves on its own thread and runtime, so that killing a jobserver's runtime spares it.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let fake = Arc::new(Fake {
            world: Mutex::new(world(&url)),
            requests: Mutex::default(),
            count: watch::Sender::new(0),
            intercept: Mutex::default(),
            violations: Mutex::default(),
        });
        let router = Router::new()
            .route("/api/v10/users/@me", get(me))
            .route("/api/v10/guilds/{guild}", get(guild))
            .route("/api/v10/guilds/{guild}/members", get(nothing))
            .route("/api/v10/guilds/{guild}/members/{user}", get(member))
            .route("/api/v10/guilds/{guild}/channels", get(channels))
            .route(
                "/api/v10/guilds/{guild}/auto-moderation/rules",
                get(nothing),
            )
            .route("/api/v10/guilds/{guild}/scheduled-events", get(nothing))
            .route("/api/v10/guilds/{guild}/soundboard-sounds", get(no_sounds))
            .route("/api/v10/guilds/{guild}/webhooks", get(nothing))
            .route("/api/v10/guilds/{guild}/invites", get(nothing))
            .route("/api/v10/guilds/{guild}/templates", get(nothing))
            .route("/api/v10/guilds/{guild}/widget", get(single))
            .route("/api/v10/guilds/{guild}/onboarding", get(single))
            .route("/api/v10/guilds/{guild}/welcome-screen", get(single))
            .route("/api/v10/guilds/{guild}/threads/active", get(active))
            .route(
                "/api/v10/channels/{channel}/threads/archived/public",
                get(archived),
            )
            .route(
                "/api/v10/channels/{channel}/threads/archived/private",
                get(all_private),
            )
            .route(
                "/api/v10/channels/{channel}/users/@me/threads/archived/private",
                get(joined_private),
            )
            .route("/api/v10/channels/{channel}/messages", get(messages))
            .route("/api/v10/channels/{channel}/messages/pins", get(pins))
            .route(
                "/api/v10/channels/{channel}/messages/{message}",
                get(single_message),
            )
            .route("/api/v10/channels/{channel}/thread-members", get(nothing))
            .fallback(file)
            .layer(axum::middleware::from_fn_with_state(fake.clone(), record))
            .with_state(fake.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url, fake }
    }

    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.fake.world.lock().unwrap());
    }

    /// Answers in place of the fake where it returns something; gets path and query.
    pub fn intercept(&self, with: impl Fn(&str) -> Option<Response> + Send + Sync + 'static) {
        *self.fake.intercept.lock().unwrap() = Some(Box::new(with));
    }

    pub fn stop_intercepting(&self) {
        *self.fake.intercept.lock().unwrap() = None;
    }

    pub fn requests(&self) -> Vec<String> {
        self.fake.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests were made in all.
    pub async fn requested(&self, count: usize) {
        let mut seen = self.fake.count.subscribe();
        seen.wait_for(|made| *made >= count).await.unwrap();
    }
}

/// Whatever a jobserver asked must be in Discord's description.
impl Drop for FakeDiscord {
    fn drop(&mut self) {
        let violations = self.fake.violations.lock().unwrap();
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "{}", violations.join("\n"));
        }
    }
}

pub fn error(status: u16, code: u64, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        axum::Json(json!({"message": message, "code": code})),
    )
        .into_response()
}

async fn record(
    State(fake): State<Arc<Fake>>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let target = request.uri().path_and_query().unwrap().to_string();
    let method = request.method().as_str();
    let wrong = judge_request(method, &target, "", Bytes::new()).unwrap();
    fake.violations.lock().unwrap().extend(wrong);
    fake.requests.lock().unwrap().push(target.clone());
    fake.count.send_modify(|count| *count += 1);
    let answer = fake
        .intercept
        .lock()
        .unwrap()
        .as_ref()
        .and_then(|with| with(&target));
    match answer {
        Some(answer) => answer,
        None => next.run(request).await,
    }
}

type Shared = State<Arc<Fake>>;

async fn me() -> Response {
    axum::Json(json!({"id": BOT.to_string(), "username": "antiraid"})).into_response()
}

async fn guild(State(fake): Shared) -> Response {
    axum::Json(fake.world.lock().unwrap().guild.clone()).into_response()
}

async fn member() -> Response {
    axum::Json(
        json!({"user": {"id": BOT.to_string(), "username": "antiraid"}, "roles": [],
                      "joined_at": "2024-01-01T00:00:00.000000+00:00"}),
    )
    .into_response()
}

async fn nothing() -> Response {
    axum::Json(json!([])).into_response()
}

async fn single() -> Response {
    axum::Json(json!({})).into_response()
}

async fn no_sounds() -> Response {
    axum::Json(json!({"items": []})).into_response()
}

async fn channels(State(fake): Shared) -> Response {
    axum::Json(fake.world.lock().unwrap().channels.clone()).into_response()
}

async fn active(State(fake): Shared) -> Response {
    let threads = fake.world.lock().unwrap().active.clone();
    axum::Json(json!({"threads": threads, "members": []})).into_response()
}

/// Strictly before the time given, as Discord does; at most `archive_page` a page.
async fn archived(
    State(fake): Shared,
    Path(channel): Path<u64>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let world = fake.world.lock().unwrap();
    let all = world.archived.get(&channel).cloned().unwrap_or_default();
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
    let stamp = |thread: &Value| {
        let text = thread["thread_metadata"]["archive_timestamp"].as_str();
        time(text.unwrap())
    };
    let older: Vec<Value> = all
        .into_iter()
        .filter(|thread| {
            query
                .get("before")
                .is_none_or(|before| stamp(thread) < time(before))
        })
        .collect();
    let limit: usize = query
        .get("limit")
        .map_or(50, |limit| limit.parse().unwrap());
    let size = world.archive_page.min(limit);
    let page: Vec<_> = older.iter().take(size).cloned().collect();
    let has_more = older.len() > size;
    axum::Json(json!({"threads": page, "members": [], "has_more": has_more})).into_response()
}

async fn joined_private(State(fake): Shared, Path(channel): Path<u64>) -> Response {
    let threads = fake
        .world
        .lock()
        .unwrap()
        .archived_private
        .get(&channel)
        .cloned();
    axum::Json(json!({"threads": threads.unwrap_or_default(), "members": [], "has_more": false}))
        .into_response()
}

/// Needs Manage Threads.
async fn all_private(state: Shared, channel: Path<u64>) -> Response {
    if state.0.world.lock().unwrap().may_manage_threads() {
        return joined_private(state, channel).await;
    }
    error(403, 50013, "Missing Permissions")
}

async fn messages(
    State(fake): Shared,
    Path(channel): Path<u64>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let limit: usize = query
        .get("limit")
        .map_or(50, |limit| limit.parse().unwrap());
    if !(1..=100).contains(&limit) {
        return error(400, 50035, "Invalid Form Body");
    }
    let before: u64 = query
        .get("before")
        .map_or(u64::MAX, |before| before.parse().unwrap());
    let world = fake.world.lock().unwrap();
    let Some(all) = world.messages.get(&channel) else {
        return error(403, 50001, "Missing Access");
    };
    let page: Vec<Value> = all
        .iter()
        .rev()
        .filter(|message| message["id"].as_str().unwrap().parse::<u64>().unwrap() < before)
        .take(limit)
        .cloned()
        .collect();
    axum::Json(page).into_response()
}

async fn single_message(State(fake): Shared, Path((channel, id)): Path<(u64, String)>) -> Response {
    let world = fake.world.lock().unwrap();
    let mut messages = world.messages.get(&channel).into_iter().flatten();
    match messages.find(|message| message["id"] == id.as_str()) {
        Some(message) => axum::Json(message).into_response(),
        None => error(404, 10008, "Unknown Message"),
    }
}

async fn pins(State(fake): Shared, Path(channel): Path<u64>) -> Response {
    let world = fake.world.lock().unwrap();
    let messages = world.messages.get(&channel).into_iter().flatten();
    let pinned = messages.filter(|message| message["pinned"] == true);
    let item =
        |message: &Value| json!({"pinned_at": "2024-02-01T00:00:00+00:00", "message": message});
    let items: Vec<Value> = pinned.map(item).collect();
    axum::Json(json!({"items": items, "has_more": false})).into_response()
}

async fn file(State(fake): Shared, uri: Uri) -> Response {
    match fake.world.lock().unwrap().files.get(uri.path()) {
        Some((bytes, kind)) => ([("content-type", *kind)], bytes.clone()).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            "This content is no longer available.",
        )
            .into_response(),
    }
}

pub fn message(channel: u64, number: u64) -> Value {
    json!({
        "id": (1_200_000_000_000_000_000 + channel % 1000 * 1_000_000 + number).to_string(),
        "channel_id": channel.to_string(), "content": format!("message {number}"), "type": 0,
        "timestamp": "2024-01-20T12:00:00.123000+00:00", "edited_timestamp": null,
        "author": {"id": "1100000000000000010", "username": "alice", "discriminator": "0",
                   "primary_guild": null, "clan": {"tag": "X"}},
        "attachments": [], "embeds": [], "mentions": [], "mention_roles": [],
        "mention_everyone": false, "pinned": false, "tts": false, "flags": 0,
        "components": [], "position": number
    })
}

/// A pattern that does not compress to nothing and is not valid text.
pub fn image() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend((0..4000_u32).map(|n| (n * n % 251) as u8));
    bytes
}

pub fn text() -> Vec<u8> {
    "the same line again\n".repeat(200).into_bytes()
}

/// A picture that can be decoded.
fn icon() -> Vec<u8> {
    let mut png = Vec::new();
    image::RgbaImage::from_pixel(32, 32, image::Rgba([10, 200, 30, 255]))
        .write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .unwrap();
    png
}

pub fn thread(id: u64, parent: u64, kind: u64, archived: Option<&str>) -> Value {
    json!({"id": id.to_string(), "parent_id": parent.to_string(), "guild_id": GUILD.to_string(),
           "type": kind, "name": format!("thread {id}"),
           "thread_metadata": {"archived": archived.is_some(), "locked": false,
               "auto_archive_duration": 1440,
               "archive_timestamp": archived.unwrap_or("2024-02-01T00:00:00+00:00")}})
}

fn world(url: &Url) -> World {
    let channel = |id: u64, kind: u64, position: u64, name: &str| {
        json!({"id": id.to_string(), "guild_id": GUILD.to_string(), "type": kind, "name": name,
               "position": position, "parent_id": null, "permission_overwrites": [], "flags": 0,
               "nsfw": false, "icon_emoji": {"name": "🛡"}})
    };
    let mut locked = channel(LOCKED, 0, 4, "staff");
    locked["permission_overwrites"] =
        json!([{"id": GUILD.to_string(), "type": 0, "allow": "0", "deny": (1 << 10).to_string()}]);
    let mut messages: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    messages.insert(BIG, (1..=BIG_COUNT).map(|n| message(BIG, n)).collect());
    for (id, count) in [
        (ACTIVE_POST, 4),
        (OLD_POST, 2),
        (OLDER_POST, 1),
        (PRIVATE_THREAD, 3),
        (VOICE, 2),
    ] {
        messages.insert(id, (1..=count).map(|n| message(id, n)).collect());
    }
    let attachment = |id: u64, name: &str, size: usize, kind: Value| {
        let base = url.as_str().trim_end_matches('/');
        json!({"id": id.to_string(), "filename": name, "size": size, "content_type": kind,
               "url": format!("{base}/attachments/1/{id}/{name}?ex=7fffffff&is=2&hm=3"),
               "proxy_url": "http://127.0.0.1:9/never", "placeholder": "x"})
    };
    let mut with_files = message(FILES, 1);
    with_files["attachments"] = json!([
        attachment(PNG, "a.png", image().len(), json!("image/png")),
        attachment(
            TEXT,
            "b.txt",
            text().len(),
            json!("text/plain; charset=utf-8")
        ),
        attachment(HUGE, "c.zip", 9_000_000, json!("application/zip")),
        attachment(GONE, "d.bin", 10, Value::Null),
    ]);
    messages.insert(FILES, vec![with_files, message(FILES, 2)]);
    World {
        guild: json!({
            "id": GUILD.to_string(), "name": "Small", "icon": "abc", "banner": null,
            "splash": "broken", "owner_id": "1100000000000000010", "features": ["COMMUNITY"],
            "safety_alerts_channel_id": null, "premium_progress_bar_enabled": true,
            "roles": [{"id": GUILD.to_string(), "name": "@everyone", "position": 0, "flags": 0,
                       "permissions": EVERYONE.to_string(), "colors": {"primary_color": 0}}],
            "emojis": [], "stickers": [],
        }),
        channels: vec![
            channel(BIG, 0, 1, "general"),
            channel(FILES, 0, 2, "files"),
            channel(FORUM, 15, 3, "forum"),
            locked,
            channel(VOICE, 2, 0, "voice"),
        ],
        active: vec![thread(ACTIVE_POST, FORUM, 11, None)],
        archived: BTreeMap::from([(
            FORUM,
            vec![
                thread(OLD_POST, FORUM, 11, Some("2024-01-10T00:00:00+00:00")),
                thread(OLDER_POST, FORUM, 11, Some("2024-01-09T00:00:00+00:00")),
            ],
        )]),
        archive_page: 100,
        archived_private: BTreeMap::from([(
            BIG,
            vec![thread(
                PRIVATE_THREAD,
                BIG,
                12,
                Some("2024-01-08T00:00:00+00:00"),
            )],
        )]),
        messages,
        files: BTreeMap::from([
            (
                format!("/attachments/1/{PNG}/a.png"),
                (image(), "image/png"),
            ),
            (
                format!("/attachments/1/{TEXT}/b.txt"),
                (text(), "text/plain"),
            ),
            (format!("/icons/{GUILD}/abc.png"), (icon(), "image/png")),
            (
                format!("/splashes/{GUILD}/broken.png"),
                (b"no image".to_vec(), "image/png"),
            ),
        ]),
    }
}
