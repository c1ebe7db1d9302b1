//! A task as people see it: how far it is, what it holds, what it lacks.

use std::collections::VecDeque;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use splashtail_api_types::job_lines::KEY;
use splashtail_core::ids::TaskId;
use splashtail_storage::{Advance, Level, TaskLogEntry, TaskState};

use super::figures::{self, Progress, Saved};
use super::logs::log_button;
use super::told::{COVERAGE, coverage, said};
use crate::catalogue::Language;
use crate::colours;
use crate::markdown::{DESCRIPTION, length, neutralise, shorten};
use crate::text;

/// Characters of one line before they are made harmless.
const MAX_LINE: usize = 500;
/// Oldest lines are dropped while there is more than this before the next one.
const MAX_LINES: usize = 2500;
/// Entries that can be visible at all: the shortest line has some 20 characters.
const MAX_ENTRIES: usize = 200;
/// Extra keys that are not for Discord.
const IGNORE: &str = "botDisplayIgnore";
/// Extra values of the entry that ends a restore: how it is undone, and that it takes a password.
const UNDO: &str = "undo";
const UNDO_PASSWORD: &str = "undoTakesPassword";
/// Characters of what a backup holds.
const MAX_COVERAGE: usize = 300;

/// Why the message stops following its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    TooLong,
    Restarting,
}

/// What is shown of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    pub task: TaskId,
    pub state: TaskState,
    /// Of the output.
    pub filename: Option<String>,
    /// What tells how much of the server the backup holds, when something is missing.
    coverage: Option<TaskLogEntry>,
    /// How far it is, as its runner tells.
    pub advance: Option<Advance>,
    /// The same out of its log, where the runner does not.
    progress: Option<Progress>,
    saved: Saved,
    warnings: usize,
    /// A restore that can be undone by a button.
    undo: bool,
    entries: VecDeque<TaskLogEntry>,
}

impl Picture {
    pub fn new(task: TaskId) -> Self {
        Self {
            task,
            state: TaskState::Pending,
            filename: None,
            coverage: None,
            advance: None,
            progress: None,
            saved: Saved::default(),
            warnings: 0,
            undo: false,
            entries: VecDeque::new(),
        }
    }

