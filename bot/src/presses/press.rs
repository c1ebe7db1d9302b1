//! A press as Discord tells it.

use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, MessageId, RoleId, UserId};
use splashtail_discord::snowflake;
use splashtail_permissions::NativePermissions;

use crate::app::App;
use crate::catalogue::Language;
use crate::error::BotError;

/// Kinds of interactions (Discord documentation, "Interaction Type").
const MESSAGE_COMPONENT: u64 = 3;
const MODAL_SUBMIT: u64 = 5;
const EPHEMERAL: u64 = 1 << 6;

/// A button that was pressed, a menu in which something was chosen, or a form that was sent.
#[derive(Clone)]
pub struct Press {
    pub(super) id: u64,
    pub(super) token: String,
    pub(super) application: u64,
    /// `None` in private messages.
    guild: Option<GuildId>,
    pub channel: ChannelId,
    /// The message with the button.
    pub message: Option<MessageId>,
    /// Nobody but whoever pressed sees that message.
    pub is_private: bool,
    pub user: UserId,
    /// Everyone's not among them; `None` in private messages.
    pub roles: Option<Vec<RoleId>>,
    /// In the channel.
    pub permissions: NativePermissions,
    /// Of whoever pressed.
    pub language: Language,
    pub custom_id: String,
    /// What was chosen in a menu.
    pub values: Vec<String>,
    /// What was typed into a form, by custom id.
    typed: Vec<(String, String)>,
}

impl Press {
    /// `None` for other interactions.
    pub(super) fn read(data: &Value) -> Option<Self> {
        let kind = data["type"].as_u64()?;
        if kind != MESSAGE_COMPONENT && kind != MODAL_SUBMIT {
            return None;
        }
        let (member, message) = (&data["member"], &data["message"]);
        let user = match member["user"].is_object() {
            true => &member["user"],
            false => &data["user"],
        };
        let roles = member["roles"].as_array().map(|roles| {
            let roles = roles.iter();
            let roles = roles.filter_map(|role| RoleId::new(snowflake::id(role)?));
            roles.collect()
        });
        let mut typed = Vec::new();
        collect(&data["data"]["components"], &mut typed);
        let values = data["data"]["values"].as_array().into_iter().flatten();
        let values = values.filter_map(Value::as_str).map(str::to_owned);
        let locale = data["locale"].as_str();
        Some(Self {
            id: snowflake::id(&data["id"])?,
            token: data["token"].as_str()?.to_owned(),
            application: snowflake::id(&data["application_id"])?,
            guild: snowflake::typed(&data["guild_id"]),
            channel: snowflake::typed(&data["channel_id"])?,
            message: snowflake::typed(&message["id"]),
            is_private: message["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0,
            user: snowflake::typed(&user["id"])?,
            roles,
            permissions: NativePermissions(snowflake::bit_set(&member["permissions"])),
            language: locale.and_then(Language::of).unwrap_or_default(),
            custom_id: data["data"]["custom_id"].as_str()?.to_owned(),
            values: values.collect(),
            typed,
        })
    }

    /// The server in which it was pressed.
    ///
    /// # Errors
    /// [`BotError::NoGuild`] in private messages.
    pub fn guild(&self) -> Result<GuildId, BotError> {
        self.guild.ok_or(BotError::NoGuild)
    }

    /// Discord's own, by which it is dated.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What was typed into a field of a form.
    pub fn typed(&self, field: &str) -> Option<&str> {
        let mut fields = self.typed.iter();
        let found = fields.find(|(name, _)| name == field);
        found.map(|(_, value)| value.as_str())
    }

    /// The custom id up to its first colon.
    pub fn prefix(&self) -> &str {
        let (prefix, _) = self
            .custom_id
            .split_once(':')
            .unwrap_or((&self.custom_id, ""));
        prefix
    }

    /// The custom id behind its first colon, up to this many parts; the last one holds the rest.
    pub fn parts<const N: usize>(&self) -> Option<[&str; N]> {
        let (_, rest) = self.custom_id.split_once(':')?;
        let mut parts = rest.splitn(N, ':');
        let mut found = [""; N];
        for place in &mut found {
            *place = parts.next()?;
        }
        Some(found)
    }

    /// The language of what everybody here reads.
    pub fn language_here(&self, app: &App) -> Language {
        let guild = self.guild.filter(|_| !self.is_private);
        match guild {
            Some(guild) => app.language_of(guild),
            None => self.language,
        }
    }
}

/// Without the token.
impl std::fmt::Debug for Press {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Press")
            .field("guild", &self.guild)
            .field("user", &self.user)
            .field("custom_id", &self.custom_id)
            .finish_non_exhaustive()
    }
}

/// Fields of a form, in rows or behind labels.
fn collect(components: &Value, typed: &mut Vec<(String, String)>) {
    for component in components.as_array().into_iter().flatten() {
        collect(&component["components"], typed);
        let inner = match component.get("component") {
            Some(inner) => inner,
            None => component,
        };
        if let (Some(name), Some(value)) = (inner["custom_id"].as_str(), inner["value"].as_str()) {
            typed.push((name.to_owned(), value.to_owned()));
        }
    }
}
