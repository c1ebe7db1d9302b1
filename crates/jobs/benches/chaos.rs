//! What disturbances cost, on PostgreSQL: `DATABASE_URL` names a server whose user may create
//! databases and end other connections, and whose processes this one may kill.
//!
//! Two processes run jobs of steps and effects without a pause. Between disturbances the jobs that
//! end within a window are counted; at the end every job has to be done and every effect to have
//! happened once. Lines that begin with `|` are the figures.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on ends, and its figures are its output"
)]

use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::DatabaseTarget;
use splashtail_core::ids::{TaskId, UserId};
use splashtail_jobs::{
    CreateRequest, DataKey, Engine, Intent, Job, JobContext, JobError, JobOutput, Nonce, Owner,
    PrepareError, Prepared,
};
use splashtail_storage::Storage;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgPool};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

const RUNNERS: usize = 2;
const CAPACITY: u32 = 16;
/// Orders that wait at any time.
const BACKLOG: i64 = 200;
const STEPS: u32 = 5;
const EFFECTS: u32 = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// Leases end and backoffs are over.
const RECOVERY: Duration = Duration::from_secs(15);
const OLD_SNAPSHOT: Duration = Duration::from_secs(60);
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Steps, and effects on a table that takes everything twice.
struct Work(PgPool);

/// Tells when it began.
struct Probe(UnboundedSender<Instant>);

fn prepared(fields: Value) -> Result<Prepared, PrepareError> {
    let owner = UserId::new(1).map(Owner::User);
    Ok(Prepared {
        owner: owner.ok_or_else(|| PrepareError::internal("no owner"))?,
        fields,
        secret: None,
        slot: None,
        encrypted: false,
    })
}

#[async_trait]
impl Job for Work {
    fn name(&self) -> &'static str {
        "work"
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        prepared(data)
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        for step in 0..STEPS {
            cx.step(&format!("step/{step}"), async || Ok(step)).await?;
        }
        for effect in 0..EFFECTS {
            let name = format!("effect/{effect}");
            let act = async |nonce: Nonce| {
                let made = sqlx::query("INSERT INTO made (task, name, nonce) VALUES ($1, $2, $3)")
                    .bind(cx.id().get())
                    .bind(&name)
                    .bind(nonce.as_str())
                    .execute(&self.0);
                made.await.map(drop).map_err(|error| {
                    JobError::ambiguous("world", "The world did not answer").caused_by(error)
                })
            };
            let lookup = async |nonce: Nonce| {
                let found = sqlx::query("SELECT 1 FROM made WHERE nonce = $1")
                    .bind(nonce.as_str())
                    .fetch_optional(&self.0);
                let found = found.await.map_err(|error| {
                    JobError::transient("world", "The world did not answer").caused_by(error)
                })?;
                Ok(found.map(drop))
            };
            cx.effect(&name, Intent::new("make a row"), act, lookup)
                .await?;
        }
        Ok(None)
    }
}

#[async_trait]
impl Job for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        prepared(data)
    }

    async fn run(&self, _: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let _ = self.0.send(Instant::now());
        Ok(None)
    }
}

async fn storage(url: &str) -> Storage {
    let target = DatabaseTarget::Postgres(url.into());
    let storage = Storage::open(&target, &CancellationToken::new()).await;
    storage.unwrap()
}

async fn engine(url: &str, job: impl Job) -> Engine {
    let key = DataKey::parse(&KEY.into()).unwrap();
    Engine::builder(storage(url).await, SystemClock::shared(), key)
        .register(job)
        .capacity(CAPACITY)
        .build()
}

fn pool(url: &str, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(PgConnectOptions::from_str(url).unwrap())
}

/// A process that runs jobs until it is killed.
async fn runner(url: &str) {
    let engine = engine(url, Work(pool(url, 8))).await;
    engine.run(CancellationToken::new()).await;
}

