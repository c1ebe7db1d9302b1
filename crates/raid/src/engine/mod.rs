//! One server's engine: what it is told and what it makes of it.

mod exempt;
mod holds;
mod names;
mod owed;
mod respond;
mod saved;

use std::collections::BTreeMap;

use splashtail_guild::Id;

use self::holds::Timeout;
use self::names::Clusters;
use self::owed::{Owed, Turn};
use crate::arrival::{Arrival, Exempt};
use crate::baseline::Baseline;
use crate::cohort::{Portrait, Reason, Standing, cohort};
use crate::detector::{Grade, Known, Verdict};
use crate::moment::{DAY, HOUR, MINUTE, Moment, SECOND};
use crate::policy::{Mode, Policy};
use crate::ring::{Record, Traits};
use crate::stream::{Stream, StreamKind};
use crate::wave::{Fate, Person, Phase, Wave};

pub use self::owed::Answer;
pub use self::respond::Ended;
pub use self::saved::Saved;

/// People of one wave that are remembered.
pub const MOST_PEOPLE: usize = 5000;
/// Raiders of the last day, and people who were let in.
const MOST_KNOWN: usize = 5000;
/// Requests to be let in whose ids are known.
const MOST_REQUESTS: usize = 5000;
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
/// Waves of before that can be taken back,
const MOST_PAST: usize = 3;
/// and for how long.
const PAST: u64 = 7 * DAY;
/// What comes within so long after that belongs to the same wave.
const SAME: u64 = 30 * MINUTE;
/// Who came so long ago is in no window.
const REMEMBERED: u64 = 6 * HOUR;
/// The rate of a wave that is over.
const CALM: f64 = 2.0;
/// Of a raid beyond doubt everybody is looked at anew so often; whoever comes between is judged alone.
const ANEW: u64 = SECOND / 2;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Nobody is let in by invites, nor written to in private, until then at least. Who paused for longer
    /// keeps what they want. Answered by [`Engine::on_paused`].
    Pause { until: Moment },
    /// The pause ends, if it is still ours. Answered by [`Engine::on_unpaused`].
    Unpause { until: Moment },
    /// All of them, with what they wrote in the last hour: the order of the wave, which may have been
    /// given before. Answered by [`Engine::on_ordered`] and then [`Engine::on_banned`], or by
    /// [`Engine::on_not_ordered`] or [`Engine::on_withdrawn`].
    Ban { users: Vec<Id> },
    /// They can do nothing until then. Answered by [`Engine::on_held`].
    Hold { user: Id, until: Moment },
    /// They can act again. Answered by [`Engine::on_released`].
    Release { user: Id },
    /// A request to be let in is refused. Answered by [`Engine::on_refused`].
    Refuse { user: Id },
    /// Newcomers without roles are asked for this much; answered by [`Engine::on_level`].
    Level { to: u8 },
    /// The level goes back, if it is still one of `from`. Answered by [`Engine::on_level_back`].
    LevelBack { from: Vec<u8>, to: u8 },
    /// What a job has banned is free again: these, or where nobody is named all of them, and the job
    /// does not go on. Answered by [`Engine::on_lifted`].
    Lift {
        job: String,
        users: Vec<Id>,
        by: Option<Id>,
        /// When somebody asked for it: what failed before that is not asked about again.
        since: Moment,
        /// Orders of it that failed since.
        tries: u32,
    },
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
    /// It is nothing: what goes on is stopped, what was done is taken back, and nobody is suspected of it
    /// again.
    LetIn,
    /// What was done is taken back, in the same way. Of what was let in, what failed is tried again.
    Undo,
}

