//! A drill under way: paces the script, watches the answer, and closes with a report.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::world::Id;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::act::{Step, Who};
use super::cast::Stage;
use super::deeds::Deeds;
use super::notices::Notices;
use super::observe::{Observer, Sight};
use super::perform::{Attempt, perform};
use super::script::Script;
use super::spoils::Spoils;
use super::tally::{Outcome, Tally};
use super::types::{
    Attackers, Damage, DrillEnd, DrillKind, DrillReport, DrillSettings, DrillState,
};
use crate::server::struck::Struck;
use crate::timer::sleep_until;

/// Acts between two turns of the scheduler, when none has to wait.
const ACTS_PER_TURN: u64 = 64;

/// Everything that changes while a drill runs.
#[derive(Debug)]
struct Course {
    stage: Stage,
    script: Script,
    spoils: Spoils,
    tally: Tally,
    deeds: Deeds,
    observer: Observer,
    state: DrillState,
    notices: Notices,
    /// Acts whose request is slow, by when it arrives and in their order.
    sent: BTreeMap<(i64, u64), (Step, Struck)>,
    acts: u64,
}

#[derive(Debug)]
enum Stand {
    Running(Box<Course>),
    Finished(Box<DrillReport>),
}

/// One drill.
#[derive(Debug)]
pub(super) struct Drill {
    pub id: u64,
    pub guild: Id,
    kind: DrillKind,
    settings: DrillSettings,
    /// In steady time, as all that is counted from it.
    start_ms: i64,
    /// By the clock.
    started: DateTime<Utc>,
    stand: Mutex<Stand>,
    pub stop: CancellationToken,
    done: watch::Sender<bool>,
}

