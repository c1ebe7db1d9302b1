//! A server as it was at a time, out of what the bot remembers or out of a backup of before.

use crate::support::Jobserver;
use crate::support::server::{GUILD, OWNER, World, world};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_antinuke::Moment;
use splashtail_core::clock::Clock as _;
use splashtail_guild::{History, Parts, Structure};
use splashtail_ipc::clients::ClientError;

fn packed(value: &impl serde::Serialize) -> Vec<u8> {
    zstd::stream::encode_all(&*serde_json::to_vec(value).unwrap(), 1).unwrap()
}

/// As the bot would have written it down: by Discord's clock.
async fn remember(world: &World, server: &Jobserver, from: DateTime<Utc>, until: DateTime<Utc>) {
    let path = format!("/guilds/{GUILD}");
    let guild = world.rest(OWNER, "GET", &path, Value::Null).await;
    let seen = world.seen_channels().await;
    let parts = Parts {
        channels: Some(seen),
        ..Parts::default()
    };
    let structure = Structure::from_rest(&guild, parts).unwrap();
    let begins = Moment::from_unix_ms(u64::try_from(from.timestamp_millis()).unwrap());
    let history = History::new(begins.0);
    let store = server.storage.histories();
    let (base, changes) = (packed(&structure), packed(&history));
    let guild = GUILD.parse().unwrap();
    store
        .set_history(guild, &base, &changes, until)
        .await
        .unwrap();
}

async fn channel_named(world: &World, name: &str) -> Option<Value> {
    let channels = world.seen_channels().await;
    channels.into_iter().find(|channel| channel["name"] == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bot_remembers_comes_back() {
    let world = world().await;
    let server = world.setup.start().await;
    let begin = server.clock.now() - TimeDelta::minutes(30);
    let until = begin + TimeDelta::minutes(10);
    remember(&world, &server, begin, until).await;
    let gone = world.seen_channels().await;
    let gone = gone.iter().rfind(|channel| channel["type"] == 0).unwrap();
    let (id, name) = (gone["id"].as_str().unwrap(), gone["name"].as_str().unwrap());
    world
        .rest(OWNER, "DELETE", &format!("/channels/{id}"), Value::Null)
        .await;
    assert!(channel_named(&world, name).await.is_none());

    let at = (begin + TimeDelta::minutes(5)).to_rfc3339();
    let plan = server
        .restore(&world, json!({"AsOf": at, "DryRun": true}))
        .await;
    let effects = plan["effects"].as_array().unwrap();
    assert!(!effects.is_empty(), "{plan:#}");
    assert!(channel_named(&world, name).await.is_none(), "only the plan");
    let report = server
        .restore(&world, json!({"AsOf": at, "PlanHash": plan["plan_hash"]}))
        .await;
    assert_eq!(report["kind"], "restore_report");
    assert!(channel_named(&world, name).await.is_some(), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_times_are_compared() {
    let world = world().await;
    let server = world.setup.start().await;
    let begin = server.clock.now() - TimeDelta::minutes(30);
    let until = begin + TimeDelta::minutes(10);
    remember(&world, &server, begin, until).await;
    let gone = world.seen_channels().await;
    let gone = gone.iter().rfind(|channel| channel["type"] == 0).unwrap();
    let path = format!("/channels/{}", gone["id"].as_str().unwrap());
    world.rest(OWNER, "DELETE", &path, Value::Null).await;
    let now = server.backup(&world, json!({})).await;
    let client = server.client();
    let guild = GUILD.parse().unwrap();
    let then = (begin + TimeDelta::minutes(5)).to_rfc3339();
    let found = client
        .compare_backups(guild, &then, now, None)
        .await
        .unwrap();
    let found = serde_json::to_value(&found).unwrap();
    let removed = found["differences"].as_array().unwrap().iter();
    let removed: Vec<_> = removed
        .filter(|difference| difference["kind"] == "channel" && difference["change"] == "removed")
        .map(|difference| difference["name"].clone())
        .collect();
    assert_eq!(removed, [gone["name"].clone()], "{found:#}");
    let nothing = client.compare_backups(guild, &then, &then, None).await;
    let nothing = serde_json::to_value(nothing.unwrap()).unwrap();
    assert_eq!(nothing["differences"], json!([]));
    let early = (begin - TimeDelta::days(1)).to_rfc3339();
    let unknown = client.compare_backups(guild, early, now, None).await;
    let ClientError::Status { status, .. } = unknown.unwrap_err() else {
        panic!("nobody knows")
    };
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_before_serves_where_memory_ends() {
    let world = world().await;
    let server = world.setup.start().await;
    let early = server.clock.now() - TimeDelta::days(1);
    let order = |at: DateTime<Utc>| {
        json!({"ServerID": GUILD, "CallerPermissions": "8",
        "Options": {"AsOf": at.to_rfc3339(), "DryRun": true}})
    };
    let client = server.client();
    let refused = client
        .create_task("guild_restore_backup", order(early), true, None)
        .await;
    let error = refused.unwrap_err();
    assert!(matches!(&error, ClientError::Status { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing is known"), "{error}");
    server.backup(&world, json!({})).await;
    let ended = server.clock.now();
    let before = ended - TimeDelta::hours(1);
    // Neither what begins later nor what ended before tells of then.
    for (from, until) in [(1, 2), (-3, -1)] {
        let hours = |hours| ended + TimeDelta::hours(hours);
        remember(&world, &server, hours(from), hours(until)).await;
        let made = client
            .create_task("guild_restore_backup", order(ended), true, None)
            .await;
        let plan = server.document(made.unwrap().task_id).await;
        assert_eq!(plan["effects"], json!([]));
    }
    for (at, why) in [
        (before + TimeDelta::minutes(1), "nobody looked"),
        (ended + TimeDelta::days(1), "yet to come"),
    ] {
        let refused = client
            .create_task("guild_restore_backup", order(at), true, None)
            .await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