#[derive(Debug, Clone)]
pub struct Engine {
    policy: Policy,
    /// All kinds, from the beginning on.
    streams: BTreeMap<StreamKind, Stream>,
    clusters: Clusters,
    wave: Option<Wave>,
    /// Waves of before, newest first, about which something was done.
    past: Vec<Wave>,
    /// Raiders, and when they came.
    raiders: BTreeMap<u64, Moment>,
    acquitted: BTreeMap<u64, Moment>,
    /// People of the server.
    members: u64,
    /// Discord saw a raid.
    warned: Option<Moment>,
    /// There is a reason for a crowd until then.
    cause: Option<Moment>,
    owed: Owed,
    /// Holds of ours, by whom they are about.
    timeouts: BTreeMap<u64, Timeout>,
    /// Who asked to be let in, with what they are asked about.
    requests: BTreeMap<u64, Id>,
    /// When the oldest of those who wait for their ban began to wait.
    banning_since: Option<Moment>,
    ordering: Turn,
    pausing: Turn,
    /// Nobody is held before: Discord was in trouble.
    holding: Turn,
    /// The level that newcomers are asked for now, as far as it is known.
    level: Option<u8>,
    /// When all of the wave were judged, and whether more came than usual then.
    judged: Option<(Moment, bool)>,
    /// Something happened since.
    unjudged: bool,
    /// The present, while it is told who came in the past.
    present: Option<Moment>,
}

impl Engine {
    pub fn new(now: Moment) -> Self {
        let streams = StreamKind::ALL.map(|kind| (kind, Stream::new(Baseline::new(now))));
        Self {
            policy: Policy::default(),
            streams: streams.into(),
            clusters: Clusters::default(),
            wave: None,
            past: Vec::new(),
            raiders: BTreeMap::new(),
            acquitted: BTreeMap::new(),
            members: 0,
            warned: None,
            cause: None,
            owed: Owed::default(),
            timeouts: BTreeMap::new(),
            requests: BTreeMap::new(),
            banning_since: None,
            ordering: Turn::default(),
            pausing: Turn::default(),
            holding: Turn::default(),
            level: None,
            judged: None,
            unjudged: false,
            present: None,
        }
    }

    pub fn set_policy(&mut self, policy: Policy) {
        let mode = policy.mode;
        let (acts, is_off) = (mode.acts(), mode == Mode::Off);
        self.policy = policy;
        let Some(wave) = &mut self.wave else {
            return;
        };
        if acts && !wave.mode.acts() {
            // What a dry run would have done was not done.
            self.wave = None;
            return;
        }
        // What the policy alone decided holds while it is in force, and somebody's word while anything is
        // done at all.
        let stands = |by: Option<Id>| match by {
            Some(_) => acts,
            None => mode == Mode::Auto,
        };
        if wave.approved && !stands(wave.approved_by) {
            wave.approved = false;
            wave.approved_by = None;
            self.banning_since = None;
        }
        if let Some(order) = &mut wave.order
            && order.job.is_none()
            && !stands(order.by)
        {
            order.is_withdrawn = true;
        }
        if (!acts && wave.mode.acts() || is_off) && wave.phase == Phase::Open {
            // What was done is taken back or ends, and nothing follows.
            wave.phase = Phase::Over;
        }
    }

    const fn acts(&self) -> bool {
        self.policy.mode.acts()
    }

    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub const fn set_members(&mut self, members: u64) {
        self.members = members;
    }

    /// What newcomers are asked for, as the server says it.
    pub fn set_level(&mut self, level: u8) {
        self.level = Some(level);
        let Some(raised) = &mut self.owed.level else {
            return;
        };
        if level == raised.to {
            raised.is_seen = true;
        } else if raised.is_seen && !raised.is_lowering && !raised.turn.is_under_way {
            // Somebody has set another one since, so there is nothing to put back.
            self.owed.level = None;
            if let Some(wave) = &mut self.wave {
                wave.level = None;
                wave.is_level_theirs = true;
            }
        }
    }

    /// What somebody who asks to be let in is asked about, by which they are refused.
    pub fn note_request(&mut self, user: Id, request: Id) {
        if self.requests.len() >= MOST_REQUESTS {
            // Ids of users ascend with the age of their accounts, so the oldest account goes.
            self.requests.pop_first();
        }
        self.requests.insert(user.get(), request);
    }

