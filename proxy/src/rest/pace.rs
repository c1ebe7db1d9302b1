//! The limit over all routes of one token (Discord docs, "Global Rate Limit"): who may send in this
//! second.
//!
//! Containment can use all of it. What somebody waits for leaves a little alone and jobs leave a fifth, so
//! that whoever stops an attack never finds the second spent; and jobs keep a tenth, so that they end.
//! Within a lane callers take turns.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use splashtail_core::clock::SharedClock;
use splashtail_discord::ratelimit::TooLong;
use splashtail_discord::{Lane, RateLimitScope};
use tokio::sync::Notify;

/// A second and what requests may overtake each other by on their way.
const WINDOW: Duration = Duration::from_millis(1020);
const LANES: [Lane; 3] = [Lane::Containment, Lane::Interactive, Lane::Bulk];

type Ticket = u64;

/// What was sent in the last second. Data in, data out: the time is an argument.
#[derive(Debug)]
struct Window {
    limit: usize,
    sent: VecDeque<(Duration, Lane)>,
    of_lane: [usize; 3],
}

impl Window {
    fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            sent: VecDeque::new(),
            of_lane: [0; 3],
        }
    }

    /// What jobs get whoever else is there.
    fn jobs(&self) -> usize {
        self.limit / 10
    }

    /// How many of a second a lane may fill, together with all others.
    fn most(&self, lane: Lane) -> usize {
        let kept = match lane {
            Lane::Containment => 0,
            Lane::Interactive => self.limit / 25,
            Lane::Bulk => self.limit / 5,
        };
        self.limit - kept
    }

    fn roll(&mut self, now: Duration) {
        while let Some((at, lane)) = self.sent.front()
            && *at + WINDOW <= now
        {
            self.of_lane[*lane as usize] -= 1;
            self.sent.pop_front();
        }
    }

    /// Whether one more may be sent. If not: when to ask again.
    fn room(&self, most: usize) -> Result<(), Duration> {
        match self.sent.len().checked_sub(most) {
            None => Ok(()),
            Some(surplus) => Err(self.sent[surplus].0 + WINDOW),
        }
    }

    fn send(&mut self, lane: Lane, now: Duration) {
        self.sent.push_back((now, lane));
        self.of_lane[lane as usize] += 1;
    }

    /// The lane that goes next of those where somebody waits. If none can: when to ask again.
    fn next(&mut self, waits: [bool; 3], now: Duration) -> Result<Lane, Duration> {
        self.roll(now);
        let neglected = self.of_lane[Lane::Bulk as usize] < self.jobs();
        let order = [
            (Lane::Containment, self.most(Lane::Containment)),
            // The tenth that is the jobs' own comes out of what the others may fill.
            match neglected {
                true => (Lane::Bulk, self.most(Lane::Interactive)),
                false => (Lane::Interactive, self.most(Lane::Interactive)),
            },
            (Lane::Interactive, self.most(Lane::Interactive)),
            (Lane::Bulk, self.most(Lane::Bulk)),
        ];
        let mut again = Duration::MAX;
        for (lane, most) in order {
            if !waits[lane as usize] {
                continue;
            }
            match self.room(most) {
                Ok(()) => return Ok(lane),
                Err(at) => again = again.min(at),
            }
        }
        Err(again)
    }
}

/// Who waits in one lane: round robin over callers, each in order of arrival.
#[derive(Debug, Default)]
struct Line {
    callers: VecDeque<(u64, BTreeMap<Ticket, Arc<Notify>>)>,
    waiting: usize,
}

impl Line {
    fn enter(&mut self, caller: u64, ticket: Ticket, woken: Arc<Notify>) {
        self.waiting += 1;
        match self.callers.iter_mut().find(|(other, _)| *other == caller) {
            Some((_, waiters)) => {
                waiters.insert(ticket, woken);
            }
            None => {
                let waiters = BTreeMap::from([(ticket, woken)]);
                self.callers.push_back((caller, waiters));
            }
        }
    }

    fn front(&self) -> Option<(Ticket, &Arc<Notify>)> {
        let (ticket, woken) = self.callers.front()?.1.first_key_value()?;
        Some((*ticket, woken))
    }

    fn pop(&mut self) -> Option<(Ticket, Arc<Notify>)> {
        let (caller, mut waiters) = self.callers.pop_front()?;
        let first = waiters.pop_first();
        if !waiters.is_empty() {
            self.callers.push_back((caller, waiters));
        }
        self.waiting -= usize::from(first.is_some());
        first
    }

