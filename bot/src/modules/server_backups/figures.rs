//! How far a task is and what it has saved, out of its log.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use splashtail_storage::{Advance, TaskLogEntry};

/// Parts of the bar.
const BAR: u64 = 12;

/// How far it is, and since when that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    done: u64,
    of: u64,
    at: DateTime<Utc>,
    /// The first time that anything was told of the same whole.
    from: (u64, DateTime<Utc>),
}

/// What was saved, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Saved {
    roles: u64,
    channels: u64,
    messages: u64,
    attachments: u64,
    bytes: u64,
}

impl Progress {
    /// What an entry tells of it, if it does.
    pub fn learn(before: Option<Self>, entry: &TaskLogEntry) -> Option<Self> {
        let number = |key: &str| entry.extra.get(key).and_then(Value::as_u64);
        let (done, of) = number("done").zip(number("of"))?;
        if of == 0 {
            return None;
        }
        let before = before.filter(|before| before.of == of);
        Some(Self {
            done: done.min(of),
            of,
            at: entry.ts,
            from: before.map_or((done, entry.ts), |before| before.from),
        })
    }

    pub fn line(self) -> String {
        bar(self.done, self.of, self.left())
    }

    /// By how fast it went so far.
    fn left(self) -> Option<u64> {
        let (first, since) = self.from;
        let went = self.done.checked_sub(first).filter(|went| *went > 0)?;
        let took = u64::try_from((self.at - since).num_seconds()).ok()?;
        Some(took * (self.of - self.done) / went)
    }
}

/// The same for what a runner tells.
pub(super) fn line_of(advance: &Advance) -> String {
    let of = advance.total.max(1);
    bar(advance.done.min(of), of, advance.seconds_left)
}

fn bar(done: u64, of: u64, left: Option<u64>) -> String {
    // No more than what is done of it, whatever the numbers.
    let part = |parts: u64| u128::from(done) * u128::from(parts) / u128::from(of);
    let filled = part(BAR);
    let mut line: String = (0..u128::from(BAR))
        .map(|place| match place < filled {
            true => '▰',
            false => '▱',
        })
        .collect();
    let _ = write!(line, " {} %", part(100));
    if let Some(left) = left.and_then(span) {
        let _ = write!(line, ", about {left} left");
    }
    line
}

fn span(seconds: u64) -> Option<String> {
    match seconds {
        0 => None,
        1..60 => Some(format!("{seconds} s")),
        60..5400 => Some(format!("{} min", seconds.div_ceil(60))),
        _ => Some(format!("{} h", seconds.div_ceil(3600))),
    }
}

impl Saved {
    pub fn learn(&mut self, extra: &Map<String, Value>) {
        let number = |key: &str| extra.get(key).and_then(Value::as_u64);
        if extra.contains_key("server") {
            self.roles = number("roles").unwrap_or(self.roles);
            self.channels = number("channels").unwrap_or(self.channels);
        }
        let Some(messages) = number("messages") else {
            return;
        };
        let attachments = number("attachments").unwrap_or_default();
        let bytes = number("bytes").unwrap_or_default();
        // One channel of many, or the sum of all.
        if extra.contains_key("channelId") {
            self.messages += messages;
            self.attachments += attachments;
            self.bytes += bytes;
        } else if extra.contains_key("attachmentsLost") {
            (self.messages, self.attachments, self.bytes) = (messages, attachments, bytes);
        }
    }

    pub fn line(self) -> Option<String> {
        let counted = [
            (self.channels, "channel"),
            (self.roles, "role"),
            (self.messages, "message"),
            (self.attachments, "attachment"),
        ];
        let mut parts: Vec<String> = counted
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| match count {
                1 => format!("1 {what}"),
                count => format!("{} {what}s", thousands(count)),
            })
            .collect();
        if self.attachments > 0 {
            let tenths = self.bytes.div_ceil(100_000);
            parts.push(format!("{}.{} MB", tenths / 10, tenths % 10));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_600 + second * 1000).unwrap()
    }

    #[test]
    fn time_left_follows_the_pace() {
        let left = |done, seconds| {
            let progress = Progress {
                done,
                of: 110,
                at: at(seconds),
                from: (10, at(0)),
            };
            progress.left().and_then(span)
        };
        assert_eq!(left(10, 60), None, "nothing is known yet");
        assert_eq!(left(60, 10).as_deref(), Some("10 s"));
        assert_eq!(left(60, 600).as_deref(), Some("10 min"));
        assert_eq!(left(11, 600).as_deref(), Some("17 h"));
        assert_eq!(left(110, 600), None);
    }
}
