//! What whoever waits sees: lines of the log, and how far the job is.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_jobs::Advance;
use splashtail_storage::TaskLogEntry;

/// Characters of the bar itself.
const BAR: u64 = 24;
/// Between two lines about the progress, where nothing can be drawn over.
const QUIET: Duration = Duration::from_secs(15);

/// Shows a job on stderr, or as JSON lines on stdout.
pub struct Show {
    json: bool,
    terminal: bool,
    /// What is drawn, to be drawn over.
    drawn: bool,
    told_at: Option<Duration>,
    last: Option<Advance>,
}

impl Show {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            terminal: std::io::stderr().is_terminal(),
            drawn: false,
            told_at: None,
            last: None,
        }
    }

    /// One JSON object a line, only where they were asked for.
    pub fn event(&self, event: &str, mut value: Value) {
        if self.json {
            value["event"] = event.into();
            // A reader that has seen enough, as `head` does, is no failure.
            let _ = writeln!(std::io::stdout(), "{value}");
        }
    }

    /// For people.
    pub fn say(&mut self, text: &str) {
        if !self.json {
            self.clear();
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    pub fn entry(&mut self, entry: &TaskLogEntry) {
        self.event(
            "log",
            json!({"level": entry.level.as_str(), "message": entry.msg,
                                 "at": entry.ts.to_rfc3339(), "extra": entry.extra}),
        );
        self.say(&line(entry));
    }

    pub fn advance(&mut self, advance: &Advance, now: Duration) {
        if self.last.as_ref() == Some(advance) {
            return;
        }
        self.last = Some(advance.clone());
        self.event(
            "progress",
            json!({"what": advance.what, "done": advance.done,
                   "total": advance.total, "percent": advance.percent(),
                   "seconds_left": advance.seconds_left}),
        );
        if self.json {
            return;
        }
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{}", bar(advance));
            let _ = std::io::stderr().flush();
            self.drawn = true;
        } else if self.told_at.is_none_or(|at| now >= at + QUIET) {
            self.told_at = Some(now);
            self.say(&bar(advance));
        }
    }

    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// `level: message, key=value`, without what is for machines.
fn line(entry: &TaskLogEntry) -> String {
    let hidden = entry
        .extra
        .get("botDisplayIgnore")
        .and_then(Value::as_array);
    let is_hidden = |name: &String| {
        name == "botDisplayIgnore"
            || hidden.is_some_and(|hidden| hidden.iter().any(|one| one == name))
    };
    let mut line = format!("{}: {}", entry.level.as_str(), entry.msg);
    for (name, value) in entry.extra.iter().filter(|(name, _)| !is_hidden(name)) {
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        line.push_str(&format!(", {name}={shown}"));
    }
    // Names and errors come from outside: they must not steer a terminal.
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// `[######        ]  25 %  250 of 1000 messages, 12 s left`.
fn bar(advance: &Advance) -> String {
    let percent = advance.percent();
    let filled = u64::from(percent) * BAR / 100;
    let filled = usize::try_from(filled).unwrap_or_default();
    let bar = "#".repeat(filled);
    let width = usize::try_from(BAR).unwrap_or_default();
    let mut text = format!(
        "[{bar:<width$}] {percent:>3} %  {} of {} {}",
        advance.done, advance.total, advance.what
    );
    if let Some(left) = advance.seconds_left.filter(|left| *left > 0) {
        text.push_str(&format!(", {} left", span(left)));
    }
    text
}

fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::Map;
    use splashtail_jobs::Level;

    use super::*;

    #[test]
    fn the_bar_says_how_far_and_how_long() {
        let advance = Advance {
            what: "messages".to_owned(),
            done: 250,
            total: 1000,
            seconds_left: Some(72),
        };
        let expected = "[######                  ]  25 %  250 of 1000 messages, 1 min 12 s left";
        assert_eq!(bar(&advance), expected);
        let done = Advance {
            done: 1000,
            seconds_left: Some(0),
            ..advance
        };
        assert_eq!(
            bar(&done),
            "[########################] 100 %  1000 of 1000 messages"
        );
        assert_eq!(span(7322), "2 h 2 min");
    }

    #[test]
    fn lines_hide_what_is_for_machines_and_steer_no_terminal() {
        let extra = json!({"channel": "a\u{1b}[2Jb", "bytes": 5, "botDisplayIgnore": ["bytes"]});
        let Value::Object(extra) = extra else {
            unreachable!()
        };
        let entry = TaskLogEntry {
            seq: 1,
            level: Level::Warn,
            ts: DateTime::UNIX_EPOCH,
            msg: "Refused".to_owned(),
            extra: Map::from_iter(extra),
        };
        assert_eq!(line(&entry), "warn: Refused, channel=a [2Jb");
    }
}
