//! What a channel is made of: read from a body, checked, and told to the audit log.

use serde_json::{Value, json};

use super::super::threads;
use crate::rest::cx::Cx;
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::{Channel, Guild, Id, Tag};

/// Channel flag: members see it only after a click. Not for stages, not together with `nsfw`.
const SPOILER: u32 = 1 << 21;

/// The name as the API keeps it: text channels are lower case without spaces.
fn clean_name(kind: u8, name: &str) -> String {
    if matches!(kind, 0 | 5 | 15 | 16) {
        name.trim()
            .to_lowercase()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join("-")
    } else {
        name.trim().to_owned()
    }
}

pub(super) fn audited(channel: &Channel) -> Vec<(&'static str, Value)> {
    let topic = if channel.kind == 4 {
        Value::Null
    } else {
        json!(channel.topic)
    };
    vec![
        ("name", json!(channel.name)),
        ("type", json!(channel.kind)),
        ("topic", topic),
        ("nsfw", json!(channel.nsfw)),
        ("rate_limit_per_user", json!(channel.rate_limit_per_user)),
        (
            "bitrate",
            if channel.is_voice() {
                json!(channel.bitrate)
            } else {
                Value::Null
            },
        ),
        (
            "user_limit",
            if channel.is_voice() {
                json!(channel.user_limit)
            } else {
                Value::Null
            },
        ),
        ("rtc_region", json!(channel.rtc_region)),
        (
            "default_auto_archive_duration",
            json!(channel.default_auto_archive_duration),
        ),
        ("flags", json!(channel.flags)),
        (
            "available_tags",
            channel.available_tags.iter().map(Tag::json).collect(),
        ),
        ("permission_overwrites", Value::Null),
    ]
}

/// How many bits a second a voice channel may carry depends on the boosts of its guild.
pub(super) fn check_bitrate(guild: Option<&Guild>, channel: &Channel) -> Result<(), ApiError> {
    const BY_TIER: [u32; 4] = [96_000, 128_000, 256_000, 384_000];
    let vip = guild.is_some_and(|g| g.features.contains("VIP_REGIONS"));
    let tier = guild.map_or(0, |g| usize::from(g.premium_tier.min(3)));
    let most = match channel.kind {
        13 => 64_000,
        _ => BY_TIER[if vip { 3 } else { tier }],
    };
    Cx::refuse_if(
        channel.is_voice() && channel.bitrate > most,
        error::BITRATE_TOO_HIGH,
    )
}

/// Flags that a kind of channel has.
fn known_flags(kind: u8) -> u32 {
    const REQUIRE_TAG: u32 = 1 << 4;
    const HIDE_DOWNLOADS: u32 = 1 << 15;
    match kind {
        15 => REQUIRE_TAG | SPOILER,
        16 => REQUIRE_TAG | HIDE_DOWNLOADS | SPOILER,
        0 | 2 | 5 => SPOILER,
        _ => 0,
    }
}

/// Reads the fields that all kinds of guild channel share. One that is being made takes no flags, and
/// of a stage no more seats than a voice channel has (discord-api-docs#5962): both are edited later.
pub(super) fn read(form: &mut Form<'_>, channel: &mut Channel, fresh: bool) {
    if let Some(name) = form.text("name", 1..=100) {
        channel.name = clean_name(channel.kind, &name);
    }
    let longest = if channel.is_forum() { 4096 } else { 1024 };
    if let Some(topic) = form.nullable_text("topic", longest) {
        channel.topic = topic;
    }
    if let Some(on) = form.flag("nsfw") {
        channel.nsfw = on;
    }
    if let Some(n) = form.int("rate_limit_per_user", 0..=21_600) {
        channel.rate_limit_per_user = n as u32;
    }
    if let Some(n) = form.int("position", 0..=i64::from(i32::MAX)) {
        channel.position = n;
    }
    if let Some(n) = form.choice("default_auto_archive_duration", &threads::DURATIONS) {
        channel.default_auto_archive_duration = Some(n as u32);
    }
    if let Some(n) = form.int("default_thread_rate_limit_per_user", 0..=21_600) {
        channel.default_thread_rate_limit_per_user = n as u32;
    }
    if let Some(n) = form
        .int("flags", 0..=i64::from(u32::MAX))
        .filter(|_| !fresh)
    {
        channel.flags = n as u32 & known_flags(channel.kind);
    }
    if channel.nsfw && channel.flags & SPOILER != 0 {
        form.error(
            "flags",
            "INVALID_CHANNEL_FLAGS",
            "An age-restricted channel cannot be a spoiler channel.",
        );
    }
    if channel.is_voice() {
        if let Some(n) = form.int("bitrate", 8000..=384_000) {
            channel.bitrate = n as u32;
        }
        let most = if channel.kind == 2 || fresh {
            99
        } else {
            10_000
        };
        if let Some(n) = form.int("user_limit", 0..=most) {
            channel.user_limit = n as u32;
        }
        if let Some(region) = form.nullable_text("rtc_region", 100) {
            channel.rtc_region = region;
        }
        if let Some(n) = form.choice("video_quality_mode", &[1, 2]) {
            channel.video_quality_mode = Some(n as u8);
        }
    }
    if channel.is_forum() {
        read_forum(form, channel);
    }
}

fn read_forum(form: &mut Form<'_>, channel: &mut Channel) {
    if form.has("default_reaction_emoji") {
        channel.default_reaction_emoji = match form.raw("default_reaction_emoji") {
            Some(emoji) => {
                json!({"emoji_id": emoji["emoji_id"], "emoji_name": emoji["emoji_name"]})
            }
            None => Value::Null,
        };
    }
    if form.has("default_sort_order") {
        channel.default_sort_order = form.choice("default_sort_order", &[0, 1]).map(|n| n as u8);
    }
    if let Some(n) = form.choice("default_forum_layout", &[0, 1, 2]) {
        channel.default_forum_layout = n as u8;
    }
    let Some(list) = form.list("available_tags", 1000) else {
        return;
    };
    let mut tags = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("available_tags.{n}"));
        part.require("name");
        tags.push(Tag {
            id: part.id("id").unwrap_or(Id(0)),
            name: part.text("name", 1..=20).unwrap_or_default(),
            moderated: part.flag("moderated").unwrap_or(false),
            emoji_id: part.id("emoji_id"),
            emoji_name: part.text("emoji_name", 0..=100),
        });
        form.absorb(part);
    }
    channel.available_tags = tags;
}

/// Gives new tags their ids: a body names those that stay, any other id is as good as none. No two
/// may have one name.
pub(super) fn number_tags(
    cx: &mut Cx<'_>,
    before: &[Tag],
    channel: &mut Channel,
) -> Result<(), ApiError> {
    let most = cx.limits.caps().forum_tags;
    Cx::refuse_if(channel.available_tags.len() > most, error::MAX_TAGS)?;
    let mut names: Vec<&str> = channel.available_tags.iter().map(|t| &*t.name).collect();
    names.sort_unstable();
    Cx::refuse_if(names.windows(2).any(|w| w[0] == w[1]), error::TAG_NAMES)?;
    for tag in &mut channel.available_tags {
        if !before.iter().any(|b| b.id == tag.id) {
            tag.id = cx.world.next_id();
        }
    }
    Ok(())
}
