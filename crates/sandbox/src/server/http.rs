//! The HTTP accept loop of the REST and control listeners.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use splashtail_core::patience::Patience;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::Tls;
use super::wire::Wire;

/// Connections of one listener served at once; further ones wait in its backlog.
const MAX_CONNECTIONS: usize = 4096;
/// How long a peer may take nothing of its answer.
const STALL: Duration = Duration::from_secs(30);
/// What a peer takes in that time, or its connection ends.
const LEAST: usize = 16 * 1024;
/// How long the body of a request may take.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(60);
/// Bytes that the bodies in hand may hold together.
const ROOM: usize = 512 << 20;

/// Slots of one listener's connections.
pub(crate) fn slots() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_CONNECTIONS))
}

/// Instead of an answer: reset the connection (RST, not FIN).
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(crate) struct Cut;

/// Serves `handler` until `shutdown`; requests that run then get two seconds to finish.
pub(crate) async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Tls>,
    shutdown: CancellationToken,
    handler: H,
) where
    H: Fn(Request<Incoming>, IpAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response, Cut>> + Send + 'static,
{
    let tasks = TaskTracker::new();
    let slots = slots();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let (handler, shutdown, tls) = (handler.clone(), shutdown.clone(), tls.clone());
        tasks.spawn(async move {
            let stream = match Wire::open(stream, tls.as_ref()).await {
                Ok(stream) => stream,
                Err(error) => return tracing::debug!(%error, "no encrypted connection"),
            };
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
                .serve_connection(TokioIo::new(Patience::new(stream, STALL, LEAST)), service);
            tokio::select! {
                // Broken requests end their connection and concern nobody else.
                _ = &mut connection => {}
                () = shutdown.cancelled() => {
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                    let _ = tokio::time::timeout(Duration::from_secs(2), &mut connection).await;
                }
            }
            if cut.load(Ordering::Acquire) {
                let stream = connection.into_parts().io.into_inner().into_inner();
                let _ = stream.tcp().set_zero_linger();
            }
            drop(slot);
        });
    }
    tasks.close();
    let _ = tokio::time::timeout(Duration::from_secs(3), tasks.wait()).await;
}

/// The next connection, once there is a slot for it; `None` when it got lost on the way.
pub(crate) async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
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
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("too many large bodies at once")]
    NoRoom,
    #[error("the body broke off or came too slowly")]
    Broken,
}

/// Memory for the bodies of all requests in hand: many large ones at once are refused before they
/// fill the machine.
#[derive(Debug)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM)))
    }
}

impl Room {
    /// Reads a whole body of at most `limit` bytes. It takes up room until the permit is dropped.
    pub(crate) async fn read<B>(
        &self,
        body: B,
        limit: usize,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        tokio::time::timeout(BODY_TIME, self.collect(body, limit))
            .await
            .unwrap_or(Err(BodyError::Broken))
    }

    async fn collect<B>(
        &self,
        mut body: B,
        limit: usize,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
    {
        if body.size_hint().lower() > limit as u64 {
            return Err(BodyError::TooLarge(limit));
        }
        let mut whole = BytesMut::new();
        let mut held: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| BodyError::Broken)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if whole.len() + data.len() > limit {
                return Err(BodyError::TooLarge(limit));
            }
            let size = u32::try_from(data.len()).map_err(|_| BodyError::NoRoom)?;
            let more = self.0.clone().try_acquire_many_owned(size);
            let more = more.map_err(|_| BodyError::NoRoom)?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
            whole.extend_from_slice(&data);
        }
        Ok((whole.freeze(), held))
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

#[cfg(test)]
mod tests {
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    fn body(bytes: &'static [u8]) -> Full<Bytes> {
        Full::new(Bytes::from_static(bytes))
    }

    fn room(bytes: usize) -> Room {
        Room(Arc::new(Semaphore::new(bytes)))
    }

    #[tokio::test]
    async fn bodies_in_hand_share_their_room() {
        let room = room(10);
        let (first, held) = room.read(body(b"1234567"), 10).await.unwrap();
        assert_eq!(first, "1234567");
        assert_eq!(
            room.read(body(b"1234"), 10).await.unwrap_err(),
            BodyError::NoRoom
        );
        assert_eq!(room.read(body(b"123"), 10).await.unwrap().0, "123");
        drop(held);
        assert_eq!(room.read(body(b"1234"), 10).await.unwrap().0, "1234");
    }

    #[tokio::test]
    async fn a_body_ends_at_its_limit_announced_or_not() {
        let announced = room(100).read(body(b"12345"), 4).await.unwrap_err();
        assert_eq!(announced, BodyError::TooLarge(4));
        let pieces = ["123", "45"].map(|piece| Ok::<_, Cut>(Frame::data(Bytes::from(piece))));
        let chunked = StreamBody::new(futures_util::stream::iter(pieces));
        let chunked = room(100).read(chunked, 4).await.unwrap_err();
        assert_eq!(chunked, BodyError::TooLarge(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let silence = futures_util::stream::pending::<Result<Frame<Bytes>, Cut>>();
        let read = room(100).read(StreamBody::new(silence), 4).await;
        assert_eq!(read.unwrap_err(), BodyError::Broken);
    }
}
