//! Requests over HTTP: sixteen connections that each wait for their answer.

use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use splashtail_sandbox::control::types::{ClockChange, Interact};
use splashtail_sandbox_world::seed::small;
use tokio::net::TcpStream;

use crate::events::Client;
use crate::peer;
use crate::process::{Process, Sandbox, Watch};
use crate::table::{Rate, Row};

const CONNECTIONS: usize = 16;

/// A request to repeat; `{n}` in path and body becomes the number of the repetition.
#[derive(Clone)]
pub struct Call {
    method: Method,
    path: String,
    body: String,
}

impl Call {
    fn new(method: Method, path: String, body: &Value) -> Self {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        Self { method, path, body }
    }

    pub fn get(path: String) -> Self {
        Self::new(Method::GET, path, &Value::Null)
    }
}

pub async fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let sandbox = Sandbox::start("small").await?;
    let bare = peer::start("http")?;
    let guild = small::GUILDS[0];
    let channels = fetch(
        sandbox.rest,
        &Call::get(format!("/guilds/{guild}/channels")),
    )
    .await?;
    let channel = |name: &str| {
        let found = channels.as_array()?.iter().find(|c| c["name"] == name)?;
        Some(found["id"].as_str()?.to_owned())
    };
    let general = channel("general").context("no general")?;
    let archive = channel("archive").context("no archive")?;
    let create = Call::new(
        Method::POST,
        format!("/channels/{general}/messages"),
        &json!({"content": "a message of ordinary size, number {n}, as people write them"}),
    );
    let edit = Call::new(
        Method::PATCH,
        format!("/guilds/{guild}/members/{}", small::MEMBER),
        &json!({"nick": "name {n}"}),
    );
    let messages = Call::get(format!("/channels/{archive}/messages?limit=100"));
    let audit = Call::get(format!("/guilds/{guild}/audit-logs?limit=100"));
    let whole = Call::get(format!("/guilds/{guild}"));
    let listed = Call::get(format!("/guilds/{guild}/channels"));
    let one = Call::get(format!("/channels/{general}"));
    // What moderating a raid looks like: mostly writes, now and then a list.
    let mut mix = Vec::new();
    for _ in 0..3 {
        mix.extend([&create, &edit, &one, &create, &edit].map(Clone::clone));
    }
    mix.extend([&whole, &listed, &messages, &audit].map(Clone::clone));
    let cases = [
        ("create message", vec![create.clone()], 10_000, "5,000/s"),
        ("edit member", vec![edit], 10_000, "5,000/s"),
        ("get channel", vec![one], 10_000, "5,000/s"),
        ("get guild", vec![whole], 10_000, "5,000/s"),
        ("list channels", vec![listed], 5_000, ""),
        ("audit log, 100 entries", vec![audit], 1_000, ""),
        ("list 100 messages", vec![messages], 1_000, ""),
        ("mix of these (8 writes in 10)", mix, 10_000, "5,000/s"),
    ];
    for (name, calls, count, budget) in cases {
        row(rows, &sandbox, &bare, (name, budget), calls, count).await?;
    }
    let calls = callbacks(&sandbox, &general, 2000).await?;
    let count = calls.len();
    let named = ("interaction callback", "5,000/s");
    row(rows, &sandbox, &bare, named, calls, count).await?;
    drop(sandbox);

    let big = Sandbox::start("big").await?;
    let members = Call::get(format!("/guilds/{guild}/members?limit=1000"));
    let named = ("list 1,000 members", "");
    row(rows, &big, &bare, named, vec![members], 200).await
}

