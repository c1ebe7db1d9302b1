//! What a server has set for modules and commands: a row where it differs from the bot's defaults.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModuleConfiguration {
    #[serde(default)]
    pub guild_id: String,
    pub module: String,
    /// `null`: as it is by default.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// What its commands ask for; `null`: what the bot asks for.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub default_perms: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandConfiguration {
    #[serde(default)]
    pub guild_id: String,
    /// Such as `backups create`.
    pub command: String,
    /// `null`: as it is by default.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// What it asks for; `null`: what its module, or the bot, asks for.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub perms: Option<Value>,
}

/// Exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToggleChange {
    /// Back to the default.
    #[serde(default)]
    pub clear: bool,
    #[serde(default)]
    pub value: Option<bool>,
}

/// Exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChecksChange {
    /// Back to the default.
    #[serde(default)]
    pub clear: bool,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
}

/// What is absent stays; something has to be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModuleConfigurationChange {
    pub module: String,
    #[serde(default)]
    pub disabled: Option<ToggleChange>,
    #[serde(default)]
    pub default_perms: Option<ChecksChange>,
}

/// What is absent stays; something has to be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandConfigurationChange {
    pub command: String,
    #[serde(default)]
    pub disabled: Option<ToggleChange>,
    #[serde(default)]
    pub perms: Option<ChecksChange>,
}
