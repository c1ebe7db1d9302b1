//! The queue's statements. Where they need the time, each database puts in its own clock.

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

/// An attempt that ended in order. A record may have taken its count back already.
macro_rules! uncounted {
    () => {
        "CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END"
    };
}
pub(crate) use uncounted;

/// Up to `FROM tasks`, of which the caller chooses one: $1 runner, $2 length of the lease.
macro_rules! take {
    ($now:expr, $after_2:expr) => {
        concat!(
            "UPDATE tasks SET state = 'running', fence = fence + 1, attempts = attempts + 1, \
             lease_owner = $1, lease_until = ",
            $after_2,
            ", last_updated = ",
            $now
        )
    };
}
pub(crate) use take;

/// What a runner may take.
macro_rules! takeable {
    ($now:expr) => {
        concat!(
            " state IN ('pending', 'running') AND requested AND (not_before IS NULL OR not_before <= ",
            $now,
            ") AND (lease_until IS NULL OR lease_until <= ",
            $now,
            ")"
        )
    };
}
pub(crate) use takeable;

macro_rules! taken {
    () => {
        concat!(
            " RETURNING ",
            crate::sql::task_columns!(),
            ", step_count, step_bytes, parks, waits_for, \
             (SELECT wrapped FROM job_secrets WHERE job_secrets.task_id = tasks.task_id) AS wrapped"
        )
    };
}
pub(crate) use taken;

/// $4: the cause; $5: whether the attempt stays counted; $6: whether a log entry comes with it,
/// counted as in [`COUNT_ENTRY`] up to $7.
macro_rules! park {
    ($after_3:expr) => {
        concat!(
            "UPDATE tasks SET lease_owner = NULL, lease_until = NULL, not_before = ",
            $after_3,
            ", run_after = ",
            $after_3,
            ", parks = parks + 1, waits_for = $4, attempts = CASE WHEN $5 THEN attempts ELSE ",
            crate::queue_sql::uncounted!(),
            " END, log_count = CASE WHEN $6 AND log_count < $7 THEN log_count + 1 \
             ELSE log_count END",
            crate::queue_sql::held!(),
            " RETURNING log_count"
        )
    };
}
pub(crate) use park;

/// Takes a free slot, or one whose cancelled holder is certainly gone.
macro_rules! take_slot {
    ($now:expr) => {
        concat!(
            "INSERT INTO task_slots (guild_id, kind, task_id) VALUES ($1, $2, $3) \
             ON CONFLICT (guild_id, kind) DO UPDATE \
             SET task_id = excluded.task_id, free_after = NULL WHERE task_slots.free_after <= ",
            $now,
            " OR task_slots.task_id = excluded.task_id"
        )
    };
}
pub(crate) use take_slot;

/// Before a task is cancelled: frees its slot, unless a runner may be at work.
macro_rules! free_idle_slot {
    ($now:expr) => {
        concat!(
            "DELETE FROM task_slots WHERE task_id = $1 AND NOT EXISTS (SELECT 1 FROM tasks \
             WHERE tasks.task_id = $1 AND lease_until > ",
            $now,
            ")"
        )
    };
}
pub(crate) use free_idle_slot;

/// The same, when one may: nobody is at work any more when the lease would have ended.
pub const FREE_SLOT_LATER: &str = "\
    UPDATE task_slots SET free_after = (SELECT lease_until FROM tasks WHERE tasks.task_id = $1) \
    WHERE task_id = $1";

pub const SLOT_HOLDER: &str = "SELECT task_id FROM task_slots WHERE guild_id = $1 AND kind = $2";

/// Frees a slot only of a task that has ended.
pub const FREE_ENDED_SLOT: &str = "\
    DELETE FROM task_slots WHERE task_id = $1 AND EXISTS (SELECT 1 FROM tasks \
        WHERE tasks.task_id = $1 AND state IN ('completed', 'failed'))";

pub const HOLDS: &str = concat!("SELECT 1 FROM tasks", held!());

pub const RELEASE_LEASE: &str = concat!(
    "UPDATE tasks SET lease_owner = NULL, lease_until = NULL, attempts = ",
    uncounted!(),
    held!()
);

/// Up to $3 records behind $2, and of those no more than fit into $4 bytes; always the first.
pub const STEP_PAGE: &str = "\
    SELECT seq, step, output FROM (\
        SELECT seq, step, output, SUM(length(output)) OVER (ORDER BY seq) - length(output) AS before \
        FROM (SELECT seq, step, output FROM task_steps WHERE task_id = $1 AND seq > $2 \
              ORDER BY seq LIMIT $3) AS page) AS summed \
    WHERE before < $4 ORDER BY seq";

/// Counts entries up to $4, which is two more than there may be: the first place behind the last
/// entry is the note's, the second means that the note is written.
pub const COUNT_ENTRY: &str = concat!(
    "UPDATE tasks SET last_updated = $3, \
     log_count = CASE WHEN log_count < $4 THEN log_count + 1 ELSE log_count END",
    held!(),
    " RETURNING log_count"
);

/// $4: bytes of the output.
pub const COUNT_STEP: &str = concat!(
    "UPDATE tasks SET last_updated = $3, step_count = step_count + 1, \
     step_bytes = step_bytes + $4, ",
    progress!(),
    held!(),
    " RETURNING step_count"
);

pub const INSERT_STEP: &str = "\
    INSERT INTO task_steps (task_id, step, output, recorded_at, seq) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT DO NOTHING";

pub const FINISH_TASK: &str = concat!(
    "UPDATE tasks SET state = $3, output = $4, lease_owner = NULL, lease_until = NULL, \
     log_count = log_count + 1, last_updated = $5",
    held!(),
    " RETURNING log_count"
);
