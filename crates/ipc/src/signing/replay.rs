//! Nonces that were used already.

use std::sync::Arc;
use std::time::Duration;

use splashtail_core::clock::SharedClock;

use super::{NONCE_MEMORY, WINDOW};
use crate::cache::{Cache, CacheError, MemoryCache};

/// Remembers nonces for two minutes, in this process or, for replicas behind one address, in the
/// cache they share. When it can hold no more, calls are refused instead of nonces forgotten.
///
/// What this process remembers begins with its start, while a signature outlives it: the
/// predecessor may have taken the call already. So a signature made before the start, by the
/// caller's clock, is answered with a request to sign again. The exact moment cannot be told,
/// signatures carry whole seconds: a whole second is refused rather than one call taken twice.
/// A caller whose clock is behind by some seconds waits that much longer after each start; one
/// whose clock is ahead by some seconds could have its calls of as many seconds before the start
/// repeated, which is why hosts keep their clocks in step. The shared cache has no such gap.
#[derive(Debug, Clone)]
pub struct ReplayCache {
    cache: Arc<dyn Cache>,
    /// `None` where the memory outlives the process.
    began: Option<Began>,
}

#[derive(Debug, Clone)]
struct Began {
    /// Whole seconds, as in signatures.
    at: i64,
    monotonic: Duration,
    clock: SharedClock,
}

/// A signature is taken until its time has passed by [`WINDOW`] and may be made as far ahead: after
/// that no call of a predecessor is left.
pub(super) const PREDECESSOR: Duration = Duration::from_secs(2 * WINDOW.as_secs() + 1);

impl ReplayCache {
    /// For a daemon that runs once.
    pub fn local(clock: SharedClock) -> Self {
        Self::new(Arc::new(MemoryCache::new(Arc::clone(&clock))), clock)
    }

    /// In the given cache; for replicas it has to be one that they share.
    pub fn new(cache: Arc<dyn Cache>, clock: SharedClock) -> Self {
        let began = Began {
            at: clock.now().timestamp(),
            monotonic: clock.monotonic(),
            clock,
        };
        Self {
            began: (!cache.outlives_process()).then_some(began),
            cache,
        }
    }

    /// For how many seconds more a signature made at `created` is one that a predecessor may have
    /// taken.
    pub(super) fn before_memory(&self, created: i64) -> Option<u64> {
        let began = self.began.as_ref()?;
        let age = began.clock.monotonic().saturating_sub(began.monotonic);
        if created > began.at || age >= PREDECESSOR {
            return None;
        }
        Some(began.at.abs_diff(created).saturating_add(1))
    }

    /// `false` when the client used the nonce before. Ask only after the signature proved good:
    /// strangers must not be able to fill the memory.
    pub(super) async fn first_use(
        &self,
        tag: &str,
        client: &str,
        nonce: &str,
    ) -> Result<bool, CacheError> {
        let key = format!("nonce:{tag}:{client}:{nonce}");
        self.cache.claim(&key, NONCE_MEMORY).await
    }
}
