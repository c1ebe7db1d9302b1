//! Objects: finished backups and the intermediate sections of running ones, in a directory or in
//! an S3-compatible bucket.
//!
//! Every write is whole or not at all. What a killed process leaves of a large one lies where
//! [`Objects::remove_all`] or the next attempt finds it.

mod upload;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use splashtail_core::config::ObjectStorage;
use splashtail_ipc::http::NotReady;
use splashtail_objects::{Patience, Place, Side, Trouble};

pub use upload::Desk;

/// Parts of a large upload; S3 wants at least 5 MiB each.
const PART: usize = 8 << 20;

/// Written to a file at a time.
const PIECE: usize = 1 << 20;

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Work goes on when the operator has made room.
    #[error("the object storage is full: its operator has to make room")]
    Full(#[source] object_store::Error),
    #[error("object `{0}` does not exist")]
    Missing(String),
    /// Bucket, keys or region; work goes on when the operator has mended them.
    #[error("the object storage refuses access")]
    Refused(#[source] object_store::Error),
    #[error("the object storage failed")]
    Failed(#[source] object_store::Error),
    #[error("a temporary file could not be read or written")]
    File(#[source] io::Error),
}

impl ObjectError {
    fn of(error: object_store::Error, key: &Path) -> Self {
        match error {
            error if Trouble::of(&error) == Trouble::Full => Self::Full(error),
            error if Trouble::of(&error).is_configuration() => Self::Refused(error),
            object_store::Error::NotFound { .. } => Self::Missing(key.to_string()),
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Self::Refused(error),
            error => Self::Failed(error),
        }
    }

    /// Whether a later attempt may succeed.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Missing(_))
    }
}

/// `ENOSPC`, `EDQUOT` or a file size limit.
pub fn is_full_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// The configured object storage.
#[derive(Debug, Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    kind: Kind,
    config: ObjectStorage,
}

#[derive(Clone)]
enum Kind {
    Directory(PathBuf),
    Bucket {
        uploads: Arc<dyn MultipartStore>,
        /// The same bucket, without repetitions.
        probe: Arc<dyn ObjectStore>,
    },
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Self::Bucket { .. } => f.write_str("Bucket"),
        }
    }
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub written_at: DateTime<Utc>,
}

impl Objects {
    /// Creates the directory of a local storage; a bucket must exist.
    pub fn open(config: &ObjectStorage) -> anyhow::Result<Self> {
        let open = |patience| {
            splashtail_objects::place(config, Side::Inside, patience)
                .context("object_storage: the bucket's address or keys are not usable")
        };
        let (store, kind): (Arc<dyn ObjectStore>, _) =
            match (open(Patience::Work)?, open(Patience::Probe)?) {
                (Place::Bucket(store), Place::Bucket(probe)) => {
                    let store = Arc::new(*store);
                    let kind = Kind::Bucket {
                        uploads: store.clone(),
                        probe: Arc::new(*probe),
                    };
                    (store, kind)
                }
                (Place::Directory(path), _) | (_, Place::Directory(path)) => {
                    let shown = path.display();
                    std::fs::create_dir_all(path)
                        .with_context(|| format!("object_storage.path: cannot create {shown}"))?;
                    let store = LocalFileSystem::new_with_prefix(path)
                        .with_context(|| format!("object_storage.path: cannot use {shown}"))?
                        .with_automatic_cleanup(true);
                    (Arc::new(store), Kind::Directory(path.to_owned()))
                }
            };
        Ok(Self {
            store,
            kind,
            config: config.clone(),
        })
    }

    /// Whether the storage answers; else what an operator should look at. A bucket is asked once,
    /// without repetitions.
    pub async fn check(&self) -> Result<(), NotReady> {
        let store = match &self.kind {
            Kind::Directory(_) => &self.store,
            Kind::Bucket { probe, .. } => probe,
        };
        let probe = splashtail_objects::probe(store.as_ref());
        probe.await.map_err(|error| {
            let remedy = Trouble::of(&error).remedy(&self.config);
            NotReady::because(remedy, error)
        })
    }

