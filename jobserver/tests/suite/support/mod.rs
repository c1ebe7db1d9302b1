//! A jobserver with its own runtime, so that a test can kill it, over SQLite and a directory.

pub mod discord;
pub mod gate;
pub mod program;
pub mod server;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use splashtail_api_types::tasks::TaskCreateResponse;
use splashtail_core::clock::{BoxFuture, Clock, SystemClock};
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use splashtail_core::ids::TaskId;
use splashtail_core::lifecycle::Lifecycle;
use splashtail_iblfile::{Archive, Limits, msgpack};
use splashtail_ipc::clients::{ClientError, JobserverClient};
use splashtail_ipc::signing::{Signer, tag};
use splashtail_storage::{Storage, TaskLogEntry, TaskRow, TaskState};
use sqlx::Connection as _;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use url::Url;

use discord::{FakeDiscord, GUILD};
use program::Program;

/// Real time. Pauses are shorter than asked for: heartbeats come more often than they must, so that
/// even on a busy machine no lease runs out under a living jobserver.
#[derive(Debug, Default)]
pub struct HastyClock {
    /// Seconds by which a test turned it on.
    ahead: AtomicI64,
}

impl HastyClock {
    pub fn turn_on(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }
}

const SHORTER: u32 = 4;
/// Seconds of the longer pauses in which a jobserver looks again whether something was made after all,
/// and which nothing else makes. Where Discord shows at once what it did they are all but left out.
const LOOKS: [u64; 3] = [4, 8, 15];
const LOOKS_SHORTER: u32 = 100;
/// Of blocking work of a jobserver that is killed.
const LONGEST_END: Duration = Duration::from_secs(60);

impl Clock for HastyClock {
    fn now(&self) -> DateTime<Utc> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        SystemClock.now() + TimeDelta::seconds(ahead)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        let looks = LOOKS.iter().any(|s| Duration::from_secs(*s) == duration);
        let shorter = if looks { LOOKS_SHORTER } else { SHORTER };
        Box::pin(tokio::time::sleep(duration / shorter))
    }
}

/// Of callers: a call signed in the second of the jobserver's start would have to be signed again.
#[derive(Debug)]
struct SecondAhead;

impl Clock for SecondAhead {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + Duration::from_secs(1)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Data directory, fake Discord and clock, which outlive the jobservers of a test.
pub struct Setup {
    pub discord: FakeDiscord,
    pub clock: Arc<HastyClock>,
    directory: tempfile::TempDir,
    change: Box<dyn Fn(&mut Config)>,
    /// A jobserver was killed, and its leases have not ended yet.
    killed: Arc<AtomicBool>,
    /// Whether jobservers are processes of the installed program, on its own clock and leases.
    pub programs: bool,
}

pub fn setup() -> Setup {
    setup_with(|_| {})
}

/// A database of its own on the server that `DATABASE_URL` names.
pub async fn postgres() -> Url {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL server");
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let name = format!("jobserver_{}", TaskId::random().get().simple());
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut url = Url::parse(&url).unwrap();
    url.set_path(&name);
    url
}

pub fn setup_with(change: impl Fn(&mut Config) + 'static) -> Setup {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Setup {
        discord: FakeDiscord::start(),
        clock: Arc::default(),
        directory: tempfile::tempdir().unwrap(),
        change: Box::new(change),
        killed: Arc::default(),
        programs: false,
    }
}

impl Setup {
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    pub fn config(&self) -> Config {
        let mut config = Config::embedded(self.data(), Environment::Staging);
        config.discord_auth.token = Some("token".to_owned().into());
        config.discord.api_base = self.discord.url.clone();
        config.discord.cdn_base = self.discord.url.clone();
        config.meta.data_key = Some(
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
                .to_owned()
                .into(),
        );
        config.meta.jobserver_secrets = ["api", "bot", "cli", "guest"]
            .map(|client| (client.to_owned(), secret(client).into()))
            .into();
        (self.change)(&mut config);
        config
    }

    /// Parked tasks are due now.
    pub async fn wake(&self) {
        self.sql("UPDATE tasks SET run_after = 0").await;
    }

