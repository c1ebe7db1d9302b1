//! What schedules have made: how much of it stays, and what went wrong with it.

use chrono::{DateTime, TimeDelta, Utc};
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{Keep, Level, Schedule, TaskRow, TaskState, Trouble};

use crate::deadline::{CallError, within};
use crate::engine::Engine;
use crate::job::Appraisal;
use crate::upkeep::{LetGo, let_go};

/// Schedules that are read at a time.
const BATCH: u32 = 50;
/// Tasks of one schedule that are looked at; what is older waits for the next time.
const LOOKED_AT: u32 = 200;
/// Entries of a failed task's log that are read at a time.
const ENTRIES: u32 = 200;

/// Which of these, the newest first, go. A task takes the place of an older one only when it is not
/// poor; a poor one goes as soon as so many newer ones are there, poor or not.
fn surplus<'a>(
    made: &'a [TaskRow],
    keep: Keep,
    appraisal: &Appraisal,
    now: DateTime<Utc>,
) -> Vec<&'a TaskRow> {
    let most = keep.count.map_or(usize::MAX, |count| count as usize);
    let oldest = keep.days.map(|days| now - TimeDelta::days(i64::from(days)));
    let mut good = 0;
    let mut goes = Vec::new();
    for (newer, task) in made.iter().enumerate() {
        let poor = appraisal.poor.contains(&task.id);
        let rank = if poor { newer } else { good };
        let newest = newer == 0 || !poor && good == 0;
        good += usize::from(!poor);
        let aged = oldest.is_some_and(|oldest| task.created_at < oldest);
        if !newest && !appraisal.kept.contains(&task.id) && (rank >= most || aged) {
            goes.push(task);
        }
    }
    goes
}

/// Whether the newest is the first that is poor.
fn has_fallen(made: &[TaskRow], appraisal: &Appraisal) -> bool {
    let mut poor = made.iter().map(|task| appraisal.poor.contains(&task.id));
    poor.next() == Some(true) && poor.next() == Some(false)
}

/// Sees to the ends of what schedules ordered: a success makes the oldest superfluous, and a failure is
/// told, as is a success that is much less than those before it.
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
    let settled = match row.as_ref().map(|row| row.state) {
        Some(TaskState::Pending | TaskState::Running) => false,
        Some(TaskState::Completed) => retain(engine, schedule, now).await?,
        Some(TaskState::Failed) => {
            let why = why(engine, task).await?;
            let complain = storage.schedules().complain(schedule.id, &why, now);
            within(deadline, complain).await?;
            true
        }
        // Somebody has deleted it.
        None => true,
    };
    if settled {
        within(deadline, storage.schedules().settle(schedule)).await?;
    }
    Ok(())
}

/// Whether that is done with.
async fn retain(
    engine: &Engine,
    schedule: &Schedule,
    now: DateTime<Utc>,
) -> Result<bool, CallError> {
    let (storage, deadline) = (&engine.inner.storage, engine.inner.timing.deadline);
    let made = storage.schedules().made(schedule, LOOKED_AT);
    let made = within(deadline, made).await?;
    // There is nothing to measure it by.
    if made.len() < 2 {
        return Ok(true);
    }
    // One of a kind that this version does not know: another one will.
    let Some(job) = engine.inner.jobs.get(schedule.name.as_str()) else {
        return Ok(false);
    };
    let appraisal = match job.appraise(&made).await {
        Ok(appraisal) => appraisal,
        Err(error) => {
            tracing::warn!(schedule.id = %schedule.id, error = %Chain(&error),
                "what a schedule made cannot be judged, nothing of it is deleted");
            return Ok(false);
        }
    };
    // What cannot be deleted now is looked at again, and is said once.
    let said = engine.fallen().get(&schedule.id).copied();
    if has_fallen(&made, &appraisal) && said != schedule.last_task {
        let complain = storage
            .schedules()
            .complain(schedule.id, Trouble::FALLEN, now);
        within(deadline, complain).await?;
        let task = schedule.last_task;
        let mut fallen = engine.fallen();
        fallen.extend(task.map(|task| (schedule.id, task)));
    }
    for task in surplus(&made, schedule.keep, &appraisal, now) {
        match let_go(engine, task).await {
            Ok(LetGo::Kept) => {}
            Ok(LetGo::Whole) => {
                if within(deadline, storage.tasks().delete(task.id)).await? {
                    tracing::info!(job.id = %task.id, schedule.id = %schedule.id,
                        "deleted what a schedule does not keep any longer");
                }
            }
            Err(error) => {
                tracing::warn!(schedule.id = %schedule.id, error = %Chain(&error),
                    "what a schedule does not keep cannot be deleted now");
                return Ok(false);
            }
        }
    }
    engine.fallen().remove(&schedule.id);
    Ok(true)
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
    use std::collections::HashSet;

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

    fn ids(made: &[TaskRow], places: &[usize]) -> HashSet<TaskId> {
        places.iter().map(|place| made[*place].id).collect()
    }

    /// Places of what goes, with a judgement by places.
    fn gone(made: &[TaskRow], keep: Keep, poor: &[usize], kept: &[usize], now: i64) -> Vec<usize> {
        let appraisal = Appraisal {
            poor: ids(made, poor),
            kept: ids(made, kept),
        };
        let goes = surplus(made, keep, &appraisal, day(now));
        let place = |task: &&TaskRow| made.iter().position(|one| one.id == task.id).unwrap();
        goes.iter().map(place).collect()
    }

    #[test]
    fn the_newest_stays_whatever_its_age() {
        let made = made(&[30, 20, 10, 1]);
        let goes = |count, days, now| gone(&made, Keep { count, days }, &[], &[], now).len();
        assert_eq!(goes(None, None, 400), 0);
        assert_eq!(goes(Some(3), None, 31), 1);
        assert_eq!(goes(Some(9), None, 31), 0);
        assert_eq!(goes(None, Some(12), 31), 2);
        assert_eq!(goes(Some(1), Some(100), 31), 3, "whichever is less");
        assert_eq!(goes(None, Some(7), 400), 3);
        assert!(surplus(&[], Keep::default(), &Appraisal::default(), day(1)).is_empty());
    }

    #[test]
    fn only_the_first_that_fell_is_told() {
        let made = made(&[30, 29, 28]);
        let fallen = |poor: &[usize]| {
            let appraisal = Appraisal {
                poor: ids(&made, poor),
                kept: HashSet::new(),
            };
            has_fallen(&made, &appraisal)
        };
        assert!(!fallen(&[]) && fallen(&[0]));
        assert!(!fallen(&[0, 1]), "it was told");
        assert!(!fallen(&[1]));
    }

    /// A server was torn down on day 27: everything after it is nearly empty.
    #[test]
    fn poor_ones_push_out_no_good_one() {
        let made = made(&[30, 29, 28, 27, 26, 25, 24]);
        let keep = Keep {
            count: Some(2),
            days: None,
        };
        assert_eq!(gone(&made, keep, &[], &[], 31), [2, 3, 4, 5, 6]);
        assert_eq!(
            gone(&made, keep, &[0, 1, 2], &[], 31),
            [2, 5, 6],
            "two of each"
        );
        let aged = Keep {
            count: None,
            days: Some(2),
        };
        let goes = gone(&made, aged, &[0, 1, 2], &[], 31);
        assert_eq!(
            goes,
            [2, 4, 5, 6],
            "the newest, and the newest good one stay"
        );
        assert_eq!(gone(&made, keep, &[], &[5], 31), [2, 3, 4, 6], "a kept one");
    }
}
