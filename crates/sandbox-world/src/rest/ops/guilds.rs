//! Guild settings, pruning, incident actions and integrations.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Table;
use super::images;
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError, FieldError};
use crate::rest::form::{Form, LOCALES, NO_CHANNEL};
use crate::world::permissions as perm;
use crate::world::{AssetKind, Audit, Change, Guild, Id, Incidents, Integration, Removed, action};

/// Members that one audit entry of a prune speaks of (discord-api-docs#6428).
const PRUNED_PER_ENTRY: usize = 1000;

pub(super) fn routes(table: &mut Table) {
    table.get("/guilds/{guild_id}", "get_guild", get_guild);
    table.patch("/guilds/{guild_id}", "update_guild", update_guild);
    table.get("/guilds/{guild_id}/preview", "get_guild_preview", preview);
    table.put(
        "/guilds/{guild_id}/incident-actions",
        "update_guild_incident_actions",
        incidents,
    );
    table.get(
        "/guilds/{guild_id}/prune",
        "preview_prune_guild",
        preview_prune,
    );
    table.post("/guilds/{guild_id}/prune", "prune_guild", prune);
    table.get(
        "/guilds/{guild_id}/integrations",
        "list_guild_integrations",
        integrations,
    );
    table.delete(
        "/guilds/{guild_id}/integrations/{integration_id}",
        "delete_guild_integration",
        delete_integration,
    );
    table.get(
        "/guilds/{guild_id}/vanity-url",
        "get_guild_vanity_url",
        vanity,
    );
}

fn get_guild(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let mut json = cx.world.guild_json(guild);
    if cx.query_flag("with_counts", false) {
        let present = guild
            .members
            .keys()
            .filter(|u| cx.world.presences.contains_key(u))
            .count();
        json["approximate_member_count"] = guild.members.len().into();
        json["approximate_presence_count"] = present.into();
    }
    Reply::ok(json)
}

/// Properties whose changes the audit log shows, as they are.
fn audited(guild: &Guild) -> Vec<(&'static str, Value)> {
    vec![
        ("name", json!(guild.name)),
        ("description", json!(guild.description)),
        ("icon_hash", json!(guild.icon)),
        ("splash_hash", json!(guild.splash)),
        ("discovery_splash_hash", json!(guild.discovery_splash)),
        ("banner_hash", json!(guild.banner)),
        ("owner_id", json!(guild.owner_id)),
        ("preferred_locale", json!(guild.preferred_locale)),
        ("afk_channel_id", json!(guild.afk_channel_id)),
        ("afk_timeout", json!(guild.afk_timeout)),
        ("rules_channel_id", json!(guild.rules_channel_id)),
        (
            "public_updates_channel_id",
            json!(guild.public_updates_channel_id),
        ),
        (
            "safety_alerts_channel_id",
            json!(guild.safety_alerts_channel_id),
        ),
        ("system_channel_id", json!(guild.system_channel_id)),
        ("system_channel_flags", json!(guild.system_channel_flags)),
        ("mfa_level", json!(guild.mfa_level)),
        ("verification_level", json!(guild.verification_level)),
        (
            "explicit_content_filter",
            json!(guild.explicit_content_filter),
        ),
        (
            "default_message_notifications",
            json!(guild.default_message_notifications),
        ),
        ("vanity_url_code", json!(guild.vanity_url_code)),
        (
            "premium_progress_bar_enabled",
            json!(guild.premium_progress_bar_enabled),
        ),
    ]
}

