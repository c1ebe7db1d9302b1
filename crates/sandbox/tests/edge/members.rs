//! Sheet §4, opcode 8: every form of it, and what it does not answer.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::types::Act;
use splashtail_sandbox_world::seed::small;

use crate::client::{ALL_INTENTS, Bench, Client, bench};

async fn ask(client: &mut Client, d: Value) -> Value {
    client.send(json!({"op": 8, "d": d})).await;
    client.until("GUILD_MEMBERS_CHUNK").await
}

/// A heartbeat is the next thing that is answered.
async fn is_ignored(client: &mut Client, d: Value) {
    client.send(json!({"op": 8, "d": d})).await;
    client.send(json!({"op": 1, "d": null})).await;
    let next = client.next().await.unwrap();
    assert_eq!(next["op"], 11, "{d}: {next}");
}

fn ids(chunk: &Value) -> Vec<&str> {
    let members = chunk["members"].as_array().unwrap().iter();
    members.map(|m| m["user"]["id"].as_str().unwrap()).collect()
}

async fn crowd(b: &Bench, people: u64) {
    let act = Act {
        guild_id: Some(small::GUILDS[0].to_string()),
        actors: Some(
            (0..people)
                .map(|n| (1_300_000_000_000_000_000 + n).to_string())
                .collect(),
        ),
        ..Act::default()
    };
    b.running
        .client()
        .unwrap()
        .act("0", "join", &act)
        .await
        .unwrap();
}

#[tokio::test]
async fn everyone_comes_in_chunks_of_a_thousand() {
    let b = bench().await;
    crowd(&b, 1200).await;
    let guild = small::GUILDS[0].to_string();
    let mut client = b.session(1 | 1 << 1).await;
    let all = json!({"guild_id": guild, "query": "", "limit": 0, "nonce": "all"});
    let first = ask(&mut client, all).await;
    let second = client.until("GUILD_MEMBERS_CHUNK").await;
    let mut seen = Vec::new();
    for (index, chunk, size) in [(0, &first, 1000), (1, &second, 206)] {
        assert_eq!(chunk["guild_id"], guild);
        assert_eq!(
            (&chunk["chunk_index"], &chunk["chunk_count"]),
            (&json!(index), &json!(2))
        );
        assert_eq!(chunk["nonce"], "all");
        assert_eq!(ids(chunk).len(), size);
        seen.extend(ids(chunk));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1206, "nobody twice");
    // A prefix finds at most a hundred, whatever is asked for.
    let some = json!({"guild_id": guild, "query": "user", "limit": 1000});
    assert_eq!(ids(&ask(&mut client, some).await).len(), 100);
    let few = json!({"guild_id": guild, "query": "user", "limit": 3});
    assert_eq!(ids(&ask(&mut client, few).await).len(), 3);
    // At most a hundred ids; what is unknown among them is named.
    let wanted: Vec<String> = (0..150)
        .map(|n| (1_300_000_000_000_000_000u64 + n).to_string())
        .collect();
    let many = json!({"guild_id": guild, "user_ids": wanted});
    assert_eq!(ids(&ask(&mut client, many).await).len(), 100);
    let none = ask(
        &mut client,
        json!({"guild_id": guild, "user_ids": ["5", "6"]}),
    )
    .await;
    assert_eq!(
        (ids(&none).len(), &none["not_found"]),
        (0, &json!(["5", "6"]))
    );
}

#[tokio::test]
async fn nonces_of_32_bytes_come_back_and_longer_ones_do_not() {
    let b = bench().await;
    let guild = small::GUILDS[0].to_string();
    let mut client = b.session(1 | 1 << 1).await;
    // Bytes, not characters.
    for (nonce, kept) in [
        ("x".repeat(32), true),
        ("x".repeat(33), false),
        ("ü".repeat(17), false),
    ] {
        let d = json!({"guild_id": guild, "query": "olivia", "limit": 1, "nonce": nonce});
        let chunk = ask(&mut client, d).await;
        assert_eq!(chunk.get("nonce").is_some(), kept, "{nonce}");
        assert_eq!(ids(&chunk), [small::OWNER.to_string()]);
    }
}

#[tokio::test]
async fn intents_decide_about_everyone_and_presences() {
    let b = bench().await;
    let guild = small::GUILDS[0].to_string();
    let all = json!({"guild_id": guild, "query": "", "limit": 0});
    let one = json!({"guild_id": guild, "user_ids": small::OWNER.to_string(), "presences": true});
    let mut blind = b.session(1).await;
    is_ignored(&mut blind, all.clone()).await;
    let first = json!({"guild_id": guild, "query": "", "limit": 100});
    is_ignored(&mut blind, first).await;
    let chunk = ask(&mut blind, one.clone()).await;
    assert!(chunk.get("presences").is_none(), "it needs GUILD_PRESENCES");
    b.clock.advance(Duration::from_secs(5));
    let mut seeing = b.session(1 | 1 << 1 | 1 << 8).await;
    assert!(ask(&mut seeing, one).await["presences"].is_array());
    assert_eq!(ids(&ask(&mut seeing, all).await).len(), 6);
}

#[tokio::test]
async fn everyone_of_a_guild_once_in_thirty_seconds() {
    let b = bench().await;
    b.clock.set_rate(0.0);
    let mut client = b.session(ALL_INTENTS).await;
    let all = |n: usize| json!({"guild_id": small::GUILDS[n].to_string(), "query": "", "limit": 0});
    ask(&mut client, all(0)).await;
    // Each guild for itself, and no other form of the request is limited.
    ask(&mut client, all(1)).await;
    let one =
        json!({"guild_id": small::GUILDS[0].to_string(), "user_ids": [small::OWNER.to_string()]});
    ask(&mut client, one).await;
    b.clock.advance(Duration::from_millis(29_500));
    client.send(json!({"op": 8, "d": all(0)})).await;
    let limited = client.until("RATE_LIMITED").await;
    let meta = json!({"guild_id": small::GUILDS[0].to_string(), "nonce": null});
    assert_eq!(
        limited,
        json!({"opcode": 8, "retry_after": 0.5, "meta": meta})
    );
    b.clock.advance(Duration::from_millis(500));
    ask(&mut client, all(0)).await;
}

#[tokio::test]
async fn what_is_not_its_own_is_ignored_and_what_makes_no_sense_is_undecodable() {
    let b = bench().await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.identify(json!({"shard": [0, 4]})).await;
    client.until("GUILD_CREATE").await;
    // A guild of another shard, and one that there is not.
    for guild in [small::GUILDS[1].to_string(), "1".to_owned()] {
        is_ignored(
            &mut client,
            json!({"guild_id": guild, "query": "a", "limit": 1}),
        )
        .await;
    }
    for d in [
        json!({}),
        json!({"guild_id": "x", "query": "", "limit": 0}),
        json!({"guild_id": small::GUILDS[0].to_string()}),
        json!({"guild_id": small::GUILDS[0].to_string(), "query": ""}),
        json!({"guild_id": small::GUILDS[0].to_string(), "user_ids": {"a": 1}}),
    ] {
        b.clock.advance(Duration::from_secs(5));
        let mut client = b.session(1).await;
        client.send(json!({"op": 8, "d": d})).await;
        assert_eq!(client.closed().await, Some(4002), "{d}");
    }
}
