//! How long a command waits for what it asked for.

use std::time::Duration;

/// The command was carried out as far as the clusterer is concerned, but its end was not seen.
pub const TIMED_OUT: u8 = 3;

/// `90`, `90s`, `2m` or `1h`.
pub fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "not a span such as 90s or 2m".to_owned())?;
    match number.checked_mul(unit) {
        Some(seconds @ 1..=604_800) => Ok(Duration::from_secs(seconds)),
        _ => Err("a span is at least a second and at most a week".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_or_are_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("2m", 120), ("1h", 3600)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "",
            "s",
            "0",
            "-1",
            "1d",
            "1é",
            "99999999999999999999h",
            "8000000",
        ] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
