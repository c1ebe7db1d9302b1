//! What a webhook posts in place of a message. Pure: a message of the backup in, bodies out.

mod components;
mod cut;
mod embeds;
mod mentions;
mod poll;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_guild::{Id, Mapping};

use components::{Layout, Whole};
use cut::split;
use mentions::led;

/// Characters of a message's text (Discord docs, "Execute Webhook").
const MAX_TEXT: usize = 2000;
/// Characters of a webhook's name.
const MAX_NAME: usize = 80;
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
    /// Posts that say the same in words, for when Discord does not take the body: it asks more of polls
    /// and components than anybody can know.
    pub plain: Vec<Value>,
    /// The files go with it.
    pub files: bool,
}

impl Piece {
    fn said(body: Value) -> Self {
        Self {
            body,
            plain: Vec::new(),
            files: false,
        }
    }
}

/// Where names and references come from.
pub struct Frame<'a> {
    pub mapping: &'a Mapping,
    /// Where avatars are, without a slash at the end.
    pub cdn: &'a str,
    /// Names of files that are not in the backup.
    pub lost: &'a [String],
    /// Names of the files that go with it, as they are uploaded.
    pub files: &'a [String],
    /// A poll that is open then is posted as one. Recorded, for a replay has to give the same posts.
    pub now: Option<DateTime<Utc>>,
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
    let open = poll::open(&message["poll"], frame);
    let layout = Layout::of(message, frame);
    let embeds = embeds::of(message);
    let lines = additions(message, frame, open.is_some());
    let text = joined(led(content, frame.mapping), &lines);
    let nothing = text.is_empty() && embeds.is_empty() && frame.files.is_empty();
    if nothing && open.is_none() && layout.is_none() {
        return Vec::new();
    }
    let heading = heading(message);
    let words = |text: &str| -> Vec<Value> {
        let texts = split(text.trim_end(), MAX_TEXT).into_iter();
        let mut bodies: Vec<Value> = texts.map(|text| body(message, frame, &text)).collect();
        if let Some(last) = bodies.last_mut().filter(|_| !embeds.is_empty()) {
            last["embeds"] = embeds.clone().into();
        }
        bodies
    };
    let layout = match layout {
        Some(Layout::Whole(whole)) => return whole_pieces(message, frame, whole, &heading, text),
        Some(Layout::Rows(rows)) => Some(rows),
        None => None,
    };
    let mut bodies = words(&format!("{heading}\n{text}"));
    let mut last = bodies.pop().unwrap_or_default();
    let mut plain = Vec::new();
    if layout.is_some() || open.is_some() {
        let tail = last["content"].as_str().unwrap_or_default().to_owned();
        let told = if open.is_some() {
            poll::told(&message["poll"])
        } else {
            Vec::new()
        };
        plain = words(&joined(tail, &told));
    }
    if let Some(rows) = layout {
        last["components"] = rows.into();
    }
    if let Some(open) = open {
        last["poll"] = open;
    }
    let before = bodies.into_iter().map(Piece::said);
    let last = Piece {
        body: last,
        plain,
        files: true,
    };
    before.chain([last]).collect()
}

/// A message of components with its heading and what is told below; what it has no place for stands
/// before and behind it.
fn whole_pieces(
    message: &Value,
    frame: &Frame<'_>,
    mut whole: Whole,
    heading: &str,
    told: String,
) -> Vec<Piece> {
    let say = |text: &str| {
        let texts = split(text.trim_end(), MAX_TEXT);
        let texts = texts.into_iter().filter(|text| !text.is_empty());
        texts
            .map(|text| body(message, frame, &text))
            .collect::<Vec<_>>()
    };
    let headed = whole.head(heading);
    let below = joined(joined(String::new(), &whole.rest), &[told]);
    let told = below.is_empty() || whole.foot(&below);
    let before = if headed { Vec::new() } else { say(heading) };
    let behind = if told { Vec::new() } else { say(&below) };
    let itself = Piece {
        plain: say(&components::spoken(&whole.parts)),
        body: components::body(body(message, frame, ""), whole.parts),
        files: true,
    };
    let before = before.into_iter().map(Piece::said);
    let behind = behind.into_iter().map(Piece::said);
    before.chain([itself]).chain(behind).collect()
}

/// What all posts for a message have.
fn body(message: &Value, frame: &Frame<'_>, text: &str) -> Value {
    let mut body = json!({
        "content": text,
        "username": username(&message["author"]),
        "allowed_mentions": {"parse": []},
        "flags": message["flags"].as_u64().unwrap_or(0) & FLAGS,
    });
    if let Some(avatar) = avatar(&message["author"], frame.cdn) {
        body["avatar_url"] = avatar.into();
    }
    body
}

