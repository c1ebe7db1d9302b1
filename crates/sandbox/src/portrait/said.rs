//! Messages as people read them.

use serde_json::{Value, json};

/// Kinds that people write: plain, reply, command.
const WRITTEN: [u64; 4] = [0, 19, 20, 23];

/// Whether somebody wrote it; the others are notices of Discord's.
pub(super) fn is_written(message: &Value) -> bool {
    let kind = message["type"].as_u64();
    kind.is_some_and(|kind| WRITTEN.contains(&kind))
}

/// Who said what. A message that a webhook repeats in somebody's name begins with a small line about
/// the first one, which is left out.
pub(super) fn heard(message: &Value) -> Value {
    let author = &message["author"];
    let name = match author["global_name"].as_str() {
        Some(name) if !name.is_empty() => name,
        _ => author["username"].as_str().unwrap_or_default(),
    };
    let text = message["content"].as_str().unwrap_or_default();
    let text = match message["webhook_id"].is_string() {
        true => without_heading(text),
        false => text,
    };
    // Whoever cannot forward quotes, with the files.
    let forwarded = message["message_snapshots"]
        .as_array()
        .into_iter()
        .flatten();
    let forwarded = forwarded.map(|snapshot| &snapshot["message"]);
    let files = std::iter::once(message).chain(forwarded);
    let files: Vec<Value> = files
        .flat_map(|message| message["attachments"].as_array().into_iter().flatten())
        .map(|file| json!({"filename": file["filename"], "size": file["size"]}))
        .collect();
    let embeds = message["embeds"].as_array().into_iter().flatten();
    let embeds: Vec<&Value> = embeds.filter(|embed| embed["type"] == "rich").collect();
    json!({
        "author": name, "content": text, "attachments": files, "embeds": embeds,
        "pinned": message["pinned"], "components": message["components"],
        "poll": message["poll"]["question"]["text"],
        "flags": message["flags"],
        "reply": message["message_reference"]["type"] == 0,
        "forward": message["message_snapshots"][0]["message"]["content"],
        "stickers": message["sticker_items"].as_array().map_or(0, Vec::len),
        "reactions": message["reactions"].as_array().map_or(0, Vec::len),
    })
}

fn without_heading(text: &str) -> &str {
    match text.strip_prefix("-# ") {
        Some(heading) => heading.split_once('\n').map_or("", |(_, text)| text),
        None => text,
    }
}