    fn leave(&mut self, caller: u64, ticket: Ticket) -> bool {
        let at = self.callers.iter().position(|(other, _)| *other == caller);
        let Some(at) = at else { return false };
        let left = self.callers[at].1.remove(&ticket).is_some();
        if self.callers[at].1.is_empty() {
            self.callers.remove(at);
        }
        self.waiting -= usize::from(left);
        left
    }
}

#[derive(Debug)]
struct State {
    window: Window,
    lines: [Line; 3],
    tickets: Ticket,
    /// Who keeps the time for everybody, and until when.
    leader: Option<(Ticket, Duration)>,
}

impl State {
    /// Lets through whoever can go, then makes sure that somebody keeps the time for the rest.
    /// `asking` is not woken.
    fn dispatch(&mut self, asking: Option<Ticket>, now: Duration) {
        let again = loop {
            let waits = LANES.map(|lane| self.lines[lane as usize].waiting > 0);
            let lane = match self.window.next(waits, now) {
                Ok(lane) => lane,
                Err(again) => break again,
            };
            let Some((ticket, woken)) = self.lines[lane as usize].pop() else {
                break Duration::MAX;
            };
            self.window.send(lane, now);
            if asking != Some(ticket) {
                woken.notify_one();
            }
        };
        let Some((front, woken)) = self.lines.iter().find_map(Line::front) else {
            self.leader = None;
            return;
        };
        if self.leader != Some((front, again)) {
            self.leader = Some((front, again));
            if asking != Some(front) {
                woken.notify_one();
            }
        }
    }

    /// When somebody who comes now in this lane is let through, as far as it can be told.
    fn turn(&self, lane: Lane, now: Duration) -> Duration {
        let ahead: usize = self.lines[..=lane as usize]
            .iter()
            .map(|line| line.waiting)
            .sum();
        let windows = ahead / self.window.most(lane).max(1);
        now.saturating_add(WINDOW.saturating_mul(u32::try_from(windows).unwrap_or(u32::MAX)))
    }
}

/// The seconds of one token.
#[derive(Debug)]
pub struct Pace {
    clock: SharedClock,
    state: Mutex<State>,
}

impl Pace {
    /// `limit`: requests in a second.
    pub fn new(limit: usize, clock: SharedClock) -> Self {
        Self {
            clock,
            state: Mutex::new(State {
                window: Window::new(limit),
                lines: Default::default(),
                tickets: 0,
                leader: None,
            }),
        }
    }

