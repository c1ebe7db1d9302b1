//! What happens to requests without anybody pressing.

use std::sync::Arc;
use std::time::Duration;

use splashtail_core::telemetry::Chain;
use splashtail_storage::{RequestState, StorageError};
use tracing::warn;

use super::desk::Desk;

const LOOK: Duration = Duration::from_secs(5);
/// Requests of one look; the rest waits for the next.
const BATCH: u32 = 50;

impl Desk {
    /// Ends what nobody agreed to in time, goes on with what was left undone.
    /// Never ends.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            if let Err(error) = self.look().await {
                warn!(error = %Chain(&error), "requests were not looked at");
            }
            self.clock.sleep(LOOK).await;
        }
    }

    /// One look, by whichever cluster: each request moves once.
    pub(super) async fn look(&self) -> Result<(), StorageError> {
        let store = self.storage.guarded();
        for request in store.due(self.now(), BATCH).await? {
            if request.state == RequestState::Open {
                self.expire(&request).await?;
            } else if let Some(seen) = request.run_until
                && store.take_over(request.id, seen, self.turn()).await?
            {
                self.perform(&request).await?;
            }
        }
        Ok(())
    }
}
