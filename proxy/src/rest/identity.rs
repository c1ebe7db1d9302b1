//! Who calls: one bot, one person's grant, or nobody. Each has limits of its own at Discord.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use sha2::{Digest, Sha256};
use splashtail_core::clock::SharedClock;
use splashtail_discord::ratelimit::RateLimits;

use super::pace::Pace;

/// Tokens remembered; of more, those that were not used for longest are forgotten.
const MOST: usize = 1024;
/// Calls of everybody without a bot in a second.
const UNKNOWN: usize = 50;
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bot,
    Bearer,
    /// Basic, or none at all: the path holds what is needed.
    Other,
}

/// What names a token in memory and on disk.
pub type Name = [u8; 16];

#[derive(Debug)]
pub struct Identity {
    pub name: Name,
    pub kind: Kind,
    pub limits: RateLimits,
    pub pace: Pace,
    standing: Mutex<Standing>,
}

#[derive(Debug)]
struct Standing {
    used: Duration,
    /// Somebody finds out whether Discord still knows the token.
    asking: bool,
    refused_until: Duration,
    pause: Duration,
}

impl Identity {
    fn new(name: Name, kind: Kind, per_second: usize, clock: &SharedClock) -> Self {
        Self {
            name,
            kind,
            limits: RateLimits::unguarded(Arc::clone(clock)),
            pace: Pace::new(per_second, Arc::clone(clock)),
            standing: Mutex::new(Standing {
                used: Duration::ZERO,
                asking: false,
                refused_until: Duration::ZERO,
                pause: FIRST_PAUSE,
            }),
        }
    }

    /// Discord does not know the token, and is asked again later.
    pub fn is_refused(&self, now: Duration) -> bool {
        self.standing().refused_until > now
    }

    /// `true`: it is for the caller to find out.
    pub fn doubt(&self) -> bool {
        !std::mem::replace(&mut self.standing().asking, true)
    }

    /// What was found out.
    pub fn settle(&self, is_known: bool, now: Duration) {
        let mut standing = self.standing();
        standing.asking = false;
        if is_known {
            standing.pause = FIRST_PAUSE;
            standing.refused_until = Duration::ZERO;
        } else {
            standing.refused_until = now + standing.pause;
            standing.pause = (standing.pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn is_idle(&self) -> bool {
        let load = self.limits.load();
        load.waiting == 0 && load.in_flight == 0 && self.pace.waiting() == 0
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that called lately.
#[derive(Debug)]
pub struct Identities {
    clock: SharedClock,
    by_name: Mutex<HashMap<Name, Arc<Identity>>>,
}

impl Identities {
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            by_name: Mutex::default(),
        }
    }

    /// `per_second`: what one bot may send in a second.
    pub fn of(&self, authorization: Option<&HeaderValue>, per_second: usize) -> Arc<Identity> {
        let (kind, name) = name(authorization);
        self.of_name(name, kind, per_second)
    }

    /// That of a name which an earlier process wrote down.
    pub fn of_name(&self, name: Name, kind: Kind, per_second: usize) -> Arc<Identity> {
        let now = self.clock.monotonic();
        let mut by_name = self.lock();
        if !by_name.contains_key(&name) && by_name.len() >= MOST {
            forget(&mut by_name);
        }
        let identity = by_name.entry(name).or_insert_with(|| {
            let per_second = match kind {
                Kind::Bot => per_second,
                Kind::Bearer | Kind::Other => UNKNOWN,
            };
            Arc::new(Identity::new(name, kind, per_second, &self.clock))
        });
        identity.standing().used = now;
        Arc::clone(identity)
    }

    pub fn list(&self) -> Vec<Arc<Identity>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Arc<Identity>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Half of those that nobody waits for, the longest unused first.
fn forget(by_name: &mut HashMap<Name, Arc<Identity>>) {
    let idle = by_name.values().filter(|identity| identity.is_idle());
    let mut idle: Vec<_> = idle
        .map(|identity| (identity.standing().used, identity.name))
        .collect();
    idle.sort_unstable();
    for (_, name) in idle.iter().take(MOST / 2) {
        by_name.remove(name);
    }
}

fn name(authorization: Option<&HeaderValue>) -> (Kind, Name) {
    let bytes = authorization.map_or(&b""[..], |value| value.as_bytes());
    let begins = |with: &[u8]| {
        bytes
            .get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let kind = match () {
        () if begins(b"Bot ") => Kind::Bot,
        () if begins(b"Bearer ") => Kind::Bearer,
        // What signs in by itself has no limits of its own.
        () => return (Kind::Other, Name::default()),
    };
    let digest = Sha256::digest(bytes);
    let mut name = Name::default();
    name.copy_from_slice(&digest[..size_of::<Name>()]);
    (kind, name)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use splashtail_core::clock::ManualClock;

    use super::*;

    fn header(text: &str) -> HeaderValue {
        text.parse().unwrap()
    }

    #[test]
    fn tokens_are_told_apart_and_never_kept() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let all = Identities::new(clock.shared());
        let of = |text: &str| all.of(Some(&header(text)), 50);
        assert!(Arc::ptr_eq(&of("Bot secret"), &of("Bot secret")));
        assert!(!Arc::ptr_eq(&of("Bot secret"), &of("Bot other")));
        assert!(!Arc::ptr_eq(&of("Bot secret"), &of("Bearer secret")));
        assert!(Arc::ptr_eq(&of("Basic abc"), &all.of(None, 50)));
        assert_eq!(of("bot secret").kind, Kind::Bot);
        assert!(!format!("{all:?}").contains("secret"));
    }

    #[test]
    fn there_are_never_too_many() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let all = Identities::new(clock.shared());
        let first = all.of(Some(&header("Bot first")), 50);
        for number in 0..MOST {
            clock.advance(Duration::from_millis(1));
            all.of(Some(&header(&format!("Bearer {number}"))), 50);
            assert!(all.list().len() <= MOST);
        }
        assert!(!Arc::ptr_eq(
            &first,
            &all.of(Some(&header("Bot first")), 50)
        ));
    }

    #[test]
    fn a_token_that_discord_does_not_know_is_asked_for_ever_more_rarely() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let all = Identities::new(clock.shared());
        let identity = all.of(Some(&header("Bot x")), 50);
        let at = Duration::from_secs;
        assert!(identity.doubt() && !identity.doubt());
        identity.settle(false, at(0));
        assert!(identity.is_refused(at(29)) && !identity.is_refused(at(30)));
        assert!(identity.doubt());
        identity.settle(false, at(30));
        assert!(identity.is_refused(at(89)) && !identity.is_refused(at(90)));
        identity.settle(true, at(90));
        identity.settle(false, at(100));
        assert!(!identity.is_refused(at(130)), "it begins anew");
    }
}
