//! A task as an embed.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::{Map, Value};
use serenity::{CreateActionRow, CreateButton, CreateEmbed, ReactionType};
use splashtail_core::ids::TaskId;
use splashtail_storage::{Level, TaskLogEntry, TaskState};

use crate::colours;
use crate::markdown::{cut, neutralise, shorten};

pub const TITLE: &str = "Task Status";

/// Longest description of an embed (Discord documentation, "Embed Limits").
const MAX_DESCRIPTION: usize = 4096;
/// Characters of one line before they are made harmless.
const MAX_LINE: usize = 500;
/// Oldest lines are dropped while there is more than this before the next one.
const MAX_LINES: usize = 2500;
/// Entries that can be visible at all: the shortest line has some 20 characters.
const MAX_ENTRIES: usize = 200;
/// Extra keys that are not for Discord.
const IGNORE: &str = "botDisplayIgnore";
/// Extra value of the entry that sums up what a backup holds.
const COVERAGE: &str = "coverage";
/// Characters of it.
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
    /// How much of the server the backup holds, when something is missing.
    coverage: Option<String>,
    entries: VecDeque<TaskLogEntry>,
}

impl Picture {
    pub fn new(task: TaskId) -> Self {
        Self {
            task,
            state: TaskState::Pending,
            filename: None,
            coverage: None,
            entries: VecDeque::new(),
        }
    }

    /// Adds an entry of the log and forgets those that can no longer be seen.
    pub fn push(&mut self, entry: TaskLogEntry) {
        if let Some(headline) = entry.extra.get(COVERAGE).map(|told| &told["headline"]) {
            let incomplete = entry.level == Level::Warn;
            self.coverage = headline.as_str().filter(|_| incomplete).map(str::to_owned);
        }
        self.entries.push_back(entry);
        if self.entries.len() > MAX_ENTRIES {
            self.entries.pop_front();
        }
    }

    /// The number of the newest entry.
    pub fn last_seq(&self) -> i64 {
        self.entries.back().map_or(0, |entry| entry.seq)
    }

    /// `api` is the public address of the API without a slash at its end.
    pub fn reply(&self, api: &str, note: Option<Note>) -> CreateReply {
        let link = self
            .filename
            .as_ref()
            .map(|_| download_link(api, self.task));
        let embed = CreateEmbed::new()
            .title(TITLE)
            .description(self.description(link.as_deref(), note))
            .colour(colours::DARK_GREEN);
        let buttons = link.map(|link| CreateActionRow::Buttons(vec![download_button(&link)]));
        CreateReply::default()
            .embed(embed)
            .components(buttons.into_iter().collect())
    }

    fn description(&self, link: Option<&str>, note: Option<Note>) -> String {
        let mut head = format!(
            "{} Task state: {}\nTask ID: {}\n",
            icon(self.state),
            self.state.as_str(),
            self.task
        );
        if let Some(coverage) = &self.coverage {
            let coverage = neutralise(&shorten(coverage, MAX_COVERAGE));
            head.push_str(&format!(":warning: {coverage}\n"));
        }
        head.push('\n');
        let mut foot = String::new();
        if let (Some(link), Some(filename)) = (link, &self.filename) {
            let filename = neutralise(cut(filename, 100));
            foot = format!("\n\n:link: [Download {filename}]({link})");
        }
        match note {
            None => {}
            Some(Note::TooLong) => foot.push_str(
                "\n\nThis message no longer follows the task. `/backups list` shows how it ended.",
            ),
            Some(Note::Restarting) => foot.push_str(
                "\n\nThe bot restarts; the task goes on. `/backups list` shows how it ended.",
            ),
        }
        let room = MAX_DESCRIPTION - length(&head) - length(&foot).min(MAX_DESCRIPTION / 2);
        let lines = self.lines(room);
        cut(&format!("{head}{lines}{foot}"), MAX_DESCRIPTION).to_owned()
    }