    /// They end by the database's clock, which nobody can move.
    async fn end_leases(&self) {
        let end = "UPDATE tasks SET lease_until = 0 WHERE lease_until IS NOT NULL";
        self.sql(end).await;
    }

    async fn sql(&self, sql: &'static str) {
        if let Some(url) = &self.config().meta.postgres_url {
            let url = secrecy::ExposeSecret::expose_secret(url);
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            // Times are written otherwise there.
            let sql = sql.replace("= 0", "= 'epoch'");
            let sql = sqlx::AssertSqlSafe(sql);
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            return;
        }
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.data().join("splashtail.db"))
            .busy_timeout(Duration::from_secs(60));
        let mut connection = sqlx::SqliteConnection::connect_with(&options)
            .await
            .unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Starts a jobserver on this data and waits until it is ready.
    pub async fn start(&self) -> Jobserver {
        let mut server = self.launch().await;
        while server.get("/readyz").await.0 != 200 {
            if let Some(program) = &mut server.program {
                program.assert_alive(self.data());
            }
            tokio::task::yield_now().await;
        }
        server
    }

    /// Starts a jobserver on this data.
    pub async fn launch(&self) -> Jobserver {
        self.launch_as(Lifecycle::manual).await
    }

    /// The same, in the life that it is to lead.
    pub async fn launch_as(
        &self,
        life: impl FnOnce(CancellationToken) -> Lifecycle + Send + 'static,
    ) -> Jobserver {
        let storage = Storage::open(&self.config().database(), &CancellationToken::new())
            .await
            .unwrap();
        storage.migrate().await.unwrap();
        if self.killed.swap(false, Ordering::AcqRel) {
            self.end_leases().await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let mut server = Jobserver {
            url,
            storage,
            runtime: None,
            program: None,
            shutdown: CancellationToken::new(),
            clock: self.clock.clone(),
            objects: self.data().join("objects"),
            killed: self.killed.clone(),
        };
        if self.programs {
            server.program = Some(Program::start(&self.config(), listener));
            return server;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let token = server.shutdown.clone();
        let (config, clock) = (self.config(), self.clock.clone());
        runtime.spawn(async move {
            let lifecycle = life(token);
            splashtail_jobserver::serve_on(listener, config, &lifecycle, clock)
                .await
                .unwrap();
        });
        server.runtime = Some(runtime);
        server
    }
}

pub struct Jobserver {
    pub url: Url,
    pub storage: Storage,
    pub clock: Arc<HastyClock>,
    pub objects: PathBuf,
    runtime: Option<Runtime>,
    program: Option<Program>,
    shutdown: CancellationToken,
    killed: Arc<AtomicBool>,
}

impl Drop for Jobserver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Jobserver {
    /// Every task ends where it stands, as under SIGKILL, and its leases are over; of a program that is
    /// what happens, and its leases end by themselves. What it has sent is still on its way; it sends
    /// nothing after this.
    pub fn kill(mut self) {
        if let Some(mut program) = self.program.take() {
            return program.kill();
        }
        if let Some(runtime) = self.runtime.take() {
            let end = std::thread::spawn(|| runtime.shutdown_timeout(LONGEST_END));
            end.join().unwrap();
        }
        self.killed.store(true, Ordering::Release);
    }

    pub fn stop(&self) {
        if let Some(program) = &self.program {
            program.terminate();
        }
        self.shutdown.cancel();
    }

    pub fn signer(&self, client: &str) -> Signer {
        let secret = secret(client).into();
        Signer::new(client, secret, tag::JOBSERVER, Arc::new(SecondAhead))
    }

    pub fn client(&self) -> JobserverClient {
        self.client_of("bot")
    }

    pub fn client_of(&self, client: &str) -> JobserverClient {
        JobserverClient::new([self.url.clone()], &self.signer(client)).unwrap()
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        match reqwest::get(self.url.join(path).unwrap()).await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
            Err(error) => (0, error.to_string()),
        }
    }

    /// A signed call with any body; status and body of the answer.
    pub async fn call(&self, name: &str, body: impl Into<Vec<u8>>) -> (u16, Value) {
        self.call_as("bot", name, body).await
    }

    /// The same, of another client.
    pub async fn call_as(
        &self,
        client: &str,
        name: &str,
        body: impl Into<Vec<u8>>,
    ) -> (u16, Value) {
        let url = self.url.join(&format!("/ipc/{name}")).unwrap();
        let http = reqwest::Client::new();
        let mut request = http.post(url).body(body.into()).build().unwrap();
        self.signer(client).sign(&mut request).unwrap();
        let answer = http.execute(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    pub async fn create(&self, options: Value) -> TaskCreateResponse {
        self.try_create(options).await.unwrap()
    }

    pub async fn try_create(&self, options: Value) -> Result<TaskCreateResponse, ClientError> {
        let data = json!({"ServerID": GUILD.to_string(), "Options": options});
        self.client()
            .create_task("guild_create_backup", data, true, None)
            .await
    }

    pub async fn row(&self, id: TaskId) -> TaskRow {
        self.storage
            .tasks()
            .get(id, self.clock.now())
            .await
            .unwrap()
            .unwrap()
    }

    pub async fn log(&self, id: TaskId) -> Vec<TaskLogEntry> {
        self.storage.tasks().log(id, 0, 10_000).await.unwrap()
    }

    /// Waits until the job has ended.
    /// When its work files are gone, too.
    pub async fn ended(&self, id: TaskId) -> TaskRow {
        let (work, desk) = (format!("tasks/{id}/work/"), format!("work/{id}/"));
        let is_work = |path: &String| path.starts_with(&work) || path.starts_with(&desk);
        loop {
            let row = self.row(id).await;
            let is_over = matches!(row.state, TaskState::Completed | TaskState::Failed);
            if is_over && !self.stored().iter().any(is_work) {
                return row;
            }
            self.clock.sleep(Duration::from_millis(400)).await;
        }
    }

    pub async fn completed(&self, id: TaskId) -> TaskRow {
        let row = self.ended(id).await;
        assert_eq!(row.state, TaskState::Completed, "{:#?}", self.log(id).await);
        row
    }

    /// The finished file.
    pub async fn file(&self, id: TaskId) -> Vec<u8> {
        let filename = self.completed(id).await.output.unwrap().filename;
        std::fs::read(self.objects.join(format!("tasks/{id}/{filename}"))).unwrap()
    }

    /// Paths of all objects, relative to the storage.
    pub fn stored(&self) -> Vec<String> {
        files_below(&self.objects)
            .into_iter()
            .map(|path| {
                path.strip_prefix(&self.objects)
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect()
    }
}

pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A decoded backup.
pub struct Backup(pub Archive<Cursor<Vec<u8>>>);

impl Backup {
    pub fn open(file: Vec<u8>, password: Option<&str>) -> Self {
        Self(Archive::open(Cursor::new(file), password, Limits::default()).unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        self.0
            .sections()
            .into_iter()
            .map(|section| section.name)
            .collect()
    }

    pub fn msgpack(&mut self, name: &str) -> Value {
        msgpack::decode(&self.0.read(name).unwrap())
            .unwrap()
            .to_json()
    }

    pub fn json(&mut self, name: &str) -> Value {
        serde_json::from_slice(&self.0.read(name).unwrap()).unwrap()
    }

    /// Message numbers per channel, in stored order.
    pub fn messages(&mut self) -> BTreeMap<u64, Vec<u64>> {
        let mut all = BTreeMap::new();
        for name in self.names() {
            let Some(channel) = name.strip_prefix("messages/") else {
                continue;
            };
            let numbers = self
                .msgpack(&name)
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| {
                    let content = entry["message"]["content"].as_str().unwrap();
                    content.strip_prefix("message ").unwrap().parse().unwrap()
                })
                .collect();
            all.insert(channel.parse().unwrap(), numbers);
        }
        all
    }
}

/// What a client signs with.
pub fn secret(client: &str) -> String {
    format!("secret of {client}, as long as one has to be")
}

/// Newest first.
pub fn down_from(newest: u64, count: u64) -> Vec<u64> {
    (newest - count + 1..=newest).rev().collect()
}
