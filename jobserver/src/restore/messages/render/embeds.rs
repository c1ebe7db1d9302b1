//! Embeds as a webhook takes them.

use serde_json::{Map, Value, json};

const MAX_EMBEDS: usize = 10;
/// Characters of all embeds together.
const MAX_EMBED_TEXT: usize = 6000;

/// Embeds that people or bots made, without what Discord adds. Those that previews made come again.
pub(super) fn of(message: &Value) -> Vec<Value> {
    let forwarded = message["message_snapshots"]
        .as_array()
        .into_iter()
        .flatten();
    let forwarded = forwarded.map(|snapshot| &snapshot["message"]);
    let all = std::iter::once(message)
        .chain(forwarded)
        .flat_map(|message| message["embeds"].as_array().into_iter().flatten());
    let rich = all.filter(|embed| embed["type"].as_str().unwrap_or("rich") == "rich");
    let mut room = MAX_EMBED_TEXT;
    let mut embeds = Vec::new();
    for embed in rich.take(MAX_EMBEDS) {
        let embed = cleaned(embed);
        let Some(rest) = room.checked_sub(text_of(&embed)) else {
            break;
        };
        room = rest;
        if embed.as_object().is_some_and(|fields| !fields.is_empty()) {
            embeds.push(embed);
        }
    }
    embeds
}

fn cleaned(embed: &Value) -> Value {
    let take = |object: &Value, names: &[&str]| -> Option<Value> {
        let field = |name: &&str| {
            let value = object[*name].clone();
            let empty = value.is_null() || value == "";
            (!empty).then(|| ((*name).to_owned(), value))
        };
        let fields: Map<String, Value> = names.iter().filter_map(field).collect();
        (!fields.is_empty()).then_some(Value::Object(fields))
    };
    let plain = ["title", "description", "url", "color", "timestamp"];
    let mut cleaned = take(embed, &plain).unwrap_or_else(|| json!({}));
    for (name, names) in [
        ("author", &["name", "url", "icon_url"][..]),
        ("footer", &["text", "icon_url"]),
        ("image", &["url"]),
        ("thumbnail", &["url"]),
    ] {
        if let Some(part) = take(&embed[name], names) {
            cleaned[name] = part;
        }
    }
    let fields = embed["fields"].as_array().into_iter().flatten();
    let fields: Vec<Value> = fields
        .filter_map(|field| take(field, &["name", "value", "inline"]))
        .collect();
    if !fields.is_empty() {
        cleaned["fields"] = fields.into();
    }
    cleaned
}

/// Characters that count towards the limit.
fn text_of(embed: &Value) -> usize {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let fields = embed["fields"].as_array().into_iter().flatten();
    length(&embed["title"])
        + length(&embed["description"])
        + length(&embed["author"]["name"])
        + length(&embed["footer"]["text"])
        + fields
            .map(|f| length(&f["name"]) + length(&f["value"]))
            .sum::<usize>()
}
