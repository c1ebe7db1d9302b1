//! What the statements of several stores have in common.

use std::time::Duration;

macro_rules! task_columns {
    () => {
        "task_id, task_name, owner, fields, encrypted, state, output, requested, attempts, fence, \
         lease_owner, lease_until, run_after, slot_guild, slot_kind, expires_at, created_at, \
         last_updated, log_count, progress, deadline_at"
    };
}
pub(crate) use task_columns;

/// The condition of each write of a runner.
macro_rules! held {
    () => {
        " WHERE task_id = $1 AND fence = $2 AND state = 'running' AND lease_owner IS NOT NULL"
    };
}
pub(crate) use held;

/// What a record says: the task gets on, so nothing that went wrong before counts any more.
macro_rules! progress {
    () => {
        "attempts = 0, parks = 0, waits_for = NULL"
    };
}
pub(crate) use progress;

/// The database's own clock, to the millisecond. PostgreSQL's `now()` stands still within a
/// transaction.
macro_rules! now {
    (sqlite) => {
        "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)"
    };
    (postgres) => {
        "date_trunc('milliseconds', clock_timestamp())"
    };
}
pub(crate) use now;

/// The same, as one value for the whole statement, which an index can be asked for.
macro_rules! asked {
    (sqlite) => {
        "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)"
    };
    (postgres) => {
        "date_trunc('milliseconds', statement_timestamp())"
    };
}
pub(crate) use asked;

/// So many milliseconds, which the parameter gives, from now.
macro_rules! after {
    (sqlite, $parameter:expr) => {
        concat!(
            "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) + ",
            $parameter
        )
    };
    (postgres, $parameter:expr) => {
        concat!(
            "date_trunc('milliseconds', clock_timestamp()) + ",
            $parameter,
            "::bigint * interval '1 millisecond'"
        )
    };
}
pub(crate) use after;

/// So many milliseconds before a statement was asked.
macro_rules! before {
    (sqlite, $parameter:expr) => {
        concat!(
            "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) - ",
            $parameter
        )
    };
    (postgres, $parameter:expr) => {
        concat!(
            "date_trunc('milliseconds', statement_timestamp()) - ",
            $parameter,
            "::bigint * interval '1 millisecond'"
        )
    };
}
pub(crate) use before;

/// How many milliseconds ago a column's time was.
macro_rules! ago {
    (sqlite, $column:literal) => {
        concat!(
            "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER) - ",
            $column
        )
    };
    (postgres, $column:literal) => {
        concat!(
            "CAST(EXTRACT(EPOCH FROM clock_timestamp() - ",
            $column,
            ") * 1000 AS BIGINT)"
        )
    };
}
pub(crate) use ago;

/// What an end sets: a task is kept for as long as its order said, from now on.
macro_rules! kept {
    ($engine:ident) => {
        concat!(
            "expires_at = ",
            crate::sql::now!($engine),
            " + (expires_at - created_at)"
        )
    };
}
pub(crate) use kept;

/// A length of time as a parameter.
pub fn length(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Both forms of a statement that asks for the time, from a macro that takes the database's name.
macro_rules! clocked {
    ($statement:ident) => {
        crate::engine::Sql {
            sqlite: $statement!(sqlite),
            postgres: $statement!(postgres),
        }
    };
}
pub(crate) use clocked;

pub const INSERT_ENTRY: &str = "\
    INSERT INTO task_log (task_id, seq, level, ts, msg, extra) VALUES ($1, $2, $3, $4, $5, $6)";

pub const DELETE_SECRET: &str = "DELETE FROM job_secrets WHERE task_id = $1";

pub const DELETE_STEPS: &str = "DELETE FROM task_steps WHERE task_id = $1";

pub const FREE_SLOT: &str = "DELETE FROM task_slots WHERE task_id = $1";
