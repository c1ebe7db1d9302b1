//! Puts the work files together: the container in a temporary file, then the upload.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use splashtail_core::ids::{AttachmentId, ChannelId};
use splashtail_discord::permissions::Subject;
use splashtail_iblfile::msgpack::{self, Value as Msgpack};
use splashtail_iblfile::{FileType, Limits, Meta, Writer};

use super::allocate::Collection;
use super::attachments::{self, Outcome};
use super::coverage::Coverage;
use super::dialect::{self, split};
use super::error::BackupError;
use super::files::Kept;
use super::former::{self, Former, Reading};
use super::options::{Asset, Fields};
use super::pages::Page;
use super::run::PeopleList;
use super::snapshot::Snapshot;
use super::work::Work;

/// Everything the steps found out.
pub struct Parts<'a> {
    pub fields: &'a Fields,
    pub encrypted: bool,
    pub snapshot: &'a Snapshot,
    /// Sections and their work files.
    pub lists: &'a [(String, String)],
    pub assets: &'a [Asset],
    pub people: &'a [PeopleList],
    pub files: &'a [Kept],
    pub threads: Vec<Value>,
    pub messages: Option<&'a Walked>,
    pub coverage: &'a Coverage,
}

/// The walk over all messages, when it is over.
pub struct Walked {
    pub collection: Collection,
    /// The pages of each share, newest first.
    pub pages: Vec<Vec<PageFiles>>,
    /// The earlier backup that some of it was copied from.
    pub former: Former,
    /// Channels that the bot may not read any more: what it was not told of them, nobody knows.
    pub unseen: BTreeSet<ChannelId>,
}

impl Walked {
    /// Channels that are there from their first message on.
    pub fn whole(&self) -> impl Iterator<Item = ChannelId> + '_ {
        let shares = self.collection.shares().iter().enumerate();
        let whole = shares.filter(|(at, _)| self.collection.is_whole(*at));
        let ids = whole.map(|(_, share)| share.channel.id);
        ids.filter(|id| !self.unseen.contains(id))
    }

    /// Section [`former::READING`], for the next backup. `now`: when this one began.
    fn reading(&self, now: DateTime<Utc>) -> Reading {
        Reading {
            former: self.former.task,
            full_at: Some(self.former.full_at.unwrap_or(now)),
            whole: self.whole().collect(),
        }
    }
}

/// Work files of a page.
#[derive(Debug)]
pub struct PageFiles {
    pub messages: String,
    /// One per round over its attachments.
    pub attachments: Vec<String>,
}

/// A container being written, moved to and from a thread that may block.
struct Target(Option<Writer<File>>);

impl Target {
    /// What blocks is done on a thread for it.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Writer<File>) -> splashtail_iblfile::Result<T> + Send + 'static,
    ) -> Result<T, BackupError> {
        let mut writer = self.0.take().ok_or(BackupError::Incomplete("sections"))?;
        let (writer, done) = tokio::task::spawn_blocking(move || {
            let done = work(&mut writer);
            (writer, done)
        })
        .await
        .map_err(BackupError::background)?;
        self.0 = Some(writer);
        done.map_err(BackupError::Container)
    }

    async fn add(&mut self, name: &str, data: Vec<u8>) -> Result<(), BackupError> {
        let name = name.to_owned();
        self.with(move |writer| writer.add(&name, &data)).await
    }

    /// Begins a section that is written part by part.
    async fn begin(&mut self, name: &str, start: Vec<u8>) -> Result<(), BackupError> {
        let name = name.to_owned();
        self.with(move |writer| {
            writer.begin(&name)?;
            writer.append(&start)
        })
        .await
    }

    async fn append(&mut self, data: Vec<u8>) -> Result<(), BackupError> {
        self.with(move |writer| writer.append(&data)).await
    }

    async fn end(&mut self, end: &'static [u8]) -> Result<(), BackupError> {
        self.with(move |writer| {
            writer.append(end)?;
            writer.end().map(drop)
        })
        .await
    }

    fn contains(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|writer| writer.contains(name))
    }

    async fn add_msgpack(&mut self, name: &str, value: &Msgpack) -> Result<(), BackupError> {
        self.add(name, msgpack::encode(value)).await
    }

    async fn add_json(&mut self, name: &str, value: &impl Serialize) -> Result<(), BackupError> {
        self.add(name, serde_json::to_vec(value).map_err(BackupError::Json)?)
            .await
    }
}

