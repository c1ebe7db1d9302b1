//! What is done about a wave, in the order in which it helps, and what became of it.

use std::collections::BTreeMap;

use splashtail_guild::Id;

use super::owed::{Answer, Owed, Raised, Turn};
use super::{Command, Effect, Engine, OVER};
use crate::arrival::Exempt;
use crate::cohort::Standing;
use crate::detector::Grade;
use crate::moment::{HOUR, MINUTE, Moment, SECOND};
use crate::policy::Mode;
use crate::stream::StreamKind;
use crate::wave::{Fate, Order, Person, Phase, Step, Wave};

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

/// How an order to ban ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// By it, or before.
    pub banned: Vec<Id>,
    /// Discord did not let the bot.
    pub refused: Vec<Id>,
    /// The job that was found does not name them: they wait for another.
    pub untried: Vec<Id>,
    /// Why it ended before all were tried. Without it whoever is in neither list was spared.
    pub why: Option<String>,
}

impl Engine {
    /// `changed`: somebody new, or worse than it was.
    pub(super) fn respond(&mut self, now: Moment, changed: bool) -> Vec<Effect> {
        let (mode, members, acts) = (self.policy.mode, self.members, self.acts());
        let (at, now) = (now, self.present.unwrap_or(now));
        let Some(wave) = self.wave.as_mut().filter(|of| of.phase == Phase::Open) else {
            return Vec::new();
        };
        let is_raid = wave.grade >= Grade::Raid;
        if is_raid && wave.declared.is_none() {
            wave.declared = Some(now);
        }
        if is_raid && !wave.approved && may_ban_unasked(wave, mode, members) {
            wave.approved = true;
            wave.approved_by = None;
        }
        let mut effects = Vec::new();
        // In a dry run everything is told and nothing is done.
        if acts {
            // Of what was over long before it was told nobody is to be kept out.
            if now.since(at) < OVER {
                self.pause(now, &mut effects);
            }
            self.hold(now, &mut effects);
        }
        if changed || !effects.is_empty() {
            effects.extend([Effect::Show, Effect::Keep]);
        }
        effects.extend(self.ban(now));
        effects
    }

    /// Keeps newcomers out, once or again.
    fn pause(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let pauses_waves = self.policy.pauses_waves;
        let Some(wave) = &mut self.wave else {
            return;
        };
        let is_raid = wave.grade >= Grade::Raid;
        let length = match wave.kind {
            StreamKind::Joins if is_raid => PAUSED_FOR_RAID,
            StreamKind::Joins if pauses_waves => PAUSED_FOR_WAVE,
            _ => return,
        };
        let is_due = wave
            .paused_until
            .is_none_or(|until| is_raid && until < now.plus(RENEWED));
        if is_due && self.pausing.take(now) {
            let until = now.plus(length);
            wave.pausing = Some(until);
            self.owed.unpause = None;
            effects.push(Effect::Pause { until });
        }
    }

    /// Holds those who wait for a decision, one by one or all who have no role.
    fn hold(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let Self {
            wave: Some(wave),
            owed,
            level,
            holding,
            ..
        } = self
        else {
            return;
        };
        // Who waits to be let in can do nothing.
        if wave.grade < Grade::Raid || wave.kind == StreamKind::Requests {
            return;
        }
        let approved = wave.approved;
        let to_hold = |person: &Person| {
            person.is_to_be_held() && !(approved && person.standing == Standing::Raider)
        };
        let people = wave.people.values();
        let more = people.filter(|person| to_hold(person)).count();
        if more == 0
            && owed
                .level
                .is_none_or(|raised| raised.set == Some(raised.to))
        {
            return;
        }
        let held = wave.with_fate(Fate::Held) + wave.with_fate(Fate::Holding);
        let cannot = wave.is_level_theirs || wave.refused.contains_key(&Step::Level);
        if owed.level.is_none() && (cannot || held + more <= MOST_HELD) {
            if !holding.is_time(now) {
                return;
            }
            let held = wave.people.iter_mut().filter(|(_, of)| to_hold(of));
            for (user, person) in held {
                person.fate = Fate::Holding;
                let (user, until) = (Id::new(*user), now.plus(HELD));
                effects.push(Effect::Hold { user, until });
            }
            return;
        }
        let wanted = match wave.grade {
            Grade::Certain => LEVEL_OF_CERTAIN,
            _ => LEVEL_OF_RAID,
        };
        let raised = match (&mut owed.level, *level) {
            (Some(raised), _) => raised,
            (none, Some(before)) if before < wanted => none.insert(Raised {
                before,
                to: before,
                set: None,
                is_seen: false,
                is_lowering: false,
                turn: Turn::default(),
            }),
            // As much is asked already; or it is not known what to go back to.
            _ => return,
        };
        if raised.is_lowering {
            return;
        }
        if more > 0 && raised.to < wanted && !cannot {
            (raised.to, raised.is_seen) = (wanted, false);
        }
        if raised.set != Some(raised.to) && raised.turn.take(now) {
            effects.push(Effect::Level { to: raised.to });
        }
    }