/// The state of a thing as the audit log names it.
type Properties = Vec<(&'static str, Value)>;

/// The differences between two states of one thing.
pub(super) fn changes(before: Properties, after: Properties) -> Vec<Change> {
    let pairs = before.into_iter().zip(after);
    let changed = pairs.filter(|((_, old), (_, new))| old != new);
    changed
        .map(|((key, old), (_, new))| Change::new(key, Some(old), Some(new)))
        .collect()
}

fn update_guild(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (id, owner) = {
        let guild = cx.guild()?;
        (guild.id, guild.owner_id)
    };
    cx.require(id, perm::MANAGE_GUILD)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let place = cx.world.guilds.get_mut(&id).ok_or(error::UNKNOWN_GUILD)?;
    let mut guild = place.without_people();
    let before = audited(&guild);
    if let Some(name) = form.text("name", 2..=100) {
        guild.name = name;
    }
    if let Some(text) = form.nullable_text("description", 300) {
        guild.description = text;
    }
    settings(&mut form, &mut guild);
    channels_of(&mut form, &mut guild, cx);
    let new_owner = form.id("owner_id");
    let pictures = [
        ("icon", AssetKind::Icon, ""),
        ("splash", AssetKind::Splash, "INVITE_SPLASH"),
        ("banner", AssetKind::Banner, "BANNER"),
        (
            "discovery_splash",
            AssetKind::DiscoverySplash,
            "DISCOVERABLE",
        ),
    ]
    .map(|(key, kind, feature)| {
        let picture = images::read(&mut form, key);
        let moves = matches!(&picture, Some(Some(p)) if p.content_type == "image/gif");
        let needed = match (key, moves) {
            ("icon", true) => "ANIMATED_ICON",
            ("banner", true) => "ANIMATED_BANNER",
            _ => feature,
        };
        // Without the feature the field is silently left alone.
        picture
            .filter(|_| needed.is_empty() || guild.features.contains(needed))
            .map(|p| (key, kind, p))
    });
    form.done()?;
    let toggled = |feature: &str| {
        let now = cx.world.guilds.get(&id).map(|g| &g.features);
        now.is_some_and(|now| now.contains(feature) != guild.features.contains(feature))
    };
    if toggled("COMMUNITY") || toggled("DISCOVERABLE") {
        cx.require(id, perm::ADMINISTRATOR)?;
    }
    if toggled("PRUNE_REQUIRES_ADMIN") && owner != me {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    let community = guild.features.contains("COMMUNITY");
    let homeless = guild.rules_channel_id.is_none() || guild.public_updates_channel_id.is_none();
    // For good, whatever the message says (discord-api-docs#6015).
    Cx::refuse_if(community && homeless, error::COMMUNITY_UNMET)?;
    if community {
        check_community(cx, &guild)?;
    }
    // "Community servers can have the `INVITES_DISABLED` guild feature" (#6613), those that are one
    // before the request (#5380).
    let was = cx.guild()?.features.contains("COMMUNITY");
    let pauses = toggled("INVITES_DISABLED") && guild.features.contains("INVITES_DISABLED");
    Cx::refuse_if(pauses && !was, error::MISSING_ACCESS)?;
    if let Some(next) = new_owner.filter(|n| *n != owner) {
        if owner != me {
            return Err(error::MISSING_PERMISSIONS.into());
        }
        if !cx.guild()?.members.contains_key(&next) {
            return Err(error::UNKNOWN_MEMBER.into());
        }
        Cx::refuse_if(guild.bots.contains(&next), error::BOT_OWNER)?;
        guild.owner_id = next;
    }
    for (key, kind, picture) in pictures.into_iter().flatten() {
        let hash = picture.map(|stored| cx.world.assets.keep(kind, id, stored));
        match key {
            "icon" => guild.icon = hash,
            "splash" => guild.splash = hash,
            "banner" => guild.banner = hash,
            _ => guild.discovery_splash = hash,
        }
    }
    let changed = changes(before, audited(&guild));
    if let Some(place) = cx.world.guilds.get_mut(&id) {
        place.become_edited(guild);
    }
    cx.world.guild_updated(id);
    if !changed.is_empty() {
        cx.world.audit(
            id,
            Audit::of(action::GUILD_UPDATE, me)
                .target(id)
                .changes(changed)
                .reason(reason.as_deref()),
        );
    }
    let json = cx.world.guilds.get(&id).map(|g| cx.world.guild_json(g));
    Reply::ok(json.unwrap_or_default())
}

/// What a community has besides its two channels: they are for text, members are verified, and media of
/// all are scanned (guild resource, "Guild Features"; error 50086).
fn check_community(cx: &Cx<'_>, guild: &Guild) -> Result<(), ApiError> {
    let own = [guild.rules_channel_id, guild.public_updates_channel_id];
    let mut own = own.into_iter().flatten();
    let text = own.all(|id| cx.world.channels.get(&id).is_some_and(|c| c.kind == 0));
    Cx::refuse_if(!text, error::COMMUNITY_TEXT)?;
    let unmet = [
        ("verification_level", guild.verification_level, 1),
        ("explicit_content_filter", guild.explicit_content_filter, 2),
    ];
    let unmet = unmet.into_iter().filter(|(_, level, least)| level < least);
    let fields: Vec<FieldError> = unmet
        .map(|(key, _, least)| {
            let message = format!("int value should be greater than or equal to {least}.");
            FieldError::new(key, "NUMBER_TYPE_MIN", message)
        })
        .collect();
    if fields.is_empty() {
        Ok(())
    } else {
        Err(ApiError::form(fields))
    }
}

fn settings(form: &mut Form<'_>, guild: &mut Guild) {
    let level = |form: &mut Form<'_>, key: &str, slot: &mut u8, high: i64| {
        let list: Vec<i64> = (0..=high).collect();
        if let Some(n) = form.choice(key, &list) {
            *slot = n as u8;
        }
    };
    level(form, "verification_level", &mut guild.verification_level, 4);
    level(
        form,
        "default_message_notifications",
        &mut guild.default_message_notifications,
        1,
    );
    level(
        form,
        "explicit_content_filter",
        &mut guild.explicit_content_filter,
        2,
    );
    if let Some(n) = form.choice("afk_timeout", &[60, 300, 900, 1800, 3600]) {
        guild.afk_timeout = n as u32;
    }
    if let Some(n) = form.int("system_channel_flags", 0..=i64::from(u32::MAX)) {
        guild.system_channel_flags = n as u32;
    }
    if let Some(locale) = form.text("preferred_locale", 0..=10) {
        if LOCALES.contains(&locale.as_str()) {
            guild.preferred_locale = locale;
        } else {
            let message = format!("Value \"{locale}\" is not a valid enum value.");
            form.error("preferred_locale", "ENUM_TYPE_COERCE", message);
        }
    }
    if let Some(on) = form.flag("premium_progress_bar_enabled") {
        guild.premium_progress_bar_enabled = on;
    }
    if let Some(list) = form.list("features", 100) {
        const SETTABLE: [&str; 5] = [
            "COMMUNITY",
            "DISCOVERABLE",
            "INVITES_DISABLED",
            "PRUNE_REQUIRES_ADMIN",
            "RAID_ALERTS_DISABLED",
        ];
        let wanted: BTreeSet<&str> = list.iter().filter_map(Value::as_str).collect();
        for feature in SETTABLE {
            if wanted.contains(feature) {
                guild.features.insert(feature.to_owned());
            } else {
                guild.features.remove(feature);
            }
        }
        if guild.features.contains("COMMUNITY") {
            guild.features.insert("NEWS".to_owned());
        }
    }
}

fn channels_of(form: &mut Form<'_>, guild: &mut Guild, cx: &Cx<'_>) {
    let slots = [
        ("afk_channel_id", &mut guild.afk_channel_id),
        ("system_channel_id", &mut guild.system_channel_id),
        ("rules_channel_id", &mut guild.rules_channel_id),
        (
            "public_updates_channel_id",
            &mut guild.public_updates_channel_id,
        ),
        (
            "safety_alerts_channel_id",
            &mut guild.safety_alerts_channel_id,
        ),
    ];
    for (key, slot) in slots {
        let Some(wanted) = form.nullable_id(key) else {
            continue;
        };
        // 1 asks for a channel to be made: the first text channel serves.
        let wanted = match wanted {
            Some(Id(1)) => guild
                .channels
                .iter()
                .copied()
                .find(|c| cx.world.channels.get(c).is_some_and(|c| c.kind == 0)),
            other => other,
        };
        if wanted.is_some_and(|c| !guild.channels.contains(&c)) {
            form.error(key, NO_CHANNEL.0, NO_CHANNEL.1);
            continue;
        }
        let kind = wanted
            .and_then(|c| cx.world.channels.get(&c))
            .map(|c| c.kind);
        let fits = match (key, kind) {
            // What a community's may be is an error of its own.
            (_, None) | ("rules_channel_id" | "public_updates_channel_id", _) => true,
            ("afk_channel_id", Some(kind)) => kind == 2,
            (_, Some(kind)) => matches!(kind, 0 | 5),
        };
        if !fits {
            form.error(key, NO_CHANNEL.0, NO_CHANNEL.1);
            continue;
        }
        *slot = wanted;
    }
}

fn preview(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let present = guild
        .members
        .keys()
        .filter(|u| cx.world.presences.contains_key(u))
        .count();
    Reply::ok(json!({
        "id": guild.id, "name": guild.name, "icon": guild.icon, "description": guild.description,
        "home_header": null, "splash": guild.splash, "discovery_splash": guild.discovery_splash,
        "features": guild.features, "approximate_member_count": guild.members.len(),
        "approximate_presence_count": present,
        "emojis": cx.world.emojis_json(guild), "stickers": cx.world.stickers_json(guild),
    }))
}

fn incidents(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_GUILD)?;
    let now = cx.now();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let before = cx.world.guilds.get(&id).and_then(|g| g.incidents.clone());
    // A field that is left out is lifted like one that is null.
    let mut measures = Incidents {
        invites_disabled_until: None,
        dms_disabled_until: None,
        ..before.unwrap_or_default()
    };
    let slots = [
        (
            "invites_disabled_until",
            &mut measures.invites_disabled_until,
        ),
        ("dms_disabled_until", &mut measures.dms_disabled_until),
    ];
    for (key, slot) in slots {
        let Some(until) = form.nullable_time(key) else {
            continue;
        };
        if until.is_some_and(|t| t > now.plus(86_400_000)) {
            form.error(
                key,
                "BASE_TYPE_MAX_VALUE",
                "Must be at most 24 hours in the future.",
            );
        }
        *slot = until.filter(|t| *t > now);
    }
    form.done()?;
    let json = measures.json();
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.incidents = measures.any().then_some(measures);
    }
    cx.world.guild_updated(id);
    Reply::ok(json)
}

