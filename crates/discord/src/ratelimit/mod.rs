//! Pacing by what Discord's answers say.
//!
//! Each bucket has one line, served in the order of [`Lane`] and then of arrival. Never more is
//! under way than the bucket has left, also at and after its reset: until an answer of the new
//! window tells, at most `limit`. While nothing is known about a route, one request finds out.
//! Whoever is dropped gives the place back. Only the first in a line keeps the time, so that a
//! reset wakes as many as can go.
//!
//! Each process that speaks to Discord itself has limits of its own; behind the REST proxy its alone
//! count, and they are the same ones.

mod bucket;
mod lines;
mod refusals;
#[cfg(test)]
mod tests;
mod told;

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use splashtail_core::clock::SharedClock;
use tokio::sync::Notify;
use tracing::debug;

use self::lines::{Ending, Lines, Step, Ticket};
use self::refusals::{REFUSALS, REFUSALS_IN_CONTAINMENT};
use crate::error::RateLimitScope;
use crate::route::Route;

pub use self::lines::{Lane, Learned};
pub use self::refusals::Refusals;
pub use self::told::{Limited, Told, read_429};

/// Requests that may stand in line at once, containment not counted.
const MOST_WAITING: usize = 10_000;
/// How long to stay away when the lines are full.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// Limits of one bot, shared by everything that sends in its name.
#[derive(Debug)]
pub struct RateLimits {
    clock: SharedClock,
    tickets: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Lines,
    /// `None`: somebody else counts them, over more than one token.
    refusals: Option<Refusals>,
}

/// How full the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests waiting for their turn.
    pub waiting: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// Buckets remembered.
    pub buckets: usize,
}

/// The wait would be longer than the caller is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// How long to wait, reckoned from the place in line.
    pub retry_after: Duration,
    /// Which limit it is.
    pub scope: RateLimitScope,
}

/// The standing of one call: its place in line, kept over several attempts.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    ticket: Ticket,
    lane: Lane,
    give_up_at: Duration,
}

impl Standing {
    /// When it gives up, by the limits' clock.
    pub fn give_up_at(&self) -> Duration {
        self.give_up_at
    }

    /// Gives up at `end` if not before.
    pub fn no_later_than(self, end: Duration) -> Self {
        let give_up_at = self.give_up_at.min(end);
        Self { give_up_at, ..self }
    }
}

impl RateLimits {
    /// With a guard against being refused too often, for a process of its own.
    pub fn new(clock: SharedClock) -> Self {
        let limits = Self::unguarded(clock);
        limits.state().refusals = Some(Refusals::default());
        limits
    }

    /// For whoever counts the refusals of several of them together.
    pub fn unguarded(clock: SharedClock) -> Self {
        Self {
            clock,
            tickets: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// What is known about routes, to outlive the process.
    pub fn learned(&self) -> Vec<Learned> {
        self.state().lines.learned()
    }

    /// What an earlier process had learned. Answers since then are not overruled.
    pub fn remember(&self, learned: Vec<Learned>) {
        self.state().lines.remember(learned);
    }

    /// A call that is ready to stand in line for `longest_wait` in all.
    pub fn arrive(&self, lane: Lane, longest_wait: Duration) -> Standing {
        Standing {
            ticket: self.tickets.fetch_add(1, Ordering::Relaxed),
            lane,
            give_up_at: self.clock.monotonic().saturating_add(longest_wait),
        }
    }

    /// Waits for the turn of a call.
    ///
    /// # Errors
    /// At once when its turn, reckoned from its place in line, comes too late; later when the
    /// line turns out to be slower.
    pub async fn turn<'a>(
        &'a self,
        route: &Route,
        standing: Standing,
    ) -> Result<Pass<'a>, TooLong> {
        let woken = Arc::new(Notify::new());
        let pass = self.stand(route, standing, &woken, false)?;
        self.until_let(route, standing, &woken).await?;
        Ok(pass)
    }

