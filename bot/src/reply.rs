//! The one message a command answers with, and later changes of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde::Serialize;
use serde_json::Value;
use serenity::{ChannelId, EditInteractionResponse, EditMessage, MessageId};
use splashtail_discord::{Discord, DiscordError, Lane, snowflake};

use crate::app::Context;
use crate::discord_http::{code, describe, once_more, status};
use crate::fit::{fit, fit_edit};

/// A message is not worth a longer wait: who asked has gone on.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Discord's error codes (Discord documentation, "JSON Error Codes").
const UNKNOWN_CHANNEL: isize = 10003;
const UNKNOWN_MESSAGE: isize = 10008;
const UNKNOWN_WEBHOOK: isize = 10015;
const INVALID_WEBHOOK_TOKEN: isize = 50027;

/// Where the answer of a command is. Interaction tokens expire after 15 minutes; from then on the
/// message is changed as any other message of the bot.
pub struct Reply {
    pub channel: ChannelId,
    pub message: MessageId,
    token_expired: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Somebody deleted the message, or the bot can no longer reach it.
    #[error("the message is gone")]
    Gone,
    #[error("the message was not changed")]
    Discord(#[source] Failed),
}

/// Discord did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// As the answer of an interaction.
    #[error(transparent)]
    Interaction(Box<serenity::Error>),
    /// As a message of a channel.
    #[error(transparent)]
    Message(Box<DiscordError>),
}

impl Failed {
    /// Without the address, which can hold an interaction's token.
    pub fn describe(&self) -> String {
        match self {
            Self::Interaction(error) => describe(error),
            Self::Message(error) => error.to_string(),
        }
    }

    /// What Discord says does not allow it.
    pub fn not_allowed(&self) -> Option<String> {
        match self {
            Self::Interaction(error) => match error.as_ref() {
                serenity::Error::Http(serenity::HttpError::UnsuccessfulRequest(response))
                    if response.status_code.as_u16() == 403 =>
                {
                    Some(response.error.message.clone())
                }
                _ => None,
            },
            Self::Message(error) => error.is_forbidden().then(|| error.to_string()),
        }
    }
}

impl From<serenity::Error> for Failed {
    fn from(error: serenity::Error) -> Self {
        Self::Interaction(Box::new(error))
    }
}

impl From<DiscordError> for Failed {
    fn from(error: DiscordError) -> Self {
        Self::Message(Box::new(error))
    }
}

/// Tells Discord that an answer is coming. An interaction without any answer is dropped after 3
/// seconds, so commands start with this.
///
/// # Errors
/// Discord did not take it.
pub async fn defer(cx: Context<'_>) -> Result<(), serenity::Error> {
    once_more(|| cx.defer()).await
}

/// Answers the command. A deferred answer is filled, so there is never a second message.
///
/// # Errors
/// Discord did not take it.
pub async fn answer(cx: Context<'_>, reply: CreateReply) -> Result<Reply, Failed> {
    let (channel, message) = match cx {
        Context::Application(application) => {
            if application.has_sent_initial_response.load(Ordering::SeqCst) {
                let message = once_more(|| {
                    let edit = cx
                        .reply_builder(reply.clone())
                        .to_slash_initial_response_edit(EditInteractionResponse::new());
                    application
                        .interaction
                        .edit_response(cx.http(), fit_edit(edit))
                })
                .await?;
                (message.channel_id, message.id)
            } else {
                let handle = once_more(|| cx.send(reply.clone())).await?;
                let message = handle.into_message().await?;
                (message.channel_id, message.id)
            }
        }
        Context::Prefix(prefix) => {
            let asked = prefix.msg;
            let message = cx.reply_builder(reply).to_prefix(asked.into());
            let mut body = json(&message)?;
            fit(&mut body);
            // One answer to one message, however often it has to be sent.
            body["nonce"] = asked.id.to_string().into();
            body["enforce_nonce"] = true.into();
            let post = discord(cx)?.post(format!("/channels/{}/messages", asked.channel_id));
            let post = post.lane(Lane::Interactive).longest_wait(LONGEST);
            let sent = post.idempotent_within(LONGEST).json(&body).send().await?;
            let id = snowflake::id(&sent["id"]).ok_or(UNREADABLE)?;
            (asked.channel_id, MessageId::new(id))
        }
    };
    Ok(Reply {
        channel,
        message,
        token_expired: AtomicBool::new(false),
    })
}