/// Lines below a text.
fn joined(mut text: String, lines: &[String]) -> String {
    for line in lines.iter().filter(|line| !line.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
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
fn additions(message: &Value, frame: &Frame<'_>, open: bool) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut lines = Vec::new();
    for snapshot in list(&message["message_snapshots"]) {
        let text = snapshot["message"]["content"].as_str().unwrap_or_default();
        let mut text = led(text, frame.mapping);
        for sticker in list(&snapshot["message"]["sticker_items"]) {
            let name = sticker["name"].as_str().unwrap_or_default();
            text = joined(text, &[format!("Sticker: {name}")]);
        }
        text = joined(text, &[components::words(&snapshot["message"])]);
        lines.push(format!("Forwarded:\n> {}", text.replace('\n', "\n> ")));
    }
    match open {
        true => lines.extend(poll::votes(&message["poll"])),
        false => lines.extend(poll::told(&message["poll"])),
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

#[cfg(test)]
mod tests {
    use splashtail_guild::Kind;

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
            files: &[],
            now: chrono::DateTime::from_timestamp(1_705_752_000, 0),
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
        let files: Vec<_> = pieces.iter().map(|piece| piece.files).collect();
        assert_eq!(files, [false, false, true]);
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

    /// What is open is a poll again, and says the same in words where Discord takes no poll.
    #[test]
    fn an_open_poll_is_one_again() {
        let mut asked = message("Vote!");
        asked["poll"] = json!({"question": {"text": "Tea?"}, "expiry": "2024-01-21T12:00:00+00:00",
            "answers": [{"answer_id": 1, "poll_media": {"text": "yes"}}],
            "results": {"is_finalized": false, "answer_counts": [{"id": 1, "count": 3}]}});
        let [piece] = posted(&asked).try_into().unwrap();
        assert_eq!(piece.body["poll"]["duration"], 24);
        let text = piece.body["content"].as_str().unwrap();
        assert!(text.ends_with("Vote!\n-# Votes so far: yes 3"), "{text}");
        let [plain] = piece.plain.as_slice() else {
            panic!("{piece:?}")
        };
        let text = plain["content"].as_str().unwrap();
        assert!(text.ends_with("Poll: Tea?\n- yes: 3"), "{text}");
        assert_eq!(plain["poll"], Value::Null);
    }

    /// A message of components has no text of its own: when and by whom it was said stands in the first
    /// one.
    #[test]
    fn components_stay_components() {
        let mut table = message("");
        table["flags"] = json!(1 << 15 | 1 << 12);
        table["components"] = json!([{"type": 10, "content": "see <#21>"}]);
        table["reactions"] = json!([{"count": 2, "emoji": {"id": null, "name": "👍"}}]);
        let [piece] = posted(&table).try_into().unwrap();
        assert_eq!(piece.body["flags"], 1 << 15 | 1 << 12);
        assert_eq!(piece.body.get("content"), None);
        assert_eq!(
            piece.body["components"],
            json!([{"type": 10, "content": "-# <t:1705752000:f>"},
                {"type": 10, "content": "see <#121>"}, {"type": 10, "content": "-# 👍 2"}])
        );
        assert_eq!(
            piece.plain[0]["content"],
            "-# <t:1705752000:f>\nsee <#121>\n-# 👍 2"
        );
    }

    /// A message of components that is full keeps all of it: what is said above and below it gets posts
    /// of its own.
    #[test]
    fn full_components_lose_nothing() {
        let mut long = message("");
        long["flags"] = json!(1 << 15);
        let words = "wörd ".repeat(800);
        long["components"] = json!([{"type": 10, "content": words.trim_end()}]);
        long["reactions"] = json!([{"count": 2, "emoji": {"id": null, "name": "👍"}}]);
        let [before, itself, behind] = posted(&long).try_into().unwrap();
        assert_eq!(before.body["content"], "-# <t:1705752000:f>");
        assert_eq!(behind.body["content"], "-# 👍 2");
        let shown = itself.body["components"].as_array().unwrap();
        assert_eq!(*shown, [json!({"type": 10, "content": words.trim_end()})]);
        let files = [&before, &itself, &behind].map(|piece| piece.files);
        assert_eq!(files, [false, true, false]);
        // So do the words that stand for it.
        let plain = itself.plain.iter();
        let plain: Vec<&str> = plain
            .flat_map(|body| body["content"].as_str().unwrap().split_whitespace())
            .collect();
        assert_eq!(plain.len(), 800);
        assert!(itself.plain.len() > 1);

        // Half of it has place for both.
        long["components"] = json!([{"type": 10, "content": "x".repeat(3900)}]);
        let [piece] = posted(&long).try_into().unwrap();
        assert_eq!(piece.body["components"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_forward_quotes_everything() {
        let mut forward = message("");
        forward["message_snapshots"] = json!([{"message": {"content": "a",
            "embeds": [{"type": "rich", "title": "E"}], "sticker_items": [{"name": "wave"}],
            "components": [{"type": 17, "components": [{"type": 10, "content": "b"}]}]}}]);
        let [piece] = posted(&forward).try_into().unwrap();
        let text = piece.body["content"].as_str().unwrap();
        assert!(
            text.ends_with("Forwarded:\n> a\n> Sticker: wave\n> b"),
            "{text}"
        );
        assert_eq!(piece.body["embeds"], json!([{"title": "E"}]));
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
