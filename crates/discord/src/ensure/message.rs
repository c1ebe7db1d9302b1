use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, UserId};
use tracing::warn;

use super::{Acting, Doubt, EnsureError, Ensured, Outcome};
use crate::error::DiscordError;
use crate::request::{LONGEST_WAIT, Request};
use crate::snowflake::{array, id, typed};

/// Discord remembers the nonce of a message for "a few minutes"; we count on this.
pub const ENFORCED_FOR: Duration = Duration::from_secs(120);
/// Discord has finished, or given up, a request that old.
const WORKED_ON: Duration = Duration::from_secs(30);
const PAGE: usize = 100;
/// Messages since the intent that are searched for ours.
const PAGES: usize = 10;

impl Acting {
    /// A message that is sent once. While Discord remembers the nonce, it answers a repetition
    /// with the first message. What a resumed effect sends later than that, a wait in line
    /// included, is sent when the channel shows just before that none was.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_message(
        &self,
        channel: ChannelId,
        me: UserId,
        body: &Value,
    ) -> Result<Ensured, EnsureError> {
        let clock = &self.discord.inner.clock;
        let wait = self.longest_wait.unwrap_or(LONGEST_WAIT);
        if !self.resumed {
            let post = self.post(channel, body).longest_wait(wait);
            let sent = post.idempotent_within(ENFORCED_FOR).send().await;
            return self.settle(sent, channel, me, body).await;
        }
        let give_up_at = clock.monotonic().saturating_add(wait);
        let age = (clock.now() - self.since).to_std().unwrap_or_default();
        // An earlier try sent it after the intent.
        let mut remembered = ENFORCED_FOR.saturating_sub(age);
        loop {
            if remembered.is_zero() {
                if let Some(message) = self.find_message(channel, me, body).await? {
                    return Ok(Ensured::new(Outcome::Adopted, message));
                }
                // If it was under way just now, it is remembered for that long.
                remembered = ENFORCED_FOR - WORKED_ON;
            }
            let rest = give_up_at.saturating_sub(clock.monotonic());
            let bound = rest.min(remembered);
            let post = self.post(channel, body).longest_wait(bound);
            match post.send().await {
                // The line is longer than that: step out, and look again when the turn is near.
                Err(DiscordError::RateLimited { retry_after, .. })
                    if retry_after > bound && retry_after < rest =>
                {
                    self.wait(retry_after.saturating_sub(remembered)).await?;
                    remembered = Duration::ZERO;
                }
                sent => return self.settle(sent, channel, me, body).await,
            }
        }
    }

    fn post(&self, channel: ChannelId, body: &Value) -> Request {
        let mut body = body.clone();
        body["nonce"] = json!(self.nonce.as_str());
        body["enforce_nonce"] = json!(true);
        let post = self.request(Method::POST, format!("/channels/{channel}/messages"));
        post.json(&body)
    }

    /// Looks for a message that was sent without an answer.
    async fn settle(
        &self,
        sent: Result<Value, DiscordError>,
        channel: ChannelId,
        me: UserId,
        body: &Value,
    ) -> Result<Ensured, EnsureError> {
        let error = match sent {
            Ok(message) => return Ok(Ensured::new(Outcome::Created, message)),
            Err(error) if error.is_ambiguous() => error,
            Err(error) => return Err(error.into()),
        };
        match self.find_message(channel, me, body).await {
            Ok(Some(message)) => Ok(Ensured::new(Outcome::Adopted, message)),
            Ok(None) => Err(error.into()),
            Err(failed) => {
                warn!(error = %failed, "looking up a message without an answer failed");
                Err(error.into())
            }
        }
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
                typed(&message["author"]["id"]) == Some(me)
                    && says(message, body)
                    && id(&message["id"]).is_some_and(|id| !self.owned.contains(&id))
            };
            if let Some(message) = page.iter().find(same) {
                return Ok(Some(message.clone()));
            }
            match page.last().and_then(|last| typed::<u64>(&last["id"])) {
                Some(last) if page.len() >= PAGE && last > after => after = last,
                _ => return Ok(None),
            }
        }
        // More was written since than is read: ours may come after it.
        Err(self.unresolved("message", 0, Doubt::Unread))
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
