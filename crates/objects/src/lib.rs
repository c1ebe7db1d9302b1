//! The bucket that `object_storage` names: the one way to open it, and the one place that knows
//! what its refusals mean.
//!
//! Everybody who speaks to the bucket goes through here, so that a key of the config works for all
//! of them or for none.

mod trouble;

use std::path;
use std::time::Duration;

use futures_util::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use secrecy::ExposeSecret as _;
use splashtail_core::config::{ObjectStorage, without_slash};

pub use object_store::Error as StoreError;
pub use trouble::Trouble;

/// Below this prefix nobody writes anything.
const PROBE: &str = "tasks/probe";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const RETRIES: usize = 5;
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// From where the bucket is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From our daemons: `endpoint`.
    Inside,
    /// From a browser: `cdn_endpoint`, if there is one.
    Outside,
}

/// How much failure a call bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Five repetitions within half a minute.
    Work,
    /// The first answer counts: for questions about the bucket itself.
    Probe,
}

/// Where objects are kept.
#[derive(Debug)]
pub enum Place<'a> {
    Directory(&'a path::Path),
    Bucket(Box<AmazonS3>),
}

/// Tells a directory from a bucket and makes a client of the latter. Nothing is sent or created.
///
/// # Errors
/// The address or the keys have no usable form.
pub fn place(
    storage: &ObjectStorage,
    side: Side,
    patience: Patience,
) -> Result<Place<'_>, object_store::Error> {
    match storage {
        ObjectStorage::Local { path } => Ok(Place::Directory(path)),
        ObjectStorage::S3Like {
            bucket,
            endpoint,
            cdn_endpoint,
            access_key,
            secret_key,
            region,
            secure,
            cdn_secure,
        } => {
            let (endpoint, secure) = match (side, cdn_endpoint) {
                (Side::Outside, Some(cdn)) => (cdn, *cdn_secure),
                _ => (endpoint, *secure),
            };
            let client = ClientOptions::new()
                .with_allow_http(!secure)
                .with_connect_timeout(CONNECT_TIMEOUT)
                .with_timeout(REQUEST_TIMEOUT);
            let store = AmazonS3Builder::new()
                .with_bucket_name(bucket)
                .with_endpoint(without_slash(endpoint))
                .with_region(region)
                .with_access_key_id(access_key.expose_secret())
                .with_secret_access_key(secret_key.expose_secret())
                .with_virtual_hosted_style_request(false)
                .with_client_options(client)
                .with_retry(patience.retries())
                .build()?;
            Ok(Place::Bucket(Box::new(store)))
        }
    }
}

impl Patience {
    fn retries(self) -> RetryConfig {
        match self {
            Self::Work => RetryConfig {
                max_retries: RETRIES,
                retry_timeout: RETRY_TIMEOUT,
                ..RetryConfig::default()
            },
            Self::Probe => RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            },
        }
    }
}

/// Whether the storage answers and takes our keys. An empty listing is an answer; a missing bucket
/// is none, which asking for a single object could not tell.
///
/// # Errors
/// What [`Trouble`] explains.
pub async fn probe(store: &dyn ObjectStore) -> Result<(), object_store::Error> {
    match store.list(Some(&Path::from(PROBE))).next().await {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(error),
    }
}