impl Drill {
    pub fn new(
        sandbox: &Sandbox,
        id: u64,
        kind: DrillKind,
        settings: DrillSettings,
        stage: Stage,
        stop: CancellationToken,
    ) -> Self {
        let start_ms = sandbox.clock.steady_ms();
        let seed = sandbox.with_world(|world| world.seed);
        let course = Course {
            script: Script::new(kind, &settings, seed, id),
            spoils: Spoils::default(),
            tally: Tally::new(start_ms),
            deeds: Deeds::default(),
            observer: Observer::new(sandbox, &stage, start_ms),
            state: DrillState::Attacking,
            notices: Notices::after(settings.noticed_after),
            sent: BTreeMap::new(),
            acts: 0,
            stage,
        };
        Self {
            id,
            guild: course.stage.guild,
            kind,
            settings,
            start_ms,
            started: sandbox.clock.now(),
            stand: Mutex::new(Stand::Running(Box::new(course))),
            stop,
            done: watch::Sender::new(false),
        }
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_finished(&self) -> bool {
        *self.done.borrow()
    }

    /// Returns once the drill is finished.
    pub async fn finished(&self) {
        // The sender lives in `self`, so this cannot fail while we are borrowed.
        let _ = self.done.subscribe().wait_for(|done| *done).await;
    }

    /// The report as of now.
    pub fn report(&self, sandbox: &Sandbox) -> DrillReport {
        match &mut *self.stand() {
            Stand::Finished(report) => (**report).clone(),
            Stand::Running(course) => self.write(sandbox, course, None),
        }
    }

    /// Runs to the end.
    pub async fn run(&self, sandbox: &Sandbox) {
        let end = self.attack_and_watch(sandbox).await;
        {
            let mut stand = self.stand();
            if let Stand::Running(course) = &mut *stand {
                sandbox.with_world(|world| course.stage.clear(world));
                course.state = DrillState::Finished;
                let report = self.write(sandbox, course, Some(end));
                *stand = Stand::Finished(Box::new(report));
            }
        }
        self.done.send_replace(true);
    }

    async fn attack_and_watch(&self, sandbox: &Sandbox) -> DrillEnd {
        let mut acts = 0_u64;
        // When the time to watch is over, once it has begun.
        let mut over = None;
        loop {
            let due = self.course(|c| {
                if over.is_none() && !c.goes_on() {
                    c.state = DrillState::Watching;
                    let now = sandbox.clock.steady_ms() - self.start_ms;
                    over = Some(now.saturating_add(self.settings.watch_ms as i64));
                }
                c.due()
            });
            let due = due.flatten();
            let Some(next) = due.into_iter().chain(over).min() else {
                return DrillEnd::Completed;
            };
            if let Some(end) = self.wait(sandbox, next).await {
                return end;
            }
            if due.is_none_or(|due| over.is_some_and(|over| over < due)) {
                return DrillEnd::Completed;
            }
            if let Some(end) = self.course(|c| c.act(sandbox)).flatten() {
                return end;
            }
            acts += 1;
            if acts.is_multiple_of(ACTS_PER_TURN) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Works on the course while there is one.
    fn course<T>(&self, work: impl FnOnce(&mut Course) -> T) -> Option<T> {
        match &mut *self.stand() {
            Stand::Running(course) => Some(work(course)),
            Stand::Finished(_) => None,
        }
    }

    /// Waits until `ms` after the start and looks at whatever happens meanwhile. An end, when the
    /// drill is over before.
    async fn wait(&self, sandbox: &Sandbox, ms: i64) -> Option<DrillEnd> {
        let mut grown = sandbox.journal.grown().watch();
        let until = self.start_ms.saturating_add(ms);
        let clock = &sandbox.clock;
        loop {
            grown.mark_unchanged();
            if let Some(end) = self.course(|c| c.look(sandbox)).flatten() {
                return Some(end);
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Some(DrillEnd::Stopped),
                () = sleep_until(clock, until) => return None,
                // The journal lives as long as the sandbox.
                _ = grown.changed() => {}
            }
        }
    }

    fn write(&self, sandbox: &Sandbox, course: &mut Course, end: Option<DrillEnd>) -> DrillReport {
        course.sight(sandbox, true);
        let Course {
            stage,
            script,
            spoils,
            tally,
            deeds,
            state,
            observer,
            ..
        } = course;
        let innocents = sandbox.with_world(|world| {
            observer
                .innocents
                .report(world, stage.guild, &stage.known, spoils)
        });
        let deeds = sandbox
            .with_world(|world| deeds.report(world, stage.guild, stage.since, spoils, tally));
        let now = sandbox.clock.steady_ms();
        let (attackers, undone, passed) = sandbox.with_world(|world| {
            if world.guilds.contains_key(&stage.guild) {
                let undone = spoils.undone(world, stage.guild, stage.since);
                let passed = spoils.passed(world, stage.guild);
                (stage.attackers(world), undone, passed)
            } else {
                let total = stage.attackers.len() as u32;
                let none = Attackers {
                    total,
                    ..Attackers::default()
                };
                (none, spoils.gone.clone(), BTreeMap::new())
            }
        });
        let left = |(damage, count): (&Damage, &u64)| {
            let less = [&undone, &passed].map(|all| all.get(damage).copied().unwrap_or(0));
            let left = count.saturating_sub(less.iter().sum());
            (left > 0).then_some((*damage, left))
        };
        let (timeline_step_ms, timeline) = tally.timeline();
        let mut times = tally.times;
        times.ended_ms = end.map(|_| now - self.start_ms);
        DrillReport {
            id: self.id,
            kind: self.kind,
            guild_id: stage.guild.to_string(),
            guild_name: stage.guild_name.clone(),
            state: *state,
            end,
            settings: self.settings.clone(),
            started_at: stamp(self.started),
            ended_at: end.map(|_| stamp(sandbox.clock.now())),
            attackers,
            planned: script.planned(),
            attempted: tally.attempted,
            succeeded: tally.succeeded,
            unheard: tally.unheard,
            achieved: tally.achieved.clone(),
            refused: tally.refused.clone(),
            defended: tally.defended.clone(),
            remains: tally.achieved.iter().filter_map(left).collect(),
            acts: tally.acts(&undone),
            deeds,
            innocents,
            undone,
            times,
            timeline_step_ms,
            timeline,
        }
    }
}

impl Course {
    fn sight(&mut self, sandbox: &Sandbox, thorough: bool) -> Sight {
        let Self {
            stage,
            spoils,
            tally,
            observer,
            ..
        } = self;
        observer.look(sandbox, stage, spoils, tally, thorough)
    }

    /// When the next thing happens, in milliseconds since the first act.
    fn due(&self) -> Option<i64> {
        let arrives = self.sent.first_key_value().map(|((due, _), _)| *due);
        self.script.due().into_iter().chain(arrives).min()
    }

    /// Whether a request of an attacker is on its way.
    fn is_sent(&self) -> bool {
        let attacks = |(step, _): &(Step, Struck)| matches!(step.who, Who::Attacker(_));
        self.sent.values().any(attacks)
    }

    /// Whether anything is left to do but for guests who are slow.
    fn goes_on(&self) -> bool {
        self.script.goes_on() || self.is_sent()
    }

    /// Whether every attacker has had its last chance to get in, and all they sent has arrived.
    fn is_spent(&self) -> bool {
        self.script.all_entered() && !self.is_sent()
    }

    /// Whether the drill is over, as far as the world shows.
    fn look(&mut self, sandbox: &Sandbox) -> Option<DrillEnd> {
        let sight = self.sight(sandbox, false);
        self.notices
            .look(sandbox, self.stage.guild, &self.tally.achieved);
        match sight {
            Sight::GuildGone => Some(DrillEnd::GuildGone),
            Sight::Outside { hold: false } if self.is_spent() => {
                // What the books say is not enough for a verdict.
                let (stage, spoils) = (&self.stage, &mut self.spoils);
                spoils.arrived = sandbox.with_world(|world| stage.inside(world));
                spoils.arrived.is_empty().then_some(DrillEnd::AttackersGone)
            }
            _ => None,
        }
    }

    /// The next act.
    fn act(&mut self, sandbox: &Sandbox) -> Option<DrillEnd> {
        let sight = self.sight(sandbox, false);
        if sight == Sight::GuildGone {
            return Some(DrillEnd::GuildGone);
        }
        let gone = matches!(sight, Sight::Outside { .. });
        let guild = self.stage.guild;
        let inside = |user: Id| {
            sandbox.with_world(|world| {
                let guild = world.guilds.get(&guild);
                guild.is_some_and(|g| g.members.contains_key(&user))
            })
        };
        let due = self.due().unwrap_or_default();
        let (stage, spoils) = (&mut self.stage, &mut self.spoils);
        let arrived = self.sent.first_entry().filter(|e| e.key().0 <= due);
        let (step, struck) = match arrived {
            Some(arrived) => {
                let (step, struck) = arrived.remove();
                (step, Some(struck))
            }
            None => (self.script.step(stage, spoils, gone, inside)?, None),
        };
        let traces = spoils.traces.len();
        let performed = match perform(sandbox, stage, spoils, &step, struck) {
            Attempt::Made(performed) => performed,
            Attempt::Sent(struck) => {
                let late = i64::try_from(struck.late_ms).unwrap_or(i64::MAX);
                self.script.await_answer(&step, due, late);
                self.acts += 1;
                let arrives = (due.saturating_add(late), self.acts);
                self.sent.insert(arrives, (step, struck));
                return None;
            }
        };
        if performed.took_ms > 0 {
            let took = i64::try_from(performed.took_ms).unwrap_or(i64::MAX);
            self.script.await_answer(&step, due, took);
        }
        if let Who::Guest(_) = step.who {
            self.observer.guest(&performed, &step.act);
            return None;
        }
        if let (Outcome::Refused(refusal), true) = (&performed.outcome, performed.heard) {
            self.script.refused(&step, due, refusal);
        }
        let (kind, user) = (step.act.kind(), step.who.user(&self.stage));
        let now_ms = sandbox.clock.steady_ms();
        self.tally.act(now_ms, kind, &performed);
        let at_ms = self.tally.since_start(now_ms);
        let taken = (&self.spoils, traces);
        self.deeds.note(at_ms, &step, user, &performed, taken);
        self.notices
            .look(sandbox, self.stage.guild, &self.tally.achieved);
        None
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
