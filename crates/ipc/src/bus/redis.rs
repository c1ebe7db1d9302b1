//! The bus over Redis.

use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSubSink, PubSubStream};
use ::redis::{Client, FromRedisValue, Pipeline, RedisError, RedisResult, Value};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use secrecy::{ExposeSecret, SecretString};
use tracing::debug;

use super::subscription::{self, Source};
use super::{Backoff, Bus, BusError, BusMessage, Subscription, check};

pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A silent connection is asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Tries of one command, with growing pauses: bridges a Redis restart of about two seconds.
const TRIES: u32 = 5;

/// One pooled connection for commands, one dedicated connection per subscription. Redis database
/// numbers do not separate channels: environments differ by channel name.
pub(super) struct RedisBus {
    client: Client,
    commands: ConnectionManager,
}

impl std::fmt::Debug for RedisBus {
    // The client's own form shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisBus")
    }
}

impl RedisBus {
    pub(super) fn new(url: &SecretString) -> Result<Self, BusError> {
        let client = Client::open(url.expose_secret()).map_err(BusError::Address)?;
        let commands = connection_manager(client.clone()).map_err(BusError::Address)?;
        Ok(Self { client, commands })
    }

    async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, BusError> {
        let mut backoff = Backoff::new();
        let mut tried = 1;
        loop {
            match commands.query_async(&mut self.commands.clone()).await {
                Ok(value) => return Ok(value),
                Err(error) if tried < TRIES && is_connection_fault(&error) => {
                    debug!(%error, "retrying a Redis command");
                    tried += 1;
                    backoff.pause().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A connection that is made on first use and made anew after a failure.
pub(crate) fn connection_manager(client: Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(CONNECT_TIMEOUT))
        .set_number_of_retries(2)
        .set_max_delay(Duration::from_secs(1));
    ConnectionManager::new_lazy_with_config(client, config)
}

fn is_connection_fault(error: &RedisError) -> bool {
    error.is_connection_dropped() || error.is_connection_refusal() || error.is_io_error()
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self, channel: &str, message: &str) -> Result<(), BusError> {
        check(message)?;
        self.run(
            ::redis::pipe()
                .cmd("PUBLISH")
                .arg(channel)
                .arg(message)
                .ignore(),
        )
        .await
    }

    async fn subscribe(&self, channels: &[String]) -> Result<Subscription, BusError> {
        Ok(subscription::start(
            RedisSource {
                client: self.client.clone(),
            },
            channels,
        )
        .await)
    }

    async fn append_log(&self, key: &str, entry: &str, cap: usize) -> Result<(), BusError> {
        check(entry)?;
        let oldest = -i64::try_from(cap).unwrap_or(i64::MAX);
        let mut commands = ::redis::pipe();
        commands.atomic();
        commands.cmd("RPUSH").arg(key).arg(entry).ignore();
        commands.cmd("LTRIM").arg(key).arg(oldest).arg(-1).ignore();
        self.run(&commands).await
    }

    async fn read_log(&self, key: &str) -> Result<Vec<String>, BusError> {
        let (entries,) = self
            .run(::redis::pipe().cmd("LRANGE").arg(key).arg(0).arg(-1))
            .await?;
        Ok(entries)
    }
}

struct RedisSource {
    client: Client,
}

#[async_trait]
impl Source for RedisSource {
    fn address(&self) -> String {
        "`meta.redis_url`".to_owned()
    }

    async fn open(&self, channels: &[String]) -> Result<BoxStream<'static, BusMessage>, BusError> {
        let connect = async {
            let mut connection = self.client.get_async_pubsub().await?;
            connection.subscribe(channels).await?;
            Ok::<_, RedisError>(connection)
        };
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connect)
            .await
            .map_err(|_| BusError::Timeout)??;
        let (sink, messages) = connection.split();
        Ok(stream::unfold((sink, messages), next_message).boxed())
    }
}

async fn next_message(
    (mut sink, mut messages): (PubSubSink, PubSubStream),
) -> Option<(BusMessage, (PubSubSink, PubSubStream))> {
    loop {
        let message = tokio::select! {
            message = messages.next() => message?,
            () = tokio::time::sleep(KEEP_ALIVE) => {
                // A peer that vanished without closing would otherwise stay silent for ever.
                match tokio::time::timeout(CONNECT_TIMEOUT, sink.ping::<Value>()).await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(_)) | Err(_) => return None,
                }
            }
        };
        let channel = message.get_channel_name().to_owned();
        match message.get_payload::<String>() {
            Ok(payload) => return Some((BusMessage { channel, payload }, (sink, messages))),
            Err(error) => {
                debug!(%error, bus.channel = channel, "dropped a message that is not text");
            }
        }
    }
}
