//! Looks for what is due, one after another for as long as the process runs.

use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_core::telemetry::Chain;
use splashtail_storage::StorageError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Finds what is due and begins it.
pub trait Looks {
    /// What was not seen to, when a look fails.
    const WHAT: &'static str;

    /// Begins what is due, in `under_way`, as far as there is room.
    fn look(
        &self,
        under_way: &mut JoinSet<()>,
    ) -> impl Future<Output = Result<(), StorageError>> + Send;
}

/// Looks every `rest`, and sooner when something has ended and there is room, until the shutdown. What is under
/// way then is dropped. A failure is told once, until a look succeeds again.
pub async fn see_to<L: Looks>(
    looks: L,
    clock: SharedClock,
    rest: Duration,
    shutdown: CancellationToken,
) {
    let all = async {
        let mut under_way = JoinSet::new();
        let mut fails = false;
        loop {
            match looks.look(&mut under_way).await {
                Ok(()) => fails = false,
                Err(error) if !fails => {
                    fails = true;
                    warn!(error = %Chain(&error), what = L::WHAT, "what is due was not seen to");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = clock.sleep(rest) => {}
                Some(_) = under_way.join_next() => {}
            }
        }
    };
    let _ = shutdown.run_until_cancelled(all).await;
}
