use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use splashtail_iblfile::msgpack::Value;

use super::{Kind, Schema, absent};

/// Splits an object into its section value and its remainder. The remainder is an object, or
/// `None` when nothing is left. Anything but an object counts as an empty one.
pub fn split(json: &Json, schema: &Schema) -> (Value, Option<Json>) {
    let mut entries = Vec::with_capacity(schema.0.len());
    let mut left = Map::new();
    for field in schema.0 {
        let given = json.get(field.name).unwrap_or(&Json::Null);
        let (value, remainder) = encode(given, field.kind);
        if let Some(remainder) = remainder {
            left.insert(field.name.to_owned(), remainder);
        }
        if !(field.omit_empty && is_empty(&value)) {
            entries.push((Value::from(field.name), value));
        }
    }
    for (name, value) in json.as_object().into_iter().flatten() {
        if !schema.0.iter().any(|field| field.name == name) {
            left.insert(name.clone(), value.clone());
        }
    }
    let remainder = (!left.is_empty()).then_some(Json::Object(left));
    (Value::Map(entries), remainder)
}

/// A value that does not fit its kind is kept whole in the remainder, and the section shows the
/// field as absent.
fn encode(json: &Json, kind: Kind) -> (Value, Option<Json>) {
    if json.is_null() {
        return (absent(kind), None);
    }
    let fitting = match kind {
        Kind::Str => json.as_str().map(Value::from),
        Kind::Bool => json.as_bool().map(Value::Bool),
        Kind::Int | Kind::OptInt => integer(json),
        Kind::Bits => integer(json).or_else(|| {
            json.as_str()
                .and_then(|bits| bits.parse::<u64>().ok())
                .map(Value::UInt)
        }),
        Kind::Time | Kind::OptTime => time(json).map(Value::Time),
        Kind::Object(schema) | Kind::Struct(schema) => {
            if json.is_object() {
                return split(json, schema);
            }
            None
        }
        Kind::List(element) => {
            if let Some(items) = json.as_array() {
                return list(items, *element);
            }
            None
        }
    };
    match fitting {
        Some(value) => (value, None),
        None => (absent(kind), Some(json.clone())),
    }
}

fn list(items: &[Json], element: Kind) -> (Value, Option<Json>) {
    let mut values = Vec::with_capacity(items.len());
    let mut left = Map::new();
    for (index, item) in items.iter().enumerate() {
        let (value, remainder) = encode(item, element);
        values.push(value);
        if let Some(remainder) = remainder {
            left.insert(index.to_string(), remainder);
        }
    }
    let remainder = (!left.is_empty()).then_some(Json::Object(left));
    (Value::Array(values), remainder)
}

fn integer(json: &Json) -> Option<Value> {
    json.as_u64()
        .map(Value::UInt)
        .or_else(|| json.as_i64().map(Value::from))
}

fn time(json: &Json) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(json.as_str()?).ok()?.to_utc())
}

/// Go's zero time: the first instant of year 1.
pub(super) fn zero_time() -> Value {
    DateTime::from_timestamp(-62_135_596_800, 0).map_or(Value::Nil, Value::Time)
}