impl Reply {
    /// # Errors
    /// See [`EditError`].
    pub async fn edit(&self, cx: Context<'_>, reply: CreateReply) -> Result<(), EditError> {
        if let Context::Application(application) = cx
            && !self.token_expired.load(Ordering::Relaxed)
        {
            let outcome = once_more(|| {
                let edit = cx
                    .reply_builder(reply.clone())
                    .to_slash_initial_response_edit(EditInteractionResponse::new());
                application
                    .interaction
                    .edit_response(cx.http(), fit_edit(edit))
            })
            .await;
            match outcome {
                Ok(_) => return Ok(()),
                Err(error) if is_expired_token(&error) => {
                    self.token_expired.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let edit = cx.reply_builder(reply).to_prefix_edit(EditMessage::new());
        let patch = discord(cx)?.patch(self.path()).idempotent(true);
        let patch = patch.lane(Lane::Interactive).longest_wait(LONGEST);
        let mut body = json(&edit)?;
        fit(&mut body);
        patch.json(&body).send_empty().await?;
        Ok(())
    }

    /// # Errors
    /// See [`EditError`].
    pub async fn delete(&self, cx: Context<'_>) -> Result<(), EditError> {
        if let Context::Application(application) = cx
            && application
                .interaction
                .delete_response(cx.http())
                .await
                .is_ok()
        {
            return Ok(());
        }
        let delete = discord(cx)?.delete(self.path());
        let delete = delete.lane(Lane::Interactive).longest_wait(LONGEST);
        Ok(delete.send_empty().await?)
    }

    fn path(&self) -> String {
        format!("/channels/{}/messages/{}", self.channel, self.message)
    }
}

const UNREADABLE: serenity::Error = serenity::Error::Other("Discord's answer is unreadable");
const NOT_CONNECTED: serenity::Error = serenity::Error::Other("not connected");

#[allow(clippy::result_large_err, reason = "the framework's own error")]
fn discord<'a>(cx: Context<'a>) -> Result<&'a Discord, serenity::Error> {
    let connection = cx.data().state.connection();
    connection
        .map(|connection| &connection.discord)
        .ok_or(NOT_CONNECTED)
}

/// A message as the framework would send it.
#[allow(clippy::result_large_err, reason = "the framework's own error")]
fn json(message: &impl Serialize) -> Result<Value, serenity::Error> {
    Ok(serde_json::to_value(message)?)
}

impl From<serenity::Error> for EditError {
    fn from(error: serenity::Error) -> Self {
        let gone = matches!(code(&error), Some(UNKNOWN_MESSAGE | UNKNOWN_CHANNEL))
            || matches!(status(&error), Some(403));
        match gone {
            true => Self::Gone,
            false => Self::Discord(error.into()),
        }
    }
}

impl From<DiscordError> for EditError {
    fn from(error: DiscordError) -> Self {
        match error.is_not_found() || error.is_forbidden() {
            true => Self::Gone,
            false => Self::Discord(error.into()),
        }
    }
}

fn is_expired_token(error: &serenity::Error) -> bool {
    matches!(code(error), Some(INVALID_WEBHOOK_TOKEN | UNKNOWN_WEBHOOK))
        || status(error) == Some(401)
}

/// The message as Discord would get it.
#[cfg(test)]
pub fn shown(reply: &CreateReply) -> serde_json::Value {
    let message = serenity::CreateInteractionResponseMessage::new();
    let message = serde_json::to_value(reply.clone().to_slash_initial_response(message)).unwrap();
    serde_json::json!({ "embeds": message["embeds"], "components": message["components"] })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

    use super::*;
    use crate::discord_http;

    /// What serenity makes of this answer of Discord.
    async fn refusal(status: u16, code: isize) -> serenity::Error {
        let server = MockServer::start().await;
        let body = json!({"code": code, "message": "no"});
        let answer = ResponseTemplate::new(status).set_body_json(body);
        Mock::given(matchers::any())
            .respond_with(answer)
            .mount(&server)
            .await;
        let http = discord_http::http(&server.uri().parse().unwrap(), &"bot.token".into());
        http.get_current_user().await.unwrap_err()
    }

    #[tokio::test]
    async fn an_expired_token_is_not_a_deleted_message() {
        for (status, code, expired, gone) in [
            (401, INVALID_WEBHOOK_TOKEN, true, false),
            (404, UNKNOWN_WEBHOOK, true, false),
            (404, UNKNOWN_MESSAGE, false, true),
            (404, UNKNOWN_CHANNEL, false, true),
            (403, 50001, false, true),
            (500, 0, false, false),
        ] {
            let error = refusal(status, code).await;
            assert_eq!(is_expired_token(&error), expired, "{status} {code}");
            assert_eq!(
                matches!(EditError::from(error), EditError::Gone),
                gone,
                "{status} {code}"
            );
        }
    }
}