fn prune_terms(cx: &Cx<'_>, days: i64, roles: &[Id]) -> Result<Vec<Id>, ApiError> {
    let guild = cx.guild()?;
    if let Some(unknown) = roles.iter().find(|r| !guild.roles.contains_key(r)) {
        return Err(ApiError::field(
            "include_roles",
            "ROLE_INVALID",
            format!("Role {unknown} is invalid."),
        ));
    }
    let roles: BTreeSet<Id> = roles.iter().copied().collect();
    Ok(cx.world.prunable(guild, days, &roles))
}

/// With PRUNE_REQUIRES_ADMIN the two permissions are not enough (discord-api-docs#8540).
fn may_prune(cx: &Cx<'_>) -> Result<(), ApiError> {
    let guild = cx.guild()?;
    let needed = if guild.features.contains("PRUNE_REQUIRES_ADMIN") {
        perm::ADMINISTRATOR
    } else {
        perm::KICK_MEMBERS | perm::MANAGE_GUILD
    };
    cx.require(guild.id, needed)
}

fn preview_prune(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    may_prune(cx)?;
    let days = cx.query_number("days", 7, 1, 30)?;
    let roles: Vec<Id> = cx
        .query_list("include_roles")
        .iter()
        .filter_map(|r| r.parse().ok())
        .collect();
    let found = prune_terms(cx, days as i64, &roles)?;
    Reply::ok(json!({"pruned": found.len()}))
}

