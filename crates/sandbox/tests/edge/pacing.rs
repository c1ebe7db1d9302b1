//! Our own client under limits of a kind that no header names.

use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_discord::Discord;
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::seed::small;

use crate::client::bench;

/// Uses come back one by one, and each answer moves the reset.
#[tokio::test]
async fn our_client_keeps_within_a_window_that_slides() {
    let b = bench().await;
    // The client waits by the machine's clock.
    b.clock.set_rate(1.0);
    let ctl = b.running.client().unwrap();
    let sliding =
        json!({"buckets": {"update_channel": {"limit": 3, "per_ms": 1500, "sliding": true}}});
    ctl.call::<Value>(http::Method::POST, "/ctl/limits", &sliding)
        .await
        .unwrap();
    let channel = b.channel().await;
    let rest = &b.running.rest;
    let token = small::bot_token().into();
    let discord = Discord::new(rest, rest, &token, SystemClock::shared()).unwrap();
    let edits = (0..10).map(|n| {
        let edit = discord.patch(format!("/channels/{channel}"));
        edit.json(&json!({"rate_limit_per_user": n})).send()
    });
    for edited in futures_util::future::join_all(edits).await {
        edited.unwrap();
    }
    let mut answers = Vec::new();
    for entry in b.running.edge.sandbox.journal.since(0, usize::MAX) {
        if let Record::Request { method, status, .. } = entry.record
            && method == "PATCH"
        {
            answers.push(status);
        }
    }
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert_eq!(answers.len() - refused, 10, "{answers:?}");
    assert_eq!(refused, 0, "{answers:?}");
}
