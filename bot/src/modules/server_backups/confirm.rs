//! Before a server is put back: the plan, and somebody's word for it.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_storage::StorageError;

use super::restore_operation;
use super::{Backups, RESTORE_TASK};
use crate::app::Context;
use crate::catalogue::Language;
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::markdown::{DESCRIPTION, length, neutralise, shorten};
use crate::modules::guarded::Desk;
use crate::modules::jobs::{self, Looked, Order, download_link, log_button, look};
use crate::text;

/// Entries of a log that are looked through for the plan.
const LOOKED_AT: u32 = 200;
/// A plan that is older has to be looked at again.
pub(super) const FRESH: TimeDelta = TimeDelta::minutes(15);
/// Of a hash that somebody typed.
const HASH: usize = 100;
/// Reasons of the jobserver that are shown.
const REFUSALS: usize = 10;

/// What a restore would do, as its look said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub hash: String,
    /// What tells it, in English and in numbers.
    told: (String, Map<String, Value>),
    /// How much of which kind: kind, what is done with it, count.
    pub counts: Vec<(String, String, String)>,
    /// Why it cannot be done at all.
    pub refusals: Vec<String>,
}

impl Plan {
    /// From the entry of the log that tells it.
    fn read(message: &str, extra: &Map<String, Value>) -> Option<Self> {
        let hash = extra.get("plan_hash")?.as_str()?.to_owned();
        let mut counts = Vec::new();
        let all = extra.get("counts").and_then(Value::as_object);
        for (kind, of_kind) in all.into_iter().flatten() {
            for (verb, count) in of_kind.as_object().into_iter().flatten() {
                counts.push((kind.clone(), verb.clone(), count.to_string()));
            }
        }
        let refusals = extra.get("refusals").and_then(Value::as_array);
        let refusals = refusals.into_iter().flatten();
        let refusals = refusals.filter_map(Value::as_str).take(REFUSALS);
        Some(Self {
            hash,
            told: (message.to_owned(), extra.clone()),
            counts,
            refusals: refusals.map(str::to_owned).collect(),
        })
    }
}

impl Plan {
    /// Line by line.
    fn lines(&self, language: Language) -> Vec<String> {
        let counts = self.counts.iter().map(|(kind, verb, count)| {
            let (kind, count) = (jobs::kind(language, kind), count.as_str());
            match verb.as_str() {
                "create" => text!(language, "plan-make", kind = kind, count = count),
                "edit" => text!(language, "plan-change", kind = kind, count = count),
                "delete" => text!(language, "plan-delete", kind = kind, count = count),
                "overwrite" => text!(language, "plan-permissions", kind = kind, count = count),
                _ => text!(language, "plan-order", kind = kind, count = count),
            }
        });
        let (message, extra) = &self.told;
        std::iter::once(jobs::said(language, message, extra))
            .chain(counts)
            .collect()
    }
}

impl Backups {
    /// The plan that a look has told; `None` when it told none.
    async fn plan_of(&self, task: TaskId) -> Result<Option<Plan>, StorageError> {
        let entries = self.storage.tasks().log(task, 0, LOOKED_AT).await?;
        let mut plans = entries.iter();
        Ok(plans.find_map(|entry| Plan::read(&entry.msg, &entry.extra)))
    }
}

/// Looks at what a restore would do and has somebody say that it shall be done: whoever asked, by
/// typing the server's name, or others where this server wants it so.
pub(super) async fn look_first(
    cx: Context<'_>,
    data: Value,
    approved: Option<&str>,
) -> Result<(), BotError> {
    let backups = cx.data().services.get::<Backups>()?;
    let desk = cx.data().services.get::<Desk>()?;
    let Some(looked) = look(cx, RESTORE_TASK, look_of(&data)).await? else {
        return Ok(());
    };
    let wanted = Wanted {
        guild: ids::guild_of(cx)?,
        by: ids::user(cx.author().id),
        key: format!("{}-go", cx.id()),
        approved,
        data,
    };
    backups.ask(&desk, looked, wanted).await
}

/// The same order, which only looks.
pub(super) fn look_of(data: &Value) -> Value {
    let mut look = data.clone();
    look["Options"]["DryRun"] = true.into();
    look["Options"]["PlanHash"] = "".into();
    look
}

