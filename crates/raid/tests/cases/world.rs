//! A server with a history, and what happens in it.

use splashtail_guild::Id;
use splashtail_raid::{
    Answer, DAY, Effect, Ended, Engine, Grade, Mode, Moment, Policy, SECOND, Standing, StreamKind,
    Wave,
};

use crate::population::{Comer, Dice, ordinary};

/// Whoever decides.
pub const SOMEBODY: Id = Id::new(77);
/// A Monday, at midnight.
pub const START: Moment = Moment(1_795_996_800_000);

#[derive(Clone)]
pub struct World {
    pub engine: Engine,
    pub now: Moment,
    pub effects: Vec<(Moment, Effect)>,
    /// How many raiders had come when a raid was declared.
    pub declared_at: Option<usize>,
    pub raids: u32,
    pub waves: u32,
    /// Jobs are carried out at once.
    pub obeys: bool,
    last: Option<(Id, Grade)>,
}

enum Act {
    Comes(Comer),
    Speaks(Id, u32),
}

impl World {
    /// A server in which so many have joined per day for 90 days.
    pub fn with_history(dice: &mut Dice, per_day: f64, mode: Mode) -> Self {
        let members = ordinary(dice, START.minus(90 * DAY), 90, per_day);
        let members: Vec<_> = members.into_iter().map(|comer| comer.arrival).collect();
        let mut engine = Engine::new(START);
        engine.learn_members(&members, START);
        engine.set_members(members.len() as u64 * 4);
        engine.set_level(1);
        engine.set_policy(Policy {
            mode,
            pauses_waves: true,
            expected: None,
        });
        Self {
            engine,
            now: START,
            effects: Vec::new(),
            declared_at: None,
            raids: 0,
            waves: 0,
            obeys: true,
            last: None,
        }
    }

    /// Everything in the order in which it happens; time passes between.
    pub fn live(&mut self, comers: Vec<Comer>) {
        let mut acts: Vec<(Moment, Act)> = Vec::new();
        for comer in comers {
            let at = comer.arrival.at;
            if let Some((after, text)) = comer.speaks {
                acts.push((at.plus(after), Act::Speaks(comer.arrival.user, text)));
            }
            acts.push((at, Act::Comes(comer)));
        }
        acts.sort_by_key(|(at, _)| *at);
        let mut raiders = 0;
        for (at, act) in acts {
            // Nothing happens for long: time still passes.
            while at.since(self.now) > 60 * SECOND && self.goes_on() {
                self.tick(self.now.plus(30 * SECOND));
            }
            self.tick(at);
            let effects = match act {
                Act::Comes(comer) => {
                    raiders += usize::from(comer.is_raider);
                    self.engine.arrived(StreamKind::Joins, &comer.arrival)
                }
                Act::Speaks(user, text) => self.engine.spoke(user, text, at),
            };
            self.take(effects);
            let declared = self
                .engine
                .wave()
                .is_some_and(|wave| wave.declared.is_some());
            if declared && self.declared_at.is_none() {
                self.declared_at = Some(raiders);
            }
        }
    }

    fn goes_on(&self) -> bool {
        use splashtail_raid::Phase;
        self.engine
            .wave()
            .is_some_and(|wave| wave.phase == Phase::Open)
    }

    pub fn tick(&mut self, now: Moment) {
        self.now = self.now.max(now);
        let effects = self.engine.tick(now);
        self.take(effects);
    }

    pub fn take(&mut self, effects: Vec<Effect>) {
        let now = self.now;
        for effect in effects {
            let (engine, done) = (&mut self.engine, &Answer::Done);
            match &effect {
                Effect::Ban { users } if self.obeys => {
                    let ended = Ended {
                        banned: users.clone(),
                        ..Ended::default()
                    };
                    let of = engine.wave().expect("a wave").id;
                    engine.on_ordered(of, "a job", now);
                    engine.on_banned(of, ended, now);
                }
                Effect::Pause { until } => drop(engine.on_paused(*until, done, now)),
                Effect::Unpause { .. } => drop(engine.on_unpaused(done, now)),
                Effect::Hold { user, .. } => drop(engine.on_held(*user, done, now)),
                Effect::Release { user } => drop(engine.on_released(*user, done, now)),
                Effect::Refuse { user } => drop(engine.on_refused(*user, done, now)),
                Effect::Level { to } => {
                    engine.set_level(*to);
                    engine.on_level(*to, done, now);
                }
                Effect::LevelBack { to, .. } => {
                    engine.set_level(*to);
                    engine.on_level_back(done, now);
                }
                Effect::Lift { job, users, .. } if self.obeys => {
                    engine.on_lifted(job, users, done, now);
                }
                Effect::Ban { .. } | Effect::Lift { .. } | Effect::Show | Effect::Keep => {}
            }
            self.effects.push((now, effect));
        }
        let seen = self.engine.wave().map(|wave| (wave.id, wave.grade));
        if seen != self.last {
            let (before, after) = (self.last, seen);
            let grade = |of: Option<(Id, Grade)>| of.map_or(Grade::Calm, |(_, grade)| grade);
            let is_new = before.map(|(id, _)| id) != after.map(|(id, _)| id);
            let was = if is_new { Grade::Calm } else { grade(before) };
            self.waves += u32::from(was < Grade::Wave && grade(after) >= Grade::Wave);
            self.raids += u32::from(was < Grade::Raid && grade(after) >= Grade::Raid);
            self.last = seen;
        }
    }

    pub fn wave(&self) -> &Wave {
        self.engine.wave().expect("a wave")
    }

    /// Everybody a ban was ordered for.
    pub fn banned(&self) -> Vec<Id> {
        let bans = self.effects.iter().filter_map(|(_, effect)| match effect {
            Effect::Ban { users } => Some(users.clone()),
            _ => None,
        });
        bans.flatten().collect()
    }

    pub fn orders(&self) -> usize {
        self.effects
            .iter()
            .filter(|(_, effect)| matches!(effect, Effect::Ban { .. }))
            .count()
    }

    /// How many of these stand so or worse.
    pub fn standing(&self, of: &[Id], standing: Standing) -> usize {
        let wave = self.engine.wave();
        let people = of.iter().filter_map(|user| wave?.people.get(&user.get()));
        people.filter(|person| person.standing >= standing).count()
    }

    /// Effects other than telling.
    pub fn acts(&self) -> Vec<&Effect> {
        let acts = self.effects.iter().map(|(_, effect)| effect);
        acts.filter(|effect| !matches!(effect, Effect::Show | Effect::Keep))
            .collect()
    }
}