    /// [`turn`](Self::turn), and then `next`: whatever else has to let the call through. While it waits
    /// for that, a more urgent call can have its place here, and after a 429 nobody keeps one: it
    /// stands in line again, where it stood, and then waits for `next` anew.
    ///
    /// # Errors
    /// Those of [`turn`](Self::turn) and of `next`.
    pub async fn turn_and<'a, F, E>(
        &'a self,
        route: &Route,
        standing: Standing,
        next: impl Fn() -> F,
    ) -> Result<Pass<'a>, E>
    where
        F: Future<Output = Result<(), E>>,
        E: From<TooLong>,
    {
        let woken = Arc::new(Notify::new());
        let pass = self.stand(route, standing, &woken, true)?;
        loop {
            self.until_let(route, standing, &woken).await?;
            let mut waiting = pin!(next());
            let keeps = loop {
                tokio::select! {
                    biased;
                    ended = &mut waiting => {
                        ended?;
                        break self.state().lines.keep(standing.ticket);
                    }
                    () = woken.notified() => {
                        let holds = self.state().lines.holds(standing.ticket);
                        if !holds {
                            break false;
                        }
                    }
                }
            };
            if keeps {
                return Ok(pass);
            }
        }
    }

    fn stand(
        &self,
        route: &Route,
        standing: Standing,
        woken: &Arc<Notify>,
        lends: bool,
    ) -> Result<Pass<'_>, TooLong> {
        let Standing { ticket, lane, .. } = standing;
        let now = self.clock.monotonic();
        let mut state = self.state();
        state.admit(lane, now)?;
        let woken = Arc::clone(woken);
        state.lines.enter(ticket, route, lane, woken, lends, now);
        Ok(Pass {
            limits: self,
            ticket,
            sent: false,
        })
    }

    /// Waits until one that stands in line has a place.
    async fn until_let(
        &self,
        route: &Route,
        standing: Standing,
        woken: &Notify,
    ) -> Result<(), TooLong> {
        let Standing {
            ticket, give_up_at, ..
        } = standing;
        loop {
            let now = self.clock.monotonic();
            let step = self.state().lines.step(ticket, now);
            let Step::Wait {
                ask_again,
                turn,
                scope,
            } = step
            else {
                return Ok(());
            };
            if turn > give_up_at || now >= give_up_at {
                let retry_after = turn.saturating_sub(now).max(Duration::from_millis(1));
                return Err(TooLong { retry_after, scope });
            }
            let until = ask_again.map_or(give_up_at, |at| at.min(give_up_at));
            let wait = until.saturating_sub(now).max(Duration::from_millis(1));
            debug!(
                discord.route = route.template,
                turn_ms = turn.saturating_sub(now).as_millis(),
                "waiting for the rate limit"
            );
            tokio::select! {
                () = woken.notified() => {}
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    /// The right to send where somebody else keeps the limits.
    pub(crate) fn aside(&self, standing: Standing) -> Pass<'_> {
        Pass {
            limits: self,
            ticket: standing.ticket,
            sent: false,
        }
    }

    /// How full the lines are now.
    pub fn load(&self) -> Load {
        let state = self.state();
        Load {
            waiting: state.lines.waiting(),
            in_flight: state.lines.in_flight(),
            buckets: state.lines.buckets(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(&mut self, lane: Lane, now: Duration) -> Result<(), TooLong> {
        let limit = match lane {
            Lane::Containment => REFUSALS_IN_CONTAINMENT,
            Lane::Interactive | Lane::Bulk => REFUSALS,
        };
        let refusals = self.refusals.as_mut();
        if let Some(retry_after) = refusals.and_then(|refusals| refusals.wait(limit, now)) {
            let scope = RateLimitScope::Refusals;
            return Err(TooLong { retry_after, scope });
        }
        if lane != Lane::Containment && self.lines.waiting() >= MOST_WAITING {
            let (retry_after, scope) = (FULL_WAIT, RateLimitScope::Line);
            return Err(TooLong { retry_after, scope });
        }
        Ok(())
    }
}

/// Whether an answer counts for Discord's block of addresses (Discord docs, "Invalid Request Limit").
/// `limited`: what it said if it was a 429.
pub fn is_refusal(status: StatusCode, limited: Option<Limited>) -> bool {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        StatusCode::TOO_MANY_REQUESTS => {
            limited.is_none_or(|limited| limited.scope != RateLimitScope::Shared)
        }
        _ => false,
    }
}

/// A place in line, then the right to send one request. Dropped, it is given back: whole when
/// nothing was sent; as a place alone when something was, because Discord may have counted it.
#[derive(Debug)]
pub struct Pass<'a> {
    limits: &'a RateLimits,
    ticket: Ticket,
    sent: bool,
}

impl Pass<'_> {
    /// From now on Discord may know of the request.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// The connection was never made.
    pub fn not_sent(mut self) {
        self.sent = false;
    }

    /// An answer came. `limited`: what it said if it was a 429.
    pub fn answered(self, status: StatusCode, told: Option<&Told>, limited: Option<Limited>) {
        let now = self.limits.clock.monotonic();
        let mut state = self.limits.state();
        if let Some(refusals) = &mut state.refusals
            && is_refusal(status, limited)
        {
            refusals.count(now);
        }
        let ending = Ending::Answered {
            good: status.is_success(),
            told,
            limited,
        };
        state.lines.finish(self.ticket, &ending, now);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let now = self.limits.clock.monotonic();
        let mut state = self.limits.state();
        if self.sent {
            state.lines.finish(self.ticket, &Ending::Lost, now);
        } else {
            state.lines.leave(self.ticket, now);
        }
    }
}
