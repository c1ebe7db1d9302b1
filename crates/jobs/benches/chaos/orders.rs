//! Orders that keep the runners busy, whatever the database does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use splashtail_jobs::{CreateRequest, Engine};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Orders that wait at any time, while as much is run as can be.
const BACKLOG: i64 = 200;
const LOOK: Duration = Duration::from_millis(50);
/// Between two orders of a steady load.
const STEADY: Duration = Duration::from_millis(50);

pub struct Orders {
    engine: Engine,
    state: Arc<State>,
    ordering: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    accepted: AtomicU64,
    steady: AtomicBool,
    stop: AtomicBool,
}

impl Orders {
    pub fn start(engine: Engine, pool: PgPool) -> Self {
        let state = Arc::<State>::default();
        Self {
            ordering: tokio::spawn(order(engine.clone(), pool, state.clone())),
            engine,
            state,
        }
    }

    /// From now on 20 a second, however many wait, and whoever orders them runs some, too, as a
    /// jobserver does: they begin when they come instead of many at once with each look.
    pub fn be_steady(&self) {
        self.engine.start(CancellationToken::new());
        self.state.steady.store(true, Ordering::Relaxed);
    }

    /// How many were accepted in all.
    pub async fn stop(self) -> u64 {
        self.state.stop.store(true, Ordering::Relaxed);
        self.ordering.await.unwrap();
        self.state.accepted.load(Ordering::Relaxed)
    }
}

async fn order(engine: Engine, pool: PgPool, state: Arc<State>) {
    let mut key = 0_u64;
    while !state.stop.load(Ordering::Relaxed) {
        let steady = state.steady.load(Ordering::Relaxed);
        let wanted = if steady { 1 } else { missing(&pool).await };
        for _ in 0..wanted {
            // The key makes a repetition after a lost answer harmless.
            let request = CreateRequest {
                idempotency_key: Some(key.to_string()),
                ..CreateRequest::new("chaos", "work", json!({"n": key}))
            };
            if engine.create(request).await.is_ok() {
                key += 1;
                state.accepted.store(key, Ordering::Relaxed);
            }
        }
        tokio::time::sleep(if steady { STEADY } else { LOOK }).await;
    }
}

/// None while the database does not answer.
async fn missing(pool: &PgPool) -> i64 {
    let open = "SELECT COUNT(*) FROM tasks WHERE state IN ('pending', 'running')";
    let open = sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await;
    BACKLOG - open.unwrap_or(BACKLOG)
}
