//! What stands in the log in our own name: ours, or somebody's who has our token.

use splashtail_guild::{Id, Structure};

use super::Engine;
use super::attribute::{BULK, Whose};
use super::retention::bounded;
use crate::act::{self, Instant};
use crate::effect::{Effect, Inverse, Method, Outcome, Rung, Timing};
use crate::entry::{Entry, action as a};
use crate::incident::{CallRecord, Incident, IncidentKind, MAX_CALLS};
use crate::moment::{MINUTE, Moment, SECOND};
use crate::policy::{Mode, OwnToken};
use crate::tag::Marked;

/// How long a call of ours explains an entry in our name.
const OWN_CALL: u64 = 10 * SECOND;
/// The bot leaves when the owner was told why; that is not waited for longer.
const TOLD_WITHIN: u64 = 10 * SECOND;
/// Effects of jobs that made something, remembered so that each makes it once.
const MAX_EFFECTS: usize = 2048;
/// Types of entry whose routes take no reason, so that a job's call cannot be marked: messages
/// deleted one by one, events deleted, permissions of commands, exceptions of events.
const TAKE_NO_REASON: [u16; 6] = [
    a::MESSAGE_DELETE,
    a::SCHEDULED_EVENT_DELETE,
    a::COMMAND_PERMISSION_UPDATE,
    200,
    201,
    202,
];

impl Engine {
    /// An entry in our own name: a mark, or a call that was announced, says that we did it.
    pub(super) fn own(&mut self, entry: &Entry<'_>) -> Whose {
        let mut same = self.own.iter().rev().filter(|own| {
            own.action == entry.action
                && (own.target == entry.target || own.target.is_none())
                && own.at.apart(entry.at()) <= OWN_CALL
        });
        let last = same.next().copied();
        // Who commanded it was told once, the call itself perhaps again and without a name.
        let by = last.and_then(|own| own.by.or_else(|| same.find_map(|own| own.by)));
        if last.is_some() {
            return by.map_or(Whose::Context, Whose::Actor);
        }
        let Some(reason) = entry.reason() else {
            return match TAKE_NO_REASON.contains(&entry.action) {
                true => Whose::Context,
                false => Whose::SelfToken,
            };
        };
        let marked = self
            .tags
            .holds(reason, self.guild, entry.action, entry.target, entry.at());
        match marked || self.is_of_a_job(entry, reason) {
            true => Whose::Context,
            false => Whose::SelfToken,
        }
    }

    /// Whether a job of ours signed it. A signature for something new holds for the first that
    /// shows it: whoever reads it in the log and uses it again is not us.
    fn is_of_a_job(&mut self, entry: &Entry<'_>, reason: &str) -> bool {
        let about = (entry.action, entry.target);
        match self.tags.effect_in(reason, self.guild, about, entry.at()) {
            None => false,
            Some(Marked::Known) => true,
            Some(Marked::Many(effect)) => {
                let at = entry.at();
                self.effects.retain(|(name, ..)| &**name != effect);
                let seen = (effect.into(), entry.id, at);
                bounded(&mut self.effects, MAX_EFFECTS).push_back(seen);
                true
            }
            Some(Marked::Made(effect)) => {
                let target = entry.target.unwrap_or(entry.id);
                let known = self.effects.iter().find(|(name, ..)| &**name == effect);
                if let Some((_, made, _)) = known {
                    return *made == target;
                }
                let made = (effect.into(), target, entry.at());
                bounded(&mut self.effects, MAX_EFFECTS).push_back(made);
                true
            }
        }
    }

    /// Whether a ban in nobody's name belongs to a bulk of a job, of which another stands in ours at
    /// that time: whoever reads the mark in the log cannot use it later.
    pub(super) fn is_of_own_bulk(&self, entry: &Entry<'_>) -> bool {
        let (about, at) = ((entry.action, entry.target), entry.at());
        let marked = entry
            .reason()
            .and_then(|reason| self.tags.effect_in(reason, self.guild, about, at));
        let Some(Marked::Many(effect)) = marked else {
            return false;
        };
        let mut own = self.effects.iter();
        own.any(|(name, _, seen)| &**name == effect && seen.apart(at) <= BULK)
    }

    /// An entry of ours says that a call took effect, whatever became of its answer.
    pub(super) fn confirm(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if entry.user != Some(self.me) {
            return;
        }
        let calls = self.incidents.values().flat_map(|i| &i.calls);
        let mut waiting = calls.filter(|c| {
            c.outcome.is_none()
                && c.call.action == Some(entry.action)
                && c.call.target == entry.target
        });
        let found = waiting.next().map(|c| (c.call.key, c.timing.sent));
        let Some((key, sent)) = found else {
            return self.adopt(entry, now, out);
        };
        let timing = Timing {
            sent,
            answered: now,
        };
        self.answered(key, Outcome::Done, timing, structure, out);
    }

