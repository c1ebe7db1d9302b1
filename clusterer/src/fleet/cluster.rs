//! One cluster.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use splashtail_api_types::clusters::ShardHealth;
use splashtail_core::ids::{ClusterId, ShardId};

use crate::map::{Entry, Split};

/// What identifies a process beyond its reusable number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`.
    pub start_ticks: u64,
    /// Target of `/proc/<pid>/exe`.
    pub executable: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Stopped,
    /// Waits for its turn to identify; the start queue is in the order of the tickets.
    Queued {
        ticket: u64,
        via: Via,
    },
    /// A process runs and has not said `launch_next`.
    Launching {
        deadline: Duration,
        via: Via,
    },
    Running {
        since: Duration,
    },
    /// Told to end; `kill_at` is `None` once SIGKILL was sent.
    Stopping {
        kill_at: Option<Duration>,
        then: Then,
    },
    /// Crashed; starts again by itself. `held` by the crash-loop breaker.
    Backoff {
        until: Duration,
        held: bool,
    },
    /// Discord refuses the bot: it starts when that is over, or when somebody asks for it.
    Refused,
}

/// What follows the end of a process that was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Stop,
    Restart(Via),
    /// Restart after a pause: it failed.
    Backoff,
}

/// Why a cluster is started, as the action log names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    StartNext,
    PingCheck,
    Observe,
    RollingRestart,
    Start,
    Restart,
    Reshard,
}

impl Via {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartNext => "start_next",
            Self::PingCheck => "ping_check",
            Self::Observe => "observe",
            Self::RollingRestart => "rolling_restart",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Reshard => "reshard",
        }
    }

    /// The event that reports a failed start.
    pub fn failure_event(self) -> &'static str {
        match self {
            Self::StartNext | Self::PingCheck | Self::Observe => "cluster_start_failed",
            Self::RollingRestart | Self::Start | Self::Restart | Self::Reshard => {
                "cluster_restart_failed"
            }
        }
    }
}

#[derive(Debug)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: String,
    pub shards: Vec<ShardId>,
    pub state: State,
    /// Changes with every start.
    pub incarnation: u64,
    /// Processes started for it so far.
    pub starts: u32,
    /// 32 letters while a process is wanted, else empty.
    pub session_id: String,
    pub started_at: Option<DateTime<Utc>>,
    /// The live process. `None` while the spawn is under way, too.
    pub process: Option<ProcessId>,
    /// Its process, or the spawn of it, is not known to have ended.
    pub occupied: bool,
    /// What its process was started with. Differs from the map while a reshard has not come to it.
    pub runs: Option<Split>,
    /// Shards that its process may identify at any time.
    pub identifying: Vec<ShardId>,
    /// No operator stopped it. A wanted one is `Stopped` only until a reshard starts it for the
    /// first time, or at the end of the fleet.
    pub wanted: bool,
    pub health: Vec<ShardHealth>,
    pub last_checked: Option<DateTime<Utc>>,
    /// When the operation began that is under way.
    pub busy_since: Option<DateTime<Utc>>,
    /// It missed the last ping.
    pub unresponsive: bool,
    pub(super) ping: Ping,
    pub(super) crashes: Crashes,
}

impl Cluster {
    pub(super) fn new(entry: Entry, incarnation: u64) -> Self {
        Self {
            id: entry.id,
            name: entry.name,
            shards: entry.shards,
            state: State::Stopped,
            incarnation,
            starts: 0,
            session_id: String::new(),
            started_at: None,
            process: None,
            occupied: false,
            runs: None,
            identifying: Vec::new(),
            wanted: true,
            health: Vec::new(),
            last_checked: None,
            busy_since: None,
            unresponsive: false,
            ping: Ping::default(),
            crashes: Crashes::default(),
        }
    }

    /// Active as mewld means it: a process is there and nobody told it to end.
    pub fn active(&self) -> bool {
        matches!(self.state, State::Launching { .. } | State::Running { .. })
    }

    pub fn launched(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Nothing is going to happen to it by itself.
    pub fn settled(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Stopped)
    }

    /// It does not run what the map says, and no operator keeps it from doing so: a reshard has not
    /// come to it.
    pub(super) fn behind(&self, shard_count: u16) -> bool {
        self.wanted
            && match &self.runs {
                Some(runs) => !runs.is(&self.shards, shard_count),
                None => self.state == State::Stopped,
            }
    }

    /// One of mewld's locks would be held: an operation is under way.
    pub fn busy(&self) -> bool {
        !matches!(
            self.state,
            State::Running { .. } | State::Stopped | State::Backoff { .. } | State::Refused
        )
    }

