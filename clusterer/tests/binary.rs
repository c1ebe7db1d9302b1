//! The program itself: replacing it under a running fleet, and ending it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use splashtail_api_types::clusters::{Instance, InstanceList};
use splashtail_core::clock::SystemClock;
use splashtail_core::ids::ClusterId;
use splashtail_core::port_block::PortBlock;
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
    ports: PortBlock,
    channel: String,
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
    /// On a hub of its own.
    async fn new(shards: u16) -> Self {
        Self::host(shards, CHANNEL, "").await.with_hub()
    }

    fn with_hub(self) -> Self {
        let data = self.directory.path().join("data");
        let actlogs = data.join("clusterer/actlogs.jsonl");
        let hub = Hub::bind(&data.join("bus.sock"), &self.channel, &actlogs).unwrap();
        tokio::spawn(hub.serve(self.hub.clone()));
        self
    }

    /// One whose bus is elsewhere.
    fn on(self, bus: &str) -> Self {
        let path = self.directory.path().join("config.yaml");
        let config = fs::read_to_string(&path).unwrap();
        let config = config.replace("meta:\n", &format!("meta:\n  redis_url: \"{bus}\"\n"));
        fs::write(path, config).unwrap();
        self
    }

    fn hub_url(&self) -> String {
        let socket = self.directory.path().join("data/bus.sock");
        format!("unix:{}", socket.display())
    }

    async fn host(shards: u16, channel: &str, extra: &str) -> Self {
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
        let ports = PortBlock::claim(Ipv4Addr::LOCALHOST.into()).unwrap();
        let port = ports.base();
        let config = format!(
            "discord_auth:\n  token: \"token\"\ndiscord:\n  api_base: \"{}\"\nmeta:\n  clusterer_port: {port}\n  \
             bot_iserver_base_port: 20000\n  jobserver_secrets:\n    api: \"{SECRET}\"\n    bot: \"b{SECRET}\"\n",
            discord.uri(),
        );
        fs::write(directory.path().join("config.yaml"), config).unwrap();
        let clusters = format!(
            "names: [Flare, Waffle]\nper_cluster: 2\ncluster_start_next_delay: 0\nping_timeout: 15\nredis_channel: {channel}\noverride_dir: {}\nmodule: {}\n{extra}",
            data.join("bot").display(),
            fake_cluster().display(),
        );
        fs::write(directory.path().join("mewld-staging.yaml"), clusters).unwrap();
        Self {
            directory,
            ports,
            channel: channel.to_owned(),
            _discord: discord,
            hub: CancellationToken::new(),
        }
    }

    async fn until(&self, what: &str, done: impl Fn(&InstanceList) -> bool) {
        let client = self.client();
        let reached = async {
            while !client.instance_list().await.is_ok_and(|list| done(&list)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), reached)
            .await
            .unwrap_or_else(|_| {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                panic!("never {what}:\n{log}")
            });
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
            format!("http://127.0.0.1:{}", self.ports.base())
                .parse()
                .unwrap(),
            &signer,
        )
        .unwrap()
    }

    async fn until_launched(&self, what: &str) {
        let checked = |list: &InstanceList| {
            let launched = |instance: &Instance| {
                let health = instance.cluster_health.as_ref();
                instance.launched_fully && health.is_some_and(|health| !health.is_empty())
            };
            list.fully_up && list.instances.iter().all(launched)
        };
        self.until(what, checked).await;
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
    tokio::time::timeout(Duration::from_secs(90), replaced)
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
    let crash: Value = tokio::time::timeout(Duration::from_secs(90), crashed)
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
    let status = tokio::time::timeout(Duration::from_secs(90), second.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!pids.iter().copied().any(alive));

    // What an operator stopped stays stopped, and the first SIGSEGV is the last one.
    let mut third = world.start();
    world
        .until("up without cluster 1", |list| {
            list.fully_up && list.instances[0].launched_fully
        })
        .await;
    let running = world.pids().into_iter().filter(|pid| alive(*pid));
    let running: Vec<i32> = running.collect();
    assert_eq!(running.len(), 1);
    signal(&third, Signal::SIGSEGV);
    let status = tokio::time::timeout(Duration::from_secs(90), third.wait()).await;
    let status = status.expect("it ends").unwrap();
    assert_eq!(status.signal(), Some(11));
    assert!(alive(running[0]));
}

