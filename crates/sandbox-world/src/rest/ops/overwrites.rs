//! Permission overwrites, set one by one or with the channel.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Table, onboarding};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Audit, Change, Channel, Guild, Id, Overwrite, action};

pub(super) fn routes(table: &mut Table) {
    table.put(
        "/channels/{channel_id}/permissions/{overwrite_id}",
        "set_channel_permission_overwrite",
        set,
    );
    table.delete(
        "/channels/{channel_id}/permissions/{overwrite_id}",
        "delete_channel_permission_overwrite",
        delete,
    );
}

type List = BTreeMap<Id, Overwrite>;

/// The `permission_overwrites` of a channel body: at most `most`, the others are put one by one.
pub(super) fn read_list(form: &mut Form<'_>, guild: Option<&Guild>, most: usize) -> Option<List> {
    let list = form.list("permission_overwrites", most)?;
    let mut overwrites = List::new();
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("permission_overwrites.{n}"));
        part.require("id");
        let id = part.id("id").unwrap_or_default();
        let role = guild.is_some_and(|g| g.roles.contains_key(&id));
        let member = match part.raw("type") {
            Some(Value::String(kind)) if kind == "member" => true,
            Some(Value::String(kind)) if kind == "role" => false,
            Some(_) => part.choice("type", &[0, 1]) == Some(1),
            None => !role,
        };
        let allow = part.permissions("allow").unwrap_or(0);
        let deny = part.permissions("deny").unwrap_or(0);
        if !member && !role && id != Id::default() {
            part.error("id", "CHANNEL_OVERWRITE_INVALID", "Unknown role or user.");
        }
        form.absorb(part);
        overwrites.insert(
            id,
            Overwrite {
                id,
                member,
                allow,
                deny,
            },
        );
    }
    Some(overwrites)
}

/// Whether the caller may turn one list into the other; no channel is one being made.
pub(super) fn check_all(
    cx: &Cx<'_>,
    guild: Id,
    channel: Option<&Channel>,
    before: &List,
    after: &List,
) -> Result<(), ApiError> {
    let changed = before
        .keys()
        .chain(after.keys())
        .any(|id| before.get(id) != after.get(id));
    if !changed {
        return Ok(());
    }
    for id in before.keys().chain(after.keys()) {
        check(cx, guild, channel, before.get(id), after.get(id))?;
    }
    Ok(())
}

/// Channel resource, "Edit Channel Permissions": only permissions held in the guild, or in the
/// parent if there is one, can be allowed or denied, unless the channel has an overwrite that gives
/// the caller Manage Roles.
fn check(
    cx: &Cx<'_>,
    guild: Id,
    channel: Option<&Channel>,
    before: Option<&Overwrite>,
    after: Option<&Overwrite>,
) -> Result<(), ApiError> {
    let bits = |o: Option<&Overwrite>| o.map_or((0, 0), |o| (o.allow, o.deny));
    let ((allow, deny), (new_allow, new_deny)) = (bits(before), bits(after));
    let touched = ((allow ^ new_allow) | (deny ^ new_deny)) & perm::ALL;
    if touched == 0 && before.is_some() == after.is_some() {
        return Ok(());
    }
    // A channel being made carries the maker's bits even without Manage Roles.
    if let Some(channel) = channel {
        cx.require_in(channel.id, perm::MANAGE_ROLES)?;
    }
    let me = cx.me();
    let base = cx.world.permissions_of(guild, me);
    if base & perm::ADMINISTRATOR != 0 {
        return Ok(());
    }
    let held = match channel.and_then(|c| c.parent_id) {
        Some(parent) => cx.world.permissions_in(parent, me),
        None => base,
    };
    let lifted = channel.is_some_and(|c| manages_by_overwrite(cx, guild, c));
    // "Setting MANAGE_ROLES permission in channels is only possible for guild administrators."
    if touched & perm::MANAGE_ROLES != 0 || (touched & !held != 0 && !lifted) {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    Ok(())
}

fn manages_by_overwrite(cx: &Cx<'_>, guild: Id, channel: &Channel) -> bool {
    let me = cx.me();
    let place = cx.world.guilds.get(&guild);
    let Some(member) = place.and_then(|g| g.members.get(&me)) else {
        return false;
    };
    let mut mine = channel
        .overwrites
        .values()
        .filter(|o| o.id == me || o.id == guild || member.roles.contains(&o.id));
    mine.any(|o| o.allow & perm::MANAGE_ROLES != 0)
}

fn named(cx: &Cx<'_>, guild: Id, overwrite: &Overwrite) -> Vec<(&'static str, String)> {
    let mut options = vec![
        ("id", overwrite.id.to_string()),
        ("type", u8::from(overwrite.member).to_string()),
    ];
    let role = cx
        .world
        .guilds
        .get(&guild)
        .and_then(|g| g.roles.get(&overwrite.id));
    if let Some(role) = role.filter(|_| !overwrite.member) {
        options.push(("role_name", role.name.clone()));
    }
    options
}

/// Writes an entry for every overwrite that differs.
pub(super) fn audit_difference(
    cx: &mut Cx<'_>,
    guild: Id,
    channel: Id,
    before: &List,
    after: &List,
    reason: Option<&str>,
) {
    let me = cx.me();
    let mut ids: Vec<Id> = before.keys().chain(after.keys()).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let (old, new) = (before.get(&id), after.get(&id));
        let Some(any) = new.or(old) else { continue };
        if old == new {
            continue;
        }
        let kind = match (old, new) {
            (None, _) => action::OVERWRITE_CREATE,
            (Some(_), None) => action::OVERWRITE_DELETE,
            _ => action::OVERWRITE_UPDATE,
        };
        let mut changes = Vec::new();
        if kind != action::OVERWRITE_UPDATE {
            changes.push(Change::new(
                "id",
                old.map(|o| json!(o.id)),
                new.map(|o| json!(o.id)),
            ));
            let type_of = |o: &Overwrite| json!(u8::from(o.member));
            changes.push(Change::new("type", old.map(type_of), new.map(type_of)));
        }
        let bits = |o: Option<&Overwrite>, pick: fn(&Overwrite) -> u64| {
            o.map(|o| json!(pick(o).to_string()))
        };
        for (key, pick) in [
            ("allow", (|o| o.allow) as fn(&Overwrite) -> u64),
            ("deny", |o| o.deny),
        ] {
            if old.map(pick) != new.map(pick) {
                changes.push(Change::new(key, bits(old, pick), bits(new, pick)));
            }
        }
        let options = named(cx, guild, any);
        cx.world.audit(
            guild,
            Audit::of(kind, me)
                .target(channel)
                .changes(changes)
                .options(options)
                .reason(reason),
        );
    }
}

