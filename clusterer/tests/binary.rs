//! The program itself: replacing it under a running fleet, and ending it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_core::ids::ClusterId;
use splashtail_ipc::clients::ClustererClient;
use splashtail_ipc::hub::Hub;
use splashtail_ipc::signing::Signer;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const CHANNEL: &str = "ar_clusters/staging";
const SECRET: &str = "a-secret-of-the-api-with-enough-characters";

struct World {
    directory: tempfile::TempDir,
    port: u16,
    _discord: MockServer,
    hub: CancellationToken,
}

fn fake_cluster() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/fake_cluster")
}

fn alive(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == fake_cluster())
}

impl World {
    async fn new(shards: u16) -> Self {
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
        let data = directory.path().join("data");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = format!(
            "discord_auth:\n  token: \"token\"\ndiscord:\n  api_base: \"{}\"\nmeta:\n  clusterer_port: {port}\n  \
             bot_iserver_base_port: 20000\n  jobserver_secrets:\n    api: \"{SECRET}\"\n    bot: \"b{SECRET}\"\n",
            discord.uri(),
        );
        fs::write(directory.path().join("config.yaml"), config).unwrap();
        let clusters = format!(
            "names: [Flare, Waffle]\nper_cluster: 2\ncluster_start_next_delay: 0\noverride_dir: {}\nmodule: {}\n",
            data.join("bot").display(),
            fake_cluster().display(),
        );
        fs::write(directory.path().join("mewld-staging.yaml"), clusters).unwrap();
        let hub = Hub::bind(
            &data.join("bus.sock"),
            CHANNEL,
            &data.join("clusterer/actlogs.jsonl"),
        )
        .unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(hub.serve(stop.clone()));
        Self {
            directory,
            port,
            _discord: discord,
            hub: stop,
        }
    }

    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_splashtail-clusterer"))
            .arg("--config")
            .arg(self.directory.path().join("config.yaml"))
            .args(["--env", "staging"])
            .stdin(Stdio::null())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(self.log())
                    .unwrap(),
            )
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("clusterer.log")
    }

    fn client(&self) -> ClustererClient {
        let signer = Signer::new("api", SECRET.into(), "", SystemClock::shared());
        ClustererClient::new(
            format!("http://127.0.0.1:{}", self.port).parse().unwrap(),
            &signer,
        )
        .unwrap()
    }

    async fn until_launched(&self, what: &str) {
        let client = self.client();
        let reached = async {
            loop {
                let list = client.instance_list().await;
                let checked = |list: &splashtail_api_types::clusters::InstanceList| {
                    list.fully_up
                        && list.instances.iter().all(|instance| {
                            instance.launched_fully
                                && instance
                                    .cluster_health
                                    .as_ref()
                                    .is_some_and(|health| !health.is_empty())
                        })
                };
                if list.as_ref().is_ok_and(checked) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached)
            .await
            .unwrap_or_else(|_| panic!("never {what}"));
    }

    fn pids(&self) -> Vec<i32> {
        let mut pids: Vec<i32> = fs::read_dir(self.directory.path().join("data/bot"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.strip_suffix(".json")?.rsplit('-').next()?.parse().ok()
            })
            .collect();
        pids.sort_unstable();
        pids
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.hub.cancel();
        for pid in self.pids().into_iter().filter(|pid| alive(*pid)) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), signal).unwrap();
}

#[tokio::test]
async fn replaced_killed_and_ended() {
    let world = World::new(4).await;
    let mut first = world.start();
    world.until_launched("launched").await;
    let pids = world.pids();
    assert_eq!(pids.len(), 2);

    // SIGHUP: the same process number, a new program, the same clusters.
    let number = first.id();
    signal(&first, Signal::SIGHUP);
    let replaced = async {
        while !fs::read_to_string(world.log())
            .unwrap()
            .contains("found running clusters")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), replaced)
        .await
        .unwrap();
    world.until_launched("launched after SIGHUP").await;
    assert_eq!((first.id(), world.pids()), (number, pids.clone()));

    // A child of the replaced program is still reaped: its crash is seen with its signal.
    kill(Pid::from_raw(pids[0]), Signal::SIGKILL).unwrap();
    let crashed = async {
        let client = world.client();
        loop {
            let log = client.action_logs().await.unwrap_or_default();
            if let Some(entry) = log.iter().find(|entry| entry["event"] == "cluster_crashed") {
                return entry.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let crash: Value = tokio::time::timeout(Duration::from_secs(20), crashed)
        .await
        .unwrap();
    assert_eq!(crash["signal"], 9, "{crash}");
    world.until_launched("launched after a crash").await;
    let pids: Vec<i32> = world.pids().into_iter().filter(|pid| alive(*pid)).collect();

    // SIGKILL: the clusters run on and the next clusterer takes them over.
    signal(&first, Signal::SIGKILL);
    first.wait().await.unwrap();
    assert!(pids.iter().all(|pid| alive(*pid)));
    let mut second = world.start();
    world.until_launched("adopted").await;
    assert!(
        pids.iter().all(|pid| alive(*pid)),
        "no cluster was restarted"
    );
    assert_eq!(
        world
            .pids()
            .into_iter()
            .filter(|pid| alive(*pid))
            .collect::<Vec<_>>(),
        pids
    );
    assert_eq!(
        world
            .client()
            .command("stop", Some(ClusterId(1)), None)
            .await
            .unwrap(),
        "ok"
    );

    // SIGTERM: everything ends.
    signal(&second, Signal::SIGTERM);
    let status = tokio::time::timeout(Duration::from_secs(8), second.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!pids.into_iter().any(alive));
    assert!(!Path::new(&world.directory.path().join("data/clusterer/state.json")).exists());
}

#[tokio::test]
async fn bad_settings_end_it_with_one_message() {
    let world = World::new(2).await;
    fs::write(
        world.directory.path().join("mewld-staging.yaml"),
        "ping_interval: 0\nper_cluster: 0\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_splashtail-clusterer"))
        .arg("--config")
        .arg(world.directory.path().join("config.yaml"))
        .output()
        .await
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("2 problems")
            && message.contains("ping_interval")
            && message.contains("per_cluster"),
        "{message}"
    );
    assert!(output.stdout.is_empty());
    assert!(world.pids().is_empty());
}
