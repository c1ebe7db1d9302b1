//! What a storage that runs full in the middle of a write leaves behind: nothing.

use std::fmt;
use std::io::{self, Seek as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutResult, Result, UploadPart,
};

use super::*;

/// Takes one part of an upload, then has no room.
#[derive(Debug, Default)]
struct Filling {
    inner: InMemory,
    aborted: Arc<AtomicBool>,
}

fn full() -> object_store::Error {
    object_store::Error::Generic {
        store: "filling",
        source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
    }
}

impl fmt::Display for Filling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("filling")
    }
}

#[async_trait]
impl ObjectStore for Filling {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(full())
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload {
            parts: 0,
            aborted: self.aborted.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Upload {
    parts: usize,
    aborted: Arc<AtomicBool>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, _: PutPayload) -> UploadPart {
        self.parts += 1;
        let fits = self.parts == 1;
        Box::pin(async move { if fits { Ok(()) } else { Err(full()) } })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        panic!("an upload with a failed part must not be completed")
    }

    async fn abort(&mut self) -> Result<()> {
        self.aborted.store(true, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn an_upload_is_aborted_when_the_storage_runs_full() {
    let filling = Filling::default();
    let aborted = filling.aborted.clone();
    let objects = Objects {
        store: Arc::new(filling),
        directory: None,
    };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![1; 2 * PART + 1]).unwrap();
    file.rewind().unwrap();
    let error = objects.put_file("tasks/1/out", file).await.unwrap_err();
    assert!(
        matches!(error, ObjectError::Full(_)) && !error.is_transient(),
        "{error}"
    );
    assert_eq!(error.to_string(), "the object storage is full");
    assert!(aborted.load(Ordering::SeqCst));
    assert!(objects.list("tasks").await.unwrap().is_empty());

    let error = objects
        .put("tasks/1/work/a", Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert!(matches!(error, ObjectError::Full(_)), "{error}");
}
