//! Asking Discord how many shards to run and how many sessions may be started.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use splashtail_api_types::clusters::GatewayBot;
use splashtail_core::config::without_slash;
use splashtail_core::telemetry::Chain;
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
        let http = Client::builder()
            .timeout(TIMEOUT)
            .user_agent(USER_AGENT)
            .build()?;
        Ok(Self {
            http,
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
}
