//! Bodies that become messages: the same rules for posts, edits, webhooks and responses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::images;
use crate::rest::body::File;
use crate::rest::cx::Cx;
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, read_id};
use crate::world::{AssetKind, Attachment, COMPONENTS_V2, Id, Message, Stamp, Stored, World};

/// Characters of a message.
pub const MAX_CONTENT: usize = 2000;
/// Characters of all embeds together.
const MAX_EMBED_TOTAL: usize = 6000;
/// Files of a message.
const MAX_FILES: usize = 10;
/// Bytes of a file without boosts.
pub const MAX_FILE: usize = 10 * 1024 * 1024;
/// Flags a sender may set: suppress embeds, ephemeral, silent, components v2.
const SETTABLE: u64 = (1 << 2) | (1 << 6) | (1 << 12) | (1 << 15);

/// A message body, checked. Absent fields are `None`, so that edits leave them alone.
#[derive(Debug, Default)]
pub struct Draft {
    pub content: Option<String>,
    pub embeds: Option<Vec<Value>>,
    pub components: Option<Vec<Value>>,
    pub flags: Option<u64>,
    pub tts: bool,
    pub nonce: Value,
    pub enforce_nonce: bool,
    pub stickers: Vec<Id>,
    pub poll: Option<Value>,
    pub reference: Option<Value>,
    /// Attachments to keep (edits), as given.
    pub kept: Option<Vec<Id>>,
    pub mentions: Mentions,
    files: Vec<(File, Option<String>)>,
}

/// `allowed_mentions`.
#[derive(Debug, Clone)]
pub struct Mentions {
    users: Option<BTreeSet<Id>>,
    roles: Option<BTreeSet<Id>>,
    everyone: bool,
    pub replied_user: bool,
}

impl Default for Mentions {
    fn default() -> Self {
        Self { users: None, roles: None, everyone: true, replied_user: true }
    }
}

impl Draft {
    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    pub fn has_embeds(&self) -> bool {
        self.embeds.as_ref().is_some_and(|e| !e.is_empty())
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.content.as_ref().is_none_or(|c| c.trim().is_empty())
            && !self.has_embeds()
            && self.components.as_ref().is_none_or(Vec::is_empty)
            && self.files.is_empty()
            && self.stickers.is_empty()
            && self.poll.is_none()
            && self.reference.as_ref().is_none_or(|r| r["type"] != 1)
    }
}

/// Reads a body with its files. Problems are reported under `path`.
pub fn read(body: &Value, files: Vec<File>, path: &str, now: Stamp) -> Result<Draft, ApiError> {
    let mut form = Form::at(body, path);
    let mut draft = Draft {
        content: if form.has("content") { Some(form.text("content", 0..=MAX_CONTENT).unwrap_or_default()) } else { None },
        tts: form.flag("tts").unwrap_or(false),
        enforce_nonce: form.flag("enforce_nonce").unwrap_or(false),
        flags: form.int("flags", 0..=i64::MAX).map(|f| f as u64 & SETTABLE),
        stickers: form.ids("sticker_ids", 3).unwrap_or_default(),
        reference: form.raw("message_reference").cloned(),
        ..Draft::default()
    };
    if let Some(nonce) = form.raw("nonce") {
        let long = nonce.as_str().is_some_and(|n| n.chars().count() > 25);
        if long {
            form.error("nonce", "NONCE_TYPE_TOO_LONG", "Nonce must be 25 or fewer in length.");
        }
        draft.nonce = nonce.clone();
    }
    if form.has("embeds") || form.has("embed") {
        draft.embeds = Some(embeds(&mut form));
    }
    let v2 = draft.flags.unwrap_or(0) & COMPONENTS_V2 != 0;
    if form.has("components") {
        draft.components = Some(components(&mut form, "components", v2));
    }
    if v2 && (draft.content.as_ref().is_some_and(|c| !c.is_empty()) || draft.has_embeds() || form.raw("poll").is_some()) {
        form.error("content", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", "The 'content' field cannot be used when using MessageFlags.IS_COMPONENTS_V2");
    }
    draft.poll = poll(&mut form, now);
    draft.mentions = mentions(&mut form);
    attachments(&mut form, &mut draft, files);
    form.done()?;
    if draft.files.iter().any(|(f, _)| f.bytes.len() > MAX_FILE) {
        return Err(error::FILE_TOO_BIG.into());
    }
    Ok(draft)
}

fn embeds(form: &mut Form<'_>) -> Vec<Value> {
    let single = form.raw("embed").map(std::slice::from_ref);
    let list = form.list("embeds", 10).or(single).unwrap_or_default();
    let mut total = 0;
    let mut embeds = Vec::with_capacity(list.len());
    let mut problems = Vec::new();
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &form.path_to(&format!("embeds.{n}")));
        embeds.push(embed(&mut part, value, &mut total));
        problems.push(part);
    }
    for part in problems {
        form.absorb(part);
    }
    if total > MAX_EMBED_TOTAL {
        form.error("embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000");
    }
    embeds
}

