//! Messages and log entries on their way to the bus, so that the fleet's loop never waits for it.

use std::sync::Arc;

use serde_json::{Map, Value};
use splashtail_core::clock::SharedClock;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::bus::Bus;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::action_log::CAP;
use crate::complaints::Complaints;

/// What may wait while the bus is slow.
const QUEUE: usize = 4096;

#[derive(Debug)]
enum Item {
    Publish(String),
    Log(Map<String, Value>),
}

#[derive(Debug)]
pub(crate) struct Outbox {
    items: mpsc::Sender<Item>,
    task: JoinHandle<()>,
    clock: SharedClock,
    complaints: Complaints,
}

impl Outbox {
    pub(crate) fn start(bus: Arc<dyn Bus>, channel: String, clock: &SharedClock) -> Self {
        let (items, mut queue) = mpsc::channel(QUEUE);
        let task = tokio::spawn(async move {
            let log_key = log_key(&channel);
            while let Some(item) = queue.recv().await {
                let sent = match item {
                    Item::Publish(message) => bus.publish(&channel, &message).await,
                    Item::Log(entry) => {
                        bus.append_log(&log_key, &Value::Object(entry).to_string(), CAP)
                            .await
                    }
                };
                if let Err(error) = sent {
                    warn!(error = %Chain(&error), "lost a message to the bus");
                }
            }
        });
        Self {
            items,
            task,
            clock: Arc::clone(clock),
            complaints: Complaints::default(),
        }
    }

    pub(crate) fn publish(&mut self, message: String) {
        self.push(Item::Publish(message));
    }

    pub(crate) fn log(&mut self, entry: Map<String, Value>) {
        self.push(Item::Log(entry));
    }

    fn push(&mut self, item: Item) {
        if self.items.try_send(item).is_ok() {
            return;
        }
        let now = self.clock.monotonic();
        if let Some(unsaid) = self.complaints.allow(now) {
            warn!(
                limit = QUEUE,
                unsaid, "the bus is too slow, dropped a message"
            );
        }
    }

    /// Sends what waits, for as long as the caller allows.
    pub(crate) async fn finish(self) {
        drop(self.items);
        // A panic in the task was logged where it happened.
        let _ = self.task.await;
    }
}

pub(crate) fn log_key(channel: &str) -> String {
    format!("{channel}/actlogs")
}
