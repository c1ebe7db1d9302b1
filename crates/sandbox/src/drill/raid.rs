//! The schedule of a raid: who arrives when, and what they do then.

use std::collections::{BTreeMap, BTreeSet};

use splashtail_sandbox_world::draw::Draw;
use splashtail_sandbox_world::world::Id;

use super::POST_AFTER_MS;
use super::cast::Stage;
use super::pace::moments;
use super::script::{Act, Step, Who, pick};
use super::spoils::Spoils;
use super::types::{DrillSettings, RaidManner};

/// When someone who was kicked tries to come back, after the first arrival.
const RETURNS_MS: [i64; 3] = [5_000, 15_000, 30_000];
/// When someone who asked to join looks whether the door is open, after asking.
const LOOKS_MS: [i64; 4] = [1_000, 5_000, 15_000, 30_000];
/// How many of the harmless newcomers say something.
const TALKATIVE: f64 = 0.4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Join,
    Ask,
    /// Once, by whoever was let in meanwhile.
    PostIfIn,
    Post,
    Leave,
    Return,
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    due: i64,
    who: Who,
    deed: Deed,
}

impl Turn {
    /// An attacker may get in by it.
    fn enters(&self) -> bool {
        matches!(self.who, Who::Attacker(_))
            && matches!(self.deed, Deed::Join | Deed::Ask | Deed::Return)
    }
}

/// All turns in the order of time.
#[derive(Debug)]
pub(super) struct Schedule {
    turns: Vec<Turn>,
    next: usize,
    /// Turn after which no attacker enters any more.
    entered: usize,
    planned: u64,
    /// Who waits for an answer, and until when.
    busy: BTreeMap<Who, i64>,
    /// Turns of those, by when they come and in their order.
    late: BTreeMap<(i64, u64), Turn>,
    put_off: u64,
    /// Attackers who waited to be let in and have had their say, whatever came of it.
    spoke: BTreeSet<Id>,
}

impl Schedule {
    pub fn new(settings: &DrillSettings, draw: &mut Draw) -> Self {
        let manner = settings.manner.unwrap_or_default();
        let arrivals = moments(settings.pace, settings.size, settings.rate, draw);
        let end = arrivals.last().copied().unwrap_or(0);
        let mut turns = Vec::new();
        for (n, at) in arrivals.into_iter().enumerate() {
            let mut turn = |late, deed| {
                let (due, who) = (at + late, Who::Attacker(n));
                turns.push(Turn { due, who, deed });
            };
            turn(
                0,
                match manner {
                    RaidManner::Request => Deed::Ask,
                    _ => Deed::Join,
                },
            );
            match manner {
                RaidManner::Request => {
                    for late in LOOKS_MS {
                        turn(late, Deed::PostIfIn);
                    }
                }
                RaidManner::Post => turn(POST_AFTER_MS, Deed::Post),
                RaidManner::JoinLeave => turn(POST_AFTER_MS, Deed::Leave),
                RaidManner::Rejoin => {
                    turn(POST_AFTER_MS, Deed::Post);
                    for late in RETURNS_MS {
                        turn(late, Deed::Return);
                    }
                }
            }
        }
        // Of several looks at the door at most one is an act.
        let looks = turns.iter().filter(|turn| turn.deed == Deed::PostIfIn);
        let idle = looks.count() / LOOKS_MS.len() * (LOOKS_MS.len() - 1);
        let planned = (turns.len() - idle) as u64;
        for n in 0..settings.wave as usize {
            let (due, who) = (draw.below(end as u64 + 1) as i64, Who::Guest(n));
            let deed = if manner == RaidManner::Request {
                Deed::Ask
            } else {
                Deed::Join
            };
            turns.push(Turn { due, who, deed });
            if draw.chance(TALKATIVE) {
                let due = due + 2_000 + draw.gap(8_000.0) as i64;
                turns.push(Turn {
                    due,
                    who,
                    deed: Deed::Post,
                });
            }
        }
        // Who joins at the moment of another's message comes first, as the lists were made.
        turns.sort_by_key(|turn| (turn.due, !matches!(turn.deed, Deed::Join | Deed::Ask)));
        let entered = turns
            .iter()
            .rposition(Turn::enters)
            .map_or(0, |last| last + 1);
        Self {
            turns,
            next: 0,
            entered,
            planned,
            busy: BTreeMap::new(),
            late: BTreeMap::new(),
            put_off: 0,
            spoke: BTreeSet::new(),
        }
    }

