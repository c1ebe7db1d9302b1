//! Keeps the address from being blocked. Discord blocks one whose requests it refuses 10,000 times in ten
//! minutes, whatever tokens they carry (Discord docs, "Invalid Request Limit").

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use splashtail_discord::Lane;
use splashtail_discord::ratelimit::Refusals;

/// From here on routes that are refused most often are slowed, …
const SLOWED: u64 = 5_000;
/// … then only what stops an attack or answers somebody goes on, …
const URGENT_ONLY: u64 = 8_000;
/// … and nothing at all.
const NOTHING: u64 = 9_500;
/// A route that makes up so much of the refusals (a quarter) is one of those.
const WORST: u64 = 4;
/// A slowed route gets one request in so long.
const SLOW: Duration = Duration::from_secs(1);
/// The same request is refused as forbidden so often in so long, before it is refused here.
const FORBIDDEN: u32 = 5;
const FORBIDDEN_WITHIN: Duration = Duration::from_secs(60);
const FORBIDDEN_FIRST: Duration = Duration::from_secs(10);
const FORBIDDEN_LONGEST: Duration = Duration::from_secs(300);
/// A webhook that is gone does not come back.
const WEBHOOK_GONE: Duration = Duration::from_secs(600);
/// What stands before Discord blocks the address, and does not say for how long.
pub const BLOCKED: Duration = Duration::from_secs(60);
/// Entries of each kind.
const MOST: usize = 4_096;
const MOST_TEMPLATES: usize = 512;

/// What the guard looks at.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub template: &'a str,
    /// A digest of who asks for what, to the last byte; `None` where it is not known. One word more in
    /// the body can make the difference between what is forbidden and what is not.
    pub exactly: Option<u64>,
    /// A digest of a webhook's id and token, where it is asked for itself and is no interaction's.
    pub webhook: Option<u64>,
    pub lane: Lane,
    /// The answer to an interaction.
    pub replies: bool,
}

impl Asked<'_> {
    fn is_urgent(&self) -> bool {
        self.replies || self.lane == Lane::Containment
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// Not before so long.
    Wait(Duration),
    /// As Discord refused it before, with this body.
    Forbidden(Bytes),
    NoWebhook,
}

/// How it ended, as far as it matters here.
#[derive(Debug)]
pub enum Ended {
    Well,
    Forbidden(Bytes),
    /// A 401, or a 429 that counts.
    Refused,
    NoWebhook,
}

#[derive(Debug)]
struct Forbidden {
    times: u32,
    since: Duration,
    until: Duration,
    pause: Duration,
    body: Bytes,
}

#[derive(Debug, Default)]
struct Template {
    refusals: Refusals,
    sent: Duration,
}

/// The guard of one address. Data in, data out: the time is an argument.
#[derive(Debug, Default)]
pub struct Guard {
    refusals: Refusals,
    templates: HashMap<String, Template>,
    forbidden: HashMap<u64, Forbidden>,
    /// When they are asked for again.
    webhooks: HashMap<u64, Duration>,
    blocked_until: Duration,
}

impl Guard {
    /// Whether it may go. Asking changes nothing.
    pub fn judge(&mut self, asked: Asked<'_>, now: Duration) -> Verdict {
        if self.blocked_until > now {
            return Verdict::Wait(self.blocked_until - now);
        }
        let urgent = asked.is_urgent();
        if let Some(wait) = self.refusals.wait(NOTHING, now) {
            return Verdict::Wait(wait);
        }
        if !urgent && let Some(wait) = self.refusals.wait(URGENT_ONLY, now) {
            return Verdict::Wait(wait);
        }
        if let Some(gone) = asked.webhook
            && self.webhooks.get(&gone).is_some_and(|until| *until > now)
        {
            return Verdict::NoWebhook;
        }
        // Whether somebody may be banned is worth a request to find out.
        if !urgent
            && let Some(exactly) = asked.exactly
            && let Some(known) = self.forbidden.get(&exactly)
            && known.until > now
        {
            return Verdict::Forbidden(known.body.clone());
        }
        Verdict::Go
    }

    /// Whether a route that is refused most has to wait, and for how long. Else it is its turn, and
    /// the next one's is later.
    pub fn slow(&mut self, asked: Asked<'_>, now: Duration) -> Option<Duration> {
        let total = self.refusals.total(now);
        if asked.is_urgent() || total < SLOWED {
            return None;
        }
        let template = self.templates.get_mut(asked.template)?;
        if template.refusals.total(now) * WORST < total {
            return None;
        }
        let next = template.sent + SLOW;
        if next > now {
            return Some(next - now);
        }
        template.sent = now;
        None
    }

