//! People and their servers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserProfile {
    pub id: String,
    pub username: String,
    /// The username where somebody has no other.
    pub display_name: String,
    /// An address; empty: none.
    pub avatar: String,
}

/// Who you are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    pub user: UserProfile,
    /// `normal` or `banned`.
    pub state: String,
    pub vote_banned: bool,
    /// `null`: you never logged in.
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// A server that you are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserGuild {
    pub id: String,
    pub name: String,
    /// An address; empty: none.
    pub avatar: String,
    /// Discord's permissions as a decimal number.
    pub permissions: String,
    pub owner: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserGuilds {
    pub guilds: Vec<UserGuild>,
    /// Those that the bot is in.
    pub has_bot: Vec<String>,
    /// Those of which nobody knows at the moment: their cluster does not run.
    pub unknown_guilds: Vec<String>,
}

/// Somebody, as a platform shows them to everyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlatformUser {
    pub id: String,
    pub username: String,
    /// The username where somebody has no other.
    pub display_name: String,
    /// An address; empty: none.
    pub avatar: String,
    pub bot: bool,
    /// `online`, `idle`, `dnd` or `offline`; `null`: not known.
    pub status: Option<String>,
    /// `VERIFIED_BOT`, `BOT_HTTP_INTERACTIONS`
    pub flags: Vec<String>,
    /// What this platform alone tells.
    #[schema(value_type = Object)]
    pub extra_data: Value,
}

/// Somebody, and how they stand with this installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicUser {
    pub user: PlatformUser,
    /// `normal` or `banned`.
    pub state: String,
    pub vote_banned: bool,
    /// `null`: they never logged in.
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// What was known of somebody and is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ClearedProfile {
    /// `iuc`, the database, and `redis`, the cache.
    pub cleared_from: Vec<String>,
    pub is_bot: bool,
}

/// May you run these?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PermissionQuestion {
    /// Such as `backups create`.
    #[schema(max_items = 50)]
    pub commands: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PermissionAnswer {
    /// Discord's permissions in the server as a whole, as a decimal number; `null`: you are not there.
    pub permissions: Option<String>,
    /// By command.
    pub commands: BTreeMap<String, CommandAnswer>,
}

/// Checks of a command, as in docs/permissions.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChecksQuestion {
    /// `{"checks":[…],"checks_needed":…}` or `{"Simple":{"checks":[…]}}`.
    #[schema(value_type = Object)]
    pub checks: Value,
}

/// What checks mean in a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChecksPreview {
    /// As the server may store them.
    #[schema(value_type = Object)]
    pub checks: Value,
    /// In words, a line for each.
    pub text: String,
    /// Everybody passes.
    pub everybody: bool,
    /// Whose holders pass by that role alone. The owner always does, and people may by powers of their own.
    pub roles: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandAnswer {
    pub allowed: bool,
    /// A `var`, and what belongs to it.
    #[schema(value_type = Object)]
    pub result: Value,
}
