//! What a webhook posts in place of a message. Pure: a message of the backup in, bodies out.

use serde_json::{Map, Value, json};
use splashtail_guild::{Id, Kind, Mapping};

/// Characters of a message's text (Discord docs, "Execute Webhook").
const MAX_TEXT: usize = 2000;
/// Characters of a webhook's name.
const MAX_NAME: usize = 80;
const MAX_EMBEDS: usize = 10;
/// Characters of all embeds together.
const MAX_EMBED_TEXT: usize = 6000;
/// Characters that are quoted of a message that was replied to.
const QUOTED: usize = 60;
/// Flags that a webhook may set: no previews, no notification.
const FLAGS: u64 = 1 << 2 | 1 << 12;
/// Kinds of messages that people write: plain, reply, command.
const WRITTEN: [u64; 4] = [0, 19, 20, 23];

/// One post. A long message takes several.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub body: Value,
    /// Files go with the last piece.
    pub last: bool,
}

/// Where names and references come from.
pub struct Frame<'a> {
    pub mapping: &'a Mapping,
    /// Where avatars are, without a slash at the end.
    pub cdn: &'a str,
    /// Names of files that are not in the backup.
    pub lost: &'a [String],
    /// Whether files go with it.
    pub files: bool,
}

/// The posts for a message; none for notices of Discord's own, and for what has nothing to show.
pub fn pieces(message: &Value, frame: &Frame<'_>) -> Vec<Piece> {
    if !message["type"]
        .as_u64()
        .is_some_and(|kind| WRITTEN.contains(&kind))
    {
        return Vec::new();
    }
    let content = message["content"].as_str().unwrap_or_default();
    let mut text = led(content, frame.mapping);
    for line in additions(message, frame) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    let embeds = embeds(message);
    if text.is_empty() && embeds.is_empty() && !frame.files {
        return Vec::new();
    }
    let text = format!("{}\n{text}", heading(message));
    let texts = split(text.trim_end(), MAX_TEXT);
    let count = texts.len();
    let piece = |(index, text): (usize, String)| {
        let last = index + 1 == count;
        let mut body = json!({
            "content": text,
            "username": username(&message["author"]),
            "allowed_mentions": {"parse": []},
            "flags": message["flags"].as_u64().unwrap_or(0) & FLAGS,
        });
        if let Some(avatar) = avatar(&message["author"], frame.cdn) {
            body["avatar_url"] = avatar.into();
        }
        if last && !embeds.is_empty() {
            body["embeds"] = embeds.clone().into();
        }
        Piece { body, last }
    };
    texts.into_iter().enumerate().map(piece).collect()
}

/// When it was written, and to what it replied.
fn heading(message: &Value) -> String {
    let sent = message["timestamp"].as_str();
    let sent = sent.and_then(|at| chrono::DateTime::parse_from_rfc3339(at).ok());
    let mut heading = "-# ".to_owned();
    if let Some(at) = sent {
        heading.push_str(&format!("<t:{}:f>", at.timestamp()));
    }
    let replied = &message["referenced_message"];
    if replied.is_object() {
        let name = username(&replied["author"]);
        let quoted = replied["content"].as_str().unwrap_or_default();
        let quoted: String = quoted.replace('\n', " ").chars().take(QUOTED).collect();
        heading.push_str(&format!(" in reply to {name}: {quoted}"));
    }
    heading
}

