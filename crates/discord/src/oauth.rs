//! What people allow an application to do in their name (Discord documentation, "OAuth2").

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use splashtail_core::ids::ApplicationId;
use tokio_util::sync::CancellationToken;

use crate::client::Discord;
use crate::error::DiscordError;

/// Without it in an answer, the shortest time that makes sense.
const SHORTEST: Duration = Duration::from_secs(60);
/// How long a renewal stands in line at most: whoever renews a grant holds the only right to do so.
const LONGEST_LINE: Duration = Duration::from_secs(60);
/// Error codes of RFC 6749 section 5.2.
const INVALID_GRANT: &str = "invalid_grant";
const INVALID_CLIENT: &str = "invalid_client";

/// Who asks for tokens.
#[derive(Clone)]
pub struct Application {
    id: ApplicationId,
    secret: SecretString,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Application {
    /// As Discord's developer page shows them.
    pub fn new(id: ApplicationId, secret: SecretString) -> Self {
        Self { id, secret }
    }
}

/// What somebody allowed.
#[derive(Debug)]
pub struct Grant {
    /// Good for calls.
    pub access_token: SecretString,
    /// Good for the next grant, once.
    pub refresh_token: SecretString,
    /// How long the access token is.
    pub lasts: Duration,
}

/// Why there is no new grant for an old one.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The person has withdrawn it, or it was renewed before and what came of it is lost.
    #[error("Discord takes the person's consent no more")]
    Ended,
    /// About us, not about the person.
    #[error("Discord does not take the application's id and secret (`discord_auth.client_secret`)")]
    Application,
    /// The old grant is as good as before, except where the failure is ambiguous.
    #[error(transparent)]
    Discord(#[from] DiscordError),
}

/// Why a grant may be as good as before.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// About us, not about the grant.
    #[error("Discord does not take the application's id and secret (`discord_auth.client_secret`)")]
    Application,
    /// It can be tried again, however it ended: ending a grant twice is the same as once.
    #[error(transparent)]
    Discord(#[from] DiscordError),
}

impl Discord {
    /// A new grant for an old one's refresh token, which ends.
    ///
    /// # Errors
    /// See [`RenewError`].
    pub async fn renew(
        &self,
        application: &Application,
        refresh_token: &SecretString,
        cancelled: &CancellationToken,
    ) -> Result<Grant, RenewError> {
        let id = application.id.to_string();
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
            ("client_id", id.as_str()),
            ("client_secret", application.secret.expose_secret()),
        ];
        let request = self.post("/oauth2/token").of_application(&fields);
        let request = request.longest_wait(LONGEST_LINE);
        let answer = match request.cancelled_by(cancelled).send().await {
            Ok(answer) => answer,
            Err(DiscordError::Api(error)) => {
                let refused = |status, why: &str| error.status == status && error.message == why;
                return Err(if refused(StatusCode::BAD_REQUEST, INVALID_GRANT) {
                    RenewError::Ended
                } else if refused(StatusCode::BAD_REQUEST, INVALID_CLIENT)
                    || error.status == StatusCode::UNAUTHORIZED
                {
                    RenewError::Application
                } else {
                    DiscordError::Api(error).into()
                });
            }
            Err(error) => return Err(error.into()),
        };
        let text = |name: &str| answer[name].as_str().map(|text| text.to_owned().into());
        let grant =
            text("access_token")
                .zip(text("refresh_token"))
                .map(|(access_token, refresh_token)| Grant {
                    access_token,
                    refresh_token,
                    lasts: lasts(&answer),
                });
        // Yes, and no tokens: nobody gets new ones for the old one either.
        grant.ok_or(RenewError::Ended)
    }

    /// Ends a grant by its refresh token, and with it all that Discord gave for the same consent. One that
    /// has ended already is no error (RFC 7009, section 2.2).
    ///
    /// # Errors
    /// See [`RevokeError`].
    pub async fn revoke(
        &self,
        application: &Application,
        refresh_token: &SecretString,
        cancelled: &CancellationToken,
    ) -> Result<(), RevokeError> {
        let id = application.id.to_string();
        let fields = [
            ("token", refresh_token.expose_secret()),
            ("token_type_hint", "refresh_token"),
            ("client_id", id.as_str()),
            ("client_secret", application.secret.expose_secret()),
        ];
        let request = self.post("/oauth2/token/revoke").of_application(&fields);
        let request = request.idempotent(true).longest_wait(LONGEST_LINE);
        let ended = request.cancelled_by(cancelled).send_empty().await;
        ended.map_err(|error| match error {
            DiscordError::Api(error)
                if error.message == INVALID_CLIENT || error.status == StatusCode::UNAUTHORIZED =>
            {
                RevokeError::Application
            }
            other => other.into(),
        })
    }
}

fn lasts(answer: &Value) -> Duration {
    let seconds = answer["expires_in"].as_u64();
    seconds.map_or(SHORTEST, Duration::from_secs)
}
