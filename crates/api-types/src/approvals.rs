//! What is done only when a second trusted person agrees.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    #[schema(value_type = Uuid)]
    pub id: String,
    /// What kind of thing is to be done.
    pub operation: String,
    /// What it would do, line by line, the worst first.
    pub summary: Vec<String>,
    /// A user.
    pub asked_by: String,
    pub asked_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// `open`, or what became of it.
    pub state: String,
    /// For people.
    pub outcome: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    /// Oldest first.
    pub answers: Vec<ApprovalAnswer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalAnswer {
    pub user: String,
    /// `agree`, `refuse` or `withdraw`.
    pub answer: String,
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalList {
    /// Newest first.
    pub approvals: Vec<Approval>,
}

/// Somebody's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalWord {
    Agree,
    Refuse,
    /// For whoever asked, and the owner.
    Withdraw,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalOrder {
    pub answer: ApprovalWord,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalHeard {
    /// For people: what came of it, or why the word does not count.
    pub message: String,
    /// As it is now; absent for who may not look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}
