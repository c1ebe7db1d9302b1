use http::Method;
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;

use super::{Acting, EnsureError, Ensured, gone_is_fine};

impl Acting {
    /// No such role. One that is gone already is [`super::Outcome::Unchanged`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_no_role(&self, guild: GuildId, role: u64) -> Result<Ensured, EnsureError> {
        self.remove(format!("/guilds/{guild}/roles/{role}")).await
    }

    /// No such channel. One that is gone already is [`super::Outcome::Unchanged`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_no_channel(&self, channel: u64) -> Result<Ensured, EnsureError> {
        self.remove(format!("/channels/{channel}")).await
    }

    /// No such invite. One that is gone already is [`super::Outcome::Unchanged`]. A code is part of a
    /// path: one that is none is [`EnsureError::Incomplete`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_no_invite(&self, code: &str) -> Result<Ensured, EnsureError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if code.is_empty() || !code.bytes().all(plain) {
            return Err(EnsureError::Incomplete("invite"));
        }
        self.remove(format!("/invites/{code}")).await
    }

    /// No such message.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_no_message(
        &self,
        channel: u64,
        message: u64,
    ) -> Result<Ensured, EnsureError> {
        self.remove(format!("/channels/{channel}/messages/{message}"))
            .await
    }

    /// None of these 2 to 100 messages, which are all younger than two weeks. Discord passes over
    /// those that are gone, so asking again changes nothing.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_no_messages(
        &self,
        channel: u64,
        messages: &[u64],
    ) -> Result<Ensured, EnsureError> {
        let messages: Vec<String> = messages.iter().map(u64::to_string).collect();
        let path = format!("/channels/{channel}/messages/bulk-delete");
        let request = self.request(Method::POST, path).idempotent(true);
        request
            .json(&json!({"messages": messages}))
            .send_empty()
            .await?;
        Ok(Ensured::new(super::Outcome::Updated, Value::Null))
    }

    pub(super) async fn remove(&self, path: String) -> Result<Ensured, EnsureError> {
        gone_is_fine(self.request(Method::DELETE, path).send().await)
    }
}