/// What Go's `omitempty` leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::Bool(value) => !value,
        Value::UInt(number) => *number == 0,
        Value::Int(number) => *number == 0,
        Value::Str(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::dialect::{CHANNEL, GUILD, MESSAGE};
    use serde_json::json;
    use std::collections::BTreeMap;

    /// Every leaf that says something, by path.
    fn leaves(json: &Json, at: &str, found: &mut BTreeMap<String, String>) {
        match json {
            Json::Object(entries) => {
                for (key, value) in entries {
                    leaves(value, &format!("{at}/{key}"), found);
                }
            }
            Json::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    leaves(value, &format!("{at}/{index}"), found);
                }
            }
            Json::Null | Json::Bool(false) => {}
            Json::String(text) if text.is_empty() || text.starts_with("0001-01-01") => {}
            Json::Number(number) if number.as_u64() == Some(0) => {}
            other => {
                let text = match other {
                    Json::String(text) => DateTime::parse_from_rfc3339(text)
                        .map_or_else(|_| text.clone(), |at| at.to_utc().to_rfc3339()),
                    other => other.to_string(),
                };
                found.insert(at.to_owned(), text);
            }
        }
    }

    /// Nothing dropped, nothing stored twice.
    fn check(original: &Json, schema: &Schema) -> (Json, Json) {
        let (value, remainder) = split(original, schema);
        let (mut wanted, mut section, mut rest) = Default::default();
        leaves(original, "", &mut wanted);
        leaves(&value.to_json(), "", &mut section);
        let remainder = remainder.unwrap_or_default();
        leaves(&remainder, "", &mut rest);
        for path in section.keys() {
            assert!(!rest.contains_key(path), "{path} is stored twice");
        }
        section.extend(rest);
        assert_eq!(section, wanted);
        (value.to_json(), remainder)
    }

    #[test]
    fn messages_keep_everything() {
        let original = json!({
            "id": "2", "channel_id": "1", "content": "hi", "type": 0, "flags": 4, "tts": false,
            "timestamp": "2024-01-20T12:00:00.123000+00:00", "edited_timestamp": null,
            "mention_everyone": true, "mention_roles": ["5"], "pinned": true,
            "author": {"id": "9", "username": "alice", "discriminator": "0",
                       "global_name": null, "avatar_decoration_data": {"asset": "a"}},
            "mentions": [{"id": "9", "username": "alice", "member": {"nick": "Al"}}],
            "attachments": [{"id": "7", "filename": "a.png", "size": 3, "width": null,
                             "placeholder": "abc", "duration_secs": 1.5, "url": "u"}],
            "embeds": [{"title": "T", "footer": {"text": "f", "height": 3},
                        "fields": [{"name": "n", "value": "v", "inline": true}]},
                       {"type": "rich", "poll": {"x": 1}}],
            "reactions": [{"count": 2, "me": false, "burst_colors": ["#fff"],
                           "count_details": {"burst": 0, "normal": 2},
                           "emoji": {"id": null, "name": "👍"}}],
            "components": [{"type": 1, "components": [{"type": 2, "custom_id": "x"}]}],
            "poll": {"question": {"text": "?"}},
            "message_reference": {"type": 1, "message_id": "1", "channel_id": "1"},
            "message_snapshots": [{"message": {"content": "forwarded"}}],
            "position": 12,
            "referenced_message": {"id": "1", "channel_id": "1", "content": "earlier",
                                   "timestamp": "2024-01-19T12:00:00+02:00", "components": [1]},
            "nonce": 17
        });
        let (section, remainder) = check(&original, &MESSAGE);
        assert_eq!(section["content"], "hi");
        assert!(
            section.get("components").is_none(),
            "the original never stores them"
        );
        assert_eq!(remainder["components"], original["components"]);
        assert_eq!(remainder["attachments"]["0"]["placeholder"], "abc");
        assert_eq!(remainder["referenced_message"]["components"], json!([1]));
    }

    #[test]
    fn guilds_and_channels_keep_everything() {
        let guild = json!({
            "id": "1", "name": "G", "icon": "abc", "owner_id": "9", "features": ["COMMUNITY"],
            "safety_alerts_channel_id": "4", "hub_type": null, "premium_progress_bar_enabled": true,
            "incidents_data": {"dms_disabled_until": null, "raid_detected_at": "2024-01-01T00:00:00Z"},
            "roles": [{"id": "1", "name": "@everyone", "permissions": "4503599627370496",
                       "flags": 1, "colors": {"primary_color": 7}, "unicode_emoji": "🛡",
                       "tags": {"bot_id": "5"}}],
            "emojis": [{"id": "3", "name": "e", "roles": ["1"], "animated": true}],
            "stickers": [{"id": "8", "name": "s", "format_type": 1, "asset": ""}],
            "channels": [{"id": "21", "type": 15, "name": "forum", "position": 3, "nsfw": true,
                "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "2048"}],
                "available_tags": [{"id": "2", "name": "bug", "moderated": true,
                                    "emoji_id": null, "emoji_name": "🐛"}],
                "default_reaction_emoji": {"emoji_id": null, "emoji_name": "👍"},
                "default_sort_order": 1, "default_auto_archive_duration": 1440,
                "last_pin_timestamp": "2024-01-01T00:00:00+00:00", "icon_emoji": {"name": "x"}}]
        });
        let (value, _) = split(&guild, &GUILD);
        let roles = value.get("roles").and_then(Value::as_array).unwrap();
        assert_eq!(
            roles[0].get("permissions"),
            Some(&Value::UInt(4_503_599_627_370_496))
        );

        // Bits are decimal strings in JSON and integers in the section: compare them as text.
        let text = guild
            .to_string()
            .replace("\"4503599627370496\"", "4503599627370496");
        let text = text
            .replace("\"2048\"", "2048")
            .replace("\"allow\":\"0\"", "\"allow\":0");
        let (_, remainder) = check(&serde_json::from_str(&text).unwrap(), &GUILD);
        assert_eq!(remainder["roles"]["0"]["unicode_emoji"], "🛡");
        assert_eq!(
            remainder["channels"]["0"]["default_auto_archive_duration"],
            1440
        );
    }

    /// The shape of the original's own file: the same fields in the same order.
    #[test]
    fn the_shape_is_the_originals() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../crates/iblfile/tests/vectors/expected.json");
        let expected: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let keys =
            |json: &Json| -> Vec<String> { json.as_object().unwrap().keys().cloned().collect() };
        let guild = &expected["rev7"]["core/guild"];
        for (original, schema) in [
            (guild, &GUILD),
            (&guild["channels"][1], &CHANNEL),
            (
                &expected["rev7"]["messages/900000000000000021"][0]["message"],
                &MESSAGE,
            ),
            (
                &expected["rev7"]["messages/900000000000000021"][1]["message"],
                &MESSAGE,
            ),
        ] {
            let (value, remainder) = split(original, schema);
            let value = value.to_json();
            assert_eq!(keys(&value), keys(original));
            assert_eq!(&value, original, "re-encoding changes nothing");
            assert_eq!(remainder, None);
        }
    }

    /// A wrong type is kept aside; the section stays readable for the original.
    #[test]
    fn misfits_go_into_the_remainder() {
        let (value, remainder) = split(
            &json!({"id": 5, "position": "x", "nsfw": null, "name": "n"}),
            &CHANNEL,
        );
        assert_eq!(value.get("id"), Some(&Value::from("")));
        assert_eq!(value.get("position"), Some(&Value::UInt(0)));
        assert_eq!(remainder, Some(json!({"id": 5, "position": "x"})));
    }
}
