//! What is wrong in a server, worst first.

use splashtail_antinuke::Mode;
use splashtail_discord::permissions::bits;
use splashtail_guild::Id;

use super::look::{Alerts, Look};
use crate::modules::antinuke::NoIdentity;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Attacks are not stopped, or nobody hears of them.
    Bad,
    /// Some attacks are not stopped, or some of the server is not saved.
    Weak,
    /// Could be better.
    Advice,
}

/// One thing that is wrong. Those of equal severity come in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    Broken(NoIdentity),
    TimedOut,
    Off,
    NoAuditLog,
    DatabaseAway,
    AlertsGone(Id),
    AlertsMute(Id, u64),
    NoAlerts,
    DryRun,
    /// Permissions that modules lack, but for those of other findings.
    Lacking,
    RoleTooLow,
    Hidden,
    JobserverAway,
    /// Shards of this cluster that are not connected, of all.
    ShardsDown(usize, usize),
    AnybodyPrunes,
    NoSecondFactor,
}

/// What is not the server's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    pub jobserver: bool,
    pub database: bool,
    pub shards_down: usize,
    pub shards: usize,
}

impl Severity {
    /// For programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Weak => "weak",
            Self::Advice => "advice",
        }
    }
}

impl Finding {
    /// For programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Broken(_) => "broken",
            Self::TimedOut => "timed_out",
            Self::Off => "off",
            Self::NoAuditLog => "no_audit_log",
            Self::DatabaseAway => "database_away",
            Self::AlertsGone(_) => "alerts_gone",
            Self::AlertsMute(..) => "alerts_mute",
            Self::NoAlerts => "no_alerts",
            Self::DryRun => "dry_run",
            Self::Lacking => "lacking",
            Self::RoleTooLow => "role_too_low",
            Self::Hidden => "hidden",
            Self::JobserverAway => "jobserver_away",
            Self::ShardsDown(..) => "shards_down",
            Self::AnybodyPrunes => "anybody_prunes",
            Self::NoSecondFactor => "no_second_factor",
        }
    }

    pub fn severity(&self) -> Severity {
        match self {
            Self::Broken(_)
            | Self::TimedOut
            | Self::Off
            | Self::NoAuditLog
            | Self::DatabaseAway
            | Self::AlertsGone(_)
            | Self::AlertsMute(..) => Severity::Bad,
            Self::NoAlerts
            | Self::DryRun
            | Self::Lacking
            | Self::RoleTooLow
            | Self::Hidden
            | Self::JobserverAway
            | Self::ShardsDown(..) => Severity::Weak,
            Self::AnybodyPrunes | Self::NoSecondFactor => Severity::Advice,
        }
    }

    /// Everything that is wrong, worst first.
    pub fn all(look: &Look, platform: Platform) -> Vec<Self> {
        let no_log = look.lacks(bits::VIEW_AUDIT_LOG);
        let rest = look
            .lacking
            .keys()
            .any(|bits| *bits != bits::VIEW_AUDIT_LOG);
        let alerts = match look.alerts {
            Alerts::Nowhere => Some(Self::NoAlerts),
            Alerts::Gone(id) => Some(Self::AlertsGone(id)),
            Alerts::Mute(id, lacking) => Some(Self::AlertsMute(id, lacking)),
            Alerts::Fine(_) => None,
        };
        let mode = match look.mode {
            Mode::Off => Some(Self::Off),
            Mode::DryRun => Some(Self::DryRun),
            Mode::On => None,
        };
        let down = Self::ShardsDown(platform.shards_down, platform.shards);
        let mut found: Vec<Self> = [
            look.broken.map(Self::Broken),
            look.timed_out.then_some(Self::TimedOut),
            mode,
            no_log.then_some(Self::NoAuditLog),
            (!platform.database).then_some(Self::DatabaseAway),
            alerts,
            rest.then_some(Self::Lacking),
            (!look.above.is_empty()).then_some(Self::RoleTooLow),
            (!look.hidden.is_empty()).then_some(Self::Hidden),
            (!platform.jobserver).then_some(Self::JobserverAway),
            (platform.shards_down > 0).then_some(down),
            look.anybody_prunes.then_some(Self::AnybodyPrunes),
            look.no_second_factor.then_some(Self::NoSecondFactor),
        ]
        .into_iter()
        .flatten()
        .collect();
        found.sort_by_key(Self::severity);
        found
    }
}
