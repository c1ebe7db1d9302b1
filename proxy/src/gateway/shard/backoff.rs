//! How long a shard waits before its next connection.

use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A session that went on for so long shows that nothing is wrong with the way to Discord.
const STEADY: Duration = Duration::from_secs(60);
/// After so many failures the session's own address is given up for the general one.
const FAILURES_OF_ADDRESS: u32 = 3;

/// However a connection ends, by a frame of Discord's or without one: only one that lasted is
/// followed by the next at once. Discord gives no address and no number of starts to waste.
#[derive(Debug, Default)]
pub struct Backoff {
    /// Connections in a row that did not last.
    failures: u32,
}

impl Backoff {
    /// A connection has ended. `lasted`: for how long its session went on, `None` when it never did.
    pub fn ended(&mut self, lasted: Option<Duration>) {
        self.failures = match lasted {
            Some(lasted) if lasted >= STEADY => 0,
            _ => self.failures.saturating_add(1),
        };
    }

    /// Before the next connection; `jitter` of at most 1 keeps shards apart.
    pub fn pause(&self, jitter: f64) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            failures => {
                let doubled = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(6));
                doubled.min(LONGEST_PAUSE).mul_f64(jitter)
            }
        }
    }

    /// Whether the address that Discord gave for the session may still be good.
    pub fn trusts_address(&self) -> bool {
        self.failures < FAILURES_OF_ADDRESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Option<Duration> = Some(Duration::from_secs(59));

    fn after(connections: &[Option<Duration>]) -> (u64, bool) {
        let mut backoff = Backoff::default();
        for lasted in connections {
            backoff.ended(*lasted);
        }
        (backoff.pause(1.0).as_secs(), backoff.trusts_address())
    }

    #[test]
    fn pauses_grow_to_a_limit_until_a_connection_lasts() {
        assert_eq!(after(&[]), (0, true));
        assert_eq!(after(&[None]), (1, true));
        assert_eq!(after(&[SHORT]), (1, true), "a close right after READY");
        assert_eq!(after(&[None, SHORT]), (2, true));
        assert_eq!(after(&[SHORT, SHORT, None]), (4, false));
        assert_eq!(after(&[None; 7]), (60, false));
        assert_eq!(after(&[SHORT; 100]), (60, false));
        assert_eq!(after(&[None, None, None, Some(STEADY)]), (0, true));
        let mut backoff = Backoff::default();
        backoff.ended(None);
        assert_eq!(backoff.pause(0.75), Duration::from_millis(750));
    }
}
