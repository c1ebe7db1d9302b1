//! Where Discord's gateway is: the address that its API names, and for a session that goes on the one
//! that the session's READY named.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use splashtail_core::ids::ShardId;
use url::Url;

/// The gateway's addresses.
pub(super) struct Addresses {
    gateway: Url,
    /// Of shards with a session.
    resume: Mutex<BTreeMap<ShardId, Url>>,
}

impl Addresses {
    pub(super) fn new(gateway: Url) -> Self {
        Self {
            gateway,
            resume: Mutex::default(),
        }
    }

    pub(super) fn gateway(&self) -> &Url {
        &self.gateway
    }

    pub(super) fn of_session(&self, shard: ShardId) -> Option<Url> {
        self.resume().get(&shard).cloned()
    }

    /// The shard's next session is another one, or its address leads nowhere.
    pub(super) fn forget(&self, shard: ShardId) {
        self.resume().remove(&shard);
    }

    /// The address that a new session's READY names.
    pub(super) fn note(&self, shard: ShardId, address: Option<&str>) {
        let address = address.and_then(|address| address.parse::<Url>().ok());
        // A token that goes out encrypted goes nowhere else in the clear.
        if let Some(url) = address.filter(|url| url.scheme() == self.gateway.scheme()) {
            self.resume().insert(shard, url);
        }
    }

    fn resume(&self) -> MutexGuard<'_, BTreeMap<ShardId, Url>> {
        self.resume.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: ShardId = ShardId(1);

    fn noted(address: Option<&str>) -> Option<String> {
        let addresses = Addresses::new("wss://gateway.example".parse().unwrap());
        addresses.note(SHARD, address);
        addresses.of_session(SHARD).map(String::from)
    }

    #[test]
    fn an_address_in_the_clear_and_none_are_not_used() {
        let east = Some("wss://east.example/".to_owned());
        assert_eq!(noted(Some("wss://east.example")), east);
        for useless in [Some("ws://east.example"), Some("east"), None] {
            assert_eq!(noted(useless), None, "{useless:?}");
        }
    }
}
