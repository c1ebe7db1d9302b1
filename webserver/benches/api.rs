//! What the web API carries: `scripts/bench api`, which starts the PostgreSQL that `DATABASE_URL` names.
//!
//! The webserver runs in this process, whoever asks it in another one, so that each has its own memory.
//! Beside it stands a bare handler that answers as many bytes, asked in the same way in the same run.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has to say so")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the report")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/suite/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use reqwest::Client;
use serde_json::{Value, json};
use splashtail_core::descriptors;
use splashtail_ipc::bus::default_channel;
use splashtail_ipc::hub::Hub;
use support::cluster::fleet_of_one;
use support::{GUILD, TestServer, server, user};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Who asks at a time, and how many requests of each path in all.
const ASKERS: usize = 32;
const REQUESTS: usize = 20_000;
/// That are not measured.
const WARM: usize = 1_000;
/// Jobs of the server whose list is asked for.
const JOBS: usize = 50;
const STREAMS: usize = 1_000;
/// As many as one person may have open.
const STREAMS_EACH: usize = 16;
const FIRST_PERSON: u64 = 1_200_000_000_000_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that this starts.
    if arguments.iter().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if arguments.iter().any(|argument| argument == "--asker") {
        runtime.block_on(ask());
        return ExitCode::SUCCESS;
    }
    let Ok(database) = std::env::var("DATABASE_URL") else {
        eprintln!("DATABASE_URL is not set: run scripts/bench api");
        return ExitCode::from(2);
    };
    runtime.block_on(measure(&database));
    ExitCode::SUCCESS
}

async fn measure(database: &str) {
    let iserver = everybody_may().await;
    let (url, port) = (database.to_owned(), iserver.address().port());
    let hub_stop = CancellationToken::new();
    let stop = hub_stop.clone();
    let test = TestServer::start_with(|config, directory| {
        // Without the bus nobody would remember whom a token stands for.
        let socket = directory.join("bus.sock");
        let channel = default_channel(config.environment);
        let hub = Hub::bind(&socket, &channel, &directory.join("actlogs.jsonl")).unwrap();
        tokio::spawn(hub.serve(stop));
        config.meta.postgres_url = Some(url.into());
        config.meta.bot_iserver_base_port = port;
        config.meta.web_disable_ratelimits = true;
    })
    .await;
    fleet_of_one(&test.clusterer).await;
    for _ in 0..JOBS {
        test.task(server(GUILD)).await;
    }
    let token = test.token(server(GUILD)).await;
    is_warm(&test).await;
    let list = format!("/entities/{GUILD}/tasks?limit={JOBS}");
    let mut asker = Asker::start();
    println!("| Requests of {ASKERS} at a time, PostgreSQL | a second | p50 ms | p99 ms | bytes |");
    println!("|---|---|---|---|---|");
    for (name, path) in [
        ("list of 50 jobs", list.as_str()),
        ("health", "/clusters/health"),
    ] {
        let url = test.url(path);
        let answer = test
            .request(path)
            .header("authorization", format!("Server {token}"));
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let bytes = answer.bytes().await.unwrap();
        row(name, &asker.load(&url, &token), bytes.len());
        let bare = bare(bytes.to_vec()).await;
        row(
            &format!("bare handler, as many bytes as the {name}"),
            &asker.load(&bare, &token),
            bytes.len(),
        );
    }
    let mut tokens = Vec::new();
    for person in 0..STREAMS.div_ceil(STREAMS_EACH) {
        let person = FIRST_PERSON + u64::try_from(person).unwrap();
        tokens.push(test.token(user(person)).await);
    }
    let before = resident();
    let url = test.url(&format!("/guilds/{GUILD}/events"));
    let open = asker.say(&json!({"streams": url, "tokens": tokens}));
    let after = resident();
    println!("\n| Event streams | memory before | with them | a stream |\n|---|---|---|---|");
    let each = after.saturating_sub(before) * 1024 / STREAMS as u64;
    println!(
        "| {} | {before} KiB | {after} KiB | {each} B |",
        open["open"]
    );
    asker.child.kill().unwrap();
    asker.child.wait().unwrap();
    test.stop().await;
    hub_stop.cancel();
}

