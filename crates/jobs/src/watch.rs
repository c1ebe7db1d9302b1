//! What an engine asks the database for, and when.

use std::collections::VecDeque;
use std::time::Duration;

use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;

use crate::deadline::CallError;

/// A question for a task to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A look for whatever waits, in its order.
    Waiting,
    /// A look for what runners left that are gone.
    Left,
    One(Hint),
}

/// A new task of this process that may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hint {
    pub task: TaskId,
    pub weight: u32,
}

/// What an engine has in hand.
pub(crate) struct Load {
    pub capacity: u32,
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
    /// There may be tasks that nobody has told of.
    more: bool,
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
        let capacity = u64::from(load.capacity);
        if load.running >= capacity {
            // They wait with the others, in order.
            if !hints.is_empty() {
                hints.clear();
                self.more = true;
                self.again = load.looking;
            }
            return None;
        }
        let looks = u64::from(load.looking) + u64::from(load.looking_for_left);
        let heaviest = u64::from(load.heaviest);
        if load.running + u64::from(load.ordered) + looks * heaviest < capacity {
            let waiting = !load.looking && (self.more || now >= self.look_at);
            let left = !load.looking_for_left && now >= self.left_at;
            if left && (!waiting || self.turn_of_left) {
                self.turn_of_left = false;
                return Some(Ask::Left);
            }
            if waiting {
                self.turn_of_left = true;
                return Some(Ask::Waiting);
            }
        }
        let first = hints.front().filter(|_| load.ordered == 0)?;
        // There stays a place for what a look finds: it may have waited for longer.
        let beside = |weight: u64, looks: u64| load.running + weight + looks * heaviest < capacity;
        if looks > 0 && !(beside(0, looks) && beside(u64::from(first.weight), looks - 1)) {
            return None;
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
        self.more = found.unwrap_or(false) || self.again;
        self.again = false;
        if !self.more {
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
            self.more = false;
            self.look_at = next_look;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: Duration = Duration::from_secs(1);

    fn load(running: u64, looking: bool, ordered: u32) -> Load {
        Load {
            capacity: 8,
            heaviest: 1,
            running,
            looking,
            looking_for_left: false,
            ordered,
        }
    }

    fn hint(weight: u32) -> Hint {
        let task = TaskId::random();
        Hint { task, weight }
    }

    /// Nothing is due before the next look.
    fn quiet() -> Watch {
        let mut watch = Watch::default();
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
        assert_eq!(next(&load(0, false, 0)), Some(Ask::Waiting));
        assert_eq!(next(&load(0, true, 0)), Some(Ask::One(light)));
        assert_eq!(next(&load(0, true, 1)), None);
    }

    #[test]
    fn a_backlog_keeps_no_order_waiting_and_no_order_takes_its_place() {
        let mut watch = quiet();
        watch.looked(Ok(true), SCAN);
        let mut hints = VecDeque::from([hint(2), hint(1)]);
        let mut next = |load: &Load| watch.next(load, &mut hints, Duration::ZERO);
        assert_eq!(next(&load(6, false, 0)), Some(Ask::Waiting));
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
        assert_eq!(next, Some(Ask::Waiting));
        watch.looked(Ok(false), 2 * SCAN);
        let next = watch.next(&load(7, false, 0), &mut hints, SCAN);
        assert_eq!(next, None, "nothing is left");
    }

    #[test]
    fn what_others_left_is_looked_for_seldom_and_beside_all_else() {
        let (mut watch, mut hints) = (quiet(), VecDeque::new());
        let left = 10 * SCAN;
        let alone = load(0, false, 0);
        assert_eq!(watch.next(&alone, &mut hints, SCAN), Some(Ask::Waiting));
        watch.looked(Ok(true), SCAN);
        assert_eq!(watch.due((false, false)), Some(SCAN));
        assert_eq!(watch.due((true, false)), Some(10 * SCAN));
        assert_eq!(watch.due((true, true)), None);
        assert_eq!(watch.next(&alone, &mut hints, left), Some(Ask::Left));
        let mut beside = Load {
            looking_for_left: true,
            ..alone
        };
        assert_eq!(watch.next(&beside, &mut hints, left), Some(Ask::Waiting));
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
                Ask::Left => watch.looked_for_left(Ok(true), 2 * SCAN),
                _ => watch.looked(Ok(true), 2 * SCAN),
            }
        }
        asked.sort_unstable_by_key(|ask| *ask == Ask::Left);
        assert_eq!(asked, [Ask::Waiting, Ask::Waiting, Ask::Left, Ask::Left]);
    }

    #[test]
    fn a_look_for_what_others_left_that_takes_too_long_holds_up_nothing_else() {
        let (mut watch, mut hints) = (quiet(), VecDeque::new());
        watch.looked_for_left(Err(&CallError::Late(SCAN)), 5 * SCAN);
        let next = watch.next(&load(0, false, 0), &mut hints, SCAN);
        assert_eq!(next, Some(Ask::Waiting));
        watch.looked(Ok(false), 2 * SCAN);
        let next = watch.next(&load(0, false, 0), &mut hints, 2 * SCAN);
        assert_eq!(next, Some(Ask::Waiting), "again and again");
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
        assert_eq!(next, Some(Ask::Waiting));
    }
}
