//! The page's files, and the answers it draws from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use splashtail_sandbox::control::page::Page;
use splashtail_sandbox::server::{Edge, Listeners};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Addresses, Conduct, Id};
use splashtail_sandbox_world::{Options, Sandbox};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::{Bench, bench, settings};

/// A sandbox that serves `page`; the origin of its control listener.
async fn served(page: Page) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bind = || TcpListener::bind(("127.0.0.1", 0));
    let listeners = Listeners {
        rest: bind().await.unwrap(),
        gateway: bind().await.unwrap(),
        control: bind().await.unwrap(),
        resume: None,
        tls: None,
    };
    let origin = format!("http://{}", listeners.control.local_addr().unwrap());
    let options = Options {
        world: "empty".to_owned(),
        seed: 1,
        addresses: Addresses {
            rest: "http://127.0.0.1:9".to_owned(),
            gateway: "ws://127.0.0.1:9".to_owned(),
        },
        clock: Arc::new(SandboxClock::new("2026-01-01T00:00:00Z".parse().unwrap())),
        conduct: Conduct::prompt(),
    };
    let edge = Edge::new(Sandbox::new(&options).unwrap(), settings(), false).unwrap();
    tokio::spawn(edge.serve(listeners, page, CancellationToken::new()));
    origin
}

fn built() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("page");
    std::fs::create_dir_all(dir.join("assets")).unwrap();
    std::fs::write(dir.join("index.html"), "<!doctype html><p>page").unwrap();
    std::fs::write(dir.join("assets/main-1a2b.js"), "export {}").unwrap();
    std::fs::write(root.path().join("secret.txt"), "secret").unwrap();
    root
}

