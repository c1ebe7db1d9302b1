//! Components of messages: what people read and see stays; buttons and menus, whose application would not
//! know them, go. Links are kept.

use serde_json::{Value, json};

use super::{Frame, led};

/// Flag of a message that consists of components.
const V2: u64 = 1 << 15;
/// Components of a message, nested ones included (Discord docs, "Component Reference").
const MOST: usize = 40;
/// Characters of all texts together.
const MOST_TEXT: usize = 4000;
/// Rows of a message that does not consist of components.
const MOST_ROWS: usize = 5;
/// Style of a button that opens an address.
const LINK: u64 = 5;

mod kind {
    pub const ROW: u64 = 1;
    pub const BUTTON: u64 = 2;
    pub const SECTION: u64 = 9;
    pub const TEXT: u64 = 10;
    pub const THUMBNAIL: u64 = 11;
    pub const GALLERY: u64 = 12;
    pub const FILE: u64 = 13;
    pub const SEPARATOR: u64 = 14;
    pub const CONTAINER: u64 = 17;
}

/// What of a message's components is posted again.
#[derive(Debug, PartialEq)]
pub(super) enum Layout {
    /// The message consists of them.
    Whole(Vec<Value>),
    /// Links below a text.
    Rows(Vec<Value>),
}

impl Layout {
    /// `None` where nothing of them is left.
    pub fn of(message: &Value, frame: &Frame<'_>) -> Option<Self> {
        let flags = message["flags"].as_u64().unwrap_or(0);
        let mut room = Room {
            frame,
            message,
            // The heading, and what is told below.
            left: MOST - 2,
            text: MOST_TEXT / 2,
            shown: Vec::new(),
        };
        if flags & V2 == 0 {
            let rows = room.all(&message["components"]);
            let rows: Vec<Value> = rows.into_iter().take(MOST_ROWS).collect();
            return (!rows.is_empty()).then_some(Self::Rows(rows));
        }
        let mut parts = room.all(&message["components"]);
        // A file that no component shows is not seen by anybody.
        for name in frame.files {
            if !room.shown.contains(name) && room.left > 0 {
                room.left -= 1;
                parts.push(json!({"type": kind::FILE, "file": attached(name)}));
            }
        }
        (!parts.is_empty()).then_some(Self::Whole(parts))
    }
}

/// A message that consists of components, with a line above them and lines below.
pub(super) fn body(mut body: Value, parts: &[Value], heading: &str, below: &str) -> Value {
    body["flags"] = (body["flags"].as_u64().unwrap_or(0) | V2).into();
    body["components"] = with_heading(parts, heading, below).into();
    if let Some(fields) = body.as_object_mut() {
        // Discord takes no text beside them.
        fields.shift_remove("content");
    }
    body
}

fn with_heading(parts: &[Value], heading: &str, below: &str) -> Vec<Value> {
    let text = |text: &str| {
        let text: String = text.chars().take(MOST_TEXT / 4).collect();
        json!({"type": kind::TEXT, "content": text})
    };
    let mut all = vec![text(heading)];
    all.extend(parts.iter().cloned());
    if !below.is_empty() {
        all.push(text(below));
    }
    all
}

/// What the components of a message say.
pub(super) fn words(message: &Value) -> String {
    let all = message["components"].as_array().cloned();
    spoken(&all.unwrap_or_default())
}

pub(super) fn spoken(parts: &[Value]) -> String {
    let mut lines = Vec::new();
    for part in parts {
        if part["type"] == kind::TEXT {
            lines.push(part["content"].as_str().unwrap_or_default().to_owned());
        }
        let inner = part["components"].as_array().cloned().unwrap_or_default();
        let inner = spoken(&inner);
        if !inner.is_empty() {
            lines.push(inner);
        }
    }
    lines.join("\n")
}

fn attached(name: &str) -> Value {
    json!({"url": format!("attachment://{name}")})
}

/// What still fits into a message.
struct Room<'a> {
    frame: &'a Frame<'a>,
    message: &'a Value,
    left: usize,
    text: usize,
    /// Files that a component shows.
    shown: Vec<String>,
}

