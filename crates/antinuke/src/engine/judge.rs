//! What counts, for whom, and whether it is too much.

use std::sync::Arc;

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use super::{Engine, Evidence, MAX_EVIDENCE, MAX_OBJECTS, NOBODY, bounded};
use crate::act::{Act, Instant};
use crate::actor::{State, fold_id};
use crate::bits::{ADMINISTRATOR, POWER};
use crate::effect::{Alert, Effect, Notice};
use crate::entry::{Entry, action as a};
use crate::incident::{IncidentKind, Rule};
use crate::limit::{Column, LimitType as T, NEVER, UNIT};
use crate::links::{HOLDS, JOINED, Party, points as link_points};
use crate::members::{owner, role_bits};
use crate::moment::{DAY, MINUTE, Moment, SECOND};
use crate::policy::Measure;
use crate::window::{DESTRUCTIVE, DISCOUNTED, FURTHER, Mark, Span};

/// A channel in which nobody wrote for so long is hardly missed, where others are written in.
const SILENT: u64 = 30 * DAY;
/// Kinds of channel of which silence says something: text, announcements, forum, media. Voice is
/// used without a word, and a category never holds one.
const WRITTEN_IN: [u64; 4] = [0, 5, 15, 16];
/// At least so many written-in channels, and one in so many of all, make a server lively.
const LIVELY: usize = 3;
const LIVELY_SHARE: usize = 4;
/// Silent channels are tidied by hand: in a minute at most so many times the limit are spared.
const TIDIED: u32 = 2;
/// Actors that are compared with each other.
const MAX_PARTIES: usize = 32;

/// In twentieths of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Discount(u32);

const FULL: Discount = Discount(20);
const NOTHING: Discount = Discount(0);
const QUARTER: Discount = Discount(5);
const TENTH: Discount = Discount(2);

impl Discount {
    /// Rounded up: early, never late.
    fn of(self, amount: u32) -> u16 {
        let part = (u64::from(amount) * u64::from(self.0)).div_ceil(20);
        u16::try_from(part).unwrap_or(u16::MAX)
    }
}

impl Engine {
    /// Counts an act for somebody and answers it when it is too much.
    pub(super) fn count(
        &mut self,
        actor: Id,
        act: Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if self.is_maintained(actor, &act) {
            return;
        }
        self.note(actor, &act, raw, structure, now);
        if !self.reads_log {
            self.late.remove(&actor);
        }
        if let Some(raw) = raw.and_then(Entry::read) {
            self.note_ties(actor, &raw, &act, structure, now);
        }
        let spared = self.is_spared(actor, structure);
        let mut act = act;
        self.freed(&mut act);
        if spared {
            let rules = self.rules_of(actor, &act, structure, act.at());
            let instant = act.instants.iter().any(|i| i.is_punished());
            if instant || !rules.is_empty() {
                self.tell_of_spared(actor, structure, now, out);
            }
            return;
        }
        self.went_on(actor, &act, raw, structure, now, out);
        let mut rules = self.rules_of(actor, &act, structure, act.at());
        let punished = act.instants.iter().filter(|i| i.is_punished());
        rules.extend(punished.map(|what| Rule::Instant { what: *what }));
        self.answer_act(actor, &act, rules, structure, now, out);
        if let Some(inviter) = self.inviter_of(actor, act.at(), structure) {
            self.note(inviter, &act, raw, structure, now);
            if !self.is_spared(inviter, structure) {
                let rules = self.rules_of(inviter, &act, structure, act.at());
                self.answer_act(inviter, &act, rules, structure, now, out);
            }
        }
    }

