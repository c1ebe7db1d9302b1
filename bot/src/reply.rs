//! The one message a command answers with, and later changes of it.

use std::sync::atomic::{AtomicBool, Ordering};

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{ChannelId, EditInteractionResponse, EditMessage, MessageId};

use crate::app::Context;
use crate::discord_http::{code, once_more, status};

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
    Discord(#[source] Box<serenity::Error>),
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
pub async fn answer(cx: Context<'_>, reply: CreateReply) -> Result<Reply, serenity::Error> {
    let (channel, message) = match cx {
        Context::Application(application) => {
            if application.has_sent_initial_response.load(Ordering::SeqCst) {
                let message = once_more(|| {
                    let edit = cx
                        .reply_builder(reply.clone())
                        .to_slash_initial_response_edit(EditInteractionResponse::new());
                    application.interaction.edit_response(cx.http(), edit)
                })
                .await?;
                (message.channel_id, message.id)
            } else {
                let handle = once_more(|| cx.send(reply.clone())).await?;
                let message = handle.into_message().await?;
                (message.channel_id, message.id)
            }
        }
        Context::Prefix(_) => {
            let message = once_more(|| cx.send(reply.clone()))
                .await?
                .into_message()
                .await?;
            (message.channel_id, message.id)
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
                application.interaction.edit_response(cx.http(), edit)
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
        once_more(|| {
            let edit = cx
                .reply_builder(reply.clone())
                .to_prefix_edit(EditMessage::new());
            self.channel.edit_message(cx.http(), self.message, edit)
        })
        .await?;
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
        Ok(self.channel.delete_message(cx.http(), self.message).await?)
    }
}

impl From<serenity::Error> for EditError {
    fn from(error: serenity::Error) -> Self {
        let gone = matches!(code(&error), Some(UNKNOWN_MESSAGE | UNKNOWN_CHANNEL))
            || matches!(status(&error), Some(403));
        if gone {
            Self::Gone
        } else {
            Self::Discord(Box::new(error))
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
