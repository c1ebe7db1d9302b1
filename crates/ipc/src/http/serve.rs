//! An HTTP/1.1 server with deadlines, a bounded number of connections and a graceful end.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use splashtail_core::patience::Patience;
use tokio::net::TcpStream;
use tokio_util::io::InspectReader;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower::service_fn;
use tracing::{debug, warn};

use super::Capacity;
use super::guests::{Guest, Guests};
use super::refusals::{Refusal, Refusals};

#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Time a client has for the head of a request, idle keep-alive included.
    pub header_timeout: Duration,
    /// For each so much time that an answer waits for the client it has to take `write_least`
    /// bytes.
    pub write_stall: Duration,
    pub write_least: usize,
    pub capacity: Capacity,
    pub refusal: Refusal,
    /// Time that an idle connection has for one more request after the shutdown began: it may be on
    /// its way. Its answer says that it is the last. Longer than busy clients pause.
    pub last_request: Duration,
    /// Time that running requests get after the shutdown began.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            write_stall: Duration::from_secs(60),
            // 2 KiB/s.
            write_least: 120 << 10,
            capacity: Capacity::default(),
            refusal: Refusal::default(),
            last_request: Duration::from_millis(500),
            drain: Duration::from_secs(3),
        }
    }
}

/// Pause after a failed accept, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// [`serve_with`] the default options.
///
/// # Errors
/// The listener cannot be used by the runtime.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_with(listener, router, shutdown, ServeOptions::default()).await
}

