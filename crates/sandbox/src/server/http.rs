//! The HTTP accept loop of the REST and control listeners.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections served at once; further ones wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 4096;

/// Instead of an answer: reset the connection (RST, not FIN).
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(crate) struct Cut;

/// Serves `handler` until `shutdown`; requests that run then get two seconds to finish.
pub(crate) async fn serve<H, F>(listener: TcpListener, shutdown: CancellationToken, handler: H)
where
    H: Fn(Request<Incoming>, IpAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, Cut>> + Send + 'static,
{
    let tasks = TaskTracker::new();
    let slots = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let (handler, shutdown) = (handler.clone(), shutdown.clone());
        tasks.spawn(async move {
            let _ = stream.set_nodelay(true);
            let cut = Arc::new(AtomicBool::new(false));
            let service = service_fn(|request| {
                let (answer, cut) = (handler(request, peer), cut.clone());
                async move {
                    let answer = answer.await;
                    cut.store(answer.is_err(), Ordering::Release);
                    answer
                }
            });
            let mut connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(30))
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // Broken requests end their connection and concern nobody else.
                _ = &mut connection => {}
                () = shutdown.cancelled() => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    let _ = tokio::time::timeout(Duration::from_secs(2), &mut connection).await;
                }
            }
            if cut.load(Ordering::Acquire) {
                let stream = connection.into_parts().io.into_inner();
                let _ = stream.set_zero_linger();
            }
            drop(slot);
        });
    }
    tasks.close();
    let _ = tokio::time::timeout(Duration::from_secs(3), tasks.wait()).await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<tokio::sync::Semaphore>,
) -> Option<(
    tokio::net::TcpStream,
    IpAddr,
    tokio::sync::OwnedSemaphorePermit,
)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip(), slot)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Why a request body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body broke off or came too slowly")]
    Broken,
}

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let read = Limited::new(body, limit).collect();
    match tokio::time::timeout(Duration::from_secs(60), read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(BodyError::TooLarge(limit))
        }
        Ok(Err(_)) | Err(_) => Err(BodyError::Broken),
    }
}

/// A body that promises all of `bytes` and breaks off in the middle.
pub(crate) fn truncated(bytes: Bytes) -> Body {
    let half = bytes.slice(..bytes.len() / 2);
    let chunks = futures_util::stream::iter([Ok(half), Err(std::io::Error::other(Cut))]);
    Body::from_stream(chunks.then(|chunk| async {
        // Let the first half reach the wire before the error closes it.
        tokio::task::yield_now().await;
        chunk
    }))
}

/// Adapts an axum router to [`serve`].
pub(crate) async fn route(
    router: axum::Router,
    request: Request<Incoming>,
) -> Result<Response, Cut> {
    use tower::ServiceExt;
    let answer: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
    match answer {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}
