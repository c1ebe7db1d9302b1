//! A jobserver that is to replace another one.

use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;

use crate::support::setup_with;
use splashtail_core::config::ObjectStorage;
use splashtail_core::lifecycle::Lifecycle;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

/// The end of a pipe of which the supervisor has the other one, and a wait for the word.
fn supervised() -> (PipeWriter, JoinHandle<()>) {
    let (supervisor, word): (PipeReader, PipeWriter) = std::io::pipe().unwrap();
    let mut supervisor = supervisor;
    let told = std::thread::spawn(move || supervisor.read_exact(&mut [0]).unwrap());
    (word, told)
}

async fn answers(bucket: &MockServer, status: u16, body: &str) {
    bucket.reset().await;
    Mock::given(matchers::method("GET"))
        .respond_with(ResponseTemplate::new(status).set_body_string(body))
        .mount(bucket)
        .await;
}

/// It said that it was ready when it had its database, and its predecessor, whose bucket worked,
/// went away.
#[tokio::test(flavor = "multi_thread")]
async fn it_takes_over_when_its_bucket_answers() {
    let bucket = MockServer::start().await;
    answers(
        &bucket,
        403,
        "<Error><Code>InvalidAccessKeyId</Code></Error>",
    )
    .await;
    let endpoint = bucket.uri();
    let setup = setup_with(move |config| {
        config.object_storage = ObjectStorage::S3Like {
            bucket: "backups".into(),
            endpoint: endpoint.parse().unwrap(),
            cdn_endpoint: None,
            access_key: "key".to_owned().into(),
            secret_key: "secret".to_owned().into(),
            region: "us-east-1".into(),
            secure: false,
            cdn_secure: false,
        };
    });
    let (word, told) = supervised();
    let pipe = format!("/proc/self/fd/{}", word.as_raw_fd());
    let _server = setup
        .launch_as(move |shutdown| Lifecycle::successor(shutdown, pipe.into()))
        .await;
    // It asks again and again: nobody else would so soon.
    while bucket.received_requests().await.unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(!told.is_finished());
    let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    answers(&bucket, 200, empty).await;
    tokio::task::spawn_blocking(|| told.join().unwrap())
        .await
        .unwrap();
}
