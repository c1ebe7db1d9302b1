//! What a moderator can do to one person.

use chrono::TimeDelta;
use splashtail_core::ids::{GuildId, UserId};

use crate::catalogue::Language;
use crate::text;

/// Longest timeout (Discord documentation, "Modify Guild Member").
pub(super) const LONGEST_TIMEOUT: TimeDelta = TimeDelta::days(28);
/// Bounds of a ban that ends.
pub(super) const SHORTEST_BAN: TimeDelta = TimeDelta::minutes(1);
pub(super) const LONGEST_BAN: TimeDelta = TimeDelta::days(5 * 365);
/// Longest reason that somebody can give: its place in the audit log has a mark, too.
pub(super) const LONGEST_REASON: usize = 384;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Kick,
    Ban,
    TempBan,
    Unban,
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub guild: GuildId,
    /// `None`: a rule of the server.
    pub by: Option<UserId>,
    pub target: UserId,
    pub kind: Kind,
    pub reason: String,
    pub stings: u32,
    /// Of what ends by itself.
    pub length: Option<TimeDelta>,
    /// Messages of so many seconds go with a ban.
    pub delete_seconds: u32,
    /// Names what brought it about, so that it is done once.
    pub cause: String,
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::Kick,
        Self::Ban,
        Self::TempBan,
        Self::Unban,
        Self::Timeout,
    ];

    /// As rows have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kick => "kick",
            Self::Ban => "ban",
            Self::TempBan => "temp_ban",
            Self::Unban => "unban",
            Self::Timeout => "timeout",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// As the audit log numbers it (Discord documentation, "Audit Log Events").
    pub const fn action(self) -> u16 {
        match self {
            Self::Kick => 20,
            Self::Ban | Self::TempBan => 22,
            Self::Unban => 23,
            Self::Timeout => 24,
        }
    }

    pub const fn default_stings(self) -> u32 {
        match self {
            Self::Kick | Self::Unban => 0,
            Self::Ban | Self::TempBan | Self::Timeout => 1,
        }
    }

    /// Whatever somebody's ban was to become before, it is this now.
    pub const fn supersedes(self) -> bool {
        matches!(self, Self::Ban | Self::TempBan | Self::Unban)
    }

    /// In a sentence about a case.
    pub fn name(self, language: Language) -> String {
        match self {
            Self::Kick => text!(language, "case-kind-kick"),
            Self::Ban => text!(language, "case-kind-ban"),
            Self::TempBan => text!(language, "case-kind-temp-ban"),
            Self::Unban => text!(language, "case-kind-unban"),
            Self::Timeout => text!(language, "case-kind-timeout"),
        }
    }
}

/// By which a ban is known again as that of a case. It comes first, so that a long reason does not cut
/// it off.
pub(super) fn mark(number: i64) -> String {
    format!("[#{number}]")
}

/// Whether somebody's ban is still that of a case.
pub(super) fn is_ours(reason: Option<&str>, number: i64) -> bool {
    reason.is_some_and(|reason| reason.starts_with(&mark(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::of("warn"), None);
    }

    #[test]
    fn a_ban_of_somebody_else_is_not_ours() {
        assert!(is_ours(Some("[#12] spam"), 12));
        for other in [None, Some("spam"), Some("[#120] spam"), Some("see [#12]")] {
            assert!(!is_ours(other, 12), "{other:?}");
        }
    }
}
