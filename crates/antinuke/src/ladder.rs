//! The next thing to do about somebody: edit first, delete later.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use splashtail_guild::permissions::without;
use splashtail_guild::{Id, Kind};

use crate::bits::{self, POWER};
use crate::effect::{Call, CallKey, Inverse, Method, Reason, Rung};
use crate::entry::action as a;
use crate::members::{Sight, managed_role_of, owner, permissions, role_bits};
use crate::policy::{Answer, Policy};

/// Overwrites taken one by one; somebody with more is removed instead.
const MAX_OVERWRITES: usize = 5;

/// What can be done.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Together they contain, unless one is refused.
    Calls(Vec<Call>),
    /// Roles must be known first.
    Fetch,
    /// Nothing holds them any more.
    Harmless,
    /// They stand above the bot: what can be taken is in here.
    Beyond(Vec<Call>),
}

/// What is written down of somebody while they are dealt with.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub incident: Id,
    pub user: Id,
    pub tried: &'a BTreeSet<Rung>,
    pub round: u16,
    /// Their roles were asked for and nobody has them.
    pub fetched: bool,
    /// What they did was read in the log: it may have been answered already.
    pub late: bool,
    /// Discord takes no bans of people outside the server: whoever is removed may come back.
    pub bans_full: bool,
    pub reason: Reason,
}

impl Case<'_> {
    pub fn call(&self, rung: Rung, subject: Id, method: Method, path: String) -> Call {
        Call {
            key: CallKey {
                incident: self.incident,
                actor: self.user,
                rung,
                subject,
                round: self.round,
            },
            method,
            path,
            body: None,
            reason: self.reason,
            action: None,
            target: Some(subject),
            inverse: None,
        }
    }

    fn may(&self, rung: Rung) -> bool {
        !self.tried.contains(&rung)
    }
}

/// The next step against somebody; `ladder` is what is done to people, rung by rung.
pub fn next(case: Case<'_>, sight: Sight<'_>, policy: &Policy, ladder: &[Answer]) -> Next {
    let mine = sight.my_permissions();
    if sight.is_bot(case.user) {
        return bot(case, sight, mine);
    }
    let Some(member) = sight.members.get(case.user) else {
        if !case.fetched {
            return Next::Fetch;
        }
        if case.bans_full {
            return Next::Harmless;
        }
        return match case.may(Rung::Ban) && mine & bits::BAN_MEMBERS != 0 {
            true => Next::Calls(vec![ban(&case, sight)]),
            false => Next::Beyond(Vec::new()),
        };
    };
    let bans_first = ladder.first() == Some(&Answer::Ban) && !case.bans_full;
    let untried = case.tried.is_empty() || case.bans_full;
    if member.gone.is_some() && !bans_first && untried {
        return Next::Harmless;
    }
    let roles = member.roles.clone();
    let armed = permissions(sight.structure, case.user, &roles) & POWER != 0
        || !powerful_overwrites(sight, case.user).is_empty();
    if case.late && !armed {
        return Next::Harmless;
    }
    if !sight.outranks(case.user, &roles) {
        return Next::Beyond(beyond(&case, sight, &roles, mine));
    }
    let order = ladder.iter().map(|answer| match answer {
        Answer::TakeRoles => Rung::TakeRoles,
        Answer::Kick => Rung::Kick,
        Answer::Ban => Rung::Ban,
    });
    let may_ban = mine & bits::BAN_MEMBERS != 0;
    for rung in order.filter(|rung| case.may(*rung)) {
        let calls = match rung {
            Rung::TakeRoles if mine & bits::MANAGE_ROLES != 0 => {
                take_roles(&case, sight, policy, &roles)
            }
            // A ban can follow only while they are here.
            Rung::Kick if case.bans_full && may_ban => None,
            Rung::Kick if mine & bits::KICK_MEMBERS != 0 && member.gone.is_none() => {
                Some(vec![kick(&case, sight)])
            }
            Rung::Ban if mine & bits::BAN_MEMBERS != 0 => Some(vec![ban(&case, sight)]),
            _ => None,
        };
        if let Some(calls) = calls {
            return Next::Calls(calls);
        }
    }
    Next::Beyond(beyond(&case, sight, &roles, mine))
}

