//! The cache shared by processes.

use std::sync::LazyLock;
use std::time::Duration;

use ::redis::aio::ConnectionManager;
use ::redis::{Client, Script};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{Cache, CacheError, Window};
use crate::bus::connection_manager;

/// Counts and starts the window in one step, so that a crash in between cannot leave a counter
/// that never ends. A counter without end, whoever made it, gets one too.
static INCR_WINDOW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {count, left}",
    )
});

pub(super) struct RedisCache {
    connection: ConnectionManager,
}

impl std::fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisCache")
    }
}

impl RedisCache {
    pub(super) fn new(url: &SecretString) -> Result<Self, CacheError> {
        let client = Client::open(url.expose_secret()).map_err(CacheError::Address)?;
        Ok(Self {
            connection: connection_manager(client).map_err(CacheError::Address)?,
        })
    }
}

/// Redis takes no zero.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        Ok(::redis::cmd("GET")
            .arg(key)
            .query_async(&mut self.connection.clone())
            .await?)
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheError> {
        let mut command = ::redis::cmd("SET");
        command.arg(key).arg(value).arg("PX").arg(milliseconds(ttl));
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    async fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheError> {
        let mut command = ::redis::cmd("SET");
        command
            .arg(key)
            .arg(value)
            .arg("NX")
            .arg("PX")
            .arg(milliseconds(ttl));
        let set: Option<String> = command.query_async(&mut self.connection.clone()).await?;
        Ok(set.is_some())
    }

    async fn take(&self, key: &str) -> Result<Option<String>, CacheError> {
        Ok(::redis::cmd("GETDEL")
            .arg(key)
            .query_async(&mut self.connection.clone())
            .await?)
    }

    async fn incr_window(&self, key: &str, window: Duration) -> Result<Window, CacheError> {
        let mut invocation = INCR_WINDOW.key(key);
        invocation.arg(milliseconds(window));
        let (count, left) = invocation
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(Window {
            count,
            resets_in: Duration::from_millis(left),
        })
    }
}
