//! Publish and subscribe between processes, over Redis or over the unix-socket hub.
//!
//! Nothing is kept for absent receivers, as in Redis: whoever needs certainty repeats its message
//! until an answer comes. A message may come twice when the sender's connection broke while it
//! was sent. A message is one JSON document as text.

mod hub_client;
mod redis;
mod subscription;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use splashtail_core::config::BusTarget;
use splashtail_core::environment::Environment;

pub use self::subscription::Subscription;
use crate::http::NotReady;
use crate::hub::chunks::{MAX_DEPTH, depth};
use crate::hub::location;
use crate::redis::RedisFault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusMessage {
    pub channel: String,
    /// JSON text, exactly one document. From Redis it is whatever a peer published.
    pub payload: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the bus address is not valid")]
    Address(#[source] ::redis::RedisError),
    #[error("a bus message has to be one JSON document")]
    NotJson(#[source] serde_json::Error),
    #[error("a bus message of {0} bytes is too large")]
    TooLarge(usize),
    #[error("a bus message of {0} levels is too deep: no reader could take it")]
    TooDeep(usize),
    #[error("the bus is not reachable: is `splashtail up` or `splashtail webserver` running?")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Redis(#[from] RedisFault),
    #[error("the bus did not answer in time")]
    Timeout,
    #[error("the other end closed the connection")]
    Closed,
    #[error("the hub refused: {0}")]
    Refused(String),
}

impl From<BusError> for NotReady {
    fn from(error: BusError) -> Self {
        Self::of(error)
    }
}

#[async_trait]
pub trait Bus: Send + Sync + Debug {
    /// Sends one JSON document to everyone who listens on `channel` now, the sender included.
    ///
    /// # Errors
    /// The text is not JSON or above 1 MiB; the bus stayed unreachable for some seconds.
    async fn publish(&self, channel: &str, message: &str) -> Result<(), BusError>;

    /// Listens to channels. Waits, however long it takes, until the bus is reachable; what is
    /// published after this returned arrives. Later losses of the connection are repaired behind
    /// the subscription, and messages of that time are lost.
    ///
    /// # Errors
    /// The list of channels is not accepted.
    async fn subscribe(&self, channels: &[String]) -> Result<Subscription, BusError>;

    /// Appends one JSON document to the list `key` and drops the oldest beyond `cap`.
    ///
    /// # Errors
    /// As [`Bus::publish`]; the hub keeps only the list `<channel>/actlogs`.
    async fn append_log(&self, key: &str, entry: &str, cap: usize) -> Result<(), BusError>;

    /// The list `key`, oldest first; empty when there is none.
    ///
    /// # Errors
    /// As [`Bus::append_log`].
    async fn read_log(&self, key: &str) -> Result<Vec<String>, BusError>;

    /// Whether the bus answers now, for health checks.
    ///
    /// # Errors
    /// What is the matter.
    async fn check(&self) -> Result<(), BusError>;
}

/// The channel of an environment's clusters when the cluster file names none.
pub fn default_channel(environment: Environment) -> String {
    format!("ar_clusters/{environment}")
}

/// The largest message either implementation takes.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// Opens the bus without waiting for it: connections are made when they are needed. `main_channel`
/// is the channel whose messages travel bare on the hub.
///
/// Needs a running tokio runtime.
///
/// # Errors
/// [`BusError::Address`]: the Redis URL cannot be parsed.
pub fn connect(target: &BusTarget, main_channel: &str) -> Result<Arc<dyn Bus>, BusError> {
    Ok(match target {
        BusTarget::Hub(path) => Arc::new(hub_client::HubBus::new(path, main_channel)),
        BusTarget::Redis(url) => Arc::new(redis::RedisBus::new(url)?),
    })
}

/// Reads a bus address as it stands in `REDIS_URL`: `unix:<path>` is the hub, everything else is
/// Redis. A bare `host:port` is completed, schemes that are there stay as they are.
pub fn target_from_url(url: &str) -> BusTarget {
    if let Some(path) = url.strip_prefix("unix:") {
        return BusTarget::Hub(path.strip_prefix("//").unwrap_or(path).into());
    }
    if url.contains("://") {
        return BusTarget::Redis(url.into());
    }
    BusTarget::Redis(format!("redis://{url}/0").into())
}

/// The inverse of [`target_from_url`], to hand the bus to a child process. A hub is named by where
/// its socket really is: a bot that is not ours knows nothing of paths that are too long.
pub fn target_to_url(target: &BusTarget) -> SecretString {
    match target {
        BusTarget::Hub(path) => {
            // Whoever connects meets the same obstacle and says so.
            let socket = location::socket_path(path).unwrap_or_else(|_| path.clone());
            format!("unix:{}", socket.display()).into()
        }
        BusTarget::Redis(url) => url.expose_secret().into(),
    }
}

fn check(message: &str) -> Result<(), BusError> {
    if message.len() > MAX_MESSAGE {
        return Err(BusError::TooLarge(message.len()));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(message).map_err(BusError::NotJson)?;
    match depth(message) {
        // It may travel inside an object of the hub's.
        levels @ MAX_DEPTH.. => Err(BusError::TooDeep(levels)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_address_gets_a_scheme() {
        for (given, expected) in [
            ("localhost:6379", "redis://localhost:6379/0"),
            ("redis://h/1", "redis://h/1"),
            ("rediss://h:6380", "rediss://h:6380"),
            (
                "redis+unix:///run/redis.sock",
                "redis+unix:///run/redis.sock",
            ),
            ("unix:/run/bus.sock", "unix:/run/bus.sock"),
            ("unix:///run/bus.sock", "unix:/run/bus.sock"),
        ] {
            assert_eq!(
                target_to_url(&target_from_url(given)).expose_secret(),
                expected
            );
        }
    }

    #[test]
    fn a_child_is_told_a_socket_that_the_kernel_takes() {
        let long = format!("/tmp/{}/bus.sock", "d".repeat(120));
        let url = target_to_url(&BusTarget::Hub(long.into()));
        let path = url.expose_secret().strip_prefix("unix:").unwrap();
        assert!(std::os::unix::net::SocketAddr::from_pathname(path).is_ok());
    }
}
