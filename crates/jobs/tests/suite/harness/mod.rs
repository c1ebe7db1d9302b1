//! Engines over one database, clocks that tests move, and jobs that tests script.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use splashtail_core::clock::{BoxFuture, Clock, ManualClock, SystemClock};
use splashtail_core::config::DatabaseTarget;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_jobs::{
    Appraisal, CreateRequest, DataKey, Engine, EngineBuilder, Job, JobContext, JobError, JobOutput,
    Owner, PrepareError, Prepared, Priority, SecretBytes, TaskState, Timing,
};
use splashtail_storage::{Storage, TaskLogEntry, TaskRow};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Both tests of each: on SQLite, and on PostgreSQL when `DATABASE_URL` names one whose user may create
/// databases.
#[allow(unused_macros, reason = "each test file uses its part")]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::harness::World::new().await).await;
            })+
        }

        mod on_postgres {
            $(#[tokio::test]
            #[ignore = "needs DATABASE_URL"]
            async fn $name() {
                let (world, remove) = crate::harness::World::on_postgres().await;
                super::$name(world).await;
                remove.await;
            })+
        }
    };
}
#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use on_both;

pub const NAME: &str = "scripted";
/// Much longer than any test takes: leases end by the database's clock, which cannot be stopped.
pub const LEASE: Duration = Duration::from_secs(24 * 60 * 60);
pub const HEARTBEAT: Duration = Duration::from_secs(8 * 60 * 60);
pub const SECOND: Duration = Duration::from_secs(1);
/// Much longer than anything takes on the clock of an engine that is at it.
pub const STUCK: Duration = Duration::from_secs(60 * 60);

pub type Ended = Result<Option<JobOutput>, JobError>;
type Body = dyn for<'a> Fn(&'a JobContext) -> BoxFuture<'a, Ended> + Send + Sync;

/// Fields: `ServerID`, `Password`, `Slot`; the body is the test's.
#[derive(Clone)]
pub struct Scripted {
    body: Arc<Body>,
    /// None, where a test lets leases pass that are much longer than those of a platform.
    deadline: Option<Duration>,
    pub prepared: Arc<Mutex<u32>>,
    pub ended: Arc<Mutex<Vec<TaskId>>>,
    pub ended_panics: Arc<AtomicBool>,
    pub deleted: Arc<Mutex<Vec<TaskId>>>,
    /// Clearing up after an end never comes to its own.
    pub ended_hangs: Arc<AtomicBool>,
    /// Those whose remains cannot be removed.
    pub stuck: Arc<Mutex<BTreeSet<TaskId>>>,
    /// Where remains are is away, and how often that was found out; or it does not answer at all.
    pub away: Arc<AtomicBool>,
    pub asked: Arc<AtomicU32>,
    pub silent: Arc<AtomicBool>,
    /// The newest that a schedule made is judged to be poor.
    pub poor: Arc<AtomicBool>,
    /// Whether orders for server 1 meet a fault of ours.
    pub unprepared: Arc<AtomicBool>,
}

impl Scripted {
    pub fn new(
        body: impl for<'a> Fn(&'a JobContext) -> BoxFuture<'a, Ended> + Send + Sync + 'static,
    ) -> Self {
        Self {
            body: Arc::new(body),
            deadline: None,
            prepared: Arc::default(),
            ended: Arc::default(),
            ended_panics: Arc::default(),
            ended_hangs: Arc::default(),
            deleted: Arc::default(),
            stuck: Arc::default(),
            away: Arc::default(),
            asked: Arc::default(),
            silent: Arc::default(),
            poor: Arc::default(),
            unprepared: Arc::default(),
        }
    }

    pub fn within(self, deadline: Duration) -> Self {
        Self {
            deadline: Some(deadline),
            ..self
        }
    }
}

