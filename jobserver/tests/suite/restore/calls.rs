//! How many calls it takes, held against what it takes at least. Counts, not time: they are the same on
//! every machine, and with Discord's limits they say how long it lasts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_sandbox::control::types::{Act, NewGuild, Upload};
use splashtail_sandbox::portrait::Reader as _;
use splashtail_sandbox_world::journal::Record;

use crate::restore::saved;
use crate::support::Jobserver;
use crate::support::server::{BOT, GUILD, OWNER, World, limited, unlimited};

/// More than the least, by a tenth.
const BUDGET: f64 = 1.1;
/// Overwrites that a new channel takes with it.
const IN_BODY: usize = 100;

/// The bot's calls after an entry of the journal, by method and route.
fn calls(world: &World, since: u64) -> BTreeMap<String, usize> {
    let journal = &world.sandbox.edge.sandbox.journal;
    let mut counts = BTreeMap::new();
    for entry in journal.since(since, usize::MAX) {
        if let Record::Request {
            caller,
            method,
            route: Some(route),
            ..
        } = entry.record
            && caller.kind != "user"
        {
            *counts.entry(format!("{method} {route}")).or_default() += 1;
        }
    }
    counts
}

fn all(calls: &BTreeMap<String, usize>, is: impl Fn(&str) -> bool) -> usize {
    let counted = calls.iter().filter(|(call, _)| is(call));
    counted.map(|(_, count)| count).sum()
}

fn writes(call: &str) -> bool {
    !call.starts_with("GET ")
}

/// A line for docs/benchmarks.md.
fn told(what: &str, calls: usize, least: usize) {
    let share = calls as f64 / least as f64;
    eprintln!("| {what} | {calls} | {least} | {share:.2} |");
    assert!(share <= BUDGET, "{what}: {calls} of {least}");
}

/// Where a backup can be downloaded from Discord.
pub async fn uploaded(world: &World, server: &Jobserver, backup: TaskId) -> String {
    let file = server.file(backup).await;
    let channel = world.text_channel().await;
    let act = Act {
        channel_id: channel["id"].as_str().map(str::to_owned),
        body: json!({"content": "the backup"}),
        files: vec![Upload {
            filename: "backup.iblfile".to_owned(),
            content_base64: STANDARD.encode(file),
        }],
        ..Act::default()
    };
    let said = world.control.act(OWNER, "say", &act).await.unwrap();
    let message = &said.results[0].body;
    let url = message["attachments"][0]["url"].as_str();
    url.unwrap_or_else(|| panic!("{said:?}")).to_owned()
}

/// A server with nothing in it but the bot.
pub async fn empty_guild(world: &World) -> String {
    let guild = NewGuild {
        name: "Empty".to_owned(),
        owner_id: OWNER.to_owned(),
        apps: vec![BOT.to_owned()],
        ..NewGuild::default()
    };
    let made = world.control.create_guild(&guild).await.unwrap();
    made["guild"]["id"].as_str().unwrap().to_owned()
}

/// Into another server, by the file's address.
pub async fn copied(
    world: &World,
    server: &Jobserver,
    guild: &str,
    source: &str,
    parts: Value,
) -> Value {
    let channels = world.get(&format!("/guilds/{guild}/channels")).await;
    let known = |c: &Value| json!({"id": c["id"], "type": c["type"], "parent_id": c["parent_id"]});
    let known: Value = channels.as_array().unwrap().iter().map(known).collect();
    let data = json!({"ServerID": guild, "CallerPermissions": u64::MAX.to_string(), "CallerID": OWNER,
        "KnownChannels": known, "Options": {"BackupSource": source, "Parts": parts}});
    let client = server.client();
    let created = client
        .create_task("guild_restore_backup", data, true, None)
        .await;
    server.document(created.unwrap().task_id).await
}

/// The table of the restore matrix, section 3: a server at every limit in an empty one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_server_takes_hardly_more_calls_than_it_has_parts() {
    let world = unlimited("big").await;
    let server = world.setup.start().await;
    let (backup, _) = saved(&world, &server, json!({})).await;
    let source = uploaded(&world, &server, backup).await;
    let guild = empty_guild(&world).await;
    let roles = world.roles().await;
    // Those of applications come with them; those of connections become plain ones.
    let given = roles.iter().filter(|role| role["managed"] == true);
    let made = roles.len() - given.count() - 1;
    let channels = world.channels().await;
    let beyond: usize = channels
        .iter()
        .map(|c| c["permission_overwrites"].as_array().map_or(0, Vec::len))
        .map(|count| count.saturating_sub(IN_BODY))
        .sum();
    let later = |channel: &&Value| channel["flags"].as_u64().unwrap_or(0) != 0;
    let later = channels.iter().filter(later).count();
    let stages = channels.iter().filter(|c| c["type"] == 13).count();
    // @everyone, the order of roles and of channels, the community and the settings.
    let least = made + channels.len() + beyond + later + stages + 5;
    let since = world.sandbox.edge.sandbox.journal.last();
    let parts = json!(["settings", "roles", "channels"]);
    let report = copied(&world, &server, &guild, &source, parts).await;
    let calls = calls(&world, since);
    let count = |route: &str| calls.get(route).copied().unwrap_or(0);
    assert_eq!(count("POST /guilds/{guild_id}/roles"), made, "{report:#}");
    assert_eq!(
        count("POST /guilds/{guild_id}/channels"),
        channels.len(),
        "{report:#}"
    );
    eprintln!("{calls:#?}");
    told("rebuilding: changes", all(&calls, writes), least);
    // The server is looked at twice, and saved in between.
    told("rebuilding: all calls", all(&calls, |_| true), least + 4);
}

