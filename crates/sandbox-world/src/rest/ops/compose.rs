//! Bodies that become messages: the same rules for posts, edits, webhooks and responses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::components;
use super::files::{self, Kept, Upload};
use crate::rest::body::File;
use crate::rest::cx::Cx;
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::{COMPONENTS_V2, Id, Message, Stamp};

/// Characters of a message.
pub const MAX_CONTENT: usize = 2000;
/// Characters of all embeds together.
const MAX_EMBED_TOTAL: usize = 6000;
/// Schemes of addresses that embeds lead to, and of pictures in them.
const WEB: [&str; 2] = ["http", "https"];
const MEDIA: [&str; 3] = ["http", "https", "attachment"];
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
    /// Attachments to keep (edits).
    pub(super) kept: Option<Vec<Kept>>,
    pub mentions: Mentions,
    pub(super) files: Vec<Upload>,
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
        Self {
            users: None,
            roles: None,
            everyone: true,
            replied_user: true,
        }
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

/// Reads a body with its files, for a new message. Problems are reported under `path`.
pub fn read(body: &Value, files: Vec<File>, path: &str, now: Stamp) -> Result<Draft, ApiError> {
    read_onto(None, body, files, path, now)
}

/// As [`read`], for the edit of a message.
///
/// # Errors
/// Those of the body; polls are never edited.
pub fn read_edit(
    message: &Message,
    body: &Value,
    files: Vec<File>,
    path: &str,
    now: Stamp,
) -> Result<Draft, ApiError> {
    Cx::refuse_if(message.poll.is_some(), error::POLL_EDIT)?;
    read_onto(Some(message), body, files, path, now)
}

fn read_onto(
    base: Option<&Message>,
    body: &Value,
    files: Vec<File>,
    path: &str,
    now: Stamp,
) -> Result<Draft, ApiError> {
    let mut form = Form::at(body, path);
    let mut draft = Draft {
        content: if form.has("content") {
            Some(form.text("content", 0..=MAX_CONTENT).unwrap_or_default())
        } else {
            None
        },
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
            form.error(
                "nonce",
                "NONCE_TYPE_TOO_LONG",
                "Nonce must be 25 or fewer in length.",
            );
        }
        if nonce.is_string() || nonce.is_i64() || nonce.is_u64() {
            draft.nonce = nonce.clone();
        } else {
            form.error(
                "nonce",
                "NONCE_TYPE_INVALID",
                "Nonce must be a string or an integer.",
            );
        }
    }
    if form.has("embeds") || form.has("embed") {
        draft.embeds = Some(embeds(&mut form));
    }
    files::read(&mut form, &mut draft, files);
    let flags = draft.flags.unwrap_or(0) | base.map_or(0, |m| m.flags);
    let v2 = flags & COMPONENTS_V2 != 0;
    if form.has("components") {
        let names = file_names(&draft, base);
        draft.components = Some(components::read(&mut form, "components", v2, &names));
    }
    if v2 {
        refuse_legacy_fields(&mut form, &draft, base);
    }
    draft.poll = poll(&mut form, now);
    draft.mentions = mentions(&mut form);
    form.done()?;
    if draft.files.iter().any(Upload::is_too_big) {
        return Err(error::FILE_TOO_BIG.into());
    }
    Ok(draft)
}

/// Names of the files that a message will have: those that come and those that stay.
fn file_names(draft: &Draft, base: Option<&Message>) -> BTreeSet<String> {
    let stay = base.into_iter().flat_map(|m| &m.attachments).filter(|a| {
        let kept = draft.kept.as_ref();
        kept.is_none_or(|kept| kept.iter().any(|k| k.id == a.id))
    });
    let come = draft.files.iter().flat_map(Upload::names);
    stay.map(|a| a.filename.clone()).chain(come).collect()
}

