//! When a cluster has nobody left. Clusters outlive their clusterer on purpose and wait for the
//! next one, but not for ever.

use std::net::SocketAddr;
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::warn;

/// While the bus is away nobody can be heard, and silence proves nothing. Nothing proves the
/// opposite either: with nobody on the clusterer's port, so many timeouts are enough.
const WITHOUT_BUS: u32 = 10;
/// To connect to a port of this machine.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// What a cluster has heard of its clusterer.
pub struct SignsOfLife {
    clock: SharedClock,
    /// When a diag request for this cluster last came, as monotonic time; `None` until supervision
    /// began with `launch_next`.
    pinged: watch::Sender<Option<Duration>>,
    /// Whether the connection to the bus stands.
    linked: watch::Sender<bool>,
}

/// Why a cluster is an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Orphaned {
    #[error("no clusterer has asked for a sign of life for too long")]
    Unasked,
    #[error("neither the bus nor a clusterer has been there for too long")]
    Alone,
}

impl SignsOfLife {
    pub fn new(clock: SharedClock) -> Self {
        let (pinged, linked) = (watch::Sender::new(None), watch::Sender::new(false));
        Self {
            clock,
            pinged,
            linked,
        }
    }

    /// From now on pings are expected.
    pub fn expect_pings(&self) {
        let now = self.clock.monotonic();
        self.pinged.send_modify(|pinged| *pinged = Some(now));
    }

    pub fn ping(&self) {
        let now = self.clock.monotonic();
        self.pinged
            .send_if_modified(|pinged| pinged.is_some() && pinged.replace(now) != Some(now));
    }

    /// Silence while the bus is away is nobody's silence: the time without pings starts anew.
    pub fn link(&self, connected: bool) {
        if connected {
            self.ping();
        }
        self.linked.send_replace(connected);
    }

    /// Resolves when nobody has pinged this cluster for `timeout`, not counting the time without a
    /// bus; or when for ten times as long there was no bus and `clusterer_answers` always said no.
    pub async fn orphaned<F: Future<Output = bool>>(
        &self,
        timeout: Duration,
        clusterer_answers: impl Fn() -> F,
    ) -> Orphaned {
        tokio::select! {
            () = self.unasked(timeout) => Orphaned::Unasked,
            () = self.alone(timeout, clusterer_answers) => Orphaned::Alone,
        }
    }

    async fn unasked(&self, timeout: Duration) {
        let mut pinged = self.pinged.subscribe();
        let mut linked = self.linked.subscribe();
        loop {
            // Waiting cannot fail: the senders live in `self`.
            let _ = linked.wait_for(|linked| *linked).await;
            let last = pinged.wait_for(Option::is_some).await.map(|pinged| *pinged);
            let last = last.ok().flatten().unwrap_or_default();
            let silence = self.clock.monotonic().saturating_sub(last);
            let Some(left) = timeout.checked_sub(silence).filter(|left| !left.is_zero()) else {
                return;
            };
            tokio::select! {
                () = self.clock.sleep(left) => {}
                _ = pinged.changed() => {}
                _ = linked.changed() => {}
            }
        }
    }

    async fn alone<F: Future<Output = bool>>(
        &self,
        timeout: Duration,
        clusterer_answers: impl Fn() -> F,
    ) {
        let patience = timeout.saturating_mul(WITHOUT_BUS);
        let mut linked = self.linked.subscribe();
        let mut seen = self.clock.monotonic();
        loop {
            if *linked.borrow_and_update() || clusterer_answers().await {
                seen = self.clock.monotonic();
            } else if self.clock.monotonic().saturating_sub(seen) >= patience {
                return;
            }
            tokio::select! {
                () = self.clock.sleep(timeout) => {}
                _ = linked.changed() => {}
            }
        }
    }
}

/// Whether anybody listens on the clusterer's port.
pub async fn listens(clusterer: SocketAddr) -> bool {
    let connecting = tokio::time::timeout(CONNECT_DEADLINE, TcpStream::connect(clusterer));
    connecting.await.is_ok_and(|connected| connected.is_ok())
}

