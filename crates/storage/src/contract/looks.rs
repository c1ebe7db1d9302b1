//! What is looked for again and again is found without walking through what is not wanted.

use sqlx::{AssertSqlSafe, Row};

use super::*;
use crate::account::FORGET_GRANTS;
use crate::engine::{Engine, Sql};
use crate::schedule::DUE;
use crate::task_queue::statements::{CLAIM_LEFT, CLAIM_WAITING};
use crate::task_store::statements::{ABANDONED_TASKS, EXPIRED_TASKS, OVERDUE_TASKS};
use crate::token::PURGE_TOKENS;
use crate::webhook::TURN;

contract!(looks_pass_over_nothing_that_waits);

/// Of each kind that no look wants.
const MANY: i64 = 3000;
/// Tasks that somebody runs: the only ones that the look for tasks has to step over.
const HELD: u32 = 8;

/// A look, and an order of values that both databases take.
struct Look {
    sql: Sql,
    values: &'static [&'static str],
    indexes: &'static [&'static str],
}

const LOOKS: [Look; 9] = [
    Look {
        sql: CLAIM_WAITING,
        values: &["'me'", "6000", r#"'["backup"]'"#, "2"],
        indexes: &["tasks_waiting"; 3],
    },
    Look {
        sql: CLAIM_LEFT,
        values: &["'me'", "6000", r#"'["backup"]'"#, "2"],
        indexes: &["tasks_held"; 3],
    },
    Look {
        sql: EXPIRED_TASKS,
        values: &["EPOCH", "'00000000-0000-0000-0000-000000000000'", "50"],
        indexes: &["tasks_by_expiry"],
    },
    Look {
        sql: ABANDONED_TASKS,
        values: &["86400000", "100"],
        indexes: &["tasks_not_started"],
    },
    Look {
        sql: OVERDUE_TASKS,
        values: &["100"],
        indexes: &["tasks_by_deadline"],
    },
    Look {
        sql: DUE,
        values: &["EPOCH", "'00000000-0000-0000-0000-000000000000'", "50"],
        indexes: &["schedules_by_time"],
    },
    Look {
        sql: PURGE_TOKENS,
        values: &["100"],
        indexes: &["web_api_tokens_by_expiry"],
    },
    Look {
        sql: FORGET_GRANTS,
        values: &["600000", "100"],
        indexes: &["users_with_grant", "web_api_tokens_by_owner"],
    },
    Look {
        sql: TURN,
        values: &["'[]'", "'[]'", "'[]'"],
        indexes: &["webhooks_by_turn"],
    },
];

impl Look {
    /// The statement with its values in place.
    fn text(&self, engine: &Engine) -> String {
        let (text, epoch) = match engine {
            Engine::Sqlite(_) => (self.sql.sqlite, "0"),
            Engine::Postgres(_) => (self.sql.postgres, "to_timestamp(0)"),
        };
        let numbered = self.values.iter().enumerate().rev();
        numbered.fold(text.to_owned(), |text, (n, value)| {
            text.replace(&format!("${}", n + 1), &value.replace("EPOCH", epoch))
        })
    }
}

async fn looks_pass_over_nothing_that_waits(storage: Storage) {
    for at in 0..HELD {
        created(&storage, &task(i64::from(at))).await;
        claim(&storage).await.unwrap();
    }
    let ready = created(&storage, &task(1000)).await;
    let engine = storage.engine();
    fill(engine).await;
    for look in &LOOKS {
        let text = look.text(engine);
        match engine {
            Engine::Sqlite(_) => searched(&explained(engine, &text).await, look.indexes),
            Engine::Postgres(_) => stepped_over(&explained(engine, &text).await, look.indexes),
        }
    }
    assert_eq!(claim(&storage).await.unwrap().task.id, ready.id);
}

/// SQLite tells what it would do: no table is scanned, nothing is sorted.
fn searched(plan: &[String], indexes: &[&str]) {
    let found: Vec<_> = plan
        .iter()
        .filter(|line| line.contains("USING INDEX") || line.contains("USING COVERING INDEX"))
        .filter(|line| !line.contains("autoindex"))
        // What goes along with a token; PostgreSQL looks for it in a trigger, which no plan shows.
        .filter(|line| !line.contains("web_api_tokens_by_maker"))
        .collect();
    assert_eq!(found.len(), indexes.len(), "{plan:#?}");
    for (line, index) in found.iter().zip(indexes) {
        let bounded = line.starts_with("SEARCH") && line.contains(&format!("{index} ("));
        assert!(bounded, "{line}");
    }
    // Equal times are put in order: that is "FOR LAST TERM".
    let sorted = plan.iter().find(|line| line.contains("B-TREE FOR ORDER"));
    assert_eq!(sorted, None, "{plan:#?}");
}

/// PostgreSQL tells what it did: how many rows it read in vain.
fn stepped_over(plan: &[String], indexes: &[&str]) {
    for index in indexes {
        let used = plan.iter().any(|line| line.contains(index));
        assert!(used, "{index}: {plan:#?}");
    }
    for line in plan {
        let whole = ["tasks", "schedules", "web_api_tokens", "webhooks"]
            .map(|table| format!("Seq Scan on {table}"));
        assert!(!whole.iter().any(|scan| line.contains(scan)), "{plan:#?}");
        if let Some((_, rows)) = line.split_once("Rows Removed by Filter: ") {
            let rows: u32 = rows.trim().parse().unwrap();
            assert!(rows <= HELD, "{rows} in vain: {plan:#?}");
        }
    }
}

/// The plan, line by line. PostgreSQL carries it out and takes it back.
async fn explained(engine: &Engine, statement: &str) -> Vec<String> {
    match engine {
        Engine::Sqlite(sqlite) => {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = sqlx::query(explain).fetch_all(&sqlite.writer).await;
            let rows = rows.unwrap();
            rows.iter().map(|row| row.get("detail")).collect()
        }
        Engine::Postgres(postgres) => {
            let mut tx = postgres.pool.begin().await.unwrap();
            let explain = AssertSqlSafe(format!("EXPLAIN (ANALYZE) {statement}"));
            let rows = sqlx::query(explain).fetch_all(&mut *tx).await.unwrap();
            tx.rollback().await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    }
}

/// Tasks that wait for hours, urgent ones among them, that have ended and are kept, that were never
/// started; and orders, tokens and turns of later.
async fn fill(engine: &Engine) {
    let (numbers, id, at, hash) = match engine {
        Engine::Sqlite(_) => (
            format!(
                "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
                 WHERE n < {MANY}) "
            ),
            "format('00000000-0000-4000-KIND-%012d', n)",
            "4000000000000 + n",
            "randomblob(32)",
        ),
        Engine::Postgres(_) => (
            format!("WITH numbers AS (SELECT generate_series(1, {MANY}) AS n) "),
            "('00000000-0000-4000-KIND-' || lpad(n::text, 12, '0'))::uuid",
            "to_timestamp(4000000000 + n)",
            "sha256(n::text::bytea)",
        ),
    };
    let task = |kind: &str, state: &str, requested: bool, priority: u8| {
        let id = id.replace("KIND", kind);
        format!(
            "INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, requested, \
                 run_after, priority, expires_at, deadline_at, created_at, last_updated) {numbers} \
             SELECT {id}, 'backup', 'u/1', '{{}}', FALSE, '{state}', {requested}, {at}, \
                 {priority}, {at}, {at}, {at}, {at} FROM numbers"
        )
    };
    let schedule = format!(
        "INSERT INTO schedules (schedule_id, task_name, data, cron, jitter_ms, catch_up, next_at) \
         {numbers} SELECT {}, 'backup', '{{}}', '0 4 * * *', 0, TRUE, {at} FROM numbers",
        id.replace("KIND", "9000")
    );
    let token = format!(
        "INSERT INTO web_api_tokens (id, token_hash, owner, name, created_at, expires_at) \
         {numbers} SELECT {}, {hash}, 'u/' || n, 'later', {at}, {at} FROM numbers",
        id.replace("KIND", "9000")
    );
    let webhook = format!(
        "INSERT INTO webhooks (webhook_id, guild_id, name, url, types, secret, seen, created_by, \
             created_at, turn_at) \
         {numbers} SELECT {}, n, 'later', 'https://example.com', '[]', {hash}, 0, 1, {at}, {at} \
         FROM numbers",
        id.replace("KIND", "9000")
    );
    let account = format!(
        "INSERT INTO users (user_id, created_at, updated_at, profile, discord_grant) \
         {numbers} SELECT n, {at}, {at}, '{{}}', {hash} FROM numbers"
    );
    for statement in [
        account,
        task("8000", "pending", true, 0),
        task("8001", "running", true, 1),
        task("8002", "completed", true, 1),
        task("8003", "pending", false, 1),
        schedule,
        token,
        webhook,
        "ANALYZE".to_owned(),
    ] {
        let statement = AssertSqlSafe(statement);
        match engine {
            Engine::Sqlite(sqlite) => {
                let done = sqlx::query(statement).execute(&sqlite.writer).await;
                done.map(drop).unwrap();
            }
            Engine::Postgres(postgres) => {
                let done = sqlx::query(statement).execute(&postgres.pool).await;
                done.map(drop).unwrap();
            }
        }
    }
}
