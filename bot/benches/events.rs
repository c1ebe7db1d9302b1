//! What the bot's event path takes: events per second and core through tap and router, beside what
//! serenity needs to read the same stream; how long an event waits for its turn, also beside a
//! stalled server; what the tap adds to a frame's way; how long 2,500 servers take at a start, and their
//! memory.
//!
//! One processor does the work of each row, the sender of the relay's rows included.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of its own"
)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use splashtail_bot::events::{Event, EventKind, EventKinds, Listener, Router, Subscription};
use splashtail_bot::gateway::{Floors, Pace, Relay, Tap, Watched};
use splashtail_bot::guilds::{GuildView, Guilds};
use splashtail_core::clock::{SharedClock, SystemClock};
use splashtail_core::ids::{GuildId, ShardId};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, connect_async};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SHARD: ShardId = ShardId(0);
const GUILDS: u64 = 2_500;
const EVENTS: u64 = 200_000;
/// Round trips for the added latency.
const TRIPS: usize = 5_000;

fn guild_id(n: u64) -> u64 {
    (1_100_000_000_000 + n) << 22
}

/// A server of ordinary size: 40 channels, 25 roles, 60 members that are listed.
fn guild(n: u64) -> Value {
    let id = guild_id(n);
    let text = |value: u64| value.to_string();
    let role = |m: u64| {
        json!({"id": text(id + m), "name": format!("role {m}"), "position": m, "permissions": "1071698660929",
            "color": m * 1000, "colors": {"primary_color": m * 1000, "secondary_color": null, "tertiary_color": null},
            "hoist": false, "managed": false, "mentionable": false, "icon": null, "unicode_emoji": null, "flags": 0})
    };
    let channel = |m: u64| {
        json!({"id": text(id + 1000 + m), "type": 0, "name": format!("channel-{m}"), "position": m, "topic": "What is said here stays here.",
            "parent_id": text(id + 1000), "nsfw": false, "rate_limit_per_user": 0, "last_message_id": text(id + 7), "flags": 0,
            "icon_emoji": {"id": null, "name": "⚓"}, "theme_color": null,
            "permission_overwrites": [{"id": text(id), "type": 0, "allow": "0", "deny": "2048"},
                {"id": text(id + 3), "type": 0, "allow": "3072", "deny": "0"}]})
    };
    let member = |m: u64| {
        json!({"user": {"id": text(id + 5000 + m), "username": format!("user{m}"), "global_name": format!("User {m}"), "discriminator": "0",
                "avatar": "982b05957e277f78c7cde876980ceaa6", "public_flags": 0, "bot": false},
            "roles": [text(id + 3)], "nick": null, "joined_at": "2024-01-01T00:00:00.000000+00:00", "deaf": false, "mute": false, "flags": 0})
    };
    json!({"id": text(id), "name": format!("Server {n}"), "owner_id": text(id + 5000), "member_count": 240, "features": ["COMMUNITY"],
        "icon": null, "splash": null, "banner": null, "description": null, "verification_level": 1, "mfa_level": 0, "nsfw_level": 0,
        "default_message_notifications": 0, "explicit_content_filter": 2, "afk_channel_id": null, "afk_timeout": 300,
        "system_channel_id": null, "system_channel_flags": 0, "rules_channel_id": null, "public_updates_channel_id": null,
        "application_id": null, "premium_tier": 0, "premium_progress_bar_enabled": false, "preferred_locale": "en-US",
        "widget_enabled": false, "vanity_url_code": null, "discovery_splash": null, "large": false, "unavailable": false,
        "joined_at": "2024-01-01T00:00:00.000000+00:00", "stage_instances": [], "voice_states": [], "presences": [],
        "threads": [], "guild_scheduled_events": [], "emojis": [], "stickers": [],
        "roles": (0..25).map(role).collect::<Vec<_>>(), "channels": (0..40).map(channel).collect::<Vec<_>>(),
        "members": (0..60).map(member).collect::<Vec<_>>()})
}

