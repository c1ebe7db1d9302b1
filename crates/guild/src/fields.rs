//! What of an object can be set, and when two values of a field mean the same (spec sheet "Restore
//! matrix": null, absent and the default are one; order of overwrites and lists says nothing).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::read::bit_set;
use crate::{Id, Kind};

/// Channel flags that can be set: tag required, downloads hidden, spoiler.
pub(crate) const SETTABLE_CHANNEL_FLAGS: u64 = 1 << 4 | 1 << 15 | 1 << 21;
/// Features of a server that its members switch.
pub(crate) const FEATURES: [&str; 5] = [
    "COMMUNITY",
    "DISCOVERABLE",
    "INVITES_DISABLED",
    "PRUNE_REQUIRES_ADMIN",
    "RAID_ALERTS_DISABLED",
];

/// How a field's values are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// Null when absent.
    Plain,
    /// Absent is empty.
    Text,
    /// Absent is this number.
    Number(i64),
    /// Absent is false.
    Flag,
    /// Some bits of a number.
    Mask(u64),
    /// A permission set.
    Bits,
    /// An id of that kind, or null.
    Ref(Kind),
    /// Ids of that kind, in any order.
    Refs(Kind),
    Colors,
    Overwrites,
    Tags,
    /// `emoji_id` and `emoji_name` in one object.
    Reaction,
    /// AutoMod actions, which may name a channel.
    Actions,
    Features,
    /// A channel's type.
    Type,
    /// Channels of the welcome screen, in their order.
    WelcomeChannels,
    /// What newcomers are asked, with the roles and channels of the answers.
    Prompts,
    /// A picture or a sound: read as a hash, or not at all, and set by bytes.
    File,
}

/// A settable field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub name: &'static str,
    pub shape: Shape,
    /// Whether a create takes it; everything else is set by an edit afterwards.
    pub create: bool,
    pub edit: bool,
    /// Channel types that have it; all when empty.
    pub types: &'static [u64],
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        create: true,
        edit: true,
        types: &[],
    }
}

const fn of(types: &'static [u64], name: &'static str, shape: Shape) -> Field {
    Field {
        types,
        ..field(name, shape)
    }
}

const fn edited(name: &'static str, shape: Shape) -> Field {
    Field {
        create: false,
        ..field(name, shape)
    }
}

const fn created(name: &'static str, shape: Shape) -> Field {
    Field {
        edit: false,
        ..field(name, shape)
    }
}

const GUILD: &[Field] = &[
    field("name", Shape::Text),
    field("description", Shape::Text),
    field("preferred_locale", Shape::Text),
    field("premium_progress_bar_enabled", Shape::Flag),
    field("default_message_notifications", Shape::Number(0)),
    field("afk_timeout", Shape::Number(300)),
    field("system_channel_flags", Shape::Number(0)),
    field("verification_level", Shape::Number(0)),
    field("explicit_content_filter", Shape::Number(0)),
    field("afk_channel_id", Shape::Ref(Kind::Channel)),
    field("system_channel_id", Shape::Ref(Kind::Channel)),
    field("safety_alerts_channel_id", Shape::Ref(Kind::Channel)),
    field("rules_channel_id", Shape::Ref(Kind::Channel)),
    field("public_updates_channel_id", Shape::Ref(Kind::Channel)),
    field("features", Shape::Features),
    field("icon", Shape::File),
    field("splash", Shape::File),
    field("discovery_splash", Shape::File),
    field("banner", Shape::File),
];

const ROLE: &[Field] = &[
    field("name", Shape::Text),
    field("permissions", Shape::Bits),
    field("colors", Shape::Colors),
    field("hoist", Shape::Flag),
    field("mentionable", Shape::Flag),
    field("unicode_emoji", Shape::Text),
    field("icon", Shape::File),
];

/// @everyone has permissions and nothing else.
const EVERYONE: &[Field] = &[field("permissions", Shape::Bits)];

const THREADED: &[u64] = &[0, 5, 15, 16];
const FORUMS: &[u64] = &[15, 16];
const VOICE: &[u64] = &[2, 13];
const TALK: &[u64] = &[0, 2, 5, 13, 15, 16];

