//! Whether a daemon has what it needs from others, and what it lacks.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;
use splashtail_core::clock::{BoxFuture, SharedClock};
use splashtail_core::telemetry::Chain;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::ErrorResponse;

/// How long an answer is told again before the next question is passed on: whoever asks often
/// costs the dependencies one probe per second.
const KEPT: Duration = Duration::from_secs(1);
/// A failure is told again for less long: who waits for the end of it is not to wait longer.
const FAILURE_KEPT: Duration = Duration::from_millis(200);
/// A probe that takes longer has failed: what does not answer is as good as gone.
const DEADLINE: Duration = Duration::from_secs(2);
const RETRY_AFTER_S: u64 = 1;
/// What was never there may be missing for so long without being a trouble: daemons start beside each
/// other.
const STARTING: Duration = Duration::from_secs(30);
/// Pause between looks that nobody asked for.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// Why something is not ready: a sentence for whoever asks, the cause for the log alone.
#[derive(Debug, Clone)]
pub struct NotReady {
    reason: Cow<'static, str>,
    cause: Option<Cause>,
}

#[derive(Debug, Clone)]
enum Cause {
    /// Its text is for the log alone.
    Hidden(Arc<dyn Error + Send + Sync>),
    /// Its text is the reason; what caused it is for the log.
    Said(Arc<dyn Error + Send + Sync>),
}

impl NotReady {
    /// `reason` is shown to everybody: it says what to do and holds no address and no secret.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            cause: None,
        }
    }

    pub fn because(
        reason: impl Into<Cow<'static, str>>,
        cause: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            cause: Some(Cause::Hidden(Arc::new(cause))),
            ..Self::new(reason)
        }
    }

    /// Of an error whose own text is fit for everybody, its causes' texts not.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self {
            reason: error.to_string().into(),
            cause: Some(Cause::Said(Arc::new(error))),
        }
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for NotReady {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.cause.as_ref()? {
            Cause::Hidden(cause) => Some(cause.as_ref()),
            Cause::Said(error) => error.source(),
        }
    }
}

/// Named checks of one daemon, asked through `GET /readyz`. Clones share what the checks last said.
#[derive(Clone)]
pub struct Readiness {
    checks: Vec<Arc<Check>>,
    clock: SharedClock,
}

type Probe = dyn Fn() -> BoxFuture<'static, Result<(), NotReady>> + Send + Sync;

struct Check {
    name: &'static str,
    probe: Box<Probe>,
    /// Held while probing: those who ask meanwhile get the same answer.
    last: tokio::sync::Mutex<Option<Outcome>>,
}

struct Outcome {
    at: Duration,
    result: Result<(), NotReady>,
    /// When it was asked first.
    begun: Duration,
    was_ready: bool,
    /// What is missing stands in the log as a trouble.
    warned: bool,
}

/// What an outcome is worth in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    Nothing,
    NotYet,
    Trouble,
    Ready,
}

impl Outcome {
    fn new(before: Option<&Self>, at: Duration, result: Result<(), NotReady>) -> (Self, Worth) {
        let begun = before.map_or(at, |before| before.begun);
        let was_ready = before.is_some_and(|before| before.was_ready);
        let reason = |result: &Result<(), NotReady>| result.as_ref().err().map(ToString::to_string);
        let told = before.and_then(|before| reason(&before.result));
        let is_told = told.is_some() && told == reason(&result);
        let warned = is_told && before.is_some_and(|before| before.warned);
        let late = was_ready || at.saturating_sub(begun) >= STARTING;
        let worth = match (&result, late) {
            (Err(_), true) if !warned => Worth::Trouble,
            (Err(_), false) if !is_told => Worth::NotYet,
            (Ok(()), _) if told.is_some() => Worth::Ready,
            _ => Worth::Nothing,
        };
        let outcome = Self {
            at,
            was_ready: was_ready || result.is_ok(),
            result,
            begun,
            warned: warned || worth == Worth::Trouble,
        };
        (outcome, worth)
    }
}

