//! Who is connected, what waits for them and who has to wait for them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Lines and bytes that may wait for one peer before it is dropped as too slow.
const MAX_LINES: usize = 4096;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What of it one sender may fill. A sender that gets here is not listened to until half of it is
/// gone, so that it neither crowds others out nor has its readers dropped.
const SHARE: Load = Load {
    lines: MAX_LINES / 4,
    bytes: MAX_BYTES / 4,
};
/// A reader that keeps a sender waiting for longer is too slow after all: the hub's senders are
/// not at the mercy of its slowest reader.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PeerId(u64);

#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    peers: HashMap<PeerId, Peer>,
}

#[derive(Debug)]
struct Peer {
    lines: mpsc::UnboundedSender<Line>,
    waiting: Load,
    /// What waits here, by sender.
    shares: HashMap<PeerId, Share>,
    channels: HashSet<String>,
    /// How many readers this peer has filled its share of.
    full_readers: watch::Sender<usize>,
    closing: CancellationToken,
}

#[derive(Debug, Clone)]
struct Line {
    text: Arc<str>,
    /// `None` for the hub's own answers.
    sender: Option<PeerId>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    lines: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Share {
    load: Load,
    /// Whether the sender waits for this reader.
    full: bool,
}

impl Load {
    fn add(&mut self, line: &str) {
        self.lines += 1;
        self.bytes += line.len();
    }

    fn remove(&mut self, line: &str) {
        self.lines = self.lines.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(line.len());
    }

    fn exceeds(&self, lines: usize, bytes: usize) -> bool {
        self.lines > lines || self.bytes > bytes
    }
}

impl Peers {
    /// `closing` is cancelled when the peer falls too far behind.
    pub(super) fn join(&self, closing: CancellationToken) -> (PeerId, Outbox) {
        let (lines, queue) = mpsc::unbounded_channel();
        let mut state = self.lock();
        let id = PeerId(state.next);
        state.next += 1;
        let peer = Peer {
            lines,
            waiting: Load::default(),
            shares: HashMap::new(),
            channels: HashSet::new(),
            full_readers: watch::Sender::new(0),
            closing,
        };
        state.peers.insert(id, peer);
        (id, Outbox { id, queue })
    }

    pub(super) fn leave(&self, id: PeerId) {
        self.lock().remove(id);
    }

    pub(super) fn broadcast(&self, sender: PeerId, line: String) {
        self.lock().deliver(Some(sender), line, |_, _| true);
    }

    /// To the subscribers of the channel and, as an echo, to the sender.
    pub(super) fn publish(&self, channel: &str, sender: PeerId, line: String) {
        self.lock().deliver(Some(sender), line, |id, peer| {
            id == sender || peer.channels.contains(channel)
        });
    }

    pub(super) fn send(&self, to: PeerId, line: String) {
        self.lock().deliver(None, line, |id, _| id == to);
    }

    pub(super) fn subscribe(&self, id: PeerId, channels: Vec<String>, echo: String) {
        let mut state = self.lock();
        if let Some(peer) = state.peers.get_mut(&id) {
            peer.channels.extend(channels);
        }
        state.deliver(None, echo, |other, _| other == id);
    }

    /// Returns once the sender may be listened to again.
    pub(super) async fn room(&self, sender: PeerId) {
        let Some(mut full) = self.full_readers(sender) else {
            return;
        };
        if *full.borrow_and_update() == 0 {
            return;
        }
        // The sender's own end closes the channel.
        let waiting = full.wait_for(|full| *full == 0);
        if tokio::time::timeout(LONGEST_PAUSE, waiting).await.is_err() {
            self.lock().drop_readers_full_of(sender);
        }
    }

    fn full_readers(&self, sender: PeerId) -> Option<watch::Receiver<usize>> {
        let state = self.lock();
        Some(state.peers.get(&sender)?.full_readers.subscribe())
    }