    fn answer_act(
        &mut self,
        actor: Id,
        act: &Act,
        rules: Vec<Rule>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let parties = self.parties_of(actor, structure, act, now);
        let shared = match parties.is_empty() {
            true => Vec::new(),
            false => self.shared_rules(actor, &parties, act, structure),
        };
        if rules.is_empty() && shared.is_empty() {
            self.repair_without_blame(actor, act, structure, now, out);
            self.suspect(actor, act, structure, now, out);
            return;
        }
        let kind = match (shared.is_empty(), act.instants.contains(&Instant::Tamper)) {
            (_, true) => IncidentKind::Tamper,
            (false, false) => IncidentKind::Colluders,
            (true, false) => IncidentKind::Actor,
        };
        let mut all = rules;
        all.extend(&shared);
        if all.iter().all(|rule| self.policy.is_only_told(rule)) {
            let alert = Alert {
                notice: Notice::OnlyTold,
                incident: None,
                about: Some(actor),
                owner: false,
            };
            self.tell(alert, now, out);
            self.repair_without_blame(actor, act, structure, now, out);
            return;
        }
        if self.actor(actor).is_held() && shared.is_empty() {
            self.repair_in_incident(actor, act, structure, now, out);
            return;
        }
        let shares = parties.iter().find_map(|(other, link)| {
            let known = self.actors.get(other)?.incident?;
            let open = self.incidents.get(&known).is_some_and(|i| self.goes_on(i));
            open.then_some((known, *link))
        });
        if let Some((known, link)) = shares.filter(|_| self.actor(actor).incident.is_none()) {
            self.join(known, actor, link, structure, now);
        }
        let incident = self.open(actor, kind, &all, structure, now);
        self.repair(incident, &act.repairs, structure, now, out);
        let mut who = vec![actor];
        if !shared.is_empty() {
            for (other, link) in &parties {
                self.join(incident, *other, *link, structure, now);
                who.push(*other);
            }
        }
        self.contain(incident, &who, structure, now, out);
        self.publish(incident, false, now, out);
    }

    /// Puts an act into somebody's windows and keeps it as evidence. What it counts first is given
    /// back, so that it can be taken out again.
    pub(super) fn note(
        &mut self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
        now: Moment,
    ) -> Option<Mark> {
        let discount = self.discount(actor, act, raw, structure);
        let target = act.target.unwrap_or(act.id);
        let common = self.parent_of(target, structure).unwrap_or(target);
        let mut flags = if act.destructive { DESTRUCTIVE } else { 0 };
        if discount != FULL {
            flags |= DISCOUNTED;
        }
        let mut noted = None;
        if discount != NOTHING {
            for (place, count) in act.counts.iter().enumerate() {
                let first = place == 0;
                let harms = first && !self.policy.only_tells(count.kind);
                let mark = Mark {
                    entry: act.id.get(),
                    target: fold_id(common),
                    points: if harms { discount.of(act.points) } else { 0 },
                    count: discount.of(count.count),
                    kind: count.kind as u8,
                    flags: if first { flags } else { FURTHER | DISCOUNTED },
                };
                self.actor(actor).windows.add(mark);
                noted.get_or_insert(mark);
            }
        }
        if let Some(target) = act.target
            && matches!(
                act.action,
                a::CHANNEL_CREATE | a::ROLE_CREATE | 50 | 60 | 90 | 100 | 110 | 130 | 140
            )
        {
            if self.made.len() >= MAX_OBJECTS {
                self.made.pop_first();
            }
            self.made.insert(target, (actor, act.at()));
        }
        bounded(&mut self.evidence, MAX_EVIDENCE).push_back(Evidence {
            actor,
            act: act.clone(),
            raw: raw.map(|raw| Arc::new(raw.clone())),
            counted: discount != NOTHING,
        });
        let _ = now;
        noted
    }

    /// Who gave whom what, who invited whom, and the words they use.
    fn note_ties(
        &mut self,
        actor: Id,
        entry: &Entry<'_>,
        act: &Act,
        structure: &Structure,
        now: Moment,
    ) {
        if let Some(reason) = entry.reason() {
            self.actor(actor).note_word(reason);
        }
        let by_owner = owner(structure) == Some(actor);
        let Some(target) = act.target else { return };
        match act.action {
            a::CHANNEL_CREATE | a::ROLE_CREATE | a::WEBHOOK_CREATE => {
                if let Some(name) = entry.change("name").and_then(|c| c.new.as_str()) {
                    self.actor(actor).note_word(name);
                }
            }
            a::BOT_ADD => {
                self.inviters.insert(target, (actor, act.at()));
                if !by_owner {
                    self.actor(actor).note_favour(target, act.at(), JOINED);
                }
            }
            a::MEMBER_ROLE_UPDATE if target != actor => {
                let given = entry.roles("$add");
                let armed = given.iter().any(|r| role_bits(structure, *r) & POWER != 0);
                if armed {
                    self.members.empowered(target, now);
                    if !by_owner && !self.is_spared(actor, structure) {
                        self.actor(actor).note_favour(target, act.at(), JOINED);
                    }
                }
            }
            a::MEMBER_BAN_REMOVE if !by_owner => {
                let contained = self
                    .actors
                    .get(&target)
                    .is_some_and(|a| a.incident.is_some());
                let points = if contained { JOINED } else { 0 };
                self.actor(actor).note_favour(target, act.at(), points);
            }
            _ => {}
        }
    }

