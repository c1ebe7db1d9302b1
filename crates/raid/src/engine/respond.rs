//! What is done about a wave, in the order in which it helps.

use splashtail_guild::Id;

use super::{Command, Effect, Engine};
use crate::arrival::Exempt;
use crate::cohort::Standing;
use crate::detector::Grade;
use crate::moment::{HOUR, MINUTE, Moment, SECOND};
use crate::policy::Mode;
use crate::stream::StreamKind;
use crate::wave::{Fate, Phase, Wave};

/// Pauses are short: a false alarm is an attack, too.
const PAUSED_FOR_WAVE: u64 = 15 * MINUTE;
const PAUSED_FOR_RAID: u64 = HOUR;
/// A pause that ends sooner is renewed while people still come.
const RENEWED: u64 = 20 * MINUTE;
/// How long somebody is held.
pub(super) const HELD: u64 = HOUR;
/// More are held by one call that asks more of all newcomers.
const MOST_HELD: usize = 20;
/// Members with a phone number only, and members of ten minutes (Discord documentation, "Verification
/// Level").
const LEVEL_OF_RAID: u8 = 3;
const LEVEL_OF_CERTAIN: u8 = 4;
/// Nobody is banned without being asked when there are fewer.
const FEWEST: usize = 8;
/// Nor when there are more than this, or than this part of the server.
const MOST_UNASKED: usize = 100;
const PART_UNASKED: u64 = 50;
/// Those who wait are banned together, when there are so many or the oldest waits for so long.
const TOGETHER: usize = 200;
const LONGEST_WAIT: u64 = 5 * SECOND;
/// People of one order.
const MOST_OF_ORDER: usize = 1000;