fn set(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?.clone();
    let guild = channel.guild_id.ok_or(error::DM_ONLY_GUILD)?;
    Cx::refuse_if(channel.is_thread(), error::CHANNEL_TYPE)?;
    cx.require_in(channel.id, perm::MANAGE_ROLES)?;
    let id = cx.id("overwrite_id")?;
    let reason = cx.reason()?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("type");
    let member = match form.raw("type") {
        Some(Value::String(kind)) if kind == "member" => true,
        Some(Value::String(kind)) if kind == "role" => false,
        _ => form.choice("type", &[0, 1]) == Some(1),
    };
    let allow = form.permissions("allow").unwrap_or(0);
    let deny = form.permissions("deny").unwrap_or(0);
    form.done()?;
    let known = cx.world.guilds.get(&guild).is_some_and(|g| {
        if member {
            cx.world.users.contains_key(&id)
        } else {
            g.roles.contains_key(&id)
        }
    });
    if !known {
        return Err(if member {
            error::UNKNOWN_USER.into()
        } else {
            error::UNKNOWN_ROLE.into()
        });
    }
    let new = Overwrite {
        id,
        member,
        allow,
        deny,
    };
    check(
        cx,
        guild,
        Some(&channel),
        channel.overwrites.get(&id),
        Some(&new),
    )?;
    let full = channel.overwrites.len() >= cx.limits.caps().overwrites
        && !channel.overwrites.contains_key(&id);
    Cx::refuse_if(full, error::MAX_OVERWRITES)?;
    let mut after = channel.overwrites.clone();
    after.insert(id, new);
    onboarding::keep_open(cx, guild, channel.id, &channel.overwrites, &after)?;
    replace(cx, guild, channel.id, channel.overwrites, after, reason)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?.clone();
    let guild = channel.guild_id.ok_or(error::DM_ONLY_GUILD)?;
    cx.require_in(channel.id, perm::MANAGE_ROLES)?;
    let id = cx.id("overwrite_id")?;
    let reason = cx.reason()?;
    let old = channel
        .overwrites
        .get(&id)
        .copied()
        .ok_or(error::UNKNOWN_OVERWRITE)?;
    check(cx, guild, Some(&channel), Some(&old), None)?;
    let mut after = channel.overwrites.clone();
    after.remove(&id);
    onboarding::keep_open(cx, guild, channel.id, &channel.overwrites, &after)?;
    replace(cx, guild, channel.id, channel.overwrites, after, reason)
}

fn replace(
    cx: &mut Cx<'_>,
    guild: Id,
    channel: Id,
    before: List,
    after: List,
    reason: Option<String>,
) -> Result<Reply, ApiError> {
    if before != after {
        let fresh = after.clone();
        cx.world.edit_channel(channel, |c| c.overwrites = fresh);
        audit_difference(cx, guild, channel, &before, &after, reason.as_deref());
    }
    Reply::nothing()
}
