//! Components of messages: what people read and see stays; buttons and menus, whose application would not
//! know them, go. Links are kept.

use serde_json::{Value, json};

use super::cut::parted;
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
    Whole(Whole),
    /// Links below a text.
    Rows(Vec<Value>),
}

/// A message that consists of components, and what it still takes.
#[derive(Debug, PartialEq)]
pub(super) struct Whole {
    pub parts: Vec<Value>,
    /// Words that it does not take any more.
    pub rest: Vec<String>,
    /// Components and characters that it still takes.
    left: usize,
    text: usize,
}

impl Whole {
    /// A line above everything; `false` where there is no place for it.
    pub fn head(&mut self, line: &str) -> bool {
        self.put(0, line)
    }

    /// A line below everything; `false` where there is no place for it.
    pub fn foot(&mut self, line: &str) -> bool {
        self.put(self.parts.len(), line)
    }

    fn put(&mut self, at: usize, line: &str) -> bool {
        let Some(text) = self.text.checked_sub(line.chars().count()) else {
            return false;
        };
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        (self.text, self.left) = (text, left);
        let line = json!({"type": kind::TEXT, "content": line});
        self.parts.insert(at, line);
        true
    }
}

impl Layout {
    /// `None` where nothing of them is left.
    pub fn of(message: &Value, frame: &Frame<'_>) -> Option<Self> {
        let flags = message["flags"].as_u64().unwrap_or(0);
        let mut room = Room {
            frame,
            message,
            left: MOST,
            text: MOST_TEXT,
            shown: Vec::new(),
            rest: Vec::new(),
        };
        if flags & V2 == 0 {
            let rows = room.all(&message["components"]);
            let rows: Vec<Value> = rows.into_iter().take(MOST_ROWS).collect();
            return (!rows.is_empty()).then_some(Self::Rows(rows));
        }
        let mut parts = room.all(&message["components"]);
        // A file that no component shows is not seen by anybody.
        for name in frame.files {
            if room.shown.contains(name) {
                continue;
            }
            match room.left.checked_sub(1) {
                Some(left) => {
                    room.left = left;
                    parts.push(json!({"type": kind::FILE, "file": attached(name)}));
                }
                None => room.rest.push(format!("File without a place: {name}")),
            }
        }
        let whole = Whole {
            parts,
            rest: room.rest,
            left: room.left,
            text: room.text,
        };
        (!whole.parts.is_empty()).then_some(Self::Whole(whole))
    }
}

/// A message that consists of these components.
pub(super) fn body(mut body: Value, parts: Vec<Value>) -> Value {
    body["flags"] = (body["flags"].as_u64().unwrap_or(0) | V2).into();
    body["components"] = parts.into();
    if let Some(fields) = body.as_object_mut() {
        // Discord takes no text beside them.
        fields.shift_remove("content");
    }
    body
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
    /// Words for which there is no place.
    rest: Vec<String>,
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
            let words = spoken(std::slice::from_ref(component));
            self.rest.push(led(&words, self.frame.mapping));
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
        // Ids of today may be longer than those of then.
        let (text, rest) = parted(&led(text, self.frame.mapping), self.text);
        if !rest.is_empty() {
            self.rest.push(rest);
        }
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
            now: None,
        };
        Layout::of(message, &frame)
    }

    fn whole(message: &Value, files: &[&str]) -> Whole {
        match laid(message, files) {
            Some(Layout::Whole(whole)) => whole,
            other => panic!("{other:?}"),
        }
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
        let layout = whole(&message, &[]).parts;
        assert_eq!(spoken(&layout), "## Tides\nbeside a button\nbeside a link");
        assert_eq!(
            layout,
            [
                json!({"type": 17, "accent_color": 5, "spoiler": false, "components": [
                plain("## Tides"),
                plain("beside a button"),
                {"type": 9, "components": [plain("beside a link")], "accessory": kept},
                {"type": 14, "divider": true, "spacing": 2},
                {"type": 1, "components": [kept]}]})
            ]
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
        let layout = whole(&message, &["sea.png", "log.txt"]).parts;
        assert_eq!(
            layout,
            [
                json!({"type": 12, "items": [
                    {"media": {"url": "attachment://sea.png"}, "description": "the sea", "spoiler": false},
                    {"media": {"url": "https://example.com/a.png"}, "description": null, "spoiler": false}]}),
                json!({"type": 13, "file": {"url": "attachment://log.txt"}}),
            ]
        );
    }

    /// What Discord took once it takes again, whole.
    #[test]
    fn as_much_goes_in_as_discord_takes_and_the_rest_is_kept() {
        let many: Vec<Value> = (0..40)
            .map(|n| text(&format!("{n:02} {}", "x".repeat(97))))
            .collect();
        let mut full = whole(&json!({"flags": V2, "components": many}), &[]);
        assert_eq!((full.parts.len(), full.rest.len()), (MOST, 0));
        assert!(!full.head("-# then"), "there is no place for a line");
        let long = json!({"flags": V2, "components": [text(&"wörd ".repeat(799)), text("more")]});
        let mut long = whole(&long, &[]);
        assert_eq!(spoken(&long.parts).chars().count(), 3995 + 1 + 4);
        assert!(!long.foot("12"), "only one more character fits");
        assert!(long.foot("1"));

        // What no message of Discord's own holds is not lost either.
        let many = |count: usize, words: &str| -> Vec<Value> {
            (0..count).map(|n| text(&format!("{n}{words}"))).collect()
        };
        let beyond = json!({"flags": V2, "components": many(45, "")});
        let beyond = whole(&beyond, &["log.txt"]);
        assert_eq!(beyond.parts.len(), MOST);
        assert_eq!(
            beyond.rest,
            [
                "40",
                "41",
                "42",
                "43",
                "44",
                "File without a place: log.txt"
            ]
        );
        let wordy = whole(
            &json!({"flags": V2, "components": many(3, &" word".repeat(300))}),
            &[],
        );
        let said = format!("{}\n{}", spoken(&wordy.parts), wordy.rest.join("\n"));
        let count = |text: &str| text.split_whitespace().count();
        assert_eq!(count(&said), 3 * 301);
        assert!(spoken(&wordy.parts).chars().count() <= MOST_TEXT);
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
