//! A server is damaged and put back by a command, while the jobserver dies in the middle.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use splashtail_e2e::attack::eventually;
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER, StartedBackup};
use splashtail_e2e::platform::{Engines, Platform, is_alive, signal};
use splashtail_sandbox::portrait::{Difference, Portrait, Reader as _, Sight, shown, unexcused};
use splashtail_sandbox_world::journal::{Entry, Record};
use tempfile::TempDir;

/// The bot, in the sandbox.
const BOT: &str = "1100000000000000001";
const LIMIT: Duration = Duration::from_secs(240);

async fn read(platform: &Platform, path: &str) -> Value {
    backups::discord(platform, path).await.unwrap()
}

/// Every field of the server, by code that shares none with the platform.
async fn portrait(platform: &Platform) -> Portrait {
    let path = format!("/guilds/{GUILD}/channels");
    let all = platform.get(&path).await;
    let seen = read(platform, &path).await;
    let seen: Vec<&Value> = seen.as_array().unwrap().iter().map(|c| &c["id"]).collect();
    let hidden = all.as_array().unwrap().iter().map(|channel| &channel["id"]);
    let hidden = hidden.filter(|id| !seen.contains(id));
    let sight = Sight {
        people: true,
        // What nobody shows the bot it cannot mend.
        besides: hidden.map(|id| id.as_str().unwrap().to_owned()).collect(),
        ..Sight::default()
    };
    Portrait::read(platform, GUILD, &sight).await
}

/// Something that the administrator does, as anybody's client would.
async fn act(platform: &Platform, method: &str, path: &str, body: Value) -> Value {
    loop {
        let result = platform
            .control
            .rest(ADMINISTRATOR, method, path, body.clone());
        let result = result.await.unwrap();
        if result.status == 429 {
            let wait = result.body["retry_after"].as_f64().unwrap();
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
            continue;
        }
        assert!(result.status < 300, "{method} {path}: {result:?}");
        return result.body;
    }
}

const LOST_CHANNELS: [&str; 3] = ["media", "Lounge", "announcements"];
const LOST_ROLES: [&str; 2] = ["Manager", "Regular"];
const NEW_CHANNELS: usize = 8;
const NEW_ROLES: usize = 3;

/// Deletes, renames and adds.
async fn damage(platform: &Platform) {
    let channels = format!("/guilds/{GUILD}/channels");
    let roles = format!("/guilds/{GUILD}/roles");
    let id = |object: &Value| object["id"].as_str().unwrap().to_owned();
    let mut deleted = (0, 0);
    for channel in read(platform, &channels).await.as_array().unwrap() {
        let path = format!("/channels/{}", id(channel));
        if LOST_CHANNELS.contains(&channel["name"].as_str().unwrap()) {
            act(platform, "DELETE", &path, Value::Null).await;
            deleted.0 += 1;
        } else if channel["name"] == "archive" {
            let body = json!({"name": "raided", "topic": "Ahoy"});
            act(platform, "PATCH", &path, body).await;
        }
    }
    for role in read(platform, &roles).await.as_array().unwrap() {
        if LOST_ROLES.contains(&role["name"].as_str().unwrap()) {
            let path = format!("{roles}/{}", id(role));
            act(platform, "DELETE", &path, Value::Null).await;
            deleted.1 += 1;
        }
    }
    assert_eq!(deleted, (LOST_CHANNELS.len(), LOST_ROLES.len()));
    for n in 0..NEW_CHANNELS {
        let body = json!({"name": format!("spam-{n}"), "type": 0});
        act(platform, "POST", &channels, body).await;
    }
    for n in 0..NEW_ROLES {
        let body = json!({"name": format!("Spam {n}"), "permissions": "8"});
        act(platform, "POST", &roles, body).await;
    }
}

