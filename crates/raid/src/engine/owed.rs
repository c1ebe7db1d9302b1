//! What of ours stands in the server and is to be taken back, whatever becomes of the wave that it was for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splashtail_guild::Id;

use crate::moment::{MINUTE, Moment, SECOND};

/// What failed is tried again after so long,
const SOON: u64 = 10 * SECOND;
/// and what was refused, since somebody may allow it.
const LATER: u64 = 5 * MINUTE;
/// A refused job is ordered anew so often.
const MOST_TRIES: u32 = 12;

/// What Discord, or the jobserver, said to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// It may work later.
    Later,
    /// What it is about is not there.
    Gone,
    /// The bot may not, for this reason.
    Refused(String),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Owed {
    pub level: Option<Raised>,
    /// A pause until then ends early.
    pub unpause: Option<Moment>,
    /// They are held and need not be.
    pub release: BTreeMap<u64, Release>,
    pub lifts: Vec<Lift>,
    #[serde(skip)]
    pub unpausing: Turn,
}

/// A hold that ends early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Release {
    /// By then it has ended by itself.
    pub until: Moment,
    #[serde(skip)]
    pub turn: Turn,
}

/// What newcomers are asked for because of us.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Raised {
    /// To this it goes back.
    pub before: u8,
    /// What is wanted.
    pub to: u8,
    /// What Discord has taken.
    pub set: Option<u8>,
    /// The server was seen so: another level is somebody else's.
    pub is_seen: bool,
    #[serde(skip)]
    pub is_lowering: bool,
    #[serde(skip)]
    pub turn: Turn,
}

/// Bans that are lifted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Lift {
    /// The job that has banned. When nobody is named it is stopped, too.
    pub job: String,
    /// Nobody: all that it banned.
    pub users: Vec<Id>,
    pub by: Option<Id>,
    /// When somebody asked for it.
    #[serde(default)]
    pub since: Moment,
    /// Orders that were refused, or failed, since then.
    pub tries: u32,
    #[serde(skip)]
    pub turn: Turn,
}

/// Whether something is under way, and when it is tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    #[serde(skip)]
    pub is_under_way: bool,
    #[serde(skip)]
    again: Moment,
}

impl Turn {
    /// Takes it, unless somebody has it or it is too soon.
    pub fn take(&mut self, now: Moment) -> bool {
        let may = !self.is_under_way && self.is_time(now);
        self.is_under_way |= may;
        may
    }

    /// It is not too soon. A clock that was set back keeps nothing waiting for longer.
    pub fn is_time(&self, now: Moment) -> bool {
        now >= self.again || self.again.since(now) > LATER
    }

    /// It was answered.
    pub const fn ends(&mut self, answer: &Answer, now: Moment) {
        self.is_under_way = false;
        self.again = match answer {
            Answer::Done | Answer::Gone => Moment(0),
            Answer::Later => now.plus(SOON),
            Answer::Refused(_) => now.plus(LATER),
        };
    }

    /// It is tried at once when somebody asks for it.
    pub const fn hurry(&mut self) {
        self.again = Moment(0);
    }
}

impl Owed {
    pub fn is_empty(&self) -> bool {
        self.level.is_none()
            && self.unpause.is_none()
            && self.release.is_empty()
            && self.lifts.is_empty()
    }

    /// Somebody is held for so long at most and need not be.
    pub fn release(&mut self, user: u64, until: Moment) {
        self.release.entry(user).or_insert(Release {
            until,
            turn: Turn::default(),
        });
    }

    /// Whether a hold is over, by us or by itself.
    pub fn released(&mut self, user: u64, answer: &Answer, now: Moment) -> bool {
        let Some(release) = self.release.get_mut(&user) else {
            return *answer != Answer::Later;
        };
        release.turn.ends(answer, now);
        let is_over = match answer {
            Answer::Done | Answer::Gone => true,
            Answer::Later => false,
            Answer::Refused(_) => now >= release.until,
        };
        if is_over {
            self.release.remove(&user);
        }
        is_over
    }

    pub fn lift(&mut self, job: &str, users: Vec<Id>, by: Option<Id>, now: Moment) {
        let is_known = self
            .lifts
            .iter()
            .any(|lift| lift.job == job && (lift.users == users || lift.users.is_empty()));
        if !is_known {
            self.lifts.push(Lift {
                job: job.to_owned(),
                users,
                by,
                since: now,
                tries: 0,
                turn: Turn::default(),
            });
        }
    }

