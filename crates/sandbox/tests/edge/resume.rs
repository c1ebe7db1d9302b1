//! Sheet §4: a session outlives its connections, and a resume replays exactly what was missed.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::gateway::Settings;

use crate::client::{Bench, Client, bench, bench_with, eventually, settings, short_replay};

const TALK: u64 = 1 | 1 << 9 | 1 << 15;

async fn resumed(b: &Bench, id: &str, seq: u64) -> Client {
    let mut client = b.client("/?v=10&encoding=json").await;
    client.hello().await;
    client.resume(id, seq).await;
    client
}

async fn disconnected(b: &Bench) {
    let ctl = b.running.client().unwrap();
    eventually(|| async { ctl.sessions().await.unwrap().iter().all(|s| !s.connected) }).await;
}

#[tokio::test]
async fn a_dropped_connection_misses_nothing() {
    let b = bench().await;
    let channel = b.channel().await;
    let mut client = b.session(TALK).await;
    b.say(&channel, "before").await;
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "before");
    let (id, seq) = (client.session_id.clone(), client.seq);
    drop(client);
    disconnected(&b).await;
    for n in 0..5 {
        b.say(&channel, &format!("missed {n}")).await;
        b.clock.advance(Duration::from_secs(2));
    }
    let mut client = resumed(&b, &id, seq).await;
    for n in 0..5 {
        let payload = client.next().await.unwrap();
        assert_eq!(payload["t"], "MESSAGE_CREATE");
        assert_eq!(payload["s"], seq + 1 + n);
        assert_eq!(payload["d"]["content"], format!("missed {n}"));
    }
    let payload = client.next().await.unwrap();
    assert_eq!(
        (&payload["t"], &payload["s"]),
        (&json!("RESUMED"), &json!(seq + 6))
    );
    b.say(&channel, "after").await;
    let payload = client.next().await.unwrap();
    assert_eq!(payload["s"], seq + 7);
    assert_eq!(payload["d"]["content"], "after");
}

#[tokio::test]
async fn replay_can_be_asked_for_again() {
    let b = bench().await;
    let client = b.session(TALK).await;
    let (id, last) = (client.session_id.clone(), client.seq);
    drop(client);
    // From the beginning: READY and all guilds come again, with their numbers.
    let mut client = resumed(&b, &id, 0).await;
    for s in 1..=last {
        assert_eq!(client.next().await.unwrap()["s"], s);
    }
    assert_eq!(client.next().await.unwrap()["t"], "RESUMED");
}

#[tokio::test]
async fn every_server_close_leaves_the_session_resumable() {
    let b = bench().await;
    let mut client = b.session(TALK).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    client.send(json!({"op": 77})).await;
    assert_eq!(client.closed().await, Some(4001));
    // The library echoes 1000: that is no close of the client's.
    client.close(1000).await;
    resumed(&b, &id, seq).await.until("RESUMED").await;
}

#[tokio::test]
async fn a_normal_close_by_the_client_ends_the_session() {
    let b = bench().await;
    for code in [1000, 1001] {
        let mut client = b.session(TALK).await;
        let (id, seq) = (client.session_id.clone(), client.seq);
        // RFC 6455, 5.5.1: a close frame is answered by one.
        assert_eq!(client.close(code).await, Some(code));
        let mut client = resumed(&b, &id, seq).await;
        assert_eq!(client.until_op(9).await, false, "{code}");
        b.clock.advance(Duration::from_secs(5));
    }
}

#[tokio::test]
async fn other_closes_by_the_client_do_not() {
    let b = bench().await;
    let mut client = b.session(TALK).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    client.close(4000).await;
    resumed(&b, &id, seq).await.until("RESUMED").await;
}

#[tokio::test]
async fn refusals_of_a_resume() {
    let b = bench().await;
    let client = b.session(TALK).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    drop(client);
    let mut unknown = resumed(&b, "0123456789abcdef0123456789abcdef", seq).await;
    assert_eq!(unknown.until_op(9).await, false);
    let mut ahead = resumed(&b, &id, seq + 1).await;
    assert_eq!(ahead.closed().await, Some(4007));
    // The token of another application.
    let ctl = b.running.client().unwrap();
    let app = ctl.create_app(&Default::default()).await.unwrap();
    let mut foreign = b.client("?v=10").await;
    foreign.hello().await;
    foreign
        .send(json!({"op": 6, "d": {"token": app.token, "session_id": id, "seq": seq}}))
        .await;
    assert_eq!(foreign.until_op(9).await, false);
    // None of this has hurt the session.
    resumed(&b, &id, seq).await.until("RESUMED").await;
}

#[tokio::test]
async fn a_session_expires_in_sandbox_time() {
    let b = bench().await;
    let client = b.session(TALK).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    b.clock.set_rate(0.0);
    drop(client);
    disconnected(&b).await;
    b.clock.advance(Duration::from_secs(179));
    let mut client = resumed(&b, &id, seq).await;
    client.until("RESUMED").await;
    let seq = client.seq;
    drop(client);
    disconnected(&b).await;
    b.clock.advance(Duration::from_secs(181));
    let mut client = resumed(&b, &id, seq).await;
    assert_eq!(client.until_op(9).await, false);
}

#[tokio::test]
async fn a_gap_beyond_the_buffer_cannot_be_resumed() {
    let b = bench_with(short_replay(8)).await;
    let channel = b.channel().await;
    let client = b.session(TALK).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    drop(client);
    disconnected(&b).await;
    for n in 0..9 {
        b.say(&channel, &format!("{n}")).await;
        b.clock.advance(Duration::from_secs(2));
    }
    let mut client = resumed(&b, &id, seq).await;
    assert_eq!(client.until_op(9).await, false);
}

#[tokio::test]
async fn resuming_takes_the_session_from_its_old_connection() {
    let b = bench().await;
    let mut old = b.session(TALK).await;
    let (id, seq) = (old.session_id.clone(), old.seq);
    let mut new = resumed(&b, &id, seq).await;
    new.until("RESUMED").await;
    old.closed().await;
    let channel = b.channel().await;
    b.say(&channel, "here").await;
    assert_eq!(new.until("MESSAGE_CREATE").await["content"], "here");
}

#[tokio::test]
async fn a_resume_without_its_fields_cannot_be_decoded() {
    let b = bench().await;
    for d in [
        Value::Null,
        json!({}),
        json!({"token": "x", "session_id": "y", "seq": null}),
    ] {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.send(json!({"op": 6, "d": d})).await;
        assert_eq!(client.closed().await, Some(4002));
    }
}

#[tokio::test]
async fn missed_heartbeats_close_the_connection_but_not_the_session() {
    // Long enough for a busy machine to get through the start of the session.
    let interval = Duration::from_secs(6);
    let timers = Settings {
        heartbeat_interval: interval,
        ..settings()
    };
    let b = bench_with(timers).await;
    let mut client = b.session(TALK).await;
    client.send(json!({"op": 1, "d": client.seq})).await;
    client.until_op(11).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    assert_eq!(client.closed().await, Some(4000));
    resumed(&b, &id, seq).await.until("RESUMED").await;
}