    /// A step of ours that was never written down, because the process ended first: the log tells what
    /// it took, so that it can be given back.
    fn adopt(&mut self, entry: &Entry<'_>, now: Moment, out: &mut Vec<Effect>) {
        let ours = entry.reason().is_some_and(|reason| {
            self.tags
                .holds(reason, self.guild, entry.action, entry.target, entry.at())
        });
        let Some(user) = entry.target.filter(|_| ours && self.reads_log) else {
            return;
        };
        let Some(incident) = self.actors.get(&user).and_then(|actor| actor.incident) else {
            return;
        };
        let mut calls = self.incidents.values().flat_map(|i| &i.calls);
        let known = calls.any(|c| {
            c.call.action == Some(entry.action)
                && c.call.target == entry.target
                && c.timing.sent.apart(entry.at()) <= OWN_CALL
        });
        if known {
            return;
        }
        // What gives back takes at most the role of those in quarantine.
        let mut taken = entry.roles("$remove");
        taken.retain(|role| Some(*role) != self.policy.quarantine_role);
        let (rung, method, inverse) = match entry.action {
            a::MEMBER_ROLE_UPDATE if !taken.is_empty() => {
                let inverse = Inverse::GiveRoles { user, roles: taken };
                (Rung::TakeRoles, Method::Patch, Some(inverse))
            }
            a::MEMBER_KICK => (Rung::Kick, Method::Delete, None),
            a::MEMBER_BAN_ADD => (Rung::Ban, Method::Put, Some(Inverse::Unban { user })),
            _ => return,
        };
        let place = match rung {
            Rung::Ban => "bans",
            _ => "members",
        };
        let path = format!("/guilds/{}/{place}/{user}", self.guild);
        let mut call = self.with_case(incident, user, |case, _| {
            case.call(rung, user, method, path)
        });
        call.action = Some(entry.action);
        call.inverse = inverse;
        let Some(open) = self.incidents.get_mut(&incident) else {
            return;
        };
        if open.mode != Mode::On || open.calls.len() >= MAX_CALLS {
            return;
        }
        let at = entry.at();
        open.times.sent.get_or_insert(at);
        open.times.acknowledged.get_or_insert(at);
        open.calls.push(CallRecord {
            call,
            timing: Timing {
                sent: at,
                answered: at,
            },
            outcome: Some(Outcome::Done),
            returned: false,
        });
        self.actor(user).tried.insert(rung);
        self.publish(incident, false, now, out);
    }

    /// Somebody acts with our token: nobody here can be punished for it.
    pub(super) fn on_self_token(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(act) = act::read(entry, Some(self.me), self.sight(structure)) else {
            return;
        };
        self.alarm(Instant::SelfToken, act, entry.raw, now, out);
    }

    /// When the bot leaves a server whose owner wants that, and because of which incident.
    pub(super) fn leaves_at(&self) -> Option<(Moment, Id)> {
        if self.policy.own_token != OwnToken::Leave {
            return None;
        }
        let alarms = self.incidents.values().filter(|incident| {
            let stolen = incident.kind == IncidentKind::SelfToken && self.goes_on(incident);
            stolen && left(incident).is_none() && incident.calls.len() < MAX_CALLS
        });
        let at = |incident: &Incident| {
            let times = &incident.times;
            let told = times.owner_told;
            told.unwrap_or(times.decided.plus(TOLD_WITHIN))
        };
        alarms.map(|incident| (at(incident), incident.id)).min()
    }

    pub(super) fn leave_when_told(
        &mut self,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let due = self.leaves_at().filter(|(at, _)| *at <= now);
        let Some((_, incident)) = due else { return };
        let guild = self.guild;
        let path = format!("/users/@me/guilds/{guild}");
        let call = self.with_case(incident, guild, |case, _| {
            case.call(Rung::Leave, guild, Method::Delete, path)
        });
        self.issue(incident, call, structure, now, out);
        self.publish(incident, true, now, out);
    }

    /// The incident because of which the bot just left by itself.
    pub(super) fn left_because_of(&self, now: Moment) -> Option<Id> {
        let mut real = self.incidents.values().filter(|i| i.mode == Mode::On);
        let because = real.find(|i| left(i).is_some_and(|at| now.since(at) < MINUTE))?;
        Some(because.id)
    }
}

/// When the bot left because of it, or began to.
fn left(incident: &Incident) -> Option<Moment> {
    let mut calls = incident.calls.iter();
    let leaving = calls.find(|record| record.call.key.rung == Rung::Leave)?;
    Some(leaving.timing.sent)
}
