//! A server that was nuked is put together again, by a jobserver that may die meanwhile.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use splashtail_antinuke::{Moment, TagKey};
use splashtail_core::ids::TaskId;
use splashtail_guild::Id;
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use splashtail_storage::TaskState;
use support::Jobserver;
use support::server::{BOT, GUILD, OWNER, World, world};

/// What two objects of a kind are compared by.
fn names(list: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for object in list {
        let key = format!("{} {}", object["type"], object["name"]);
        *counts.entry(key).or_default() += 1;
    }
    counts
}

async fn state(world: &World) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
    let channels = world.seen_channels().await;
    (names(&world.roles().await), names(&channels))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nuked_server_is_as_it_was() {
    let world = world().await;
    let server = world.setup.start().await;
    let before = state(&world).await;
    let seen = world.seen_channels().await;
    let is_seen = |channel: &Value| seen.iter().any(|seen| seen["id"] == channel["id"]);
    let all = world.channels().await;
    let hidden: Vec<&Value> = all.iter().filter(|channel| !is_seen(channel)).collect();
    let backup = server.backup(&world, json!({})).await;
    assert_eq!(
        server.rest_of(&world, backup).await,
        [""; 0],
        "nothing happened yet"
    );
    world.nuke().await;
    let after = state(&world).await;
    assert_ne!(after, before, "the attack did something");

    let source = format!("task://{backup}");
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    assert_eq!(report["kind"], "restore_report");
    assert_eq!(state(&world).await, before, "{report:#}");
    let rest = server.rest_of(&world, backup).await;
    assert_eq!(rest, [""; 0], "{report:#}");
    let old = report["ids"]["channel"].as_object().unwrap();
    let channels = world.channels().await;
    let live: Vec<&Value> = channels.iter().map(|channel| &channel["id"]).collect();
    assert!(old.values().all(|id| live.contains(&id)), "{old:?}");
    assert_eq!(report["safety_backup"]["encrypted"], false);
    assert_eq!(unsigned(&world).await, [json!(null); 0]);
    // What the bot could not see it could not save: it is named.
    let told = report["not_restored"].as_array().unwrap();
    for channel in hidden {
        let named = told
            .iter()
            .any(|item| item["id"] == channel["id"] && item["code"] == "not_visible");
        assert!(named, "{channel} {told:#?}");
    }
}

/// Entries in the bot's name that its own protection would take for a thief's.
async fn unsigned(world: &World) -> Vec<Value> {
    let key = TagKey::derived(b"secret of bot").unwrap();
    let path = format!("/guilds/{GUILD}/audit-logs?user_id={BOT}&limit=100");
    let mut unsigned = Vec::new();
    let (mut before, mut signed) = (String::new(), 0);
    loop {
        let page = format!("{path}{before}");
        let log = world.rest(OWNER, "GET", &page, Value::Null).await;
        let entries = log["audit_log_entries"].as_array().unwrap();
        for entry in entries {
            let id = Id::of(entry).unwrap();
            let action = u16::try_from(entry["action_type"].as_u64().unwrap()).unwrap();
            let reason = entry["reason"].as_str().unwrap_or_default();
            let about = (action, Id::read(&entry["target_id"]));
            let guild = GUILD.parse().unwrap();
            match key.effect_in(reason, guild, about, Moment::of(id)) {
                Some(_) => signed += 1,
                None => unsigned.push(entry.clone()),
            }
        }
        match entries.last() {
            Some(last) => before = format!("&before={}", last["id"].as_str().unwrap()),
            None => break,
        }
    }
    assert!(signed > 0, "the restore left no entry");
    unsigned
}

/// A backup of everything, and its source.
async fn saved(world: &World, server: &Jobserver, options: Value) -> (TaskId, String) {
    let backup = server.backup(world, options).await;
    (backup, format!("task://{backup}"))
}

async fn channel_named(world: &World, name: &str) -> Option<Value> {
    let channels = world.channels().await;
    channels.into_iter().find(|channel| channel["name"] == name)
}

