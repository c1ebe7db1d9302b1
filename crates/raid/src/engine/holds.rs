//! Which timeouts are ours, so that a hold and its end leave those of others alone.

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use super::Engine;
use crate::moment::{Moment, SECOND};

/// Discord may round what it is told.
const ROUNDED: u64 = SECOND;

/// A timeout of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timeout {
    /// As it was asked for.
    until: Moment,
    /// The end of somebody else's, whose place it took.
    before: Option<Moment>,
}

impl Timeout {
    const fn ends_at(self, end: Moment) -> bool {
        self.until.since(end) <= ROUNDED && end.since(self.until) <= ROUNDED
    }
}

impl Engine {
    /// Somebody who is timed out until `found` is about to be held. `false`: somebody else keeps them from
    /// acting for longer, which stays.
    pub fn notes_hold(
        &mut self,
        user: Id,
        until: Moment,
        found: Option<Moment>,
        now: Moment,
    ) -> bool {
        self.timeouts.retain(|_, own| own.until > now);
        let found = found.filter(|end| *end > now);
        // An earlier attempt may have come about.
        let before = match self.own_timeout(user, found) {
            Some(own) => own.before,
            None => found,
        };
        if before.is_some_and(|end| end >= until) {
            return false;
        }
        self.timeouts.insert(user.get(), Timeout { until, before });
        true
    }

    /// Whether a timeout that ends then is a hold of ours.
    pub fn is_own_hold(&self, user: Id, end: Option<Moment>) -> bool {
        self.own_timeout(user, end).is_some()
    }

    /// Until when somebody else had them timed out before they were held.
    pub fn before_hold(&self, user: Id, now: Moment) -> Option<Moment> {
        let own = self.timeouts.get(&user.get())?;
        own.before.filter(|end| *end > now)
    }

    fn own_timeout(&self, user: Id, end: Option<Moment>) -> Option<Timeout> {
        let own = self.timeouts.get(&user.get()).copied()?;
        end.is_some_and(|end| own.ends_at(end)).then_some(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::{DAY, HOUR, MINUTE};

    const NOW: Moment = Moment(1_795_996_800_000);
    const USER: Id = Id::new(7);

    #[test]
    fn timeouts_of_others_outlive_a_hold() {
        let mut engine = Engine::new(NOW);
        let until = NOW.plus(HOUR);
        let longer = Some(NOW.plus(7 * DAY));
        assert!(!engine.notes_hold(USER, until, longer, NOW));
        assert!(!engine.is_own_hold(USER, longer), "nothing is ours");

        let shorter = Some(NOW.plus(30 * MINUTE));
        assert!(engine.notes_hold(USER, until, shorter, NOW));
        // It is not known whether that came about, so it is done again.
        let later = NOW.plus(10 * SECOND);
        assert!(engine.notes_hold(USER, later.plus(HOUR), Some(until), later));
        let own = Some(later.plus(HOUR + 400));
        assert!(engine.is_own_hold(USER, own) && !engine.is_own_hold(USER, longer));
        assert!(!engine.is_own_hold(USER, None));

        // Another process ends it, and what was there before is there again.
        let saved = serde_json::to_string(&engine.save()).unwrap();
        let mut engine = Engine::new(later);
        engine.restore(serde_json::from_str(&saved).unwrap());
        assert!(engine.is_own_hold(USER, own));
        assert_eq!(engine.before_hold(USER, later), shorter);
        assert_eq!(engine.before_hold(USER, NOW.plus(31 * MINUTE)), None);
    }
}