    /// Bans those who wait, together.
    fn ban(&mut self, now: Moment) -> Vec<Effect> {
        let acts = self.acts();
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        if !acts || !wave.approved || wave.order.is_some() || wave.stopped.is_some() {
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
        self.order(waiting, now)
    }

    fn order(&mut self, mut users: Vec<Id>, now: Moment) -> Vec<Effect> {
        users.truncate(MOST_OF_ORDER);
        self.banning_since = None;
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        if wave.kind == StreamKind::Requests {
            for user in &users {
                set(wave, *user, Fate::Refusing);
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
        wave.orders += 1;
        wave.order = Some(Order {
            number: wave.orders,
            users: users.clone(),
            by: wave.approved_by,
            job: None,
            is_withdrawn: false,
        });
        // That of a wave of before is not waited for.
        self.ordering = Turn::default();
        self.ordering.take(now);
        vec![Effect::Ban { users }, Effect::Show, Effect::Keep]
    }

    /// A job carries out the order of a wave.
    pub fn on_ordered(&mut self, of: Id, job: &str, now: Moment) -> Vec<Effect> {
        let mut waves = self.wave.iter_mut().chain(&mut self.past);
        let Some(wave) = waves.find(|wave| wave.id == of) else {
            // It was let in, or its order would have kept it.
            self.owed.lift(job, Vec::new(), None, now);
            return self.settle(now);
        };
        let Some(order) = &mut wave.order else {
            return Vec::new();
        };
        order.job = Some(job.to_owned());
        let let_in = |user: &Id| {
            let person = wave.people.get(&user.get());
            person.is_some_and(|of| matches!(of.fate, Fate::Releasing | Fate::LetIn))
        };
        let users: Vec<Id> = order.users.iter().copied().filter(let_in).collect();
        if !wave.jobs.iter().any(|known| known == job) {
            wave.jobs.push(job.to_owned());
        }
        // Somebody let them in before it was known which job bans them.
        match wave.phase {
            Phase::Dismissed => self.owed.lift(job, Vec::new(), wave.dismissed_by, now),
            _ if !users.is_empty() => self.owed.lift(job, users, None, now),
            _ => {}
        }
        let mut effects = self.settle(now);
        effects.extend([Effect::Show, Effect::Keep]);
        effects
    }

    /// How the order of a wave ended. Whoever is left waits again where it ended early.
    pub fn on_banned(&mut self, of: Id, ended: Ended, now: Moment) -> Vec<Effect> {
        let mut waves = self.wave.iter_mut().chain(&mut self.past);
        let Some(wave) = waves.find(|wave| wave.id == of) else {
            return Vec::new();
        };
        let Some(order) = wave.order.take() else {
            return Vec::new();
        };
        self.ordering.ends(&Answer::Done, now);
        let left = match ended.why {
            // What stopped it may have stopped it for all.
            Some(_) => Fate::Free,
            None => Fate::Spared,
        };
        // What is known better comes later.
        let mut fates: BTreeMap<Id, Fate> = order.users.iter().map(|user| (*user, left)).collect();
        let of = |users: &[Id], fate| {
            users
                .iter()
                .map(move |user| (*user, fate))
                .collect::<Vec<_>>()
        };
        fates.extend(of(&ended.untried, Fate::Free));
        fates.extend(of(&ended.refused, Fate::Spared));
        fates.extend(of(&ended.banned, Fate::Banned));
        for (user, fate) in fates {
            let person = wave.people.get_mut(&user.get());
            // Others were let in meanwhile, or somebody saw their ban.
            if let Some(person) = person.filter(|person| person.fate == Fate::Banning) {
                person.fate = fate;
            }
        }
        if ended.why.is_some() && wave.phase != Phase::Dismissed {
            wave.stopped = ended.why;
        }
        vec![Effect::Show, Effect::Keep]
    }

    /// The order could not be given yet, or it is not known whether it was: that is looked up, or it is given
    /// again.
    pub fn on_not_ordered(&mut self, of: Id, now: Moment) -> Vec<Effect> {
        if self.wave.as_ref().is_some_and(|wave| wave.id == of) {
            self.ordering.ends(&Answer::Later, now);
        }
        vec![Effect::Keep]
    }

    /// The order was never given, and nobody is wanted by it any more ([`Wave::wanted`]): it is not given
    /// after all, and whoever was not let in waits again for somebody's word.
    pub fn on_withdrawn(&mut self, of: Id, now: Moment) -> Vec<Effect> {
        let Some(wave) = self.wave.as_mut().filter(|wave| wave.id == of) else {
            return Vec::new();
        };
        let Some(order) = wave.order.take() else {
            return Vec::new();
        };
        self.ordering.ends(&Answer::Done, now);
        for user in &order.users {
            let person = wave.people.get_mut(&user.get());
            if let Some(person) = person.filter(|person| person.fate == Fate::Banning) {
                person.fate = Fate::Free;
            }
        }
        vec![Effect::Show, Effect::Keep]
    }

    pub fn on_paused(&mut self, until: Moment, answer: &Answer, now: Moment) -> Vec<Effect> {
        self.pausing.ends(answer, now);
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        // Another wave may have come since it was asked for.
        let mut past = self.past.iter_mut();
        let before = past.find(|past| past.pausing == Some(until));
        let wave = before.unwrap_or(wave);
        note(wave, Step::Pause, answer);
        if wave.pausing == Some(until) {
            wave.pausing = None;
        }
        if *answer == Answer::Done {
            match wave.phase {
                // It came about after all was let in.
                Phase::Dismissed => self.owed.unpause = self.owed.unpause.max(Some(until)),
                _ => wave.paused_until = wave.paused_until.max(Some(until)),
            }
        }
        vec![Effect::Show, Effect::Keep]
    }

    pub fn on_unpaused(&mut self, answer: &Answer, now: Moment) -> Vec<Effect> {
        self.owed.unpausing.ends(answer, now);
        if matches!(answer, Answer::Done | Answer::Gone) {
            self.owed.unpause = None;
        }
        self.told(Step::Unpause, answer)
    }

    pub fn on_held(&mut self, user: Id, answer: &Answer, now: Moment) -> Vec<Effect> {
        if *answer == Answer::Later {
            self.holding.ends(answer, now);
        }
        let mut waves = self.wave.iter_mut().chain(&mut self.past);
        let Some(person) = waves.find_map(|wave| wave.people.get_mut(&user.get())) else {
            return Vec::new();
        };
        person.is_held |= *answer == Answer::Done;
        if person.fate != Fate::Holding {
            // They were let in while it was under way, so it may have come last.
            let is_in = matches!(person.fate, Fate::Releasing | Fate::LetIn);
            if is_in && *answer == Answer::Done {
                self.owed.release(user.get(), now.plus(HELD));
            }
            return vec![Effect::Keep];
        }
        match answer {
            Answer::Done => person.fate = Fate::Held,
            Answer::Later => person.fate = Fate::Free,
            Answer::Gone => (person.fate, person.is_gone) = (Fate::Free, true),
            Answer::Refused(_) => person.fate = Fate::Spared,
        }
        vec![Effect::Show, Effect::Keep]
    }

    pub fn on_released(&mut self, user: Id, answer: &Answer, now: Moment) -> Vec<Effect> {
        if *answer == Answer::Later {
            self.owed.released(user.get(), answer, now);
            return Vec::new();
        }
        if !self.owed.released(user.get(), answer, now) {
            return self.told(Step::Release, answer);
        }
        for wave in self.wave.iter_mut().chain(&mut self.past) {
            let Some(person) = wave.people.get_mut(&user.get()) else {
                continue;
            };
            person.is_held = false;
            if person.fate == Fate::Releasing {
                person.fate = Fate::LetIn;
            }
        }
        // What was refused until it ended by itself is refused no more.
        self.told(Step::Release, &Answer::Done)
    }

    pub fn on_refused(&mut self, user: Id, answer: &Answer, now: Moment) -> Vec<Effect> {
        let wave = self.wave.as_mut();
        let person = wave.and_then(|wave| wave.people.get_mut(&user.get()));
        let Some(person) = person.filter(|person| person.fate == Fate::Refusing) else {
            return Vec::new();
        };
        match answer {
            Answer::Done | Answer::Gone => person.fate = Fate::Refused,
            Answer::Refused(_) => person.fate = Fate::Spared,
            Answer::Later => {
                person.fate = Fate::Free;
                self.banning_since = Some(now);
            }
        }
        vec![Effect::Show, Effect::Keep]
    }

    pub fn on_level(&mut self, to: u8, answer: &Answer, now: Moment) -> Vec<Effect> {
        let Some(raised) = &mut self.owed.level else {
            return Vec::new();
        };
        raised.turn.ends(answer, now);
        match (answer, raised.set) {
            (Answer::Done, _) => {
                raised.set = Some(to);
                self.level = Some(to);
            }
            (Answer::Later, _) => {}
            (Answer::Gone | Answer::Refused(_), Some(set)) => raised.to = set,
            // Whoever is to be held is held one by one.
            (Answer::Gone | Answer::Refused(_), None) => self.owed.level = None,
        }
        if let Some(wave) = &mut self.wave {
            wave.level = self.owed.level.and_then(|raised| raised.set);
        }
        self.told(Step::Level, answer)
    }

    /// `Gone`: somebody else has set another one, which stays.
    pub fn on_level_back(&mut self, answer: &Answer, now: Moment) -> Vec<Effect> {
        let Some(raised) = &mut self.owed.level else {
            return Vec::new();
        };
        raised.turn.ends(answer, now);
        raised.is_lowering = false;
        if *answer == Answer::Done {
            self.level = Some(raised.before);
        }
        if matches!(answer, Answer::Done | Answer::Gone) {
            self.owed.level = None;
            if let Some(wave) = &mut self.wave {
                wave.level = None;
            }
        }
        self.told(Step::LevelBack, answer)
    }

    pub fn on_lifted(
        &mut self,
        job: &str,
        users: &[Id],
        answer: &Answer,
        now: Moment,
    ) -> Vec<Effect> {
        let Some(is_given_up) = self.owed.lifted(job, users, answer, now) else {
            return Vec::new();
        };
        let waves = self.wave.iter_mut().chain(&mut self.past);
        for wave in waves.filter(|_| is_given_up) {
            // They are still banned, so that somebody may let them in again.
            for user in users {
                let person = wave.people.get_mut(&user.get());
                if let Some(person) = person.filter(|person| person.fate == Fate::LetIn) {
                    person.fate = Fate::Banned;
                }
            }
        }
        self.told(Step::Lift, answer)
    }

    fn told(&mut self, step: Step, answer: &Answer) -> Vec<Effect> {
        if let Some(wave) = &mut self.wave {
            note(wave, step, answer);
        }
        vec![Effect::Show, Effect::Keep]
    }

    /// What people want. What was done about a wave of before can be taken back, and no more.
    pub fn command(&mut self, wave: Id, command: Command, by: Id, now: Moment) -> Vec<Effect> {
        let acts = self.acts();
        if self.past.iter().any(|known| known.id == wave) {
            return match command {
                Command::Ban | Command::Hold => Vec::new(),
                Command::LetIn | Command::Undo => {
                    let effects = self.dismiss(wave, by, now).into_iter();
                    effects.chain([Effect::Show, Effect::Keep]).collect()
                }
            };
        }
        let Some(known) = self.wave.as_mut().filter(|known| known.id == wave) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        match command {
            Command::Ban if acts && known.phase != Phase::Dismissed => {
                // Whoever presses a second time adds nothing.
                let is_first = known.approved_by.is_none() || known.stopped.is_some();
                if is_first || !known.approved {
                    known.approved_by = Some(by);
                }
                known.approved = true;
                known.stopped = None;
                let waiting = known.waiting();
                if !waiting.is_empty() && known.order.is_none() {
                    effects = self.order(waiting, now);
                }
            }
            Command::Hold if acts && known.phase != Phase::Dismissed => {
                let held = known
                    .people
                    .iter_mut()
                    .filter(|(_, person)| person.is_to_be_held());
                for (user, person) in held {
                    person.fate = Fate::Holding;
                    let (user, until) = (Id::new(*user), now.plus(HELD));
                    effects.push(Effect::Hold { user, until });
                }
            }
            Command::Ban | Command::Hold => {}
            Command::LetIn | Command::Undo => effects = self.dismiss(wave, by, now),
        }
        effects.extend([Effect::Show, Effect::Keep]);
        effects
    }

    /// It was nothing: what goes on is stopped, and what was done is taken back.
    fn dismiss(&mut self, of: Id, by: Id, now: Moment) -> Vec<Effect> {
        let mut waves = self.wave.iter_mut().chain(&mut self.past);
        let Some(wave) = waves.find(|wave| wave.id == of) else {
            return Vec::new();
        };
        if wave.phase != Phase::Dismissed {
            wave.dismissed_by = Some(by);
        }
        wave.phase = Phase::Dismissed;
        wave.approved = false;
        wave.stopped = None;
        for (user, person) in &mut wave.people {
            spare(*user, person, &mut self.owed, now);
            self.acquitted.insert(*user, now);
            self.raiders.remove(user);
        }
        let paused = wave.paused_until.take().max(wave.pausing.take());
        self.owed.unpause = self.owed.unpause.max(paused);
        for job in &wave.jobs {
            self.owed.lift(job, Vec::new(), wave.dismissed_by, now);
        }
        // Whoever is of another wave, too, is not banned or held for that one either.
        let users: Vec<u64> = wave.people.keys().copied().collect();
        let waves = self.wave.iter_mut().chain(&mut self.past);
        for other in waves.filter(|other| other.id != of) {
            for user in &users {
                if let Some(person) = other.people.get_mut(user)
                    && !matches!(person.fate, Fate::Banning | Fate::Banned)
                {
                    spare(*user, person, &mut self.owed, now);
                }
            }
        }
        // What failed is tried again at once.
        self.owed.hurry();
        self.settle(now)
    }

    /// Somebody says that this one may stay, whatever the others are.
    pub fn let_in(&mut self, user: Id, by: Id, now: Moment) -> Vec<Effect> {
        self.acquitted.insert(user.get(), now);
        self.raiders.remove(&user.get());
        let mut effects = vec![Effect::Show, Effect::Keep];
        for wave in self.wave.iter_mut().chain(&mut self.past) {
            let Some(person) = wave.people.get_mut(&user.get()) else {
                continue;
            };
            let may_be_banned = matches!(person.fate, Fate::Banning | Fate::Banned);
            spare(user.get(), person, &mut self.owed, now);
            if may_be_banned {
                for job in &wave.jobs {
                    self.owed.lift(job, vec![user], Some(by), now);
                }
            }
        }
        effects.extend(self.settle(now));
        effects
    }

    /// Nobody came for a while.
    pub(super) fn ends(&mut self, now: Moment) -> Vec<Effect> {
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        wave.phase = Phase::Over;
        let mut effects = self.settle(now);
        effects.extend([Effect::Show, Effect::Keep]);
        effects.extend(self.ban(now));
        effects
    }

    /// Nothing ended: those who wait are not forgotten, a pause is renewed, and what failed is tried again.
    pub(super) fn goes_on(&mut self, now: Moment) -> Vec<Effect> {
        match self.wave.as_ref().map(|wave| wave.phase) {
            Some(Phase::Open) => self.respond(now, false),
            _ => self.ban(now),
        }
    }

    /// Takes back what is owed, whatever the mode is now: what was done is not undone by switching off. The
    /// order whose job is not known is given, or withdrawn.
    pub(super) fn settle(&mut self, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        let keeps_level = self.acts()
            && self.wave.as_ref().is_some_and(|wave| {
                wave.phase == Phase::Open
                    && wave.kind == StreamKind::Joins
                    && wave.grade >= Grade::Raid
            });
        if let Some(raised) = &mut self.owed.level
            && !keeps_level
            && raised.turn.take(now)
        {
            raised.is_lowering = true;
            let mut from = vec![raised.to];
            from.extend(raised.set.filter(|set| *set != raised.to));
            let to = raised.before;
            effects.push(Effect::LevelBack { from, to });
        }
        // A pause that is under way would come after its end.
        if let Some(until) = self.owed.unpause
            && !self.pausing.is_under_way
        {
            if now >= until {
                self.owed.unpause = None;
            } else if self.owed.unpausing.take(now) {
                effects.push(Effect::Unpause { until });
            }
        }
        for (user, release) in &mut self.owed.release {
            if release.turn.take(now) {
                let user = Id::new(*user);
                effects.push(Effect::Release { user });
            }
        }
        // One after the other: a server has one job of a kind at a time.
        let lifts = &mut self.owed.lifts;
        if !lifts.iter().any(|lift| lift.turn.is_under_way)
            && let Some(lift) = lifts.iter_mut().find_map(|lift| {
                let has_turn = lift.turn.take(now);
                has_turn.then_some(lift)
            })
        {
            effects.push(Effect::Lift {
                job: lift.job.clone(),
                users: lift.users.clone(),
                by: lift.by,
                since: lift.since,
                tries: lift.tries,
            });
        }
        if let Some(order) = self.wave.as_ref().and_then(|wave| wave.order.as_ref())
            && self.ordering.take(now)
        {
            let users = order.users.clone();
            effects.push(Effect::Ban { users });
        }
        effects
    }
}

impl Owed {
    fn hurry(&mut self) {
        self.unpausing.hurry();
        self.release.values_mut().for_each(|of| of.turn.hurry());
        self.lifts.iter_mut().for_each(|lift| lift.turn.hurry());
        if let Some(raised) = &mut self.level {
            raised.turn.hurry();
        }
    }
}

/// Takes back what was done to somebody, bans excepted: they are lifted by job.
pub(super) fn spare(user: u64, person: &mut Person, owed: &mut Owed, now: Moment) {
    person.fate = match person.fate {
        Fate::Holding | Fate::Held | Fate::Releasing => {
            owed.release(user, now.plus(HELD));
            Fate::Releasing
        }
        // Held before an order for them that was not carried out.
        Fate::Free | Fate::Banning if person.is_held => {
            owed.release(user, now.plus(HELD));
            Fate::Releasing
        }
        Fate::Free | Fate::Banning | Fate::Banned | Fate::LetIn => Fate::LetIn,
        // Nothing was done to them, or what was done cannot be taken back.
        Fate::Refusing | Fate::Refused | Fate::Spared => return,
    };
}

/// Notes that a step is refused, or no longer.
fn note(wave: &mut Wave, step: Step, answer: &Answer) {
    match answer {
        Answer::Refused(why) => {
            wave.refused.insert(step, why.clone());
        }
        Answer::Done | Answer::Gone => {
            wave.refused.remove(&step);
        }
        Answer::Later => {}
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

fn set(wave: &mut Wave, user: Id, fate: Fate) {
    if let Some(person) = wave.people.get_mut(&user.get())
        && person.exempt == Exempt::No
    {
        person.fate = fate;
    }
}