fn start_runner(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env("CHAOS_RUNNER", url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Keeps so many orders waiting, whatever the database does.
async fn keep_ordering(
    engine: Engine,
    pool: PgPool,
    ordered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) {
    let mut key = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let waiting = sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM tasks WHERE state IN ('pending', 'running')",
        );
        let waiting = waiting.fetch_one(&pool).await.unwrap_or(BACKLOG);
        for _ in waiting..BACKLOG {
            // The key makes a repetition after a lost answer harmless.
            let request = CreateRequest {
                idempotency_key: Some(key.to_string()),
                ..CreateRequest::new("chaos", "work", json!({"n": key}))
            };
            if engine.create(request).await.is_ok() {
                key += 1;
                ordered.store(key, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Jobs that end in a second, over a window.
async fn throughput(pool: &PgPool, window: Duration) -> f64 {
    let done = || async {
        let count = "SELECT COUNT(*) FROM tasks WHERE state = 'completed'";
        loop {
            match sqlx::query_scalar::<_, i64>(count).fetch_one(pool).await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let (before, began) = (done().await, Instant::now());
    tokio::time::sleep(window).await;
    let jobs = i32::try_from(done().await - before).unwrap();
    f64::from(jobs) / began.elapsed().as_secs_f64()
}

/// The server restarts: it ends everything when one of its processes dies.
async fn crash_server(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let kill = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(kill.await.unwrap().success(), "may not kill {pid}");
}

async fn end_connections(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let end = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let ended: i64 = sqlx::query_scalar(end)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(ended > 0);
}

/// Takes every connection that the server has, for so long.
async fn exhaust(url: &str, time: Duration) {
    let mut taken = Vec::new();
    end_connections(url).await;
    while let Ok(connection) = PgConnection::connect(url).await {
        taken.push(connection);
    }
    tokio::time::sleep(time).await;
    println!("({} connections were taken)", taken.len());
}

async fn kill(url: &str, runner: &mut Child) {
    runner.kill().await.unwrap();
    *runner = start_runner(url);
}

/// From the order to the first line of the job, while the database may not forget anything.
async fn start_latency(url: &str) -> Vec<Duration> {
    let (told, mut began) = unbounded_channel();
    let probing = engine(url, Probe(told)).await;
    let running = probing.start(CancellationToken::new());
    let mut old = PgConnection::connect(url).await.unwrap();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    sqlx::query(begin).execute(&mut old).await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM tasks")
        .execute(&mut old)
        .await
        .unwrap();
    let (start, mut waits) = (Instant::now(), Vec::new());
    while start.elapsed() < OLD_SNAPSHOT {
        let ordered = Instant::now();
        let request = CreateRequest::new("chaos", "probe", json!({}));
        probing.create(request).await.unwrap();
        waits.push(began.recv().await.unwrap() - ordered);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sqlx::query("ROLLBACK").execute(&mut old).await.unwrap();
    running.abort();
    waits.sort_unstable();
    waits
}

async fn chaos(server: &str) {
    let name = format!("chaos_{}", TaskId::random().get().simple());
    let mut admin = PgConnection::connect(server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut admin).await.unwrap();
    drop(admin);
    let own = PgConnectOptions::from_str(server).unwrap().database(&name);
    let url = own.to_url_lossy().to_string();
    storage(&url).await.migrate().await.unwrap();
    let watch = pool(&url, 2);
    let table = "CREATE TABLE made (task UUID NOT NULL, name TEXT NOT NULL, nonce TEXT NOT NULL)";
    sqlx::query(table).execute(&watch).await.unwrap();
    sqlx::query("CREATE INDEX made_by_nonce ON made (nonce)")
        .execute(&watch)
        .await
        .unwrap();

    let (ordered, stop) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let ordering = engine(&url, Work(watch.clone())).await;
    let ordering = tokio::spawn(keep_ordering(
        ordering,
        watch.clone(),
        ordered.clone(),
        stop.clone(),
    ));
    let mut runners: Vec<Child> = (0..RUNNERS).map(|_| start_runner(&url)).collect();
    tokio::time::sleep(Duration::from_secs(5)).await;

    println!("| Disturbance | jobs/s before | jobs/s afterwards | share |");
    println!("|---|---|---|---|");
    for disturbance in [
        "server restarted",
        "every connection ended",
        "no connection left for 10 s",
        "runner killed",
        "runners killed each second for 10 s",
    ] {
        let before = throughput(&watch, WINDOW).await;
        match disturbance {
            "server restarted" => crash_server(&url).await,
            "every connection ended" => end_connections(&url).await,
            "no connection left for 10 s" => exhaust(&url, Duration::from_secs(10)).await,
            "runner killed" => kill(&url, &mut runners[0]).await,
            _ => {
                for n in 0..10 {
                    kill(&url, &mut runners[n % RUNNERS]).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        tokio::time::sleep(RECOVERY).await;
        let after = throughput(&watch, WINDOW).await;
        println!(
            "| {disturbance} | {before:.0} | {after:.0} | {:.1} % |",
            after / before * 100.0
        );
    }

    let waits = start_latency(&url).await;
    let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    println!(
        "| start of {} jobs beside a snapshot of {} s: p50 / p99 | {:.1} ms | {:.1} ms | |",
        waits.len(),
        OLD_SNAPSHOT.as_secs(),
        at(50),
        at(99)
    );

    stop.store(true, Ordering::Relaxed);
    ordering.await.unwrap();
    let open = "SELECT COUNT(*) FROM tasks WHERE state IN ('pending', 'running')";
    while sqlx::query_scalar::<_, i64>(open)
        .fetch_one(&watch)
        .await
        .unwrap()
        > 0
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let number = async |statement: &'static str| -> i64 {
        sqlx::query_scalar(statement)
            .fetch_one(&watch)
            .await
            .unwrap()
    };
    let jobs = i64::try_from(ordered.load(Ordering::Relaxed)).unwrap();
    let done =
        number("SELECT COUNT(*) FROM tasks WHERE state = 'completed' AND task_name = 'work'").await;
    let distinct =
        number("SELECT COUNT(*) FROM (SELECT DISTINCT task, name FROM made) AS effects").await;
    let made = number("SELECT COUNT(*) FROM made").await;
    println!(
        "| {jobs} jobs: lost / effects lost / effects twice | {} | {} | {} |",
        jobs - done,
        done * i64::from(EFFECTS) - distinct,
        made - distinct
    );
    for mut runner in runners {
        runner.kill().await.unwrap();
    }
    watch.close().await;
    let mut admin = PgConnection::connect(server).await.unwrap();
    let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::query(drop).execute(&mut admin).await.unwrap();
    assert_eq!(
        (done, distinct, made),
        (jobs, jobs * i64::from(EFFECTS), distinct)
    );
}

#[tokio::main]
async fn main() {
    if let Ok(url) = std::env::var("CHAOS_RUNNER") {
        return runner(&url).await;
    }
    match std::env::var("DATABASE_URL") {
        Ok(url) => chaos(&url).await,
        Err(_) => eprintln!("DATABASE_URL names no PostgreSQL: nothing was measured"),
    }
}
