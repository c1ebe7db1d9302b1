//! Before a server is put back: the plan, and somebody's word for it.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use splashtail_core::ids::{TaskId, UserId};
use splashtail_discord::Upload;
use splashtail_storage::{StorageError, TaskState};

use super::create::{Ran, run};
use super::follow::Ending;
use super::presses::log_button;
use super::restore_operation;
use super::status::download_link;
use super::{Backups, RESTORE_TASK};
use crate::app::Context;
use crate::catalogue::{self, Language};
use crate::colours;
use crate::error::BotError;
use crate::ids;
use crate::markdown::{DESCRIPTION, length, neutralise, shorten};
use crate::modules::guarded::{Ask, AskError, Desk};
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
    /// All of it, as the jobserver says it.
    pub summary: String,
    /// How much of which kind: kind, what is done with it, count.
    pub counts: Vec<(String, String, String)>,
    /// Why it cannot be done at all.
    pub refusals: Vec<String>,
}

impl Plan {
    /// From the entry of the log that tells it.
    fn read(message: &str, extra: &Value) -> Option<Self> {
        let hash = extra["plan_hash"].as_str()?.to_owned();
        let mut counts = Vec::new();
        for (kind, of_kind) in extra["counts"].as_object().into_iter().flatten() {
            let kind = kind.replace('_', " ");
            for (verb, count) in of_kind.as_object().into_iter().flatten() {
                counts.push((kind.clone(), verb.clone(), count.to_string()));
            }
        }
        let refusals = extra["refusals"].as_array().into_iter().flatten();
        let refusals = refusals.filter_map(Value::as_str).take(REFUSALS);
        Some(Self {
            hash,
            summary: message.to_owned(),
            counts,
            refusals: refusals.map(str::to_owned).collect(),
        })
    }
}

impl Plan {
    /// Line by line.
    fn lines(&self, language: Language) -> Vec<String> {
        let counts = self.counts.iter().map(|(kind, verb, count)| {
            let (kind, count) = (kind.as_str(), count.as_str());
            match verb.as_str() {
                "create" => text!(language, "plan-make", kind = kind, count = count),
                "edit" => text!(language, "plan-change", kind = kind, count = count),
                "delete" => text!(language, "plan-delete", kind = kind, count = count),
                "overwrite" => text!(language, "plan-permissions", kind = kind, count = count),
                _ => text!(language, "plan-order", kind = kind, count = count),
            }
        });
        std::iter::once(self.summary.clone())
            .chain(counts)
            .collect()
    }
}

impl Backups {
    /// The plan that a look has told; `None` when it told none.
    async fn plan_of(&self, task: TaskId) -> Result<Option<Plan>, StorageError> {
        let entries = self.storage.tasks().log(task, 0, LOOKED_AT).await?;
        let mut plans = entries.iter().filter_map(|entry| {
            let extra = Value::Object(entry.extra.clone());
            Plan::read(&entry.msg, &extra)
        });
        Ok(plans.next())
    }

    async fn has_completed(&self, task: TaskId) -> Result<bool, StorageError> {
        let row = self.storage.tasks().get(task, self.clock.now()).await?;
        Ok(row.is_some_and(|row| row.state == TaskState::Completed))
    }
}