    /// Acts of the attackers in all.
    pub fn planned(&self) -> u64 {
        self.planned
    }

    pub fn due(&self) -> Option<i64> {
        let planned = self.turns.get(self.next).map(|turn| turn.due);
        let late = self.late.first_key_value().map(|((due, _), _)| *due);
        planned.into_iter().chain(late).min()
    }

    /// Whether every attacker has had its last chance to get in.
    pub fn all_entered(&self) -> bool {
        self.next >= self.entered && !self.late.values().any(Turn::enters)
    }

    /// Whoever waits for an answer has its turn when it is there.
    pub fn await_answer(&mut self, who: Who, until: i64) {
        self.busy.insert(who, until);
    }

    fn take(&mut self) -> Option<Turn> {
        let planned = self.turns.get(self.next).copied();
        let late = self.late.first_entry();
        match (planned, late) {
            (Some(planned), Some(late)) if late.key().0 < planned.due => Some(late.remove()),
            (Some(planned), _) => {
                self.next += 1;
                Some(planned)
            }
            (None, late) => late.map(|late| late.remove()),
        }
    }

    /// The next turn; `None` when it falls away, as for someone who did not get in.
    pub fn step(
        &mut self,
        stage: &Stage,
        spoils: &Spoils,
        inside: impl Fn(Id) -> bool,
    ) -> Option<Step> {
        let turn = self.take()?;
        if let Some(until) = self.busy.get(&turn.who).copied() {
            if until > turn.due {
                let turn = Turn { due: until, ..turn };
                self.put_off += 1;
                self.late.insert((until, self.put_off), turn);
                return None;
            }
            self.busy.remove(&turn.who);
        }
        let user = turn.who.user(stage)?;
        let act = match (turn.deed, turn.who) {
            (Deed::Join, _) => Act::Join,
            (Deed::Ask, _) => Act::AskToJoin,
            (Deed::PostIfIn, Who::Attacker(n)) => {
                (inside(user) && self.spoke.insert(user)).then_some(())?;
                raid_post(stage, n as u64)?
            }
            (Deed::PostIfIn, Who::Guest(_)) => return None,
            (Deed::Return, _) => {
                (spoils.joined.contains(&user) && !inside(user)).then_some(Act::Join)?
            }
            (Deed::Leave, _) => spoils.joined.contains(&user).then_some(Act::Leave)?,
            (Deed::Post, Who::Attacker(n)) => {
                spoils.joined.contains(&user).then_some(())?;
                raid_post(stage, n as u64)?
            }
            (Deed::Post, Who::Guest(n)) => {
                let in_there = spoils.guests.contains(&user)
                    || (spoils.asked.contains_key(&user) && inside(user));
                in_there.then_some(())?;
                greeting(stage, n)?
            }
        };
        Some(Step { who: turn.who, act })
    }
}

/// Mentions everyone and a few members by name.
fn raid_post(stage: &Stage, n: u64) -> Option<Act> {
    let channel = *pick(&stage.open, n)?;
    let mut text = format!("@everyone join us at https://raid.example/{n}");
    for user in stage.people.iter().take(3) {
        text.push_str(&format!(" <@{user}>"));
    }
    Some(Act::Post { channel, text })
}

fn greeting(stage: &Stage, n: usize) -> Option<Act> {
    const TEXTS: [&str; 5] = [
        "hi everyone, coming from the stream!",
        "hello :)",
        "is this the server from the stream?",
        "hey, nice place",
        "o/",
    ];
    let channel = *stage.open.first()?;
    let text = TEXTS[n % TEXTS.len()].to_owned();
    Some(Act::Post { channel, text })
}

