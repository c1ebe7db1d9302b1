//! Rates and memory on this machine; run by hand in a release build:
//! `cargo test --release -p splashtail-sandbox --test edge load -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::client::{ALL_INTENTS, unwatched_bench};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn gateway_events_to_one_client() {
    let b = unwatched_bench().await;
    let channel = b.channel().await;
    let message = b
        .say(&channel, "a message of ordinary size, as people write them")
        .await;
    for query in [
        "?v=10",
        "?v=10&compress=zlib-stream",
        "?v=10&compress=zstd-stream",
    ] {
        b.clock.advance(std::time::Duration::from_secs(5));
        let mut client = b.client(query).await;
        client.hello().await;
        client.identify(json!({"intents": ALL_INTENTS})).await;
        for _ in 0..4 {
            client.until("GUILD_CREATE").await;
        }
        let session = b.running.edge.gateway.sessions().pop().unwrap();
        let (name, text): (Arc<str>, Arc<str>) =
            ("MESSAGE_CREATE".into(), message.to_string().into());
        let count = 100_000;
        let started = Instant::now();
        let sender = tokio::task::spawn_blocking(move || {
            for _ in 0..count {
                session.dispatch(name.clone(), text.clone());
            }
        });
        let last = client.seq + count;
        let received = client.drain_to(last).await;
        sender.await.unwrap();
        let rate = received as f64 / started.elapsed().as_secs_f64();
        println!(
            "{query}: {rate:.0} events/s of {} bytes",
            message.to_string().len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn rest_requests() {
    let b = unwatched_bench().await;
    let mut rules = b.running.edge.sandbox.limits.rules();
    rules.enabled = false;
    b.running.edge.sandbox.limits.set_rules(rules);
    let channel = b.channel().await;
    let started = Instant::now();
    let count = 20_000;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let requests: Vec<_> = (0..count / 16)
                .map(|_| b.bot("GET", &format!("/channels/{channel}")))
                .collect();
            tokio::spawn(async move {
                for request in requests {
                    request.send().await.unwrap().bytes().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!(
        "{:.0} requests/s",
        f64::from(count) / started.elapsed().as_secs_f64()
    );
}
