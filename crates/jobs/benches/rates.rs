//! How fast jobs begin, and how many steps and effects are recorded in a second.
//!
//! SQLite in a temporary directory; PostgreSQL too, when `DATABASE_URL` names a server whose user may
//! create databases. Lines that begin with `|` are the figures. `RATES_SHORT=1` runs a tenth.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and its figures are its output"
)]

use std::str::FromStr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::DatabaseTarget;
use splashtail_core::ids::{TaskId, UserId};
use splashtail_jobs::{
    CreateRequest, DataKey, Engine, Intent, Job, JobContext, JobError, JobOutput, Owner,
    PrepareError, Prepared, Priority,
};
use splashtail_storage::Storage;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Jobs at a time.
const MANY: u32 = 16;
const STARTS: usize = 1000;
/// Jobs of which only how many end in a second counts, and how many are ordered at a time.
const TRIVIAL: usize = 8000;
const ORDERERS: usize = 16;
/// Of those in a second, over PostgreSQL.
const LEAST_TRIVIAL: f64 = 2000.0;
/// Steps or effects of each job.
const RECORDS: u32 = 500;

#[derive(Debug, Clone, Copy)]
enum Told {
    Began(Instant),
    Ended,
}

/// Records as much as its fields ask for, and tells when it begins and ends. Its effects cost
/// nothing but their records.
struct Records(UnboundedSender<Told>);

#[derive(Debug, Deserialize)]
struct Wanted {
    steps: u32,
    effects: u32,
}

#[async_trait]
impl Job for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    /// The whole capacity is theirs.
    fn priority(&self) -> Priority {
        Priority::Containment
    }

    fn changes_server(&self, _: &Value) -> bool {
        false
    }

    async fn prepare(&self, fields: Value) -> Result<Prepared, PrepareError> {
        let owner = UserId::new(1).map(Owner::User);
        Ok(Prepared {
            owner: owner.ok_or_else(|| PrepareError::internal("no owner"))?,
            fields,
            secret: None,
            slot: None,
            encrypted: false,
            priority: None,
        })
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let _ = self.0.send(Told::Began(Instant::now()));
        let wanted: Wanted = cx.fields()?;
        for step in 0..wanted.steps {
            cx.step(&format!("step/{step}"), async || Ok(step)).await?;
        }
        for effect in 0..wanted.effects {
            let (act, lookup) = (async |_| Ok(effect), async |_| Ok(None));
            let intent = Intent::new("change nothing");
            cx.effect(&format!("effect/{effect}"), intent, act, lookup)
                .await?;
        }
        let _ = self.0.send(Told::Ended);
        Ok(None)
    }
}

struct Bench {
    engine: Engine,
    told: UnboundedReceiver<Told>,
    stop: CancellationToken,
    storage: Storage,
    /// Of what there is to measure, this part.
    part: u32,
}

impl Bench {
    async fn open(target: DatabaseTarget) -> Self {
        let stop = CancellationToken::new();
        let storage = Storage::open(&target, &stop).await.unwrap();
        storage.migrate().await.unwrap();
        let (telling, told) = unbounded_channel();
        let key = DataKey::parse(&KEY.into()).unwrap();
        let engine = Engine::builder(storage.clone(), SystemClock::shared(), key)
            .register(Records(telling))
            .capacity(MANY)
            .build();
        engine.start(stop.clone());
        Self {
            engine,
            told,
            stop,
            storage,
            part: if std::env::var_os("RATES_SHORT").is_some() {
                10
            } else {
                1
            },
        }
    }

    async fn order(&self, steps: u32, effects: u32) {
        let fields = json!({"steps": steps, "effects": effects});
        let request = CreateRequest::new("bench", "records", fields);
        self.engine.create(request).await.unwrap();
    }

    async fn begun(&mut self) -> Instant {
        loop {
            if let Told::Began(at) = self.told.recv().await.unwrap() {
                return at;
            }
        }
    }

