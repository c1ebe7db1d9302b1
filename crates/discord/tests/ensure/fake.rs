//! A Discord that answers as it is told.

use std::sync::Once;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use splashtail_core::clock::{Clock as _, ManualClock};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_discord::Discord;
use splashtail_discord::ensure::{Acting, EnsureError, Ensured, Nonce};
use url::Url;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub const G: &str = "/api/v10/guilds/100";

pub fn guild() -> GuildId {
    GuildId::new(100).unwrap()
}

pub fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

pub fn start() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-11-01T12:00:00Z")
        .unwrap()
        .to_utc()
}

/// An id made so many seconds after the intent.
pub fn made(after: i64, low: u64) -> String {
    let at = start() + chrono::TimeDelta::seconds(after);
    (splashtail_discord::snowflake::first_id_at(at) + low).to_string()
}

pub struct Fake {
    pub server: MockServer,
    pub discord: Discord,
    pub clock: ManualClock,
}

impl Fake {
    pub async fn new() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let server = MockServer::start().await;
        let base = Url::parse(&server.uri()).unwrap();
        let clock = ManualClock::new(start());
        let token = "token".to_owned().into();
        let discord = Discord::new(&base, &base, &token, clock.shared()).unwrap();
        Self {
            server,
            discord,
            clock,
        }
    }

    pub fn acting(&self) -> Acting {
        let nonce = Nonce::of(&["job", "step"]);
        self.discord.acting(nonce, start()).reason("Put back")
    }

    pub async fn answers(&self, verb: &str, at: &str, status: u16, body: Value) {
        self.answers_times(verb, at, status, body, u64::MAX).await;
    }

    pub async fn answers_times(&self, verb: &str, at: &str, status: u16, body: Value, times: u64) {
        Mock::given(method(verb))
            .and(path(at))
            .respond_with(self.template(status, body))
            .up_to_n_times(times)
            .mount(&self.server)
            .await;
    }

    /// An answer by the clock of the one who asks.
    pub fn template(&self, status: u16, body: Value) -> ResponseTemplate {
        let date = self.clock.now().format("%a, %d %b %Y %H:%M:%S GMT");
        ResponseTemplate::new(status)
            .set_body_json(body)
            .insert_header("date", date.to_string().as_str())
    }

    /// Method and path of everything that was asked.
    pub async fn calls(&self) -> Vec<String> {
        let requests = self.server.received_requests().await.unwrap();
        let call = |request: &wiremock::Request| {
            let path = request.url.path().replace("/api/v10", "");
            format!("{} {path}", request.method)
        };
        requests.iter().map(call).collect()
    }

    pub async fn posts(&self) -> usize {
        let calls = self.calls().await;
        calls.iter().filter(|call| call.starts_with("POST")).count()
    }

    /// Nobody lets the bot read the audit log.
    pub async fn hides_the_audit_log(&self) {
        let refused = json!({"message": "Missing Permissions", "code": 50013});
        let log = format!("{G}/audit-logs");
        self.answers("GET", &log, 403, refused).await;
    }

    /// Runs it with time passing whenever it waits.
    pub async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let call = tokio::spawn(call);
        while !call.is_finished() {
            tokio::select! {
                () = self.clock.wait_for_sleepers(1) => self.clock.advance(Duration::from_secs(1)),
                () = tokio::task::yield_now() => {}
            }
            tokio::task::yield_now().await;
        }
        call.await.unwrap()
    }

    pub async fn role(&self, acting: Acting, want: Value) -> Result<Ensured, EnsureError> {
        self.run(async move { acting.ensure_role(guild(), &want, None).await })
            .await
    }
}

pub fn mark() -> String {
    format!("[{}]", Nonce::of(&["job", "step"]).as_str())
}

pub fn entry(id: &str, target: &str, reason: &str) -> Value {
    json!({"id": id, "target_id": target, "action_type": 30, "user_id": "9", "reason": reason})
}
