//! The requests to Discord that a login takes (Discord documentation, "OAuth2").

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use splashtail_api_types::Code;
use splashtail_core::config::{Config, is_local, without_slash};
use splashtail_core::ids::{ApplicationId, GuildId, UserId};
use tracing::warn;
use url::Url;

use super::proof::GuildRights;

const TIMEOUT: Duration = Duration::from_secs(5);
/// `DiscordBot (<url>, <version>)`: Discord's REST API answers 403 without one (Discord
/// documentation, "User Agent").
const USER_AGENT: &str = concat!(
    "DiscordBot (https://github.com/anti-raid/splashtail, ",
    env!("CARGO_PKG_VERSION"),
    ")"
);
/// A user is in at most 200 servers; an answer above this is not Discord's.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum DiscordError {
    /// The code, the application or the redirect address is not what Discord expects.
    #[error("Discord refused the login")]
    Refused(BTreeMap<String, String>),
    #[error("Discord no longer accepts this login; log in again")]
    Expired,
    #[error("Discord limits logins at the moment")]
    RateLimited { retry_after: Option<u64> },
    #[error("Discord cannot be reached at the moment")]
    Unreachable(#[source] reqwest::Error),
    #[error("Discord answered unexpectedly (status {0})")]
    Status(StatusCode),
    #[error("Discord's answer is not of the expected shape")]
    Shape(#[source] serde_json::Error),
    #[error("Discord's answer is too large")]
    TooLarge,
    #[error("the consent does not include `{0}`")]
    MissingScope(&'static str),
    /// RFC 9207.
    #[error("this login was answered by somebody else than Discord; start again")]
    Issuer,
}

impl DiscordError {
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(_) => Code::DiscordRefused,
            Self::Expired => Code::LoginExpired,
            Self::RateLimited { .. } => Code::DiscordRateLimited,
            Self::MissingScope(_) => Code::MissingScope,
            Self::Unreachable(_) => Code::DiscordUnavailable,
            Self::Issuer => Code::LoginRefused,
            Self::Status(_) | Self::Shape(_) | Self::TooLarge => Code::DiscordUnexpected,
        }
    }

    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            Self::Unreachable(_) => Some(10),
            _ => None,
        }
    }

    pub fn context(&self) -> Option<BTreeMap<String, String>> {
        match self {
            Self::Refused(context) if !context.is_empty() => Some(context.clone()),
            _ => None,
        }
    }
}

/// The application that users log in to.
#[derive(Debug, Clone)]
pub struct DiscordLogin {
    http: Client,
    /// Origin of the REST API.
    api: String,
    authorize: Url,
    /// Where consent pages lead back to.
    pub redirect_uri: String,
    client_id: ApplicationId,
    client_secret: SecretString,
}

/// Who consented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user_id: UserId,
    pub username: String,
    pub guilds: Vec<GuildRights>,
}

/// What a code or a refresh token was worth.
#[derive(Debug, Deserialize)]
pub struct Grant {
    pub access_token: SecretString,
    #[serde(default)]
    pub refresh_token: Option<SecretString>,
    /// Seconds.
    #[serde(default)]
    pub expires_in: u64,
    #[serde(default)]
    scope: String,
}

impl Grant {
    /// Discord may grant more than was asked for; less is not enough.
    ///
    /// # Errors
    /// [`DiscordError::MissingScope`]
    pub fn require(&self, scopes: &[&'static str]) -> Result<(), DiscordError> {
        let granted: Vec<_> = self.scope.split_ascii_whitespace().collect();
        match scopes.iter().find(|scope| !granted.contains(*scope)) {
            Some(missing) => Err(DiscordError::MissingScope(missing)),
            None => Ok(()),
        }
    }
}

/// `/users/@me`.
#[derive(Debug, Clone, Deserialize)]
pub struct DiscordUser {
    pub id: UserId,
    pub username: String,
    #[serde(default)]
    pub global_name: Option<String>,
    /// A hash.
    #[serde(default)]
    pub avatar: Option<String>,
}

/// An entry of `/users/@me/guilds`.
#[derive(Debug, Clone, Deserialize)]
pub struct DiscordGuild {
    pub id: GuildId,
    #[serde(default)]
    pub name: String,
    /// A hash.
    #[serde(default)]
    pub icon: Option<String>,
    #[serde(default)]
    pub owner: bool,
    /// A decimal string since API v8; numbers lose digits in other languages, not here.
    #[serde(default, deserialize_with = "bits")]
    pub permissions: u64,
}

fn bits<'de, D: Deserializer<'de>>(value: D) -> Result<u64, D::Error> {
    Ok(match Value::deserialize(value)? {
        Value::String(text) => text.parse().unwrap_or(0),
        other => other.as_u64().unwrap_or(0),
    })
}

impl DiscordLogin {
    /// `None` when the application's id or secret is not configured.
    ///
    /// # Errors
    /// No TLS provider is installed.
    pub fn new(config: &Config) -> Result<Option<Self>, reqwest::Error> {
        let auth = &config.discord_auth;
        let (Some(client_id), Some(client_secret)) = (auth.client_id, &auth.client_secret) else {
            return Ok(None);
        };
        let api = config.discord_api();
        let mut http = Client::builder()
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if is_local(api) {
            http = http.no_proxy();
        }
        Ok(Some(Self {
            http: http.build()?,
            api: without_slash(api).to_owned(),
            authorize: config.discord.authorize_url.clone(),
            redirect_uri: format!("{}/ioauth/login", without_slash(&config.sites.api)),
            client_id,
            client_secret: client_secret.clone(),
        }))
    }

