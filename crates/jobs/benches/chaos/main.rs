//! What disturbances cost, on PostgreSQL: `DATABASE_URL` names a server whose user may create
//! databases and end other connections, and whose processes this one may kill. Nobody else should
//! use it meanwhile.
//!
//! Two processes run jobs of steps and effects without a pause. The jobs that end within a window are
//! counted, in several that nothing disturbs and in one after each disturbance (in more, when that one
//! is below the budget: rates waver); every job that was open
//! when it struck has to be done in the end, and every effect to have happened once. Lines that begin
//! with `|` are the figures. It ends within its limit, and fails when anything is lost or done twice,
//! or a budget is missed.
//!
//! `CHAOS_SHORT=1` shortens windows and waits: it shows that all of it works, and its figures are no
//! figures, which miss no budget. `CHAOS_STARTS=1` disturbs nothing and measures the start of jobs alone.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on ends, and its figures are its output"
)]

mod faults;
mod orders;
mod work;

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde_json::json;
use splashtail_core::ids::TaskId;
use splashtail_jobs::{CreateRequest, Engine};
use splashtail_storage::{Priority, Wanted, Which};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgPool};
use tokio::process::Child;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use faults::Fault;
use orders::Orders;
use work::{EFFECTS, Probe, RUNNER, Work, engine, pool, storage};

type Began = UnboundedReceiver<Instant>;

const RUNNERS: usize = 2;
/// Share of the mean of undisturbed windows, in hundredths, that has to be back.
const SHARE: f64 = 98.0;
/// The start of 99 of 100 jobs beside an old snapshot.
const START: Duration = Duration::from_millis(10);
/// Undisturbed windows before the first disturbance; one more is before each other. Windows after one
/// at most.
const CALM: usize = 3;
const PROBES: Duration = Duration::from_millis(50);

/// How long everything takes.
struct Times {
    warm_up: Duration,
    window: Duration,
    /// Of a disturbance that lasts.
    lasting: Duration,
    /// Leases end and backoffs are over.
    recovery: Duration,
    snapshot: Duration,
    /// For the jobs that were open when a disturbance struck, and for all at the end.
    rest: Duration,
    limit: Duration,
    /// Whether figures are figures.
    whole: bool,
}

impl Times {
    fn of_environment() -> Self {
        let seconds = Duration::from_secs;
        if std::env::var_os("CHAOS_SHORT").is_some() {
            return Self {
                warm_up: seconds(2),
                window: seconds(3),
                lasting: seconds(3),
                recovery: seconds(10),
                snapshot: seconds(10),
                rest: seconds(60),
                limit: seconds(8 * 60),
                whole: false,
            };
        }
        Self {
            warm_up: seconds(5),
            // As long as PostgreSQL's clearing up takes to come round.
            window: seconds(60),
            lasting: seconds(10),
            recovery: seconds(15),
            snapshot: seconds(60),
            rest: seconds(120),
            limit: seconds(30 * 60),
            whole: true,
        }
    }
}

