//! Files of settings that somebody is asked about: whether they shall be taken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, UserId};
use uuid::Uuid;

use crate::configuration::Plan;

/// The question is not answered later; the server has changed by then.
const PATIENCE: Duration = Duration::from_mins(15);
/// Files that are kept; the oldest goes first.
const MOST: usize = 64;

/// What somebody was asked.
#[derive(Debug, Clone)]
pub struct Import {
    pub guild: GuildId,
    pub user: UserId,
    /// The file.
    pub text: Arc<str>,
    pub replace: bool,
    /// What they were shown.
    pub plan: Plan,
}

/// Open questions. They end with the process.
pub struct Imports {
    clock: SharedClock,
    open: Mutex<VecDeque<(Uuid, Duration, Import)>>,
}

impl Imports {
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            open: Mutex::default(),
        }
    }

    /// The name of the question.
    pub fn ask(&self, import: Import) -> Uuid {
        let (id, now) = (Uuid::new_v4(), self.clock.monotonic());
        let mut open = self.open();
        if open.len() >= MOST {
            open.pop_front();
        }
        open.push_back((id, now + PATIENCE, import));
        id
    }

    /// Takes a question that is still open, so that it is answered once.
    pub fn take(&self, id: Uuid, guild: GuildId, user: UserId) -> Option<Import> {
        let now = self.clock.monotonic();
        let mut open = self.open();
        open.retain(|(_, until, _)| *until > now);
        let place = open.iter().position(|(known, _, import)| {
            *known == id && import.guild == guild && import.user == user
        })?;
        open.remove(place).map(|(_, _, import)| import)
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<(Uuid, Duration, Import)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;

    use super::*;

    fn import(user: u64) -> Import {
        Import {
            guild: GuildId::new(1).unwrap(),
            user: UserId::new(user).unwrap(),
            text: "form: 1".into(),
            replace: false,
            plan: Plan::empty(GuildId::new(1).unwrap()),
        }
    }

    #[test]
    fn a_question_is_answered_once_by_whom_it_was_asked_and_in_time() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let imports = Imports::new(clock.shared());
        let (guild, user) = (GuildId::new(1).unwrap(), UserId::new(7).unwrap());
        let id = imports.ask(import(7));
        assert!(imports.take(id, guild, UserId::new(8).unwrap()).is_none());
        assert!(imports.take(id, GuildId::new(2).unwrap(), user).is_none());
        assert!(imports.take(id, guild, user).is_some());
        assert!(imports.take(id, guild, user).is_none(), "once");
        let late = imports.ask(import(7));
        clock.advance(PATIENCE);
        assert!(imports.take(late, guild, user).is_none(), "too late");
    }

    #[test]
    fn of_too_many_the_oldest_goes() {
        let imports = Imports::new(ManualClock::new(DateTime::UNIX_EPOCH).shared());
        let (guild, user) = (GuildId::new(1).unwrap(), UserId::new(7).unwrap());
        let ids: Vec<Uuid> = (0..=MOST).map(|_| imports.ask(import(7))).collect();
        assert!(imports.take(ids[0], guild, user).is_none());
        assert!(imports.take(ids[MOST], guild, user).is_some());
    }
}
