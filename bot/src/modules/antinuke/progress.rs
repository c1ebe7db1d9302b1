//! What became of a put-back, as its job's row and log tell it.

use serde_json::{Map, Value, json};
use splashtail_api_types::job_lines::KEY;
use splashtail_core::ids::TaskId;
use splashtail_storage::{Level, TaskLogEntry, TaskRow, TaskState};

use crate::catalogue::{self, Language};
use crate::markdown::{neutralise, shorten};
use crate::modules::jobs::said;
use crate::text;

/// What the jobserver calls the output of a job that only shows its plan.
const PLAN_FILE: &str = "antiraid-put-back-plan";
/// A line of a job in an alert, in characters.
const LINE: usize = 200;
const ASKS: usize = 6;
const BAR: u64 = 10;

/// Parts that can be put back by themselves, as the jobserver knows them.
pub(super) const PARTS: [&str; 9] = [
    "settings",
    "roles",
    "channels",
    "expressions",
    "automod",
    "events",
    "members",
    "bans",
    "others",
];

/// A part for people.
pub(super) fn part(language: Language, name: &str) -> String {
    match name {
        "settings" => text!(language, "part-settings"),
        "roles" => text!(language, "part-roles"),
        "channels" => text!(language, "part-channels"),
        "expressions" => text!(language, "part-expressions"),
        "automod" => text!(language, "part-automod"),
        "events" => text!(language, "part-events"),
        "members" => text!(language, "part-members"),
        "bans" => text!(language, "part-bans"),
        _ => text!(language, "part-others"),
    }
}

/// Parts by their places in [`PARTS`], one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts(u16);

impl Parts {
    pub(super) const ALL: Self = Self((1 << PARTS.len()) - 1);

    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let bit = |name: &str| {
            let found = PARTS.iter().position(|known| *known == name);
            found.map_or(0, |at| 1 << at)
        };
        match names.fold(0, |all, name| all | bit(name)) {
            0 => Self::ALL,
            some => Self(some),
        }
    }

    pub(super) fn names(self) -> Vec<&'static str> {
        let all = PARTS.iter().enumerate();
        let chosen = all.filter(|(at, _)| self.0 & 1 << at != 0);
        chosen.map(|(_, name)| *name).collect()
    }

    pub(super) fn hex(self) -> String {
        format!("{:x}", self.0)
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let bits = u16::from_str_radix(text, 16).ok()?;
        (bits != 0 && bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }
}

/// A put-back, as an alert shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// Absent while it is ordered, and when it could not be.
    pub(super) task: Option<TaskId>,
    pub(super) parts: Parts,
    /// It takes this one back.
    pub(super) undoes: Option<TaskId>,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Ordered,
    Running {
        line: String,
        done: u64,
        of: u64,
    },
    /// The plan, for a person to decide on. `hash`: its beginning.
    Shown {
        hash: String,
        line: String,
        asks: Vec<String>,
    },
    /// `line`: the last of its log.
    Done {
        line: Option<String>,
    },
    /// `line`: what ended it.
    Failed {
        line: Option<String>,
    },
}

impl Progress {
    pub(super) fn ordered(parts: Parts) -> Self {
        Self {
            task: None,
            parts,
            undoes: None,
            stage: Stage::Ordered,
        }
    }

    pub(super) fn failed(parts: Parts, line: &str) -> Self {
        Self {
            task: None,
            parts,
            undoes: None,
            stage: Stage::Failed {
                line: Some(cut(line)),
            },
        }
    }

    /// From a job and its log, oldest entry first.
    pub(super) fn of(language: Language, row: &TaskRow, log: &[TaskLogEntry]) -> Self {
        let named = row.fields["parts"]
            .as_array()
            .or(row.fields["Parts"].as_array());
        let file = row.output.as_ref().map(|output| output.filename.as_str());
        let names = named.into_iter().flatten().filter_map(Value::as_str);
        Self {
            task: Some(row.id),
            parts: Parts::of(names),
            undoes: row.fields["Undo"].as_str().and_then(|id| id.parse().ok()),
            stage: stage(language, row.state, file, log),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.stage,
            Stage::Shown { .. } | Stage::Done { .. } | Stage::Failed { .. }
        )
    }

