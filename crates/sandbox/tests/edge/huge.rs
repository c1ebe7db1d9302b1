//! A guild of more than 64 MiB over the wire, which common clients refuse by default.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::start;
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::{huge, small};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::client::{ALL_INTENTS, bench_with, settings};

/// Longer than the largest answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_client_that_takes_large_messages_gets_the_huge_guild() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let begin = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = Arc::new(SandboxClock::frozen(begin));
    // Checking every event against the description would take minutes.
    let running = start("huge", 1, clock, settings(), false).await.unwrap();
    let boundless = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    let address = format!("{}?v=10&encoding=json", running.gateway);
    let connected = connect_async_with_config(address, Some(boundless), false).await;
    let (mut socket, _) = connected.unwrap();
    let identify = json!({"op": 2, "d": {"token": small::bot_token(), "intents": 129,
        "shard": [0, 1], "properties": {"os": "linux", "browser": "test", "device": "test"}}});
    socket
        .send(Message::text(identify.to_string()))
        .await
        .unwrap();
    let largest = async {
        loop {
            let message = socket.next().await.unwrap().unwrap();
            if message.len() >= huge::HUGE_BYTES {
                return message.into_text().unwrap();
            }
            assert!(!message.is_close(), "{message}");
        }
    };
    let text = tokio::time::timeout(PATIENCE, largest).await.unwrap();
    let id = format!("\"id\":\"{}\"", huge::HUGE_GUILD);
    assert!(text.contains("\"GUILD_CREATE\"") && text.contains(&id));
}

/// As if all guilds were huge. Whether something happens before, while or after its guild is written:
/// the session hears of the guild once, and of what happens from then on once and in order.
#[tokio::test]
async fn guilds_that_are_written_apart_are_told_of_in_order() {
    let b = bench_with(Settings {
        apart: 0,
        ..settings()
    })
    .await;
    let channel = b.channel().await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.identify(json!({"intents": ALL_INTENTS})).await;
    client.until("READY").await;
    let ctl = b.running.client().unwrap();
    let mut said = Vec::new();
    for n in 0..20 {
        b.say(&channel, &n.to_string()).await;
        said.push(n.to_string());
        // Nobody may write more often.
        b.clock.advance(Duration::from_secs(1));
    }
    let guild = small::GUILDS[0].to_string();
    let outage = json!({"action": {"type": "outage", "guild": guild}});
    let outage = serde_json::from_value(outage).unwrap();
    for _ in 0..3 {
        let rule = ctl.add_fault(&outage).await.unwrap().id;
        ctl.remove_fault(rule).await.unwrap();
    }
    ctl.settle(60_000).await.unwrap();
    b.say(&channel, "after").await;
    said.push("after".to_owned());

    let mut guilds = Vec::new();
    let mut heard = Vec::new();
    let mut there = false;
    while heard.last().is_none_or(|last| last != "after") {
        let payload = client.next().await.unwrap();
        let (name, d) = (payload["t"].as_str().unwrap_or_default(), &payload["d"]);
        match name {
            "GUILD_CREATE" if d["id"] == guild => {
                assert!(!there, "it is told of twice");
                there = true;
            }
            "GUILD_CREATE" => guilds.push(d["id"].clone()),
            "GUILD_DELETE" => {
                assert!(there && d["id"] == guild, "it was not there: {d}");
                there = false;
            }
            "MESSAGE_CREATE" => {
                assert!(there, "a message of a guild that is not there");
                heard.push(d["content"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }
    assert_eq!(
        guilds,
        small::GUILDS[1..]
            .iter()
            .map(|id| json!(id.to_string()))
            .collect::<Vec<_>>()
    );
    let missed = said.len() - heard.len();
    assert_eq!(heard, said[missed..]);

    // One that goes and comes back is told of again.
    let rule = ctl.add_fault(&outage).await.unwrap().id;
    assert_eq!(client.until("GUILD_DELETE").await["unavailable"], true);
    ctl.remove_fault(rule).await.unwrap();
    assert_eq!(client.until("GUILD_CREATE").await["id"], json!(guild));
    ctl.settle(5000).await.unwrap();
}
