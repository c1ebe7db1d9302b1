//! Guilds of which a session has not been told yet, and what happens in them meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use splashtail_sandbox_world::world::Id;

/// Events of one guild that wait for its GUILD_CREATE; with more it is written anew.
const MAX_HELD: usize = 10_000;

/// An event that waits until the session has been told of its guild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub name: &'static str,
    pub text: Arc<str>,
    pub late_ms: u64,
}

/// When a session hears of what happens in a guild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    Now,
    /// After its GUILD_CREATE, which is being written and of before.
    Later,
    /// Never: its GUILD_CREATE is to come, and will hold all that has happened.
    Never,
}

#[derive(Debug, Default)]
struct Guilds {
    waiting: BTreeSet<Id>,
    /// Guilds whose GUILD_CREATE is being written, with what has happened in them since; `None`
    /// when that was too much.
    written: BTreeMap<Id, Option<Vec<Held>>>,
    /// Somebody tells the session of all these, one after the other.
    teller: bool,
}

/// Every change is made under the world's lock, so that none of its events falls in between.
#[derive(Debug, Default)]
pub struct Untold(Mutex<Guilds>);

impl Untold {
    fn guilds(&self) -> MutexGuard<'_, Guilds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are to be told of, in the order of their ids.
    pub fn expect(&self, guilds: impl IntoIterator<Item = Id>) {
        self.guilds().waiting.extend(guilds);
    }

    /// The next one to tell of.
    pub fn next(&self) -> Option<Id> {
        self.guilds().waiting.pop_first()
    }

    /// Makes the caller the one who tells of them, unless there is one: two would write the same
    /// guild at once, and neither what follows it in order.
    pub fn engage(&self) -> bool {
        !std::mem::replace(&mut self.guilds().teller, true)
    }

    /// Whether the teller has told of all, and is it no longer.
    pub fn is_done(&self) -> bool {
        let mut guilds = self.guilds();
        let done = guilds.waiting.is_empty();
        guilds.teller &= !done;
        done
    }

    /// How many are still to be told of, those included that are being written.
    pub fn len(&self) -> usize {
        let guilds = self.guilds();
        guilds.waiting.len() + guilds.written.len()
    }

    /// What is to become of an event in a guild.
    pub fn hears(&self, guild: Id) -> Hears {
        let guilds = self.guilds();
        if guilds.waiting.contains(&guild) {
            Hears::Never
        } else if guilds.written.contains_key(&guild) {
            Hears::Later
        } else {
            Hears::Now
        }
    }

    /// A guild's GUILD_CREATE is written from a copy of now.
    pub fn write(&self, guild: Id) {
        self.guilds().written.insert(guild, Some(Vec::new()));
    }

    /// Keeps an event until the guild's GUILD_CREATE is written.
    pub fn hold(&self, guild: Id, event: Held) {
        let mut guilds = self.guilds();
        let Some(held) = guilds.written.get_mut(&guild) else {
            return;
        };
        if held.as_ref().is_some_and(|held| held.len() >= MAX_HELD) {
            *held = None;
        } else if let Some(held) = held {
            held.push(event);
        }
    }

    /// A guild's GUILD_CREATE is written: what has happened since, or `None` when that was too
    /// much to keep, and the guild is to be told of anew.
    pub fn wrote(&self, guild: Id) -> Option<Vec<Held>> {
        let mut guilds = self.guilds();
        let held = guilds.written.remove(&guild).flatten();
        if held.is_none() {
            guilds.waiting.insert(guild);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUILD: Id = Id(5);

    fn event(n: usize) -> Held {
        Held {
            name: "MESSAGE_CREATE",
            text: n.to_string().into(),
            late_ms: 0,
        }
    }

    #[test]
    fn what_happens_while_a_guild_is_written_follows_in_its_order() {
        let untold = Untold::default();
        untold.expect([Id(7), GUILD]);
        assert_eq!((untold.hears(GUILD), untold.len()), (Hears::Never, 2));
        assert_eq!(untold.next(), Some(GUILD));
        untold.write(GUILD);
        assert_eq!((untold.hears(GUILD), untold.len()), (Hears::Later, 2));
        untold.hold(GUILD, event(1));
        untold.hold(GUILD, event(2));
        assert_eq!(untold.wrote(GUILD), Some(vec![event(1), event(2)]));
        assert_eq!((untold.hears(GUILD), untold.len()), (Hears::Now, 1));
    }

    #[test]
    fn a_guild_in_which_too_much_happens_is_told_of_anew() {
        let untold = Untold::default();
        untold.write(GUILD);
        for n in 0..=MAX_HELD + 1 {
            untold.hold(GUILD, event(n));
        }
        assert_eq!(untold.wrote(GUILD), None);
        assert_eq!(
            (untold.hears(GUILD), untold.next()),
            (Hears::Never, Some(GUILD))
        );
    }

    #[test]
    fn a_guild_that_comes_back_while_it_is_written_is_told_of_after_that() {
        let untold = Untold::default();
        untold.write(GUILD);
        untold.hold(GUILD, event(1));
        untold.expect([GUILD]);
        assert_eq!(untold.hears(GUILD), Hears::Never);
        assert_eq!(untold.wrote(GUILD), Some(vec![event(1)]));
        assert_eq!(untold.next(), Some(GUILD));
    }
}
