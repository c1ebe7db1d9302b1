//! Sanctions whose time is over: bans are lifted once, and only where they are still those of their case.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt;
use splashtail_core::telemetry::Chain;
use splashtail_discord::DiscordError;
use splashtail_storage::{CaseEnding, CaseRow, StorageError};
use tracing::{info, warn};

use super::sanction::{Kind, mark};
use super::sanctions::Sanctions;
use crate::modules::Surroundings;

pub(super) const LOOK: Duration = Duration::from_secs(5);
/// Cases of one look, and how many of them at the same time.
const AT_ONCE: u32 = 40;
const BESIDE: usize = 8;
/// Whoever has taken a case has so much time for it; then it is anybody's again. Longer than both calls.
const LEASE: Duration = Duration::from_secs(120);
const LONGEST_LOOK: Duration = Duration::from_secs(30);
const LONGEST_LIFT: Duration = Duration::from_secs(60);
const PATIENT: Duration = Duration::from_secs(20);
/// What cannot be done is tried again after so long, twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_hours(6);
/// The bot is not in the server: "Unknown Guild", "Missing Access". It may be again.
pub(super) const GONE: [u64; 2] = [10_004, 50_001];
/// Then it is not any more.
const GONE_FOR_GOOD: TimeDelta = TimeDelta::days(30);
/// Discord tells the time to the second.
const PRECISE: TimeDelta = TimeDelta::seconds(2);

/// Why a case has not ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotYet {
    #[error("Discord does not take it")]
    Discord(#[from] DiscordError),
    #[error("its cases are not known")]
    Storage(#[from] StorageError),
    #[error("its time is not over by Discord's clock")]
    Early,
    #[error("Discord takes too long")]
    Slow,
}

impl Sanctions {
    /// Never ends.
    pub(super) async fn end(self: Arc<Self>, around: Surroundings) {
        // A second call brings the same.
        let _ = self.cluster.set(around.state);
        loop {
            self.clock.sleep(LOOK).await;
            if let Err(error) = self.end_due().await {
                warn!(error = %Chain(&error), "sanctions whose time is over stay for now");
            }
        }
    }

    pub(super) async fn end_due(&self) -> Result<(), StorageError> {
        let due = self
            .storage
            .cases()
            .due(self.discord.now(), AT_ONCE)
            .await?;
        let ended = futures_util::stream::iter(due);
        let ended = ended.map(|case| async move { self.end_one(&case).await });
        let ended: Vec<_> = ended.buffer_unordered(BESIDE).collect().await;
        ended.into_iter().collect()
    }

    async fn end_one(&self, case: &CaseRow) -> Result<(), StorageError> {
        let store = self.storage.cases();
        let Some(fence) = store.take_ending(case, LEASE).await? else {
            return Ok(());
        };
        let ending = match Kind::of(&case.kind) {
            Some(Kind::TempBan) => self.lift(case).await,
            // Discord ends timeouts by itself.
            _ => Ok(CaseEnding::Done),
        };
        match ending {
            Ok(ending) => {
                store.end(case.guild, case.number, fence, ending).await?;
                info!(guild.id = %case.guild, case.number = case.number, ending = ending.as_str(), "a sanction has ended");
            }
            Err(error) => {
                let pause = pause(case.tries);
                store.put_off(case.guild, case.number, fence, pause).await?;
                warn!(guild.id = %case.guild, case.number = case.number, pause_s = pause.as_secs(), error = %Chain(&error), "a ban was not lifted");
            }
        }
        Ok(())
    }

    async fn lift(&self, case: &CaseRow) -> Result<CaseEnding, NotYet> {
        let looked = tokio::select! {
            ban = self.ban(case.guild, case.target, PATIENT) => ban,
            () = self.clock.sleep(LONGEST_LOOK) => return Err(NotYet::Slow),
        };
        let ban = match looked {
            Ok(Some(ban)) => ban,
            // Somebody has lifted it, or we have and did not get to say so.
            Ok(None) => return Ok(CaseEnding::Done),
            Err(error) if self.is_gone_for_good(case, &error) => {
                return Ok(CaseEnding::Superseded);
            }
            Err(error) => return Err(error.into()),
        };
        // Discord has just told what time it is: our clock may have been put forward.
        let now = self.discord.now();
        if case.ends_at.is_some_and(|ends_at| now + PRECISE < ends_at) {
            return Err(NotYet::Early);
        }
        // Somebody has set another one since.
        let reason = ban["reason"].as_str();
        let is_ours = self.is_of_case(case.guild, case.target, reason, case.number);
        if !is_ours.await? {
            return Ok(CaseEnding::Superseded);
        }
        let path = format!("/guilds/{}/bans/{}", case.guild, case.target);
        let lift = self.discord.delete(path).repeated(true);
        let lift = lift.longest_wait(PATIENT).reason(&mark(case.number));
        tokio::select! {
            lifted = lift.send_empty() => lifted?,
            () = self.clock.sleep(LONGEST_LIFT) => return Err(NotYet::Slow),
        }
        Ok(CaseEnding::Done)
    }

    /// The bot was thrown out, and was not taken back for a long time.
    fn is_gone_for_good(&self, case: &CaseRow, error: &DiscordError) -> bool {
        let is_gone = error.code().is_some_and(|code| GONE.contains(&code));
        let since = case.ends_at.unwrap_or(case.at);
        is_gone && self.discord.now() - since > GONE_FOR_GOOD
    }
}

/// After so many tries.
pub(super) fn pause(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(0, 16)).unwrap_or_default();
    (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!(pause(0), FIRST_PAUSE);
        assert_eq!(pause(2), FIRST_PAUSE * 4);
        assert_eq!(pause(i64::MAX), LONGEST_PAUSE);
        assert_eq!(pause(-1), FIRST_PAUSE);
    }
}
