//! The word of a trusted person on what waits for it.

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::ErrorResponse;
use tracing::error;
use uuid::Uuid;

use super::answers::not_ready;
use crate::app::App;
use crate::catalogue::Language;
use crate::framework::check;
use crate::modules::guarded::{Desk, Word};

/// Somebody agrees to a request, refuses or withdraws it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApprovalQuestion {
    pub guild_id: GuildId,
    pub user_id: UserId,
    pub request: Uuid,
    /// `agree`, `refuse` or `withdraw`.
    pub answer: String,
}

#[async_trait]
pub trait ApprovalAnswers: Send + Sync {
    /// `{"Ok":{"message":…}}` with what came of it, also when the word does not count, or
    /// `{"PermissionError":{"res":…}}` for somebody who is not there.
    ///
    /// # Errors
    /// 422 for another word, 503 when the database does not answer.
    async fn hear(&self, question: ApprovalQuestion) -> Result<Value, ErrorResponse>;
}

#[async_trait]
impl ApprovalAnswers for App {
    async fn hear(&self, question: ApprovalQuestion) -> Result<Value, ErrorResponse> {
        let Some(word) = Word::read(&question.answer) else {
            return Err(ErrorResponse::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_action",
                "an answer is `agree`, `refuse` or `withdraw`",
            ));
        };
        let (guild, user) = (question.guild_id, question.user_id);
        if let Err(denied) = check::standing_of(self, guild, user).await {
            return Ok(json!({ "PermissionError": { "res": denied } }));
        }
        let desk = self.services.get::<Desk>().map_err(|_| not_ready())?;
        let request = (guild, question.request);
        match desk.hear(request, user, word, Language::English).await {
            Ok(message) => Ok(json!({ "Ok": { "message": message } })),
            Err(cause) => {
                error!(guild.id = %guild, error = %Chain(&cause), "an answer was not heard");
                Err(ErrorResponse::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "database",
                    "the database did not answer",
                )
                .retry_after(5))
            }
        }
    }
}