    /// For the alert.
    pub(super) fn text(&self, language: Language) -> String {
        match &self.stage {
            Stage::Ordered => text!(language, "putback-ordered"),
            Stage::Running { line, done, of } => {
                let percent = (done * 100).checked_div(*of).unwrap_or(0).min(100);
                let full = percent * BAR / 100;
                let bar: String = (0..BAR)
                    .map(|at| if at < full { '▰' } else { '▱' })
                    .collect();
                text!(
                    language,
                    "putback-running",
                    bar = bar,
                    percent = percent,
                    done = *done,
                    of = *of,
                    line = line
                )
            }
            Stage::Shown { line, asks, .. } => {
                let what = match self.undoes {
                    None => text!(language, "putback-shown", line = line),
                    Some(_) => text!(language, "putback-shown-undo", line = line),
                };
                if asks.is_empty() {
                    return what;
                }
                let asks: Vec<String> = asks.iter().map(|ask| format!("\n- {ask}")).collect();
                let first = text!(language, "putback-look-first");
                format!("{what}\n{first}{}", asks.concat())
            }
            Stage::Done { line } => {
                let line = line
                    .clone()
                    .unwrap_or_else(|| text!(language, "putback-ended"));
                text!(language, "putback-done", line = line)
            }
            Stage::Failed { line } => {
                let line = line
                    .clone()
                    .unwrap_or_else(|| text!(language, "putback-broken"));
                text!(language, "putback-failed", line = line)
            }
        }
    }
}

fn stage(language: Language, state: TaskState, file: Option<&str>, log: &[TaskLogEntry]) -> Stage {
    let say = |entry: &TaskLogEntry| cut(&said(language, &entry.msg, &entry.extra));
    let told = |wanted: fn(&&TaskLogEntry) -> bool| log.iter().rev().find(wanted);
    // The very last word is that it ended, of every job.
    let end = || {
        let report = told(|entry| entry.extra.contains_key("notRestored"));
        let plan = || told(|entry| entry.extra.contains_key("plan_hash"));
        let entry = report.or_else(plan).or(log.last());
        entry.map(say)
    };
    match state {
        TaskState::Failed => Stage::Failed {
            line: why(language, log).map(|why| cut(&why)),
        },
        TaskState::Completed => {
            let plan = told(|entry| entry.extra.contains_key("plan_hash"));
            let nothing = |plan: &TaskLogEntry| plan.extra.get("counts") == Some(&json!({}));
            match plan.filter(|_| file.is_some_and(|name| name.starts_with(PLAN_FILE))) {
                None => Stage::Done { line: end() },
                Some(plan) if nothing(plan) => Stage::Done { line: end() },
                Some(plan) => {
                    let asks = asks(language, &plan.extra);
                    let hash = plan.extra["plan_hash"].as_str().unwrap_or_default();
                    Stage::Shown {
                        hash: hash.chars().take(16).collect(),
                        line: say(plan),
                        asks: asks.iter().take(ASKS).map(|ask| cut(ask)).collect(),
                    }
                }
            }
        }
        TaskState::Pending | TaskState::Running => {
            let number = |entry: &TaskLogEntry, key: &str| {
                entry.extra.get(key).and_then(Value::as_u64).unwrap_or(0)
            };
            match told(|entry| entry.extra.contains_key("of")) {
                Some(entry) => Stage::Running {
                    line: say(entry),
                    done: number(entry, "done"),
                    of: number(entry, "of"),
                },
                None => Stage::Ordered,
            }
        }
    }
}

/// What ended it, with the cause that the log has.
fn why(language: Language, log: &[TaskLogEntry]) -> Option<String> {
    let last = log.iter().rev().find(|entry| entry.level == Level::Error)?;
    let error = last.extra.get("error").and_then(Value::as_str);
    Some(catalogue::line(
        language,
        error.unwrap_or(&last.msg),
        &last.extra,
    ))
}