    pub async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        let key = Path::from(key);
        let put = self.store.put(&key, PutPayload::from(data)).await;
        put.map(drop).map_err(|error| ObjectError::of(error, &key))
    }

    pub async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        let key = Path::from(key);
        let read = async { self.store.get(&key).await?.bytes().await };
        read.await.map_err(|error| ObjectError::of(error, &key))
    }

    /// Its bytes, counted.
    pub async fn size(&self, key: &str) -> Result<u64, ObjectError> {
        let key = Path::from(key);
        let found = self.store.head(&key).await;
        let found = found.map_err(|error| ObjectError::of(error, &key))?;
        Ok(found.size)
    }

    /// Its first bytes, so many or all.
    pub async fn start(&self, key: &str, length: u64) -> Result<Bytes, ObjectError> {
        let key = Path::from(key);
        let read = self.store.get_range(&key, 0..length).await;
        read.map_err(|error| ObjectError::of(error, &key))
    }

    /// The bytes of an object, part by part.
    pub async fn read(
        &self,
        key: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let key = Path::from(key);
        let found = self.store.get(&key).await;
        let found = found.map_err(|error| ObjectError::of(error, &key))?;
        let parts = found.into_stream();
        Ok(parts
            .map_err(move |error| ObjectError::of(error, &key))
            .boxed())
    }

    /// Copies an object into a file, and goes back to the file's beginning.
    pub async fn fetch(&self, key: &str, mut file: File) -> Result<File, ObjectError> {
        let mut parts = self.read(key).await?;
        let mut piece = Vec::new();
        loop {
            let part = parts.try_next().await?;
            let last = part.is_none();
            piece.extend_from_slice(&part.unwrap_or_default());
            if last || piece.len() >= PIECE {
                let data = std::mem::take(&mut piece);
                file = write_part(file, data, last).await?;
            }
            if last {
                return Ok(file);
            }
        }
    }

    /// Removes everything below a prefix; what is already gone does not matter.
    pub async fn remove_all(&self, prefix: &str) -> Result<(), ObjectError> {
        let prefix = Path::from(prefix);
        let keys = self
            .store
            .list(Some(&prefix))
            .map_ok(|meta| meta.location)
            .boxed();
        let mut removed = self.store.delete_stream(keys);
        while let Some(result) = removed.next().await {
            match result {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(ObjectError::of(error, &prefix)),
            }
        }
        if let Kind::Directory(directory) = &self.kind {
            // A killed process leaves half-written files that no listing shows.
            let leftovers = directory.join(prefix.as_ref());
            match tokio::fs::remove_dir_all(&leftovers).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ObjectError::File(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What lies below a prefix.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>, ObjectError> {
        let prefix = Path::from(prefix);
        let listed = self.store.list(Some(&prefix)).map_ok(|meta| Listed {
            key: meta.location.to_string(),
            written_at: meta.last_modified,
        });
        listed
            .try_collect()
            .await
            .map_err(|error| ObjectError::of(error, &prefix))
    }
}

async fn write_part(mut file: File, data: Vec<u8>, last: bool) -> Result<File, ObjectError> {
    let written = tokio::task::spawn_blocking(move || {
        file.write_all(&data)?;
        if last {
            file.rewind()?;
        }
        Ok(file)
    });
    match written.await {
        Ok(written) => written.map_err(ObjectError::File),
        Err(panicked) => Err(ObjectError::File(io::Error::other(panicked))),
    }
}

async fn read_part(mut file: File) -> Result<(File, Bytes), ObjectError> {
    let read = tokio::task::spawn_blocking(move || {
        let mut part = Vec::new();
        (&mut file).take(PART as u64).read_to_end(&mut part)?;
        Ok((file, Bytes::from(part)))
    });
    match read.await {
        Ok(read) => read.map_err(ObjectError::File),
        Err(panicked) => Err(ObjectError::File(io::Error::other(panicked))),
    }
}

#[cfg(test)]
mod tests;
