//! What people ask for.

use serde_json::json;
use splashtail_guild::{Id, Structure};

use super::Engine;
use crate::actor::State;
use crate::bits::PANIC;
use crate::effect::{Call, CallKey, Effect, Inverse, Method, Outcome, Reason, Rung};
use crate::entry::action as a;
use crate::incident::{IncidentKind, IncidentState};
use crate::input::Command;
use crate::ladder::Case;
use crate::members::role_bits;
use crate::moment::Moment;
use crate::panic;
use crate::policy::Mode;

impl Engine {
    pub(super) fn on_command(
        &mut self,
        command: Command,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        match command {
            Command::Panic | Command::Quiet => {
                let mask = match command {
                    Command::Quiet => PANIC | self.speech(structure),
                    _ => PANIC,
                };
                let guild = self.guild;
                let incident = self.open(guild, IncidentKind::Tamper, &[], structure, now);
                // A person asks for it, so it is done in every mode.
                if let Some(open) = self.incidents.get_mut(&incident) {
                    (open.mode, open.asked_for) = (Mode::On, true);
                }
                self.begin_panic(incident, mask, structure, now, out);
                self.publish(incident, false, now, out);
            }
            Command::EndPanic { suspects_too } => {
                self.end_panic(suspects_too, structure, now, out);
            }
            Command::ConfirmPanic => {
                if let Some(panic) = &mut self.panic {
                    panic.confirmed = true;
                }
            }
            Command::Return { incident } => self.give_back(incident, structure, now, out),
            Command::NotAnAttack { incident } => {
                self.give_back(incident, structure, now, out);
                let suspects = self.incidents.get(&incident).map(|i| i.suspects.clone());
                for suspect in suspects.into_iter().flatten() {
                    self.actors.remove(&suspect.id);
                }
                self.set_state(incident, IncidentState::Closed);
                self.publish(incident, false, now, out);
            }
            Command::Contain { incident } => {
                let suspects = match self.incidents.get_mut(&incident) {
                    Some(open) => {
                        (open.mode, open.asked_for) = (Mode::On, true);
                        // What was only written down can now be sent.
                        open.calls.retain(|call| call.outcome.is_some());
                        open.suspects.iter_mut().for_each(|s| s.contained = None);
                        open.suspects.iter().map(|s| s.id).collect::<Vec<Id>>()
                    }
                    None => return,
                };
                // Whose turn does not come goes on waiting.
                let refused = self.is_broken_until(now).is_some();
                for user in &suspects {
                    let actor = self.actor(*user);
                    if !(refused && matches!(actor.state, State::Unreachable { .. })) {
                        actor.state = State::Idle;
                    }
                }
                self.contain(incident, &suspects, structure, now, out);
                self.publish(incident, false, now, out);
            }
        }
    }

    pub(super) fn set_state(&mut self, incident: Id, state: IncidentState) {
        if let Some(incident) = self.incidents.get_mut(&incident) {
            incident.state = state;
        }
    }

    /// Takes back what was done in an incident, newest first, beside what people did since.
    fn give_back(
        &mut self,
        incident: Id,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = self.incidents.get_mut(&incident) else {
            return;
        };
        let suspects: Vec<Id> = open.suspects.iter().map(|s| s.id).collect();
        let panics = |key: &CallKey| matches!(key.rung, Rung::PanicRole | Rung::PauseInvites);
        self.take_back(incident, |call| !panics(&call.key), structure, now, out);
        if self.panic.as_ref().is_some_and(|p| p.incident == incident) {
            self.end_panic(true, structure, now, out);
        }
        for user in suspects {
            let actor = self.actor(user);
            actor.state = State::Idle;
            actor.tried.clear();
        }
        self.set_state(incident, IncidentState::Returned);
        self.publish(incident, false, now, out);
    }

    /// Takes back the calls of an incident that were done and are meant, newest first.
    pub(super) fn take_back(
        &mut self,
        incident: Id,
        meant: impl Fn(&Call) -> bool,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = self.incidents.get_mut(&incident) else {
            return;
        };
        let mut inverses = Vec::new();
        for record in open.calls.iter_mut().rev() {
            let done = record.outcome == Some(Outcome::Done) && !record.returned;
            if done
                && meant(&record.call)
                && let Some(inverse) = record.call.inverse.clone()
            {
                record.returned = true;
                inverses.push((record.call.key, inverse));
            }
        }
        for (key, inverse) in inverses {
            if let Some(call) = self.inverse_call(key, inverse, structure) {
                self.issue(incident, call, structure, now, out);
            }
        }
    }

