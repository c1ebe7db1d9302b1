//! What becomes of connections for which there is no place.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::guests::Turned;

/// Code of the answer: nothing was done, nor will be.
pub(crate) const CROWDED: &str = "crowded";
/// Connections that are listened to before they are told, beside those that have a place.
const HEARD: usize = 64;
/// Time in which such a client has to ask, take the answer and leave.
const TELL: Duration = Duration::from_secs(1);
/// The log hears of refusals at most so often.
const QUIET: Duration = Duration::from_secs(600);

/// How clients for whom there is no place are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refusal {
    /// In the shape of all our errors.
    #[default]
    Ours,
    /// In the shape of Discord's errors, with this header beside it: whoever meant to speak to Discord
    /// has to know that Discord never heard of it.
    ForDiscord { header: &'static str },
}

/// Counts refusals and tells clients of them.
#[derive(Debug)]
pub(super) struct Refusals {
    refusal: Refusal,
    said: Option<Instant>,
    since: u64,
    heard: Arc<Semaphore>,
}

impl Refusals {
    pub(super) fn new(refusal: Refusal) -> Self {
        Self {
            refusal,
            said: None,
            since: 0,
            heard: Arc::new(Semaphore::new(HEARD)),
        }
    }

    /// Whether the log heard of it.
    pub(super) fn note(&mut self, turned: Turned) -> bool {
        counter!("http_connections_refused_total", "reason" => turned.reason()).increment(1);
        self.since += 1;
        if self.said.is_some_and(|said| said.elapsed() < QUIET) {
            return false;
        }
        self.said = Some(Instant::now());
        let refusals = std::mem::take(&mut self.since);
        warn!(
            reason = turned.reason(),
            refusals, "connections are turned away: `http_connections_refused_total` counts them"
        );
        true
    }

    /// Tells the client once it has asked, or at once when too many are being told: what is said
    /// before the request was read may be lost.
    pub(super) fn tell(
        &self,
        mut stream: TcpStream,
        turned: Turned,
    ) -> impl Future<Output = ()> + Send + use<> {
        let heard = Arc::clone(&self.heard).try_acquire_owned();
        let answer = turned.answer(self.refusal);
        async move {
            let Ok(_heard) = heard else {
                let _ = stream.try_write(answer.as_bytes());
                return;
            };
            let tell = async {
                let mut sent = [0; 4096];
                if stream.read(&mut sent).await? == 0 {
                    return Ok(());
                }
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await?;
                // A socket that is closed with something unread takes the answer back.
                while stream.read(&mut sent).await? > 0 {}
                io::Result::Ok(())
            };
            // Nothing depends on whether it listened.
            let _ = timeout(TELL, tell).await;
        }
    }
}

impl Turned {
    fn reason(self) -> &'static str {
        match self {
            Self::Greedy => "network",
            Self::Full => "total",
        }
    }

    fn answer(self, refusal: Refusal) -> String {
        let (status, message) = match self {
            Self::Greedy => (
                "429 Too Many Requests",
                "your network has as many connections as it may",
            ),
            Self::Full => (
                "503 Service Unavailable",
                "all connections of this server are in use",
            ),
        };
        let (code, mark) = match refusal {
            Refusal::Ours => (format!("\"{CROWDED}\""), String::new()),
            // Libraries read a number there.
            Refusal::ForDiscord { header } => ("0".to_owned(), format!("{header}: {CROWDED}\r\n")),
        };
        let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
        format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nRetry-After: 1\r\n{mark}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_log_hears_of_refusals_once_in_a_while() {
        let mut refusals = Refusals::new(Refusal::Ours);
        assert!(refusals.note(Turned::Full));
        assert!(!refusals.note(Turned::Greedy) && !refusals.note(Turned::Full));
        tokio::time::sleep(QUIET).await;
        assert!(refusals.note(Turned::Full));
        assert!(!refusals.note(Turned::Full));
    }
}
