use http::Method;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, UserId};

use super::{Acting, EnsureError, Ensured, Outcome};
use crate::snowflake::{array, typed};

/// Discord remembers the nonce of a message for "a few minutes"; we count on this.
pub const ENFORCED_FOR: chrono::Duration = chrono::Duration::seconds(120);
const PAGE: usize = 100;
/// Messages since the intent that are searched for ours.
const PAGES: usize = 10;

impl Acting {
    /// A message that is sent once. While Discord remembers the nonce, it answers a repetition
    /// with the first message; later the channel is searched for what `me` wrote since.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_message(
        &self,
        channel: ChannelId,
        me: UserId,
        body: &Value,
    ) -> Result<Ensured, EnsureError> {
        let age = self.discord.inner.clock.now() - self.since;
        if self.resumed
            && age > ENFORCED_FOR
            && let Some(message) = self.find_message(channel, me, body).await?
        {
            return Ok(Ensured::new(Outcome::Adopted, message));
        }
        let mut body = body.clone();
        body["nonce"] = json!(self.nonce.as_str());
        body["enforce_nonce"] = json!(true);
        let request = self.request(Method::POST, format!("/channels/{channel}/messages"));
        let message = request.json(&body).idempotent(true).send().await?;
        Ok(Ensured::new(Outcome::Created, message))
    }

    /// The first message of ours that says the same.
    async fn find_message(
        &self,
        channel: ChannelId,
        me: UserId,
        body: &Value,
    ) -> Result<Option<Value>, EnsureError> {
        let mut after = self.earliest_id();
        for _ in 0..PAGES {
            let page = self
                .request(Method::GET, format!("/channels/{channel}/messages"))
                .query("after", after)
                .query("limit", PAGE)
                .send()
                .await?;
            let mut page = array(&page).to_vec();
            page.sort_by_key(|message| typed::<u64>(&message["id"]));
            let same = |message: &&Value| {
                typed(&message["author"]["id"]) == Some(me) && says(message, body)
            };
            if let Some(message) = page.iter().find(same) {
                return Ok(Some(message.clone()));
            }
            match page.last().and_then(|last| typed::<u64>(&last["id"])) {
                Some(last) if page.len() >= PAGE && last > after => after = last,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// Embeds come back with more in them than was sent, so their titles and texts decide.
fn says(message: &Value, body: &Value) -> bool {
    let content = |value: &Value| {
        value["content"]
            .as_str()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let embeds = |value: &Value| -> Vec<(Value, Value)> {
        let embeds = array(&value["embeds"]).iter();
        embeds
            .map(|embed| (embed["title"].clone(), embed["description"].clone()))
            .collect()
    };
    content(message) == content(body) && embeds(message) == embeds(body)
}
