//! The cluster's side of the launcher protocol: answers to diag pings, news of peers, and the word
//! that the next cluster may start.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ClusterId, ShardId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::bus::{Bus, BusError, BusMessage, Subscription};
use splashtail_ipc::launcher::{DiagReply, Incoming, LauncherCmd};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::cluster::{ClusterState, ShardView};
use crate::orphan::SignsOfLife;

/// Pause between attempts to publish what must not be lost.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub struct FleetBus {
    bus: Arc<dyn Bus>,
    state: Arc<ClusterState>,
    channel: String,
    clock: SharedClock,
    pub signs: SignsOfLife,
}

/// What to do about one message.
#[derive(Debug, PartialEq)]
enum Reaction {
    /// Answer a ping with this nonce.
    Answer {
        nonce: String,
    },
    Peer(DiagReply),
    Nothing,
}

impl FleetBus {
    pub fn new(
        bus: Arc<dyn Bus>,
        state: Arc<ClusterState>,
        channel: String,
        clock: SharedClock,
    ) -> Arc<Self> {
        Arc::new(Self {
            bus,
            state,
            channel,
            signs: SignsOfLife::new(Arc::clone(&clock)),
            clock,
        })
    }

    /// The bus, and the channel of the clusters.
    pub fn bus(&self) -> (Arc<dyn Bus>, &str) {
        (Arc::clone(&self.bus), &self.channel)
    }

    /// Whether the bus answers now.
    ///
    /// # Errors
    /// What is the matter with it.
    pub async fn check(&self) -> Result<(), BusError> {
        self.bus.check().await
    }

    /// Listens until the shutdown. Waits as long as the bus is unreachable.
    pub async fn listen(self: Arc<Self>, shutdown: CancellationToken) {
        let mut channels = vec![self.channel.clone()];
        channels.extend(self.state.cluster.mailbox());
        let subscription = tokio::select! {
            () = shutdown.cancelled() => return,
            subscription = self.bus.subscribe(&channels) => subscription,
        };
        let mut subscription: Subscription = match subscription {
            Ok(subscription) => subscription,
            Err(error) => {
                error!(error = %Chain(&error), "cannot listen on the bus");
                return;
            }
        };
        info!(bus.channel = self.channel, "listening on the bus");
        let mut connected = subscription.connected();
        self.signs.link(*connected.borrow_and_update());
        loop {
            let message = tokio::select! {
                () = shutdown.cancelled() => return,
                message = subscription.next_message() => message,
                Ok(()) = connected.changed() => {
                    self.signs.link(*connected.borrow_and_update());
                    continue;
                }
            };
            let Some(message) = message else { return };
            self.handle(message).await;
        }
    }

    async fn handle(&self, message: BusMessage) {
        match react(self.state.cluster.id, &message.payload) {
            Reaction::Answer { nonce } => {
                self.signs.ping();
                let cluster_id = self.state.cluster.id;
                let data = self.state.health().await;
                let reply = LauncherCmd::diag(&DiagReply {
                    cluster_id,
                    nonce,
                    data,
                });
                if let Err(error) = self.bus.publish(&self.channel, &reply.to_json()).await {
                    warn!(error = %Chain(&error), "a diag ping stays unanswered");
                }
            }
            Reaction::Peer(reply) => self.state.fleet().report(reply.cluster_id, reply.data),
            Reaction::Nothing => {}
        }
    }

    /// Says which shards have identified, as it happens: other clusters may use their turns then. A
    /// lost word delays those, [`FleetBus::launch_next`] says the same at last.
    pub async fn tell_identified(&self, mut identified: watch::Receiver<BTreeSet<ShardId>>) {
        let mut told = BTreeSet::new();
        while identified.changed().await.is_ok() {
            let all = identified.borrow_and_update().clone();
            let news: Vec<_> = all.difference(&told).copied().collect();
            let message = LauncherCmd::identified(self.state.cluster.id, &news).to_json();
            match self.bus.publish(&self.channel, &message).await {
                Ok(()) => told = all,
                Err(error) => debug!(error = %Chain(&error), "cannot say who identified"),
            }
            if told.len() == self.state.cluster.shards.len() {
                return;
            }
        }
    }