impl Readiness {
    /// Ready as long as nothing is required.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            checks: Vec::new(),
            clock,
        }
    }

    /// Adds something without which the daemon cannot do its work. The probe asks for a sign of
    /// life, within 2 s; how often it is asked does not depend on who asks for the readiness.
    #[must_use]
    pub fn require<F>(
        mut self,
        name: &'static str,
        probe: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), NotReady>> + Send + 'static,
    {
        self.checks.push(Arc::new(Check {
            name,
            probe: Box::new(move || Box::pin(probe())),
            last: tokio::sync::Mutex::new(None),
        }));
        self
    }

    /// What is missing now, in the order in which it was required; empty when all is well.
    pub async fn missing(&self) -> Vec<(&'static str, NotReady)> {
        let asked = self.checks.iter().map(|check| check.ask(&self.clock));
        let names = self.checks.iter().map(|check| check.name);
        let answers = names.zip(join_all(asked).await);
        answers
            .filter_map(|(name, answer)| Some((name, answer.err()?)))
            .collect()
    }

    /// Waits until nothing is missing; `false` when the token fires before. For who takes over from
    /// another process: it does not before it can do the work.
    pub async fn is_complete(&self, shutdown: &CancellationToken) -> bool {
        let asking = async {
            while !self.missing().await.is_empty() {
                self.clock.sleep(FAILURE_KEPT).await;
            }
        };
        shutdown.run_until_cancelled(asking).await.is_some()
    }

    /// Asks by itself now and then, so that what is missing stands in the log also where nobody
    /// asks. Ends with the token.
    pub async fn watch(self, shutdown: CancellationToken) {
        let looking = async {
            loop {
                self.missing().await;
                self.clock.sleep(BETWEEN_LOOKS).await;
            }
        };
        shutdown.run_until_cancelled(looking).await;
    }

    /// 200 with the names of what was asked, or 503 with what is missing and why, by name.
    pub async fn answer(&self) -> Response {
        let missing = self.missing().await;
        if missing.is_empty() {
            let names: Vec<_> = self.checks.iter().map(|check| check.name).collect();
            return Json(json!({ "ready": true, "checks": names })).into_response();
        }
        let said: Vec<_> = missing
            .iter()
            .map(|(name, fault)| format!("{name}: {fault}"))
            .collect();
        let message = format!("not ready: {}", said.join("; "));
        let mut answer = ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message)
            .retry_after(RETRY_AFTER_S);
        for (name, fault) in missing {
            answer.body = answer.body.with_context(name, fault.to_string());
        }
        answer.into_response()
    }

    /// `GET /readyz`, for a router that carries no other state.
    pub fn route<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new().route("/readyz", get(async move || self.answer().await))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.checks.iter().map(|check| check.name);
        f.debug_list().entries(names).finish()
    }
}

impl Check {
    async fn ask(&self, clock: &SharedClock) -> Result<(), NotReady> {
        let mut last = self.last.lock().await;
        let now = clock.monotonic();
        if let Some(kept) = last.as_ref() {
            let until = if kept.result.is_ok() {
                KEPT
            } else {
                FAILURE_KEPT
            };
            if now.saturating_sub(kept.at) < until {
                return kept.result.clone();
            }
        }
        let result = tokio::select! {
            biased;
            result = (self.probe)() => result,
            () = clock.sleep(DEADLINE) => {
                Err(NotReady::new(format!("no answer within {} s", DEADLINE.as_secs())))
            }
        };
        let (outcome, worth) = Outcome::new(last.as_ref(), clock.monotonic(), result.clone());
        self.tell(worth, &result);
        *last = Some(outcome);
        result
    }

