//! What one person alone does not do, by commands and buttons of people in the sandbox.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::Interacted;

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

async fn press(platform: &Platform, user: &str, message: &Value, label: &str) -> Interacted {
    let pressed = backups::press(platform, GUILD, user, message, label).await;
    pressed.unwrap()
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

/// Until protection has read what the server has set: on the first start the database is made meanwhile.
async fn known(platform: &Platform) {
    let waiting = async {
        while say(platform, OWNER, "guarded status", json!({}))
            .await
            .contains("getting to know")
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let known = tokio::time::timeout(PATIENCE, waiting).await;
    known.unwrap_or_else(|_| panic!("the server stays unknown\n{}", platform.logs()));
}

/// Guarded, with the administrator trusted.
async fn guarded(platform: &Platform) -> String {
    known(platform).await;
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

async fn channels(platform: &Platform) -> Vec<String> {
    let path = format!("/guilds/{GUILD}/channels");
    let channels = backups::discord(platform, &path).await.unwrap();
    let channels = channels.as_array().unwrap().iter();
    let mut names: Vec<String> = channels
        .map(|channel| channel["name"].to_string())
        .collect();
    names.sort();
    names
}

/// A channel that a backup does not have.
async fn vandalise(platform: &Platform, name: &str) {
    let path = format!("/guilds/{GUILD}/channels");
    let body = json!({"name": name, "type": 0});
    let made = platform
        .control
        .rest(ADMINISTRATOR, "POST", &path, body)
        .await;
    assert!(made.unwrap().status < 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_put_a_server_back_and_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, json!({}))
        .await
        .unwrap();
    backups::finished(&platform, &backup).await.unwrap();
    let before = channels(&platform).await;
    vandalise(&platform, "spam").await;
    let staff = guarded(&platform).await;

    let options = json!({"backup_id": backup.job_id});
    let restore = backups::start(&platform, GUILD, ADMINISTRATOR, "backups restore", options).await;
    let plan = backups::planned(&platform, &restore.unwrap())
        .await
        .unwrap();
    let buttons = plan["components"].to_string();
    assert!(!buttons.contains("bk:ask"), "nobody restores alone: {plan}");
    let request = titled(&platform, &staff, "A second person has to agree").await;
    assert!(
        request.to_string().contains("channel: delete 1"),
        "{request}"
    );
    let alone = press(&platform, ADMINISTRATOR, &request, "Agree").await;
    assert!(said(&alone).contains("still waits"), "{alone:?}");
    assert_ne!(channels(&platform).await, before);
    let second = press(&platform, OWNER, &request, "Agree").await;
    assert!(
        said(&second).contains("The restore has begun"),
        "{second:?}"
    );
    let late = press_if_there(&platform, OWNER, &staff).await;
    assert!(!late, "a request that is over has no buttons");
    let restored = async {
        while channels(&platform).await != before {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let restored = tokio::time::timeout(PATIENCE, restored).await;
    restored.unwrap_or_else(|_| panic!("not restored\n{}", platform.logs()));
    assert!(platform.stop().await.unwrap().is_empty());
}

async fn press_if_there(platform: &Platform, user: &str, channel: &str) -> bool {
    let done = titled(platform, channel, "Agreed and done").await;
    backups::press(platform, GUILD, user, &done, "Agree")
        .await
        .is_ok()
}