    /// The reader took the line.
    pub(super) fn sent(&self, reader: PeerId, line: &Sent) {
        self.lock().sent(reader, &line.0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Only queues are touched here, so one slow peer delays nobody.
impl State {
    fn deliver(
        &mut self,
        sender: Option<PeerId>,
        text: String,
        wanted: impl Fn(PeerId, &Peer) -> bool,
    ) {
        let text: Arc<str> = text.into();
        let (mut newly_full, mut too_slow) = (0, Vec::new());
        for (id, peer) in &mut self.peers {
            if !wanted(*id, peer) {
                continue;
            }
            peer.waiting.add(&text);
            if let Some(sender) = sender {
                let share = peer.shares.entry(sender).or_default();
                share.load.add(&text);
                if !share.full && share.load.exceeds(SHARE.lines, SHARE.bytes) {
                    share.full = true;
                    newly_full += 1;
                }
            }
            let line = Line {
                text: Arc::clone(&text),
                sender,
            };
            // A peer that is leaving takes no more.
            let _ = peer.lines.send(line);
            if peer.waiting.exceeds(MAX_LINES, MAX_BYTES) {
                too_slow.push(*id);
            }
        }
        if newly_full > 0
            && let Some(sender) = sender.and_then(|sender| self.peers.get(&sender))
        {
            sender.full_readers.send_modify(|full| *full += newly_full);
        }
        for id in too_slow {
            self.drop_reader(id);
        }
    }

    fn sent(&mut self, reader: PeerId, line: &Line) {
        let Some(peer) = self.peers.get_mut(&reader) else {
            return;
        };
        peer.waiting.remove(&line.text);
        let Some(sender) = line.sender else { return };
        let Some(share) = peer.shares.get_mut(&sender) else {
            return;
        };
        share.load.remove(&line.text);
        let relieved = share.full && !share.load.exceeds(SHARE.lines / 2, SHARE.bytes / 2);
        if relieved {
            share.full = false;
        }
        if share.load.lines == 0 {
            peer.shares.remove(&sender);
        }
        if relieved {
            self.relieve(sender);
        }
    }

    fn relieve(&mut self, sender: PeerId) {
        if let Some(sender) = self.peers.get(&sender) {
            sender
                .full_readers
                .send_modify(|full| *full = full.saturating_sub(1));
        }
    }

    fn remove(&mut self, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else {
            return;
        };
        for (sender, share) in peer.shares {
            if share.full {
                self.relieve(sender);
            }
        }
    }

    fn drop_readers_full_of(&mut self, sender: PeerId) {
        let full = |peer: &Peer| peer.shares.get(&sender).is_some_and(|share| share.full);
        let readers = self.peers.iter().filter(|(_, peer)| full(peer));
        let readers: Vec<_> = readers.map(|(id, _)| *id).collect();
        for id in readers {
            self.drop_reader(id);
        }
    }

    fn drop_reader(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get(&id) {
            warn!(
                waiting_lines = peer.waiting.lines,
                waiting_bytes = peer.waiting.bytes,
                "dropped a bus connection that reads too slowly"
            );
            peer.closing.cancel();
        }
        self.remove(id);
    }
}

/// The receiving end of a peer's queue.
#[derive(Debug)]
pub(super) struct Outbox {
    id: PeerId,
    queue: mpsc::UnboundedReceiver<Line>,
}

/// A line on its way to the peer. Say [`Peers::sent`] once it is there.
#[derive(Debug)]
pub(super) struct Sent(Line);

impl Sent {
    pub(super) fn text(&self) -> &str {
        &self.0.text
    }
}

impl Outbox {
    pub(super) fn reader(&self) -> PeerId {
        self.id
    }

    pub(super) async fn next(&mut self) -> Option<Sent> {
        self.queue.recv().await.map(Sent)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    struct Reader {
        id: PeerId,
        outbox: Outbox,
        closing: CancellationToken,
    }

    fn join(peers: &Peers) -> Reader {
        let closing = CancellationToken::new();
        let (id, outbox) = peers.join(closing.clone());
        Reader {
            id,
            outbox,
            closing,
        }
    }

    /// Takes up to `count` lines as a peer does.
    fn drain(peers: &Peers, reader: &mut Reader, count: usize) -> usize {
        let mut taken = 0;
        while taken < count
            && let Ok(line) = reader.outbox.queue.try_recv()
        {
            peers.sent(reader.id, &Sent(line));
            taken += 1;
        }
        taken
    }

    fn may_send(peers: &Peers, sender: &Reader) -> bool {
        peers.room(sender.id).now_or_never().is_some()
    }

    /// A flooder used to fill its readers' queues, which got them dropped.
    #[tokio::test]
    async fn a_flooder_waits_for_its_readers_and_others_do_not() {
        let peers = Peers::default();
        let (mut flooder, mut reader, mut honest) = (join(&peers), join(&peers), join(&peers));
        let mut sent = 0;
        while may_send(&peers, &flooder) {
            peers.broadcast(flooder.id, "x\n".to_owned());
            drain(&peers, &mut flooder, 1);
            drain(&peers, &mut honest, 1);
            sent += 1;
            assert!(sent <= MAX_LINES, "never told to wait");
        }
        assert_eq!(sent, SHARE.lines + 1);
        assert!(may_send(&peers, &honest), "it has sent nothing");
        peers.broadcast(honest.id, "y\n".to_owned());
        assert!(!reader.closing.is_cancelled());
        drain(&peers, &mut reader, SHARE.lines / 2);
        assert!(!may_send(&peers, &flooder));
        drain(&peers, &mut reader, 1);
        assert!(may_send(&peers, &flooder));
        assert_eq!(drain(&peers, &mut reader, MAX_LINES), SHARE.lines / 2 + 1);
        assert!(peers.lock().peers[&reader.id].shares.is_empty());
    }

    #[tokio::test]
    async fn large_messages_fill_a_share_too() {
        let peers = Peers::default();
        let (mut sender, reader) = (join(&peers), join(&peers));
        for _ in 0..3 {
            assert!(may_send(&peers, &sender));
            peers.broadcast(sender.id, "x".repeat(SHARE.bytes / 2));
            drain(&peers, &mut sender, 1);
        }
        assert!(!may_send(&peers, &sender));
        peers.leave(reader.id);
        assert!(may_send(&peers, &sender), "nobody is waited for who left");
    }

    #[tokio::test]
    async fn a_reader_that_keeps_a_sender_waiting_is_dropped() {
        let peers = Peers::default();
        let (mut sender, deaf, other) = (join(&peers), join(&peers), join(&peers));
        while may_send(&peers, &sender) {
            peers.publish("none", sender.id, "x\n".to_owned());
            peers.send(deaf.id, "y\n".to_owned());
            peers
                .lock()
                .deliver(Some(sender.id), "x\n".to_owned(), |id, _| id == deaf.id);
            drain(&peers, &mut sender, 1);
        }
        peers.lock().drop_readers_full_of(sender.id);
        assert!(deaf.closing.is_cancelled());
        assert!(may_send(&peers, &sender));
        assert!(!sender.closing.is_cancelled() && !other.closing.is_cancelled());
    }

    #[test]
    fn many_senders_together_are_bounded_as_well() {
        let peers = Peers::default();
        let reader = join(&peers);
        for _ in 0..5 {
            let sender = join(&peers);
            for _ in 0..SHARE.lines {
                let line = "x\n".to_owned();
                peers
                    .lock()
                    .deliver(Some(sender.id), line, |id, _| id == reader.id);
            }
            peers.leave(sender.id);
        }
        assert!(reader.closing.is_cancelled());
    }
}
