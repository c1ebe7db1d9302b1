//! What schedules have made: how much of it stays, and what went wrong with it.

use chrono::{DateTime, TimeDelta, Utc};
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Keep, Level, Schedule, TaskRow, TaskState};

use crate::deadline::{CallError, within};
use crate::engine::Engine;
use crate::upkeep::let_go;

/// Schedules that are read at a time.
const BATCH: u32 = 50;
/// Tasks of one schedule that are looked at; what is older waits for the next time.
const LOOKED_AT: u32 = 200;
/// Entries of a failed task's log that are read at a time.
const ENTRIES: u32 = 200;

/// Which of these, the newest first, go.
pub fn surplus(made: &[TaskRow], keep: Keep, now: DateTime<Utc>) -> &[TaskRow] {
    let by_count = keep.count.map_or(made.len(), |count| count as usize);
    let by_age = keep.days.map_or(made.len(), |days| {
        let oldest = now - TimeDelta::days(i64::from(days));
        let young = made.iter().position(|task| task.created_at < oldest);
        young.unwrap_or(made.len())
    });
    let stay = by_count.min(by_age).max(1).min(made.len());
    &made[stay..]
}

/// Sees to the ends of what schedules ordered: a success makes the oldest superfluous, a failure is
/// told.
pub(crate) async fn settle_ends(engine: &Engine) -> Result<(), CallError> {
    let (storage, deadline) = (&engine.inner.storage, engine.inner.timing.deadline);
    let mut after = None;
    loop {
        let unsettled = storage.schedules().unsettled(after, BATCH);
        let batch = within(deadline, unsettled).await?;
        for schedule in &batch {
            if let Some(task) = schedule.last_task {
                settle(engine, schedule, task).await?;
            }
        }
        match batch.last() {
            Some(last) if batch.len() == BATCH as usize => after = Some(last.id),
            _ => return Ok(()),
        }
    }
}

async fn settle(engine: &Engine, schedule: &Schedule, task: TaskId) -> Result<(), CallError> {
    let (storage, deadline) = (&engine.inner.storage, engine.inner.timing.deadline);
    let now = engine.inner.clock.now();
    let row = within(deadline, storage.tasks().get(task, now)).await?;
    match row.as_ref().map(|row| row.state) {
        Some(TaskState::Pending | TaskState::Running) => return Ok(()),
        Some(TaskState::Completed) => retain(engine, schedule, now).await?,
        Some(TaskState::Failed) => {
            let why = why(engine, task).await?;
            let complain = storage.schedules().complain(schedule.id, &why, now);
            within(deadline, complain).await?;
        }
        // Somebody has deleted it.
        None => {}
    }
    within(deadline, storage.schedules().settle(schedule)).await?;
    Ok(())
}

async fn retain(engine: &Engine, schedule: &Schedule, now: DateTime<Utc>) -> Result<(), CallError> {
    if schedule.keep == Keep::default() {
        return Ok(());
    }
    let (storage, deadline) = (&engine.inner.storage, engine.inner.timing.deadline);
    let made = storage.schedules().made(schedule, LOOKED_AT);
    let made = within(deadline, made).await?;
    for task in surplus(&made, schedule.keep, now) {
        if let_go(engine, task).await && within(deadline, storage.tasks().delete(task.id)).await? {
            tracing::info!(job.id = %task.id, schedule.id = %schedule.id,
                "deleted what a schedule does not keep any longer");
        }
    }
    Ok(())
}

/// The last that a failed task said of its failure.
async fn why(engine: &Engine, task: TaskId) -> Result<String, CallError> {
    let (storage, deadline) = (&engine.inner.storage, engine.inner.timing.deadline);
    let (mut after, mut why) = (0, "it failed".to_owned());
    loop {
        let page = storage.tasks().log(task, after, ENTRIES);
        let page = within(deadline, page).await?;
        for entry in page.iter().filter(|entry| entry.level == Level::Error) {
            let cause = entry.extra.get("error").and_then(|cause| cause.as_str());
            why = match cause {
                Some(cause) => format!("{}: {cause}", entry.msg),
                None => entry.msg.clone(),
            };
        }
        match page.last() {
            Some(last) if page.len() == ENTRIES as usize => after = last.seq,
            _ => return Ok(why),
        }
    }
}

/// Notes that an order was not made at all.
pub(crate) async fn complain(engine: &Engine, schedule: &Schedule, why: &str) {
    let (storage, deadline) = (&engine.inner.storage, engine.inner.timing.deadline);
    let now = engine.inner.clock.now();
    let complain = storage.schedules().complain(schedule.id, why, now);
    if let Err(error) = within(deadline, complain).await {
        tracing::warn!(schedule.id = %schedule.id, error = %Chain(&error),
            "nobody will hear what went wrong with a schedule");
    }
}

#[cfg(test)]
mod tests {
    use splashtail_core::ids::GuildId;
    use splashtail_storage::Owner;

    use super::*;

    fn day(day: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(day)
    }

    fn made(days: &[i64]) -> Vec<TaskRow> {
        let row = |at: &i64| TaskRow {
            id: TaskId::random(),
            name: "backup".to_owned(),
            owner: Owner::Server(GuildId::new(1).unwrap()),
            fields: serde_json::Value::Null,
            encrypted: false,
            state: TaskState::Completed,
            requested: true,
            output: None,
            expires_at: None,
            attempts: 1,
            lease_owner: None,
            lease_until: None,
            run_after: day(*at),
            slot: None,
            created_at: day(*at),
            last_updated: day(*at),
            advance: None,
            deadline_at: None,
        };
        days.iter().map(row).collect()
    }

    #[test]
    fn the_newest_stays_whatever_its_age() {
        let made = made(&[30, 20, 10, 1]);
        let goes = |count, days, now| surplus(&made, Keep { count, days }, day(now)).len();
        assert_eq!(goes(None, None, 400), 0);
        assert_eq!(goes(Some(3), None, 31), 1);
        assert_eq!(goes(Some(9), None, 31), 0);
        assert_eq!(goes(None, Some(12), 31), 2);
        assert_eq!(goes(Some(1), Some(100), 31), 3, "whichever is less");
        assert_eq!(goes(None, Some(7), 400), 3);
        assert!(surplus(&[], Keep::default(), day(1)).is_empty());
    }
}
