//! Answers to presses.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_discord::{Discord, DiscordError, Lane};

use super::{Change, Form, Press};
use crate::fit::fit;
use crate::markdown::{MESSAGE, shorten};

const EPHEMERAL: u64 = 1 << 6;
/// Kinds of answers (Discord documentation, "Interaction Callback Type").
const CHANNEL_MESSAGE: u64 = 4;
const DEFERRED_MESSAGE: u64 = 5;
const DEFERRED_UPDATE: u64 = 6;
const MODAL: u64 = 9;
/// Discord drops an interaction that is not answered in time (Discord documentation, "Receiving and
/// Responding").
pub(super) const ANSWERABLE: Duration = Duration::from_secs(3);
/// For what follows the first answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Title and label of a form, and what stands in an empty line ("Modal", "Text Input").
const TITLE: usize = 45;
const PLACEHOLDER: usize = 100;
/// Discord's error codes for a token that has expired (Discord documentation, "JSON Error Codes").
const UNKNOWN_WEBHOOK: u64 = 10_015;
const INVALID_WEBHOOK_TOKEN: u64 = 50_027;

/// The answers to one press.
pub(super) struct Answer<'a> {
    pub(super) discord: &'a Discord,
    pub(super) press: &'a Press,
}

impl Answer<'_> {
    /// Says something to whoever pressed, as the first answer.
    pub(super) async fn say(&self, text: &str) -> Result<(), DiscordError> {
        let mut data = said(text);
        data["flags"] = EPHEMERAL.into();
        self.call_back(CHANNEL_MESSAGE, Some(data)).await
    }

    /// Shows a form, as the first answer.
    pub(super) async fn ask(&self, form: &Form) -> Result<(), DiscordError> {
        let line = json!({"type": 4, "style": 1, "custom_id": form.field,
                          "label": shorten(&form.label, TITLE),
                          "placeholder": shorten(&form.placeholder, PLACEHOLDER),
                          "required": true, "max_length": 100});
        let data = json!({"custom_id": form.custom_id, "title": shorten(&form.title, TITLE),
                          "components": [{"type": 1, "components": [line]}]});
        self.call_back(MODAL, Some(data)).await
    }

    /// Tells Discord that [`Answer::fill`] follows.
    pub(super) async fn will_say(&self) -> Result<(), DiscordError> {
        let data = json!({"flags": EPHEMERAL});
        self.call_back(DEFERRED_MESSAGE, Some(data)).await
    }

    /// Tells Discord that the message will change.
    pub(super) async fn will_change(&self) -> Result<(), DiscordError> {
        self.call_back(DEFERRED_UPDATE, None).await
    }

    /// Fills what [`Answer::will_say`] promised.
    pub(super) async fn fill(&self, text: &str) -> Result<(), DiscordError> {
        self.edit(&said(text)).await
    }

    /// Says something to whoever pressed after another answer.
    pub(super) async fn add(&self, text: &str) -> Result<(), DiscordError> {
        let mut body = said(text);
        body["flags"] = EPHEMERAL.into();
        let post = self.discord.post(self.webhook()).lane(Lane::Interactive);
        post.longest_wait(PATIENCE).json(&body).send_empty().await
    }

    /// Does what [`Answer::will_change`] promised. When the token has expired, the message is changed
    /// as any other of the bot.
    pub(super) async fn change(&self, change: &Change) -> Result<(), DiscordError> {
        let answered = match change {
            Change::Show(body) => self.edit(body).await,
            Change::Delete => self.delete(self.original()).await,
        };
        let expired = match &answered {
            Err(error) => {
                error.is_unauthorized()
                    || matches!(error.code(), Some(UNKNOWN_WEBHOOK | INVALID_WEBHOOK_TOKEN))
            }
            Ok(()) => false,
        };
        match self.press.message {
            Some(message) if expired && !self.press.is_private => {
                let path = format!("/channels/{}/messages/{message}", self.press.channel);
                match change {
                    Change::Show(body) => self.patch(path, body).await,
                    Change::Delete => self.delete(path).await,
                }
            }
            _ => answered,
        }
    }

    async fn edit(&self, body: &Value) -> Result<(), DiscordError> {
        self.patch(self.original(), body).await
    }

    async fn patch(&self, path: String, body: &Value) -> Result<(), DiscordError> {
        let mut body = body.clone();
        fit(&mut body);
        let patch = self.discord.patch(path).idempotent(true);
        let patch = patch.lane(Lane::Interactive).longest_wait(PATIENCE);
        patch.json(&body).send_empty().await
    }

    async fn delete(&self, path: String) -> Result<(), DiscordError> {
        let delete = self.discord.delete(path).lane(Lane::Interactive);
        delete.longest_wait(PATIENCE).send_empty().await
    }

    fn webhook(&self) -> String {
        format!("/webhooks/{}/{}", self.press.application, self.press.token)
    }

    fn original(&self) -> String {
        format!("{}/messages/@original", self.webhook())
    }

    async fn call_back(&self, kind: u64, data: Option<Value>) -> Result<(), DiscordError> {
        let Press { id, token, .. } = self.press;
        let mut body = json!({"type": kind});
        if let Some(data) = data {
            body["data"] = data;
        }
        let path = format!("/interactions/{id}/{token}/callback");
        let answer = self.discord.post(path).lane(Lane::Interactive);
        // Discord takes no answer later.
        let answer = answer.longest_wait(ANSWERABLE).json(&body);
        answer.send_empty().await
    }
}

/// Nobody is pinged.
fn said(text: &str) -> Value {
    json!({"content": shorten(text, MESSAGE), "allowed_mentions": {"parse": []}})
}
