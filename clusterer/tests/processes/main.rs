//! The clusterer with real processes, a real bus and a mocked Discord.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod redis;
mod world;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use splashtail_api_types::clusters::InstanceList;
use splashtail_clusterer::Outcome;
use splashtail_core::clock::SystemClock;
use splashtail_core::ids::{ClusterId, UserId};
use splashtail_core::port_block::PortBlock;
use splashtail_ipc::clients::ClientError;
use splashtail_ipc::signing::{Signer, tag};

use world::{CHANNEL, SECRET, World, is_ours, pid_of, reply};

#[tokio::test]
async fn clusters_get_exactly_their_arguments_and_environment() {
    let world = World::new(5, "").await;
    let running = world.start();
    let list = running.until("fully up", |list| list.fully_up).await;
    assert_eq!(list.shard_count, 5);
    assert_eq!(
        list.map
            .iter()
            .map(|entry| entry.name.as_str())
            .collect::<Vec<_>>(),
        ["Flare", "Waffle", "Aqua"]
    );
    let run = &world.runs(1)[0];
    let dir = world.bot_dir().display().to_string();
    assert_eq!(
        run["args"],
        json!([
            "[2, 3]",
            "5",
            "1",
            "Waffle",
            dir,
            "3",
            "http://localhost:8081",
            CHANNEL,
            "staging"
        ])
    );
    assert_eq!(run["cwd"], json!(dir));
    assert_eq!(run["env"]["MEWLD_CHANNEL"], CHANNEL);
    assert_eq!(
        run["env"]["REDIS_URL"],
        json!(format!(
            "unix:{}",
            world.config.data_dir.join("bus.sock").display()
        ))
    );
    assert_eq!(run["env"]["SPLASHTAIL_CONFIG"], "/srv/config.yaml");
    assert_eq!(run["env"]["CLUSTERER_ORPHAN_TIMEOUT"], "120");
    assert!(run["env"].get("MTOKEN").is_none() && run["env"].get("LISTEN_FDS").is_none());
    let log = fs::read_to_string(world.config.data_dir.join("logs/bot-1.log")).unwrap();
    assert!(
        log.contains("starting shards [2, 3]") && log.contains("cluster 1 speaks"),
        "{log}"
    );
    let pid = run["pid"].clone();
    world
        .until_saved(move |state| state["clusters"][1]["process"]["pid"] == pid)
        .await;

    let pids: Vec<_> = (0..3)
        .map(|cluster| pid_of(&world.runs(cluster)[0]))
        .collect();
    let outcome = running.stop().await;
    assert_eq!(
        outcome,
        Outcome::Stopped {
            code: 0,
            reason: None
        }
    );
    assert!(
        pids.into_iter()
            .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    );
    assert!(!world.config.data_dir.join("clusterer/state.json").exists());
}

#[tokio::test]
async fn mewlds_arguments_for_mewlds_bots() {
    let mut world = World::new(2, "").await;
    world.extra = "argv: mewld\n".to_owned();
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let run = &world.runs(0)[0];
    let dir = world.bot_dir().display().to_string();
    assert_eq!(run["args"], json!(["[0, 1]", "2", "0", "Flare", "0", dir]));
    assert_eq!(run["env"]["MTOKEN"], "token");
    running.stop().await;
}

#[tokio::test]
async fn an_interpreter_and_dotenv_files_reach_the_cluster() {
    let mut world = World::new(2, "").await;
    fs::write(
        world.directory.path().join("bot.env"),
        "MTOKEN=other\nPER_CLUSTER=1\n",
    )
    .unwrap();
    // env(1) runs what follows, as an interpreter runs a script.
    world.extra = "interp: /usr/bin/env\nargv: mewld\nenv: [bot.env]\n".to_owned();
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let run = &world.runs(1)[0];
    assert_eq!(
        (&run["args"][0], &run["args"][2]),
        (&json!("[1]"), &json!("1"))
    );
    assert_eq!(run["env"]["MTOKEN"], "other");
    running.stop().await;
}

