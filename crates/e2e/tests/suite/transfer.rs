//! Settings that leave as a file and come back, and changes that reach other clusters.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::{Clock as _, SystemClock};
use splashtail_core::config::DatabaseTarget;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_ipc::bus;
use splashtail_ipc::signing::Signer;
use splashtail_sandbox::control::types::{Interact, InteractKind};
use splashtail_storage::{Edit, NewChange, Storage, Written};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Of shard 2 of 4, which is the second cluster's.
const GUILD_OF_CLUSTER_1: &str = "1100000000009568256";
/// Far longer than a busy machine needs: what has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(120);

async fn say(platform: &Platform, user: &str, command: &str, options: Value) -> Vec<Value> {
    let seen = backups::command(platform, GUILD, user, command, options).await;
    seen.unwrap().messages
}

fn text(messages: &[Value]) -> String {
    serde_json::to_string(messages).unwrap().replace(r"\\", "")
}

/// Presses the button of a question that gives this answer. What the presser alone was told.
async fn press(platform: &Platform, user: &str, message: &Value, answer: &str) -> String {
    let buttons = message["components"][0]["components"].as_array();
    let mut ids = buttons
        .unwrap()
        .iter()
        .filter_map(|button| button["custom_id"].as_str());
    let button = ids.find(|id| id.split(':').nth(2) == Some(answer)).unwrap();
    let id = |key: &str| message[key].as_str().unwrap().to_owned();
    let interact = Interact {
        kind: InteractKind::Button,
        guild_id: Some(GUILD.to_owned()),
        channel_id: id("channel_id"),
        name: None,
        custom_id: Some(button.to_owned()),
        message_id: Some(id("id")),
        target_id: None,
        options: serde_json::Map::new(),
        focused: None,
        values: Value::Null,
        wait_ms: 60_000,
    };
    let seen = platform.control.interact(user, &interact).await.unwrap();
    text(&seen.messages)
}