/// Until the webserver hears the bus: then it remembers for moments a token that the database knows no more.
async fn is_warm(test: &TestServer) {
    let path = format!("/entities/{GUILD}/tasks?limit=1");
    let status = async |token: &str| {
        let request = test.request(&path);
        let request = request.header("authorization", format!("Server {token}"));
        request.send().await.unwrap().status().as_u16()
    };
    let tokens = test.storage.tokens();
    let known = async || {
        let rows = tokens.list(server(GUILD)).await.unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let warm = async {
        loop {
            let before = known().await;
            let fleeting = test.token(server(GUILD)).await;
            assert_eq!(status(&fleeting).await, 200);
            for id in known().await {
                if !before.contains(&id) {
                    assert!(tokens.revoke(id).await.unwrap());
                }
            }
            if status(&fleeting).await == 200 {
                break;
            }
        }
    };
    let warm = tokio::time::timeout(Duration::from_secs(60), warm).await;
    assert!(warm.is_ok(), "the webserver does not hear the bus");
}

fn row(name: &str, told: &Value, bytes: usize) {
    let number = |key: &str| told[key].as_f64().unwrap();
    let (rate, p50, p99) = (number("rate"), number("p50"), number("p99"));
    println!("| {name} | {rate:.0} | {p50:.2} | {p99:.2} | {bytes} |");
}

/// KiB of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The bot, which lets everybody look at everything.
async fn everybody_may() -> MockServer {
    let iserver = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let (tag, fields) = query.as_object().unwrap().iter().next().unwrap();
        let ok = json!({"is_ok": true, "perm_res": {"var": "Ok"}});
        ResponseTemplate::new(200).set_body_json(match tag.as_str() {
            "CheckCommandPermissions" => {
                let commands = fields["commands"].as_array().unwrap().iter();
                let commands = commands.map(|name| (name.as_str().unwrap().to_owned(), ok.clone()));
                json!({"permissions": "8", "commands": Value::Object(commands.collect())})
            }
            "GuildsStatus" => json!({GUILD.to_string(): "present"}),
            _ => json!({"Ok": {}}),
        })
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    iserver
}

/// Its address.
async fn bare(body: Vec<u8>) -> String {
    let body: Arc<[u8]> = body.into();
    let router = Router::new().route("/", get(move || async move { body.to_vec() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}

/// Another process that asks, told what in lines of JSON.
struct Asker {
    child: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Asker {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--asker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (words, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            child,
            words,
            answers: BufReader::new(answers),
        }
    }

    /// The server answers on other threads meanwhile.
    fn say(&mut self, word: &Value) -> Value {
        writeln!(self.words, "{word}").unwrap();
        let mut line = String::new();
        let read = || self.answers.read_line(&mut line);
        tokio::task::block_in_place(read).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn load(&mut self, url: &str, token: &str) -> Value {
        self.say(&json!({"load": url, "token": token}))
    }
}

/// The other process.
async fn ask() {
    assert!(
        descriptors::raise() > STREAMS + 100,
        "too few descriptors: ulimit -n 4096"
    );
    let client = Client::builder().no_proxy().build().unwrap();
    let mut open = Vec::new();
    for line in std::io::stdin().lines() {
        let word: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = match word["load"].as_str() {
            Some(url) => load(&client, url, word["token"].as_str().unwrap()).await,
            None => {
                let tokens = word["tokens"].as_array().unwrap();
                for n in 0..STREAMS {
                    let token = tokens[n / STREAMS_EACH].as_str().unwrap();
                    let request = client.get(word["streams"].as_str().unwrap());
                    let request = request.header("authorization", format!("User {token}"));
                    let mut stream = request.send().await.unwrap();
                    assert_eq!(stream.status(), 200);
                    // The first event: it is followed from now on.
                    assert!(stream.chunk().await.unwrap().is_some());
                    open.push(stream);
                }
                json!({"open": open.len()})
            }
        };
        println!("{answer}");
    }
}

async fn load(client: &Client, url: &str, token: &str) -> Value {
    let authorization = format!("Server {token}");
    for _ in 0..WARM {
        once(client, url, &authorization).await;
    }
    let (left, begun) = (Arc::new(AtomicUsize::new(REQUESTS)), Instant::now());
    let mut askers = JoinSet::new();
    for _ in 0..ASKERS {
        let (client, url, authorization) = (client.clone(), url.to_owned(), authorization.clone());
        let left = Arc::clone(&left);
        askers.spawn(async move {
            let mut times = Vec::new();
            while left.fetch_sub(1, Ordering::Relaxed) as isize > 0 {
                times.push(once(&client, &url, &authorization).await);
            }
            times
        });
    }
    let mut times: Vec<Duration> = askers.join_all().await.into_iter().flatten().collect();
    let whole = begun.elapsed();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    json!({"rate": times.len() as f64 / whole.as_secs_f64(), "p50": at(50), "p99": at(99)})
}

async fn once(client: &Client, url: &str, authorization: &str) -> Duration {
    let begun = Instant::now();
    let request = client.get(url).header("authorization", authorization);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
    begun.elapsed()
}
