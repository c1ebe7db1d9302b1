//! How much somebody has done, held against the limits that hold for them.

use splashtail_guild::{Id, Structure};

use super::{Engine, NOBODY};
use crate::act::Act;
use crate::actor::State;
use crate::bits::ADMINISTRATOR;
use crate::effect::Effect;
use crate::incident::Rule;
use crate::limit::{Column, LimitType as T, NEVER};
use crate::moment::{MINUTE, Moment};
use crate::policy::Measure;
use crate::window::Span;

impl Engine {
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
    pub(super) fn used(&self, user: Id, kinds: &[T], structure: &Structure, at: Moment) -> u32 {
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
    pub(super) fn suspect(
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
}
