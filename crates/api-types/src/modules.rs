//! What the bot can do, as it describes itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A group of commands that can be switched on and off together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalModule {
    #[schema(example = "server_backups")]
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub toggleable: bool,
    #[serde(default)]
    pub commands_toggleable: bool,
    /// Not shown on the website.
    #[serde(default)]
    pub web_hidden: bool,
    /// Controls behaviour; its commands are not loaded as commands.
    #[serde(default)]
    pub virtual_module: bool,
    #[serde(default)]
    pub is_default_enabled: bool,
    pub commands: Vec<CanonicalCommand>,
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub config_options: Vec<Value>,
}

/// A root command with everything below it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalCommand {
    pub command: CanonicalCommandData,
    /// By subcommand path without the root's name; the root itself is `""`.
    pub extended_data: BTreeMap<String, CommandExtendedData>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalCommandData {
    pub name: String,
    #[schema(example = "backups create")]
    pub qualified_name: String,
    pub description: Option<String>,
    pub nsfw: bool,
    #[schema(no_recursion)]
    pub subcommands: Vec<CanonicalCommandData>,
    pub subcommand_required: bool,
    pub arguments: Vec<CanonicalArgument>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanonicalArgument {
    pub name: String,
    pub description: Option<String>,
    pub required: bool,
    /// Display names only.
    pub choices: Vec<String>,
}

/// All that the bot can do, without modules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BotState {
    pub commands: Vec<CanonicalCommandData>,
    #[schema(value_type = Vec<Object>)]
    pub settings: Vec<Value>,
    /// What a command asks for where a server has set nothing else, line by line; no line: nothing.
    pub command_permissions: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandExtendedData {
    /// Permission checks that apply when the server configured none.
    #[schema(value_type = Object)]
    pub default_perms: Value,
    #[serde(default)]
    pub is_default_enabled: bool,
    #[serde(default)]
    pub web_hidden: bool,
    #[serde(default)]
    pub virtual_command: bool,
}