#[tokio::test]
async fn a_killed_cluster_comes_back_and_the_other_does_not_notice() {
    let world = World::new(4, "").await;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let (victim, other) = (pid_of(&world.runs(1)[0]), pid_of(&world.runs(0)[0]));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(victim),
        nix::sys::signal::SIGKILL,
    )
    .unwrap();
    running
        .until("cluster 1 down", |list| !list.instances[1].active)
        .await;
    running
        .until("cluster 1 back", |list| list.instances[1].launched_fully)
        .await;
    assert_eq!((world.runs(1).len(), world.runs(0).len()), (2, 1));
    assert!(Path::new(&format!("/proc/{other}")).exists());
    let log = running.client.action_logs().await.unwrap();
    let crash = log
        .iter()
        .find(|entry| entry["event"] == "cluster_crashed")
        .unwrap();
    assert_eq!((&crash["id"], &crash["signal"]), (&json!(1), &json!(9)));
    running.stop().await;
}

#[tokio::test]
async fn commands_over_the_bus_and_over_http() {
    let world = World::new(4, "").await;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let mut replies = world.bus.subscribe(&[CHANNEL.to_owned()]).await.unwrap();
    // Hostile messages first: none of them may stop what follows.
    for text in [
        "5",
        "[]",
        "{}",
        r#"{"scope":"launcher","action":5}"#,
        r#"{"scope":"launcher","action":"diag","output":{"Nonce":[]}}"#,
    ] {
        world.bus.publish(CHANNEL, text).await.unwrap();
    }
    let send = async |action, cluster, id| world.send(action, cluster, id).await;
    send("num_processes", None, "c1").await;
    assert_eq!(
        reply(&mut replies, "c1").await,
        json!({"action": "", "command_id": "c1", "output": {"clusters": 2, "shards": 4}, "scope": "bot"})
    );
    send("stop", Some(1), "c2").await;
    assert_eq!(reply(&mut replies, "c2").await["output"], "ok");
    running
        .until("cluster 1 stopped", |list| {
            !list.instances[1].active && !list.instances[1].currently_killing
        })
        .await;
    send("stop", Some(1), "c3").await;
    assert_eq!(
        reply(&mut replies, "c3").await["output"],
        json!({"error": "not_running"})
    );

    let client = &running.client;
    let user = UserId::new(728_871_946_456_137_770);
    let refused = client
        .command("stop", Some(ClusterId(1)), user)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.status()),
        (Some("not_running"), Some(StatusCode::CONFLICT))
    );
    assert_eq!(
        client
            .command("start", Some(ClusterId(1)), user)
            .await
            .unwrap(),
        "ok"
    );
    running
        .until("cluster 1 started", |list| list.instances[1].launched_fully)
        .await;
    let statuses = client.command("statuses", None, None).await.unwrap();
    assert_eq!(statuses["1"]["shard_list"], json!([2, 3]));
    assert_eq!(
        client
            .command("dance", None, None)
            .await
            .unwrap_err()
            .status(),
        Some(StatusCode::NOT_FOUND)
    );
    let healthy = async {
        while client
            .cluster_health(ClusterId(0))
            .await
            .unwrap()
            .health
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), healthy)
        .await
        .unwrap();
    assert_eq!(
        client
            .cluster_health(ClusterId(9))
            .await
            .unwrap_err()
            .status(),
        Some(StatusCode::BAD_REQUEST)
    );

    // Who may ask.
    let wrong = world
        .client(&running.address, "api", "another secret")
        .instance_list()
        .await;
    assert_eq!(wrong.unwrap_err().status(), Some(StatusCode::UNAUTHORIZED));
    let bot = world
        .client(&running.address, "bot", "the bot may not command anything")
        .instance_list()
        .await;
    assert!(matches!(
        bot,
        Err(ClientError::Status {
            status: StatusCode::FORBIDDEN,
            ..
        })
    ));
    let open = |path: &str| reqwest::get(format!("{}{path}", running.address));
    assert_eq!(open("/readyz").await.unwrap().status(), 200);
    assert_eq!(open("/instance-list").await.unwrap().status(), 401);
    let metrics = open("/metrics").await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("splashtail_cluster_running{cluster=\"0\"} 1"),
        "{metrics}"
    );
    for line in [
        "event=\"cluster_stopped\"} 1",
        "splashtail_cluster_shards_up{cluster=\"0\"} 2",
        "splashtail_clusterer_fully_up 1",
        "splashtail_clusterer_hosts 1",
        "splashtail_clusterer_shards_missing 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }

    assert_eq!(
        client.command("rollingrestart", None, user).await.unwrap(),
        "ok"
    );
    running
        .until("rolled", |list| {
            world.starts() == (2, 3)
                && !list.roll_restarting
                && list
                    .instances
                    .iter()
                    .all(|instance| instance.launched_fully)
        })
        .await;
    send("shutdown", None, "c9").await;
    assert_eq!(
        running.task.await.unwrap().unwrap(),
        Outcome::Stopped {
            code: 0,
            reason: None
        }
    );
}

