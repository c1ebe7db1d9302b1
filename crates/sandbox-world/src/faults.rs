//! Injected misbehaviour: rules that match requests, sessions or events and say what goes wrong.
//!
//! A rule with a probability draws from the seed, its own number and its hit count, so the same
//! script meets the same faults.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What a rule applies to; an absent field matches everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Route template (`/channels/{channel_id}/messages`) or a concrete path, below `/api/v10`.
    /// A trailing `*` matches any rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guild: Option<String>,
    /// Application or user id of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// Name of a gateway event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Answer with this status instead of running the request.
    Status {
        status: u16,
        /// Of a 429: `user`, `global` or `shared`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// Of a 429, seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<f64>,
        /// Of a 429: what the header says when it is not what the body says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header_retry_after: Option<u64>,
        /// Answer an HTML page, as proxies in front of the API do.
        #[serde(default)]
        html: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<serde_json::Value>,
    },
    /// Answer late, in sandbox time.
    Latency { ms: u64 },
    /// Run the request and never answer.
    Hang,
    /// Run the request, then reset the connection.
    Reset,
    /// Run the request, then cut the body in the middle.
    Truncate,
    /// Answers show this bucket while each route counts by its own: distinct buckets under one hash.
    /// Without a name, every answer shows another one.
    Bucket {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Refuse new websocket handshakes with this status.
    GwRefuse { status: u16 },
    /// After a matching GUILD_MEMBER_UPDATE comes a GUILD_MEMBER_ADD for the member, who was there
    /// all along.
    GwMemberAgain,
    /// Close the connection with a code; the session stays resumable where Discord's would.
    GwClose { code: u16 },
    /// Drop the TCP connection without a close frame.
    GwDrop,
    /// Stop answering heartbeats.
    GwZombie,
    /// Ask for a heartbeat at once (op 1).
    GwHeartbeat,
    /// Ask to reconnect (op 7); a close follows.
    GwReconnect,
    /// Op 9.
    GwInvalid { resumable: bool },
    /// Dispatch matching events twice.
    GwDup,
    /// Dispatch matching events late, in sandbox time.
    GwDelay { ms: u64 },
    /// Never dispatch matching events.
    GwLose,
    /// The guild becomes unavailable; lifted by deleting the rule.
    Outage { guild: String },
    /// Audit entries appear late, in sandbox time: in the log and as events. Such rules look at
    /// the guild only.
    AuditDelay { ms: u64 },
    /// Audit entries never appear, neither in the log nor as events.
    AuditLose,
    /// Refuse every REST request with an HTML 403, as for too many invalid requests.
    BlockIp,
}

/// When and where an action can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    /// Live sessions at once, or with the event `HELLO` each new connection.
    Session,
    Event,
    Audit,
    Outage,
    Handshake,
}

impl Action {
    fn kind(&self) -> Kind {
        match self {
            Self::Status { .. }
            | Self::Latency { .. }
            | Self::Hang
            | Self::Reset
            | Self::Truncate
            | Self::Bucket { .. }
            | Self::BlockIp => Kind::Request,
            Self::GwRefuse { .. } => Kind::Handshake,
            Self::GwClose { .. }
            | Self::GwDrop
            | Self::GwZombie
            | Self::GwHeartbeat
            | Self::GwReconnect
            | Self::GwInvalid { .. } => Kind::Session,
            Self::GwDup | Self::GwDelay { .. } | Self::GwLose | Self::GwMemberAgain => Kind::Event,
            Self::AuditDelay { .. } | Self::AuditLose => Kind::Audit,
            Self::Outage { .. } => Kind::Outage,
        }
    }
}

/// Most that anything can be late, in milliseconds: a day.
pub const MAX_LATE_MS: u64 = 86_400_000;
/// Longest wait that a 429 can name, in seconds.
pub const MAX_WAIT: f64 = 86_400.0;

/// The event that stands for a new connection.
const HELLO: &str = "HELLO";

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
    #[error("`retry_after` is a number of seconds, of a 429 only")]
    RetryAfter,
    #[error("`ms` is at most {MAX_LATE_MS}, a day")]
    Late,
    #[error("`retry_after` is at most {MAX_WAIT} seconds, a day")]
    Wait,
    #[error("{0} is no code that a connection can be closed with: 1000 to 1014 or 3000 to 4999")]
    CloseCode(u16),
    #[error("such a rule does not look at `match.{0}`: {1}")]
    Unmatched(&'static str, &'static str),
}

fn one() -> f64 {
    1.0
}

/// A rule as given by the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    #[serde(default, rename = "match")]
    pub matches: Match,
    pub action: Action,
    /// How often it strikes before it is spent; without it, until deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Chance of striking at each match, 0 to 1.
    #[serde(default = "one")]
    pub probability: f64,
}

impl Rule {
    /// Whether the rule strikes live sessions, or takes a guild away, as soon as it is installed,
    /// and nothing later.
    pub fn strikes_at_once(&self) -> bool {
        match self.action.kind() {
            Kind::Session => self.matches.event.is_none(),
            Kind::Outage => true,
            _ => false,
        }
    }

