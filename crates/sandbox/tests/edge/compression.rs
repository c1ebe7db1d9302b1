//! Sheet §4: the three compressions that clients use, and plain text beside them.

use std::time::Duration;

use serde_json::json;

use crate::client::{ALL_INTENTS, Client, bench};

async fn works(mut client: Client, fields: serde_json::Value) -> Client {
    client.hello().await;
    client.identify(fields).await;
    client.until("READY").await;
    for _ in 0..4 {
        client.until("GUILD_CREATE").await;
    }
    client.send(json!({"op": 1, "d": client.seq})).await;
    client.until_op(11).await;
    client
}

#[tokio::test]
async fn zlib_stream_is_one_context_from_hello_on() {
    let b = bench().await;
    let client = works(
        b.client("?v=10&encoding=json&compress=zlib-stream").await,
        json!({}),
    )
    .await;
    assert_eq!(client.texts, 0);
    assert!(
        client
            .binary
            .iter()
            .all(|f| f.ends_with(&[0, 0, 0xff, 0xff]))
    );
    assert_eq!(&client.binary[0][..1], &[0x78], "a zlib header");
    assert_ne!(
        &client.binary[1][..2],
        &client.binary[0][..2],
        "and no second one"
    );
}

#[tokio::test]
async fn zstd_stream_is_one_open_frame() {
    let b = bench().await;
    let client = works(b.client("/?compress=zstd-stream&v=10").await, json!({})).await;
    assert_eq!(client.texts, 0);
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    assert_eq!(&client.binary[0][..4], &magic);
    assert!(client.binary[1..].iter().all(|f| !f.starts_with(&magic)));
}

#[tokio::test]
async fn payload_compression_starts_with_identify() {
    let b = bench().await;
    let client = works(b.client("?v=10").await, json!({"compress": true})).await;
    assert_eq!(client.texts, 1, "hello came before");
    assert!(
        client.binary.iter().all(|f| f[0] == 0x78),
        "each frame is a stream of its own"
    );
}

#[tokio::test]
async fn a_resume_starts_a_new_context() {
    let b = bench().await;
    for query in ["?v=10&compress=zlib-stream", "?v=10&compress=zstd-stream"] {
        let client = works(b.client(query).await, json!({"intents": ALL_INTENTS})).await;
        let (id, seq) = (client.session_id.clone(), client.seq);
        drop(client);
        let mut client = b.client(query).await;
        client.hello().await;
        client.resume(&id, seq - 2).await;
        client.until("RESUMED").await;
        b.clock.advance(Duration::from_secs(5));
    }
}