const CHANNEL: &[Field] = &[
    field("name", Shape::Text),
    field("type", Shape::Type),
    of(TALK, "parent_id", Shape::Ref(Kind::Channel)),
    of(&[0, 5, 13, 15, 16], "topic", Shape::Text),
    of(TALK, "nsfw", Shape::Flag),
    of(TALK, "rate_limit_per_user", Shape::Number(0)),
    of(VOICE, "bitrate", Shape::Number(64_000)),
    of(VOICE, "user_limit", Shape::Number(0)),
    of(VOICE, "rtc_region", Shape::Plain),
    of(VOICE, "video_quality_mode", Shape::Number(1)),
    of(THREADED, "default_auto_archive_duration", Shape::Plain),
    of(
        THREADED,
        "default_thread_rate_limit_per_user",
        Shape::Number(0),
    ),
    of(FORUMS, "default_reaction_emoji", Shape::Reaction),
    of(FORUMS, "default_sort_order", Shape::Plain),
    of(&[15], "default_forum_layout", Shape::Number(0)),
    of(FORUMS, "available_tags", Shape::Tags),
    field("permission_overwrites", Shape::Overwrites),
    edited("flags", Shape::Mask(SETTABLE_CHANNEL_FLAGS)),
];

const EMOJI: &[Field] = &[
    field("name", Shape::Text),
    field("roles", Shape::Refs(Kind::Role)),
    created("image", Shape::File),
];

const STICKER: &[Field] = &[
    field("name", Shape::Text),
    field("tags", Shape::Text),
    field("description", Shape::Text),
    created("file", Shape::File),
];

const SOUND: &[Field] = &[
    field("name", Shape::Text),
    field("volume", Shape::Plain),
    field("emoji_id", Shape::Ref(Kind::Emoji)),
    field("emoji_name", Shape::Plain),
    created("sound", Shape::File),
];

const AUTOMOD: &[Field] = &[
    field("name", Shape::Text),
    field("event_type", Shape::Number(1)),
    created("trigger_type", Shape::Number(0)),
    field("trigger_metadata", Shape::Plain),
    field("actions", Shape::Actions),
    field("enabled", Shape::Flag),
    field("exempt_roles", Shape::Refs(Kind::Role)),
    field("exempt_channels", Shape::Refs(Kind::Channel)),
];

const EVENT: &[Field] = &[
    field("name", Shape::Text),
    field("description", Shape::Text),
    field("privacy_level", Shape::Number(2)),
    field("scheduled_start_time", Shape::Plain),
    field("scheduled_end_time", Shape::Plain),
    field("entity_type", Shape::Number(0)),
    field("channel_id", Shape::Ref(Kind::Channel)),
    field("entity_metadata", Shape::Plain),
    field("recurrence_rule", Shape::Plain),
    field("image", Shape::File),
];

const WIDGET: &[Field] = &[
    field("enabled", Shape::Flag),
    field("channel_id", Shape::Ref(Kind::Channel)),
];

const WELCOME_SCREEN: &[Field] = &[
    field("enabled", Shape::Flag),
    field("description", Shape::Text),
    field("welcome_channels", Shape::WelcomeChannels),
];

const ONBOARDING: &[Field] = &[
    field("prompts", Shape::Prompts),
    field("default_channel_ids", Shape::Refs(Kind::Channel)),
    field("enabled", Shape::Flag),
    field("mode", Shape::Number(0)),
];

const WEBHOOK: &[Field] = &[
    field("name", Shape::Text),
    field("channel_id", Shape::Ref(Kind::Channel)),
    field("avatar", Shape::File),
];

/// An invite cannot be changed.
const INVITE: &[Field] = &[
    created("channel_id", Shape::Ref(Kind::Channel)),
    created("max_uses", Shape::Number(0)),
    created("temporary", Shape::Flag),
    created("expires_at", Shape::Plain),
];

pub(crate) const fn table(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Guild => GUILD,
        Kind::Role => ROLE,
        Kind::Channel => CHANNEL,
        Kind::Emoji => EMOJI,
        Kind::Sticker => STICKER,
        Kind::Sound => SOUND,
        Kind::AutomodRule => AUTOMOD,
        Kind::ScheduledEvent => EVENT,
        Kind::Widget => WIDGET,
        Kind::WelcomeScreen => WELCOME_SCREEN,
        Kind::Onboarding => ONBOARDING,
        Kind::Webhook => WEBHOOK,
        Kind::Invite => INVITE,
        // Seen only as shadows, or made by messages.
        Kind::Hidden | Kind::Thread => &[],
    }
}

