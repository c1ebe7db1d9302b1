//! Every correction made to Discord's description before it judges anything.
//!
//! Measured against several client libraries: with these, no exchange that the real service
//! accepts is called wrong. Add one only with its reason.

use serde_json::{Map, Value, json};

use super::Side;

/// A correction of the whole document.
pub struct Patch {
    pub name: &'static str,
    pub reason: &'static str,
    pub apply: fn(&mut Value, Side),
}

/// All corrections, in the order they are applied.
pub const PATCHES: &[Patch] = &[
    Patch {
        name: "one_of_is_any_of",
        reason: "`oneOf` is meant as `one of these types`, and several alternatives overlap \
                 (`nonce`: integer or string of digits)",
        apply: |spec, _| walk(spec, &mut one_of_to_any_of),
    },
    Patch {
        name: "integers_as_strings",
        reason: "requests may carry any integer as a string (permissions above all) and any \
                 snowflake as a number",
        apply: |spec, side| {
            if side == Side::Request {
                walk(spec, &mut integer_or_digits);
                set(spec, "/components/schemas/SnowflakeType", || {
                    json!({"anyOf": [
                        {"type": "string", "pattern": "^(0|[1-9][0-9]*)$", "format": "snowflake"},
                        {"type": "integer", "minimum": 0}]})
                });
            }
        },
    },
    Patch {
        name: "field_error_codes_are_strings",
        reason: "leaves of an `errors` tree carry codes like BASE_TYPE_REQUIRED; the description \
                 says integer, the documentation string",
        apply: |spec, _| {
            set(
                spec,
                "/components/schemas/InnerErrors/properties/_errors/items",
                || {
                    json!({"type": "object", "required": ["code", "message"], "properties": {
                    "code": {"type": ["integer", "string"]}, "message": {"type": "string"}}})
                },
            );
        },
    },
    Patch {
        name: "rate_limited_without_code",
        reason: "the documented 429 body has no `code`",
        apply: |spec, _| {
            set(spec, "/components/schemas/RatelimitedResponse", || {
                json!({"type": "object", "required": ["message", "retry_after", "global"],
                       "properties": {
                    "code": {"type": "integer"}, "message": {"type": "string"},
                    "retry_after": {"type": "number"}, "global": {"type": "boolean"}}})
            });
        },
    },
    Patch {
        name: "guild_features_are_open",
        reason: "new features appear in answers before the enum knows them (GUILD_TAGS, \
                 ENHANCED_ROLE_COLORS, SOUNDBOARD, MORE_SOUNDBOARD, GUESTS_ENABLED)",
        apply: |spec, _| {
            let more = [
                "GUILD_TAGS",
                "ENHANCED_ROLE_COLORS",
                "SOUNDBOARD",
                "MORE_SOUNDBOARD",
                "GUESTS_ENABLED",
            ];
            for name in more {
                extend(
                    spec,
                    "/components/schemas/GuildFeatures/anyOf",
                    json!({"const": name}),
                );
            }
        },
    },
    Patch {
        name: "media_channels",
        reason: "`ChannelTypes` lacks 16, GUILD_MEDIA, and so do the types of a guild's channels",
        apply: |spec, _| {
            extend(
                spec,
                "/components/schemas/ChannelTypes/anyOf",
                json!({"const": 16}),
            );
            for place in [
                "/components/schemas/GuildChannelResponse/properties/type/enum",
                "/components/schemas/CreateGuildChannelRequest/properties/type/anyOf/1/enum",
                "/components/schemas/UpdateGuildChannelRequestPartial/properties/type/anyOf/1/enum",
            ] {
                extend(spec, place, json!(16));
            }
        },
    },
    Patch {
        name: "forwards",
        reason: "`MessageReferenceType` lacks 1, FORWARD, which the documentation has",
        apply: |spec, _| {
            extend(
                spec,
                "/components/schemas/MessageReferenceType/anyOf",
                json!({"const": 1}),
            );
        },
    },
    Patch {
        name: "verdicts_on_join_requests",
        reason: "`action` and `status` of join requests stand with an empty `enum`, which nothing \
                 would fit",
        apply: |spec, _| {
            walk(spec, &mut |object| {
                if object
                    .get("enum")
                    .and_then(Value::as_array)
                    .is_some_and(Vec::is_empty)
                {
                    object.remove("enum");
                }
            });
        },
    },
    Patch {
        name: "bans_without_a_body",
        reason: "every field of a ban's body is optional and lifting one has none to give: clients \
                 send no body, and the service takes that",
        apply: |spec, side| {
            if side == Side::Request {
                for method in ["put", "delete"] {
                    let ban = "/paths/~1guilds~1{guild_id}~1bans~1{user_id}";
                    set(
                        spec,
                        &format!("{ban}/{method}/requestBody/required"),
                        || json!(false),
                    );
                }
            }
        },
    },
    Patch {
        name: "bots_write_2000_characters",
        reason: "message content is limited to 2000 for bots; 4000 is for subscribers",
        apply: |spec, side| {
            if side == Side::Request {
                walk(spec, &mut |object| {
                    if let Some(content) = object
                        .get_mut("properties")
                        .and_then(|p| p.get_mut("content"))
                        && content["maxLength"] == 4000
                    {
                        content["maxLength"] = json!(2000);
                    }
                });
            }
        },
    },
];

