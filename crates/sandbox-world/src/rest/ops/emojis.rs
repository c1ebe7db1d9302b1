//! Emojis and stickers of guilds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Table;
use super::{images, lengths};
use crate::rest::caps::at_tier;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::rest::routes::Auth;
use crate::world::permissions as perm;
use crate::world::{AssetKind, Audit, Change, Emoji, Guild, Id, Sticker, Stored, action};

/// Bytes of an emoji.
const MAX_EMOJI: usize = 256 * 1024;
/// Bytes of a sticker.
const MAX_STICKER: usize = 512 * 1024;
/// Longer side of a sticker.
const STICKER_PIXELS: u32 = 320;
/// How long a sticker moves.
const STICKER_MS: u64 = 5000;

pub(super) fn routes(table: &mut Table) {
    table
        .get("/sticker-packs", "list_sticker_packs", packs)
        .auth(Auth::Open);
    table
        .get("/sticker-packs/{pack_id}", "get_sticker_pack", pack)
        .auth(Auth::Open);
    table.get("/guilds/{guild_id}/emojis", "list_guild_emojis", list);
    table.post("/guilds/{guild_id}/emojis", "create_guild_emoji", create);
    table.get(
        "/guilds/{guild_id}/emojis/{emoji_id}",
        "get_guild_emoji",
        get,
    );
    table.patch(
        "/guilds/{guild_id}/emojis/{emoji_id}",
        "update_guild_emoji",
        update,
    );
    table.delete(
        "/guilds/{guild_id}/emojis/{emoji_id}",
        "delete_guild_emoji",
        delete,
    );
    table.get(
        "/guilds/{guild_id}/stickers",
        "list_guild_stickers",
        list_stickers,
    );
    table.post(
        "/guilds/{guild_id}/stickers",
        "create_guild_sticker",
        create_sticker,
    );
    table.get(
        "/guilds/{guild_id}/stickers/{sticker_id}",
        "get_guild_sticker",
        get_sticker,
    );
    table.patch(
        "/guilds/{guild_id}/stickers/{sticker_id}",
        "update_guild_sticker",
        update_sticker,
    );
    table.delete(
        "/guilds/{guild_id}/stickers/{sticker_id}",
        "delete_guild_sticker",
        delete_sticker,
    );
    table.get("/stickers/{sticker_id}", "get_sticker", get_any_sticker);
}

/// Making is one permission, changing what others made another.
fn may_create(cx: &Cx<'_>, guild: Id) -> Result<(), ApiError> {
    cx.require(guild, perm::CREATE_GUILD_EXPRESSIONS)
}

pub(super) fn may_change(cx: &Cx<'_>, guild: Id, creator: Id) -> Result<(), ApiError> {
    if creator == cx.me() && may_create(cx, guild).is_ok() {
        return Ok(());
    }
    cx.require(guild, perm::MANAGE_GUILD_EXPRESSIONS)
}

/// An expression as the caller gets it: only those who look after them are told who made it.
pub(super) fn signed(cx: &Cx<'_>, guild: Id, mut json: Value) -> Value {
    let bits = cx.world.permissions_of(guild, cx.me());
    let trusted = bits & (perm::CREATE_GUILD_EXPRESSIONS | perm::MANAGE_GUILD_EXPRESSIONS) != 0;
    if let Some(map) = json.as_object_mut().filter(|_| !trusted) {
        map.shift_remove("user");
    }
    json
}

/// Counts a change of the guild's emojis against the limit that all share.
fn count_change(cx: &Cx<'_>, guild: Id) -> Result<(), ApiError> {
    let rate = cx.limits.beside().emojis;
    cx.limits
        .shared("guild_emojis", &guild.to_string(), rate, cx.steady_ms())
}

/// The roles that an emoji is for are the guild's.
fn check_roles(cx: &Cx<'_>, roles: &[Id]) -> Result<(), ApiError> {
    let guild = cx.guild()?;
    let known = |role| guild.roles.contains_key(role);
    Cx::refuse_if(!roles.iter().all(known), error::UNKNOWN_ROLE)
}

/// Discord's own stickers: the sandbox has none.
fn packs(_: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(json!({"sticker_packs": []}))
}

fn pack(_: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Err(error::UNKNOWN_STICKER_PACK.into())
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let emojis = cx.world.emojis_json(guild).into_iter();
    Reply::list(emojis.map(|e| signed(cx, guild.id, e)))
}

fn emoji(cx: &Cx<'_>) -> Result<(Id, Emoji), ApiError> {
    let guild = cx.guild()?;
    let emoji = guild
        .emojis
        .get(&cx.id("emoji_id")?)
        .ok_or(error::UNKNOWN_EMOJI)?;
    Ok((guild.id, emoji.clone()))
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, emoji) = emoji(cx)?;
    Reply::ok(signed(cx, guild, cx.world.emoji_json(&emoji)))
}

/// The `name` of an emoji.
pub(super) fn read_name(form: &mut Form<'_>) -> Option<String> {
    let name = form.text("name", 2..=32)?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        form.error(
            "name",
            "STRING_TYPE_REGEX",
            "String value did not match validation regex.",
        );
    }
    Some(name)
}

