//! Bounds of rules, and what would silently strike nothing.

use super::action::{Action, Kind};
use super::rule::{HELLO, Match, Rule};

/// Most that anything can be late, in milliseconds, however many rules delay it: a day.
pub const MAX_LATE_MS: u64 = 86_400_000;
/// Longest wait that a 429 can name, in seconds.
pub const MAX_WAIT: u32 = 86_400;
/// Bytes that the body of an injected answer may have.
const MAX_BODY: usize = 256 << 10;
/// Characters of a bucket's name.
const MAX_NAME: usize = 100;

/// What `late_ms` becomes when another rule adds `ms` to it.
pub fn later(late_ms: u64, ms: u64) -> u64 {
    late_ms.saturating_add(ms).min(MAX_LATE_MS)
}

/// Why a rule would not do what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("`probability` lies between 0 and 1")]
    Probability,
    #[error("`status` lies between 200 and 599")]
    Status,
    #[error("`status` of a refused handshake lies between 400 and 599")]
    Refusal,
    #[error("`scope` is user, global or shared, and of a 429 only")]
    Scope,
    #[error("`{0}` is a number of seconds, of a 429 only")]
    NoWait(&'static str),
    #[error("`{0}` lies between 0 and {MAX_WAIT} seconds, a day")]
    Wait(&'static str),
    #[error("`body` has at most {MAX_BODY} bytes")]
    Body,
    #[error("`html` is an answer of its own, so `body` cannot be")]
    Page,
    #[error("`name` has 1 to {MAX_NAME} letters, digits, `-` or `_`")]
    Bucket,
    #[error("`ms` is at most {MAX_LATE_MS}, a day")]
    Late,
    #[error("{0} is no code that a connection can be closed with: 1000 to 1014 or 3000 to 4999")]
    CloseCode(u16),
    #[error("such a rule does not look at `match.{0}`: {1}")]
    Unmatched(&'static str, &'static str),
}

impl Rule {
    /// Whether everything in the rule has a meaning.
    ///
    /// # Errors
    /// Something is out of bounds, or `match` names what such a rule never looks at, so that it
    /// would silently strike nothing, or everything.
    pub fn check(&self) -> Result<(), RuleError> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(RuleError::Probability);
        }
        self.action.check()?;
        self.matches.check(self.action.kind())
    }
}

impl Action {
    fn check(&self) -> Result<(), RuleError> {
        match self {
            Self::GwRefuse { status } => hold((400..600).contains(status), RuleError::Refusal),
            Self::Status {
                status,
                scope,
                retry_after,
                header_retry_after,
                html,
                body,
            } => {
                hold((200..600).contains(status), RuleError::Status)?;
                let limited = *status == 429;
                let known = |s: &String| limited && SCOPES.contains(&s.as_str());
                hold(scope.as_ref().is_none_or(known), RuleError::Scope)?;
                let header = header_retry_after.map(|seconds| seconds as f64);
                for (name, seconds) in [
                    ("retry_after", *retry_after),
                    ("header_retry_after", header),
                ] {
                    hold(limited || seconds.is_none(), RuleError::NoWait(name))?;
                    bounded(name, seconds)?;
                }
                let Some(body) = body else { return Ok(()) };
                hold(!html, RuleError::Page)?;
                hold(body.to_string().len() <= MAX_BODY, RuleError::Body)?;
                bounded("body.retry_after", body["retry_after"].as_f64())
            }
            Self::Latency { ms } | Self::GwDelay { ms } | Self::AuditDelay { ms } => {
                hold(*ms <= MAX_LATE_MS, RuleError::Late)
            }
            Self::Bucket { name: Some(name) } => {
                let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
                let fits = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain);
                hold(fits, RuleError::Bucket)
            }
            Self::GwClose { code } => {
                // RFC 6455 §7.4: 1005, 1006 and 1015 are never sent, 1004 means nothing.
                let sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
                hold(sent, RuleError::CloseCode(*code))
            }
            Self::Hang {}
            | Self::Reset {}
            | Self::Truncate {}
            | Self::Bucket { name: None }
            | Self::BlockIp {}
            | Self::GwMemberAgain {}
            | Self::GwDrop {}
            | Self::GwZombie {}
            | Self::GwHeartbeat {}
            | Self::GwReconnect {}
            | Self::GwInvalid { .. }
            | Self::GwDup {}
            | Self::GwLose {}
            | Self::AuditLose {}
            | Self::Outage { .. } => Ok(()),
        }
    }
}

const SCOPES: [&str; 3] = ["user", "global", "shared"];

fn hold(is_so: bool, error: RuleError) -> Result<(), RuleError> {
    if is_so { Ok(()) } else { Err(error) }
}

fn bounded(name: &'static str, seconds: Option<f64>) -> Result<(), RuleError> {
    let fits = |seconds: f64| (0.0..=f64::from(MAX_WAIT)).contains(&seconds);
    hold(seconds.is_none_or(fits), RuleError::Wait(name))
}

