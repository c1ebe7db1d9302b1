//! Who did it.

use std::sync::Arc;

use serde_json::Value;
use splashtail_guild::{Id, Structure};

use super::retention::bounded;
use super::{Doubt, Engine, Merged, NOBODY};
use crate::act::{self, Act};
use crate::bits;
use crate::effect::{Alert, Effect, Notice, Poll};
use crate::entry::{Entry, action as a};
use crate::members::owner;
use crate::moment::{MINUTE, Moment, SECOND};

/// An entry older than this is history, unless it was asked for.
const STALE: u64 = 10 * MINUTE;
/// A bulk ban leaves one entry per user within so long.
pub(super) const BULK: u64 = 10 * SECOND;
const DOUBT: u64 = 5 * SECOND;
const MAX_DOUBTS: usize = 64;
const MAX_NULLS: usize = 1000;

/// Whose act it is.
pub(super) enum Whose {
    Actor(Id),
    /// Nobody stands for it.
    Nobody,
    /// Ours, or Discord's own: counts for nobody.
    Context,
    SelfToken,
    /// Decided later.
    Later,
}

impl Engine {
    pub(super) fn on_entry(
        &mut self,
        raw: &Value,
        polled: bool,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(entry) = Entry::read(raw) else {
            return;
        };
        if matches!(
            entry.action,
            a::MEMBER_MOVE | a::MEMBER_DISCONNECT | a::MESSAGE_DELETE
        ) {
            self.on_merged(&entry, structure, now, out);
        }
        if !self.is_new(&entry) {
            return;
        }
        self.explain(&entry, structure, now, out);
        if !polled && now.since(entry.at()) > STALE {
            return;
        }
        self.tell_of_trust(&entry, structure, now, out);
        match self.whose(&entry, structure, now, out) {
            Whose::Actor(actor) => self.by_actor(actor, &entry, structure, now, out),
            Whose::Nobody => {
                if let Some(act) = act::read(&entry, None, self.sight(structure)) {
                    self.by_nobody(act, Some(raw), structure, now, out);
                }
            }
            Whose::SelfToken => self.on_self_token(&entry, structure, now, out),
            Whose::Context => {
                self.confirm(&entry, structure, now, out);
                self.on_context(&entry, structure, now, out);
            }
            Whose::Later => {}
        }
    }

    /// Counts what an entry says for somebody, or waits until their roles are known anew.
    pub(super) fn by_actor(
        &mut self,
        actor: Id,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(act) = act::read(entry, Some(actor), self.sight(structure)) else {
            return;
        };
        let had = self.sight(structure).recent_permissions(actor, entry.at());
        let able = had.is_none_or(|had| had & act.needs == act.needs);
        // Whether somebody gave a role to themselves or got it from Discord shows in what they could do.
        let unclear = had.is_none() && act.counts.is_empty() && !entry.by_integration();
        if (!able || unclear) && !self.actor(actor).is_held() {
            self.doubt(actor, entry, now, out);
            return;
        }
        self.count(actor, act, Some(entry.raw), structure, now, out);
    }

    fn doubt(&mut self, actor: Id, entry: &Entry<'_>, now: Moment, out: &mut Vec<Effect>) {
        if self.doubts.len() < MAX_DOUBTS {
            self.doubts.push(Doubt {
                actor,
                raw: Arc::new(entry.raw.clone()),
                since: now,
            });
            out.push(Effect::FetchMember { user: actor });
        }
    }

    fn whose(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) -> Whose {
        let sight = self.sight(structure);
        if (a::AUTOMOD_BLOCK..=a::AUTOMOD_QUARANTINE).contains(&entry.action) {
            return Whose::Context;
        }
        if entry.user == Some(self.me) {
            return self.own(entry);
        }
        if entry.action == a::MEMBER_PRUNE {
            let able = entry.user.filter(|user| {
                let here = sight.members.get(*user).is_none_or(|m| m.gone.is_none());
                let had = sight.recent_permissions(*user, entry.at());
                here && had.is_none_or(|had| had & bits::KICK_MEMBERS != 0)
            });
            // Of a large prune the later entries name pruned members (discord-api-docs#6428).
            let earlier = self.pruner(entry.at());
            let known = able.filter(|user| sight.members.get(*user).is_some());
            return match (known.or(earlier), able) {
                (Some(user), _) => Whose::Actor(user),
                (None, Some(stranger)) => {
                    self.doubt(stranger, entry, now, out);
                    Whose::Later
                }
                (None, None) => Whose::Nobody,
            };
        }
        match entry.user {
            Some(user) => Whose::Actor(user),
            None if entry.action == a::MEMBER_BAN_ADD => {
                if self.is_of_own_bulk(entry) {
                    return Whose::Context;
                }
                self.on_null_ban(entry, structure, now, out);
                Whose::Later
            }
            None => Whose::Nobody,
        }
    }

