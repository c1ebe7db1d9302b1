//! Nonces that were used already.

use std::sync::Arc;

use splashtail_core::clock::SharedClock;

use super::NONCE_MEMORY;
use crate::cache::{Cache, CacheError, MemoryCache};

/// Remembers nonces for two minutes, in this process or, for replicas behind one address, in the
/// cache they share. When it can hold no more, calls are refused instead of nonces forgotten.
#[derive(Debug, Clone)]
pub struct ReplayCache {
    cache: Arc<dyn Cache>,
}

impl ReplayCache {
    /// For a daemon that runs once.
    pub fn local(clock: SharedClock) -> Self {
        Self {
            cache: Arc::new(MemoryCache::new(clock)),
        }
    }

    /// For replicas.
    pub fn shared(cache: Arc<dyn Cache>) -> Self {
        Self { cache }
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
        self.cache.set_if_absent(&key, "", NONCE_MEMORY).await
    }
}
