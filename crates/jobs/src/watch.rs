//! What an engine asks the database for, and when.

use std::collections::VecDeque;
use std::time::Duration;

use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_storage::Priority;

use crate::deadline::CallError;

/// Of the capacity, one part in so many is for containment alone.
const CONTAINMENT_SHARE: u64 = 8;
/// And one for whatever is not scheduled: containment, and what somebody waits for.
const UNSCHEDULED_SHARE: u64 = 4;
/// One part in so many is the most for kinds of jobs that weigh more than 1, all together: a few of
/// them, which take hours, leave room for all the others.
const HEAVY_SHARE: u64 = 2;

/// The weight of what runs up to which tasks begin, by priority.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits([u64; 3]);

impl Limits {
    pub fn new(capacity: u32) -> Self {
        let all = u64::from(capacity);
        let without = |share: u64| all - all / share;
        Self([all, without(CONTAINMENT_SHARE), without(UNSCHEDULED_SHARE)])
    }

    fn of(self, priority: Priority) -> u64 {
        self.0[priority as usize]
    }

    /// The last priority of which one may begin beside so much.
    fn last_beside(self, weight: u64) -> Option<Priority> {
        use Priority::{Containment, Interactive, Scheduled};
        let mut last_first = [Scheduled, Interactive, Containment].into_iter();
        last_first.find(|priority| weight < self.of(*priority))
    }
}

/// Whether one of a kind of this weight may begin while so much of the heavy kinds runs.
pub(crate) fn has_room(weight: u32, heavy: u64, capacity: u32) -> bool {
    weight <= 1 || heavy < (u64::from(capacity) / HEAVY_SHARE).max(1)
}

/// A question for a task to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A look for whatever waits, in its order, down to this priority.
    Waiting(Priority),
    /// A look for what runners left that are gone, down to this priority.
    Left(Priority),
    One(Hint),
}

/// A new task of this process that may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint {
    pub task: TaskId,
    pub weight: u32,
    pub priority: Priority,
}

/// What an engine has in hand.
pub(crate) struct Load {
    pub limits: Limits,
    /// The greatest weight that a look can find.
    pub heaviest: u32,
    /// Weight of what runs.
    pub running: u64,
    /// Whether a look for what waits is under way.
    pub looking: bool,
    /// Whether one for what others left is.
    pub looking_for_left: bool,
    /// Weight of the task that is asked for by its id; 0 = none is.
    pub ordered: u32,
}

/// What the engine expects of the database.
#[derive(Default)]
pub(crate) struct Watch {
    /// There may be tasks that nobody has told of, by priority.
    more: [bool; 3],
    /// How far down the looks under way go, for what waits and for what others left.
    waiting: Priority,
    left: Priority,
    /// The look under way was sent before there was more.
    again: bool,
    /// When to look without a hint, on the clock that does not jump.
    look_at: Duration,
    /// When to look for what others left: seldom, because that look passes all that ran since the
    /// oldest snapshot of the database.
    left_at: Duration,
    /// Both are due and there is place for one: it is the turn of what others left.
    turn_of_left: bool,
    failing: bool,
}

impl Watch {
    /// What to ask beside what is asked already: nothing while there is no capacity, or nothing to
    /// be expected. Tasks begin while what runs is below the capacity, whichever answer is first.
    pub fn next(&mut self, load: &Load, hints: &mut VecDeque<Hint>, now: Duration) -> Option<Ask> {
        let hinted = hints.len();
        hints.retain(|hint| load.running < load.limits.of(hint.priority));
        if hints.len() < hinted {
            // They wait with the others, in order.
            self.more = [true; 3];
            self.again = load.looking;
        }
        let looks = u64::from(load.looking) + u64::from(load.looking_for_left);
        let heaviest = u64::from(load.heaviest);
        let beside = load.running + u64::from(load.ordered) + looks * heaviest;
        if let Some(last) = load.limits.last_beside(beside) {
            let more = self.more[..=last as usize].contains(&true);
            let waiting = !load.looking && (more || now >= self.look_at);
            let left = !load.looking_for_left && now >= self.left_at;
            if left && (!waiting || self.turn_of_left) {
                self.turn_of_left = false;
                self.left = last;
                return Some(Ask::Left(last));
            }
            if waiting {
                self.turn_of_left = true;
                self.waiting = last;
                return Some(Ask::Waiting(last));
            }
        }
        let first = hints.front().filter(|_| load.ordered == 0)?;
        let waiting = load.looking.then_some(self.waiting);
        let left = load.looking_for_left.then_some(self.left);
        if let Some(last) = waiting.max(left) {
            let beside = |weight: u64, looks: u64| load.running + weight + looks * heaviest;
            if beside(0, looks) >= load.limits.of(first.priority) {
                return None;
            }
            // There stays a place for what a look finds: it may have waited for longer, unless it
            // can only be what is less urgent.
            let room = beside(u64::from(first.weight), looks - 1) < load.limits.of(last);
            if first.priority >= last && !room {
                return None;
            }
        }
        hints.pop_front().map(Ask::One)
    }

