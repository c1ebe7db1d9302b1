//! From stored rows to public shapes: whoever shows a task, shows it alike.

use serde_json::Value;
use splashtail_api_types::tasks::{
    JobsSummary, PartialTask, StatusEntry, StatusLevel, TargetType, Task, TaskFor, TaskInfo,
    TaskOutput, TaskProgress, TaskState,
};
use splashtail_storage::{
    Advance, Level, Owner, TaskCounts, TaskLogEntry, TaskOutput as StoredOutput, TaskRow,
    TaskState as StoredState,
};

/// Names that a log entry has itself; an extra value cannot take their place.
const OWN_NAMES: [&str; 4] = ["level", "ts", "msg", "botDisplayIgnore"];

pub fn owner(owner: Owner) -> TaskFor {
    match owner {
        Owner::Server(id) => TaskFor::server(id),
        Owner::User(id) => TaskFor::user(id),
    }
}

pub fn kind(owner: Owner) -> TargetType {
    match owner {
        Owner::Server(_) => TargetType::Server,
        Owner::User(_) => TargetType::User,
    }
}

pub fn partial_task(row: &TaskRow) -> PartialTask {
    PartialTask {
        task_id: row.id,
        task_name: row.name.clone(),
        expiry: expiry(row),
        state: state(row.state),
        created_at: row.created_at,
    }
}

pub fn task(row: TaskRow, log: Vec<TaskLogEntry>) -> Task {
    Task {
        task_id: row.id,
        task_name: row.name.clone(),
        expiry: expiry(&row),
        state: state(row.state),
        created_at: row.created_at,
        output: row.output.clone().map(output),
        statuses: log.into_iter().map(status_entry).collect(),
        task_for: owner(row.owner),
        progress: row.advance.as_ref().map(progress),
        deadline: row.deadline_at,
        task_info: task_info(row),
    }
}

pub fn task_info(row: TaskRow) -> TaskInfo {
    let expiry = expiry(&row).unwrap_or(0);
    TaskInfo {
        name: row.name,
        task_for: owner(row.owner),
        task_fields: row.fields,
        expiry,
        valid: true,
        // The engine journals every kind.
        resumable: true,
        encrypted: row.encrypted,
    }
}

pub fn progress(advance: &Advance) -> TaskProgress {
    TaskProgress {
        what: advance.what.clone(),
        done: advance.done,
        total: advance.total,
        percent: advance.percent(),
        seconds_left: advance.seconds_left,
    }
}

pub fn output(output: StoredOutput) -> TaskOutput {
    TaskOutput {
        filename: output.filename,
        segregated: output.segregated,
    }
}

pub fn summary(counts: TaskCounts) -> JobsSummary {
    let TaskCounts {
        pending,
        running,
        completed,
        failed,
    } = counts;
    JobsSummary {
        pending,
        running,
        completed,
        failed,
    }
}

fn expiry(row: &TaskRow) -> Option<i64> {
    row.expiry()
        .map(|expiry| i64::try_from(expiry.as_nanos()).unwrap_or(i64::MAX))
}

fn state(state: StoredState) -> TaskState {
    match state {
        StoredState::Pending => TaskState::Pending,
        StoredState::Running => TaskState::Running,
        StoredState::Completed => TaskState::Completed,
        StoredState::Failed => TaskState::Failed,
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds of this era are below 2^53"
)]
pub fn status_entry(entry: TaskLogEntry) -> StatusEntry {
    let bot_display_ignore = entry.extra.get("botDisplayIgnore").and_then(|names| {
        let names = names.as_array()?.iter();
        Some(names.filter_map(Value::as_str).map(str::to_owned).collect())
    });
    StatusEntry {
        level: match entry.level {
            Level::Debug => StatusLevel::Debug,
            Level::Info => StatusLevel::Info,
            Level::Warn => StatusLevel::Warn,
            Level::Error => StatusLevel::Error,
        },
        ts: entry.ts.timestamp_millis() as f64 / 1000.0,
        msg: entry.msg,
        bot_display_ignore,
        extra: entry
            .extra
            .into_iter()
            .filter(|(name, _)| !OWN_NAMES.contains(&name.as_str()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_entry_is_one_flat_object() {
        let Value::Object(extra) = json!({
            "guild": "5", "botDisplayIgnore": ["guild", 1], "msg": "forged", "ts": 0, "level": "x"
        }) else {
            panic!("an object")
        };
        let entry = TaskLogEntry {
            seq: 1,
            level: Level::Warn,
            ts: DateTime::from_timestamp_millis(1_700_000_000_250).unwrap(),
            msg: "real".to_owned(),
            extra,
        };
        assert_eq!(
            serde_json::to_value(status_entry(entry)).unwrap(),
            json!({"level": "warn", "ts": 1_700_000_000.25, "msg": "real",
                "botDisplayIgnore": ["guild"], "guild": "5"})
        );
    }
}
