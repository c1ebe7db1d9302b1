use serde_json::{Map, Value as Json};
use splashtail_iblfile::msgpack::Value;

use super::split::zero_time;
use super::{Kind, Schema};

/// A section value and its remainder as the JSON they were taken from. What the section shows as
/// absent is `null`, or the zero of its kind where that says the same.
pub fn join(section: &Value, rest: Option<&Json>, schema: &Schema) -> Json {
    let mut joined = Map::new();
    for (key, value) in section.as_map().into_iter().flatten() {
        let Some(name) = key.as_str() else { continue };
        let field = schema.0.iter().find(|field| field.name == name);
        let value = match field {
            Some(field) => decode(value, rest.map(|rest| &rest[name]), field.kind),
            // A later version of the original may know more.
            None => value.to_json(),
        };
        joined.insert(name.to_owned(), value);
    }
    for (name, value) in rest.and_then(Json::as_object).into_iter().flatten() {
        let known = schema.0.iter().find(|field| field.name == name);
        let within = known.is_some_and(|field| is_nested(field.kind)) && joined.contains_key(name);
        if !within || joined[name].is_null() {
            joined.insert(name.clone(), value.clone());
        }
    }
    Json::Object(joined)
}

/// `rest`: what is left over of this very value.
fn decode(value: &Value, rest: Option<&Json>, kind: Kind) -> Json {
    match (kind, value) {
        (_, Value::Nil) => Json::Null,
        (Kind::Str, Value::Str(_)) if value.as_str() == Some("") => Json::Null,
        (Kind::Bits, _) => match value.as_u64() {
            Some(bits) => bits.to_string().into(),
            None => value.to_json(),
        },
        (Kind::Time | Kind::OptTime, _) if *value == zero_time() => Json::Null,
        (Kind::Object(schema), Value::Map(_)) => join(value, rest, schema),
        (Kind::Struct(schema), Value::Map(_)) => {
            let joined = join(value, rest, schema);
            let says = |fields: &Map<String, Json>| fields.values().any(|field| !field.is_null());
            match joined.as_object().is_some_and(says) {
                true => joined,
                false => Json::Null,
            }
        }
        (Kind::List(element), Value::Array(items)) => {
            let item = |(index, item): (usize, &Value)| {
                let rest = rest.map(|rest| &rest[index.to_string().as_str()]);
                // A value that did not fit its kind is there whole.
                match rest.filter(|rest| !is_nested(*element) && !rest.is_null()) {
                    Some(whole) => whole.clone(),
                    None => decode(item, rest, *element),
                }
            };
            items.iter().enumerate().map(item).collect()
        }
        _ => value.to_json(),
    }
}

