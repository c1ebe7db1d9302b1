//! Intermediate results of a running backup, in the object storage, so that any process can go on
//! where another was killed.
//!
//! Each is sealed in the container's block format: a half-written or altered one is noticed, and
//! the pages of an encrypted backup are never stored readable.

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use splashtail_core::ids::TaskId;
use splashtail_core::telemetry::Chain;
use splashtail_iblfile::{DerivedKey, Encryption, SealedKey, block};
use splashtail_jobs::JobError;

use super::error::BackupError;
use crate::objects::{Desk, ObjectError, Objects};

/// Where the work files of a job are.
fn prefix(task: TaskId) -> String {
    format!("tasks/{task}/work")
}

/// Below this prefix every task with work files has a desk: a mark that they exist, and traces of
/// uploads under way. Listing it is how the work of dead tasks is found.
pub const DESKS: &str = "work";

fn desk(task: TaskId) -> String {
    format!("{DESKS}/{task}")
}

/// Removes everything that attempts of a task left behind, unfinished uploads included. What is
/// already gone does not matter. The mark goes last, so that a failure is found again.
pub async fn clear(objects: &Objects, task: TaskId) -> Result<(), ObjectError> {
    let desk = desk(task);
    objects.remove_all(&prefix(task)).await?;
    objects.abort_uploads(&desk).await?;
    objects.remove_all(&desk).await
}

/// Its end is stored: removes the work files of a task of any kind.
pub async fn clear_up(objects: &Objects, task: TaskId) {
    if let Err(error) = clear(objects, task).await {
        // The sweep comes back for it, and complains if it cannot either.
        tracing::debug!(job.id = %task, error = %Chain(&error), "work files were left behind");
    }
}

/// Its time is over: removes everything that a task of any kind left in the object store.
pub async fn remove(objects: &Objects, task: TaskId) -> Result<(), JobError> {
    let removed = async {
        clear(objects, task).await?;
        objects.remove_all(&format!("tasks/{task}")).await
    };
    Ok(removed.await.map_err(BackupError::Objects)?)
}

/// The work files of one job.
#[derive(Debug, Clone)]
pub struct Work {
    objects: Objects,
    prefix: String,
    desk: String,
    attempt: u32,
    key: Option<DerivedKey>,
    /// What the finished file says of the key.
    sealed: Option<SealedKey>,
}

impl Work {
    pub fn new(objects: Objects, task: TaskId, attempt: u32, key: Option<DerivedKey>) -> Self {
        Self {
            objects,
            prefix: prefix(task),
            desk: desk(task),
            attempt,
            key,
            sealed: None,
        }
    }

    /// The finished file is for the holder of a private key.
    #[must_use]
    pub fn sealed(self, sealed: Option<SealedKey>) -> Self {
        Self { sealed, ..self }
    }

    /// A name that no other attempt writes to. A runner that lost its lease may still be writing;
    /// what the journal names must not change under its successor.
    pub fn own(&self, name: &str) -> String {
        format!("{name}.{}", self.attempt)
    }

    /// How the finished file is written.
    pub fn encryption_of_file(&self) -> Encryption {
        match &self.sealed {
            Some(sealed) => Encryption::Pem(sealed.clone()),
            None => self.encryption(),
        }
    }

    /// How the intermediate files are written.
    pub fn encryption(&self) -> Encryption {
        self.key
            .clone()
            .map_or(Encryption::None, Encryption::Aes256)
    }

    pub async fn put(&self, name: &str, data: impl Into<Vec<u8>>) -> Result<(), BackupError> {
        let (data, encryption) = (data.into(), self.encryption());
        let sealed = tokio::task::spawn_blocking(move || block::seal(data, &encryption))
            .await
            .map_err(BackupError::background)?
            .map_err(BackupError::Container)?;
        Ok(self
            .objects
            .put(&self.object(name), Bytes::from(sealed))
            .await?)
    }

    pub async fn get(&self, name: &str) -> Result<Vec<u8>, BackupError> {
        let sealed = self.objects.get(&self.object(name)).await?;
        let key = self.key.clone();
        tokio::task::spawn_blocking(move || block::open(sealed.into(), key.as_ref()))
            .await
            .map_err(BackupError::background)?
            .map_err(BackupError::Container)
    }

    /// Keeps a backup file as it is: it brings its own checksum, and its own encryption.
    pub async fn put_file(&self, name: &str, file: File) -> Result<(), BackupError> {
        let desk = Desk {
            prefix: &self.desk,
            name: self.attempt,
        };
        Ok(self
            .objects
            .put_file(&self.object(name), file, desk)
            .await?)
    }

    /// What [`Work::put_file`] kept, in a file of `directory` that has no name.
    pub async fn get_file(&self, name: &str, directory: &Path) -> Result<File, BackupError> {
        let file = temporary(directory).await?;
        Ok(self.objects.fetch(&self.object(name), file).await?)
    }

    /// Returns the size as written.
    pub async fn put_json(&self, name: &str, value: &impl Serialize) -> Result<u64, BackupError> {
        let json = serde_json::to_vec(value).map_err(BackupError::Json)?;
        let size = json.len() as u64;
        self.put(name, json).await?;
        Ok(size)
    }

    pub async fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, BackupError> {
        serde_json::from_slice(&self.get(name).await?).map_err(BackupError::Json)
    }

    /// Marks that there are work files from now on.
    pub async fn begin(&self) -> Result<(), BackupError> {
        let mark = format!("{}/begun", self.desk);
        Ok(self.objects.put(&mark, Bytes::new()).await?)
    }

    /// Uploads the finished file, and ends what an earlier attempt began to upload.
    pub async fn publish(&self, key: &str, file: File) -> Result<(), BackupError> {
        if let Err(error) = self.objects.abort_uploads(&self.desk).await {
            // It does not stand in the way; its note stays.
            tracing::warn!(error = %Chain(&error), "an unfinished upload could not be aborted");
        }
        let desk = Desk {
            prefix: &self.desk,
            name: self.attempt,
        };
        Ok(self.objects.put_file(key, file, desk).await?)
    }

    fn object(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }
}

/// A file without a name: it is gone with whoever holds it.
pub async fn temporary(directory: &Path) -> Result<File, BackupError> {
    let directory = directory.to_owned();
    let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(directory)).await;
    made.map_err(BackupError::background)?
        .map_err(BackupError::File)
}
