//! A whole webserver on ephemeral ports: SQLite and objects in a temporary directory, the other
//! daemons and Discord played by wiremock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

pub mod cluster;

use std::io::{PipeReader, PipeWriter, Read};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use splashtail_core::clock::ManualClock;
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use splashtail_core::ids::{ApplicationId, GuildId, TaskId, UserId};
use splashtail_core::lifecycle::Lifecycle;
use splashtail_sandbox_world::openapi::judge_request;
use splashtail_storage::{
    Creation, End, Level, NewLogEntry, NewTask, NewToken, Owner, Priority, Storage, TaskOutput,
    TokenHash, TokenKind, Wanted, Which,
};
use splashtail_webserver::{Listeners, Options, run};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use wiremock::MockServer;

/// A start takes well under a second; what exceeds this is a hang.
const START_LIMIT: Duration = Duration::from_secs(60);

pub const GUILD: u64 = 1_100_000_000_001_179_648;
pub const OTHER_GUILD: u64 = 1_100_000_000_005_373_952;
pub const USER: u64 = 1_100_000_000_000_000_011;

pub fn server(id: u64) -> Owner {
    Owner::Server(GuildId::new(id).unwrap())
}

pub fn user(id: u64) -> Owner {
    Owner::User(UserId::new(id).unwrap())
}

fn loopback() -> [TcpListener; 2] {
    [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap())
}

#[derive(PartialEq, Eq)]
enum Start {
    Ready,
    /// With a database that has no tables yet.
    Unmigrated,
    /// The same, while another process has the listeners.
    Successor,
}

pub struct TestServer {
    pub storage: Storage,
    pub clock: ManualClock,
    pub clusterer: MockServer,
    pub jobserver: MockServer,
    pub discord: MockServer,
    pub dir: TempDir,
    pub client: Client,
    web: String,
    admin: String,
    listeners: [TcpListener; 2],
    /// Both ends of the pipe on which a successor says that it is ready; the supervisor has the
    /// first.
    supervisor: Option<PipeReader>,
    _word: Option<PipeWriter>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// `adjust` gets the configuration and the directory it lives in.
    pub async fn start_with(adjust: impl FnOnce(&mut Config, &Path)) -> Self {
        let server = Self::launch(adjust, Start::Ready, loopback()).await;
        server.wait_until_ready().await;
        server
    }

    /// With a database that has no tables yet. Does not wait.
    pub async fn start_unmigrated() -> Self {
        Self::launch(|_, _| {}, Start::Unmigrated, loopback()).await
    }

    /// Another process on the same listeners, with a database that has no tables yet.
    pub async fn successor(&self) -> Self {
        let listeners = self.listeners.each_ref();
        let listeners = listeners.map(|listener| listener.try_clone().unwrap());
        Self::launch(|_, _| {}, Start::Successor, listeners).await
    }