fn is_nested(kind: Kind) -> bool {
    matches!(kind, Kind::Object(_) | Kind::Struct(_) | Kind::List(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backup::dialect::{GUILD, MESSAGE, split};

    /// What says nothing: absent, null, empty and zero are one.
    fn telling(json: &Json) -> Json {
        match json {
            Json::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (name, telling(value)));
                let fields = fields.filter(|(_, value)| {
                    !value.is_null() && *value != json!(false) && *value != json!(0)
                });
                Json::Object(fields.map(|(name, value)| (name.clone(), value)).collect())
            }
            Json::Array(items) if items.is_empty() => Json::Null,
            Json::Array(items) => items.iter().map(telling).collect(),
            Json::String(text) if text.is_empty() => Json::Null,
            other => other.clone(),
        }
    }

    #[test]
    fn a_guild_comes_back_whole() {
        let guild = json!({
            "id": "1", "name": "G", "icon": null, "owner_id": "9", "features": ["COMMUNITY"], "permissions": "0",
            "verification_level": 2, "premium_progress_bar_enabled": true, "afk_timeout": 300,
            "safety_alerts_channel_id": "21",
            "roles": [
                {"id": "1", "name": "@everyone", "permissions": "4503599627370496", "position": 0,
                 "colors": {"primary_color": 0, "secondary_color": null}},
                {"id": "2", "name": " ", "permissions": "8", "color": 7, "hoist": true,
                 "colors": {"primary_color": 7, "secondary_color": 9}, "unicode_emoji": "🛡",
                 "tags": {"bot_id": "5"}, "managed": true}],
            "emojis": [{"id": "3", "name": "e", "roles": ["1"], "animated": true}],
            "stickers": [{"id": "8", "name": "s", "format_type": 1, "tags": "x"}],
            "channels": [{"id": "21", "type": 15, "name": "forum", "position": 3, "nsfw": true,
                "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "2048"}],
                "available_tags": [
                    {"id": "2", "name": "bug", "moderated": true, "emoji_id": null,
                     "emoji_name": "🐛"},
                    {"id": "3", "name": "idea", "emoji_id": "3"}],
                "default_reaction_emoji": {"emoji_id": null, "emoji_name": "👍"},
                "default_sort_order": 1, "default_auto_archive_duration": 1440,
                "last_pin_timestamp": "2024-01-01T00:00:00Z", "icon_emoji": {"name": "x"}}]
        });
        let (section, rest) = split(&guild, &GUILD);
        let joined = join(&section, rest.as_ref(), &GUILD);
        assert_eq!(telling(&joined), telling(&guild));
        let channel = &joined["channels"][0];
        assert_eq!(channel["permission_overwrites"][0]["deny"], "2048");
        assert_eq!(joined["channels"][0]["topic"], Json::Null);
    }

    /// What a message can be, in Discord's own JSON.
    fn messages() -> [(&'static str, Json); 8] {
        let message = |rest: Json| {
            let mut message = json!({"id": "5", "channel_id": "9", "type": 0, "content": "",
                "timestamp": "2025-03-01T12:00:00.123000+00:00", "flags": 0,
                "author": {"id": "7", "username": "a", "clan": {"tag": "X"}}});
            let fields = rest.as_object().cloned().unwrap_or_default();
            message.as_object_mut().unwrap().extend(fields);
            message
        };
        [
            (
                "forward",
                message(json!({"flags": 16384,
                "message_reference": {"type": 1, "message_id": "3", "channel_id": "8"},
                "message_snapshots": [{"message": {"type": 0, "content": "older", "flags": 0,
                    "timestamp": "2025-02-01T12:00:00+00:00", "mentions": [],
                    "attachments": [{"id": "6", "filename": "f.png", "url": "https://x"}],
                    "sticker_items": [{"id": "4", "name": "s", "format_type": 3}]}}]})),
            ),
            (
                "poll",
                message(json!({"poll": {"question": {"text": "Which?"},
                "answers": [{"answer_id": 1, "poll_media": {"text": "A", "emoji": {"name": "🅰"}}}],
                "expiry": "2025-03-02T12:00:00+00:00", "allow_multiselect": true, "layout_type": 1,
                "results": {"is_finalized": true, "answer_counts":
                    [{"id": 1, "count": 3, "me_voted": true}]}}})),
            ),
            (
                "components v2",
                message(json!({"flags": 32768, "components": [
                {"type": 17, "id": 1, "accent_color": 5, "components": [
                    {"type": 10, "id": 2, "content": "# Title"},
                    {"type": 9, "id": 3, "components": [{"type": 10, "id": 4, "content": "x"}],
                     "accessory": {"type": 11, "id": 5, "media": {"url": "https://x"}}},
                    {"type": 12, "id": 6, "items": [{"media": {"url": "https://y"}}]}]}]})),
            ),
            (
                "stickers",
                message(json!({"sticker_items": [
                {"id": "4", "name": "wave", "format_type": 1},
                {"id": "5", "name": "own", "format_type": 4}]})),
            ),
            (
                "pinned, with reactions",
                message(json!({"pinned": true, "reactions": [
                {"count": 3, "count_details": {"burst": 1, "normal": 2}, "burst_colors": ["#fff"],
                 "me": true, "me_burst": false, "emoji": {"id": "8", "name": "e", "animated": true}},
                {"count": 1, "emoji": {"id": null, "name": "👍"}}]})),
            ),
            (
                "reply",
                message(json!({"type": 19,
                "message_reference": {"type": 0, "message_id": "3", "channel_id": "9", "guild_id": "1"},
                "referenced_message": {"id": "3", "channel_id": "9", "type": 0, "content": "older",
                    "timestamp": "2025-02-01T12:00:00+00:00", "author": {"id": "6", "username": "b"},
                    "components": [{"type": 1, "components": [{"type": 2, "style": 5}]}]}})),
            ),
            (
                "voice message",
                message(json!({"flags": 8192, "attachments": [{"id": "6",
                "filename": "voice-message.ogg", "size": 900, "url": "https://x", "proxy_url": "https://y",
                "duration_secs": 1.5, "waveform": "AAAA", "content_type": "audio/ogg"}]})),
            ),
            (
                "command",
                message(json!({"type": 20, "application_id": "7", "webhook_id": "7",
                "interaction_metadata": {"id": "2", "type": 2, "user": {"id": "6", "username": "b"}},
                "embeds": [{"type": "rich", "title": "T", "color": 5, "flags": 32,
                    "fields": [{"name": "n", "value": "v", "inline": true}]}],
                "resolved": {"users": {"6": {"id": "6"}}}, "role_subscription_data": {"tier_name": "t"}})),
            ),
        ]
    }

    #[test]
    fn every_kind_of_message_comes_back_whole() {
        let timed = |mut message: Json| {
            // One instant has many spellings; the section keeps the instant.
            let at = message["timestamp"]
                .as_str()
                .map(chrono::DateTime::parse_from_rfc3339);
            if let Some(Ok(at)) = at {
                message["timestamp"] = at.timestamp_micros().into();
            }
            message
        };
        for (kind, message) in messages() {
            let (section, rest) = split(&message, &MESSAGE);
            let mut joined = timed(telling(&join(&section, rest.as_ref(), &MESSAGE)));
            let mut wanted = timed(telling(&message));
            for message in [&mut joined, &mut wanted] {
                let referenced = message["referenced_message"].take();
                message["referenced_message"] = timed(referenced);
            }
            assert_eq!(telling(&joined), telling(&wanted), "{kind}");
        }
    }

    #[test]
    fn what_did_not_fit_comes_back() {
        let guild = json!({"id": 5, "name": "G", "roles": [{"id": "1", "position": "x"}],
                           "features": [1, "NEWS"], "channels": "none"});
        let (section, rest) = split(&guild, &GUILD);
        let joined = join(&section, rest.as_ref(), &GUILD);
        for name in ["id", "features", "channels"] {
            assert_eq!(joined[name], guild[name], "{name}");
        }
        assert_eq!(joined["roles"][0]["position"], "x");
    }
}