async fn row(
    rows: &mut Vec<Row>,
    sandbox: &Sandbox,
    bare: &(Process, u16),
    (name, budget): (&str, &'static str),
    calls: Vec<Call>,
    count: usize,
) -> Result<()> {
    let calls: Rc<[Call]> = calls.into();
    let (own, bytes) = run(&sandbox.process, sandbox.rest, "/api/v10", &calls, count).await?;
    let same: Rc<[Call]> = [Call::new(
        calls[0].method.clone(),
        format!("/{bytes}"),
        &Value::Null,
    )]
    .into();
    let (peer, _) = run(&bare.0, bare.1, "", &same, count).await?;
    let row = Row::rate(name, own, peer, bytes, budget);
    row.announce();
    rows.push(row);
    Ok(())
}

/// Sends `count` requests; the rate and the mean length of an answer.
async fn run(
    process: &Process,
    port: u16,
    base: &'static str,
    calls: &Rc<[Call]>,
    count: usize,
) -> Result<(Rate, usize)> {
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(connect(port).await?);
    }
    let watch = Watch::start(process)?;
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..)
        .zip(open)
        .map(|(lane, mut connection)| {
            let calls = calls.clone();
            local.spawn_local(async move {
                let mut bytes = 0;
                for n in (lane..count).step_by(CONNECTIONS) {
                    let call = &calls[n % calls.len()];
                    bytes += send(&mut connection, base, call, n).await?.len();
                }
                Ok::<usize, anyhow::Error>(bytes)
            })
        })
        .collect();
    let mut bytes = 0;
    let all = async {
        for task in tasks {
            bytes += task.await??;
        }
        Ok::<(), anyhow::Error>(())
    };
    local.run_until(all).await?;
    Ok((watch.rate(process, count)?, bytes / count))
}

pub type Connection = SendRequest<Full<Bytes>>;

pub async fn connect(port: u16) -> Result<Connection> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

pub async fn send(connection: &mut Connection, base: &str, call: &Call, n: usize) -> Result<Bytes> {
    send_as(connection, &small::bot_token(), base, call, n).await
}

/// The same with the token of another bot.
pub async fn send_as(
    connection: &mut Connection,
    token: &str,
    base: &str,
    call: &Call,
    n: usize,
) -> Result<Bytes> {
    let n = n.to_string();
    let mut request = http::Request::builder()
        .method(call.method.clone())
        .uri(format!("{base}{}", call.path.replace("{n}", &n)))
        .header("host", "localhost")
        .header("user-agent", "DiscordBot (https://example.test, 1)")
        .header("authorization", format!("Bot {token}"));
    if !call.body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Full::from(call.body.replace("{n}", &n)))?;
    connection.ready().await?;
    let answer = connection.send_request(request).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        let text = String::from_utf8_lossy(&bytes);
        bail!("{} {}: {status} {text}", call.method, call.path);
    }
    Ok(bytes)
}

async fn fetch(port: u16, call: &Call) -> Result<Value> {
    let mut connection = connect(port).await?;
    let bytes = send(&mut connection, "/api/v10", call, 0).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// A callback for each of `count` interactions, which the stopped clock keeps from lapsing.
async fn callbacks(sandbox: &Sandbox, channel: &str, count: usize) -> Result<Vec<Call>> {
    let app = small::APPLICATION;
    let command = json!([{"name": "ping", "description": "Answers."}]);
    let register = Call::new(
        Method::PUT,
        format!("/applications/{app}/commands"),
        &command,
    );
    fetch(sandbox.rest, &register).await?;
    let stop = ClockChange {
        rate: Some(0.0),
        ..ClockChange::default()
    };
    sandbox.control.clock(&stop).await?;
    let mut client = Client::identified(sandbox.gateway, "", small::GUILDS.len()).await?;
    let slash: Interact = serde_json::from_value(json!({
        "kind": "slash", "guild_id": small::GUILDS[0], "channel_id": channel,
        "name": "ping", "wait_ms": 0,
    }))?;
    let user = small::MEMBER.to_string();
    let body = json!({"type": 4, "data": {"content": "pong {n}"}});
    let mut calls = Vec::new();
    for _ in 0..count {
        sandbox.control.interact(&user, &slash).await?;
        let event = client.until("INTERACTION_CREATE").await?;
        let id = event["d"]["id"].as_str().context("no id")?;
        let token = event["d"]["token"].as_str().context("no token")?;
        let path = format!("/interactions/{id}/{token}/callback");
        calls.push(Call::new(Method::POST, path, &body));
    }
    ensure!(calls.len() == count, "interactions are missing");
    Ok(calls)
}
