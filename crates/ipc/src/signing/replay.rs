//! Nonces that were used already.

use std::sync::Arc;
use std::time::Duration;

use splashtail_core::clock::SharedClock;

use super::{NONCE_MEMORY, WINDOW};
use crate::cache::{Cache, CacheError, MemoryCache};

/// Remembers nonces for two minutes, in this process or, for replicas behind one address, in the
/// cache they share. When it can hold no more, calls are refused instead of nonces forgotten.
///
/// A signature outlives what the memory may have lost: a predecessor of this process may have taken
/// the call already, or a Redis that started again or took over without its last writes. So a
/// signature made before the memory begins, by the caller's clock, is answered with a request to
/// sign again. The exact moment cannot be told, signatures carry whole seconds: a whole second is
/// refused rather than one call taken twice. A caller whose clock is behind by some seconds waits
/// that much longer after each start; one whose clock is ahead by some seconds could have its calls
/// of as many seconds before the start repeated, which is why hosts keep their clocks in step.
#[derive(Debug, Clone)]
pub struct ReplayCache(Arc<dyn Cache>);

/// What is known of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    First,
    Again,
    /// It may be a repetition. After so many seconds nothing that was signed then still passes.
    Forgotten {
        wait_s: u64,
    },
}

/// A signature is taken until its time has passed by [`WINDOW`] and may be made as far ahead: after
/// that no call of a predecessor is left.
pub(super) const PREDECESSOR: Duration = Duration::from_secs(2 * WINDOW.as_secs() + 1);

impl ReplayCache {
    /// For a daemon that runs once.
    pub fn local(clock: SharedClock) -> Self {
        Self::new(Arc::new(MemoryCache::new(clock)))
    }

    /// In the given cache; for replicas it has to be one that they share.
    pub fn new(cache: Arc<dyn Cache>) -> Self {
        Self(cache)
    }

    /// Whether the client used the nonce before, in a signature made at `created`. Ask only after
    /// the signature proved good: strangers must not be able to fill the memory.
    pub(super) async fn note(
        &self,
        tag: &str,
        client: &str,
        nonce: &str,
        created: i64,
    ) -> Result<Use, CacheError> {
        let key = format!("nonce:{tag}:{client}:{nonce}");
        let claim = self.0.claim_dated(&key, NONCE_MEMORY).await?;
        if created <= claim.since && claim.age < PREDECESSOR {
            let wait_s = claim.since.abs_diff(created).saturating_add(1);
            return Ok(Use::Forgotten { wait_s });
        }
        Ok(match claim.first {
            true => Use::First,
            false => Use::Again,
        })
    }
}