    /// Each turn of events goes to the log once, however often it is asked for.
    fn tell(&self, worth: Worth, now: &Result<(), NotReady>) {
        match (worth, now) {
            (Worth::Trouble, Err(fault)) => {
                warn!(check = self.name, error = %Chain(fault), "not ready");
            }
            (Worth::NotYet, Err(fault)) => {
                info!(check = self.name, reason = %fault, "not ready yet");
            }
            (Worth::Ready, _) => info!(check = self.name, "ready"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use chrono::DateTime;
    use http_body_util::BodyExt;
    use splashtail_core::clock::ManualClock;

    use super::*;

    fn clock() -> ManualClock {
        ManualClock::new(DateTime::UNIX_EPOCH)
    }

    async fn body(readiness: &Readiness) -> (u16, serde_json::Value) {
        let response = readiness.answer().await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn everything_that_is_missing_is_named() {
        let clock = clock();
        let up = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&up);
        let readiness = Readiness::new(clock.shared())
            .require("bus", async || Ok(()))
            .require("cache", move || {
                let up = seen.load(Ordering::Relaxed);
                async move {
                    let cause = std::io::Error::other("at 10.0.0.1 with hunter2");
                    match up {
                        true => Ok(()),
                        false => Err(NotReady::because("Redis refuses the password", cause)),
                    }
                }
            })
            .require("start", async || Err(NotReady::new("starting")));
        let (status, answer) = body(&readiness).await;
        assert_eq!(status, 503);
        assert_eq!(
            answer,
            json!({
                "code": "not_ready",
                "message": "not ready: cache: Redis refuses the password; start: starting",
                "context": { "cache": "Redis refuses the password", "start": "starting" },
            }),
            "the cause is for the log"
        );
        up.store(true, Ordering::Relaxed);
        clock.advance(KEPT);
        let missing = readiness.missing().await;
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].0, "start");
    }

    #[tokio::test]
    async fn many_who_ask_cost_one_probe_a_second() {
        let clock = clock();
        let probes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&probes);
        let readiness = Readiness::new(clock.shared()).require("bus", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                Ok(())
            }
        });
        join_all((0..50).map(|_| readiness.missing())).await;
        assert_eq!(probes.load(Ordering::Relaxed), 1);
        clock.advance(KEPT);
        let (status, answer) = body(&readiness.clone()).await;
        assert_eq!(
            (status, answer),
            (200, json!({"ready": true, "checks": ["bus"]}))
        );
        assert_eq!(probes.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_is_complete_when_the_last_thing_is_there_or_nobody_waits() {
        let clock = clock();
        let up = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&up);
        let readiness = Readiness::new(clock.shared()).require("bucket", move || {
            let up = seen.load(Ordering::Relaxed);
            async move { up.then_some(()).ok_or_else(|| NotReady::new("it is full")) }
        });
        let waiting = |shutdown: &CancellationToken| {
            let (readiness, shutdown) = (readiness.clone(), shutdown.clone());
            tokio::spawn(async move { readiness.is_complete(&shutdown).await })
        };
        let shutdown = CancellationToken::new();
        let first = waiting(&shutdown);
        clock.wait_for_sleepers(1).await;
        shutdown.cancel();
        assert!(!first.await.unwrap());
        let second = waiting(&CancellationToken::new());
        clock.wait_for_sleepers(1).await;
        assert!(!second.is_finished());
        up.store(true, Ordering::Relaxed);
        clock.advance(FAILURE_KEPT);
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn what_does_not_answer_is_missing() {
        let clock = clock();
        let readiness = Readiness::new(clock.shared())
            .require("frozen", std::future::pending)
            .require("bus", async || Ok(()));
        let asking = tokio::spawn(async move { readiness.missing().await });
        clock.wait_for_sleepers(1).await;
        clock.advance(DEADLINE);
        let missing = asking.await.unwrap();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].1.reason(), "no answer within 2 s");
    }

    #[test]
    fn what_is_missing_is_a_trouble_once_it_was_there_or_does_not_come() {
        let at = Duration::from_secs;
        let missing = |why: &'static str| Err(NotReady::new(why));
        let play = |script: &[(u64, Result<(), NotReady>)]| {
            let mut last = None;
            let mut said = Vec::new();
            for (second, result) in script {
                let (outcome, worth) = Outcome::new(last.as_ref(), at(*second), result.clone());
                said.push(worth);
                last = Some(outcome);
            }
            said
        };
        use Worth::{NotYet, Nothing, Ready, Trouble};
        let start = [
            (0, missing("starting")),
            (9, missing("starting")),
            (10, Ok(())),
            (11, Ok(())),
            (12, missing("gone")),
            (13, missing("gone")),
            (14, missing("full")),
            (15, Ok(())),
        ];
        assert_eq!(
            play(&start),
            [
                NotYet, Nothing, Ready, Nothing, Trouble, Nothing, Trouble, Ready
            ]
        );
        let never = [
            (0, missing("starting")),
            (29, missing("starting")),
            (30, missing("starting")),
            (40, missing("starting")),
        ];
        assert_eq!(play(&never), [NotYet, Nothing, Trouble, Nothing]);
    }
}