    /// Whether everything in the rule has a meaning.
    ///
    /// # Errors
    /// Something is out of bounds, or `match` names what such a rule never looks at, so that it
    /// would silently strike nothing, or everything.
    pub fn check(&self) -> Result<(), RuleError> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(RuleError::Probability);
        }
        match &self.action {
            Action::GwRefuse { status } if !(400..600).contains(status) => {
                return Err(RuleError::Refusal);
            }
            Action::Status { status, .. } if !(200..600).contains(status) => {
                return Err(RuleError::Status);
            }
            Action::Status {
                status,
                scope,
                retry_after,
                header_retry_after,
                ..
            } => {
                if header_retry_after.is_some() && *status != 429 {
                    return Err(RuleError::RetryAfter);
                }
                let limited = *status == 429;
                let scope = scope.as_deref();
                if scope.is_some_and(|s| !limited || !["user", "global", "shared"].contains(&s)) {
                    return Err(RuleError::Scope);
                }
                if retry_after.is_some_and(|s| !limited || s < 0.0) {
                    return Err(RuleError::RetryAfter);
                }
                if retry_after.is_some_and(|s| s > MAX_WAIT) {
                    return Err(RuleError::Wait);
                }
            }
            Action::Latency { ms } | Action::GwDelay { ms } | Action::AuditDelay { ms }
                if *ms > MAX_LATE_MS =>
            {
                return Err(RuleError::Late);
            }
            // RFC 6455 §7.4: 1005, 1006 and 1015 are never sent, 1004 means nothing.
            Action::GwClose { code } if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) => {
                return Err(RuleError::CloseCode(*code));
            }
            _ => {}
        }
        self.matches.check(self.action.kind())
    }
}

