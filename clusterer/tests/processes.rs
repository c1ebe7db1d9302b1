//! The clusterer with real processes, a real hub and a mocked Discord.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use splashtail_api_types::clusters::InstanceList;
use splashtail_clusterer::Outcome;
use splashtail_clusterer::settings::{Settings, Surroundings};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use splashtail_core::ids::{ClusterId, UserId};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_ipc::bus::{self, Bus, Subscription};
use splashtail_ipc::clients::{ClientError, ClustererClient};
use splashtail_ipc::hub::Hub;
use splashtail_ipc::launcher::LauncherCmd;
use splashtail_ipc::signing::Signer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const CHANNEL: &str = "ar_clusters/staging";
const SECRET: &str = "a secret of the api with enough characters";

struct World {
    directory: tempfile::TempDir,
    config: Config,
    _discord: MockServer,
    hub: CancellationToken,
    bus: Arc<dyn Bus>,
    extra: String,
}

struct Running {
    client: ClustererClient,
    address: String,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<Outcome>>,
}

fn fake_cluster() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/fake_cluster")
}

impl World {
    async fn new(shards: u16, extra: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let discord = MockServer::start().await;
        Mock::given(path("/api/gateway/bot"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                "url": "wss://gateway", "shards": shards,
                "session_start_limit": {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 16},
            })))
            .mount(&discord)
            .await;
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::embedded(&directory.path().join("data"), Environment::Staging);
        config.discord_auth.token = Some("token".into());
        config.discord.api_base = discord.uri().parse().unwrap();
        config.meta.bot_iserver_base_port = 20_000;
        config.meta.jobserver_secrets = BTreeMap::from([
            ("api".to_owned(), SECRET.into()),
            ("bot".to_owned(), "the bot may not command anything".into()),
        ]);
        let socket = config.data_dir.join("bus.sock");
        let hub = Hub::bind(
            &socket,
            CHANNEL,
            &config.data_dir.join("clusterer/actlogs.jsonl"),
        )
        .unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(hub.serve(stop.clone()));
        let bus = bus::connect(&config.bus(), CHANNEL).unwrap();
        let extra = extra.to_owned();
        Self {
            directory,
            config,
            _discord: discord,
            hub: stop,
            bus,
            extra,
        }
    }

    fn bot_dir(&self) -> PathBuf {
        self.config.data_dir.join("bot")
    }

    fn settings(&self) -> Settings {
        let file = self.directory.path().join("mewld-staging.yaml");
        let module = fake_cluster();
        let dir = self.bot_dir();
        let text = format!(
            "names: [Flare, Waffle, Aqua]\nper_cluster: 2\ncluster_start_next_delay: 0\noverride_dir: {}\nmodule: {}\n{}",
            dir.display(),
            module.display(),
            self.extra,
        );
        fs::write(&file, text).unwrap();
        let surroundings = Surroundings {
            variables: std::env::vars().collect(),
            current_dir: self.directory.path().to_owned(),
            bin_dir: self.directory.path().to_owned(),
            config_path: Some("/srv/config.yaml".into()),
        };
        Settings::resolve(&self.config, &file, &surroundings).unwrap()
    }

    fn start(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (config, settings) = (self.config.clone(), self.settings());
        let shutdown = CancellationToken::new();
        let lifecycle = Lifecycle::manual(shutdown.clone());
        let task = tokio::spawn(async move {
            splashtail_clusterer::run_on(listener, &config, settings, &lifecycle).await
        });
        let client = self.client(&address, "api", SECRET);
        Running {
            client,
            address,
            shutdown,
            task,
        }
    }

    fn client(&self, address: &str, name: &str, secret: &str) -> ClustererClient {
        let signer = Signer::new(name, secret.into(), "", SystemClock::shared());
        ClustererClient::new(address.parse().unwrap(), &signer).unwrap()
    }

    /// The state file is written behind the fleet's back.
    async fn until_saved(&self, done: impl Fn(&Value) -> bool) {
        let path = self.config.data_dir.join("clusterer/state.json");
        let saved = async {
            loop {
                let state = fs::read(&path)
                    .ok()
                    .and_then(|text| serde_json::from_slice(&text).ok());
                if state.is_some_and(|state| done(&state)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), saved)
            .await
            .unwrap();
    }

    /// What the clusters wrote at their start, by cluster.
    fn runs(&self, cluster: u16) -> Vec<Value> {
        let prefix = format!("run-{cluster}-");
        let mut runs = Vec::new();
        for entry in fs::read_dir(self.bot_dir()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with(&prefix)
                && let Ok(run) = serde_json::from_slice(&fs::read(entry.path()).unwrap())
            {
                runs.push(run);
            }
        }
        runs
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.hub.cancel();
        // A failed test leaves no process behind.
        for entry in fs::read_dir(self.bot_dir()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name
                .strip_suffix(".json")
                .and_then(|name| name.rsplit('-').next()?.parse().ok());
            if let Some(pid) = pid.filter(|pid| is_ours(*pid)) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::SIGKILL,
                );
            }
        }
    }
}

fn is_ours(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == fake_cluster())
}

impl Running {
    async fn until(&self, what: &str, done: impl Fn(&InstanceList) -> bool) -> InstanceList {
        let reached = async {
            loop {
                match self.client.instance_list().await {
                    Ok(list) if done(&list) => return list,
                    _ => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"))
    }

    async fn stop(self) -> Outcome {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap()
    }
}

fn pid_of(run: &Value) -> i32 {
    i32::try_from(run["pid"].as_i64().unwrap()).unwrap()
}

async fn reply(replies: &mut Subscription, command_id: &str) -> Value {
    let found = async {
        loop {
            let message = replies.next_message().await.unwrap();
            let value: Value = serde_json::from_str(&message.payload).unwrap();
            if value["scope"] == "bot" && value["command_id"] == command_id {
                return value;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found)
        .await
        .expect("a reply")
}

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
    let send = async |action: &str, cluster: Option<u16>, id: &str| {
        let command = LauncherCmd::command(action, cluster.map(ClusterId), id).to_json();
        world.bus.publish(CHANNEL, &command).await.unwrap();
    };
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
    tokio::time::timeout(Duration::from_secs(20), healthy)
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
    assert!(
        metrics.contains("event=\"cluster_stopped\"} 1"),
        "{metrics}"
    );

    assert_eq!(
        client.command("rollingrestart", None, user).await.unwrap(),
        "ok"
    );
    running
        .until("rolled", |list| {
            !list.roll_restarting
                && list
                    .instances
                    .iter()
                    .all(|instance| instance.launched_fully)
        })
        .await;
    assert_eq!((world.runs(0).len(), world.runs(1).len()), (2, 3));
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
    running.until("fully up", |list| list.fully_up).await;
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

#[tokio::test]
async fn a_program_that_cannot_run_is_reported_and_retried() {
    let mut world = World::new(2, "").await;
    world.extra = "interp: /nonexistent/interpreter\n".to_owned();
    let running = world.start();
    let logged = async {
        loop {
            let log = running.client.action_logs().await.unwrap_or_default();
            if let Some(entry) = log
                .iter()
                .find(|entry| entry["event"] == "cluster_start_failed")
            {
                return entry.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let entry = tokio::time::timeout(Duration::from_secs(20), logged)
        .await
        .unwrap();
    assert!(
        entry["error"]
            .as_str()
            .unwrap()
            .contains("/nonexistent/interpreter"),
        "{entry}"
    );
    assert_eq!(
        (&entry["id"], &entry["via"]),
        (&json!(0), &json!("start_next"))
    );
    running.stop().await;
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