/// A restore that somebody wants.
pub(super) struct Wanted<'a> {
    pub guild: GuildId,
    pub by: UserId,
    /// By which it is ordered once.
    pub key: String,
    /// Hash of the plan that they have looked at already.
    pub approved: Option<&'a str>,
    pub data: Value,
}

impl Backups {
    /// Shows the plan of a look and asks for the word that it takes.
    pub(super) async fn ask(
        &self,
        desk: &Arc<Desk>,
        looked: Looked,
        wanted: Wanted<'_>,
    ) -> Result<(), BotError> {
        let Some(plan) = self.plan_of(looked.task).await? else {
            return Ok(());
        };
        let language = looked.language();
        let shown = Shown {
            plan: &plan,
            language,
            api: &self.jobs.api(),
            look: looked.task,
        };
        if !plan.refusals.is_empty() {
            let why: Vec<String> = plan.refusals.iter().map(|why| neutralise(why)).collect();
            let text = text!(language, "restore-impossible", why = why.join("; "));
            return looked.say(&shown, &text).await;
        }
        let approved = wanted.approved;
        if let Some(approved) = approved.filter(|hash| !hash.eq_ignore_ascii_case(&plan.hash)) {
            let hash = format!("`{}`", neutralise(&shorten(approved, HASH)));
            let text = text!(language, "restore-other-plan", hash = hash);
            return looked.say(&shown, &text).await;
        }
        let mut data = wanted.data;
        data["Options"]["PlanHash"] = plan.hash.as_str().into();
        let created = self
            .jobserver
            .create_task(RESTORE_TASK, data, false, Some(&wanted.key))
            .await?;
        let (restore, by) = (created.task_id, wanted.by);
        let order = Order {
            by_others: desk.wanted(wanted.guild).await?.is_on,
            operation: restore_operation::ID,
            arguments: restore_operation::arguments(restore, looked.channel()),
            question: text!(language, "restore-ask"),
            buttons: vec![
                button(4, &text!(language, "restore-yes"), "ask", restore, by),
                button(2, &text!(language, "restore-no"), "no", restore, by),
            ],
        };
        looked.ask(desk, by, &shown, order).await
    }
}

/// A plan as it is shown.
struct Shown<'a> {
    plan: &'a Plan,
    language: Language,
    api: &'a str,
    look: TaskId,
}

impl jobs::Plan for Shown<'_> {
    fn body(&self, text: &str, buttons: &[Value]) -> Value {
        let (language, look) = (self.language, self.look);
        let lines = self.plan.lines(language);
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("- {}", neutralise(line)))
            .collect();
        let foot = format!("\n\n{text}\n\n`{}`", self.plan.hash);
        let room = DESCRIPTION.saturating_sub(length(&foot));
        let description = format!("{}{foot}", shorten(&lines.join("\n"), room));
        let embed = json!({"title": text!(language, "restore-plan-title"),
                           "description": description, "color": colours::BLUE.0});
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

/// A button for one person: `bk:<verb>:<task>:<user>`.
pub(super) fn button(style: u8, label: &str, verb: &str, task: TaskId, user: UserId) -> Value {
    json!({"type": 2, "style": style, "label": label,
           "custom_id": format!("bk:{verb}:{task}:{user}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_from_its_entry() {
        let extra = json!({"plan_hash": "ab", "refusals": ["no role"],
                           "counts": {"channel": {"create": 1, "delete": 3}, "role": {"edit": 2}}});
        let read = |message, extra: &Value| Plan::read(message, extra.as_object().unwrap());
        let plan = read("what the job says", &extra).unwrap();
        assert_eq!(
            plan.lines(Language::English),
            [
                "1 to make, 2 to change, 3 to delete",
                "channel: make 1",
                "channel: delete 3",
                "role: change 2"
            ]
        );
        assert_eq!(plan.lines(Language::German)[3], "Rollen: 2 ändern");
        assert_eq!(plan.refusals, ["no role"]);
        assert_eq!(read("Read the backup", &json!({"roles": 3})), None);
        let task: TaskId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let user = UserId::new(1_100_000_000_000_000_010).unwrap();
        let id = button(2, "Cancel", "keep", task, user)["custom_id"].to_string();
        assert!(id.len() <= 100, "Discord takes no more: {id}");
    }
}
