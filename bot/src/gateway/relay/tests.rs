use chrono::DateTime;
use futures_util::{FutureExt, SinkExt};
use splashtail_core::clock::ManualClock;
use splashtail_ipc::launcher::IDENTIFY_REST;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::ORIGIN;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

use super::super::pace::Floors;
use super::*;

const HEARTBEAT: &str = r#"{"op":1,"d":null}"#;
const IDENTIFY: &str = r#"{"op":2,"d":{"token":"x"}}"#;
const RESUME: &str = r#"{"op":6,"d":{"token":"x"}}"#;
const FIRST: ShardId = ShardId(0);

type Shard = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Discord's side, one connection after the other.
struct Gateway(TcpListener);

impl Gateway {
    async fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap())
    }

    fn address(&self) -> String {
        format!("ws://{}", self.0.local_addr().unwrap())
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        let (stream, _) = self.0.accept().await.unwrap();
        accept_async(stream).await.unwrap()
    }

    /// Answers with a status in place of a websocket.
    async fn refuse(&self, status: &str) {
        let (mut stream, _) = self.0.accept().await.unwrap();
        let asked = stream.read(&mut [0; 2048]).await.unwrap();
        assert!(asked > 0);
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    /// Lets a connection end before it is a websocket.
    async fn fail(&self) {
        self.0.accept().await.unwrap();
    }
}

async fn start(gateway: &Gateway) -> (ManualClock, Relay) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let shards = [FIRST, ShardId(2), ShardId(4)];
    let pace = Pace::new(&shards, 2, &Floors::default(), clock.shared());
    let shutdown = CancellationToken::new();
    let address = gateway.address();
    let router = Router::deaf(clock.shared());
    let relay = Relay::start(&address, Arc::new(pace), router, clock.shared(), shutdown);
    (clock, relay.await.unwrap())
}

async fn shard(relay: &Relay, shard: ShardId) -> Shard {
    let url = format!("{}?v=10", relay.url(shard));
    connect_async(url).await.unwrap().0
}

async fn say(shard: &mut Shard, text: &str) {
    shard.send(Message::text(text)).await.unwrap();
}

async fn hear(discord: &mut WebSocketStream<TcpStream>) -> String {
    discord.next().await.unwrap().unwrap().to_string()
}

async fn close_of(shard: &mut Shard) -> Option<u16> {
    match shard.next().await {
        Some(Ok(Message::Close(frame))) => frame.map(|frame| frame.code.into()),
        other => panic!("no close: {other:?}"),
    }
}

fn close(code: u16) -> CloseFrame {
    let (code, reason) = (CloseCode::from(code), "no".into());
    CloseFrame { code, reason }
}

