//! The built-in worlds.

use std::sync::Arc;

use chrono::{TimeZone, Utc};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::{build, generated, small};
use splashtail_sandbox_world::world::{Addresses, Id, World};

fn world(name: &str, year: i32) -> World {
    let clock = Arc::new(SandboxClock::frozen(
        Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap(),
    ));
    let addresses = Addresses {
        rest: "http://127.0.0.1:1".into(),
        gateway: "ws://127.0.0.1:2".into(),
    };
    build(name, 7, &addresses, &clock).unwrap()
}

fn ids(world: &World) -> Vec<Id> {
    let mut ids: Vec<Id> = world.channels.keys().copied().collect();
    ids.extend(world.messages.values().flat_map(|m| m.keys()));
    ids.extend(
        world
            .guilds
            .values()
            .flat_map(|g| g.roles.keys().chain(g.emojis.keys())),
    );
    ids.sort_unstable();
    ids
}

#[test]
fn ids_of_small_do_not_depend_on_the_clock() {
    let (early, late) = (world("small", 2025), world("small", 2031));
    assert_eq!(ids(&early), ids(&late));
    assert_eq!(
        early.guilds.keys().copied().collect::<Vec<_>>(),
        small::GUILDS
    );
    let long = early.messages.values().filter(|m| m.len() == 1230).count();
    assert_eq!(long, 1, "one channel with 1,230 messages");
    assert_eq!(
        small::bot_token(),
        "MTEwMDAwMDAwMDAwMDAwMDAwMQ.sandbox.small"
    );
    for guild in early.guilds.values() {
        for user in [
            small::OWNER,
            small::ADMIN,
            small::MANAGER,
            small::MEMBER,
            small::SPARE,
        ] {
            assert!(guild.members.contains_key(&user));
        }
        assert_eq!(guild.bots, [small::APPLICATION]);
    }
    let kinds: Vec<String> = early
        .messages
        .values()
        .flat_map(|m| m.values())
        .flat_map(|m| &m.attachments)
        .filter_map(|a| a.content_type.clone())
        .collect();
    for kind in [
        "image/png",
        "image/jpeg",
        "image/gif",
        "text/plain; charset=utf-8",
        "application/octet-stream",
    ] {
        assert!(kinds.iter().any(|k| k == kind), "{kind}");
    }
}

#[test]
fn later_ids_are_greater_than_every_seeded_one_whatever_the_clock_says() {
    let mut early = world("small", 2020);
    let last = early
        .messages
        .values()
        .flat_map(|m| m.keys())
        .max()
        .copied()
        .unwrap();
    assert!(early.next_id() > last);
}

#[test]
fn big_is_at_every_limit() {
    let big = world("big", 2026);
    let guild = &big.guilds[&generated::BIG_GUILD];
    assert_eq!((guild.channels.len(), guild.roles.len()), (500, 250));
    assert!(guild.members.len() >= 50_000);
    let mut positions: Vec<i64> = guild.roles.values().map(|r| r.position).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 250, "every role has a place of its own");
}

#[test]
fn unknown_worlds_are_named() {
    let clock = Arc::new(SandboxClock::frozen(
        Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap(),
    ));
    let addresses = Addresses {
        rest: String::new(),
        gateway: String::new(),
    };
    let error = build("tiny", 0, &addresses, &clock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no built-in world `tiny`; there are: small, big, many, empty"
    );
}

#[test]
fn no_two_messages_share_an_id() {
    for name in ["small", "big", "many"] {
        let world = world(name, 2026);
        let mut all: Vec<Id> = world
            .messages
            .values()
            .flat_map(|m| m.keys())
            .copied()
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "{name}");
    }
}

// A bot that asks for shards gets a number with which every one of them may identify.
#[test]
fn recommended_shards_hold_every_guild() {
    let mut world = world("many", 2026);
    assert_eq!(world.shards_needed(small::APPLICATION), 1);
    let mut another = world.guilds.values().next_back().unwrap().clone();
    another.id = Id(another.id.0 + (1 << 22));
    world.guilds.insert(another.id, another);
    assert_eq!(world.shards_needed(small::APPLICATION), 2);
}
