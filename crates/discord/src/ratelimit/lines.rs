//! Who waits for which bucket, in which order. Data in, data out: the time is an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::bucket::{Bucket, Known, PROBE_PATIENCE};
use super::told::{Limited, Told};
use crate::error::RateLimitScope;
use crate::route::Route;

/// Idle buckets are forgotten when this many are known, and again at each doubling of what was
/// left, so that sweeping stays cheap however many are in use.
const SWEEP_ABOVE: usize = 2048;
/// Route templates remembered; more means that something unexpected is in the paths.
const MOST_TEMPLATES: usize = 1024;

/// What a call is for. Within one bucket all of a lane goes before the next lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Lane {
    /// Stops an attack that is under way.
    Containment,
    /// Somebody is waiting for it.
    #[default]
    Interactive,
    /// Jobs: backups, restores, sweeps.
    Bulk,
}

impl Lane {
    /// As it stands in the header `X-Proxy-Priority`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containment => "containment",
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }

    /// That of [`Lane::name`].
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Containment, Self::Interactive, Self::Bulk]
            .into_iter()
            .find(|lane| lane.name().eq_ignore_ascii_case(name))
    }
}

/// Which bucket a route belongs to, in the form in which it outlives the process. How much is left
/// in it does not: others may have sent meanwhile, so the first answer tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// [`Route::template`].
    pub template: String,
    /// `None`: answers name no bucket.
    pub hash: Option<String>,
}

/// A place in a line. Smaller numbers came first.
pub(super) type Ticket = u64;

/// Bucket hash (or template while no hash is known) and major id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    name: String,
    major: String,
}

/// What is known about a route template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Template {
    /// Answers name no bucket.
    Free,
    Bucket {
        hash: String,
        known: Option<Known>,
    },
}

#[derive(Debug)]
struct Waiter {
    route: Route,
    woken: Arc<Notify>,
    /// Its place can be taken back until it says that it goes.
    lends: bool,
}

#[derive(Debug, Default)]
struct Line {
    bucket: Bucket,
    lanes: [BTreeMap<Ticket, Waiter>; 3],
    /// Who has a place and does not use it yet. The last one has the least claim to it.
    lent: BTreeSet<(Lane, Ticket)>,
    /// Who keeps the time for everybody in this line, and until when.
    leader: Option<(Ticket, Duration)>,
}

#[derive(Debug)]
struct Flight {
    key: Key,
    route: Route,
    window: u64,
    /// Set until its holder goes: the place may be taken back.
    lent: Option<(Lane, Arc<Notify>)>,
}

/// All lines of one bot.
#[derive(Debug, Default)]
pub(super) struct Lines {
    templates: HashMap<String, Template>,
    lines: HashMap<Key, Line>,
    waiting: HashMap<Ticket, (Key, Lane)>,
    flights: HashMap<Ticket, Flight>,
    global: Global,
    sweep_at: usize,
}

/// The limit over all routes. After it was hit, one request finds out whether it is over.
#[derive(Debug, Default)]
struct Global {
    held_until: Duration,
    probing: bool,
    probe: Option<(Ticket, Duration)>,
}

/// How a request that was let through ended.
#[derive(Debug)]
pub(super) enum Ending<'a> {
    /// Nothing was sent.
    Unsent,
    /// Sent, and no answer came.
    Lost,
    /// Answered.
    Answered {
        good: bool,
        told: Option<&'a Told>,
        limited: Option<Limited>,
    },
}

/// Where a place in line has got to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It may be sent.
    Go,
    /// Others go first. `ask_again`: set for the one who keeps the time.
    Wait {
        ask_again: Option<Duration>,
        turn: Duration,
        scope: RateLimitScope,
    },
}

impl Lines {
    /// Stands in line. A request that got a 429 comes back with its old ticket and is first.
    /// `lends`: the place that it gets can be taken back until [`keep`](Self::keep).
    pub(super) fn enter(
        &mut self,
        ticket: Ticket,
        route: &Route,
        lane: Lane,
        woken: Arc<Notify>,
        lends: bool,
        now: Duration,
    ) {
        self.sweep(now);
        let waiter = Waiter {
            route: route.clone(),
            woken,
            lends,
        };
        self.stand(ticket, lane, waiter, now);
    }

