//! Pictures and sounds of emojis, stickers and sounds that an attacker deleted. Discord has the bytes no more, so they
//! are those of the newest backups from before that which anybody can open, where this server has one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use splashtail_antinuke::{Incident, LimitType, Moment};
use splashtail_core::ids::TaskId;
use splashtail_guild::{Effect, Id, Kind, Operation, Structure, digest_of, file_fields};
use splashtail_jobs::JobError;
use splashtail_storage::TaskRow;
use tracing::warn;

use super::evidence::EvidenceError;
use super::job::RevertIncident;
use super::options::{Fields, Part};
use crate::backup::error::BackupError;
use crate::backup::finished;
use crate::backup::source::Source;
use crate::backup::work::Work;
use crate::carry_out::Files;
use crate::restore::file::{self, BackupFile};
use crate::restore::options::BackupSource;
use crate::restore::source;

/// Backups that are looked through: one may lack what could not be downloaded then.
const BACKUPS: usize = 2;
const KINDS: [Kind; 3] = [Kind::Emoji, Kind::Sticker, Kind::Sound];

/// Backups that may have them, newest first.
#[derive(Debug, Default)]
pub struct Pictures(Vec<Arc<BackupFile>>);

impl Pictures {
    /// # Errors
    /// The database or the object store is away. A backup that cannot be read holds nothing up.
    pub async fn of(
        job: &RevertIncident,
        source: Source<'_>,
        fields: &Fields,
        incident: &Incident,
    ) -> Result<Self, JobError> {
        let mut acts = incident.acts.iter();
        let lost = acts.any(|act| act.kind == LimitType::ExpressionRemove);
        if !lost || !fields.parts.contains(&Part::Expressions) {
            return Ok(Self::default());
        }
        let begun = incident.acts.iter().map(|act| act.at).min();
        let begun = begun.map_or(0, Moment::unix_ms);
        let is_before = |row: &TaskRow| {
            let made = u64::try_from(row.created_at.timestamp_millis());
            !row.encrypted && made.is_ok_and(|made| made < begun)
        };
        let now = job.clock.now();
        let rows = finished::newest(&job.storage, fields.server_id, now, BACKUPS, is_before);
        let rows = rows.await.map_err(EvidenceError::Storage)?;
        let mut opened = Vec::with_capacity(rows.len());
        for row in rows {
            match open(job, source, fields, row.id).await {
                Ok(backup) => opened.push(Arc::new(backup)),
                Err(error @ JobError::Transient { .. }) => return Err(error),
                Err(error) => {
                    warn!(task.id = %row.id, %error, "a backup has no pictures for a put-back");
                }
            }
        }
        Ok(Self(opened))
    }

    /// Says of what was there before and is gone by which digests its bytes are known.
    pub fn name(&self, before: &mut Structure, now: &Structure) {
        for kind in KINDS {
            let all = before.all(kind).map(|(id, _)| id);
            let lost: Vec<Id> = all.filter(|id| now.get(kind, *id).is_none()).collect();
            for (id, field) in lost
                .into_iter()
                .flat_map(|id| file_fields(kind).map(move |field| (id, field)))
            {
                let mut backups = self.0.iter();
                let known = backups.find_map(|backup| backup.wanted.file(kind, id, field));
                if let Some(digest) = known {
                    before.learn_file(kind, id, field, digest);
                }
            }
        }
    }

    /// Keeps the bytes that effects name for as long as the job lasts: names of work files by digest.
    ///
    /// # Errors
    /// A backup is damaged, or the object store is away.
    pub async fn keep(
        &self,
        effects: &[Effect],
        work: &Work,
    ) -> Result<BTreeMap<String, String>, JobError> {
        let mut kept = BTreeMap::new();
        for digest in effects.iter().flat_map(|effect| named(&effect.operation)) {
            if kept.contains_key(&digest) {
                continue;
            }
            if let Some(bytes) = self.bytes(&digest).await? {
                let name = work.own(&format!("picture-{digest}"));
                work.put(&name, bytes).await?;
                kept.insert(digest, name);
            }
        }
        Ok(kept)
    }

    async fn bytes(&self, digest: &str) -> Result<Option<Vec<u8>>, JobError> {
        for backup in &self.0 {
            let (backup, digest) = (Arc::clone(backup), digest.to_owned());
            let read = tokio::task::spawn_blocking(move || backup.file(&digest)).await;
            if let Some(bytes) = read.map_err(BackupError::background)?? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

async fn open(
    job: &RevertIncident,
    source: Source<'_>,
    fields: &Fields,
    task: TaskId,
) -> Result<BackupFile, JobError> {
    let most = job.backup.plan.max_body_size;
    let (from, directory) = (BackupSource::Task(task), &job.backup.temporary);
    let place = (&job.storage, &job.objects, source);
    let file = source::read(&from, fields.server_id, most, directory, place).await?;
    let opened = tokio::task::spawn_blocking(move || file::open(file, None, most)).await;
    Ok(opened.map_err(BackupError::background)??)
}

/// Digests of the bytes that an operation needs.
fn named(operation: &Operation) -> Vec<String> {
    let (Operation::Create { kind, body, .. } | Operation::Edit { kind, body, .. }) = operation
    else {
        return Vec::new();
    };
    let digests = file_fields(*kind).filter_map(|field| digest_of(body.get(field)?));
    digests.map(str::to_owned).collect()
}

/// What was kept.
pub struct Kept<'a> {
    pub work: &'a Work,
    pub names: &'a BTreeMap<String, String>,
}

#[async_trait]
impl Files for Kept<'_> {
    async fn bytes(&self, digest: &str) -> Result<Option<Bytes>, JobError> {
        match self.names.get(digest) {
            Some(name) => Ok(Some(Bytes::from(self.work.get(name).await?))),
            None => Ok(None),
        }
    }
}
