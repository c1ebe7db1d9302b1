//! How the HTTP side talks to the running fleet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use splashtail_api_types::clusters::{ClusterHealth, InstanceList};
use splashtail_core::ids::ClusterId;
use splashtail_ipc::launcher::LauncherCmd;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::fleet;

/// The fleet's loop is not running, yet or any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clusterer is not ready")]
pub struct NotReady;

#[allow(
    clippy::large_enum_variant,
    reason = "moved a few times per message and never stored"
)]
#[derive(Debug)]
pub(crate) enum Request {
    InstanceList(oneshot::Sender<InstanceList>),
    Health(ClusterId, oneshot::Sender<Health>),
    Numbers(oneshot::Sender<fleet::Numbers>),
    Command(LauncherCmd, oneshot::Sender<Value>),
    /// For the action log.
    Note(Map<String, Value>),
}

/// Health of one cluster, and whether the fleet is in a state in which it means something.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) fully_up: bool,
    pub(crate) cluster: Option<ClusterHealth>,
}

/// A sender of requests to the fleet's loop.
#[derive(Debug, Clone)]
pub struct FleetHandle {
    requests: mpsc::Sender<Request>,
    /// Whether someone reads the requests.
    running: Arc<AtomicBool>,
}

const QUEUE: usize = 256;

impl FleetHandle {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, receiver) = mpsc::channel(QUEUE);
        let running = Arc::default();
        (Self { requests, running }, receiver)
    }

    /// From now on requests are answered.
    pub(crate) fn open(&self) {
        self.running.store(true, Ordering::Release);
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, NotReady> {
        if !self.running.load(Ordering::Acquire) {
            return Err(NotReady);
        }
        let (sender, answer) = oneshot::channel();
        // A full queue means that the loop does not keep up.
        self.requests
            .try_send(request(sender))
            .map_err(|_| NotReady)?;
        answer.await.map_err(|_| NotReady)
    }

    /// # Errors
    /// [`NotReady`]
    pub async fn instance_list(&self) -> Result<InstanceList, NotReady> {
        self.ask(Request::InstanceList).await
    }

    pub(crate) async fn health(&self, cluster: ClusterId) -> Result<Health, NotReady> {
        self.ask(|answer| Request::Health(cluster, answer)).await
    }

    pub(crate) async fn numbers(&self) -> Result<fleet::Numbers, NotReady> {
        self.ask(Request::Numbers).await
    }

    /// The output of the command's one reply.
    ///
    /// # Errors
    /// [`NotReady`]
    pub async fn command(&self, command: LauncherCmd) -> Result<Value, NotReady> {
        self.ask(|answer| Request::Command(command, answer)).await
    }

    /// Writes an entry to the action log; one that finds no room is dropped.
    pub(crate) fn note(&self, entry: Map<String, Value>) {
        if self.requests.try_send(Request::Note(entry)).is_err() {
            warn!("dropped an action log entry");
        }
    }
}
