//! The schedule of a raid: who arrives when, and what they do then.

use std::collections::{BTreeMap, BTreeSet};

use splashtail_sandbox_world::draw::Draw;
use splashtail_sandbox_world::world::Id;

use super::POST_AFTER_MS;
use super::act::{Act, Step, Who};
use super::cast::Stage;
use super::pace::moments;
use super::spoils::Spoils;
use super::tally::Refusal;
use super::targets::pick;
use super::types::{ActKind, DrillSettings, RaidManner};

/// When someone who was kicked tries to come back, after the first arrival.
const RETURNS_MS: [i64; 3] = [5_000, 15_000, 30_000];
/// When someone who asked to join looks whether the door is open, after asking.
const LOOKS_MS: [i64; 4] = [1_000, 5_000, 15_000, 30_000];
/// How often a raider tries each kind of act again, when it is told that it came at a bad moment.
const TRIES: u8 = 3;
/// How long it waits when nobody says how long.
const RETRY_MS: i64 = 1_000;
/// Whoever is to wait longer gives up.
const MOST_PATIENCE_MS: i64 = 60_000;
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
    /// When it was meant to be, had its actor got in at once.
    planned: i64,
    due: i64,
    who: Who,
    deed: Deed,
}

impl Turn {
    fn new(due: i64, who: Who, deed: Deed) -> Self {
        Self {
            planned: due,
            due,
            who,
            deed,
        }
    }

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
    /// Who waits for an answer, or was told to wait, and until when.
    busy: BTreeMap<Who, i64>,
    /// By how much the turns of someone are later whose entry took a while.
    lag: BTreeMap<Who, i64>,
    /// Turns of those, by when they come and in their order.
    late: BTreeMap<(i64, u64), Turn>,
    put_off: u64,
    /// Attackers who waited to be let in and have had their say.
    spoke: BTreeSet<Who>,
    /// How someone last tried to get in.
    entries: BTreeMap<Who, Turn>,
    /// How often someone tried an act again.
    tries: BTreeMap<(Who, ActKind), u8>,
}

impl Schedule {
    pub fn new(settings: &DrillSettings, draw: &mut Draw) -> Self {
        let manner = settings.manner.unwrap_or_default();
        let arrivals = moments(settings.pace, settings.size, settings.rate, draw);
        let end = arrivals.last().copied().unwrap_or(0);
        let mut turns = Vec::new();
        for (n, at) in arrivals.into_iter().enumerate() {
            let mut turn = |late, deed| {
                turns.push(Turn::new(at + late, Who::Attacker(n), deed));
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
            turns.push(Turn::new(due, who, deed));
            if draw.chance(TALKATIVE) {
                let due = due + 2_000 + draw.gap(8_000.0) as i64;
                turns.push(Turn::new(due, who, Deed::Post));
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
            lag: BTreeMap::new(),
            late: BTreeMap::new(),
            put_off: 0,
            spoke: BTreeSet::new(),
            entries: BTreeMap::new(),
            tries: BTreeMap::new(),
        }
    }

    /// Acts of the attackers in all, those included that they try anew.
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

    /// Whether anything is planned, the turns of guests who are late left out.
    pub fn goes_on(&self) -> bool {
        let attacks = |turn: &Turn| matches!(turn.who, Who::Attacker(_));
        self.next < self.turns.len() || self.late.values().any(attacks)
    }

    /// Whoever waits for an answer has its turn when it is there, and what it does once it is in
    /// follows as long after as it would have.
    pub fn await_answer(&mut self, Step { who, act }: &Step, at: i64, took_ms: i64) {
        let until = at.saturating_add(took_ms);
        self.busy.insert(*who, until);
        if let Act::Join | Act::AskToJoin = act {
            self.enters_at(*who, until);
        }
    }

    /// What someone does once it is in moves along.
    fn enters_at(&mut self, who: Who, at: i64) {
        if let Some(turn) = self.entries.get(&who) {
            self.lag.insert(who, at.saturating_sub(turn.planned));
        }
    }

    /// Whoever comes at a bad moment tries again when it may.
    pub fn refused(&mut self, Step { who, act }: &Step, at: i64, refusal: &Refusal) {
        let Who::Attacker(_) = who else { return };
        let wait_ms = refusal.wait_ms.unwrap_or(RETRY_MS);
        let tries = self.tries.entry((*who, act.kind())).or_default();
        if !refusal.passing || wait_ms > MOST_PATIENCE_MS || *tries >= TRIES {
            return;
        }
        *tries += 1;
        let until = at.saturating_add(wait_ms);
        self.busy.insert(*who, until);
        let deed = match act {
            Act::Join | Act::AskToJoin => match self.entries.get(who) {
                Some(turn) => turn.deed,
                None => return,
            },
            Act::Leave => Deed::Leave,
            _ if self.spoke.remove(who) => Deed::PostIfIn,
            _ => Deed::Post,
        };
        if let Act::Join | Act::AskToJoin = act {
            self.enters_at(*who, until);
        }
        let lag = self.lag.get(who).copied().unwrap_or(0);
        self.planned += 1;
        self.postpone(Turn {
            planned: until.saturating_sub(lag),
            due: until,
            who: *who,
            deed,
        });
    }

    fn postpone(&mut self, turn: Turn) {
        self.put_off += 1;
        self.late.insert((turn.due, self.put_off), turn);
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
        let lag = self.lag.get(&turn.who).copied().unwrap_or(0);
        let free = self.busy.get(&turn.who).copied().unwrap_or(0);
        let due = turn.planned.saturating_add(lag).max(free);
        if due > turn.due {
            self.postpone(Turn { due, ..turn });
            return None;
        }
        let user = turn.who.user(stage)?;
        let act = match (turn.deed, turn.who) {
            (Deed::Join, _) => Act::Join,
            (Deed::Ask, _) => Act::AskToJoin,
            (Deed::PostIfIn, Who::Attacker(n)) => {
                (inside(user) && self.spoke.insert(turn.who)).then_some(())?;
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
        if let Act::Join | Act::AskToJoin = act {
            self.entries.insert(turn.who, turn);
        }
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
mod tests;
