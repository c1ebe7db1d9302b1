//! Ends at Discord what nobody allows any more: from rows alone, so any jobserver goes on with any of it.

use std::time::Duration;

use splashtail_core::telemetry::Chain;
use splashtail_discord::{Application, RevokeError};
use splashtail_storage::{Revocation, StorageError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::grants::{Grants, HELD};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// When Discord is asked again; the last counts for all further times.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
];

impl Grants {
    /// Until the shutdown. What is on its way then is done once more by the next process, which is the same
    /// as once.
    pub async fn revoke_all(self, shutdown: CancellationToken) {
        let Some(application) = self.application.clone() else {
            return;
        };
        let looks = async {
            let mut fails = false;
            loop {
                match self.revoke_due(&application, &shutdown).await {
                    Ok(true) => {
                        fails = false;
                        continue;
                    }
                    Ok(false) => fails = false,
                    // Told once, until a look succeeds again.
                    Err(error) if !fails => {
                        fails = true;
                        warn!(error = %Chain(&error), "consents that were taken back were not seen to");
                    }
                    Err(_) => {}
                }
                self.clock.sleep(LOOK).await;
            }
        };
        let _ = shutdown.run_until_cancelled(looks).await;
    }

    /// One whose time has come; whether there was any.
    pub(super) async fn revoke_due(
        &self,
        application: &Application,
        cancelled: &CancellationToken,
    ) -> Result<bool, StorageError> {
        let store = self.storage.join_consents();
        let began = self.clock.monotonic();
        let Some(due) = store.take_revocation(HELD).await? else {
            return Ok(false);
        };
        let Some(token) = self.refresh_token(due.user, &due.sealed) else {
            warn!(user.id = %due.user, "what Discord gave cannot be read with this installation's data key, and is not revoked there");
            store.revoked(&due).await?;
            return Ok(true);
        };
        let revoked = self.discord.revoke(application, &token, cancelled);
        match self.in_time(began, revoked).await {
            Some(Ok(())) => {
                store.revoked(&due).await?;
                info!(user.id = %due.user, "a consent was revoked at Discord");
            }
            Some(Err(error)) => self.later(&due, Some(&error)).await?,
            None => self.later(&due, None).await?,
        }
        Ok(true)
    }

    async fn later(&self, due: &Revocation, why: Option<&RevokeError>) -> Result<(), StorageError> {
        let tries = usize::try_from(due.attempt).unwrap_or(usize::MAX);
        let place = tries.saturating_sub(1).min(AGAIN.len() - 1);
        let why = why.map_or_else(|| "no answer came".to_owned(), |why| Chain(why).to_string());
        warn!(user.id = %due.user, attempt = due.attempt, error = %why, "a consent is not revoked at Discord yet");
        let store = self.storage.join_consents();
        store.revoke_again(due, AGAIN[place]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejoin::bench::{Bench, USER};

    #[tokio::test]
    async fn what_was_taken_back_is_revoked_when_discord_is_there_again() {
        let bench = Bench::with_grant(Duration::from_secs(7 * 24 * 60 * 60)).await;
        let store = bench.grants.storage.join_consents();
        let grant = bench.join_grant().await;
        let application = bench.grants.application.clone().unwrap();
        let going = CancellationToken::new();
        let look = async || bench.grants.revoke_due(&application, &going).await;
        assert!(!look().await.unwrap());
        store.withdraw(USER, None).await.unwrap();
        bench.discord.refuse_revocations(true);
        assert!(look().await.unwrap());
        assert!(!look().await.unwrap(), "it waits");
        assert_eq!(bench.discord.revoked(), Vec::<String>::new());
        bench.discord.refuse_revocations(false);
        // Its time has come.
        let due = Revocation {
            user: USER,
            sealed: grant.sealed,
            attempt: 1,
        };
        store.revoke_again(&due, Duration::ZERO).await.unwrap();
        assert!(look().await.unwrap());
        assert_eq!(bench.discord.revoked(), ["refresh-0"]);
        store.revoke_again(&due, Duration::ZERO).await.unwrap();
        assert!(!look().await.unwrap(), "nothing of it is left");
    }
}
