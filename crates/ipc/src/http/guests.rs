//! Who is connected, and who may come in when it gets crowded.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio_util::sync::CancellationToken;

use super::Network;

/// How many connections a server holds.
#[derive(Debug, Clone)]
pub struct Capacity {
    pub total: usize,
    /// Of one client's [`Network`]. Loopback and `trusted` are others' doors and have no such bound.
    pub per_network: usize,
    /// Proxies in front.
    pub trusted: Arc<[IpAddr]>,
}

impl Default for Capacity {
    /// Less than the 1,024 descriptors that a process usually has.
    fn default() -> Self {
        Self {
            total: 800,
            per_network: 64,
            trusted: Arc::new([]),
        }
    }
}

impl Capacity {
    fn is_bounded(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !address.is_loopback() && !self.trusted.contains(&address)
    }
}

/// The connections of one server. When all places are taken, the one that has waited longest for
/// its next request makes room; those that are being answered are left alone.
#[derive(Debug, Clone)]
pub(super) struct Guests {
    capacity: Capacity,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    present: HashMap<u64, Place>,
    /// Places by the moment in which their waiting began.
    waiting: BTreeMap<u64, u64>,
    of_network: HashMap<Network, usize>,
}

#[derive(Debug)]
struct Place {
    network: Option<Network>,
    /// Key in `waiting`; `None` while a request is being answered.
    waits_since: Option<u64>,
    leave: CancellationToken,
}

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// The client has its share.
    Greedy,
    /// Every place is being served.
    Full,
}

/// One connection; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Guest {
    id: u64,
    guests: Guests,
    leave: CancellationToken,
    asked: CancellationToken,
}

impl Guests {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            state: Arc::default(),
        }
    }

    pub(super) fn admit(&self, address: IpAddr) -> Result<Guest, Turned> {
        let mut state = self.state();
        let bounded = self.capacity.is_bounded(address);
        let network = bounded.then(|| Network::of(address));
        if let Some(network) = network
            && state.of_network.get(&network).copied().unwrap_or(0) >= self.capacity.per_network
        {
            return Err(Turned::Greedy);
        }
        if state.present.len() >= self.capacity.total {
            let (_, longest) = state.waiting.pop_first().ok_or(Turned::Full)?;
            state.remove(longest);
        }
        let id = state.moment();
        let leave = CancellationToken::new();
        if let Some(network) = network {
            *state.of_network.entry(network).or_default() += 1;
        }
        let place = Place {
            network,
            waits_since: Some(id),
            leave: leave.clone(),
        };
        state.present.insert(id, place);
        state.waiting.insert(id, id);
        drop(state);
        Ok(Guest {
            id,
            guests: self.clone(),
            leave,
            asked: CancellationToken::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_waiting(&self, id: u64, waits: bool) {
        let mut state = self.state();
        let now = state.moment();
        // One that had to make room is not there any more.
        let Some(place) = state.present.get_mut(&id) else {
            return;
        };
        let before = std::mem::replace(&mut place.waits_since, waits.then_some(now));
        if let Some(before) = before {
            state.waiting.remove(&before);
        }
        if waits {
            state.waiting.insert(now, id);
        }
    }
}

impl State {
    fn moment(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn remove(&mut self, id: u64) {
        let Some(place) = self.present.remove(&id) else {
            return;
        };
        place.leave.cancel();
        if let Some(since) = place.waits_since {
            self.waiting.remove(&since);
        }
        if let Some(network) = place.network
            && let Some(count) = self.of_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                self.of_network.remove(&network);
            }
        }
    }
}

impl Guest {
    /// Resolves when the place is needed for somebody else.
    pub(super) async fn sent_away(&self) {
        self.leave.cancelled().await;
    }

    /// Resolves with the first request.
    pub(super) async fn has_asked(&self) {
        self.asked.cancelled().await;
    }

    /// Marks a request from now until the end of its answer.
    pub(super) fn serve(&self) -> Serving {
        self.asked.cancel();
        self.guests.set_waiting(self.id, false);
        Serving {
            id: self.id,
            guests: self.guests.clone(),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.state().remove(self.id);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Serving {
    id: u64,
    guests: Guests,
}

impl Serving {
    /// The answer's body; when it is gone the connection waits for its next request.
    pub(super) fn until_sent<B>(self, body: B) -> Sending<B> {
        Sending {
            body,
            _serving: self,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.guests.set_waiting(self.id, true);
    }
}

#[derive(Debug)]
pub(super) struct Sending<B> {
    body: B,
    _serving: Serving,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sending<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests(total: usize, per_network: usize) -> Guests {
        Guests::new(Capacity {
            total,
            per_network,
            trusted: Arc::new(["192.0.2.1".parse().unwrap()]),
        })
    }

    fn admit(guests: &Guests, address: &str) -> Result<Guest, Turned> {
        guests.admit(address.parse().unwrap())
    }

    #[test]
    fn a_client_has_its_share_and_those_behind_proxies_have_none() {
        let guests = guests(100, 2);
        let kept: Vec<_> = ["2001:db8::1", "2001:db8::2", "203.0.113.9"]
            .iter()
            .map(|address| admit(&guests, address).unwrap())
            .collect();
        let refused = admit(&guests, "2001:db8::3").unwrap_err();
        assert_eq!(refused, Turned::Greedy);
        admit(&guests, "::ffff:203.0.113.9").unwrap();
        let others: Vec<_> = (0..10)
            .flat_map(|_| ["127.0.0.1", "::1", "192.0.2.1", "::ffff:192.0.2.1"])
            .map(|address| admit(&guests, address).unwrap())
            .collect();
        drop((kept, others));
        admit(&guests, "2001:db8::3").unwrap();
        assert!(guests.state().of_network.is_empty() && guests.state().present.is_empty());
    }

    #[test]
    fn who_waited_longest_makes_room_and_who_is_served_stays() {
        let guests = guests(3, 3);
        let [a, b, c] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|at| admit(&guests, at).unwrap());
        let serving_a = a.serve();
        drop(b.serve());
        let d = admit(&guests, "10.0.0.4").unwrap();
        assert!(c.leave.is_cancelled(), "it waited longest");
        assert!(!a.leave.is_cancelled() && !b.leave.is_cancelled());
        let (_b, _d) = (b.serve(), d.serve());
        assert_eq!(admit(&guests, "10.0.0.5").unwrap_err(), Turned::Full);
        drop(c);
        assert_eq!(admit(&guests, "10.0.0.5").unwrap_err(), Turned::Full);
        drop(serving_a);
        let _e = admit(&guests, "10.0.0.5").unwrap();
        assert!(a.leave.is_cancelled());
    }
}