/// The settable fields of an object: those of its kind that its type has.
pub(crate) fn fields(
    kind: Kind,
    object: &Value,
    everyone: bool,
) -> impl Iterator<Item = &'static Field> + use<> {
    let all = if everyone { EVERYONE } else { table(kind) };
    let kind = object["type"].as_u64();
    all.iter()
        .filter(move |f| f.types.is_empty() || kind.is_some_and(|kind| f.types.contains(&kind)))
}

/// How a field of a kind is read, whatever the object's type.
pub(crate) fn shape(kind: Kind, name: &str) -> Option<Shape> {
    table(kind).iter().find(|f| f.name == name).map(|f| f.shape)
}

/// Whether a field of two forms of an object means the same in a server: lists without an order in any
/// order, and references to what the server does not have none.
#[must_use]
pub fn means_same(
    (kind, name): (Kind, &str),
    forms: [&Value; 2],
    server: &crate::Structure,
) -> bool {
    let follow = |kind, id| match server.get(kind, id) {
        Some(_) => Leads::To(id),
        None => Leads::Gone,
    };
    let canonical = |object: &Value| match shape(kind, name) {
        Some(shape) => shape.canonical(object, name, &follow),
        None => object[name].clone(),
    };
    let [left, right] = forms.map(canonical);
    left == right
}

/// Where a reference leads, seen from the other state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    To(Id),
    /// To something that has yet to be made.
    Nowhere,
    /// To something that its own state does not have either.
    Gone,
}

/// Follows references of one state.
pub(crate) type Follow<'f> = &'f dyn Fn(Kind, Id) -> Leads;

impl Shape {
    /// The value in the one form in which equal meanings are equal.
    pub(crate) fn canonical(self, object: &Value, name: &str, follow: Follow<'_>) -> Value {
        let value = &object[name];
        match self {
            Self::Plain => value.clone(),
            Self::Text => value.as_str().unwrap_or_default().into(),
            Self::Number(default) => value.as_i64().unwrap_or(default).into(),
            Self::Flag => value.as_bool().unwrap_or(false).into(),
            Self::Mask(mask) => (value.as_u64().unwrap_or(0) & mask).into(),
            Self::Bits => bit_set(value).to_string().into(),
            Self::Ref(kind) => reference(kind, value, follow).unwrap_or(Value::Null),
            Self::Refs(kind) => {
                let ids = value.as_array().into_iter().flatten();
                let mut led: Vec<String> = ids
                    .filter_map(|id| reference(kind, id, follow))
                    .filter_map(|id| id.as_str().map(str::to_owned))
                    .collect();
                led.sort_unstable();
                led.into()
            }
            Self::Colors => colors(object),
            Self::Overwrites => overwrites(value, follow),
            Self::Tags => tags(value, follow),
            Self::Reaction => reaction(value, follow),
            Self::Actions => actions(value, follow),
            Self::Features => {
                let has = |feature: &&&str| {
                    let list = value.as_array();
                    list.is_some_and(|list| list.iter().any(|f| f == **feature))
                };
                FEATURES.iter().filter(has).copied().collect()
            }
            // An announcement channel is a text channel that publishes.
            Self::Type => value.clone(),
            Self::File => crate::files::canonical(object, name),
            Self::WelcomeChannels => welcome_channels(value, follow),
            Self::Prompts => prompts(value, follow),
        }
    }
}

fn reference(kind: Kind, value: &Value, follow: Follow<'_>) -> Option<Value> {
    let id = Id::read(value)?;
    match follow(kind, id) {
        Leads::To(there) => Some(there.json()),
        Leads::Nowhere => Some(format!("new {id}").into()),
        Leads::Gone => None,
    }
}

fn colors(role: &Value) -> Value {
    let primary = role["colors"]["primary_color"]
        .as_u64()
        .or_else(|| role["color"].as_u64());
    json!({
        "primary_color": primary.unwrap_or(0),
        "secondary_color": role["colors"]["secondary_color"],
        "tertiary_color": role["colors"]["tertiary_color"],
    })
}