    /// Whether it is given up, refused so often; `None`: it is not to be lifted, or no longer.
    pub fn lifted(
        &mut self,
        job: &str,
        users: &[Id],
        answer: &Answer,
        now: Moment,
    ) -> Option<bool> {
        let mut lifts = self.lifts.iter();
        let at = lifts.position(|lift| lift.job == job && lift.users == users)?;
        let lift = &mut self.lifts[at];
        lift.turn.ends(answer, now);
        let (ends, is_given_up) = match answer {
            Answer::Done | Answer::Gone => (true, false),
            Answer::Later => (false, false),
            Answer::Refused(_) => {
                lift.tries += 1;
                let is_last = lift.tries >= MOST_TRIES;
                (is_last, is_last)
            }
        };
        if ends {
            self.lifts.remove(at);
        }
        Some(is_given_up)
    }

    /// What another process owed is owed as well.
    pub fn join(&mut self, before: Self) {
        self.level = match (self.level, before.level) {
            // What was there before both is what it goes back to.
            (Some(own), Some(other)) => Some(Raised {
                before: other.before,
                ..own
            }),
            (own, other) => own.or(other),
        };
        self.unpause = self.unpause.max(before.unpause);
        self.release.extend(before.release);
        for lift in before.lifts {
            let users = lift.users.clone();
            let is_known = |own: &&mut Lift| own.job == lift.job && own.users == users;
            match self.lifts.iter_mut().find(is_known) {
                // Its orders are those of before.
                Some(own) => {
                    own.since = own.since.min(lift.since);
                    own.tries = own.tries.max(lift.tries);
                }
                None => self.lifts.push(lift),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_795_996_800_000);

    #[test]
    fn what_failed_has_another_turn_and_nothing_has_two_at_once() {
        let mut turn = Turn::default();
        assert!(turn.take(NOW));
        assert!(!turn.take(NOW.plus(MINUTE)), "it is under way");
        turn.ends(&Answer::Later, NOW);
        assert!(!turn.take(NOW.plus(SOON - 1)) && turn.take(NOW.plus(SOON)));
        turn.ends(&Answer::Refused(String::new()), NOW);
        assert!(!turn.take(NOW.plus(SOON)) && turn.take(NOW.plus(LATER)));
        turn.ends(&Answer::Later, NOW);
        assert!(turn.take(NOW.minus(LATER)), "the clock was set back");
        turn.ends(&Answer::Later, NOW);
        turn.hurry();
        assert!(turn.take(NOW));
    }

    #[test]
    fn a_lift_that_fails_is_ordered_anew_and_not_for_ever() {
        let mut owed = Owed::default();
        owed.lift("a", Vec::new(), None, NOW);
        owed.lift("a", vec![Id::new(5)], None, NOW);
        assert_eq!(owed.lifts.len(), 1, "whoever is lifted with all is lifted");
        assert_eq!(owed.lifted("a", &[], &Answer::Later, NOW), Some(false));
        assert_eq!(owed.lifts[0].tries, 0);
        let refused = Answer::Refused(String::new());
        for tries in 1..MOST_TRIES {
            assert_eq!(owed.lifted("a", &[], &refused, NOW), Some(false));
            assert_eq!(owed.lifts[0].tries, tries);
        }
        assert_eq!(owed.lifted("a", &[], &refused, NOW), Some(true));
        assert!(owed.is_empty());
        assert_eq!(owed.lifted("a", &[], &Answer::Done, NOW), None);
    }

    #[test]
    fn the_first_level_is_the_one_to_go_back_to() {
        let raised = |before, to| Raised {
            before,
            to,
            set: Some(to),
            is_seen: false,
            is_lowering: false,
            turn: Turn::default(),
        };
        let mut owed = Owed {
            level: Some(raised(3, 4)),
            ..Owed::default()
        };
        owed.join(Owed {
            level: Some(raised(1, 3)),
            unpause: Some(NOW),
            ..Owed::default()
        });
        let level = owed.level.unwrap();
        assert_eq!((level.before, level.to), (1, 4));
        assert_eq!(owed.unpause, Some(NOW));
    }
}