fn frame(seq: u64, name: &str, body: &Value) -> Bytes {
    format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{body}}}"#).into()
}

/// A day's mixture: of a hundred, 62 messages, 20 reactions, 9 typing, 5 audit entries, 3 member
/// updates, 1 channel update.
fn event(seq: u64) -> Bytes {
    let id = guild_id(seq % GUILDS);
    let (guild, user) = (
        id.to_string(),
        json!({"id": "1100000000000000013", "username": "mara", "global_name": "Mara",
        "discriminator": "0", "avatar": null, "public_flags": 0}),
    );
    let member = json!({"roles": [], "nick": null, "joined_at": "2024-01-01T00:00:00.000000+00:00", "deaf": false, "mute": false, "flags": 0});
    let (name, body) = match seq % 100 {
        0..62 => (
            "MESSAGE_CREATE",
            json!({"id": (id + seq).to_string(), "type": 0, "channel_id": (id + 1001).to_string(), "guild_id": guild,
            "content": "Has anybody seen the harbour master today? He wanted to look at the lamps.", "author": user, "member": member,
            "timestamp": "2026-11-30T07:00:00.000000+00:00", "edited_timestamp": null, "tts": false, "mention_everyone": false,
            "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "components": [], "flags": 0}),
        ),
        62..82 => (
            "MESSAGE_REACTION_ADD",
            json!({"user_id": "1100000000000000013", "type": 0, "message_id": (id + 9).to_string(),
            "channel_id": (id + 1001).to_string(), "guild_id": guild, "burst": false, "emoji": {"id": null, "name": "⚓"}}),
        ),
        82..91 => (
            "TYPING_START",
            json!({"user_id": "1100000000000000013", "timestamp": 1_764_000_000, "channel_id": (id + 1001).to_string(), "guild_id": guild}),
        ),
        91..96 => (
            "GUILD_AUDIT_LOG_ENTRY_CREATE",
            json!({"id": (id + seq).to_string(), "user_id": "1100000000000000013", "target_id": (id + 1002).to_string(),
            "action_type": 11, "changes": [{"key": "name", "old_value": "a", "new_value": "b"}], "guild_id": guild}),
        ),
        96..99 => (
            "GUILD_MEMBER_UPDATE",
            json!({"guild_id": guild, "user": user, "roles": [], "nick": "M", "joined_at": "2024-01-01T00:00:00.000000+00:00",
            "deaf": false, "mute": false, "flags": 0}),
        ),
        _ => (
            "CHANNEL_UPDATE",
            json!({"id": (id + 1002).to_string(), "guild_id": guild, "type": 0, "name": format!("renamed-{seq}"), "position": 2, "flags": 0,
            "permission_overwrites": []}),
        ),
    };
    frame(seq, name, &body)
}

/// Hears what an anti-nuke engine and a spam filter would; in one server it never answers.
struct Ears {
    waits: Mutex<Vec<Duration>>,
    clock: SharedClock,
    stalled: Option<GuildId>,
}

#[async_trait]
impl Listener for Ears {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[
            EventKind::GuildAuditLogEntryCreate,
            EventKind::MessageCreate,
            EventKind::ChannelUpdate,
        ])
    }

    async fn on_event(&self, event: &Event, _: &GuildView) -> anyhow::Result<()> {
        if Some(event.guild) == self.stalled {
            std::future::pending::<()>().await;
        }
        let wait = self.clock.monotonic().saturating_sub(event.received);
        self.waits.lock().unwrap().push(wait);
        Ok(())
    }
}

struct Rig {
    tap: Tap,
    guilds: Arc<Guilds>,
    ears: Arc<Ears>,
    _shutdown: CancellationToken,
}

