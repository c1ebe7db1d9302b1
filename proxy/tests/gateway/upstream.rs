//! Trouble at Discord's side.

use serde_json::json;
use splashtail_sandbox::gateway::{Close, Order};
use splashtail_sandbox_world::seed::small;

use crate::bench::{Bench, TALK, bench, eventually};

fn order(b: &Bench, order: Order) {
    for session in b.sandbox.edge.gateway.sessions() {
        session.order(order);
    }
}

async fn resumed(b: &Bench, times: u32) {
    let control = b.sandbox.client().unwrap();
    eventually(async || {
        let sessions = control.sessions().await.unwrap();
        sessions
            .iter()
            .all(|session| session.connected && session.resumes >= times)
    })
    .await;
}

#[tokio::test]
async fn whatever_ends_a_connection_clients_notice_nothing() {
    let b = bench().await;
    let channel = b.channel(0).await;
    let mut client = b.session(Some([0, 4]), TALK, 1).await;
    for (times, trouble) in [
        (1, Order::Drop),
        (2, Order::Reconnect),
        (3, Order::Close(Close::UnknownError)),
        (4, Order::Heartbeat),
    ] {
        order(&b, trouble);
        if trouble != Order::Heartbeat {
            resumed(&b, times).await;
        }
        b.say(&channel, &format!("after {times}")).await;
        let text = client.until("MESSAGE_CREATE").await["content"].clone();
        assert_eq!(text, format!("after {times}"));
    }
    assert_eq!(b.identifies(), 4);
}

#[tokio::test]
async fn a_session_that_is_lost_begins_anew_for_its_clients_too() {
    let b = bench().await;
    let mut client = b.session(Some([0, 4]), TALK, 1).await;
    let mut other = b.session(Some([1, 4]), TALK, 1).await;
    let first = b.sandbox.edge.gateway.sessions();
    let first = first
        .iter()
        .find(|session| session.identity.shard[0] == 0)
        .unwrap();
    b.clock.advance(std::time::Duration::from_secs(6));
    first.order(Order::Invalidate { resumable: false });
    client.op(9).await;
    client.seq = 0;
    client.identify(Some([0, 4]), TALK).await;
    client.until("READY").await;
    client.until("GUILD_CREATE").await;
    let channel = b.channel(1).await;
    b.say(&channel, "still there").await;
    assert_eq!(
        other.until("MESSAGE_CREATE").await["content"],
        "still there"
    );
}

#[tokio::test]
async fn an_outage_is_told_and_its_end() {
    let b = bench().await;
    let mut client = b.session(Some([0, 4]), TALK, 1).await;
    let control = b.sandbox.client().unwrap();
    let guild = small::GUILDS[0].to_string();
    let rule = json!({"action": {"type": "outage", "guild": guild}});
    let rule = serde_json::from_value(rule).unwrap();
    let active = control.add_fault(&rule).await.unwrap();
    let gone = client.until("GUILD_DELETE").await;
    assert_eq!(gone["unavailable"], true);
    let mut fresh = b.session(Some([0, 4]), TALK, 0).await;
    assert_eq!(fresh.until("GUILD_DELETE").await["unavailable"], true);
    control.remove_fault(active.id).await.unwrap();
    client.until("GUILD_CREATE").await;
    fresh.until("GUILD_CREATE").await;
}
