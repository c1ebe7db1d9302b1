//! One server's engine: what it is told and what it makes of it.

mod names;
mod respond;
mod saved;

use std::collections::BTreeMap;

use splashtail_guild::Id;

use self::names::Clusters;
use crate::arrival::{Arrival, Exempt};
use crate::baseline::Baseline;
use crate::cohort::{Portrait, Reason, Standing, cohort};
use crate::detector::{Grade, Known, Verdict};
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use crate::policy::{Mode, Policy};
use crate::ring::{Record, Traits};
use crate::stream::{Stream, StreamKind};
use crate::wave::{Fate, Person, Phase, Wave};

pub use self::saved::Saved;

/// People of one wave that are remembered.
pub const MOST_PEOPLE: usize = 5000;
/// Raiders of the last day, and people who were let in.
const MOST_KNOWN: usize = 5000;
/// Who raided comes back as a raider for so long.
const RAIDED: u64 = DAY;
/// Who was let in is left alone for so long.
const ACQUITTED: u64 = 30 * DAY;
/// Whoever speaks so soon after coming speaks at once.
const AT_ONCE: u64 = 5 * MINUTE;
/// Whoever accepts rules faster has not read them.
const UNREAD: u64 = 2 * SECOND;
/// Discord's warning counts for so long.
const WARNED: u64 = 15 * MINUTE;
/// Nobody of a cohort came for so long: it is over.
const OVER: u64 = 10 * MINUTE;
/// What comes within so long after that belongs to the same wave.
const SAME: u64 = 30 * MINUTE;
/// The rate of a wave that is over.
const CALM: f64 = 2.0;
/// Of a raid beyond doubt everybody is looked at anew so often; whoever comes between is judged alone.
const ANEW: u64 = SECOND / 2;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Nobody is let in by invites, nor written to in private, until then at least. Who paused for longer
    /// keeps what they want.
    Pause { until: Moment },
    /// The pause ends, if it is still ours.
    Unpause { until: Moment },
    /// All of them, with what they wrote in the last hour. Answered by [`Engine::on_banned`].
    Ban { users: Vec<Id> },
    /// They can do nothing until then.
    Hold { user: Id, until: Moment },
    /// They can act again.
    Release { user: Id },
    /// A request to be let in is refused.
    Refuse { user: Id },
    /// Newcomers without roles are asked for this much; answered by [`Engine::on_level`].
    Level { to: u8 },
    /// The level goes back, if it is still `from`.
    LevelBack { from: u8, to: u8 },
    /// People are told, or see what has changed.
    Show,
    /// It is written down.
    Keep,
}

/// What people decide about a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// All raiders of the wave are banned, also those who still come.
    Ban,
    /// Everybody who is suspected is held.
    Hold,
    /// It is nothing: everybody may stay, and nobody is suspected of it again.
    LetIn,
    /// What was done is taken back. Bans are lifted by whoever has banned.
    Undo,
}

#[derive(Debug, Clone)]
pub struct Engine {
    policy: Policy,
    /// All kinds, from the beginning on.
    streams: BTreeMap<StreamKind, Stream>,
    clusters: Clusters,
    wave: Option<Wave>,
    /// Raiders, and when they came.
    raiders: BTreeMap<u64, Moment>,
    acquitted: BTreeMap<u64, Moment>,
    /// People of the server.
    members: u64,
    /// Discord saw a raid.
    warned: Option<Moment>,
    /// There is a reason for a crowd until then.
    cause: Option<Moment>,
    /// When the oldest of those who wait for their ban began to wait.
    banning_since: Option<Moment>,
    is_banning: bool,
    /// The level that newcomers are asked for now, as far as it is known.
    level: Option<u8>,
    /// When all of the wave were judged, and whether more came than usual then.
    judged: Option<(Moment, bool)>,
    /// Something happened since.
    unjudged: bool,
}

impl Engine {
    pub fn new(now: Moment) -> Self {
        let streams = StreamKind::ALL.map(|kind| (kind, Stream::new(Baseline::new(now))));
        Self {
            policy: Policy::default(),
            streams: streams.into(),
            clusters: Clusters::default(),
            wave: None,
            raiders: BTreeMap::new(),
            acquitted: BTreeMap::new(),
            members: 0,
            warned: None,
            cause: None,
            banning_since: None,
            is_banning: false,
            level: None,
            judged: None,
            unjudged: false,
        }
    }

