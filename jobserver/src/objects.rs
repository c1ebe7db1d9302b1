//! Objects: finished backups and the intermediate sections of running ones, in a directory or in
//! an S3-compatible bucket.
//!
//! Every write is whole or not at all: the directory writes beside and renames, the bucket
//! completes an upload or aborts it.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use secrecy::ExposeSecret as _;
use splashtail_core::config::ObjectStorage;

/// Parts of a large upload; S3 wants at least 5 MiB each.
const PART: usize = 8 << 20;
const RETRIES: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Nobody but the operator can help; trying again at once is pointless.
    #[error("the object storage is full")]
    Full(#[source] object_store::Error),
    #[error("object `{0}` does not exist")]
    Missing(String),
    #[error("the object storage refuses access")]
    Refused(#[source] object_store::Error),
    #[error("the object storage failed")]
    Failed(#[source] object_store::Error),
    #[error("the finished file could not be read back")]
    File(#[source] io::Error),
}

impl ObjectError {
    fn of(error: object_store::Error, key: &Path) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing(key.to_string()),
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Self::Refused(error),
            error if is_full(&error) => Self::Full(error),
            error => Self::Failed(error),
        }
    }

    /// Whether a later attempt may succeed by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}

/// Looks through the causes for a full disk or an exhausted quota.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && is_full_disk(error)
        {
            return true;
        }
        cause = error.source();
    }
    false
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
    /// Only for a local directory: where it is.
    directory: Option<PathBuf>,
}

impl Objects {
    /// Creates the directory of a local storage; a bucket must exist.
    pub fn open(config: &ObjectStorage) -> anyhow::Result<Self> {
        match config {
            ObjectStorage::Local { path } => {
                let shown = path.display();
                std::fs::create_dir_all(path)
                    .with_context(|| format!("object_storage.path: cannot create {shown}"))?;
                let store = LocalFileSystem::new_with_prefix(path)
                    .with_context(|| format!("object_storage.path: cannot use {shown}"))?
                    .with_automatic_cleanup(true);
                Ok(Self {
                    store: Arc::new(store),
                    directory: Some(path.clone()),
                })
            }
            ObjectStorage::S3Like {
                bucket,
                endpoint,
                access_key,
                secret_key,
                secure,
                ..
            } => {
                let endpoint = endpoint.as_str().trim_end_matches('/');
                let retry = RetryConfig {
                    max_retries: RETRIES,
                    retry_timeout: RETRY_TIMEOUT,
                    ..RetryConfig::default()
                };
                let store = AmazonS3Builder::new()
                    .with_bucket_name(bucket)
                    .with_endpoint(endpoint)
                    .with_region("us-east-1")
                    .with_access_key_id(access_key.expose_secret())
                    .with_secret_access_key(secret_key.expose_secret())
                    .with_virtual_hosted_style_request(false)
                    .with_client_options(
                        ClientOptions::new()
                            .with_allow_http(!secure)
                            .with_timeout(REQUEST_TIMEOUT),
                    )
                    .with_retry(retry)
                    .build()
                    .context("object_storage: the bucket's address or keys are not usable")?;
                Ok(Self {
                    store: Arc::new(store),
                    directory: None,
                })
            }
        }
    }

    /// Whether the storage answers; for readiness. An empty listing is an answer.
    pub async fn check(&self) -> Result<(), ObjectError> {
        let prefix = Path::from("tasks/probe");
        let mut listing = self.store.list(Some(&prefix));
        match listing.next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(ObjectError::of(error, &prefix)),
        }
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

    /// Uploads a file from its beginning, in parts when it is large.
    pub async fn put_file(&self, key: &str, file: File) -> Result<(), ObjectError> {
        let (file, first) = read_part(file).await?;
        if first.len() < PART {
            return self.put(key, first).await;
        }
        let key = Path::from(key);
        let failed = |error| ObjectError::of(error, &key);
        let mut upload = self.store.put_multipart(&key).await.map_err(failed)?;
        let parts = async {
            let (mut file, mut part) = (file, first);
            while !part.is_empty() {
                upload
                    .put_part(PutPayload::from(part))
                    .await
                    .map_err(failed)?;
                (file, part) = read_part(file).await?;
            }
            upload.complete().await.map_err(failed)
        };
        let done = parts.await;
        if let Err(error) = done {
            if let Err(abort) = upload.abort().await {
                tracing::warn!(error = %abort, "an unfinished upload could not be removed");
            }
            return Err(error);
        }
        Ok(())
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
        if let Some(directory) = &self.directory {
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

    /// Keys below a prefix.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        let prefix = Path::from(prefix);
        let keys = self
            .store
            .list(Some(&prefix))
            .map_ok(|meta| meta.location.to_string());
        keys.try_collect()
            .await
            .map_err(|error| ObjectError::of(error, &prefix))
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
mod full_disk;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek as _, Write as _};

    fn local() -> (tempfile::TempDir, Objects) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("objects");
        let objects = Objects::open(&ObjectStorage::Local { path }).unwrap();
        (directory, objects)
    }

