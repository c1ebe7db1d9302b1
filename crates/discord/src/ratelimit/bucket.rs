//! One limit: how many may be sent now, and if none, when to ask again.

use std::time::Duration;

use super::told::Told;
use crate::error::RateLimitScope;

/// While nothing is known, one request at a time finds out; one that hangs holds the others back
/// for this long only.
pub(super) const PROBE_PATIENCE: Duration = Duration::from_secs(2);
/// Added to the length of a window whose end no answer has told yet.
const ASSUMED_MARGIN: Duration = Duration::from_secs(1);
/// Ends of one window differ by less when Discord's clock tells them, …
const SAME_BY_SERVER: Duration = Duration::from_millis(20);
/// … and by less when they are reckoned from the arrival of the answer.
const SAME_BY_ARRIVAL: Duration = Duration::from_millis(500);

/// What is known about one limit, and what is under way in it.
///
/// Two bounds hold at once. `used` counts what was sent in this window, so that a lost answer
/// cannot raise the budget; `told` is the least that Discord said was left, so that others who
/// send with the same token count too.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    pace: Pace,
    in_flight: u64,
    /// One at a time until an answer comes: after a 429, and while the limit is unknown.
    probing: bool,
    last_sent: Duration,
    held_until: Duration,
    held_by: Option<RateLimitScope>,
}

#[derive(Debug, Default)]
enum Pace {
    /// No answer yet.
    #[default]
    Unknown,
    /// Discord answers without a word about limits.
    Free,
    Told(Window),
}

#[derive(Debug)]
struct Window {
    number: u64,
    limit: u64,
    used: u64,
    told: u64,
    /// Sent without an answer: `told` may or may not include them.
    lost: u64,
    /// An answer told when it ends; until then the end is assumed.
    confirmed: bool,
    resets_at: Duration,
    length: Duration,
    /// [`Told::ends`] or the arrival plus `reset_after`: what names the window.
    ends: Duration,
}

/// The limit of a route as learned elsewhere: the same hash under another major id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    limit: u64,
    length: Duration,
}

impl Bucket {
    /// `known`: what the same route said under another id. Its first window is open.
    pub(super) fn new(known: Option<Known>, free: bool, now: Duration) -> Self {
        let pace = match known {
            Some(Known { limit, length }) => Pace::Told(Window {
                number: 0,
                limit,
                used: 0,
                told: limit,
                lost: 0,
                confirmed: false,
                resets_at: now + length + ASSUMED_MARGIN,
                length,
                ends: Duration::ZERO,
            }),
            None if free => Pace::Free,
            None => Pace::Unknown,
        };
        Self {
            pace,
            ..Self::default()
        }
    }

    /// Whether one more may be sent. If not: when to ask again at the latest.
    pub(super) fn room(&mut self, now: Duration) -> Result<(), Duration> {
        if self.held_until > now {
            return Err(self.held_until);
        }
        if self.probing || matches!(self.pace, Pace::Unknown) {
            let patience = self.last_sent + PROBE_PATIENCE;
            if self.in_flight > 0 && now < patience {
                return Err(patience);
            }
        }
        let Pace::Told(window) = &mut self.pace else {
            return Ok(());
        };
        if now >= window.resets_at {
            window.open(now, self.in_flight);
        }
        let by_count = window.limit.saturating_sub(window.used);
        let by_word = window.told.saturating_sub(self.in_flight + window.lost);
        if by_count.min(by_word) == 0 {
            return Err(window.resets_at);
        }
        Ok(())
    }

    /// One is sent. Returns the window it counts in.
    pub(super) fn send(&mut self, now: Duration) -> u64 {
        self.in_flight += 1;
        self.last_sent = now;
        match &mut self.pace {
            Pace::Told(window) => {
                window.used += 1;
                window.number
            }
            _ => 0,
        }
    }