    async fn ended(&mut self) {
        while !matches!(self.told.recv().await.unwrap(), Told::Ended) {}
    }

    /// From orders to bodies, the shortest first.
    async fn starts(&mut self) -> Vec<Duration> {
        let mut waits = Vec::new();
        for _ in 0..STARTS / self.part as usize {
            let ordered = Instant::now();
            self.order(0, 0).await;
            waits.push(self.begun().await - ordered);
            self.ended().await;
        }
        waits.sort_unstable();
        waits
    }

    /// In a second, by so many jobs at a time; their beginnings and ends included.
    async fn rate(&mut self, jobs: u32, steps: bool) -> f64 {
        let records = RECORDS / self.part;
        let began = Instant::now();
        for _ in 0..jobs {
            match steps {
                true => self.order(records, 0).await,
                false => self.order(0, records).await,
            }
        }
        for _ in 0..jobs {
            self.ended().await;
        }
        f64::from(jobs * records) / began.elapsed().as_secs_f64()
    }

    /// Jobs that do nothing, from the first order to the last end, in a second.
    async fn trivial(&mut self) -> f64 {
        let jobs = TRIVIAL / self.part as usize;
        let began = Instant::now();
        let mut orders = JoinSet::new();
        for orderer in 0..ORDERERS {
            let engine = self.engine.clone();
            orders.spawn(async move {
                for _ in (orderer..jobs).step_by(ORDERERS) {
                    let fields = json!({"steps": 0, "effects": 0});
                    let request = CreateRequest::new("bench", "records", fields);
                    engine.create(request).await.unwrap();
                }
            });
        }
        for _ in 0..jobs {
            self.ended().await;
        }
        orders.join_all().await;
        jobs as f64 / began.elapsed().as_secs_f64()
    }

    async fn close(self) {
        self.stop.cancel();
        self.storage.close().await;
    }
}

/// How many trivial jobs there were in a second.
async fn measure(name: &str, target: DatabaseTarget) -> f64 {
    let mut bench = Bench::open(target).await;
    // The first ones prepare statements.
    bench.rate(1, true).await;
    let waits = bench.starts().await;
    let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    let mut rates = Vec::new();
    for steps in [true, false] {
        for jobs in [1, MANY] {
            rates.push(format!("{:.0}", bench.rate(jobs, steps).await));
        }
    }
    let trivial = bench.trivial().await;
    println!(
        "| {name} | {:.2} ms | {:.2} ms | {} | {trivial:.0} |",
        at(50),
        at(99),
        rates.join(" | ")
    );
    bench.close().await;
    trivial
}

/// In a database of its own.
async fn measure_postgres(server: &str) -> f64 {
    let name = format!("rates_{}", TaskId::random().get().simple());
    let mut admin = PgConnection::connect(server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut admin).await.unwrap();
    let own = PgConnectOptions::from_str(server).unwrap().database(&name);
    let target = DatabaseTarget::Postgres(own.to_url_lossy().to_string().into());
    let trivial = measure("PostgreSQL", target).await;
    let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::query(drop).execute(&mut admin).await.unwrap();
    trivial
}

#[tokio::main]
async fn main() {
    println!(
        "| Engine | job start p50 | p99 | steps/s, one job | {MANY} jobs | effects/s, one job | \
         {MANY} jobs | trivial jobs/s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let directory = tempfile::tempdir().unwrap();
    let sqlite = DatabaseTarget::Sqlite(directory.path().join("bench.db"));
    measure("SQLite", sqlite).await;
    if let Ok(url) = std::env::var("DATABASE_URL") {
        let trivial = measure_postgres(&url).await;
        let short = std::env::var_os("RATES_SHORT").is_some();
        assert!(
            short || trivial >= LEAST_TRIVIAL,
            "{trivial:.0} trivial jobs a second are fewer than {LEAST_TRIVIAL:.0}"
        );
    }
}