impl Engine {
    /// `changed`: somebody new, or worse than it was.
    pub(super) fn respond(&mut self, now: Moment, changed: bool) -> Vec<Effect> {
        let (mode, members) = (self.policy.mode, self.members);
        let level = self.level;
        let pauses_waves = self.policy.pauses_waves;
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        if wave.phase != Phase::Open {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let is_raid = wave.grade >= Grade::Raid;
        if is_raid && wave.declared.is_none() {
            wave.declared = Some(now);
        }
        let wanted = match wave.kind {
            StreamKind::Joins if is_raid => Some(PAUSED_FOR_RAID),
            StreamKind::Joins if pauses_waves => Some(PAUSED_FOR_WAVE),
            _ => None,
        };
        if let Some(length) = wanted {
            let first = wave.paused_until.is_none();
            let soon = wave
                .paused_until
                .is_some_and(|until| until < now.plus(RENEWED));
            let grows = is_raid
                && wave
                    .paused_until
                    .is_some_and(|until| until < now.plus(PAUSED_FOR_WAVE));
            if first || grows || (is_raid && soon) {
                let until = now.plus(length);
                wave.paused_until = Some(until);
                effects.push(Effect::Pause { until });
            }
        }
        if is_raid && !wave.approved && may_ban_unasked(wave, mode, members) {
            wave.approved = true;
        }
        if is_raid {
            hold(wave, level, now, &mut effects);
        }
        if changed || !effects.is_empty() {
            effects.extend([Effect::Show, Effect::Keep]);
        }
        effects.extend(self.ban(now));
        self.done(effects)
    }

    /// Bans those who wait, together.
    fn ban(&mut self, now: Moment) -> Vec<Effect> {
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        if !wave.approved || self.is_banning || wave.stopped.is_some() {
            return Vec::new();
        }
        let mut waiting = wave.waiting();
        // Who was told of late is banned on somebody's word alone, which then names them.
        if self.policy.mode == Mode::Auto {
            waiting.retain(|user| {
                wave.people
                    .get(&user.get())
                    .is_some_and(|person| !person.is_late)
            });
        }
        if waiting.is_empty() {
            self.banning_since = None;
            return Vec::new();
        }
        let since = *self.banning_since.get_or_insert(now);
        if waiting.len() < TOGETHER && now.since(since) < LONGEST_WAIT {
            return Vec::new();
        }
        self.order(waiting)
    }

    fn order(&mut self, mut users: Vec<Id>) -> Vec<Effect> {
        users.truncate(MOST_OF_ORDER);
        self.banning_since = None;
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        if wave.kind == StreamKind::Requests {
            for user in &users {
                set(wave, *user, Fate::Refused);
            }
            let refusals = users.into_iter().map(|user| Effect::Refuse { user });
            return refusals.chain([Effect::Show, Effect::Keep]).collect();
        }
        for user in &users {
            set(wave, *user, Fate::Banning);
            if let Some(person) = wave.people.get(&user.get()) {
                self.raiders.insert(user.get(), person.at);
            }
        }
        self.is_banning = true;
        vec![Effect::Ban { users }, Effect::Show, Effect::Keep]
    }

    /// How a ban went. `left`: who is not banned; they wait no more, unless `again`. `why`: it ended early.
    pub fn on_banned(&mut self, banned: &[Id], left: &[Id], why: Option<String>) -> Vec<Effect> {
        self.is_banning = false;
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        for user in banned {
            set(wave, *user, Fate::Banned);
        }
        for user in left {
            // What stopped it may have stopped it for all.
            let fate = match why {
                Some(_) => Fate::Free,
                None => Fate::Spared,
            };
            set(wave, *user, fate);
        }
        if why.is_some() {
            wave.stopped = why;
        }
        vec![Effect::Show, Effect::Keep]
    }

    /// The order could not be given yet: it is given again.
    pub fn on_not_ordered(&mut self, users: &[Id]) {
        self.is_banning = false;
        if let Some(wave) = &mut self.wave {
            for user in users {
                set(wave, *user, Fate::Free);
            }
        }
    }

    /// A job bans people of the wave.
    pub fn note_job(&mut self, job: String) {
        if let Some(wave) = &mut self.wave
            && !wave.jobs.contains(&job)
        {
            wave.jobs.push(job);
        }
    }

    /// A hold did not come about: whoever it was stands above the bot, or is gone.
    pub fn on_not_held(&mut self, user: Id) {
        if let Some(wave) = &mut self.wave
            && wave
                .people
                .get(&user.get())
                .is_some_and(|person| person.fate == Fate::Held)
        {
            set(wave, user, Fate::Spared);
        }
    }

    /// What people want. Nothing is done about a wave that is not the latest.
    pub fn command(&mut self, wave: Id, command: Command, now: Moment) -> Vec<Effect> {
        let Some(known) = self.wave.as_mut().filter(|known| known.id == wave) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        match command {
            Command::Ban => {
                known.approved = true;
                known.stopped = None;
                let waiting = known.waiting();
                if !waiting.is_empty() && !self.is_banning {
                    effects = self.order(waiting);
                }
            }
            Command::Hold => {
                let held = known
                    .people
                    .iter_mut()
                    .filter(|(_, person)| person.is_to_be_held());
                for (user, person) in held {
                    person.fate = Fate::Held;
                    let (user, until) = (Id::new(*user), now.plus(HELD));
                    effects.push(Effect::Hold { user, until });
                }
            }
            Command::LetIn | Command::Undo => effects = self.dismiss(now),
        }
        effects.extend([Effect::Show, Effect::Keep]);
        self.done(effects)
    }

    /// It was nothing: what was done is taken back, bans excepted.
    fn dismiss(&mut self, now: Moment) -> Vec<Effect> {
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        wave.phase = Phase::Dismissed;
        wave.approved = false;
        for (user, person) in &mut wave.people {
            if person.fate == Fate::Held {
                effects.push(Effect::Release {
                    user: Id::new(*user),
                });
            }
            if matches!(person.fate, Fate::Free | Fate::Held | Fate::Banned) {
                person.fate = Fate::LetIn;
            }
            self.acquitted.insert(*user, now);
            self.raiders.remove(user);
        }
        if let Some(until) = wave.paused_until.take() {
            effects.push(Effect::Unpause { until });
        }
        if let Some((to, from)) = wave.level.take() {
            effects.push(Effect::LevelBack { from, to });
        }
        effects
    }

    /// Nobody came for a while.
    pub(super) fn ends(&mut self, now: Moment) -> Vec<Effect> {
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        wave.phase = Phase::Over;
        let mut effects = Vec::new();
        if let Some((to, from)) = wave.level.take() {
            effects.push(Effect::LevelBack { from, to });
        }
        effects.extend([Effect::Show, Effect::Keep]);
        effects.extend(self.ban(now));
        self.done(effects)
    }

    /// Nothing ended: those who wait are not forgotten, and a pause is renewed.
    pub(super) fn goes_on(&mut self, now: Moment) -> Vec<Effect> {
        let effects = self.ban(now);
        self.done(effects)
    }

    /// In a dry run everything is told and nothing is done.
    pub(super) fn done(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        if self.policy.mode != Mode::DryRun {
            return effects;
        }
        effects.retain(|effect| matches!(effect, Effect::Show | Effect::Keep));
        // What would have been done is not awaited.
        self.is_banning = false;
        effects
    }
}

/// Only fresh cohorts, and without doubt.
fn may_ban_unasked(wave: &Wave, mode: Mode, members: u64) -> bool {
    let raiders = wave.waiting().len();
    let part = usize::try_from(members / PART_UNASKED).unwrap_or(usize::MAX);
    mode == Mode::Auto
        && wave.kind == StreamKind::Joins
        && wave.grade == Grade::Certain
        && wave.is_fresh
        && (FEWEST..=MOST_UNASKED.max(part)).contains(&raiders)
}

/// Holds those who wait for a decision, one by one or all who have no role.
fn hold(wave: &mut Wave, level: Option<u8>, now: Moment, effects: &mut Vec<Effect>) {
    if wave.kind == StreamKind::Requests {
        // Who waits to be let in can do nothing.
        return;
    }
    let (approved, is_certain) = (wave.approved, wave.grade == Grade::Certain);
    let to_hold = |person: &crate::wave::Person| {
        person.is_to_be_held() && !(approved && person.standing == Standing::Raider)
    };
    let held = wave
        .people
        .values()
        .filter(|person| person.fate == Fate::Held)
        .count();
    let more = wave
        .people
        .values()
        .filter(|person| to_hold(person))
        .count();
    let one_by_one = wave.level.is_none() && held + more <= MOST_HELD;
    if one_by_one {
        for (user, person) in wave.people.iter_mut().filter(|(_, person)| to_hold(person)) {
            person.fate = Fate::Held;
            let (user, until) = (Id::new(*user), now.plus(HELD));
            effects.push(Effect::Hold { user, until });
        }
        return;
    }
    let to = match is_certain {
        true => LEVEL_OF_CERTAIN,
        false => LEVEL_OF_RAID,
    };
    // Without knowledge of the level it is not known what to go back to.
    let Some(before) = wave.level.map(|(before, _)| before).or(level) else {
        return;
    };
    let now_at = wave.level.map_or(before, |(_, to)| to);
    if more > 0 && now_at < to {
        wave.level = Some((before, to));
        effects.push(Effect::Level { to });
    }
}

fn set(wave: &mut Wave, user: Id, fate: Fate) {
    if let Some(person) = wave.people.get_mut(&user.get())
        && person.exempt == Exempt::No
    {
        person.fate = fate;
    }
}