fn rig(stalled: Option<GuildId>) -> Rig {
    let clock = SystemClock::shared();
    let guilds = Arc::new(Guilds::default());
    let ears = Arc::new(Ears {
        waits: Mutex::default(),
        clock: Arc::clone(&clock),
        stalled,
    });
    let subscription = Subscription {
        module: "ears",
        listener: Arc::clone(&ears) as _,
    };
    let shutdown = CancellationToken::new();
    let router = Router::start(
        vec![subscription],
        Arc::new(|_, _| true),
        Arc::clone(&guilds),
        Arc::clone(&clock),
        &TaskTracker::new(),
        &shutdown,
    );
    let tap = Tap::new("ws://127.0.0.1".parse().unwrap(), router, clock);
    Rig {
        tap,
        guilds,
        ears,
        _shutdown: shutdown,
    }
}

/// What Discord sends after an identify: READY, and a GUILD_CREATE for each server.
fn beginning() -> impl Iterator<Item = Bytes> {
    let ids: Vec<_> = (0..GUILDS)
        .map(|n| json!({"id": guild_id(n).to_string(), "unavailable": true}))
        .collect();
    let ready = frame(1, "READY", &json!({"user": {"id": "5"}, "guilds": ids}));
    let servers = (0..GUILDS).map(|n| frame(n + 2, "GUILD_CREATE", &guild(n)));
    std::iter::once(ready).chain(servers)
}

impl Rig {
    async fn begin(&self, watched: &mut Watched) {
        self.take_in(watched, beginning()).await;
    }

