//! Intermediate results of a running backup, in the object storage, so that any process can go on
//! where another was killed.
//!
//! Each is sealed in the container's block format: a half-written or altered one is noticed, and
//! the pages of an encrypted backup are never stored readable.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use splashtail_core::ids::TaskId;
use splashtail_iblfile::{DerivedKey, Encryption, block};

use super::error::BackupError;
use crate::objects::Objects;

/// Where the work files of a job are.
pub fn prefix(task: TaskId) -> String {
    format!("tasks/{task}/work")
}

/// The work files of one job.
#[derive(Debug, Clone)]
pub struct Work {
    objects: Objects,
    prefix: String,
    attempt: u32,
    key: Option<DerivedKey>,
}

impl Work {
    pub fn new(objects: Objects, task: TaskId, attempt: u32, key: Option<DerivedKey>) -> Self {
        Self {
            objects,
            prefix: prefix(task),
            attempt,
            key,
        }
    }

    /// A name that no other attempt writes to. A runner that lost its lease may still be writing;
    /// what the journal names must not change under its successor.
    pub fn own(&self, name: &str) -> String {
        format!("{name}.{}", self.attempt)
    }

    /// How the finished file and the intermediate ones are written.
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

    /// Removes all of it.
    pub async fn clear(&self) -> Result<(), BackupError> {
        Ok(self.objects.remove_all(&self.prefix).await?)
    }

    fn object(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }
}