    pub fn set_policy(&mut self, policy: Policy) {
        let acts = matches!(policy.mode, Mode::Ask | Mode::Auto);
        self.policy = policy;
        // What a dry run would have done was not done.
        if acts
            && self
                .wave
                .as_ref()
                .is_some_and(|wave| wave.mode == Mode::DryRun)
        {
            self.wave = None;
        }
    }

    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub const fn set_members(&mut self, members: u64) {
        self.members = members;
    }

    /// What newcomers are asked for, as the server says it.
    pub const fn set_level(&mut self, level: u8) {
        self.level = Some(level);
    }

    /// Discord saw a raid by itself.
    pub const fn set_warned(&mut self, at: Moment) {
        self.warned = Some(at);
    }

    /// There is a reason for a crowd: an event begins, everybody was called, a link was shared.
    pub fn set_cause(&mut self, until: Moment) {
        self.cause = self.cause.max(Some(until));
    }

    /// What is usual, from the members of today: when they came and how they look. For a server that has
    /// no history yet.
    pub fn learn_members(&mut self, members: &[Arrival], now: Moment) {
        // Who came just now may be why somebody asks.
        let settled = members.iter().filter(|member| now.since(member.at) >= HOUR);
        if let Some(stream) = self.streams.get_mut(&StreamKind::Joins) {
            let joined = settled.clone().map(|member| member.at);
            stream.baseline = Baseline::from_members(joined, now);
            let records: Vec<Record> = settled.map(|member| Record::of(member, 0)).collect();
            stream.shares.learn(records.iter(), false);
        }
    }

    /// What goes on, or was over last.
    pub const fn wave(&self) -> Option<&Wave> {
        self.wave.as_ref()
    }

    /// Joins that are usual in an hour from now.
    pub fn usual(&self, now: Moment) -> f64 {
        let stream = &self.streams[&StreamKind::Joins];
        stream.baseline.expected(now, now.plus(HOUR))
    }

    /// Somebody came, or asks to be let in.
    pub fn arrived(&mut self, kind: StreamKind, arrival: &Arrival) -> Vec<Effect> {
        if self.policy.mode == Mode::Off || arrival.exempt == Exempt::Bot {
            return Vec::new();
        }
        let user = arrival.user.get();
        let cluster = self.clusters.of(&arrival.name);
        let mut record = Record::of(arrival, cluster);
        if self.acquitted.contains_key(&user) {
            record.exempt = Exempt::Acquitted;
        }
        let Some(stream) = self.streams.get_mut(&kind) else {
            return Vec::new();
        };
        if !stream.add(record) {
            return self.came_back(arrival);
        }
        self.forget(arrival.at);
        self.look(kind, arrival.at, Some(user), true)
    }

    /// Somebody who was there before, within a day: told again, or back after they went.
    fn came_back(&mut self, arrival: &Arrival) -> Vec<Effect> {
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        let is_raid = wave.grade >= Grade::Raid && wave.phase != Phase::Dismissed;
        let person = wave.people.get_mut(&arrival.user.get());
        let Some(person) = person.filter(|person| person.is_gone) else {
            return Vec::new();
        };
        person.is_gone = false;
        if !is_raid || person.exempt != Exempt::No || person.standing == Standing::Bystander {
            return Vec::new();
        }
        // A ban was lifted by somebody who wants them back.
        if matches!(person.fate, Fate::Banned | Fate::LetIn) {
            return Vec::new();
        }
        person.standing = Standing::Raider;
        person.fate = Fate::Free;
        if !person.reasons.contains(&Reason::Back) {
            person.reasons.insert(0, Reason::Back);
        }
        wave.phase = Phase::Open;
        wave.last = wave.last.max(arrival.at);
        self.respond(arrival.at, true)
    }

    /// Somebody went, of their own or not.
    pub fn left(&mut self, user: Id) {
        let wave = self.wave.as_mut();
        if let Some(person) = wave.and_then(|wave| wave.people.get_mut(&user.get())) {
            person.is_gone = true;
        }
    }

    /// Somebody is banned now, by whomever.
    pub fn saw_ban(&mut self, user: Id) {
        let wave = self.wave.as_mut();
        if let Some(person) = wave.and_then(|wave| wave.people.get_mut(&user.get())) {
            person.fate = Fate::Banned;
        }
    }

    /// Somebody wrote. `text` is a short name of what it says, of its link or target, zero if it says too
    /// little.
    pub fn spoke(&mut self, user: Id, text: u32, at: Moment) -> Vec<Effect> {
        if self.policy.mode == Mode::Off {
            return Vec::new();
        }
        let mut changed = Vec::new();
        for (kind, stream) in &mut self.streams {
            let Some(record) = stream.ring.get_mut(user.get()) else {
                continue;
            };
            let before = *record;
            if at.since(record.at) < AT_ONCE {
                record.traits.add(Traits::SPOKE);
            }
            if record.text == 0 {
                record.text = text;
            }
            if before != *record {
                changed.push(*kind);
            }
        }
        let looks = changed.into_iter();
        let user = user.get();
        looks
            .flat_map(|kind| self.look(kind, at, Some(user), false))
            .collect()
    }

