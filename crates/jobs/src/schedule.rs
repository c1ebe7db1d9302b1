//! Orders that come again: when the next one is due, and whether a late one is still made.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Priority, Schedule};

use crate::deadline::{CallError, within};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::orders::CreateRequest;

/// An order that is later than this was missed: nobody was there.
const LATE: TimeDelta = TimeDelta::minutes(10);
/// Schedules that are read at a time.
const BATCH: u32 = 50;
/// The client under whose name schedules order.
const CLIENT: &str = "schedule";

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a cron pattern with a time to come")]
pub struct InvalidCron(String);

/// What to do about a schedule that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    order: bool,
    /// `None`: its pattern has no further time.
    next_at: Option<DateTime<Utc>>,
}

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
fn next(id: uuid::Uuid, cron: &str, jitter: Duration, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let cron = Cron::from_str(cron).ok()?;
    let at = cron.find_next_occurrence(&now, false).ok()?;
    let span = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
    let (high, low) = id.as_u64_pair();
    // Ids are random in almost all of their bits.
    let put_off = (high ^ low).checked_rem(span).unwrap_or(0);
    at.checked_add_signed(TimeDelta::milliseconds(i64::try_from(put_off).ok()?))
}

fn turn(schedule: &Schedule, due_at: DateTime<Utc>, now: DateTime<Utc>) -> Turn {
    let jitter = Duration::from_millis(schedule.jitter_ms.unsigned_abs());
    Turn {
        order: schedule.catch_up || now - due_at <= LATE,
        next_at: next(schedule.id, &schedule.cron, jitter, now),
    }
}

/// Orders what is due. Each time is ordered once, by however many engines: the order repeats under
/// its key, and only one advances the schedule.
pub(crate) async fn order_due(engine: &Engine) -> Result<(), CallError> {
    let (schedules, deadline) = (
        engine.inner.storage.schedules(),
        engine.inner.timing.deadline,
    );
    let now = engine.inner.clock.now();
    for schedule in within(deadline, schedules.due(now, BATCH)).await? {
        let Some(due_at) = schedule.next_at else {
            continue;
        };
        let turn = turn(&schedule, due_at, now);
        let mut task = None;
        if turn.order {
            let key = format!("{}-{}", schedule.id.simple(), due_at.timestamp_millis());
            let request = CreateRequest {
                idempotency_key: Some(key),
                actor: schedule.actor.clone(),
                priority: Some(Priority::Scheduled),
                ..CreateRequest::new(CLIENT, &schedule.name, schedule.data.clone())
            };
            match engine.create(request).await {
                Ok(created) => task = Some(created.task_id),
                // It stays due.
                Err(EngineError::Storage(error)) => return Err(CallError::Storage(error)),
                Err(error) => {
                    tracing::warn!(schedule.id = %schedule.id, job.name = %schedule.name,
                        error = %Chain(&error), "a scheduled order was refused");
                }
            }
        }
        let advanced = schedules.advance(&schedule, turn.next_at, task);
        if within(deadline, advanced).await? && turn.next_at.is_none() {
            tracing::warn!(schedule.id = %schedule.id, "the schedule has no further time");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn schedule(cron: &str, jitter_ms: i64, catch_up: bool) -> Schedule {
        Schedule {
            id: uuid::Uuid::from_u128(0x1234_5678_9abc_def0_0fed_cba9_8765_4321),
            name: "backup".to_owned(),
            data: serde_json::Value::Null,
            cron: cron.to_owned(),
            jitter_ms,
            catch_up,
            actor: None,
            next_at: None,
            last_task: None,
        }
    }

    #[test]
    fn the_next_time_is_after_now_whatever_was_missed() {
        let daily = schedule("30 4 * * *", 0, true);
        let due = at("2026-11-30T04:30:00Z");
        let on_time = turn(&daily, due, at("2026-11-30T04:30:01Z"));
        let next_at = Some(at("2026-12-01T04:30:00Z"));
        assert_eq!(
            on_time,
            Turn {
                order: true,
                next_at
            }
        );
        // A week without anybody: one order for all of it.
        let late = turn(&daily, due, at("2026-12-07T12:00:00Z"));
        let next_at = Some(at("2026-12-08T04:30:00Z"));
        assert_eq!(
            late,
            Turn {
                order: true,
                next_at
            }
        );
        let left_out = turn(
            &schedule("30 4 * * *", 0, false),
            due,
            at("2026-12-07T12:00:00Z"),
        );
        assert_eq!(
            left_out,
            Turn {
                order: false,
                next_at
            }
        );
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
