//! Interactions from the click to the last follow-up.

use serde_json::{Value, json};

use super::permissions as perm;
use super::{Channel, Id, World};

/// Milliseconds until an unanswered interaction is dead.
pub const CALLBACK_DEADLINE_MS: i64 = 3000;
/// Milliseconds an answered interaction's token lives.
pub const TOKEN_LIFETIME_MS: i64 = 15 * 60_000;
/// Milliseconds that a modal can be filled in: how long a client leaves it open nobody says.
const MODAL_LIFETIME_MS: i64 = 24 * 3_600_000;
/// Least time between two looks for interactions that are over.
const SWEEP_MS: i64 = 60_000;

/// What interactions tell of a channel, and of whom a direct one is with.
const PARTIAL_CHANNEL: [&str; 14] = [
    "id",
    "type",
    "name",
    "guild_id",
    "parent_id",
    "position",
    "flags",
    "nsfw",
    "topic",
    "rate_limit_per_user",
    "last_message_id",
    "last_pin_timestamp",
    "thread_metadata",
    "recipients",
];

/// An interaction.
#[derive(Debug, Clone)]
pub struct Interaction {
    pub id: Id,
    pub app: Id,
    pub token: String,
    /// 2 command, 3 component, 4 autocomplete, 5 modal.
    pub kind: u8,
    pub guild: Option<Id>,
    pub channel: Id,
    pub user: Id,
    pub data: Value,
    /// Message with the component that was used.
    pub message: Option<Id>,
    /// In steady time, as the moment of the callback.
    pub created_ms: i64,
    pub callback: Option<Callback>,
    /// The original response.
    pub response: Option<Id>,
    pub followups: Vec<Id>,
    /// Metadata shown on response messages.
    pub metadata: Value,
}

/// The first answer of the application.
#[derive(Debug, Clone)]
pub struct Callback {
    pub kind: u8,
    pub at_ms: i64,
    pub data: Value,
}

impl Interaction {
    /// Whether the first callback is still awaited.
    pub fn waiting(&self, steady_ms: i64) -> bool {
        self.callback.is_none() && steady_ms - self.created_ms < CALLBACK_DEADLINE_MS
    }

    /// Whether the token still works for responses.
    pub fn alive(&self, steady_ms: i64) -> bool {
        steady_ms - self.created_ms < TOKEN_LIFETIME_MS
    }

    /// Whether nothing can come of it any more.
    fn is_over(&self, steady_ms: i64) -> bool {
        let modal = self.callback.as_ref().is_some_and(|c| c.kind == 9);
        let open = modal && steady_ms - self.created_ms < MODAL_LIFETIME_MS;
        !open && !self.alive(steady_ms)
    }
}

/// A user's act that an application is to answer.
#[derive(Debug, Clone)]
pub struct NewInteraction {
    pub app: Id,
    pub kind: u8,
    pub guild: Option<Id>,
    pub channel: Id,
    pub user: Id,
    pub data: Value,
    pub message: Option<Id>,
}

/// Why a client would not even send the interaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InteractionError {
    #[error("there is no channel {0} the user can see")]
    NoChannel(Id),
    #[error("the user may not use application commands here")]
    NotAllowed,
    /// The command, and what there is instead.
    #[error("there is no command `{0}` here{1}")]
    NoCommand(String, String),
    #[error("option `{0}`: {1}")]
    BadOption(String, String),
    #[error("there is no component `{0}` here")]
    NoComponent(String),
    #[error("component `{0}`: {1}")]
    BadComponent(String, String),
    #[error("no modal `{0}` is open for the user")]
    NoModal(String),
}

impl World {
    /// Records the interaction and dispatches INTERACTION_CREATE to the application's bot.
    pub fn start_interaction(&mut self, new: NewInteraction) -> Id {
        self.forget_interactions();
        let id = self.next_id();
        let token = self.secret(&format!("interaction {id}"), 64);
        let metadata = self.interaction_metadata(id, &new);
        let interaction = Interaction {
            id,
            app: new.app,
            token: token.clone(),
            kind: new.kind,
            guild: new.guild,
            channel: new.channel,
            user: new.user,
            data: new.data,
            message: new.message,
            created_ms: self.steady_ms(),
            callback: None,
            response: None,
            followups: Vec::new(),
            metadata,
        };
        let payload = self.interaction_payload(&interaction);
        let bot = self.apps.get(&interaction.app).map(|a| a.bot);
        let guild = interaction.guild;
        self.interaction_tokens.insert(token, id);
        self.interactions.insert(id, interaction);
        if let Some(bot) = bot {
            self.emit_to(bot, guild, "INTERACTION_CREATE", 0, payload);
        }
        self.interaction_changes += 1;
        id
    }

    /// Those that are over are as unknown as if they had never been.
    fn forget_interactions(&mut self) {
        let now = self.steady_ms();
        if now < self.interactions_swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        self.interactions_swept_ms = now;
        self.interactions.retain(|_, known| !known.is_over(now));
        let known = &self.interactions;
        self.interaction_tokens
            .retain(|_, id| known.contains_key(id));
    }