    /// Freeing somebody who was contained is a hit of its own.
    fn freed(&self, act: &mut Act) {
        let Some(target) = act.target else { return };
        let held = self.actors.get(&target).is_some_and(|actor| {
            matches!(actor.state, State::Contained { .. } | State::Watch { .. })
        });
        let frees = act.action == a::MEMBER_BAN_REMOVE
            || act.counts.iter().any(|c| c.kind == T::DangerousRoleGiven);
        if held && frees {
            act.instants.push(Instant::FreedContained);
        }
    }

    /// What was taken from an act because it does little harm.
    fn discount(
        &self,
        actor: Id,
        act: &Act,
        raw: Option<&Value>,
        structure: &Structure,
    ) -> Discount {
        let Some(target) = act.target else {
            return FULL;
        };
        let own = self
            .made
            .get(&target)
            .is_some_and(|(maker, at)| *maker == actor && act.at().since(*at) < DAY);
        if own && act.instants.is_empty() && act.action != a::WEBHOOK_CREATE {
            let made = self
                .made
                .get(&target)
                .is_some_and(|(_, at)| *at == act.at());
            if !made {
                return NOTHING;
            }
        }
        match act.action {
            a::CHANNEL_DELETE => match self.is_tidying(actor, target, act.at(), structure) {
                true => QUARTER,
                false => FULL,
            },
            a::MEMBER_BAN_ADD | a::MEMBER_KICK | a::MEMBER_UPDATE => {
                let sight = self.sight(structure);
                let raid = act.at() <= self.raid_until && !sight.is_staff(target, act.at());
                match raid || sight.is_fresh(target, act.at()) {
                    true => TENTH,
                    false => FULL,
                }
            }
            a::OVERWRITE_CREATE..=a::OVERWRITE_DELETE => {
                let parent = self.parent_of(target, structure);
                let again = parent.is_some()
                    && act.kind() == Some(T::OverwriteChange)
                    && act.counts.len() == 1
                    && self.evidence.iter().rev().any(|e| {
                        e.actor == actor
                            && e.counted
                            && e.act.action == act.action
                            && e.act.at().apart(act.at()) <= 5 * SECOND
                            && e.act.points == act.points
                            && e.act.target.is_some_and(|other| {
                                other != target
                                    && self.parent_of(other, structure) == parent
                                    && is_same_overwrite(e.raw.as_deref(), raw)
                            })
                    });
                if again { NOTHING } else { FULL }
            }
            _ => FULL,
        }
    }

    /// Whether a channel's end is housekeeping. Silence is judged against the rest of the server:
    /// where nearly everything is quiet it says nothing about this channel. And whoever goes faster
    /// than people tidy is not tidying.
    fn is_tidying(&self, actor: Id, channel: Id, at: Moment, structure: &Structure) -> bool {
        let Some(object) = self.object(Kind::Channel, channel, structure) else {
            return false;
        };
        let silent = |id, object| {
            self.last_activity(id, object)
                .is_some_and(|last| at.since(last) > SILENT)
        };
        if !silent(channel, object) {
            return false;
        }
        let (mut all, mut lively) = (0, 0);
        for (id, object) in structure.all(Kind::Channel) {
            if is_written_in(object) {
                all += 1;
                lively += usize::from(!silent(id, object));
            }
        }
        if lively < LIVELY || lively * LIVELY_SHARE < all {
            return false;
        }
        let how = self.measure(actor, structure, at);
        let [limit, ..] = self.policy.spans(T::ChannelRemove, how);
        let lately = self.evidence.iter().filter(|e| {
            e.actor == actor && e.act.action == a::CHANNEL_DELETE && e.act.at().apart(at) <= MINUTE
        });
        let lately = u32::try_from(lately.count()).unwrap_or(u32::MAX);
        limit == NEVER || lately < (limit / UNIT).saturating_mul(TIDIED)
    }

    /// When somebody wrote in a channel last, or it was made; `None` where nobody writes.
    fn last_activity(&self, channel: Id, object: &Value) -> Option<Moment> {
        let last = Id::read(&object["last_message_id"]).unwrap_or(channel);
        let seen = self.activity.get(&channel).copied().unwrap_or_default();
        is_written_in(object).then(|| Moment::of(last).max(seen))
    }