/// By whom they are for. One for @everyone without a bit is none, one for a role that is gone
/// neither.
fn overwrites(list: &Value, follow: Follow<'_>) -> Value {
    let mut sorted = BTreeMap::new();
    for overwrite in list.as_array().into_iter().flatten() {
        let member = overwrite["type"] == 1 || overwrite["type"] == "1";
        let whom = if member {
            overwrite["id"].as_str().map(str::to_owned)
        } else {
            let led = reference(Kind::Role, &overwrite["id"], follow);
            led.and_then(|id| id.as_str().map(str::to_owned))
        };
        let (allow, deny) = (bit_set(&overwrite["allow"]), bit_set(&overwrite["deny"]));
        if let Some(whom) = whom {
            let key = format!("{} {whom}", if member { "member" } else { "role" });
            sorted.insert(key, (allow, deny));
        }
    }
    let text = |(allow, deny): (u64, u64)| json!([allow.to_string(), deny.to_string()]);
    let all = sorted.into_iter().filter(|(_, bits)| *bits != (0, 0));
    Value::Object(
        all.map(|(whom, bits)| (whom, text(bits)))
            .collect::<Map<_, _>>(),
    )
}

fn tags(list: &Value, follow: Follow<'_>) -> Value {
    let list = list.as_array().into_iter().flatten();
    let tag = |tag: &Value| {
        json!({"name": tag["name"], "moderated": tag["moderated"].as_bool().unwrap_or(false),
            "emoji": reaction(tag, follow)})
    };
    list.map(tag).collect()
}

fn reaction(value: &Value, follow: Follow<'_>) -> Value {
    let id = reference(Kind::Emoji, &value["emoji_id"], follow);
    match (id, &value["emoji_name"]) {
        (None, Value::Null) => Value::Null,
        (Some(id), _) => json!({"emoji_id": id}),
        (None, name) => json!({"emoji_name": name}),
    }
}

fn actions(list: &Value, follow: Follow<'_>) -> Value {
    let list = list.as_array().into_iter().flatten();
    let action = |action: &Value| {
        let mut action = action.clone();
        let channel = &action["metadata"]["channel_id"];
        if channel.is_null() {
            return Some(action);
        }
        // An alert without its channel is none.
        let led = reference(Kind::Channel, channel, follow)?;
        action["metadata"]["channel_id"] = led;
        Some(action)
    };
    list.filter_map(action).collect()
}

fn welcome_channels(list: &Value, follow: Follow<'_>) -> Value {
    let list = list.as_array().into_iter().flatten();
    let channel = |shown: &Value| {
        let channel = reference(Kind::Channel, &shown["channel_id"], follow)?;
        Some(
            json!({"channel_id": channel, "description": shown["description"],
                    "emoji": reaction(shown, follow)}),
        )
    };
    list.filter_map(channel).collect()
}

/// Without ids: they are given anew.
fn prompts(list: &Value, follow: Follow<'_>) -> Value {
    let list = list.as_array().into_iter().flatten();
    let ids = |kind: Kind, ids: &Value| {
        let ids = ids.as_array().into_iter().flatten();
        let led = ids.filter_map(|id| reference(kind, id, follow));
        let mut led: Vec<String> = led.map(|id| id.to_string()).collect();
        led.sort_unstable();
        led
    };
    let option = |option: &Value| {
        let emoji = &option["emoji"];
        let emoji = json!({"emoji_id": emoji["id"], "emoji_name": emoji["name"]});
        json!({
            "title": option["title"],
            "description": option["description"].as_str().unwrap_or_default(),
            "roles": ids(Kind::Role, &option["role_ids"]),
            "channels": ids(Kind::Channel, &option["channel_ids"]),
            "emoji": reaction(&emoji, follow),
        })
    };
    let prompt = |prompt: &Value| {
        let options = prompt["options"].as_array().into_iter().flatten();
        json!({
            "title": prompt["title"],
            "type": prompt["type"].as_u64().unwrap_or(0),
            "single_select": prompt["single_select"] == true,
            "required": prompt["required"] == true,
            "in_onboarding": prompt["in_onboarding"] == true,
            "options": options.map(option).collect::<Vec<_>>(),
        })
    };
    list.map(prompt).collect()
}
