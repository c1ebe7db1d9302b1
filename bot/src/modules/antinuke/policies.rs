//! Policies of servers, as they are written down.

use std::sync::Arc;

use async_trait::async_trait;
use splashtail_antinuke::Policy;
use splashtail_core::ids::GuildId;
use splashtail_storage::{Snapshot, Storage, StorageError};

use super::policy::{self, Unreadable};
use crate::inputs::Source;

/// A policy, or why it cannot be followed.
pub(super) type Written = Result<Arc<Policy>, Unreadable>;

pub(super) struct StoredPolicies(pub(super) Storage);

#[async_trait]
impl Source<Written> for StoredPolicies {
    async fn load(&self, guild: GuildId) -> Result<(i64, Written), StorageError> {
        let Snapshot { version, rows } = self.0.settings().read(guild, None).await?;
        Ok((version, policy::read(&rows).map(Arc::new)))
    }
}
