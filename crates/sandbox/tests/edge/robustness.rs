//! Nothing a client sends or fails to read may hang or end the sandbox.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{ALL_INTENTS, bench, bench_with, eventually, short_replay};

fn address(url: &url::Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

#[tokio::test]
async fn noise_on_any_socket_concerns_nobody_else() {
    let b = bench().await;
    let mut client = b.session(ALL_INTENTS).await;
    for url in [&b.running.gateway, &b.running.rest, &b.running.control] {
        for noise in [&b"\0\xff\xfe\x01"[..], b"GET / HTTP/1.1\r\n\r\n", b"GET"] {
            let mut stream = TcpStream::connect(address(url)).await.unwrap();
            stream.write_all(noise).await.unwrap();
            drop(stream);
        }
    }
    // A whole message of more than the protocol allows, and frames that break its rules.
    let mut rude = b.client("?v=10").await;
    rude.raw(Message::text("x".repeat(900_000))).await;
    assert_eq!(rude.closed().await, Some(4002));
    let mut ruder = TcpStream::connect(address(&b.running.gateway))
        .await
        .unwrap();
    ruder
        .write_all(
            b"GET /?v=10 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .await
        .unwrap();
    // Unmasked, reserved opcode, absurd length.
    ruder
        .write_all(&[0x8f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
        .await
        .unwrap();
    let mut rest = Vec::new();
    let _ = ruder.read_to_end(&mut rest).await;
    client.send(json!({"op": 1, "d": null})).await;
    client.until_op(11).await;
}

#[tokio::test]
async fn pages_of_other_sites_open_no_session() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let b = bench().await;
    let knock = async |name: &'static str, value: String| {
        let request = format!("{}/?v=10", b.gateway());
        let mut request = request.into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let opened = tokio_tungstenite::connect_async(request).await;
        opened.map(|_| ()).map_err(|error| error.to_string())
    };
    let gateway = b.gateway();
    let (_, here) = gateway.split_once("://").unwrap();
    assert_eq!(knock("origin", format!("http://{here}")).await, Ok(()));
    for (name, value) in [
        ("origin", "http://evil.test"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "rebound.test:4401"),
    ] {
        let refused = knock(name, value.to_owned()).await.unwrap_err();
        assert!(refused.contains("403"), "{name} {value}: {refused}");
    }
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_reaches_nothing() {
    let b = bench().await;
    let asked = b.bot("GET", "/gateway").header("host", "rebound.test");
    assert_eq!(asked.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn other_paths_of_the_gateway_are_not_found() {
    let b = bench().await;
    let url = format!("{}/other?v=10", b.gateway());
    let error = tokio_tungstenite::connect_async(url).await.unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
}

#[tokio::test]
async fn a_reader_that_falls_behind_loses_its_session_and_holds_nobody_up() {
    let b = bench_with(short_replay(200)).await;
    let channel = b.channel().await;
    let slow = b.session(1 | 1 << 9 | 1 << 15).await;
    let ctl = b.running.client().unwrap();
    let id = slow.session_id.clone();
    // The reader stops; events go on until the socket and the buffer are full.
    let sandbox = b.running.edge.sandbox.clone();
    let filler = "x".repeat(1900);
    let payload = json!({"content": filler, "channel_id": channel}).to_string();
    let session = b.running.edge.gateway.sessions().pop().unwrap();
    let text: std::sync::Arc<str> = payload.into();
    for _ in 0..40_000 {
        session.dispatch("X", text.clone());
        if session.is_ended() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(session.status().2 <= 200, "the buffer is bounded");
    // Everyone else goes on meanwhile.
    let message = b.say(&channel, "still here").await;
    assert_eq!(message["content"], "still here");
    drop(slow);
    drop(sandbox);
    eventually(|| async {
        ctl.sessions()
            .await
            .unwrap()
            .iter()
            .all(|s| s.session_id != id || !s.connected)
    })
    .await;
}

#[tokio::test]
async fn oversized_bodies_are_refused() {
    let b = bench().await;
    let mut stream = TcpStream::connect(address(&b.running.rest)).await.unwrap();
    let head = "POST /api/v10/channels/1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: t\r\n\
                Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; 1 << 20];
    let mut answered = false;
    for _ in 0..120 {
        let framed = async {
            stream.write_all(b"100000\r\n").await?;
            stream.write_all(&chunk).await?;
            stream.write_all(b"\r\n").await
        };
        if framed.await.is_err() {
            answered = true;
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(90), stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(answered || text.contains("413"), "{text}");
    assert!(
        b.bot("GET", "/gateway")
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

/// Only uploads may be large: what is parsed as a whole ends earlier.
#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_at_once() {
    let b = bench().await;
    for (kind, length, refused) in [
        ("application/json", 16 << 20, false),
        ("application/json", (16 << 20) + 1, true),
        ("application/x-www-form-urlencoded", (16 << 20) + 1, true),
        ("multipart/form-data; boundary=b", 108 << 20, false),
        ("multipart/form-data; boundary=b", (108 << 20) + 1, true),
    ] {
        let mut stream = TcpStream::connect(address(&b.running.rest)).await.unwrap();
        // Whoever waits for `100 Continue` learns what is thought of the length.
        let head = format!(
            "POST /api/v10/channels/1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: example.test\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        let wanted = if refused {
            "HTTP/1.1 413"
        } else {
            "HTTP/1.1 100"
        };
        assert_eq!(String::from_utf8_lossy(&status), wanted, "{kind} {length}");
    }
}

/// Discord documents no compression of requests, and what is never unpacked cannot explode.
#[tokio::test]
async fn compressed_bodies_are_taken_as_they_are() {
    let b = bench().await;
    let channel = b.channel().await;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&[0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let sent = b.bot("POST", &format!("/channels/{channel}/messages"));
        let answer = sent
            .header("content-type", "application/json")
            .header("content-encoding", encoding)
            .body(bomb.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], 50109);
    }
}

#[tokio::test]
async fn text_that_is_no_text_is_invalid_json() {
    let b = bench().await;
    let channel = b.channel().await;
    for body in [
        &b"{\"content\":\"\xff\xfe\"}"[..],
        br#"{"content":"\ud800"}"#,
        br#"{"content":1e999}"#,
        b"NaN",
        b"\xef\xbb\xbf{}",
    ] {
        let sent = b.bot("POST", &format!("/channels/{channel}/messages"));
        let sent = sent.header("content-type", "application/json");
        let answer = sent.body(body).send().await.unwrap();
        let text = String::from_utf8_lossy(body);
        assert_eq!(
            answer.json::<Value>().await.unwrap()["code"],
            50109,
            "{text}"
        );
    }
}

/// There are no files behind the CDN, and no path leads to one.
#[tokio::test]
async fn no_path_leads_out() {
    let b = bench().await;
    for url in [&b.running.rest, &b.running.control] {
        for path in [
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/attachments/1/1/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "/icons/1100000000001179648/..%2f..%2fetc.png",
            "/_app/../../etc/passwd",
            "//etc/passwd",
            "/%00",
        ] {
            let mut stream = TcpStream::connect(address(url)).await.unwrap();
            let head =
                format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
    }
}

/// Discord's close codes: 4002 for what cannot be decoded or is longer than 4096 bytes.
#[tokio::test]
async fn frames_that_are_no_payload_are_undecodable() {
    let b = bench().await;
    let padded = |length: usize| {
        let (head, tail) = (r#"{"op":1,"d":null,"x":""#, r#""}"#);
        Message::text(format!(
            "{head}{}{tail}",
            "y".repeat(length - head.len() - tail.len())
        ))
    };
    for (message, decodes) in [
        (padded(4096), true),
        (padded(4097), false),
        (Message::binary(&br#"{"op":1,"d":null}"#[..]), true),
        (Message::binary(&b"\x83\xa1a"[..]), false),
        (Message::text(""), false),
        (Message::text("null"), false),
        (Message::text("[]"), false),
        (Message::text("{}"), false),
        (Message::text(r#"{"op":-1}"#), false),
        (Message::text(r#"{"op":"1"}"#), false),
        (Message::text(r#"{"op":1e99}"#), false),
        (Message::text(r#"{"op":2}"#), false),
        (Message::text(r#"{"op":2,"d":[]}"#), false),
        (Message::text(r#"{"op":6,"d":{"seq":"1"}}"#), false),
    ] {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        let shown = message.to_string();
        client.raw(message).await;
        if decodes {
            assert_eq!(client.next().await.unwrap()["op"], 11, "{shown}");
        } else {
            assert_eq!(client.next().await, Err(Some(4002)), "{shown}");
        }
    }
}

#[tokio::test]
async fn thousands_of_connections_in_sequence_leave_nothing_behind() {
    let b = bench().await;
    for n in 0..3000 {
        let url = [&b.running.gateway, &b.running.rest, &b.running.control][n % 3];
        let mut stream = TcpStream::connect(address(url)).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        }
    }
    b.session(0).await;
    let settled = b.running.client().unwrap().settle(60_000).await.unwrap();
    assert!(settled.is_empty());
}

#[tokio::test]
async fn it_stops_in_time_with_clients_connected() {
    let b = bench().await;
    let _client = b.session(ALL_INTENTS).await;
    tokio::time::timeout(Duration::from_secs(90), b.running.stop())
        .await
        .unwrap();
}

/// Connections that never finish what they began, on every listener.
#[tokio::test]
async fn crowds_of_slow_connections_hold_nobody_up() {
    let b = bench().await;
    let mut held = Vec::new();
    for url in [&b.running.gateway, &b.running.rest, &b.running.control] {
        for head in [
            "",
            "GET /api/v10/gateway HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
            "POST /ctl/settle HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{",
        ] {
            for _ in 0..50 {
                let mut stream = TcpStream::connect(address(url)).await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                held.push(stream);
            }
        }
    }
    let answer = b.bot("GET", "/gateway").send();
    let answer = tokio::time::timeout(Duration::from_secs(90), answer)
        .await
        .unwrap();
    assert_eq!(answer.unwrap().status(), 200);
    let settled = b.running.client().unwrap();
    assert!(settled.now().await.is_ok());
    b.session(0).await;
}

#[tokio::test]
async fn a_flood_of_pings_fragments_and_headers_is_survived() {
    let b = bench().await;
    let mut client = b.session(0).await;
    for n in 0..2000u32 {
        client
            .raw(Message::Ping(n.to_be_bytes().to_vec().into()))
            .await;
    }
    client.send(json!({"op": 1, "d": null})).await;
    client.until_op(11).await;
    // Headers beyond what is read of a head: refused, not buffered.
    let mut stream = TcpStream::connect(address(&b.running.rest)).await.unwrap();
    let _ = stream.write_all(b"GET /api/v10/gateway HTTP/1.1\r\n").await;
    for n in 0..4000u32 {
        if stream
            .write_all(format!("X-{n}: {}\r\n", "y".repeat(64)).as_bytes())
            .await
            .is_err()
        {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(90), stream.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 431"),
        "{text}"
    );
    // Deep nesting: no stack is lost to it.
    let deep = "[".repeat(100_000);
    let channel = b.channel().await;
    let sent = b.bot("POST", &format!("/channels/{channel}/messages"));
    let answer = sent
        .header("content-type", "application/json")
        .body(deep)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.json::<serde_json::Value>().await.unwrap()["code"],
        50109
    );
    let mut rude = b.client("?v=10").await;
    rude.hello().await;
    rude.raw(Message::text("[".repeat(4096))).await;
    assert_eq!(rude.closed().await, Some(4002));
}
