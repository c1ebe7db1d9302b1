//! People who share an attack: what ties them, and their sum against the limits.

use splashtail_guild::{Id, Structure};

use super::{Engine, NOBODY};
use crate::act::Act;
use crate::bits::POWER;
use crate::entry::{Entry, action as a};
use crate::incident::Rule;
use crate::limit::{Column, LimitType as T, NEVER};
use crate::links::{HOLDS, JOINED, Party, points as link_points};
use crate::members::{owner, role_bits};
use crate::moment::Moment;
use crate::policy::Measure;
use crate::window::Span;

/// Actors that are compared with each other.
const MAX_PARTIES: usize = 32;

impl Engine {
    /// Who gave whom what, who invited whom, and the words they use.
    pub(super) fn note_ties(
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
                    match by_owner || self.is_spared(actor, structure) {
                        true => self.members.vouched(target, now),
                        false => self.actor(actor).note_favour(target, act.at(), JOINED),
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

    /// Whoever belongs to this actor, with the points of the link. Empty when nobody does.
    pub(super) fn parties_of(
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
    pub(super) fn shared_rules(
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
