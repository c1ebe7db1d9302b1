//! How long tokens are good.

use chrono::{DateTime, TimeDelta, Utc};
use splashtail_storage::{TokenKind, TokenRow};

/// Of a login that is not used.
pub const LOGIN: TimeDelta = TimeDelta::hours(1);
/// Of a login, however much it is used.
pub const LONGEST_LOGIN: TimeDelta = TimeDelta::days(7);
/// Of a token that a person makes.
pub const LONGEST_API: TimeDelta = TimeDelta::days(365);
/// Tokens of a kind that a person can have.
pub const MOST: u32 = 25;

/// A login with less left than this is extended when it is used.
const LOW: TimeDelta = TimeDelta::minutes(30);
/// Uses closer to each other are one.
const NOTED: TimeDelta = TimeDelta::minutes(1);

/// Until when a login that is used now is good, if that changes.
pub fn extended(row: &TokenRow, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let expires_at = row.expires_at.filter(|_| row.kind == TokenKind::Login)?;
    if expires_at - now >= LOW {
        return None;
    }
    let to = (now + LOGIN).min(row.created_at + LONGEST_LOGIN);
    (to > expires_at).then_some(to)
}

pub fn is_worth_noting(row: &TokenRow, now: DateTime<Utc>) -> bool {
    row.last_used_at.is_none_or(|at| now - at >= NOTED)
}

#[cfg(test)]
mod tests {
    use splashtail_core::ids::UserId;
    use splashtail_storage::Owner;
    use uuid::Uuid;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn row(kind: TokenKind, ends: Option<i64>) -> TokenRow {
        TokenRow {
            id: Uuid::nil(),
            owner: Owner::User(UserId::new(1).unwrap()),
            kind,
            name: String::new(),
            perm_limits: Vec::new(),
            maker: None,
            last_used_at: Some(at(10)),
            created_at: at(0),
            expires_at: ends.map(at),
        }
    }

    #[test]
    fn a_login_in_use_is_extended_up_to_a_week() {
        let login = |ends, now| extended(&row(TokenKind::Login, Some(ends)), at(now));
        assert_eq!(login(60, 29), None);
        assert_eq!(login(60, 31), Some(at(91)));
        let week = 7 * 24 * 60;
        assert_eq!(login(week - 20, week - 25), Some(at(week)));
        assert_eq!(login(week, week - 5), None);
        for kind in [TokenKind::Api, TokenKind::Operator] {
            assert_eq!(extended(&row(kind, Some(60)), at(59)), None);
        }
        assert_eq!(extended(&row(TokenKind::Login, None), at(59)), None);
    }

    #[test]
    fn uses_are_noted_once_a_minute() {
        let row = row(TokenKind::Api, None);
        assert!(!is_worth_noting(&row, at(10)));
        assert!(is_worth_noting(&row, at(11)));
    }
}
