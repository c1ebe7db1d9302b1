//! Roles.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Table;
use super::{guilds, images, onboarding};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, listed, read_id};
use crate::world::permissions as perm;
use crate::world::{AssetKind, Audit, Change, Guild, Id, Role, Stored, action};

pub(super) fn routes(table: &mut Table) {
    table.get("/guilds/{guild_id}/roles", "list_guild_roles", list);
    // Seen in headers as Limit 250 with a Reset-After of a day and more (Discord.Net#1451): a bucket
    // of each caller's own in each guild.
    table
        .post("/guilds/{guild_id}/roles", "create_guild_role", create)
        .limit("create_guild_role", 250, 48 * 3_600_000);
    table.patch(
        "/guilds/{guild_id}/roles",
        "bulk_update_guild_roles",
        reorder,
    );
    table.get(
        "/guilds/{guild_id}/roles/member-counts",
        "guild_role_member_counts",
        counts,
    );
    table.get("/guilds/{guild_id}/roles/{role_id}", "get_guild_role", get);
    // Both unpublished.
    table
        .patch(
            "/guilds/{guild_id}/roles/{role_id}",
            "update_guild_role",
            update,
        )
        .limit("update_guild_role", 10, 1000);
    table
        .delete(
            "/guilds/{guild_id}/roles/{role_id}",
            "delete_guild_role",
            delete,
        )
        .limit("delete_guild_role", 10, 1000);
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(
        cx.guild_inside()?
            .roles
            .values()
            .map(Role::json)
            .collect::<Vec<_>>(),
    )
}

/// The role in the path.
pub(super) fn in_path<'g>(cx: &Cx<'_>, guild: &'g Guild) -> Result<&'g Role, ApiError> {
    Ok(guild
        .roles
        .get(&cx.id("role_id")?)
        .ok_or(error::UNKNOWN_ROLE)?)
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    Reply::ok(in_path(cx, guild)?.json())
}

fn counts(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let mut counts: BTreeMap<String, u64> = guild
        .roles
        .keys()
        .filter(|r| **r != guild.id)
        .map(|r| (r.to_string(), 0))
        .collect();
    for role in guild.members.values().flat_map(|m| &m.roles) {
        if let Some(count) = counts.get_mut(&role.to_string()) {
            *count += 1;
        }
    }
    Reply::ok(json!(counts))
}

fn audited(role: &Role) -> Vec<(&'static str, Value)> {
    vec![
        ("name", json!(role.name)),
        ("permissions", json!(role.permissions.to_string())),
        ("color", json!(role.colors.0)),
        (
            "colors",
            json!({"primary_color": role.colors.0, "secondary_color": role.colors.1, "tertiary_color": role.colors.2}),
        ),
        ("hoist", json!(role.hoist)),
        ("mentionable", json!(role.mentionable)),
        ("icon_hash", json!(role.icon)),
        ("unicode_emoji", json!(role.unicode_emoji)),
    ]
}

/// Reads the fields of a role into `role`; the picture comes back to be kept.
fn read(form: &mut Form<'_>, role: &mut Role) -> Option<Option<Stored>> {
    if let Some(name) = form.text("name", 0..=100) {
        role.name = if name.is_empty() {
            "new role".to_owned()
        } else {
            name
        };
    }
    if let Some(bits) = form.permissions("permissions") {
        role.permissions = bits;
    }
    if let Some(color) = form.int("color", 0..=0xff_ffff) {
        role.colors = (color as u32, None, None);
    }
    if let Some(colors) = form.raw("colors") {
        let mut part = Form::at(colors, "colors");
        part.require("primary_color");
        let mut read = |key| part.int(key, 0..=0xff_ffff).map(|c| c as u32);
        role.colors = (
            read("primary_color").unwrap_or(0),
            read("secondary_color"),
            read("tertiary_color"),
        );
        form.absorb(part);
    }
    if let Some(on) = form.flag("hoist") {
        role.hoist = on;
    }
    if let Some(on) = form.flag("mentionable") {
        role.mentionable = on;
    }
    if let Some(emoji) = form.nullable_text("unicode_emoji", 100) {
        role.unicode_emoji = emoji;
    }
    images::read(form, "icon")
}

