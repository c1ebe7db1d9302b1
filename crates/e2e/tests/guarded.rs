//! What one person alone does not do, by commands and buttons of people in the sandbox.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::{Interact, InteractKind, Interacted};

/// Far longer than a busy machine needs: what has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(120);

async fn say(platform: &Platform, user: &str, name: &str, options: Value) -> String {
    let answer = backups::command(platform, GUILD, user, name, options).await;
    serde_json::to_string(&answer.unwrap().messages).unwrap()
}

async fn messages(platform: &Platform, channel: &str) -> Vec<Value> {
    let path = format!("/channels/{channel}/messages?limit=50");
    let messages = backups::discord(platform, &path).await.unwrap();
    messages.as_array().unwrap().clone()
}

/// The newest message in the channel with a title like this, as soon as there is one.
async fn titled(platform: &Platform, channel: &str, title: &str) -> Value {
    let waiting = async {
        loop {
            let found = messages(platform, channel)
                .await
                .into_iter()
                .find(|message| {
                    let shown = message["embeds"][0]["title"].as_str();
                    shown.is_some_and(|shown| shown.starts_with(title))
                });
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await;
    found.unwrap_or_else(|_| panic!("never came: {title}\n{}", platform.logs()))
}

fn button(message: &Value, label: &str) -> String {
    let rows = message["components"].as_array().unwrap().iter();
    let buttons = rows.flat_map(|row| row["components"].as_array().unwrap());
    let mut found = buttons.filter(|button| button["label"] == label);
    let button = found
        .next()
        .unwrap_or_else(|| panic!("no {label}: {message}"));
    button["custom_id"].as_str().unwrap().to_owned()
}

async fn press(platform: &Platform, user: &str, message: &Value, label: &str) -> Interacted {
    let interact = Interact {
        kind: InteractKind::Button,
        guild_id: Some(GUILD.to_owned()),
        channel_id: message["channel_id"].as_str().unwrap().to_owned(),
        name: None,
        custom_id: Some(button(message, label)),
        message_id: Some(message["id"].as_str().unwrap().to_owned()),
        target_id: None,
        options: serde_json::Map::new(),
        focused: None,
        values: Value::Null,
        wait_ms: 60_000,
    };
    platform.control.interact(user, &interact).await.unwrap()
}

fn said(seen: &Interacted) -> String {
    serde_json::to_string(&seen.messages).unwrap()
}

/// The channel where the staff reads. A server with a community cannot lose it.
async fn alert_channel(platform: &Platform) -> String {
    let guild = backups::discord(platform, &format!("/guilds/{GUILD}"))
        .await
        .unwrap();
    let staff = guild["public_updates_channel_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let there = say(
        platform,
        OWNER,
        "protection alerts",
        json!({"channel": staff}),
    )
    .await;
    assert!(there.contains("Alerts go to"), "{there}");
    staff
}

/// Guarded, with the administrator trusted.
async fn guarded(platform: &Platform) -> String {
    let staff = alert_channel(platform).await;
    let trusted = json!({"user": ADMINISTRATOR});
    let trusted = say(platform, OWNER, "protection trust", trusted).await;
    assert!(trusted.contains("is trusted"), "{trusted}");
    let on = json!({"on": true});
    let refused = say(platform, ADMINISTRATOR, "guarded set", on.clone()).await;
    assert!(refused.contains("Only the owner"), "{refused}");
    let on = say(platform, OWNER, "guarded set", on).await;
    assert!(on.contains("are on"), "{on}");
    staff
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_alone_cannot_switch_it_off_again() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let staff = guarded(&platform).await;
    let off = json!({"on": false});
    let asked = say(&platform, OWNER, "guarded set", off.clone()).await;
    assert!(asked.contains("Nothing is done so far"), "{asked}");
    let again = say(&platform, OWNER, "guarded set", off).await;
    assert!(again.contains("asked for already"), "{again}");
    let status = say(&platform, OWNER, "guarded status", json!({})).await;
    assert!(status.contains("are **on**"), "{status}");

    let request = titled(&platform, &staff, "A second person has to agree").await;
    assert!(request.to_string().contains("go off"), "{request}");
    let stranger = press(&platform, PLAIN_MEMBER, &request, "Agree").await;
    assert!(said(&stranger).contains("Only the owner"), "{stranger:?}");
    let owner = press(&platform, OWNER, &request, "Agree").await;
    assert!(said(&owner).contains("still waits"), "{owner:?}");
    let pending = say(&platform, ADMINISTRATOR, "guarded pending", json!({})).await;
    assert!(pending.contains("go off"), "{pending}");
    let second = press(&platform, ADMINISTRATOR, &request, "Agree").await;
    assert!(
        said(&second).contains("The settings are changed"),
        "{second:?}"
    );
    let done = titled(&platform, &staff, "Agreed and done").await;
    assert_eq!(done["id"], request["id"]);
    assert_eq!(done["components"], json!([]));
    let status = say(&platform, OWNER, "guarded status", json!({})).await;
    assert!(status.contains("are **off**"), "{status}");
    assert!(platform.stop().await.unwrap().is_empty());
}