impl Match {
    fn check(&self, kind: Kind) -> Result<(), RuleError> {
        let opening = self.event.as_deref() == Some(HELLO);
        let looks_at: &[&str] = match kind {
            Kind::Session if opening => &["event"],
            kind => kind.looks_at(),
        };
        let why = match kind {
            Kind::Session if opening => "a new connection has not said who it is",
            Kind::Session if self.event.is_some() => {
                "it strikes sessions at once, or new connections with the event HELLO"
            }
            Kind::Outage => "the action names the guild",
            Kind::Handshake => "whoever knocks has not said who it is",
            Kind::Request => "it strikes requests",
            Kind::Session => "it strikes sessions",
            Kind::Event => "it strikes events",
            Kind::Audit => "it strikes audit entries",
        };
        let given = [
            ("method", self.method.is_some()),
            ("route", self.route.is_some()),
            ("guild", self.guild.is_some()),
            ("token", self.token.is_some()),
            ("shard", self.shard.is_some()),
            ("event", self.event.is_some()),
        ];
        match given
            .iter()
            .find(|(name, is)| *is && !looks_at.contains(name))
        {
            Some((name, _)) => Err(RuleError::Unmatched(name, why)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: serde_json::Value) -> Rule {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_rules_add_up_to_is_bounded() {
        assert_eq!(later(later(0, 5), 6), 11);
        assert_eq!(later(MAX_LATE_MS - 1, 2), MAX_LATE_MS);
        assert_eq!(later(u64::MAX, 1), MAX_LATE_MS);
    }

    #[test]
    fn a_rule_that_could_not_do_what_it_says_is_refused() {
        let bad = |json: serde_json::Value| rule(json).check().unwrap_err().to_string();
        let on = |name: &str, action: &str| {
            let value = if name == "shard" {
                serde_json::json!(0)
            } else {
                "1".into()
            };
            let mut action = serde_json::json!({"type": action});
            if action["type"] != "gw_drop" {
                action["ms"] = 1.into();
            }
            serde_json::json!({"match": {name: value}, "action": action})
        };
        for (action, looks_at) in [
            ("latency", &["method", "route", "guild", "token"][..]),
            ("gw_drop", &["guild", "token", "shard"]),
            ("gw_delay", &["guild", "token", "shard", "event"]),
            ("audit_delay", &["guild"]),
        ] {
            for name in ["method", "route", "guild", "token", "shard", "event"] {
                let result = rule(on(name, action)).check();
                assert_eq!(result.is_ok(), looks_at.contains(&name), "{action} {name}");
            }
        }
        let hello = serde_json::json!({"event": "HELLO"});
        let opening = serde_json::json!({"match": hello, "action": {"type": "gw_drop"}});
        assert_eq!(rule(opening.clone()).check(), Ok(()));
        assert!(!rule(opening).strikes_at_once());
        for (action, field) in [
            (
                serde_json::json!({"type": "status", "status": 101}),
                "status",
            ),
            (
                serde_json::json!({"type": "status", "status": 600}),
                "status",
            ),
            (
                serde_json::json!({"type": "status", "status": 500, "scope": "user"}),
                "scope",
            ),
            (
                serde_json::json!({"type": "status", "status": 429, "scope": "all"}),
                "scope",
            ),
            (
                serde_json::json!({"type": "status", "status": 429, "retry_after": -1}),
                "retry",
            ),
            (
                serde_json::json!({"type": "gw_close", "code": 1006}),
                "1006",
            ),
            (
                serde_json::json!({"type": "status", "status": 429, "retry_after": 1e300}),
                "retry",
            ),
            (
                serde_json::json!({"type": "latency", "ms": u64::MAX}),
                "`ms`",
            ),
            (
                serde_json::json!({"type": "gw_delay", "ms": MAX_LATE_MS + 1}),
                "`ms`",
            ),
            (
                serde_json::json!({"type": "audit_delay", "ms": u64::MAX}),
                "`ms`",
            ),
            (
                serde_json::json!({"type": "gw_close", "code": 5000}),
                "5000",
            ),
            (
                serde_json::json!({"type": "status", "status": 429, "header_retry_after": 86_401}),
                "`header_retry_after` lies between 0 and 86400",
            ),
            (
                serde_json::json!({"type": "status", "status": 503, "header_retry_after": 1}),
                "`header_retry_after`",
            ),
            (
                serde_json::json!({"type": "status", "status": 429, "body": {"retry_after": 1e300}}),
                "`body.retry_after`",
            ),
            (
                serde_json::json!({"type": "status", "status": 503, "body": {"retry_after": -1}}),
                "`body.retry_after`",
            ),
            (
                serde_json::json!({"type": "status", "status": 500, "body": "x".repeat(MAX_BODY)}),
                "`body`",
            ),
            (
                serde_json::json!({"type": "status", "status": 500, "html": true, "body": {}}),
                "`html`",
            ),
            (
                serde_json::json!({"type": "bucket", "name": "ä b"}),
                "`name`",
            ),
            (serde_json::json!({"type": "bucket", "name": ""}), "`name`"),
        ] {
            let message = bad(serde_json::json!({"action": action}));
            assert!(message.contains(field), "{message}");
        }
        assert!(
            bad(serde_json::json!({"action": {"type": "hang"}, "probability": 2}))
                .contains("probability")
        );
    }

    #[test]
    fn unknown_fields_are_refused() {
        let bad = serde_json::json!({"match": {"metod": "GET"}, "action": {"type": "hang"}});
        assert!(serde_json::from_value::<Rule>(bad).is_err());
    }
}