/// Reads `CLUSTERER_ORPHAN_TIMEOUT`: seconds, with or without an `s`. Absent, empty, zero and
/// unreadable values switch it off.
pub fn orphan_timeout(value: Option<&str>) -> Option<Duration> {
    let text = value?.trim();
    if text.is_empty() {
        return None;
    }
    match text.trim_end_matches('s').parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => {
            Duration::try_from_secs_f64(seconds).ok()
        }
        Ok(_) => None,
        Err(_) => {
            warn!(
                value = text,
                "CLUSTERER_ORPHAN_TIMEOUT is ignored: not a number of seconds"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;
    use tokio::task::JoinHandle;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(120);

    struct World {
        clock: ManualClock,
        signs: Arc<SignsOfLife>,
        clusterer: Arc<AtomicBool>,
        probes: Arc<AtomicU32>,
        end: JoinHandle<Orphaned>,
    }

    impl World {
        /// A cluster with a bus and without a clusterer on its port.
        fn new() -> Self {
            let clock =
                ManualClock::new(DateTime::from_timestamp_millis(1_700_000_000_000).unwrap());
            let signs = Arc::new(SignsOfLife::new(clock.shared()));
            signs.link(true);
            let clusterer = Arc::new(AtomicBool::new(false));
            let probes = Arc::new(AtomicU32::new(0));
            let watched = (signs.clone(), clusterer.clone(), probes.clone());
            let end = tokio::spawn(async move {
                let (signs, clusterer, probes) = watched;
                let answers = || {
                    probes.fetch_add(1, Ordering::Relaxed);
                    std::future::ready(clusterer.load(Ordering::Relaxed))
                };
                signs.orphaned(TIMEOUT, answers).await
            });
            Self {
                clock,
                signs,
                clusterer,
                probes,
                end,
            }
        }

        /// Lets everything that is due happen: the test has one thread.
        async fn settle(&self) {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }

        async fn pass(&self, seconds: u64) {
            for _ in 0..seconds {
                self.settle().await;
                self.clock.advance(Duration::from_secs(1));
            }
            self.settle().await;
        }
    }

    #[tokio::test]
    async fn an_orphan_notices_after_the_last_ping() {
        let world = World::new();
        // Booting takes as long as it takes.
        world.pass(3600).await;
        world.signs.expect_pings();
        world.pass(119).await;
        world.signs.ping();
        world.pass(119).await;
        assert!(!world.end.is_finished());
        world.pass(1).await;
        assert_eq!(world.end.await.unwrap(), Orphaned::Unasked);
    }

    #[tokio::test]
    async fn the_timer_stands_while_the_bus_is_away() {
        let world = World::new();
        world.signs.expect_pings();
        world.settle().await;
        world.signs.link(false);
        world.pass(1000).await;
        assert!(!world.end.is_finished());
        world.signs.link(true);
        world.pass(119).await;
        assert!(!world.end.is_finished());
        world.pass(1).await;
        assert_eq!(world.end.await.unwrap(), Orphaned::Unasked);
    }

    /// The supervisor was killed, and with it the hub, when there was no clusterer either.
    #[tokio::test]
    async fn with_neither_bus_nor_clusterer_ten_timeouts_are_the_end() {
        let world = World::new();
        world.signs.expect_pings();
        world.settle().await;
        world.signs.link(false);
        world.pass(1199).await;
        assert!(!world.end.is_finished());
        world.pass(1).await;
        assert_eq!(world.end.await.unwrap(), Orphaned::Alone);
    }

    #[tokio::test]
    async fn a_cluster_that_never_found_a_bus_ends_as_well() {
        let world = World::new();
        world.signs.link(false);
        world.pass(1200).await;
        assert_eq!(world.end.await.unwrap(), Orphaned::Alone);
    }

    #[tokio::test]
    async fn an_outage_of_the_bus_alone_ends_nobody() {
        let world = World::new();
        world.signs.expect_pings();
        world.settle().await;
        world.clusterer.store(true, Ordering::Relaxed);
        world.signs.link(false);
        world.pass(6_000).await;
        assert!(!world.end.is_finished());
        assert!(world.probes.load(Ordering::Relaxed) < 60, "it asks rarely");
        // Now the clusterer is gone, too; a bus that is back for a moment resets the time.
        world.clusterer.store(false, Ordering::Relaxed);
        world.pass(1000).await;
        world.signs.link(true);
        world.pass(100).await;
        world.signs.link(false);
        world.pass(1100).await;
        assert!(!world.end.is_finished());
        world.pass(220).await;
        assert_eq!(world.end.await.unwrap(), Orphaned::Alone);
    }

    #[tokio::test]
    async fn only_a_port_that_somebody_holds_answers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(listens(address).await);
        // Port 1 of the loopback needs privileges that nobody here has a use for.
        assert!(!listens("127.0.0.1:1".parse().unwrap()).await);
    }

    #[test]
    fn the_timeout_variable() {
        assert_eq!(orphan_timeout(Some("120")), Some(Duration::from_secs(120)));
        assert_eq!(
            orphan_timeout(Some("2.5s")),
            Some(Duration::from_millis(2500))
        );
        for off in [None, Some(""), Some("0"), Some("-1"), Some("soon")] {
            assert_eq!(orphan_timeout(off), None);
        }
    }
}