fn kick(case: &Case<'_>, sight: Sight<'_>) -> Call {
    let path = format!("/guilds/{}/members/{}", sight.structure.id(), case.user);
    let mut call = case.call(Rung::Kick, case.user, Method::Delete, path);
    call.action = Some(a::MEMBER_KICK);
    call
}

fn ban(case: &Case<'_>, sight: Sight<'_>) -> Call {
    let path = format!("/guilds/{}/bans/{}", sight.structure.id(), case.user);
    let mut call = case.call(Rung::Ban, case.user, Method::Put, path);
    call.body = Some(json!({"delete_message_seconds": 0}));
    call.action = Some(a::MEMBER_BAN_ADD);
    call.inverse = Some(Inverse::Unban { user: case.user });
    call
}

/// One edit that leaves what nobody can take; `None` when it would leave power, or takes nothing.
fn take_roles(
    case: &Case<'_>,
    sight: Sight<'_>,
    policy: &Policy,
    roles: &[Id],
) -> Option<Vec<Call>> {
    let structure = sight.structure;
    let kept = |role: &&Id| {
        let known = structure.get(Kind::Role, **role);
        known.is_some_and(|role| role["managed"] == true) || !sight.is_below_me(**role)
    };
    let (mut left, taken): (Vec<Id>, Vec<Id>) = {
        let (left, taken): (Vec<&Id>, Vec<&Id>) = roles.iter().partition(kept);
        (
            left.into_iter().copied().collect(),
            taken.into_iter().copied().collect(),
        )
    };
    let overwrites = powerful_overwrites(sight, case.user);
    if permissions(structure, case.user, &left) & POWER != 0 || overwrites.len() > MAX_OVERWRITES {
        return None;
    }
    if taken.is_empty() && overwrites.is_empty() {
        return None;
    }
    let quarantine = policy.quarantine_role;
    left.extend(quarantine.filter(|role| sight.is_below_me(*role) && !left.contains(role)));
    let path = format!("/guilds/{}/members/{}", structure.id(), case.user);
    let mut call = case.call(Rung::TakeRoles, case.user, Method::Patch, path);
    call.body = Some(json!({"roles": left}));
    call.action = Some(a::MEMBER_ROLE_UPDATE);
    call.inverse = Some(Inverse::GiveRoles {
        user: case.user,
        roles: taken,
    });
    let mut calls = vec![call];
    for (channel, overwrite) in overwrites {
        let path = format!("/channels/{channel}/permissions/{}", case.user);
        let mut call = case.call(Rung::DropOverwrite, channel, Method::Delete, path);
        call.action = Some(a::OVERWRITE_DELETE);
        call.inverse = Some(Inverse::PutOverwrite { channel, overwrite });
        calls.push(call);
    }
    Some(calls)
}

/// Overwrites that give a member power in a channel the bot sees.
fn powerful_overwrites(sight: Sight<'_>, user: Id) -> Vec<(Id, Value)> {
    let channels = sight.structure.all(Kind::Channel);
    let seen = channels.filter(|(id, _)| !sight.structure.is_hidden(*id));
    let found = seen.filter_map(|(id, channel)| {
        let list = channel["permission_overwrites"].as_array()?;
        let own = list.iter().find(|o| Id::of(o) == Some(user))?;
        (bits::read(&own["allow"]) & POWER != 0).then(|| (id, own.clone()))
    });
    found.collect()
}

