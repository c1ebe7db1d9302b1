//! Clients come and go, and the proxy itself does.

use serde_json::json;

use crate::bench::{TALK, bench, eventually};

/// Contents of all messages that a client heard of.
fn said(heard: &[serde_json::Value]) -> Vec<String> {
    let messages = heard.iter().filter(|event| event["t"] == "MESSAGE_CREATE");
    messages
        .map(|event| event["d"]["content"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_client_that_comes_back_hears_what_it_missed() {
    let b = bench().await;
    let channel = b.channel(0).await;
    let client = b.session(None, TALK, 4).await;
    let (id, seq) = (client.session.clone(), client.seq);
    drop(client);
    for n in 0..5 {
        b.say(&channel, &format!("missed {n}")).await;
    }
    // Once, and again from a point in between, and with another compression.
    for (from, query) in [(seq, "/?v=10"), (seq + 2, "/?v=10&compress=zstd-stream")] {
        let mut client = b.client(query).await;
        client.hello().await;
        client.resume(&id, from).await;
        client.until("RESUMED").await;
        let expected: Vec<_> = (from - seq..5).map(|n| format!("missed {n}")).collect();
        assert_eq!(said(&client.heard), expected);
    }
    assert_eq!(b.identifies(), 4);
}

#[tokio::test]
async fn what_cannot_go_on_is_said_at_once() {
    let b = bench().await;
    let mut client = b.client("/?v=10").await;
    client.hello().await;
    client.resume("unknown", 3).await;
    assert_eq!(
        client.text().await.unwrap(),
        r#"{"t":null,"s":null,"op":9,"d":false}"#
    );
    // On the same connection it begins anew.
    client.seq = 0;
    client.identify(None, TALK).await;
    client.until("READY").await;
    for _ in 0..4 {
        client.until("GUILD_CREATE").await;
    }
    let (id, seq) = (client.session.clone(), client.seq);
    let mut ahead = b.client("/?v=10").await;
    ahead.hello().await;
    ahead.resume(&id, seq + 100).await;
    assert_eq!(ahead.closed().await, Some(4007));
    // The session is still there; whoever takes it over sends the other one away.
    let mut second = b.client("/?v=10").await;
    second.hello().await;
    second.resume(&id, seq).await;
    second.until("RESUMED").await;
    client.op(7).await;
    assert_eq!(client.closed().await, Some(4000));
    // A normal close ends it.
    second.socket.close(None).await.unwrap();
    second.closed().await;
    drop(second);
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1000.into(),
        reason: "".into(),
    };
    let mut third = b.client("/?v=10").await;
    third.hello().await;
    third.resume(&id, seq).await;
    third.until("RESUMED").await;
    third.socket.close(Some(frame)).await.unwrap();
    third.closed().await;
    eventually(async || {
        let mut fourth = b.client("/?v=10").await;
        fourth.hello().await;
        fourth.resume(&id, seq).await;
        fourth.next().await.is_ok_and(|payload| payload["op"] == 9)
    })
    .await;
}

/// Neither Discord nor a client notices that the proxy was started again.
#[tokio::test]
async fn a_restart_of_the_proxy_costs_nothing() {
    let mut b = bench().await;
    let channel = b.channel(1).await;
    let mut client = b.session(Some([1, 4]), TALK, 1).await;
    let mut all = b.session(Some([0, 1]), TALK, 4).await;
    let mut expected = Vec::new();
    for round in 0..5 {
        let text = |what: &str| format!("{what} {round}");
        b.say(&channel, &text("before")).await;
        expected.push(text("before"));
        assert_eq!(
            client.until("MESSAGE_CREATE").await["content"],
            text("before")
        );
        b.stop().await;
        b.say(&channel, &text("while it was away")).await;
        expected.push(text("while it was away"));
        b.start().await;
        b.say(&channel, &text("after")).await;
        expected.push(text("after"));
        for one in [&mut client, &mut all] {
            while let Ok(payload) = one.next().await {
                if payload["op"] == 7 {
                    assert_eq!(one.closed().await, Some(4000));
                    break;
                }
            }
            let mut again = b.client("/?v=10&compress=zlib-stream").await;
            again.hello().await;
            again.resume(&one.session, one.seq).await;
            again.heard = std::mem::take(&mut one.heard);
            while said(&again.heard).len() < expected.len() {
                again.next().await.unwrap();
            }
            assert_eq!(said(&again.heard), expected);
            *one = again;
        }
    }
    assert_eq!(b.identifies(), 4, "no identify at Discord");
    assert_eq!(b.get("/shard-count").await, json!(4));
}

/// After SIGKILL the sessions go on from an older snapshot, and Discord sends the rest again: that
/// was told before, so whoever begins now does not hear it.
#[tokio::test]
async fn nothing_is_told_twice_after_a_kill() {
    let mut b = bench().await;
    let channel = b.channel(0).await;
    let file = |shard: usize| format!("shard-{shard}.state");
    eventually(async || (0..4).all(|shard| b.state_dir().join(file(shard)).exists())).await;
    let older: Vec<_> = (0..4)
        .map(|shard| std::fs::read(b.state_dir().join(file(shard))).unwrap())
        .collect();
    let mut before = b.session(None, TALK, 4).await;
    b.say(&channel, "before").await;
    assert_eq!(before.until("MESSAGE_CREATE").await["content"], "before");
    b.stop().await;
    for (shard, bytes) in older.iter().enumerate() {
        std::fs::write(b.state_dir().join(file(shard)), bytes).unwrap();
    }
    b.begin();
    let mut lost = b.client_once_up("/?v=10").await;
    lost.resume(&before.session, before.seq).await;
    lost.op(9).await;
    lost.seq = 0;
    lost.identify(None, TALK).await;
    lost.until("READY").await;
    b.say(&channel, "after").await;
    assert_eq!(lost.until("MESSAGE_CREATE").await["content"], "after");
    assert_eq!(b.identifies(), 4);
}
