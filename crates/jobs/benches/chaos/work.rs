//! What is run while the world falls apart, and the processes that run it.

use std::process::Stdio;
use std::str::FromStr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use splashtail_core::clock::SystemClock;
use splashtail_core::config::DatabaseTarget;
use splashtail_core::ids::UserId;
use splashtail_jobs::{
    DataKey, Engine, Intent, Job, JobContext, JobError, JobOutput, Nonce, Owner, PrepareError,
    Prepared, Priority,
};
use splashtail_storage::Storage;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

const STEPS: u32 = 5;
pub const EFFECTS: u32 = 5;
const CAPACITY: u32 = 16;
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// Tells a copy of this program to be a runner on that database.
pub const RUNNER: &str = "CHAOS_RUNNER";

/// Steps, and effects on a table that takes everything twice.
pub struct Work(pub PgPool);

/// Tells when it began.
pub struct Probe(pub UnboundedSender<Instant>);

fn prepared(fields: Value) -> Result<Prepared, PrepareError> {
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

#[async_trait]
impl Job for Work {
    fn name(&self) -> &'static str {
        "work"
    }

    /// The whole capacity is theirs.
    fn priority(&self) -> Priority {
        Priority::Containment
    }

    fn changes_server(&self, _: &Value) -> bool {
        false
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

    /// The whole capacity is theirs.
    fn priority(&self) -> Priority {
        Priority::Containment
    }

    fn changes_server(&self, _: &Value) -> bool {
        false
    }

    async fn prepare(&self, data: Value) -> Result<Prepared, PrepareError> {
        prepared(data)
    }

    async fn run(&self, _: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let _ = self.0.send(Instant::now());
        Ok(None)
    }
}

pub async fn storage(url: &str) -> Storage {
    let target = DatabaseTarget::Postgres(url.into());
    let storage = Storage::open(&target, &CancellationToken::new()).await;
    storage.unwrap()
}

pub async fn engine(url: &str, job: impl Job) -> Engine {
    let key = DataKey::parse(&KEY.into()).unwrap();
    Engine::builder(storage(url).await, SystemClock::shared(), key)
        .register(job)
        .capacity(CAPACITY)
        .build()
}

pub fn pool(url: &str, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(PgConnectOptions::from_str(url).unwrap())
}

/// Runs jobs until this process is killed.
pub async fn run(url: &str) {
    let engine = engine(url, Work(pool(url, 8))).await;
    engine.run(CancellationToken::new()).await;
}

pub fn start(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env(RUNNER, url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
