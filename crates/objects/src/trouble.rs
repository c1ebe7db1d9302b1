//! From what a bucket answers to what an operator has to do.

use std::error::Error;
use std::io;

use splashtail_core::config::ObjectStorage;

/// Characters shown of an answer that nothing better is known about.
const SHOWN: usize = 200;

/// Why the bucket cannot be used, as far as its answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    NoBucket,
    /// The bucket lies in another region, which most servers name.
    Region(Option<String>),
    /// The access key does not exist.
    AccessKey,
    /// The secret key is not the access key's.
    SecretKey,
    /// The keys are good, but not for this.
    Forbidden,
    /// Our clock and the server's differ too much.
    Clock,
    /// The disk behind it, or the quota of the bucket.
    Full,
    /// It answered something else, or not at all.
    Other(String),
}

impl Trouble {
    /// Reads the answer out of the causes of an error; the store hands it over as text.
    pub fn of(error: &object_store::Error) -> Self {
        let text = causes(error);
        match element(&text, "Code").unwrap_or_default() {
            "NoSuchBucket" => Self::NoBucket,
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException" => {
                Self::Region(element(&text, "Region").map(str::to_owned))
            }
            "InvalidAccessKeyId" => Self::AccessKey,
            "SignatureDoesNotMatch" => Self::SecretKey,
            "AccessDenied" => Self::Forbidden,
            "RequestTimeTooSkewed" => Self::Clock,
            // MinIO, Ceph, SeaweedFS and others: S3 itself is never full.
            "XMinioStorageFull"
            | "XMinioAdminBucketQuotaExceeded"
            | "QuotaExceeded"
            | "InsufficientStorage" => Self::Full,
            _ if is_full_disk(error) => Self::Full,
            // A redirect that says nowhere is how a bucket of another region greets.
            "" if text.contains("without LOCATION") => Self::Region(None),
            code => {
                let message = element(&text, "Message");
                let shown = match (code, message) {
                    ("", _) => text.lines().next().unwrap_or_default().to_owned(),
                    (code, None) => code.to_owned(),
                    (code, Some(message)) => format!("{code}, {message}"),
                };
                Self::Other(shown.chars().take(SHOWN).collect())
            }
        }
    }

    /// Whether only a person can end it.
    pub fn is_configuration(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Which key of the config to look at, what is wrong, and what helps. It names no address.
    pub fn remedy(&self, storage: &ObjectStorage) -> String {
        let (bucket, region) = match storage {
            ObjectStorage::S3Like { bucket, region, .. } => (bucket, region),
            ObjectStorage::Local { .. } if *self == Self::Full => {
                return "object_storage.path: the disk is full: make room".to_owned();
            }
            ObjectStorage::Local { .. } => {
                return "object_storage.path: the directory cannot be used".to_owned();
            }
        };
        match self {
            Self::NoBucket => format!(
                "object_storage.path: there is no bucket `{bucket}` at the endpoint: create it, or \
                 name another one"
            ),
            Self::Region(Some(right)) => format!(
                "object_storage.region: the bucket `{bucket}` is not in `{region}`: set it to \
                 `{right}`"
            ),
            Self::Region(None) => format!(
                "object_storage.region: the bucket `{bucket}` is not in `{region}`: set it to the \
                 bucket's region, and `endpoint` to an address there"
            ),
            Self::AccessKey => {
                "object_storage.access_key: the endpoint does not know this key".to_owned()
            }
            Self::SecretKey => format!(
                "object_storage.secret_key: the endpoint refuses the signature: the key belongs \
                 to another access_key, or the region `{region}` is wrong"
            ),
            Self::Forbidden => format!(
                "object_storage.access_key: this key may not use the bucket `{bucket}`: grant it \
                 ListBucket, GetObject, PutObject, DeleteObject and AbortMultipartUpload"
            ),
            Self::Clock => "object_storage.endpoint: it refuses the time of this machine: set the \
                            clock right (NTP)"
                .to_owned(),
            Self::Full => format!(
                "object_storage.path: the bucket `{bucket}` is full: make room, or raise its quota"
            ),
            Self::Other(_) => {
                format!(
                    "object_storage.endpoint: the bucket `{bucket}` does not answer as it should"
                )
            }
        }
    }

    /// What a bucket answered that [`Trouble::remedy`] has no words for.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Other(answer) => Some(answer),
            _ => None,
        }
    }
}

