//! An attack is stopped, and put back by buttons of the alert, while processes die: in part, wholly,
//! and taken back again.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER};
use splashtail_e2e::platform::{Engines, Platform, signal};
use splashtail_e2e::portrait::{differences, portrait, read};
use splashtail_sandbox::control::types::Interacted;
use splashtail_sandbox::portrait::Portrait;
use splashtail_sandbox_world::journal::{Entry, Record};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(240);
/// Within the rate limit of reading messages.
const POLL: Duration = Duration::from_millis(400);
const SETTLE_MS: u64 = 60_000;
/// Holds the role that is deleted.
const MANAGER: &str = "1100000000000000012";
/// A spare member.
const SPARE: &str = "1100000000000000014";
const LOST_CHANNELS: [&str; 3] = ["media", "Lounge", "announcements"];
/// What a person renames meanwhile.
const RENAMED: [&str; 2] = ["channel archive", "channel attic"];
/// Stays different: that, and the attacker's roles.
const STAYS: [&str; 3] = [RENAMED[0], RENAMED[1], ADMINISTRATOR];

async fn until<T>(platform: &Platform, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "never came: {what}\n{}", platform.logs());
        tokio::time::sleep(POLL).await;
    }
}

async fn say(platform: &Platform, user: &str, name: &str, options: Value) -> String {
    let answer = backups::command(platform, GUILD, user, name, options).await;
    text(&answer.unwrap())
}

fn text(seen: &Interacted) -> String {
    serde_json::to_string(&seen.messages).unwrap()
}

/// What somebody does, as often as Discord lets them: whether it worked.
async fn act(platform: &Platform, user: &str, method: &str, path: &str, body: Value) -> bool {
    loop {
        let result = platform
            .control
            .rest(user, method, path, body.clone())
            .await;
        let result = result.unwrap();
        if result.status != 429 {
            return result.status < 300;
        }
        let wait = result.body["retry_after"].as_f64().unwrap();
        tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    }
}

async fn id_of(platform: &Platform, kind: &str, name: &str) -> String {
    let all = read(platform, &format!("/guilds/{GUILD}/{kind}")).await;
    let mut found = all.as_array().unwrap().iter();
    let found = found.find(|object| object["name"] == name).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// By an administrator, until protection takes their roles.
async fn attack(platform: &Platform) {
    let attacker = ADMINISTRATOR;
    let rules = id_of(platform, "channels", "rules").await;
    let archive = id_of(platform, "channels", "archive").await;
    let manager = id_of(platform, "roles", "Manager").await;
    let ban = format!("/guilds/{GUILD}/bans/{SPARE}");
    let archive = format!("/channels/{archive}");
    let overwrite = format!("/channels/{rules}/permissions/{GUILD}");
    let roles = format!("/guilds/{GUILD}/roles");
    let channels = format!("/guilds/{GUILD}/channels");
    for (method, path, body) in [
        ("PUT", ban.as_str(), json!({})),
        (
            "PATCH",
            &archive,
            json!({"name": "raided", "topic": "Ahoy"}),
        ),
        (
            "PUT",
            &overwrite,
            json!({"type": 0, "allow": "2048", "deny": "0"}),
        ),
        ("POST", &channels, json!({"name": "raided-too", "type": 0})),
        ("DELETE", &format!("{roles}/{manager}"), Value::Null),
    ] {
        assert!(
            act(platform, attacker, method, path, body).await,
            "{method} {path}"
        );
    }
    for name in LOST_CHANNELS {
        let path = format!("/channels/{}", id_of(platform, "channels", name).await);
        act(platform, attacker, "DELETE", &path, Value::Null).await;
    }
    // On and on, until it does not work any more.
    let stopped = async {
        let body = json!({"name": "Spam", "permissions": "0"});
        while platform
            .control
            .rest(attacker, "POST", &roles, body.clone())
            .await
            .unwrap()
            .status
            != 403
        {
            tokio::time::sleep(POLL).await;
        }
    };
    let stopped = tokio::time::timeout(LIMIT, stopped).await;
    stopped.unwrap_or_else(|_| panic!("the attacker is never stopped\n{}", platform.logs()));
}

/// The alert about the attack, once it is as wanted.
async fn alert(platform: &Platform, staff: &str, wanted: impl Fn(&str, &Value) -> bool) -> Value {
    let path = format!("/channels/{staff}/messages?limit=50");
    until(platform, "the alert", async || {
        let messages = read(platform, &path).await;
        let mut messages = messages.as_array().unwrap().iter();
        let found = messages.find(|message| {
            let embed = &message["embeds"][0];
            let shown = format!("{} {}", embed["title"], embed["description"]);
            shown.contains(ADMINISTRATOR) && wanted(&shown, message)
        });
        found.cloned()
    })
    .await
}

/// The alert once it shows the end of a job that begins with these words.
async fn over(platform: &Platform, staff: &str, words: &str) -> String {
    let ended = format!("**{words}: ");
    let over = |shown: &str, _: &Value| shown.contains(&ended) || shown.contains("Not put back");
    let over = alert(platform, staff, over).await;
    let shown = over["embeds"][0]["description"].as_str().unwrap();
    assert!(shown.contains(&ended), "{shown}\n{}", platform.logs());
    shown.to_owned()
}

async fn with_button(platform: &Platform, staff: &str, label: &str) -> Value {
    let shows = |_: &str, message: &Value| message["components"].to_string().contains(label);
    alert(platform, staff, shows).await
}

async fn press(platform: &Platform, message: &Value, label: &str) -> String {
    let pressed = backups::press(platform, GUILD, OWNER, message, label).await;
    text(&pressed.unwrap())
}

/// What the bot's application changed below the server so far.
async fn changes(platform: &Platform) -> usize {
    let journal = platform.control.journal(0).await.unwrap();
    let is_change = |entry: &&Entry| match &entry.record {
        Record::Request {
            caller,
            method,
            path,
            status,
            ..
        } => {
            let structure = path.contains("/roles") || path.contains("/channels");
            let other = path.contains("/messages") || path.contains("/members");
            caller.kind == "bot" && method != "GET" && structure && !other && *status < 300
        }
        _ => false,
    };
    journal.iter().filter(is_change).count()
}

fn topic<'a>(portrait: &'a Portrait, name: &str) -> &'a Value {
    let found = portrait.object(name);
    &found.unwrap_or_else(|| panic!("no {name}"))["topic"]
}