    /// Somebody wrote where nobody is to write.
    pub fn trapped(&mut self, user: Id, at: Moment) -> Vec<Effect> {
        self.mark(user, Traits::TRAPPED, at)
    }

    /// Somebody accepted the rules.
    pub fn screened(&mut self, user: Id, at: Moment) -> Vec<Effect> {
        let came = self.streams[&StreamKind::Joins].ring.get(user.get());
        match came.is_some_and(|record| at.since(record.at) < UNREAD) {
            true => self.mark(user, Traits::FAST_SCREEN, at),
            false => Vec::new(),
        }
    }

    fn mark(&mut self, user: Id, what: Traits, at: Moment) -> Vec<Effect> {
        let stream = self.streams.get_mut(&StreamKind::Joins);
        let Some(record) = stream.and_then(|stream| stream.ring.get_mut(user.get())) else {
            return Vec::new();
        };
        record.traits.add(what);
        self.look(StreamKind::Joins, at, Some(user.get()), false)
    }

    /// Somebody who came got a role: the level that is asked for holds them no more.
    pub fn got_role(&mut self, user: Id, at: Moment) -> Vec<Effect> {
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        let open = wave.phase == Phase::Open && wave.level.is_some();
        let Some(person) = wave.people.get_mut(&user.get()).filter(|_| open) else {
            return Vec::new();
        };
        if !person.is_to_be_held() {
            return Vec::new();
        }
        person.fate = Fate::Held;
        let until = at.plus(respond::HELD);
        self.done(vec![Effect::Hold { user, until }, Effect::Show])
    }

    /// Judges what came, and draws the consequences. `about`: whom something new is known of, such as that
    /// they have just come.
    fn look(
        &mut self,
        kind: StreamKind,
        now: Moment,
        about: Option<u64>,
        has_come: bool,
    ) -> Vec<Effect> {
        let known = self.known(now);
        let certain = self.wave.as_ref().filter(|wave| {
            wave.kind == kind && wave.phase == Phase::Open && wave.grade == Grade::Certain
        });
        let last = self
            .judged
            .filter(|(at, _)| now >= *at && now.since(*at) < ANEW);
        if let Some((wave, (_, counts))) = certain.zip(last) {
            let verdict = wave.verdict;
            self.unjudged = true;
            return self.absorb(kind, verdict, now, (about, has_come), (counts, false));
        }
        self.unjudged = false;
        let Some(stream) = self.streams.get_mut(&kind) else {
            return Vec::new();
        };
        let verdict = stream.judge(known, now);
        let announced = known.announced > 0.0;
        // Who was announced raises no alarm by their number alone.
        let counts = match announced {
            true => verdict.grade >= Grade::Raid,
            false => verdict.grade >= Grade::Wave,
        };
        let goes_on = self.wave.as_ref().is_some_and(|wave| {
            wave.kind == kind && wave.phase != Phase::Dismissed && now.since(wave.last) < SAME
        });
        if !counts && !goes_on {
            return Vec::new();
        }
        if !goes_on {
            // Of a wave of another kind that still goes on nothing is lost.
            if self
                .wave
                .as_ref()
                .is_some_and(|wave| wave.phase == Phase::Open && wave.kind < kind)
            {
                return Vec::new();
            }
            self.open(kind, verdict, now);
        }
        self.judged = Some((now, counts));
        self.absorb(kind, verdict, now, (about, has_come), (counts, true))
    }

    fn known(&self, now: Moment) -> Known {
        let announced = self.policy.expected.and_then(|expected| expected.rate(now));
        Known {
            announced: announced.unwrap_or(0.0),
            has_cause: announced.is_some() || self.cause.is_some_and(|until| now < until),
            discord_warned: self.warned.is_some_and(|at| now.since(at) < WARNED),
        }
    }

    fn open(&mut self, kind: StreamKind, verdict: Verdict, now: Moment) {
        let newest = self.wave.as_ref().map_or(0, |wave| wave.id.get());
        let window = verdict
            .evidence
            .map_or(verdict.window, |evidence| evidence.window);
        self.banning_since = None;
        self.wave = Some(Wave {
            id: Id::new(now.id().get().max(newest + 1)),
            kind,
            mode: self.policy.mode,
            phase: Phase::Open,
            grade: Grade::Calm,
            verdict,
            began: now.minus(window),
            declared: None,
            last: now,
            paused_until: None,
            level: None,
            is_fresh: false,
            approved: false,
            people: BTreeMap::new(),
            is_cut: false,
            jobs: Vec::new(),
            stopped: None,
        });
    }

