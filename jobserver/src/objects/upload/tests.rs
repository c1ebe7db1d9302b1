//! What an upload that does not end leaves behind: nothing.

use std::fmt;
use std::io::{self, Seek as _, Write as _};
use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutResult, Result,
};
use splashtail_core::config::ObjectStorage;
use tokio::sync::Notify;

use super::*;

const DESK: Desk<'static> = Desk {
    prefix: "work/1",
    name: 1,
};

/// A bucket that takes one part of an upload and then does something else.
#[derive(Debug, Default)]
struct Bucket {
    inner: InMemory,
    second_part: SecondPart,
    arrived: Notify,
    open: Mutex<Vec<String>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum SecondPart {
    #[default]
    Fits,
    IsTooMuch,
    NeverEnds,
}

fn full() -> object_store::Error {
    object_store::Error::Generic {
        store: "bucket",
        source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bucket")
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, to: &Path, data: PutPayload, with: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(to, data, with).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, options).await
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

#[async_trait]
impl MultipartStore for Bucket {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let id = self.inner.create_multipart(path).await?;
        self.open.lock().unwrap().push(id.clone());
        Ok(id)
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        if index == 1 {
            self.arrived.notify_one();
            match self.second_part {
                SecondPart::Fits => {}
                SecondPart::IsTooMuch => return Err(full()),
                SecondPart::NeverEnds => std::future::pending().await,
            }
        }
        self.inner.put_part(path, id, index, data).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        let done = self.inner.complete_multipart(path, id, parts).await?;
        self.open.lock().unwrap().retain(|open| open != id);
        Ok(done)
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.open.lock().unwrap().retain(|open| open != id);
        self.inner.abort_multipart(path, id).await
    }
}

impl Bucket {
    fn new(second_part: SecondPart) -> Arc<Self> {
        Arc::new(Self {
            second_part,
            ..Self::default()
        })
    }

    fn objects(self: &Arc<Self>) -> Objects {
        Objects {
            store: self.clone(),
            kind: Kind::Bucket {
                uploads: self.clone(),
                probe: self.clone(),
            },
            config: ObjectStorage::Local { path: "/".into() },
        }
    }

    fn open_uploads(&self) -> usize {
        self.open.lock().unwrap().len()
    }

    async fn keys(self: &Arc<Self>) -> Vec<String> {
        let listed = self.objects().list("").await.unwrap();
        listed.into_iter().map(|listed| listed.key).collect()
    }
}

fn large() -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![1; 2 * PART + 1]).unwrap();
    file.rewind().unwrap();
    file
}

#[tokio::test]
async fn an_upload_that_ends_leaves_only_its_object() {
    let bucket = Bucket::new(SecondPart::Fits);
    let objects = bucket.objects();
    objects
        .put_file("tasks/1/out", large(), DESK)
        .await
        .unwrap();
    assert_eq!(bucket.keys().await, ["tasks/1/out"]);
    assert_eq!(
        objects.get("tasks/1/out").await.unwrap().len(),
        2 * PART + 1
    );
    assert_eq!(bucket.open_uploads(), 0);
}

#[tokio::test]
async fn an_upload_is_aborted_when_the_storage_runs_full() {
    let bucket = Bucket::new(SecondPart::IsTooMuch);
    let objects = bucket.objects();
    let error = objects
        .put_file("tasks/1/out", large(), DESK)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ObjectError::Full(_)) && error.is_transient(),
        "{error}"
    );
    assert!(error.to_string().starts_with("the object storage is full"));
    gone(&bucket).await;
}

/// A drain or a cancellation drops the future.
#[tokio::test]
async fn an_upload_is_aborted_when_it_is_dropped() {
    let bucket = Bucket::new(SecondPart::NeverEnds);
    let objects = bucket.objects();
    tokio::select! {
        _ = objects.put_file("tasks/1/out", large(), DESK) => panic!("it never ends"),
        () = bucket.arrived.notified() => {}
    }
    gone(&bucket).await;
}

/// Waits until neither upload nor note is left.
async fn gone(bucket: &Arc<Bucket>) {
    while bucket.open_uploads() > 0 || !bucket.keys().await.is_empty() {
        tokio::task::yield_now().await;
    }
}

/// A killed process aborts nothing: whoever comes next does, and does not mind coming twice.
#[test]
fn a_successor_aborts_what_was_noted() {
    let bucket = Bucket::new(SecondPart::NeverEnds);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let killed = runtime();
    let (objects, arrived) = (bucket.objects(), bucket.clone());
    killed.spawn(async move { objects.put_file("tasks/1/out", large(), DESK).await });
    killed.block_on(arrived.arrived.notified());
    drop(killed);
    runtime().block_on(async {
        assert_eq!(bucket.keys().await, ["work/1/upload.1"]);
        assert_eq!(bucket.open_uploads(), 1);
        bucket.objects().abort_uploads("work/1").await.unwrap();
        assert_eq!((bucket.open_uploads(), bucket.keys().await.len()), (0, 0));
        bucket.objects().abort_uploads("work/1").await.unwrap();
    });
}