#[async_trait]
impl Job for Scripted {
    fn name(&self) -> &'static str {
        NAME
    }

    fn priority(&self) -> Priority {
        Priority::Interactive
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    fn changes_server(&self, _: &Value) -> bool {
        false
    }

    async fn prepare(&self, mut data: Value) -> Result<Prepared, PrepareError> {
        *self.prepared.lock().unwrap() += 1;
        let Some(fields) = data.as_object_mut() else {
            return Err(PrepareError::invalid(
                "bad_fields",
                "the fields are an object",
            ));
        };
        let server = fields
            .get("ServerID")
            .and_then(Value::as_u64)
            .and_then(GuildId::new);
        let server =
            server.ok_or_else(|| PrepareError::invalid("no_server", "ServerID is missing"))?;
        if server.get() == 1 && self.unprepared.load(Ordering::SeqCst) {
            return Err(PrepareError::internal("scripted"));
        }
        let secret = fields.remove("Password");
        let secret = secret.and_then(|secret| secret.as_str().map(|text| text.as_bytes().to_vec()));
        let slot = fields.remove("Slot").is_some();
        Ok(Prepared {
            owner: Owner::Server(server),
            encrypted: secret.is_some(),
            priority: None,
            secret: secret.map(SecretBytes::from),
            slot: slot.then_some(server),
            fields: data,
        })
    }

    async fn run(&self, cx: &JobContext) -> Ended {
        (self.body)(cx).await
    }

    async fn appraise(&self, made: &[TaskRow]) -> Result<Appraisal, JobError> {
        let poor = self.poor.load(Ordering::SeqCst);
        let newest = made.first().filter(|_| poor);
        Ok(Appraisal {
            poor: newest.iter().map(|row| row.id).collect(),
            ..Appraisal::default()
        })
    }

    async fn deleted(&self, task: &TaskRow) -> Result<(), JobError> {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.away.load(Ordering::SeqCst) {
            self.asked.fetch_add(1, Ordering::SeqCst);
            return Err(JobError::transient("storage", "The object storage is away"));
        }
        if self.stuck.lock().unwrap().contains(&task.id) {
            return Err(JobError::permanent("denied", "It may not be removed"));
        }
        self.deleted.lock().unwrap().push(task.id);
        Ok(())
    }

    async fn ended(&self, task: TaskId) {
        self.ended.lock().unwrap().push(task);
        assert!(!self.ended_panics.load(Ordering::SeqCst), "scripted");
        if self.ended_hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

pub struct World {
    pub storage: Storage,
    pub directory: TempDir,
    pub clock: ManualClock,
    pub times: Times,
    target: DatabaseTarget,
}

/// An engine with connections of its own, so that it can be killed like a process.
pub struct Mortal {
    pub engine: Engine,
    storage: Storage,
    running: JoinHandle<()>,
    /// Where its connections are seen, and under which name.
    seen: Option<(sqlx::PgPool, String)>,
}

impl Mortal {
    /// It ends where it stands. What it had sent is done when this returns, or never will be: a statement
    /// that the server has yet to read is read before the end of its connection.
    pub async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
        self.storage.close().await;
        let Some((pool, name)) = self.seen else {
            return;
        };
        let there = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1";
        let gone = async {
            loop {
                let there = sqlx::query_scalar::<_, i64>(there).bind(&name);
                if there.fetch_one(&pool).await.unwrap() == 0 {
                    return;
                }
            }
        };
        let patience = Duration::from_secs(60);
        let gone = tokio::time::timeout(patience, gone).await;
        gone.expect("its connections never ended");
    }
}

/// Moves what a database keeps of time: its own clock cannot be moved.
#[derive(Clone)]
pub enum Times {
    Sqlite(sqlx::SqlitePool),
    Postgres(sqlx::PgPool),
}

impl Times {
    /// As if so much time had passed.
    async fn pass(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap();
        let tasks = "UPDATE tasks SET lease_until = lease_until - $1, \
            run_after = run_after - $1, created_at = created_at - $1, \
            expires_at = expires_at - $1, deadline_at = deadline_at - $1";
        let schedules = "UPDATE schedules SET next_at = next_at - $1";
        let slots = "UPDATE task_slots SET free_after = free_after - $1";
        if let Self::Postgres(pool) = self {
            // What an engine that was just killed has sent comes first, as it does where one
            // connection writes.
            let at_work = "SELECT COUNT(*) FROM pg_stat_activity WHERE state <> 'idle' \
                AND datname = current_database() AND pid <> pg_backend_pid()";
            while sqlx::query_scalar::<_, i64>(at_work)
                .fetch_one(pool)
                .await
                .unwrap()
                > 0
            {}
        }
        for statement in [tasks, slots, schedules] {
            match self {
                Self::Sqlite(pool) => {
                    let shift = sqlx::query(statement).bind(ms);
                    shift.execute(pool).await.map(drop).unwrap();
                }
                Self::Postgres(pool) => {
                    let by = "$1::bigint * interval '1 millisecond'";
                    let statement = sqlx::AssertSqlSafe(statement.replace("$1", by));
                    let shift = sqlx::query(statement).bind(ms);
                    shift.execute(pool).await.map(drop).unwrap();
                }
            }
        }
    }
}

fn key() -> DataKey {
    DataKey::parse(&"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".into()).unwrap()
}

/// It starts with the database's, which it cannot be.
pub fn clock() -> ManualClock {
    ManualClock::new(SystemClock.now().trunc_subsecs(0))
}

/// Lets the time of a clock pass, second by second, until it is done.
pub async fn meanwhile<T>(clock: &ManualClock, done: impl Future<Output = T>) -> T {
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    let passing = async {
        loop {
            pace.tick().await;
            clock.advance(SECOND);
        }
    };
    let patience = Duration::from_secs(120);
    tokio::select! {
        biased;
        done = tokio::time::timeout(patience, done) => done.expect("it never was done"),
        () = passing => unreachable!("it passes for ever"),
    }
}

impl World {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = clock();
        let path = directory.path().join("splashtail.db");
        let target = DatabaseTarget::Sqlite(path.clone());
        let own = target.clone();
        let storage = Storage::open(&target, &CancellationToken::new())
            .await
            .unwrap();
        storage.migrate().await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(60));
        Self {
            storage,
            directory,
            clock,
            times: Times::Sqlite(sqlx::SqlitePool::connect_lazy_with(options)),
            target: own,
        }
    }

    /// On a database of its own on PostgreSQL; the second part removes it.
    pub async fn on_postgres() -> (Self, impl Future<Output = ()>) {
        Self::on_postgres_through(|own| own).await
    }

    /// The same, reached by another address.
    pub async fn on_postgres_through(
        reach: impl FnOnce(PgConnectOptions) -> PgConnectOptions,
    ) -> (Self, impl Future<Output = ()>) {
        let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL");
        let name = format!("jobs_{}", TaskId::random().get().simple());
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut connection)
            .await
            .unwrap();
        let own = PgConnectOptions::from_str(&url).unwrap().database(&name);
        let reached = reach(own.clone());
        let target = DatabaseTarget::Postgres(reached.to_url_lossy().to_string().into());
        let storage = Storage::open(&target, &CancellationToken::new())
            .await
            .unwrap();
        storage.migrate().await.unwrap();
        let world = Self {
            storage,
            directory: tempfile::tempdir().unwrap(),
            clock: clock(),
            times: Times::Postgres(sqlx::PgPool::connect_lazy_with(own)),
            target,
        };
        let remove = async move {
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            sqlx::query(AssertSqlSafe(drop))
                .execute(&mut connection)
                .await
                .unwrap();
        };
        (world, remove)
    }

    /// Lets time pass, here and in the database: leases and waits of that length are over.
    pub async fn pass(&self, by: Duration) {
        self.pass_in_database(by).await;
        self.clock.advance(by);
    }

    /// The same in the database alone.
    ///
    /// On SQLite one connection writes, in order: when our own write is done, so is what engines had
    /// sent, those too that were just killed. Else a last look could come after a lease has ended.
    pub async fn pass_in_database(&self, by: Duration) {
        let queue = self.storage.queue();
        queue.free_slot(TaskId::random()).await.unwrap();
        self.times.pass(by).await;
    }

    /// Lets no write through until the transaction ends.
    pub async fn silence(&self) -> sqlx::Transaction<'static, sqlx::Sqlite> {
        let Times::Sqlite(pool) = &self.times else {
            unreachable!("of SQLite only")
        };
        pool.begin_with("BEGIN IMMEDIATE").await.unwrap()
    }

    /// The time of every task is over.
    pub async fn reach_deadlines(&self) {
        let reached = "UPDATE tasks SET deadline_at = created_at";
        match &self.times {
            Times::Sqlite(pool) => {
                sqlx::query(reached).execute(pool).await.unwrap();
            }
            Times::Postgres(pool) => {
                sqlx::query(reached).execute(pool).await.unwrap();
            }
        }
    }

    pub fn builder(&self, clock: &ManualClock) -> EngineBuilder {
        Engine::builder(self.storage.clone(), clock.shared(), key()).timing(self.timing())
    }

    pub fn timing(&self) -> Timing {
        Timing {
            lease: LEASE,
            heartbeat: HEARTBEAT,
            // Between two heartbeats, so that a lease which ended by force is found so.
            left: Duration::from_secs(1),
            // A busy machine is no outage.
            deadline: Duration::from_secs(60),
            ..Timing::default()
        }
    }

    pub fn engine(&self, job: &Scripted) -> Engine {
        self.builder(&self.clock).register(job.clone()).build()
    }

    /// An engine that runs, and can be killed.
    pub async fn mortal(&self, job: &Scripted) -> Mortal {
        let (target, seen) = match (&self.target, &self.times) {
            (DatabaseTarget::Postgres(url), Times::Postgres(pool)) => {
                let name = format!("mortal_{}", TaskId::random().get().simple());
                let url = url.expose_secret();
                let joint = if url.contains('?') { '&' } else { '?' };
                let url = format!("{url}{joint}application_name={name}");
                let target = DatabaseTarget::Postgres(url.into());
                (target, Some((pool.clone(), name)))
            }
            (target, _) => (target.clone(), None),
        };
        let storage = Storage::open(&target, &CancellationToken::new())
            .await
            .unwrap();
        let engine = Engine::builder(storage.clone(), self.clock.shared(), key())
            .timing(self.timing())
            .register(job.clone())
            .build();
        Mortal {
            running: engine.start(CancellationToken::new()),
            engine,
            storage,
            seen,
        }
    }

    /// An engine on another machine, whose time passes on its own.
    pub fn elsewhere(&self, job: &Scripted) -> (Engine, ManualClock) {
        let clock = ManualClock::new(self.clock.now());
        (self.builder(&clock).register(job.clone()).build(), clock)
    }

    pub async fn row(&self, id: TaskId) -> TaskRow {
        let now = DateTime::UNIX_EPOCH;
        self.storage.tasks().get(id, now).await.unwrap().unwrap()
    }

    /// Reads the row until it is as it should be; seconds pass meanwhile.
    pub async fn until(&self, id: TaskId, wanted: impl Fn(&TaskRow) -> bool) -> TaskRow {
        let read = async {
            loop {
                let row = self.row(id).await;
                if wanted(&row) {
                    return row;
                }
            }
        };
        meanwhile(&self.clock, read).await
    }

    /// Lets the longest usual wait pass whenever the task waits for its next attempt.
    pub async fn until_ended_with_retries(&self, id: TaskId) -> TaskRow {
        loop {
            let idle = |row: &TaskRow| row.state.is_terminal() || row.lease_owner.is_none();
            let row = self.until(id, idle).await;
            if row.state.is_terminal() {
                return row;
            }
            self.pass(Duration::from_secs(600)).await;
        }
    }

    /// Lets time pass until a heartbeat has moved the end of the lease.
    pub async fn until_heartbeat(&self, id: TaskId) {
        let before = self.row(id).await.lease_until;
        // Scan, upkeep, heartbeat.
        self.clock.wait_for_sleepers(3).await;
        self.clock.advance(HEARTBEAT);
        self.until(id, |row| row.lease_until != before).await;
    }

    pub async fn until_ended(&self, id: TaskId) -> TaskRow {
        self.until(id, |row| row.state.is_terminal()).await
    }

    pub async fn log(&self, id: TaskId) -> Vec<TaskLogEntry> {
        self.storage.tasks().log(id, 0, 20_000).await.unwrap()
    }

    pub async fn last_code(&self, id: TaskId) -> String {
        let log = self.log(id).await;
        log.last().unwrap().extra["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

pub fn order(data: Value) -> CreateRequest {
    CreateRequest::new("bot", NAME, data)
}

pub async fn create(engine: &Engine) -> TaskId {
    create_for(engine, 1).await
}

pub async fn create_for(engine: &Engine, guild: u64) -> TaskId {
    engine
        .create(order(json!({"ServerID": guild})))
        .await
        .unwrap()
        .task_id
}

/// How often the effect of each step of each task happened.
#[derive(Clone, Default)]
pub struct Effects(Arc<Mutex<BTreeMap<(TaskId, String), u32>>>);

impl Effects {
    pub fn happen(&self, task: TaskId, step: &str) -> u32 {
        let mut effects = self.0.lock().unwrap();
        let count = effects.entry((task, step.to_owned())).or_default();
        *count += 1;
        *count
    }

    pub fn of(&self, task: TaskId) -> Vec<(String, u32)> {
        let effects = self.0.lock().unwrap();
        let of_task = effects.iter().filter(|((id, _), _)| *id == task);
        of_task
            .map(|((_, step), count)| (step.clone(), *count))
            .collect()
    }
}

pub fn is(state: TaskState) -> impl Fn(&TaskRow) -> bool {
    move |row| row.state == state
}
