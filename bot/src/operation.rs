//! What more than one person has to agree to.

use async_trait::async_trait;
use splashtail_storage::GuardedRequest;

use crate::catalogue::Language;

/// Something that is only done when it was agreed to. A module declares those of its feature.
#[async_trait]
pub trait Operation: Send + Sync {
    /// Never changes: rows name it.
    fn id(&self) -> &'static str;

    /// In words: `Restore a backup`.
    fn name(&self, language: Language) -> String;

    /// Does what was agreed to, unless it would not do any more what the request's digest stands for.
    /// It is called again when nobody knows whether it was done, and must have its effect once.
    /// `language` is that of the server.
    async fn perform(&self, request: &GuardedRequest, language: Language) -> Performed;

    /// It will never be done.
    async fn dropped(&self, _request: &GuardedRequest) {}
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Performed {
    /// Done, or under way for certain; in words.
    Done(String),
    /// It cannot be done; why, in words.
    Failed(String),
    /// Something is away. It is tried again.
    Later,
}
