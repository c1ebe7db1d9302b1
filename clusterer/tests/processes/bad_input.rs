//! What others do wrong costs only themselves.

use std::fs;

use serde_json::json;
use splashtail_clusterer::Outcome;

use super::world::{World, reply};

/// Ten thousand messages of every kind, as fast as they can be sent.
#[tokio::test]
async fn a_flood_stalls_nothing_and_kills_nobody() {
    let world = World::new(4, "").await;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let bad = [
        "5".to_owned(),
        json!({"scope": 5, "action": []}).to_string(),
        json!({"scope": "launcher", "action": "x".repeat(5000)}).to_string(),
        json!({"scope": "launcher", "action": "launch_next", "args": {"id": 60_000}}).to_string(),
        json!({"scope": "launcher", "action": "diag", "output": "{\"Nonce\":\"a\",\"Data\":[]}"})
            .to_string(),
        json!({"scope": "launcher", "action": "statuses"}).to_string(),
        json!({"scope": "launcher", "action": "action_logs", "data": null}).to_string(),
        json!({"scope": "clusterer", "action": "announce", "data": {"id": 1}}).to_string(),
        json!({"id": 0, "nonce": "stranger", "diag": true}).to_string(),
        json!({"diag": {}}).to_string(),
    ];
    for _ in 0..1000 {
        for text in &bad {
            world.bus.publish(&world.channel, text).await.unwrap();
        }
    }
    let channels = [world.channel.clone()];
    let mut replies = world.bus.subscribe(&channels).await.unwrap();
    world.send("restart", Some(1), "after").await;
    assert_eq!(reply(&mut replies, "after").await["output"], "ok");
    running
        .until("restarted", |list| {
            world.starts() == (1, 2) && list.instances[1].launched_fully
        })
        .await;
    let log = running.client.action_logs().await.unwrap();
    assert!(
        log.iter().all(|entry| entry["event"] != "ping_failure"),
        "{log:?}"
    );
    running.stop().await;
}

/// Cluster 1 says that cluster 0 has launched, and answers pings in its name.
#[tokio::test]
async fn a_cluster_that_reports_for_another_helps_nobody() {
    let mut world = World::new(4, "").await;
    fs::write(
        world.directory.path().join("mode.env"),
        "FAKE_MODE_0=silent\nFAKE_MODE_1=as-0\n",
    )
    .unwrap();
    world.extra = "env: [mode.env]\nlaunch_timeout: 1\n".to_owned();
    let running = world.start();
    running
        .until("cluster 0 launched by a stranger's word", |list| {
            list.instances.len() == 2 && list.instances[0].launched_fully
        })
        .await;
    // The word counts, as mewld's protocol has no sender; health does not.
    running.log_entry("ping_failure").await;
    let health = running.client.instance_list().await.unwrap();
    assert!(
        health.instances[0]
            .cluster_health
            .as_ref()
            .unwrap()
            .is_empty()
    );
    assert!(!health.instances[1].launched_fully && !health.fully_up);
    running.stop().await;
}

#[tokio::test]
async fn programs_that_cannot_run_are_named_in_the_action_log() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("not-executable");
    fs::write(&plain, "text").unwrap();
    for program in ["/nonexistent/bot", "/", plain.to_str().unwrap()] {
        let world = World::new(2, &format!("interp: {program}\n")).await;
        let running = world.start();
        let entry = running.log_entry("cluster_start_failed").await;
        assert!(
            entry["error"].as_str().unwrap().contains(program),
            "{entry}"
        );
        let started = (&entry["id"], &entry["via"]);
        assert_eq!(started, (&json!(0), &json!("start_next")));
        // It is tried again after a pause.
        running.log_entry("cluster_backoff").await;
        running.stop().await;
    }
}

#[tokio::test]
async fn the_port_answers_while_discord_does_not() {
    let mut world = World::new(2, "").await;
    world.config.discord.api_base = "http://127.0.0.1:1".parse().unwrap();
    let running = world.start();
    let list = running.until("an answer", |_| true).await;
    assert!(list.instances.is_empty() && !list.fully_up);
    let ready = reqwest::get(format!("{}/readyz", running.address)).await;
    assert_eq!(ready.unwrap().status(), 200);
    let outcome = running.stop().await;
    assert!(matches!(outcome, Outcome::Stopped { code: 0, .. }));
}

#[tokio::test]
async fn ports_that_collide_end_it_before_anything_starts() {
    let mut world = World::new(4, "").await;
    world.config.meta.port = 20_001;
    let running = world.start();
    let Outcome::Stopped { code, reason } = running.task.await.unwrap().unwrap() else {
        panic!("it has nothing to replace itself with");
    };
    let reason = reason.unwrap();
    assert_eq!(code, 1);
    for part in ["20000-20001", "meta.port", "meta.bot_iserver_base_port"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    assert!(!world.bot_dir().exists());
}
