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

use crate::http::NotReady;
use crate::redis::RedisFault;

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("the cache address is not valid")]
    Address(#[source] ::redis::RedisError),
    #[error(transparent)]
    Redis(#[from] RedisFault),
    #[error("this process remembers as many keys as it may: try again in a minute")]
    Full,
}

impl CacheError {
    /// Whether the same question may have an answer later, without anybody changing this process or
    /// its configuration.
    pub fn passes(&self) -> bool {
        match self {
            Self::Address(_) => false,
            Self::Redis(fault) => fault.is_outage(),
            Self::Full => true,
        }
    }
}

impl From<CacheError> for NotReady {
    fn from(error: CacheError) -> Self {
        Self::of(error)
    }
}

/// The state of a fixed window after one more event was counted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub count: u64,
    /// Time until the window ends and counting starts anew.
    pub resets_in: Duration,
}

/// A claim, and how far back the cache can say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub first: bool,
    /// Whole seconds UTC by the clock of the cache: claims of this second and earlier ones may be
    /// forgotten.
    pub since: i64,
    /// Time since then.
    pub age: Duration,
}

#[async_trait]
pub trait Cache: Send + Sync + Debug {
    async fn get(&self, key: &str) -> Result<Option<String>, CacheError>;

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheError>;

    /// `true` for exactly one of several concurrent callers while the key lives, also for one
    /// whose first answer was lost.
    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, CacheError>;

    /// [`claim`](Self::claim) that also says since when claims are remembered: since this process
    /// or the cache started, was emptied, or took over from another one.
    async fn claim_dated(&self, key: &str, ttl: Duration) -> Result<Claim, CacheError>;

    /// Reads and removes: of several concurrent callers one gets the value.
    async fn take(&self, key: &str) -> Result<Option<String>, CacheError>;

    /// Counts one event. The first one opens a window; later ones do not extend it. An event whose
    /// answer was lost may count twice, never not at all.
    async fn incr_window(&self, key: &str, window: Duration) -> Result<Window, CacheError>;

    /// Whether keys can be written now, for health checks.
    ///
    /// # Errors
    /// What is the matter.
    async fn check(&self) -> Result<(), CacheError>;
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
