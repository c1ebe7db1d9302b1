//! A clusterer in this process, real clusters, a real bus and a mocked Discord.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_api_types::clusters::InstanceList;
use splashtail_clusterer::Outcome;
use splashtail_clusterer::settings::{Settings, Surroundings};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use splashtail_core::ids::ClusterId;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_ipc::bus::{self, Bus, Subscription};
use splashtail_ipc::clients::ClustererClient;
use splashtail_ipc::hub::Hub;
use splashtail_ipc::launcher::LauncherCmd;
use splashtail_ipc::signing::Signer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

pub const CHANNEL: &str = "ar_clusters/staging";
pub const SECRET: &str = "a secret of the api with enough characters";

pub struct World {
    pub directory: tempfile::TempDir,
    pub config: Config,
    pub channel: String,
    _discord: MockServer,
    hub: CancellationToken,
    pub bus: Arc<dyn Bus>,
    pub extra: String,
    /// Far more than the usual 3 s: on a busy machine a healthy cluster may not get its turn for as
    /// long.
    pub ping_timeout_s: u64,
}

pub struct Running {
    pub client: ClustererClient,
    pub address: String,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<anyhow::Result<Outcome>>,
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
    /// On a hub of its own.
    pub async fn new(shards: u16, extra: &str) -> Self {
        let world = Self::on(shards, extra, CHANNEL, |_| {}).await;
        let actlogs = world.config.data_dir.join("clusterer/actlogs.jsonl");
        let hub = Hub::bind(&world.config.data_dir.join("bus.sock"), CHANNEL, &actlogs).unwrap();
        tokio::spawn(hub.serve(world.hub.clone()));
        world
    }

    /// On the bus that the config names.
    pub async fn on(
        shards: u16,
        extra: &str,
        channel: &str,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let discord = MockServer::start().await;
        Mock::given(path("/api/gateway/bot"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({
                "url": "wss://gateway", "shards": shards,
                "session_start_limit": {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 16},
            })))
            .mount(&discord)
            .await;
        // A short path, so that the socket of the hub stays where it is.
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let mut config = Config::embedded(&directory.path().join("data"), Environment::Staging);
        config.discord_auth.token = Some("token".into());
        config.discord.api_base = discord.uri().parse().unwrap();
        config.meta.bot_iserver_base_port = 20_000;
        config.meta.jobserver_secrets = BTreeMap::from([
            ("api".to_owned(), SECRET.into()),
            ("bot".to_owned(), "the bot may not command anything".into()),
        ]);
        change(&mut config);
        let bus = bus::connect(&config.bus(), channel).unwrap();
        Self {
            directory,
            config,
            channel: channel.to_owned(),
            _discord: discord,
            hub: CancellationToken::new(),
            bus,
            extra: extra.to_owned(),
            ping_timeout_s: 10,
        }
    }

    pub fn bot_dir(&self) -> PathBuf {
        self.config.data_dir.join("bot")
    }

    pub fn settings(&self) -> Settings {
        let file = self.directory.path().join("mewld-staging.yaml");
        let module = fake_cluster();
        let dir = self.bot_dir();
        let text = format!(
            "names: [Flare, Waffle, Aqua]\nper_cluster: 2\ncluster_start_next_delay: 0\nredis_channel: {}\noverride_dir: {}\nmodule: {}\nping_timeout: {}\n{}",
            self.channel,
            dir.display(),
            module.display(),
            self.ping_timeout_s,
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

    pub fn start(&self) -> Running {
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

    pub fn client(&self, address: &str, name: &str, secret: &str) -> ClustererClient {
        let signer = Signer::new(name, secret.into(), "", SystemClock::shared());
        ClustererClient::new(address.parse().unwrap(), &signer).unwrap()
    }

    /// The state file is written behind the fleet's back.
    pub async fn until_saved(&self, done: impl Fn(&Value) -> bool) {
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
        tokio::time::timeout(Duration::from_secs(90), saved)
            .await
            .unwrap();
    }

    /// What the clusters wrote at their start, by cluster.
    pub fn runs(&self, cluster: u16) -> Vec<Value> {
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

pub fn is_ours(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == fake_cluster())
}

impl Running {
    pub async fn until(&self, what: &str, done: impl Fn(&InstanceList) -> bool) -> InstanceList {
        let reached = async {
            loop {
                match self.client.instance_list().await {
                    Ok(list) if done(&list) => return list,
                    _ => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(120), reached)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"))
    }

    pub async fn stop(self) -> Outcome {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap()
    }
}

pub fn pid_of(run: &Value) -> i32 {
    i32::try_from(run["pid"].as_i64().unwrap()).unwrap()
}

pub async fn reply(replies: &mut Subscription, command_id: &str) -> Value {
    let found = async {
        loop {
            let message = replies.next_message().await.unwrap();
            let value: Value = serde_json::from_str(&message.payload).unwrap();
            if value["scope"] == "bot" && value["command_id"] == command_id {
                return value;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), found)
        .await
        .expect("a reply")
}

impl World {
    pub async fn send(&self, action: &str, cluster: Option<u16>, command_id: &str) {
        let command = LauncherCmd::command(action, cluster.map(ClusterId), command_id).to_json();
        self.bus.publish(&self.channel, &command).await.unwrap();
    }

    /// How often each of the first two clusters was started.
    pub fn starts(&self) -> (usize, usize) {
        (self.runs(0).len(), self.runs(1).len())
    }
}

impl Running {
    pub async fn log_entry(&self, event: &str) -> Value {
        let logged = async {
            loop {
                let log = self.client.action_logs().await.unwrap_or_default();
                if let Some(entry) = log.iter().find(|entry| entry["event"] == event) {
                    return entry.clone();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(90), logged)
            .await
            .unwrap_or_else(|_| panic!("no {event}"))
    }
}
