//! What others do wrong costs only themselves.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
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

fn every_type() -> Vec<Value> {
    let deep = (0..100).fold(json!(0), |inner, _| json!([inner]));
    let long = "x".repeat(20_000);
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(9),
        json!(65_536),
        json!(u64::MAX),
        json!(0.5),
        json!(1e308),
        json!(""),
        json!("\u{0}\u{1b}[2J"),
        json!("{\"diag\":true}"),
        json!(long),
        json!([]),
        json!([{"id": 0}]),
        json!({}),
        json!({"id": {"id": 0}, "event": [], "Nonce": {}, "Data": 5}),
        json!({ "event": "big", "text": long }),
        deep,
    ]
}

/// Commands that find nothing to do here, whatever comes with them.
const COMMANDS: [&str; 7] = [
    "statuses",
    "num_processes",
    "start",
    "stop",
    "restart",
    "reshard",
    "nonsense",
];
const NOTIFICATIONS: [&str; 3] = ["launch_next", "diag", "action_logs"];

/// Messages with this value in every place, and how many of them are commands, which get an answer.
fn with_everywhere(value: &Value) -> (Vec<Value>, usize) {
    let announcement = json!({"scope": "clusterer", "action": "announce", "data": value});
    let mut messages = vec![value.clone(), announcement];
    let mut commands = 0;
    let long = value.as_str().is_some_and(|text| text.len() > 1024);
    for action in COMMANDS.into_iter().chain(NOTIFICATIONS) {
        for member in ["args", "args.id", "command_id", "output", "data"] {
            let mut message = json!({"scope": "launcher", "action": action, "command_id": "each"});
            match member {
                "args.id" => message["args"] = json!({ "id": value }),
                member => message[member] = value.clone(),
            }
            messages.push(message);
            // An answer echoes the id: a long one gets none.
            let dropped = member == "command_id" && long;
            commands += usize::from(!dropped && COMMANDS.contains(&action));
        }
    }
    for member in ["scope", "action"] {
        let mut message = json!({"scope": "launcher", "action": "statuses"});
        message[member] = value.clone();
        messages.push(message);
        commands += usize::from(member == "action" && value.is_string());
    }
    for member in ["id", "nonce", "diag"] {
        let mut message = json!({"id": 9, "nonce": "aStranger1", "diag": true});
        message[member] = value.clone();
        messages.push(message);
    }
    (messages, commands)
}

/// Every member of every message with every type of JSON, and the largest that the bus takes.
#[tokio::test]
async fn every_member_with_every_type_of_json() {
    let world = World::new(4, "").await;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let channels = [world.channel.clone()];
    let mut heard = world.bus.subscribe(&channels).await.unwrap();
    // How many answers came to what was sent before.
    let mut answers = async |sentinel: String| {
        world.send("num_processes", None, &sentinel).await;
        let count = async {
            let mut count = 0;
            loop {
                let message = heard.next_message().await.unwrap();
                let message: Value = serde_json::from_str(&message.payload).unwrap();
                let answer = message["scope"] == "bot" && message["action"] == "";
                if answer && message["command_id"] == sentinel.as_str() {
                    return count;
                }
                count += usize::from(answer);
            }
        };
        let count = tokio::time::timeout(Duration::from_secs(90), count);
        count.await.expect("an answer")
    };
    let publish = async |message: &Value| {
        let text = message.to_string();
        world.bus.publish(&world.channel, &text).await.unwrap();
    };
    for (number, value) in every_type().iter().enumerate() {
        let (messages, commands) = with_everywhere(value);
        for message in &messages {
            publish(message).await;
        }
        assert_eq!(
            answers(format!("after {number}")).await,
            commands,
            "{value}"
        );
    }
    // One at a time: the hub parts with those who cannot follow.
    let huge = "x".repeat(1024 * 1024 - 200);
    for (member, commands) in [
        ("action", 1),
        ("command_id", 0),
        ("output", 1),
        ("data", 1),
        ("args", 1),
    ] {
        let mut message = json!({"scope": "launcher", "action": "statuses", "command_id": "huge"});
        message[member] = match member {
            "data" | "args" => json!({ "id": huge }),
            _ => json!(huge),
        };
        publish(&message).await;
        assert_eq!(
            answers(format!("after {member}")).await,
            commands,
            "{member}"
        );
    }
    let log = running.client.action_logs().await.unwrap();
    let bad = |entry: &&Value| entry["event"] == "ping_failure" || entry["event"] == "big";
    assert_eq!(log.iter().find(bad), None);
    assert_eq!(world.starts(), (1, 1), "nobody was restarted");
    let list = running.client.instance_list().await.unwrap();
    assert!(
        list.instances
            .iter()
            .all(|instance| instance.launched_fully)
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
    // The word counts, as mewld's protocol has no sender; health does not, and the process has some
    // time to find the bus before its silence counts.
    let started = running.log_entry("cluster_started").await;
    let failure = running.log_entry("ping_failure").await;
    assert_eq!((&started["id"], &failure["id"]), (&json!(0), &json!(0)));
    let waited = failure["ts"].as_i64().unwrap() - started["ts"].as_i64().unwrap();
    assert!(waited >= 15_000_000, "{waited} µs");
    let list = running.client.instance_list().await.unwrap();
    let health = list.instances[0].cluster_health.as_ref();
    assert!(health.is_some_and(Vec::is_empty));
    assert!(!list.instances[1].launched_fully && !list.fully_up);
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
