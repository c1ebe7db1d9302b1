//! The bytes of the backup: what a task of the same server left, or a file at Discord.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use splashtail_api_types::job_kinds::BROUGHT_BACKUP;
use splashtail_core::clock::Clock;
use splashtail_core::ids::GuildId;
use splashtail_storage::{Owner, Storage, TaskRow, TaskState};

use super::error::RestoreError;
use super::options::BackupSource;
use super::past::{self, Found};
use crate::backup::error::BackupError;
use crate::backup::source::Source;
use crate::backup::work::temporary;
use crate::objects::Objects;

const EXTENSION: &str = ".iblfile";

/// Copies the file into one of `directory` that has no name.
pub async fn read(
    source: &BackupSource,
    server: GuildId,
    limit: u64,
    directory: &Path,
    (storage, objects, discord): (&Storage, &Objects, Source<'_>),
) -> Result<File, RestoreError> {
    let file = temporary(directory).await?;
    match source {
        BackupSource::Address(address) => {
            let read = discord.download(address, limit).await;
            let bytes = read.map_err(RestoreError::Download)?.bytes;
            Ok(filled(file, bytes).await?)
        }
        BackupSource::AsOf(at) => {
            match past::find(storage, server, *at, discord.clock.now()).await? {
                Found::History(structure) => {
                    let at = *at;
                    let write = move || past::write(&structure, at, file);
                    let written = tokio::task::spawn_blocking(write).await;
                    let written = written.map_err(BackupError::background)?;
                    written.map_err(RestoreError::Container)
                }
                Found::Backup(task) => {
                    let source = BackupSource::Task(task);
                    let key = key(&source, server, storage, discord.clock, objects).await?;
                    let key = key.ok_or(RestoreError::NoFile(task))?;
                    Ok(objects.fetch(&key, file).await?)
                }
            }
        }
        BackupSource::Task(_) => {
            let key = key(source, server, storage, discord.clock, objects).await?;
            let Some(key) = key else {
                return Err(BackupError::Incomplete("sources").into());
            };
            Ok(objects.fetch(&key, file).await?)
        }
    }
}

async fn filled(mut file: File, bytes: Bytes) -> Result<File, BackupError> {
    let written = tokio::task::spawn_blocking(move || {
        file.write_all(&bytes)?;
        file.rewind()?;
        Ok(file)
    });
    let written = written.await.map_err(BackupError::background)?;
    written.map_err(BackupError::File)
}

/// Whether what a task of this server holds is a file that somebody brought.
///
/// # Errors
/// The database is away.
pub async fn is_uploaded(
    source: &BackupSource,
    server: GuildId,
    storage: &Storage,
    clock: &dyn Clock,
) -> Result<bool, RestoreError> {
    let BackupSource::Task(id) = source else {
        return Ok(false);
    };
    let row = storage.tasks().get(*id, clock.now()).await;
    let row = row.map_err(RestoreError::Storage)?;
    let is_own = |row: &TaskRow| row.owner == Owner::Server(server);
    Ok(row.is_some_and(|row| is_own(&row) && row.name == BROUGHT_BACKUP))
}

/// The object that a task left; `None` for what is found elsewhere, and can be.
///
/// # Errors
/// Nothing is known from then; the task is another server's, or it has left no backup.
pub async fn key(
    source: &BackupSource,
    server: GuildId,
    storage: &Storage,
    clock: &dyn Clock,
    objects: &Objects,
) -> Result<Option<String>, RestoreError> {
    let id = match source {
        BackupSource::Task(id) => id,
        BackupSource::Address(_) => return Ok(None),
        BackupSource::AsOf(at) => {
            past::find(storage, server, *at, clock.now()).await?;
            return Ok(None);
        }
    };
    let row = storage.tasks().get(*id, clock.now()).await;
    let row = row.map_err(RestoreError::Storage)?;
    // Whoever asks for another server's learns no more than that it is not theirs.
    let row = row.filter(|row| row.owner == Owner::Server(server));
    let row = row.ok_or(RestoreError::NoTask(*id))?;
    if !matches!(row.state, TaskState::Completed | TaskState::Failed) {
        return Err(RestoreError::NoFile(*id));
    }
    // Of a restore it is the backup that it made beforehand, which also a failed one leaves.
    let left = objects.list(&format!("tasks/{id}")).await?;
    let mut left = left.into_iter().map(|object| object.key);
    let file = left.find(|key| key.ends_with(EXTENSION) && key.matches('/').count() == 2);
    file.map(Some).ok_or(RestoreError::NoFile(*id))
}