    /// Waits until one more may be sent.
    ///
    /// # Errors
    /// That will be, or has become, too late.
    pub async fn turn(&self, lane: Lane, caller: u64, give_up_at: Duration) -> Result<(), TooLong> {
        let too_long = |turn: Duration, now: Duration| TooLong {
            retry_after: turn.saturating_sub(now).max(Duration::from_millis(50)),
            scope: RateLimitScope::Global,
        };
        let woken = Arc::new(Notify::new());
        let place = {
            let now = self.clock.monotonic();
            let mut state = self.state();
            let turn = state.turn(lane, now);
            if turn > give_up_at {
                return Err(too_long(turn, now));
            }
            state.tickets += 1;
            let ticket = state.tickets;
            state.lines[lane as usize].enter(caller, ticket, Arc::clone(&woken));
            state.dispatch(Some(ticket), now);
            Place {
                pace: self,
                lane,
                caller,
                ticket,
            }
        };
        loop {
            let now = self.clock.monotonic();
            let ask_again = {
                let mut state = self.state();
                state.dispatch(Some(place.ticket), now);
                let waiting = state.lines[lane as usize]
                    .callers
                    .iter()
                    .any(|(_, waiters)| waiters.contains_key(&place.ticket));
                if !waiting {
                    return Ok(());
                }
                state
                    .leader
                    .and_then(|(leader, until)| (leader == place.ticket).then_some(until))
            };
            if now >= give_up_at {
                return Err(too_long(now + WINDOW, now));
            }
            let until = ask_again.map_or(give_up_at, |at| at.min(give_up_at));
            let wait = until.saturating_sub(now).max(Duration::from_millis(1));
            tokio::select! {
                () = woken.notified() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// Requests that may be sent at once.
    pub fn left(&self) -> usize {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.window.roll(now);
        state.window.limit - state.window.sent.len().min(state.window.limit)
    }

    pub fn waiting(&self) -> usize {
        self.state().lines.iter().map(|line| line.waiting).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped, it is given back.
struct Place<'a> {
    pace: &'a Pace,
    lane: Lane,
    caller: u64,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let now = self.pace.clock.monotonic();
        let mut state = self.pace.state();
        if state.lines[self.lane as usize].leave(self.caller, self.ticket) {
            state.dispatch(None, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use futures_util::FutureExt as _;
    use proptest::prelude::*;
    use splashtail_core::clock::ManualClock;

    use super::*;

    const LONG: Duration = Duration::from_secs(86_400);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Who was let through at each step of 10 ms, of those that wait all the time.
    fn played(limit: usize, waits: impl Fn(u64) -> [bool; 3]) -> Vec<(u64, Lane)> {
        let mut window = Window::new(limit);
        let mut sent = Vec::new();
        for ms in (0..10_000).step_by(10) {
            while let Ok(lane) = window.next(waits(ms), at(ms)) {
                window.send(lane, at(ms));
                sent.push((ms, lane));
                assert!(sent.len() < 100_000, "no end");
            }
        }
        sent
    }

    fn count(sent: &[(u64, Lane)], lane: Lane) -> usize {
        sent.iter().filter(|(_, other)| *other == lane).count()
    }

    #[test]
    fn jobs_end_beside_all_the_interactive_calls_there_are() {
        let sent = played(50, |_| [false, true, true]);
        let jobs = count(&sent, Lane::Bulk);
        assert!((45..=55).contains(&jobs), "a tenth: {jobs}");
        assert_eq!(sent.len(), 480, "two of fifty are for containment");
    }

    #[test]
    fn jobs_alone_leave_a_fifth() {
        assert_eq!(played(50, |_| [false, false, true]).len(), 400);
        assert_eq!(played(50, |_| [true; 3]).len(), 500);
    }

    #[test]
    fn containment_never_finds_a_second_spent() {
        let sent = played(50, |ms| [ms == 5_000, true, true]);
        let first = sent.iter().find(|(_, lane)| *lane == Lane::Containment);
        assert_eq!(first, Some(&(5_000, Lane::Containment)));
    }

    proptest! {
        /// Whatever waits and whenever somebody looks: no second has more than the limit.
        #[test]
        fn no_second_has_more(
            limit in 1_usize..60,
            looks in prop::collection::vec((0_u64..400, any::<[bool; 3]>(), 1_usize..80), 1..80),
        ) {
            let mut window = Window::new(limit);
            let mut sent: Vec<Duration> = Vec::new();
            let mut now = Duration::ZERO;
            for (pause, waits, crowd) in looks {
                now += at(pause);
                for _ in 0..crowd {
                    match window.next(waits, now) {
                        Ok(lane) => {
                            prop_assert!(waits[lane as usize]);
                            window.send(lane, now);
                            sent.push(now);
                        }
                        Err(again) => {
                            prop_assert!(again > now, "looking again would be of use");
                            break;
                        }
                    }
                }
            }
            for (first, start) in sent.iter().enumerate() {
                let within = sent[first..].iter().filter(|end| **end - *start <= at(1000)).count();
                prop_assert!(within <= limit, "{within} of {limit}");
            }
        }
    }

    #[tokio::test]
    async fn callers_take_turns_and_whoever_leaves_makes_room() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let pace = Pace::new(10, clock.shared());
        for _ in 0..8 {
            pace.turn(Lane::Bulk, 1, LONG).await.unwrap();
        }
        assert_eq!(pace.left(), 2);
        let mut waiting: Vec<_> = [1, 1, 1, 2]
            .into_iter()
            .map(|caller| Box::pin(pace.turn(Lane::Bulk, caller, LONG)))
            .collect();
        for turn in &mut waiting {
            assert!(turn.now_or_never().is_none());
        }
        assert_eq!(pace.waiting(), 4);
        drop(waiting.remove(1));
        assert_eq!(pace.waiting(), 3);
        let urgent = pace.turn(Lane::Containment, 3, LONG).now_or_never();
        assert_eq!(urgent, Some(Ok(())));
        clock.advance(WINDOW);
        // Of caller 1 one is gone: 1, 2, 1.
        for turn in &mut waiting {
            assert_eq!(turn.now_or_never(), Some(Ok(())));
        }
    }

    #[tokio::test]
    async fn who_cannot_wait_hears_it_at_once() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let pace = Pace::new(1, clock.shared());
        pace.turn(Lane::Interactive, 1, LONG).await.unwrap();
        let mut first = Box::pin(pace.turn(Lane::Interactive, 1, LONG));
        assert!((&mut first).now_or_never().is_none());
        let late = pace.turn(Lane::Interactive, 1, at(10)).now_or_never();
        let late = late.unwrap().unwrap_err();
        assert_eq!(late.scope, RateLimitScope::Global);
        assert!(late.retry_after >= WINDOW);
    }
}
