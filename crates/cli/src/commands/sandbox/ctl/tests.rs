use std::sync::{Arc, Mutex};

use clap::Parser;
use serde_json::json;
use splashtail_sandbox::control::calls;
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::openapi::complaints;
use splashtail_sandbox_world::rest::{Actor, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: CtlCommand,
}

async fn small() -> (Running, ControlClient) {
    let clock = Arc::new(SandboxClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let running = start("small", 1, clock, Settings::default(), true).await;
    let running = running.unwrap();
    let client = running.client().unwrap();
    (running, client)
}

async fn type_in(client: &ControlClient, words: &[&str]) -> Result<(Value, bool)> {
    let line = Line::try_parse_from([&["ctl"], words].concat())?;
    let outcome = answer(client, line.command).await?;
    let text = outcome.lines.join("\n");
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok((value, outcome.well))
}

const SAY: &[&str] = &[
    "as",
    "olivia",
    "say",
    "--guild",
    "Harbour",
    "--channel",
    "#general",
    "--content",
    "hello",
];
const HARBOUR: &str = "1100000000001179648";
const AUTHORIZE: &str = "http://127.0.0.1/oauth2/authorize?response_type=code&\
    client_id=1100000000000000001&scope=identify&redirect_uri=http://127.0.0.1:9/ioauth/login";

/// Calls that no command of `ctl` makes: `sandbox drill` starts drills.
const NO_COMMAND: [(Method, &str); 1] = [(Method::POST, "/ctl/drills")];

/// Method and path of every call that was made through a client.
type Calls = Arc<Mutex<Vec<(Method, String)>>>;

/// A client whose calls are noted on their way to the sandbox.
async fn noting(running: &Running) -> (ControlClient, Calls) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let sandbox = running.control.socket_addrs(|| None).unwrap()[0];
    let noted = Calls::default();
    let made = noted.clone();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let made = made.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.contains(&b'\n') {
                    assert_ne!(caller.read_buf(&mut head).await.unwrap(), 0);
                }
                let line = String::from_utf8_lossy(&head);
                let mut words = line.split([' ', '?']);
                let method = words.next().unwrap().parse().unwrap();
                made.lock()
                    .unwrap()
                    .push((method, words.next().unwrap().to_owned()));
                let mut sandbox = TcpStream::connect(sandbox).await.unwrap();
                sandbox.write_all(&head).await.unwrap();
                let _ = copy_bidirectional(&mut caller, &mut sandbox).await;
            });
        }
    });
    (
        ControlClient::new(&Url::parse(&base).unwrap()).unwrap(),
        noted,
    )
}

/// The template of the call that a path belongs to.
fn template(method: &Method, path: &str) -> Option<&'static str> {
    let fits = |template: &&str| {
        let (given, wanted) = (path.split('/'), template.split('/'));
        given.clone().count() == wanted.clone().count()
            && given.zip(wanted).all(|(g, w)| w.starts_with('{') || w == g)
    };
    let all = calls().into_iter().filter(|(m, _)| m == method);
    all.map(|(_, template)| template)
        .filter(fits)
        .min_by_key(|template| template.matches('{').count())
}