    /// The newest lines that fit.
    fn lines(&self, room: usize) -> String {
        let mut lines: VecDeque<String> = VecDeque::new();
        let mut total = 0;
        let drop_oldest = |lines: &mut VecDeque<String>, total: &mut usize, limit: usize| {
            while *total > limit
                && let Some(oldest) = lines.pop_front()
            {
                *total -= length(&oldest) + 1;
            }
        };
        for entry in &self.entries {
            drop_oldest(&mut lines, &mut total, MAX_LINES);
            let line = line(entry);
            total += length(&line) + 1;
            lines.push_back(line);
        }
        drop_oldest(&mut lines, &mut total, room);
        Vec::from(lines).join("\n")
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

pub fn download_button(link: &str) -> CreateButton {
    CreateButton::new_link(link)
        .label("Download")
        .emoji(ReactionType::Unicode("\u{1F4E5}".to_owned()))
}

fn line(entry: &TaskLogEntry) -> String {
    let mut text = entry.msg.clone();
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
        .filter(|(key, _)| *key != IGNORE && !hidden.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    visible.sort_unstable();
    visible.join(", ")
}

fn rounded(ts: DateTime<Utc>) -> i64 {
    (ts.timestamp_millis() + 500).div_euclid(1000)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reply::shown;

    fn task() -> TaskId {
        "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap()
    }

    fn entry(seq: i64, msg: &str, extra: Value) -> TaskLogEntry {
        let Value::Object(extra) = extra else {
            panic!()
        };
        let ts = DateTime::from_timestamp_millis(1_700_000_000_600).unwrap();
        TaskLogEntry {
            seq,
            level: Level::Info,
            ts,
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
    fn a_running_task() {
        let picture = picture(vec![
            entry(1, "Backing up server", json!({})),
            entry(
                2,
                "Read messages",
                json!({"count": 100, "channel": "9", "alloc": {"a": 1}, "botDisplayIgnore": ["alloc"]}),
            ),
        ]);
        insta::assert_json_snapshot!(shown(&picture.reply("http://localhost:8081", None)), @r#"
        {
          "embeds": [
            {
              "title": "Task Status",
              "type": "rich",
              "description": ":hourglass_flowing_sand: Task state: running\nTask ID: 0f8fad5b-d9cb-469f-a165-70867728950e\n\n`info` Backing up server | <t:1700000001:R>\n`info` Read messages channel=\"9\", count=100 | <t:1700000001:R>",
              "color": 2067276
            }
          ],
          "components": []
        }
        "#);
    }

    #[test]
    fn a_completed_task_has_a_link_and_a_button() {
        let mut picture = picture(vec![entry(1, "Done", json!({}))]);
        picture.state = TaskState::Completed;
        picture.filename = Some("antiraid-backup.iblfile".to_owned());
        insta::assert_json_snapshot!(shown(&picture.reply("https://api.example.org", None)), @r#"
        {
          "embeds": [
            {
              "title": "Task Status",
              "type": "rich",
              "description": ":white_check_mark: Task state: completed\nTask ID: 0f8fad5b-d9cb-469f-a165-70867728950e\n\n`info` Done | <t:1700000001:R>\n\n:link: [Download antiraid-backup.iblfile](https://api.example.org/tasks/0f8fad5b-d9cb-469f-a165-70867728950e/ioauth/download-link)",
              "color": 2067276
            }
          ],
          "components": [
            {
              "type": 1,
              "components": [
                {
                  "type": 2,
                  "style": 5,
                  "url": "https://api.example.org/tasks/0f8fad5b-d9cb-469f-a165-70867728950e/ioauth/download-link",
                  "label": "Download",
                  "emoji": {
                    "name": "📥"
                  },
                  "disabled": false
                }
              ]
            }
          ]
        }
        "#);
    }

    /// "completed" alone would promise a whole server.
    #[test]
    fn what_is_missing_stands_above_the_log() {
        let told = |level, headline: &str| TaskLogEntry {
            level,
            ..entry(
                1,
                &format!("{headline}; grant it"),
                json!({"coverage": {"headline": headline}, "botDisplayIgnore": ["coverage"]}),
            )
        };
        let headline = "42 of 47 channels; 5 are hidden from the bot";
        let mut picture = picture(vec![told(Level::Warn, headline)]);
        picture.state = TaskState::Completed;
        let text = picture.description(None, None);
        assert!(
            text.contains(&format!("8950e\n:warning: {headline}\n\n`warn`")),
            "{text}"
        );
        picture.push(told(Level::Info, "All 47 channels"));
        assert!(!picture.description(None, None).contains(":warning:"));
    }

    #[test]
    fn lines_are_cut_in_characters_and_made_harmless() {
        let text = line(&entry(1, &"ä".repeat(600), json!({})));
        assert!(
            text.starts_with(&format!("`info` {}... | <t:", "ä".repeat(500))),
            "{text}"
        );
        let text = line(&entry(
            1,
            "channel **a**\n@everyone",
            json!({"name": "`<@1>`"}),
        ));
        assert!(
            text.contains("\\*\\*a\\*\\* @\u{2060}everyone name=\"\\`\\<@\u{2060}1\\>\\`\""),
            "{text}"
        );
    }

    #[test]
    fn old_lines_make_room() {
        let picture = picture(
            (1..=300)
                .map(|seq| entry(seq, &format!("entry {seq}"), json!({})))
                .collect(),
        );
        let text = picture.description(None, None);
        assert!(text.contains("entry 300 ") && !text.contains("entry 1 "));
        assert!((2400..2700).contains(&length(&text)), "{}", length(&text));
        assert_eq!(picture.last_seq(), 300);
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
            let text = picture.description(Some(&link), note);
            assert!(length(&text) <= MAX_DESCRIPTION, "{}", length(&text));
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
