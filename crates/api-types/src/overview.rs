//! A server at a glance.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::health::GuildHealth;
use crate::incidents::IncidentSummary;
use crate::tasks::PartialTask;

/// What somebody who opens a server's page wants to know first. Parts that they may not look at are
/// `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuildOverview {
    pub state: ProtectionState,
    /// The newest three; `/guilds/{guild_id}/incidents` has the others.
    pub incidents: Option<Vec<IncidentSummary>>,
    pub health: Option<GuildHealth>,
    pub backups: Option<BackupsAtAGlance>,
}

/// The worst that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtectionState {
    /// Somebody is at it, or could not be stopped within the last hour.
    AttackRunning,
    /// It is over, and nothing has been put back.
    NotPutBack,
    Off,
    /// You may not look at it.
    Unknown,
    /// Attacks are written down, and nothing is done about them.
    OnlyWatching,
    /// On, and something is wrong.
    Gaps,
    Protected,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackupsAtAGlance {
    /// The newest that was completed.
    pub newest: Option<PartialTask>,
    /// Jobs that wait or run.
    pub running: Vec<PartialTask>,
    /// When schedules make the next one; `null`: nothing is scheduled.
    pub next_at: Option<DateTime<Utc>>,
}

/// How fast incidents were answered lately, in the whole installation. Times are in milliseconds; `null`
/// where nothing was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReactionTimes {
    /// Incidents that were measured: the newest 1,000 of thirty days at most.
    pub incidents: usize,
    /// From what decided being heard to the first call being sent.
    pub sent: Option<Percentiles>,
    /// From what decided being heard to Discord's answer to the first call.
    pub acknowledged: Option<Percentiles>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Percentiles {
    pub p50_ms: u64,
    pub p99_ms: u64,
}

impl Percentiles {
    /// Nearest rank; `None` of nothing.
    pub fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let at = |share: usize| values.get((values.len() * share).div_ceil(100).saturating_sub(1));
        Some(Self {
            p50_ms: *at(50)?,
            p99_ms: *at(99)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_there_were() {
        assert_eq!(Percentiles::of(Vec::new()), None);
        let of = |values: Vec<u64>| {
            let Percentiles { p50_ms, p99_ms } = Percentiles::of(values).unwrap();
            (p50_ms, p99_ms)
        };
        assert_eq!(of(vec![7]), (7, 7));
        assert_eq!(of((1..=100).rev().collect()), (50, 99));
        assert_eq!(of(vec![30, 10, 20]), (20, 30));
    }
}
