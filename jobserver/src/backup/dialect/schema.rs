//! The fields of the original's structs, in their order.

use super::{Field, Kind, Schema};
use Kind::{Bits, Bool, Int, List, Object, OptInt, OptTime, Str, Struct, Time};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        omit_empty: false,
    }
}

const fn omitted(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        omit_empty: true,
    }
}

/// A guild with roles, channels, emojis and stickers.
pub static GUILD: Schema = Schema(&[
    field("id", Str),
    field("name", Str),
    field("icon", Str),
    field("region", Str),
    field("afk_channel_id", Str),
    field("owner_id", Str),
    field("owner", Bool),
    field("joined_at", Time),
    field("discovery_splash", Str),
    field("splash", Str),
    field("afk_timeout", Int),
    field("member_count", Int),
    field("verification_level", Int),
    field("large", Bool),
    field("default_message_notifications", Int),
    field("roles", List(&Object(&ROLE))),
    field("emojis", List(&Object(&EMOJI))),
    field("stickers", List(&Object(&STICKER))),
    field("members", List(&Object(&MEMBER))),
    field("presences", List(&Object(&NOTHING))),
    field("max_presences", Int),
    field("max_members", Int),
    field("channels", List(&Object(&CHANNEL))),
    field("threads", List(&Object(&CHANNEL))),
    field("voice_states", List(&Object(&NOTHING))),
    field("unavailable", Bool),
    field("explicit_content_filter", Int),
    field("nsfw_level", Int),
    field("features", List(&Str)),
    field("mfa_level", Int),
    field("application_id", Str),
    field("widget_enabled", Bool),
    field("widget_channel_id", Str),
    field("system_channel_id", Str),
    field("system_channel_flags", Int),
    field("rules_channel_id", Str),
    field("vanity_url_code", Str),
    field("description", Str),
    field("banner", Str),
    field("premium_tier", Int),
    field("premium_subscription_count", Int),
    field("preferred_locale", Str),
    field("public_updates_channel_id", Str),
    field("max_video_channel_users", Int),
    field("approximate_member_count", Int),
    field("approximate_presence_count", Int),
    field("permissions", Bits),
    field("stage_instances", List(&Object(&NOTHING))),
]);

static ROLE: Schema = Schema(&[
    field("id", Str),
    field("name", Str),
    field("managed", Bool),
    field("mentionable", Bool),
    field("hoist", Bool),
    field("color", Int),
    field("position", Int),
    field("permissions", Bits),
]);

/// A channel or a thread.
pub static CHANNEL: Schema = Schema(&[
    field("id", Str),
    field("guild_id", Str),
    field("name", Str),
    field("topic", Str),
    field("type", Int),
    field("last_message_id", Str),
    field("last_pin_timestamp", OptTime),
    field("message_count", Int),
    field("member_count", Int),
    field("nsfw", Bool),
    field("icon", Str),
    field("position", Int),
    field("bitrate", Int),
    field("recipients", List(&Object(&USER))),
    field("permission_overwrites", List(&Object(&OVERWRITE))),
    field("user_limit", Int),
    field("parent_id", Str),
    field("rate_limit_per_user", Int),
    field("owner_id", Str),
    field("application_id", Str),
    omitted("thread_metadata", Object(&THREAD_METADATA)),
    field("thread_member", Object(&THREAD_MEMBER)),
    field("flags", Int),
    field("available_tags", List(&Object(&FORUM_TAG))),
    field("applied_tags", List(&Str)),
    field("default_reaction_emoji", Struct(&FORUM_REACTION)),
    field("default_thread_rate_limit_per_user", Int),
    field("default_sort_order", OptInt),
    field("default_forum_layout", Int),
]);

static OVERWRITE: Schema = Schema(&[
    field("id", Str),
    field("type", Int),
    field("deny", Bits),
    field("allow", Bits),
]);

static THREAD_METADATA: Schema = Schema(&[
    field("archived", Bool),
    field("auto_archive_duration", Int),
    field("archive_timestamp", Time),
    field("locked", Bool),
    field("invitable", Bool),
]);

static THREAD_MEMBER: Schema = Schema(&[
    omitted("id", Str),
    omitted("user_id", Str),
    field("join_timestamp", Time),
    field("flags", Int),
]);

static FORUM_TAG: Schema = Schema(&[
    omitted("id", Str),
    field("name", Str),
    field("moderated", Bool),
    omitted("emoji_id", Str),
    omitted("emoji_name", Str),
]);

static FORUM_REACTION: Schema = Schema(&[omitted("emoji_id", Str), omitted("emoji_name", Str)]);

static EMOJI: Schema = Schema(&[
    field("id", Str),
    field("name", Str),
    field("roles", List(&Str)),
    field("user", Object(&USER)),
    field("require_colons", Bool),
    field("managed", Bool),
    field("animated", Bool),
    field("available", Bool),
]);

static STICKER: Schema = Schema(&[
    field("id", Str),
    field("pack_id", Str),
    field("name", Str),
    field("description", Str),
    field("tags", Str),
    field("type", Int),
    field("format_type", Int),
    field("available", Bool),
    field("guild_id", Str),
    field("user", Object(&USER)),
    field("sort_value", Int),
]);

