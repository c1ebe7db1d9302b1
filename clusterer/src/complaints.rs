//! Warnings about what others send. A flood of bad messages must not become a flood of log lines.

use std::time::Duration;

/// Characters of somebody else's message that a warning shows.
pub const SHOWN: usize = 200;

const WINDOW: Duration = Duration::from_secs(10);
/// Warnings within one window; what comes on top is counted.
const ALLOWED: u32 = 20;

#[derive(Debug, Default)]
pub struct Complaints {
    since: Option<Duration>,
    said: u32,
    unsaid: u64,
}

impl Complaints {
    /// Whether to say it, and how many were not said since the last one that was.
    pub fn allow(&mut self, now: Duration) -> Option<u64> {
        if self
            .since
            .is_none_or(|since| now.saturating_sub(since) >= WINDOW)
        {
            self.since = Some(now);
            self.said = 0;
        }
        if self.said == ALLOWED {
            self.unsaid += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// The beginning of a message, cut to [`SHOWN`] characters.
pub fn shown(message: &str) -> &str {
    let end = message.char_indices().nth(SHOWN);
    &message[..end.map_or(message.len(), |(end, _)| end)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_in_ten_seconds_and_a_count_of_the_rest() {
        let mut complaints = Complaints::default();
        let said = |complaints: &mut Complaints, second| {
            (0..10_000)
                .filter_map(|_| complaints.allow(Duration::from_secs(second)))
                .collect::<Vec<_>>()
        };
        assert_eq!(said(&mut complaints, 5), [0; 20]);
        assert!(said(&mut complaints, 14).is_empty());
        assert_eq!(said(&mut complaints, 15)[..2], [19_980, 0]);
    }

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"ü".repeat(300)).chars().count(), SHOWN);
    }
}