    pub fn ended(&mut self, asked: Asked<'_>, ended: Ended, now: Duration) {
        match ended {
            Ended::Well => {
                if let Some(exactly) = asked.exactly {
                    self.forbidden.remove(&exactly);
                }
            }
            Ended::Refused => self.refused(asked.template, now),
            Ended::Forbidden(body) => {
                self.refused(asked.template, now);
                if let Some(exactly) = asked.exactly {
                    self.forbid(exactly, body, now);
                }
            }
            Ended::NoWebhook => {
                if let Some(gone) = asked.webhook {
                    make_room(&mut self.webhooks, |until| *until > now);
                    self.webhooks.insert(gone, now + WEBHOOK_GONE);
                }
            }
        }
    }

    fn refused(&mut self, template: &str, now: Duration) {
        self.refusals.count(now);
        if !self.templates.contains_key(template) && self.templates.len() >= MOST_TEMPLATES {
            self.templates
                .retain(|_, template| template.refusals.total(now) > 0);
            if self.templates.len() >= MOST_TEMPLATES {
                return;
            }
        }
        let template = self.templates.entry(template.to_owned()).or_default();
        template.refusals.count(now);
    }

    fn forbid(&mut self, exactly: u64, body: Bytes, now: Duration) {
        make_room(&mut self.forbidden, |known| {
            known.until > now || now.saturating_sub(known.since) <= FORBIDDEN_WITHIN
        });
        let known = self.forbidden.entry(exactly).or_insert(Forbidden {
            times: 0,
            since: now,
            until: Duration::ZERO,
            pause: FORBIDDEN_FIRST,
            body: Bytes::new(),
        });
        let is_over = now.saturating_sub(known.since.max(known.until)) > FORBIDDEN_WITHIN;
        if is_over {
            (known.times, known.since, known.pause) = (0, now, FORBIDDEN_FIRST);
        }
        known.times += 1;
        if known.times >= FORBIDDEN {
            known.body = body;
            known.until = now + known.pause;
            known.pause = (known.pause * 2).min(FORBIDDEN_LONGEST);
        }
    }

    /// Nothing of any token is sent for so long.
    pub fn block(&mut self, time: Duration, now: Duration) {
        self.blocked_until = self.blocked_until.max(now.saturating_add(time));
    }

    /// Refusals of the last ten minutes.
    pub fn refusals(&mut self, now: Duration) -> u64 {
        self.refusals.total(now)
    }

    /// By minute, for a later process.
    pub fn minutes(&mut self, now: Duration) -> Vec<u64> {
        self.refusals.minutes(now)
    }

    /// What an earlier process counted, some whole minutes ago.
    pub fn remember(&mut self, minutes: &[u64], ago: u64, now: Duration) {
        self.refusals.remember(minutes, ago, now);
    }
}

