//! Taking a put-back back: its ledger says what it made and what it replaced.

use splashtail_api_types::job_lines::Line;
use splashtail_core::ids::TaskId;
use splashtail_guild::{Effect, Mapping, Operation, Subject};
use splashtail_jobs::JobError;
use splashtail_storage::{Item, Outcome, Owner, Storage, TaskState};

use super::asks::ask;
use super::evidence::EvidenceError;
use super::job::RevertIncident;
use super::options::Fields;
use super::people::PeopleEffect;
use super::plan::RevertPlan;
use crate::carry_out::{Before, Made, items};
use crate::restore::report::NotRestored;

/// Begins the names of steps, which go on with that of what they take back.
const UNDO: &str = "undo/";

/// The way back, newest first. It is always shown before it is done.
///
/// # Errors
/// There is no such put-back, or the database fails.
pub async fn plan(
    storage: &Storage,
    clock: &dyn splashtail_core::clock::Clock,
    fields: &Fields,
    task: TaskId,
) -> Result<RevertPlan, JobError> {
    let row = storage.tasks().get(task, clock.now()).await;
    let row = row.map_err(EvidenceError::Storage)?.filter(|row| {
        row.owner == Owner::Server(fields.server_id)
            && row.name == RevertIncident::NAME
            && row.fields["Incident"] == fields.incident.json()
            && matches!(row.state, TaskState::Completed | TaskState::Failed)
    });
    if row.is_none() {
        let message = format!("there is no put-back {task} of this incident");
        return Err(JobError::permanent("no_such_put_back", message));
    }
    let mut items = items(storage, task).await.map_err(EvidenceError::Storage)?;
    items.reverse();
    let mut plan = RevertPlan {
        hash: String::new(),
        effects: Vec::new(),
        mapping: Mapping::default(),
        people: Vec::new(),
        left: Vec::new(),
        asks: vec![ask(Line::AskUndo, None)],
    };
    for item in &items {
        add(&mut plan, item);
    }
    plan.hash = plan.digest();
    Ok(plan)
}

/// The name of the effect that a step takes back.
pub fn undone_step(step: &str) -> Option<&str> {
    let (name, _) = step.strip_prefix(UNDO)?.rsplit_once('/')?;
    Some(name)
}

fn add(plan: &mut RevertPlan, item: &Item) {
    if !matches!(item.outcome, Outcome::Done | Outcome::Adopted) {
        return;
    }
    let made = item.after.as_deref().map(serde_json::from_str::<Made>);
    let Some(Ok(made)) = made.filter(|made| {
        made.as_ref()
            .is_ok_and(|m| m.how != "unchanged" && !m.is_left())
    }) else {
        return;
    };
    if let Ok(before) = serde_json::from_value::<Before>(item.before.clone()) {
        let kind = before.kind;
        let operations = match made.id.filter(|_| before.creates) {
            Some(id) => vec![Operation::Delete {
                kind,
                subject: Subject::Live(id),
            }],
            None => before.inverse,
        };
        for (at, operation) in operations.into_iter().enumerate() {
            plan.effects.push(Effect {
                step: format!("{UNDO}{}/{at}", item.name),
                operation,
                needs: 0,
                inverse: Vec::new(),
            });
        }
    } else if let Ok(effect) = serde_json::from_value::<PeopleEffect>(item.before.clone()) {
        match effect.inverse() {
            Some(inverse) => plan.people.push(inverse),
            None if made.how.starts_with("left:") => {}
            None => plan.left.push(NotRestored {
                kind: effect.sort().0.to_owned(),
                id: effect.target().map(|id| id.to_string()),
                name: String::new(),
                fields: Vec::new(),
                code: "gone".to_owned(),
                why: "it was deleted, and nobody can bring it back".to_owned(),
            }),
        }
    }
}