    fn stand(&mut self, ticket: Ticket, lane: Lane, waiter: Waiter, now: Duration) {
        let key = self.key(&waiter.route);
        let line = self.line(&key, &waiter.route, now);
        line.lanes[lane as usize].insert(ticket, waiter);
        self.waiting.insert(ticket, (key, lane));
    }

    /// Whether the ticket has a place.
    pub(super) fn holds(&self, ticket: Ticket) -> bool {
        self.flights.contains_key(&ticket)
    }

    /// The place is the ticket's for good. `false`: it was taken back before that.
    pub(super) fn keep(&mut self, ticket: Ticket) -> bool {
        let Some(flight) = self.flights.get_mut(&ticket) else {
            return false;
        };
        if let Some((lane, _)) = flight.lent.take()
            && let Some(line) = self.lines.get_mut(&flight.key)
        {
            line.lent.remove(&(lane, ticket));
        }
        true
    }

    /// A place that was lent is free again; its holder stands where it stood and is told.
    fn take_back(&mut self, ticket: Ticket, now: Duration) {
        let Some(flight) = self.flights.get_mut(&ticket) else {
            return;
        };
        let Some((lane, woken)) = flight.lent.take() else {
            return;
        };
        let Some(flight) = self.flights.remove(&ticket) else {
            return;
        };
        if let Some(line) = self.lines.get_mut(&flight.key) {
            line.lent.remove(&(lane, ticket));
            line.bucket.unsent();
        }
        self.global.ended(ticket, &Ending::Unsent);
        woken.notify_one();
        let waiter = Waiter {
            route: flight.route,
            woken,
            lends: true,
        };
        self.stand(ticket, lane, waiter, now);
    }

    /// Takes all lent places back, of one line or of every one.
    fn recall(&mut self, of: Option<&Key>, now: Duration) {
        let lines = self.lines.iter();
        let lent: Vec<Ticket> = lines
            .filter(|(key, _)| of.is_none_or(|of| of == *key))
            .flat_map(|(_, line)| line.lent.iter().map(|(_, ticket)| *ticket))
            .collect();
        for ticket in lent {
            self.take_back(ticket, now);
        }
    }

    /// The place with the least claim to it, if that is less than the lane's.
    fn less_urgent(line: &Line, lane: usize) -> Option<Ticket> {
        let (held, ticket) = line.lent.last()?;
        (*held as usize > lane).then_some(*ticket)
    }

    /// One that finds out about the global limit and has not gone yet makes way for the first of a
    /// line that could go and is more urgent.
    fn probe_makes_way(&mut self, key: &Key, now: Duration) -> bool {
        let Some((probe, _)) = self.global.probe else {
            return false;
        };
        let lent = self.flights.get(&probe).and_then(|held| held.lent.as_ref());
        let Some(held) = lent.map(|(lane, _)| *lane as usize) else {
            return false;
        };
        let Some(line) = self.lines.get_mut(key) else {
            return false;
        };
        let is_more_urgent = line.front().is_some_and(|(lane, _)| lane < held);
        if !is_more_urgent || line.bucket.room(now).is_err() {
            return false;
        }
        self.take_back(probe, now);
        true
    }

    /// Lets through whom the ticket's line can, then says whether the ticket was among them.
    pub(super) fn step(&mut self, ticket: Ticket, now: Duration) -> Step {
        if let Some((key, _)) = self.waiting.get(&ticket) {
            let key = key.clone();
            self.dispatch(&key, Some(ticket), now);
        }
        let Some((key, lane)) = self.waiting.get(&ticket) else {
            return Step::Go;
        };
        let line = &self.lines[key];
        let from = now.max(self.global.held_until);
        let scope = if self.global.held_until > now {
            RateLimitScope::Global
        } else {
            line.bucket.held_by(now).unwrap_or(RateLimitScope::User)
        };
        let ask_again = line
            .leader
            .and_then(|(leader, until)| (leader == ticket).then_some(until));
        Step::Wait {
            ask_again,
            turn: line.bucket.turn(line.ahead(ticket, *lane), from),
            scope,
        }
    }

    /// Leaves the line, or gives back a place that was not used.
    pub(super) fn leave(&mut self, ticket: Ticket, now: Duration) {
        if let Some((key, lane)) = self.waiting.remove(&ticket) {
            if let Some(line) = self.lines.get_mut(&key) {
                line.lanes[lane as usize].remove(&ticket);
            }
            self.dispatch(&key, None, now);
        } else {
            self.finish(ticket, &Ending::Unsent, now);
        }
    }