fn embed(part: &mut Form<'_>, value: &Value, total: &mut usize) -> Value {
    let mut embed = json!({"type": "rich"});
    let mut text = |part: &mut Form<'_>, key: &str, max: usize| {
        let text = part.text(key, 0..=max)?;
        *total += text.chars().count();
        Some(text).filter(|t| !t.is_empty())
    };
    for (key, max) in [("title", 256), ("description", 4096)] {
        if let Some(text) = text(part, key, max) {
            embed[key] = text.into();
        }
    }
    if let Some(url) = part.text("url", 0..=2048) {
        embed["url"] = url.into();
    }
    if let Some(color) = part.int("color", 0..=0xff_ffff) {
        embed["color"] = color.into();
    }
    if let Some(Some(time)) = part.nullable_time("timestamp") {
        embed["timestamp"] = json!(time);
    }
    for (key, name, max) in [("footer", "text", 2048), ("author", "name", 256)] {
        let Some(value) = part.raw(key) else { continue };
        let mut inner = Form::at(value, &part.path_to(key));
        inner.require(name);
        let mut out = json!({});
        if let Some(text) = text(&mut inner, name, max) {
            out[name] = text.into();
        }
        for link in ["icon_url", "url"] {
            if let Some(url) = inner.text(link, 0..=2048) {
                out[link] = url.into();
            }
        }
        part.absorb(inner);
        embed[key] = out;
    }
    for key in ["image", "thumbnail", "video"] {
        if let Some(url) = part.raw(key).and_then(|i| i["url"].as_str()) {
            embed[key] = json!({"url": url});
        }
    }
    if let Some(list) = part.list("fields", 25) {
        let mut fields = Vec::with_capacity(list.len());
        for (n, value) in list.iter().enumerate() {
            let mut inner = Form::at(value, &part.path_to(&format!("fields.{n}")));
            inner.require("name");
            inner.require("value");
            let name = text(&mut inner, "name", 256);
            let shown = text(&mut inner, "value", 1024);
            let inline = inner.flag("inline").unwrap_or(false);
            part.absorb(inner);
            fields.push(json!({"name": name, "value": shown, "inline": inline}));
        }
        embed["fields"] = fields.into();
    }
    let shows = ["title", "description", "fields", "image", "thumbnail", "author", "footer", "url"];
    if value.as_object().is_none_or(|m| m.is_empty()) || !shows.iter().any(|k| embed.get(k).is_some()) {
        part.error("description", "BASE_TYPE_REQUIRED", "This field is required");
    }
    embed
}

/// Checks and numbers components. Used for messages and, with one component a row, for modals.
pub fn components(form: &mut Form<'_>, key: &str, v2: bool) -> Vec<Value> {
    let most = if v2 { 40 } else { 5 };
    let Some(list) = form.list(key, most) else { return Vec::new() };
    let mut state = Walk { seen: BTreeSet::new(), next: 1, count: 0, v2 };
    let path = form.path_to(key);
    let mut out = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut part = Form::at(value, &format!("{path}.{n}"));
        out.push(state.component(&mut part, value, true));
        form.absorb(part);
    }
    if state.count > 40 {
        form.error(key, "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "The total number of components cannot exceed 40");
    }
    out
}

struct Walk {
    seen: BTreeSet<String>,
    next: i64,
    count: usize,
    v2: bool,
}

