//! `backup verify`: whether a file is whole.

use std::io::{Read as _, Write as _};

use anyhow::Context as _;
use splashtail_iblfile::{Error, msgpack};

use super::BackupFile;
use super::open::open;

pub fn verify(file: &BackupFile) -> anyhow::Result<()> {
    let mut archive = open(file)?;
    let sections = archive.sections();
    let mut attachments = Vec::new();
    for section in &sections {
        let data = archive.read(&section.name)?;
        let found = decode_section(&section.name, &data)
            .with_context(|| format!("section `{}`", section.name))?;
        attachments.extend(found);
    }
    let saved = attachments.len();
    for attachment in attachments {
        let data = archive
            .read(&attachment.section)
            .with_context(|| format!("attachment `{}` is announced", attachment.section))?;
        attachment.check(&data)?;
    }
    writeln!(
        std::io::stdout(),
        "{}: intact, {} sections decoded, {saved} attachments complete",
        file.file.display(),
        sections.len()
    )?;
    Ok(())
}

/// An attachment that a message section says was stored.
struct Attachment {
    section: String,
    gzip: bool,
    size: Option<u64>,
}

impl Attachment {
    fn of(metadata: &msgpack::Value) -> Option<Self> {
        let format = metadata.get("storage_format")?.as_str()?;
        if !matches!(format, "uncompressed" | "gzip" | "jpeg_encoded") {
            return None;
        }
        let id = metadata.get("id")?.as_str()?;
        // A re-encoded image has another size than the file it was made from.
        let size = metadata.get("size").and_then(msgpack::Value::as_u64);
        Some(Self {
            section: format!("attachments/{id}"),
            gzip: format == "gzip",
            size: size.filter(|_| format != "jpeg_encoded"),
        })
    }

    fn check(&self, stored: &[u8]) -> Result<(), Error> {
        let length = if self.gzip {
            let mut plain = flate2::read::GzDecoder::new(stored);
            std::io::copy(&mut plain.by_ref().take(1 << 30), &mut std::io::sink())
                .map_err(|_| Error::Corrupt(format!("section `{}` is not gzip", self.section)))?
        } else {
            stored.len() as u64
        };
        match self.size {
            Some(size) if size != length => Err(Error::Corrupt(format!(
                "section `{}` holds {length} bytes instead of {size}",
                self.section
            ))),
            _ => Ok(()),
        }
    }
}

/// Decodes by what the name says the section holds; returns the attachments it refers to.
fn decode_section(name: &str, data: &[u8]) -> Result<Vec<Attachment>, Error> {
    let msgpack = name == "backup_opts"
        || ["core/", "dbg/", "messages/"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if msgpack {
        let value = msgpack::decode(data)?;
        let messages = value.as_array().filter(|_| name.starts_with("messages/"));
        return Ok(messages
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.get("attachment_metadata")?.as_array())
            .flatten()
            .filter_map(Attachment::of)
            .collect());
    }
    if name == "meta" || name.starts_with("ext/") {
        serde_json::from_slice::<serde::de::IgnoredAny>(data)
            .map_err(|error| Error::Corrupt(format!("section `{name}`: {error}")))?;
    }
    Ok(Vec::new())
}