#[tokio::test]
async fn a_hung_cluster_is_restarted() {
    let world = World::new(2, "").await;
    let running = world.start();
    let answered = |list: &InstanceList| {
        let health = list.instances[0].cluster_health.as_ref();
        list.fully_up && health.is_some_and(|health| !health.is_empty())
    };
    let up = |list: &InstanceList| list.instances.len() == 1 && answered(list);
    running.until("fully up and healthy", up).await;
    fs::write(world.bot_dir().join("hang-0"), "").unwrap();
    running
        .until("restarting", |list| {
            list.instances[0].currently_killing
                || !list.instances[0].active
                || world.runs(0).len() > 1
        })
        .await;
    fs::remove_file(world.bot_dir().join("hang-0")).unwrap();
    running
        .until("back", |list| {
            world.runs(0).len() == 2 && list.instances[0].launched_fully
        })
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_successor_adopts_the_clusters_of_one_that_died() {
    let world = World::new(4, "").await;
    let first = world.start();
    first.until("fully up", |list| list.fully_up).await;
    world
        .until_saved(|state| {
            let clusters = state["clusters"].as_array().unwrap();
            clusters.iter().all(|cluster| cluster["state"] == "running")
        })
        .await;
    // As much of a SIGKILL as one process can do to itself.
    first.task.abort();
    let _ = first.task.await;

    let second = world.start();
    let list = second
        .until("adopted", |list| {
            list.fully_up
                && list
                    .instances
                    .iter()
                    .all(|instance| instance.launched_fully)
        })
        .await;
    assert_eq!(list.instances.len(), 2);
    second
        .until("pinged", |list| {
            list.instances.iter().all(|instance| {
                instance
                    .cluster_health
                    .as_ref()
                    .is_some_and(|health| health.len() == 2)
            })
        })
        .await;
    assert_eq!(
        (world.runs(0).len(), world.runs(1).len()),
        (1, 1),
        "no cluster was restarted"
    );
    assert_eq!(
        second
            .client
            .command("restart", Some(ClusterId(1)), None)
            .await
            .unwrap(),
        "ok"
    );
    second
        .until("restarted", |list| {
            world.runs(1).len() == 2 && list.instances[1].launched_fully
        })
        .await;
    let pids: Vec<_> = [0, 1]
        .iter()
        .flat_map(|cluster| world.runs(*cluster))
        .map(|run| pid_of(&run))
        .collect();
    second.stop().await;
    for pid in pids {
        assert!(!is_ours(pid), "{pid} is left");
    }
}

/// It cannot be told to the bus, but is done.
#[tokio::test]
async fn a_successor_without_a_bus_stops_the_clusters() {
    let mut world = World::new(4, "").await;
    let first = world.start();
    first.until("fully up", |list| list.fully_up).await;
    world
        .until_saved(|state| {
            let clusters = state["clusters"].as_array().unwrap();
            clusters.iter().all(|cluster| cluster["state"] == "running")
        })
        .await;
    first.task.abort();
    let _ = first.task.await;
    let pids = [0, 1].map(|cluster| pid_of(&world.runs(cluster)[0]));
    assert!(pids.iter().all(|pid| is_ours(*pid)));

    let closed = PortBlock::claim(Ipv4Addr::LOCALHOST.into()).unwrap();
    world.config.meta.redis_url = Some(format!("redis://127.0.0.1:{}", closed.base()).into());
    let second = world.start();
    let code = 0;
    let reason = None;
    assert_eq!(second.stop().await, Outcome::Stopped { code, reason });
    assert!(!pids.into_iter().any(is_ours));
    assert!(!world.config.data_dir.join("clusterer/state.json").exists());
}

#[tokio::test]
async fn only_listed_users_command_through_the_web_server() {
    let world = World::new(2, "allowed_ids: [\"728871946456137770\"]\n").await;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let client = &running.client;
    for user in [None, UserId::new(728_871_946_456_137_771)] {
        let refused = client.command("statuses", None, user).await.unwrap_err();
        assert_eq!(refused.code(), Some("user_not_allowed"));
    }
    let listed = UserId::new(728_871_946_456_137_770);
    client.command("statuses", None, listed).await.unwrap();
    let list = client.instance_list().await.unwrap();
    assert!(list.instances[0].lock_cluster_time.is_none());
    running.stop().await;
}

/// A clusterer that is killed between the start of a process and the write of its number.
#[tokio::test]
async fn a_process_that_was_not_written_down_is_not_started_twice() {
    let world = World::new(4, "").await;
    let first = world.start();
    first.until("fully up", |list| list.fully_up).await;
    world
        .until_saved(|state| state["clusters"][1]["state"] == "running")
        .await;
    first.task.abort();
    let _ = first.task.await;
    let path = world.config.data_dir.join("clusterer/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    state["clusters"][1]["process"] = Value::Null;
    state["clusters"][1]["state"] = json!("starting");
    fs::write(&path, state.to_string()).unwrap();

    let second = world.start();
    second
        .until("adopted", |list| {
            list.instances.len() == 2
                && list
                    .instances
                    .iter()
                    .all(|instance| instance.launched_fully)
        })
        .await;
    assert_eq!((world.runs(0).len(), world.runs(1).len()), (1, 1));
    let pid = pid_of(&world.runs(1)[0]);
    second.stop().await;
    assert!(!is_ours(pid));
}

/// What is written is not needed to know what runs.
#[tokio::test]
async fn without_a_usable_state_file_the_running_clusters_are_adopted() {
    for damage in ["gone", "damaged", "of another time"] {
        let world = World::new(4, "").await;
        let first = world.start();
        first.until("fully up", |list| list.fully_up).await;
        world
            .until_saved(|state| state["clusters"][1]["state"] == "running")
            .await;
        first.task.abort();
        let _ = first.task.await;
        let path = world.config.data_dir.join("clusterer/state.json");
        match damage {
            "gone" => fs::remove_file(&path).unwrap(),
            "damaged" => fs::write(&path, "{\"boot_id\":").unwrap(),
            _ => fs::write(&path, "{\"version\": 3, \"fleet\": []}").unwrap(),
        }
        let second = world.start();
        let up = |list: &InstanceList| {
            list.fully_up && list.instances.iter().all(|one| one.launched_fully)
        };
        let list = second.until("adopted", up).await;
        assert_eq!((list.shard_count, world.starts()), (4, (1, 1)), "{damage}");
        let aside = path.with_extension("json.unusable");
        assert_eq!(aside.exists(), damage != "gone");
        second.stop().await;
        assert!(!is_ours(pid_of(&world.runs(0)[0])));
    }
}

/// They cannot be adopted: their shards are others than those of today.
#[tokio::test]
async fn processes_that_fit_no_cluster_end_before_anything_starts() {
    let mut world = World::new(4, "").await;
    let first = world.start();
    first.until("fully up", |list| list.fully_up).await;
    first.task.abort();
    let _ = first.task.await;
    let strays = [0, 1].map(|cluster| pid_of(&world.runs(cluster)[0]));
    fs::remove_file(world.config.data_dir.join("clusterer/state.json")).unwrap();
    fs::write(world.directory.path().join("bot.env"), "PER_CLUSTER=4\n").unwrap();
    world.extra = "env: [bot.env]\n".to_owned();
    let second = world.start();
    let list = second.until("fully up", |list| list.fully_up).await;
    assert_eq!(list.instances.len(), 1);
    assert!(!strays.into_iter().any(is_ours));
    second.stop().await;
}

#[tokio::test]
async fn a_fleet_that_discord_refuses_is_held_and_says_what_to_do() {
    let world = World::new(4, "").await;
    fs::create_dir_all(world.bot_dir()).unwrap();
    for cluster in [0, 1] {
        fs::write(world.bot_dir().join(format!("refused-{cluster}")), "").unwrap();
    }
    let running = world.start();
    let list = running.until("held", |list| list.hold.is_some()).await;
    let hold = list.hold.unwrap();
    assert_eq!((hold.code.as_str(), hold.close_code), ("intents", 4014));
    running.log_entry("discord_refused").await;
    let one = Some(ClusterId(0));
    // Both were started at once, before the first one could be refused.
    assert_eq!(world.starts(), (1, 1));
    assert_eq!(
        running.client.command("start", one, None).await.unwrap(),
        "ok"
    );
    running
        .until("refused again", |list| {
            world.starts() == (2, 1) && list.hold.is_some() && !list.instances[0].active
        })
        .await;
    for cluster in [0, 1] {
        fs::remove_file(world.bot_dir().join(format!("refused-{cluster}"))).unwrap();
    }
    assert_eq!(
        running.client.command("start", one, None).await.unwrap(),
        "ok"
    );
    let list = running.until("fully up", |list| list.fully_up).await;
    assert!(list.hold.is_none());
    assert_eq!(world.starts(), (3, 2));
    running.stop().await;
}

/// The signature covers the body; what stands beside it can be changed on the way.
#[tokio::test]
async fn a_user_beside_the_signed_body_counts_for_nothing() {
    let operator = "728871946456137770";
    let world = World::new(2, &format!("allowed_ids: [\"{operator}\"]\n")).await;
    let running = world.start();
    running.until("fully up", |list| list.fully_up).await;
    let send = async |body: Value, header: Option<&str>| {
        let signer = Signer::new("api", SECRET.into(), tag::CLUSTERER, SystemClock::shared());
        let address = format!("{}/commands/statuses", running.address);
        let http = reqwest::Client::new();
        let mut request = http.post(address).json(&body).build().unwrap();
        signer.sign(&mut request).unwrap();
        if let Some(user) = header {
            request
                .headers_mut()
                .insert("x-user-id", user.parse().unwrap());
        }
        http.execute(request).await.unwrap().status().as_u16()
    };
    let signed = json!({ "user_id": operator });
    assert_eq!(send(signed.clone(), Some(operator)).await, 200);
    assert_eq!(send(signed.clone(), None).await, 200);
    assert_eq!(send(json!({}), Some(operator)).await, 400);
    assert_eq!(send(signed, Some("728871946456137771")).await, 400);
    assert_eq!(send(json!({}), None).await, 403);
    running.stop().await;
}