impl Match {
    fn check(&self, kind: Kind) -> Result<(), RuleError> {
        let opening = self.event.as_deref() == Some(HELLO);
        let (looks_at, why): (&[&str], _) = match kind {
            Kind::Request => (
                &["method", "route", "guild", "token"],
                "it strikes requests",
            ),
            Kind::Session if opening => (&["event"], "a new connection has not said who it is"),
            Kind::Session if self.event.is_some() => (
                &["guild", "token", "shard"],
                "it strikes sessions at once, or new connections with the event HELLO",
            ),
            Kind::Session => (&["guild", "token", "shard"], "it strikes sessions"),
            Kind::Event => (&["guild", "token", "shard", "event"], "it strikes events"),
            Kind::Audit => (&["guild"], "it strikes audit entries"),
            Kind::Outage => (&[], "the action names the guild"),
            Kind::Handshake => (&[], "whoever knocks has not said who it is"),
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

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveRule {
    pub id: u64,
    #[serde(flatten)]
    pub rule: Rule,
    /// Times it matched.
    pub matched: u64,
    /// Times it struck.
    pub struck: u64,
}

impl ActiveRule {
    /// Counts a match and draws whether it strikes; `false` once it is spent.
    fn hit(&mut self, seed: u64) -> bool {
        if self.rule.times.is_some_and(|t| self.struck >= u64::from(t)) {
            return false;
        }
        self.matched += 1;
        let strikes = draw(seed, self.id, self.matched) < self.rule.probability;
        self.struck += u64::from(strikes);
        strikes
    }
}

/// The facts of a request or event that rules look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    pub method: &'a str,
    pub route: &'a str,
    pub path: &'a str,
    pub guild: Option<&'a str>,
    pub token: Option<&'a str>,
    pub shard: Option<u32>,
    pub event: &'a str,
}

impl Match {
    /// Whether all it names is so.
    pub fn applies(&self, facts: &Facts<'_>) -> bool {
        let route = |wanted: &str| match wanted.strip_suffix('*') {
            Some(prefix) => facts.route.starts_with(prefix) || facts.path.starts_with(prefix),
            None => facts.route == wanted || facts.path == wanted,
        };
        self.method
            .as_deref()
            .is_none_or(|m| m.eq_ignore_ascii_case(facts.method))
            && self.route.as_deref().is_none_or(route)
            && self.guild.as_deref().is_none_or(|g| facts.guild == Some(g))
            && self.token.as_deref().is_none_or(|t| facts.token == Some(t))
            && self.shard.is_none_or(|s| facts.shard == Some(s))
            && self.event.as_deref().is_none_or(|e| e == facts.event)
    }
}

/// All rules in force, in the order they were given.
#[derive(Debug)]
pub struct Faults {
    seed: AtomicU64,
    rules: Mutex<(u64, Vec<ActiveRule>)>,
}

impl Faults {
    pub fn new(seed: u64) -> Self {
        Self {
            seed: seed.into(),
            rules: Mutex::default(),
        }
    }

    fn rules(&self) -> MutexGuard<'_, (u64, Vec<ActiveRule>)> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs a rule; returns its id.
    pub fn add(&self, rule: Rule) -> u64 {
        let mut rules = self.rules();
        rules.0 += 1;
        let id = rules.0;
        rules.1.push(ActiveRule {
            id,
            rule,
            matched: 0,
            struck: 0,
        });
        id
    }

    /// Removes a rule; `None` when there is no such rule.
    pub fn remove(&self, id: u64) -> Option<ActiveRule> {
        let mut rules = self.rules();
        let at = rules.1.iter().position(|r| r.id == id)?;
        Some(rules.1.remove(at))
    }

    /// Removes every rule, as when a world is loaded with this seed.
    pub fn restart(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
        self.clear();
    }

    /// Removes every rule and starts numbering at 1 again.
    pub fn clear(&self) {
        *self.rules() = (0, Vec::new());
    }

    /// Whether a rule that strikes at once does strike what it matches.
    pub fn hit(&self, id: u64) -> bool {
        let seed = self.seed.load(Ordering::Relaxed);
        let mut rules = self.rules();
        let rule = rules.1.iter_mut().find(|r| r.id == id);
        rule.is_some_and(|rule| rule.hit(seed))
    }

    /// Whether no rule is in force.
    pub fn is_empty(&self) -> bool {
        self.rules().1.is_empty()
    }

    pub fn list(&self) -> Vec<ActiveRule> {
        self.rules().1.clone()
    }

    /// Every action that strikes this request, in order.
    pub fn on_request(&self, facts: &Facts<'_>) -> Vec<Action> {
        self.strike(facts, |rule| rule.action.kind() == Kind::Request)
    }

    /// Every action that strikes this dispatch, in order.
    pub fn on_event(&self, facts: &Facts<'_>) -> Vec<Action> {
        self.strike(facts, |rule| rule.action.kind() == Kind::Event)
    }

    /// What happens to an audit entry that is being written: how many milliseconds late it
    /// appears, `None` when it never does.
    pub fn on_audit_entry(&self, guild: &str) -> Option<u64> {
        let facts = Facts {
            guild: Some(guild),
            event: "GUILD_AUDIT_LOG_ENTRY_CREATE",
            ..Facts::default()
        };
        let struck = self.strike(&facts, |rule| rule.action.kind() == Kind::Audit);
        struck.iter().try_fold(0_u64, |late, action| match action {
            Action::AuditDelay { ms } => Some(late.saturating_add(*ms)),
            _ => None,
        })
    }

    /// The status that refuses a handshake now, if one does.
    pub fn on_handshake(&self) -> Option<u16> {
        let struck = self.strike(&Facts::default(), |rule| {
            rule.action.kind() == Kind::Handshake
        });
        struck.iter().find_map(|action| match action {
            Action::GwRefuse { status } => Some(*status),
            _ => None,
        })
    }

    /// Every action that strikes a connection as it opens: rules of the gateway kind that match
    /// the event `HELLO`.
    pub fn on_connect(&self) -> Vec<Action> {
        let facts = Facts {
            event: HELLO,
            ..Facts::default()
        };
        self.strike(&facts, |rule| {
            rule.action.kind() == Kind::Session && !rule.strikes_at_once()
        })
    }

    fn strike(&self, facts: &Facts<'_>, wanted: impl Fn(&Rule) -> bool) -> Vec<Action> {
        let mut rules = self.rules();
        if rules.1.is_empty() {
            return Vec::new();
        }
        let seed = self.seed.load(Ordering::Relaxed);
        let mut struck = Vec::new();
        for rule in &mut rules.1 {
            let applies = wanted(&rule.rule) && rule.rule.matches.applies(facts);
            if applies && rule.hit(seed) {
                struck.push(rule.rule.action.clone());
            }
        }
        struck
    }
}

/// Uniform in `0..1` (splitmix64).
pub(crate) fn draw(seed: u64, rule: u64, hit: u64) -> f64 {
    let mut z = seed ^ rule.rotate_left(32) ^ hit.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: serde_json::Value) -> Rule {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says() {
        let faults = Faults::new(1);
        faults.add(rule(serde_json::json!({
            "match": {"method": "post", "route": "/channels/{channel_id}/messages"},
            "action": {"type": "status", "status": 503, "html": true}, "times": 2})));
        let facts = Facts {
            method: "POST",
            route: "/channels/{channel_id}/messages",
            ..Facts::default()
        };
        assert!(
            faults
                .on_request(&Facts {
                    method: "GET",
                    ..facts
                })
                .is_empty()
        );
        assert_eq!(faults.on_request(&facts).len(), 1);
        assert_eq!(faults.on_request(&facts).len(), 1);
        assert!(faults.on_request(&facts).is_empty(), "spent");
    }

    #[test]
    fn probability_is_reproducible() {
        let run = || {
            let faults = Faults::new(7);
            faults.add(rule(
                serde_json::json!({"action": {"type": "gw_lose"}, "probability": 0.5}),
            ));
            (0..1000)
                .map(|_| {
                    faults
                        .on_event(&Facts {
                            event: "MESSAGE_CREATE",
                            ..Facts::default()
                        })
                        .len()
                })
                .collect::<Vec<_>>()
        };
        let struck: usize = run().iter().sum();
        assert!((400..600).contains(&struck), "{struck}");
        assert_eq!(run(), run());
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
            serde_json::json!({"match": {name: value}, "action": {"type": action, "ms": 1}})
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
