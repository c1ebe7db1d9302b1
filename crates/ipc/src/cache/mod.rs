//! Short-lived keys and counters, in this process or in Redis.
//!
//! The in-process form is seen by one process only: two webservers or jobservers need Redis.

mod memory;
mod redis;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use splashtail_core::clock::SharedClock;
use splashtail_core::config::BusTarget;

pub use memory::MemoryCache;

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("the cache address is not valid")]
    Address(#[source] ::redis::RedisError),
    #[error("the cache failed")]
    Redis(#[from] ::redis::RedisError),
    #[error("the cache is full")]
    Full,
}

/// The state of a fixed window after one more event was counted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub count: u64,
    /// Time until the window ends and counting starts anew.
    pub resets_in: Duration,
}

#[async_trait]
pub trait Cache: Send + Sync + Debug {
    async fn get(&self, key: &str) -> Result<Option<String>, CacheError>;

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheError>;

    /// `true` for exactly one of several concurrent callers while the key lives.
    async fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheError>;

    /// Reads and removes: of several concurrent callers one gets the value.
    async fn take(&self, key: &str) -> Result<Option<String>, CacheError>;

    /// Counts one event. The first one opens a window; later ones do not extend it.
    async fn incr_window(&self, key: &str, window: Duration) -> Result<Window, CacheError>;
}

/// The cache that belongs to a bus: in-process beside the hub, else the same Redis.
///
/// Needs a running tokio runtime. Does not wait for Redis.
///
/// # Errors
/// [`CacheError::Address`]: the Redis URL cannot be parsed.
pub fn connect(target: &BusTarget, clock: SharedClock) -> Result<Arc<dyn Cache>, CacheError> {
    Ok(match target {
        BusTarget::Hub(_) => Arc::new(MemoryCache::new(clock)),
        BusTarget::Redis(url) => Arc::new(redis::RedisCache::new(url)?),
    })
}
