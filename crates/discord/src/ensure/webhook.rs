use http::Method;
use serde_json::Value;
use splashtail_core::ids::{ApplicationId, ChannelId, GuildId};

use super::audit::LOOKS;
use super::create::{Creation, Likeness, stored_name};
use super::{Acting, EnsureError, Ensured, Outcome};
use crate::form::Upload;
use crate::request::Request;
use crate::snowflake::{array, id, typed};

const WEBHOOK_CREATE: u64 = 50;
const PAGE: usize = 100;

/// A webhook that can be posted with, and where.
#[derive(Clone)]
pub struct Poster {
    /// The webhook's id.
    pub webhook: u64,
    /// The webhook's token: a credential.
    pub token: String,
    /// The webhook's channel.
    pub channel: u64,
    /// A thread of it.
    pub thread: Option<u64>,
}

impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poster")
            .field("webhook", &self.webhook)
            .field("channel", &self.channel)
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

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
            file: None,
            list: webhooks,
            action: WEBHOOK_CREATE,
            like: &like,
            unlisted: false,
        })
        .await
    }

    pub(super) async fn make_hook(
        &self,
        guild: GuildId,
        want: &Value,
    ) -> Result<Ensured, EnsureError> {
        let channel =
            id(&want["channel_id"]).ok_or(EnsureError::Incomplete("webhook's channel"))?;
        let mut body = want.clone();
        if let Some(body) = body.as_object_mut() {
            body.shift_remove("channel_id");
        }
        let like =
            |webhook: &Value| match stored_name(&webhook["name"]) == stored_name(&want["name"]) {
                true => Likeness::Alike,
                false => Likeness::Perhaps,
            };
        let webhooks = format!("/channels/{channel}/webhooks");
        self.create(Creation {
            what: "webhook",
            guild,
            post: webhooks.clone(),
            body: &body,
            file: None,
            list: webhooks,
            action: WEBHOOK_CREATE,
            like: &like,
            unlisted: false,
        })
        .await
    }

    /// A message of a webhook that nobody else uses, posted once. `after`: the last one that it
    /// posted there before, or 0, with which everything since the webhook was made is looked at. Webhook messages carry no mark, so with one under way at a time
    /// whatever the webhook posted later is this one.
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_webhook_message(
        &self,
        poster: &Poster,
        after: u64,
        body: &Value,
        files: &[Upload],
    ) -> Result<Ensured, EnsureError> {
        if self.resumed
            && let Some(message) = self.posted_before(poster, after).await?
        {
            return Ok(Ensured::new(Outcome::Adopted, message));
        }
        let error = match self
            .post_by(poster, poster.thread, body, files)
            .send()
            .await
        {
            Ok(message) => return Ok(Ensured::new(Outcome::Created, message)),
            Err(error) if error.is_ambiguous() => error,
            Err(error) => return Err(error.into()),
        };
        match self.posted(poster, after).await? {
            Some(message) => Ok(Ensured::new(Outcome::Adopted, message)),
            None => Err(error.into()),
        }
    }

    pub(super) fn post_by(
        &self,
        poster: &Poster,
        thread: Option<u64>,
        body: &Value,
        files: &[Upload],
    ) -> Request {
        let path = format!("/webhooks/{}/{}", poster.webhook, poster.token);
        let mut post = self.request(Method::POST, path).query("wait", true);
        if let Some(thread) = thread {
            post = post.query("thread_id", thread);
        }
        if body["components"].is_array() {
            // Without it those of webhooks that are not an application's are left out in silence.
            post = post.query("with_components", true);
        }
        match files {
            [] => post.json(body),
            files => post.form(body, files),
        }
    }

    /// What an earlier try posted. `None`: nothing, for as long as Discord may still be working on
    /// what its sender heard no answer to.
    async fn posted_before(
        &self,
        poster: &Poster,
        after: u64,
    ) -> Result<Option<Value>, EnsureError> {
        for pause in LOOKS {
            self.wait(pause).await?;
            if let Some(message) = self.posted(poster, after).await? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The webhook's first message after that one. Ids alone bound the search: a clock that was turned
    /// since the intent hides nothing.
    async fn posted(&self, poster: &Poster, after: u64) -> Result<Option<Value>, EnsureError> {
        let place = poster.thread.unwrap_or(poster.channel);
        let mut after = after.max(poster.webhook);
        loop {
            let page = self
                .request(Method::GET, format!("/channels/{place}/messages"))
                .query("after", after)
                .query("limit", PAGE)
                .send()
                .await?;
            let mut page = array(&page).to_vec();
            page.sort_by_key(|message| id(&message["id"]));
            let ours = |message: &&Value| {
                id(&message["webhook_id"]) == Some(poster.webhook)
                    && id(&message["id"]).is_some_and(|id| !self.owned.contains(&id))
            };
            if let Some(message) = page.iter().find(ours) {
                return Ok(Some(message.clone()));
            }
            match page.last().and_then(|last| id(&last["id"])) {
                Some(last) if page.len() >= PAGE && last > after => after = last,
                _ => return Ok(None),
            }
        }
    }

    /// No such webhook. One that is gone already is [`Outcome::Unchanged`].
    ///
    /// # Errors
    /// See [`EnsureError`].
    pub async fn ensure_no_webhook(&self, webhook: u64) -> Result<Ensured, EnsureError> {
        self.remove(format!("/webhooks/{webhook}")).await
    }
}
