//! Who would be brought back, as the look said.

use serde_json::{Value, json};
use splashtail_api_types::job_lines::{KEY, Line};
use splashtail_core::ids::{TaskId, UserId};
use splashtail_storage::{StorageError, TaskLogEntry};

use super::super::Backups;
use crate::catalogue::Language;
use crate::colours;
use crate::markdown::{DESCRIPTION, neutralise, shorten};
use crate::modules::jobs::{self, download_link, log_button};
use crate::text;

/// Entries of a log that are looked through for the plan.
const LOOKED_AT: u32 = 200;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) hash: String,
    /// Who would come back.
    pub(super) count: u64,
    /// Who allowed it and is in the server.
    here: u64,
    /// Who was named and did not allow it.
    not_consented: u64,
    /// Why it cannot be done at all, as the jobserver says it.
    refusals: Vec<String>,
}

impl Plan {
    /// `None`: the job did not come so far.
    fn read(log: &[TaskLogEntry]) -> Option<Self> {
        let planned = log
            .iter()
            .find(|entry| entry.extra.contains_key("plan_hash"))?;
        let number = |entry: &TaskLogEntry, name: &str| {
            let number = entry.extra.get(name).and_then(Value::as_u64);
            number.unwrap_or_default()
        };
        let alone = log.iter().find(|entry| {
            let line = entry.extra.get(KEY).and_then(Value::as_str);
            line == Some(Line::NotConsented.code())
        });
        let refusals = planned.extra.get("refusals").and_then(Value::as_array);
        let refusals = refusals.into_iter().flatten().filter_map(Value::as_str);
        Some(Self {
            hash: planned.extra.get("plan_hash")?.as_str()?.to_owned(),
            count: number(planned, "of"),
            here: number(planned, "here"),
            not_consented: alone.map_or(0, |entry| number(entry, "count")),
            refusals: refusals.map(str::to_owned).collect(),
        })
    }

    pub(super) fn impossible(&self, language: Language) -> Option<String> {
        let why: Vec<String> = self.refusals.iter().map(|why| neutralise(why)).collect();
        match (why.is_empty(), self.count) {
            (false, _) => Some(text!(language, "rejoin-impossible", why = why.join("; "))),
            (true, 0) => Some(text!(language, "rejoin-nobody")),
            (true, _) => None,
        }
    }

    fn lines(&self, language: Language) -> Vec<String> {
        let mut lines = vec![text!(language, "rejoin-count", count = self.count)];
        if self.here > 0 {
            lines.push(text!(language, "rejoin-here", count = self.here));
        }
        if self.not_consented > 0 {
            let count = self.not_consented;
            lines.push(text!(language, "rejoin-not-consented", count = count));
        }
        lines
    }
}

impl Backups {
    /// The plan that a look has told; `None` when it told none.
    pub(super) async fn rejoin_plan(&self, task: TaskId) -> Result<Option<Plan>, StorageError> {
        let log = self.storage.tasks().log(task, 0, LOOKED_AT).await?;
        Ok(Plan::read(&log))
    }
}

/// A plan as it is shown.
pub(super) struct Shown<'a> {
    pub(super) plan: &'a Plan,
    pub(super) language: Language,
    pub(super) api: &'a str,
    pub(super) look: TaskId,
}

impl jobs::Plan for Shown<'_> {
    fn body(&self, text: &str, buttons: &[Value]) -> Value {
        let (language, look) = (self.language, self.look);
        let lines = self.plan.lines(language);
        let lines: Vec<String> = lines.iter().map(|line| format!("- {line}")).collect();
        let description = format!("{}\n\n{text}", lines.join("\n"));
        let embed = json!({"title": text!(language, "rejoin-plan-title"),
                           "description": shorten(&description, DESCRIPTION),
                           "color": colours::BLUE.0});
        let mut all = buttons.to_vec();
        all.push(log_button(language, look));
        let label = text!(language, "task-download-plan");
        let link = download_link(self.api, look);
        all.push(json!({"type": 2, "style": 5, "label": label, "url": link}));
        json!({"content": "", "embeds": [embed], "allowed_mentions": {"parse": []},
               "components": [{"type": 1, "components": all}]})
    }

    fn lines(&self) -> Vec<String> {
        self.plan.lines(self.language)
    }

    fn hash(&self) -> &str {
        &self.plan.hash
    }
}

/// A button for one person: `rj:<verb>:<task>:<user>`.
pub(super) fn button(style: u8, label: &str, verb: &str, task: TaskId, user: UserId) -> Value {
    json!({"type": 2, "style": style, "label": label,
           "custom_id": format!("rj:{verb}:{task}:{user}")})
}

#[cfg(test)]
mod tests {
    use splashtail_storage::Level;

    use super::*;

    fn entry(seq: i64, extra: &Value) -> TaskLogEntry {
        TaskLogEntry {
            seq,
            level: Level::Info,
            ts: chrono::DateTime::UNIX_EPOCH,
            msg: String::new(),
            extra: extra.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_plan_says_who_would_come_back() {
        let planned = json!({"line": "rejoin_planned", "of": 12, "here": 3, "plan_hash": "ab",
                             "refusals": []});
        let alone = json!({"line": "not_consented", "count": 2, "items": "5, 6"});
        let log = [entry(1, &json!({})), entry(2, &planned), entry(3, &alone)];
        let plan = Plan::read(&log).unwrap();
        assert_eq!(plan.impossible(Language::English), None);
        assert_eq!(
            plan.lines(Language::English),
            [
                "**12 people** allowed it and would come back",
                "3 allowed it and are here",
                "2 did not allow it and are left alone",
            ]
        );
        assert_ne!(plan.lines(Language::German), plan.lines(Language::English));
        assert_eq!(Plan::read(&log[..1]), None);
        let refused = json!({"of": 1, "plan_hash": "ab", "refusals": ["no invites"]});
        let refused = Plan::read(&[entry(1, &refused)]).unwrap();
        let why = refused.impossible(Language::English).unwrap();
        assert!(why.contains("no invites"), "{why}");
        assert!(Plan::default().impossible(Language::English).is_some());
        let task: TaskId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let user = UserId::new(1_100_000_000_000_000_010).unwrap();
        let id = button(3, "Bring back", "go", task, user)["custom_id"].to_string();
        assert!(id.len() <= 100, "Discord takes no more: {id}");
    }
}
