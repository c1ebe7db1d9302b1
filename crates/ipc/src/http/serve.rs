//! An HTTP/1.1 server with deadlines and a graceful end.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower::service_fn;
use tracing::{debug, warn};

#[derive(Debug, Clone, Copy)]
pub struct ServeOptions {
    /// Time a client has for the head of a request, idle keep-alive included.
    pub header_timeout: Duration,
    /// Time that running requests get after the shutdown began.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
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
    let connections = TaskTracker::new();
    let abandon = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, shutdown, abandon) =
                    (router.clone(), shutdown.clone(), abandon.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = abandon.cancelled() => {}
                        () = converse(stream, peer, router, shutdown, options) => {}
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
    router: Router,
    shutdown: CancellationToken,
    options: ServeOptions,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "connection without TCP_NODELAY");
    }
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            router
                .oneshot(request)
                .await
                .map_err(|error: Infallible| error)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout);
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
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
}