/// Nothing grows with what callers ask for: where what is over does not make room, all goes.
fn make_room<T>(entries: &mut HashMap<u64, T>, mut counts: impl FnMut(&T) -> bool) {
    if entries.len() >= MOST {
        entries.retain(|_, entry| counts(entry));
    }
    if entries.len() >= MOST {
        entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn asked(template: &str) -> Asked<'_> {
        Asked {
            template,
            exactly: Some(7),
            webhook: Some(9),
            lane: Lane::Interactive,
            replies: false,
        }
    }

    fn in_containment(template: &str) -> Asked<'_> {
        Asked {
            lane: Lane::Containment,
            ..asked(template)
        }
    }

    /// As a call meets it: what stops it, then what slows it.
    fn asks(guard: &mut Guard, asked: Asked<'_>, now: Duration) -> Verdict {
        match guard.judge(asked, now) {
            Verdict::Go => guard.slow(asked, now).map_or(Verdict::Go, Verdict::Wait),
            stopped => stopped,
        }
    }

    fn refused(guard: &mut Guard, template: &str, times: u64, now: Duration) {
        for _ in 0..times {
            guard.ended(asked(template), Ended::Refused, now);
        }
    }

    #[test]
    fn the_address_is_never_blocked() {
        let mut guard = Guard::default();
        let now = at(100);
        refused(&mut guard, "bad", SLOWED, now);
        assert_eq!(asks(&mut guard, asked("good"), now), Verdict::Go);
        assert_eq!(asks(&mut guard, asked("bad"), now), Verdict::Go);
        assert_eq!(asks(&mut guard, asked("bad"), now), Verdict::Wait(SLOW));
        assert_eq!(asks(&mut guard, in_containment("bad"), now), Verdict::Go);
        assert_eq!(asks(&mut guard, asked("bad"), now + SLOW), Verdict::Go);
        refused(&mut guard, "bad", URGENT_ONLY - SLOWED, now);
        let ends = at(660) - now;
        assert_eq!(asks(&mut guard, asked("good"), now), Verdict::Wait(ends));
        assert_eq!(asks(&mut guard, in_containment("good"), now), Verdict::Go);
        let reply = Asked {
            replies: true,
            ..asked("good")
        };
        assert_eq!(asks(&mut guard, reply, now), Verdict::Go);
        refused(&mut guard, "bad", NOTHING - URGENT_ONLY, now);
        assert_eq!(
            asks(&mut guard, in_containment("good"), now),
            Verdict::Wait(ends)
        );
        assert_eq!(asks(&mut guard, reply, now), Verdict::Wait(ends));
        assert_eq!(asks(&mut guard, asked("bad"), at(660)), Verdict::Go);
    }

    /// Somebody who asked for the same with other words used to get a stranger's refusal.
    #[test]
    fn only_the_very_same_call_is_refused_here() {
        let mut guard = Guard::default();
        for second in 0..6 {
            let ended = Ended::Forbidden(Bytes::from_static(b"{}"));
            guard.ended(asked("x"), ended, at(second));
        }
        assert!(matches!(
            guard.judge(asked("x"), at(6)),
            Verdict::Forbidden(_)
        ));
        for exactly in [Some(8), None] {
            let other = Asked {
                exactly,
                ..asked("x")
            };
            assert_eq!(guard.judge(other, at(6)), Verdict::Go);
        }
    }

    #[test]
    fn what_is_forbidden_again_and_again_is_not_asked_for_a_while() {
        let mut guard = Guard::default();
        let body = Bytes::from_static(b"{}");
        let forbid = |guard: &mut Guard, now| {
            guard.ended(asked("x"), Ended::Forbidden(body.clone()), now);
        };
        for second in 0..4 {
            forbid(&mut guard, at(second));
            assert_eq!(guard.judge(asked("x"), at(second)), Verdict::Go);
        }
        forbid(&mut guard, at(4));
        let no = Verdict::Forbidden(body.clone());
        assert_eq!(guard.judge(asked("x"), at(13)), no);
        assert_eq!(guard.judge(in_containment("x"), at(13)), Verdict::Go);
        assert_eq!(guard.judge(asked("x"), at(14)), Verdict::Go);
        forbid(&mut guard, at(14));
        assert_eq!(guard.judge(asked("x"), at(33)), no, "twice as long");
        assert_eq!(guard.judge(asked("x"), at(34)), Verdict::Go);
        guard.ended(asked("x"), Ended::Well, at(34));
        forbid(&mut guard, at(35));
        assert_eq!(
            guard.judge(asked("x"), at(35)),
            Verdict::Go,
            "it was allowed"
        );
        // Once in a while is nothing.
        for minute in 2..20 {
            forbid(&mut guard, at(minute * 120));
            assert_eq!(guard.judge(asked("x"), at(minute * 120)), Verdict::Go);
        }
    }

    #[test]
    fn a_webhook_that_is_gone_is_not_asked_again() {
        let mut guard = Guard::default();
        guard.ended(asked("w"), Ended::NoWebhook, at(1));
        assert_eq!(guard.judge(asked("w"), at(600)), Verdict::NoWebhook);
        assert_eq!(guard.judge(asked("w"), at(601)), Verdict::Go);
        let another = Asked {
            webhook: None,
            ..asked("w")
        };
        assert_eq!(guard.judge(another, at(2)), Verdict::Go);
    }

    #[test]
    fn a_block_stops_everything() {
        let mut guard = Guard::default();
        guard.block(BLOCKED, at(10));
        guard.block(at(1), at(10));
        let wait = Verdict::Wait(at(59));
        assert_eq!(guard.judge(in_containment("x"), at(11)), wait);
        assert_eq!(guard.judge(asked("x"), at(70)), Verdict::Go);
    }

    #[test]
    fn nothing_grows_with_what_is_asked_for() {
        let mut guard = Guard::default();
        for number in 0..3 * MOST as u64 {
            let template = format!("t{number}");
            let asked = Asked {
                template: &template,
                exactly: Some(number),
                webhook: Some(number),
                lane: Lane::Bulk,
                replies: false,
            };
            guard.ended(asked, Ended::Forbidden(Bytes::new()), at(1));
            guard.ended(asked, Ended::NoWebhook, at(1));
        }
        assert!(guard.forbidden.len() <= MOST && guard.webhooks.len() <= MOST);
        assert!(guard.templates.len() <= MOST_TEMPLATES);
    }
}
