//! One connection to Redis for commands, made when it is needed and made anew when it broke.
//!
//! The library's own connection manager hands a dropped connection to whoever uses it next, and
//! keeps a refused login for ever; here a question is asked again at once on a fresh connection,
//! and a password that was mended is noticed with the next question.

mod fault;

use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisResult};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::debug;

pub use self::fault::RedisFault;
use crate::backoff::Backoff;

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a question is repeated while Redis is away: bridges a restart of Redis.
const PATIENCE: Duration = Duration::from_secs(2);
/// Those who waited for a connection that failed are told so instead of trying one by one.
const FAILURE_KEPT: Duration = Duration::from_millis(100);

pub(crate) struct RedisLink {
    client: Client,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a late complaint does not close the successor.
    generation: u64,
    failed: Option<(Instant, RedisFault)>,
}

impl RedisLink {
    /// Does not connect yet.
    pub(crate) fn new(url: &SecretString) -> RedisResult<Self> {
        Ok(Self {
            client: Client::open(url.expose_secret())?,
            slot: Mutex::default(),
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Asks, and when the connection broke or Redis is away asks again, at once the first time.
    /// The question may thus arrive twice; it has to be one that can.
    pub(crate) async fn ask<T, F>(
        &self,
        question: impl Fn(MultiplexedConnection) -> F + Send + Sync,
    ) -> Result<T, RedisFault>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        self.ask_for(PATIENCE, question).await
    }

    /// Asks how things stand: again once, at once, as the connection may have broken unseen, and
    /// then says what is the matter instead of waiting for its end.
    pub(crate) async fn probe<T, F>(
        &self,
        question: impl Fn(MultiplexedConnection) -> F + Send + Sync,
    ) -> Result<T, RedisFault>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        self.ask_for(Duration::ZERO, question).await
    }

    async fn ask_for<T, F>(
        &self,
        patience: Duration,
        question: impl Fn(MultiplexedConnection) -> F + Send + Sync,
    ) -> Result<T, RedisFault>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let started = Instant::now();
        let mut backoff = Backoff::new();
        let mut first = true;
        loop {
            let fault = match self.connection().await {
                Err(fault) => fault,
                Ok((generation, connection)) => match question(connection).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        let fault = RedisFault::from(error);
                        if fault.ends_the_connection() {
                            self.forget(generation).await;
                        }
                        fault
                    }
                },
            };
            let again = std::mem::take(&mut first);
            if !fault.passes() || (!again && started.elapsed() >= patience) {
                return Err(fault);
            }
            debug!(%fault, "asking Redis again");
            if !again {
                backoff.pause().await;
            }
        }
    }

    /// The connection that stands, or a new one; many who need one wait for the same.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection), RedisFault> {
        let mut slot = self.slot.lock().await;
        if let Some(connection) = &slot.connection {
            return Ok((slot.generation, connection.clone()));
        }
        if let Some((at, fault)) = &slot.failed
            && at.elapsed() < FAILURE_KEPT
        {
            return Err(fault.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT));
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let connected = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(RedisFault::from),
            Err(_) => Err(RedisFault::Timeout),
        };
        match connected {
            Ok(connection) => {
                slot.generation += 1;
                slot.failed = None;
                slot.connection = Some(connection.clone());
                Ok((slot.generation, connection))
            }
            Err(fault) => {
                slot.failed = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    async fn forget(&self, generation: u64) {
        let mut slot = self.slot.lock().await;
        if slot.generation == generation {
            slot.connection = None;
        }
    }
}