    /// A request that was let through is over. A second ending of one ticket changes nothing.
    pub(super) fn finish(&mut self, ticket: Ticket, ending: &Ending<'_>, now: Duration) {
        // Whoever ends with a lent place had it until now.
        self.keep(ticket);
        let Some(flight) = self.flights.remove(&ticket) else {
            return;
        };
        let mut touched = self.settle(&flight, ending, now);
        touched.push(flight.key.clone());
        touched.push(self.key(&flight.route));
        let probe_over = self.global.ended(ticket, ending);
        if let Ending::Answered {
            limited: Some(limited),
            ..
        } = ending
        {
            self.limited(&flight.route, *limited, now);
        }
        if probe_over {
            touched = self.by_urgency();
        }
        for key in &touched {
            self.dispatch(key, None, now);
        }
    }

    /// Accounts for the ending in the bucket that the request was counted in and in the one that
    /// the answer names. Returns the lines whose waiters changed.
    fn settle(&mut self, flight: &Flight, ending: &Ending<'_>, now: Duration) -> Vec<Key> {
        let Some(line) = self.lines.get_mut(&flight.key) else {
            return Vec::new();
        };
        match ending {
            Ending::Unsent => line.bucket.unsent(),
            Ending::Lost => line.bucket.lost(),
            Ending::Answered {
                told: Some(told), ..
            } => {
                let key = Key {
                    name: told.hash.clone(),
                    major: flight.route.major.clone(),
                };
                if key == flight.key {
                    line.bucket.answered(told, Some(flight.window), now);
                } else {
                    line.bucket.answered_elsewhere();
                    let line = self.lines.entry(key.clone()).or_default();
                    line.bucket.answered(told, None, now);
                }
                let known = self.lines[&key].bucket.known();
                let hash = told.hash.clone();
                return self.learn(&flight.route, Template::Bucket { hash, known }, now);
            }
            Ending::Answered { good, limited, .. } => {
                if *good {
                    line.bucket.answered_freely();
                } else {
                    line.bucket.lost();
                }
                let unknown = !self.templates.contains_key(&flight.route.template);
                if unknown && (*good || limited.is_some()) {
                    return self.learn(&flight.route, Template::Free, now);
                }
            }
        }
        Vec::new()
    }

    /// Holds back what a 429 concerns: everything, or the route's bucket.
    fn limited(&mut self, route: &Route, limited: Limited, now: Duration) {
        let until = now.saturating_add(limited.retry_after);
        if limited.scope == RateLimitScope::Global {
            self.global.held_until = self.global.held_until.max(until);
            self.global.probing = true;
            self.global.probe = None;
        } else {
            let key = self.key(route);
            let line = self.line(&key, route, now);
            line.bucket.hold(until, limited.scope);
        }
        let global = limited.scope == RateLimitScope::Global;
        let own = self.key(route);
        // Nobody goes now with a place from before.
        self.recall((!global).then_some(&own), now);
        // Who waits now may have to wait longer than they are willing to.
        for (key, line) in &self.lines {
            if global || *key == own {
                line.lanes.iter().flat_map(BTreeMap::values).for_each(wake);
            }
        }
    }

    /// Remembers what a template belongs to. Whoever waits under its former name moves, in order.
    /// Returns the lines that they left or joined.
    fn learn(&mut self, route: &Route, learned: Template, now: Duration) -> Vec<Key> {
        let template = &route.template;
        let before = self.templates.get(template);
        let same = match (before, &learned) {
            (Some(Template::Bucket { hash: old, .. }), Template::Bucket { hash, .. }) => {
                old == hash
            }
            (Some(Template::Free), Template::Free) => true,
            _ => false,
        };
        let first = before.is_none();
        self.templates.insert(template.clone(), learned);
        if same {
            return Vec::new();
        }
        let moving: Vec<(Ticket, Key, Lane)> = self
            .waiting
            .iter()
            .filter(|(ticket, (key, lane))| {
                let line = &self.lines[key].lanes[*lane as usize];
                line.get(ticket)
                    .is_some_and(|waiter| waiter.route.template == *template)
            })
            .map(|(ticket, (key, lane))| (*ticket, key.clone(), *lane))
            .collect();
        let mut touched = Vec::new();
        for (ticket, from, lane) in moving {
            let waiter = self
                .lines
                .get_mut(&from)
                .and_then(|line| line.lanes[lane as usize].remove(&ticket));
            let Some(waiter) = waiter else { continue };
            let to = self.key(&waiter.route);
            let route = waiter.route.clone();
            self.line(&to, &route, now).lanes[lane as usize].insert(ticket, waiter);
            self.waiting.insert(ticket, (to.clone(), lane));
            for key in [from, to] {
                if !touched.contains(&key) {
                    touched.push(key);
                }
            }
        }
        if first {
            self.move_flights(template, now);
        }
        touched
    }

