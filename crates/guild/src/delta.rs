use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Id, Kind};

/// What one event changed, or what lies between two snapshots. Small beside a snapshot: a history is
/// one snapshot and the deltas since.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delta(Vec<Change>);

/// One object that came, went or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub kind: Kind,
    pub id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Arc<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Arc<Value>>,
}

impl Delta {
    pub fn changes(&self) -> &[Change] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let back = self.0.iter().rev().map(|change| Change {
            kind: change.kind,
            id: change.id,
            before: change.after.clone(),
            after: change.before.clone(),
        });
        Self(back.collect())
    }

    pub(crate) fn push(
        &mut self,
        kind: Kind,
        id: Id,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        if before != after {
            self.0.push(Change {
                kind,
                id,
                before,
                after,
            });
        }
    }
}