    fn interaction_metadata(&self, id: Id, new: &NewInteraction) -> Value {
        let owner = new.guild.map_or_else(|| "0".to_owned(), |g| g.to_string());
        let mut metadata = json!({
            "id": id,
            "type": new.kind,
            "user": self.user_json(new.user),
            "authorizing_integration_owners": {"0": owner},
        });
        match new.kind {
            2 => {
                metadata["name"] = command_path(&new.data).into();
                metadata["command_type"] = new.data["type"].clone();
            }
            3 => metadata["interacted_message_id"] = json!(new.message),
            5 => {
                let before = new.message.and_then(|m| self.message(new.channel, m));
                let before = before
                    .and_then(|m| m.interaction_metadata.as_ref())
                    .map(|(m, _)| m.clone());
                // A modal that a command opened: the command itself triggered it.
                metadata["triggering_interaction_metadata"] = before.unwrap_or_else(|| {
                    json!({
                        "id": id, "type": 2, "user": self.user_json(new.user),
                        "authorizing_integration_owners": {"0": owner},
                    })
                });
            }
            _ => {}
        }
        metadata
    }

    fn interaction_payload(&self, interaction: &Interaction) -> Value {
        let mut payload = json!({
            "id": interaction.id,
            "application_id": interaction.app,
            "type": interaction.kind,
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": interaction.channel,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "attachment_size_limit": 10_485_760,
        });
        let user = self.users.get(&interaction.user);
        payload["locale"] = user.map_or("en-US", |u| u.locale.as_str()).into();
        if let Some(channel) = self.channels.get(&interaction.channel) {
            payload["channel"] = self.partial_channel_json(channel, interaction.user);
        }
        let bot = self.apps.get(&interaction.app).map_or(Id(0), |a| a.bot);
        payload["app_permissions"] = self.app_permissions(interaction.channel, bot);
        match interaction.guild.and_then(|g| self.guilds.get(&g)) {
            Some(guild) => {
                payload["guild_id"] = json!(guild.id);
                payload["guild"] = json!({
                    "id": guild.id, "locale": guild.preferred_locale, "features": guild.features,
                });
                payload["guild_locale"] = guild.preferred_locale.as_str().into();
                payload["authorizing_integration_owners"] = json!({"0": guild.id});
                payload["context"] = 0.into();
                if let Some(member) = guild.members.get(&interaction.user) {
                    let mut member = self.member_json(member);
                    let bits = self.permissions_in(interaction.channel, interaction.user);
                    member["permissions"] = bits.to_string().into();
                    payload["member"] = member;
                }
            }
            None => {
                payload["user"] = self.user_json(interaction.user);
                payload["authorizing_integration_owners"] = json!({"0": "0"});
                payload["context"] = 1.into();
            }
        }
        let message = interaction
            .message
            .and_then(|m| self.message(interaction.channel, m));
        if let Some(message) = message {
            payload["message"] = self.message_json(message, bot);
        }
        payload
    }

    /// The part of a channel that interactions tell, with what `user` may do there ("Interactions",
    /// resolved data structure): no overwrites, whether or not the bot sees the channel.
    fn partial_channel_json(&self, channel: &Channel, user: Id) -> Value {
        let mut json = self.channel_json(channel);
        if let Some(map) = json.as_object_mut() {
            map.retain(|key, _| PARTIAL_CHANNEL.contains(&key.as_str()));
        }
        let bits = self.permissions_in(channel.id, user);
        json["permissions"] = bits.to_string().into();
        json
    }

    /// A channel among the resolved data of an interaction of `user` with the application of `bot`;
    /// `None` when there is no such channel.
    pub fn resolved_channel_json(&self, id: Id, user: Id, bot: Id) -> Option<Value> {
        let channel = self.channels.get(&id)?;
        let mut json = self.partial_channel_json(channel, user);
        // Since 16 July 2026 (discord-api-docs#8443).
        json["app_permissions"] = self.app_permissions(id, bot);
        Some(json)
    }

    /// What the application may do in a channel.
    fn app_permissions(&self, channel: Id, bot: Id) -> Value {
        let bits = match self.guild_of(channel) {
            Some(_) => self.permissions_in(channel, bot),
            None => perm::ALL & !perm::ADMINISTRATOR,
        };
        bits.to_string().into()
    }

    /// Interactions whose first callback is still awaited, oldest first.
    pub fn waiting_interactions(&self) -> Vec<Id> {
        let now = self.steady_ms();
        self.interactions
            .values()
            .filter(|i| i.waiting(now))
            .map(|i| i.id)
            .collect()
    }
}

/// `backups create` from the nested options of a command.
pub(crate) fn command_path(data: &Value) -> String {
    let mut path = data["name"].as_str().unwrap_or_default().to_owned();
    let mut options = &data["options"];
    while let Some(first) = options.get(0).filter(|o| o["type"] == 1 || o["type"] == 2) {
        path.push(' ');
        path.push_str(first["name"].as_str().unwrap_or_default());
        options = &first["options"];
    }
    path
}