    /// It was given up before anything was sent: the budget is whole again. Whenever it was let through,
    /// a window that opened since then counts it, too.
    pub(super) fn unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Pace::Told(window) = &mut self.pace {
            window.used = window.used.saturating_sub(1);
        }
    }

    /// It was sent and nothing was learned: Discord may have counted it.
    pub(super) fn lost(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Pace::Told(window) = &mut self.pace {
            window.lost += 1;
        }
    }

    /// An answer came whose limit is another bucket's.
    pub(super) fn answered_elsewhere(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.probing = false;
    }

    /// A good answer without a word about limits.
    pub(super) fn answered_freely(&mut self) {
        if matches!(self.pace, Pace::Unknown) {
            self.pace = Pace::Free;
        }
        self.probing = false;
        self.lost();
    }

    /// An answer in this bucket. `number`: the window its request counted in; `None` when it was
    /// counted in another bucket.
    pub(super) fn answered(&mut self, told: &Told, number: Option<u64>, now: Duration) {
        self.probing = false;
        if number.is_some() {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        let in_flight = self.in_flight;
        let resets_at = now + told.reset_after;
        let ends = told.ends.unwrap_or(resets_at);
        let same = match told.ends {
            Some(_) => SAME_BY_SERVER,
            None => SAME_BY_ARRIVAL,
        };
        let fresh = Window {
            number: 0,
            limit: told.limit,
            used: in_flight,
            told: told.remaining,
            lost: 0,
            confirmed: true,
            resets_at,
            length: told.reset_after,
            ends,
        };
        let Pace::Told(window) = &mut self.pace else {
            self.pace = Pace::Told(fresh);
            return;
        };
        window.limit = told.limit;
        if !window.confirmed && number == Some(window.number) {
            // The first word about a window that this request was sent in.
            *window = Window {
                number: window.number,
                used: window.used,
                lost: window.lost,
                ..fresh
            };
        } else if ends > window.ends + same {
            // A later window, or a sliding one that moved on.
            *window = Window {
                number: window.number + 1,
                length: window.length.max(told.reset_after),
                lost: window.lost,
                ..fresh
            };
        } else if ends + same >= window.ends {
            if number.is_none() {
                window.used += 1;
            }
            window.told = window.told.min(told.remaining);
        }
        // Else it is about a window that is over.
    }

    /// Nothing before `until`; then one, and the others when it was answered well.
    pub(super) fn hold(&mut self, until: Duration, scope: RateLimitScope) {
        if until > self.held_until {
            self.held_until = until;
            self.held_by = Some(scope);
        }
        self.probing = true;
        if matches!(self.pace, Pace::Unknown) {
            self.pace = Pace::Free;
        }
    }

    /// What holds the bucket, if a 429 does.
    pub(super) fn held_by(&self, now: Duration) -> Option<RateLimitScope> {
        self.held_by.filter(|_| self.held_until > now)
    }

    /// When one with `ahead` others before it is sent, as far as it can be told: answers that
    /// come faster or slower than the limit change it.
    pub(super) fn turn(&self, ahead: u64, from: Duration) -> Duration {
        let start = from.max(self.held_until);
        let Pace::Told(window) = &self.pace else {
            return start;
        };
        let (room, next) = if start >= window.resets_at {
            let room = window.limit.saturating_sub(self.in_flight);
            (room, start + window.length)
        } else {
            let by_count = window.limit.saturating_sub(window.used);
            (
                by_count.min(window.told.saturating_sub(window.lost)),
                window.resets_at,
            )
        };
        if ahead < room {
            return start;
        }
        let windows = (ahead - room) / window.limit;
        let windows = u32::try_from(windows).unwrap_or(u32::MAX);
        next.saturating_add(window.length.saturating_mul(windows))
    }

    pub(super) fn known(&self) -> Option<Known> {
        match &self.pace {
            Pace::Told(window) => Some(Known {
                limit: window.limit,
                length: window.length,
            }),
            _ => None,
        }
    }

    /// Nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        let over = match &self.pace {
            Pace::Told(window) => window.resets_at <= now,
            _ => true,
        };
        over && self.in_flight == 0 && self.held_until <= now
    }
}

impl Window {
    /// What was sent before the reset and has no answer may count in the new window.
    fn open(&mut self, now: Duration, in_flight: u64) {
        self.number += 1;
        self.used = in_flight + self.lost;
        self.told = self.limit;
        self.lost = 0;
        self.confirmed = false;
        self.resets_at = now + self.length + ASSUMED_MARGIN;
    }
}