/// Name and picture of a new emoji; with neither, the form says why.
pub(super) fn read_new(form: &mut Form<'_>) -> Option<(String, Stored)> {
    form.require("name");
    form.require("image");
    let name = read_name(form);
    let image = images::read(form, "image").flatten();
    if image.as_ref().is_some_and(|i| i.bytes.len() > MAX_EMOJI) {
        form.error(
            "image",
            "BINARY_TYPE_MAX_SIZE",
            "File cannot be larger than 256.0 kb.",
        );
    }
    name.zip(image)
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let (id, tier) = (guild.id, guild.premium_tier);
    let (animated, still) =
        guild.emojis.values().fold(
            (0, 0),
            |(a, s), e| if e.animated { (a + 1, s) } else { (a, s + 1) },
        );
    may_create(cx, id)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let picture = read_new(&mut form);
    let roles = form.ids("roles", 250).unwrap_or_default();
    form.done()?;
    check_roles(cx, &roles)?;
    count_change(cx, id)?;
    let (name, image) = picture.ok_or(error::BAD_FILE)?;
    let moves = image.content_type == "image/gif";
    let (used, full) = if moves {
        (animated, error::MAX_ANIMATED_EMOJIS)
    } else {
        (still, error::MAX_EMOJIS)
    };
    Cx::refuse_if(used >= at_tier(cx.limits.caps().emojis, tier), full)?;
    let emoji = Emoji {
        id: cx.world.next_id(),
        name,
        roles: roles.into_iter().collect(),
        animated: moves,
        creator: me,
    };
    cx.world
        .assets
        .keep_by_id(AssetKind::Emoji, emoji.id, image);
    let json = cx.world.emoji_json(&emoji);
    let changes = vec![Change::new("name", None, Some(emoji.name.as_str().into()))];
    let new = emoji.id;
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.emojis.insert(new, emoji);
    }
    cx.world.expressions_updated(id, false);
    cx.world.audit(
        id,
        Audit::of(action::EMOJI_CREATE, me)
            .target(new)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::created(json)
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (id, mut emoji) = emoji(cx)?;
    may_change(cx, id, emoji.creator)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let name = read_name(&mut form);
    let roles = form.ids("roles", 250);
    form.done()?;
    check_roles(cx, roles.as_deref().unwrap_or_default())?;
    count_change(cx, id)?;
    let before = emoji.name.clone();
    if let Some(name) = name {
        emoji.name = name;
    }
    if let Some(roles) = roles {
        emoji.roles = roles.into_iter().collect::<BTreeSet<_>>();
    }
    let (json, which, after) = (cx.world.emoji_json(&emoji), emoji.id, emoji.name.clone());
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.emojis.insert(which, emoji);
    }
    cx.world.expressions_updated(id, false);
    if before != after {
        let changes = vec![Change::new("name", Some(before.into()), Some(after.into()))];
        cx.world.audit(
            id,
            Audit::of(action::EMOJI_UPDATE, me)
                .target(which)
                .changes(changes)
                .reason(reason.as_deref()),
        );
    }
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (id, emoji) = emoji(cx)?;
    may_change(cx, id, emoji.creator)?;
    let reason = cx.reason()?;
    count_change(cx, id)?;
    let me = cx.me();
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.emojis.remove(&emoji.id);
    }
    cx.world.assets.forget(AssetKind::Emoji, emoji.id);
    cx.world.expressions_updated(id, false);
    let changes = vec![Change::new("name", Some(emoji.name.into()), None)];
    cx.world.audit(
        id,
        Audit::of(action::EMOJI_DELETE, me)
            .target(emoji.id)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::nothing()
}

fn list_stickers(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let stickers = cx.world.stickers_json(guild).into_iter();
    Reply::list(stickers.map(|s| signed(cx, guild.id, s)))
}

fn sticker(cx: &Cx<'_>) -> Result<(Id, Sticker), ApiError> {
    let guild = cx.guild()?;
    let sticker = guild
        .stickers
        .get(&cx.id("sticker_id")?)
        .ok_or(error::UNKNOWN_STICKER)?;
    Ok((guild.id, sticker.clone()))
}

fn get_sticker(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, sticker) = sticker(cx)?;
    Reply::ok(signed(cx, guild, cx.world.sticker_json(guild, &sticker)))
}

fn get_any_sticker(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.id("sticker_id")?;
    let found = cx
        .world
        .guilds
        .values()
        .find_map(|g| g.stickers.get(&id).map(|s| cx.world.sticker_json(g.id, s)));
    Reply::ok(found.ok_or(error::UNKNOWN_STICKER)?)
}

fn audited(sticker: &Sticker) -> Vec<(&'static str, Value)> {
    vec![
        ("name", json!(sticker.name)),
        ("tags", json!(sticker.tags)),
        ("description", json!(sticker.description)),
    ]
}

