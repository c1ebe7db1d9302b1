use serde_json::Value;
use splashtail_core::ids::{ApplicationId, ChannelId, GuildId};

use super::create::{Creation, Likeness, stored_name};
use super::{Acting, EnsureError, Ensured, Outcome};
use crate::snowflake::typed;

const WEBHOOK_CREATE: u64 = 50;

impl Acting {
    /// A webhook of ours in the channel with the name of `want`. `now`: the channel's webhooks;
    /// only those of `application` show their token and can be used.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_webhook(
        &self,
        guild: GuildId,
        channel: ChannelId,
        application: ApplicationId,
        want: &Value,
        now: &[Value],
    ) -> Result<Ensured, EnsureError> {
        let like = |webhook: &Value| {
            if typed(&webhook["application_id"]) != Some(application) {
                Likeness::Never
            } else if stored_name(&webhook["name"]) == stored_name(&want["name"]) {
                Likeness::Alike
            } else {
                Likeness::Perhaps
            }
        };
        let usable =
            |webhook: &&Value| like(webhook) == Likeness::Alike && webhook["token"].is_string();
        if let Some(webhook) = now.iter().find(usable) {
            return Ok(Ensured::new(Outcome::Unchanged, webhook.clone()));
        }
        let webhooks = format!("/channels/{channel}/webhooks");
        self.create(Creation {
            what: "webhook",
            guild,
            post: webhooks.clone(),
            body: want,
            list: webhooks,
            action: WEBHOOK_CREATE,
            like: &like,
            unlisted: false,
        })
        .await
    }
}
