//! `backup inspect`: what a file holds.

use std::io::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use splashtail_iblfile::EncryptionKind;

use super::BackupFile;
use super::open::open;

pub fn inspect(file: &BackupFile, as_json: bool) -> anyhow::Result<()> {
    let mut archive = open(file)?;
    let mut sections = Vec::new();
    for section in archive.sections() {
        let digest = Sha256::digest(archive.read(&section.name)?);
        sections.push((section.name, section.size, hex(&digest)));
    }
    let mut out = std::io::stdout().lock();
    if as_json {
        let sections: Vec<_> = sections
            .iter()
            .map(|(name, size, sha256)| json!({"name": name, "size": size, "sha256": sha256}))
            .collect();
        let whole = json!({
            "revision": archive.revision().number(),
            "container": archive.container().as_str(),
            "encryption": archive.encryption().id(),
            "meta": archive.meta(),
            "sections": sections,
        });
        writeln!(out, "{whole}")?;
        return Ok(());
    }
    let meta = archive.meta();
    writeln!(
        out,
        "type        {} (version {})",
        meta.file_type, meta.version
    )?;
    writeln!(out, "created     {}", meta.created_at.to_rfc3339())?;
    writeln!(
        out,
        "container   rev{}, {}",
        archive.revision().number(),
        archive.container().as_str().replace('_', " ")
    )?;
    let encryption = match archive.encryption() {
        EncryptionKind::None => "none",
        other => other.id(),
    };
    writeln!(out, "encryption  {encryption}")?;
    for (key, value) in &meta.extra {
        writeln!(out, "{key:<11} {value}")?;
    }
    let width = sections
        .iter()
        .map(|(name, ..)| name.len())
        .max()
        .unwrap_or_default();
    writeln!(out, "\n{:<width$}  {:>10}  sha256", "section", "bytes")?;
    for (name, size, sha256) in &sections {
        writeln!(out, "{name:<width$}  {size:>10}  {sha256}")?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}
