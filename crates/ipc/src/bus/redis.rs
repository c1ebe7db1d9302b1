//! The bus over Redis.

use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use ::redis::{Client, FromRedisValue, Pipeline, RedisError, Value};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use secrecy::SecretString;
use tracing::debug;

use super::subscription::{self, Source};
use super::{Bus, BusError, BusMessage, Subscription, check};
use crate::redis::{CONNECT_TIMEOUT, RedisFault, RedisLink};

/// A silent connection is asked for a sign of life this often.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One pooled connection for commands, one dedicated connection per subscription. Redis database
/// numbers do not separate channels: environments differ by channel name.
pub(super) struct RedisBus {
    link: RedisLink,
}

impl std::fmt::Debug for RedisBus {
    // The client's own form shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisBus")
    }
}

impl RedisBus {
    pub(super) fn new(url: &SecretString) -> Result<Self, BusError> {
        let link = RedisLink::new(url).map_err(BusError::Address)?;
        Ok(Self { link })
    }

    async fn run<T: FromRedisValue + Send>(&self, commands: &Pipeline) -> Result<T, BusError> {
        let run = |mut connection: MultiplexedConnection| async move {
            commands.query_async(&mut connection).await
        };
        Ok(self.link.ask(run).await?)
    }
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
                client: self.link.client().clone(),
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

    async fn check(&self) -> Result<(), BusError> {
        let run = |mut connection: MultiplexedConnection| async move {
            ::redis::cmd("PING")
                .query_async::<()>(&mut connection)
                .await
        };
        Ok(self.link.probe(run).await?)
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
            .map_err(|_| BusError::Timeout)?
            .map_err(RedisFault::from)?;
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
