//! Bans whose time is over: lifted once, and only where they are still those of their case.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use splashtail_core::telemetry::Chain;
use splashtail_discord::DiscordError;
use splashtail_storage::{CaseEnding, CaseRow, StorageError};
use tracing::{info, warn};

use super::sanction::{is_ours, mark};
use super::sanctions::Sanctions;
use crate::modules::Surroundings;

const LOOK: Duration = Duration::from_secs(5);
/// Cases of one look.
const AT_ONCE: u32 = 20;
/// Whoever has taken a case has so much time for it; then it is anybody's again.
const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Nothing is done in a server from which the bot is gone: "Unknown Guild", "Missing Access".
const GONE: [u64; 2] = [10_004, 50_001];
const PATIENT: Duration = Duration::from_secs(20);

impl Sanctions {
    /// Never ends.
    pub(super) async fn end(self: Arc<Self>, around: Surroundings) {
        // A second call brings the same.
        let _ = self.cluster.set(around.state);
        loop {
            self.clock.sleep(LOOK).await;
            if let Err(error) = self.end_due().await {
                warn!(error = %Chain(&error), "bans whose time is over stay for now");
            }
        }
    }

    async fn end_due(&self) -> Result<(), StorageError> {
        let now = self.clock.now();
        let store = self.storage.cases();
        for case in store.due(now, AT_ONCE).await? {
            let now = self.clock.now();
            let Some(fence) = store.take_ending(&case, now, now + LEASE).await? else {
                continue;
            };
            match self.lift(&case).await {
                Ok(ending) => {
                    info!(guild.id = %case.guild, case.number = case.number, ending = ending.as_str(), "a ban has ended");
                    store.end(case.guild, case.number, fence, ending).await?;
                }
                // It is looked at again when the lease is over.
                Err(error) => {
                    warn!(guild.id = %case.guild, case.number = case.number, error = %Chain(&error), "a ban was not lifted");
                }
            }
        }
        Ok(())
    }

    async fn lift(&self, case: &CaseRow) -> Result<CaseEnding, DiscordError> {
        let path = format!("/guilds/{}/bans/{}", case.guild, case.target);
        let ban = match self
            .discord
            .get(path.clone())
            .longest_wait(PATIENT)
            .send()
            .await
        {
            Ok(ban) => ban,
            Err(error) if error.code().is_some_and(|code| GONE.contains(&code)) => {
                return Ok(CaseEnding::Superseded);
            }
            // Somebody has lifted it, or we have and did not get to say so.
            Err(error) if error.is_not_found() => return Ok(CaseEnding::Done),
            Err(error) => return Err(error),
        };
        // Somebody has set another one since.
        if !is_ours(ban["reason"].as_str(), case.number) {
            return Ok(CaseEnding::Superseded);
        }
        let lift = self
            .discord
            .delete(path)
            .repeated(true)
            .longest_wait(PATIENT);
        lift.reason(&mark(case.number)).send_empty().await?;
        Ok(CaseEnding::Done)
    }
}
