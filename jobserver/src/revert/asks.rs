//! What is shown to a person before it is done.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_antinuke::{Incident, IncidentKind, bits};
use splashtail_api_types::job_lines::Line;
use splashtail_discord::snowflake::{array, bit_set, id};
use splashtail_guild::{Id, Kind, Operation, Structure};

use super::people::PeopleEffect;
use super::plan::{RevertPlan, verb};
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::carry_out::kind_of;

const MOST_OBJECTS: usize = 25;
const MOST_UNBANS: usize = 50;
/// Others than the attackers wrote in what is deleted.
pub const FOREIGN_CONTENT: &str = "foreign_content";
/// Channels that are looked into for what others posted.
const LOOKED_INTO: usize = 25;

/// A reason to ask first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Stable, for machines.
    pub code: String,
    /// For people.
    pub text: String,
    /// What fills the same sentence in another language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// The code of a line is that of the reason, with a word before it.
pub(super) fn ask(line: Line, about: Option<String>) -> Ask {
    let code = line.code();
    let values = about
        .clone()
        .map(|about| ("about".to_owned(), Value::from(about)));
    Ask {
        code: code.strip_prefix("ask_").unwrap_or(code).to_owned(),
        text: line.say(&values.into_iter().collect()),
        about,
    }
}

/// Reasons that the plan itself has.
pub fn of(plan: &RevertPlan, incident: &Incident, now: &Structure) -> Vec<Ask> {
    let mut asks = Vec::new();
    let objects = plan.effects.iter();
    let objects = objects.filter(|e| verb(&e.operation) != "sort").count();
    if objects > MOST_OBJECTS {
        asks.push(ask(Line::AskManyObjects, Some(objects.to_string())));
    }
    let unbans = plan.people.iter();
    let unbans = unbans
        .filter(|e| matches!(e, PeopleEffect::LiftBan { .. }))
        .count();
    if unbans > MOST_UNBANS {
        asks.push(ask(Line::AskManyBans, Some(unbans.to_string())));
    }
    if matches!(
        incident.kind,
        IncidentKind::Unattributed | IncidentKind::SelfToken
    ) {
        asks.push(ask(Line::AskUnattributed, None));
    }
    if plan.effects.iter().any(|e| grants_power(&e.operation, now)) {
        asks.push(ask(Line::AskDangerous, None));
    }
    let everyone = now.id();
    let about_everyone = |operation: &Operation| match operation {
        Operation::Edit { kind, subject, .. } => {
            *kind == Kind::Role && subject.resolved(Kind::Role, &plan.mapping) == Some(everyone)
        }
        _ => false,
    };
    if plan.effects.iter().any(|e| about_everyone(&e.operation)) {
        asks.push(ask(Line::AskEveryone, None));
    }
    asks
}

fn grants_power(operation: &Operation, now: &Structure) -> bool {
    match operation {
        Operation::Create { kind, body, .. } if *kind == Kind::Role => {
            body.get("permissions").map_or(0, bit_set) & bits::POWER != 0
        }
        Operation::Edit {
            kind,
            subject,
            body,
        } if *kind == Kind::Role => {
            let (splashtail_guild::Subject::Live(id) | splashtail_guild::Subject::Wanted(id)) =
                *subject;
            let had = now.get(Kind::Role, id);
            let had = had.map_or(0, |role| bit_set(&role["permissions"]));
            let gets = body.get("permissions").map_or(had, bit_set);
            gets & !had & bits::POWER != 0
        }
        Operation::PutOverwrite { overwrite, .. } => {
            bit_set(&overwrite["allow"]) & bits::POWER != 0
        }
        _ => false,
    }
}

/// Whether others than the attackers wrote in channels that are deleted.
///
/// # Errors
/// Discord cannot be asked now.
pub async fn foreign_posts(
    plan: &RevertPlan,
    incident: &Incident,
    now: &Structure,
    source: Source<'_>,
) -> Result<Option<Ask>, BackupError> {
    let doomed = plan
        .effects
        .iter()
        .filter_map(|effect| match &effect.operation {
            Operation::Delete { subject, .. } if kind_of(&effect.operation) == Kind::Channel => {
                subject.resolved(Kind::Channel, &plan.mapping)
            }
            _ => None,
        });
    let written = |id: &Id| {
        let channel = now.get(Kind::Channel, *id);
        channel.is_some_and(|channel| channel["last_message_id"].is_string())
    };
    for channel in doomed.filter(written).take(LOOKED_INTO) {
        let path = format!("/channels/{channel}/messages");
        let query = [("limit", "50".to_owned())];
        let doing = "reading what was posted in a channel that is to be deleted";
        let messages = match source.list(doing, &path, &query).await {
            Ok(messages) => messages,
            Err(error) if error.verdict() == Verdict::Refused => continue,
            Err(error) => return Err(error),
        };
        let foreign = messages.iter().any(|message| {
            let author = id(&message["author"]["id"]).map(Id::new);
            let person = message["webhook_id"].is_null();
            person && author.is_some_and(|author| incident.suspect(author).is_none())
        });
        if foreign {
            let name = now.get(Kind::Channel, channel);
            let name = name.and_then(|c| c["name"].as_str()).unwrap_or_default();
            return Ok(Some(ask(Line::AskForeign, Some(format!("#{name}")))));
        }
    }
    Ok(None)
}

/// Whose ban was set anew by somebody else since: it stays.
///
/// # Errors
/// Discord cannot be asked now.
pub async fn banned_again(
    plan: &RevertPlan,
    incident: &Incident,
    guild: Id,
    source: Source<'_>,
) -> Result<Vec<Id>, BackupError> {
    const BAN: &str = "22";
    const PAGE: usize = 100;
    const PAGES: usize = 10;
    let lifted: std::collections::BTreeMap<Id, u64> = plan
        .people
        .iter()
        .filter_map(|effect| match effect {
            PeopleEffect::LiftBan { user, at } => Some((*user, at.id().get())),
            _ => None,
        })
        .collect();
    let Some(first) = lifted.values().min() else {
        return Ok(Vec::new());
    };
    let (mut after, mut again) = (*first, Vec::new());
    for _ in 0..PAGES {
        let path = format!("/guilds/{guild}/audit-logs");
        let query = [
            ("action_type", BAN.to_owned()),
            ("after", after.to_string()),
            ("limit", PAGE.to_string()),
        ];
        let doing = "reading who banned whom since";
        let page = match source.object(doing, &path, &query).await {
            Ok(page) => page,
            Err(error) if error.verdict() == Verdict::Refused => break,
            Err(error) => return Err(error),
        };
        let entries = array(&page["audit_log_entries"]);
        for entry in entries {
            let (Some(at), Some(target)) = (id(&entry["id"]), id(&entry["target_id"])) else {
                continue;
            };
            after = after.max(at);
            let later = lifted
                .get(&Id::new(target))
                .is_some_and(|banned| at > *banned);
            let by = id(&entry["user_id"]).map(Id::new);
            let other = by.is_some_and(|by| incident.suspect(by).is_none());
            if later && other {
                again.push(Id::new(target));
            }
        }
        if entries.len() < PAGE {
            break;
        }
    }
    Ok(again)
}
