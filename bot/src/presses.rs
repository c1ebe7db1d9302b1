//! Presses of buttons, and forms that were filled in, of messages that may be older than this process.
//!
//! They come from the gateway as they are and are answered through `crates/discord`, so nothing has to
//! be waited for in memory: a custom id says what it is about.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, GuildId, MessageId, RoleId, UserId};
use splashtail_discord::{Discord, DiscordError, Lane, snowflake};

const MESSAGE_COMPONENT: u64 = 3;
const MODAL_SUBMIT: u64 = 5;
const EPHEMERAL: u64 = 1 << 6;
/// Kinds of answers (Discord documentation, "Interaction Callback Type").
const CHANNEL_MESSAGE: u64 = 4;
const DEFERRED_MESSAGE: u64 = 5;
const MODAL: u64 = 9;
/// Discord drops an interaction that is not answered in time (Discord documentation, "Receiving and
/// Responding").
const ANSWERABLE: Duration = Duration::from_secs(3);
/// For what follows the first answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A press, or a form that was sent.
#[derive(Debug, Clone)]
pub struct Press {
    id: u64,
    token: String,
    application: u64,
    pub guild: GuildId,
    pub channel: ChannelId,
    /// The message with the button.
    pub message: Option<MessageId>,
    pub user: UserId,
    /// Everyone's not among them.
    pub roles: Vec<RoleId>,
    pub custom_id: String,
    /// What was typed into a form, by custom id.
    typed: Vec<(String, String)>,
}

impl Press {
    /// `None` for other interactions, and outside of servers.
    pub fn read(data: &Value) -> Option<Self> {
        let kind = data["type"].as_u64()?;
        if kind != MESSAGE_COMPONENT && kind != MODAL_SUBMIT {
            return None;
        }
        let roles = data["member"]["roles"].as_array()?;
        let mut typed = Vec::new();
        collect(&data["data"]["components"], &mut typed);
        Some(Self {
            id: snowflake::id(&data["id"])?,
            token: data["token"].as_str()?.to_owned(),
            application: snowflake::id(&data["application_id"])?,
            guild: GuildId::new(snowflake::id(&data["guild_id"])?)?,
            channel: ChannelId::new(snowflake::id(&data["channel_id"])?)?,
            message: snowflake::id(&data["message"]["id"]).and_then(MessageId::new),
            user: UserId::new(snowflake::id(&data["member"]["user"]["id"])?)?,
            roles: roles
                .iter()
                .filter_map(|role| RoleId::new(snowflake::id(role)?))
                .collect(),
            custom_id: data["data"]["custom_id"].as_str()?.to_owned(),
            typed,
        })
    }

    /// What was typed into a field of a form.
    pub fn typed(&self, field: &str) -> Option<&str> {
        let mut fields = self.typed.iter();
        let found = fields.find(|(name, _)| name == field);
        found.map(|(_, value)| value.as_str())
    }

    /// Says something to whoever pressed, and to nobody else.
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn say(&self, discord: &Discord, text: &str) -> Result<(), DiscordError> {
        let data = json!({"content": text, "flags": EPHEMERAL, "allowed_mentions": {"parse": []}});
        self.call_back(discord, CHANNEL_MESSAGE, Some(data)).await
    }

    /// Tells Discord that an answer for whoever pressed is coming: [`Press::fill`].
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn defer(&self, discord: &Discord) -> Result<(), DiscordError> {
        let data = json!({"flags": EPHEMERAL});
        self.call_back(discord, DEFERRED_MESSAGE, Some(data)).await
    }

    /// Shows a form with one line to fill in.
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn ask(&self, discord: &Discord, form: &Form<'_>) -> Result<(), DiscordError> {
        let Form {
            custom_id,
            title,
            field,
            label,
            placeholder,
        } = form;
        let line = json!({"type": 4, "style": 1, "custom_id": field, "label": label,
                          "placeholder": placeholder, "required": true, "max_length": 100});
        let data = json!({"custom_id": custom_id, "title": title,
                          "components": [{"type": 1, "components": [line]}]});
        self.call_back(discord, MODAL, Some(data)).await
    }

    /// Fills the deferred answer.
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn fill(&self, discord: &Discord, text: &str) -> Result<(), DiscordError> {
        let body = json!({"content": text, "allowed_mentions": {"parse": []}});
        let (application, token) = (self.application, &self.token);
        let path = format!("/webhooks/{application}/{token}/messages/@original");
        let fill = discord.patch(path).idempotent(true).lane(Lane::Interactive);
        fill.longest_wait(PATIENCE).json(&body).send_empty().await
    }

    async fn call_back(
        &self,
        discord: &Discord,
        kind: u64,
        data: Option<Value>,
    ) -> Result<(), DiscordError> {
        let path = format!("/interactions/{}/{}/callback", self.id, self.token);
        let mut body = json!({"type": kind});
        if let Some(data) = data {
            body["data"] = data;
        }
        let answer = discord.post(path).lane(Lane::Interactive);
        answer
            .longest_wait(ANSWERABLE)
            .json(&body)
            .send_empty()
            .await
    }
}

/// A form with one line.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    pub custom_id: &'a str,
    /// At most 45 characters.
    pub title: &'a str,
    pub field: &'a str,
    /// At most 45 characters.
    pub label: &'a str,
    /// At most 100 characters.
    pub placeholder: &'a str,
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

/// The halves of a custom id `<prefix>:<verb>:<rest>`; `None`: it is not one of this prefix.
pub fn parts<'a>(custom_id: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let rest = custom_id.strip_prefix(prefix)?.strip_prefix(':')?;
    rest.split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(kind: u64, data: Value) -> Value {
        json!({"type": kind, "id": "5", "token": "t", "application_id": "6", "guild_id": "7",
               "channel_id": "8", "member": {"user": {"id": "9"}, "roles": ["10"]},
               "message": {"id": "11"}, "data": data})
    }

    #[test]
    fn presses_and_forms_are_read_and_nothing_else() {
        let press = Press::read(&sent(3, json!({"custom_id": "gd:agree:x"}))).unwrap();
        assert_eq!(press.user, UserId::new(9).unwrap());
        assert_eq!(press.message, MessageId::new(11));
        assert_eq!(parts(&press.custom_id, "gd"), Some(("agree", "x")));
        assert_eq!(parts("gdx:agree:x", "gd"), None);
        assert_eq!(parts("gd:agree", "gd"), None);
        let row = json!([{"type": 1, "components": [
            {"type": 4, "custom_id": "name", "value": "Harbour"}]},
            {"type": 18, "component": {"type": 4, "custom_id": "why", "value": "so"}}]);
        let form = sent(5, json!({"custom_id": "bk:go:x", "components": row}));
        let form = Press::read(&form).unwrap();
        assert_eq!(
            (form.typed("name"), form.typed("why")),
            (Some("Harbour"), Some("so"))
        );
        assert_eq!(form.typed("other"), None);
        assert!(Press::read(&sent(2, json!({"name": "ping"}))).is_none());
        let mut private = sent(3, json!({"custom_id": "gd:agree:x"}));
        private["member"] = Value::Null;
        assert!(Press::read(&private).is_none());
    }
}