/// Serves until the token is cancelled, then lets running requests end. Handlers find the peer's
/// address as `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// The listener cannot be used by the runtime.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    options: ServeOptions,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let guests = Guests::new(options.capacity.clone());
    let mut refusals = Refusals::new(options.refusal);
    let connections = TaskTracker::new();
    let abandon = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let guest = match guests.admit(peer.ip()) {
                    Ok(guest) => Arc::new(guest),
                    Err(turned) => {
                        refusals.note(turned);
                        connections.spawn(refusals.tell(stream, turned));
                        continue;
                    }
                };
                let conversation = converse(
                    stream,
                    peer,
                    guest.clone(),
                    router.clone(),
                    shutdown.clone(),
                    options.clone(),
                );
                let abandon = abandon.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = abandon.cancelled() => {}
                        () = guest.sent_away() => {}
                        () = conversation => {}
                    }
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(options.drain, connections.wait())
        .await
        .is_err()
    {
        debug!(
            connections = connections.len(),
            "closing connections that did not end"
        );
        abandon.cancel();
        connections.wait().await;
    }
    Ok(())
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    guest: Arc<Guest>,
    router: Router,
    shutdown: CancellationToken,
    options: ServeOptions,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection without TCP_NODELAY");
    }
    let (served, ending) = (guest.clone(), shutdown.clone());
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let (router, serving) = (router.clone(), served.serve());
        let ending = ending.clone();
        async move {
            let answer = router.oneshot(request).await;
            answer
                .map(|mut answer| {
                    let is_last = ending.is_cancelled() || is_endless(&answer);
                    if is_last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                        let close = HeaderValue::from_static("close");
                        answer.headers_mut().insert(CONNECTION, close);
                    }
                    answer.map(|body| serving.until_sent(body))
                })
                .map_err(|error: Infallible| error)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout);
    let stream = Patience::new(stream, options.write_stall, options.write_least);
    let hearing = guest.clone();
    let hear = move |bytes: &[u8]| {
        if !bytes.is_empty() {
            hearing.hear();
        }
    };
    let connection = builder
        .serve_connection(
            TokioIo::new(InspectReader::new(stream, hear)),
            TowerToHyperService::new(service),
        )
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = async {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            ended = connection.as_mut() => return ended,
        }
        // It is closed when it said nothing for all that time. What came is answered before that.
        loop {
            let before = guest.silent_since();
            tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                () = tokio::time::sleep(options.last_request) => {}
            }
            if before.is_some() && guest.silent_since() == before {
                break;
            }
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
    .await;
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// A stream of events ends when the server goes, as do all others: connections that were kept after
/// that would be closed together, with requests on their way.
fn is_endless<B>(answer: &http::Response<B>) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use futures_util::StreamExt as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::super::{Limits, harden};
    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_running_request_survives_the_shutdown_and_a_stuck_one_does_not() {
        let entered = std::sync::Arc::new(Notify::new());
        let release = std::sync::Arc::new(Notify::new());
        let (enter, wait) = (entered.clone(), release.clone());
        let router = Router::new()
            .route(
                "/slow",
                get(async move || {
                    enter.notify_one();
                    wait.notified().await;
                    "done"
                }),
            )
            .route(
                "/peer",
                get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()),
            )
            .route(
                "/panic",
                get(async || -> &'static str { panic!("on purpose") }),
            );
        let router = harden(router, Limits::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, router, shutdown.clone()));

        let peer = ask(
            address,
            "GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(peer.ends_with("127.0.0.1"), "{peer}");
        let panic = ask(
            address,
            "GET /panic HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(
            panic.starts_with("HTTP/1.1 500") && panic.contains("\"code\":\"internal\""),
            "{panic}"
        );
        let method = ask(
            address,
            "PUT /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(method.starts_with("HTTP/1.1 405"), "{method}");

        let slow =
            tokio::spawn(
                async move { ask(address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await },
            );
        entered.notified().await;
        let mut stuck = TcpStream::connect(address).await.unwrap();
        stuck.write_all(b"GET /sl").await.unwrap();
        shutdown.cancel();
        release.notify_one();
        assert!(slow.await.unwrap().ends_with("done"));
        server.await.unwrap().unwrap();
        let mut rest = Vec::new();
        assert_eq!(stuck.read_to_end(&mut rest).await.unwrap_or(0), 0);
    }

    const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A connection that had an answer and waits for its next request.
    async fn idle(address: SocketAddr) -> TcpStream {
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(HELLO).await.unwrap();
        read_until(&mut idle, b"hello").await;
        idle
    }

    async fn read_until(stream: &mut TcpStream, end: &[u8]) -> String {
        let mut all = Vec::new();
        while !all.ends_with(end) {
            assert_ne!(stream.read_buf(&mut all).await.unwrap(), 0);
        }
        String::from_utf8(all).unwrap()
    }

    fn patient() -> ServeOptions {
        ServeOptions {
            last_request: Duration::from_secs(60),
            drain: Duration::from_secs(60),
            ..ServeOptions::default()
        }
    }

    /// A request that was on its way on an idle connection used to be lost.
    #[tokio::test]
    async fn an_idle_connection_has_one_more_request_answered() {
        let (address, shutdown) = start(patient()).await;
        let mut idle = idle(address).await;
        shutdown.cancel();
        // It has left when nobody can come any more.
        while TcpStream::connect(address).await.is_ok() {}
        idle.write_all(HELLO).await.unwrap();
        let last = rest(idle).await;
        assert!(last.contains("connection: close"), "{last}");
        assert!(last.ends_with("hello"), "{last}");
    }

    /// Without a next request a connection is closed after a while; one whose next request is coming
    /// used to be closed with it.
    #[tokio::test]
    async fn a_request_that_has_begun_when_idle_connections_are_closed_is_answered() {
        let (address, shutdown) = start(ServeOptions {
            drain: Duration::from_secs(60),
            ..ServeOptions::default()
        })
        .await;
        let mut asking = idle(address).await;
        let silent = idle(address).await;
        let (begin, end) = HELLO.split_at(5);
        asking.write_all(begin).await.unwrap();
        shutdown.cancel();
        assert_eq!(rest(silent).await, "");
        asking.write_all(end).await.unwrap();
        let last = rest(asking).await;
        assert!(last.contains("connection: close"), "{last}");
        assert!(last.ends_with("hello"), "{last}");
    }

    /// An answer that is being sent when a server goes has not said that it is the last.
    #[tokio::test]
    async fn a_connection_has_one_more_request_answered_after_a_long_answer() {
        let (shutdown, answer) = ends_with_the_server("text/plain");
        let address = start_with(answer, shutdown.clone(), patient());
        let mut asking = TcpStream::connect(address).await.unwrap();
        asking.write_all(HELLO).await.unwrap();
        let head = read_until(&mut asking, b"begin\r\n").await;
        assert!(!head.contains("connection: close"), "{head}");
        shutdown.cancel();
        read_until(&mut asking, b"end\r\n0\r\n\r\n").await;
        asking.write_all(HELLO).await.unwrap();
        let last = rest(asking).await;
        assert!(last.contains("connection: close"), "{last}");
        assert!(last.ends_with("end\r\n0\r\n\r\n"), "{last}");
    }

    /// The connections of streams used to be kept for other requests, and to be closed all at once
    /// when a server went.
    #[tokio::test]
    async fn a_stream_of_events_says_that_it_is_the_last_answer() {
        let (shutdown, answer) = ends_with_the_server("text/event-stream");
        let address = start_with(answer, shutdown.clone(), patient());
        let mut following = TcpStream::connect(address).await.unwrap();
        following.write_all(HELLO).await.unwrap();
        let head = read_until(&mut following, b"begin\r\n").await;
        assert!(head.contains("connection: close"), "{head}");
        shutdown.cancel();
        assert!(rest(following).await.ends_with("end\r\n0\r\n\r\n"));
    }

    fn ends_with_the_server(kind: &'static str) -> (CancellationToken, Router) {
        let shutdown = CancellationToken::new();
        let ending = shutdown.clone();
        let answer = get(async move || {
            let end = async move {
                ending.cancelled().await;
                Ok::<_, Infallible>("end")
            };
            let begin = futures_util::stream::iter([Ok("begin")]);
            let body = begin.chain(futures_util::stream::once(end));
            ([(CONTENT_TYPE, kind)], axum::body::Body::from_stream(body))
        });
        (shutdown, Router::new().route("/", answer))
    }

    async fn start(options: ServeOptions) -> (SocketAddr, CancellationToken) {
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/large", get(async || vec![b'x'; 64 << 20]));
        let shutdown = CancellationToken::new();
        let address = start_with(router, shutdown.clone(), options);
        (address, shutdown)
    }

    fn start_with(
        router: Router,
        shutdown: CancellationToken,
        options: ServeOptions,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_with(listener, router, shutdown, options));
        address
    }

    /// Reads until the server closes; what it does not close hangs here.
    async fn rest(mut stream: TcpStream) -> String {
        let mut all = Vec::new();
        // A reset is an end, too.
        let _ = stream.read_to_end(&mut all).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    #[tokio::test]
    async fn who_sends_no_request_is_left_before_and_after_the_first_one() {
        let (address, _shutdown) = start(ServeOptions {
            header_timeout: Duration::from_millis(100),
            ..ServeOptions::default()
        })
        .await;
        let silent = TcpStream::connect(address).await.unwrap();
        rest(silent).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(rest(idle).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn who_does_not_read_the_answer_is_left() {
        let (address, _shutdown) = start(ServeOptions {
            write_stall: Duration::from_millis(100),
            ..ServeOptions::default()
        })
        .await;
        let mut stalled = TcpStream::connect(address).await.unwrap();
        stalled
            .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        // The far end is gone when nothing can be sent any more.
        while stalled.write_all(b"x").await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_new_client_gets_the_place_of_the_one_that_waits_longest() {
        let (address, _shutdown) = start(ServeOptions {
            capacity: Capacity {
                total: 2,
                ..Capacity::default()
            },
            ..ServeOptions::default()
        })
        .await;
        let first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        let hello = ask(
            address,
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        );
        assert!(hello.await.ends_with("hello"));
        rest(first).await;
    }

    /// The answer used to be lost when the client was still sending its request.
    #[tokio::test]
    async fn who_is_turned_away_is_told_after_it_asked() {
        let (address, shutdown) = start(ServeOptions {
            capacity: Capacity {
                total: 0,
                ..Capacity::default()
            },
            ..ServeOptions::default()
        })
        .await;
        let refused = ask(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (head, body) = refused.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{refused}"
        );
        assert!(body.contains("\"code\":\"crowded\""), "{body}");
        shutdown.cancel();
    }

    /// It used to look like an outage of Discord's, after which nobody knows what became of a call.
    #[tokio::test]
    async fn who_meant_to_speak_to_discord_hears_that_it_did_not() {
        let (address, shutdown) = start(ServeOptions {
            capacity: Capacity {
                total: 0,
                ..Capacity::default()
            },
            refusal: Refusal::ForDiscord {
                header: "x-ours-not-theirs",
            },
            ..ServeOptions::default()
        })
        .await;
        let refused = ask(address, "POST / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (head, body) = refused.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(
            head.contains("\r\nx-ours-not-theirs: crowded\r\n"),
            "{head}"
        );
        assert!(body.contains("\"code\":0,"), "{body}");
        shutdown.cancel();
    }
}
