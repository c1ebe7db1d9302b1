//! What a mass ban would do, as its look said.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::ids::{TaskId, UserId};
use splashtail_storage::TaskLogEntry;

use crate::catalogue::Language;
use crate::colours;
use crate::markdown::{DESCRIPTION, length, neutralise, shorten};
use crate::text;

/// Above it whoever confirms types the number.
pub(super) const TYPED_ABOVE: usize = 50;
/// How long a plan is good.
pub(super) const FRESH: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) hash: String,
    pub(super) count: usize,
    /// Why it cannot be done at all, as the jobserver says it.
    pub(super) refusals: Vec<String>,
    spared: Vec<Spared>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Spared {
    code: String,
    count: u64,
    people: Vec<String>,
}

impl Plan {
    /// `None`: the job did not come so far.
    pub(super) fn read(log: &[TaskLogEntry]) -> Option<Self> {
        let planned = log
            .iter()
            .find(|entry| entry.extra.contains_key("plan_hash"))?;
        let extra = Value::Object(planned.extra.clone());
        let refusals = extra["refusals"].as_array().into_iter().flatten();
        let spared = log.iter().filter_map(|entry| {
            let people = entry.extra.get("people").and_then(Value::as_array);
            let people = people.into_iter().flatten().filter_map(Value::as_str);
            Some(Spared {
                code: entry.extra.get("spared")?.as_str()?.to_owned(),
                count: entry.extra.get("count")?.as_u64()?,
                people: people.map(str::to_owned).collect(),
            })
        });
        let count = extra["counts"]["ban"]["create"].as_u64().unwrap_or(0);
        Some(Self {
            hash: extra["plan_hash"].as_str()?.to_owned(),
            count: usize::try_from(count).unwrap_or(usize::MAX),
            refusals: refusals
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            spared: spared.collect(),
        })
    }

    /// The numbers first, then who is spared and why.
    pub(super) fn lines(&self, language: Language) -> Vec<String> {
        let head = text!(language, "massban-count", count = self.count);
        let spared = self.spared.iter().map(|spared| {
            let why = why(language, &spared.code);
            let named: Vec<String> = spared.people.iter().map(|id| format!("<@{id}>")).collect();
            let more = spared.count.saturating_sub(named.len() as u64);
            let people = match more {
                0 => named.join(", "),
                more => text!(
                    language,
                    "massban-and-more",
                    people = named.join(", "),
                    more = more
                ),
            };
            text!(language, "massban-spared", why = why, people = people)
        });
        std::iter::once(head).chain(spared).collect()
    }

    /// The message that shows it.
    pub(super) fn body(
        &self,
        language: Language,
        look: TaskId,
        notes: &[String],
        text: &str,
        buttons: &[Value],
    ) -> Value {
        let lines = self.lines(language);
        let lines = lines.iter().chain(notes).map(|line| format!("- {line}"));
        let foot = format!("\n\n{text}");
        let room = DESCRIPTION.saturating_sub(length(&foot));
        let lines: Vec<String> = lines.collect();
        let description = format!("{}{foot}", shorten(&lines.join("\n"), room));
        let title = text!(language, "massban-title");
        let embed = json!({"title": title, "description": description, "color": colours::RED.0});
        let mut all = buttons.to_vec();
        let details = text!(language, "task-details");
        all.push(json!({"type": 2, "style": 2, "label": details,
                        "custom_id": format!("bk:log:{look}:0")}));
        json!({"content": "", "embeds": [embed], "allowed_mentions": {"parse": []},
               "components": [{"type": 1, "components": all}]})
    }

    /// Why it is impossible.
    pub(super) fn impossible(&self, language: Language) -> Option<String> {
        let why: Vec<String> = self.refusals.iter().map(|why| neutralise(why)).collect();
        match (why.is_empty(), self.count) {
            (false, _) => Some(text!(language, "massban-impossible", why = why.join("; "))),
            (true, 0) => Some(text!(language, "massban-nobody")),
            (true, _) => None,
        }
    }
}

fn why(language: Language, code: &str) -> String {
    match code {
        "owner" => text!(language, "massban-why-owner"),
        "itself" => text!(language, "massban-why-itself"),
        "caller" => text!(language, "massban-why-caller"),
        "bot" => text!(language, "massban-why-bot"),
        "trusted" => text!(language, "massban-why-trusted"),
        "staff" => text!(language, "massban-why-staff"),
        "above_caller" => text!(language, "massban-why-above-caller"),
        "above_bot" => text!(language, "massban-why-above-bot"),
        _ => text!(language, "massban-why-unknown"),
    }
}

/// A button for one person: `mb:<verb>:<task>:<user>:<how many>`.
pub(super) fn button(
    (style, label): (u8, &str),
    verb: &str,
    task: TaskId,
    user: UserId,
    count: usize,
) -> Value {
    json!({"type": 2, "style": style, "label": label,
           "custom_id": format!("mb:{verb}:{task}:{user}:{count}")})
}

#[cfg(test)]
mod tests {
    use splashtail_storage::Level;

    use super::*;

    fn entry(seq: i64, msg: &str, extra: Value) -> TaskLogEntry {
        TaskLogEntry {
            seq,
            level: Level::Info,
            ts: chrono::DateTime::UNIX_EPOCH,
            msg: msg.to_owned(),
            extra: extra.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_plan_says_how_many_go_and_who_is_spared() {
        let log = [
            entry(1, "Started", json!({})),
            entry(
                2,
                "60 to ban, 23 spared",
                json!({"plan_hash": "ab", "counts": {"ban": {"create": 60}}, "refusals": []}),
            ),
            entry(
                3,
                "Spared: holds a dangerous permission",
                json!({"spared": "staff", "count": 22, "people": ["5", "6"]}),
            ),
            entry(
                4,
                "Spared",
                json!({"spared": "owner", "count": 1, "people": ["2"]}),
            ),
        ];
        let plan = Plan::read(&log).unwrap();
        assert_eq!(plan.count, 60);
        assert_eq!(plan.impossible(Language::English), None);
        assert_eq!(
            plan.lines(Language::English),
            [
                "**60 people** would be banned",
                "spared, staff: take their roles first: <@5>, <@6> and 20 more",
                "spared, the owner: <@2>"
            ]
        );
        assert_eq!(Plan::read(&log[..1]), None);
        let nobody = Plan::default();
        assert!(nobody.impossible(Language::English).is_some());
        let task: TaskId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let user = UserId::new(1_100_000_000_000_000_010).unwrap();
        let button = button((4, "Ban"), "ask", task, user, 1000);
        let id = button["custom_id"].as_str().unwrap();
        assert!(id.len() <= 100, "Discord takes no more: {id}");
    }
}
