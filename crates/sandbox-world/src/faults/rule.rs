//! What a rule matches, and what it does.

use serde::{Deserialize, Serialize};

use super::action::{Action, Kind};

/// The event that stands for a new connection.
pub(super) const HELLO: &str = "HELLO";

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
}

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