/// A whole number, however often the database has to be asked.
async fn number(pool: &PgPool, statement: &'static str) -> i64 {
    loop {
        match sqlx::query_scalar(statement).fetch_one(pool).await {
            Ok(number) => return number,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Jobs that end in a second, over a window.
async fn throughput(pool: &PgPool, window: Duration) -> f64 {
    const DONE: &str = "SELECT COUNT(*) FROM tasks WHERE state = 'completed'";
    let (before, began) = (number(pool, DONE).await, Instant::now());
    tokio::time::sleep(window).await;
    let jobs = i32::try_from(number(pool, DONE).await - before).unwrap();
    f64::from(jobs) / began.elapsed().as_secs_f64()
}

/// Effects that happened more than once.
async fn twice(pool: &PgPool) -> i64 {
    number(
        pool,
        "SELECT COUNT(*) - COUNT(DISTINCT (task, name)) FROM made",
    )
    .await
}

async fn open_jobs(pool: &PgPool) -> Vec<Uuid> {
    let open = "SELECT task_id FROM tasks WHERE state IN ('pending', 'running')";
    sqlx::query_scalar(open).fetch_all(pool).await.unwrap()
}

/// How many of them are not done, and do not get done in that time.
async fn lost(pool: &PgPool, jobs: &[Uuid], rest: Duration) -> i64 {
    let waiting_since = Instant::now();
    loop {
        let left = "SELECT COUNT(*) FROM tasks WHERE task_id = ANY ($1) AND state <> 'completed'";
        let left: i64 = sqlx::query_scalar(left)
            .bind(jobs)
            .fetch_one(pool)
            .await
            .unwrap();
        if left == 0 || waiting_since.elapsed() > rest {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Jobs per second.
#[derive(Default)]
struct Windows(Vec<f64>);

impl Windows {
    /// 0 before the first.
    fn mean(&self) -> f64 {
        let windows = u32::try_from(self.0.len().max(1)).unwrap();
        self.0.iter().sum::<f64>() / f64::from(windows)
    }

    /// How far the windows are from their mean at most, in hundredths: no share means more.
    fn noise(&self) -> f64 {
        let mean = self.mean();
        let off = self.0.iter().map(|window| (window - mean).abs() / mean);
        off.fold(0.0, f64::max) * 100.0
    }
}

/// What was not as good as it has to be.
#[derive(Default)]
struct Missed(Vec<String>);

/// One row of the table; whether nothing was lost or done twice.
async fn disturb(
    fault: Fault,
    url: &str,
    pool: &PgPool,
    runners: &mut [Child],
    times: &Times,
    (calm, missed): (&Windows, &mut Missed),
) -> bool {
    let before = calm.mean();
    let (open, doubled) = (open_jobs(pool).await, twice(pool).await);
    fault.strike(url, runners, times.lasting).await;
    tokio::time::sleep(times.recovery).await;
    let mut recovered = Windows::default();
    while recovered.0.len() < CALM && recovered.mean() < before * SHARE / 100.0 {
        recovered.0.push(throughput(pool, times.window).await);
    }
    let after = recovered.mean();
    let lost = lost(pool, &open, times.rest).await;
    let doubled = twice(pool).await - doubled;
    let share = after / before * 100.0;
    let verdict = if share < SHARE { " (below)" } else { "" };
    if share < SHARE {
        let name = fault.name();
        missed
            .0
            .push(format!("{share:.1} % after {name}, not {SHARE} %"));
    }
    println!(
        "| {} | {before:.0} | {after:.0} | {share:.1} %{verdict} | {lost} of {} | {doubled} |",
        fault.name(),
        open.len()
    );
    lost == 0 && doubled == 0
}

/// Keeps a transaction open from whose start on the database may not forget anything.
async fn old_snapshot(url: &str) -> PgConnection {
    let mut old = PgConnection::connect(url).await.unwrap();
    for statement in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SELECT COUNT(*) FROM tasks",
    ] {
        sqlx::query(statement).execute(&mut old).await.unwrap();
    }
    old
}

/// What was measured by turns.
#[derive(Default)]
struct Waits {
    /// From the order to the first line of the job.
    starts: Vec<Duration>,
    /// Of a start's two commits alone: what this machine makes anybody wait.
    commits: Vec<Duration>,
    /// Looks that find nothing, for what waits and for what others left.
    looks: [Vec<Duration>; 2],
}

async fn start_latency(url: &str, probing: &Engine, began: &mut Began, time: Duration) -> Waits {
    const COMMIT: &str = "INSERT INTO made (task, name, nonce) VALUES ($1, 'bare', '')";
    let mut bare = PgConnection::connect(url).await.unwrap();
    let looking = storage(url).await;
    let (start, mut waits) = (Instant::now(), Waits::default());
    while start.elapsed() < time {
        let ordered = Instant::now();
        let request = CreateRequest::new("chaos", "probe", json!({}));
        probing.create(request).await.unwrap();
        waits.starts.push(began.recv().await.unwrap() - ordered);
        tokio::time::sleep(PROBES).await;
        let asked = Instant::now();
        for _ in 0..2 {
            let commit = sqlx::query(COMMIT).bind(Uuid::new_v4());
            commit.execute(&mut bare).await.unwrap();
        }
        waits.commits.push(asked.elapsed());
        let all = Priority::Scheduled;
        for (which, waits) in [Which::Waiting(all), Which::Left(all)]
            .into_iter()
            .zip(&mut waits.looks)
        {
            let asked = Instant::now();
            let nothing = Wanted {
                runner: "bench",
                names: &["nothing"],
                which,
                lease: PROBES,
            };
            assert!(looking.queue().claim(&nothing).await.unwrap().is_none());
            waits.push(asked.elapsed());
        }
        tokio::time::sleep(PROBES).await;
    }
    sqlx::query("DELETE FROM made WHERE name = 'bare'")
        .execute(&mut bare)
        .await
        .unwrap();
    waits
}

/// The start of 99 of 100 jobs.
fn print_latency(name: &str, waits: Waits) -> Duration {
    let [waiting, left] = waits.looks;
    let mut started = waits.starts.clone();
    started.sort_unstable();
    for (what, mut waits) in [
        ("start", waits.starts),
        ("two commits", waits.commits),
        ("look for what waits", waiting),
        ("look for what others left", left),
    ] {
        waits.sort_unstable();
        let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64() * 1000.0;
        println!(
            "| {what} {name} | {} | {:.1} ms | {:.1} ms | {:.1} ms |",
            waits.len(),
            at(50),
            at(99),
            at(100)
        );
    }
    started[(started.len() - 1) * 99 / 100]
}

/// Without and beside a snapshot that grows old.
async fn start_latencies(url: &str, time: Duration, missed: &mut Missed) {
    let (told, mut began) = unbounded_channel();
    let probing = engine(url, Probe(told)).await;
    let running = probing.start(CancellationToken::new());
    println!("\n| Beside 20 jobs/s | times | p50 | p99 | longest |");
    println!("|---|---|---|---|---|");
    let free = start_latency(url, &probing, &mut began, time).await;
    print_latency("without a snapshot", free);
    let old = old_snapshot(url).await;
    let waits = start_latency(url, &probing, &mut began, time).await;
    let age = time.as_secs();
    let start = print_latency(&format!("beside one that grows {age} s old"), waits);
    if start > START {
        let ms = start.as_secs_f64() * 1000.0;
        missed
            .0
            .push(format!("p99 of starts {ms:.1} ms, not {START:?}"));
    }
    old.close().await.unwrap();
    running.abort();
}

async fn prepare(url: &str) -> PgPool {
    storage(url).await.migrate().await.unwrap();
    let watch = pool(url, 2);
    for statement in [
        "CREATE TABLE made (task UUID NOT NULL, name TEXT NOT NULL, nonce TEXT NOT NULL)",
        "CREATE INDEX made_by_nonce ON made (nonce)",
    ] {
        sqlx::query(statement).execute(&watch).await.unwrap();
    }
    watch
}

/// Whether nothing was lost or done twice, and no budget missed.
async fn chaos(url: &str, times: &Times) -> bool {
    let watch = prepare(url).await;
    let ordering = engine(url, Work(watch.clone())).await;
    let orders = Orders::start(ordering, watch.clone());
    let mut runners: Vec<Child> = (0..RUNNERS).map(|_| work::start(url)).collect();
    tokio::time::sleep(times.warm_up).await;

    println!("| Disturbance | jobs/s before | jobs/s after | share | lost | effects twice |");
    println!("|---|---|---|---|---|---|");
    let (mut whole, mut calm, mut missed) = (true, Windows::default(), Missed::default());
    let starts_alone = std::env::var_os("CHAOS_STARTS").is_some();
    for fault in Fault::ALL.into_iter().filter(|_| !starts_alone) {
        let windows = if calm.0.is_empty() { CALM } else { 1 };
        for _ in 0..windows {
            calm.0.push(throughput(&watch, times.window).await);
        }
        let figures = (&calm, &mut missed);
        whole &= disturb(fault, url, &watch, &mut runners, times, figures).await;
    }
    if !calm.0.is_empty() {
        let (windows, noise) = (calm.0.len(), calm.noise());
        println!("\n| Undisturbed windows | jobs/s, mean | farthest from it |");
        println!("|---|---|---|");
        println!("| {windows} | {:.0} | {noise:.1} % |", calm.mean());
    }

    orders.be_steady();
    let open = open_jobs(&watch).await;
    whole &= lost(&watch, &open, times.rest).await == 0;
    start_latencies(url, times.snapshot, &mut missed).await;

    let ordered = i64::try_from(orders.stop().await).unwrap();
    let open = open_jobs(&watch).await;
    lost(&watch, &open, times.rest).await;
    const DONE: &str =
        "SELECT COUNT(*) FROM tasks WHERE state = 'completed' AND task_name = 'work'";
    const EFFECTED: &str = "SELECT COUNT(DISTINCT (task, name)) FROM made";
    let (done, effects) = (number(&watch, DONE).await, number(&watch, EFFECTED).await);
    let doubled = twice(&watch).await;
    let missing = done * i64::from(EFFECTS) - effects;
    println!("\n| In all | jobs lost | effects lost | effects twice |");
    println!("|---|---|---|---|");
    println!(
        "| {ordered} jobs, {effects} effects | {} | {missing} | {doubled} |",
        ordered - done
    );
    for mut runner in runners {
        runner.kill().await.unwrap();
    }
    watch.close().await;
    let is_whole = whole && ordered == done && missing == 0 && doubled == 0;
    if !is_whole {
        eprintln!("something was lost or done twice");
    }
    for budget in &missed.0 {
        eprintln!("missed: {budget}");
    }
    is_whole && (missed.0.is_empty() || !times.whole)
}

/// In a database of its own, which is removed whatever happens, within the limit.
async fn within_limits(server: &str) -> ExitCode {
    let times = Times::of_environment();
    let name = format!("chaos_{}", TaskId::random().get().simple());
    let mut admin = PgConnection::connect(server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut admin).await.unwrap();
    drop(admin);
    let own = PgConnectOptions::from_str(server).unwrap().database(&name);
    let url = own.to_url_lossy().to_string();
    let limit = times.limit;
    let chaos = tokio::spawn(async move { chaos(&url, &times).await });
    let abort = chaos.abort_handle();
    let ended = tokio::time::timeout(limit, chaos).await;
    abort.abort();

    let mut admin = PgConnection::connect(server).await.unwrap();
    let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::query(drop).execute(&mut admin).await.unwrap();
    match ended {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(broken)) => {
            eprintln!("the bench cannot go on: {broken}");
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("not over within {} s", limit.as_secs());
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Ok(url) = std::env::var(RUNNER) {
        work::run(&url).await;
        return ExitCode::SUCCESS;
    }
    match std::env::var("DATABASE_URL") {
        Ok(url) => within_limits(&url).await,
        Err(_) => {
            eprintln!("DATABASE_URL names no PostgreSQL: nothing was measured");
            ExitCode::SUCCESS
        }
    }
}
