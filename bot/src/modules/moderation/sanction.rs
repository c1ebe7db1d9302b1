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

/// Lines of cases.
pub(super) const BANS: &str = "ban";
pub(super) const TIMEOUTS: &str = "timeout";

/// Of a case: somebody did it without the bot.
pub(super) const OUTSIDE: &str = "outside";

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

    /// What takes the place of each other: whatever somebody's ban or timeout was to become before, it is
    /// this now.
    pub const fn line(self) -> Option<&'static str> {
        match self {
            Self::Ban | Self::TempBan | Self::Unban => Some(BANS),
            Self::Timeout => Some(TIMEOUTS),
            Self::Kick => None,
        }
    }

    /// Whether it ends by itself.
    pub const fn ends(self) -> bool {
        matches!(self, Self::TempBan | Self::Timeout)
    }

    pub const fn is_ban(self) -> bool {
        matches!(self, Self::Ban | Self::TempBan)
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

/// The case whose mark a ban has.
pub(super) fn marked(reason: Option<&str>) -> Option<i64> {
    let (number, _) = reason?.strip_prefix("[#")?.split_once(']')?;
    let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
    number.parse().ok().filter(|_| is_number)
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
    fn a_ban_says_of_which_case_it_is() {
        assert_eq!(marked(Some(&format!("{} spam", mark(12)))), Some(12));
        let others = ["spam", "see [#12]", "[#+12] x", "[#12", "[#] x", "[#1 2] x"];
        for other in others.map(Some).into_iter().chain([None]) {
            assert_eq!(marked(other), None, "{other:?}");
        }
    }

    #[test]
    fn bans_and_timeouts_do_not_take_the_place_of_each_other() {
        assert_eq!(Kind::Ban.line(), Kind::Unban.line());
        assert_ne!(Kind::Ban.line(), Kind::Timeout.line());
        assert!(
            Kind::ALL
                .into_iter()
                .all(|kind| !kind.ends() || kind.line().is_some())
        );
    }
}