    /// An object as it is, or as it was before it was deleted lately.
    pub(super) fn object<'a>(
        &'a self,
        kind: Kind,
        id: Id,
        structure: &'a Structure,
    ) -> Option<&'a Value> {
        let buried = self.graveyard.iter().rev();
        let mut buried = buried.filter(|(k, i, _, _)| *k == kind && *i == id);
        structure
            .get(kind, id)
            .or_else(|| buried.next().map(|(_, _, object, _)| &**object))
    }

    fn parent_of(&self, channel: Id, structure: &Structure) -> Option<Id> {
        let object = self.object(Kind::Channel, channel, structure)?;
        Id::read(&object["parent_id"])
    }

    pub(super) fn inviter_of(&self, bot: Id, at: Moment, structure: &Structure) -> Option<Id> {
        let (inviter, since) = self.inviters.get(&bot)?;
        let shares = at.since(*since) < DAY && Some(*inviter) != owner(structure);
        shares.then_some(*inviter)
    }

    pub(super) fn column(&self, user: Id, structure: &Structure, at: Moment) -> Column {
        if user == NOBODY {
            return Column::Administrator;
        }
        let sight = self.sight(structure);
        let had = sight.recent_permissions(user, at).unwrap_or(0);
        match () {
            () if sight.is_bot(user) => Column::Bot,
            () if had & ADMINISTRATOR != 0 => Column::Administrator,
            () => Column::Moderator,
        }
    }

    pub(super) fn measure(&self, user: Id, structure: &Structure, at: Moment) -> Measure {
        let state = self.actor_state(user);
        let roles = self.members.get(user).map(|m| m.roles.clone());
        Measure {
            column: self.column(user, structure, at),
            members: self.sight(structure).member_count(),
            trusted: self.policy.trusts(user, &roles.unwrap_or_default()),
            watched: matches!(state, State::Watch { .. }),
            share: 2,
        }
    }

    /// Limits that somebody is beyond, of those an act can have moved.
    pub(super) fn rules_of(
        &self,
        user: Id,
        act: &Act,
        structure: &Structure,
        at: Moment,
    ) -> Vec<Rule> {
        let kinds = act.counts.iter().map(|c| c.kind);
        let mut rules: Vec<Rule> = kinds
            .flat_map(|kind| self.rules_of_kind(user, kind, structure, at))
            .collect();
        rules.extend(self.rules_of_points(user, structure, at));
        rules
    }

    pub(super) fn rules_of_kind(
        &self,
        user: Id,
        kind: T,
        structure: &Structure,
        at: Moment,
    ) -> Vec<Rule> {
        let Some(actor) = self.actors.get(&user) else {
            return Vec::new();
        };
        let limits = self.policy.spans(kind, self.measure(user, structure, at));
        let spans = [Span::Minute, Span::Hour, Span::Day]
            .into_iter()
            .zip(limits);
        let over = spans.filter(|(_, limit)| *limit != NEVER);
        let over = over.filter_map(|(span, limit)| {
            let count = actor.windows.count(kind, span, at);
            (count > limit).then_some(Rule::Limit {
                kind,
                span,
                count,
                limit,
                together: false,
            })
        });
        over.collect()
    }

    pub(super) fn rules_of_points(&self, user: Id, structure: &Structure, at: Moment) -> Vec<Rule> {
        let Some(actor) = self.actors.get(&user) else {
            return Vec::new();
        };
        let limits = self.policy.points(self.measure(user, structure, at));
        let spans = [Span::Minute, Span::TenMinutes, Span::Day].into_iter();
        let over = spans.zip(limits).filter(|(_, limit)| *limit != NEVER);
        let over = over.filter_map(|(span, limit)| {
            let points = actor.windows.points(span, at);
            (points > limit).then_some(Rule::Points {
                span,
                points,
                limit,
                together: false,
            })
        });
        over.collect()
    }

    /// The largest part of a limit that somebody has used, in hundredths.
    fn used(&self, user: Id, kinds: &[T], structure: &Structure, at: Moment) -> u32 {
        let Some(actor) = self.actors.get(&user) else {
            return 0;
        };
        let how = self.measure(user, structure, at);
        let part = |count: u32, limit: u32| match limit {
            NEVER => 0,
            0 => 100 * count.min(1),
            limit => u32::try_from(u64::from(count) * 100 / u64::from(limit)).unwrap_or(u32::MAX),
        };
        let mut most = 0;
        for kind in kinds {
            let spans = [Span::Minute, Span::Hour, Span::Day];
            for (span, limit) in spans.into_iter().zip(self.policy.spans(*kind, how)) {
                most = most.max(part(actor.windows.count(*kind, span, at), limit));
            }
        }
        let spans = [Span::Minute, Span::TenMinutes, Span::Day];
        for (span, limit) in spans.into_iter().zip(self.policy.points(how)) {
            most = most.max(part(actor.windows.points(span, at), limit));
        }
        most
    }

    /// Half a limit: whatever an answer will need is made ready.
    fn suspect(
        &mut self,
        actor: Id,
        act: &Act,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let kinds: Vec<T> = act.counts.iter().map(|c| c.kind).collect();
        if self.actor_state(actor) != State::Idle
            || self.used(actor, &kinds, structure, act.at()) < 50
        {
            return;
        }
        let until = now.plus(10 * MINUTE);
        self.actor(actor).state = State::Suspect { until };
        if self.members.get(actor).is_none() && !self.actor(actor).asked {
            self.actor(actor).asked = true;
            out.push(Effect::FetchMember { user: actor });
        }
    }

    /// Whoever belongs to this actor, with the points of the link. Empty when nobody does.
    fn parties_of(
        &self,
        user: Id,
        structure: &Structure,
        act: &Act,
        now: Moment,
    ) -> Vec<(Id, u32)> {
        if !act.destructive {
            return Vec::new();
        }
        let party = |id: Id| {
            let actor = self.actors.get(&id)?;
            let member = self.members.get(id);
            Some(Party { id, actor, member })
        };
        let eligible = |id: Id| {
            let found = party(id).filter(|p| p.is_active(now))?;
            let kinds: Vec<T> = found.actor.windows.kinds().collect();
            let enough = self.used(id, &kinds, structure, found.actor.windows.last()) >= 33;
            (enough && id != NOBODY && !self.is_spared(id, structure)).then_some(found)
        };
        let Some(me) = eligible(user) else {
            return Vec::new();
        };
        let recent = self
            .actors
            .iter()
            .filter(|(id, actor)| **id != user && now.since(actor.windows.last()) <= HOLDS);
        let others: Vec<Party<'_>> = recent
            .filter_map(|(id, _)| eligible(*id))
            .take(MAX_PARTIES)
            .collect();
        // Links reach over others: who is linked to somebody linked belongs too.
        let mut found: Vec<(Id, u32)> = Vec::new();
        let mut front = vec![me];
        while let Some(one) = front.pop() {
            for other in &others {
                let known = found.iter().any(|(id, _)| *id == other.id);
                let points = if known {
                    0
                } else {
                    link_points(one, *other, now)
                };
                if points >= JOINED {
                    found.push((other.id, points));
                    front.push(*other);
                }
            }
        }
        found
    }

    /// Limits that linked actors are beyond together: one and a half times the highest of them.
    fn shared_rules(
        &self,
        user: Id,
        others: &[(Id, u32)],
        act: &Act,
        structure: &Structure,
    ) -> Vec<Rule> {
        let at = act.at();
        let all: Vec<Id> = others.iter().map(|(id, _)| *id).chain([user]).collect();
        let columns = all.iter().map(|id| self.column(*id, structure, at));
        let column = columns.max().unwrap_or(Column::Administrator);
        let how = Measure {
            column,
            share: 3,
            trusted: false,
            watched: false,
            ..self.measure(user, structure, at)
        };
        let actors: Vec<_> = all.iter().filter_map(|id| self.actors.get(id)).collect();
        let mut rules = Vec::new();
        for kind in act.counts.iter().map(|c| c.kind) {
            let spans = [Span::Minute, Span::Hour, Span::Day];
            for (span, limit) in spans.into_iter().zip(self.policy.spans(kind, how)) {
                let count = actors.iter().map(|a| a.windows.count(kind, span, at)).sum();
                if limit != NEVER && count > limit {
                    let together = true;
                    rules.push(Rule::Limit {
                        kind,
                        span,
                        count,
                        limit,
                        together,
                    });
                }
            }
        }
        let spans = [Span::Minute, Span::TenMinutes, Span::Day];
        for (span, limit) in spans.into_iter().zip(self.policy.points(how)) {
            let points = actors.iter().map(|a| a.windows.points(span, at)).sum();
            if limit != NEVER && points > limit {
                let together = true;
                rules.push(Rule::Points {
                    span,
                    points,
                    limit,
                    together,
                });
            }
        }
        rules
    }
}

fn is_written_in(channel: &Value) -> bool {
    let kind = channel["type"].as_u64();
    kind.is_some_and(|kind| WRITTEN_IN.contains(&kind))
}

/// Whether two entries say the same of the same role or member. Of what is unknown nothing is the
/// same.
fn is_same_overwrite(one: Option<&Value>, other: Option<&Value>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return false;
    };
    let whom = |raw: &Value| Id::read(&raw["options"]["id"]);
    whom(one).is_some() && whom(one) == whom(other) && one["changes"] == other["changes"]
}