/// Killed after ever more effects, with the effect under way cut off: the next jobserver goes on,
/// nothing is missing and nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_jobserver_that_dies_makes_nothing_twice() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let before = state(&world).await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    world.nuke().await;
    let id = server
        .order_restore(&world, json!({"BackupSource": source}))
        .await;
    let mut effects = world.effects().await;
    for more in [1, 4, 9] {
        effects += more;
        while world.effects().await < effects {
            assert!(!server.has_ended(id).await, "it ended before it was killed");
            tokio::task::yield_now().await;
        }
        server.kill();
        server = world.setup.start().await;
    }
    let report = server.document(id).await;
    assert_eq!(state(&world).await, before, "{report:#}");
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
    let items = server.storage.ledger().items(id, 0, 1000).await.unwrap();
    let made = items.iter().filter(|item| item.what.contains(".create"));
    let made: Vec<_> = made.filter_map(|item| item.after.clone()).collect();
    let distinct: BTreeSet<_> = made.iter().collect();
    assert_eq!(distinct.len(), made.len(), "{made:?}");
}

/// Case 30 of the restore matrix.
#[tokio::test(flavor = "multi_thread")]
async fn an_approved_plan_is_run_and_no_other() {
    let world = world().await;
    let server = world.setup.start().await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let channel = world.text_channel().await;
    let path = format!("/channels/{}", channel["id"].as_str().unwrap());
    world
        .rest(OWNER, "PATCH", &path, json!({"rate_limit_per_user": 5}))
        .await;
    let dry = json!({"BackupSource": source, "DryRun": true});
    let plan = server.restore(&world, dry.clone()).await;
    assert_eq!(plan["effects"].as_array().unwrap().len(), 1, "{plan:#}");
    let hash = plan["plan_hash"].clone();
    assert_eq!(
        server.restore(&world, dry).await["plan_hash"],
        hash,
        "a plan is stable"
    );

    world
        .rest(OWNER, "PATCH", &path, json!({"rate_limit_per_user": 9}))
        .await;
    let options = json!({"BackupSource": source, "PlanHash": hash});
    let (row, why) = server.failed_restore(&world, options).await;
    assert_eq!(row.state, TaskState::Failed);
    assert!(
        why.contains("not as it was when the plan was approved"),
        "{why}"
    );
    assert_eq!(
        world.text_channel().await["rate_limit_per_user"],
        9,
        "nothing was touched"
    );

    world
        .rest(OWNER, "PATCH", &path, json!({"rate_limit_per_user": 5}))
        .await;
    let options = json!({"BackupSource": source, "PlanHash": hash});
    let report = server.restore(&world, options).await;
    assert_eq!(
        (&report["done"], &report["effects"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(world.text_channel().await["rate_limit_per_user"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_decide_what_may_change() {
    let world = world().await;
    let server = world.setup.start().await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let old = world.text_channel().await;
    let path = format!("/channels/{}", old["id"].as_str().unwrap());
    world
        .rest(OWNER, "PATCH", &path, json!({"topic": "attacked"}))
        .await;
    let channels = format!("/guilds/{GUILD}/channels");
    let new = json!({"name": "new-here", "type": 0});
    let new = world.rest(OWNER, "POST", &channels, new).await;
    let topic = async |world: &World| {
        let all = world.channels().await;
        let channel = all.into_iter().find(|channel| channel["id"] == old["id"]);
        channel.unwrap()["topic"].clone()
    };
    let with = |mode: &str| json!({"BackupSource": source, "ChannelRestoreMode": mode});

    let mut options = with("ignore_existing");
    options["ProtectedChannels"] = json!([new["id"]]);
    let report = server.restore(&world, options).await;
    assert_eq!(
        topic(&world).await,
        "attacked",
        "what is there stays as it is"
    );
    assert!(
        channel_named(&world, "new-here").await.is_some(),
        "it is protected"
    );
    let lines = report["lines"].to_string();
    assert!(
        lines.contains("new-here") && lines.contains("protected"),
        "{lines}"
    );

    server.restore(&world, with("diff")).await;
    assert_eq!(topic(&world).await, old["topic"]);
    assert!(
        channel_named(&world, "new-here").await.is_some(),
        "what is new stays"
    );

    server.restore(&world, with("full")).await;
    assert!(channel_named(&world, "new-here").await.is_none());
}

/// Without the permission nothing is touched, and the reason is named.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_beforehand() {
    let world = world().await;
    let server = world.setup.start().await;
    let (_, source) = saved(&world, &server, json!({})).await;
    world.nuke().await;
    let damaged = state(&world).await;
    world.limit_bot(1 << 10 | 1 << 16).await;
    let effects = world.effects().await;
    let (row, why) = server
        .failed_restore(&world, json!({"BackupSource": source}))
        .await;
    assert_eq!(row.state, TaskState::Failed);
    assert!(
        why.contains("the bot lacks") && why.contains("MANAGE_CHANNELS"),
        "{why}"
    );
    assert_eq!(state(&world).await, damaged);
    assert_eq!(world.effects().await, effects);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_backup_needs_its_password() {
    let world = world().await;
    let server = world.setup.start().await;
    let before = state(&world).await;
    let (_, source) = saved(&world, &server, json!({"Encrypt": "Cafe\u{301}"})).await;
    for (password, said) in [("", "a password is required"), ("wrong", "wrong password")] {
        let options = json!({"BackupSource": source, "Decrypt": password});
        let (_, why) = server.failed_restore(&world, options).await;
        assert!(why.contains(said), "{why}");
    }
    world.nuke().await;
    // The same letters, typed another way.
    let options = json!({"BackupSource": source, "Decrypt": "Caf\u{e9}"});
    let id = server.order_restore(&world, options).await;
    let report = server.document(id).await;
    assert_eq!(state(&world).await, before);
    assert_eq!(report["safety_backup"]["encrypted"], true);
    let stored = server.stored().join(" ");
    assert!(!stored.contains("/work/"), "work files are gone: {stored}");
    // What the restore saved beforehand leads back.
    let undo = json!({"BackupSource": format!("task://{id}"), "Decrypt": "Caf\u{e9}"});
    server.restore(&world, undo).await;
    assert_ne!(state(&world).await, before, "the attacked state is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_backup_of_the_same_server_is_taken() {
    let world = world().await;
    let server = world.setup.start().await;
    let (backup, _) = saved(&world, &server, json!({})).await;
    let other = json!({"ServerID": "1100000000005373952",
                       "Options": {"BackupSource": format!("task://{backup}")}});
    let unknown = json!({"ServerID": GUILD, "Options":
        {"BackupSource": "task://0f8fad5b-d9cb-469f-a165-70867728950e"}});
    for data in [other, unknown] {
        let body = json!({"args": {"name": "guild_restore_backup", "data": data}});
        let (status, answer) = server.call("create_task", body.to_string()).await;
        assert_eq!(
            (status, &answer["code"]),
            (400, &json!("no_such_backup")),
            "{answer}"
        );
    }
    let options = json!({"BackupSource": "https://example.com/a.iblfile"});
    let (_, why) = server.failed_restore(&world, options).await;
    assert!(why.contains("not an address of Discord's CDN"), "{why}");
}

/// Oldest first: who wrote what, without the line that says when.
async fn written(world: &World, channel: &Value) -> Vec<(String, String)> {
    let path = format!(
        "/channels/{}/messages?limit=100",
        channel["id"].as_str().unwrap()
    );
    let list = world.rest(OWNER, "GET", &path, Value::Null).await;
    let mut list = list.as_array().unwrap().clone();
    list.reverse();
    let line = |message: &Value| {
        let text = message["content"].as_str().unwrap().to_owned();
        let text = match text.strip_prefix("-# ") {
            Some(rest) => rest
                .split_once('\n')
                .map_or("", |(_, text)| text)
                .to_owned(),
            None => text,
        };
        (
            message["author"]["username"].as_str().unwrap().to_owned(),
            text,
        )
    };
    list.iter().map(line).collect()
}

/// A deleted channel gets its messages back, in their order and once each, although the jobserver
/// is killed among them.
#[tokio::test(flavor = "multi_thread")]
async fn messages_come_back_in_order_and_once() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let channels = format!("/guilds/{GUILD}/channels");
    let body = json!({"name": "stories", "type": 0});
    let channel = world.rest(OWNER, "POST", &channels, body).await;
    let id = channel["id"].as_str().unwrap();
    let path = format!("/channels/{id}/messages");
    for n in 0..12 {
        // Equal neighbours are told apart by their place alone (case 26 of the restore matrix).
        let body = json!({"content": format!("line {}", n / 2)});
        world.rest(OWNER, "POST", &path, body).await;
    }
    let options = json!({"BackupMessages": true, "Channels": [id], "PerChannel": 50});
    let (_, source) = saved(&world, &server, options).await;
    let before = written(&world, &channel).await;
    let texts = |written: Vec<(String, String)>| -> Vec<String> {
        written.into_iter().map(|(_, text)| text).collect()
    };
    world
        .rest(OWNER, "DELETE", &format!("/channels/{id}"), Value::Null)
        .await;
    let restore = server
        .order_restore(&world, json!({"BackupSource": source}))
        .await;
    let begun = world.effects().await;
    // The channel, its webhook, three messages.
    while world.effects().await < begun + 5 {
        assert!(!server.has_ended(restore).await);
        tokio::task::yield_now().await;
    }
    server.kill();
    server = world.setup.start().await;
    let report = server.document(restore).await;
    let again = channel_named(&world, "stories").await.unwrap();
    assert_ne!(again["id"], channel["id"]);
    assert_eq!(
        texts(written(&world, &again).await),
        texts(before),
        "{report:#}"
    );
    assert_eq!(report["messages"], 12);
    assert_eq!(report["ids"]["message"].as_object().unwrap().len(), 12);
    let hooks = format!("/channels/{}/webhooks", again["id"].as_str().unwrap());
    let hooks = world.rest(OWNER, "GET", &hooks, Value::Null).await;
    assert_eq!(hooks, json!([]), "the webhook is gone");
}

/// Channels with some messages each, in the order of their ids, and a backup of them; then they are
/// deleted.
async fn lost_channels(world: &World, server: &Jobserver, names: &[&str]) -> String {
    let channels = format!("/guilds/{GUILD}/channels");
    let mut ids = Vec::new();
    for name in names {
        let body = json!({"name": name, "type": 0});
        let channel = world.rest(OWNER, "POST", &channels, body).await;
        let id = channel["id"].as_str().unwrap().to_owned();
        for n in 0..4 {
            let body = json!({"content": format!("{name} {n}")});
            let path = format!("/channels/{id}/messages");
            world.rest(OWNER, "POST", &path, body).await;
        }
        ids.push(id);
    }
    let options = json!({"BackupMessages": true, "Channels": ids, "PerChannel": 50});
    let (_, source) = saved(world, server, options).await;
    for id in ids {
        let path = format!("/channels/{id}");
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    source
}

fn left_messages(report: &Value) -> Vec<&Value> {
    let left = report["not_restored"].as_array().unwrap();
    left.iter()
        .filter(|item| item["kind"] == "messages")
        .collect()
}

/// The webhook of the first channel is gone when the second one's turn comes; a jobserver that is
/// killed then must not take the first channel for lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_finished_channel_stays_finished() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let source = lost_channels(&world, &server, &["first", "second"]).await;
    let options = json!({"BackupSource": source});
    let restore = server.order_restore(&world, options).await;
    loop {
        assert!(!server.has_ended(restore).await);
        if let Some(second) = channel_named(&world, "second").await
            && !written(&world, &second).await.is_empty()
        {
            break;
        }
    }
    server.kill();
    server = world.setup.start().await;
    let report = server.document(restore).await;
    assert_eq!(left_messages(&report), [&Value::Null; 0], "{report:#}");
    assert_eq!(report["messages"], 8);
    assert_eq!(report["ids"]["message"].as_object().unwrap().len(), 8);
    for name in ["first", "second"] {
        let channel = channel_named(&world, name).await.unwrap();
        assert_eq!(written(&world, &channel).await.len(), 4);
    }
}

/// A channel that the bot may not look into is named, and the others get their messages.
#[tokio::test(flavor = "multi_thread")]
async fn one_closed_channel_costs_its_own_messages() {
    let world = world().await;
    let server = world.setup.start().await;
    let source = lost_channels(&world, &server, &["first", "second"]).await;
    let closed = Rule {
        matches: Match {
            method: Some("GET".to_owned()),
            route: Some("/channels/{channel_id}/webhooks".to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status: 403,
            scope: None,
            retry_after: None,
            header_retry_after: None,
            html: false,
            body: Some(json!({"code": 50001, "message": "Missing Access"})),
        },
        times: Some(1),
        probability: 1.0,
    };
    world.control.add_fault(&closed).await.unwrap();
    let options = json!({"BackupSource": source});
    let report = server.restore(&world, options).await;
    let left = left_messages(&report);
    assert_eq!(left.len(), 1, "{report:#}");
    assert_eq!(left[0]["code"], "missing_access");
    assert_eq!(report["messages"], 4);
    let second = channel_named(&world, "second").await.unwrap();
    assert_eq!(written(&world, &second).await.len(), 4);
}

/// Who lost a role keeps what is new, unless told otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn surplus_goes_despite_losses_only_when_told() {
    let world = world().await;
    let server = world.setup.start().await;
    let roles = format!("/guilds/{GUILD}/roles");
    let old = world
        .rest(OWNER, "POST", &roles, json!({"name": "old"}))
        .await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let path = format!("{roles}/{}", old["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    world
        .rest(OWNER, "POST", &roles, json!({"name": "new"}))
        .await;
    for (ignores, stays) in [(false, true), (true, false)] {
        let refused = Rule {
            matches: Match {
                method: Some("POST".to_owned()),
                route: Some("/guilds/{guild_id}/roles".to_owned()),
                ..Match::default()
            },
            action: Action::Status {
                status: 400,
                scope: None,
                retry_after: None,
                header_retry_after: None,
                html: false,
                body: Some(json!({"code": 30005, "message": "Maximum number of roles reached"})),
            },
            times: Some(1),
            probability: 1.0,
        };
        world.control.add_fault(&refused).await.unwrap();
        let options = json!({"BackupSource": source, "IgnoreRestoreErrors": ignores});
        let report = server.restore(&world, options).await;
        let is_there = world.roles().await.iter().any(|role| role["name"] == "new");
        assert_eq!(is_there, stays, "{report:#}");
    }
}

/// Whoever may restore gives nobody more than they have, whatever the backup says.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_gives_nobody_what_its_caller_lacks() {
    const KICK_MEMBERS: u64 = 1 << 1;
    let world = world().await;
    let server = world.setup.start().await;
    let roles = format!("/guilds/{GUILD}/roles");
    let strong = json!({"name": "strong", "permissions": (1u64 << 3 | KICK_MEMBERS).to_string()});
    let role = world.rest(OWNER, "POST", &roles, strong).await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let path = format!("{roles}/{}", role["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let options = json!({"BackupSource": source});
    let id = server.order_restore_by(KICK_MEMBERS, &world, options).await;
    let report = server.document(id).await;
    let again = world.roles().await;
    let again = again.iter().find(|role| role["name"] == "strong").unwrap();
    assert_eq!(again["permissions"], KICK_MEMBERS.to_string(), "{report:#}");
    let left = report["not_restored"].as_array().unwrap();
    let told = |item: &&Value| item["code"] == "caller_lacks_permissions";
    assert!(
        left.iter()
            .any(|item| told(&item) && item["name"] == "strong")
    );
    let file = json!({"ServerID": GUILD, "CallerPermissions": "2", "Options":
        {"BackupSource": "https://cdn.discordapp.com/attachments/1/2/a.iblfile"}});
    let body = json!({"args": {"name": "guild_restore_backup", "data": file}});
    let (status, answer) = server.call("create_task", body.to_string()).await;
    assert_eq!((status, &answer["code"]), (400, &json!("file_not_allowed")));
}

/// Cases 5 and 20 of the restore matrix: a limit of hours holds up what stands under it and nothing
/// else, and the job says so and waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_limit_holds_up_only_what_it_concerns() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let guild = format!("/guilds/{GUILD}");
    let roles = format!("{guild}/roles");
    let role = world
        .rest(OWNER, "POST", &roles, json!({"name": "keeper"}))
        .await;
    let apart = json!({"name": "apart", "type": 0});
    let apart = world
        .rest(OWNER, "POST", &format!("{guild}/channels"), apart)
        .await;
    let before = state(&world).await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    for path in [
        format!("{roles}/{}", role["id"].as_str().unwrap()),
        format!("/channels/{}", apart["id"].as_str().unwrap()),
    ] {
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let limited = Rule {
        matches: Match {
            method: Some("POST".to_owned()),
            route: Some("/guilds/{guild_id}/roles".to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status: 429,
            scope: Some("user".to_owned()),
            retry_after: Some(7200.0),
            header_retry_after: None,
            html: false,
            body: None,
        },
        times: Some(1),
        probability: 1.0,
    };
    world.control.add_fault(&limited).await.unwrap();
    let id = server
        .order_restore(&world, json!({"BackupSource": source}))
        .await;
    let says = |line: &splashtail_storage::TaskLogEntry| line.msg.contains("wait for a limit");
    while !server.log(id).await.iter().any(says) {
        assert!(!server.has_ended(id).await, "{:#?}", server.log(id).await);
        tokio::task::yield_now().await;
    }
    assert!(
        channel_named(&world, "apart").await.is_some(),
        "it does not depend on the role"
    );
    let named = |roles: Vec<Value>| roles.iter().any(|role| role["name"] == "keeper");
    assert!(!named(world.roles().await));
    assert!(!server.has_ended(id).await, "a limit never ends a job");

    server.kill();
    world.setup.wake().await;
    server = world.setup.start().await;
    let report = server.document(id).await;
    assert_eq!(state(&world).await, before, "{report:#}");
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
}

/// What Discord lists apart is saved and put back, with its references led to what is there now.
#[tokio::test(flavor = "multi_thread")]
async fn rules_and_events_come_back() {
    let world = world().await;
    let server = world.setup.start().await;
    let guild = format!("/guilds/{GUILD}");
    let alerts = json!({"name": "alerts", "type": 0});
    let alerts = world
        .rest(OWNER, "POST", &format!("{guild}/channels"), alerts)
        .await;
    let rules = format!("{guild}/auto-moderation/rules");
    let rule = json!({"name": "words", "event_type": 1, "trigger_type": 1, "enabled": true,
        "trigger_metadata": {"keyword_filter": ["bad"]},
        "actions": [{"type": 2, "metadata": {"channel_id": alerts["id"]}}]});
    let rule = world.rest(OWNER, "POST", &rules, rule).await;
    let events = format!("{guild}/scheduled-events");
    let event = json!({"name": "fair", "privacy_level": 2, "entity_type": 3,
        "scheduled_start_time": "2027-05-01T10:00:00Z", "scheduled_end_time": "2027-05-01T12:00:00Z",
        "entity_metadata": {"location": "harbour"}});
    let event = world.rest(OWNER, "POST", &events, event).await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    for path in [
        format!("{rules}/{}", rule["id"].as_str().unwrap()),
        format!("{events}/{}", event["id"].as_str().unwrap()),
        format!("/channels/{}", alerts["id"].as_str().unwrap()),
    ] {
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let now = world.rest(OWNER, "GET", &rules, Value::Null).await;
    let found = now
        .as_array()
        .unwrap()
        .iter()
        .find(|now| now["name"] == "words");
    let found = found.unwrap_or_else(|| panic!("{report:#}"));
    let channel = channel_named(&world, "alerts").await.unwrap();
    assert_eq!(found["actions"][0]["metadata"]["channel_id"], channel["id"]);
    assert_eq!(found["enabled"], true);
    let now = world.rest(OWNER, "GET", &events, Value::Null).await;
    assert!(
        now.as_array()
            .unwrap()
            .iter()
            .any(|event| event["name"] == "fair"),
        "{report:#}"
    );
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
}

/// Case 8 of the restore matrix: Discord does not take an overwrite for somebody who is gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_for_nobody_costs_no_channel() {
    let world = world().await;
    let server = world.setup.start().await;
    let channels = format!("/guilds/{GUILD}/channels");
    let member = json!({"id": "1100000000000000013", "type": 1, "allow": "1024", "deny": "0"});
    let everyone = json!({"id": GUILD, "type": 0, "allow": "0", "deny": "2048"});
    let body = json!({"name": "crew", "permission_overwrites": [everyone, member]});
    let crew = world.rest(OWNER, "POST", &channels, body).await;
    let (_, source) = saved(&world, &server, json!({})).await;
    let path = format!("/channels/{}", crew["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let refusing = |method: &str, route: &str, code: u64| Rule {
        matches: Match {
            method: Some(method.to_owned()),
            route: Some(route.to_owned()),
            ..Match::default()
        },
        action: Action::Status {
            status: 400,
            scope: None,
            retry_after: None,
            header_retry_after: None,
            html: false,
            body: Some(json!({"code": code, "message": "Unknown role or user."})),
        },
        times: Some(1),
        probability: 1.0,
    };
    let create = refusing("POST", "/guilds/{guild_id}/channels", 50_035);
    world.control.add_fault(&create).await.unwrap();
    let put = "/channels/{channel_id}/permissions/{overwrite_id}";
    world
        .control
        .add_fault(&refusing("PUT", put, 10_013))
        .await
        .unwrap();
    let report = server
        .restore(&world, json!({"BackupSource": source}))
        .await;
    let crew = channel_named(&world, "crew").await;
    let crew = crew.unwrap_or_else(|| panic!("{report:#}"));
    let overwrites = crew["permission_overwrites"].as_array().unwrap();
    assert_eq!(overwrites.len(), 1, "{report:#}");
    assert_eq!(overwrites[0]["deny"], "2048");
    let lines = report["lines"].to_string();
    assert!(lines.contains("1100000000000000013"), "{lines}");
}
