//! How well a server is set up, as its bot finds it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is wrong in a server, what setting it up still lacks, and what the bot sees of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuildHealth {
    /// Of protection: `on`, `dry_run` or `off`.
    pub mode: String,
    /// Worst first; none: nothing is wrong.
    pub findings: Vec<HealthFinding>,
    /// The steps of setting up, in their order.
    pub steps: Vec<SetupStep>,
    /// Channels that the server has, as far as the bot knows.
    pub channels: usize,
    /// Channels that the bot cannot see, by category.
    pub hidden: Vec<HiddenChannels>,
    /// Permissions that modules want and the bot does not have.
    pub lacking: Vec<LackingPermission>,
    /// The bot's highest role.
    pub own_role: Option<String>,
    /// Roles above it whose holders could do harm, the highest first.
    pub roles_above: Vec<String>,
    /// Where alerts go, whether or not they arrive there.
    pub alert_channel: Option<String>,
    /// Gives the bot what it lacks, for whoever manages the server.
    pub invite: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthFinding {
    /// `broken`, `timed_out`, `off`, `no_audit_log`, `database_away`, `alerts_gone`, `alerts_mute`,
    /// `no_alerts`, `dry_run`, `lacking`, `role_too_low`, `hidden`, `jobserver_away`, `shards_down`,
    /// `anybody_prunes` or `no_second_factor`.
    pub code: String,
    /// `bad`: attacks are not stopped, or nobody hears of them; `weak`: some are not, or some of the
    /// server is not saved; `advice`.
    pub severity: String,
    /// Sentences with what to do, in English and Discord's Markdown.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetupStep {
    /// `permissions`, `sight`, `position`, `alerts`, `limits` or `mode`.
    pub id: String,
    /// `done`, `passed` (the owner knows and went on) or `open`.
    pub state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HiddenChannels {
    /// `null`: in none.
    pub category: Option<String>,
    pub channels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LackingPermission {
    /// Discord's bits, as a decimal number.
    pub permissions: String,
    /// The modules that want it.
    pub modules: Vec<String>,
    /// What for, one for each of them, in English.
    pub reasons: Vec<String>,
}