impl Walk {
    fn component(&mut self, part: &mut Form<'_>, value: &Value, top: bool) -> Value {
        self.count += 1;
        let kind = value["type"].as_i64().unwrap_or(0);
        let allowed = match (top, self.v2) {
            (true, false) => kind == 1 || kind == 18,
            (true, true) => matches!(kind, 1 | 9 | 10 | 12 | 13 | 14 | 17),
            (false, _) => (2..=21).contains(&kind),
        };
        if !allowed {
            part.error("type", "BASE_TYPE_CHOICES", "Value is not a component type that can be used here.");
            return Value::Null;
        }
        let mut out = value.clone();
        let id = value["id"].as_i64().filter(|id| *id > 0).unwrap_or(self.next);
        self.next = self.next.max(id) + 1;
        out["id"] = id.into();
        match kind {
            1 => self.row(part, value, &mut out),
            2 => self.button(part, value, &mut out),
            3..=8 => self.select(part, kind, &mut out),
            9.. => {
                defaults(kind, &mut out);
                self.nested(part, value, &mut out);
            }
            _ => {}
        }
        out
    }

    fn children(&mut self, part: &mut Form<'_>, list: &[Value]) -> Vec<Value> {
        let path = part.path_to("components");
        let mut out = Vec::with_capacity(list.len());
        for (n, child) in list.iter().enumerate() {
            let mut inner = Form::at(child, &format!("{path}.{n}"));
            out.push(self.component(&mut inner, child, false));
            part.absorb(inner);
        }
        out
    }

    fn row(&mut self, part: &mut Form<'_>, value: &Value, out: &mut Value) {
        let Some(list) = part.list("components", 5) else {
            if value.get("components").is_none() {
                part.error("components", "BASE_TYPE_REQUIRED", "This field is required");
            }
            return;
        };
        let selects = list.iter().filter(|c| c["type"].as_i64().is_some_and(|t| (3..=8).contains(&t))).count();
        if list.is_empty() || (selects > 0 && list.len() > 1) {
            part.error("components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.");
        }
        out["components"] = self.children(part, list).into();
    }

    fn nested(&mut self, part: &mut Form<'_>, value: &Value, out: &mut Value) {
        if value.get("components").is_some()
            && let Some(list) = part.list("components", 40)
        {
            out["components"] = self.children(part, list).into();
        }
        for key in ["accessory", "component"] {
            if let Some(child) = part.raw(key) {
                let mut inner = Form::at(child, &part.path_to(key));
                out[key] = self.component(&mut inner, child, false);
                part.absorb(inner);
            }
        }
    }

    fn custom_id(&mut self, part: &mut Form<'_>) {
        part.require("custom_id");
        if let Some(id) = part.text("custom_id", 1..=100)
            && !self.seen.insert(id)
        {
            part.error("custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated");
        }
    }