    /// Other requests that found out about the same template count where they belong.
    fn move_flights(&mut self, template: &str, now: Duration) {
        let moving: Vec<Ticket> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.route.template == template)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in moving {
            let Some(flight) = self.flights.remove(&ticket) else {
                continue;
            };
            let key = self.key(&flight.route);
            let lent = flight.lent.as_ref().map(|(lane, _)| (*lane, ticket));
            if let Some(line) = self.lines.get_mut(&flight.key) {
                line.bucket.unsent();
                if let Some(lent) = &lent {
                    line.lent.remove(lent);
                }
            }
            let line = self.line(&key, &flight.route, now);
            line.lent.extend(lent);
            let window = line.bucket.send(now);
            let flight = Flight {
                key,
                window,
                ..flight
            };
            self.flights.insert(ticket, flight);
        }
    }

    /// Lets as many through as the bucket has room for, then makes sure that somebody keeps the
    /// time for the rest. `caller` is not woken: it is asking.
    fn dispatch(&mut self, key: &Key, caller: Option<Ticket>, now: Duration) {
        let wait = loop {
            if let Err(until) = self.global.room(now) {
                if self.probe_makes_way(key, now) {
                    continue;
                }
                break until;
            }
            if self.global.probing && self.probe(caller, now) {
                continue;
            }
            let Some(line) = self.lines.get_mut(key) else {
                return;
            };
            let Some((lane, _)) = line.front() else {
                break Duration::MAX;
            };
            if let Err(until) = line.bucket.room(now) {
                let Some(lent) = Self::less_urgent(line, lane) else {
                    break until;
                };
                self.take_back(lent, now);
                continue;
            }
            self.send(key, caller, now);
        };
        let Some(line) = self.lines.get_mut(key) else {
            return;
        };
        let Some((lane, front)) = line.front() else {
            line.leader = None;
            return;
        };
        if line.leader != Some((front, wait)) {
            line.leader = Some((front, wait));
            if Some(front) != caller
                && let Some(waiter) = line.lanes[lane].get(&front)
            {
                wake(waiter);
            }
        }
    }

    /// The first in line goes.
    fn send(&mut self, key: &Key, caller: Option<Ticket>, now: Duration) {
        let Some(line) = self.lines.get_mut(key) else {
            return;
        };
        let Some((lane, ticket)) = line.front() else {
            return;
        };
        let Some(waiter) = line.lanes[lane].remove(&ticket) else {
            return;
        };
        let place = self.waiting.remove(&ticket).filter(|_| waiter.lends);
        let lent = place.map(|(_, lane)| (lane, Arc::clone(&waiter.woken)));
        line.lent
            .extend(lent.as_ref().map(|(lane, _)| (*lane, ticket)));
        let flight = Flight {
            key: key.clone(),
            window: line.bucket.send(now),
            route: waiter.route.clone(),
            lent,
        };
        self.flights.insert(ticket, flight);
        if self.global.probing {
            self.global.probe = Some((ticket, now));
        }
        if caller != Some(ticket) {
            wake(&waiter);
        }
    }

    /// After a global limit the most urgent of all that can goes, alone.
    fn probe(&mut self, caller: Option<Ticket>, now: Duration) -> bool {
        let best = self
            .lines
            .iter_mut()
            .filter_map(|(key, line)| {
                let front = line.front()?;
                line.bucket.room(now).ok()?;
                Some((front, key))
            })
            .min_by_key(|(front, _)| *front)
            .map(|(_, key)| key.clone());
        if let Some(key) = &best {
            self.send(key, caller, now);
        }
        best.is_some()
    }

    /// Lines with somebody in them, the most urgent first.
    fn by_urgency(&self) -> Vec<Key> {
        let mut lines: Vec<_> = self
            .lines
            .iter()
            .filter_map(|(key, line)| Some((line.front()?, key)))
            .collect();
        lines.sort_by_key(|(front, _)| *front);
        lines.into_iter().map(|(_, key)| key.clone()).collect()
    }

    fn key(&self, route: &Route) -> Key {
        let name = match self.templates.get(&route.template) {
            // All ids of an unknown route share one line: the first answer tells them apart.
            None => {
                return Key {
                    name: route.template.clone(),
                    major: String::new(),
                };
            }
            Some(Template::Free) => &route.template,
            Some(Template::Bucket { hash, .. }) => hash,
        };
        Key {
            name: name.clone(),
            major: route.major.clone(),
        }
    }

    fn line(&mut self, key: &Key, route: &Route, now: Duration) -> &mut Line {
        let template = self.templates.get(&route.template);
        self.lines.entry(key.clone()).or_insert_with(|| {
            let known = match template {
                Some(Template::Bucket { known, .. }) => *known,
                _ => None,
            };
            let free = template == Some(&Template::Free);
            Line {
                bucket: Bucket::new(known, free, now),
                ..Line::default()
            }
        })
    }

    fn sweep(&mut self, now: Duration) {
        if self.lines.len() <= self.sweep_at.max(SWEEP_ABOVE) {
            return;
        }
        self.lines
            .retain(|_, line| line.front().is_some() || !line.bucket.is_idle(now));
        self.sweep_at = self.lines.len() * 2;
        if self.templates.len() > MOST_TEMPLATES {
            self.templates.clear();
        }
    }

    pub(super) fn learned(&self) -> Vec<Learned> {
        let learned = self.templates.iter().map(|(template, known)| Learned {
            template: template.clone(),
            hash: match known {
                Template::Free => None,
                Template::Bucket { hash, .. } => Some(hash.clone()),
            },
        });
        learned.collect()
    }

    pub(super) fn remember(&mut self, learned: Vec<Learned>) {
        for Learned { template, hash } in learned.into_iter().take(MOST_TEMPLATES) {
            // Waiting lines are named by what is known; only what nobody waits for can be named anew.
            if self.waiting.is_empty() && self.flights.is_empty() {
                let known = match hash {
                    None => Template::Free,
                    Some(hash) => Template::Bucket { hash, known: None },
                };
                self.templates.entry(template).or_insert(known);
            }
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn buckets(&self) -> usize {
        self.lines.len()
    }
}

impl Line {
    /// The lane and ticket that go next.
    fn front(&self) -> Option<(usize, Ticket)> {
        let lanes = self.lanes.iter().enumerate();
        lanes
            .filter_map(|(lane, waiters)| Some((lane, *waiters.first_key_value()?.0)))
            .next()
    }

    /// How many go before this one.
    fn ahead(&self, ticket: Ticket, lane: Lane) -> u64 {
        let lane = lane as usize;
        let urgent: usize = self.lanes[..lane].iter().map(BTreeMap::len).sum();
        let own = &self.lanes[lane];
        let before = if own
            .last_key_value()
            .is_some_and(|(last, _)| *last == ticket)
        {
            own.len() - 1
        } else {
            own.range(..ticket).count()
        };
        (urgent + before) as u64
    }
}

impl Global {
    fn room(&self, now: Duration) -> Result<(), Duration> {
        let patience = self.probe.map(|(_, sent)| sent + PROBE_PATIENCE);
        match patience {
            _ if self.held_until > now => Err(self.held_until),
            Some(patience) if now < patience => Err(patience),
            _ => Ok(()),
        }
    }

    /// Whether this was the request that found out about the global limit, and everybody can
    /// go on.
    fn ended(&mut self, ticket: Ticket, ending: &Ending<'_>) -> bool {
        if self.probe.is_none_or(|(probe, _)| probe != ticket) {
            return false;
        }
        self.probe = None;
        if let Ending::Answered { .. } = ending {
            self.probing = false; // another global 429 sets it again
        }
        true
    }
}

fn wake(waiter: &Waiter) {
    waiter.woken.notify_one();
}