/// Icons and gradients are for guilds with the feature.
fn boosted(guild: &Guild, role: &Role, icon: Option<&Option<Stored>>) -> Result<(), ApiError> {
    let lacks = |feature: &str| !guild.features.contains(feature);
    let pictured = icon.is_some_and(Option::is_some) || role.unicode_emoji.is_some();
    let gradient = role.colors.1.is_some() || role.colors.2.is_some();
    Cx::refuse_if(
        (pictured && lacks("ROLE_ICONS")) || (gradient && lacks("ENHANCED_ROLE_COLORS")),
        error::NEEDS_BOOSTS,
    )
}

/// Whether the caller holds every bit of a `permissions` body: a bit it lacks is refused even where
/// the role has it already (discord.js#5634).
fn grantable(cx: &Cx<'_>, guild: Id, wanted: u64) -> Result<(), ApiError> {
    let own = cx.world.permissions_of(guild, cx.me());
    // Unknown bits are kept, but nobody can be said to hold them.
    if wanted & perm::ALL & !own == 0 {
        Ok(())
    } else {
        Err(error::MISSING_PERMISSIONS.into())
    }
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let (id, full) = (guild.id, guild.roles.len() >= cx.limits.caps().roles);
    let everyone = guild.roles.get(&id).map_or(0, |r| r.permissions);
    cx.require(id, perm::MANAGE_ROLES)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    // All new roles get position 1; at one position the lower id is higher (role object,
    // `position`), so a new one is below those that are there. Nothing else moves.
    let mut role = Role::new(Id(0), "new role", everyone, 1);
    let icon = read(&mut form, &mut role);
    form.done()?;
    boosted(cx.guild_inside()?, &role, icon.as_ref())?;
    if form_has(&body, "permissions") {
        grantable(cx, id, role.permissions)?;
    }
    Cx::refuse_if(full, error::MAX_ROLES)?;
    role.id = cx.world.next_id();
    role.icon = icon
        .flatten()
        .map(|stored| cx.world.assets.keep(AssetKind::RoleIcon, role.id, stored));
    let changes = Change::made(audited(&role));
    let (json, role_id) = (role.json(), role.id);
    cx.world.add_role(id, role);
    cx.world.audit(
        id,
        Audit::of(action::ROLE_CREATE, me)
            .target(role_id)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::ok(json)
}

fn form_has(body: &Value, key: &str) -> bool {
    body.get(key).is_some_and(|v| !v.is_null())
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let id = guild.id;
    let before = in_path(cx, guild)?.clone();
    cx.require(id, perm::MANAGE_ROLES)?;
    let me = cx.me();
    if before.id != id && !perm::outranks_role(guild, me, &before) {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    let reason = cx.reason()?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut role = before.clone();
    let icon = read(&mut form, &mut role);
    form.done()?;
    boosted(cx.guild_inside()?, &role, icon.as_ref())?;
    if before.id == id {
        // Only the permissions of @everyone can be changed.
        role = Role {
            permissions: role.permissions,
            ..before.clone()
        };
        onboarding::keep_all_open(cx, id, role.permissions)?;
    }
    if form_has(&body, "permissions") {
        grantable(cx, id, role.permissions)?;
    }
    if let Some(icon) = icon {
        role.icon = icon.map(|stored| cx.world.assets.keep(AssetKind::RoleIcon, role.id, stored));
    }
    let changed = guilds::changes(audited(&before), audited(&role));
    let (json, role_id) = (role.json(), role.id);
    cx.world.edit_role(id, role_id, |r| *r = role);
    if !changed.is_empty() {
        cx.world.audit(
            id,
            Audit::of(action::ROLE_UPDATE, me)
                .target(role_id)
                .changes(changed)
                .reason(reason.as_deref()),
        );
    }
    Reply::ok(json)
}

fn reorder(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let id = guild.id;
    cx.require(id, perm::MANAGE_ROLES)?;
    let me = cx.me();
    let body = cx.body()?;
    let list = listed(&body)?;
    let mut wanted = Vec::new();
    for (n, entry) in list.iter().enumerate() {
        let role = entry.get("id").and_then(read_id);
        let role = role.ok_or_else(|| {
            ApiError::field(
                &format!("{n}.id"),
                "BASE_TYPE_REQUIRED",
                "This field is required",
            )
        })?;
        let mut form = Form::at(entry, &n.to_string());
        let position = form.int("position", 0..=i64::from(i32::MAX));
        form.done()?;
        if let Some(position) = position {
            // Clients send whole lists: @everyone stays at the bottom whatever they say.
            if role != id {
                wanted.push((role, position.max(1)));
            }
        }
    }
    let guild = cx.guild_inside()?;
    let top = perm::top_role(guild, me).map_or(0, |r| r.position);
    for (role, position) in &wanted {
        let state = guild.roles.get(role).ok_or(error::UNKNOWN_ROLE)?;
        let owner = guild.owner_id == me;
        if state.position != *position
            && !owner
            && (!perm::outranks_role(guild, me, state) || *position >= top)
        {
            return Err(error::MISSING_PERMISSIONS.into());
        }
    }
    let moved = renumber(cx, id, &wanted);
    for role in moved {
        cx.world.role_updated(id, role);
    }
    list_again(cx, id)
}

/// Puts the given roles at their places, closes gaps, and returns what moved.
fn renumber(cx: &mut Cx<'_>, id: Id, wanted: &[(Id, i64)]) -> Vec<Id> {
    let Some(guild) = cx.world.guilds.get_mut(&id) else {
        return Vec::new();
    };
    let before: BTreeMap<Id, i64> = guild.roles.values().map(|r| (r.id, r.position)).collect();
    let named = |role: Id| wanted.iter().find(|(r, _)| *r == role).map(|(_, p)| *p);
    let mut order: Vec<(i64, bool, std::cmp::Reverse<Id>)> = guild
        .roles
        .values()
        .filter(|r| r.id != id)
        .map(|r| {
            let asked = named(r.id);
            // A role that moves up goes above what is there, one that moves down below it.
            let up = asked.is_some_and(|p| p > r.position);
            (
                asked.unwrap_or(r.position) * 4 + i64::from(up) - i64::from(asked.is_some() && !up),
                up,
                std::cmp::Reverse(r.id),
            )
        })
        .collect();
    order.sort_unstable();
    for (place, (_, _, role)) in order.into_iter().enumerate() {
        if let Some(role) = guild.roles.get_mut(&role.0) {
            role.position = place as i64 + 1;
        }
    }
    guild
        .roles
        .values()
        .filter(|r| before.get(&r.id) != Some(&r.position))
        .map(|r| r.id)
        .collect()
}

fn list_again(cx: &Cx<'_>, id: Id) -> Result<Reply, ApiError> {
    let guild = cx.world.guilds.get(&id).ok_or(error::UNKNOWN_GUILD)?;
    Reply::ok(guild.roles.values().map(Role::json).collect::<Vec<_>>())
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild_inside()?;
    let id = guild.id;
    let role = in_path(cx, guild)?.clone();
    cx.require(id, perm::MANAGE_ROLES)?;
    let me = cx.me();
    if role.id != id && !perm::outranks_role(guild, me, &role) {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    Cx::refuse_if(role.id == id || role.managed, error::INVALID_ROLE)?;
    let reason = cx.reason()?;
    cx.world.delete_role(id, role.id);
    let changes = Change::gone(audited(&role));
    cx.world.audit(
        id,
        Audit::of(action::ROLE_DELETE, me)
            .target(role.id)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::nothing()
}