#[cfg(test)]
mod tests {
    use super::super::settings::settle;
    use super::super::types::{DrillKind, NewDrill};
    use super::*;
    use splashtail_sandbox_world::world::Stamp;

    fn schedule(edit: impl FnOnce(&mut NewDrill)) -> Schedule {
        let mut order = NewDrill::new(DrillKind::Raid, "1");
        edit(&mut order);
        let settings = settle(&order, Stamp(1_767_225_600_000)).unwrap();
        Schedule::new(&settings, &mut Draw::new(1, "raid"))
    }

    fn stage(attackers: u64, guests: u64) -> (Stage, Spoils) {
        let stage = Stage {
            attackers: (1..=attackers).map(Id).collect(),
            guests: (100..100 + guests).map(Id).collect(),
            open: vec![Id(9)],
            ..Stage::default()
        };
        let spoils = Spoils {
            joined: stage.attackers.iter().copied().collect(),
            guests: stage.guests.iter().copied().collect(),
            ..Spoils::default()
        };
        (stage, spoils)
    }

    #[test]
    fn raiders_post_a_second_after_they_were_due_to_join() {
        let mut raid = schedule(|o| (o.size, o.rate) = (Some(2), Some(0.8)));
        let (stage, spoils) = stage(2, 0);
        let mut seen = Vec::new();
        while let Some(due) = raid.due() {
            let step = raid.step(&stage, &spoils, |_| true).unwrap();
            seen.push((due, step.who, matches!(step.act, Act::Join)));
        }
        let who = Who::Attacker;
        assert_eq!(
            seen,
            [
                (0, who(0), true),
                (1000, who(0), false),
                (1250, who(1), true),
                (2250, who(1), false)
            ]
        );
        assert_eq!(raid.planned(), 4);
    }

    #[test]
    fn whoever_is_kicked_returns_and_others_need_not() {
        let wish = |o: &mut NewDrill| {
            (o.size, o.manner) = (Some(1), Some(RaidManner::Rejoin));
        };
        let (stage, spoils) = stage(1, 0);
        let joins = |inside: bool| {
            let mut raid = schedule(wish);
            let mut count = 0;
            while raid.due().is_some() {
                assert_eq!(raid.all_entered(), raid.next == 5);
                let step = raid.step(&stage, &spoils, |_| inside);
                count += usize::from(step.is_some_and(|s| matches!(s.act, Act::Join)));
            }
            count
        };
        assert_eq!((joins(true), joins(false)), (1, 4));
    }

    #[test]
    fn whoever_asked_to_join_posts_once_when_let_in() {
        let wish = |o: &mut NewDrill| {
            (o.size, o.manner) = (Some(2), Some(RaidManner::Request));
        };
        let acts = |let_in_at: i64| {
            let mut raid = schedule(wish);
            assert_eq!(raid.planned(), 4, "each asks and posts");
            let (stage, mut spoils) = stage(2, 0);
            spoils.joined.clear();
            let mut acts = Vec::new();
            while let Some(due) = raid.due() {
                let step = raid.step(&stage, &spoils, |_| due >= let_in_at);
                let Some(step) = step else { continue };
                acts.push((due, matches!(step.act, Act::AskToJoin)));
            }
            acts
        };
        let asked = [(0, true), (200, true)];
        assert_eq!(acts(i64::MAX), asked);
        let mut seen = asked.to_vec();
        seen.extend([(5000, false), (5200, false)]);
        assert_eq!(acts(3000), seen);
    }

    #[test]
    fn a_wave_of_harmless_people_is_mixed_in_and_is_no_attack() {
        let mut raid = schedule(|o| (o.size, o.wave) = (Some(20), Some(30)));
        let (stage, spoils) = stage(20, 30);
        assert_eq!(raid.planned(), 40);
        let mut guests = 0;
        let mut between = false;
        while raid.due().is_some() {
            if let Some(Step {
                who: Who::Guest(_),
                act: Act::Join,
            }) = raid.step(&stage, &spoils, |_| true)
            {
                guests += 1;
                between |= !raid.all_entered();
            }
        }
        assert_eq!(guests, 30);
        assert!(between, "they come at the same time");
    }
}