/// Each call of docs/sandbox.md, in an order in which each of them goes well.
#[tokio::test]
async fn every_call_has_its_command() {
    let (running, direct) = small().await;
    let (client, noted) = noting(&running).await;
    let call = |words: &'static [&'static str], pointer: &'static str, wanted: Value| {
        let client = client.clone();
        async move {
            let (answer, well) = type_in(&client, words).await.unwrap();
            assert!(well, "{words:?}: {answer}");
            let found = answer.pointer(pointer).cloned();
            assert_eq!(found, Some(wanted), "{words:?} {pointer}: {answer}");
        }
    };
    call(&["overview"], "/world", json!("small")).await;
    call(
        &["guilds", "harb", "--limit", "1"],
        "/guilds/0/name",
        json!("Harbour"),
    )
    .await;
    call(
        &["members", "harbour", "adam", "--people"],
        "/total",
        json!(1),
    )
    .await;
    call(SAY, "/results/0/body/content", json!("hello")).await;
    let see: &[&str] = &[
        "see", "adam", "messages", "general", "--guild", HARBOUR, "--limit", "1",
    ];
    call(see, "/0/content", json!("hello")).await;
    call(
        &["see", "adam", "guild", "Harbour"],
        "/name",
        json!("Harbour"),
    )
    .await;
    let threads = ["see", "adam", "threads", "1150000000030212096"];
    assert!(type_in(&client, &threads).await.unwrap().0.is_array());
    call(&["see", "adam", "commands", "Harbour"], "", json!([])).await;
    let ban: &[&str] = &[
        "as",
        "adam",
        "ban",
        "--guild",
        "Harbour",
        "--target",
        "1100000000000000014",
        "--reason",
        "spam",
    ];
    call(ban, "/results/0/status", json!(204)).await;
    let audit: &[&str] = &["see", "adam", "audit", "Harbour", "--limit", "1"];
    call(audit, "/entries/0/reason", json!("spam")).await;
    call(&["consent", "adam"], "/location", json!("")).await;
    let (consented, _) = type_in(&client, &["consent", "adam", AUTHORIZE, "--deny"])
        .await
        .unwrap();
    assert!(
        consented["location"]
            .as_str()
            .unwrap()
            .contains("error=access_denied")
    );
    let stop: &[&str] = &["clock", "--set", "2026-02-01T00:00:00Z", "--rate", "0"];
    call(stop, "/now", json!("2026-02-01T00:00:00.000Z")).await;
    call(&["clock"], "/rate", json!(0.0)).await;
    call(
        &["clock", "--advance-ms", "1000"],
        "/now",
        json!("2026-02-01T00:00:01.000Z"),
    )
    .await;
    call(&["settle"], "/requests", json!(0)).await;
    call(&["sessions"], "", json!([])).await;
    let journal = type_in(&client, &["journal", "--limit", "1"])
        .await
        .unwrap()
        .0;
    assert_eq!(
        (&journal["seq"], &journal["act"]),
        (&json!(1), &json!("say"))
    );
    call(
        &["limits", "--set", r#"{"enabled": false}"#],
        "/rules/enabled",
        json!(false),
    )
    .await;
    call(&["limits"], "/rules/enabled", json!(false)).await;
    call(&["violations"], "", json!([])).await;
    let rule: &[&str] = &["faults", "add", r#"{"action": {"type": "gw_drop"}}"#];
    call(rule, "/id", json!(1)).await;
    call(&["faults", "list"], "/0/struck", json!(0)).await;
    call(&["faults", "remove", "1"], "/id", json!(1)).await;
    call(&["faults", "clear"], "/removed", json!(0)).await;
    let drill = r#"{"kind": "raid", "guild_id": "1100000000001179648", "size": 1, "watch_ms": 0}"#;
    let drill = type_in(&direct, &["call", "POST", "/ctl/drills", drill])
        .await
        .unwrap();
    assert_eq!(drill.0, json!({"id": 1}));
    call(&["drills", "list"], "/0/id", json!(1)).await;
    call(&["drills", "stop", "1"], "/id", json!(1)).await;
    call(
        &["drills", "show", "1", "--wait-ms", "60000"],
        "/state",
        json!("finished"),
    )
    .await;
    let app: &[&str] = &[
        "create-app",
        "--name",
        "Helper",
        "--guild",
        "Harbour",
        "--permissions",
        "8",
    ];
    call(app, "/name", json!("Helper")).await;
    call(&["apps"], "/1/name", json!("Helper")).await;
    call(
        &["create-user", "zoe", "--global-name", "Zoe"],
        "/global_name",
        json!("Zoe"),
    )
    .await;
    let guild: &[&str] = &[
        "create-guild",
        "Attic",
        "zoe",
        "--member",
        "adam",
        "--app",
        "helper",
    ];
    call(guild, "/guild/name", json!("Attic")).await;
    call(&["world", "--summary"], "/world", json!("small")).await;
    call(&["world"], "/seed", json!(1)).await;
    call(&["users", "adam"], "/total", json!(1)).await;
    call(&["see", "adam", "dms"], "", json!([])).await;
    let banned: &[&str] = &["see", "adam", "bans", "Harbour"];
    call(banned, "/bans/0/reason", json!("spam")).await;
    let app: &[&str] = &["edit-app", "helper", "--shards", "3"];
    call(app, "/shards", json!(3)).await;
    let slash = [
        "interact",
        "adam",
        "slash",
        "none",
        "--guild",
        HARBOUR,
        "--channel",
        "general",
    ];
    assert!(
        type_in(&client, &slash).await.is_err(),
        "there is no such command"
    );
    call(&["conduct"], "/stale_overwrites", json!(true)).await;
    let told: &[&str] = &["conduct", "--set", r#"{"stale_overwrites": false}"#];
    call(told, "/stale_overwrites", json!(false)).await;
    call(&["conduct"], "/stale_overwrites", json!(false)).await;
    call(&["happen", "Harbour", "raid-detected"], "/id", Value::Null).await;
    let raided = running.edge.sandbox.with_world(|world| {
        let guild = &world.guilds[&HARBOUR.parse().unwrap()];
        guild
            .incidents
            .as_ref()
            .is_some_and(|i| i.raid_detected_at.is_some())
    });
    assert!(raided);
    let strange: &[&str] = &[
        "happen",
        "Harbour",
        "unknown",
        "--kind",
        "message",
        "--channel",
        "general",
    ];
    assert!(type_in(&client, strange).await.unwrap().0["id"].is_string());
    call(&["reset"], "/world", json!("small")).await;
    call(
        &["world", "--load", "empty", "--seed", "2"],
        "/seed",
        json!(2),
    )
    .await;
    let quiet: &[&str] = &[
        "world",
        "--load",
        "blank",
        "--conduct",
        r#"{"digests": true}"#,
    ];
    call(quiet, "/conduct/digests", json!(true)).await;
    let made: Vec<(Method, &str)> = {
        let noted = noted.lock().unwrap();
        let known = noted.iter().map(|(method, path)| {
            let template = template(method, path);
            (
                method.clone(),
                template.unwrap_or_else(|| panic!("{method} {path}")),
            )
        });
        known.collect()
    };
    for call in calls() {
        let is_made = made.contains(&call);
        assert_eq!(
            is_made,
            !NO_COMMAND.contains(&call),
            "{call:?} has a command, or is named as having none"
        );
    }
    let found = running.edge.violations().await;
    assert!(complaints(&found).is_empty(), "{found:?}");
    running.stop().await;
}

#[tokio::test]
async fn raids_go_by_names() {
    let (running, client) = small().await;
    let raid = [
        "as",
        "olivia",
        "say",
        "--guild",
        "Harbour",
        "--channel",
        "general",
        "--actors",
        "adam,olivia",
        "--times",
        "2",
        "--body",
        r#"{"content": "{n}"}"#,
    ];
    let (answer, well) = type_in(&client, &raid).await.unwrap();
    assert!(well, "{answer}");
    let said = |n: usize| {
        let body = &answer["results"][n]["body"];
        (body["author"]["username"].clone(), body["content"].clone())
    };
    assert_eq!(said(1), (json!("olivia"), json!("1")));
    assert_eq!(said(2), (json!("adam"), json!("2")));
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_is() {
    let (running, client) = small().await;
    let refused = |words: &'static [&'static str]| {
        let client = client.clone();
        async move { type_in(&client, words).await.unwrap_err().to_string() }
    };
    let message = refused(&["as", "nobody", "join", "--guild", "Harbour"]).await;
    assert!(
        message.contains("no user `nobody`") && message.contains("olivia"),
        "{message}"
    );
    let message = refused(&["as", "adam", "join", "--guild", "Harbor"]).await;
    assert!(
        message.contains("no server `Harbor`") && message.contains("Harbour"),
        "{message}"
    );
    let message = refused(&["as", "adam", "say", "--channel", "general"]).await;
    assert!(message.contains("--guild"), "{message}");
    let lost: &[&str] = &[
        "as",
        "adam",
        "say",
        "--guild",
        "Harbour",
        "--channel",
        "generl",
    ];
    let message = refused(lost).await;
    assert!(message.contains("general"), "{message}");
    let message = refused(&["as", "adam", "sing"]).await;
    assert!(
        message.contains("no act `sing`") && message.contains("say"),
        "{message}"
    );
    // A request that REST refuses is an answer, and the command fails.
    let ban = [
        "as", "adam", "ban", "--guild", "Harbour", "--target", "olivia",
    ];
    let (answer, well) = type_in(&client, &ban).await.unwrap();
    assert_eq!(
        (&answer["results"][0]["status"], well),
        (&json!(403), false)
    );
    running.stop().await;
}

#[tokio::test]
async fn what_is_pending_is_shown() {
    let (running, client) = small().await;
    let path = "/applications/1100000000000000001/commands";
    let ask = json!({"name": "ask", "description": "Asks"});
    let mut request = Request::act(Method::POST, path, &ask);
    let token = format!("Bot {}", splashtail_sandbox_world::seed::small::bot_token());
    request
        .headers
        .insert("authorization", token.parse().unwrap());
    request.headers.insert(
        "user-agent",
        "DiscordBot (https://example.test, 1)".parse().unwrap(),
    );
    let registered = running.edge.sandbox.dispatch(Actor::Http, request);
    assert_eq!(registered.status, 201);
    client
        .clock(&ClockChange {
            rate: Some(0.0),
            ..ClockChange::default()
        })
        .await
        .unwrap();
    let slash = [
        "interact",
        "adam",
        "slash",
        "ask",
        "--guild",
        "Harbour",
        "--channel",
        "general",
        "--wait-ms",
        "0",
    ];
    let (seen, well) = type_in(&client, &slash).await.unwrap();
    assert!(
        !well && seen["error"] == "The application did not respond",
        "{seen}"
    );
    let (left, well) = type_in(&client, &["settle", "--timeout-ms", "0"])
        .await
        .unwrap();
    assert!(!well);
    assert_eq!(left["interactions"], json!([seen["interaction_id"]]));
    running.stop().await;
}

#[tokio::test]
async fn the_help_names_every_act() {
    let (running, client) = small().await;
    let refused = type_in(&client, &["as", "olivia", "dance"]).await;
    let refused = refused.unwrap_err().to_string();
    let (_, acts) = refused.split_once("there are ").unwrap();
    let help = Line::try_parse_from(["ctl", "as", "--help"]).unwrap_err();
    let help = help.to_string();
    let missing: Vec<&str> = acts
        .split(", ")
        .filter(|act| !help.split([' ', ',', '\n']).any(|word| word == *act))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    running.stop().await;
}