/// Looks through the causes for a full disk or an exhausted quota.
fn is_full_disk(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Each cause that says something new, innermost last.
fn causes(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// The text of an element of S3's error document.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let from = text.find(&open)? + open.len();
    let len = text[from..].find(&close)?;
    Some(&text[from..from + len])
}

#[cfg(test)]
mod tests {
    use splashtail_core::config::ObjectStorage;
    use wiremock::{MockServer, ResponseTemplate, matchers};

    use super::*;
    use crate::{Patience, Place, Side, place, probe};

    fn storage(endpoint: &str) -> ObjectStorage {
        ObjectStorage::S3Like {
            bucket: "backups".into(),
            endpoint: endpoint.parse().unwrap(),
            cdn_endpoint: None,
            access_key: "hunter2".into(),
            secret_key: "hunter2".into(),
            region: "us-east-1".into(),
            secure: false,
            cdn_secure: false,
        }
    }

    async fn ask(storage: &ObjectStorage) -> Result<(), object_store::Error> {
        match place(storage, Side::Inside, Patience::Probe).unwrap() {
            Place::Bucket(store) => probe(store.as_ref()).await,
            Place::Directory(_) => panic!("a bucket is no directory"),
        }
    }

    async fn told(status: u16, document: &str) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        wiremock::Mock::given(matchers::method("GET"))
            .respond_with(ResponseTemplate::new(status).set_body_string(document))
            .mount(&server)
            .await;
        let storage = storage(&server.uri());
        let error = ask(&storage).await.unwrap_err();
        let trouble = Trouble::of(&error);
        let mut told = trouble.remedy(&storage);
        assert!(!told.contains(&server.uri()), "{told}");
        if let Some(answer) = trouble.answer() {
            told = format!("{told}: {answer}");
        }
        assert!(!told.contains("hunter2") && !told.contains('<'), "{told}");
        told
    }

    fn document(code: &str, more: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>some text</Message>{more}<AWSAccessKeyId>hunter2</AWSAccessKeyId></Error>"
        )
    }

    /// All of these were "the object storage does not answer", or "400 Bad Request: <?xml".
    #[tokio::test]
    async fn refusals_name_the_key_and_the_remedy() {
        let region = "<Region>eu-central-1</Region>";
        for (status, code, more, expected) in [
            (
                404,
                "NoSuchBucket",
                "",
                "object_storage.path: there is no bucket `backups` at the endpoint: create it",
            ),
            (
                400,
                "AuthorizationHeaderMalformed",
                region,
                "set it to `eu-central-1`",
            ),
            (
                400,
                "IllegalLocationConstraintException",
                "",
                "object_storage.region",
            ),
            (
                403,
                "InvalidAccessKeyId",
                "",
                "object_storage.access_key: the endpoint does not know",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                "",
                "object_storage.secret_key: the endpoint refuses",
            ),
            (
                403,
                "AccessDenied",
                "",
                "may not use the bucket `backups`: grant it ListBucket",
            ),
            (403, "RequestTimeTooSkewed", "", "clock right"),
            (507, "XMinioStorageFull", "", "`backups` is full: make room"),
            (403, "QuotaExceeded", "", "or raise its quota"),
            (
                503,
                "SlowDown",
                "",
                "does not answer as it should: SlowDown, some text",
            ),
        ] {
            let told = told(status, &document(code, more)).await;
            assert!(told.contains(expected), "{code}: {told}");
        }
        let told = told(502, "").await;
        assert!(
            told.starts_with("object_storage.endpoint: the bucket"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn a_redirect_to_nowhere_is_another_region() {
        assert!(told(301, "").await.contains("object_storage.region"));
    }

    /// The region is part of every signature.
    #[tokio::test]
    async fn the_region_is_the_configured_one() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        let listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        wiremock::Mock::given(matchers::path("/backups"))
            .respond_with(ResponseTemplate::new(200).set_body_string(listing))
            .mount(&server)
            .await;
        let mut config = storage(&server.uri());
        if let ObjectStorage::S3Like { region, .. } = &mut config {
            *region = "eu-west-3".into();
        }
        ask(&config).await.unwrap();
        let request = &server.received_requests().await.unwrap()[0];
        let signature = request.headers["authorization"].to_str().unwrap();
        assert!(signature.contains("/eu-west-3/s3/"), "{signature}");
    }
}
