//! Identify keys among several hosts.
//!
//! Shards with equal `id % max_concurrency` identify one after the other, on whatever host they
//! are. A host that wants to start a cluster announces a claim to its keys and waits for its own
//! announcement to come back. All hosts receive all announcements in the same order, so at that
//! moment it knows every claim that came earlier; it may go on when those are withdrawn. Nobody
//! hands out anything, and the loss of a host delays the others no longer than until it counts as
//! gone.

use std::collections::BTreeMap;

/// Whose claim came earlier: the host and the number of its claim.
type Earlier = Vec<(String, u64)>;

#[derive(Debug)]
struct Claim {
    /// Number of the announcement that carries it first.
    ticket: u64,
    /// `None` until the claim itself came back.
    ahead: Option<Earlier>,
}

#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<u16, Claim>);

impl Claims {
    /// Claims all keys at once, so that two hosts cannot wait for each other. `next` is the number
    /// of the next announcement.
    pub(super) fn want(&mut self, keys: &[u16], next: u64) -> Wanted {
        let tickets: Vec<_> = keys
            .iter()
            .map(|key| self.0.get(key).map(|claim| claim.ticket))
            .collect();
        let together = tickets
            .windows(2)
            .all(|pair| pair[0].is_some() && pair[0] == pair[1]);
        if !together || tickets.iter().any(Option::is_none) {
            for key in keys {
                let claim = Claim {
                    ticket: next,
                    ahead: None,
                };
                self.0.insert(*key, claim);
            }
            return Wanted::Claimed;
        }
        let first = |key: &u16| {
            let ahead = self.0.get(key).and_then(|claim| claim.ahead.as_ref());
            ahead.is_some_and(Vec::is_empty)
        };
        if keys.iter().all(first) {
            Wanted::Granted
        } else {
            Wanted::Waiting
        }
    }

    pub(super) fn waits(&self, keys: &[u16]) -> bool {
        let waits = |claim: &Claim| claim.ahead.as_ref().is_none_or(|ahead| !ahead.is_empty());
        keys.iter().any(|key| self.0.get(key).is_some_and(waits))
    }

    /// Keys that are in use already, by clusters of a predecessor.
    pub(super) fn hold(&mut self, keys: &[u16], next: u64) {
        for key in keys {
            self.0.entry(*key).or_insert(Claim {
                ticket: next,
                ahead: Some(Vec::new()),
            });
        }
    }

    /// Withdraws all others; `true` if there were any.
    pub(super) fn keep(&mut self, keys: &[u16]) -> bool {
        let before = self.0.len();
        self.0.retain(|key, _| keys.contains(key));
        self.0.len() != before
    }

    pub(super) fn told(&self) -> Vec<(u16, u64)> {
        self.0
            .iter()
            .map(|(key, claim)| (*key, claim.ticket))
            .collect()
    }

    /// Our announcement with this number came back: from now on it is known who was earlier.
    pub(super) fn returned<'a>(
        &mut self,
        sequence: u64,
        others: impl Iterator<Item = (&'a str, &'a [(u16, u64)])> + Clone,
    ) {
        for (key, claim) in &mut self.0 {
            if claim.ticket > sequence || claim.ahead.is_some() {
                continue;
            }
            let earlier = others.clone().flat_map(|(host, claims)| {
                let same = claims.iter().filter(|(claimed, _)| claimed == key);
                same.map(move |(_, ticket)| (host.to_owned(), *ticket))
            });
            claim.ahead = Some(earlier.collect());
        }
    }

    /// What another host claims now; what it claimed before is withdrawn.
    pub(super) fn heard(&mut self, host: &str, claims: &[(u16, u64)]) {
        for (key, claim) in &mut self.0 {
            if let Some(ahead) = &mut claim.ahead {
                ahead.retain(|(other, ticket)| other != host || claims.contains(&(*key, *ticket)));
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Granted,
    Waiting,
    /// A new claim has to be announced.
    Claimed,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two hosts and the order in which their announcements pass the bus.
    #[test]
    fn the_earlier_claim_goes_first_and_the_later_follows_its_withdrawal() {
        let (mut a, mut b) = (Claims::default(), Claims::default());
        assert_eq!(a.want(&[0, 1], 1), Wanted::Claimed);
        assert_eq!(b.want(&[1, 2], 1), Wanted::Claimed);
        let (of_a, of_b) = (a.told(), b.told());
        // a's announcement passes first.
        a.returned(1, [].into_iter());
        b.heard("a", &of_a);
        b.returned(1, [("a", &of_a[..])].into_iter());
        a.heard("b", &of_b);
        assert_eq!(a.want(&[0, 1], 2), Wanted::Granted);
        assert_eq!(b.want(&[1, 2], 2), Wanted::Waiting);
        // a is done with it and asks for a key again at once: b is earlier now.
        assert!(a.keep(&[]));
        assert_eq!(a.want(&[1], 2), Wanted::Claimed);
        b.heard("a", &a.told());
        a.returned(2, [("b", &of_b[..])].into_iter());
        assert_eq!(b.want(&[1, 2], 2), Wanted::Granted);
        assert_eq!(a.want(&[1], 3), Wanted::Waiting);
        a.heard("b", &[]);
        assert_eq!(a.want(&[1], 3), Wanted::Granted);
    }

    #[test]
    fn an_older_announcement_does_not_confirm_a_newer_claim() {
        let mut a = Claims::default();
        a.want(&[0], 1);
        a.keep(&[]);
        a.want(&[0], 3);
        a.returned(1, [].into_iter());
        assert_eq!(a.want(&[0], 4), Wanted::Waiting);
        a.returned(3, [("b", &[(0, 9)][..])].into_iter());
        assert_eq!(a.want(&[0], 4), Wanted::Waiting);
        // A key that joins an old one makes both new: they are asked for together.
        assert_eq!(a.want(&[0, 1], 4), Wanted::Claimed);
        assert_eq!(a.told(), [(0, 4), (1, 4)]);
    }
}