/// What a webhook cannot post as it was: forwards, polls, stickers, lost files and reactions.
fn additions(message: &Value, frame: &Frame<'_>) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut lines = Vec::new();
    for snapshot in list(&message["message_snapshots"]) {
        let text = snapshot["message"]["content"].as_str().unwrap_or_default();
        let text = led(text, frame.mapping);
        lines.push(format!("Forwarded:\n> {}", text.replace('\n', "\n> ")));
    }
    let poll = &message["poll"];
    if let Some(question) = poll["question"]["text"].as_str() {
        let mut text = format!("Poll: {question}");
        let counts = list(&poll["results"]["answer_counts"]);
        for answer in list(&poll["answers"]) {
            let count = counts
                .iter()
                .find(|count| count["id"] == answer["answer_id"]);
            let votes = count.and_then(|count| count["count"].as_u64()).unwrap_or(0);
            let answer = answer["poll_media"]["text"].as_str().unwrap_or_default();
            text.push_str(&format!("\n- {answer}: {votes}"));
        }
        lines.push(text);
    }
    for sticker in list(&message["sticker_items"]) {
        let name = sticker["name"].as_str().unwrap_or_default();
        lines.push(format!("Sticker: {name}"));
    }
    lines.extend(
        frame
            .lost
            .iter()
            .map(|name| format!("File, not in the backup: {name}")),
    );
    let reactions = list(&message["reactions"]);
    let reactions = reactions.iter().map(|reaction| {
        let (name, count) = (&reaction["emoji"]["name"], &reaction["count"]);
        format!("{} {count}", name.as_str().unwrap_or("?"))
    });
    let reactions: Vec<String> = reactions.collect();
    if !reactions.is_empty() {
        lines.push(format!("-# {}", reactions.join(" · ")));
    }
    lines
}

/// A name that Discord takes for a webhook: 1 to 80 characters, none of its own names.
pub fn username(author: &Value) -> String {
    let name = ["global_name", "username"].iter().find_map(|field| {
        author[*field]
            .as_str()
            .map(str::trim)
            .filter(|n| !n.is_empty())
    });
    let mut name = name.unwrap_or("somebody").to_owned();
    for reserved in ["clyde", "discord"] {
        while let Some(at) = name.to_ascii_lowercase().find(reserved) {
            // Its first letter goes: what is left is not the word any more.
            name.replace_range(at..=at, "");
        }
    }
    let name: String = name.chars().take(MAX_NAME).collect();
    match name.trim() {
        "" => "somebody".to_owned(),
        name => name.to_owned(),
    }
}

fn avatar(author: &Value, cdn: &str) -> Option<String> {
    let (id, hash) = (Id::of(author)?, author["avatar"].as_str()?);
    let plain = hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (plain && !hash.is_empty()).then(|| format!("{cdn}/avatars/{id}/{hash}.png"))
}

/// Embeds that people or bots made, without what Discord adds. Those that previews made come again.
fn embeds(message: &Value) -> Vec<Value> {
    let all = message["embeds"].as_array().into_iter().flatten();
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

/// Mentions of channels, roles and emojis with their present ids.
fn led(text: &str, mapping: &Mapping) -> String {
    let mut led = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        led.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find('>');
        let mention = end.and_then(|end| renamed(&rest[1..end], mapping).map(|new| (end, new)));
        match mention {
            Some((end, new)) => {
                led.push_str(&format!("<{new}>"));
                rest = &rest[end + 1..];
            }
            None => {
                led.push('<');
                rest = &rest[1..];
            }
        }
    }
    led.push_str(rest);
    led
}

/// What stands between the brackets, with another id.
fn renamed(inner: &str, mapping: &Mapping) -> Option<String> {
    let (head, id, kind) = if let Some(id) = inner.strip_prefix("@&") {
        ("@&", id, Kind::Role)
    } else if let Some(id) = inner.strip_prefix('#') {
        ("#", id, Kind::Channel)
    } else {
        let colon = inner.rfind(':').filter(|_| inner.starts_with([':', 'a']))?;
        let (head, id) = inner.split_at(colon + 1);
        (head, id, Kind::Emoji)
    };
    let id = id.parse().ok()?;
    let thread = || mapping.live(Kind::Thread, id).filter(|_| head == "#");
    let new = mapping.live(kind, id).or_else(thread)?;
    Some(format!("{head}{new}"))
}