/// Why a plan is shown first: in English, and by the codes of the reasons in other languages.
fn asks(language: Language, extra: &Map<String, Value>) -> Vec<String> {
    let list = |key| {
        extra
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut coded = list("asked");
    let texts = list("asks").filter_map(Value::as_str);
    let say = |text: &str| {
        let ask = coded.next().and_then(Value::as_object);
        let code = ask.and_then(|ask| ask.get("code")?.as_str());
        let Some((mut values, code)) = ask.cloned().zip(code) else {
            return text.to_owned();
        };
        values.insert(KEY.to_owned(), format!("ask_{code}").into());
        catalogue::line(language, text, &values)
    };
    texts.map(say).collect()
}

fn cut(line: &str) -> String {
    neutralise(&shorten(line.trim_end_matches('.'), LINE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_travel_as_a_number() {
        let some = Parts::of(["bans", "roles", "nonsense"].into_iter());
        assert_eq!(some.names(), ["roles", "bans"]);
        assert_eq!(Parts::from_hex(&some.hex()), Some(some));
        assert_eq!(Parts::of(std::iter::empty()), Parts::ALL);
        assert_eq!(Parts::from_hex("ffff"), None);
        assert_eq!(Parts::from_hex("0"), None);
    }

    fn log(lines: &[(&str, Value)]) -> Vec<TaskLogEntry> {
        let line = |(seq, (msg, extra)): (usize, &(&str, Value))| TaskLogEntry {
            seq: i64::try_from(seq).unwrap() + 1,
            level: Level::Info,
            ts: chrono::DateTime::UNIX_EPOCH,
            msg: (*msg).to_owned(),
            extra: extra.as_object().unwrap().clone(),
        };
        lines.iter().enumerate().map(line).collect()
    }

    #[test]
    fn the_end_is_what_the_job_reported_and_not_that_it_ended() {
        let plan = json!({"plan_hash": "abc", "counts": {"ban": {"delete": 1}}, "asks": []});
        let done = log(&[
            ("1 for members", plan.clone()),
            ("Putting back bans", json!({"done": 0, "of": 1})),
            (
                "Put back: the only change was made",
                json!({"notRestored": 0}),
            ),
            ("Completed", json!({})),
        ]);
        let over = |file, log: &[TaskLogEntry]| {
            stage(Language::English, TaskState::Completed, Some(file), log)
        };
        let line = |line: &str| Stage::Done {
            line: Some(line.to_owned()),
        };
        let report = "antiraid-put-back-report-1.json";
        assert_eq!(
            over(report, &done),
            line("Put back: the only change was made")
        );

        let shown = log(&[("1 for members", plan), ("Completed", json!({}))]);
        let file = "antiraid-put-back-plan-1.json";
        let Stage::Shown { line: told, .. } = over(file, &shown) else {
            panic!("a plan is decided on");
        };
        assert_eq!(told, "1 ban to lift");
        let nothing = json!({"plan_hash": "abc", "counts": {}, "asks": [],
            "line": "nothing_to_put_back"});
        let empty = log(&[
            ("There is nothing to put back", nothing),
            ("Completed", json!({})),
        ]);
        assert_eq!(over(file, &empty), line("There is nothing to put back"));
    }

    #[test]
    fn why_a_plan_is_refused_is_said_in_the_servers_language() {
        for (code, german) in [
            ("bot_timed_out", "Timeout"),
            ("incident_unreadable", "Version"),
            ("no_such_put_back", "Wiederherstellung"),
            ("plan_changed", "Plan"),
        ] {
            let mut refused = log(&[("Failed", json!({"code": code, "error": "in English"}))]);
            refused[0].level = Level::Error;
            let told = |language| stage(language, TaskState::Failed, None, &refused);
            let line = |text: &str| Stage::Failed {
                line: Some(text.to_owned()),
            };
            assert_eq!(told(Language::English), line("in English"));
            let Stage::Failed { line: Some(told) } = told(Language::German) else {
                panic!("{code}");
            };
            assert!(told.contains(german), "{told}");
        }
    }

    #[test]
    fn a_bar_says_how_far_it_is() {
        let mut progress = Progress::ordered(Parts::ALL);
        progress.stage = Stage::Running {
            line: "Restoring channels".to_owned(),
            done: 12,
            of: 40,
        };
        let text = progress.text(Language::English);
        assert!(text.contains("▰▰▰▱▱▱▱▱▱▱ 30 %, 12 of 40"), "{text}");
        progress.stage = Stage::Shown {
            hash: "a".to_owned(),
            line: "3 to make again".to_owned(),
            asks: vec!["30 things are changed".to_owned()],
        };
        let text = progress.text(Language::English);
        assert!(text.ends_with("because\n- 30 things are changed"), "{text}");
    }
}
