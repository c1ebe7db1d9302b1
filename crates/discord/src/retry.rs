use std::time::Duration;

use http::{Method, StatusCode};

/// Requests made for one call, rate limits not counted.
pub(crate) const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a failure says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// The request did nothing, or doing it twice is harmless.
    Safe,
    /// It may have taken effect; a repetition could do it twice.
    Unsafe,
    /// Asking again gives the same answer.
    Pointless,
}

/// A server that is failing, as opposed to refusing, may have done it all the same.
pub(crate) fn on_status(status: StatusCode, idempotent: bool) -> Retry {
    if !status.is_server_error() && status != StatusCode::REQUEST_TIMEOUT {
        Retry::Pointless
    } else if idempotent {
        Retry::Safe
    } else {
        Retry::Unsafe
    }
}

pub(crate) fn is_idempotent(method: &Method) -> bool {
    method.is_idempotent()
}

/// Exponential pause before attempt `next` (2, 3, …), between half and all of its length, so
/// that many clients do not come back together.
pub(crate) fn pause(next: u32) -> Duration {
    let doublings = next.saturating_sub(2).min(10);
    let full = FIRST_PAUSE
        .saturating_mul(1 << doublings)
        .min(LONGEST_PAUSE);
    full.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_repetitions_are_safe() {
        assert_eq!(on_status(StatusCode::BAD_GATEWAY, true), Retry::Safe);
        assert_eq!(on_status(StatusCode::BAD_GATEWAY, false), Retry::Unsafe);
        assert_eq!(on_status(StatusCode::FORBIDDEN, true), Retry::Pointless);
        assert!(is_idempotent(&Method::PUT) && !is_idempotent(&Method::POST));
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        for (next, full) in [(2, 500), (3, 1000), (4, 2000), (20, 10_000)] {
            let pause = pause(next);
            let full = Duration::from_millis(full);
            assert!(pause >= full / 2 && pause <= full, "{next}: {pause:?}");
        }
    }
}
