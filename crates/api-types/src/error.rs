use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every answer that is not a success, from every daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// Stable and meant for programs, for example `not_found`.
    #[schema(example = "not_found")]
    pub code: String,
    /// Meant for people; may change at any time.
    #[schema(example = "there is no such task")]
    pub message: String,
    /// Details by name: for invalid input, the problem of each field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<BTreeMap<String, String>>,
}

impl ErrorBody {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            context: None,
        }
    }

    #[must_use]
    pub fn with_context(mut self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        self.context
            .get_or_insert_default()
            .insert(name.into(), detail.into());
        self
    }
}
