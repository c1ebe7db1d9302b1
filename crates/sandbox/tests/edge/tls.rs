//! `https` and `wss`, by an authority that a client has to be told of.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use splashtail_sandbox::server::{Edge, Listeners, Tls};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::faults::Rule;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Addresses, Conduct};
use splashtail_sandbox_world::{Options, Sandbox};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::{ALL_INTENTS, settings};

struct Secure {
    addresses: Addresses,
    edge: Arc<Edge>,
    authority: Vec<u8>,
    _running: DropGuard,
    _dir: tempfile::TempDir,
}

async fn serve() -> Secure {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let tls = Tls::load(dir.path(), IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
    let listeners = Listeners {
        rest: bind().await.unwrap(),
        gateway: bind().await.unwrap(),
        control: bind().await.unwrap(),
        resume: Some(bind().await.unwrap()),
        tls: Some(tls),
    };
    let addresses = listeners.addresses().unwrap();
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let options = Options {
        world: "small".to_owned(),
        seed: 1,
        addresses: addresses.clone(),
        clock: Arc::new(SandboxClock::frozen(start)),
        conduct: Conduct::prompt(),
    };
    let edge = Edge::new(Sandbox::new(&options).unwrap(), settings(), false).unwrap();
    let shutdown = CancellationToken::new();
    let serving = edge
        .clone()
        .serve(listeners, Default::default(), shutdown.clone());
    tokio::spawn(serving);
    Secure {
        addresses,
        edge,
        authority: std::fs::read(dir.path().join("ca.pem")).unwrap(),
        _running: shutdown.drop_guard(),
        _dir: dir,
    }
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl Secure {
    async fn connect(&self, url: &str) -> Result<Socket, Error> {
        let mut roots = rustls::RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(&self.authority).unwrap();
        roots.add(authority).unwrap();
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address = url.strip_prefix("wss://").unwrap().to_owned();
        let tcp = TcpStream::connect(&address).await?;
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let tls = connector.connect(host, tcp).await?;
        let url = format!("{url}/?v=10&encoding=json");
        Ok(tokio_tungstenite::client_async(url, tls).await?.0)
    }
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(text.as_str()).unwrap();
        }
    }
}

#[tokio::test]
async fn requests_are_answered_to_whom_trusts_the_authority() {
    let s = serve().await;
    assert!(s.addresses.rest.starts_with("https://"));
    let url = format!("{}/api/v10/gateway", s.addresses.rest);
    let authority = reqwest::Certificate::from_pem(&s.authority).unwrap();
    let trusting = reqwest::Client::builder()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let agent = ("user-agent", "DiscordBot (https://example.test, 1)");
    let get = |client: &reqwest::Client, url: &str| client.get(url).header(agent.0, agent.1).send();
    let answer: Value = get(&trusting, &url).await.unwrap().json().await.unwrap();
    assert_eq!(answer["url"], s.addresses.gateway);
    let distrusting = reqwest::Client::builder()
        .tls_certs_only([])
        .build()
        .unwrap();
    let refused = get(&distrusting, &url).await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    // Whoever speaks in the clear is not understood, and ends nothing.
    let plain = url.replace("https://", "http://");
    assert!(get(&trusting, &plain).await.is_err());
    assert_eq!(get(&trusting, &url).await.unwrap().status(), 200);
}

#[tokio::test]
async fn sessions_are_opened_and_resumed_encrypted() {
    let s = serve().await;
    let mut socket = s.connect(&s.addresses.gateway).await.unwrap();
    assert_eq!(next(&mut socket).await["op"], 10);
    let token = small::bot_token();
    let identify = json!({"op": 2, "d": {"token": token, "intents": ALL_INTENTS,
        "properties": {"os": "linux", "browser": "test", "device": "test"}}});
    socket
        .send(Message::text(identify.to_string()))
        .await
        .unwrap();
    let ready = next(&mut socket).await["d"].clone();
    let resume = ready["resume_gateway_url"].as_str().unwrap().to_owned();
    assert!(resume.starts_with("wss://") && resume != s.addresses.gateway);
    drop(socket);
    let mut socket = s.connect(&resume).await.unwrap();
    assert_eq!(next(&mut socket).await["op"], 10);
    let resume = json!({"op": 6, "d":
        {"token": token, "session_id": ready["session_id"], "seq": 1}});
    socket
        .send(Message::text(resume.to_string()))
        .await
        .unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|t| t != "RESUMED") {
        let payload = next(&mut socket).await;
        seen.push(payload["t"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(seen.iter().filter(|t| *t == "GUILD_CREATE").count(), 4);
}

#[tokio::test]
async fn a_handshake_can_be_refused_encrypted() {
    let s = serve().await;
    let rule: Rule =
        serde_json::from_value(json!({"action": {"type": "gw_refuse", "status": 503}, "times": 1}))
            .unwrap();
    s.edge.sandbox.faults.add(rule).unwrap();
    let Err(Error::Http(refused)) = s.connect(&s.addresses.gateway).await else {
        panic!("it was not refused over HTTP");
    };
    assert_eq!(refused.status(), 503);
    s.connect(&s.addresses.gateway).await.unwrap();
}
