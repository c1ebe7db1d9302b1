//! Unmodified libraries of strangers on the sandbox. What they should see follows from Discord's
//! documentation and the `small` world, and is the same for all.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_e2e::backups::{ADMINISTRATOR, GUILD, OTHER_GUILDS, OWNER, PLAIN_MEMBER as MEMBER};
use splashtail_e2e::strangers::{Library, Stranger, frames, replayed};
use splashtail_sandbox::control::types::{Act, EditApp, Interact, InteractKind, SessionInfo};

const BOT: &str = "1100000000000000001";
const MANAGER: &str = "1100000000000000012";
const SPARE: &str = "1100000000000000014";
/// Messages of the long channel, see docs/sandbox.md.
const ARCHIVED: usize = 1230;
const REASON: &str = "too loud, ünd 100 % spam";
const EPHEMERAL: u64 = 1 << 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the installed client; `make test` provides it"]
async fn discord_py() {
    story(Library::DiscordPy, 4, "zlib-stream").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the installed client; `make test` provides it"]
async fn discord_js() {
    story(Library::DiscordJs, 4, "none").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built examples; `make test` provides them"]
async fn twilight() {
    story(Library::Twilight, 1, "zstd-stream").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built examples; `make test` provides them"]
async fn serenity() {
    story(Library::Serenity, 1, "payload").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the installed client; `make test` provides it"]
async fn discord_py_behind_the_tap() {
    story_behind_the_tap(Library::DiscordPy, 4, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the installed client; `make test` provides it"]
async fn discord_js_behind_the_tap() {
    story_behind_the_tap(Library::DiscordJs, 4, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built examples; `make test` provides them"]
async fn twilight_behind_the_tap() {
    story_behind_the_tap(Library::Twilight, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built examples; `make test` provides them"]
async fn serenity_behind_the_tap() {
    story_behind_the_tap(Library::Serenity, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the installed client; `make test` provides it"]
async fn discord_py_behind_the_proxy() {
    story_behind_the_proxy(Library::DiscordPy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the installed client; `make test` provides it"]
async fn discord_js_behind_the_proxy() {
    story_behind_the_proxy(Library::DiscordJs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built examples; `make test` provides them"]
async fn twilight_behind_the_proxy() {
    story_behind_the_proxy(Library::Twilight).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built examples; `make test` provides them"]
async fn serenity_behind_the_proxy() {
    story_behind_the_proxy(Library::Serenity).await;
}

/// Behind the proxy a library sees what it sees on the sandbox, however many shards it has itself,
/// and a new program costs Discord no session.
async fn story_behind_the_proxy(library: Library) {
    // The proxy's own, whatever the library asks for.
    let (shards, compression) = (4, "zstd-stream");
    let mut client = Stranger::behind_the_proxy(library).await.unwrap();
    talk_freely(&client).await;
    logs_in(&mut client, shards, compression).await;
    reads_messages(&mut client).await;
    knows_members(&mut client).await;
    moderates(&mut client).await;
    tidies_messages(&mut client).await;
    changes_channels_and_roles(&mut client).await;
    reads_the_audit_log(&mut client).await;
    answers_interactions(&mut client).await;

    let before = session_ids(&client).await;
    client.restart(library).await.unwrap();
    let general = channel(&client, GUILD, "general").await;
    client.event("ready", |_| true).await.unwrap();
    client
        .event("guild", |e| e["guild"] == GUILD)
        .await
        .unwrap();
    let id = say(&client, &general, "still there").await;
    let heard = client.event("message", |e| e["message"] == id);
    heard.await.unwrap();
    assert_eq!(session_ids(&client).await, before);

    ends_clean(client).await;
}

/// What passes the bot's relay is what the library would see without it. `fewer` is how many shards
/// it has once Discord recommends two.
async fn story_behind_the_tap(library: Library, shards: usize, fewer: usize) {
    // The relay asks for this, whatever the library asks for.
    let compression = "zstd-stream";
    let mut client = Stranger::behind_the_tap(library).await.unwrap();
    talk_freely(&client).await;
    logs_in(&mut client, shards, compression).await;
    reads_messages(&mut client).await;
    knows_members(&mut client).await;
    answers_interactions(&mut client).await;
    resumes(&mut client, shards).await;
    survives_invalid_sessions(&mut client, shards).await;

    let two = EditApp {
        shards: Some(2),
        ..EditApp::default()
    };
    client.control.edit_app(BOT, &two).await.unwrap();
    client.restart(library).await.unwrap();
    logs_in(&mut client, fewer, compression).await;
    reads_messages(&mut client).await;

    ends_clean(client).await;
}

/// Op 9: a session that may go on does, and one that may not is followed by another.
async fn survives_invalid_sessions(client: &mut Stranger, shards: usize) {
    let general = channel(client, GUILD, "general").await;
    let resumed = |seen: &[Value]| seen.iter().filter(|e| e["event"] == "resumed").count();
    let before = session_ids(client).await;
    let already = resumed(client.seen());
    let rule = json!({"action": {"type": "gw_invalid", "resumable": true}});
    let rule = serde_json::from_value(rule).unwrap();
    client.control.add_fault(&rule).await.unwrap();
    client
        .when("resumed after op 9", |seen| {
            (resumed(seen) >= already + shards).then_some(())
        })
        .await
        .unwrap();
    assert_eq!(session_ids(client).await, before);

    let rule = json!({"action": {"type": "gw_invalid", "resumable": false}});
    let rule = serde_json::from_value(rule).unwrap();
    client.control.add_fault(&rule).await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(120);
    loop {
        let sessions = client.control.sessions().await.unwrap();
        let new = |s: &&SessionInfo| s.connected && !before.contains(&s.session_id);
        if sessions.iter().filter(new).count() == shards {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{sessions:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let id = say(client, &general, "a new session hears this").await;
    client
        .event("message", |e| e["message"] == id)
        .await
        .unwrap();
}

/// `shards` and `compression` are how the library is expected to connect.
async fn story(library: Library, shards: usize, compression: &str) {
    let mut client = Stranger::start(library).await.unwrap();
    talk_freely(&client).await;

    logs_in(&mut client, shards, compression).await;
    reads_messages(&mut client).await;
    knows_members(&mut client).await;
    moderates(&mut client).await;
    tidies_messages(&mut client).await;
    changes_channels_and_roles(&mut client).await;
    reads_the_audit_log(&mut client).await;
    answers_interactions(&mut client).await;
    resumes(&mut client, shards).await;

    ends_clean(client).await;
}

/// People may talk as fast as this script does.
async fn talk_freely(client: &Stranger) {
    let rules = json!({"users": false});
    let _: Value = client
        .control
        .call(http::Method::POST, "/ctl/limits", &rules)
        .await
        .unwrap();
}

async fn ends_clean(client: Stranger) {
    let violations = client.stop().await.unwrap();
    let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

async fn logs_in(client: &mut Stranger, shards: usize, compression: &str) {
    let ready = client.event("ready", |_| true).await.unwrap();
    assert_eq!(ready["user"], BOT);
    let names = ["Harbour", "Lighthouse", "Shipyard", "Tidepool"];
    for (guild, name) in guilds().zip(names) {
        let seen = client
            .event("guild", |e| e["guild"] == guild)
            .await
            .unwrap();
        // Five people and the bot; their roles and the bot's, and @everyone.
        let expected = json!({"event": "guild", "guild": guild, "name": name, "members": 6,
            "roles": 6, "owner": OWNER});
        assert_eq!(seen, expected);
    }
    let mut sessions = client.control.sessions().await.unwrap();
    // Not every library says goodbye before its program starts again.
    sessions.retain(|session| session.connected);
    assert_eq!(sessions.len(), shards, "{sessions:?}");
    for session in sessions {
        assert_eq!(session.compression, compression);
    }
}

async fn reads_messages(client: &mut Stranger) {
    let general = channel(client, GUILD, "general").await;
    let id = say(client, &general, "hello from Olivia").await;
    let seen = client
        .event("message", |e| e["message"] == id)
        .await
        .unwrap();
    let expected = json!({"event": "message", "message": id, "channel": general, "author": OWNER,
        "content": "hello from Olivia"});
    assert_eq!(seen, expected);

    let archive = channel(client, GUILD, "archive").await;
    let history = client
        .ask("history", json!({"channel": archive}))
        .await
        .unwrap();
    let ids: Vec<u64> = strings(&history)
        .iter()
        .map(|i| i.parse().unwrap())
        .collect();
    assert_eq!(ids.len(), ARCHIVED);
    assert!(ids.is_sorted_by(|a, b| a > b), "newest first, each once");
}

async fn knows_members(client: &mut Stranger) {
    let members = client.ask("chunk", json!({"guild": GUILD})).await.unwrap();
    let mut members = strings(&members);
    members.sort();
    assert_eq!(members, [BOT, OWNER, ADMINISTRATOR, MANAGER, MEMBER, SPARE]);
    let asked = frames(&client.journal().await.unwrap(), |way, op, _| {
        way == "in" && op == 8
    });
    assert!(asked >= 1, "members come over the gateway");
}

async fn moderates(client: &mut Stranger) {
    let at = json!({"guild": GUILD, "user": SPARE, "seconds": 600, "reason": REASON});
    client.ask("timeout", at).await.unwrap();
    let path = format!("/guilds/{GUILD}/members/{SPARE}");
    let member = client.look(OWNER, &path).await.unwrap();
    let until: DateTime<Utc> = text(&member["communication_disabled_until"])
        .parse()
        .unwrap();
    let now: DateTime<Utc> = client.control.now().await.unwrap().now.parse().unwrap();
    let left = until - now;
    assert!(
        left > TimeDelta::seconds(540) && left <= TimeDelta::seconds(601),
        "{left}"
    );

    let spare = json!({"guild": GUILD, "user": SPARE, "reason": REASON});
    client.ask("kick", spare).await.unwrap();
    assert_eq!(client.refusal(OWNER, &path).await.unwrap(), 10007);

    let member = json!({"guild": GUILD, "user": MEMBER, "reason": REASON});
    let ban = format!("/guilds/{GUILD}/bans/{MEMBER}");
    client.ask("ban", member.clone()).await.unwrap();
    assert_eq!(client.look(OWNER, &ban).await.unwrap()["reason"], REASON);
    client.ask("unban", member).await.unwrap();
    assert_eq!(client.refusal(OWNER, &ban).await.unwrap(), 10026);
}

async fn tidies_messages(client: &mut Stranger) {
    let general = channel(client, GUILD, "general").await;
    let sent = json!({"channel": general, "content": "from a stranger"});
    let sent = text(&client.ask("send", sent).await.unwrap());
    let path = |id: &str| format!("/channels/{general}/messages/{id}");
    let message = client.look(OWNER, &path(&sent)).await.unwrap();
    assert_eq!(message["content"], "from a stranger");
    assert_eq!(message["author"]["id"], BOT);

    let noise = say(client, &general, "noise").await;
    for id in [&sent, &noise] {
        let at = json!({"channel": general, "message": id});
        client.ask("delete_message", at).await.unwrap();
        assert_eq!(client.refusal(OWNER, &path(id)).await.unwrap(), 10008);
    }
    let mut more = Vec::new();
    for n in 0..3 {
        more.push(say(client, &general, &format!("noise {n}")).await);
    }
    let at = json!({"channel": general, "messages": more});
    client.ask("bulk_delete", at).await.unwrap();
    for id in &more {
        assert_eq!(client.refusal(OWNER, &path(id)).await.unwrap(), 10008);
    }
}

async fn changes_channels_and_roles(client: &mut Stranger) {
    let new = json!({"guild": GUILD, "name": "watch", "topic": "calm", "reason": REASON});
    let watch = text(&client.ask("create_channel", new).await.unwrap());
    let edit = json!({"channel": watch, "topic": "busy", "reason": REASON});
    client.ask("edit_channel", edit).await.unwrap();
    let send_messages = "2048";
    let deny = json!({"guild": GUILD, "channel": watch, "role": GUILD, "deny": send_messages,
        "reason": REASON});
    client.ask("overwrite", deny).await.unwrap();
    let path = format!("/channels/{watch}");
    let seen = client.look(OWNER, &path).await.unwrap();
    assert_eq!([&seen["name"], &seen["topic"]], ["watch", "busy"]);
    let overwrite = json!([{"id": GUILD, "type": 0, "allow": "0", "deny": send_messages}]);
    assert_eq!(seen["permission_overwrites"], overwrite);

    let hook =
        json!({"channel": watch, "name": "Lookout", "content": "ship ahoy", "reason": REASON});
    let posted = text(&client.ask("webhook", hook).await.unwrap());
    let posted = client
        .look(OWNER, &format!("{path}/messages/{posted}"))
        .await
        .unwrap();
    assert_eq!(posted["content"], "ship ahoy");
    assert_eq!(posted["author"]["username"], "Lookout");
    assert_eq!(posted["webhook_id"], posted["author"]["id"]);
    let gone = json!({"channel": watch, "reason": REASON});
    client.ask("delete_channel", gone).await.unwrap();
    assert_eq!(client.refusal(OWNER, &path).await.unwrap(), 10003);

    let new = json!({"guild": GUILD, "name": "Sailor", "permissions": "8192", "reason": REASON});
    let role = text(&client.ask("create_role", new).await.unwrap());
    let edit = json!({"guild": GUILD, "role": role, "name": "Captain", "reason": REASON});
    client.ask("edit_role", edit).await.unwrap();
    let path = format!("/guilds/{GUILD}/roles/{role}");
    let seen = client.look(OWNER, &path).await.unwrap();
    assert_eq!([&seen["name"], &seen["permissions"]], ["Captain", "8192"]);
    let gone = json!({"guild": GUILD, "role": role, "reason": REASON});
    client.ask("delete_role", gone).await.unwrap();
    assert_eq!(client.refusal(OWNER, &path).await.unwrap(), 10011);
}

/// The log and the entries that came over the gateway tell the same story.
async fn reads_the_audit_log(client: &mut Stranger) {
    // Member update, kick, ban, unban; bulk delete (a bot's single deletions leave no entry);
    // channel create and update, overwrite and webhook create, channel delete; role create,
    // update, delete.
    let expected = [24, 20, 22, 23, 73, 10, 11, 13, 50, 12, 30, 31, 32];
    let log = client
        .ask("audit_log", json!({"guild": GUILD}))
        .await
        .unwrap();
    let mut log = log.as_array().unwrap().clone();
    log.reverse();
    let actions: Vec<u64> = log.iter().map(|e| e["action"].as_u64().unwrap()).collect();
    assert_eq!(actions, expected);
    for entry in &log {
        // Not every library can give a reason for this one.
        let reason = (entry["action"] != 73).then_some(REASON);
        let expected = [json!(BOT), json!(reason)];
        assert_eq!(
            [&entry["user"], &entry["reason"]],
            expected.each_ref(),
            "{entry}"
        );
    }
    for (at, target) in [SPARE, SPARE, MEMBER, MEMBER].into_iter().enumerate() {
        assert_eq!(log[at]["target"], target, "{}", log[at]);
    }
    let live = client
        .when("audit entries", |seen| {
            let live = seen.iter().filter(|e| e["event"] == "audit_entry");
            let live: Vec<Value> = live.map(|e| e["entry"].clone()).collect();
            (live.len() >= expected.len()).then_some(live)
        })
        .await
        .unwrap();
    assert_eq!(live, log);
}

async fn answers_interactions(client: &mut Stranger) {
    client
        .ask("register", json!({"guild": GUILD}))
        .await
        .unwrap();
    let general = channel(client, GUILD, "general").await;
    let interact = |kind| Interact {
        kind,
        guild_id: Some(GUILD.to_owned()),
        channel_id: general.clone(),
        name: None,
        custom_id: None,
        message_id: None,
        target_id: None,
        options: serde_json::Map::new(),
        focused: None,
        values: Value::Null,
        wait_ms: 60_000,
    };
    let greet = |kind, options: Value| Interact {
        name: Some("greet".to_owned()),
        options: options.as_object().unwrap().clone(),
        ..interact(kind)
    };

    let typed = Interact {
        focused: Some("word".to_owned()),
        ..greet(
            InteractKind::Autocomplete,
            json!({"who": OWNER, "word": "a"}),
        )
    };
    let seen = client
        .control
        .interact(ADMINISTRATOR, &typed)
        .await
        .unwrap();
    let choices = json!([{"name": "anchor", "value": "anchor"}, {"name": "ahoy", "value": "ahoy"}]);
    assert_eq!((seen.callback_type, seen.choices), (Some(8), Some(choices)));

    let run = greet(
        InteractKind::Slash,
        json!({"who": OWNER, "word": "anchor", "times": 2}),
    );
    let seen = client.control.interact(ADMINISTRATOR, &run).await.unwrap();
    assert_eq!(seen.callback_type, Some(5), "{seen:?}");
    let answer = &seen.messages[0];
    assert_eq!(answer["content"], format!("<@{OWNER}> anchor x2"));
    assert_eq!(
        answer["components"][0]["components"][0]["custom_id"],
        "press"
    );
    client
        .event("answered", |e| e["name"] == "greet")
        .await
        .unwrap();
    let shown = newest(client, ADMINISTRATOR, &general).await;
    assert_eq!(shown["content"], "only for you");
    assert_eq!(shown["flags"].as_u64().unwrap() & EPHEMERAL, EPHEMERAL);
    let others = newest(client, OWNER, &general).await;
    assert_eq!(others["id"], answer["id"], "nobody else sees it");

    let press = Interact {
        custom_id: Some("press".to_owned()),
        ..interact(InteractKind::Button)
    };
    let seen = client
        .control
        .interact(ADMINISTRATOR, &press)
        .await
        .unwrap();
    assert_eq!(seen.callback_type, Some(9), "{seen:?}");
    let modal = seen.modal.unwrap();
    assert_eq!([&modal["custom_id"], &modal["title"]], ["why", "Why?"]);

    let fill = Interact {
        custom_id: Some("why".to_owned()),
        values: json!({"reason": "storm"}),
        ..interact(InteractKind::Modal)
    };
    let seen = client.control.interact(ADMINISTRATOR, &fill).await.unwrap();
    assert_eq!(seen.callback_type, Some(4), "{seen:?}");
    assert_eq!(seen.messages[0]["content"], "because of storm");
}

/// After a server close, a lost connection and op 7, every session goes on where it was.
async fn resumes(client: &mut Stranger, shards: usize) {
    let before = session_ids(client).await;
    let mut channels = Vec::new();
    for guild in guilds() {
        channels.push(channel(client, guild, "general").await);
    }
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let faults = [
        json!({"action": {"type": "gw_close", "code": 4000}}),
        json!({"action": {"type": "gw_drop"}}),
        json!({"action": {"type": "gw_reconnect"}}),
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        talk(client, &channels, "before", &mut said).await;
        let rule = serde_json::from_value(fault.clone()).unwrap();
        // However fast the library is back, it misses something.
        client.hold().unwrap();
        let rule = client.control.add_fault(&rule).await.unwrap();
        assert_eq!(rule.struck, shards as u64);
        // Nobody is connected now; after op 7 the library may still be.
        talk(client, &channels, "in between", &mut said).await;
        client.go_on().unwrap();
        talk(client, &channels, "in between", &mut said).await;
        let wanted = shards * (round + 1);
        client
            .when(&format!("resumed after {fault}"), |seen| {
                let resumed = seen.iter().filter(|e| e["event"] == "resumed");
                (resumed.count() >= wanted).then_some(())
            })
            .await
            .unwrap();
        talk(client, &channels, "after", &mut said).await;
    }
    for (channel, ids) in &said {
        let last = ids.last().unwrap();
        client
            .event("message", |e| e["message"] == *last)
            .await
            .unwrap();
        let heard: Vec<&str> = client
            .seen()
            .iter()
            .filter(|e| e["event"] == "message" && e["channel"] == *channel)
            .filter_map(|e| e["message"].as_str())
            .filter(|id| ids.iter().any(|i| i == id))
            .collect();
        assert_eq!(heard, *ids, "every message once, in order");
    }

    assert_eq!(session_ids(client).await, before);
    for session in client.control.sessions().await.unwrap() {
        assert!(session.connected);
        assert_eq!(session.resumes, 3, "{session:?}");
    }
    let journal = client.journal().await.unwrap();
    assert!(replayed(&journal) > 0, "something was missed");
    let count = |wanted: &dyn Fn(&str, u8, &str) -> bool| frames(&journal, wanted);
    assert_eq!(
        count(&|way, op, _| way == "in" && op == 2),
        shards,
        "identified once"
    );
    assert_eq!(count(&|way, op, _| way == "in" && op == 6), shards * 3);
    assert_eq!(count(&|_, _, name| name == "READY"), shards);
    assert_eq!(count(&|_, _, name| name == "RESUMED"), shards * 3);
}

fn guilds() -> impl Iterator<Item = &'static str> {
    std::iter::once(GUILD).chain(OTHER_GUILDS)
}

/// Olivia says something in every channel.
async fn talk(
    client: &Stranger,
    channels: &[String],
    what: &str,
    said: &mut BTreeMap<String, Vec<String>>,
) {
    for channel in channels {
        let id = say(client, channel, what).await;
        said.entry(channel.clone()).or_default().push(id);
    }
}

async fn say(client: &Stranger, channel: &str, content: &str) -> String {
    let act = Act {
        channel_id: Some(channel.to_owned()),
        body: json!({"content": content}),
        ..Act::default()
    };
    let said = client.control.act(OWNER, "say", &act).await.unwrap();
    assert_eq!(said.results[0].status, 200, "{said:?}");
    text(&said.results[0].body["id"])
}

async fn channel(client: &Stranger, guild: &str, name: &str) -> String {
    let path = format!("/guilds/{guild}/channels");
    let channels = client.look(OWNER, &path).await.unwrap();
    let mut channels = channels.as_array().unwrap().iter();
    text(&channels.find(|c| c["name"] == name).unwrap()["id"])
}

/// The newest message in a channel that the user's client shows, ephemeral ones included.
async fn newest(client: &Stranger, user: &str, channel: &str) -> Value {
    let path = format!("/ctl/as/{user}/messages?channel_id={channel}&limit=1");
    let shown: Vec<Value> = client
        .control
        .call(http::Method::GET, &path, &Value::Null)
        .await
        .unwrap();
    shown[0].clone()
}

async fn session_ids(client: &Stranger) -> Vec<String> {
    let sessions = client.control.sessions().await.unwrap();
    let mut ids: Vec<String> = sessions.into_iter().map(|s| s.session_id).collect();
    ids.sort();
    ids
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn strings(values: &Value) -> Vec<String> {
    values.as_array().unwrap().iter().map(text).collect()
}
