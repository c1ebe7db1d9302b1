//! What happens in repositories, told in channels.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Events of GitHub that are told.
pub const EVENTS: [&str; 28] = [
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "commit_comment",
    "create",
    "delete",
    "dependabot_alert",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "issue_comment",
    "issues",
    "page_build",
    "public",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
    "release",
    "repository",
    "star",
    "status",
    "team",
    "watch",
    "workflow_job",
    "workflow_run",
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHook {
    #[schema(value_type = Uuid)]
    pub id: String,
    pub guild_id: String,
    pub comment: String,
    /// The address that GitHub is told, with `application/json` as its content type.
    pub url: String,
    /// A user.
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub repos: Vec<GitRepo>,
    /// Those that come first, first.
    pub rules: Vec<GitRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitRepo {
    #[schema(value_type = Uuid)]
    pub id: String,
    /// `owner/name` in small letters.
    pub name: String,
    pub channel_id: String,
}

/// What is done with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GitRuleAct {
    /// They are not told.
    Block,
    /// Only they are told, unless a rule before this one sent them elsewhere.
    Only,
    /// They are told in another channel.
    Redirect,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitRule {
    #[schema(value_type = Uuid)]
    pub id: String,
    /// `null`: of all.
    #[schema(value_type = Option<Uuid>)]
    pub repo: Option<String>,
    /// Such as `push`, `issues*` or `issues.opened`; `?` is one character.
    pub events: Vec<String>,
    pub act: GitRuleAct,
    /// Of `redirect`.
    pub channel_id: Option<String>,
    /// The highest comes first.
    pub priority: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHookList {
    /// Oldest first.
    pub hooks: Vec<GitHook>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewGitHook {
    /// For you to know it by; at most 64 characters.
    #[schema(min_length = 1, max_length = 64)]
    pub comment: String,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedGitHook {
    pub hook: GitHook,
    /// GitHub signs with it. It is shown once.
    pub secret: String,
}

impl std::fmt::Debug for CreatedGitHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedGitHook")
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewGitRepo {
    /// `owner/name`
    #[schema(max_length = 140)]
    pub name: String,
    /// A channel of the server.
    pub channel_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewGitRule {
    /// A repository of the hook; absent: all.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub repo: Option<String>,
    #[schema(min_items = 1, max_items = 20)]
    pub events: Vec<String>,
    pub act: GitRuleAct,
    /// A channel of the server, for `redirect` alone.
    #[serde(default)]
    pub channel_id: Option<String>,
    #[serde(default)]
    pub priority: i32,
}

/// What came, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitDelivery {
    #[schema(value_type = Uuid)]
    pub id: String,
    pub event: String,
    pub repo: String,
    /// `null`: it was told nowhere.
    pub channel_id: Option<String>,
    /// `waiting`, `sent`, `failed`, or `passed`: it is not told.
    pub state: String,
    pub attempts: u32,
    /// For people: why it was not told, or not yet.
    pub outcome: Option<String>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitDeliveryList {
    /// Newest first.
    pub deliveries: Vec<GitDelivery>,
}

/// What came of something that GitHub sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GitHeard {
    /// For people.
    pub message: String,
    /// Where the hook's administrators can see what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}
