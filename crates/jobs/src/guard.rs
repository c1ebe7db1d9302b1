//! Who may order what changes a server.

use async_trait::async_trait;
use splashtail_storage::Owner;

use crate::error::EngineError;

/// Asked about every order whose run would change a server ([`crate::Job::changes_server`]): when it
/// is made, when it is started later, and when it is to come again.
#[async_trait]
pub trait Guard: Send + Sync + 'static {
    /// `client`: who orders; `job`: the kind.
    ///
    /// # Errors
    /// [`EngineError::Guarded`]: not on this client's word alone.
    async fn admit(&self, client: &str, job: &str, owner: Owner) -> Result<(), EngineError>;
}