/// Writes the file into `directory`, where it has no name, and returns it at its beginning.
pub async fn assemble(
    work: &Work,
    parts: Parts<'_>,
    directory: &Path,
) -> Result<(File, u64), BackupError> {
    let limits = Limits::with_total(parts.fields.constraints.max_body_size);
    let directory = directory.to_owned();
    let writer = tokio::task::spawn_blocking(move || {
        let file = tempfile::tempfile_in(directory).map_err(BackupError::File)?;
        Writer::new(file, limits).map_err(BackupError::Container)
    })
    .await
    .map_err(BackupError::background)??;
    let mut target = Target(Some(writer));

    let options = parts.fields.options.section(parts.encrypted);
    target.add_msgpack("backup_opts", &options).await?;
    guild(work, &parts, &mut target).await?;
    for (section, object) in parts.lists {
        target.add(section, work.get(object).await?).await?;
    }
    for list in parts.people {
        people(work, list, &mut target).await?;
    }
    for asset in parts.assets {
        target
            .add(asset.section(), work.get(asset.section()).await?)
            .await?;
    }
    files(work, parts.files, &mut target).await?;
    if let Some(read) = parts.messages {
        let shares = read.collection.shares();
        let allocation = shares
            .iter()
            .map(|share| {
                (
                    share.channel.id.to_string().into(),
                    u64::from(share.messages).into(),
                )
            })
            .collect();
        target
            .add_msgpack("dbg/chanAlloc", &Msgpack::Map(allocation))
            .await?;
        for at in 0..shares.len() {
            messages(work, read, at, &mut target).await?;
        }
        let reading = read.reading(parts.snapshot.created_at);
        target.add_json(former::READING, &reading).await?;
    }
    if !parts.threads.is_empty() {
        target.add_json("ext/threads", &parts.threads).await?;
    }
    let coverage = parts.coverage.section();
    target.add_json("ext/coverage", &coverage).await?;

    let mut meta = Meta::new(FileType::SERVER_BACKUP, parts.snapshot.created_at);
    meta.extra.insert("OperationMode".into(), "jobs".into());
    meta.extra.insert(
        "Generator".into(),
        concat!("splashtail ", env!("CARGO_PKG_VERSION")).into(),
    );
    let encryption = work.encryption_of_file();
    let writer = target.0.take().ok_or(BackupError::Incomplete("sections"))?;
    tokio::task::spawn_blocking(move || {
        let mut file = writer
            .finish(&meta, &encryption)
            .map_err(BackupError::Container)?;
        let size = file.seek(SeekFrom::End(0)).map_err(BackupError::File)?;
        file.rewind().map_err(BackupError::File)?;
        Ok((file, size))
    })
    .await
    .map_err(BackupError::background)?
}

/// Each file once, however many have it.
async fn files(work: &Work, kept: &[Kept], target: &mut Target) -> Result<(), BackupError> {
    if kept.is_empty() {
        return Ok(());
    }
    target.add_json(super::files::INDEX, &kept).await?;
    for digest in kept.iter().filter_map(|file| file.digest.as_deref()) {
        let name = super::files::section(digest);
        if !target.contains(&name) {
            target.add(&name, work.get(&name).await?).await?;
        }
    }
    Ok(())
}