    pub(super) fn next_deadline(&self, bus_up: bool) -> Option<Duration> {
        let pings = if bus_up {
            self.ping.next_deadline()
        } else {
            None
        };
        match self.state {
            State::Stopped | State::Queued { .. } | State::Refused => None,
            State::Launching { deadline, .. } => {
                bus_up.then_some(deadline).into_iter().chain(pings).min()
            }
            State::Running { .. } => pings,
            State::Stopping { kill_at, .. } => kill_at,
            State::Backoff { until, .. } => Some(until),
        }
    }

    /// Gives back the time in which no message could arrive.
    pub(super) fn resume_after(&mut self, now: Duration, lost: Duration, interval: Duration) {
        let back = now + RECONNECT_GRACE;
        if let State::Launching { deadline, .. } = &mut self.state {
            *deadline = (*deadline + lost).max(back);
        }
        self.ping.schedule(now + interval);
        self.ping.excused_until = self.ping.excused_until.max(Some(back));
    }
}

/// Clusters may take this long to find a bus that is back.
const RECONNECT_GRACE: Duration = Duration::from_secs(30);

/// The health checks of one incarnation.
#[derive(Debug, Default)]
pub(super) struct Ping {
    /// The next request.
    pub(super) at: Option<Duration>,
    pub(super) waiting: Option<Waiting>,
    /// Consecutive.
    pub(super) misses: u32,
    /// Silence does not count before this, unless the cluster has answered meanwhile.
    pub(super) excused_until: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) nonce: String,
    pub(super) sent: Duration,
    pub(super) deadline: Duration,
    /// The request came back from the bus, so the cluster can have received it. The time to answer
    /// counts from then on.
    pub(super) heard: bool,
}

impl Ping {
    fn next_deadline(&self) -> Option<Duration> {
        self.waiting
            .as_ref()
            .map(|waiting| waiting.deadline)
            .or(self.at)
    }

    /// The next request at the given time; an outstanding one is given up.
    pub(super) fn schedule(&mut self, at: Duration) {
        if self.at.is_some() || self.waiting.is_some() {
            self.waiting = None;
            self.at = Some(at);
        }
    }

    pub(super) fn start(&mut self, at: Duration) {
        *self = Self {
            at: Some(at),
            ..Self::default()
        };
    }

    pub(super) fn stop(&mut self) {
        *self = Self::default();
    }

    /// Gives an outstanding request up; [`Ping::schedule`] goes on.
    pub(super) fn forget(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.at = Some(waiting.deadline);
        }
    }
}

/// Crashes within the breaker's window, and those in a row.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    recent: VecDeque<Duration>,
    in_a_row: u32,
}

/// First and longest pause before a crashed cluster starts again.
const FIRST_PAUSE: Duration = Duration::from_secs(6);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// So many crashes within the window, and the cluster is held for as long.
const BREAKER_CRASHES: usize = 5;
pub(super) const BREAKER_WINDOW: Duration = Duration::from_secs(600);
/// A cluster that runs this long starts with a clean record.
pub(super) const HEALTHY_AFTER: Duration = Duration::from_secs(600);

/// What a crash leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) delay: Duration,
    pub(super) held: bool,
}

impl Crashes {
    /// `jitter` in 0..1 stretches the pause by up to a quarter.
    pub(super) fn add(&mut self, now: Duration, jitter: f64) -> Pause {
        self.recent.push_back(now);
        while self
            .recent
            .front()
            .is_some_and(|at| now.saturating_sub(*at) > BREAKER_WINDOW)
        {
            self.recent.pop_front();
        }
        let doublings = self.in_a_row.min(10);
        self.in_a_row += 1;
        if self.recent.len() >= BREAKER_CRASHES {
            return Pause {
                delay: BREAKER_WINDOW,
                held: true,
            };
        }
        let delay = FIRST_PAUSE
            .saturating_mul(1 << doublings)
            .mul_f64(1.0 + jitter / 4.0);
        Pause {
            delay: delay.min(LONGEST_PAUSE),
            held: false,
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.in_a_row == 0 && self.recent.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_the_breaker_holds() {
        let mut crashes = Crashes::default();
        let mut now = Duration::ZERO;
        let mut delays = Vec::new();
        for _ in 0..4 {
            delays.push(crashes.add(now, 0.0).delay.as_secs());
            now += Duration::from_secs(10);
        }
        assert_eq!(delays, [6, 12, 24, 48]);
        assert_eq!(
            crashes.add(now, 0.0),
            Pause {
                delay: BREAKER_WINDOW,
                held: true
            }
        );
        // Rare crashes never trip the breaker.
        let mut crashes = Crashes::default();
        for _ in 0..40 {
            now += Duration::from_secs(200);
            assert!(!crashes.add(now, 1.0).held);
        }
        now += Duration::from_secs(200);
        assert_eq!(crashes.add(now, 1.0).delay, LONGEST_PAUSE);
        crashes.clear();
        assert_eq!(crashes.add(now, 1.0).delay, Duration::from_millis(7500));
    }
}
