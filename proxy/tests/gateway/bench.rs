//! A sandbox with a proxy in front.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_proxy::{Listeners, serve_on};
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::small;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// Longer than anything here takes; only a broken test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// GUILDS, GUILD_MESSAGES and MESSAGE_CONTENT.
pub const TALK: u64 = 1 | 1 << 9 | 1 << 15;

pub struct Bench {
    pub sandbox: Running,
    /// Stands still until it is moved.
    pub clock: Arc<SandboxClock>,
    pub config: Config,
    address: SocketAddr,
    /// Of the REST proxy.
    pub rest: SocketAddr,
    proxy: Option<Proxy>,
    _directory: tempfile::TempDir,
    http: reqwest::Client,
}

struct Proxy {
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

pub async fn bench() -> Bench {
    bench_with(|_| {}).await
}

/// With a changed configuration.
pub async fn bench_with(change: impl FnOnce(&mut Config)) -> Bench {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(SandboxClock::frozen(
        "2026-01-01T00:00:00Z".parse().unwrap(),
    ));
    let settings = Settings {
        reconnect_grace: Duration::from_millis(200),
        ..Settings::default()
    };
    let sandbox = start("small", 1, clock.clone(), settings, false)
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::embedded(directory.path(), Environment::Staging);
    config.discord.api_base = sandbox.rest.clone();
    config.discord_auth.token = Some(small::bot_token().into());
    change(&mut config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let calls = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let rest = calls.local_addr().unwrap();
    config.simple_gateway_proxy.url = format!("http://{address}").parse().unwrap();
    let mut bench = Bench {
        sandbox,
        clock,
        config,
        address,
        rest,
        proxy: None,
        _directory: directory,
        http: reqwest::Client::new(),
    };
    bench.start_on(listener, calls);
    bench.ready().await;
    bench
}

impl Bench {
    fn start_on(&mut self, gateway: TcpListener, rest: TcpListener) {
        gateway.set_nonblocking(true).unwrap();
        rest.set_nonblocking(true).unwrap();
        let listeners = Listeners { gateway, rest };
        let shutdown = CancellationToken::new();
        let lifecycle = Lifecycle::manual(shutdown.clone());
        let config = self.config.clone();
        let task = tokio::spawn(async move {
            serve_on(listeners, &config, &lifecycle, SystemClock::shared()).await
        });
        self.proxy = Some(Proxy { shutdown, task });
    }

    pub async fn stop(&mut self) {
        let proxy = self.proxy.take().unwrap();
        proxy.shutdown.cancel();
        tokio::time::timeout(PATIENCE, proxy.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    pub async fn start(&mut self) {
        self.begin();
        self.ready().await;
    }

    /// Where the proxy keeps its sessions.
    pub fn state_dir(&self) -> std::path::PathBuf {
        self.config.data_dir.join("proxy")
    }

    /// Without waiting until it is ready.
    pub fn begin(&mut self) {
        let bind = |address| TcpListener::bind(address).unwrap();
        self.start_on(bind(self.address), bind(self.rest));
    }

    pub async fn ready(&self) {
        eventually(async || {
            let answer = self.http.get(self.url("/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(self.url(path)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// A call to Discord as the bot.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let rest = self.sandbox.rest.as_str().trim_end_matches('/');
        let answer = self
            .http
            .request(method.parse().unwrap(), format!("{rest}/api/v10{path}"))
            .header("authorization", format!("Bot {}", small::bot_token()))
            .header("user-agent", "DiscordBot (https://example.test, 1)")
            .json(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.json().await.unwrap_or_default()
    }

    /// A text channel of a server.
    pub async fn channel(&self, guild: usize) -> String {
        let path = format!("/guilds/{}/channels", small::GUILDS[guild]);
        let channels = self.call("GET", &path, &Value::Null).await;
        let channels = channels.as_array().unwrap();
        let open = |top: bool| {
            let is_text = |c: &&Value| c["type"] == 0 && (!top || c["parent_id"].is_null());
            channels.iter().find(is_text)
        };
        let open = open(true).or_else(|| open(false)).unwrap();
        open["id"].as_str().unwrap().to_owned()
    }

    /// Says something as the owner.
    pub async fn say(&self, channel: &str, text: &str) {
        // Within what Discord allows in a channel.
        self.clock.advance(Duration::from_secs(2));
        let path = format!("/channels/{channel}/messages");
        let control = self.sandbox.client().unwrap();
        let owner = small::OWNER.to_string();
        let body = json!({"content": text});
        let said = control.rest(&owner, "POST", &path, body).await.unwrap();
        assert_eq!(said.status, 200, "{said:?}");
    }

    pub fn gateway(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub async fn client(&self, query: &str) -> Client {
        Client::connect(&format!("ws://{}{query}", self.address)).await
    }

    /// A client past the hello of a proxy that starts.
    pub async fn client_once_up(&self, query: &str) -> Client {
        let connecting = async {
            loop {
                let address = format!("ws://{}{query}", self.address);
                if let Some(mut client) = Client::try_connect(&address).await {
                    client.hello().await;
                    return client;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, connecting).await.unwrap()
    }

    /// A client with a session, past the servers of its shard.
    pub async fn session(&self, shard: Option<[u16; 2]>, intents: u64, guilds: usize) -> Client {
        let mut client = self.client("/?v=10&encoding=json").await;
        client.hello().await;
        client.identify(shard, intents).await;
        client.until("READY").await;
        for _ in 0..guilds {
            client.until("GUILD_CREATE").await;
        }
        client
    }

    /// Sessions that ever began at Discord.
    pub fn identifies(&self) -> usize {
        self.sandbox.edge.gateway.sessions().len()
    }
}

pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}
