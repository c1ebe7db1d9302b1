//! What Discord gave for people's consents: sealed, and renewed when it is needed.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_discord::ensure::EnsureError;
use splashtail_discord::{Application, Discord, Grant, RenewError};
use splashtail_jobs::{DataKey, JobError, SecretBytes};
use splashtail_storage::{JoinGrant, NewConsent, Storage, StorageError};
use tokio_util::sync::CancellationToken;

use crate::carry_out::job_error;

/// An access token that ends sooner is renewed first.
const MARGIN: Duration = Duration::from_secs(10 * 60);
/// Longer than a renewal takes: whoever is killed in the middle of one loses the right to it then.
const HELD: Duration = Duration::from_secs(60);
/// After so long somebody else has renewed it.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// A new grant that is lost cannot be had again: so often it is stored, with ever longer pauses.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(500);
/// Discord's are shorter; a longer life is cut.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

#[derive(Clone)]
pub struct Grants {
    pub storage: Storage,
    pub discord: Discord,
    pub key: DataKey,
    /// `None`: the operator gave no id and secret, so nothing can be renewed.
    pub application: Option<Application>,
    pub clock: SharedClock,
}

/// A consent that somebody gave just now.
pub struct Consented {
    pub guild: GuildId,
    pub user: UserId,
    pub access_token: SecretString,
    pub refresh_token: SecretString,
    pub lasts: Duration,
}

/// What can be done with a consent.
#[derive(Debug)]
pub enum Access {
    Token {
        token: SecretString,
        /// Of the grant that it is part of.
        version: i64,
    },
    /// There is none.
    Withdrawn,
    /// There was one, and Discord takes it no more.
    Ended,
    /// It was sealed under another key.
    Unreadable,
}

/// As sealed.
#[derive(Serialize, Deserialize)]
struct Tokens {
    access: String,
    refresh: String,
}

impl Grants {
    /// Keeps a consent.
    ///
    /// # Errors
    /// The database failed, or the system has no random numbers.
    pub async fn keep(&self, consented: &Consented) -> Result<(), JobError> {
        let grant = Grant {
            access_token: consented.access_token.clone(),
            refresh_token: consented.refresh_token.clone(),
            lasts: consented.lasts,
        };
        let sealed = self.seal(consented.user, &grant)?;
        let now = self.clock.now();
        let new = NewConsent {
            guild: consented.guild,
            user: consented.user,
            sealed: &sealed,
            ends_at: now + consented.lasts.min(LONGEST),
            given_at: now,
        };
        let kept = self.storage.join_consents().consent(&new).await;
        kept.map_err(away)
    }

    /// An access token by which a person can be let into a server now. `refused`: the version of a grant
    /// whose token Discord did not take, whatever time it was to last.
    ///
    /// # Errors
    /// It cannot be told now, or Discord does not take the application's own id and secret.
    pub async fn access(
        &self,
        guild: GuildId,
        user: UserId,
        refused: Option<i64>,
        cancelled: &CancellationToken,
    ) -> Result<Access, JobError> {
        let store = self.storage.join_consents();
        let Some(grant) = store.join_grant(guild, user).await.map_err(away)? else {
            return Ok(Access::Withdrawn);
        };
        let Some(tokens) = self.open(user, &grant) else {
            return Ok(Access::Unreadable);
        };
        let lasts = grant.ends_at > self.clock.now() + MARGIN;
        if lasts && refused != Some(grant.version) {
            return Ok(Access::Token {
                token: tokens.access.into(),
                version: grant.version,
            });
        }
        let held = store.hold_grant(user, grant.version, HELD).await;
        if !held.map_err(away)? {
            let why = "A consent is being renewed elsewhere";
            return Err(JobError::transient("consent_renewing", why).retry_after(ELSEWHERE));
        }
        let application = self.application.as_ref().ok_or_else(|| {
            let why = "consents cannot be renewed: `discord_auth.client_id` and `client_secret` are missing";
            JobError::permanent("application", why)
        })?;
        let refresh = tokens.refresh.into();
        match self.discord.renew(application, &refresh, cancelled).await {
            Ok(renewed) => self.renewed(user, grant.version, renewed).await,
            Err(RenewError::Ended) => {
                let ended = store.end_grant(user, grant.version).await;
                match ended.map_err(away)? {
                    true => Ok(Access::Ended),
                    false => Err(consented_anew()),
                }
            }
            Err(error @ RenewError::Application) => {
                Err(JobError::permanent("application", error.to_string()))
            }
            Err(RenewError::Discord(error)) if error.is_ambiguous() => {
                // The next try tells: the old one is taken, or has ended.
                let why = format!("a consent may have been renewed: {error}");
                Err(JobError::transient("consent_renewing", why).retry_after(HELD))
            }
            Err(RenewError::Discord(error)) => Err(job_error(EnsureError::from(error))),
        }
    }

    async fn renewed(&self, user: UserId, version: i64, grant: Grant) -> Result<Access, JobError> {
        let sealed = self.seal(user, &grant)?;
        let ends_at = self.clock.now() + grant.lasts.min(LONGEST);
        let mut tried = 0;
        loop {
            let store = self.storage.join_consents();
            match store.renew_grant(user, version, &sealed, ends_at).await {
                Ok(true) => {
                    return Ok(Access::Token {
                        token: grant.access_token,
                        version: version + 1,
                    });
                }
                // Somebody consented anew, or an answer was lost and this was stored: the next look tells.
                Ok(false) => return Err(consented_anew()),
                Err(error) => {
                    tried += 1;
                    if tried == TRIES {
                        return Err(away(error));
                    }
                    // Not even the end of the job cuts this short: it takes seconds.
                    self.clock.sleep(PAUSE * 2_u32.pow(tried)).await;
                }
            }
        }
    }

    fn seal(&self, user: UserId, grant: &Grant) -> Result<Vec<u8>, JobError> {
        let tokens = Tokens {
            access: grant.access_token.expose_secret().to_owned(),
            refresh: grant.refresh_token.expose_secret().to_owned(),
        };
        let text = serde_json::to_vec(&tokens)
            .map_err(|error| JobError::fault("A consent cannot be stored").caused_by(error))?;
        let sealed = self.key.wrap_named(&name(user), &SecretBytes::from(text));
        sealed.map_err(|error| JobError::fault("The system has no random numbers").caused_by(error))
    }

    fn open(&self, user: UserId, grant: &JoinGrant) -> Option<Tokens> {
        let opened = self.key.unwrap_named(&name(user), &grant.sealed).ok()?;
        serde_json::from_slice(opened.as_ref()).ok()
    }
}

/// It opens for this person alone.
fn name(user: UserId) -> String {
    format!("join-grant/{user}")
}

/// Looked at again at once.
fn consented_anew() -> JobError {
    JobError::transient("consent_renewing", "A consent was given anew meanwhile")
        .retry_after(Duration::from_secs(1))
}

fn away(error: StorageError) -> JobError {
    JobError::transient("unavailable", "the database failed").caused_by(error)
}
