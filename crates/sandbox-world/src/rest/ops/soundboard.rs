//! Soundboard sounds of guilds.

use serde_json::{Value, json};

use super::Table;
use super::{emojis, guilds, images, lengths};
use crate::rest::caps::at_tier;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{AssetKind, Audit, Change, Guild, Id, Sound, Stored, action};

/// Bytes of a sound.
const MAX_SOUND: usize = 512 * 1024;
/// How long a sound is.
const MAX_SOUND_MS: u64 = 5200;

pub(super) fn routes(table: &mut Table) {
    const ALL: &str = "/guilds/{guild_id}/soundboard-sounds";
    const ONE: &str = "/guilds/{guild_id}/soundboard-sounds/{sound_id}";
    table.get(ALL, "list_guild_soundboard_sounds", list);
    table.post(ALL, "create_guild_soundboard_sound", create);
    table.get(ONE, "get_guild_soundboard_sound", get);
    table.patch(ONE, "update_guild_soundboard_sound", update);
    table.delete(ONE, "delete_guild_soundboard_sound", delete);
    table.get(
        "/soundboard-default-sounds",
        "get_soundboard_default_sounds",
        defaults,
    );
}

fn shown(cx: &Cx<'_>, guild: &Guild, sound: &Sound) -> Value {
    emojis::signed(cx, guild.id, cx.world.sound_json(guild.id, sound))
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let sounds = guild.sounds.values().map(|s| shown(cx, guild, s));
    Reply::ok(json!({"items": sounds.collect::<Vec<_>>()}))
}

/// The sound in the path.
fn found(cx: &Cx<'_>) -> Result<(Id, Sound), ApiError> {
    let guild = cx.guild()?;
    let sound = guild.sounds.get(&cx.id("sound_id")?);
    Ok((guild.id, sound.ok_or(error::UNKNOWN_SOUND)?.clone()))
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (_, sound) = found(cx)?;
    Reply::ok(shown(cx, cx.guild()?, &sound))
}

/// The one sound of Discord's own that its documentation shows.
fn defaults(_: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(json!([{
        "name": "quack", "sound_id": "1", "volume": 1.0, "emoji_id": null, "emoji_name": "🦆",
        "available": true,
    }]))
}

/// What kind of recording the bytes are.
fn sniff(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'O', b'g', b'g', b'S', ..] => Some("audio/ogg"),
        [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => Some("audio/mpeg"),
        _ => None,
    }
}

fn read_recording(form: &mut Form<'_>) -> Option<Stored> {
    form.require("sound");
    let uri = form.raw("sound")?.as_str().unwrap_or_default();
    let recording = images::decode_uri(uri, "audio/", sniff);
    match &recording {
        None => form.error("sound", "SOUND_INVALID", "Unsupported sound type given"),
        Some(stored) if stored.bytes.len() > MAX_SOUND => form.error(
            "sound",
            "BINARY_TYPE_MAX_SIZE",
            "File cannot be larger than 512.0 kb.",
        ),
        Some(_) => {}
    }
    recording
}

fn read_volume(form: &mut Form<'_>) -> Option<f64> {
    let volume = form.raw("volume")?.as_f64();
    match volume {
        Some(n) if (0.0..=1.0).contains(&n) => return volume,
        Some(_) => form.error(
            "volume",
            "NUMBER_TYPE_MAX",
            "float value should be between 0.0 and 1.0.",
        ),
        None => form.error("volume", "NUMBER_TYPE_COERCE", "Value is not float."),
    }
    None
}

fn read(form: &mut Form<'_>, sound: &mut Sound) {
    if let Some(name) = form.text("name", 2..=32) {
        sound.name = name;
    }
    if form.has("volume") {
        sound.volume = read_volume(form).unwrap_or(1.0);
    }
    // An emoji is of one sort: setting either takes the other away.
    if form.has("emoji_id") || form.has("emoji_name") {
        sound.emoji_id = form.id("emoji_id");
        let name = form.text("emoji_name", 1..=32);
        sound.emoji_name = name.filter(|_| sound.emoji_id.is_none());
    }
}

fn audited(sound: &Sound) -> Vec<(&'static str, Value)> {
    vec![
        ("name", json!(sound.name)),
        ("volume", json!(sound.volume)),
        ("emoji_id", json!(sound.emoji_id)),
        ("emoji_name", json!(sound.emoji_name)),
    ]
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    let (id, count, tier) = (guild.id, guild.sounds.len(), guild.premium_tier);
    cx.require(id, perm::CREATE_GUILD_EXPRESSIONS)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("name");
    let mut sound = Sound {
        id: Id(0),
        name: String::new(),
        volume: 1.0,
        emoji_id: None,
        emoji_name: None,
        creator: me,
    };
    read(&mut form, &mut sound);
    let recording = read_recording(&mut form);
    form.done()?;
    let length = recording
        .as_ref()
        .and_then(|r| lengths::of_recording(&r.bytes));
    Cx::refuse_if(
        length.is_some_and(|ms| ms > MAX_SOUND_MS),
        error::SOUND_TOO_LONG,
    )?;
    let full = count >= at_tier(cx.limits.caps().sounds, tier);
    Cx::refuse_if(full, error::MAX_SOUNDS)?;
    sound.id = cx.world.next_id();
    if let Some(stored) = recording {
        let assets = &mut cx.world.assets;
        assets.keep_by_id(AssetKind::Sound, sound.id, stored);
    }
    let changes = Change::made(audited(&sound));
    let (json, new) = (cx.world.sound_json(id, &sound), sound.id);
    cx.world
        .put_sound(id, "GUILD_SOUNDBOARD_SOUND_CREATE", sound);
    let (created, why) = (action::SOUND_CREATE, reason.as_deref());
    cx.world.audit(
        id,
        Audit::of(created, me)
            .target(new)
            .changes(changes)
            .reason(why),
    );
    Reply::created(json)
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (id, before) = found(cx)?;
    emojis::may_change(cx, id, before.creator)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut sound = before.clone();
    read(&mut form, &mut sound);
    form.done()?;
    let changed = guilds::changes(audited(&before), audited(&sound));
    let json = cx.world.sound_json(id, &sound);
    cx.world
        .put_sound(id, "GUILD_SOUNDBOARD_SOUND_UPDATE", sound);
    if !changed.is_empty() {
        let (updated, why) = (action::SOUND_UPDATE, reason.as_deref());
        let target = Some(before.id);
        cx.world.audit(
            id,
            Audit::of(updated, me)
                .target(target)
                .changes(changed)
                .reason(why),
        );
    }
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (id, sound) = found(cx)?;
    emojis::may_change(cx, id, sound.creator)?;
    let reason = cx.reason()?;
    let me = cx.me();
    cx.world.delete_sound(id, sound.id);
    let changes = Change::gone(audited(&sound));
    let (deleted, why) = (action::SOUND_DELETE, reason.as_deref());
    cx.world.audit(
        id,
        Audit::of(deleted, me)
            .target(sound.id)
            .changes(changes)
            .reason(why),
    );
    Reply::nothing()
}