/// The message, once it says what is wanted.
async fn shown(platform: &Platform, message: &Value, wanted: &str) -> String {
    let (channel, id) = (&message["channel_id"], &message["id"]);
    let (channel, id) = (channel.as_str().unwrap(), id.as_str().unwrap());
    let path = format!("/channels/{channel}/messages/{id}");
    let waiting = async {
        loop {
            let now = backups::discord(platform, &path).await.unwrap();
            let now = text(&[now]);
            if now.contains(wanted) {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("never said: {wanted}"))
}

/// A question to a cluster, as the webserver asks it.
/// The answer, once the cluster is up.
async fn ask(platform: &Platform, cluster: u16, question: &Value) -> (u16, Value) {
    let secret = backups::client_secret(platform, "api").unwrap();
    let tag = format!("iserver:{cluster}");
    let signer = Signer::new("api", secret.into(), tag, SystemClock::shared());
    let client = reqwest::Client::new();
    let url = platform.ready.iserver[&cluster].clone();
    let answered = async {
        loop {
            let mut request = client.post(url.clone()).json(question).build().unwrap();
            signer.sign(&mut request).unwrap();
            let answer = client.execute(request).await.unwrap();
            if answer.status() != 503 {
                return (answer.status().as_u16(), answer.json().await.unwrap());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap()
}

async fn rows(platform: &Platform, setting: &str) -> Vec<Value> {
    let view = json!({"SettingsOperation": {"guild_id": GUILD, "user_id": OWNER,
        "setting": setting, "op": "View", "fields": {}}});
    let (status, seen) = ask(platform, 0, &view).await;
    assert_eq!(status, 200, "{seen}");
    seen["Ok"]["fields"].as_array().unwrap().clone()
}

#[tokio::test]
async fn settings_come_back_from_a_file_after_a_look_at_the_plan() {
    let dir = TempDir::new().unwrap();
    let platform = &Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    // Choices are numbered.
    say(platform, OWNER, "protection mode", json!({"mode": 2})).await;
    let limit = json!({"limit_type": "ban", "of": 0, "minute": 2, "hour": 3, "day": 4});
    say(platform, OWNER, "limits set", limit).await;
    let action = json!({"limit_type": "ban", "first": 2, "second": 3, "third": 3});
    let made = say(platform, OWNER, "limitactions create", action).await;
    assert!(text(&made).contains("first**: ban"), "{made:?}");
    let exported = say(platform, OWNER, "settings export", json!({})).await;
    let url = exported[0]["attachments"][0]["url"].as_str().unwrap();
    let file = reqwest::get(url).await.unwrap().text().await.unwrap();
    for word in ["ban/moderator", "protection_policy", "limitactions"] {
        assert!(file.contains(word), "no {word} in {file}");
    }

    // Something else happens, and then the file is to hold again.
    say(platform, OWNER, "protection mode", json!({"mode": 0})).await;
    let reset = json!({"limit_type": "ban", "of": 0});
    say(platform, OWNER, "limits reset", reset).await;
    let trust = json!({"user": PLAIN_MEMBER});
    say(platform, OWNER, "protection trust", trust).await;
    let upload = json!({"file": {"filename": "settings.yaml", "content_base64": base64(&file)}});
    let refused = text(&say(platform, ADMINISTRATOR, "settings import", upload.clone()).await);
    assert!(refused.contains("Only the owner"), "{refused}");

    let planned = say(platform, OWNER, "settings import", upload.clone()).await;
    let plan = text(&planned);
    for words in [
        "Nothing is changed yet",
        "made `protection_limits` ban/moderator",
        "mode: ",
    ] {
        assert!(plan.contains(words), "no “{words}” in {plan}");
    }
    assert!(
        !plan.contains(PLAIN_MEMBER),
        "the file says nothing of trust: {plan}"
    );
    assert_eq!(
        rows(platform, "protection_limits").await,
        Vec::<Value>::new()
    );
    let message = &planned[0];
    let stranger = press(platform, ADMINISTRATOR, message, "yes").await;
    assert!(stranger.contains("Only the person who ran"), "{stranger}");
    press(platform, OWNER, message, "yes").await;
    shown(platform, message, "Entries changed: 2").await;
    assert_eq!(rows(platform, "protection_policy").await[0]["mode"], "on");
    assert_eq!(rows(platform, "protection_limits").await[0]["day"], 4);
    let status = text(&say(platform, OWNER, "protection status", json!({})).await);
    assert!(status.contains("Protection is **on**"), "{status}");

    // With nothing to change nothing is asked; with no answer nothing is changed.
    let same = text(&say(platform, OWNER, "settings import", upload.clone()).await);
    assert!(same.contains("as the file says already"), "{same}");
    say(platform, OWNER, "protection mode", json!({"mode": 1})).await;
    let planned = say(platform, OWNER, "settings import", upload).await;
    press(platform, OWNER, &planned[0], "no").await;
    shown(platform, &planned[0], "Nothing was done").await;
    assert_eq!(
        rows(platform, "protection_policy").await[0]["mode"],
        "dry_run"
    );
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Whether somebody may run a command in the server of the second cluster.
async fn may(platform: &Platform, user: &str) -> bool {
    let question = json!({"CheckCommandPermission": {"guild_id": GUILD_OF_CLUSTER_1,
        "user_id": user, "command": "backups list"}});
    let (status, answer) = ask(platform, 1, &question).await;
    assert_eq!(status, 200, "{answer}");
    answer["is_ok"].as_bool().unwrap()
}

/// A change of permissions as another process makes it; the version it has then.
async fn change(storage: &Storage, decided_on: i64, perms: &[&str]) -> i64 {
    let fields = json!({"user_id": PLAIN_MEMBER, "perm_overrides": perms, "public": false});
    let edits = [Edit {
        setting: "guild_members".to_owned(),
        entry: PLAIN_MEMBER.to_owned(),
        before: None,
        after: Some(fields),
    }];
    let change = NewChange {
        guild: guild(),
        decided_on,
        by: OWNER.parse::<UserId>().unwrap(),
        way: "api",
        at: SystemClock.now(),
        undoes: None,
        edits: &edits,
    };
    match storage.settings().write(&change).await.unwrap() {
        Written::At(version) => version,
        Written::Stale => panic!("somebody else wrote"),
    }
}

fn guild() -> GuildId {
    GUILD_OF_CLUSTER_1.parse().unwrap()
}

#[tokio::test]
async fn a_permission_that_was_changed_elsewhere_counts_in_the_cluster_that_serves_the_server() {
    let dir = TempDir::new().unwrap();
    let platform = &Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    // The first cluster does not decide on servers of the second.
    for question in [
        json!({"InvalidatePermissions": {"guild_id": GUILD_OF_CLUSTER_1}}),
        json!({"ToggleModule": {"guild_id": GUILD_OF_CLUSTER_1, "module": "server_backups",
            "enabled": true}}),
        json!({"BaseGuildUserInfo": {"guild_id": GUILD_OF_CLUSTER_1, "user_id": OWNER}}),
    ] {
        let (status, answer) = ask(platform, 0, &question).await;
        assert_eq!(
            (status, &answer["context"]["shard"]),
            (421, &json!("2")),
            "{question}"
        );
    }
    assert!(!may(platform, PLAIN_MEMBER).await);

    let data = platform.dir().join("data");
    let database = DatabaseTarget::Sqlite(data.join("splashtail.db"));
    let storage = Storage::open(&database, &CancellationToken::new())
        .await
        .unwrap();
    let granted = change(&storage, 0, &["server_backups.list"]).await;
    assert!(!may(platform, PLAIN_MEMBER).await, "nobody has told it yet");
    // As clusters tell each other.
    let channel = mewld_channel(platform);
    let bus = bus::target_from_url(&format!("unix:{}", data.join("bus.sock").display()));
    let bus = bus::connect(&bus, &channel).unwrap();
    let news = json!({"guild": GUILD_OF_CLUSTER_1, "version": granted}).to_string();
    bus.publish(&format!("{channel}/changes"), &news)
        .await
        .unwrap();
    let heard = async {
        while !may(platform, PLAIN_MEMBER).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap();

    // And as the API tells a cluster.
    change(&storage, granted, &[]).await;
    let question = json!({"InvalidatePermissions": {"guild_id": GUILD_OF_CLUSTER_1}});
    assert_eq!(
        ask(platform, 1, &question).await,
        (200, json!({"message": ""}))
    );
    assert!(!may(platform, PLAIN_MEMBER).await);

    switched_off_altogether(platform).await;
}

async fn switched_off_altogether(platform: &Platform) {
    let toggle = |module: &str, enabled: bool| json!({"ToggleModule": {"guild_id": null, "module": module, "enabled": enabled}});
    assert!(may(platform, OWNER).await);
    assert_eq!(
        ask(platform, 1, &toggle("server_backups", false)).await.0,
        200
    );
    assert!(!may(platform, OWNER).await);
    assert_eq!(
        ask(platform, 1, &toggle("server_backups", true)).await.0,
        200
    );
    assert!(may(platform, OWNER).await);
    let (status, fixed) = ask(platform, 1, &toggle("core", false)).await;
    assert_eq!((status, &fixed["code"]), (409, &json!("not_toggleable")));
    let (status, nothing) = ask(platform, 1, &toggle("magic", false)).await;
    assert_eq!((status, &nothing["code"]), (404, &json!("unknown_module")));

    let about = |user: &str| json!({"BaseGuildUserInfo": {"guild_id": GUILD_OF_CLUSTER_1, "user_id": user}});
    let (status, info) = ask(platform, 1, &about(ADMINISTRATOR)).await;
    assert_eq!((status, &info["owner_id"]), (200, &json!(OWNER)), "{info}");
    let everyone = &info["roles"][GUILD_OF_CLUSTER_1];
    assert_eq!(everyone["name"], "@everyone", "{info}");
    for role in info["user_roles"].as_array().unwrap() {
        assert!(info["roles"][role.as_str().unwrap()].is_object(), "{info}");
    }
    assert!(!info["bot_roles"].as_array().unwrap().is_empty(), "{info}");
    let (status, nobody) = ask(platform, 1, &about("1100000000000009999")).await;
    assert_eq!(
        (status, &nobody["code"]),
        (404, &json!("unknown_member")),
        "{nobody}"
    );
}

/// As the platform's configuration names it.
fn mewld_channel(platform: &Platform) -> String {
    let file = std::fs::read_to_string(platform.dir().join("mewld-staging.yaml")).unwrap();
    let line = file
        .lines()
        .find_map(|line| line.strip_prefix("redis_channel: "));
    line.unwrap().to_owned()
}
