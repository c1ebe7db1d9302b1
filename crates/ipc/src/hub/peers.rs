//! Who is connected and what waits for them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Lines and bytes that may wait for one peer before it is dropped as too slow.
const MAX_LINES: usize = 4096;
const MAX_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PeerId(u64);

#[derive(Debug, Default)]
pub(super) struct Peers {
    next: AtomicU64,
    peers: Mutex<HashMap<PeerId, Peer>>,
}

#[derive(Debug)]
struct Peer {
    lines: mpsc::Sender<Arc<str>>,
    waiting_bytes: Arc<AtomicUsize>,
    channels: HashSet<String>,
    closing: CancellationToken,
}

impl Peers {
    /// `closing` is cancelled when the peer falls too far behind.
    pub(super) fn join(&self, closing: CancellationToken) -> (PeerId, Outbox) {
        let id = PeerId(self.next.fetch_add(1, Ordering::Relaxed));
        let (lines, queue) = mpsc::channel(MAX_LINES);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let outbox = Outbox {
            queue,
            waiting_bytes: Arc::clone(&waiting_bytes),
        };
        let peer = Peer {
            lines,
            waiting_bytes,
            channels: HashSet::new(),
            closing,
        };
        self.lock().insert(id, peer);
        (id, outbox)
    }

    pub(super) fn leave(&self, id: PeerId) {
        self.lock().remove(&id);
    }

    pub(super) fn broadcast(&self, line: String) {
        self.deliver(line, |_, _| true);
    }

    /// To the subscribers of the channel and, as an echo, to the sender.
    pub(super) fn publish(&self, channel: &str, sender: PeerId, line: String) {
        self.deliver(line, |id, peer| {
            id == sender || peer.channels.contains(channel)
        });
    }

    pub(super) fn send(&self, to: PeerId, line: String) {
        self.deliver(line, |id, _| id == to);
    }

    pub(super) fn subscribe(&self, id: PeerId, channels: Vec<String>, echo: String) {
        if let Some(peer) = self.lock().get_mut(&id) {
            peer.channels.extend(channels);
        }
        self.send(id, echo);
    }

    fn deliver(&self, line: String, wanted: impl Fn(PeerId, &Peer) -> bool) {
        let line: Arc<str> = line.into();
        // Only queues are touched under the lock, so one slow peer delays nobody.
        self.lock().retain(|id, peer| {
            if !wanted(*id, peer) {
                return true;
            }
            let waiting = peer.waiting_bytes.fetch_add(line.len(), Ordering::Relaxed) + line.len();
            let taken = waiting <= MAX_BYTES && peer.lines.try_send(Arc::clone(&line)).is_ok();
            if !taken {
                warn!(
                    waiting_bytes = waiting,
                    "dropped a bus connection that reads too slowly"
                );
                peer.closing.cancel();
            }
            taken
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving end of a peer's queue.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Receiver<Arc<str>>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Outbox {
    pub(super) async fn next(&mut self) -> Option<Arc<str>> {
        self.queue.recv().await
    }

    pub(super) fn sent(&self, line: &str) {
        self.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
    }
}
