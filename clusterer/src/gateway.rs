//! Asking Discord how many shards to run and how many sessions may be started.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use chrono::{DateTime, Utc};
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use splashtail_api_types::clusters::GatewayBot;
use splashtail_core::config::{is_local, without_slash};
use splashtail_core::telemetry::Chain;
use tracing::warn;
use url::Url;

use crate::fleet::GatewayFailure;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Required form of Discord's reference, "User Agent".
const USER_AGENT: &str = concat!(
    "DiscordBot (https://github.com/anti-raid/splashtail, ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

#[derive(Debug, Clone)]
pub struct Gateway {
    http: Client,
    url: String,
    token: SecretString,
}

impl Gateway {
    /// # Errors
    /// No TLS provider is installed.
    pub fn new(api_base: &Url, token: SecretString) -> Result<Self, reqwest::Error> {
        let mut http = Client::builder().timeout(TIMEOUT).user_agent(USER_AGENT);
        if is_local(api_base) {
            http = http.no_proxy();
        }
        Ok(Self {
            http: http.build()?,
            url: format!("{}/api/gateway/bot", without_slash(api_base)),
            token,
        })
    }

    /// One attempt. The caller decides when to try again.
    ///
    /// # Errors
    /// See [`GatewayFailure`].
    pub async fn fetch(&self) -> Result<GatewayBot, GatewayFailure> {
        let failure = |message: String| GatewayFailure {
            message,
            fatal: false,
            retry_after: None,
        };
        let authorization = format!("Bot {}", self.token.expose_secret());
        let request = self
            .http
            .get(&self.url)
            .header("authorization", authorization);
        let broken = |error: reqwest::Error| failure(Chain(&error).to_string());
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(broken);
        }
        let seconds = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        let retry_after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if status == StatusCode::UNAUTHORIZED {
            let message = "Discord refused the bot token (`discord_auth.token`)".to_owned();
            return Err(GatewayFailure {
                message,
                fatal: true,
                retry_after: None,
            });
        }
        Err(GatewayFailure {
            message: format!("Discord answered {status}"),
            fatal: false,
            retry_after,
        })
    }
}

/// Discord's last answer, on disk.
#[derive(Debug, Clone)]
pub struct LastAnswer {
    path: PathBuf,
    whose: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct AnswerFile {
    /// Another bot needs other shards.
    whose: String,
    at: DateTime<Utc>,
    answer: GatewayBot,
}

impl LastAnswer {
    pub fn new(data_dir: &Path, api_base: &Url, token: &SecretString) -> Self {
        // A token begins with the bot's id, which is no secret.
        let id = token
            .expose_secret()
            .split_once('.')
            .map_or("", |(id, _)| id);
        Self {
            path: data_dir.join("clusterer/gateway.json"),
            whose: format!("{} {id}", without_slash(api_base)),
        }
    }

    /// Blocks. A failure costs only the start during an outage.
    pub fn write(&self, answer: GatewayBot, at: DateTime<Utc>) {
        let whose = self.whose.clone();
        let file = AnswerFile { whose, at, answer };
        let write = || -> io::Result<()> {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)?;
            }
            let fresh = self.path.with_extension("json.new");
            fs::write(&fresh, serde_json::to_vec(&file)?)?;
            fs::rename(&fresh, &self.path)
        };
        if let Err(error) = write() {
            warn!(%error, "cannot keep Discord's answer about the gateway");
        }
    }

    /// As it holds now, as far as that can be told: a limit that has reset is full.
    pub fn read(&self, now: DateTime<Utc>) -> Option<GatewayBot> {
        let file: AnswerFile = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        if file.whose != self.whose {
            return None;
        }
        let mut answer = file.answer;
        let limit = &mut answer.session_start_limit;
        let age = (now - file.at).to_std().unwrap_or_default();
        match Duration::from_millis(limit.reset_after).checked_sub(age) {
            Some(left) if !left.is_zero() => {
                limit.reset_after = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            }
            _ => {
                limit.reset_after = 0;
                limit.remaining = limit.total;
            }
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn fetch(response: ResponseTemplate) -> Result<GatewayBot, GatewayFailure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/api/gateway/bot"))
            .and(header("authorization", "Bot secret"))
            .respond_with(response)
            .mount(&server)
            .await;
        Gateway::new(&server.uri().parse().unwrap(), "secret".into())
            .unwrap()
            .fetch()
            .await
    }

    #[tokio::test]
    async fn the_answer_and_the_ways_it_fails() {
        let bot = fetch(ResponseTemplate::new(200).set_body_json(json!({
            "url": "wss://gateway.discord.gg", "shards": 4,
            "session_start_limit": {"total": 1000, "remaining": 998, "reset_after": 1, "max_concurrency": 16},
        })))
        .await
        .unwrap();
        assert_eq!(
            (bot.shards, bot.session_start_limit.max_concurrency),
            (4, 16)
        );
        let refused = fetch(ResponseTemplate::new(401)).await.unwrap_err();
        assert!(refused.fatal && refused.message.contains("discord_auth.token"));
        let limited = fetch(ResponseTemplate::new(429).insert_header("retry-after", "2.5"))
            .await
            .unwrap_err();
        assert_eq!(limited.retry_after, Some(Duration::from_millis(2500)));
        assert!(!fetch(ResponseTemplate::new(502)).await.unwrap_err().fatal);
        assert!(
            !fetch(ResponseTemplate::new(200).set_body_string("<html>"))
                .await
                .unwrap_err()
                .fatal
        );
    }

    #[test]
    fn the_last_answer_ages_and_belongs_to_one_bot() {
        let directory = tempfile::tempdir().unwrap();
        let api: Url = "https://discord.example".parse().unwrap();
        let file = |token: &str| LastAnswer::new(directory.path(), &api, &token.into());
        let mut answer = GatewayBot {
            shards: 7,
            ..GatewayBot::default()
        };
        answer.session_start_limit.total = 1000;
        answer.session_start_limit.remaining = 3;
        answer.session_start_limit.reset_after = 60_000;
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert_eq!(file("MTI.a.b").read(at), None);
        file("MTI.a.b").write(answer.clone(), at);
        assert_eq!(file("MTI.other.secret").read(at), Some(answer));
        let later = file("MTI.a.b").read(at + Duration::from_secs(61)).unwrap();
        assert_eq!(
            (later.shards, later.session_start_limit.remaining),
            (7, 1000)
        );
        assert_eq!(file("MTM.a.b").read(at), None, "another bot");
        let text = fs::read_to_string(directory.path().join("clusterer/gateway.json")).unwrap();
        assert!(!text.contains("secret") && !text.contains(".a.b"), "{text}");
    }
}
