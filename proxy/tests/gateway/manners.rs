//! What clients do wrong, and what they hear.

use futures_util::SinkExt;
use serde_json::json;
use splashtail_sandbox_world::seed::small;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::bench::{Bench, TALK, bench, bench_with};

async fn close_of(b: &Bench, query: &str, said: &[&str]) -> Option<u16> {
    let mut client = b.client(query).await;
    for text in said {
        // It may have been closed already.
        let _ = client.socket.send(Message::text(*text)).await;
    }
    client.closed().await
}

#[tokio::test]
async fn every_mistake_has_its_close_code() {
    let b = bench().await;
    let token = small::bot_token();
    let identify =
        |rest: &str| format!(r#"{{"op":2,"d":{{"token":"{token}","properties":{{}}{rest}}}}}"#);
    let good = identify(r#","intents":1"#);
    let long = format!(r#"{{"op":1,"d":null,"x":"{}"}}"#, "x".repeat(5000));
    let huge = "x".repeat(100_000);
    let wrong = r#"{"op":2,"d":{"token":"wrong","properties":{},"intents":1}}"#;
    let resume = r#"{"op":6,"d":{"token":"wrong","session_id":"x","seq":1}}"#;
    for (query, said, code) in [
        ("/?v=8", &[][..], 4012),
        ("/?v=10&encoding=etf", &[], 4002),
        ("/", &["nonsense"], 4002),
        ("/", &[&*long], 4002),
        ("/", &[&*huge], 4002),
        ("/", &[r#"{"op":3,"d":{}}"#], 4003),
        ("/", &[r#"{"op":99}"#], 4001),
        ("/", &[wrong], 4004),
        ("/", &[resume], 4004),
        ("/", &[&*good, &*good], 4005),
        ("/", &[&*identify("")], 4013),
        ("/", &[&*identify(r#","intents":1,"shard":[4,4]"#)], 4010),
    ] {
        assert_eq!(
            close_of(&b, query, said).await,
            Some(code),
            "{query} {said:?}"
        );
    }
    let mut client = b.session(Some([0, 4]), TALK, 1).await;
    for _ in 0..121 {
        let _ = client
            .socket
            .send(Message::text(r#"{"op":3,"d":{"status":"idle"}}"#))
            .await;
    }
    assert_eq!(client.closed().await, Some(4008));
}

#[tokio::test]
async fn a_page_of_a_browser_is_not_let_in() {
    let b = bench().await;
    let mut request = b
        .url("/")
        .replace("http", "ws")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("origin", "https://example.com".parse().unwrap());
    assert!(connect_async(request).await.is_err());
    // Nor by a host name of its own that leads here.
    let mut request = b
        .url("/")
        .replace("http", "ws")
        .into_client_request()
        .unwrap();
    let host = "rebound.example:3220";
    request.headers_mut().insert("host", host.parse().unwrap());
    assert!(connect_async(request).await.is_err());
    let http = reqwest::Client::new();
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/shard-count",
        "/api/status",
        "/api/v10/gateway/bot",
        "/antiraid/api/state?col=guilds&id=1",
        "/admin/clients",
        "/nothing",
    ] {
        let asked = http.get(b.url(path)).header("host", host).send().await;
        assert_eq!(asked.unwrap().status(), 403, "{path}");
    }
}

#[tokio::test]
async fn members_come_to_who_asked() {
    let b = bench().await;
    let guild = small::GUILDS[0].to_string();
    let mut asking = b.session(Some([0, 4]), TALK, 1).await;
    let mut other = b.session(None, TALK, 4).await;
    let body = json!({"guild_id": guild, "query": "", "limit": 0, "nonce": "mine"});
    asking.send(json!({"op": 8, "d": body})).await;
    let chunk = asking.until("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["nonce"], "mine");
    assert!(!chunk["members"].as_array().unwrap().is_empty());
    // Of another shard: nothing, at once.
    let elsewhere = small::GUILDS[1].to_string();
    let body = json!({"guild_id": elsewhere, "query": "", "limit": 0, "nonce": "n"});
    asking.send(json!({"op": 8, "d": body})).await;
    let chunk = asking.until("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(
        (&chunk["nonce"], &chunk["members"]),
        (&json!("n"), &json!([]))
    );
    let channel = b.channel(0).await;
    b.say(&channel, "end").await;
    other.until("MESSAGE_CREATE").await;
    assert!(
        other
            .heard
            .iter()
            .all(|event| event["t"] != "GUILD_MEMBERS_CHUNK")
    );
}

#[tokio::test]
async fn intents_and_content_are_each_clients_own() {
    let b = bench().await;
    let mut reads = b.session(Some([0, 4]), TALK, 1).await;
    let mut blind = b.session(Some([0, 4]), 1 | 1 << 9, 1).await;
    let mut deaf = b.session(Some([0, 4]), 1, 1).await;
    let channel = b.channel(0).await;
    b.say(&channel, "secret").await;
    assert_eq!(reads.until("MESSAGE_CREATE").await["content"], "secret");
    assert_eq!(blind.until("MESSAGE_CREATE").await["content"], "");
    b.call(
        "PATCH",
        &format!("/channels/{channel}"),
        &json!({"topic": "x"}),
    )
    .await;
    deaf.until("CHANNEL_UPDATE").await;
    assert!(
        deaf.heard
            .iter()
            .all(|event| event["t"] != "MESSAGE_CREATE")
    );
}

/// A reader that has stopped is cut off, and nobody waits for it.
#[tokio::test]
async fn a_reader_that_stops_holds_nobody_back() {
    let b = bench_with(|config| {
        config.proxy.client_queue_mb = 1;
        config.proxy.replay_mb = 64;
    })
    .await;
    let mut stopped = b.session(Some([0, 4]), TALK, 1).await;
    let mut reads = b.session(Some([0, 4]), TALK, 1).await;
    let channel = b.channel(0).await;
    let text = "x".repeat(1900);
    let gateway = &b.sandbox.edge.gateway;
    let session = gateway
        .sessions()
        .into_iter()
        .find(|s| s.identity.shard == [0, 4])
        .unwrap();
    let body = json!({"id": "1", "channel_id": channel, "guild_id": small::GUILDS[0].to_string(), "content": text, "author": {"id": "1100000000000000010"}, "mentions": []});
    let body: std::sync::Arc<str> = body.to_string().into();
    // Far more than sockets and the queue hold together.
    const COUNT: usize = 8000;
    for _ in 0..COUNT {
        session.dispatch("MESSAGE_CREATE", body.clone());
    }
    for _ in 0..COUNT {
        reads.until("MESSAGE_CREATE").await;
    }
    let (id, mut heard) = (stopped.session.clone(), 0);
    // It hears what was on its way, then that it is to come again; it misses nothing.
    loop {
        match stopped.next().await {
            Ok(payload) => heard += usize::from(payload["t"] == "MESSAGE_CREATE"),
            Err(_) => break,
        }
        if heard == COUNT {
            break;
        }
    }
    if heard < COUNT {
        let mut again = b.client("/?v=10").await;
        again.hello().await;
        again.resume(&id, stopped.seq).await;
        while heard < COUNT {
            again.until("MESSAGE_CREATE").await;
            heard += 1;
        }
    }
}