    pub fn request(&self, user: Id) -> Option<Id> {
        self.requests.get(&user.get()).copied()
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

    /// All waves whose bans, holds and pauses can be taken back, newest first.
    pub fn waves(&self) -> impl Iterator<Item = &Wave> {
        self.wave.iter().chain(&self.past)
    }

    /// Nothing goes on and nothing is owed: time changes nothing.
    pub fn is_settled(&self) -> bool {
        let goes_on = self
            .wave
            .as_ref()
            .is_some_and(|wave| wave.phase == Phase::Open || wave.order.is_some());
        !goes_on && !self.has_waiting() && self.owed.is_empty()
    }

    /// Somebody is to be banned who comes with the next order.
    fn has_waiting(&self) -> bool {
        let is_auto = self.policy.mode == Mode::Auto;
        self.acts()
            && self.wave.as_ref().is_some_and(|wave| {
                let is_next = wave.approved && wave.stopped.is_none();
                let mut people = wave.people.values();
                is_next && people.any(|of| of.is_waiting() && !(is_auto && of.is_late))
            })
    }

    /// Whether so little is remembered of who came that nothing is lost with it: what is written down is all
    /// that counts.
    pub fn rests(&self, now: Moment) -> bool {
        let lately = self.latest().is_some_and(|at| now.since(at) < REMEMBERED);
        self.is_settled() && !lately
    }

    /// When the latest came.
    pub fn latest(&self) -> Option<Moment> {
        let streams = self.streams.values();
        streams.filter_map(|stream| stream.ring.newest()).max()
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
            return self.came_back(kind, arrival, record);
        }
        self.forget(arrival.at);
        self.look(kind, arrival.at, Some(user), true)
    }

    /// Somebody came at a time of which it is told only now: they are judged by when they came, and what is
    /// done about it begins now.
    pub fn arrived_late(
        &mut self,
        kind: StreamKind,
        arrival: &Arrival,
        now: Moment,
    ) -> Vec<Effect> {
        self.present = Some(now);
        let effects = self.arrived(kind, arrival);
        self.present = None;
        effects
    }

