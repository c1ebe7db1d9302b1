//! Another number of shards takes the place of the one before.

use std::time::Duration;

use serde_json::json;
use splashtail_sandbox_world::seed::small;

use crate::bench::{Bench, TALK, bench_with, eventually};

async fn order(b: &Bench, shards: u16) -> u16 {
    let call = reqwest::Client::new().post(b.url("/admin/reshard"));
    let call = call.header("x-proxy-secret", "open");
    let answer = call.json(&json!({"shards": shards})).send().await;
    answer.unwrap().status().as_u16()
}

/// Connected sessions at Discord, by their number of shards.
async fn connected(b: &Bench, shards: u16) -> usize {
    let sessions = b.sandbox.client().unwrap().sessions().await.unwrap();
    let of = |session: &&splashtail_sandbox::control::types::SessionInfo| {
        session.connected && session.shard[1] == u32::from(shards)
    };
    sessions.iter().filter(of).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_notice_nothing_of_another_number_of_shards() {
    let b = bench_with(|config| config.proxy.admin_secret = Some("open".into())).await;
    let mut all = b.session(None, TALK, 4).await;
    let mut half = b.session(Some([1, 2]), TALK, 2).await;
    let channel = b.channel(1).await;
    // Discord lets a session begin every five seconds for each key.
    b.clock.advance(Duration::from_secs(6));
    assert_eq!(order(&b, 2).await, 202);
    let mut said = 0;
    // Somebody talks all the time: before, while both are heard, and afterwards.
    loop {
        b.say(&channel, &said.to_string()).await;
        said += 1;
        let is_over = connected(&b, 4).await == 0 && connected(&b, 2).await == 2;
        if is_over
            && !b.get("/api/status").await["data"]["resharding"]
                .as_bool()
                .unwrap()
        {
            break;
        }
        assert!(said < 5_000, "it is never over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    b.say(&channel, &said.to_string()).await;
    for client in [&mut all, &mut half] {
        for number in 0..=said {
            let payload = loop {
                let payload = client.next().await.unwrap();
                assert_ne!(payload["op"], 9, "the session went on");
                assert_ne!(payload["t"], "GUILD_CREATE", "it knows its servers");
                if payload["t"] == "MESSAGE_CREATE" {
                    break payload;
                }
            };
            assert_eq!(payload["d"]["content"], number.to_string());
        }
    }
    assert_eq!(b.get("/shard-count").await, 2);
    // Whoever goes away and comes back finds what it missed, from both sets.
    let (session, seq) = (all.session.clone(), all.seq);
    drop(all);
    b.say(&channel, "missed").await;
    let mut again = b.client("/?v=10&encoding=json").await;
    again.hello().await;
    again.resume(&session, seq).await;
    assert_eq!(again.until("MESSAGE_CREATE").await["content"], "missed");
    if !again.heard.iter().any(|payload| payload["t"] == "RESUMED") {
        again.until("RESUMED").await;
    }
}

#[tokio::test]
async fn whoever_may_not_order_it_gets_none() {
    let b = bench_with(|config| config.proxy.admin_secret = Some("shut".into())).await;
    assert_eq!(order(&b, 2).await, 403);
    assert_eq!(b.identifies(), small::GUILDS.len());
}

#[tokio::test]
async fn the_same_number_changes_nothing() {
    let b = bench_with(|config| config.proxy.admin_secret = Some("open".into())).await;
    let mut client = b.session(Some([0, 4]), TALK, 1).await;
    assert_eq!(order(&b, 4).await, 202);
    let channel = b.channel(0).await;
    b.say(&channel, "as before").await;
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "as before");
    eventually(async || connected(&b, 4).await == 4).await;
    assert_eq!(b.identifies(), 4);
}