    /// Adds an entry of the log and forgets those that can no longer be seen.
    pub fn push(&mut self, entry: TaskLogEntry) {
        if entry.extra.contains_key(COVERAGE) {
            let incomplete = entry.level == Level::Warn;
            self.coverage = incomplete.then(|| entry.clone());
        } else {
            self.warnings += usize::from(entry.level == Level::Warn);
        }
        self.undo |= entry.extra.contains_key(UNDO) && !entry.extra.contains_key(UNDO_PASSWORD);
        self.saved.learn(&entry.extra);
        self.progress = Progress::learn(self.progress, &entry).or(self.progress);
        self.entries.push_back(entry);
        if self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    /// The number of the newest entry.
    pub fn last_seq(&self) -> i64 {
        self.entries.back().map_or(0, |entry| entry.seq)
    }

    /// The message. `api` is the public address of the API without a slash at its end.
    pub fn body(&self, language: Language, api: &str, note: Option<Note>) -> Value {
        let link = self
            .filename
            .as_ref()
            .map(|_| download_link(api, self.task));
        let embed = json!({
            "title": text!(language, "task-title"),
            "description": self.description(language, link.as_deref(), note),
            "color": colours::DARK_GREEN.0,
        });
        let mut buttons = vec![log_button(language, self.task)];
        if let Some(link) = link {
            let label = text!(language, "task-download");
            buttons.push(json!({"type": 2, "style": 5, "label": label, "url": link,
                                "emoji": {"name": "\u{1F4E5}"}}));
        }
        if self.undo && self.state == TaskState::Completed {
            buttons.push(undo_button(language, self.task));
        }
        json!({"content": "", "embeds": [embed], "allowed_mentions": {"parse": []},
               "components": [{"type": 1, "components": buttons}]})
    }

    fn description(&self, language: Language, link: Option<&str>, note: Option<Note>) -> String {
        let mut text = head(language, self.state, self.task);
        if !self.state.is_terminal() {
            let told = self.advance.as_ref();
            let told = told.map(|advance| figures::line_of(language, advance));
            let told = told.or(self.progress.map(|progress| progress.line(language)));
            if let Some(line) = told {
                let _ = write!(text, "\n{line}\n");
            }
        }
        if let Some(newest) = self.newest(language) {
            let newest = neutralise(&shorten(&newest, MAX_LINE));
            let _ = write!(text, "\n{newest}\n");
        }
        if let Some(counts) = self.saved.line(language) {
            let saved = text!(language, "task-saved", counts = counts);
            let _ = write!(text, "\n{saved}\n");
        }
        if let Some(entry) = &self.coverage {
            let coverage = coverage(language, &entry.extra).unwrap_or_else(|| entry.msg.clone());
            let coverage = neutralise(&shorten(&coverage, MAX_COVERAGE));
            let _ = writeln!(text, ":warning: {coverage}");
        }
        if self.warnings > 0 {
            let warnings = text!(language, "task-warnings", count = self.warnings);
            let _ = writeln!(text, ":warning: {warnings}");
        }
        let mut foot = String::new();
        if let (Some(link), Some(filename)) = (link, &self.filename) {
            let filename = neutralise(&shorten(filename, 100));
            let label = text!(language, "task-download-file", file = filename);
            foot = format!("\n:link: [{label}]({link})");
        }
        let note = note.map(|note| match note {
            Note::TooLong => text!(language, "task-too-long"),
            Note::Restarting => text!(language, "task-restarting"),
        });
        if let Some(note) = note {
            let _ = write!(foot, "\n\n{note}");
        }
        let room = DESCRIPTION.saturating_sub(length(&foot));
        format!("{}{foot}", shorten(&text, room))
    }

    /// The newest line; of what failed, why.
    fn newest(&self, language: Language) -> Option<String> {
        let mut told = self.entries.iter().rev();
        let newest = match self.state {
            TaskState::Failed => {
                let error = told.find(|entry| entry.level == Level::Error);
                error.or(self.entries.back())?
            }
            // What is missing stands below.
            _ => told.find(|entry| !entry.extra.contains_key(COVERAGE))?,
        };
        let cause = newest.extra.get("error").and_then(Value::as_str);
        let said = said(language, &newest.msg, &newest.extra);
        Some(match cause.filter(|_| newest.level == Level::Error) {
            Some(cause) => format!("{said}: {cause}"),
            None => said,
        })
    }
}

/// For whoever may restore; the module that orders restores answers it.
fn undo_button(language: Language, restore: TaskId) -> Value {
    json!({"type": 2, "style": 2, "label": text!(language, "restore-undo"),
           "custom_id": format!("bk:undo:{restore}:0")})
}

/// The newest lines of a log that fit into `room` characters.
pub fn log_lines<'a>(
    language: Language,
    entries: impl IntoIterator<Item = &'a TaskLogEntry>,
    room: usize,
) -> String {
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut total = 0;
    let drop_oldest = |lines: &mut VecDeque<String>, total: &mut usize, limit: usize| {
        while *total > limit
            && let Some(oldest) = lines.pop_front()
        {
            *total -= length(&oldest) + 1;
        }
    };
    for entry in entries {
        drop_oldest(&mut lines, &mut total, MAX_LINES);
        let line = line(language, entry);
        total += length(&line) + 1;
        lines.push_back(line);
    }
    drop_oldest(&mut lines, &mut total, room);
    Vec::from(lines).join("\n")
}

/// What it is, and how it stands.
pub fn head(language: Language, state: TaskState, task: TaskId) -> String {
    let shown = text!(
        language,
        "task-state",
        icon = icon(state),
        state = words(language, state)
    );
    let id = text!(language, "task-id", id = task.to_string());
    format!("{shown}\n{id}\n")
}

pub fn words(language: Language, state: TaskState) -> String {
    match state {
        TaskState::Pending => text!(language, "task-pending"),
        TaskState::Running => text!(language, "task-running"),
        TaskState::Completed => text!(language, "task-completed"),
        TaskState::Failed => text!(language, "task-failed"),
    }
}

pub fn icon(state: TaskState) -> &'static str {
    match state {
        TaskState::Pending => ":hourglass:",
        TaskState::Running => ":hourglass_flowing_sand:",
        TaskState::Completed => ":white_check_mark:",
        TaskState::Failed => ":x:",
    }
}

pub fn download_link(api: &str, task: TaskId) -> String {
    format!("{api}/tasks/{task}/ioauth/download-link")
}