/// Looks at what a restore would do and has somebody say that it shall be done: whoever asked, by
/// typing the server's name, or others where this server wants it so.
pub(super) async fn look_first(
    cx: Context<'_>,
    mut data: Value,
    approved: Option<&str>,
) -> Result<(), BotError> {
    let backups = cx.data().services.get::<Backups>()?;
    let mut look = data.clone();
    look["Options"]["DryRun"] = true.into();
    look["Options"]["PlanHash"] = "".into();
    let Ran {
        task: look,
        mut board,
        ending,
    } = run(cx, RESTORE_TASK, look).await?;
    if ending != Ending::Finished || !backups.has_completed(look).await? {
        return Ok(());
    }
    let Some(plan) = backups.plan_of(look).await? else {
        return Ok(());
    };
    let language = catalogue::of_server(cx);
    let shown = |text: String, buttons: &[Value]| {
        body(language, &backups.api(), look, &plan, text, buttons)
    };
    if !plan.refusals.is_empty() {
        let why: Vec<String> = plan.refusals.iter().map(|why| neutralise(why)).collect();
        let text = text!(language, "restore-impossible", why = why.join("; "));
        return show(&mut board, &shown(text, &[]), None).await;
    }
    if let Some(approved) = approved.filter(|hash| !hash.eq_ignore_ascii_case(&plan.hash)) {
        let hash = format!("`{}`", neutralise(&shorten(approved, HASH)));
        let text = text!(language, "restore-other-plan", hash = hash);
        return show(&mut board, &shown(text, &[]), None).await;
    }
    data["Options"]["PlanHash"] = plan.hash.as_str().into();
    let key = format!("{}-go", cx.id());
    let created = backups
        .jobserver
        .create_task(RESTORE_TASK, data, false, Some(&key))
        .await?;
    let restore = created.task_id;
    let (guild, by) = (ids::guild_of(cx)?, ids::user(cx.author().id));
    let desk = cx.data().services.get::<Desk>()?;
    if desk.wanted(guild).await?.is_on {
        let ask = Ask {
            guild,
            operation: restore_operation::ID,
            arguments: restore_operation::arguments(restore, board.channel()),
            summary: plan.lines(language),
            digest: plan.hash.clone(),
            by,
            here: Some(board.channel()),
        };
        let text = match desk.ask(ask).await {
            Ok(text) => text,
            Err(AskError::Refused(text)) => text,
            Err(AskError::Storage(error)) => return Err(error.into()),
        };
        return show(&mut board, &shown(text, &[]), None).await;
    }
    let text = text!(language, "restore-ask");
    let buttons = [
        button(4, &text!(language, "restore-yes"), "ask", restore, by),
        button(2, &text!(language, "restore-no"), "no", restore, by),
    ];
    show(&mut board, &shown(text, &buttons), None).await
}

pub(in crate::modules) async fn show(
    board: &mut super::board::Board,
    body: &Value,
    file: Option<&Upload>,
) -> Result<(), BotError> {
    const PAUSE: Duration = Duration::from_secs(1);
    // Whoever asked has to see it to answer it.
    for _ in 0..3 {
        match board.show_with(body, file).await {
            Ok(()) | Err(super::board::BoardError::Gone) => return Ok(()),
            Err(error) => {
                tracing::warn!(error = %splashtail_core::telemetry::Chain(&error), "a plan was not shown");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    Ok(())
}

fn body(
    language: Language,
    api: &str,
    look: TaskId,
    plan: &Plan,
    text: String,
    buttons: &[Value],
) -> Value {
    let lines = plan.lines(language);
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("- {}", neutralise(line)))
        .collect();
    let foot = format!("\n\n{text}\n\n`{}`", plan.hash);
    let room = DESCRIPTION.saturating_sub(length(&foot));
    let description = format!("{}{foot}", shorten(&lines.join("\n"), room));
    let embed = json!({"title": text!(language, "restore-plan-title"), "description": description,
                       "color": colours::BLUE.0});
    let mut all = buttons.to_vec();
    all.push(log_button(language, look));
    let download = text!(language, "task-download-plan");
    all.push(json!({"type": 2, "style": 5, "label": download, "url": download_link(api, look)}));
    json!({"content": "", "embeds": [embed], "allowed_mentions": {"parse": []},
           "components": [{"type": 1, "components": all}]})
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
        let plan = Plan::read("1 to make, 2 to change, 3 to delete", &extra).unwrap();
        assert_eq!(
            plan.lines(Language::English),
            [
                "1 to make, 2 to change, 3 to delete",
                "channel: make 1",
                "channel: delete 3",
                "role: change 2"
            ]
        );
        assert_eq!(plan.refusals, ["no role"]);
        assert_eq!(Plan::read("Read the backup", &json!({"roles": 3})), None);
        let task: TaskId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap();
        let user = UserId::new(1_100_000_000_000_000_010).unwrap();
        let id = button(2, "Cancel", "keep", task, user)["custom_id"].to_string();
        assert!(id.len() <= 100, "Discord takes no more: {id}");
    }
}
