use super::*;

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
    let left = objects.list("tasks").await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].key, "tasks/1/out");
    let missing = objects.get("tasks/1/work/a").await.unwrap_err();
    assert!(matches!(missing, ObjectError::Missing(_)));
}

#[tokio::test]
async fn large_files_go_up_in_parts() {
    let (_directory, objects) = local();
    let desk = upload::Desk {
        prefix: "work/2",
        name: 1,
    };
    for size in [0, PART - 1, PART, PART + 1, 2 * PART + 17] {
        let data: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&data).unwrap();
        file.rewind().unwrap();
        objects.put_file("tasks/2/file", file, desk).await.unwrap();
        assert!(
            objects.get("tasks/2/file").await.unwrap() == data,
            "{size} bytes"
        );
    }
    assert_eq!(objects.list("").await.unwrap().len(), 1, "no draft is left");
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
        region: "us-east-1".to_owned(),
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
    assert!(matches!(error, ObjectError::Full(_)) && error.is_transient());
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
