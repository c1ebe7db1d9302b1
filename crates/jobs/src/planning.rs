//! Making schedules, and taking them back.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_storage::{Keep, Owner, Schedule};
use uuid::Uuid;

use crate::engine::Engine;
use crate::error::{EngineError, PrepareError};
use crate::schedule::{first_at, next};

/// Schedules of one server.
pub const MOST_SCHEDULES: usize = 5;
/// Between two times of a schedule at least.
const BETWEEN: TimeDelta = TimeDelta::hours(1);

/// Something that shall be ordered again and again for a server.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSchedule {
    /// Of one that the server has: this takes its place. What it made before stays its own.
    pub id: Uuid,
    pub name: String,
    /// As of one order; no secrets.
    pub data: Value,
    /// Five fields of cron, in UTC.
    pub cron: String,
    pub jitter: Duration,
    pub keep: Keep,
    pub actor: Option<String>,
}

impl NewSchedule {
    /// Whether this is ordered already, by whomever.
    fn is(&self, known: &Schedule) -> bool {
        self.name == known.name
            && self.data == known.data
            && self.cron == known.cron
            && i64::try_from(self.jitter.as_millis()) == Ok(known.jitter_ms)
            && self.keep == known.keep
    }
}

impl Engine {
    /// Stores a schedule of this client whose orders are valid today, in place of the server's one of this id, if
    /// there is any. One order is made for all times that were missed.
    ///
    /// # Errors
    /// The order or the times are not usable, or the server has [`MOST_SCHEDULES`] already.
    pub async fn schedule(&self, client: &str, new: NewSchedule) -> Result<Schedule, EngineError> {
        let invalid = |code: &str, text: String| {
            EngineError::from(PrepareError::invalid(code.to_owned(), text))
        };
        let job = self.job(&new.name)?;
        let prepared = job.prepare(new.data.clone()).await?;
        self.admit(client, job, prepared.owner, &prepared.fields)
            .await?;
        if prepared.secret.is_some() && job.secret_is_the_callers(&prepared.fields) {
            let text = "a schedule keeps no password".to_owned();
            return Err(invalid("secret_in_schedule", text));
        }
        let Owner::Server(guild) = prepared.owner else {
            return Err(invalid("no_server", "schedules are for servers".to_owned()));
        };
        let schedules = self.inner.storage.schedules();
        let known = schedules.get(new.id).await?;
        if known.as_ref().is_some_and(|it| it.guild != Some(guild)) {
            let text = "another server has a schedule of this id".to_owned();
            return Err(invalid("schedule_elsewhere", text));
        }
        if let Some(same) = known.as_ref().filter(|known| new.is(known)) {
            return Ok(same.clone());
        }
        if known.is_none() && schedules.of_guild(guild).await?.len() >= MOST_SCHEDULES {
            let text = format!("a server has at most {MOST_SCHEDULES} schedules: remove one");
            return Err(invalid("too_many_schedules", text));
        }
        let now = self.inner.clock.now();
        let wrong = |error: crate::InvalidCron| invalid("invalid_cron", error.to_string());
        let first = first_at(new.id, &new.cron, new.jitter, now).map_err(wrong)?;
        let (mut at, mut times) = (now, 0);
        // Patterns can be uneven: a day's worth of times is looked at.
        while let Some(then) = next(new.id, &new.cron, Duration::ZERO, at).filter(|_| times < 48) {
            if times > 0 && then - at < BETWEEN {
                let text = "at most once an hour".to_owned();
                return Err(invalid("too_often", text));
            }
            (at, times) = (then, times + 1);
        }
        let schedule = Schedule {
            id: new.id,
            name: new.name,
            data: new.data,
            cron: new.cron,
            jitter_ms: i64::try_from(new.jitter.as_millis()).unwrap_or(i64::MAX),
            actor: new.actor,
            next_at: Some(first),
            last_task: known.and_then(|known| known.last_task),
            guild: Some(guild),
            keep: new.keep,
        };
        schedules.put(&schedule).await?;
        tracing::info!(schedule.id = %schedule.id, job.name = %schedule.name, guild.id = %guild,
            "scheduled");
        Ok(schedule)
    }

    /// Takes a server's schedule back. What it made stays. `false`: there is none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unschedule(&self, id: Uuid, guild: GuildId) -> Result<bool, EngineError> {
        let schedules = self.inner.storage.schedules();
        let found = schedules.get(id).await?;
        if found.is_none_or(|schedule| schedule.guild != Some(guild)) {
            return Ok(false);
        }
        Ok(schedules.remove(id).await?)
    }
}
