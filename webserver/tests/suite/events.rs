//! The stream of what happens in a server.

use std::time::Duration;

use crate::support::cluster::{cluster, start};
use crate::support::{GUILD, OTHER_GUILD, TestServer, USER, error, header, server, user};
use reqwest::Response;
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_storage::{IncidentRow, TokenHash};

/// What comes takes milliseconds; what exceeds this is a hang.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq)]
struct Told {
    name: String,
    id: Option<i64>,
    data: Value,
}

/// Reads server-sent events as a client does.
struct Stream {
    response: Response,
    text: String,
    retry: Option<u64>,
}

impl Stream {
    async fn open(test: &TestServer, path: &str, token: &str, known: Option<i64>) -> Self {
        let request = test.request(path);
        let request = request.header("authorization", format!("User {token}"));
        let request = match known {
            Some(known) => request.header("last-event-id", known.to_string()),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "text/event-stream");
        assert_eq!(header(&response, "x-accel-buffering"), "no");
        Self {
            response,
            text: String::new(),
            retry: None,
        }
    }

    /// `None`: the stream is over.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let mut lines = block.lines();
                    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    found.map(|value| value.trim().to_owned())
                };
                if let Some(retry) = field("retry") {
                    self.retry = Some(retry.parse().unwrap());
                }
                // A sign of life has no name.
                let Some(name) = field("event") else { continue };
                return Some(Told {
                    name,
                    id: field("id").map(|id| id.parse().unwrap()),
                    data: serde_json::from_str(&field("data").unwrap()).unwrap(),
                });
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk());
            let chunk = chunk.await.expect("nothing comes").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

fn events(guild: u64) -> String {
    format!("/guilds/{guild}/events")
}

async fn incident(test: &TestServer, state: &str) {
    let row = IncidentRow {
        guild: GuildId::new(GUILD).unwrap(),
        incident: 77,
        kind: "actor".to_owned(),
        mode: "on".to_owned(),
        state: state.to_owned(),
        document: format!("{{\"state\":\"{state}\"}}"),
        alert: None,
        updated_at: test.now(),
    };
    test.storage.protections().put_incident(&row).await.unwrap();
}

/// Lets the webserver look until a follower is told something.
async fn told(test: &TestServer, stream: &mut Stream) -> Option<Told> {
    let mut next = std::pin::pin!(stream.next());
    loop {
        tokio::select! {
            told = &mut next => return told,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                test.clock.advance(Duration::from_millis(250));
            }
        }
    }
}

#[tokio::test]
async fn what_happens_is_told_once_and_in_order() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let mut stream = Stream::open(&test, &events(GUILD), &token, None).await;
    let ready = stream.next().await.unwrap();
    assert_eq!((ready.name.as_str(), ready.id), ("ready", Some(0)));
    // Of requests that wait the bot says that they are not theirs to see.
    let kinds = json!(["incident", "job", "settings", "guild", "backup_late"]);
    assert_eq!(
        ready.data,
        json!({"version": 0, "kinds": kinds, "reset": false})
    );
    let retry = stream.retry.unwrap();
    assert!((1000..2000).contains(&retry), "{retry}");

    incident(&test, "open").await;
    let job = test.task(server(GUILD)).await;
    test.task(server(OTHER_GUILD)).await;
    let first = told(&test, &mut stream).await.unwrap();
    assert_eq!((first.name.as_str(), first.id), ("incident", Some(1)));
    assert_eq!(
        (&first.data["id"], &first.data["state"]),
        (&json!("77"), &json!("open"))
    );
    let second = told(&test, &mut stream).await.unwrap();
    assert_eq!(second.name, "job");
    assert_eq!(second.data["id"], job.to_string());
    incident(&test, "contained").await;
    let third = told(&test, &mut stream).await.unwrap();
    assert_eq!(third.data["state"], "contained");

    // Whoever comes back goes on where they were, and a poll ends when all is told.
    let path = format!("{}?wait=0", events(GUILD));
    let mut again = Stream::open(&test, &path, &token, first.id).await;
    assert_eq!(again.next().await.unwrap().data["version"], json!(1));
    assert_eq!(again.next().await.unwrap(), second);
    assert_eq!(again.next().await.unwrap(), third);
    let end = again.next().await.unwrap();
    assert_eq!(
        (end.name.as_str(), end.data),
        ("end", json!({"why": "time"}))
    );
    assert_eq!(again.next().await, None);

    // What nobody remembers is said so.
    let mut lost = Stream::open(&test, &path, &token, Some(999)).await;
    assert_eq!(lost.next().await.unwrap().data["reset"], true);
    test.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_server_and_says_so() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let mut stream = Stream::open(&test, &events(GUILD), &token, None).await;
    assert_eq!(stream.next().await.unwrap().name, "ready");
    let (end, ()) = tokio::join!(stream.next(), test.stop());
    assert_eq!(end.unwrap().data, json!({"why": "restart"}));
}

#[tokio::test]
async fn a_stream_ends_with_the_token_and_after_its_time() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let mut ended = Stream::open(&test, &events(GUILD), &token, None).await;
    let brief = format!("{}?wait=5", events(GUILD));
    let mut brief = Stream::open(&test, &brief, &token, None).await;
    for stream in [&mut ended, &mut brief] {
        assert_eq!(stream.next().await.unwrap().name, "ready");
    }
    assert_eq!(
        told(&test, &mut brief).await.unwrap().data,
        json!({"why": "time"})
    );
    let hash = TokenHash::of(&token);
    let row = test.storage.tokens().lookup(&hash, test.now()).await;
    let row = row.unwrap().unwrap();
    assert!(test.storage.tokens().revoke(row.id).await.unwrap());
    assert_eq!(
        told(&test, &mut ended).await.unwrap().data,
        json!({"why": "token"})
    );
    test.stop().await;
}

#[tokio::test]
async fn one_person_has_so_many_streams() {
    let iserver = cluster().await;
    let test = start(&iserver).await;
    let token = test.token(user(USER)).await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(Stream::open(&test, &events(GUILD), &token, None).await);
    }
    let ask = async || {
        let request = test.request(&events(GUILD)).header("user-auth", &token);
        request.send().await.unwrap()
    };
    assert_eq!(error(ask().await).await, (503, "crowded".to_owned()));
    open.pop();
    let free = async {
        while ask().await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, free).await.unwrap();
    let long = test.request(&format!("{}?wait=901", events(GUILD)));
    let long = long.header("user-auth", &token).send().await.unwrap();
    assert_eq!(long.status(), 400);
    drop(open);
    test.stop().await;
}
