//! How far a task is and what it has saved, out of its log.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use splashtail_storage::{Advance, TaskLogEntry};

use crate::catalogue::Language;
use crate::text;

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

    pub fn line(self, language: Language) -> String {
        bar(language, self.done, self.of, self.left())
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
pub(super) fn line_of(language: Language, advance: &Advance) -> String {
    let of = advance.total.max(1);
    bar(language, advance.done.min(of), of, advance.seconds_left)
}

fn bar(language: Language, done: u64, of: u64, left: Option<u64>) -> String {
    // No more than what is done of it, whatever the numbers.
    let part = |parts: u64| u128::from(done) * u128::from(parts) / u128::from(of);
    let filled = part(BAR);
    let bar: String = (0..u128::from(BAR))
        .map(|place| match place < filled {
            true => '▰',
            false => '▱',
        })
        .collect();
    let percent = part(100).to_string();
    match left.and_then(|left| span(language, left)) {
        Some(time) => text!(
            language,
            "task-left",
            bar = bar,
            percent = percent,
            time = time
        ),
        None => text!(language, "task-percent", bar = bar, percent = percent),
    }
}

pub(super) fn span(language: Language, seconds: u64) -> Option<String> {
    match seconds {
        0 => None,
        1..60 => Some(text!(language, "time-seconds", count = seconds)),
        60..5400 => Some(text!(
            language,
            "time-minutes",
            count = seconds.div_ceil(60)
        )),
        _ => Some(text!(
            language,
            "time-hours",
            count = seconds.div_ceil(3600)
        )),
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

    pub fn line(self, language: Language) -> Option<String> {
        let mut parts = Vec::new();
        let shown = |count| thousands(language, count);
        if self.channels > 0 {
            let (count, shown) = (self.channels, shown(self.channels));
            parts.push(text!(
                language,
                "saved-channels",
                count = count,
                shown = shown
            ));
        }
        if self.roles > 0 {
            let (count, shown) = (self.roles, shown(self.roles));
            parts.push(text!(language, "saved-roles", count = count, shown = shown));
        }
        if self.messages > 0 {
            let (count, shown) = (self.messages, shown(self.messages));
            parts.push(text!(
                language,
                "saved-messages",
                count = count,
                shown = shown
            ));
        }
        if self.attachments > 0 {
            let (count, shown) = (self.attachments, shown(self.attachments));
            parts.push(text!(
                language,
                "saved-attachments",
                count = count,
                shown = shown
            ));
            let tenths = self.bytes.div_ceil(100_000);
            let size = language.decimal(tenths as f64 / 10.0, 1);
            parts.push(text!(language, "saved-size", size = size));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn thousands(language: Language, number: u64) -> String {
    let mark = match language {
        Language::English => ',',
        Language::German => '.',
    };
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(mark);
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
            progress
                .left()
                .and_then(|left| span(Language::English, left))
        };
        assert_eq!(left(10, 60), None, "nothing is known yet");
        assert_eq!(left(60, 10).as_deref(), Some("10 s"));
        assert_eq!(left(60, 600).as_deref(), Some("10 min"));
        assert_eq!(left(11, 600).as_deref(), Some("17 h"));
        assert_eq!(left(110, 600), None);
    }
}