    /// When the next look is due, whatever happens; none while both are under way.
    pub fn due(&self, (looking, looking_for_left): (bool, bool)) -> Option<Duration> {
        let look = (!looking).then_some(self.look_at);
        let left = (!looking_for_left).then_some(self.left_at);
        look.into_iter().chain(left).min()
    }

    /// A look for what others left was answered: whether it found a task, when there may be more. One
    /// that fails says nothing about those that wait: it may only have taken too long.
    pub fn looked_for_left(&mut self, found: Result<bool, &CallError>, next_look: Duration) {
        match found {
            Ok(true) => {}
            Ok(false) => self.left_at = next_look,
            Err(error) => {
                self.left_at = next_look;
                tracing::warn!(error = %Chain(error), "what other runners left was not looked for");
            }
        }
    }

    /// A look for what waits was answered: whether it found a task.
    pub fn looked(&mut self, found: Result<bool, &CallError>, next_look: Duration) {
        let more = found.unwrap_or(false) || self.again;
        self.again = false;
        for (priority, may_be) in self.more.iter_mut().enumerate() {
            // What it did not look for is looked for when there is place.
            *may_be = more || priority > self.waiting as usize;
        }
        if !more {
            self.look_at = next_look;
        }
        self.heard(found.err(), next_look);
    }

