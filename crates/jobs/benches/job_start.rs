//! From an accepted order to the first line of the job's body, and the cost of a step.
//!
//! SQLite in a temporary directory; PostgreSQL too when `DATABASE_URL` names a database that may
//! be filled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::DatabaseTarget;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_jobs::{
    CreateRequest, DataKey, Engine, Job, JobContext, JobError, JobOutput, Owner, PrepareError,
    Prepared,
};
use splashtail_storage::Storage;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

/// Tells when it began and how long its steps took.
struct Probe(UnboundedSender<(Instant, Duration)>);

const STEPS: u32 = 10;

#[async_trait]
impl Job for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    async fn prepare(&self, fields: Value) -> Result<Prepared, PrepareError> {
        let owner = UserId::new(1).map(Owner::User);
        let owner = owner.ok_or_else(|| PrepareError::internal("no owner"))?;
        Ok(Prepared {
            owner,
            fields,
            secret: None,
            slot: None::<GuildId>,
            encrypted: false,
        })
    }

    async fn run(&self, cx: &JobContext) -> Result<Option<JobOutput>, JobError> {
        let began = Instant::now();
        for step in 0..STEPS {
            cx.step(&format!("step/{step}"), || async { Ok(step) })
                .await?;
        }
        let _ = self.0.send((began, began.elapsed()));
        Ok(None)
    }
}

struct Bench {
    engine: Engine,
    began: Arc<Mutex<UnboundedReceiver<(Instant, Duration)>>>,
}

impl Bench {
    async fn open(target: DatabaseTarget) -> Self {
        let shutdown = CancellationToken::new();
        let storage = Storage::open(&target, &shutdown).await.expect("a database");
        storage.migrate().await.expect("migrations");
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let key = DataKey::parse(&key.to_owned().into()).expect("a key");
        let (sender, began) = mpsc::unbounded_channel();
        let engine = Engine::builder(storage, SystemClock::shared(), key)
            .register(Probe(sender))
            .build();
        engine.start(shutdown);
        Self {
            engine,
            began: Arc::new(Mutex::new(began)),
        }
    }

    /// Order to body, and the body's steps.
    async fn once(&self) -> (Duration, Duration) {
        let request = CreateRequest::new("bench", "probe", json!({}));
        let ordered = Instant::now();
        self.engine.create(request).await.expect("accepted");
        let (began, steps) = self.began.lock().await.recv().await.expect("it began");
        (began - ordered, steps)
    }
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, name: &str, bench: &Bench) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(50);
    group.bench_function("job start", |bencher| {
        bencher.to_async(runtime).iter_custom(|times| async move {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                total += bench.once().await.0;
            }
            total
        });
    });
    group.bench_function("step", |bencher| {
        bencher.to_async(runtime).iter_custom(|times| async move {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                total += bench.once().await.1 / STEPS;
            }
            total
        });
    });
    group.finish();
}

fn job_start(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let sqlite = DatabaseTarget::Sqlite(directory.path().join("bench.db"));
    let bench = runtime.block_on(Bench::open(sqlite));
    measure(criterion, &runtime, "sqlite", &bench);
    if let Ok(url) = std::env::var("DATABASE_URL") {
        let bench = runtime.block_on(Bench::open(DatabaseTarget::Postgres(url.into())));
        measure(criterion, &runtime, "postgres", &bench);
    }
}

criterion_group!(benches, job_start);
criterion_main!(benches);