    /// Bans without a user belong to the only user that stands at their beginning, if he could.
    fn on_null_ban(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if let Some(actor) = self.bulk_banner(entry.at(), structure) {
            self.by_actor(actor, entry, structure, now, out);
            return;
        }
        if self.nulls.len() < MAX_NULLS {
            self.nulls.push((Arc::new(entry.raw.clone()), now));
        }
    }

    fn bulk_banner(&self, at: Moment, structure: &Structure) -> Option<Id> {
        let first = self.nulls.iter().filter_map(|(raw, _)| Id::of(raw));
        let first = first.map(Moment::of).min().unwrap_or(at).min(at);
        let sight = self.sight(structure);
        let bans = self
            .evidence
            .iter()
            .filter(|e| e.act.action == a::MEMBER_BAN_ADD && e.act.at().apart(at) <= BULK);
        let mut users: Vec<Id> = bans
            .filter(|e| e.act.at().apart(first) <= SECOND)
            .map(|e| e.actor)
            .filter(|user| *user != NOBODY)
            .collect();
        users.sort_unstable();
        users.dedup();
        let both = bits::BAN_MEMBERS | bits::MANAGE_GUILD;
        match users.as_slice() {
            [only] => {
                let had = sight.recent_permissions(*only, at);
                had.is_some_and(|had| had & both == both).then_some(*only)
            }
            _ => None,
        }
    }

    /// Gives waiting bans to whoever is found, and after one look into the log to nobody.
    pub(super) fn settle_nulls(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if self.nulls.is_empty() {
            return;
        }
        // The one in our name may have come after them.
        let mut nulls = std::mem::take(&mut self.nulls);
        nulls.retain(|(raw, _)| !Entry::read(raw).is_some_and(|entry| self.is_of_own_bulk(&entry)));
        self.nulls = nulls;
        let due = self
            .nulls
            .iter()
            .any(|(_, at)| now.since(*at) >= 2 * SECOND);
        if self.nulls.is_empty() || !due {
            return;
        }
        let first = self.nulls.iter().filter_map(|(raw, _)| Id::of(raw)).min();
        let first = first.unwrap_or(Id::MIN);
        if let Some(actor) = self.bulk_banner(Moment::of(first), structure) {
            self.give_nulls(Some(actor), structure, now, out);
            return;
        }
        let waited = self.nulls.iter().map(|(_, at)| now.since(*at)).max();
        if now >= self.poll_after {
            self.poll_after = now.plus(5 * SECOND);
            let after = Moment::of(first).minus(2 * SECOND).id();
            let action = a::MEMBER_BAN_ADD;
            out.push(Effect::PollAudit(Poll::Unexplained { action, after }));
        }
        if waited > Some(BULK) {
            self.give_nulls(None, structure, now, out);
        }
    }

    pub(super) fn give_nulls(
        &mut self,
        actor: Option<Id>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        for (raw, _) in std::mem::take(&mut self.nulls) {
            let Some(entry) = Entry::read(&raw) else {
                continue;
            };
            match actor {
                Some(actor) => self.by_actor(actor, &entry, structure, now, out),
                None => {
                    if let Some(act) = act::read(&entry, None, self.sight(structure)) {
                        self.by_nobody(act, Some(&raw), structure, now, out);
                    }
                }
            }
        }
    }

    /// Tries again what was doubtful, once roles were read or waited for long enough.
    pub(super) fn settle_doubts(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let (due, rest): (Vec<Doubt>, Vec<Doubt>) = std::mem::take(&mut self.doubts)
            .into_iter()
            .partition(|doubt| now.since(doubt.since) >= DOUBT);
        self.doubts = rest;
        for doubt in due {
            self.settle_doubt(&doubt, structure, now, out);
        }
    }

    pub(super) fn settle_doubts_about(
        &mut self,
        user: Id,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let (his, rest): (Vec<Doubt>, Vec<Doubt>) = std::mem::take(&mut self.doubts)
            .into_iter()
            .partition(|doubt| doubt.actor == user);
        self.doubts = rest;
        for doubt in his {
            self.settle_doubt(&doubt, structure, now, out);
        }
    }