    /// Somebody who was there before, within a day: told again, or back after they went.
    fn came_back(&mut self, kind: StreamKind, arrival: &Arrival, record: Record) -> Vec<Effect> {
        let (acts, now) = (self.acts(), arrival.at);
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        let belongs = wave.kind == kind && wave.mode.acts() == acts && now.since(wave.last) < SAME;
        let is_raid = wave.grade >= Grade::Raid && wave.phase != Phase::Dismissed;
        let person = wave.people.get_mut(&arrival.user.get());
        let Some(person) = person.filter(|person| person.is_gone) else {
            return Vec::new();
        };
        person.is_gone = false;
        if !belongs {
            // Whatever they were in a wave that is long over, now they are one of those who come now.
            if let Some(stream) = self.streams.get_mut(&kind) {
                stream.again(record);
            }
            self.forget(now);
            return self.look(kind, now, Some(record.user), true);
        }
        if !is_raid || person.exempt != Exempt::No || person.standing == Standing::Bystander {
            return Vec::new();
        }
        // A ban was lifted by somebody who wants them back.
        if matches!(person.fate, Fate::Banned | Fate::Releasing | Fate::LetIn) {
            return Vec::new();
        }
        person.standing = Standing::Raider;
        // Whoever is being banned is.
        if person.fate != Fate::Banning {
            person.fate = Fate::Free;
        }
        if !person.reasons.contains(&Reason::Back) {
            person.reasons.insert(0, Reason::Back);
        }
        // One who comes and goes keeps nobody out for longer by it.
        if !std::mem::replace(&mut person.is_back, true) {
            wave.last = wave.last.max(now);
        }
        wave.phase = Phase::Open;
        self.respond(now, true)
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
        let person = wave.and_then(|wave| wave.people.get_mut(&user.get()));
        // A ban of before they were let in comes late, and is lifted.
        let person = person.filter(|of| !matches!(of.fate, Fate::Releasing | Fate::LetIn));
        if let Some(person) = person {
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

    /// Somebody has no rules to accept any more. Of whom there were none when they came, such as members who
    /// are given a role at once, that says nothing.
    pub fn screened(&mut self, user: Id, at: Moment) -> Vec<Effect> {
        let stream = self.streams.get_mut(&StreamKind::Joins);
        let record = stream.and_then(|stream| stream.ring.get_mut(user.get()));
        let Some(record) = record.filter(|record| record.traits.has(Traits::PENDING)) else {
            return Vec::new();
        };
        record.traits.remove(Traits::PENDING);
        match at.since(record.at) < UNREAD {
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
        let (acts, is_raised) = (self.acts(), self.owed.level.is_some());
        let Some(wave) = &mut self.wave else {
            return Vec::new();
        };
        let open = acts && is_raised && wave.phase == Phase::Open;
        let Some(person) = wave.people.get_mut(&user.get()).filter(|_| open) else {
            return Vec::new();
        };
        if !person.is_to_be_held() {
            return Vec::new();
        }
        person.fate = Fate::Holding;
        let until = at.plus(respond::HELD);
        vec![Effect::Hold { user, until }, Effect::Show, Effect::Keep]
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
        let known = self.known(kind, now);
        let certain = self.wave.as_ref().filter(|wave| {
            wave.kind == kind && wave.phase == Phase::Open && wave.grade == Grade::Certain
        });
        let last = self
            .judged
            .filter(|(at, _)| now >= *at && now.since(*at) < ANEW);
        if let Some((wave, (_, presses))) = certain.zip(last) {
            let verdict = wave.verdict;
            self.unjudged = true;
            return self.absorb(kind, verdict, now, (about, has_come), (presses, false));
        }
        self.unjudged = false;
        let Some(stream) = self.streams.get_mut(&kind) else {
            return Vec::new();
        };
        let verdict = stream.judge(known, now);
        let announced = known.expected.is_some_and(|of| of.is_on(now));
        // Who was announced raises no alarm by their number alone.
        let counts = match announced {
            true => verdict.grade >= Grade::Raid,
            false => verdict.grade >= Grade::Wave,
        };
        let goes_on = self.goes_on_with(kind, now);
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
            // Nor of one of which it is not known yet who is banned.
            if self
                .wave
                .as_ref()
                .is_some_and(|wave| wave.order.is_some() && wave.phase != Phase::Dismissed)
            {
                return Vec::new();
            }
            self.open(kind, verdict, (now, known.since));
        }
        // A crowd of an hour ago is still in a window of six; whoever comes now is none of it for that.
        let presses = counts && verdict.lately >= CALM;
        self.judged = Some((now, presses));
        self.absorb(kind, verdict, now, (about, has_come), (presses, true))
    }

    /// Whether whoever comes now may belong to the wave that is known.
    fn goes_on_with(&self, kind: StreamKind, now: Moment) -> bool {
        self.wave.as_ref().is_some_and(|wave| {
            wave.kind == kind
                && wave.phase != Phase::Dismissed
                && wave.mode.acts() == self.acts()
                && (now.since(wave.last) < SAME || wave.order.is_some())
        })
    }

    fn known(&self, kind: StreamKind, now: Moment) -> Known {
        let expected = self.policy.expected;
        let is_expected = expected.is_some_and(|of| of.is_on(now));
        let latest = self.wave.as_ref().or(self.past.first());
        let over = latest.filter(|wave| wave.kind == kind && !self.goes_on_with(kind, now));
        Known {
            expected,
            has_cause: is_expected || self.cause.is_some_and(|until| now < until),
            discord_warned: self.warned.is_some_and(|at| now.since(at) < WARNED),
            since: over.map(|wave| wave.last),
        }
    }

    fn open(&mut self, kind: StreamKind, verdict: Verdict, (now, since): (Moment, Option<Moment>)) {
        let newest = self.wave.as_ref().map_or(0, |wave| wave.id.get());
        let window = verdict
            .evidence
            .map_or(verdict.window, |evidence| evidence.window);
        self.banning_since = None;
        if let Some(before) = self.wave.take() {
            self.put_away(before);
        }
        self.wave = Some(Wave {
            id: Id::new(now.id().get().max(newest + 1)),
            kind,
            mode: self.policy.mode,
            phase: Phase::Open,
            grade: Grade::Calm,
            verdict,
            // Those of the wave before are none of it.
            began: now
                .minus(window)
                .max(since.map_or(Moment(0), |since| since.plus(1))),
            declared: None,
            last: now,
            paused_until: None,
            pausing: None,
            level: self.owed.level.and_then(|raised| raised.set),
            is_level_theirs: false,
            is_fresh: false,
            approved: false,
            approved_by: None,
            dismissed_by: None,
            people: BTreeMap::new(),
            is_cut: false,
            jobs: Vec::new(),
            orders: 0,
            order: None,
            refused: BTreeMap::new(),
            stopped: None,
        });
    }

    /// What was done about a wave can be taken back when another came.
    fn put_away(&mut self, wave: Wave) {
        if wave.is_to_be_kept() {
            self.past.insert(0, wave);
            self.past.truncate(MOST_PAST);
        }
    }

    /// Takes the cohort into the wave. `presses`: far more than usual come just now; `all`: everybody is
    /// judged, not only whom something is known of.
    fn absorb(
        &mut self,
        kind: StreamKind,
        verdict: Verdict,
        now: Moment,
        (about, has_come): (Option<u64>, bool),
        (presses, all): (bool, bool),
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
        if presses || verdict.grade > before.0 {
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
                is_back: false,
                is_held: false,
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
        let came = about.filter(|_| has_come);
        let person = came.and_then(|user| wave.people.get(&user));
        if person.is_some_and(|person| person.standing >= Standing::Suspect || presses) {
            wave.last = wave.last.max(now);
            wave.phase = Phase::Open;
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
        let mut effects = self.settle(now);
        let Some((kind, phase, last)) = self
            .wave
            .as_ref()
            .map(|wave| (wave.kind, wave.phase, wave.last))
        else {
            return effects;
        };
        if self.policy.mode == Mode::Off {
            return effects;
        }
        if phase == Phase::Open && now.since(last) >= OVER {
            let known = self.known(kind, now);
            let lately = self
                .streams
                .get_mut(&kind)
                .map(|stream| stream.judge(known, now).lately);
            if lately.is_none_or(|rate| rate < CALM) {
                effects.extend(self.ends(now));
                return effects;
            }
        }
        let late = self.judged.is_none_or(|(at, _)| now.since(at) >= ANEW);
        let more = match self.unjudged && late && phase == Phase::Open {
            true => self.look(kind, now, None, false),
            false => self.goes_on(now),
        };
        effects.extend(more);
        effects
    }

    fn forget(&mut self, now: Moment) {
        self.raiders.retain(|_, at| now.since(*at) < RAIDED);
        self.acquitted.retain(|_, at| now.since(*at) < ACQUITTED);
        self.past.retain(|wave| now.since(wave.last) < PAST);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    #[test]
    fn who_is_given_a_role_at_once_has_accepted_no_rules() {
        let now = Moment(1_795_996_800_000);
        let is_fast = |is_pending: bool, after: u64| {
            let mut engine = Engine::new(now);
            let arrival = Arrival {
                user: now.minus(DAY).id(),
                at: now,
                name: Name::of("someone"),
                avatar: 0,
                is_invested: false,
                is_spammer: false,
                exempt: Exempt::No,
                is_pending,
                is_late: false,
            };
            engine.arrived(StreamKind::Joins, &arrival);
            engine.screened(arrival.user, now.plus(after));
            engine.screened(arrival.user, now.plus(after));
            let ring = &engine.streams[&StreamKind::Joins].ring;
            let record = ring.get(arrival.user.get()).unwrap();
            record.traits.has(Traits::FAST_SCREEN)
        };
        assert!(is_fast(true, UNREAD - 1));
        assert!(!is_fast(true, UNREAD), "they have read them");
        assert!(!is_fast(false, 500), "there was nothing to accept");
    }
}