async fn guild(work: &Work, parts: &Parts<'_>, target: &mut Target) -> Result<(), BackupError> {
    let guild: Value = work.get_json(&parts.snapshot.guild).await?;
    let member: Value = work.get_json(&parts.snapshot.member).await?;
    let base = Subject::new(&guild, &member, parts.snapshot.created_at)
        .map(|subject| subject.base)
        .unwrap_or_default();
    target
        .add_msgpack("dbg/bot", &split(&member, &dialect::MEMBER).0)
        .await?;
    // The original reads a signed integer.
    let base = Msgpack::UInt(base & (u64::MAX >> 1));
    target.add_msgpack("dbg/basePerms", &base).await?;
    let (section, rest) = split(&guild, &dialect::GUILD);
    target.add_msgpack("core/guild", &section).await?;
    if let Some(rest) = rest {
        target.add_json("ext/guild", &rest).await?;
    }
    Ok(())
}

/// A list of people, page by page.
async fn people(work: &Work, list: &PeopleList, target: &mut Target) -> Result<(), BackupError> {
    target.begin(list.section, b"[".to_vec()).await?;
    for (number, page) in list.pages.iter().enumerate() {
        let mut entries = work.get(page).await?;
        if number > 0 {
            entries.insert(0, b',');
        }
        target.append(entries).await?;
    }
    target.end(b"]").await
}

/// The messages of one channel, its attachments, and what the dialect does not hold of them. One
/// page at a time is in memory.
async fn messages(
    work: &Work,
    read: &Walked,
    at: usize,
    target: &mut Target,
) -> Result<(), BackupError> {
    if read.pages[at].is_empty() {
        return Ok(());
    }
    let channel = read.collection.shares()[at].channel.id;
    let collected = read.collection.collected(at);
    let header = msgpack::array_header(collected);
    target.begin(&format!("messages/{channel}"), header).await?;
    let (mut count, mut has_rests) = (0, false);
    let mut saved: HashSet<AttachmentId> = HashSet::new();
    for files in &read.pages[at] {
        let mut page: Page = work.get_json(&files.messages).await?;
        for object in &files.attachments {
            let round: BTreeMap<AttachmentId, Outcome> = work.get_json(object).await?;
            page.attachments.extend(round);
        }
        let mut entries = Vec::new();
        for message in &page.messages {
            let (section, rest) = split(message, &dialect::MESSAGE);
            has_rests |= rest.is_some() && message["id"].is_string();
            let entry = Msgpack::object([
                ("message", section),
                (
                    "attachment_metadata",
                    attachments::metadata(message, &page.attachments),
                ),
            ]);
            msgpack::encode_into(&mut entries, &entry);
            count += 1;
        }
        target.append(entries).await?;
        for (id, outcome) in page.attachments {
            if matches!(outcome, Outcome::Saved { .. }) {
                saved.insert(id);
            }
        }
    }
    if count != collected {
        return Err(BackupError::Incomplete("messages"));
    }
    target.end(b"").await?;
    if has_rests {
        rests(work, &read.pages[at], channel, target).await?;
    }
    let mut saved: Vec<_> = saved.into_iter().collect();
    saved.sort();
    for id in saved {
        let name = attachments::object(id);
        // A followed announcement carries the attachments of the original message.
        if !target.contains(&name) {
            target.add(&name, work.get(&name).await?).await?;
        }
    }
    Ok(())
}

/// What the dialect does not hold of a channel's messages: one JSON object, by their ids.
async fn rests(
    work: &Work,
    pages: &[PageFiles],
    channel: ChannelId,
    target: &mut Target,
) -> Result<(), BackupError> {
    let name = format!("ext/messages/{channel}");
    target.begin(&name, b"{".to_vec()).await?;
    let mut first = true;
    for files in pages {
        let page: Page = work.get_json(&files.messages).await?;
        let mut entries = Vec::new();
        for message in &page.messages {
            let (_, rest) = split(message, &dialect::MESSAGE);
            let (Some(rest), Some(id)) = (rest, message["id"].as_str()) else {
                continue;
            };
            if !std::mem::take(&mut first) {
                entries.push(b',');
            }
            serde_json::to_writer(&mut entries, id).map_err(BackupError::Json)?;
            entries.push(b':');
            serde_json::to_writer(&mut entries, &rest).map_err(BackupError::Json)?;
        }
        target.append(entries).await?;
    }
    target.end(b"}").await
}
