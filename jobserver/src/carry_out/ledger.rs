//! What an effect leaves in the ledger of its job.

use serde::{Deserialize, Serialize};
use splashtail_core::ids::TaskId;
use splashtail_guild::{Id, Kind, Mapping, Operation, Subject};
use splashtail_storage::{Item, Outcome, Storage, StorageError};

use super::guard::Objection;

/// Items that are read at once.
const PAGE: u32 = 500;

/// What the ledger keeps of the state before an effect: enough to take it back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Before {
    pub kind: Kind,
    /// What it makes is taken back by deleting it.
    pub creates: bool,
    /// What it makes stands for this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    pub inverse: Vec<Operation>,
}

impl Before {
    pub fn of(item: &Item) -> Option<Self> {
        serde_json::from_value(item.before.clone()).ok()
    }
}

/// What the ledger keeps of an effect's result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    /// Of a new object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Of a new invite, which has no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub how: String,
}

impl Made {
    pub fn of(item: &Item) -> Option<Self> {
        serde_json::from_str(item.after.as_deref()?).ok()
    }

    /// Nothing was done, on purpose.
    pub fn left(objection: &Objection) -> Self {
        Self {
            id: None,
            code: None,
            how: format!("left:{}:{}", objection.code, objection.why),
        }
    }

    pub fn is_left(&self) -> bool {
        self.how.starts_with("left:")
    }

    /// Code and text of why nothing was done.
    pub fn why_left(&self) -> Option<(&str, &str)> {
        self.how.strip_prefix("left:")?.split_once(':')
    }
}

/// Something new stands for a subject.
pub(super) fn made(mapping: &mut Mapping, kind: Kind, subject: Subject, id: Id) {
    match subject {
        Subject::Wanted(wanted) => mapping.insert(kind, wanted, id),
        Subject::Live(old) => mapping.renew(kind, old, id),
    }
}

/// Adds to the pairs of a plan what the job made so far.
pub fn add_made(mapping: &mut Mapping, items: &[Item]) {
    for item in items
        .iter()
        .filter(|item| item.outcome != Outcome::Intended)
    {
        let (before, after) = (Before::of(item), Made::of(item));
        let id = after.and_then(|made| made.id);
        if let (Some(before), Some(id)) = (before.filter(|before| before.creates), id)
            && let Some(subject) = before.subject
        {
            made(mapping, before.kind, subject, id);
        }
    }
}

/// A job's whole ledger, oldest first.
///
/// # Errors
/// The database fails.
pub async fn items(storage: &Storage, task: TaskId) -> Result<Vec<Item>, StorageError> {
    let mut all: Vec<Item> = Vec::new();
    loop {
        let after = all.last().map_or(0, |item| item.seq);
        let page = storage.ledger().items(task, after, PAGE).await?;
        let whole = page.len() < PAGE as usize;
        all.extend(page);
        if whole {
            return Ok(all);
        }
    }
}