/// `/backups restore` by the owner, as soon as the last one is long enough ago.
async fn restore(platform: &Platform, options: &Value) -> StartedBackup {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let options = options.clone();
        match backups::start(platform, GUILD, OWNER, "backups restore", options).await {
            Ok(started) => return started,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error:#}"),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// How often the bot did such a thing, by Discord's audit log. Entries come up to half a second after
/// the change they tell of, so this waits for that many.
async fn audited(platform: &Platform, action: u8, times: usize) -> usize {
    let path = format!("/guilds/{GUILD}/audit-logs?user_id={BOT}&action_type={action}&limit=100");
    let look = || async {
        let log = read(platform, &path).await;
        let entries = log["audit_log_entries"].as_array().unwrap();
        (entries.len() >= times).then(|| entries.clone())
    };
    let entries = eventually("an entry for each effect", look).await.unwrap();
    let mark = |entry: &Value| {
        let reason = entry["reason"].as_str().unwrap();
        reason.rsplit_once('[').unwrap().1.to_owned()
    };
    let marks: BTreeSet<String> = entries.iter().map(mark).collect();
    assert_eq!(
        marks.len(),
        entries.len(),
        "one effect, one entry: {entries:#?}"
    );
    entries.len()
}

/// What the bot's applications changed below the server so far.
async fn changes(platform: &Platform) -> usize {
    let journal = platform.control.journal(0).await.unwrap();
    let is_change = |entry: &&Entry| {
        let Record::Request {
            caller,
            method,
            path,
            status,
            ..
        } = &entry.record
        else {
            return false;
        };
        let structure = path.contains("/roles") || path.contains("/channels");
        let message = path.contains("/messages");
        caller.kind == "bot" && method != "GET" && structure && !message && *status < 300
    };
    journal.iter().filter(is_change).count()
}

/// The task's embed once it shows an end.
async fn ended(platform: &Platform, task: &StartedBackup) -> String {
    let path = format!("/channels/{}/messages/{}", task.channel_id, task.message_id);
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let message = read(platform, &path).await;
        let text = message["embeds"][0]["description"]
            .as_str()
            .unwrap_or_default();
        if text.contains("state: completed") || text.contains("state: failed") {
            return text.to_owned();
        }
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "not in time:\n{text}\n{}", platform.logs());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn say(platform: &Platform, name: &str, options: Value) -> String {
    let answer = backups::command(platform, GUILD, OWNER, name, options).await;
    json!(answer.unwrap().messages).to_string()
}

async fn id_of(platform: &Platform, kind: &str, name: &str) -> String {
    let all = read(platform, &format!("/guilds/{GUILD}/{kind}")).await;
    let mut found = all.as_array().unwrap().iter();
    let found = found.find(|object| object["name"] == name).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// Settings that name a channel and a role which go: what they name is said.
async fn names(platform: &Platform) -> [String; 2] {
    let channel = id_of(platform, "channels", LOST_CHANNELS[0]).await;
    let role = id_of(platform, "roles", LOST_ROLES[0]).await;
    [format!("<#{channel}>"), format!("<@&{role}>")]
}

async fn set_names(platform: &Platform) -> [String; 2] {
    let names = names(platform).await;
    let channel = names[0].trim_matches(['<', '#', '>']);
    let said = say(platform, "protection alerts", json!({"channel": channel})).await;
    assert!(said.contains("Alerts go to"), "{said}");
    let who = format!("role/{}", names[1].trim_matches(['<', '@', '&', '>']));
    let said = say(platform, "protection_trust create", json!({"who": who})).await;
    let status = say(platform, "protection status", json!({})).await;
    assert!(status.contains(&names[1]), "{said}\n{status}");
    names
}

async fn story(engines: Engines, dir: TempDir) {
    let platform = Platform::start(dir, engines, &[]).await.unwrap();
    let named = set_names(&platform).await;
    let before = portrait(&platform).await;
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, json!({}))
        .await
        .unwrap();
    backups::finished(&platform, &backup).await.unwrap();

    // Whoever may not is refused, and what cannot be is said.
    let options = json!({"backup_id": backup.job_id});
    let refused = backups::command(
        &platform,
        GUILD,
        PLAIN_MEMBER,
        "backups restore",
        options.clone(),
    );
    let refused = refused.await.unwrap();
    assert!(backups::create_refused(&refused), "{refused:?}");
    let nothing = backups::command(
        &platform,
        GUILD,
        ADMINISTRATOR,
        "backups restore",
        json!({}),
    );
    let nothing = json!(nothing.await.unwrap().messages).to_string();
    assert!(nothing.contains("backup_file"), "{nothing}");

    damage(&platform).await;
    let damaged = portrait(&platform).await;
    let damage = before.differences(&damaged);
    let stripped = |difference: &Difference| difference.kind() == "member";
    assert!(
        damage.iter().any(stripped),
        "deleted roles are taken from members: {damage:#?}"
    );

    let mut dry = options.clone();
    dry["dry_run"] = json!(true);
    let begun = changes(&platform).await;
    let looked_at = restore(&platform, &dry).await;
    let text = ended(&platform, &looked_at).await;
    assert!(text.contains("state: completed"), "{text}");
    let since = damaged.differences(&portrait(&platform).await);
    let since = unexcused(&since);
    assert!(since.is_empty(), "{}\n{text}", shown(&since));
    assert_eq!(changes(&platform).await, begun);

    let restore = restore(&platform, &options).await;
    let confirmed = backups::confirm(&platform, GUILD, OWNER, &restore).await;
    confirmed.unwrap();
    let deadline = tokio::time::Instant::now() + LIMIT;
    while changes(&platform).await < begun + 3 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{}",
            platform.logs()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let old = platform.ready.pids.daemon("jobserver").unwrap();
    signal(old, Signal::SIGKILL).unwrap();
    let at_its_end = changes(&platform).await;
    let text = ended(&platform, &restore).await;
    assert!(!is_alive(old));
    assert!(text.contains("state: completed"), "{text}");
    assert!(changes(&platform).await > at_its_end, "it died too late");

    let differences = before.differences(&portrait(&platform).await);
    let left = unexcused(&differences);
    assert!(left.is_empty(), "{}\n{text}", shown(&left));
    // What is set names what is there again. Clusters look for it each 30 s.
    let now = names(&platform).await;
    assert!(now[0] != named[0] && now[1] != named[1]);
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let status = say(&platform, "protection status", json!({})).await;
        if now.iter().all(|name| status.contains(name)) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{now:?}: {status}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for (action, times) in [
        (10, LOST_CHANNELS.len()),
        (12, NEW_CHANNELS),
        (30, LOST_ROLES.len()),
        (32, NEW_ROLES),
    ] {
        assert_eq!(audited(&platform, action, times).await, times, "{action}");
    }
    let survivors = platform.stop().await.unwrap();
    assert!(survivors.is_empty(), "processes left behind: {survivors:?}");
}

#[tokio::test]
async fn on_sqlite_the_socket_hub_and_local_objects() {
    story(Engines::Embedded, TempDir::new().unwrap()).await;
}

#[tokio::test]
#[ignore = "needs DATABASE_URL and REDIS_URL; `make test` provides both"]
async fn on_postgresql_redis_and_an_s3_compatible_server() {
    let dir = TempDir::new().unwrap();
    let engines = Engines::production(dir.path()).await.unwrap();
    story(engines, dir).await;
}

/// The message in the channel that shows a plan.
async fn plan_in(platform: &Platform, channel: &str) -> StartedBackup {
    let path = format!("/channels/{channel}/messages?limit=20");
    let look = || async {
        let messages = read(platform, &path).await;
        let mut messages = messages.as_array().unwrap().iter();
        let plan = messages.find(|message| message["embeds"][0]["title"] == "Restore: the plan");
        plan.map(|plan| StartedBackup {
            job_id: String::new(),
            channel_id: channel.to_owned(),
            message_id: plan["id"].as_str().unwrap().to_owned(),
        })
    };
    eventually("the plan of the undo", look).await.unwrap()
}

/// What a restore deleted is there again, when somebody who may presses *Undo* and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_undone_by_its_button() {
    let dir = TempDir::new().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, json!({}))
        .await
        .unwrap();
    backups::finished(&platform, &backup).await.unwrap();
    let roles = format!("/guilds/{GUILD}/roles");
    act(
        &platform,
        "POST",
        &roles,
        json!({"name": "New since", "permissions": "0"}),
    )
    .await;
    let is_there = async || {
        let roles = read(&platform, &roles).await;
        let mut roles = roles.as_array().unwrap().iter();
        roles.any(|role| role["name"] == "New since")
    };
    let restored = restore(&platform, &json!({"backup_id": backup.job_id})).await;
    let confirmed = backups::confirm(&platform, GUILD, OWNER, &restored).await;
    confirmed.unwrap();
    let text = ended(&platform, &restored).await;
    assert!(text.contains("state: completed"), "{text}");
    assert!(!is_there().await);

    let (channel, message) = (&restored.channel_id, &restored.message_id);
    let done = read(
        &platform,
        &format!("/channels/{channel}/messages/{message}"),
    )
    .await;
    let refused = backups::press(&platform, GUILD, PLAIN_MEMBER, &done, "Undo").await;
    let refused = json!(refused.unwrap().messages).to_string();
    assert!(!refused.contains("looked at"), "{refused}");
    let begun = backups::press(&platform, GUILD, OWNER, &done, "Undo").await;
    let begun = json!(begun.unwrap().messages).to_string();
    assert!(begun.contains("looked at"), "{begun}");
    let undo = plan_in(&platform, channel).await;
    let confirmed = backups::confirm(&platform, GUILD, OWNER, &undo).await;
    confirmed.unwrap();
    let text = ended(&platform, &undo).await;
    assert!(text.contains("state: completed"), "{text}");
    assert!(is_there().await, "{text}");
    let survivors = platform.stop().await.unwrap();
    assert!(survivors.is_empty(), "processes left behind: {survivors:?}");
}
