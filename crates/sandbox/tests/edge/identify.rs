//! Sheet §4: what is checked when a session is opened, in which order, with which close codes.

use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{ALL_INTENTS, bench, bench_with, settings};

#[tokio::test]
async fn the_root_is_reached_however_it_is_spelt() {
    let b = bench().await;
    for query in [
        "?v=10",
        "/?v=10&encoding=json",
        "//?encoding=json&v=9",
        "/?&encoding=json&v=10",
    ] {
        let mut client = b.client(query).await;
        let hello = client.hello().await;
        assert_eq!(hello["s"], Value::Null, "{query}");
        assert_eq!(hello["t"], Value::Null);
        assert_eq!(hello["d"]["heartbeat_interval"], 41_250);
    }
}

#[tokio::test]
async fn versions_other_than_nine_and_ten_are_refused() {
    let b = bench().await;
    for query in ["", "?v=8", "?v=10&encoding=etf"] {
        assert_eq!(b.client(query).await.closed().await, Some(4012), "{query}");
    }
}

#[tokio::test]
async fn heartbeats_are_acknowledged_before_identify_too() {
    let b = bench().await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.send(json!({"op": 1, "d": null})).await;
    let ack = client.next().await.unwrap();
    assert_eq!(ack, json!({"op": 11, "s": null, "t": null, "d": null}));
}