    /// Reports a failing database once, and its return.
    pub fn heard(&mut self, error: Option<&CallError>, next_look: Duration) {
        match error {
            None if self.failing => tracing::info!("tasks can be taken again"),
            Some(error) if !self.failing => {
                tracing::error!(error = %Chain(error), "no task can be taken, trying again");
            }
            _ => {}
        }
        self.failing = error.is_some();
        // A task that was asked for by its id says nothing about others.
        if self.failing {
            self.more = [false; 3];
            self.look_at = next_look;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: Duration = Duration::from_secs(1);

    const WAITING: Ask = Ask::Waiting(Priority::Scheduled);
    const LEFT: Ask = Ask::Left(Priority::Scheduled);

    /// Without shares.
    fn load(running: u64, looking: bool, ordered: u32) -> Load {
        Load {
            limits: Limits([8; 3]),
            heaviest: 1,
            running,
            looking,
            looking_for_left: false,
            ordered,
        }
    }

    fn hint(weight: u32) -> Hint {
        hint_of(Priority::Scheduled, weight)
    }

    fn hint_of(priority: Priority, weight: u32) -> Hint {
        Hint {
            task: TaskId::random(),
            weight,
            priority,
        }
    }

    /// Nothing is due before the next look.
    fn quiet() -> Watch {
        let mut watch = Watch {
            waiting: Priority::Scheduled,
            left: Priority::Scheduled,
            ..Watch::default()
        };
        watch.looked(Ok(false), SCAN);
        watch.looked_for_left(Ok(false), 10 * SCAN);
        watch
    }

    #[test]
    fn a_look_and_a_task_by_its_id_are_asked_for_side_by_side() {
        let (mut watch, light) = (quiet(), hint(1));
        watch.looked(Ok(true), SCAN);
        let mut hints = VecDeque::from([light]);
        let mut next = |load: &Load| watch.next(load, &mut hints, Duration::ZERO);
        assert_eq!(next(&load(0, false, 0)), Some(WAITING));
        assert_eq!(next(&load(0, true, 0)), Some(Ask::One(light)));
        assert_eq!(next(&load(0, true, 1)), None);
    }

    #[test]
    fn a_backlog_keeps_no_order_waiting_and_no_order_takes_its_place() {
        let mut watch = quiet();
        watch.looked(Ok(true), SCAN);
        let mut hints = VecDeque::from([hint(2), hint(1)]);
        let mut next = |load: &Load| watch.next(load, &mut hints, Duration::ZERO);
        assert_eq!(next(&load(6, false, 0)), Some(WAITING));
        // With two more the look would find no place.
        assert_eq!(next(&load(6, true, 0)), None);
        assert!(matches!(next(&load(5, true, 0)), Some(Ask::One(_))));
        assert_eq!(next(&load(5, true, 2)), None, "one after the other");
        assert!(matches!(next(&load(6, true, 0)), Some(Ask::One(_))));
    }

    #[test]
    fn only_the_last_one_begun_exceeds_the_capacity() {
        for running in 0..8 {
            for weight in 1..=8 {
                let mut hints = VecDeque::from([hint(weight)]);
                let asked = quiet().next(&load(running, true, 0), &mut hints, Duration::ZERO);
                // Whichever of both answers is the last, there was room before it.
                assert_eq!(asked.is_some(), running + u64::from(weight) < 8);
                let mut due = quiet();
                let none = &mut VecDeque::new();
                let look = due.next(&load(running, false, weight), none, SCAN);
                assert_eq!(look.is_some(), running + u64::from(weight) < 8);
            }
        }
    }

    #[test]
    fn what_came_while_all_was_full_is_looked_for_however_old_the_look_under_way_is() {
        let mut watch = quiet();
        let mut hints = VecDeque::from([hint(1)]);
        assert_eq!(watch.next(&load(8, true, 0), &mut hints, SCAN), None);
        assert!(hints.is_empty(), "it waits with the others");
        watch.looked(Ok(false), 2 * SCAN);
        let next = watch.next(&load(7, false, 0), &mut hints, Duration::ZERO);
        assert_eq!(next, Some(WAITING));
        watch.looked(Ok(false), 2 * SCAN);
        let next = watch.next(&load(7, false, 0), &mut hints, SCAN);
        assert_eq!(next, None, "nothing is left");
    }

    #[test]
    fn what_others_left_is_looked_for_seldom_and_beside_all_else() {
        let (mut watch, mut hints) = (quiet(), VecDeque::new());
        let left = 10 * SCAN;
        let alone = load(0, false, 0);
        assert_eq!(watch.next(&alone, &mut hints, SCAN), Some(WAITING));
        watch.looked(Ok(true), SCAN);
        assert_eq!(watch.due((false, false)), Some(SCAN));
        assert_eq!(watch.due((true, false)), Some(10 * SCAN));
        assert_eq!(watch.due((true, true)), None);
        assert_eq!(watch.next(&alone, &mut hints, left), Some(LEFT));
        let mut beside = Load {
            looking_for_left: true,
            ..alone
        };
        assert_eq!(watch.next(&beside, &mut hints, left), Some(WAITING));
        beside.looking = true;
        assert_eq!(watch.next(&beside, &mut hints, left), None);
        let light = hint(1);
        hints.push_back(light);
        assert_eq!(watch.next(&beside, &mut hints, left), Some(Ask::One(light)));
    }

    #[test]
    fn what_others_left_and_what_waits_take_turns_for_the_last_place() {
        let (mut watch, mut hints) = (Watch::default(), VecDeque::new());
        let mut asked = Vec::new();
        for _ in 0..4 {
            asked.push(watch.next(&load(7, false, 0), &mut hints, SCAN).unwrap());
            match asked.last().unwrap() {
                Ask::Left(_) => watch.looked_for_left(Ok(true), 2 * SCAN),
                _ => watch.looked(Ok(true), 2 * SCAN),
            }
        }
        asked.sort_unstable_by_key(|ask| *ask == LEFT);
        assert_eq!(asked, [WAITING, WAITING, LEFT, LEFT]);
    }

    #[test]
    fn a_look_for_what_others_left_that_takes_too_long_holds_up_nothing_else() {
        let (mut watch, mut hints) = (quiet(), VecDeque::new());
        watch.looked_for_left(Err(&CallError::Late(SCAN)), 5 * SCAN);
        let next = watch.next(&load(0, false, 0), &mut hints, SCAN);
        assert_eq!(next, Some(WAITING));
        watch.looked(Ok(false), 2 * SCAN);
        let next = watch.next(&load(0, false, 0), &mut hints, 2 * SCAN);
        assert_eq!(next, Some(WAITING), "again and again");
    }

    #[test]
    fn heavy_tasks_that_looks_may_find_are_reckoned_with() {
        let mut watch = quiet();
        let mut hints = VecDeque::from([hint(1)]);
        let heavy = |running| Load {
            heaviest: 5,
            ..load(running, true, 0)
        };
        // The look may find one of five, and then there is no place left.
        assert_eq!(watch.next(&heavy(3), &mut hints, Duration::ZERO), None);
        let next = watch.next(&heavy(2), &mut hints, Duration::ZERO);
        assert!(matches!(next, Some(Ask::One(_))));
    }

    #[test]
    fn a_failing_database_is_asked_again_after_a_scan() {
        let mut watch = quiet();
        watch.looked(Ok(true), SCAN);
        watch.looked(Err(&CallError::Late(SCAN)), 2 * SCAN);
        let mut hints = VecDeque::new();
        assert_eq!(watch.next(&load(0, false, 0), &mut hints, SCAN), None);
        let next = watch.next(&load(0, false, 0), &mut hints, 2 * SCAN);
        assert_eq!(next, Some(WAITING));
    }

    #[test]
    fn a_share_is_kept_for_what_is_urgent() {
        use Priority::{Containment, Interactive, Scheduled};
        let next = |running: u64, of: Priority| {
            let load = Load {
                limits: Limits::new(64),
                ..load(running, false, 0)
            };
            let look = quiet().next(&load, &mut VecDeque::new(), SCAN);
            let mut hints = VecDeque::from([hint_of(of, 1)]);
            let mut busy = quiet();
            let one = busy.next(&load, &mut hints, Duration::ZERO);
            (look, matches!(one, Some(Ask::One(_))))
        };
        let until = |last| Some(Ask::Waiting(last));
        assert_eq!(next(47, Scheduled), (until(Scheduled), true));
        assert_eq!(next(48, Scheduled), (until(Interactive), false));
        assert_eq!(next(55, Interactive), (until(Interactive), true));
        assert_eq!(next(56, Interactive), (until(Containment), false));
        assert_eq!(next(63, Containment), (until(Containment), true));
        assert_eq!(next(64, Containment), (None, false));
        // Too little to be shared.
        assert_eq!(Limits::new(1).0, [1; 3]);
        assert_eq!(Limits::new(4).0, [4, 4, 3]);
    }

    #[test]
    fn what_found_no_place_is_looked_for_as_soon_as_there_is_one() {
        let (mut watch, mut hints) = (quiet(), VecDeque::new());
        let at = |running| Load {
            limits: Limits::new(64),
            ..load(running, false, 0)
        };
        let asked = watch.next(&at(48), &mut hints, SCAN);
        assert_eq!(asked, Some(Ask::Waiting(Priority::Interactive)));
        watch.looked(Ok(false), 2 * SCAN);
        assert_eq!(watch.next(&at(48), &mut hints, SCAN), None);
        let asked = watch.next(&at(47), &mut hints, SCAN);
        assert_eq!(asked, Some(WAITING), "before the next look is due");
        watch.looked(Ok(false), 2 * SCAN);
        assert_eq!(watch.next(&at(47), &mut hints, SCAN), None);
    }

    #[test]
    fn a_look_for_others_keeps_nothing_urgent_waiting() {
        let mut watch = quiet();
        let full = Load {
            limits: Limits::new(64),
            heaviest: 8,
            ..load(47, true, 0)
        };
        let mut hints = VecDeque::from([hint(1)]);
        assert_eq!(watch.next(&full, &mut hints, Duration::ZERO), None);
        let urgent = hint_of(Priority::Containment, 1);
        let mut hints = VecDeque::from([urgent]);
        let next = watch.next(&full, &mut hints, Duration::ZERO);
        assert_eq!(next, Some(Ask::One(urgent)));
    }

    #[test]
    fn heavy_kinds_leave_half_to_the_others() {
        assert!(has_room(8, 0, 64) && has_room(8, 24, 64));
        assert!(!has_room(8, 32, 64) && has_room(1, 64, 64));
        assert!(has_room(8, 0, 1), "one of them always finds a place");
    }
}
