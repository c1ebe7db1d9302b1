//! Roles of members that were asked for lately. Whoever runs a command brings them along; those that
//! are asked about from outside do not.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_core::ids::{GuildId, RoleId, UserId};

/// Members remembered at a time.
const MOST: usize = 10_000;
/// Whatever may have been missed shows after that.
const OLDEST: Duration = Duration::from_mins(5);
/// The same of who is not there.
const OLDEST_ABSENCE: Duration = Duration::from_mins(1);

type Key = (GuildId, UserId);

#[derive(Debug, Default)]
pub(super) struct Members(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<Key, Entry>,
    /// In the order of their tickets; some are of entries that are gone.
    order: VecDeque<(u64, Key)>,
    tickets: u64,
}

#[derive(Debug)]
struct Entry {
    ticket: u64,
    at: Duration,
    /// `None` while Discord is being asked.
    told: Option<Told>,
}

/// The roles, or that there is no such member.
type Told = Option<Box<[RoleId]>>;

/// Somebody asks Discord for a member's roles.
#[derive(Debug)]
pub struct Ticket {
    key: Key,
    number: u64,
}

impl Members {
    /// `Some(None)`: Discord said lately that they are not there.
    pub(super) fn get(&self, key: Key, now: Duration) -> Option<Option<Vec<RoleId>>> {
        let kept = self.kept();
        let entry = kept.entries.get(&key)?;
        let told = entry.told.as_ref()?;
        let oldest = match told {
            Some(_) => OLDEST,
            None => OLDEST_ABSENCE,
        };
        let fresh = now.saturating_sub(entry.at) < oldest;
        fresh.then(|| told.as_ref().map(|roles| roles.to_vec()))
    }

    pub(super) fn ask(&self, key: Key, now: Duration) -> Ticket {
        let mut kept = self.kept();
        kept.tickets += 1;
        let number = kept.tickets;
        let entry = Entry {
            ticket: number,
            at: now,
            told: None,
        };
        kept.entries.insert(key, entry);
        kept.order.push_back((number, key));
        while kept.order.len() > MOST
            && let Some((oldest, key)) = kept.order.pop_front()
        {
            if kept
                .entries
                .get(&key)
                .is_some_and(|entry| entry.ticket == oldest)
            {
                kept.entries.remove(&key);
            }
        }
        Ticket { key, number }
    }

    /// What Discord answered, unless an event said something newer meanwhile. `None`: they are not
    /// there.
    pub(super) fn answer(&self, ticket: &Ticket, roles: Option<&[RoleId]>) {
        if let Some(entry) = self.kept().entries.get_mut(&ticket.key)
            && entry.ticket == ticket.number
            && entry.told.is_none()
        {
            entry.told = Some(roles.map(Into::into));
        }
    }

    /// An event told the roles, or that the member is gone.
    pub(super) fn follow(&self, key: Key, roles: Option<&[RoleId]>, now: Duration) {
        let mut kept = self.kept();
        match roles {
            Some(roles) => {
                if let Some(entry) = kept.entries.get_mut(&key) {
                    (entry.told, entry.at) = (Some(Some(roles.into())), now);
                }
            }
            None => {
                kept.entries.remove(&key);
            }
        }
    }

    /// Of these something may have been missed.
    pub(super) fn forget(&self, of: impl Fn(GuildId, UserId) -> bool) {
        self.kept()
            .entries
            .retain(|(guild, user), _| !of(*guild, *user));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: u64) -> Key {
        (GuildId::new(1).unwrap(), UserId::new(user).unwrap())
    }

    fn role(id: u64) -> RoleId {
        RoleId::new(id).unwrap()
    }

    #[test]
    fn an_answer_is_kept_for_a_while_and_followed() {
        let members = Members::default();
        let now = Duration::from_secs(1);
        let ticket = members.ask(key(1), now);
        assert_eq!(members.get(key(1), now), None);
        members.answer(&ticket, Some(&[role(5)]));
        assert_eq!(members.get(key(1), now), Some(Some(vec![role(5)])));
        members.follow(key(1), Some(&[role(6)]), now);
        assert_eq!(members.get(key(1), now), Some(Some(vec![role(6)])));
        assert_eq!(members.get(key(1), now + OLDEST), None);
        members.follow(key(1), None, now);
        assert_eq!(members.get(key(1), now), None);
        // Of those that nobody asked for nothing is kept.
        members.follow(key(2), Some(&[role(6)]), now);
        assert_eq!(members.get(key(2), now), None);
    }

    #[test]
    fn what_happened_meanwhile_wins_over_an_answer() {
        let members = Members::default();
        let now = Duration::ZERO;
        for event in [Some([role(7)]), None] {
            let ticket = members.ask(key(1), now);
            members.follow(key(1), event.as_ref().map(|roles| &roles[..]), now);
            members.answer(&ticket, Some(&[role(5)]));
            let expected = event.map(|roles| Some(roles.to_vec()));
            assert_eq!(members.get(key(1), now), expected);
        }
        let ticket = members.ask(key(1), now);
        members.forget(|_, _| true);
        members.answer(&ticket, Some(&[role(5)]));
        assert_eq!(members.get(key(1), now), None);
    }

    #[test]
    fn an_absence_is_remembered_for_less_long_and_ends_with_a_join() {
        let members = Members::default();
        let now = Duration::from_secs(1);
        let ticket = members.ask(key(1), now);
        members.answer(&ticket, None);
        let almost = now + OLDEST_ABSENCE - Duration::from_millis(1);
        assert_eq!(members.get(key(1), almost), Some(None));
        assert_eq!(members.get(key(1), now + OLDEST_ABSENCE), None);
        members.follow(key(1), Some(&[role(6)]), now);
        assert_eq!(members.get(key(1), now), Some(Some(vec![role(6)])));
    }

    #[test]
    fn only_so_many_are_kept() {
        let members = Members::default();
        for user in 1..=20_000 {
            let ticket = members.ask(key(user), Duration::ZERO);
            members.answer(&ticket, Some(&[]));
        }
        let kept = members.kept();
        assert!(kept.entries.len() <= MOST && kept.order.len() <= MOST);
        assert!(kept.entries.contains_key(&key(20_000)) && !kept.entries.contains_key(&key(1)));
    }
}
