//! What it takes to compare and plan a server at Discord's limits, 250 roles and 500 channels, and the sandbox's
//! world `big`, whose channels are of every kind.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of its own"
)]

use std::sync::Arc;

use chrono::{TimeZone, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use splashtail_guild::permissions::bits;
use splashtail_guild::{Facts, Mode, Structure, Surplus, compare, plan};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed;
use splashtail_sandbox_world::world::Addresses;

const ROLES: u64 = 249;
const CHANNELS: u64 = 500;

fn server(first: u64) -> Structure {
    let role = |n: u64| {
        json!({"id": (first + n).to_string(), "name": format!("Role {n}"), "position": n + 1,
            "permissions": (n << 10).to_string(), "color": n, "hoist": n.is_multiple_of(3)})
    };
    let channel = |n: u64| {
        let category = n.is_multiple_of(50);
        let overwrites: Vec<Value> = (0..8)
            .map(|m| json!({"id": (first + (n + m) % ROLES).to_string(), "type": 0, "allow": "1024", "deny": "2048"}))
            .collect();
        json!({"id": (first + 1_000 + n).to_string(), "type": if category { 4 } else { 0 },
            "name": format!("channel-{n}"), "position": n, "topic": "What is said here stays here.",
            "parent_id": (!category).then(|| (first + 1_000 + n / 50 * 50).to_string()),
            "permission_overwrites": overwrites})
    };
    let mut roles =
        vec![json!({"id": "1", "name": "@everyone", "position": 0, "permissions": "1024"})];
    roles.extend((0..ROLES).map(role));
    let guild = json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY"], "roles": roles,
        "channels": (0..CHANNELS).map(channel).collect::<Vec<_>>()});
    Structure::from_guild(&guild).unwrap()
}

/// The guild of the world `big`, as its administrator's bot is told of it.
fn big() -> Structure {
    let addresses = Addresses {
        rest: "http://127.0.0.1:1".to_owned(),
        gateway: "ws://127.0.0.1:2".to_owned(),
    };
    let clock = Arc::new(SandboxClock::new(
        Utc.with_ymd_and_hms(2026, 11, 30, 0, 0, 0).unwrap(),
    ));
    let world = seed::build("big", 1, &addresses, &clock).unwrap();
    let bot = *world.guilds[&seed::big::BIG_GUILD]
        .members
        .keys()
        .find(|user| world.users[user].bot)
        .unwrap();
    let text = world.guild_create_text(seed::big::BIG_GUILD, bot, u64::MAX, 250);
    Structure::from_guild(&serde_json::from_str(&text.unwrap()).unwrap()).unwrap()
}

/// Bytes that are resident now.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Megabytes of one of what is made, from the growth by 50.
fn megabytes<T>(make: impl Fn() -> T) -> f64 {
    const COUNT: u32 = 50;
    let before = resident();
    let kept: Vec<T> = (0..COUNT).map(|_| make()).collect();
    let grown = resident().saturating_sub(before);
    drop(kept);
    f64::from(u32::try_from(grown / 1024).unwrap()) / 1024.0 / f64::from(COUNT)
}

fn plans(c: &mut Criterion) {
    let whole = server(10_000);
    let other = server(50_000);
    let big = big();
    let bare = json!({"id": "1", "name": "Harbour", "features": ["COMMUNITY"], "roles": [
        {"id": "1", "name": "@everyone", "position": 0, "permissions": "1024"}], "channels": []});
    let empty = Structure::from_guild(&bare).unwrap_or_else(|| whole.clone());
    let facts = Facts {
        permissions: bits::ADMINISTRATOR,
        top_role: None,
        owner: true,
    };
    let mode = Mode::all(Surplus::Delete);
    c.bench_function("compare a server with itself", |b| {
        b.iter(|| compare(&whole, &whole));
    });
    c.bench_function("compare by names, no id in common", |b| {
        b.iter(|| compare(&whole, &other));
    });
    c.bench_function("plan a full rebuild", |b| {
        b.iter(|| plan(&empty, &whole, facts, &mode));
    });
    let nothing = Structure::empty(big.id());
    c.bench_function("plan a full rebuild of `big`", |b| {
        b.iter(|| plan(&nothing, &big, facts, &mode));
    });
    println!("\n| Memory | MB |\n|---|---|");
    let text = serde_json::to_string(&big).unwrap();
    let read = || serde_json::from_str::<Structure>(&text).unwrap();
    println!("| the structure of `big` | {:.1} |", megabytes(read));
    let planned = || plan(&nothing, &big, facts, &mode);
    println!("| its plan | {:.1} |\n", megabytes(planned));
    c.bench_function("keep a snapshot", |b| b.iter(|| whole.clone()));
    let update = json!({"id": "11001", "type": 0, "name": "renamed", "position": 1, "parent_id": "11000", "flags": 0});
    c.bench_function("follow a CHANNEL_UPDATE", |b| {
        let mut current = whole.clone();
        let mut turn = 0_u64;
        b.iter(|| {
            turn += 1;
            let mut update = update.clone();
            update["rate_limit_per_user"] = (turn % 2).into();
            current.apply_event("CHANNEL_UPDATE", &update)
        });
    });
}

criterion_group!(benches, plans);
criterion_main!(benches);