    async fn launch(
        adjust: impl FnOnce(&mut Config, &Path),
        start: Start,
        listeners: [TcpListener; 2],
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().unwrap();
        let [web, admin] = listeners
            .each_ref()
            .map(|listener| listener.try_clone().unwrap());
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (web_address, admin_address) = (address(&web), address(&admin));
        let (clusterer, jobserver, discord) = (
            MockServer::start().await,
            MockServer::start().await,
            MockServer::start().await,
        );

        let mut config = Config::embedded(dir.path(), Environment::Staging);
        config.sites.api = web_address.parse().unwrap();
        config.sites.frontend = web_address.parse().unwrap();
        config.meta.clusterer_url = clusterer.uri().parse().unwrap();
        config.meta.jobserver_urls = vec![jobserver.uri().parse().unwrap()];
        config
            .meta
            .jobserver_secrets
            .insert("api".to_owned(), "api-secret".to_owned().into());
        config.meta.link_key = Some("link-key".to_owned().into());
        config.discord.api_base = discord.uri().parse().unwrap();
        config.discord.authorize_url = "https://discord.test/oauth2/authorize".parse().unwrap();
        config.discord_auth.client_id = ApplicationId::new(42);
        config.discord_auth.client_secret = Some("client-secret".to_owned().into());
        let site = dir.path().join("site");
        std::fs::create_dir(&site).unwrap();
        adjust(&mut config, dir.path());

        let shutdown = CancellationToken::new();
        let storage = Storage::open(&config.database(), &shutdown).await.unwrap();
        if start == Start::Ready {
            storage.migrate().await.unwrap();
        }
        let clock = ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let (mut supervisor, mut word) = (None, None);
        let lifecycle = if start == Start::Successor {
            let (reader, writer) = std::io::pipe().unwrap();
            let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
            (supervisor, word) = (Some(reader), Some(writer));
            Lifecycle::successor(shutdown.clone(), path.into())
        } else {
            Lifecycle::manual(shutdown.clone())
        };
        let tasks = lifecycle.tasks().clone();
        let (options, shared) = (
            Options {
                site_dir: Some(site),
                cluster_file: Some(dir.path().join("mewld-staging.yaml")),
            },
            clock.shared(),
        );
        let running = tokio::spawn(async move {
            run(
                config,
                Listeners { web, admin },
                options,
                &lifecycle,
                shared,
            )
            .await
        });
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            storage,
            clock,
            clusterer,
            jobserver,
            discord,
            dir,
            client,
            web: web_address,
            admin: admin_address,
            listeners,
            supervisor,
            _word: word,
            tasks,
            shutdown,
            running,
        }
    }

    /// Asks `readyz` until it says so.
    pub async fn wait_until_ready(&self) {
        let ready = async { while self.admin("/readyz").await.status() != 200 {} };
        tokio::time::timeout(START_LIMIT, ready)
            .await
            .expect("it does not become ready");
    }

    /// What a supervisor does whose process ended before its successor was ready.
    pub fn is_all_there_is(&mut self) {
        self.supervisor = None;
    }

    /// The word that it is ready.
    pub async fn said_ready(&mut self) {
        let mut supervisor = self.supervisor.take().unwrap();
        let heard = tokio::task::spawn_blocking(move || supervisor.read_exact(&mut [0]));
        heard.await.unwrap().unwrap();
    }

    /// Waits until its own servers run, whoever else answers at the addresses.
    pub async fn started(&self) {
        let started = async {
            while self.tasks.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(START_LIMIT, started)
            .await
            .expect("it does not start");
    }

    pub fn url(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.web)
        }
    }

    pub fn request(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(path).send().await.unwrap()
    }

    pub async fn admin(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.admin))
            .send()
            .await
            .unwrap()
    }

    /// Fails when Discord was asked anything that its description does not know.
    pub async fn stop(self) {
        for request in self.discord.received_requests().await.unwrap_or_default() {
            let target = &request.url[url::Position::BeforePath..url::Position::AfterQuery];
            let kind = request.headers.get("content-type");
            let kind = kind.map_or("", |kind| kind.to_str().unwrap());
            let method = request.method.as_str();
            let wrong = judge_request(method, target, kind, request.body.into()).unwrap();
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        }
        self.shutdown.cancel();
        self.running.await.unwrap().unwrap();
    }

    pub async fn token(&self, owner: Owner) -> String {
        let token = format!("token-{}", Uuid::new_v4());
        let new = NewToken {
            id: Uuid::new_v4(),
            hash: TokenHash::of(&token),
            owner,
            kind: TokenKind::Operator,
            name: "test".to_owned(),
            perm_limits: Vec::new(),
            maker: None,
            created_at: self.now(),
            expires_at: None,
        };
        self.storage.tokens().issue(&new).await.unwrap();
        token
    }

    pub fn now(&self) -> DateTime<Utc> {
        splashtail_core::clock::Clock::now(&self.clock)
    }

    /// A pending task.
    pub async fn task(&self, owner: Owner) -> TaskId {
        let task = NewTask {
            id: TaskId::random(),
            name: "guild_create_backup".to_owned(),
            owner,
            fields: json!({"ServerID": owner.id().to_string()}),
            encrypted: true,
            wrapped_secret: None,
            slot: None,
            idempotency: None,
            execute: true,
            priority: Priority::Interactive,
            run_after: None,
            deadline: None,
            expires_at: None,
            created_at: self.now(),
        };
        let created = self.storage.tasks().create(&task).await.unwrap();
        assert!(matches!(created, Creation::Created(_)));
        task.id
    }

    /// A completed task whose output is in the local object store.
    pub async fn finished_task(&self, owner: Owner, filename: &str, content: &[u8]) -> TaskId {
        let id = self.task(owner).await;
        let queue = self.storage.queue();
        let wanted = Wanted {
            runner: "test",
            names: &["guild_create_backup"],
            which: Which::One(id),
            lease: Duration::from_secs(3600),
        };
        let claimed = queue.claim(&wanted).await.unwrap().unwrap();
        assert_eq!(claimed.task.id, id);
        let extra = json!({"channelId": "9", "botDisplayIgnore": ["channelId"]});
        let Value::Object(extra) = extra else {
            unreachable!()
        };
        let entry = NewLogEntry::new(Level::Info, self.now(), "Backing up", extra);
        assert!(queue.append(claimed.lease, &entry).await.unwrap());
        let output = TaskOutput {
            filename: filename.to_owned(),
            segregated: false,
        };
        let end = End::Completed(Some(output));
        let entry = NewLogEntry::new(Level::Info, self.now(), "Done", Default::default());
        assert!(queue.finish(claimed.lease, &end, &entry).await.unwrap());
        let directory = self.dir.path().join("objects/tasks").join(id.to_string());
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(filename), content).unwrap();
        id
    }
}

pub fn header(response: &Response, name: &str) -> String {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

/// Status and `code` of an error answer.
pub async fn error(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(header(&response, "content-type"), "application/json");
    let body: Value = response.json().await.unwrap();
    assert!(
        body["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{body}"
    );
    (status, body["code"].as_str().unwrap().to_owned())
}