    fn button(&mut self, part: &mut Form<'_>, value: &Value, out: &mut Value) {
        part.require("style");
        let style = part.choice("style", &[1, 2, 3, 4, 5, 6]).unwrap_or(0);
        let label = part.text("label", 0..=80);
        match style {
            5 => {
                part.require("url");
                part.text("url", 1..=512);
                if value.get("custom_id").is_some_and(|c| !c.is_null()) {
                    part.error("custom_id", "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "A custom id and url cannot both be specified");
                }
            }
            6 => part.require("sku_id"),
            _ => self.custom_id(part),
        }
        if label.is_none() && value["emoji"].is_null() && style != 6 {
            part.error("label", "BASE_TYPE_REQUIRED", "This field is required");
        }
        let Some(map) = out.as_object_mut() else { return };
        map.retain(|_, v| !v.is_null());
        if let Some(emoji) = map.get_mut("emoji") {
            let id = emoji.get("id").and_then(read_id);
            let mut clean = json!({"name": emoji.get("name").cloned().unwrap_or_default()});
            if let Some(id) = id {
                clean["id"] = json!(id);
            }
            *emoji = clean;
        }
    }

    fn select(&mut self, part: &mut Form<'_>, kind: i64, out: &mut Value) {
        self.custom_id(part);
        if kind == 4 {
            part.choice("style", &[1, 2]);
            return;
        }
        let low = part.int("min_values", 0..=25).unwrap_or(1);
        let high = part.int("max_values", 1..=25).unwrap_or(1);
        if low > high {
            part.error("min_values", "BASE_TYPE_MAX_VALUE", "Must not exceed max_values.");
        }
        out["min_values"] = low.into();
        out["max_values"] = high.into();
        if kind != 3 {
            return;
        }
        part.require("options");
        let Some(list) = part.list("options", 25) else { return };
        if list.is_empty() {
            part.error("options", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25 in length.");
        }
        let path = part.path_to("options");
        for (n, option) in list.iter().enumerate() {
            let mut inner = Form::at(option, &format!("{path}.{n}"));
            for key in ["label", "value"] {
                inner.require(key);
                inner.text(key, 1..=100);
            }
            inner.text("description", 0..=100);
            part.absorb(inner);
        }
    }
}

/// What answers always carry, whatever was sent.
fn defaults(kind: i64, out: &mut Value) {
    let Some(map) = out.as_object_mut() else { return };
    let mut set = |key: &str, value: Value| {
        map.entry(key).or_insert(value);
    };
    match kind {
        11 => {
            set("description", Value::Null);
            set("spoiler", false.into());
        }
        13 => {
            set("name", Value::Null);
            set("size", Value::Null);
            set("spoiler", false.into());
        }
        14 => {
            set("spacing", 1.into());
            set("divider", true.into());
        }
        17 => {
            set("accent_color", Value::Null);
            set("spoiler", false.into());
        }
        _ => {}
    }
    for key in ["media", "file"] {
        if let Some(url) = map.get(key).and_then(|m| m["url"].as_str()).map(str::to_owned) {
            map.insert(key.to_owned(), json!({"id": "0", "url": url, "proxy_url": url}));
        }
    }
}

fn poll(form: &mut Form<'_>, now: Stamp) -> Option<Value> {
    let value = form.raw("poll")?;
    let mut part = Form::at(value, &form.path_to("poll"));
    part.require("question");
    part.require("answers");
    let question = value["question"]["text"].as_str().unwrap_or_default();
    if question.is_empty() || question.chars().count() > 300 {
        part.error("question.text", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 300 in length.");
    }
    let hours = part.int("duration", 1..=768).unwrap_or(24);
    let multiple = part.flag("allow_multiselect").unwrap_or(false);
    let answers = part.list("answers", 10).unwrap_or_default();
    let listed: Vec<Value> = answers
        .iter()
        .enumerate()
        .map(|(n, a)| json!({"answer_id": n + 1, "poll_media": a["poll_media"]}))
        .collect();
    form.absorb(part);
    Some(json!({
        "question": {"text": question},
        "answers": listed,
        "expiry": now.plus(hours * 3_600_000),
        "allow_multiselect": multiple,
        "layout_type": 1,
        "results": {"is_finalized": false, "answer_counts": []},
    }))
}

fn mentions(form: &mut Form<'_>) -> Mentions {
    let Some(value) = form.raw("allowed_mentions") else { return Mentions::default() };
    let mut part = Form::at(value, &form.path_to("allowed_mentions"));
    let parse: Vec<String> = part
        .list("parse", 3)
        .unwrap_or_default()
        .iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect();
    let users = part.ids("users", 100);
    let roles = part.ids("roles", 100);
    let parses = |what: &str| parse.iter().any(|p| p == what);
    for (key, given) in [("users", &users), ("roles", &roles)] {
        if parses(key) && given.as_ref().is_some_and(|g| !g.is_empty()) {
            part.error("parse", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", format!("parse:[\"{key}\"] and {key}: [ids...] are mutually exclusive."));
        }
    }
    let replied_user = part.flag("replied_user").unwrap_or(false);
    form.absorb(part);
    let set = |all: bool, given: Option<Vec<Id>>| (!all).then(|| given.unwrap_or_default().into_iter().collect());
    Mentions {
        users: set(parses("users"), users),
        roles: set(parses("roles"), roles),
        everyone: parses("everyone"),
        replied_user,
    }
}

fn attachments(form: &mut Form<'_>, draft: &mut Draft, files: Vec<File>) {
    if files.len() > MAX_FILES {
        form.error("files", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.");
        return;
    }
    let mut files: Vec<(Option<u64>, File, Option<String>)> = files
        .into_iter()
        .map(|f| (f.field.trim_start_matches("files[").trim_end_matches(']').parse().ok(), f, None))
        .collect();
    if form.has("attachments") {
        let list = form.list("attachments", MAX_FILES).unwrap_or_default();
        let mut kept = Vec::new();
        for entry in list {
            let Some(id) = entry.get("id").and_then(read_id) else { continue };
            match files.iter_mut().find(|(n, _, _)| *n == Some(id.0)) {
                Some((_, file, description)) => {
                    if let Some(name) = entry["filename"].as_str() {
                        name.clone_into(&mut file.name);
                    }
                    *description = entry["description"].as_str().map(str::to_owned);
                }
                None => kept.push(id),
            }
        }
        draft.kept = Some(kept);
    }
    draft.files = files.into_iter().map(|(_, file, description)| (file, description)).collect();
}

/// What kind of file the CDN says it is.
fn content_type(file: &File) -> Option<String> {
    if let Some(kind) = images::sniff(&file.bytes) {
        return Some(kind.to_owned());
    }
    let extension = file.name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    let known = match extension.as_deref() {
        Some("txt" | "log") => "text/plain; charset=utf-8",
        Some("json") => "application/json; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("mp4") => "video/mp4",
        Some("zip") => "application/zip",
        Some("pdf") => "application/pdf",
        _ => return file.content_type.clone().filter(|c| c != "application/octet-stream"),
    };
    Some(known.to_owned())
}

/// Stores the draft's files and attaches them; `attachment://` links in embeds then lead there.
pub fn attach(world: &mut World, draft: &mut Draft, message: &mut Message) {
    for (file, description) in std::mem::take(&mut draft.files) {
        let id = world.next_id();
        let size = images::dimensions(&file.bytes);
        let kind = content_type(&file);
        let attachment = Attachment {
            id,
            filename: crate::world::clean_filename(&file.name),
            description,
            content_type: kind.clone(),
            size: file.bytes.len() as u64,
            width: size.map(|s| s.0),
            height: size.map(|s| s.1),
            ephemeral: message.ephemeral_for.is_some(),
        };
        let content_type = kind.unwrap_or_else(|| "application/octet-stream".to_owned());
        world.assets.keep_by_id(AssetKind::Attachment, id, Stored { bytes: file.bytes, content_type });
        message.attachments.push(attachment);
    }
    for embed in &mut message.embeds {
        for key in ["image", "thumbnail", "video"] {
            let Some(name) = embed[key]["url"].as_str().and_then(|u| u.strip_prefix("attachment://")) else { continue };
            let found = message.attachments.iter().find(|a| a.filename == name);
            if let Some(attachment) = found {
                embed[key] = json!({
                    "url": world.attachment_url(message.channel, attachment),
                    "width": attachment.width.unwrap_or(0), "height": attachment.height.unwrap_or(0),
                });
            }
        }
    }
    // Keys of embeds that were never set came into being by looking.
    for embed in &mut message.embeds {
        if let Some(map) = embed.as_object_mut() {
            map.retain(|_, v| !v.is_null());
        }
    }
}

/// Finds whom the text mentions, as far as it is allowed to.
pub fn resolve_mentions(cx: &Cx<'_>, message: &mut Message, allowed: &Mentions, everyone: bool) {
    let guild = cx.world.guild_of(message.channel).and_then(|g| cx.world.guilds.get(&g));
    message.mentions.clear();
    message.mention_roles.clear();
    for (role, id) in mentioned(&message.content) {
        if role {
            let fits = allowed.roles.as_ref().is_none_or(|r| r.contains(&id));
            if fits && guild.is_some_and(|g| g.roles.contains_key(&id)) && !message.mention_roles.contains(&id) {
                message.mention_roles.push(id);
            }
        } else {
            let fits = allowed.users.as_ref().is_none_or(|u| u.contains(&id));
            if fits && cx.world.users.contains_key(&id) && !message.mentions.contains(&id) {
                message.mentions.push(id);
            }
        }
    }
    let calls = message.content.contains("@everyone") || message.content.contains("@here");
    message.mention_everyone = calls && everyone && allowed.everyone;
}

/// Mentions in a text: whether of a role, and the id.
pub fn mentioned(text: &str) -> Vec<(bool, Id)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("<@") {
        let rest = &text[at + 2..];
        let Some(end) = rest.find('>').filter(|e| *e <= 22) else { continue };
        let inner = &rest[..end];
        let (role, digits) = match inner.strip_prefix('&') {
            Some(digits) => (true, digits),
            None => (false, inner.strip_prefix('!').unwrap_or(inner)),
        };
        if let Ok(id) = digits.parse() {
            found.push((role, id));
        }
    }
    found
}
