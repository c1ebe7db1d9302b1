//! Is the object storage there, and is it the one that was meant?

use object_store::ObjectStoreExt;
use splashtail_core::config::{Config, ObjectStorage, without_slash};
use splashtail_core::telemetry::Chain;
use splashtail_objects::{Patience, Place, Side};

use super::{PATIENCE, no_answer, reason, writable};
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
        Ok(Err(error)) => Finding::failed(NAME, explain(&error, &place)),
        Err(_) => Finding::failed(
            NAME,
            format!("object_storage.endpoint: {place}: {}", no_answer()),
        ),
    }
}

/// The bucket answers and the keys are accepted: it says that it does not have an object nobody
/// wrote.
async fn answers(storage: &ObjectStorage) -> Result<(), object_store::Error> {
    let Place::Bucket(store) = splashtail_objects::place(storage, Side::Inside, Patience::Probe)?
    else {
        return Ok(());
    };
    let absent = object_store::path::Path::from("splashtail-probe");
    match store.get(&absent).await {
        Ok(_) => Ok(()),
        // An object that is absent and a bucket that is absent are the same status.
        Err(error @ object_store::Error::NotFound { .. }) => {
            match code(&Chain(&error).to_string()).as_deref() {
                Some("NoSuchBucket") => Err(error),
                _ => Ok(()),
            }
        }
        Err(error) => Err(error),
    }
}

/// S3 answers errors as XML ("Error responses" of its API reference): the code says what is wrong.
fn explain(error: &object_store::Error, place: &str) -> String {
    let text = Chain(error).to_string();
    let Some(code) = code(&text) else {
        return format!("object_storage: {place}: {}", first_line(&reason(error)));
    };
    match code.as_str() {
        "NoSuchBucket" => format!(
            "object_storage.path: {place}: there is no such bucket: create it, splashtail does not"
        ),
        "InvalidAccessKeyId" => format!("object_storage.access_key: {place}: no such key"),
        "SignatureDoesNotMatch" => {
            format!("object_storage.secret_key: {place}: it does not belong to the access key")
        }
        "AccessDenied" => format!(
            "object_storage: {place}: the key may not read in this bucket: it needs to read, write and delete objects"
        ),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => match element(&text, "Region") {
            Some(region) => format!("object_storage.region: {place}: the bucket is in {region}"),
            None => format!(
                "object_storage.region: {place}: the bucket is in another region: {}",
                element(&text, "Message").unwrap_or(code)
            ),
        },
        "RequestTimeTooSkewed" => format!(
            "object_storage: {place}: the clock of this machine is wrong: synchronise it (NTP)"
        ),
        _ => format!(
            "object_storage: {place}: {code}: {}",
            element(&text, "Message").unwrap_or_default()
        ),
    }
}

fn code(text: &str) -> Option<String> {
    element(text, "Code")
}

/// Text of the first element of that name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(first_line(content.trim()))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
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

    #[tokio::test]
    async fn what_s3_says_becomes_what_to_do() {
        let absent = "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code></Error>";
        assert_eq!(finding("404 Not Found", absent).await.status, Status::Ok);
        for (status, xml, expected) in [
            (
                "404 Not Found",
                "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>m</Message></Error>",
                "there is no such bucket",
            ),
            (
                "400 Bad Request",
                "<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message>\n\
                 <Region>eu-central-1</Region></Error>",
                "object_storage.region: ",
            ),
            (
                "403 Forbidden",
                "<Error><Code>SignatureDoesNotMatch</Code></Error>",
                "object_storage.secret_key: ",
            ),
            (
                "403 Forbidden",
                "<Error><Code>InvalidAccessKeyId</Code></Error>",
                "object_storage.access_key: ",
            ),
            (
                "403 Forbidden",
                "<Error><Code>RequestTimeTooSkewed</Code></Error>",
                "synchronise it",
            ),
        ] {
            let found = finding(status, xml).await;
            assert_eq!(found.status, Status::Failed, "{found:?}");
            assert!(found.detail.contains(expected), "{found:?}");
            assert!(!found.detail.contains("<?xml"), "{found:?}");
        }
        let region = finding(
            "400 Bad Request",
            "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>",
        );
        assert!(region.await.detail.contains("the bucket is in eu-west-1"));
    }
}
