//! SIGHUP to the supervisor: new webserver and jobserver, the same bot, nobody refused, streams included.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use nix::sys::signal::Signal;
use reqwest::Client;
use splashtail_e2e::platform::{Engines, OPERATOR, Platform, is_alive, signal};
use splashtail_sandbox::control::types::{NewGuild, NewUser};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

const LIMIT: Duration = Duration::from_secs(120);
/// The bot of the sandbox's world.
const BOT: &str = "1100000000000000001";

#[tokio::test]
async fn a_reload_refuses_nobody_and_leaves_the_bot_alone() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let pids = platform.ready.pids.clone();
    let url = platform
        .ready
        .api
        .as_ref()
        .unwrap()
        .join("openapi")
        .unwrap();

    // Someone asks all the time, over a new connection each time.
    let (stop, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let caller = tokio::spawn({
        let (stop, answered) = (stop.clone(), answered.clone());
        async move {
            let client = reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap();
            while !stop.load(Ordering::Relaxed) {
                let status = client.get(url.clone()).send().await.unwrap().status();
                assert_eq!(status, 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });

    // An operator goes, a key changes, and a daemon of the new configuration is asked for it.
    let root = platform.dir();
    let cluster_file = root.join("mewld-staging.yaml");
    let text = std::fs::read_to_string(&cluster_file).unwrap();
    let text = text.replace(&format!("\"{OPERATOR}\""), "");
    assert!(text.contains("allowed_ids: []"), "{text}");
    std::fs::write(&cluster_file, text).unwrap();
    let config = root.join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("meta: {}", "meta: {web_disable_ratelimits: true}");
    std::fs::write(&config, text).unwrap();
    let run = root.join("data/run");
    let in_force = |file: &str| std::fs::read_to_string(run.join(file)).unwrap();
    assert!(in_force("mewld-staging.yaml").contains(OPERATOR));

    signal(pids.splashtail, Signal::SIGHUP).unwrap();
    let old = [
        pids.daemon("webserver").unwrap(),
        pids.daemon("jobserver").unwrap(),
    ];
    let deadline = tokio::time::Instant::now() + LIMIT;
    while old.iter().any(|pid| is_alive(*pid)) {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the old ones stay:\n{}",
            platform.logs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = answered.load(Ordering::Relaxed);
    while answered.load(Ordering::Relaxed) < before + 20 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the new one does not answer"
        );
        assert!(!caller.is_finished(), "someone was refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    caller.await.unwrap();
    assert!(!in_force("mewld-staging.yaml").contains(OPERATOR));
    assert!(in_force("config.yaml").contains("web_disable_ratelimits: true"));

    assert!(
        is_alive(pids.daemon("clusterer").unwrap()),
        "the clusterer replaces itself under its pid"
    );
    for pid in pids.bot.values() {
        assert!(is_alive(*pid), "the bot goes on");
    }
    assert!(platform.stop().await.unwrap().is_empty());
}

/// Who follow, and how many streams each of them has; a person may have 16.
const PEOPLE: usize = 7;
const EACH: usize = 15;
const HAND_OVERS: usize = 10;

/// What the streams were told, in all.
#[derive(Default)]
struct Told {
    ready: AtomicUsize,
    sent_away: AtomicUsize,
}

/// A server of somebody's own, whom everything there may be shown.
async fn at_home(platform: &Platform, number: usize) -> (String, String) {
    let user = NewUser {
        username: Some(format!("follower{number}")),
        ..NewUser::default()
    };
    let user = platform.control.create_user(&user).await.unwrap();
    let user = user["id"].as_str().unwrap().to_owned();
    let guild = NewGuild {
        name: format!("Home {number}"),
        owner_id: user.clone(),
        apps: vec![BOT.to_owned()],
        ..NewGuild::default()
    };
    let made = platform.control.create_guild(&guild).await.unwrap();
    let guild = made["guild"]["id"].as_str().unwrap().to_owned();
    (platform.token("--user", &user).unwrap(), guild)
}

/// Follows a server as `EventSource` does, and fails where that would lose something.
async fn follow(client: Client, url: Url, token: String, told: Arc<Told>) {
    let mut last = None::<String>;
    loop {
        let request = client.get(url.clone());
        let mut request = request.header("authorization", format!("User {token}"));
        if let Some(last) = &last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut parts = answer.bytes_stream();
        let (mut text, mut retry) = (String::new(), 0);
        'stream: loop {
            let part = parts.next().await.expect("a stream broke off").unwrap();
            text.push_str(std::str::from_utf8(&part).unwrap());
            while let Some(at) = text.find("\n\n") {
                let event: String = text.drain(..at + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                last = field("id: ").map(str::to_owned).or(last);
                match field("event: ") {
                    Some("ready") => {
                        assert!(event.contains("\"reset\":false"), "{event}");
                        retry = field("retry: ").unwrap().parse().unwrap();
                        told.ready.fetch_add(1, Ordering::Relaxed);
                    }
                    Some("end") => {
                        assert!(event.contains("\"why\":\"restart\""), "{event}");
                        told.sent_away.fetch_add(1, Ordering::Relaxed);
                        break 'stream;
                    }
                    _ => {}
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(retry)).await;
    }
}

/// Asks all the time, over one connection or a new one each time.
async fn ask(client: Client, urls: [Url; 2], token: String, stop: CancellationToken) -> usize {
    let mut answered = 0;
    while !stop.is_cancelled() {
        for url in &urls {
            let request = client.get(url.clone());
            let request = request.header("authorization", format!("User {token}"));
            assert_eq!(request.send().await.unwrap().status(), 200, "{url}");
            answered += 1;
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_hand_overs_under_load_fail_no_request_and_break_no_stream() {
    let unlimited = [("web_disable_ratelimits", "true")];
    let dir = TempDir::new().unwrap();
    let platform = Platform::start_configured(dir, Engines::Embedded, &unlimited, "")
        .await
        .unwrap();
    let api = platform.ready.api.clone().unwrap();
    let at = |path: &str| api.join(path).unwrap();
    let keeping = Client::new();
    let (told, mut following) = (Arc::new(Told::default()), JoinSet::new());
    let mut token = String::new();
    for number in 0..PEOPLE {
        let (own, guild) = at_home(&platform, number).await;
        let now = at(&format!("/guilds/{guild}/events?wait=0"));
        let asked = || {
            let request = keeping.get(now.clone());
            request.header("authorization", format!("User {own}"))
        };
        // The bot comes to know its new server.
        let comes = async { while asked().send().await.unwrap().status() != 200 {} };
        tokio::time::timeout(LIMIT, comes).await.unwrap();
        for _ in 0..EACH {
            let url = at(&format!("/guilds/{guild}/events"));
            following.spawn(follow(keeping.clone(), url, own.clone(), told.clone()));
        }
        token = own;
    }
    let stop = CancellationToken::new();
    let mut asking = JoinSet::new();
    for _ in 0..2 {
        let fleeting = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        for client in [keeping.clone(), fleeting] {
            let urls = [at("/config"), at("/users/@me")];
            asking.spawn(ask(client, urls, token.clone(), stop.clone()));
        }
    }

    let streams = PEOPLE * EACH;
    for round in 0..=HAND_OVERS {
        let moved = async {
            while told.ready.load(Ordering::Relaxed) < streams * (round + 1) {
                if let Some(failed) = following.try_join_next() {
                    failed.unwrap();
                }
                if let Some(failed) = asking.try_join_next() {
                    failed.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let moved = tokio::time::timeout(LIMIT, moved).await;
        assert!(moved.is_ok(), "hand-over {round}:\n{}", platform.logs());
        assert_eq!(told.sent_away.load(Ordering::Relaxed), streams * round);
        if round < HAND_OVERS {
            signal(platform.ready.pids.splashtail, Signal::SIGHUP).unwrap();
        }
    }
    stop.cancel();
    let mut answered = 0;
    while let Some(asked) = asking.join_next().await {
        answered += asked.unwrap();
    }
    assert!(answered > 100, "{answered} requests are no load");
    following.shutdown().await;
    platform.stop().await.unwrap();
}
