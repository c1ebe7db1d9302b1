//! Which earlier backup a new one goes on from.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use splashtail_core::ids::{GuildId, TaskId};
use splashtail_iblfile::block;
use splashtail_storage::{Storage, StorageError, TaskRow};

use super::{Useless, key};
use crate::backup::error::BackupError;
use crate::backup::finished;
use crate::backup::options::Fields;
use crate::objects::Objects;

/// Backups of a server that are looked at.
const LOOKED_AT: usize = 20;

/// The backup that this one goes on from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub task: Option<TaskId>,
    /// Why no messages are copied from it, pictures and sounds though they may be.
    pub no_messages: Option<Useless>,
}

/// The newest one with messages that can be copied, else the newest that can be read.
///
/// # Errors
/// The database is away.
pub async fn find(
    storage: &Storage,
    fields: &Fields,
    now: DateTime<Utc>,
) -> Result<Found, StorageError> {
    let rows = backups(storage, fields.server_id, now).await?;
    let mut why = "there is no earlier backup with messages".to_owned();
    let mut other = None;
    for row in rows {
        if !row.encrypted || fields.former == Some(row.id) {
            other = other.or(Some(row.id));
        }
        match fits(&row, fields) {
            Ok(true) => {
                return Ok(Found {
                    task: Some(row.id),
                    no_messages: None,
                });
            }
            Ok(false) => {}
            Err(because) => why = because.to_owned(),
        }
    }
    Ok(Found {
        task: other,
        no_messages: Some(why),
    })
}

/// Of an order with a password: the newest backup with one, and the salt of its key.
///
/// # Errors
/// The database or the object store is away.
pub async fn salted(
    storage: &Storage,
    objects: &Objects,
    fields: &Fields,
    now: DateTime<Utc>,
) -> Result<Option<(TaskId, [u8; 8])>, BackupError> {
    let rows = backups(storage, fields.server_id, now).await;
    let rows = rows.map_err(BackupError::Storage)?;
    let Some(row) = rows.into_iter().find(|row| row.encrypted) else {
        return Ok(None);
    };
    let Some(key) = key(&row) else {
        return Ok(None);
    };
    match objects.start(&key, block::SALTED as u64).await {
        Ok(start) => Ok(block::salt(&start).map(|salt| (row.id, salt))),
        Err(error) if error.is_transient() => Err(error.into()),
        Err(_) => Ok(None),
    }
}

async fn backups(
    storage: &Storage,
    server: GuildId,
    now: DateTime<Utc>,
) -> Result<Vec<TaskRow>, StorageError> {
    finished::newest(storage, server, now, LOOKED_AT, |_| true).await
}

/// `Ok(false)`: it has nothing that could be copied.
fn fits(row: &TaskRow, wanted: &Fields) -> Result<bool, &'static str> {
    let Ok(fields) = serde_json::from_value::<Fields>(row.fields.clone()) else {
        return Ok(false);
    };
    if !fields.options.backup_messages {
        return Ok(false);
    }
    if wanted.options.backup_attachments && !fields.options.backup_attachments {
        return Err("the earlier backup has no attachments");
    }
    if row.encrypted && wanted.former != Some(row.id) {
        return Err("the earlier backup has a password, and this one has none or another");
    }
    Ok(true)
}