fn prune(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    may_prune(cx)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let days = form.int("days", 1..=30).unwrap_or(7);
    let count = form.flag("compute_prune_count").unwrap_or(true);
    let roles = match form.raw("include_roles") {
        Some(Value::String(text)) => text
            .split(',')
            .filter_map(|r| r.trim().parse().ok())
            .collect(),
        _ => form.ids("include_roles", 100).unwrap_or_default(),
    };
    form.done()?;
    let found = prune_terms(cx, days, &roles)?;
    let rate = cx.limits.beside().prunes;
    let taken = cx
        .limits
        .hidden("prunes", &id.to_string(), rate, cx.steady_ms());
    taken.map_err(|_| error::MAX_PRUNES)?;
    for user in &found {
        cx.world.remove_member(id, *user);
        cx.world.note_removal(id, *user, me, Removed::Pruned);
    }
    let mut parts: Vec<&[Id]> = found.chunks(PRUNED_PER_ENTRY).collect();
    if parts.is_empty() {
        parts.push(&[]);
    }
    for (n, part) in parts.into_iter().enumerate() {
        let options = vec![
            ("delete_member_days", days.to_string()),
            ("members_removed", part.len().to_string()),
        ];
        // The first entry alone names who pruned; the others, somebody who was.
        let actor = part.first().copied().filter(|_| n > 0).unwrap_or(me);
        cx.world.audit(
            id,
            Audit::of(action::MEMBER_PRUNE, actor)
                .options(options)
                .reason(reason.as_deref()),
        );
    }
    Reply::ok(json!({"pruned": count.then_some(found.len())}))
}