/// What is read is every page of messages, once, and little else.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_messages_are_read_page_by_page_and_once() {
    let world = unlimited("big").await;
    let server = world.setup.start().await;
    let sandbox = &world.sandbox.edge.sandbox;
    let (pages, messages) = sandbox.with_world(|world| {
        let counts = world.messages.values().map(|all| all.len());
        let counts: Vec<usize> = counts.filter(|count| *count > 0).collect();
        let pages: usize = counts.iter().map(|count| count.div_ceil(100)).sum();
        (pages, counts.iter().sum::<usize>())
    });
    assert!(messages >= 20_000, "{messages}");
    let since = world.sandbox.edge.sandbox.journal.last();
    let options = json!({"BackupMessages": true, "PerChannel": 4000, "MaxMessages": 4_000_000});
    let backup = server.backup(&world, options).await;
    let mut file = crate::support::Backup::open(server.file(backup).await, None);
    let saved: usize = file
        .names()
        .iter()
        .filter(|name| name.starts_with("messages/"))
        .map(|name| file.msgpack(name).as_array().unwrap().len())
        .sum();
    let calls = calls(&world, since);
    let read = all(&calls, |call| call == "GET /channels/{channel_id}/messages");
    eprintln!("{calls:#?}");
    assert_eq!(saved, messages);
    told("20,000 messages: pages", read, pages);
}

/// Calls of a bot in a second, in all (Discord documentation, "Rate Limits").
const GLOBAL: usize = 50;
/// Of what the limits allow, on a quiet machine.
const PACE: f64 = 0.9;
/// Beside other tests and without optimisation: it is still not one after the other.
const BUSY_PACE: f64 = 0.4;

/// What the pages of messages take, against what Discord's limits alone make them take. `make bench` holds it
/// to [`PACE`], by `BENCH`.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_as_fast_as_the_limits_allow() {
    let world = limited("big").await;
    let server = world.setup.start().await;
    let journal = &world.sandbox.edge.sandbox.journal;
    let since = journal.last();
    let options = json!({"BackupMessages": true, "PerChannel": 4000, "MaxMessages": 4_000_000});
    server.backup(&world, options).await;
    let (mut calls, mut pages, mut refused) = (Vec::new(), Vec::new(), 0);
    for entry in journal.since(since, usize::MAX) {
        let Record::Request {
            caller,
            route: Some(route),
            status,
            ..
        } = entry.record
        else {
            continue;
        };
        if caller.kind == "user" {
            continue;
        }
        calls.push(entry.at_ms);
        refused += usize::from(status == 429);
        if route == "/channels/{channel_id}/messages" {
            pages.push(entry.at_ms);
        }
    }
    let (first, last) = (*pages.first().unwrap(), *pages.last().unwrap());
    let within = calls.iter().filter(|at| (first..=last).contains(*at));
    let within = within.count();
    let least = within.div_ceil(GLOBAL) - 1;
    let took = (last - first) as f64 / 1000.0;
    let pace = least as f64 / took;
    eprintln!(
        "| {} pages of messages, {within} calls, {refused} refused | {took:.1} s | {least} s | {pace:.2} |",
        pages.len()
    );
    assert!(pages.len() > 500 && least > 5, "{within} calls");
    let budget = match std::env::var_os("BENCH") {
        Some(_) => PACE,
        None => BUSY_PACE,
    };
    assert!(pace >= budget, "{took} s for {least} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_deleted_channels_take_fewer_than_ten_calls_each() {
    let world = unlimited("small").await;
    let server = world.setup.start().await;
    let path = format!("/guilds/{GUILD}/channels");
    let mut made = Vec::new();
    for n in 0..10 {
        let everyone = json!({"id": GUILD, "type": 0, "allow": "0", "deny": "2048"});
        let body = json!({"name": format!("lost-{n}"), "type": 0, "topic": "t",
            "permission_overwrites": [everyone]});
        made.push(world.rest(OWNER, "POST", &path, body).await);
    }
    let (_, source) = saved(&world, &server, json!({})).await;
    for channel in made {
        let path = format!("/channels/{}", channel["id"].as_str().unwrap());
        world.rest(OWNER, "DELETE", &path, Value::Null).await;
    }
    let since = world.sandbox.edge.sandbox.journal.last();
    let options = json!({"BackupSource": source, "ChannelRestoreMode": "diff"});
    server.restore(&world, options).await;
    let calls = calls(&world, since);
    let total = all(&calls, |_| true);
    eprintln!("{calls:#?}");
    eprintln!("| ten deleted channels, all calls | {total} | 100 | |");
    assert!(total < 100, "{calls:#?}");
}