/// Paths the description leaves out although they exist.
pub const UNDESCRIBED: &[&str] = &["/oauth2/token", "/oauth2/token/revoke", "/oauth2/authorize"];

/// What stands before the API answers in its place: a failing or overloaded server with any body,
/// and the block of an address with a page (documentation, "Invalid Request Limit").
pub fn is_no_answer_of_the_api(status: u16, content_type: &str) -> bool {
    status >= 500 || (status == 403 && content_type.starts_with("text/html"))
}

fn walk(value: &mut Value, edit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            edit(object);
            object.values_mut().for_each(|v| walk(v, edit));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| walk(v, edit)),
        _ => {}
    }
}

fn one_of_to_any_of(object: &mut Map<String, Value>) {
    // `properties` may contain a field of that name, whose value is then no array.
    if object.get("oneOf").is_some_and(Value::is_array)
        && let Some(alternatives) = object.remove("oneOf")
    {
        object.insert("anyOf".to_owned(), alternatives);
    }
}

fn integer_or_digits(object: &mut Map<String, Value>) {
    let closed = ["enum", "const", "anyOf", "allOf"]
        .iter()
        .any(|k| object.contains_key(*k));
    let nullable = match object.get("type") {
        Some(Value::String(t)) if t == "integer" => false,
        Some(Value::Array(t)) if t.iter().any(|t| t == "integer") => t.iter().any(|t| t == "null"),
        _ => return,
    };
    if closed {
        return;
    }
    let mut number = std::mem::take(object);
    number.insert("type".to_owned(), json!("integer"));
    let mut any = vec![
        Value::Object(number),
        json!({"type": "string", "pattern": "^-?[0-9]+$"}),
    ];
    if nullable {
        any.push(json!({"type": "null"}));
    }
    // Wrapped once more so that the walk, which goes on into these, finds `anyOf` and stops.
    object.insert("anyOf".to_owned(), json!(any));
    if let Some(Value::Array(any)) = object.get_mut("anyOf")
        && let Some(Value::Object(first)) = any.first_mut()
    {
        first.insert("allOf".to_owned(), json!([true]));
    }
}

fn set(spec: &mut Value, pointer: &str, value: impl FnOnce() -> Value) {
    if let Some(place) = spec.pointer_mut(pointer) {
        *place = value();
    }
}

fn extend(spec: &mut Value, pointer: &str, value: Value) {
    if let Some(Value::Array(items)) = spec.pointer_mut(pointer) {
        items.push(value);
    }
}