async fn story(engines: Engines, dir: TempDir) {
    let platform = Platform::start(dir, engines, &[]).await.unwrap();
    // Four sides change one channel here, which Discord lets happen twice in ten minutes.
    let often = json!({"hidden": {"channel_edits": {"limit": 20, "per_ms": 600_000}}});
    let set = platform
        .control
        .call::<Value>(http::Method::POST, "/ctl/limits", &often);
    set.await.unwrap();
    // A server with a community cannot lose this channel.
    let guild = read(&platform, &format!("/guilds/{GUILD}")).await;
    let staff = guild["public_updates_channel_id"].as_str().unwrap();
    let there = json!({"channel": staff});
    say(&platform, OWNER, "protection alerts", there).await;
    let on = say(&platform, OWNER, "protection mode", json!({"mode": 2})).await;
    assert!(on.contains("Protection is on"), "{on}");
    let manager = id_of(&platform, "roles", "Manager").await;
    let who = json!({"who": format!("role/{manager}")});
    say(&platform, OWNER, "protection_trust create", who).await;
    let status = say(&platform, OWNER, "protection status", json!({})).await;
    assert!(status.contains(&format!("<@&{manager}>")), "{status}");
    // Who held a role that is gone is given it again where the bot has seen them.
    let holder = format!("/guilds/{GUILD}/members/{MANAGER}");
    let nick = json!({"nick": "Harbour master"});
    assert!(act(&platform, OWNER, "PATCH", &holder, nick).await);
    platform.control.settle(SETTLE_MS).await.unwrap();
    let before = portrait(&platform, GUILD).await;
    attack(&platform).await;
    let stopped = alert(&platform, staff, |shown, _| shown.contains("Stopped")).await;

    // Buttons outlive the process that made them, and so does what it knew.
    let cluster = platform.ready.pids.bot[&0];
    signal(cluster, Signal::SIGKILL).unwrap();
    let incident = until(&platform, "a new cluster", async || {
        let said = backups::command(&platform, GUILD, OWNER, "incidents list", json!({})).await;
        let said = text(&said.ok()?);
        let mut lines = said.split("\\n");
        let line = lines.find(|line| line.contains(ADMINISTRATOR) && line.contains(", stopped"));
        Some(line?.split('`').nth(1)?.to_owned())
    })
    .await;
    let asked = json!({"incident": incident});
    let view = say(&platform, OWNER, "incidents view", asked.clone()).await;
    assert!(
        view.contains("channel deleted media") && view.contains("AntiRaid: roles taken"),
        "{view}"
    );
    let file = say(&platform, OWNER, "incidents export", asked).await;
    assert!(file.contains(&format!("incident-{incident}.txt")), "{file}");

    // What a person mends meanwhile stays.
    let archive = format!("/channels/{}", id_of(&platform, "channels", "raided").await);
    let attic = json!({"name": "attic"});
    assert!(act(&platform, OWNER, "PATCH", &archive, attic).await);
    let attacked = portrait(&platform, GUILD).await;
    assert_ne!(
        differences(&before, &attacked, &STAYS),
        Vec::<String>::new()
    );

    // Looked at as a whole, done in part.
    press(&platform, &stopped, "Put back").await;
    let yes = "Yes, put it back";
    let plan = with_button(&platform, staff, yes).await;
    let shown = plan["embeds"][0]["description"].as_str().unwrap();
    assert!(shown.contains("dangerous permissions"), "{shown}");
    let bans = ("an:parts", json!(["bans"]));
    let chosen = backups::choose(&platform, GUILD, OWNER, &plan, bans).await;
    assert!(text(&chosen.unwrap()).contains("how far it is"));
    let whole = plan["embeds"].clone();
    let smaller = |_: &str, message: &Value| {
        let asks = message["components"].to_string().contains(yes);
        asks && message["embeds"] != whole
    };
    let plan = alert(&platform, staff, smaller).await;
    press(&platform, &plan, yes).await;
    over(&platform, staff, "Put back").await;
    let partly = portrait(&platform, GUILD).await;
    let lifted = differences(&attacked, &partly, &STAYS);
    assert!(
        lifted.len() == 1 && lifted[0].contains(SPARE),
        "the ban alone is lifted: {lifted:#?}"
    );

    // And the rest.
    let again = with_button(&platform, staff, "Put back").await;
    press(&platform, &again, "Put back").await;
    let plan = with_button(&platform, staff, yes).await;
    let begun = changes(&platform).await;
    press(&platform, &plan, yes).await;
    until(&platform, "the first changes", async || {
        (changes(&platform).await > begun + 1).then_some(())
    })
    .await;
    let jobserver = platform.ready.pids.daemon("jobserver").unwrap();
    signal(jobserver, Signal::SIGKILL).unwrap();
    let shown = over(&platform, staff, "Put back").await;
    let after = portrait(&platform, GUILD).await;
    let wrong = differences(&before, &after, &STAYS);
    assert_eq!(wrong, Vec::<String>::new(), "{shown}");
    let attic = topic(&after, RENAMED[1]);
    assert_eq!(attic, topic(&before, RENAMED[0]), "the topic is back");

    // Trust goes on with the role that was made again.
    let again = id_of(&platform, "roles", "Manager").await;
    assert_ne!(again, manager);
    until(&platform, "the new role is trusted", async || {
        let status = say(&platform, OWNER, "protection status", json!({})).await;
        (status.contains(&format!("<@&{again}>")) && !status.contains(&manager)).then_some(())
    })
    .await;

    // And back: the server is as the attack left it.
    let done = with_button(&platform, staff, "Take the put-back back").await;
    press(&platform, &done, "Take the put-back back").await;
    let plan = with_button(&platform, staff, "Yes, take it back").await;
    press(&platform, &plan, "Yes, take it back").await;
    let shown = over(&platform, staff, "Taken back").await;
    let back = portrait(&platform, GUILD).await;
    let wrong = differences(&partly, &back, &STAYS);
    assert_eq!(wrong, Vec::<String>::new(), "{shown}");

    let path = format!("/channels/{staff}/messages?limit=50");
    let alerts = read(&platform, &path).await.to_string();
    assert!(
        !alerts.contains("uses my token"),
        "its own work is no theft: {alerts}"
    );
    let survivors = platform.stop().await.unwrap();
    assert!(survivors.is_empty(), "processes left behind: {survivors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_the_socket_hub_and_local_objects() {
    story(Engines::Embedded, TempDir::new().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs DATABASE_URL and REDIS_URL; `make test` provides both"]
async fn on_postgresql_redis_and_an_s3_compatible_server() {
    let dir = TempDir::new().unwrap();
    let engines = Engines::production(dir.path()).await.unwrap();
    story(engines, dir).await;
}
