//! What Discord gave for people's consents: sealed, and renewed when it is needed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::ensure::EnsureError;
use splashtail_discord::{Application, Discord, Grant, RenewError};
use splashtail_jobs::{DataKey, JobError, SecretBytes};
use splashtail_storage::{NewConsent, Storage, StorageError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::carry_out::job_error;

/// An access token that ends sooner is renewed first.
const MARGIN: Duration = Duration::from_secs(10 * 60);
/// After so long a call is given up: nobody knows then what became of it.
const GIVEN_UP: Duration = Duration::from_secs(3 * 60);
/// What Discord gave is stored within this: so often it is tried, each time as long as the database may take.
const STORED: Duration = Duration::from_secs(150);
/// The right to a call, by the database's clock. Whoever was killed in the middle of one loses it then. A
/// refresh token is good once: two who renewed one grant would end it, and all consents with it.
pub(super) const HELD: Duration = Duration::from_secs(6 * 60);
const _: () = assert!(HELD.as_secs() > GIVEN_UP.as_secs() + STORED.as_secs());
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
    /// Keeps a consent. `false`: what Discord gave for it is being revoked at this moment, with an earlier
    /// one, so it was not kept and has to be given anew.
    ///
    /// # Errors
    /// The database failed, or the system has no random numbers.
    pub async fn keep(&self, consented: &Consented) -> Result<bool, JobError> {
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
        let Some(tokens) = self.open(user, &grant.sealed) else {
            return Ok(Access::Unreadable);
        };
        let lasts = grant.ends_at > self.clock.now() + MARGIN;
        if lasts && refused != Some(grant.version) {
            return Ok(Access::Token {
                token: tokens.access.into(),
                version: grant.version,
            });
        }
        let application = self.application.as_ref().ok_or_else(|| {
            let why = "consents cannot be renewed: `discord_auth.client_id` and `client_secret` are missing";
            JobError::permanent("application", why)
        })?;
        // Before the right begins, by whatever clock.
        let began = self.clock.monotonic();
        let held = store.hold_grant(user, grant.version, HELD).await;
        let Some(until) = held.map_err(away)? else {
            let why = "A consent is being renewed elsewhere";
            return Err(JobError::transient("consent_renewing", why).retry_after(ELSEWHERE));
        };
        let refresh = tokens.refresh.into();
        let renewal = self.discord.renew(application, &refresh, cancelled);
        match self.in_time(began, renewal).await {
            Some(Ok(renewed)) => self.renewed(user, grant.version, renewed).await,
            Some(Err(RenewError::Ended)) => {
                let ended = store.end_grant(user, grant.version).await;
                match ended.map_err(away)? {
                    true => Ok(Access::Ended),
                    false => Err(consented_anew()),
                }
            }
            Some(Err(error @ RenewError::Application)) => {
                self.release(user, until).await;
                Err(JobError::permanent("application", error.to_string()))
            }
            // The next try tells: the old one is taken, or has ended.
            Some(Err(RenewError::Discord(error))) if error.is_ambiguous() => {
                Err(unknown(&error.to_string()))
            }
            Some(Err(RenewError::Discord(error))) => {
                self.release(user, until).await;
                Err(job_error(EnsureError::from(error)))
            }
            None => Err(unknown("no answer came")),
        }
    }

    /// What became of a call that somebody has the right to since then; `None`: it was given up.
    pub(super) async fn in_time<T>(
        &self,
        began: Duration,
        call: impl Future<Output = T>,
    ) -> Option<T> {
        let spent = self.clock.monotonic().saturating_sub(began);
        tokio::select! {
            biased;
            done = call => Some(done),
            () = self.clock.sleep(GIVEN_UP.saturating_sub(spent)) => None,
        }
    }

    /// Nothing came of it, so the next one need not wait.
    async fn release(&self, user: UserId, until: DateTime<Utc>) {
        let released = self.storage.join_consents().release_grant(user, until);
        if let Err(error) = released.await {
            warn!(error = %Chain(&error), "a consent can be renewed by nobody for some minutes");
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
                // Somebody took it back or consented anew, or an answer was lost and this was stored: the
                // next look tells.
                Ok(false) => {
                    store.revoke_lost(user, &sealed).await.map_err(away)?;
                    return Err(consented_anew());
                }
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

    fn open(&self, user: UserId, sealed: &[u8]) -> Option<Tokens> {
        let opened = self.key.unwrap_named(&name(user), sealed).ok()?;
        serde_json::from_slice(opened.as_ref()).ok()
    }

    /// What ends a grant; `None`: it was sealed under another key.
    pub(super) fn refresh_token(&self, user: UserId, sealed: &[u8]) -> Option<SecretString> {
        Some(self.open(user, sealed)?.refresh.into())
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

/// Nobody else tries before this right has ended.
fn unknown(why: &str) -> JobError {
    let why = format!("a consent may have been renewed: {why}");
    JobError::transient("consent_renewing", why).retry_after(HELD)
}

fn away(error: StorageError) -> JobError {
    JobError::transient("unavailable", "the database failed").caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rejoin::bench::{Bench, GUILD, USER};

    fn is_elsewhere(access: &Result<Access, JobError>) -> bool {
        matches!(access, Err(JobError::Transient { code, .. }) if code == "consent_renewing")
    }

    fn version(access: Result<Access, JobError>) -> i64 {
        match access.unwrap() {
            Access::Token { version, .. } => version,
            other => panic!("no token: {other:?}"),
        }
    }

    /// One of them used to come with a token that was spent, and ended everything.
    #[tokio::test]
    async fn two_servers_spend_one_refresh_token() {
        let bench = Arc::new(Bench::with_grant(Duration::ZERO).await);
        let own = Arc::clone(&bench);
        let first = tokio::spawn(async move { own.access().await });
        bench.discord.asked().await;
        assert!(is_elsewhere(&bench.access().await));
        bench.discord.answer();
        let renewed = version(first.await.unwrap());
        // It was written before anybody else had the right.
        assert_eq!(version(bench.access().await), renewed);
        assert_eq!(bench.discord.renewals(), 1);
        let store = bench.grants.storage.join_consents();
        assert_eq!(store.count_consents(GUILD).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_renewal_is_given_up_before_anybody_else_has_the_right() {
        let bench = Arc::new(Bench::with_grant(Duration::ZERO).await);
        let own = Arc::clone(&bench);
        let first = tokio::spawn(async move { own.access().await });
        bench.discord.asked().await;
        bench.clock.wait_for_sleepers(1).await;
        bench.clock.advance(GIVEN_UP);
        assert!(is_elsewhere(&first.await.unwrap()));
        assert!(is_elsewhere(&bench.access().await));
        assert_eq!(bench.discord.renewals(), 1);
    }

    /// What came too late for a person who took it back is nobody's.
    #[tokio::test]
    async fn a_renewal_of_what_was_taken_back_is_revoked() {
        let bench = Arc::new(Bench::with_grant(Duration::ZERO).await);
        let own = Arc::clone(&bench);
        let first = tokio::spawn(async move { own.access().await });
        bench.discord.asked().await;
        let store = bench.grants.storage.join_consents();
        store.withdraw(USER, None).await.unwrap();
        bench.discord.answer();
        assert!(is_elsewhere(&first.await.unwrap()));
        assert!(matches!(bench.access().await, Ok(Access::Withdrawn)));
        let due = store.take_revocation(HELD).await.unwrap().unwrap();
        let token = bench.grants.refresh_token(USER, &due.sealed).unwrap();
        assert_eq!(token.expose_secret(), "refresh-1");
    }
}