    #[tokio::test]
    async fn objects_come_back_and_prefixes_go() {
        let (directory, objects) = local();
        objects.check().await.unwrap();
        objects
            .put("tasks/1/work/a", Bytes::from_static(b"one"))
            .await
            .unwrap();
        objects
            .put("tasks/1/out", Bytes::from_static(b"two"))
            .await
            .unwrap();
        assert_eq!(objects.get("tasks/1/work/a").await.unwrap(), "one");
        let half = directory.path().join("objects/tasks/1/work/b#1");
        std::fs::write(&half, b"half").unwrap();
        objects.remove_all("tasks/1/work").await.unwrap();
        objects.remove_all("tasks/1/work").await.unwrap();
        assert!(!half.exists());
        assert_eq!(objects.list("tasks").await.unwrap(), ["tasks/1/out"]);
        let missing = objects.get("tasks/1/work/a").await.unwrap_err();
        assert!(matches!(missing, ObjectError::Missing(_)));
    }

    #[tokio::test]
    async fn large_files_go_up_in_parts() {
        let (_directory, objects) = local();
        for size in [0, PART - 1, PART, PART + 1, 2 * PART + 17] {
            let data: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&data).unwrap();
            file.rewind().unwrap();
            objects.put_file("tasks/2/file", file).await.unwrap();
            assert!(
                objects.get("tasks/2/file").await.unwrap() == data,
                "{size} bytes"
            );
        }
    }

    /// A bucket is addressed by path, over plain HTTP only when the config says so.
    #[tokio::test]
    async fn buckets_are_addressed_by_path() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = wiremock::MockServer::start().await;
        wiremock::Mock::given(wiremock::matchers::method("PUT"))
            .and(wiremock::matchers::path("/backups/tasks/1/a"))
            .and(wiremock::matchers::header_exists("authorization"))
            .respond_with(wiremock::ResponseTemplate::new(200).insert_header("etag", "\"1\""))
            .expect(1)
            .mount(&server)
            .await;
        let bucket = |secure| ObjectStorage::S3Like {
            bucket: "backups".into(),
            endpoint: server.uri().parse().unwrap(),
            cdn_endpoint: None,
            access_key: "key".to_owned().into(),
            secret_key: "secret".to_owned().into(),
            secure,
            cdn_secure: secure,
        };
        let objects = Objects::open(&bucket(false)).unwrap();
        objects
            .put("tasks/1/a", Bytes::from_static(b"x"))
            .await
            .unwrap();
        let refused = match Objects::open(&bucket(true)) {
            Ok(objects) => objects
                .put("tasks/1/a", Bytes::from_static(b"x"))
                .await
                .is_err(),
            Err(_) => true,
        };
        assert!(
            refused,
            "plain HTTP must not be used unless it was asked for"
        );
    }

    #[test]
    fn a_full_disk_is_recognised_behind_its_wrappers() {
        let full = object_store::Error::Generic {
            store: "test",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        };
        let error = ObjectError::of(full, &Path::from("x"));
        assert!(matches!(error, ObjectError::Full(_)) && !error.is_transient());
        let other = object_store::Error::Generic {
            store: "test",
            source: "timeout".into(),
        };
        assert!(ObjectError::of(other, &Path::from("x")).is_transient());
    }

    /// A directory that cannot be written: one clear error and nothing left behind.
    #[tokio::test]
    async fn a_failed_write_leaves_nothing() {
        let (directory, objects) = local();
        std::fs::write(directory.path().join("objects/tasks"), b"a file in the way").unwrap();
        let error = objects
            .put("tasks/1/a", Bytes::from_static(b"x"))
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        let names = std::fs::read_dir(directory.path().join("objects"))
            .unwrap()
            .count();
        assert_eq!(names, 1);
    }
}
