//! The cache shared by processes.
//!
//! A command whose connection broke may have been carried out: it is repeated, so every command
//! here can be, some because they name their call.

use std::sync::LazyLock;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, Script};
use async_trait::async_trait;
use secrecy::SecretString;

use super::{Cache, CacheError, Claim, Window};
use crate::redis::RedisLink;

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

/// The claimant knows its own claim by the mark it left.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local mark = redis.call('GET', KEYS[1])
if mark then
  return mark == ARGV[1] and 1 or 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1",
    )
});

/// A Redis that starts again may have lost its last writes, one that was promoted may never have
/// got them, and one that was emptied has none: the memory begins with the first claim of the
/// running server, which a restored marker of another run does not know. Only a marker that lies
/// in the future by more than a signature may is one of a clock that was set back.
static CLAIM_DATED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local now = tonumber(redis.call('TIME')[1])
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown'
local known, since = string.match(redis.call('GET', KEYS[2]) or '', '^(%w+) (%d+)$')
since = tonumber(since or '')
if known ~= run or not since or since > now + tonumber(ARGV[2]) / 1000 then
  since = now
  redis.call('SET', KEYS[2], run .. ' ' .. now)
end
local mark = redis.call('GET', KEYS[1])
local first = 1
if mark then
  first = mark == ARGV[1] and 1 or 0
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return {first, since, math.max(now - since, 0)}",
    )
});
/// Since when claims are remembered, and by which run of Redis.
const SINCE: &str = "claims:since";

/// What a call took is kept for a moment under the call's own name, should it have to ask again.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"local taken = redis.call('GET', KEYS[2])
if taken then
  return taken
end
taken = redis.call('GETDEL', KEYS[1])
if taken then
  redis.call('SET', KEYS[2], taken, 'PX', ARGV[1])
end
return taken",
    )
});
/// Longer than a call is repeated.
const TAKEN_KEPT: Duration = Duration::from_secs(10);

pub(super) struct RedisCache {
    link: RedisLink,
}

impl std::fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisCache")
    }
}

impl RedisCache {
    pub(super) fn new(url: &SecretString) -> Result<Self, CacheError> {
        let link = RedisLink::new(url).map_err(CacheError::Address)?;
        Ok(Self { link })
    }

    async fn command<T: FromRedisValue + Send>(&self, command: &Cmd) -> Result<T, CacheError> {
        let run = |mut connection: MultiplexedConnection| async move {
            command.query_async(&mut connection).await
        };
        Ok(self.link.ask(run).await?)
    }

    async fn script<T: FromRedisValue + Send>(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<T, CacheError> {
        let run = |mut connection: MultiplexedConnection| async move {
            let mut invocation = script.prepare_invoke();
            for key in keys {
                invocation.key(*key);
            }
            for argument in arguments {
                invocation.arg(*argument);
            }
            invocation.invoke_async(&mut connection).await
        };
        Ok(self.link.ask(run).await?)
    }
}

/// Redis takes no zero.
fn milliseconds(duration: Duration) -> String {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
        .to_string()
}

/// A name for one call.
fn call() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<String>, CacheError> {
        self.command(::redis::cmd("GET").arg(key)).await
    }

    async fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheError> {
        let mut command = ::redis::cmd("SET");
        command.arg(key).arg(value).arg("PX").arg(milliseconds(ttl));
        self.command(&command).await
    }

    async fn claim(&self, key: &str, ttl: Duration) -> Result<bool, CacheError> {
        self.script(&CLAIM, &[key], &[&call(), &milliseconds(ttl)])
            .await
    }

    async fn claim_dated(&self, key: &str, ttl: Duration) -> Result<Claim, CacheError> {
        let (first, since, age) = self
            .script(&CLAIM_DATED, &[key, SINCE], &[&call(), &milliseconds(ttl)])
            .await?;
        Ok(Claim {
            first,
            since,
            age: Duration::from_secs(age),
        })
    }

    async fn take(&self, key: &str) -> Result<Option<String>, CacheError> {
        let taken = format!("{key}:taken:{}", call());
        self.script(&TAKE, &[key, &taken], &[&milliseconds(TAKEN_KEPT)])
            .await
    }

    async fn incr_window(&self, key: &str, window: Duration) -> Result<Window, CacheError> {
        let (count, left) = self
            .script(&INCR_WINDOW, &[key], &[&milliseconds(window)])
            .await?;
        Ok(Window {
            count,
            resets_in: Duration::from_millis(left),
        })
    }

    /// Writes: a Redis that is full or a replica answers questions all the same.
    async fn check(&self) -> Result<(), CacheError> {
        let mut command = ::redis::cmd("SET");
        let kept = milliseconds(Duration::from_secs(10));
        command.arg("health").arg("").arg("PX").arg(kept);
        let command = &command;
        let run = |mut connection: MultiplexedConnection| async move {
            command.query_async::<()>(&mut connection).await
        };
        Ok(self.link.probe(run).await?)
    }
}
