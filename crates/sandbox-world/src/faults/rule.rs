//! What a rule matches, and what it does.

use serde::{Deserialize, Serialize};

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
pub(super) enum Kind {
    Request,
    /// Live sessions at once, or with the event `HELLO` each new connection.
    Session,
    Event,
    Audit,
    Outage,
    Handshake,
}

impl Action {
    pub(super) fn kind(&self) -> Kind {
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
