//! What nobody needs any more, of all tables: how long it is kept, and how it goes.

use std::time::Duration;

use futures_util::future::BoxFuture;
use splashtail_core::telemetry::Chain;
use splashtail_storage::{PURGED_AT_ONCE, Storage, StorageError};

use crate::deadline::{CallError, within};
use crate::engine::Engine;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Statements of one look and table. What is left waits for the next.
const BATCHES: u32 = 20;

/// Rows that end with their time.
struct Old {
    what: &'static str,
    /// At most [`PURGED_AT_ONCE`] of them; how many.
    delete: for<'a> fn(&'a Storage) -> BoxFuture<'a, Result<u64, StorageError>>,
}

/// By the database's clock: a host that is ahead deletes nothing.
const OLD: [Old; 12] = [
    Old {
        what: "expired tokens",
        delete: |storage| storage.tokens().purge(),
    },
    Old {
        what: "Discord's tokens of people without a session",
        delete: |storage| storage.accounts().forget_grants(),
    },
    Old {
        what: "events",
        // For so long whoever follows a server can be away and miss nothing.
        delete: |storage| storage.events().forget(DAY),
    },
    Old {
        what: "messages of webhooks",
        delete: |storage| storage.webhooks().purge_messages(DAY * 30),
    },
    Old {
        what: "what was told of repositories",
        delete: |storage| storage.gitlogs().purge_deliveries(DAY * 30),
    },
    Old {
        what: "incidents",
        delete: |storage| storage.protections().purge_incidents(DAY * 90),
    },
    Old {
        what: "lockdowns that are over",
        delete: |storage| storage.lockdowns().purge_lockdowns(DAY * 90),
    },
    Old {
        what: "waves of newcomers",
        delete: |storage| storage.raids().purge_waves(DAY * 90),
    },
    Old {
        what: "what is usual in servers to which nobody comes",
        // Joins of longer ago are no history.
        delete: |storage| storage.raids().purge_habits(DAY * 90),
    },
    Old {
        what: "structures of incidents",
        delete: |storage| storage.histories().purge_pins(DAY * 90),
    },
    Old {
        what: "profiles of people",
        delete: |storage| storage.profiles().purge_profiles(DAY * 90),
    },
    Old {
        what: "requests that ended",
        delete: |storage| storage.guarded().purge(DAY * 90),
    },
];

/// A table that cannot be read keeps no other from its turn.
pub(crate) async fn delete(engine: &Engine) {
    for old in &OLD {
        if let Err(error) = old.delete(engine).await {
            tracing::warn!(error = %Chain(&error), "old rows stay for now: {}", old.what);
        }
    }
}

impl Old {
    async fn delete(&self, engine: &Engine) -> Result<(), CallError> {
        let (storage, timing) = (&engine.inner.storage, engine.inner.timing);
        for _ in 0..BATCHES {
            let delete = (self.delete)(storage);
            if within(timing.deadline, delete).await? < u64::from(PURGED_AT_ONCE) {
                break;
            }
        }
        Ok(())
    }
}
