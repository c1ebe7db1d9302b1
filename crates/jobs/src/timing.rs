use std::time::Duration;

/// A task that was taken so often in a row, and whose runner died each time without a new record,
/// has failed.
pub const MAX_ATTEMPTS: u32 = 5;

/// Before each try while something that the task needs is away, in seconds; the last one repeats.
const BACKOFF: [u64; 7] = [1, 5, 25, 60, 120, 300, 600];

/// The intervals of an engine. The defaults are what a platform needs: an orphaned task is picked
/// up within `lease + left` = 8 s.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a lease lasts without a heartbeat.
    pub lease: Duration,
    pub heartbeat: Duration,
    /// How often an idle engine looks for tasks.
    pub scan: Duration,
    /// How often any engine looks for tasks whose runner is gone.
    pub left: Duration,
    /// Between two tries of a write while the database is away.
    pub retry: Duration,
    /// How long a call to the database may take before it counts as away.
    pub deadline: Duration,
    /// How long a step that is under way may go on when its engine stops.
    pub grace: Duration,
    /// How long a job that was told to stop may tidy up before it is dropped.
    pub tidy: Duration,
    /// A task that nobody asked to run for so long is failed.
    pub abandon: Duration,
    /// How often is looked for what is abandoned or has expired.
    pub sweep: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(6),
            heartbeat: Duration::from_secs(2),
            scan: Duration::from_secs(1),
            left: Duration::from_secs(2),
            retry: Duration::from_millis(500),
            deadline: Duration::from_secs(5),
            grace: Duration::from_secs(3),
            tidy: Duration::from_millis(500),
            // Whoever has to agree alone has 48 hours.
            abandon: Duration::from_secs(72 * 60 * 60),
            sweep: Duration::from_secs(60),
        }
    }
}

/// The wait after so many waits in a row, or longer when asked to.
pub(crate) fn backoff(parks: u32, asked: Option<Duration>) -> Duration {
    let place = usize::try_from(parks).unwrap_or(usize::MAX);
    Duration::from_secs(BACKOFF[place.min(BACKOFF.len() - 1)]).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_ten_minutes_and_never_fall_short_of_what_was_asked() {
        let waits = (0..9).map(|parks| backoff(parks, None).as_secs());
        assert_eq!(
            waits.collect::<Vec<_>>(),
            [1, 5, 25, 60, 120, 300, 600, 600, 600]
        );
        let hours = Duration::from_secs(7200);
        assert_eq!(backoff(0, Some(hours)), hours);
        assert_eq!(backoff(u32::MAX, Some(Duration::ZERO)).as_secs(), 600);
    }
}
