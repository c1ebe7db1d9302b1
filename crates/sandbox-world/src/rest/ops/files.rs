//! Files of messages: what comes with a body, and what becomes of it.

use serde_json::{Value, json};

use super::compose::Draft;
use super::{components, images};
use crate::rest::body::File;
use crate::rest::form::{Form, read_id};
use crate::world::{AssetKind, Attachment, Id, Message, Stored, World};

/// Files of a message.
const MAX_FILES: usize = 10;
/// Bytes of a file without boosts.
pub const MAX_FILE: usize = 10 * 1024 * 1024;
/// Characters of a file's description.
const MAX_DESCRIPTION: usize = 1024;
/// A file whose name begins so is a spoiler, as one that is said to be.
const SPOILER: &str = "SPOILER_";

/// A file on its way into a message, with what the body says about it.
#[derive(Debug)]
pub(super) struct Upload {
    file: File,
    description: Option<String>,
    spoiler: bool,
}

impl Upload {
    fn new(file: File) -> Self {
        Self {
            file,
            description: None,
            spoiler: false,
        }
    }

    pub fn is_too_big(&self) -> bool {
        self.file.bytes.len() > MAX_FILE
    }

    /// As given, and as it will be called.
    pub fn names(&self) -> [String; 2] {
        let stored = crate::world::clean_filename(&self.file.name);
        [self.file.name.clone(), stored]
    }
}

/// An attachment that stays with an edit, and what the edit says about it.
#[derive(Debug)]
pub struct Kept {
    pub id: Id,
    /// `Some(None)` takes it away.
    description: Option<Option<String>>,
    spoiler: Option<bool>,
}

impl Kept {
    /// Existing attachments can be edited since 24 June 2026 (discord-api-docs#8429).
    pub fn amend(&self, attachment: &mut Attachment) {
        if let Some(description) = &self.description {
            attachment.description.clone_from(description);
        }
        if let Some(spoiler) = self.spoiler {
            attachment.spoiler = spoiler;
        }
    }
}

/// Reads the files that come, and which of those that were there stay (edits).
pub(super) fn read(form: &mut Form<'_>, draft: &mut Draft, files: Vec<File>) {
    if files.len() > MAX_FILES {
        form.error(
            "files",
            "BASE_TYPE_MAX_LENGTH",
            "Must be 10 or fewer in length.",
        );
        return;
    }
    let mut files: Vec<(Option<u64>, Upload)> = files
        .into_iter()
        .map(|file| {
            let number = file.field.trim_start_matches("files[");
            let number = number.trim_end_matches(']').parse().ok();
            (number, Upload::new(file))
        })
        .collect();
    if form.has("attachments") {
        let list = form.list("attachments", MAX_FILES).unwrap_or_default();
        let mut kept = Vec::new();
        for (n, entry) in list.iter().enumerate() {
            let Some(id) = entry.get("id").and_then(read_id) else {
                continue;
            };
            let mut part = Form::at(entry, &form.path_to(&format!("attachments.{n}")));
            let description = part.nullable_text("description", MAX_DESCRIPTION);
            let spoiler = part.flag("is_spoiler");
            form.absorb(part);
            match files.iter_mut().find(|(n, _)| *n == Some(id.0)) {
                Some((_, upload)) => {
                    if let Some(name) = entry["filename"].as_str() {
                        name.clone_into(&mut upload.file.name);
                    }
                    upload.description = description.flatten();
                    upload.spoiler = spoiler.unwrap_or(false);
                }
                None => kept.push(Kept {
                    id,
                    description,
                    spoiler,
                }),
            }
        }
        draft.kept = Some(kept);
    }
    draft.files = files.into_iter().map(|(_, upload)| upload).collect();
}

/// What kind of file the CDN says it is.
fn content_type(file: &File) -> Option<String> {
    if let Some(kind) = images::sniff(&file.bytes) {
        return Some(kind.to_owned());
    }
    let extension = file
        .name
        .rsplit_once('.')
        .map(|(_, e)| e.to_ascii_lowercase());
    let known = match extension.as_deref() {
        Some("txt" | "log") => "text/plain; charset=utf-8",
        Some("json") => "application/json; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        Some("mp4") => "video/mp4",
        Some("zip") => "application/zip",
        Some("pdf") => "application/pdf",
        _ => {
            return file
                .content_type
                .clone()
                .filter(|c| c != "application/octet-stream");
        }
    };
    Some(known.to_owned())
}

/// Stores the draft's files and attaches them; `attachment://` links in embeds and components then
/// lead there.
pub fn attach(world: &mut World, draft: &mut Draft, message: &mut Message) {
    for upload in std::mem::take(&mut draft.files) {
        let spoiler = upload.spoiler || upload.file.name.starts_with(SPOILER);
        let Upload {
            file, description, ..
        } = upload;
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
            spoiler,
        };
        let content_type = kind.unwrap_or_else(|| "application/octet-stream".to_owned());
        world.assets.keep_by_id(
            AssetKind::Attachment,
            id,
            Stored {
                bytes: file.bytes,
                content_type,
            },
        );
        message.attachments.push(attachment);
    }
    for embed in &mut message.embeds {
        for key in ["image", "thumbnail", "video"] {
            let Some(name) = embed[key]["url"]
                .as_str()
                .and_then(|u| u.strip_prefix("attachment://"))
            else {
                continue;
            };
            let found = message.attachments.iter().find(|a| a.filename == name);
            if let Some(attachment) = found {
                embed[key] = json!({
                    "url": world.attachment_url(message.channel, attachment),
                    "width": attachment.width.unwrap_or(0), "height": attachment.height.unwrap_or(0),
                });
            }
        }
    }
    let mut layout = Value::Array(std::mem::take(&mut message.components));
    components::visit(&mut layout, &mut |component| {
        // Looking by index would make what is not there.
        let items = component.get_mut("items").and_then(Value::as_array_mut);
        for media in items
            .into_iter()
            .flatten()
            .filter_map(|i| i.get_mut("media"))
        {
            lead(world, message, media);
        }
        for key in ["media", "file"] {
            if let Some(media) = component.get_mut(key) {
                lead(world, message, media);
            }
        }
    });
    if let Value::Array(components) = layout {
        message.components = components;
    }
    // Keys of embeds that were never set came into being by looking.
    for embed in &mut message.embeds {
        if let Some(map) = embed.as_object_mut() {
            map.retain(|_, v| !v.is_null());
        }
    }
}

/// Turns an `attachment://` address of a media item into that of the file.
fn lead(world: &World, message: &Message, media: &mut Value) {
    let name = media["url"].as_str();
    let Some(name) = name.and_then(|url| url.strip_prefix("attachment://")) else {
        return;
    };
    let stored = crate::world::clean_filename(name);
    let mut found = message.attachments.iter();
    let Some(file) = found.find(|a| a.filename == name || a.filename == stored) else {
        return;
    };
    let url = world.attachment_url(message.channel, file);
    *media = json!({
        "id": file.id, "url": url, "proxy_url": url, "width": file.width, "height": file.height,
        "content_type": file.content_type, "attachment_id": file.id,
    });
}