#[tokio::test]
async fn payloads_that_cannot_be_decoded_close_with_4002() {
    let b = bench().await;
    let bad = [
        Message::text("{"),
        Message::text("[]"),
        Message::text(r#"{"d": null}"#),
        Message::text(r#"{"op": "1"}"#),
        Message::binary(vec![0xff, 0xfe]),
        Message::text(format!(r#"{{"op":1,"d":null,"x":"{}"}}"#, "x".repeat(4096))),
        Message::text(r#"{"op":2,"d":{"token":5,"properties":{}}}"#),
        Message::text(r#"{"op":2,"d":{"token":"x"}}"#),
    ];
    for message in bad {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        let shown = message.clone();
        client.raw(message).await;
        assert_eq!(client.closed().await, Some(4002), "{shown:?}");
    }
}

#[tokio::test]
async fn before_identify_only_three_opcodes_are_legal() {
    let b = bench().await;
    for op in [3, 4, 8, 99] {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.send(json!({"op": op, "d": {}})).await;
        assert_eq!(client.closed().await, Some(4003), "op {op}");
    }
}

#[tokio::test]
async fn identify_is_checked_in_the_documented_order() {
    let b = bench().await;
    // Each row violates its own rule and every later one.
    let rows = [
        (
            json!({"token": "no", "shard": [4, 4], "intents": 1 << 30}),
            4004,
        ),
        (json!({"shard": [4, 4], "intents": 1 << 30}), 4010),
        (json!({"shard": [0, 4], "intents": 1 << 30}), 4013),
        (json!({"shard": [1], "intents": 0}), 4010),
        (json!({"intents": null}), 4013),
        (json!({"intents": 1 << 17}), 4013),
    ];
    for (fields, code) in rows {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.identify(fields.clone()).await;
        assert_eq!(client.closed().await, Some(code), "{fields}");
    }
}

#[tokio::test]
async fn a_privileged_intent_needs_the_applications_flag() {
    let b = bench().await;
    let ctl = b.running.client().unwrap();
    let app = splashtail_sandbox::control::types::NewApp {
        flags: Some(0),
        ..Default::default()
    };
    let app = ctl.create_app(&app).await.unwrap();
    for (intents, refused) in [
        (1 << 1, true),
        (1 << 8, true),
        (1 << 15, true),
        (1 | 1 << 9, false),
    ] {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client
            .identify(json!({"token": app.token, "intents": intents}))
            .await;
        if refused {
            assert_eq!(client.closed().await, Some(4014), "{intents}");
        } else {
            client.until("READY").await;
        }
    }
}

#[tokio::test]
async fn too_many_guilds_on_a_shard_ask_for_sharding() {
    let b = bench_with(splashtail_sandbox::gateway::Settings {
        max_guilds_per_shard: 3,
        ..settings()
    })
    .await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.identify(json!({"intents": 1 << 30})).await;
    assert_eq!(client.closed().await, Some(4011), "before the intents");
}

#[tokio::test]
async fn after_identify_a_second_one_and_unknown_opcodes_are_errors() {
    let b = bench().await;
    let mut client = b.session(0).await;
    client.identify(json!({})).await;
    assert_eq!(client.closed().await, Some(4005));
    b.clock.advance(std::time::Duration::from_secs(5));
    let mut client = b.session(0).await;
    client.send(json!({"op": 77, "d": null})).await;
    assert_eq!(client.closed().await, Some(4001));
}

#[tokio::test]
async fn more_than_120_payloads_a_minute_are_too_many() {
    let b = bench().await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    for _ in 0..121 {
        client.send(json!({"op": 1, "d": null})).await;
    }
    assert_eq!(client.closed().await, Some(4008));
    // The window slides with the sandbox's clock.
    let mut client = b.client("?v=10").await;
    client.hello().await;
    for _ in 0..100 {
        client.send(json!({"op": 1, "d": null})).await;
        client.until_op(11).await;
    }
    b.clock.advance(std::time::Duration::from_secs(60));
    for _ in 0..100 {
        client.send(json!({"op": 1, "d": null})).await;
        client.until_op(11).await;
    }
}

#[tokio::test]
async fn one_identify_per_window_and_concurrency_key() {
    let b = bench().await;
    b.running.edge.sandbox.with_world(|world| {
        world
            .apps
            .get_mut(&small::APPLICATION)
            .unwrap()
            .max_concurrency = 2;
    });
    let mut waiting = None;
    // Shards 0 and 1 have keys of their own, shard 2 shares that of shard 0.
    for shard in 0..3 {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.identify(json!({"shard": [shard, 4]})).await;
        if shard < 2 {
            client.until("READY").await;
        } else {
            assert_eq!(client.until_op(9).await, false);
            waiting = Some(client);
        }
    }
    // The connection may try again when the window is over.
    b.clock.advance(std::time::Duration::from_secs(5));
    let mut client = waiting.unwrap();
    client.identify(json!({"shard": [2, 4]})).await;
    assert_eq!(client.until("READY").await["shard"], json!([2, 4]));
}

#[tokio::test]
async fn session_starts_are_counted_and_resumes_are_free() {
    let b = bench().await;
    let remaining = |body: Value| body["session_start_limit"]["remaining"].as_u64().unwrap();
    let read = || async {
        b.clock.advance(std::time::Duration::from_secs(10));
        let body: Value = b
            .bot("GET", "/gateway/bot")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        body
    };
    let before = read().await;
    assert_eq!(before["url"], b.gateway());
    assert_eq!(before["shards"], 4);
    assert_eq!(before["session_start_limit"]["max_concurrency"], 16);
    assert_eq!(before["session_start_limit"]["total"], 1000);
    let client = b.session(0).await;
    let after = read().await;
    assert_eq!(remaining(after.clone()), remaining(before) - 1);
    assert!(
        after["session_start_limit"]["reset_after"]
            .as_u64()
            .unwrap()
            > 80_000_000
    );
    let (id, seq) = (client.session_id.clone(), client.seq);
    drop(client);
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.resume(&id, seq).await;
    client.until("RESUMED").await;
    assert_eq!(remaining(read().await), remaining(after));
}

#[tokio::test]
async fn ready_has_what_clients_read_and_guilds_follow() {
    let b = bench().await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client
        .identify(json!({"intents": ALL_INTENTS, "shard": [1, 4]}))
        .await;
    let payload = client.next().await.unwrap();
    assert_eq!((&payload["t"], &payload["s"]), (&json!("READY"), &json!(1)));
    let d = &payload["d"];
    assert_eq!(d["v"], 10);
    assert_eq!(d["user"]["id"], small::APPLICATION.to_string());
    assert_eq!(d["user"]["bot"], true);
    let guild = small::GUILDS[1].to_string();
    assert_eq!(d["guilds"], json!([{"id": guild, "unavailable": true}]));
    assert_eq!(d["resume_gateway_url"], b.gateway());
    assert_eq!(d["application"]["id"], small::APPLICATION.to_string());
    assert_eq!(d["shard"], json!([1, 4]));
    let payload = client.next().await.unwrap();
    assert_eq!(
        (&payload["t"], &payload["s"]),
        (&json!("GUILD_CREATE"), &json!(2))
    );
    let d = &payload["d"];
    assert_eq!(d["id"], guild);
    for key in [
        "joined_at",
        "large",
        "member_count",
        "voice_states",
        "members",
        "channels",
        "threads",
        "presences",
        "stage_instances",
        "guild_scheduled_events",
        "soundboard_sounds",
    ] {
        assert!(d.get(key).is_some(), "{key}");
    }
    assert_eq!(d["unavailable"], false);
    assert!(
        d["channels"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c.get("guild_id").is_none())
    );
}

#[tokio::test]
async fn without_a_shard_ready_has_none_and_everything_comes_to_one_session() {
    let b = bench().await;
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.identify(json!({})).await;
    let ready = client.until("READY").await;
    assert!(ready.get("shard").is_none());
    assert_eq!(ready["guilds"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn the_days_session_starts_run_out_and_come_back() {
    let b = bench().await;
    b.clock.set_rate(0.0);
    let set = |remaining: u32| {
        b.running.edge.sandbox.with_world(|world| {
            world
                .apps
                .get_mut(&small::APPLICATION)
                .unwrap()
                .sessions
                .remaining = remaining;
        });
    };
    let client = b.session(0).await;
    let (id, seq) = (client.session_id.clone(), client.seq);
    drop(client);
    set(0);
    let identify = || async {
        b.clock.advance(std::time::Duration::from_secs(5));
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.identify(json!({"intents": 0})).await;
        client
    };
    assert_eq!(identify().await.closed().await, Some(4004));
    // Resuming costs nothing.
    let mut client = b.client("?v=10").await;
    client.hello().await;
    client.resume(&id, seq).await;
    client.until("RESUMED").await;
    b.clock.advance(std::time::Duration::from_secs(24 * 3600));
    identify().await.until("READY").await;
}

#[tokio::test]
async fn the_code_for_missed_heartbeats_is_a_setting() {
    let b = bench_with(splashtail_sandbox::gateway::Settings {
        heartbeat_interval: std::time::Duration::from_millis(200),
        missed_heartbeat: 4009,
        ..settings()
    })
    .await;
    let mut client = b.client("?v=10").await;
    assert_eq!(client.hello().await["d"]["heartbeat_interval"], 200);
    assert_eq!(client.closed().await, Some(4009));
}