/// With components v2 a message has neither text of its own nor embeds, stickers or a poll, whether
/// they come with it or were there before (message resource, flag `IS_COMPONENTS_V2`).
fn refuse_legacy_fields(form: &mut Form<'_>, draft: &Draft, base: Option<&Message>) {
    let text = draft
        .content
        .as_deref()
        .or(base.map(|m| m.content.as_str()));
    let embeds = draft.embeds.as_ref().or(base.map(|m| &m.embeds));
    let stickers = !draft.stickers.is_empty() || base.is_some_and(|m| !m.stickers.is_empty());
    for (field, used) in [
        ("content", text.is_some_and(|t| !t.is_empty())),
        ("embeds", embeds.is_some_and(|e| !e.is_empty())),
        ("sticker_ids", stickers),
        ("poll", form.raw("poll").is_some()),
    ] {
        if used {
            form.error(
                field,
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                format!(
                    "The '{field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                ),
            );
        }
    }
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
        form.error(
            "embeds",
            "MAX_EMBED_SIZE_EXCEEDED",
            "Embed size exceeds maximum size of 6000",
        );
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
    if let Some(url) = part.link("url", &WEB) {
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
            if let Some(url) = inner.link(link, &MEDIA) {
                out[link] = url.into();
            }
        }
        part.absorb(inner);
        embed[key] = out;
    }
    for key in ["image", "thumbnail", "video"] {
        let Some(value) = part.raw(key) else { continue };
        let mut inner = Form::at(value, &part.path_to(key));
        if let Some(url) = inner.link("url", &MEDIA) {
            embed[key] = json!({"url": url});
        }
        part.absorb(inner);
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
    let shows = [
        "title",
        "description",
        "fields",
        "image",
        "thumbnail",
        "author",
        "footer",
        "url",
    ];
    if value.as_object().is_none_or(|m| m.is_empty())
        || !shows.iter().any(|k| embed.get(k).is_some())
    {
        part.error(
            "description",
            "BASE_TYPE_REQUIRED",
            "This field is required",
        );
    }
    embed
}

fn poll(form: &mut Form<'_>, now: Stamp) -> Option<Value> {
    let value = form.raw("poll")?;
    let mut part = Form::at(value, &form.path_to("poll"));
    part.require("question");
    part.require("answers");
    let asked = part.raw("question").cloned().unwrap_or(Value::Null);
    let mut inner = Form::at(&asked, &part.path_to("question"));
    if !asked.is_null() {
        inner.require("text");
    }
    let question = inner.text("text", 1..=300).unwrap_or_default();
    part.errors.append(&mut inner.errors);
    let hours = part.int("duration", 1..=768).unwrap_or(24);
    let multiple = part.flag("allow_multiselect").unwrap_or(false);
    let answers = part.list("answers", 10).unwrap_or_default();
    let mut listed = Vec::with_capacity(answers.len());
    for (n, answer) in answers.iter().enumerate() {
        let media = &answer["poll_media"];
        let path = part.path_to(&format!("answers.{n}.poll_media"));
        let mut inner = Form::at(media, &path);
        inner.require("text");
        let mut shown = json!({"text": inner.text("text", 1..=55)});
        if let Some(emoji) = inner.raw("emoji") {
            let mut emoji = Form::at(emoji, &inner.path_to("emoji"));
            shown["emoji"] = json!({"id": emoji.id("id"), "name": emoji.text("name", 0..=32)});
            inner.absorb(emoji);
        }
        part.absorb(inner);
        listed.push(json!({"answer_id": n + 1, "poll_media": shown}));
    }
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
    let Some(value) = form.raw("allowed_mentions") else {
        return Mentions::default();
    };
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
            part.error(
                "parse",
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                format!("parse:[\"{key}\"] and {key}: [ids...] are mutually exclusive."),
            );
        }
    }
    let replied_user = part.flag("replied_user").unwrap_or(false);
    form.absorb(part);
    let set = |all: bool, given: Option<Vec<Id>>| {
        (!all).then(|| given.unwrap_or_default().into_iter().collect())
    };
    Mentions {
        users: set(parses("users"), users),
        roles: set(parses("roles"), roles),
        everyone: parses("everyone"),
        replied_user,
    }
}

/// Finds whom the text mentions, as far as it is allowed to.
pub fn resolve_mentions(cx: &Cx<'_>, message: &mut Message, allowed: &Mentions, everyone: bool) {
    let guild = cx
        .world
        .guild_of(message.channel)
        .and_then(|g| cx.world.guilds.get(&g));
    message.mentions.clear();
    message.mention_roles.clear();
    for (role, id) in mentioned(&message.content) {
        if role {
            let fits = allowed.roles.as_ref().is_none_or(|r| r.contains(&id));
            if fits
                && guild.is_some_and(|g| g.roles.contains_key(&id))
                && !message.mention_roles.contains(&id)
            {
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
        let Some(end) = rest.find('>').filter(|e| *e <= 22) else {
            continue;
        };
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
