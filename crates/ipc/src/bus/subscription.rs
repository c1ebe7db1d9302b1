//! The part of a subscription that is the same on every bus: deliver, reconnect, say so.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream};
use splashtail_core::telemetry::Chain;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{BusError, BusMessage};
use crate::backoff::Backoff;

/// Messages a receiver may be behind before the connection is left unread.
const QUEUE: usize = 1024;

/// Messages of the subscribed channels. Ends only when the runtime stops; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    messages: mpsc::Receiver<BusMessage>,
    connected: watch::Receiver<bool>,
}

impl Subscription {
    pub async fn next_message(&mut self) -> Option<BusMessage> {
        self.messages.recv().await
    }

    /// Whether the connection stands, for those who must not take silence for an answer.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }
}

impl Stream for Subscription {
    type Item = BusMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<BusMessage>> {
        self.messages.poll_recv(cx)
    }
}

#[async_trait]
pub(super) trait Source: Send + Sync + 'static {
    /// What to look at when the bus cannot be reached: a path or a config key, no password.
    fn address(&self) -> String;

    /// A connection on which the subscription is already active. The stream ends with it.
    async fn open(&self, channels: &[String]) -> Result<BoxStream<'static, BusMessage>, BusError>;
}

pub(super) async fn start(source: impl Source, channels: &[String]) -> Subscription {
    let channels = channels.to_vec();
    let stream = reach(&source, &channels).await;
    let (sender, messages) = mpsc::channel(QUEUE);
    let (connection, connected) = watch::channel(true);
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            () = deliver(source, stream, &channels, &sender, &connection) => {}
        }
    });
    Subscription {
        messages,
        connected,
    }
}

async fn deliver(
    source: impl Source,
    mut stream: BoxStream<'static, BusMessage>,
    channels: &[String],
    sender: &mpsc::Sender<BusMessage>,
    connection: &watch::Sender<bool>,
) {
    loop {
        while let Some(message) = stream.next().await {
            if sender.send(message).await.is_err() {
                return;
            }
        }
        connection.send_replace(false);
        warn!(bus.channels = ?channels, "lost the bus, reconnecting");
        stream = reach(&source, channels).await;
        connection.send_replace(true);
        info!(bus.channels = ?channels, "the bus is back");
    }
}

async fn reach(source: &impl Source, channels: &[String]) -> BoxStream<'static, BusMessage> {
    let mut backoff = Backoff::new();
    let mut said = String::new();
    loop {
        match source.open(channels).await {
            Ok(stream) => return stream,
            Err(error) => {
                // The same trouble goes to the log once.
                let trouble = error.to_string();
                if trouble != said {
                    warn!(error = %Chain(&error), bus.address = source.address(), "cannot reach the bus, trying again and again");
                    said = trouble;
                }
                backoff.pause().await;
            }
        }
    }
}