/// Asked to stop in the middle of an upgrade, whichever of the two programs hears it.
#[tokio::test]
async fn a_stop_during_an_upgrade_stops_the_clusters() {
    for old_has_ended in [false, true] {
        let world = World::new(2).await;
        let mut clusterer = world.start();
        world.until_launched("launched").await;
        let pids = world.pids();
        signal(&clusterer, Signal::SIGHUP);
        let replacing = async {
            while old_has_ended
                && !fs::read_to_string(world.log())
                    .unwrap()
                    .contains("replacing this process")
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(90), replacing)
            .await
            .unwrap();
        signal(&clusterer, Signal::SIGTERM);
        assert_eq!(status(&mut clusterer).await, Some(0), "{old_has_ended}");
        assert!(!pids.into_iter().any(alive), "{old_has_ended}");
    }
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

async fn status(child: &mut Child) -> Option<i32> {
    let ended = tokio::time::timeout(Duration::from_secs(90), child.wait()).await;
    ended.expect("it ends").unwrap().code()
}

/// The life of a fleet over two hosts; each has its own directory, port and mocked Discord, and
/// only the bus is common.
async fn two_hosts(first: World, second: World, third: World) {
    let mut one = first.start();
    let up = |list: &InstanceList, ids: &[usize]| {
        let launched = |id: &usize| list.instances[*id].launched_fully;
        list.instances.len() == 4 && ids.iter().all(launched)
    };
    first
        .until("alone", |list| up(list, &[0, 1]) && !list.fully_up)
        .await;
    let mut two = second.start();
    for world in [&first, &second] {
        world
            .until("together", |list| up(list, &[0, 1, 2, 3]) && list.fully_up)
            .await;
    }
    let run = fs::read_dir(second.directory.path().join("data/bot")).unwrap();
    let run = run
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("run-3"));
    let run: Value = serde_json::from_slice(&fs::read(run.unwrap().path()).unwrap()).unwrap();
    let args = run["args"].as_array().unwrap();
    assert_eq!(
        [&args[0], &args[1], &args[2], &args[5]],
        ["[6, 7]", "8", "3", "4"]
    );

    // Either port reaches every cluster.
    let (at_first, at_second) = (first.client(), second.client());
    let stop = at_first.command("stop", Some(ClusterId(3)), None);
    assert_eq!(stop.await.unwrap(), "ok");
    second
        .until("stopped", |list| !list.instances[3].active)
        .await;
    let start = at_first.command("start", Some(ClusterId(3)), None);
    assert_eq!(start.await.unwrap(), "ok");
    first.until("started", |list| up(list, &[3])).await;
    let statuses = at_second.command("statuses", None, None).await.unwrap();
    assert_eq!(statuses.as_object().unwrap().len(), 4);
    let roll = at_second.command("rollingrestart", None, None);
    assert_eq!(roll.await.unwrap(), "ok");
    first.until("rolling", |list| list.roll_restarting).await;
    first
        .until("rolled", |list| {
            !list.roll_restarting && up(list, &[0, 1, 2, 3]) && list.fully_up
        })
        .await;
    assert_eq!((first.pids().len(), second.pids().len()), (4, 5));

    // A third one with shards of both.
    let mut stranger = third.start();
    assert_eq!(status(&mut stranger).await, Some(1));
    let log = fs::read_to_string(third.log()).unwrap();
    assert!(
        log.contains("the shards 2-5 of this host") && log.contains("overlap"),
        "{log}"
    );
    assert!(third.pids().is_empty());

    // One clusterer dies, is missed, comes back and finds its clusters.
    let pids: Vec<i32> = second
        .pids()
        .into_iter()
        .filter(|pid| alive(*pid))
        .collect();
    signal(&two, Signal::SIGKILL);
    two.wait().await.unwrap();
    first.until("missed", |list| !list.fully_up).await;
    let mut two = second.start();
    for world in [&first, &second] {
        world
            .until("back", |list| list.fully_up && up(list, &[0, 1, 2, 3]))
            .await;
    }
    assert!(
        pids.iter().all(|pid| alive(*pid)),
        "no cluster was restarted"
    );
    let end = at_second.command("shutdown", None, None);
    assert_eq!(end.await.unwrap(), "ok");
    assert_eq!(
        (status(&mut one).await, status(&mut two).await),
        (Some(0), Some(0))
    );
    assert!(
        ![first.pids(), second.pids()]
            .concat()
            .into_iter()
            .any(alive)
    );
}

fn range(shards: &str) -> String {
    format!("shard_range: {shards}\nfixed_shard_count: 8\n")
}

#[tokio::test]
async fn two_hosts_on_one_hub() {
    let first = World::host(1, CHANNEL, &range("0-3")).await.with_hub();
    let bus = first.hub_url();
    let second = World::host(1, CHANNEL, &range("4-7")).await.on(&bus);
    let third = World::host(1, CHANNEL, &range("2-5")).await.on(&bus);
    two_hosts(first, second, third).await;
}

#[tokio::test]
#[ignore = "needs REDIS_URL"] // `make test` provides one and runs this too
async fn two_hosts_on_one_redis() {
    let bus = std::env::var("REDIS_URL").unwrap();
    let channel = format!("test/hosts/{}", std::process::id());
    let mut worlds = Vec::new();
    for shards in ["0-3", "4-7", "2-5"] {
        let world = World::host(1, &channel, &range(shards)).await;
        worlds.push(world.on(&bus));
    }
    let [first, second, third] = worlds.try_into().map_err(drop).unwrap();
    two_hosts(first, second, third).await;
}