/// A member of a guild.
pub static MEMBER: Schema = Schema(&[
    field("guild_id", Str),
    field("joined_at", Time),
    field("nick", Str),
    field("deaf", Bool),
    field("mute", Bool),
    field("avatar", Str),
    field("user", Object(&USER)),
    field("roles", List(&Str)),
    field("premium_since", OptTime),
    field("flags", Int),
    field("pending", Bool),
    field("permissions", Bits),
    field("communication_disabled_until", OptTime),
]);

static USER: Schema = Schema(&[
    field("id", Str),
    field("email", Str),
    field("username", Str),
    field("avatar", Str),
    field("locale", Str),
    field("discriminator", Str),
    field("global_name", Str),
    field("token", Str),
    field("verified", Bool),
    field("mfa_enabled", Bool),
    field("banner", Str),
    field("accent_color", Int),
    field("bot", Bool),
    field("public_flags", Int),
    field("premium_type", Int),
    field("system", Bool),
    field("flags", Int),
]);

/// A message. `referenced_message` is one level deep: Discord sends no more.
pub static MESSAGE: Schema = Schema(&[
    field("id", Str),
    field("channel_id", Str),
    omitted("guild_id", Str),
    field("content", Str),
    field("timestamp", Time),
    field("edited_timestamp", OptTime),
    field("mention_roles", List(&Str)),
    field("tts", Bool),
    field("mention_everyone", Bool),
    field("author", Object(&USER)),
    field("attachments", List(&Object(&ATTACHMENT))),
    field("embeds", List(&Object(&EMBED))),
    field("mentions", List(&Object(&USER))),
    field("reactions", List(&Object(&REACTION))),
    field("pinned", Bool),
    field("type", Int),
    field("webhook_id", Str),
    field("member", Object(&MEMBER)),
    field("mention_channels", List(&Object(&CHANNEL))),
    field("activity", Object(&ACTIVITY)),
    field("application", Object(&APPLICATION)),
    field("message_reference", Object(&REFERENCE)),
    field("referenced_message", Object(&MESSAGE)),
    field("interaction", Object(&INTERACTION)),
    field("flags", Int),
    omitted("thread", Object(&CHANNEL)),
    field("sticker_items", List(&Object(&STICKER_ITEM))),
]);

static ATTACHMENT: Schema = Schema(&[
    field("id", Str),
    field("url", Str),
    field("proxy_url", Str),
    field("filename", Str),
    field("content_type", Str),
    field("width", Int),
    field("height", Int),
    field("size", Int),
    field("ephemeral", Bool),
]);

static EMBED: Schema = Schema(&[
    omitted("url", Str),
    omitted("type", Str),
    omitted("title", Str),
    omitted("description", Str),
    omitted("timestamp", Str),
    omitted("color", Int),
    omitted("footer", Object(&EMBED_FOOTER)),
    omitted("image", Object(&EMBED_IMAGE)),
    omitted("thumbnail", Object(&EMBED_IMAGE)),
    omitted("video", Object(&EMBED_VIDEO)),
    omitted("provider", Object(&EMBED_PROVIDER)),
    omitted("author", Object(&EMBED_AUTHOR)),
    omitted("fields", List(&Object(&EMBED_FIELD))),
]);

static EMBED_FOOTER: Schema = Schema(&[
    omitted("text", Str),
    omitted("icon_url", Str),
    omitted("proxy_icon_url", Str),
]);

static EMBED_IMAGE: Schema = Schema(&[
    field("url", Str),
    omitted("proxy_url", Str),
    omitted("width", Int),
    omitted("height", Int),
]);

static EMBED_VIDEO: Schema = Schema(&[
    omitted("url", Str),
    omitted("width", Int),
    omitted("height", Int),
]);

static EMBED_PROVIDER: Schema = Schema(&[omitted("url", Str), omitted("name", Str)]);

static EMBED_AUTHOR: Schema = Schema(&[
    omitted("url", Str),
    field("name", Str),
    omitted("icon_url", Str),
    omitted("proxy_icon_url", Str),
]);

static EMBED_FIELD: Schema = Schema(&[
    omitted("name", Str),
    omitted("value", Str),
    omitted("inline", Bool),
]);

static REACTION: Schema = Schema(&[
    field("count", Int),
    field("me", Bool),
    field("emoji", Object(&EMOJI)),
]);

static ACTIVITY: Schema = Schema(&[field("type", Int), field("party_id", Str)]);

static APPLICATION: Schema = Schema(&[
    field("id", Str),
    field("cover_image", Str),
    field("description", Str),
    field("icon", Str),
    field("name", Str),
]);

static REFERENCE: Schema = Schema(&[
    field("message_id", Str),
    omitted("channel_id", Str),
    omitted("guild_id", Str),
]);

static INTERACTION: Schema = Schema(&[
    field("id", Str),
    field("type", Int),
    field("name", Str),
    field("user", Object(&USER)),
    field("member", Object(&MEMBER)),
]);

static STICKER_ITEM: Schema = Schema(&[
    field("id", Str),
    field("name", Str),
    field("format_type", Int),
]);

/// Objects whose fields all go into the remainder.
static NOTHING: Schema = Schema(&[]);
