//! Acts that give somebody power, or take it.

use serde_json::Value;
use splashtail_guild::Id;

use super::table::p;
use super::{Act, Instant, Repair};
use crate::bits::{self, POWER};
use crate::entry::{Entry, action as a};
use crate::limit::LimitType as T;
use crate::members::{Sight, role_bits};

/// Holders from which on a role is large.
const LARGE_ROLE: usize = 20;

pub(super) fn overwrite(act: &mut Act, entry: &Entry<'_>, sight: Sight<'_>) {
    let gained = |key| {
        let change = entry.change(key);
        change.map_or((0, 0), |c| {
            let (old, new) = (bits::read(c.old), bits::read(c.new));
            (new & !old, old & !new)
        })
    };
    let (allowed, no_longer_allowed) = gained("allow");
    let (denied, _) = gained("deny");
    let powerful = allowed & POWER != 0 && entry.action != a::OVERWRITE_DELETE;
    act.one(T::OverwriteChange, if powerful { p(80) } else { p(10) });
    let whom = Id::read(entry.option("id"));
    let mine = whom.is_some_and(|whom| {
        let roles = sight.roles(sight.me).unwrap_or_default();
        whom == sight.me || roles.contains(&whom)
    });
    let created = entry.action != a::OVERWRITE_DELETE && denied & bits::VIEW_CHANNEL != 0;
    if mine && (created || no_longer_allowed & bits::VIEW_CHANNEL != 0) {
        act.one(T::SightDenied, p(20));
    }
}

pub(super) fn member_roles(
    act: &mut Act,
    entry: &Entry<'_>,
    actor: Option<Id>,
    sight: Sight<'_>,
) -> Option<()> {
    let (added, removed) = (entry.roles("$add"), entry.roles("$remove"));
    let has_power = |role: &&Id| role_bits(sight.structure, **role) & POWER != 0;
    let dangerous: Vec<Id> = added.iter().filter(has_power).copied().collect();
    let target = entry.target?;
    let own = actor == Some(target);
    // The member's own event may have come first: what the entry adds is not what they had.
    let manages = actor
        .and_then(|actor| sight.permissions_without(actor, &added, entry.at()))
        .is_some_and(|had| had & bits::MANAGE_ROLES != 0);
    let nobodys = entry.by_integration() || (own && !manages);
    if nobodys {
        if dangerous.is_empty() {
            return None;
        }
        // Onboarding or a linked role gave it: nobody is to blame, but it does not stay.
        act.repairs = take_all(target, &dangerous);
        return Some(());
    }
    act.needs = bits::MANAGE_ROLES;
    if !dangerous.is_empty() {
        act.one(T::DangerousRoleGiven, p(100));
        if own {
            act.instants.push(Instant::OwnRightsRaised);
            act.repairs = take_all(target, &dangerous);
        }
    }
    let harmless = added.len() - dangerous.len();
    if harmless > 0 {
        act.count(T::RoleGivenToMember, harmless as u64);
        act.weigh(harmless as u32);
    }
    if !removed.is_empty() {
        let staff = removed.iter().any(|role| has_power(&role));
        act.count(T::RoleRemovedFromMember, removed.len() as u64);
        act.weigh(match staff {
            true => p(30),
            false => p(5).saturating_mul(removed.len() as u32),
        });
        let mine = target == sight.me && actor != Some(sight.me);
        if mine {
            act.instants.push(Instant::Tamper);
        }
    }
    act.count(T::MemberRolesUpdated, 1);
    Some(())
}

fn take_all(user: Id, roles: &[Id]) -> Vec<Repair> {
    let one = |role: &Id| Repair::TakeRole { user, role: *role };
    roles.iter().map(one).collect()
}

pub(super) fn role_update(act: &mut Act, entry: &Entry<'_>, actor: Option<Id>, sight: Sight<'_>) {
    act.needs = bits::MANAGE_ROLES;
    act.one(T::RoleUpdate, p(10));
    let (Some(change), Some(role)) = (entry.change("permissions"), entry.target) else {
        return;
    };
    let (old, new) = (bits::read(change.old), bits::read(change.new));
    let (gained, lost) = (new & !old & POWER, old & !new);
    let my_roles = sight.roles(sight.me).unwrap_or_default();
    if lost & POWER != 0 && my_roles.contains(&role) {
        act.instants.push(Instant::Tamper);
    }
    if gained == 0 {
        return;
    }
    act.one(T::DangerousPermissionGrant, p(100));
    let large = LARGE_ROLE.min((sight.member_count() / 20).max(2) as usize);
    let many = role == sight.structure.id() || sight.members.holders(role) > large;
    let own = actor.and_then(|actor| sight.members.get(actor));
    if many {
        act.instants.push(Instant::PowerToMany);
        act.repairs.push(Repair::RoleBits { role, gained });
    } else if own.is_some_and(|m| m.roles.contains(&role)) {
        act.instants.push(Instant::OwnRightsRaised);
        act.repairs.push(Repair::RoleBits { role, gained });
    }
}

pub(super) fn invite(act: &mut Act, entry: &Entry<'_>, sight: Sight<'_>) {
    let create = entry.action == a::INVITE_CREATE;
    act.one(
        if create {
            T::InviteCreate
        } else {
            T::InviteUpdate
        },
        p(2),
    );
    let roles = entry.change("role_ids").map(|c| c.new.as_array());
    let roles = roles.flatten().into_iter().flatten().filter_map(Id::read);
    let mut given = roles.map(|role| role_bits(sight.structure, role));
    if given.any(|given| given & POWER != 0) {
        act.weigh(p(100));
        act.instants.push(Instant::PowerByInvite);
        let code = entry
            .change("code")
            .map(|c| (c.new.as_str(), c.old.as_str()));
        let code = code.and_then(|(new, old)| new.or(old));
        // A code is part of a path: letters, digits and dashes are all it ever has.
        let code = code.filter(|c| c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        act.repairs.extend(code.map(|code| Repair::DeleteInvite {
            code: code.to_owned(),
        }));
    }
}

pub(super) fn onboarding(act: &mut Act, entry: &Entry<'_>, sight: Sight<'_>) {
    act.needs = bits::MANAGE_GUILD;
    act.one(T::OnboardingChange, p(20));
    let powerful = |id: Id| role_bits(sight.structure, id) & POWER != 0;
    let roles_in = |value: &Value| {
        let mut found = Vec::new();
        role_ids(value, 0, &mut found);
        found.into_iter().any(powerful)
    };
    let gives = entry.changes().any(|c| roles_in(c.new) && !roles_in(c.old));
    if gives {
        act.instants.push(Instant::PowerByOnboarding);
        let prompts = entry.change("prompts").map(|c| c.old.clone());
        let prompts = prompts.filter(Value::is_array);
        act.repairs.push(Repair::RestoreOnboarding { prompts });
    }
}

/// Ids below `role_ids`, wherever a prompt or an option keeps them.
fn role_ids(value: &Value, depth: u8, found: &mut Vec<Id>) {
    if depth > 6 || found.len() > 500 {
        return;
    }
    match value {
        Value::Array(list) => {
            found.extend(list.iter().filter_map(Id::read));
            list.iter()
                .for_each(|item| role_ids(item, depth + 1, found));
        }
        Value::Object(map) => map.iter().for_each(|(key, item)| {
            if matches!(key.as_str(), "options" | "role_ids" | "prompts") {
                role_ids(item, depth + 1, found);
            }
        }),
        _ => {}
    }
}