fn integrations(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    cx.require(guild.id, perm::MANAGE_GUILD)?;
    let list: Vec<Value> = guild
        .integrations
        .values()
        .map(|i| cx.world.integration_json(i))
        .collect();
    Reply::ok(list)
}

fn delete_integration(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_GUILD)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let which = cx.id("integration_id")?;
    let found = cx
        .world
        .guilds
        .get(&id)
        .and_then(|g| g.integrations.get(&which))
        .cloned();
    let integration = found.ok_or(error::UNKNOWN_INTEGRATION)?;
    // Bots manage their own alone (discord-api-docs#2087).
    Cx::refuse_if(is_bot(cx) && integration.bot != me, error::MISSING_ACCESS)?;
    let guild = cx.guild()?;
    if !perm::outranks(guild, me, integration.bot) && integration.bot != me {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    audit_integration_gone(cx, id, &integration, reason.as_deref());
    if cx.world.remove_member(id, integration.bot) {
        cx.world
            .note_removal(id, integration.bot, me, Removed::Kicked);
    }
    cx.world.delete_integration(id, which);
    Reply::nothing()
}

/// The integrations that go with a member: those of a bot.
pub(super) fn integrations_of(cx: &Cx<'_>, guild: Id, member: Id) -> Vec<Integration> {
    let guild = cx.world.guilds.get(&guild);
    let all = guild.into_iter().flat_map(|g| g.integrations.values());
    all.filter(|i| i.bot == member).cloned().collect()
}

/// Removing an application is an entry of its own, beside the kick or ban of its bot.
pub(super) fn audit_integration_gone(
    cx: &mut Cx<'_>,
    guild: Id,
    integration: &Integration,
    reason: Option<&str>,
) {
    let me = cx.me();
    let name = cx.world.apps.get(&integration.app).map(|a| a.name.clone());
    let old = vec![
        Change::new("name", name.map(Value::from), None),
        Change::new("type", Some("discord".into()), None),
    ];
    cx.world.audit(
        guild,
        Audit::of(action::INTEGRATION_DELETE, me)
            .target(integration.id)
            .changes(old)
            .reason(reason),
    );
}

fn vanity(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    cx.require(guild.id, perm::MANAGE_GUILD)?;
    Reply::ok(json!({"code": guild.vanity_url_code, "uses": guild.vanity_uses}))
}

/// Whether the caller is an application's bot.
pub(super) fn is_bot(cx: &Cx<'_>) -> bool {
    matches!(cx.caller, Caller::Bot { .. })
}

/// Announces the guild and writes an entry, if anything changed.
pub(super) fn note(
    cx: &mut Cx<'_>,
    guild: Id,
    me: Id,
    kind: u16,
    (before, after): (Properties, Properties),
    reason: Option<&str>,
) {
    let changed = changes(before, after);
    if changed.is_empty() {
        return;
    }
    cx.world.guild_updated(guild);
    cx.world.audit(
        guild,
        Audit::of(kind, me)
            .target(guild)
            .changes(changed)
            .reason(reason),
    );
}
