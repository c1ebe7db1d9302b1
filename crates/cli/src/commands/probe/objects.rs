//! Is the object storage there, and is it the one that was meant?

use splashtail_core::config::{Config, ObjectStorage, without_slash};
use splashtail_objects::{Patience, Place, Side, StoreError, Trouble};

use super::{PATIENCE, no_answer, writable};
use crate::commands::finding::Finding;

const NAME: &str = "object storage";

pub(super) async fn objects(config: &Config) -> Finding {
    let (bucket, endpoint) = match &config.object_storage {
        ObjectStorage::Local { path } => {
            return match writable(path) {
                Ok(()) => Finding::ok(NAME, path.display().to_string()),
                Err(error) => Finding::failed(
                    NAME,
                    format!("object_storage.path: {}: {error}", path.display()),
                ),
            };
        }
        ObjectStorage::S3Like {
            bucket, endpoint, ..
        } => (bucket, endpoint),
    };
    let place = format!("{}/{bucket}", without_slash(endpoint));
    match tokio::time::timeout(PATIENCE, answers(&config.object_storage)).await {
        Ok(Ok(())) => Finding::ok(NAME, place),
        Ok(Err(error)) => {
            let trouble = Trouble::of(&error);
            let remedy = trouble.remedy(&config.object_storage);
            Finding::failed(
                NAME,
                match trouble.answer() {
                    Some(answer) => format!("{remedy} ({place}): {answer}"),
                    None => format!("{remedy} ({place})"),
                },
            )
        }
        Err(_) => Finding::failed(
            NAME,
            format!("object_storage.endpoint: {place}: {}", no_answer()),
        ),
    }
}

async fn answers(storage: &ObjectStorage) -> Result<(), StoreError> {
    match splashtail_objects::place(storage, Side::Inside, Patience::Probe)? {
        Place::Bucket(store) => splashtail_objects::probe(store.as_ref()).await,
        Place::Directory(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use splashtail_core::environment::Environment;

    use super::super::tests::http;
    use super::*;
    use crate::commands::finding::Status;

    async fn finding(status: &'static str, xml: &'static str) -> Finding {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = Config::embedded("data".as_ref(), Environment::Staging);
        config.object_storage = ObjectStorage::S3Like {
            bucket: "backups".to_owned(),
            endpoint: http(move |_| (status, xml.to_owned())).await,
            cdn_endpoint: None,
            access_key: "hunter2".into(),
            secret_key: "hunter2".into(),
            region: "us-east-1".into(),
            secure: false,
            cdn_secure: false,
        };
        let finding = objects(&config).await;
        assert!(!finding.detail.contains("hunter2"), "{finding:?}");
        finding
    }

    /// As the jobserver's `/readyz` says it, and where that is.
    #[tokio::test]
    async fn what_s3_says_becomes_what_to_do() {
        let listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(finding("200 OK", listing).await.status, Status::Ok);
        for (status, xml, expected) in [
            (
                "404 Not Found",
                "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>",
                "object_storage.path: there is no bucket `backups`",
            ),
            (
                "400 Bad Request",
                "<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message>\n\
                 <Region>eu-central-1</Region></Error>",
                "object_storage.region: the bucket `backups` is not in `us-east-1`: set it to `eu-central-1`",
            ),
            (
                "403 Forbidden",
                "<?xml version=\"1.0\"?>\n<Error><Code>Odd</Code><Message>m</Message></Error>",
                "/backups): Odd, m",
            ),
        ] {
            let found = finding(status, xml).await;
            assert_eq!(found.status, Status::Failed, "{found:?}");
            assert!(found.detail.contains(expected), "{found:?}");
            assert!(found.detail.contains("(http://127.0.0.1:"), "{found:?}");
            assert!(!found.detail.contains("<?xml"), "{found:?}");
        }
    }
}