    /// Takes the cohort into the wave. `all`: everybody is judged, not only whom something is known of.
    fn absorb(
        &mut self,
        kind: StreamKind,
        verdict: Verdict,
        now: Moment,
        (about, has_come): (Option<u64>, bool),
        (counts, all): (bool, bool),
    ) -> Vec<Effect> {
        let (Some(wave), Some(stream)) = (&mut self.wave, self.streams.get(&kind)) else {
            return Vec::new();
        };
        let came = cohort(&stream.ring, wave.began, now.max(wave.last));
        if let Some(first) = came.first() {
            wave.began = wave.began.min(first.at);
        }
        // Far more than usual, or like those before: either continues it.
        let score = |verdict: &Verdict| verdict.evidence.map_or(0.0, |evidence| evidence.score);
        if verdict.grade > wave.grade
            || (verdict.grade == wave.grade && score(&verdict) > score(&wave.verdict))
        {
            wave.verdict = verdict;
        }
        let before = (wave.grade, wave.phase, wave.people.len());
        wave.grade = wave.grade.max(verdict.grade);
        wave.is_fresh |= verdict.is_fresh;
        if counts {
            wave.phase = Phase::Open;
        }
        let portrait = Portrait::of(&came, &stream.shares);
        for record in &came {
            // They came before somebody said that they may stay.
            if self.acquitted.contains_key(&record.user) {
                continue;
            }
            let is_new = !wave.people.contains_key(&record.user);
            if !all && !is_new && about != Some(record.user) {
                continue;
            }
            if is_new && wave.people.len() >= MOST_PEOPLE {
                wave.is_cut = true;
                continue;
            }
            let is_back = self
                .raiders
                .get(&record.user)
                .is_some_and(|at| record.at > *at);
            let (standing, reasons) = portrait.judge(record, is_back);
            let person = wave.people.entry(record.user).or_insert_with(|| Person {
                at: record.at,
                standing,
                reasons: Vec::new(),
                fate: Fate::Free,
                exempt: record.exempt,
                is_late: record.is_late,
                is_gone: false,
            });
            // Whoever looked like a raider once does not become innocent by others who come.
            if standing >= person.standing {
                (person.standing, person.reasons) = (standing, reasons);
            }
            let raids = wave.grade >= Grade::Raid && person.standing == Standing::Raider;
            if raids && person.exempt == Exempt::No {
                self.raiders.insert(record.user, record.at);
            }
        }
        let belongs = about.filter(|_| has_come).is_some_and(|user| {
            let person = wave.people.get(&user);
            person.is_some_and(|person| person.standing >= Standing::Suspect || counts)
        });
        if belongs {
            wave.last = wave.last.max(now);
        }
        let changed = before != (wave.grade, wave.phase, wave.people.len());
        self.respond(now, changed)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) -> Vec<Effect> {
        for stream in self.streams.values_mut() {
            stream.advance(now);
        }
        self.forget(now);
        if self.policy.mode == Mode::Off {
            return Vec::new();
        }
        let known = self.known(now);
        let Some(wave) = &self.wave else {
            return Vec::new();
        };
        if wave.phase == Phase::Open && now.since(wave.last) >= OVER {
            let kind = wave.kind;
            let rate = self
                .streams
                .get_mut(&kind)
                .map(|stream| stream.judge(known, now).rate);
            if rate.is_none_or(|rate| rate < CALM) {
                return self.ends(now);
            }
        }
        let kind = wave.kind;
        let late = self.judged.is_none_or(|(at, _)| now.since(at) >= ANEW);
        if self.unjudged && late && wave.phase == Phase::Open {
            return self.look(kind, now, None, false);
        }
        self.goes_on(now)
    }

    fn forget(&mut self, now: Moment) {
        self.raiders.retain(|_, at| now.since(*at) < RAIDED);
        self.acquitted.retain(|_, at| now.since(*at) < ACQUITTED);
        for known in [&mut self.raiders, &mut self.acquitted] {
            while known.len() > MOST_KNOWN {
                let oldest = known
                    .iter()
                    .min_by_key(|(_, at)| **at)
                    .map(|(user, _)| *user);
                if let Some(oldest) = oldest {
                    known.remove(&oldest);
                }
            }
        }
    }
}
