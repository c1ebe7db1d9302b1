//! A last look before an effect: a plan may have waited for days.

use async_trait::async_trait;
use splashtail_guild::Operation;
use splashtail_jobs::JobError;

/// Why an effect is left to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Stable, for machines; without a colon.
    pub code: &'static str,
    /// For people.
    pub why: &'static str,
}

/// What may object to an effect that is about to be made.
#[async_trait]
pub trait Guard: Send + Sync {
    /// The operation is resolved: its subject is a live one.
    ///
    /// # Errors
    /// Nobody can be asked now.
    async fn objection(&self, operation: &Operation) -> Result<Option<Objection>, JobError>;
}
