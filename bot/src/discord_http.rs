//! How this process reaches Discord.

use std::future::Future;
use std::time::Duration;

use anyhow::bail;
use poise::serenity_prelude as serenity;
use secrecy::{ExposeSecret, SecretString};
use serenity::{Http, HttpBuilder, HttpError};
use splashtail_core::clock::Clock;
use splashtail_core::config::without_slash;
use tracing::warn;
use url::Url;

/// Discord's own REST host, for which serenity's rate limiter is made.
const DISCORD_HOST: &str = "discord.com";
/// serenity does not pass on `Retry-After`, so a refused call waits this long.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Whether calls go to Discord itself. Everything else, a proxy or the sandbox, keeps the limits
/// for us: serenity honours its proxy setting only without its own limiter.
pub fn is_direct(api: &Url) -> bool {
    api.host_str() == Some(DISCORD_HOST)
}

pub fn http(api: &Url, token: &SecretString) -> Http {
    let builder = HttpBuilder::new(token.expose_secret());
    if is_direct(api) {
        builder.build()
    } else {
        builder
            .proxy(without_slash(api))
            .ratelimiter_disabled(true)
            .build()
    }
}

/// Makes a call and repeats it once after a 429, which reaches us only when serenity's limiter is
/// off.
pub async fn once_more<T, F>(mut call: impl FnMut() -> F) -> Result<T, serenity::Error>
where
    F: Future<Output = Result<T, serenity::Error>>,
{
    match call().await {
        Err(error) if status(&error) == Some(429) => {
            tokio::time::sleep(RETRY_PAUSE).await;
            call().await
        }
        outcome => outcome,
    }
}

/// The HTTP status Discord answered with, if it answered.
pub fn status(error: &serenity::Error) -> Option<u16> {
    match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) => {
            Some(response.status_code.as_u16())
        }
        _ => None,
    }
}

/// Discord's error code (Discord documentation, "JSON Error Codes"), if it gave one.
pub fn code(error: &serenity::Error) -> Option<isize> {
    match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) => {
            Some(response.error.code)
        }
        _ => None,
    }
}

/// The gateway's address and the recommended number of shards. Asks until Discord answers; only a
/// refused token ends it.
///
/// # Errors
/// Discord does not accept the token.
pub async fn gateway(http: &Http, clock: &dyn Clock) -> anyhow::Result<serenity::BotGateway> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match http.get_bot_gateway().await {
            Ok(gateway) => return Ok(gateway),
            Err(error) => error,
        };
        if status(&error) == Some(401) {
            bail!("Discord refused the token (`discord_auth.token`)");
        }
        let wait_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        warn!(
            error = %describe(&error), wait_ms,
            "cannot reach Discord (`discord.api_base` or `meta.proxy`)"
        );
        clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The error without the address it happened at, which can hold an interaction's token.
pub fn describe(error: &serenity::Error) -> String {
    match error {
        serenity::Error::Http(HttpError::UnsuccessfulRequest(response)) => format!(
            "{} {}: {}",
            response.status_code.as_u16(),
            response.error.code,
            response.error.message
        ),
        serenity::Error::Http(HttpError::Request(error)) => {
            let kind = if error.is_connect() {
                "no connection"
            } else if error.is_timeout() {
                "no answer in time"
            } else {
                "the call broke off"
            };
            kind.to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    #[test]
    fn only_discord_itself_is_direct() {
        for (api, direct) in [
            ("https://discord.com", true),
            ("http://127.0.0.1:4400", false),
            ("https://proxy.example.org/", false),
            ("https://discord.com.example.org", false),
        ] {
            assert_eq!(is_direct(&api.parse().unwrap()), direct, "{api}");
        }
    }

    async fn refused(status: u16) -> (MockServer, Http) {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/api/v10/users/@me"))
            .respond_with(ResponseTemplate::new(status).set_body_json(
                serde_json::json!({"code": 0, "message": "no", "retry_after": 0.1, "global": false}),
            ))
            .mount(&server)
            .await;
        let http = http(&server.uri().parse().unwrap(), &"bot.token".into());
        (server, http)
    }

    #[tokio::test]
    async fn calls_go_to_the_configured_address_and_a_429_is_repeated_once() {
        for (code, calls) in [(429, 2), (500, 1)] {
            let (server, http) = refused(code).await;
            let made = Cell::new(0);
            let outcome = once_more(|| {
                made.set(made.get() + 1);
                http.get_current_user()
            })
            .await;
            assert_eq!(status(&outcome.unwrap_err()), Some(code));
            assert_eq!(made.get(), calls);
            assert_eq!(server.received_requests().await.unwrap().len(), calls);
        }
    }
}
