//! Puts right what attackers and their acts did.

use serde_json::json;
use splashtail_guild::permissions::without;
use splashtail_guild::{Id, Structure};

use super::{Engine, NOBODY};
use crate::act::{Act, Instant, Repair};
use crate::bits::POWER;
use crate::effect::{Alert, Call, Effect, Inverse, Method, Notice, Rung};
use crate::entry::action as a;
use crate::incident::{IncidentKind, Rule};
use crate::ladder::{self, Case};
use crate::members::role_bits;
use crate::moment::{MINUTE, Moment};

impl Engine {
    /// Puts right what an act did, in an incident.
    pub(super) fn repair(
        &mut self,
        incident: Id,
        repairs: &[Repair],
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        for repair in repairs {
            for call in self.repair_calls(incident, repair, structure, now) {
                self.issue(incident, call, structure, now, out);
            }
        }
    }

    fn repair_calls(
        &mut self,
        incident: Id,
        repair: &Repair,
        structure: &Structure,
        now: Moment,
    ) -> Vec<Call> {
        let guild = self.guild;
        let lifted: Vec<Id> = self
            .timed_out
            .iter()
            .filter(|(_, at)| now.since(*at) < 10 * MINUTE)
            .map(|(user, _)| *user)
            .collect();
        self.with_case(incident, guild, |case, engine| {
            let sight = engine.sight(structure);
            match repair {
                Repair::RoleBits { role, gained } => {
                    // The role's own event may not have come yet.
                    let now = role_bits(structure, *role) | gained;
                    let (left, _) = without(now, *gained, sight.my_permissions());
                    let path = format!("/guilds/{guild}/roles/{role}");
                    let mut call = case.call(Rung::DisarmRole, *role, Method::Patch, path);
                    call.body = Some(json!({"permissions": left.to_string()}));
                    call.action = Some(a::ROLE_UPDATE);
                    let taken = now & !left;
                    let role = *role;
                    call.inverse = Some(Inverse::GiveBits { role, taken, left });
                    vec![call]
                }
                Repair::TakeRole { user, role } if sight.is_below_me(*role) => {
                    let mut call = ladder::take_one(&case, sight, *user, *role);
                    call.key.actor = *user;
                    vec![call]
                }
                Repair::TakeRole { .. } => Vec::new(),
                Repair::HoldBot { bot } => {
                    let own = crate::members::managed_role_of(structure, *bot);
                    let own = own.filter(|role| sight.is_below_me(*role));
                    let call = own.and_then(|role| {
                        ladder::disarm(&case, sight, Rung::HoldBot, role, u64::MAX)
                    });
                    call.map(|mut call| {
                        call.key.actor = *bot;
                        call
                    })
                    .into_iter()
                    .collect()
                }
                Repair::DeleteInvite { code } => {
                    let path = format!("/invites/{code}");
                    let mut call = case.call(Rung::DeleteInvite, guild, Method::Delete, path);
                    call.action = Some(a::INVITE_DELETE);
                    call.target = None;
                    vec![call]
                }
                Repair::RestoreOnboarding {
                    prompts: Some(prompts),
                } => {
                    let path = format!("/guilds/{guild}/onboarding");
                    let mut call = case.call(Rung::RestoreOnboarding, guild, Method::Put, path);
                    call.body = Some(json!({"prompts": prompts}));
                    call.action = Some(a::ONBOARDING_UPDATE);
                    call.target = None;
                    vec![call]
                }
                // What it was is not known: a person has to look.
                Repair::RestoreOnboarding { prompts: None } => Vec::new(),
                Repair::DisableRule { rule } => {
                    let path = format!("/guilds/{guild}/auto-moderation/rules/{rule}");
                    let mut call = case.call(Rung::DisableRule, *rule, Method::Patch, path);
                    call.body = Some(json!({"enabled": false}));
                    call.action = Some(a::AUTOMOD_RULE_UPDATE);
                    call.inverse = Some(Inverse::EnableRule { rule: *rule });
                    let lifts = lifted.iter().map(|user| lift(&case, guild, *user));
                    std::iter::once(call).chain(lifts).collect()
                }
            }
        })
    }

    /// Lifts a timeout that a rule we just switched off gave.
    pub(super) fn lift_if_disarmed(
        &mut self,
        user: Id,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let recent = self.incidents.values().find(|incident| {
            let mut calls = incident.calls.iter();
            calls.any(|c| c.call.key.rung == Rung::DisableRule && now.since(c.timing.sent) < MINUTE)
        });
        if let Some(incident) = recent.map(|incident| incident.id) {
            let guild = self.guild;
            let call = self.with_case(incident, guild, |case, _| lift(&case, guild, user));
            self.issue(incident, call, structure, now, out);
        }
    }

    /// Something is wrong, and nobody is to blame for it.
    pub(super) fn repair_without_blame(
        &mut self,
        actor: Id,
        act: &Act,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        for repair in &act.repairs {
            match repair {
                Repair::HoldBot { bot } => {
                    self.hold_bot(*bot, structure, now, out);
                }
                repair => {
                    let kind = IncidentKind::Tamper;
                    let incident = match act.counts.is_empty() {
                        true => {
                            let about = act.target;
                            let id = self.open_beside(NOBODY, about, kind, &[], structure, now);
                            self.note_repaired(id, act);
                            id
                        }
                        false => self.open(actor, kind, &[], structure, now),
                    };
                    self.repair(incident, std::slice::from_ref(repair), structure, now, out);
                    self.publish(incident, false, now, out);
                }
            }
        }
    }

    /// A new bot holds nothing until somebody says so; its role may come later than its entry.
    pub(super) fn hold_bot(
        &mut self,
        bot: Id,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if self.is_spared(bot, structure) {
            return;
        }
        let role = crate::members::managed_role_of(structure, bot);
        let power = role.map_or(0, |role| role_bits(structure, role) & POWER);
        if power == 0 {
            if self.held_bots.len() < 64 {
                self.held_bots.insert(bot, (bot, now));
            }
            return;
        }
        self.held_bots.remove(&bot);
        let what = Instant::BotWithPower;
        let rules = [Rule::Instant { what }];
        let incident = self.open(bot, IncidentKind::Actor, &rules, structure, now);
        self.repair(incident, &[Repair::HoldBot { bot }], structure, now, out);
        let alert = Alert {
            notice: Notice::BotHeld,
            incident: Some(incident),
            about: Some(bot),
            owner: false,
        };
        self.tell(alert, now, out);
        self.publish(incident, false, now, out);
    }

    /// Repairs that belong to somebody who is being dealt with already.
    pub(super) fn repair_in_incident(
        &mut self,
        actor: Id,
        act: &Act,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        if let Some(incident) = self.actors.get(&actor).and_then(|a| a.incident) {
            self.repair(incident, &act.repairs, structure, now, out);
        }
    }
}

fn lift(case: &Case<'_>, guild: Id, user: Id) -> Call {
    let path = format!("/guilds/{guild}/members/{user}");
    let mut call = case.call(Rung::LiftTimeout, user, Method::Patch, path);
    call.body = Some(json!({"communication_disabled_until": null}));
    call.action = Some(a::MEMBER_UPDATE);
    call
}