    fn inverse_call(&self, key: CallKey, inverse: Inverse, structure: &Structure) -> Option<Call> {
        let guild = self.guild;
        let tried = std::collections::BTreeSet::new();
        let case = Case {
            incident: key.incident,
            user: key.actor,
            tried: &tried,
            round: key.round,
            fetched: false,
            late: false,
            bans_full: false,
            reason: Reason::GaveBack,
        };
        let call = |subject, method, path| {
            let mut call = case.call(Rung::Return, subject, method, path);
            // Returns of several steps are several calls.
            call.key.round = key.round.wrapping_mul(16).wrapping_add(key.rung as u16);
            call
        };
        let made = match inverse {
            Inverse::GiveRoles { user, roles } => {
                let now = self.members.here(user).map(|m| m.roles.clone())?;
                let quarantine = self.policy.quarantine_role;
                let mut all: Vec<Id> = now.into_iter().filter(|r| Some(*r) != quarantine).collect();
                let known = |r: &Id| structure.get(splashtail_guild::Kind::Role, *r).is_some();
                all.extend(roles.into_iter().filter(known));
                all.sort_unstable();
                all.dedup();
                let path = format!("/guilds/{guild}/members/{user}");
                let mut made = call(user, Method::Patch, path);
                made.body = Some(json!({"roles": all}));
                made.action = Some(a::MEMBER_ROLE_UPDATE);
                made
            }
            Inverse::GiveBits { role, taken, left } => {
                let mine = self.sight(structure).my_permissions();
                let now = role_bits(structure, role);
                let wanted = panic::returned(now, taken, left) & (mine | now);
                let path = format!("/guilds/{guild}/roles/{role}");
                let mut made = call(role, Method::Patch, path);
                made.body = Some(json!({"permissions": wanted.to_string()}));
                made.action = Some(a::ROLE_UPDATE);
                made
            }
            Inverse::PutOverwrite { channel, overwrite } => {
                let whom = Id::of(&overwrite)?;
                let path = format!("/channels/{channel}/permissions/{whom}");
                let mut made = call(channel, Method::Put, path);
                made.body = Some(json!({
                    "type": overwrite["type"], "allow": overwrite["allow"], "deny": overwrite["deny"],
                }));
                made.action = Some(a::OVERWRITE_CREATE);
                made
            }
            Inverse::Unban { user } => {
                let path = format!("/guilds/{guild}/bans/{user}");
                let mut made = call(user, Method::Delete, path);
                made.action = Some(a::MEMBER_BAN_REMOVE);
                made
            }
            Inverse::EnableRule { rule } => {
                let path = format!("/guilds/{guild}/auto-moderation/rules/{rule}");
                let mut made = call(rule, Method::Patch, path);
                made.body = Some(json!({"enabled": true}));
                made.action = Some(a::AUTOMOD_RULE_UPDATE);
                made
            }
            Inverse::EndPause => return None,
        };
        Some(made)
    }

    pub(super) fn end_panic(
        &mut self,
        suspects_too: bool,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(panic) = self.panic.take() else {
            return;
        };
        let guild = self.guild;
        let round = self.round;
        self.round = round.wrapping_add(1);
        let tried = std::collections::BTreeSet::new();
        let case = Case {
            incident: panic.incident,
            user: guild,
            tried: &tried,
            round,
            fetched: false,
            late: false,
            bans_full: false,
            reason: Reason::GaveBack,
        };
        let sight = self.sight(structure);
        let mut calls = Vec::new();
        for (role, wanted) in panic.returns(sight, suspects_too) {
            let path = format!("/guilds/{guild}/roles/{role}");
            let mut call = case.call(Rung::Return, role, Method::Patch, path);
            call.body = Some(json!({"permissions": wanted.to_string()}));
            call.action = Some(a::ROLE_UPDATE);
            calls.push(call);
        }
        calls.push(panic::pause(&case, sight, None));
        for call in calls {
            self.issue(panic.incident, call, structure, now, out);
        }
        self.publish(panic.incident, false, now, out);
    }
}
