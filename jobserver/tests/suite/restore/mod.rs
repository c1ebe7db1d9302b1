//! A server that was nuked is put together again, by a jobserver that may die meanwhile.

#![allow(clippy::print_stderr, reason = "some tell figures")]

mod approval;
mod calls;
mod damage;
mod excuses;
mod faults;
mod havoc;
mod killed;
mod losses;
mod messages;
mod round_trip;

use std::collections::BTreeMap;

use crate::support::Jobserver;
use crate::support::server::World;
use serde_json::Value;
use splashtail_core::ids::TaskId;

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

/// A backup of everything, and its source.
async fn saved(world: &World, server: &Jobserver, options: Value) -> (TaskId, String) {
    let backup = server.backup(world, options).await;
    (backup, format!("task://{backup}"))
}

async fn channel_named(world: &World, name: &str) -> Option<Value> {
    let channels = world.channels().await;
    channels.into_iter().find(|channel| channel["name"] == name)
}
