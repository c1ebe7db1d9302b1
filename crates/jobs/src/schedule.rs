//! Orders that come again, and when the next one is due.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Due, Priority};

use crate::deadline::{CallError, within};
use crate::engine::Engine;
use crate::error::{EngineError, PrepareError};
use crate::orders::CreateRequest;
use crate::retention::complain;

/// Schedules that are read at a time.
const BATCH: u32 = 50;
/// The client under whose name schedules order.
const CLIENT: &str = "schedule";

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a cron pattern with a time to come")]
pub struct InvalidCron(String);

/// The first time of a pattern after `now`, put off by the jitter.
///
/// # Errors
/// The pattern is not understood, or has no such time.
pub fn first_at(
    id: uuid::Uuid,
    cron: &str,
    jitter: Duration,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, InvalidCron> {
    next(id, cron, jitter, now).ok_or_else(|| InvalidCron(cron.to_owned()))
}

/// Spread over the schedules, and the same each time it is asked for.
pub(crate) fn next(
    id: uuid::Uuid,
    cron: &str,
    jitter: Duration,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let cron = Cron::from_str(cron).ok()?;
    let at = cron.find_next_occurrence(&now, false).ok()?;
    let span = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
    let (high, low) = id.as_u64_pair();
    // Ids are random in almost all of their bits.
    let put_off = (high ^ low).checked_rem(span).unwrap_or(0);
    at.checked_add_signed(TimeDelta::milliseconds(i64::try_from(put_off).ok()?))
}

/// When it is due after that; `None`: its pattern has no further time. One order is made for all
/// times that were missed.
fn after(due: &Due) -> Option<DateTime<Utc>> {
    let schedule = &due.schedule;
    let jitter = Duration::from_millis(schedule.jitter_ms.unsigned_abs());
    next(schedule.id, &schedule.cron, jitter, due.now)
}

/// Orders what is due. Each time is ordered once, by however many engines: the order repeats under
/// its key, and only one advances the schedule.
pub(crate) async fn order_due(engine: &Engine) -> Result<(), CallError> {
    let (schedules, deadline) = (
        engine.inner.storage.schedules(),
        engine.inner.timing.deadline,
    );
    let mut after = None;
    loop {
        let batch = within(deadline, schedules.due(after.as_ref(), BATCH)).await?;
        for due in &batch {
            order_one(engine, due).await?;
        }
        // What stays due is behind us.
        match batch.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

async fn order_one(engine: &Engine, due: &Due) -> Result<(), CallError> {
    let (schedule, next_at) = (&due.schedule, after(due));
    let key = format!("{}-{}", schedule.id.simple(), due.at.timestamp_millis());
    let mut data = schedule.data.clone();
    if let Some(job) = engine.inner.jobs.get(schedule.name.as_str()) {
        job.scheduled(&mut data);
    }
    let request = CreateRequest {
        idempotency_key: Some(key),
        priority: Some(Priority::Scheduled),
        ..CreateRequest::new(CLIENT, &schedule.name, data)
    };
    let task = match engine.create(request).await {
        Ok(created) => Some(created.task_id),
        Err(EngineError::Storage(error)) if error.is_unavailable() => return Err(error.into()),
        Err(error) if is_final(&error) => {
            tracing::warn!(schedule.id = %schedule.id, job.name = %schedule.name,
                error = %Chain(&error), "a scheduled order was refused");
            complain(engine, schedule, &error.to_string()).await;
            None
        }
        Err(EngineError::SlotTaken { by, .. }) => {
            tracing::info!(schedule.id = %schedule.id, job.name = %schedule.name, job.id = %by,
                "a scheduled order waits for another task of its server");
            return Ok(());
        }
        Err(error) => {
            tracing::warn!(schedule.id = %schedule.id, job.name = %schedule.name,
                error = %Chain(&error), "a scheduled order failed, it stays due");
            return Ok(());
        }
    };
    let schedules = engine.inner.storage.schedules();
    let advanced = schedules.advance(schedule, next_at, task);
    if within(engine.inner.timing.deadline, advanced).await? && next_at.is_none() {
        tracing::warn!(schedule.id = %schedule.id, "the schedule has no further time");
    }
    Ok(())
}

/// Whether the same order would be refused again, by whichever engine.
fn is_final(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Prepare(PrepareError::Invalid { .. }) | EngineError::Guarded(_)
    )
}

#[cfg(test)]
mod tests {
    use splashtail_storage::Schedule;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn schedule(cron: &str, jitter_ms: i64) -> Schedule {
        Schedule {
            id: uuid::Uuid::from_u128(0x1234_5678_9abc_def0_0fed_cba9_8765_4321),
            name: "backup".to_owned(),
            data: serde_json::Value::Null,
            cron: cron.to_owned(),
            jitter_ms,
            actor: None,
            next_at: None,
            last_task: None,
            guild: None,
            keep: splashtail_storage::Keep::default(),
        }
    }

    fn due(schedule: &Schedule, at: DateTime<Utc>, now: DateTime<Utc>) -> Due {
        let schedule = schedule.clone();
        Due { schedule, at, now }
    }

    #[test]
    fn the_next_time_is_after_now_whatever_was_missed() {
        let daily = schedule("30 4 * * *", 0);
        let due_at = at("2026-11-30T04:30:00Z");
        let on_time = after(&due(&daily, due_at, at("2026-11-30T04:30:01Z")));
        assert_eq!(on_time, Some(at("2026-12-01T04:30:00Z")));
        // A week without anybody: one order for all of it.
        let late = after(&due(&daily, due_at, at("2026-12-07T12:00:00Z")));
        assert_eq!(late, Some(at("2026-12-08T04:30:00Z")));
    }

    #[test]
    fn jitter_is_bounded_and_the_same_each_time() {
        let now = at("2026-11-30T00:00:00Z");
        let hour = Duration::from_secs(3600);
        let times: std::collections::BTreeSet<_> = (0..50)
            .map(|_| {
                let id = splashtail_core::ids::TaskId::random().get();
                let first = first_at(id, "0 6 * * *", hour, now).unwrap();
                assert_eq!(first, first_at(id, "0 6 * * *", hour, now).unwrap());
                assert!(first >= at("2026-11-30T06:00:00Z") && first < at("2026-11-30T07:00:00Z"));
                first
            })
            .collect();
        assert!(times.len() > 10, "they do not all come at once");
    }

    #[test]
    fn a_pattern_without_a_time_is_refused() {
        let now = at("2026-11-30T00:00:00Z");
        for cron in ["", "every day", "61 * * * *", "0 0 30 2 *"] {
            let id = uuid::Uuid::nil();
            assert!(first_at(id, cron, Duration::ZERO, now).is_err(), "{cron}");
        }
    }
}
