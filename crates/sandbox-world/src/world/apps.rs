//! Applications, their commands and the grants users gave them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Id, Stamp, World};

/// An application with its bot.
#[derive(Debug, Clone)]
pub struct Application {
    pub id: Id,
    /// User id of its bot.
    pub bot: Id,
    pub name: String,
    pub description: String,
    pub icon: Option<String>,
    pub owner: Id,
    pub token: String,
    pub client_secret: String,
    pub redirect_uris: Vec<String>,
    pub flags: u64,
    /// Recommended shard count.
    pub shards: u32,
    pub max_concurrency: u32,
    pub sessions: SessionStarts,
    pub global_commands: BTreeMap<Id, Command>,
    pub guild_commands: BTreeMap<Id, BTreeMap<Id, Command>>,
    /// Emojis its bot can use everywhere.
    pub emojis: BTreeMap<Id, super::Emoji>,
    /// When the day ends, in steady time, and commands created in it, per scope, for the daily cap.
    pub command_creates: BTreeMap<Option<Id>, (i64, u32)>,
}

/// Identifies left until `reset_at_ms`, in steady time.
#[derive(Debug, Clone, Copy)]
pub struct SessionStarts {
    pub total: u32,
    pub remaining: u32,
    /// `None` until the first identify of a period.
    pub reset_at_ms: Option<i64>,
}

impl Default for SessionStarts {
    fn default() -> Self {
        Self {
            total: 1000,
            remaining: 1000,
            reset_at_ms: None,
        }
    }
}

/// An application command.
#[derive(Debug, Clone)]
pub struct Command {
    pub id: Id,
    pub guild: Option<Id>,
    pub version: Id,
    /// 1 slash, 2 user, 3 message.
    pub kind: u8,
    pub name: String,
    pub name_localizations: Value,
    pub description: String,
    pub description_localizations: Value,
    pub options: Vec<Value>,
    pub default_member_permissions: Option<u64>,
    pub dm_permission: bool,
    pub nsfw: bool,
    pub contexts: Option<Value>,
    pub integration_types: Option<Value>,
}

/// A guild's rule about who may use a command.
#[derive(Debug, Clone, Copy)]
pub struct CommandPermission {
    pub id: Id,
    /// 1 role, 2 user, 3 channel.
    pub kind: u8,
    pub allowed: bool,
}

impl Command {
    pub fn json(&self, app: Id) -> Value {
        let mut json = json!({
            "id": self.id,
            "application_id": app,
            "version": self.version,
            "default_member_permissions": self.default_member_permissions.map(|p| p.to_string()),
            "type": self.kind,
            "name": self.name,
            "name_localizations": self.name_localizations,
            "description": self.description,
            "description_localizations": self.description_localizations,
            "nsfw": self.nsfw,
        });
        if self.guild.is_none() {
            json["dm_permission"] = self.dm_permission.into();
            json["contexts"] = self.contexts.clone().unwrap_or(Value::Null);
            json["integration_types"] =
                self.integration_types.clone().unwrap_or_else(|| json!([0]));
        }
        if !self.options.is_empty() {
            json["options"] = Value::Array(self.options.clone());
        }
        if let Some(guild) = self.guild {
            json["guild_id"] = json!(guild);
        }
        json
    }
}

/// An OAuth2 access token.
#[derive(Debug, Clone)]
pub struct AccessToken {
    pub app: Id,
    /// `None` for client credentials of a team-less application: its owner acts.
    pub user: Id,
    pub scopes: Vec<String>,
    /// In steady time.
    pub expires_ms: i64,
}

impl AccessToken {
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes.iter().any(|s| s == scope)
    }
}

/// Privileged intents of large and small applications, all switched on.
const ALL_INTENTS: u64 = (1 << 12) | (1 << 13) | (1 << 14) | (1 << 15) | (1 << 18) | (1 << 19);

/// Tokens begin with the bot's id, as libraries expect that read it from there.
fn token_head(bot: Id) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bot.to_string()) + ".sandbox"
}

impl World {
    /// An application with secrets of its own, not yet part of the world.
    pub fn new_app(&mut self, name: &str) -> Application {
        let id = self.next_id();
        self.app_of_id(id, name)
    }

    /// The same, of an application that was made in the past.
    pub fn old_app(&mut self, name: &str, made: Stamp) -> Application {
        let id = self.old_id(made);
        self.app_of_id(id, name)
    }

    fn app_of_id(&self, id: Id, name: &str) -> Application {
        let owner = self.users.values().filter(|u| !u.bot).map(|u| u.id).min();
        let secret = self.secret(&format!("bot {id}"), 30);
        Application {
            id,
            bot: id,
            name: name.to_owned(),
            description: String::new(),
            icon: None,
            owner: owner.unwrap_or(id),
            token: format!("{}.{secret}", token_head(id)),
            client_secret: self.secret(&format!("client {id}"), 32),
            redirect_uris: Vec::new(),
            flags: ALL_INTENTS,
            shards: 1,
            max_concurrency: 1,
            sessions: SessionStarts::default(),
            global_commands: BTreeMap::new(),
            guild_commands: BTreeMap::new(),
            emojis: BTreeMap::new(),
            command_creates: BTreeMap::new(),
        }
    }

    /// The application a bot token belongs to; the token without `Bot `.
    pub fn app_by_token(&self, token: &str) -> Option<&Application> {
        self.apps.get(self.bot_tokens.get(token)?)
    }

    /// The application whose bot this user is.
    pub fn app_of_bot(&self, user: Id) -> Option<&Application> {
        self.apps
            .get(&user)
            .filter(|a| a.bot == user)
            .or_else(|| self.apps.values().find(|a| a.bot == user))
    }

    /// The live grant behind a bearer token.
    pub fn grant(&self, token: &str) -> Option<&AccessToken> {
        self.access_tokens
            .get(token)
            .filter(|t| t.expires_ms > self.steady_ms())
    }

    /// Registers an application together with its bot user.
    pub fn add_app(&mut self, app: Application) {
        self.users
            .entry(app.bot)
            .or_insert_with(|| super::User::bot(app.bot, &app.name));
        self.bot_tokens.insert(app.token.clone(), app.id);
        self.apps.insert(app.id, app);
    }

    /// The application object its owner sees.
    pub fn private_app_json(&self, app: &Application) -> Value {
        let guilds = self
            .guilds
            .values()
            .filter(|g| g.members.contains_key(&app.bot))
            .count();
        json!({
            "id": app.id,
            "name": app.name,
            "icon": app.icon,
            "description": app.description,
            "type": null,
            "bot": self.user_json(app.bot),
            "summary": "",
            "is_monetized": false,
            "is_verified": false,
            "is_discoverable": false,
            "hook": true,
            "bot_public": true,
            "bot_require_code_grant": false,
            "integration_types_config": {"0": {"oauth2_install_params": {"scopes": ["applications.commands", "bot"], "permissions": "8"}}},
            "verify_key": self.secret(&format!("verify key {}", app.id), 64),
            "flags": app.flags,
            "flags_new": app.flags.to_string(),
            "redirect_uris": app.redirect_uris,
            "interactions_endpoint_url": null,
            "role_connections_verification_url": null,
            "owner": self.user_json(app.owner),
            "approximate_guild_count": guilds,
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": null,
            "eligible_oauth2_scopes": [],
        })
    }
}