#[tokio::test]
async fn files_have_their_types_tags_and_policy() {
    let root = built();
    let origin = served(Page::read(&root.path().join("page")).unwrap()).await;
    let http = reqwest::Client::new();
    let page = http.get(&origin).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["cache-control"], "no-cache");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
    assert!(policy.contains("img-src 'self' data: http://127.0.0.1:9;"));
    assert!(!policy.contains("unsafe"));
    let tag = page.headers()["etag"].clone();
    assert_eq!(page.text().await.unwrap(), "<!doctype html><p>page");

    let again = http.get(&origin).header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    let script = http.get(format!("{origin}/assets/main-1a2b.js"));
    let script = script.send().await.unwrap();
    assert_eq!(
        script.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(
        script.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
    let posted = http.post(&origin).send().await.unwrap();
    assert_eq!(posted.status(), 404);
}

#[tokio::test]
async fn nothing_outside_of_the_directory_has_an_address() {
    let root = built();
    let origin = served(Page::read(&root.path().join("page")).unwrap()).await;
    let address = origin.strip_prefix("http://").unwrap();
    for path in [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "//secret.txt",
        "/assets/../../secret.txt",
        "/assets",
        "/%00",
        "/%ff",
    ] {
        // Clients tidy such paths up, so they are sent by hand.
        let answer = raw(address, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

async fn raw(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn without_a_build_the_page_says_how_to_get_one() {
    let origin = served(Page::default()).await;
    let page = reqwest::get(&origin).await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("make website"));
    let ready = reqwest::get(format!("{origin}/readyz")).await.unwrap();
    assert_eq!(ready.status(), 200);
    assert!(Page::read(Path::new("/nonexistent")).is_err());
}

#[tokio::test]
async fn foreign_pages_cannot_steer_the_sandbox() {
    let b = bench().await;
    let url = b.running.control.join("/ctl/reset").unwrap();
    let answer = b
        .http
        .post(url)
        .header("origin", "http://evil.test")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
    // A picture names no origin, and what it costs is not shown but paid.
    for (site, expected) in [
        ("cross-site", 403),
        ("same-site", 403),
        ("same-origin", 200),
    ] {
        let url = b.running.control.join("/ctl/world").unwrap();
        let picture = b.http.get(url).header("sec-fetch-site", site);
        assert_eq!(picture.send().await.unwrap().status(), expected, "{site}");
    }
}

async fn get(b: &Bench, path: &str) -> (u16, Value) {
    let url = b.running.control.join(path).unwrap();
    let answer = b.http.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn act(b: &Bench, user: impl std::fmt::Display, act: &str, body: Value) -> Value {
    let url = b.running.control.join(&format!("/ctl/as/{user}/{act}"));
    let answer = b.http.post(url.unwrap()).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let result = answer["results"][0].clone();
    assert!(result["status"].as_u64().unwrap() < 300, "{answer}");
    result["body"].clone()
}

#[tokio::test]
async fn reading_leaves_no_trace_in_the_journal() {
    let b = bench().await;
    let (guild, user, channel) = (small::GUILDS[0], small::OWNER, b.channel().await);
    let before = get(&b, "/ctl/overview").await.1["journal"].clone();
    for path in [
        "/ctl/guilds".to_owned(),
        format!("/ctl/guilds/{guild}/members"),
        format!("/ctl/as/{user}/guild?guild_id={guild}"),
        format!("/ctl/as/{user}/messages?channel_id={channel}"),
        format!("/ctl/as/{user}/threads?channel_id={channel}"),
        format!("/ctl/as/{user}/commands?guild_id={guild}"),
        format!("/ctl/as/{user}/audit?guild_id={guild}"),
        format!("/ctl/as/{user}/bans?guild_id={guild}"),
        format!("/ctl/as/{user}/dms"),
        "/ctl/users".to_owned(),
    ] {
        assert_eq!(get(&b, &path).await.0, 200, "{path}");
    }
    assert_eq!(get(&b, "/ctl/overview").await.1["journal"], before);
}

#[tokio::test]
async fn lists_are_bounded_and_searched() {
    let b = bench().await;
    let guild = small::GUILDS[0];
    let names = |answer: &Value, list: &str| -> Vec<String> {
        let entries = answer[list].as_array().unwrap().iter();
        let name = |e: &Value| {
            e["name"]
                .as_str()
                .or(e["user"]["username"].as_str())
                .map(str::to_owned)
        };
        entries.filter_map(name).collect()
    };
    let (_, answer) = get(&b, "/ctl/guilds?limit=2").await;
    assert_eq!(
        (names(&answer, "guilds"), &answer["total"]),
        (vec!["Harbour".into(), "Lighthouse".into()], &json!(4))
    );
    let (_, answer) = get(&b, "/ctl/guilds?query=SHIP").await;
    assert_eq!(names(&answer, "guilds"), ["Shipyard"]);

    // The owner first, then by role: the bot's, Administrator, Manager, nobody's.
    let members = format!("/ctl/guilds/{guild}/members");
    let (_, answer) = get(&b, &members).await;
    assert_eq!(
        names(&answer, "members"),
        ["olivia", "Splashtail", "adam", "marta", "pavel", "sam"]
    );
    let (_, answer) = get(&b, &format!("{members}?limit=3&people=true")).await;
    assert_eq!(
        (names(&answer, "members"), &answer["total"]),
        (
            vec!["olivia".into(), "adam".into(), "marta".into()],
            &json!(5)
        )
    );
    let (_, answer) = get(&b, &format!("{members}?query={}", small::SPARE)).await;
    assert_eq!(names(&answer, "members"), ["sam"]);
    assert_eq!(get(&b, "/ctl/guilds/5/members").await.0, 404);
}

#[tokio::test]
async fn a_user_sees_what_a_client_would_show() {
    let b = bench().await;
    let guild = small::GUILDS[0];
    let channels = |answer: &Value| -> Vec<String> {
        let channels = answer["channels"].as_array().unwrap().iter();
        channels
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let (_, owner) = get(
        &b,
        &format!("/ctl/as/{}/guild?guild_id={guild}", small::OWNER),
    )
    .await;
    let (_, member) = get(
        &b,
        &format!("/ctl/as/{}/guild?guild_id={guild}", small::MEMBER),
    )
    .await;
    assert!(channels(&owner).contains(&"vault".to_owned()));
    assert!(!channels(&member).contains(&"vault".to_owned()));
    let rules = |answer: &Value| {
        let channels = answer["channels"].as_array().unwrap().clone();
        channels.into_iter().find(|c| c["name"] == "rules").unwrap()["can_send"].clone()
    };
    assert_eq!((rules(&owner), rules(&member)), (json!(true), json!(false)));
    let forum = owner["channels"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["type"] == 15)
        .unwrap();
    let (_, posts) = get(
        &b,
        &format!(
            "/ctl/as/{}/threads?channel_id={}",
            small::MEMBER,
            forum["id"].as_str().unwrap()
        ),
    )
    .await;
    assert_eq!(posts.as_array().unwrap().len(), 3);

    act(
        &b,
        small::ADMIN,
        "ban",
        json!({"guild_id": guild, "target_id": small::SPARE, "reason": "spam"}),
    )
    .await;
    let (status, body) = get(
        &b,
        &format!("/ctl/as/{}/guild?guild_id={guild}", small::SPARE),
    )
    .await;
    assert_eq!((status, &body["code"]), (403, &json!("not_a_member")));
    let (_, audit) = get(
        &b,
        &format!("/ctl/as/{}/audit?guild_id={guild}", small::OWNER),
    )
    .await;
    let ban = &audit["entries"][0];
    assert_eq!(
        (&ban["action_type"], &ban["reason"]),
        (&json!(22), &json!("spam"))
    );
    assert_eq!(audit["names"][small::SPARE.to_string()], "Sam");
    let (status, _) = get(
        &b,
        &format!("/ctl/as/{}/audit?guild_id={guild}", small::MEMBER),
    )
    .await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn direct_messages_belong_to_two_people() {
    let b = bench().await;
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let commands = json!([{"name": "ping", "description": "Answers"}]);
    let put = b.bot("PUT", &path).json(&commands).send().await.unwrap();
    assert_eq!(put.status(), 200);
    let none = get(&b, &format!("/ctl/as/{}/dms", small::MEMBER)).await;
    assert_eq!(none, (200, json!([])));
    let mut opened = Vec::new();
    for other in [small::APPLICATION, small::SPARE] {
        let body = json!({"target_id": other});
        let channel = act(&b, small::MEMBER, "open_dm", body).await["id"].clone();
        let said = json!({"channel_id": channel, "body": {"content": "psst"}});
        act(&b, small::MEMBER, "say", said).await;
        opened.push(channel.as_str().unwrap().to_owned());
    }
    let seen = |answer: &Value| -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let lines = answer.as_array().unwrap().iter();
        lines.map(|c| (text(&c["id"]), text(&c["name"]))).collect()
    };
    let dms = |user: Id| format!("/ctl/as/{user}/dms");
    // The latest first.
    let mine = seen(&get(&b, &dms(small::MEMBER)).await.1);
    let expected = [(&opened[1], "Sam"), (&opened[0], "Splashtail")];
    assert_eq!(
        mine,
        expected.map(|(id, name)| (id.clone(), name.to_owned()))
    );
    let theirs = seen(&get(&b, &dms(small::SPARE)).await.1);
    assert_eq!(theirs, [(opened[1].clone(), "Pavel".to_owned())]);
    assert_eq!(get(&b, &dms(small::OWNER)).await.1, json!([]));

    let messages = |user: Id| format!("/ctl/as/{user}/messages?channel_id={}", opened[1]);
    assert_eq!(
        get(&b, &messages(small::SPARE)).await.1[0]["content"],
        "psst"
    );
    assert_eq!(get(&b, &messages(small::OWNER)).await.0, 404);
    // Commands are those of the bot on the other side.
    for (channel, offered) in [(&opened[0], 1), (&opened[1], 0)] {
        let path = format!("/ctl/as/{}/commands?channel_id={channel}", small::MEMBER);
        assert_eq!(get(&b, &path).await.1.as_array().unwrap().len(), offered);
    }
}

#[tokio::test]
async fn acts_carry_files() {
    let b = bench().await;
    let (user, channel) = (small::MEMBER, b.channel().await);
    let files = json!([
        {"filename": "dot.png", "content_base64": DOT},
        {"filename": "note.txt", "content_base64": "aGVsbG8="}]);
    let said = json!({"channel_id": channel, "body": {"content": "two"}, "files": files});
    let said = act(&b, user, "say", said).await;
    let kinds: Vec<_> = said["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["filename"].clone(), a["size"].clone(), a["width"].clone()))
        .collect();
    assert_eq!(
        kinds,
        [
            (json!("dot.png"), json!(67), json!(1)),
            (json!("note.txt"), json!(5), Value::Null)
        ]
    );
    let url = said["attachments"][1]["url"].as_str().unwrap();
    assert_eq!(
        reqwest::get(url).await.unwrap().text().await.unwrap(),
        "hello"
    );
    let (_, journal) = get(&b, "/ctl/journal").await;
    let journal = journal.to_string();
    assert!(journal.contains("dot.png") && !journal.contains(DOT));

    let broken =
        json!({"channel_id": channel, "files": [{"filename": "a", "content_base64": "*"}]});
    let url = b
        .running
        .control
        .join(&format!("/ctl/as/{user}/say"))
        .unwrap();
    let answer = b.http.post(url).json(&broken).send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

/// A picture of one pixel.
const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAAggCB2kUIOwAAAABJRU5ErkJggg==";

#[tokio::test]
async fn outsiders_and_bans_are_listed() {
    let b = bench().await;
    let guild = small::GUILDS[0];
    act(
        &b,
        small::ADMIN,
        "ban",
        json!({"guild_id": guild, "target_id": small::SPARE, "reason": "spam"}),
    )
    .await;
    let bans = |user: Id| format!("/ctl/as/{user}/bans?guild_id={guild}");
    let (_, answer) = get(&b, &bans(small::ADMIN)).await;
    assert_eq!(answer["total"], 1);
    assert_eq!(answer["bans"][0]["user"]["username"], "sam");
    assert_eq!(answer["bans"][0]["reason"], "spam");
    assert_eq!(get(&b, &bans(small::MEMBER)).await.0, 403);
    assert_eq!(get(&b, &bans(small::SPARE)).await.0, 403);

    let (_, found) = get(&b, "/ctl/users?query=SAM").await;
    assert_eq!(
        (&found["total"], &found["users"][0]["id"]),
        (&json!(1), &json!(small::SPARE))
    );
    let (_, people) = get(&b, "/ctl/users?people=true&limit=2").await;
    assert_eq!(people["total"], 5);
    let ids = people["users"].as_array().unwrap().iter();
    let ids: Vec<_> = ids.map(|u| u["id"].clone()).collect();
    assert_eq!(ids, [json!(small::OWNER), json!(small::ADMIN)]);
    let (_, out) = get(&b, &format!("/ctl/users?people=true&outside={guild}")).await;
    assert_eq!(
        (&out["total"], &out["users"][0]["username"]),
        (&json!(1), &json!("sam"))
    );
}

#[tokio::test]
async fn older_messages_come_a_page_at_a_time() {
    let b = bench().await;
    let guild = small::GUILDS[0];
    let (_, place) = get(
        &b,
        &format!("/ctl/as/{}/guild?guild_id={guild}", small::OWNER),
    )
    .await;
    let long = place["channels"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "archive")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut before = String::new();
    let mut seen = Vec::new();
    loop {
        let path = format!(
            "/ctl/as/{}/messages?channel_id={long}&limit=200{before}",
            small::OWNER
        );
        let (_, page) = get(&b, &path).await;
        let ids: Vec<String> = page
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["id"].as_str().unwrap().to_owned())
            .collect();
        let Some(first) = ids.first() else { break };
        before = format!("&before={first}");
        seen.splice(0..0, ids);
    }
    assert_eq!(seen.len() as u64, small::LONG_CHANNEL_MESSAGES);
    assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]));
}

/// One answer of each kind, as the page's types are checked against.
async fn answers(b: &Bench) -> Value {
    let (guild, user) = (small::GUILDS[0], small::ADMIN);
    let channel = b.channel().await;
    let commands = json!([{"name": "greet", "description": "Greets", "options": [
        {"type": 3, "name": "whom", "description": "A name", "required": true, "autocomplete": true},
        {"type": 4, "name": "times", "description": "How often", "min_value": 1, "max_value": 5},
        {"type": 3, "name": "tone", "description": "How", "choices": [{"name": "Kindly", "value": "kind"}]}]},
        {"name": "Report", "type": 3}]);
    let path = format!("/applications/{}/commands", small::APPLICATION);
    let put = b.bot("PUT", &path).json(&commands).send().await.unwrap();
    assert_eq!(put.status(), 200);
    let path = format!("/channels/{channel}/messages");
    let rich = json!({"content": "Look", "embeds": [{"title": "A title", "description": "**bold**",
        "color": 255, "fields": [{"name": "a", "value": "b", "inline": true}],
        "author": {"name": "An author"}, "footer": {"text": "A footer"}}],
        "components": [{"type": 1, "components": [
            {"type": 2, "style": 1, "label": "Press", "custom_id": "press"}]}]});
    let said = b.bot("POST", &path).json(&rich).send().await.unwrap();
    assert_eq!(said.status(), 200);
    let said: Value = said.json().await.unwrap();
    let (said, reply) = (
        said["id"].clone(),
        json!({"content": "Nice", "message_reference": {"message_id": said["id"]}}),
    );
    act(
        b,
        user,
        "say",
        json!({"channel_id": channel, "body": reply}),
    )
    .await;
    act(
        b,
        user,
        "react",
        json!({"channel_id": channel, "message_id": said, "body": {"emoji": "👍"}}),
    )
    .await;
    act(
        b,
        user,
        "ban",
        json!({"guild_id": guild, "target_id": small::SPARE, "reason": "spam"}),
    )
    .await;

    act(b, user, "open_dm", json!({"target_id": small::APPLICATION})).await;

    let (_, place) = get(b, &format!("/ctl/as/{user}/guild?guild_id={guild}")).await;
    let named = |name: &str| {
        let channels = place["channels"].as_array().unwrap();
        channels.iter().find(|c| c["name"] == name).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (media, forum) = (named("media"), named("help"));
    let mut all = Map::new();
    for (name, path) in [
        ("overview", "/ctl/overview".to_owned()),
        ("guilds", "/ctl/guilds?limit=2".to_owned()),
        ("members", format!("/ctl/guilds/{guild}/members?limit=3")),
        ("guild", format!("/ctl/as/{user}/guild?guild_id={guild}")),
        (
            "messages",
            format!("/ctl/as/{user}/messages?channel_id={channel}&limit=3"),
        ),
        (
            "files",
            format!("/ctl/as/{user}/messages?channel_id={media}&limit=2"),
        ),
        (
            "posts",
            format!("/ctl/as/{user}/threads?channel_id={forum}"),
        ),
        (
            "commands",
            format!("/ctl/as/{user}/commands?guild_id={guild}"),
        ),
        ("audit", format!("/ctl/as/{user}/audit?guild_id={guild}")),
        ("bans", format!("/ctl/as/{user}/bans?guild_id={guild}")),
        ("dms", format!("/ctl/as/{user}/dms")),
        ("users", "/ctl/users?limit=2&people=true".to_owned()),
        ("refusal", format!("/ctl/as/{user}/guild?guild_id=5")),
    ] {
        all.insert(name.to_owned(), get(b, &path).await.1);
    }
    all.into()
}

/// Ids of new things and times depend on when the test runs, addresses on its ports. New ids are
/// numbered in the order in which they appear.
fn steady(value: &mut Value, new: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if text.contains("://127.0.0.1:") {
                let path = text.splitn(4, '/').nth(3).unwrap_or_default();
                let path = path.split('?').next().unwrap_or_default();
                *text = format!("http://cdn.test/{path}");
            } else if text.starts_with("2026-01-01T00:00") {
                *text = "2026-01-01T00:00:00.000000+00:00".to_owned();
            } else if text.parse::<u64>().is_ok_and(|n| n > FIRST_NEW_ID) {
                let at = new.iter().position(|id| id == text).unwrap_or_else(|| {
                    new.push(text.clone());
                    new.len() - 1
                });
                *text = (FIRST_NEW_ID + 1 + at as u64).to_string();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| steady(item, new)),
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if key == "journal" || key == "now_ms" {
                    *value = 1.into();
                }
                // The clock of the test stands still, that of an operator runs.
                if key == "rate" {
                    *value = 1.0.into();
                }
                steady(value, new);
            }
        }
        _ => {}
    }
}

/// The snowflake of 2026-01-01, when the sandbox of the test starts.
const FIRST_NEW_ID: u64 = (1_767_225_600_000 - 1_420_070_400_000) << 22;

#[tokio::test]
async fn the_recorded_answers_that_hold_the_pages_types_are_true() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../website/sandbox/answers.json");
    let mut real = answers(&bench().await).await;
    steady(&mut real, &mut Vec::new());
    let real = serde_json::to_string_pretty(&real).unwrap() + "\n";
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        std::fs::write(&path, &real).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert!(
        recorded == real,
        "website/sandbox/answers.json is not what the sandbox answers; \
         UPDATE_ANSWERS=1 writes it anew, then run `npm run check` in website/"
    );
}
