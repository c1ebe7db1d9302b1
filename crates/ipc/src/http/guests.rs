//! Who is connected, and who may come in when it gets crowded.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::Network;

/// How many connections a server holds.
#[derive(Debug, Clone)]
pub struct Capacity {
    pub total: usize,
    /// Of one client's [`Network`]; the blocks of IPv6 around it have [`NETWORKS_OF_BLOCK`] times
    /// as many. Loopback and `trusted` are others' doors and have no such bound.
    pub per_network: usize,
    /// Proxies in front.
    pub trusted: Arc<[IpAddr]>,
}

/// Clients at their bound that a /48 and a /32 may hold.
const NETWORKS_OF_BLOCK: [usize; 2] = [2, 4];

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

    /// What an address counts for, the narrowest first; nothing where there is no bound.
    fn shares(&self, address: IpAddr) -> Vec<Share> {
        if !self.is_bounded(address) {
            return Vec::new();
        }
        let share = |(network, networks)| Share {
            network,
            limit: networks * self.per_network,
        };
        std::iter::once((Network::of(address), 1))
            .chain(Network::blocks(address).zip(NETWORKS_OF_BLOCK))
            .map(share)
            .collect()
    }
}

/// A network and how many connections it may have.
#[derive(Debug, Clone, Copy)]
struct Share {
    network: Network,
    limit: usize,
}

/// The connections of one server. When the places of a network or all places are taken, the one of
/// them that has waited longest for its next request makes room. When all are being answered, it is
/// the oldest that is still taking its answer, of the network that has most of its share, if that
/// is more than the newcomer's. A request that is being carried out is never given up.
#[derive(Debug, Clone)]
pub(super) struct Guests {
    capacity: Capacity,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    present: HashMap<u64, Place>,
    of_network: HashMap<Network, usize>,
}

#[derive(Debug)]
struct Place {
    /// The narrowest first; empty where there is no bound.
    shares: Vec<Share>,
    doing: Doing,
    /// The moment in which it began with that.
    since: u64,
    leave: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// For the next request.
    Waiting,
    /// The handler is at work.
    Asking,
    /// The handler is done.
    Taking,
}

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// The client, or a block of IPv6 around it, has its share and uses all of it.
    Greedy,
    /// Every place is in use.
    Full,
}

/// One connection; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Guest {
    id: u64,
    guests: Guests,
    leave: CancellationToken,
    /// Something came that has not been answered.
    heard: Arc<AtomicBool>,
}

