//! What went wrong with Redis, in words that say what to do.

use ::redis::{ErrorKind, RedisError};

/// Sorted so that an operator, a health check and a caller each know what they need: whose fault
/// it is, and whether it passes. The texts hold neither address nor password.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedisFault {
    #[error(
        "Redis does not accept connections: is it running where `meta.redis_url` (of bots \
         `meta.bot_redis_url`) says?"
    )]
    Unreachable(#[source] RedisError),
    #[error(
        "Redis refuses the user or password in `meta.redis_url` (of bots `meta.bot_redis_url`)"
    )]
    Credentials(#[source] RedisError),
    #[error(
        "the user in `meta.redis_url` (of bots `meta.bot_redis_url`) may not run a command that \
         is needed: extend its ACL"
    )]
    Forbidden(#[source] RedisError),
    #[error(
        "Redis is out of memory and refuses to write: raise its `maxmemory` and leave \
         `maxmemory-policy` at `noeviction`, since what it would drop protects from replays"
    )]
    OutOfMemory(#[source] RedisError),
    #[error(
        "this Redis takes no writes: `meta.redis_url` has to name the primary, and its disk has \
         to take snapshots"
    )]
    ReadOnly(#[source] RedisError),
    #[error("Redis is still loading its data")]
    Loading(#[source] RedisError),
    #[error("the connection to Redis broke")]
    Broken(#[source] RedisError),
    #[error("Redis did not answer in time")]
    Timeout,
    #[error("Redis refused a command")]
    Refused(#[source] RedisError),
}

impl RedisFault {
    /// Whether it may be over in a moment, without anybody doing anything.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Broken(_) | Self::Loading(_)
        )
    }

    /// Whether Redis itself is the matter, rather than what it is asked and by whom.
    pub fn is_outage(&self) -> bool {
        !matches!(
            self,
            Self::Credentials(_) | Self::Forbidden(_) | Self::Refused(_)
        )
    }

    /// A password may have been changed and a replica may have taken over meanwhile: what
    /// complained about these is not asked again.
    pub(super) fn ends_the_connection(&self) -> bool {
        !matches!(self, Self::OutOfMemory(_) | Self::Refused(_))
    }
}

impl From<RedisError> for RedisFault {
    fn from(error: RedisError) -> Self {
        if error.is_connection_refusal() {
            return Self::Unreachable(error);
        }
        if error.is_timeout() {
            return Self::Timeout;
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => return Self::Credentials(error),
            ErrorKind::Io => return Self::Broken(error),
            _ => {}
        }
        match code(&error).as_str() {
            "WRONGPASS" | "NOAUTH" => Self::Credentials(error),
            "NOPERM" => Self::Forbidden(error),
            "OOM" => Self::OutOfMemory(error),
            "READONLY" | "MISCONF" => Self::ReadOnly(error),
            "LOADING" | "MASTERDOWN" => Self::Loading(error),
            _ => Self::Refused(error),
        }
    }
}

/// Redis's own word for the refusal; of a transaction or pipeline that of its first command.
fn code(error: &RedisError) -> String {
    let refusals = error.clone().into_server_errors();
    let first = refusals.and_then(|refusals| refusals.first().cloned());
    first.map_or_else(String::new, |(_, refusal)| refusal.code().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_told_from_faults() {
        let outage = |code: &str| {
            let reply = format!("-{code} text\r\n");
            let value = ::redis::parse_redis_value(reply.as_bytes()).unwrap();
            let error = value.extract_error().unwrap_err();
            RedisFault::from(error).is_outage()
        };
        for code in ["OOM", "READONLY", "MISCONF", "LOADING", "MASTERDOWN"] {
            assert!(outage(code), "{code}");
        }
        for code in ["WRONGPASS", "NOAUTH", "NOPERM", "ERR"] {
            assert!(!outage(code), "{code}");
        }
        let gone = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(RedisFault::from(RedisError::from(gone)).is_outage());
    }
}