impl Room<'_> {
    fn all(&mut self, list: &Value) -> Vec<Value> {
        let list = list.as_array().into_iter().flatten();
        let mut kept = Vec::new();
        for component in list {
            kept.extend(self.one(component));
        }
        kept
    }

    /// A component as it is posted; several where what held them together goes.
    fn one(&mut self, component: &Value) -> Vec<Value> {
        let Some(left) = self.left.checked_sub(1) else {
            return Vec::new();
        };
        self.left = left;
        let made = match component["type"].as_u64() {
            Some(kind::ROW) => {
                let links = self.all(&component["components"]);
                (!links.is_empty()).then(|| json!({"type": kind::ROW, "components": links}))
            }
            Some(kind::BUTTON) => link(component, self.frame),
            Some(kind::TEXT) => self.text(component),
            Some(kind::SEPARATOR) => Some(json!({
                "type": kind::SEPARATOR,
                "divider": component["divider"] != false,
                "spacing": component["spacing"].as_u64().unwrap_or(1),
            })),
            Some(kind::CONTAINER) => {
                let inner = self.all(&component["components"]);
                (!inner.is_empty()).then(|| {
                    json!({"type": kind::CONTAINER, "components": inner,
                        "accent_color": component["accent_color"],
                        "spoiler": component["spoiler"] == true})
                })
            }
            Some(kind::SECTION) => return self.section(component),
            Some(kind::GALLERY) => {
                let items = component["items"].as_array().into_iter().flatten();
                let items: Vec<Value> = items.filter_map(|item| self.picture(item)).collect();
                (!items.is_empty()).then(|| json!({"type": kind::GALLERY, "items": items}))
            }
            Some(kind::THUMBNAIL) => self.picture(component).map(|mut picture| {
                picture["type"] = kind::THUMBNAIL.into();
                picture
            }),
            Some(kind::FILE) => self.media(&component["file"]).map(|file| {
                json!({"type": kind::FILE, "file": file,
                    "spoiler": component["spoiler"] == true})
            }),
            _ => None,
        };
        if made.is_none() {
            self.left += 1;
        }
        made.into_iter().collect()
    }

    fn text(&mut self, component: &Value) -> Option<Value> {
        let text = component["content"].as_str().unwrap_or_default();
        let text: String = led(text, self.frame.mapping)
            .chars()
            .take(self.text)
            .collect();
        self.text -= text.chars().count();
        (!text.is_empty()).then(|| json!({"type": kind::TEXT, "content": text}))
    }

    /// Without what stands beside them the texts stand alone.
    fn section(&mut self, component: &Value) -> Vec<Value> {
        let beside = self.one(&component["accessory"]).pop();
        let texts = self.all(&component["components"]);
        match beside {
            Some(beside) if !texts.is_empty() => {
                vec![json!({"type": kind::SECTION, "components": texts, "accessory": beside})]
            }
            _ => texts,
        }
    }

    fn picture(&mut self, item: &Value) -> Option<Value> {
        let media = self.media(&item["media"])?;
        Some(json!({"media": media, "description": item["description"],
            "spoiler": item["spoiler"] == true}))
    }

    /// A file of the message that goes with it again, or what stands elsewhere. Addresses of Discord's own
    /// end after a day.
    fn media(&mut self, media: &Value) -> Option<Value> {
        let url = media["url"].as_str()?;
        let plain = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let same = |file: &&Value| {
            file["url"]
                .as_str()
                .is_some_and(|of| plain(of) == plain(url))
        };
        let files = self.message["attachments"].as_array();
        let own = files.and_then(|files| files.iter().find(same));
        let Some(own) = own else {
            let elsewhere = url.starts_with("https://") && !url.contains("/attachments/");
            return elsewhere.then(|| json!({"url": url}));
        };
        let name = own["filename"].as_str()?;
        let name = self.frame.files.iter().find(|file| *file == name)?;
        self.shown.push(name.clone());
        Some(attached(name))
    }
}

/// Everybody can follow it; all other buttons call an application.
fn link(button: &Value, frame: &Frame<'_>) -> Option<Value> {
    if button["style"] != LINK {
        return None;
    }
    let mut link = json!({"type": kind::BUTTON, "style": LINK, "url": button["url"].as_str()?});
    match button["label"].as_str().filter(|label| !label.is_empty()) {
        Some(label) => link["label"] = led(label, frame.mapping).into(),
        // Its emoji alone may be gone.
        None => link["label"] = "Link".into(),
    }
    Some(link)
}

#[cfg(test)]
mod tests {
    use splashtail_guild::Mapping;

    use super::*;

    fn laid(message: &Value, files: &[&str]) -> Option<Layout> {
        let mapping = Mapping::default();
        let files: Vec<String> = files.iter().map(|name| (*name).to_owned()).collect();
        let frame = Frame {
            mapping: &mapping,
            cdn: "",
            lost: &[],
            files: &files,
            now: chrono::DateTime::UNIX_EPOCH,
        };
        Layout::of(message, &frame)
    }