#[tokio::test]
async fn a_close_reaches_the_shard_and_one_for_good_is_remembered() {
    for code in [4000, 4004, 4009, 4010, 4011, 4012, 4013, 4014] {
        let gateway = Gateway::new().await;
        let (_clock, relay) = start(&gateway).await;
        let mut shard = shard(&relay, FIRST).await;
        let mut discord = gateway.accept().await;
        let hello = Message::text(r#"{"op":10}"#);
        discord.send(hello.clone()).await.unwrap();
        assert_eq!(shard.next().await.unwrap().unwrap(), hello);
        say(&mut shard, IDENTIFY).await;
        assert_eq!(hear(&mut discord).await, IDENTIFY);
        discord.close(Some(close(code))).await.unwrap();
        assert_eq!(close_of(&mut shard).await, Some(code));
        let refused = *relay.refused().borrow();
        assert_eq!(refused, GatewayRefusal::of_close(code));
    }
}

/// serenity resumes after 1001, and turns in circles after a close without a code.
#[tokio::test]
async fn a_connection_that_breaks_is_a_close_with_a_code() {
    let gateway = Gateway::new().await;
    let (_clock, relay) = start(&gateway).await;
    let away = Some(u16::from(CloseCode::Away));

    let mut cut = shard(&relay, FIRST).await;
    drop(gateway.accept().await);
    assert_eq!(close_of(&mut cut).await, away);

    let mut unexplained = shard(&relay, FIRST).await;
    let mut discord = gateway.accept().await;
    discord.close(None).await.unwrap();
    assert_eq!(close_of(&mut unexplained).await, away);
    assert_eq!(*relay.refused().borrow(), None);
}

/// Discord ends the session of a shard that says goodbye, and keeps that of one that just goes.
#[tokio::test]
async fn only_a_shards_own_close_reaches_discord() {
    let gateway = Gateway::new().await;
    let (_clock, relay) = start(&gateway).await;
    let gone = shard(&relay, FIRST).await;
    let mut discord = gateway.accept().await;
    drop(gone);
    let heard = discord.next().await;
    assert!(!matches!(heard, Some(Ok(_))), "{heard:?}");

    let mut leaving = shard(&relay, FIRST).await;
    let mut discord = gateway.accept().await;
    leaving.close(Some(close(1000))).await.unwrap();
    let heard = discord.next().await.unwrap().unwrap();
    assert_eq!(heard, Message::Close(Some(close(1000))));
}

#[tokio::test]
async fn an_identify_waits_for_its_turn_and_nothing_else_does() {
    let gateway = Gateway::new().await;
    let (clock, relay) = start(&gateway).await;
    let mut links = Vec::new();
    for id in [0, 2, 4] {
        let mut shard = shard(&relay, ShardId(id)).await;
        let mut discord = gateway.accept().await;
        say(&mut shard, IDENTIFY).await;
        if id == 0 {
            assert_eq!(hear(&mut discord).await, IDENTIFY);
        } else {
            say(&mut shard, HEARTBEAT).await;
            assert_eq!(hear(&mut discord).await, HEARTBEAT);
            clock.wait_for_sleepers(1).await;
        }
        links.push((shard, discord));
    }
    // The one that waits longer stays in front of the other, whatever else it says.
    for _ in 0..3 {
        let (shard, discord) = &mut links[1];
        say(shard, HEARTBEAT).await;
        assert_eq!(hear(discord).await, HEARTBEAT);
    }
    for index in [1, 2] {
        clock.wait_for_sleepers(1).await;
        clock.advance(IDENTIFY_REST);
        assert_eq!(hear(&mut links[index].1).await, IDENTIFY);
    }
}

#[tokio::test]
async fn strangers_are_turned_away_before_discord_hears_of_them() {
    let gateway = Gateway::new().await;
    let (_clock, relay) = start(&gateway).await;
    let stranger = format!("ws://{}/0", relay.address);
    let mut of_a_page = relay.url(FIRST).into_client_request().unwrap();
    let origin = "https://example.com".parse().unwrap();
    of_a_page.headers_mut().insert(ORIGIN, origin);
    for request in [stranger.into_client_request().unwrap(), of_a_page] {
        match connect_async(request).await {
            Err(WsError::Http(answer)) => assert_eq!(answer.status(), 403),
            other => panic!("not refused: {other:?}"),
        }
    }
    // So the first connection is the shard's.
    let mut shard = shard(&relay, FIRST).await;
    let mut discord = gateway.accept().await;
    say(&mut shard, HEARTBEAT).await;
    assert_eq!(hear(&mut discord).await, HEARTBEAT);
}

#[tokio::test]
async fn whoever_does_not_ask_for_a_websocket_is_hung_up_on() {
    let gateway = Gateway::new().await;
    let (clock, relay) = start(&gateway).await;
    let mut silent = TcpStream::connect(relay.address).await.unwrap();
    clock.wait_for_sleepers(1).await;
    clock.advance(HANDSHAKE_DEADLINE);
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_gateway_that_is_away_is_a_close_after_a_pause() {
    let gateway = Gateway::new().await;
    let (clock, relay) = start(&gateway).await;
    let mut early = shard(&relay, FIRST).await;
    gateway.fail().await;
    clock.wait_for_sleepers(1).await;
    say(&mut early, RESUME).await;
    clock.advance(*PAUSE.start() - Duration::from_millis(1));
    assert!(early.next().now_or_never().is_none());
    clock.advance(*PAUSE.end());
    assert_eq!(close_of(&mut early).await, Some(CloseCode::Away.into()));
    assert_eq!(*relay.refused().borrow(), None);
    assert!(relay.links.away.load(Ordering::Relaxed));

    let mut back = shard(&relay, FIRST).await;
    let mut discord = gateway.accept().await;
    say(&mut back, RESUME).await;
    assert_eq!(hear(&mut discord).await, RESUME);
    assert!(!relay.links.away.load(Ordering::Relaxed));
}

/// A shard with a session whose READY named `east`, which is gone again.
async fn begin_session(gateway: &Gateway, relay: &Relay, east: &str) {
    let mut shard = shard(relay, FIRST).await;
    let mut discord = gateway.accept().await;
    say(&mut shard, IDENTIFY).await;
    assert_eq!(hear(&mut discord).await, IDENTIFY);
    let ready = format!(r#"{{"op":0,"t":"READY","d":{{"resume_gateway_url":"{east}"}}}}"#);
    discord.send(Message::text(ready.clone())).await.unwrap();
    assert_eq!(
        shard.next().await.unwrap().unwrap(),
        Message::text(ready.as_str())
    );
}

#[tokio::test]
async fn a_session_resumes_where_its_ready_said_and_a_new_one_begins_at_the_gateway() {
    let (gateway, east) = (Gateway::new().await, Gateway::new().await);
    let (clock, relay) = start(&gateway).await;
    begin_session(&gateway, &relay, &east.address()).await;
    for _ in 0..2 {
        let mut resumes = shard(&relay, FIRST).await;
        say(&mut resumes, RESUME).await;
        assert_eq!(hear(&mut east.accept().await).await, RESUME);
    }

    let mut anew = shard(&relay, FIRST).await;
    clock.wait_for_sleepers(1).await;
    clock.advance(RESUMES_WITHIN);
    let mut discord = gateway.accept().await;
    say(&mut anew, HEARTBEAT).await;
    assert_eq!(hear(&mut discord).await, HEARTBEAT);
}

#[tokio::test]
async fn an_address_to_resume_at_that_leads_nowhere_is_tried_once() {
    let (gateway, east) = (Gateway::new().await, Gateway::new().await);
    let (clock, relay) = start(&gateway).await;
    begin_session(&gateway, &relay, &east.address()).await;
    let mut resumes = shard(&relay, FIRST).await;
    say(&mut resumes, RESUME).await;
    east.fail().await;
    clock.wait_for_sleepers(1).await;
    clock.advance(*PAUSE.end());
    assert_eq!(close_of(&mut resumes).await, Some(CloseCode::Away.into()));

    let mut resumes = shard(&relay, FIRST).await;
    say(&mut resumes, RESUME).await;
    assert_eq!(hear(&mut gateway.accept().await).await, RESUME);
}

/// What the relay asks the gateway for, and a gateway that compresses as Discord does.
#[tokio::test]
async fn the_connection_to_discord_is_compressed_and_a_shard_does_not_notice() {
    let gateway = Gateway::new().await;
    let (_clock, relay) = start(&gateway).await;
    let connecting = tokio::spawn(connect_async(format!("{}?v=10", relay.url(FIRST))));
    let (stream, _) = gateway.0.accept().await.unwrap();
    let asked = OnceLock::new();
    #[allow(clippy::result_large_err, reason = "the library's own signature")]
    let look = |request: &Request, response: Response| {
        let _ = asked.set(request.uri().query().unwrap_or_default().to_owned());
        Ok(response)
    };
    let discord = accept_hdr_async_with_config(stream, look, None).await;
    let mut discord = discord.unwrap();
    assert_eq!(
        asked.get().unwrap(),
        "v=10&encoding=json&compress=zstd-stream"
    );
    let (mut shard, _) = connecting.await.unwrap().unwrap();
    let mut packer = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    for text in [r#"{"op":10,"d":{}}"#, r#"{"op":11}"#] {
        std::io::Write::write_all(&mut packer, text.as_bytes()).unwrap();
        std::io::Write::flush(&mut packer).unwrap();
        let packed = std::mem::take(packer.get_mut());
        discord.send(Message::binary(packed)).await.unwrap();
        assert_eq!(shard.next().await.unwrap().unwrap(), Message::text(text));
    }
    say(
        &mut shard,
        r#"{"op":2,"d":{"token":"x","compress":true,"intents":7}}"#,
    )
    .await;
    assert_eq!(
        hear(&mut discord).await,
        r#"{"op":2,"d":{"token":"x","compress":false,"intents":7}}"#
    );

    discord
        .send(Message::binary(b"no such stream".to_vec()))
        .await
        .unwrap();
    assert_eq!(close_of(&mut shard).await, Some(CloseCode::Away.into()));
    assert!(!relay.links.compressed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn only_a_gateway_that_does_not_take_the_request_is_asked_without_compression() {
    let gateway = Gateway::new().await;
    let (clock, relay) = start(&gateway).await;
    for status in ["429 Too Many Requests", "403 Forbidden"] {
        let mut early = shard(&relay, FIRST).await;
        gateway.refuse(status).await;
        // Not asked again before the shard comes back.
        clock.wait_for_sleepers(1).await;
        assert!(gateway.0.accept().now_or_never().is_none(), "{status}");
        clock.advance(*PAUSE.end());
        assert_eq!(close_of(&mut early).await, Some(CloseCode::Away.into()));
        assert!(relay.links.compressed.load(Ordering::Relaxed), "{status}");
    }
    let mut shard = shard(&relay, FIRST).await;
    gateway.refuse("400 Bad Request").await;
    let mut discord = gateway.accept().await;
    say(&mut shard, HEARTBEAT).await;
    assert_eq!(hear(&mut discord).await, HEARTBEAT);
    assert!(!relay.links.compressed.load(Ordering::Relaxed));
}

/// serenity begins another session after this code, and goes on with its own after most others.
#[tokio::test]
async fn a_shard_whose_session_lost_events_is_told_that_it_is_over() {
    let gateway = Gateway::new().await;
    let (_clock, relay) = start(&gateway).await;
    let mut shard = shard(&relay, FIRST).await;
    let mut discord = gateway.accept().await;
    for text in [
        r#"{"op":0,"t":"READY","s":1,"d":{"guilds":[]}}"#,
        r#"{"op":0,"t":"TYPING_START","s":3,"d":{}}"#,
    ] {
        discord.send(Message::text(text)).await.unwrap();
        assert_eq!(shard.next().await.unwrap().unwrap(), Message::text(text));
    }
    assert_eq!(close_of(&mut shard).await, Some(4009));
}