impl Guests {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            state: Arc::default(),
        }
    }

    pub(super) fn admit(&self, address: IpAddr) -> Result<Guest, Turned> {
        let shares = self.capacity.shares(address);
        let mut state = self.state();
        for (narrower, share) in shares.iter().enumerate() {
            if state.count(share.network) >= share.limit
                && !state.make_room(Some(share.network), &shares[..narrower])
            {
                return Err(Turned::Greedy);
            }
        }
        if state.present.len() >= self.capacity.total && !state.make_room(None, &shares) {
            return Err(Turned::Full);
        }
        let id = state.moment();
        let leave = CancellationToken::new();
        for share in &shares {
            *state.of_network.entry(share.network).or_default() += 1;
        }
        let place = Place {
            shares,
            doing: Doing::Waiting,
            since: id,
            leave: leave.clone(),
        };
        state.present.insert(id, place);
        drop(state);
        Ok(Guest {
            id,
            guests: self.clone(),
            leave,
            heard: Arc::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, id: u64, doing: Doing) {
        let mut state = self.state();
        let since = state.moment();
        // One that had to make room is not there any more.
        if let Some(place) = state.present.get_mut(&id) {
            (place.doing, place.since) = (doing, since);
        }
    }
}

impl State {
    fn moment(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn count(&self, network: Network) -> usize {
        self.of_network.get(&network).copied().unwrap_or(0)
    }

    /// Frees a place of the network, or any. `newcomer` are the shares by which it is compared
    /// with those who are there. Looks at all places, which are few.
    fn make_room(&mut self, within: Option<Network>, newcomer: &[Share]) -> bool {
        let compared = newcomer.len();
        let inside = |place: &Place| {
            let mut networks = place.shares.iter().map(|share| share.network);
            within.is_none_or(|within| networks.any(|network| network == within))
        };
        let of = |doing| {
            let places = self.present.iter();
            places.filter(move |(_, place)| place.doing == doing && inside(place))
        };
        let idle = of(Doing::Waiting).min_by_key(|(_, place)| place.since);
        let (id, reason) = if let Some((id, _)) = idle {
            (*id, "idle")
        } else {
            let fullest = of(Doing::Taking)
                .map(|(id, place)| {
                    // Of a block those within it are compared.
                    let shares = match within {
                        Some(_) => &place.shares[..compared],
                        None => &place.shares[..],
                    };
                    let narrowest = shares.first().map_or(0, |share| self.filled(share, 0));
                    let filled = shares.iter().map(|share| self.filled(share, 0)).max();
                    (filled, narrowest, Reverse(place.since), *id)
                })
                .max();
            let Some((Some(filled), _, _, id)) = fullest else {
                return false;
            };
            let own = newcomer.iter().map(|share| self.filled(share, 1)).max();
            if filled <= own.unwrap_or(0) {
                return false;
            }
            (id, "slow")
        };
        counter!("http_connections_closed_total", "reason" => reason).increment(1);
        self.remove(id);
        true
    }

    /// How much of the share is used, with `more` connections, in millionths.
    fn filled(&self, share: &Share, more: usize) -> usize {
        (self.count(share.network) + more) * 1_000_000 / share.limit.max(1)
    }

    fn remove(&mut self, id: u64) {
        let Some(place) = self.present.remove(&id) else {
            return;
        };
        place.leave.cancel();
        for share in place.shares {
            if let Some(count) = self.of_network.get_mut(&share.network) {
                *count -= 1;
                if *count == 0 {
                    self.of_network.remove(&share.network);
                }
            }
        }
    }
}

impl Guest {
    /// Resolves when the place is needed for somebody else.
    pub(super) async fn sent_away(&self) {
        self.leave.cancelled().await;
    }

    /// Notes that something came.
    pub(super) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// The moment since which it says nothing; `None` while a request comes or is answered.
    pub(super) fn silent_since(&self) -> Option<u64> {
        let state = self.guests.state();
        let place = state.present.get(&self.id)?;
        let is_silent = place.doing == Doing::Waiting && !self.heard.load(Ordering::Relaxed);
        is_silent.then_some(place.since)
    }

    /// Marks a request from now until the end of its answer.
    pub(super) fn serve(&self) -> Serving {
        self.guests.set(self.id, Doing::Asking);
        Serving {
            id: self.id,
            guests: self.guests.clone(),
            heard: self.heard.clone(),
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
    heard: Arc<AtomicBool>,
}

impl Serving {
    /// The answer's body; when it is gone the connection waits for its next request.
    pub(super) fn until_sent<B>(self, body: B) -> Sending<B> {
        self.guests.set(self.id, Doing::Taking);
        Sending {
            body,
            _serving: self,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.heard.store(false, Ordering::Relaxed);
        self.guests.set(self.id, Doing::Waiting);
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
    use http_body_util::Empty;

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
        let serving: Vec<_> = kept.iter().map(Guest::serve).collect();
        let refused = admit(&guests, "2001:db8::3").unwrap_err();
        assert_eq!(refused, Turned::Greedy);
        admit(&guests, "::ffff:203.0.113.9").unwrap();
        let others: Vec<_> = (0..10)
            .flat_map(|_| ["127.0.0.1", "::1", "192.0.2.1", "::ffff:192.0.2.1"])
            .map(|address| admit(&guests, address).unwrap())
            .collect();
        drop((serving, kept, others));
        admit(&guests, "2001:db8::3").unwrap();
        assert!(guests.state().of_network.is_empty() && guests.state().present.is_empty());
    }

    /// It used to be refused beside connections of its own that did nothing.
    #[test]
    fn a_client_with_its_share_gives_up_what_it_does_not_use() {
        let guests = guests(100, 2);
        let [a, b] = ["10.0.0.1"; 2].map(|at| admit(&guests, at).unwrap());
        let serving = a.serve();
        let c = admit(&guests, "10.0.0.1").unwrap();
        assert!(b.leave.is_cancelled() && !a.leave.is_cancelled());
        let taking = c.serve().until_sent(Empty::<Bytes>::new());
        assert_eq!(admit(&guests, "10.0.0.1").unwrap_err(), Turned::Greedy);
        drop((serving, taking));
        let _d = admit(&guests, "10.0.0.1").unwrap();
        assert!(a.leave.is_cancelled());
    }

    /// Whoever had a /48 could fill the server with a few of its 65,536 networks.
    #[test]
    fn a_block_of_ipv6_has_its_share_too() {
        let guests = guests(100, 2);
        let serve = |address: String| {
            let guest = admit(&guests, &address)?;
            let serving = guest.serve();
            Ok::<_, Turned>((guest, serving))
        };
        let site: Vec<_> = (0..4)
            .map(|network| serve(format!("2001:db8:1:{network}::1")).unwrap())
            .collect();
        let refused = serve("2001:db8:1:ff::1".to_owned()).unwrap_err();
        assert_eq!(refused, Turned::Greedy);
        let provider: Vec<_> = (2..6)
            .map(|site| serve(format!("2001:db8:{site}::1")).unwrap())
            .collect();
        let refused = serve("2001:db8:ff::1".to_owned()).unwrap_err();
        assert_eq!(refused, Turned::Greedy);
        serve("2001:db9::1".to_owned()).unwrap();
        drop((site, provider));
        assert!(guests.state().of_network.is_empty());
    }

    #[test]
    fn who_has_most_gives_up_its_oldest_answer_but_no_request() {
        let guests = guests(5, 4);
        let taking = |address| {
            let guest = admit(&guests, address)?;
            let answer = guest.serve().until_sent(Empty::<Bytes>::new());
            Ok::<_, Turned>((guest, answer))
        };
        let asking = admit(&guests, "10.0.0.1").unwrap();
        let _serving = asking.serve();
        let [old, new] = ["10.0.0.1"; 2].map(|address| taking(address).unwrap());
        let others = ["10.0.0.2", "2001:db8::1"].map(|address| taking(address).unwrap());
        let _newcomer = taking("10.0.0.3").unwrap();
        assert!(old.0.leave.is_cancelled() && !asking.leave.is_cancelled());
        let another = taking("10.0.0.4").unwrap();
        assert!(new.0.leave.is_cancelled());
        // Now nobody has more than one.
        assert_eq!(taking("10.0.0.5").unwrap_err(), Turned::Full);
        assert_eq!(taking("10.0.0.4").unwrap_err(), Turned::Full);
        assert!(others.iter().all(|(guest, _)| !guest.leave.is_cancelled()));
        drop(another);
        taking("10.0.0.5").unwrap();
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
