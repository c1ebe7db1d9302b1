//! A connection whose peer has to keep taking what it asked for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Ends a connection whose peer, in `limit` of waiting for it, takes less than `least` bytes: what
/// is in memory for it, and its place, would be its own as long as it likes. Time in which nothing
/// waits for the peer does not count, nor is there a bound on all of it.
#[derive(Debug)]
pub struct Patience<S> {
    stream: S,
    limit: Duration,
    least: usize,
    waiting: Pin<Box<Sleep>>,
    /// Since when a write waits for the peer.
    stalled: Option<Instant>,
    /// What was waited before that, and taken since the count began.
    waited: Duration,
    taken: usize,
}

impl<S> Patience<S> {
    pub fn new(stream: S, limit: Duration, least: usize) -> Self {
        Self {
            stream,
            limit,
            least,
            waiting: Box::pin(sleep(limit)),
            stalled: None,
            waited: Duration::ZERO,
            taken: 0,
        }
    }

    pub fn into_inner(self) -> S {
        self.stream
    }

    /// `taken` says how many bytes a result stands for.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = progress {
            self.taken += result.as_ref().map_or(0, taken);
            if let Some(since) = self.stalled.take() {
                self.waited += since.elapsed();
            }
            if self.waited >= self.limit && !self.begin_anew() {
                return Poll::Ready(Err(too_slow()));
            }
            return Poll::Ready(result);
        }
        if self.stalled.is_none() {
            let now = Instant::now();
            self.stalled = Some(now);
            let left = self.limit.saturating_sub(self.waited);
            self.waiting.as_mut().reset(now + left);
        }
        loop {
            ready!(self.waiting.as_mut().poll(cx));
            if !self.begin_anew() {
                return Poll::Ready(Err(too_slow()));
            }
            let now = Instant::now();
            self.stalled = Some(now);
            self.waiting.as_mut().reset(now + self.limit);
        }
    }

    /// `false` when the peer took too little.
    fn begin_anew(&mut self) -> bool {
        self.waited = Duration::ZERO;
        std::mem::take(&mut self.taken) >= self.least
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer takes too little")
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, progress, |taken| *taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.watch(cx, progress, |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, progress, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Reads four bytes after each pause.
    async fn take(mut theirs: tokio::io::DuplexStream, pause: Duration) {
        let mut some = [0; 4];
        loop {
            sleep(pause).await;
            if theirs.read(&mut some).await.unwrap() == 0 {
                return;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up() {
        let (ours, _theirs) = duplex(4);
        let mut ours = Patience::new(ours, LIMIT, 4);
        let began = Instant::now();
        let error = ours.write_all(&[7; 12]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // What it took at once counted for the first while.
        assert_eq!(began.elapsed(), 2 * LIMIT);
    }

    /// A byte now and then used to keep a connection for ever.
    #[tokio::test(start_paused = true)]
    async fn who_takes_too_little_is_given_up_and_who_is_slow_is_not() {
        for (pause, is_left) in [(LIMIT / 4, false), (LIMIT / 2, true)] {
            let (ours, theirs) = duplex(4);
            let mut ours = Patience::new(ours, LIMIT, 12);
            tokio::spawn(take(theirs, pause));
            let written = ours.write_all(&[7; 400]).await;
            assert_eq!(written.is_err(), is_left, "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nothing_is_written_is_not_the_peers() {
        let (ours, theirs) = duplex(4);
        let mut ours = Patience::new(ours, LIMIT, 12);
        tokio::spawn(take(theirs, Duration::from_secs(1)));
        for _ in 0..20 {
            ours.write_all(&[7; 4]).await.unwrap();
            sleep(2 * LIMIT).await;
        }
    }
}
