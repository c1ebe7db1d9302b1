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

impl Action {
    /// Whether the action strikes every matching live session once, as soon as the rule is
    /// installed, and nothing later. (A rule for the event `HELLO` strikes new connections
    /// instead.)
    pub fn is_immediate(&self) -> bool {
        matches!(
            self,
            Self::GwClose { .. }
                | Self::GwDrop
                | Self::GwZombie
                | Self::GwHeartbeat
                | Self::GwReconnect
                | Self::GwInvalid { .. }
                | Self::Outage { .. }
        )
    }

    fn is_rest(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::Latency { .. }
                | Self::Hang
                | Self::Reset
                | Self::Truncate
                | Self::BlockIp
        )
    }
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
    pub(crate) fn applies(&self, facts: &Facts<'_>) -> bool {
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

    /// Notes that an immediate rule struck `count` sessions.
    pub fn struck(&self, id: u64, count: u64) {
        if let Some(rule) = self.rules().1.iter_mut().find(|r| r.id == id) {
            rule.matched += count;
            rule.struck += count;
        }
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
        self.strike(facts, |rule| rule.action.is_rest())
    }

    /// Every action that strikes this dispatch, in order.
    pub fn on_event(&self, facts: &Facts<'_>) -> Vec<Action> {
        self.strike(facts, |rule| {
            matches!(
                rule.action,
                Action::GwDup | Action::GwDelay { .. } | Action::GwLose
            )
        })
    }

    /// What happens to an audit entry that is being written: how many milliseconds late it
    /// appears, `None` when it never does.
    pub fn on_audit_entry(&self, guild: &str) -> Option<u64> {
        let facts = Facts {
            guild: Some(guild),
            event: "GUILD_AUDIT_LOG_ENTRY_CREATE",
            ..Facts::default()
        };
        let struck = self.strike(&facts, |rule| {
            matches!(rule.action, Action::AuditDelay { .. } | Action::AuditLose)
        });
        struck.iter().try_fold(0, |late, action| match action {
            Action::AuditDelay { ms } => Some(late + ms),
            _ => None,
        })
    }

    /// Every action that strikes a connection as it opens: rules of the gateway kind that match
    /// the event `HELLO`.
    pub fn on_connect(&self) -> Vec<Action> {
        let facts = Facts {
            event: "HELLO",
            ..Facts::default()
        };
        self.strike(&facts, |rule| {
            rule.matches.event.as_deref() == Some("HELLO")
                && rule.action.is_immediate()
                && !matches!(rule.action, Action::Outage { .. })
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
            let spent = rule.rule.times.is_some_and(|t| rule.struck >= u64::from(t));
            if spent || !wanted(&rule.rule) || !rule.rule.matches.applies(facts) {
                continue;
            }
            rule.matched += 1;
            if draw(seed, rule.id, rule.matched) < rule.rule.probability {
                rule.struck += 1;
                struck.push(rule.rule.action.clone());
            }
        }
        struck
    }
}

/// Uniform in `0..1` (splitmix64).
fn draw(seed: u64, rule: u64, hit: u64) -> f64 {
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
    fn unknown_fields_are_refused() {
        let bad = serde_json::json!({"match": {"metod": "GET"}, "action": {"type": "hang"}});
        assert!(serde_json::from_value::<Rule>(bad).is_err());
    }
}
