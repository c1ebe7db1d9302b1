use http::Method;
use serde_json::Value;
use splashtail_core::ids::GuildId;

use super::audit::LOOKS;
use super::{Acting, EnsureError, Ensured, Outcome, fields};
use crate::snowflake::{array, id, made_at};

/// Settings of which a server has one each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single {
    /// The widget.
    Widget,
    /// The welcome screen.
    WelcomeScreen,
    /// Onboarding; set as a whole.
    Onboarding,
}

impl Single {
    fn path(self, guild: GuildId) -> String {
        let name = match self {
            Self::Widget => "widget",
            Self::WelcomeScreen => "welcome-screen",
            Self::Onboarding => "onboarding",
        };
        format!("/guilds/{guild}/{name}")
    }
}

impl Acting {
    /// One of these with these fields. `now`: as it is.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_single(
        &self,
        guild: GuildId,
        single: Single,
        want: &Value,
        now: &Value,
    ) -> Result<Ensured, EnsureError> {
        let path = single.path(guild);
        if single != Single::Onboarding {
            return self.change(path, want, now).await;
        }
        if fields::changes(want, now).is_empty() {
            return Ok(Ensured::new(Outcome::Unchanged, now.clone()));
        }
        let want = self.numbered(want, now);
        let object = self.request(Method::PUT, path).json(&want).send().await?;
        Ok(Ensured::new(Outcome::Updated, object))
    }

    /// Onboarding as Discord takes it. A prompt that it does not have needs an id all the same, as
    /// new as the effect.
    fn numbered(&self, want: &Value, now: &Value) -> Value {
        let known = |part: &Value, list: &Value| {
            let wanted = id(&part["id"]);
            array(list)
                .iter()
                .any(|there| id(&there["id"]) == wanted && wanted.is_some())
        };
        let mut want = want.clone();
        let prompts = want.get_mut("prompts").and_then(Value::as_array_mut);
        for (at, prompt) in (0_u64..).zip(prompts.into_iter().flatten()) {
            let there = array(&now["prompts"])
                .iter()
                .find(|there| id(&there["id"]) == id(&prompt["id"]));
            let there = there.cloned().unwrap_or_default();
            if !known(prompt, &now["prompts"]) {
                prompt["id"] = (self.earliest_id() + at + 1).to_string().into();
            }
            let options = prompt.get_mut("options").and_then(Value::as_array_mut);
            for option in options.into_iter().flatten() {
                let keeps = known(option, &there["options"]);
                let Some(option) = option.as_object_mut() else {
                    continue;
                };
                if !keeps {
                    option.shift_remove("id");
                }
                // Read as one object, and sent as three fields.
                let emoji = option.shift_remove("emoji").unwrap_or_default();
                for (field, name) in [
                    ("emoji_id", "id"),
                    ("emoji_name", "name"),
                    ("emoji_animated", "animated"),
                ] {
                    if !emoji[name].is_null() {
                        option.insert(field.to_owned(), emoji[name].clone());
                    }
                }
            }
        }
        want
    }

    /// A way into a channel. Its code is Discord's choice. `inviter`: the bot, whose earlier try is
    /// looked for. `known`: codes of other effects of the caller's, or of before.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_invite(
        &self,
        channel: u64,
        inviter: u64,
        known: &[&str],
        want: &Value,
    ) -> Result<Ensured, EnsureError> {
        let path = format!("/channels/{channel}/invites");
        let since = made_at(self.earliest_id());
        let ours = |invite: &Value| {
            let made = invite["created_at"].as_str();
            let made = made.and_then(|at| chrono::DateTime::parse_from_rfc3339(at).ok());
            let code = invite["code"].as_str().unwrap_or_default();
            !known.contains(&code)
                && id(&invite["inviter"]["id"]) == Some(inviter)
                && made.is_some_and(|at| at >= since)
                && ["max_age", "max_uses", "temporary"]
                    .iter()
                    .all(|f| invite[*f] == want[*f])
        };
        let post = self.request(Method::POST, path.clone()).json(want);
        self.post_once("invite", post, || self.find_invite(&path, &ours))
            .await
    }

    /// One in a channel's list, which names its maker: no audit log has to tell.
    async fn find_invite(
        &self,
        path: &str,
        ours: &(dyn Fn(&Value) -> bool + Sync),
    ) -> Result<Option<Value>, EnsureError> {
        for pause in LOOKS {
            self.wait(pause).await?;
            let list = self.request(Method::GET, path.to_owned()).send().await?;
            if let Some(invite) = array(&list).iter().find(|invite| ours(invite)) {
                return Ok(Some(invite.clone()));
            }
        }
        Ok(None)
    }

    /// A webhook with these fields, made in a channel or changed. `now`: as it is. Only one that is
    /// made has a token, which is in no answer of this.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_hook(
        &self,
        guild: GuildId,
        want: &Value,
        now: Option<&Value>,
    ) -> Result<Ensured, EnsureError> {
        let mut ensured = match now.and_then(|now| Some((id(&now["id"])?, now))) {
            Some((webhook, now)) => {
                let path = format!("/webhooks/{webhook}");
                self.change(path, want, now).await?
            }
            None => self.make_hook(guild, want).await?,
        };
        if let Some(object) = ensured.object.as_object_mut() {
            for secret in ["token", "url"] {
                object.shift_remove(secret);
            }
        }
        Ok(ensured)
    }
}
