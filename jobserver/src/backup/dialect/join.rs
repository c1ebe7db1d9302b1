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
    use crate::backup::dialect::{GUILD, split};

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
