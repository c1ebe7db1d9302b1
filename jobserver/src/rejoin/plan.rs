//! Who would be let back in. Data in, data out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use splashtail_core::ids::UserId;
use splashtail_discord::permissions::bits;

use super::options::{MOST_USERS, Options};

/// What is done, recorded before it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Ascending.
    pub join: Vec<UserId>,
    /// Who consented and is in the server already.
    pub here: usize,
    /// The named who did not consent.
    pub not_consented: Vec<UserId>,
    /// For another order.
    pub more: usize,
    /// Nobody could list the members: some of those who are let in may be there already.
    pub unlisted: bool,
    /// Why it cannot be done at all.
    pub refusals: Vec<String>,
    pub hash: String,
}

impl Plan {
    /// `consented`: who lets the server bring them back; `members`: who is there, where that is known;
    /// `may`: what the bot may do in the server.
    pub fn new(
        options: &Options,
        consented: &BTreeSet<UserId>,
        members: Option<&BTreeSet<UserId>>,
        may: u64,
    ) -> Self {
        let mut plan = Self {
            unlisted: members.is_none(),
            ..Self::default()
        };
        if may & bits::CREATE_INSTANT_INVITE == 0 {
            let why = "the bot lacks Create Invite, without which it lets nobody in";
            plan.refusals.push(why.to_owned());
        }
        let named = &options.users;
        plan.not_consented = named.difference(consented).copied().collect();
        for user in consented {
            if !named.is_empty() && !named.contains(user) {
                continue;
            }
            match members.is_some_and(|members| members.contains(user)) {
                true => plan.here += 1,
                false => plan.join.push(*user),
            }
        }
        plan.more = plan.join.len().saturating_sub(MOST_USERS);
        plan.join.truncate(MOST_USERS);
        plan.hash = plan.digest();
        plan
    }

    /// Of what it does and why it does not.
    fn digest(&self) -> String {
        let text = json!([self.join, self.refusals]).to_string();
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn document(&self) -> Value {
        json!({
            "kind": "rejoin_plan",
            "plan_hash": self.hash,
            "to_join": self.join,
            "members_already": self.here,
            "not_consented": self.not_consented,
            "left_for_another_order": self.more,
            "members_unknown": self.unlisted,
            "refusals": self.refusals,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(ids: impl IntoIterator<Item = u64>) -> BTreeSet<UserId> {
        ids.into_iter().filter_map(UserId::new).collect()
    }

    fn plan(named: &[u64], members: Option<&[u64]>, may: u64) -> Plan {
        let options = Options {
            users: users(named.iter().copied()),
            ..Options::default()
        };
        let members = members.map(|ids| users(ids.iter().copied()));
        Plan::new(&options, &users([5, 6, 7]), members.as_ref(), may)
    }

    #[test]
    fn only_who_consented_and_is_away_is_let_in() {
        let all = plan(&[], Some(&[6, 9]), bits::ALL);
        assert_eq!(all.join, Vec::from_iter(users([5, 7])));
        assert_eq!((all.here, all.unlisted, all.refusals.len()), (1, false, 0));
        let named = plan(&[7, 8], Some(&[6]), bits::ALL);
        assert_eq!(named.join, Vec::from_iter(users([7])));
        assert_eq!(named.not_consented, Vec::from_iter(users([8])));
        assert_ne!(named.hash, all.hash);
        let unknown = plan(&[], None, bits::ALL);
        assert_eq!(unknown.join.len(), 3);
        assert!(unknown.unlisted);
    }

    #[test]
    fn without_the_permission_nothing_is_tried() {
        let plan = plan(&[], Some(&[]), bits::ALL & !bits::CREATE_INSTANT_INVITE);
        assert_eq!(plan.refusals.len(), 1);
    }

    #[test]
    fn an_order_has_its_bounds() {
        let consented = users(1..=MOST_USERS as u64 + 3);
        let none = BTreeSet::new();
        let plan = Plan::new(&Options::default(), &consented, Some(&none), bits::ALL);
        assert_eq!((plan.join.len(), plan.more), (MOST_USERS, 3));
    }
}
