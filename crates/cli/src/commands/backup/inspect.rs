//! `backup inspect`: what a file holds.

use std::io::Write as _;

use splashtail_iblfile::EncryptionKind;

use super::BackupFile;
use super::open::open;

pub fn inspect(file: &BackupFile, as_json: bool) -> anyhow::Result<()> {
    let mut archive = open(file)?;
    let found = archive.inspect(usize::MAX)?;
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", serde_json::to_string(&found)?)?;
        return Ok(());
    }
    let meta = &found.meta;
    writeln!(
        out,
        "type        {} (version {})",
        meta.file_type, meta.version
    )?;
    writeln!(out, "created     {}", meta.created_at.to_rfc3339())?;
    writeln!(
        out,
        "container   rev{}, {}",
        found.revision,
        found.container.replace('_', " ")
    )?;
    let encryption = match archive.encryption() {
        EncryptionKind::None => "none",
        other => other.id(),
    };
    writeln!(out, "encryption  {encryption}")?;
    for (key, value) in &meta.extra {
        writeln!(out, "{key:<11} {value}")?;
    }
    let names = found.sections.iter().map(|section| section.name.len());
    let width = names.max().unwrap_or_default();
    writeln!(out, "\n{:<width$}  {:>10}  sha256", "section", "bytes")?;
    for section in &found.sections {
        let (name, size, sha256) = (&section.name, section.size, &section.sha256);
        writeln!(out, "{name:<width$}  {size:>10}  {sha256}")?;
    }
    Ok(())
}