    fn text(text: &str) -> Value {
        json!({"type": 10, "id": 7, "content": text})
    }

    #[test]
    fn what_people_read_stays_and_what_calls_an_application_goes() {
        let button = json!({"type": 2, "style": 1, "custom_id": "x", "label": "Press"});
        let link = json!({"type": 2, "style": 5, "url": "https://example.com", "label": "Open",
            "id": 9});
        let message = json!({"flags": V2, "components": [{"type": 17, "id": 1, "accent_color": 5,
            "components": [
                text("## Tides"),
                {"type": 9, "components": [text("beside a button")], "accessory": button},
                {"type": 9, "components": [text("beside a link")], "accessory": link},
                {"type": 14, "divider": true, "spacing": 2},
                {"type": 1, "components": [button, link]},
                {"type": 1, "components": [button]},
                {"type": 1, "components": [{"type": 3, "custom_id": "menu", "options": []}]}]}]});
        let kept = json!({"type": 2, "style": 5, "url": "https://example.com", "label": "Open"});
        let plain = |text: &str| json!({"type": 10, "content": text});
        let layout = laid(&message, &[]).unwrap();
        let Layout::Whole(parts) = &layout else {
            panic!("{layout:?}")
        };
        assert_eq!(spoken(parts), "## Tides\nbeside a button\nbeside a link");
        assert_eq!(
            layout,
            Layout::Whole(vec![
                json!({"type": 17, "accent_color": 5, "spoiler": false, "components": [
                plain("## Tides"),
                plain("beside a button"),
                {"type": 9, "components": [plain("beside a link")], "accessory": kept},
                {"type": 14, "divider": true, "spacing": 2},
                {"type": 1, "components": [kept]}]})
            ])
        );
    }

    #[test]
    fn files_are_shown_where_they_were_and_the_others_below() {
        let url = "https://cdn.discordapp.com/attachments/1/2/sea.png?ex=1";
        let message = json!({"flags": V2,
            "attachments": [{"filename": "sea.png", "url": "https://cdn.discordapp.com/attachments/1/2/sea.png?ex=2"},
                {"filename": "gone.png", "url": "https://cdn.discordapp.com/attachments/1/3/gone.png"}],
            "components": [{"type": 12, "items": [
                {"media": {"url": url}, "description": "the sea"},
                {"media": {"url": "https://cdn.discordapp.com/attachments/1/3/gone.png"}},
                {"media": {"url": "https://example.com/a.png"}}]}]});
        let layout = laid(&message, &["sea.png", "log.txt"]).unwrap();
        assert_eq!(
            layout,
            Layout::Whole(vec![
                json!({"type": 12, "items": [
                    {"media": {"url": "attachment://sea.png"}, "description": "the sea", "spoiler": false},
                    {"media": {"url": "https://example.com/a.png"}, "description": null, "spoiler": false}]}),
                json!({"type": 13, "file": {"url": "attachment://log.txt"}}),
            ])
        );
    }

    #[test]
    fn no_more_goes_in_than_discord_takes() {
        let many: Vec<Value> = (0..60)
            .map(|n| text(&format!("{n} {}", "x".repeat(100))))
            .collect();
        let Some(Layout::Whole(parts)) = laid(&json!({"flags": V2, "components": many}), &[])
        else {
            panic!("it has texts");
        };
        let all = with_heading(&parts, "-# then", "below");
        assert!(all.len() <= MOST);
        let texts = all
            .iter()
            .map(|part| part["content"].as_str().unwrap().chars().count());
        assert!(texts.sum::<usize>() <= MOST_TEXT);
    }

    #[test]
    fn links_below_a_text_are_kept() {
        let row = json!({"type": 1, "components": [
            {"type": 2, "style": 5, "url": "https://example.com", "emoji": {"name": "🔗"}},
            {"type": 2, "style": 4, "custom_id": "x", "label": "Delete"}]});
        let kept = laid(&json!({"flags": 0, "components": [row]}), &[]);
        let link = json!({"type": 2, "style": 5, "url": "https://example.com", "label": "Link"});
        assert_eq!(
            kept,
            Some(Layout::Rows(vec![json!({"type": 1, "components": [link]})]))
        );
        let dead = json!([{"type": 1, "components": [{"type": 2, "style": 1, "custom_id": "x"}]}]);
        assert_eq!(laid(&json!({"components": dead}), &[]), None);
    }
}