    /// Says that every shard has been ready. Repeats until the bus takes it.
    pub async fn launch_next(&self) {
        let message = LauncherCmd::launch_next(self.state.cluster.id).to_json();
        while let Err(error) = self.bus.publish(&self.channel, &message).await {
            warn!(error = %Chain(&error), "cannot tell the clusterer that this cluster is up");
            self.clock.sleep(RETRY_PAUSE).await;
        }
        self.signs.expect_pings();
        info!("all shards have been ready");
    }
}

/// Sorts one message. Whatever a peer sends, nothing here fails.
fn react(own: ClusterId, payload: &str) -> Reaction {
    if !payload.trim_start().starts_with('{') {
        debug!("dropped a message that is no object");
        return Reaction::Nothing;
    }
    match Incoming::parse(payload) {
        Ok(Incoming::DiagRequest(request)) if request.id == own => Reaction::Answer {
            nonce: request.nonce,
        },
        Ok(Incoming::DiagRequest(_)) => Reaction::Nothing,
        Ok(Incoming::Command(command)) if command.action == "diag" => command
            .diag_reply()
            .map_or(Reaction::Nothing, Reaction::Peer),
        Ok(Incoming::Command(command))
            if ["launch_next", "identified"].contains(&command.action.as_str()) =>
        {
            Reaction::Nothing
        }
        Ok(Incoming::Command(command)) => {
            debug!(
                action = command.action,
                scope = command.scope,
                "dropped a bus command"
            );
            Reaction::Nothing
        }
        Err(error) => {
            debug!(error = %Chain(&error), "dropped a bus message");
            Reaction::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;

    use super::*;
    use crate::arguments::Cluster;

    /// Records what is published, after a number of refusals.
    #[derive(Debug, Default)]
    struct Published(Mutex<Vec<(String, String)>>, AtomicUsize);

    #[async_trait]
    impl Bus for Published {
        async fn publish(&self, channel: &str, message: &str) -> Result<(), BusError> {
            let refuse = |left: usize| left.checked_sub(1);
            if self
                .1
                .try_update(Ordering::Relaxed, Ordering::Relaxed, refuse)
                .is_ok()
            {
                return Err(BusError::Closed);
            }
            self.0
                .lock()
                .unwrap()
                .push((channel.to_owned(), message.to_owned()));
            Ok(())
        }

        async fn subscribe(&self, _: &[String]) -> Result<Subscription, BusError> {
            Err(BusError::Closed)
        }

        async fn append_log(&self, _: &str, _: &str, _: usize) -> Result<(), BusError> {
            Ok(())
        }

        async fn read_log(&self, _: &str) -> Result<Vec<String>, BusError> {
            Ok(Vec::new())
        }

        async fn check(&self) -> Result<(), BusError> {
            Ok(())
        }
    }

    fn fleet_bus() -> (Arc<FleetBus>, Arc<Published>, ManualClock) {
        let clock = ManualClock::new(DateTime::from_timestamp_millis(1_700_000_000_000).unwrap());
        let cluster = Cluster {
            id: ClusterId(1),
            shards: vec![ShardId(2)],
            shard_count: 4,
            channel: Some("ar".to_owned()),
            ..Cluster::alone(1)
        };
        let state = Arc::new(ClusterState::new(cluster, clock.shared()));
        let bus = Arc::new(Published::default());
        (
            FleetBus::new(bus.clone(), state, "ar".to_owned(), clock.shared()),
            bus,
            clock,
        )
    }

    async fn hear(bus: &FleetBus, payload: &str) {
        let (channel, payload) = ("ar".to_owned(), payload.to_owned());
        bus.handle(BusMessage { channel, payload }).await;
    }

    #[tokio::test]
    async fn only_our_own_ping_is_answered() {
        let (fleet, bus, _) = fleet_bus();
        for payload in [
            r#"{"id":0,"nonce":"AAAAAAAAAA","diag":true}"#,
            r#"{"id":1,"nonce":"","diag":true}"#,
            r#"{"scope":"bot","action":"all_clusters_launched","command_id":"x","output":""}"#,
            r#"{"scope":"launcher","action":"launch_next","args":{"id":0}}"#,
            r#"{"scope":"launcher","action":"diag","output":"not json"}"#,
            "[1]",
            "true",
            "{",
            "",
        ] {
            hear(&fleet, payload).await;
        }
        assert!(bus.0.lock().unwrap().is_empty());
        hear(&fleet, r#"{"id":1,"nonce":"QwErTyUiOp","diag":true}"#).await;
        let published = bus.0.lock().unwrap().clone();
        let expected = r#"{"scope":"launcher","action":"diag","args":null,"command_id":null,"output":"{\"cluster_id\":1,\"Nonce\":\"QwErTyUiOp\",\"Data\":[{\"shard_id\":2,\"up\":false,\"latency\":0.0,\"guilds\":0,\"users\":0}]}","data":null}"#;
        assert_eq!(published, [("ar".to_owned(), expected.to_owned())]);
    }

    #[tokio::test]
    async fn peers_are_remembered() {
        let (fleet, _, _) = fleet_bus();
        hear(&fleet, r#"{"scope":"launcher","action":"diag","args":null,"command_id":null,"output":"{\"cluster_id\":0,\"Nonce\":\"x\",\"Data\":[{\"shard_id\":0,\"up\":true,\"latency\":41.0,\"guilds\":12,\"users\":3400}]}","data":null}"#).await;
        let totals = fleet.state.fleet().totals(ClusterId(1), &[]);
        assert_eq!(
            (totals.guilds, totals.users, totals.clusters),
            (12, 3400, 2)
        );
    }

    /// mewld defect 27: the bot of old ended when a message could not be published.
    #[tokio::test]
    async fn a_refused_publish_is_tried_again_and_ends_nothing() {
        let (fleet, bus, clock) = fleet_bus();
        bus.1.store(1, Ordering::Relaxed);
        hear(&fleet, r#"{"id":1,"nonce":"QwErTyUiOp","diag":true}"#).await;
        assert!(bus.0.lock().unwrap().is_empty(), "a ping may be lost");

        bus.1.store(2, Ordering::Relaxed);
        let launched = tokio::spawn({
            let fleet = fleet.clone();
            async move { fleet.launch_next().await }
        });
        for _ in 0..2 {
            clock.wait_for_sleepers(1).await;
            assert!(bus.0.lock().unwrap().is_empty());
            clock.advance(RETRY_PAUSE);
        }
        launched.await.unwrap();
        assert_eq!(bus.0.lock().unwrap().len(), 1, "said once");
    }

    /// The time without pings begins when the clusterer is told to send them.
    #[tokio::test]
    async fn launch_next_is_said_as_mewld_says_it_and_starts_the_wait_for_pings() {
        let (fleet, bus, clock) = fleet_bus();
        fleet.launch_next().await;
        assert_eq!(
            bus.0.lock().unwrap()[0].1,
            r#"{"scope":"launcher","action":"launch_next","args":{"id":1},"command_id":null,"output":null,"data":null}"#
        );
        fleet.signs.link(true);
        let timeout = Duration::from_secs(120);
        let orphaned = tokio::spawn({
            let fleet = fleet.clone();
            async move {
                fleet
                    .signs
                    .orphaned(timeout, || std::future::ready(true))
                    .await
            }
        });
        clock.wait_for_sleepers(2).await;
        clock.advance(Duration::from_secs(119));
        hear(&fleet, r#"{"id":1,"nonce":"QwErTyUiOp","diag":true}"#).await;
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(119));
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        assert!(!orphaned.is_finished());
        clock.advance(Duration::from_secs(1));
        orphaned.await.unwrap();
    }
}