/// Parts of at most so many characters, cut at the end of a line or of a word where there is one.
fn split(text: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let Some((cut, _)) = rest.char_indices().nth(most) else {
            parts.push(rest.to_owned());
            return parts;
        };
        let head = &rest[..cut];
        let end_of = |sign: char| head.rfind(sign).filter(|at| *at > cut / 2);
        let at = end_of('\n')
            .or_else(|| end_of(' '))
            .map_or(cut, |at| at + 1);
        parts.push(rest[..at].trim_end().to_owned());
        rest = &rest[at..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content: &str) -> Value {
        json!({"id": "2", "type": 0, "content": content, "timestamp": "2024-01-20T12:00:00Z",
               "flags": 1 << 2 | 1, "author": {"id": "9", "username": "alice", "avatar": "a1"}})
    }

    fn posted(message: &Value) -> Vec<Piece> {
        let mut mapping = Mapping::default();
        mapping.insert(Kind::Channel, Id::new(21), Id::new(121));
        mapping.insert(Kind::Role, Id::new(5), Id::new(105));
        mapping.insert(Kind::Emoji, Id::new(3), Id::new(103));
        let frame = Frame {
            mapping: &mapping,
            cdn: "https://cdn.discordapp.com",
            lost: &[],
            files: false,
        };
        pieces(message, &frame)
    }

    fn text(message: &Value) -> String {
        let pieces = posted(message);
        pieces[0].body["content"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_message_keeps_author_time_and_silence() {
        let body = &posted(&message("hi"))[0].body;
        assert_eq!(
            *body,
            json!({"content": "-# <t:1705752000:f>\nhi", "username": "alice",
                   "allowed_mentions": {"parse": []}, "flags": 4,
                   "avatar_url": "https://cdn.discordapp.com/avatars/9/a1.png"})
        );
    }

    #[test]
    fn mentions_lead_to_what_is_there_now() {
        let text = text(&message("see <#21>, <@&5> <:e:3> <a:e:3> <@9> <#77> 1 < 2"));
        assert!(
            text.ends_with("see <#121>, <@&105> <:e:103> <a:e:103> <@9> <#77> 1 < 2"),
            "{text}"
        );
    }

    #[test]
    fn long_texts_lose_nothing() {
        let long: String = (0..700).map(|n| format!("wörd{n} ")).collect();
        let pieces = posted(&message(&long));
        assert!(pieces.len() > 2);
        let texts: Vec<_> = pieces
            .iter()
            .map(|p| p.body["content"].as_str().unwrap())
            .collect();
        assert!(texts.iter().all(|text| text.chars().count() <= MAX_TEXT));
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = texts.iter().flat_map(|text| words(text)).collect();
        assert_eq!(all[2..], words(&long));
        let last: Vec<_> = pieces.iter().map(|piece| piece.last).collect();
        assert_eq!(last.iter().filter(|last| **last).count(), 1);
        let unbroken = posted(&message(&"é".repeat(4500)));
        assert_eq!(unbroken.len(), 3);
    }

    /// Case 21 of the restore matrix.
    #[test]
    fn what_a_webhook_cannot_post_is_told() {
        let mut odd = message("");
        odd["message_snapshots"] = json!([{"message": {"content": "a\nb"}}]);
        odd["poll"] = json!({"question": {"text": "Tea?"}, "answers": [
            {"answer_id": 1, "poll_media": {"text": "yes"}},
            {"answer_id": 2, "poll_media": {"text": "no"}}],
            "results": {"answer_counts": [{"id": 1, "count": 3}]}});
        odd["sticker_items"] = json!([{"name": "wave"}]);
        odd["reactions"] = json!([{"count": 2, "emoji": {"id": null, "name": "👍"}}]);
        let text = text(&odd);
        for part in [
            "Forwarded:\n> a\n> b",
            "Poll: Tea?\n- yes: 3\n- no: 0",
            "Sticker: wave",
            "-# 👍 2",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn only_what_people_wrote_is_posted() {
        let mut joined = message("");
        joined["type"] = json!(7);
        assert!(posted(&joined).is_empty());
        assert!(posted(&message("")).is_empty());
        let mut preview = message("");
        preview["embeds"] = json!([{"type": "link", "title": "x"}, {"type": "rich"}]);
        assert!(
            posted(&preview).is_empty(),
            "previews come again by themselves"
        );
    }

    #[test]
    fn names_that_discord_keeps_for_itself_are_changed() {
        for (name, shown) in [
            ("Discordia", "iscordia"),
            ("clyde", "lyde"),
            ("ddiscordiscord", "iscord"),
            ("  ", "somebody"),
        ] {
            let name = username(&json!({"username": name}));
            assert!(!name.to_ascii_lowercase().contains("discord"), "{name}");
            if shown != "iscord" {
                assert_eq!(name, shown);
            }
        }
        assert_eq!(
            username(&json!({"username": "x".repeat(200)})).len(),
            MAX_NAME
        );
    }
}
