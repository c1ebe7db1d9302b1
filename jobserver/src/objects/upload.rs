//! Large files. A bucket takes them in parts, and keeps the parts of an upload that nobody finishes,
//! unseen and charged for. So each upload is written down beside the work of its task before its
//! first part goes out, and is aborted when it fails, when its future is dropped, or by whoever
//! finds the note. Between the beginning of an upload and its note lies one request: what is left of
//! a process killed there has no parts.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};

use super::{Kind, ObjectError, Objects, PART, read_part};

/// How notes are called; whoever uploads adds a name of its own.
const NOTE: &str = "upload.";

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    key: String,
    upload: String,
}

/// Where an upload leaves its traces while it is under way.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// A prefix that is removed with [`Objects::remove_all`] when the task is over.
    pub prefix: &'a str,
    /// Nobody else uploads under this name at the same time.
    pub name: u32,
}

impl Desk<'_> {
    fn note(&self) -> Path {
        Path::from(format!("{}/{NOTE}{}", self.prefix, self.name))
    }

    fn draft(&self) -> Path {
        Path::from(format!("{}/draft.{}", self.prefix, self.name))
    }
}

impl Objects {
    /// Uploads a file from its beginning, in parts when it is large.
    pub async fn put_file(&self, key: &str, file: File, desk: Desk<'_>) -> Result<(), ObjectError> {
        let (file, first) = read_part(file).await?;
        if first.len() < PART {
            return self.put(key, first).await;
        }
        match &self.kind {
            Kind::Directory(_) => self.move_into_place(key, file, first, desk).await,
            Kind::Bucket { uploads, .. } => {
                let (key, note) = (Path::from(key), desk.note());
                let upload = Upload::begin(&self.store, uploads, key, note).await?;
                upload.send(file, first).await
            }
        }
    }

    /// Written at the desk, where its half is found, and renamed.
    async fn move_into_place(
        &self,
        key: &str,
        mut file: File,
        mut part: Bytes,
        desk: Desk<'_>,
    ) -> Result<(), ObjectError> {
        let (key, draft) = (Path::from(key), desk.draft());
        let failed = |error| ObjectError::of(error, &key);
        let mut writer = self.store.put_multipart(&draft).await.map_err(failed)?;
        let written = async {
            while !part.is_empty() {
                let payload = PutPayload::from(part);
                writer.put_part(payload).await.map_err(failed)?;
                (file, part) = read_part(file).await?;
            }
            writer.complete().await.map_err(failed)?;
            self.store.rename(&draft, &key).await.map_err(failed)
        };
        let done = written.await;
        if done.is_err()
            && let Err(error) = writer.abort().await
        {
            tracing::debug!(%error, "a half-written file is left for the sweep");
        }
        done
    }

    /// Aborts every upload that was noted below a prefix and has not ended.
    pub async fn abort_uploads(&self, prefix: &str) -> Result<(), ObjectError> {
        let Kind::Bucket { uploads, .. } = &self.kind else {
            return Ok(());
        };
        for listed in self.list(prefix).await? {
            let name = listed.key.rsplit('/').next().unwrap_or_default();
            if !name.starts_with(NOTE) {
                continue;
            }
            let note = match self.get(&listed.key).await {
                Ok(note) => note,
                // It ended in the meantime.
                Err(ObjectError::Missing(_)) => continue,
                Err(error) => return Err(error),
            };
            if let Ok(Note { key, upload }) = serde_json::from_slice(&note) {
                abort(uploads.as_ref(), &Path::from(key), &upload).await?;
            }
            remove(self.store.as_ref(), &Path::from(listed.key)).await?;
        }
        Ok(())
    }
}

/// One that is gone already is no error.
async fn abort(
    uploads: &dyn MultipartStore,
    key: &Path,
    upload: &MultipartId,
) -> Result<(), ObjectError> {
    match uploads.abort_multipart(key, upload).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(ObjectError::of(error, key)),
    }
}

async fn remove(store: &dyn ObjectStore, key: &Path) -> Result<(), ObjectError> {
    match store.delete(key).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(ObjectError::of(error, key)),
    }
}

/// An upload under way; dropped before its end, it is aborted.
struct Upload {
    store: Arc<dyn ObjectStore>,
    uploads: Arc<dyn MultipartStore>,
    key: Path,
    note: Path,
    id: String,
    over: bool,
}

impl Upload {
    async fn begin(
        store: &Arc<dyn ObjectStore>,
        uploads: &Arc<dyn MultipartStore>,
        key: Path,
        note: Path,
    ) -> Result<Self, ObjectError> {
        let failed = |error| ObjectError::of(error, &key);
        let id = uploads.create_multipart(&key).await.map_err(failed)?;
        let written = Note {
            key: key.to_string(),
            upload: id.clone(),
        };
        let written = serde_json::to_vec(&written)
            .map_err(|error| ObjectError::File(std::io::Error::other(error)))?;
        // From here on a failure aborts.
        let upload = Self {
            store: store.clone(),
            uploads: uploads.clone(),
            key: key.clone(),
            note,
            id,
            over: false,
        };
        let put = store.put(&upload.note, PutPayload::from(written)).await;
        put.map_err(failed)?;
        Ok(upload)
    }

    async fn send(mut self, mut file: File, mut part: Bytes) -> Result<(), ObjectError> {
        let key = self.key.clone();
        let failed = |error| ObjectError::of(error, &key);
        let mut parts = Vec::new();
        while !part.is_empty() {
            let sent = self
                .uploads
                .put_part(&key, &self.id, parts.len(), PutPayload::from(part))
                .await;
            parts.push(sent.map_err(failed)?);
            (file, part) = read_part(file).await?;
        }
        let ended = self.uploads.complete_multipart(&key, &self.id, parts).await;
        ended.map_err(failed)?;
        self.over = true;
        if let Err(error) = remove(self.store.as_ref(), &self.note).await {
            tracing::debug!(%error, "the note of a finished upload is left for the sweep");
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // Without a runtime there is nobody to do it now; the note remains.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (store, uploads) = (self.store.clone(), self.uploads.clone());
        let (key, note, id) = (self.key.clone(), self.note.clone(), self.id.clone());
        runtime.spawn(async move {
            let aborted = abort(uploads.as_ref(), &key, &id).await;
            let done = match aborted {
                Ok(()) => remove(store.as_ref(), &note).await,
                failed => failed,
            };
            if let Err(error) = done {
                tracing::debug!(%error, "an unfinished upload is left for the sweep");
            }
        });
    }
}

#[cfg(test)]
mod tests;