fn create_sticker(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let (id, count, tier) = (guild.id, guild.stickers.len(), guild.premium_tier);
    may_create(cx, id)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let file = std::mem::take(&mut cx.files).into_iter().next();
    let mut form = Form::new(&body);
    for key in ["name", "tags"] {
        form.require(key);
    }
    let name = form.text("name", 2..=30).unwrap_or_default();
    let tags = form.text("tags", 1..=200).unwrap_or_default();
    let description = form.text("description", 0..=100).filter(|d| !d.is_empty());
    if file.is_none() {
        form.error("file", "BASE_TYPE_REQUIRED", "This field is required");
    }
    form.done()?;
    let Some(file) = file else {
        return Err(error::BAD_FILE.into());
    };
    if file.bytes.len() > MAX_STICKER {
        return Err(ApiError::new(
            400,
            50045,
            "File uploaded exceeds the maximum size",
        ));
    }
    let (format, content_type) = match images::sniff(&file.bytes) {
        Some("image/png") if lengths::moves(&file.bytes) => (2, "image/png"),
        Some("image/png") => (1, "image/png"),
        Some("image/gif") => (4, "image/gif"),
        None if file.bytes.first() == Some(&b'{') => (3, "application/json"),
        _ => return Err(error::BAD_FILE.into()),
    };
    check_sticker(cx.guild()?, format, &file.bytes)?;
    Cx::refuse_if(
        count >= at_tier(cx.limits.caps().stickers, tier),
        error::MAX_STICKERS,
    )?;
    let sticker = Sticker {
        id: cx.world.next_id(),
        name,
        description,
        tags,
        format,
        creator: me,
    };
    let stored = Stored {
        bytes: file.bytes,
        content_type: content_type.to_owned(),
    };
    cx.world
        .assets
        .keep_by_id(AssetKind::Sticker, sticker.id, stored);
    let json = cx.world.sticker_json(id, &sticker);
    let changes = Change::made(audited(&sticker));
    let new = sticker.id;
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.stickers.insert(new, sticker);
    }
    cx.world.expressions_updated(id, true);
    cx.world.audit(
        id,
        Audit::of(action::STICKER_CREATE, me)
            .target(new)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::created(json)
}

/// "Uploaded stickers are constrained to 5 seconds in length for animated stickers, and 320 x 320 pixels",
/// and "Lottie stickers can only be uploaded on guilds that have either the VERIFIED and/or the
/// PARTNERED guild feature" (sticker resource).
fn check_sticker(guild: &Guild, format: u8, bytes: &[u8]) -> Result<(), ApiError> {
    const LOTTIE: u8 = 3;
    let trusted = ["VERIFIED", "PARTNERED"];
    let trusted = trusted.iter().any(|f| guild.features.contains(*f));
    if format != LOTTIE {
        let size = images::dimensions(bytes);
        let large = size.is_some_and(|(width, height)| width.max(height) > STICKER_PIXELS);
        Cx::refuse_if(large, error::BAD_FILE)?;
        let long = lengths::of_picture(bytes).is_some_and(|ms| ms > STICKER_MS);
        return Cx::refuse_if(long, error::STICKER_TOO_LONG);
    }
    Cx::refuse_if(!trusted, error::BAD_FILE)?;
    let lottie = lengths::of_lottie(bytes).ok_or(error::BAD_LOTTIE)?;
    let large = lottie.width.max(lottie.height) > f64::from(STICKER_PIXELS);
    Cx::refuse_if(large, error::LOTTIE_SIZE)?;
    Cx::refuse_if(lottie.frames > 1000.0, error::LOTTIE_FRAMES)?;
    Cx::refuse_if(lottie.ms > STICKER_MS as f64, error::STICKER_TOO_LONG)
}

fn update_sticker(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (id, before) = sticker(cx)?;
    may_change(cx, id, before.creator)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut after = before.clone();
    if let Some(name) = form.text("name", 2..=30) {
        after.name = name;
    }
    if let Some(tags) = form.text("tags", 1..=200) {
        after.tags = tags;
    }
    if let Some(text) = form.nullable_text("description", 100) {
        after.description = text;
    }
    form.done()?;
    let json = cx.world.sticker_json(id, &after);
    let changed = super::guilds::changes(audited(&before), audited(&after));
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.stickers.insert(after.id, after);
    }
    cx.world.expressions_updated(id, true);
    if !changed.is_empty() {
        cx.world.audit(
            id,
            Audit::of(action::STICKER_UPDATE, me)
                .target(before.id)
                .changes(changed)
                .reason(reason.as_deref()),
        );
    }
    Reply::ok(json)
}

fn delete_sticker(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (id, sticker) = sticker(cx)?;
    may_change(cx, id, sticker.creator)?;
    let reason = cx.reason()?;
    let me = cx.me();
    if let Some(guild) = cx.world.guilds.get_mut(&id) {
        guild.stickers.remove(&sticker.id);
    }
    cx.world.assets.forget(AssetKind::Sticker, sticker.id);
    cx.world.expressions_updated(id, true);
    let changes = Change::gone(audited(&sticker));
    cx.world.audit(
        id,
        Audit::of(action::STICKER_DELETE, me)
            .target(sticker.id)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::nothing()
}
