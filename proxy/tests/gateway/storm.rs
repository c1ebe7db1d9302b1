//! Clients and the proxy start again and again while events keep coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use splashtail_sandbox_world::seed::small;

use crate::bench::{TALK, bench};
use crate::client::Client;

/// More of it in benchmarks (`scripts/bench`).
const RESTARTS: u64 = 8;
/// Events in a second.
const RATE: u64 = 2000;

fn given(name: &str, usual: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(usual, |given| given.parse().unwrap())
}

/// Reads until all was said, and goes away and comes back now and then. Returns what it heard, in its
/// order.
async fn listen(
    url: String,
    query: &'static str,
    mut client: Client,
    patience: u64,
    done: Arc<AtomicBool>,
    said: Arc<AtomicU64>,
    comings: Arc<AtomicU64>,
) -> Vec<u64> {
    let mut heard: Vec<u64> = Vec::new();
    let mut until = patience;
    loop {
        if done.load(Ordering::Acquire) && heard.len() as u64 == said.load(Ordering::Acquire) {
            return heard;
        }
        let leaves = heard.len() as u64 >= until;
        let payload = match leaves {
            true => Err(None),
            false => client.next().await,
        };
        match payload {
            Ok(payload) => {
                assert_ne!(
                    payload["op"],
                    9,
                    "the session was lost after {}",
                    heard.len()
                );
                if payload["t"] == "MESSAGE_CREATE" {
                    heard.push(payload["d"]["content"].as_str().unwrap().parse().unwrap());
                }
            }
            Err(_) => {
                until = heard.len() as u64 + patience;
                let (session, seq) = (client.session.clone(), client.seq);
                loop {
                    if let Some(mut again) = Client::try_connect(&format!("{url}{query}")).await
                        && again.next().await.is_ok()
                    {
                        again.resume(&session, seq).await;
                        comings.fetch_add(1, Ordering::Relaxed);
                        client = again;
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

fn message(n: u64) -> Arc<str> {
    let guild = small::GUILDS[0];
    format!(r#"{{"id":"1","guild_id":"{guild}","content":"{n}"}}"#).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let mut b = bench().await;
    let sessions = b.sandbox.edge.gateway.sessions();
    let (done, said) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let comings = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for (shard, query, patience) in [
        (Some([0, 4]), "/?v=10", 300),
        (Some([0, 2]), "/?v=10&compress=zlib-stream", 470),
        (None, "/?v=10&compress=zstd-stream", 1130),
    ] {
        let guilds = shard.map_or(4, |[_, count]| 4 / usize::from(count));
        let client = {
            let mut client = b.client(query).await;
            client.hello().await;
            client.identify(shard, TALK).await;
            client.until("READY").await;
            for _ in 0..guilds {
                client.until("GUILD_CREATE").await;
            }
            client
        };
        let (done, said) = (Arc::clone(&done), Arc::clone(&said));
        let comings = Arc::clone(&comings);
        let listening = listen(b.gateway(), query, client, patience, done, said, comings);
        clients.push(tokio::spawn(listening));
    }
    // All of one shard: only there numbers have an order.
    let shard = sessions
        .iter()
        .find(|session| session.identity.shard == [0, 4])
        .unwrap();
    let enough = Arc::new(AtomicBool::new(false));
    let rate = given("STORM_RATE", RATE);
    let saying = {
        let (shard, enough, said) = (Arc::clone(shard), Arc::clone(&enough), Arc::clone(&said));
        tokio::spawn(async move {
            let mut n = 0;
            while !enough.load(Ordering::Acquire) {
                for _ in 0..rate / 100 {
                    shard.dispatch("MESSAGE_CREATE", message(n));
                    n += 1;
                    said.store(n, Ordering::Release);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    };
    for _ in 0..given("STORM_RESTARTS", RESTARTS) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        b.stop().await;
        b.start().await;
    }
    enough.store(true, Ordering::Release);
    saying.await.unwrap();
    // The last one tells the clients that it was the last.
    let last = said.fetch_add(1, Ordering::AcqRel);
    let total = last + 1;
    done.store(true, Ordering::Release);
    shard.dispatch("MESSAGE_CREATE", message(last));
    for client in clients {
        let heard = client.await.unwrap();
        assert_eq!(heard.len() as u64, total);
        assert!(heard.iter().copied().eq(0..total), "out of order");
    }
    assert_eq!(b.identifies(), 4, "no identify at Discord");
    let comings = comings.load(Ordering::Relaxed);
    println!(
        "| {total} events, {comings} comings of clients | none lost, none twice, no identify |"
    );
}