/// A bot's role first, its kick beside: a kick has been seen to take forty seconds.
fn bot(case: Case<'_>, sight: Sight<'_>, mine: u64) -> Next {
    let structure = sight.structure;
    let roles = sight.roles(case.user).unwrap_or_default();
    let reachable = sight.outranks(case.user, &roles);
    let mut calls = Vec::new();
    if case.may(Rung::HoldBot) && mine & bits::MANAGE_ROLES != 0 {
        let own = managed_role_of(structure, case.user).filter(|role| sight.is_below_me(*role));
        calls.extend(own.and_then(|role| disarm(&case, sight, Rung::HoldBot, role, u64::MAX)));
        let others: Vec<Id> = roles
            .iter()
            .filter(|role| Some(**role) != managed_role_of(structure, case.user))
            .copied()
            .collect();
        let armed = others.iter().any(|r| role_bits(structure, *r) & POWER != 0);
        if armed && others.iter().all(|role| sight.is_below_me(*role)) {
            let left: Vec<Id> = roles
                .iter()
                .filter(|r| !others.contains(r))
                .copied()
                .collect();
            let path = format!("/guilds/{}/members/{}", structure.id(), case.user);
            let mut call = case.call(Rung::TakeRoles, case.user, Method::Patch, path);
            call.body = Some(json!({"roles": left}));
            call.action = Some(a::MEMBER_ROLE_UPDATE);
            let user = case.user;
            call.inverse = Some(Inverse::GiveRoles {
                user,
                roles: others,
            });
            calls.push(call);
        }
    }
    if case.may(Rung::Kick) && reachable && mine & bits::KICK_MEMBERS != 0 {
        calls.push(kick(&case, sight));
    }
    if calls.is_empty() && case.may(Rung::Ban) && reachable && mine & bits::BAN_MEMBERS != 0 {
        calls.push(ban(&case, sight));
    }
    match calls.is_empty() {
        true => Next::Beyond(beyond(&case, sight, &roles, mine)),
        false => Next::Calls(calls),
    }
}

/// Takes bits from a role, and with them those that the bot lacks itself: Discord refuses a body
/// that has one of these, even where nothing changes.
pub fn disarm(case: &Case<'_>, sight: Sight<'_>, rung: Rung, role: Id, mask: u64) -> Option<Call> {
    let now = role_bits(sight.structure, role);
    if now & mask == 0 {
        return None;
    }
    let (left, _) = without(now, mask, sight.my_permissions());
    let path = format!("/guilds/{}/roles/{role}", sight.structure.id());
    let mut call = case.call(rung, role, Method::Patch, path);
    call.body = Some(json!({"permissions": left.to_string()}));
    call.action = Some(a::ROLE_UPDATE);
    let taken = now & !left;
    call.inverse = Some(Inverse::GiveBits { role, taken, left });
    Some(call)
}

/// Bits that a step takes and that only a person can give back.
pub fn by_hand(call: &Call, mine: u64) -> Option<(Id, u64)> {
    match call.inverse {
        Some(Inverse::GiveBits { role, taken, .. }) if taken & !mine != 0 => {
            Some((role, taken & !mine))
        }
        _ => None,
    }
}

/// Somebody above the bot: every dangerous role below it can still be taken from them.
fn beyond(case: &Case<'_>, sight: Sight<'_>, roles: &[Id], mine: u64) -> Vec<Call> {
    if mine & bits::MANAGE_ROLES == 0 || owner(sight.structure) == Some(case.user) {
        return Vec::new();
    }
    let structure = sight.structure;
    let takeable = roles.iter().copied().filter(|role| {
        let known = structure.get(Kind::Role, *role);
        role_bits(structure, *role) & POWER != 0
            && sight.is_below_me(*role)
            && known.is_none_or(|role| role["managed"] != true)
    });
    takeable
        .map(|role| take_one(case, sight, case.user, role))
        .collect()
}

/// Takes one role from a member.
pub fn take_one(case: &Case<'_>, sight: Sight<'_>, user: Id, role: Id) -> Call {
    let path = format!(
        "/guilds/{}/members/{user}/roles/{role}",
        sight.structure.id()
    );
    let mut call = case.call(Rung::TakeRole, role, Method::Delete, path);
    call.action = Some(a::MEMBER_ROLE_UPDATE);
    call.target = Some(user);
    call.inverse = Some(Inverse::GiveRoles {
        user,
        roles: vec![role],
    });
    call
}
