//! Keeping a file that somebody brought.
//!
//! A bucket keeps the parts of an upload that nobody finishes, unseen and charged for. As for files that
//! jobs make, each upload is noted below `work/<task>/` before its first part goes out; the jobserver's
//! sweep aborts what a killed process left there.

use std::fs::File;
use std::io::{self, Read as _};

use bytes::Bytes;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStoreExt as _, PutPayload};
use serde_json::json;
use splashtail_core::ids::TaskId;
use tracing::debug;

use super::Objects;
use crate::error::ApiError;

/// S3 wants at least 5 MiB each.
const PART: usize = 8 << 20;

impl Objects {
    /// Writes a file, from where it stands, as what a task left: whole or not at all.
    ///
    /// # Errors
    /// The store or the file failed.
    pub async fn keep(&self, task: TaskId, name: &str, file: File) -> Result<(), ApiError> {
        let key = Path::from(format!("tasks/{task}/{name}"));
        let (file, first) = part(file).await?;
        if first.len() < PART {
            self.store().put(&key, PutPayload::from(first)).await?;
            return Ok(());
        }
        let desk = format!("work/{task}");
        match self {
            Self::Local(store) => {
                let draft = Path::from(format!("{desk}/draft.0"));
                let mut writer = store.put_multipart(&draft).await?;
                let (mut file, mut next) = (file, first);
                while !next.is_empty() {
                    writer.put_part(PutPayload::from(next)).await?;
                    (file, next) = part(file).await?;
                }
                writer.complete().await?;
                store.rename(&draft, &key).await?;
            }
            Self::S3 { store, .. } => {
                let note = Path::from(format!("{desk}/upload.0"));
                let upload = store.create_multipart(&key).await?;
                let noted = json!({"key": key.to_string(), "upload": upload}).to_string();
                let sent = async {
                    store
                        .put(&note, PutPayload::from(noted.into_bytes()))
                        .await?;
                    send(&**store, &key, &upload, (file, first)).await
                };
                let sent: Result<(), ApiError> = sent.await;
                if sent.is_err() {
                    store.abort_multipart(&key, &upload).await?;
                }
                if let Err(error) = store.delete(&note).await {
                    debug!(%error, "the note of an upload that is over is left for the sweep");
                }
                sent?;
            }
        }
        Ok(())
    }
}

async fn send(
    store: &dyn MultipartStore,
    key: &Path,
    upload: &MultipartId,
    (mut file, mut next): (File, Bytes),
) -> Result<(), ApiError> {
    let mut parts = Vec::new();
    while !next.is_empty() {
        let payload = PutPayload::from(next);
        parts.push(store.put_part(key, upload, parts.len(), payload).await?);
        (file, next) = part(file).await?;
    }
    store.complete_multipart(key, upload, parts).await?;
    Ok(())
}

/// The next of it; empty at its end.
async fn part(mut file: File) -> Result<(File, Bytes), ApiError> {
    let read = tokio::task::spawn_blocking(move || {
        let mut part = Vec::new();
        (&mut file).take(PART as u64).read_to_end(&mut part)?;
        Ok((file, Bytes::from(part)))
    });
    read.await
        .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
        .map_err(ApiError::File)
}
