//! How far our clock is ahead of Discord's, by which ids are made.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};
use http::HeaderMap;
use http::header::DATE;

/// As the last answer told it. It is believed however much it is: a clock that runs by another zone is off
/// by hours, and looking further back than need be costs calls where looking not far enough makes twins.
#[derive(Debug, Default)]
pub struct Skew(AtomicI64);

impl Skew {
    /// Learns from an answer that came now.
    pub fn learn(&self, headers: &HeaderMap, now: DateTime<Utc>) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        if let Some(date) = date {
            let ahead = now.signed_duration_since(date).max(Duration::zero());
            self.0.store(ahead.num_milliseconds(), Ordering::Relaxed);
        }
    }

    /// Never less than nothing. A clock that is behind does no harm: what it takes for older than it is
    /// is looked at, too.
    pub fn ahead(&self) -> Duration {
        Duration::milliseconds(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn dates_tell_how_far_a_clock_is_ahead() {
        let noon = DateTime::parse_from_rfc3339("2026-11-01T12:00:00Z").unwrap();
        for (date, seconds) in [
            ("Sun, 01 Nov 2026 11:55:00 GMT", 300),
            ("Sun, 01 Nov 2026 12:00:00 GMT", 0),
            ("Sun, 01 Nov 2026 12:05:00 GMT", 0),
            ("Sat, 31 Oct 2026 12:00:00 GMT", 86_400),
            ("noon", 7),
        ] {
            let skew = Skew(AtomicI64::new(7000));
            let headers = [(DATE, HeaderValue::from_static(date))];
            skew.learn(&HeaderMap::from_iter(headers), noon.to_utc());
            assert_eq!(skew.ahead(), Duration::seconds(seconds), "{date}");
        }
    }
}
