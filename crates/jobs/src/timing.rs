use std::time::Duration;

/// A task that was taken so often, without an orderly hand-over, has failed.
pub const MAX_ATTEMPTS: u32 = 5;

const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// The intervals of an engine. The defaults are what a platform needs: an orphaned task is picked
/// up within `lease + scan` = 7 s.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a lease lasts without a heartbeat.
    pub lease: Duration,
    pub heartbeat: Duration,
    /// How often an idle engine looks for tasks.
    pub scan: Duration,
    /// Between two tries of a write while the database is away.
    pub retry: Duration,
    /// How long a stopped job may tidy up before it is dropped.
    pub grace: Duration,
    /// A task that nobody asked to run for so long is failed.
    pub abandon: Duration,
    /// How often abandoned tasks are looked for.
    pub sweep: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(6),
            heartbeat: Duration::from_secs(2),
            scan: Duration::from_secs(1),
            retry: Duration::from_millis(500),
            grace: Duration::from_secs(2),
            abandon: Duration::from_secs(24 * 60 * 60),
            sweep: Duration::from_secs(60),
        }
    }
}

/// Before the try after this attempt: 1, 5, 25, 60, 60… seconds, or longer when asked to.
pub(crate) fn backoff(attempt: u32, asked: Option<Duration>) -> Duration {
    let seconds = 5_u64.saturating_pow(attempt.saturating_sub(1));
    Duration::from_secs(seconds)
        .min(LONGEST_BACKOFF)
        .max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_minute_and_never_fall_short_of_what_was_asked() {
        let waits = (1..=5).map(|attempt| backoff(attempt, None).as_secs());
        assert_eq!(waits.collect::<Vec<_>>(), [1, 5, 25, 60, 60]);
        let asked = Some(Duration::from_secs(90));
        assert_eq!(backoff(1, asked), Duration::from_secs(90));
        assert_eq!(backoff(u32::MAX, None), LONGEST_BACKOFF);
    }
}
