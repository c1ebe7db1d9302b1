//! Sanctions of which nobody knows whether Discord took them: its answer was lost, or the process that
//! waited for it. It is looked at the server, and nothing is done twice.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use splashtail_core::telemetry::Chain;
use splashtail_discord::DiscordError;
use splashtail_storage::{CaseRow, StorageError};
use tracing::{info, warn};

use super::ends::{GONE, LOOK, NotYet, pause};
use super::sanction::{Kind, Order};
use super::sanctions::{Sanctions, timeout_of};
use crate::catalogue::Language;
use crate::modules::Surroundings;
use crate::text;

const AT_ONCE: u32 = 20;
const PATIENT: Duration = Duration::from_secs(20);
/// Nobody finds out about a server that the bot has left for so long.
const GONE_FOR_GOOD: TimeDelta = TimeDelta::days(1);
/// Discord keeps times of its own precision.
const PRECISE: TimeDelta = TimeDelta::seconds(2);

impl Sanctions {
    /// Never ends.
    pub(super) async fn keep_finding_out(self: Arc<Self>, around: Surroundings) {
        // A second call brings the same.
        let _ = self.cluster.set(around.state);
        loop {
            self.clock.sleep(LOOK).await;
            if let Err(error) = self.find_out().await {
                warn!(error = %Chain(&error), "it is found out later which sanctions stand");
            }
        }
    }

    /// Looks what became of them, one after another.
    pub(super) async fn find_out(&self) -> Result<(), StorageError> {
        let store = self.storage.cases();
        for case in store.unsure(AT_ONCE).await? {
            // While it is looked at, and before it is tried again.
            let lease = pause(case.tries + 1);
            if !store.take_unsure(&case, lease).await? {
                continue;
            }
            match self.stands(&case).await {
                Ok(true) => {
                    // Whoever is stopped in between does it again.
                    self.cross_late(&case).await?;
                    store.stand(case.guild, case.number).await?;
                    info!(guild.id = %case.guild, case.number = case.number, "a sanction stands");
                }
                Ok(false) => {
                    // Nobody of whose language is known waits for it any more.
                    let why = text!(Language::default(), "sanction-lost");
                    store.void(case.guild, case.number, &why).await?;
                    info!(guild.id = %case.guild, case.number = case.number, "a sanction was not set");
                }
                Err(error) => {
                    warn!(guild.id = %case.guild, case.number = case.number, error = %Chain(&error), "it is not known yet whether a sanction stands");
                }
            }
        }
        Ok(())
    }

    /// What its stings lead to was not looked at.
    async fn cross_late(&self, case: &CaseRow) -> Result<(), StorageError> {
        let Some(kind) = Kind::of(&case.kind) else {
            return Ok(());
        };
        let order = Order {
            guild: case.guild,
            by: case.moderator,
            target: case.target,
            kind,
            reason: case.reason.clone(),
            stings: u32::try_from(case.stings).unwrap_or_default(),
            length: None,
            delete_seconds: 0,
            cause: String::new(),
        };
        let now = self.discord.now();
        let store = self.storage.cases();
        let after = store.stings(case.guild, case.target, now).await?;
        let stings = (after - case.stings, after);
        self.cross(&order, case.number, stings, Language::default())
            .await
            .map(drop)
    }

    async fn stands(&self, case: &CaseRow) -> Result<bool, NotYet> {
        match self.look(case).await {
            Err(NotYet::Discord(error)) if self.is_lost(case, &error) => Ok(false),
            answer => answer,
        }
    }

    fn is_lost(&self, case: &CaseRow, error: &DiscordError) -> bool {
        is_gone(error) && self.discord.now() - case.at > GONE_FOR_GOOD
    }

    async fn look(&self, case: &CaseRow) -> Result<bool, NotYet> {
        let Some(kind) = Kind::of(&case.kind) else {
            return Ok(true);
        };
        if matches!(kind, Kind::Kick | Kind::Timeout) {
            let path = format!("/guilds/{}/members/{}", case.guild, case.target);
            let member = self.discord.get(path).longest_wait(PATIENT).send().await;
            let member = match member {
                Ok(member) => member,
                Err(error) if error.is_not_found() && !is_gone(&error) => return Ok(true),
                Err(error) => return Err(error.into()),
            };
            return Ok(match kind {
                // Who has come back since was away.
                Kind::Kick => {
                    let joined = member["joined_at"].as_str();
                    let joined = joined.and_then(|at| DateTime::parse_from_rfc3339(at).ok());
                    joined.is_some_and(|at| at.to_utc() > case.at)
                }
                _ => timeout_of(&member) >= case.ends_at.map(|ends_at| ends_at - PRECISE),
            });
        }
        let ban = self.ban(case.guild, case.target, PATIENT).await?;
        Ok(match (kind, ban) {
            (Kind::Unban, ban) => ban.is_none(),
            (_, None) => false,
            // Whoever is to be banned for ever is.
            (Kind::Ban, Some(_)) => true,
            (_, Some(ban)) => {
                let reason = ban["reason"].as_str();
                self.is_of_case(case.guild, case.target, reason, case.number)
                    .await?
            }
        })
    }
}

fn is_gone(error: &DiscordError) -> bool {
    error.code().is_some_and(|code| GONE.contains(&code))
}
