//! A server that was nuked is put together again, by a jobserver that may die meanwhile.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::server::{World, world};

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
    (names(&world.roles().await), names(&world.channels().await))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nuked_server_is_as_it_was() {
    let world = world().await;
    let server = world.setup.start().await;
    let before = state(&world).await;
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
}