    fn settle_doubt(
        &mut self,
        doubt: &Doubt,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(entry) = Entry::read(&doubt.raw) else {
            return;
        };
        let sight = self.sight(structure);
        let Some(act) = act::read(&entry, Some(doubt.actor), sight) else {
            return;
        };
        let had = sight.recent_permissions(doubt.actor, entry.at());
        let able = had.is_none_or(|had| had & act.needs == act.needs);
        let other = self
            .pruner(entry.at())
            .filter(|_| entry.action == a::MEMBER_PRUNE);
        match (able, other) {
            (true, _) => self.count(doubt.actor, act, Some(&doubt.raw), structure, now, out),
            (false, Some(other)) => {
                self.count(other, act, Some(&doubt.raw), structure, now, out);
            }
            // Still unable: whoever it was, it was not they.
            (false, None) => {
                self.by_nobody(act, Some(&doubt.raw), structure, now, out);
            }
        }
    }

    /// Who pruned within the minute.
    fn pruner(&self, at: Moment) -> Option<Id> {
        let found = self.evidence.iter().rev().find(|e| {
            e.act.action == a::MEMBER_PRUNE && e.actor != NOBODY && e.act.at().apart(at) <= MINUTE
        });
        found.map(|e| e.actor)
    }

    fn on_context(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if entry.action == a::AUTOMOD_TIMEOUT
            && let Some(user) = entry.target
        {
            bounded(&mut self.timed_out, super::retention::MAX_OBJECTS).push_back((user, now));
            self.lift_if_disarmed(user, structure, now, out);
        }
    }

    /// A merged entry grows without another event: what it counts is compared with what was counted.
    fn on_merged(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(actor) = entry.user.filter(|user| *user != self.me) else {
            return;
        };
        let count = entry.number("count").unwrap_or(1).max(1);
        let channel = Id::read(entry.option("channel_id"));
        let known = self.merged.get(&entry.id).map(|m| m.known);
        if self.merged.len() >= super::retention::MAX_OBJECTS && known.is_none() {
            self.merged.pop_first();
        }
        let merged = self.merged.entry(entry.id).or_insert(Merged {
            action: entry.action,
            actor,
            channel,
            known: count,
            at: now,
            seen_since: 0,
        });
        merged.known = merged.known.max(count);
        merged.seen_since = 0;
        let Some(grown) = known
            .and_then(|known| count.checked_sub(known))
            .filter(|g| *g > 0)
        else {
            return;
        };
        let Some(mut act) = act::read(entry, Some(actor), self.sight(structure)) else {
            return;
        };
        let share = |amount: u32| {
            let part = u64::from(amount) * grown / count;
            u32::try_from(part).unwrap_or(u32::MAX)
        };
        act.counts.iter_mut().for_each(|c| c.count = share(c.count));
        act.points = share(act.points);
        act.id = self.own_id(now);
        self.count(actor, act, Some(entry.raw), structure, now, out);
    }

    /// A message was deleted by somebody: when many are where a merged entry stands, it is read
    /// again.
    pub(super) fn on_message_deleted(
        &mut self,
        channel: Option<Id>,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        const LOOK_AFTER: u32 = 10;
        let mut look = None;
        for (id, merged) in &mut self.merged {
            if merged.action == a::MESSAGE_DELETE && merged.channel == channel {
                merged.seen_since += 1;
                if merged.seen_since >= LOOK_AFTER && now >= self.poll_after {
                    look = Some((*id, merged.actor));
                }
            }
        }
        if let Some((id, _)) = look {
            self.poll_after = now.plus(5 * SECOND);
            out.push(Effect::PollAudit(Poll::Grown {
                action: a::MESSAGE_DELETE,
                after: Id::new(id.get() - 1),
            }));
        }
    }

    /// Whom nothing is ever done to.
    pub(super) fn is_spared(&self, user: Id, structure: &Structure) -> bool {
        let roles = self.members.get(user).map(|m| m.roles.clone());
        user == self.me
            || owner(structure) == Some(user)
            || self.policy.trusts(user, &roles.unwrap_or_default())
    }

    /// The owner and trusted people are spoken of, never acted on.
    pub(super) fn tell_of_spared(
        &mut self,
        user: Id,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let notice = match owner(structure) == Some(user) {
            true => Notice::Owner,
            false => Notice::Trusted,
        };
        let alert = Alert {
            notice,
            incident: None,
            about: Some(user),
            owner: true,
        };
        self.tell(alert, now, out);
    }

    /// The time an act counts at, and whether it can count at all.
    pub(super) fn is_maintained(&self, actor: Id, act: &Act) -> bool {
        let mut kinds = act.counts.iter();
        kinds.any(|c| self.policy.is_maintained(actor, c.kind, act.at()))
    }
}