    async fn take_in(&self, watched: &mut Watched, frames: impl Iterator<Item = Bytes>) {
        for frame in frames {
            self.tap.see(SHARD, watched, &frame).await;
        }
        while self.guilds.available() < usize::try_from(GUILDS).unwrap() {
            tokio::task::yield_now().await;
        }
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort_unstable();
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    values[((values.len() - 1) as f64 * share) as usize]
}

#[allow(clippy::cast_precision_loss, reason = "figures")]
fn rate(count: u64, took: Duration) -> String {
    format!("{:.0}/s", count as f64 / took.as_secs_f64())
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

/// As fast as it goes, one processor for tap, worker and listener.
async fn throughput() {
    let rig = rig(None);
    let mut watched = Watched::default();
    let frames: Vec<_> = (0..EVENTS).map(|n| event(GUILDS + 2 + n)).collect();
    rig.begin(&mut watched).await;
    let begun = Instant::now();
    for (n, frame) in frames.iter().enumerate() {
        rig.tap.see(SHARD, &mut watched, frame).await;
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let heard = frames.iter().filter(|frame| {
        let text = std::str::from_utf8(frame).unwrap();
        ["MESSAGE_CREATE", "GUILD_AUDIT", "CHANNEL_UPDATE"]
            .iter()
            .any(|name| text[5..].starts_with(name))
    });
    let wanted = heard.count();
    while rig.ears.waits.lock().unwrap().len() < wanted {
        tokio::task::yield_now().await;
    }
    row(
        "events through tap and router, one core, mixed stream",
        &rate(EVENTS, begun.elapsed()),
    );

    let texts: Vec<_> = frames
        .iter()
        .map(|frame| std::str::from_utf8(frame).unwrap())
        .collect();
    let cache = serenity::Cache::new();
    let begun = Instant::now();
    for text in &texts {
        let event: serenity::GatewayEvent = serde_json::from_str(text).unwrap();
        black_box(event);
    }
    black_box(&cache);
    row(
        "the same stream read by serenity's models alone, one core",
        &rate(EVENTS, begun.elapsed()),
    );
}

/// Paced: 10,000 events/s.
async fn waits(stalled: Option<GuildId>) {
    const RATE: u64 = 10_000;
    let rig = rig(stalled);
    let mut watched = Watched::default();
    rig.begin(&mut watched).await;
    let begun = Instant::now();
    for n in 0..RATE * 5 {
        let frame = event(GUILDS + 2 + n);
        rig.tap.see(SHARD, &mut watched, &frame).await;
        let due = Duration::from_micros(n * 1_000_000 / RATE);
        match due.checked_sub(begun.elapsed()) {
            Some(early) if early > Duration::from_millis(1) => tokio::time::sleep(early).await,
            _ => tokio::task::yield_now().await,
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut waits = std::mem::take(&mut *rig.ears.waits.lock().unwrap());
    let beside = if stalled.is_some() {
        " beside a stalled server"
    } else {
        ""
    };
    let (middle, high) = (percentile(&mut waits, 0.5), percentile(&mut waits, 0.99));
    row(
        &format!("wait for a turn at 10,000 events/s{beside}, p50 / p99"),
        &format!("{middle:?} / {high:?}"),
    );
}

/// One frame at a time from a gateway on loopback to a client, with and without the tap between.
async fn latency() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let gateway = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let mut socket = accept_async(stream).await.unwrap();
                let mut seq = 2;
                while let Some(Ok(_)) = socket.next().await {
                    let text = String::from_utf8(event(seq).to_vec()).unwrap();
                    seq += 1;
                    if socket.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let clock = SystemClock::shared();
    let shutdown = CancellationToken::new();
    let router = Router::start(
        Vec::new(),
        Arc::new(|_, _| true),
        Arc::default(),
        Arc::clone(&clock),
        &TaskTracker::new(),
        &shutdown,
    );
    let pace = Arc::new(Pace::new(
        &[SHARD],
        1,
        &Floors::default(),
        Arc::clone(&clock),
    ));
    let relay = Relay::start(&gateway, pace, router, clock, shutdown.clone())
        .await
        .unwrap();
    let mut figures = Vec::new();
    for address in [format!("{gateway}/"), relay.url(SHARD)] {
        let (mut socket, _) = connect_async(format!("{address}?v=10")).await.unwrap();
        let mut trips = Vec::new();
        for _ in 0..TRIPS {
            let begun = Instant::now();
            socket
                .send(Message::text(r#"{"op":1,"d":null}"#))
                .await
                .unwrap();
            socket.next().await.unwrap().unwrap();
            trips.push(begun.elapsed());
        }
        figures.push((percentile(&mut trips, 0.5), percentile(&mut trips, 0.99)));
    }
    let [direct, tapped] = figures[..] else {
        return;
    };
    // There and back: the tap is passed twice.
    let added = |with: Duration, without: Duration| with.saturating_sub(without) / 2;
    row(
        "added by the tap to a frame, p50 / p99",
        &format!(
            "{:?} / {:?}",
            added(tapped.0, direct.0),
            added(tapped.1, direct.1)
        ),
    );
}

/// From the first frame of 2,500 servers until all are known.
async fn start() {
    let frames: Vec<Bytes> = beginning().collect();
    let rig = rig(None);
    let mut watched = Watched::default();
    let begun = Instant::now();
    rig.take_in(&mut watched, frames.into_iter()).await;
    row(
        "start: from READY until 2,500 servers are known, one core",
        &format!("{:.2} s", begun.elapsed().as_secs_f64()),
    );
}

async fn memory() {
    let before = resident_kib();
    let rig = rig(None);
    let mut watched = Watched::default();
    rig.begin(&mut watched).await;
    let ours = resident_kib() - before;
    let raw: u64 = (0..50)
        .map(|n| guild(n).to_string().len() as u64)
        .sum::<u64>()
        * GUILDS
        / 50
        / 1024;
    row(
        &format!("memory of 2,500 servers ({} MB as JSON)", raw / 1024),
        &format!("{} MB", ours / 1024),
    );
    let before = resident_kib();
    let open: Vec<_> = (0..GUILDS)
        .filter_map(|n| rig.guilds.get(GuildId::new(guild_id(n))?))
        .collect();
    for view in &open {
        view.structure(|structure| black_box(structure.coverage()));
    }
    row(
        "the same while every structure is needed at once, in addition",
        &format!("{} MB", (resident_kib() - before) / 1024),
    );
}

fn main() {
    // As `cargo bench` calls it; `cargo test --benches` only wants to see it start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    println!("| Event path | |\n|---|---|");
    let one_core = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    one_core().block_on(memory());
    one_core().block_on(start());
    one_core().block_on(throughput());
    one_core().block_on(waits(None));
    one_core().block_on(waits(GuildId::new(guild_id(91))));
    one_core().block_on(latency());
}