    /// Discord's consent page. `challenge` is the S256 form of the PKCE verifier (RFC 7636).
    pub fn consent_page(&self, scopes: &[&str], state: &str, challenge: &str) -> Url {
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id.to_string())
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", state)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Whether the answer to a login is of the server that it was begun at (RFC 9207). Older servers
    /// do not say.
    ///
    /// # Errors
    /// [`DiscordError::Issuer`]
    pub fn check_issuer(&self, issuer: Option<&str>) -> Result<(), DiscordError> {
        let Some(issuer) = issuer else { return Ok(()) };
        let origin = Url::parse(issuer).map(|issuer| issuer.origin());
        match origin {
            Ok(origin) if origin.is_tuple() && origin == self.authorize.origin() => Ok(()),
            _ => Err(DiscordError::Issuer),
        }
    }

    /// Exchanges the code and asks who it stands for. The tokens end with this function.
    ///
    /// # Errors
    /// See [`DiscordError`].
    pub async fn identify(
        &self,
        code: &str,
        verifier: &str,
        scopes: &[&'static str],
    ) -> Result<Identity, DiscordError> {
        let grant = self.exchange(code, Some(verifier), &self.redirect_uri);
        let grant = grant.await?;
        grant.require(scopes)?;
        let user = self.user(&grant.access_token).await?;
        let guilds = if scopes.contains(&"guilds") {
            self.guilds(&grant.access_token).await?
        } else {
            Vec::new()
        };
        let rights = |guild: DiscordGuild| GuildRights {
            id: guild.id,
            owner: guild.owner,
            permissions: guild.permissions,
        };
        Ok(Identity {
            user_id: user.id,
            username: user.username,
            guilds: guilds.into_iter().map(rights).collect(),
        })
    }

    /// What a code is worth.
    ///
    /// # Errors
    /// See [`DiscordError`].
    pub async fn exchange(
        &self,
        code: &str,
        verifier: Option<&str>,
        redirect_uri: &str,
    ) -> Result<Grant, DiscordError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
        ];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        self.token(form).await
    }

    /// A new grant for an old one's refresh token, which ends.
    ///
    /// # Errors
    /// See [`DiscordError`]; [`DiscordError::Expired`] when it has ended already (`invalid_grant`, RFC
    /// 6749 section 5.2). Other refusals are about us, not about the person.
    pub async fn refresh(&self, token: &SecretString) -> Result<Grant, DiscordError> {
        let form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose_secret()),
        ];
        self.token(form).await.map_err(|error| match error {
            DiscordError::Refused(why) if is_invalid_grant(&why) => DiscordError::Expired,
            DiscordError::Refused(why) => {
                warn!(error = why.get("error"), "Discord refuses to renew logins");
                DiscordError::Status(StatusCode::BAD_REQUEST)
            }
            other => other,
        })
    }

    async fn token(&self, mut form: Vec<(&str, &str)>) -> Result<Grant, DiscordError> {
        let client_id = self.client_id.to_string();
        form.push(("client_id", &client_id));
        form.push(("client_secret", self.client_secret.expose_secret()));
        let request = self
            .http
            .post(format!("{}/api/v10/oauth2/token", self.api))
            .form(&form);
        let response = request.send().await.map_err(unreachable)?;
        let refused = response.status().is_client_error()
            && response.status() != StatusCode::TOO_MANY_REQUESTS;
        if refused {
            return Err(DiscordError::Refused(explanation(&read(response).await?)));
        }
        parse(response).await
    }

    /// # Errors
    /// See [`DiscordError`].
    pub async fn user(&self, token: &SecretString) -> Result<DiscordUser, DiscordError> {
        self.get("/users/@me", token).await
    }

    /// # Errors
    /// See [`DiscordError`].
    pub async fn guilds(&self, token: &SecretString) -> Result<Vec<DiscordGuild>, DiscordError> {
        self.get("/users/@me/guilds", token).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &SecretString,
    ) -> Result<T, DiscordError> {
        let request = self
            .http
            .get(format!("{}/api/v10{path}", self.api))
            .bearer_auth(token.expose_secret());
        parse(request.send().await.map_err(unreachable)?).await
    }
}

fn unreachable(error: reqwest::Error) -> DiscordError {
    DiscordError::Unreachable(error.without_url())
}

async fn parse<T: DeserializeOwned>(response: Response) -> Result<T, DiscordError> {
    match response.status() {
        status if status.is_success() => {
            serde_json::from_slice(&read(response).await?).map_err(DiscordError::Shape)
        }
        StatusCode::UNAUTHORIZED => Err(DiscordError::Expired),
        StatusCode::TOO_MANY_REQUESTS => {
            // Seconds, maybe with a fraction.
            let retry_after = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse::<f64>().ok())
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .map(crate::error::whole_seconds);
            Err(DiscordError::RateLimited { retry_after })
        }
        status => Err(DiscordError::Status(status)),
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, DiscordError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(DiscordError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_invalid_grant(why: &BTreeMap<String, String>) -> bool {
    why.get("error")
        .is_some_and(|error| error == "invalid_grant")
}

/// The texts of Discord's own error object (`error`, `error_description`, `message`).
fn explanation(body: &[u8]) -> BTreeMap<String, String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return BTreeMap::new();
    };
    fields
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            Value::Number(number) => Some((name, number.to_string())),
            _ => None,
        })
        .collect()
}