fn line(language: Language, entry: &TaskLogEntry) -> String {
    let mut text = said(language, &entry.msg, &entry.extra);
    let extras = extras(&entry.extra);
    if !extras.is_empty() {
        text.push(' ');
        text.push_str(&extras);
    }
    let text = neutralise(&shorten(&text, MAX_LINE));
    format!(
        "`{}` {text} | <t:{}:R>",
        entry.level.as_str(),
        rounded(entry.ts)
    )
}

/// Visible extra values in the order of their names.
fn extras(extra: &Map<String, Value>) -> String {
    let hidden: Vec<&str> = extra
        .get(IGNORE)
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut visible: Vec<_> = extra
        .iter()
        .filter(|(key, _)| *key != IGNORE && *key != KEY && !hidden.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    visible.sort_unstable();
    visible.join(", ")
}

fn rounded(ts: DateTime<Utc>) -> i64 {
    (ts.timestamp_millis() + 500).div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> TaskId {
        "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap()
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_600 + second * 1000).unwrap()
    }

    fn entry(seq: i64, msg: &str, extra: Value) -> TaskLogEntry {
        let Value::Object(extra) = extra else {
            panic!()
        };
        TaskLogEntry {
            seq,
            level: Level::Info,
            ts: at(seq),
            msg: msg.to_owned(),
            extra,
        }
    }

    fn picture(entries: Vec<TaskLogEntry>) -> Picture {
        let mut picture = Picture {
            state: TaskState::Running,
            ..Picture::new(task())
        };
        entries.into_iter().for_each(|entry| picture.push(entry));
        picture
    }

    #[test]
    fn a_restore_that_is_done_can_be_undone() {
        let undo = |state: TaskState, extra: Value| {
            let picture = Picture {
                state,
                ..picture(vec![entry(1, "Restored", extra)])
            };
            let body = picture.body(Language::English, "https://api", None);
            body["components"].to_string().contains("bk:undo:0f8fad5b")
        };
        let done = || json!({"undo": "restore task://x"});
        assert!(undo(TaskState::Completed, done()));
        assert!(!undo(TaskState::Running, done()), "it is not over");
        assert!(!undo(TaskState::Completed, json!({})));
        let mut locked = done();
        locked["undoTakesPassword"] = true.into();
        assert!(
            !undo(TaskState::Completed, locked),
            "a button cannot ask for it"
        );
    }

    #[test]
    fn a_running_task_shows_how_far_it_is_and_what_it_has() {
        let server = json!({"server": "x", "roles": 27, "channels": 42});
        let channel = json!({"channelId": "5", "messages": 1200, "attachments": 3,
                             "bytes": 3_400_000});
        let picture = picture(vec![
            entry(1, "Read the server's settings", server),
            entry(2, "Saved the messages of a channel", channel),
            entry(3, "Working", json!({"done": 10, "of": 40})),
            entry(63, "Working on", json!({"done": 20, "of": 40})),
        ]);
        insta::assert_snapshot!(picture.description(Language::English, None, None), @r"
        :hourglass_flowing_sand: Task state: running
        Task ID: 0f8fad5b-d9cb-469f-a165-70867728950e

        ▰▰▰▰▰▰▱▱▱▱▱▱ 50 %, about 2 min left

        Working on

        Saved: 42 channels, 27 roles, 1,200 messages, 3 attachments, 3.4 MB
        ");
    }

    #[test]
    fn a_completed_task_has_a_link_and_buttons() {
        let mut picture = picture(vec![entry(1, "Done", json!({"done": 1, "of": 2}))]);
        picture.state = TaskState::Completed;
        picture.filename = Some("antiraid-backup.iblfile".to_owned());
        let body = picture.body(Language::English, "https://api.example.org", None);
        let text = body["embeds"][0]["description"].as_str().unwrap();
        assert!(
            text.contains("[Download antiraid-backup.iblfile](https://api.example.org/tasks/"),
            "{text}"
        );
        assert!(!text.contains('%'), "it has ended: {text}");
        let buttons = &body["components"][0]["components"];
        assert_eq!(buttons[0]["label"], "Details");
        assert_eq!(
            buttons[1]["url"],
            "https://api.example.org/tasks/0f8fad5b-d9cb-469f-a165-70867728950e/ioauth/download-link"
        );
    }

    #[test]
    fn a_failed_task_says_why() {
        let error = TaskLogEntry {
            level: Level::Error,
            ..entry(
                1,
                "The job failed",
                json!({"error": "it lacks **View**", "code": "x"}),
            )
        };
        let mut picture = picture(vec![error, entry(2, "Cleared away", json!({}))]);
        picture.state = TaskState::Failed;
        let text = picture.description(Language::English, None, None);
        assert!(
            text.contains(r"The job failed: it lacks \*\*View"),
            "{text}"
        );
    }

    /// "completed" alone would promise a whole server.
    #[test]
    fn what_is_missing_is_said() {
        let told = |level, headline: &str| TaskLogEntry {
            level,
            ..entry(
                1,
                &format!("{headline}; grant it"),
                json!({"coverage": {"headline": headline, "visible": 42, "hiddenCount": 5},
                    "botDisplayIgnore": ["coverage"]}),
            )
        };
        let headline = "42 of 47 channels; 5 are hidden from the bot";
        let warned = TaskLogEntry {
            level: Level::Warn,
            ..entry(1, "Channels are hidden from the bot", json!({}))
        };
        let mut picture = picture(vec![warned, told(Level::Warn, headline)]);
        picture.state = TaskState::Completed;
        let text = picture.description(Language::English, None, None);
        let both = format!(":warning: {headline}\n:warning: 1 warning, see Details");
        assert!(text.contains(&both), "{text}");
        let german = picture.description(Language::German, None, None);
        assert!(german.contains("42 von 47 Kanälen"), "{german}");
        picture.push(told(Level::Info, "All 47 channels"));
        assert!(
            !picture
                .description(Language::English, None, None)
                .contains("42 of 47")
        );
    }

    #[test]
    fn numbers_of_channels_add_up_and_give_way_to_the_sum() {
        let of = |id: &str, messages: u64| json!({"channelId": id, "messages": messages, "attachments": 0, "bytes": 5});
        let mut picture = picture(vec![
            entry(1, "a", of("1", 100)),
            entry(2, "a", of("2", 23)),
        ]);
        assert_eq!(
            picture.saved.line(Language::English).as_deref(),
            Some("123 messages")
        );
        let sum = json!({"messages": 124, "attachments": 1, "attachmentsLost": 0, "bytes": 9});
        picture.push(entry(3, "Read all messages", sum));
        assert_eq!(
            picture.saved.line(Language::English).as_deref(),
            Some("124 messages, 1 attachment, 0.1 MB")
        );
    }

    #[test]
    fn lines_are_cut_in_characters_and_made_harmless() {
        let text = line(Language::English, &entry(1, &"ä".repeat(600), json!({})));
        assert!(
            text.starts_with(&format!("`info` {}… | <t:", "ä".repeat(499))),
            "{text}"
        );
        let text = line(
            Language::English,
            &entry(1, "channel **a**\n@everyone", json!({"name": "`<@1>`"})),
        );
        assert!(
            text.contains("\\*\\*a\\*\\* @\u{2060}everyone name=\"\\`\\<@\u{2060}1\\>\\`\""),
            "{text}"
        );
    }

    #[test]
    fn old_lines_make_room() {
        let entries: Vec<_> = (1..=300)
            .map(|seq| entry(seq, &format!("entry {seq}"), json!({})))
            .collect();
        let text = log_lines(Language::English, &entries, 2000);
        assert!(text.contains("entry 300 ") && !text.contains("entry 1 "));
        assert!((1900..=2000).contains(&length(&text)), "{}", length(&text));
        assert_eq!(picture(entries).last_seq(), 300);
    }

    #[test]
    fn nothing_is_longer_than_discord_allows() {
        // Every character doubles when it is made harmless.
        let mut picture = picture(
            (1..=20)
                .map(|seq| entry(seq, &"*".repeat(2000), json!({})))
                .collect(),
        );
        picture.filename = Some("*".repeat(5000));
        let link = "https://api.example.org/".repeat(20);
        for note in [None, Some(Note::TooLong), Some(Note::Restarting)] {
            let text = picture.description(Language::English, Some(&link), note);
            assert!(length(&text) <= DESCRIPTION, "{}", length(&text));
            assert!(text.contains("Download"));
        }
    }

    #[test]
    fn icons() {
        let icons = [
            TaskState::Pending,
            TaskState::Running,
            TaskState::Completed,
            TaskState::Failed,
        ]
        .map(icon);
        assert_eq!(
            icons,
            [
                ":hourglass:",
                ":hourglass_flowing_sand:",
                ":white_check_mark:",
                ":x:"
            ]
        );
    }
}
