//! What must leave no trace: the first start of a platform, and an ordinary day in a server.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::attack::{eventually, incidents, say, state, switch_on};
use splashtail_e2e::backups::{ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_e2e::portrait::read;
use tempfile::TempDir;

const SETTLE_MS: u64 = 60_000;
const SPARE: &str = "1100000000000000014";
/// One transparent pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// As the administrator, who waits when Discord says so.
async fn acts(platform: &Platform, method: &str, path: &str, body: Value) -> Value {
    loop {
        let control = &platform.control;
        let done = control.rest(ADMINISTRATOR, method, path, body.clone());
        let done = done.await.unwrap();
        if done.status != 429 {
            assert!(done.status < 300, "{method} {path}: {done:?}");
            return done.body;
        }
        let wait = done.body["retry_after"].as_f64().unwrap();
        tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    }
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// A handful of everything that a moderator does.
async fn spend_a_day(platform: &Platform) {
    let guild = |rest: &str| format!("/guilds/{GUILD}/{rest}");
    for name in ["event-1", "event-2", "event-3"] {
        let made = json!({"name": name, "type": 0});
        let made = acts(platform, "POST", &guild("channels"), made).await;
        let channel = format!("/channels/{}", id(&made));
        let topic = json!({"topic": "Tonight"});
        acts(platform, "PATCH", &channel, topic).await;
        let closed = json!({"type": 0, "allow": "0", "deny": "2048"});
        let overwrite = format!("{channel}/permissions/{GUILD}");
        acts(platform, "PUT", &overwrite, closed).await;
        let invite = format!("{channel}/invites");
        acts(platform, "POST", &invite, json!({"unique": true})).await;
        if name == "event-3" {
            acts(platform, "DELETE", &channel, Value::Null).await;
        }
    }
    let role = json!({"name": "Helper", "permissions": "0"});
    let role = acts(platform, "POST", &guild("roles"), role).await;
    let held = guild(&format!("members/{PLAIN_MEMBER}/roles/{}", id(&role)));
    acts(platform, "PUT", &held, Value::Null).await;
    acts(platform, "DELETE", &held, Value::Null).await;
    let colour = guild(&format!("roles/{}", id(&role)));
    acts(platform, "PATCH", &colour, json!({"color": 255})).await;
    let member = guild(&format!("members/{PLAIN_MEMBER}"));
    let now = platform.control.now().await.unwrap().now;
    let now: chrono::DateTime<chrono::Utc> = now.parse().unwrap();
    let soon = (now + chrono::Duration::hours(1)).to_rfc3339();
    for change in [
        json!({"nick": "Quiet"}),
        json!({"communication_disabled_until": soon}),
        json!({"communication_disabled_until": null}),
    ] {
        acts(platform, "PATCH", &member, change).await;
    }
    let emoji = json!({"name": "wave", "image": PIXEL});
    acts(platform, "POST", &guild("emojis"), emoji).await;
    let ban = guild(&format!("bans/{SPARE}"));
    acts(platform, "PUT", &ban, json!({})).await;
    acts(platform, "DELETE", &ban, Value::Null).await;
}

/// Until the bot has heard of all that was done.
async fn heard_of(platform: &Platform) {
    platform.control.settle(SETTLE_MS).await.unwrap();
    let log = read(platform, &format!("/guilds/{GUILD}/audit-logs?limit=1")).await;
    let last: u64 = id(&log["audit_log_entries"][0]).parse().unwrap();
    let heard = || async {
        let state = state(platform, GUILD).await.ok()?;
        let highest = state["highest"].as_str()?.parse::<u64>().ok()?;
        (highest >= last).then_some(())
    };
    let heard = eventually("the last act", heard).await;
    heard.unwrap_or_else(|error| panic!("{error}\n{}", platform.logs()));
}

/// Lines of all logs that say that something is wrong.
fn complaints(platform: &Platform) -> Vec<String> {
    let mut found = Vec::new();
    let logs = platform.dir().join("data/logs");
    let files = std::fs::read_dir(logs).unwrap();
    let files = files.map(|file| file.unwrap().path());
    for path in files.chain([platform.dir().join("up.log")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines();
        let lines = lines.filter(|line| line.contains("WARN") || line.contains("ERROR"));
        found.extend(lines.map(|line| format!("{}: {line}", path.display())));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_and_an_ordinary_day_leave_no_complaint_and_no_alert() {
    let dir = TempDir::new().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let guild = read(&platform, &format!("/guilds/{GUILD}")).await;
    let staff = guild["public_updates_channel_id"].as_str().unwrap();
    let alerts = json!({"channel": staff});
    let there = say(&platform, GUILD, OWNER, "protection alerts", alerts).await;
    assert!(there.unwrap().contains("Alerts go to"));
    switch_on(&platform, GUILD).await.unwrap();
    let messages = format!("/channels/{staff}/messages?limit=50");
    let before = read(&platform, &messages).await;

    spend_a_day(&platform).await;
    heard_of(&platform).await;
    let found = incidents(&platform, GUILD).await.unwrap();
    assert_eq!(found, Vec::<Value>::new());
    assert_eq!(read(&platform, &messages).await, before, "no alert");
    let health = say(&platform, GUILD, OWNER, "health", json!({})).await;
    let health = health.unwrap();
    assert!(!health.contains("🔴"), "{health}");

    let complaints = complaints(&platform);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(platform.stop().await.unwrap().is_empty());
}
