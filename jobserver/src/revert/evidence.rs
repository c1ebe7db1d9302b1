//! What is known of an incident: its record, the server as it was before, and what was put back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use splashtail_antinuke::Incident;
use splashtail_antinuke::undo::{Pinned, Rebuilt};
use splashtail_core::clock::Clock;
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_guild::{Id, Kind, Subject};
use splashtail_jobs::JobError;
use splashtail_storage::{
    IncidentRow, Item, Outcome, Owner, Storage, StorageError, TaskQuery, TaskRow, TaskState,
};

use super::back;
use super::job::RevertIncident;
use super::options::Fields;
use crate::carry_out::{Before, Made, items};
use crate::packed::unpack;

/// Jobs whose ledgers are looked through for what was put back before.
const EARLIER: u32 = 50;

#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("there is no incident {0} in this server")]
    NoIncident(Id),
    #[error("the incident was written by another version of this program and cannot be read")]
    Unreadable(#[source] serde_json::Error),
    #[error("the database failed")]
    Storage(#[from] StorageError),
}

impl From<EvidenceError> for JobError {
    fn from(error: EvidenceError) -> Self {
        let message = error.to_string();
        match error {
            EvidenceError::NoIncident(_) => JobError::permanent("no_such_incident", message),
            EvidenceError::Unreadable(_) => JobError::permanent("incident_unreadable", message),
            EvidenceError::Storage(error) => {
                JobError::transient("unavailable", message).caused_by(error)
            }
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evidence {
    pub incident: Incident,
    /// Absent where the bot did not see the server before: then only what acts name comes back.
    pub pinned: Option<Pinned>,
    /// As pairs: JSON has no maps with such keys.
    rebuilt: Vec<(Kind, Id, Id)>,
}

impl Evidence {
    pub fn rebuilt(&self) -> Rebuilt {
        let pair = |(kind, old, new): &(Kind, Id, Id)| ((*kind, *old), *new);
        self.rebuilt.iter().map(pair).collect()
    }

    pub async fn read(
        storage: &Storage,
        clock: &dyn Clock,
        fields: &Fields,
        task: TaskId,
    ) -> Result<Self, EvidenceError> {
        let row = row(storage, fields.server_id, fields.incident).await?;
        let incident = serde_json::from_str(&row.document).map_err(EvidenceError::Unreadable)?;
        let store = storage.histories();
        let packed = store.pinned(fields.server_id, row.incident).await?;
        let pinned = packed.and_then(|packed| match unpack::<Pinned>(&packed) {
            Ok(pinned) => Some(pinned),
            Err(error) => {
                tracing::warn!(%error, "a pinned structure cannot be read: going on without it");
                None
            }
        });
        let rebuilt = earlier(storage, clock, fields, task).await?;
        Ok(Self {
            incident,
            pinned,
            rebuilt,
        })
    }
}

/// The incident's row.
///
/// # Errors
/// There is none.
pub async fn row(
    storage: &Storage,
    server: GuildId,
    incident: Id,
) -> Result<IncidentRow, EvidenceError> {
    let store = storage.protections();
    let row = store.incident(server, incident.get().cast_signed()).await?;
    row.ok_or(EvidenceError::NoIncident(incident))
}

/// What earlier jobs for the same incident made again, by what their ledgers say.
async fn earlier(
    storage: &Storage,
    clock: &dyn Clock,
    fields: &Fields,
    task: TaskId,
) -> Result<Vec<(Kind, Id, Id)>, EvidenceError> {
    let query = TaskQuery {
        name: Some(RevertIncident::NAME),
        ..TaskQuery::newest(Owner::Server(fields.server_id), EARLIER)
    };
    let rows = storage.tasks().list(&query, clock.now()).await?;
    let of_incident = |row: &&TaskRow| {
        row.id != task
            && row.fields["Incident"] == fields.incident.json()
            && row.state != TaskState::Pending
    };
    let (mut made, mut gone) = (Vec::new(), BTreeSet::new());
    for row in rows.iter().filter(of_incident) {
        let undoes = row.fields["Undo"].as_str();
        for item in items(storage, row.id).await? {
            match undoes {
                Some(task) => gone.extend(taken_back(task, &item)),
                None => made.extend(made_again(&row.id.to_string(), &item)),
            }
        }
    }
    // What was taken back is not there again.
    made.retain(|(effect, _)| !gone.contains(effect));
    Ok(made.into_iter().map(|(_, ids)| ids).collect())
}

/// A job, and the name of one of its effects.
type EffectOf = (String, String);

/// What an effect of a put-back made again, and what stands for it.
fn made_again(task: &str, item: &Item) -> Option<(EffectOf, (Kind, Id, Id))> {
    let before = Before::of(item)?;
    match (before.subject, Made::of(item)?.id) {
        (Some(Subject::Wanted(old)), Some(new)) => {
            let effect = (task.to_owned(), item.name.clone());
            Some((effect, (before.kind, old, new)))
        }
        _ => None,
    }
}

/// The effect that another one has taken back: one that was only planned, was refused or was left
/// has not.
fn taken_back(task: &str, item: &Item) -> Option<EffectOf> {
    if !matches!(item.outcome, Outcome::Done | Outcome::Adopted) || Made::of(item)?.is_left() {
        return None;
    }
    Some((task.to_owned(), back::undone_step(&item.name)?.to_owned()))
}
