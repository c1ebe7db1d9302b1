//! Backups that somebody brings: who may, what is taken, and what becomes of it.

use std::io::{Cursor, Write as _};
use std::net::TcpStream;

use crate::support::cluster::{cluster, start, start_with};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, server, user};
use chrono::DateTime;
use reqwest::Response;
use serde_json::{Value, json};
use splashtail_iblfile::{Encryption, FileType, Limits, Meta, Writer};
use splashtail_storage::{TaskQuery, TaskRow, TaskState};
use wiremock::matchers::{any, body_partial_json, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const KIND: &str = "guild_upload_backup";
/// As many as a server may have.
const MOST: usize = 10;

/// So many bytes and a little more.
fn backup(bytes: usize) -> Vec<u8> {
    let mut writer = Writer::new(Cursor::new(Vec::new()), Limits::default()).unwrap();
    writer.add("core/guild", &vec![7; bytes]).unwrap();
    let meta = Meta::new(FileType::SERVER_BACKUP, DateTime::UNIX_EPOCH);
    let written = writer.finish(&meta, &Encryption::None).unwrap();
    written.into_inner()
}

async fn send(test: &TestServer, guild: u64, token: &str, file: Vec<u8>) -> Response {
    let at = test.url(&format!("/guilds/{guild}/backups"));
    let request = test.client.post(at).body(file);
    let request = request.header("authorization", format!("User {token}"));
    request.send().await.unwrap()
}

async fn kept(test: &TestServer, guild: u64) -> Vec<TaskRow> {
    let query = TaskQuery {
        name: Some(KIND),
        ..TaskQuery::newest(server(guild), 100)
    };
    test.storage.tasks().list(&query, test.now()).await.unwrap()
}

#[tokio::test]
async fn a_file_is_kept_as_it_came_and_downloaded_again() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    // In one part, and in several.
    for size in [1000, 20 << 20] {
        let file = backup(size);
        let answer = send(&test, GUILD, &token, file.clone()).await;
        assert_eq!(answer.status(), 200);
        let told: Value = answer.json().await.unwrap();
        assert_eq!(
            (&told["size"], &told["encrypted"]),
            (&json!(file.len()), &json!(false))
        );
        let id = told["task_id"].as_str().unwrap();
        let rows = kept(&test, GUILD).await;
        let row = rows.iter().find(|row| row.id.to_string() == id).unwrap();
        assert_eq!(
            (row.state, row.owner),
            (TaskState::Completed, server(GUILD))
        );
        assert_eq!(row.fields["SHA256"], told["sha256"]);
        assert!(row.expires_at.is_some());
        let output = test
            .request(&format!("/guilds/{GUILD}/jobs/{id}/output"))
            .header("authorization", format!("User {token}"));
        let link: Value = output.send().await.unwrap().json().await.unwrap();
        let again = test.get(link["message"].as_str().unwrap()).await;
        assert!(again.bytes().await.unwrap() == file, "the very bytes");
    }
    let work = test.dir.path().join("objects/work");
    let left = std::fs::read_dir(work).map_or(0, |work| {
        work.map(|desk| std::fs::read_dir(desk.unwrap().path()).unwrap().count())
            .sum::<usize>()
    });
    assert_eq!(left, 0, "no half of a file is left");
    test.stop().await;
}

/// A bot in all servers, where everybody may everything.
async fn open_cluster() -> MockServer {
    let iserver = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let (tag, fields) = query.as_object().unwrap().iter().next().unwrap();
        ResponseTemplate::new(200).set_body_json(match tag.as_str() {
            "GuildsStatus" => {
                let guilds = fields["guilds"].as_array().unwrap().iter();
                let status = guilds.map(|id| (id.as_str().unwrap().to_owned(), json!("present")));
                Value::Object(status.collect())
            }
            _ => json!({"is_ok": true, "permissions": "8", "perm_res": {"var": "Ok"}}),
        })
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    iserver
}

/// Until this is what comes of sending something that is no backup.
async fn until(test: &TestServer, token: &str, status: u16) {
    while send(test, OTHER_GUILD, token, b"{}".to_vec())
        .await
        .status()
        != status
    {}
}

#[tokio::test]
async fn one_person_takes_one_place_whatever_servers_they_have() {
    let iserver = open_cluster().await;
    let test = start(&iserver).await;
    let (own, other) = (
        test.token(user(USER)).await,
        test.token(user(USER + 1)).await,
    );
    let address = test.url("");
    let address = address.strip_prefix("http://").unwrap();
    let mut held = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /guilds/{GUILD}/backups HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: User {own}\r\nContent-Length: 1000\r\n\r\nno"
    );
    held.write_all(head.as_bytes()).unwrap();
    until(&test, &own, 503).await;
    let crowded = send(&test, OTHER_GUILD, &own, b"{}".to_vec()).await;
    assert_eq!(error(crowded).await, (503, "crowded".to_owned()));
    let free = send(&test, OTHER_GUILD, &other, b"{}".to_vec()).await;
    assert_eq!(error(free).await, (400, "invalid_backup".to_owned()));
    drop(held);
    until(&test, &own, 400).await;
    test.stop().await;
}

#[tokio::test]
async fn what_is_no_backup_or_not_theirs_is_not_kept() {
    let iserver = cluster().await;
    let test = start_with(&iserver, |config| config.plans.free.max_body_size = 50_000).await;
    let token = test.token(user(USER)).await;
    let file = backup(1000);
    assert_eq!(
        send(&test, OTHER_GUILD, &token, file.clone())
            .await
            .status(),
        403
    );
    let mut damaged = file.clone();
    damaged[700] ^= 1;
    for (sent, status, code) in [
        (damaged, 400, "invalid_backup"),
        (file[..900].to_vec(), 400, "invalid_backup"),
        (b"{}".to_vec(), 400, "invalid_backup"),
        (Vec::new(), 400, "body_required"),
        (backup(60_000), 413, "body_too_large"),
    ] {
        let refused = error(send(&test, GUILD, &token, sent).await).await;
        assert_eq!(refused, (status, code.to_owned()));
    }
    assert!(kept(&test, GUILD).await.is_empty() && kept(&test, OTHER_GUILD).await.is_empty());
    for _ in 0..MOST {
        assert_eq!(send(&test, GUILD, &token, file.clone()).await.status(), 200);
    }
    let refused = error(send(&test, GUILD, &token, file).await).await;
    assert_eq!(refused, (409, "too_many_uploads".to_owned()));
    test.stop().await;
}

#[tokio::test]
async fn a_job_that_is_over_is_deleted_by_the_jobserver() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let own = test.finished_task(server(GUILD), "b.iblfile", b"x").await;
    let foreign = test
        .finished_task(server(OTHER_GUILD), "b.iblfile", b"x")
        .await;
    let asked = json!({"args": {"task_id": own.to_string(), "server_id": GUILD.to_string()}});
    Mock::given(path("/ipc/delete_task"))
        .and(body_partial_json(asked))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&test.jobserver)
        .await;
    let delete = async |guild: u64, id: &str| {
        let at = test.url(&format!("/guilds/{guild}/jobs/{id}"));
        let request = test.client.delete(at);
        let request = request.header("authorization", format!("User {token}"));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(delete(GUILD, &own.to_string()).await, 204);
    assert_eq!(
        delete(GUILD, &foreign.to_string()).await,
        404,
        "another server's"
    );
    assert_eq!(delete(OTHER_GUILD, &foreign.to_string()).await, 403);
    test.stop().await;
}
