//! The word of a trusted person on what waits for it.

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::ErrorResponse;
use splashtail_permissions::CheckOptions;
use tracing::error;
use uuid::Uuid;

use super::answers::not_ready;
use super::query::limits;
use crate::app::App;
use crate::catalogue::Language;
use crate::framework::check;
use crate::framework::gate::Question;
use crate::modules::guarded::{Desk, PENDING, Word};

/// Somebody agrees to a request, refuses or withdraws it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApprovalQuestion {
    pub guild_id: GuildId,
    pub user_id: UserId,
    pub request: Uuid,
    /// `agree`, `refuse` or `withdraw`.
    pub answer: String,
}

/// Somebody wants to see what waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SightQuestion {
    pub guild_id: GuildId,
    pub user_id: UserId,
    /// Of an API token that asks for the user.
    #[serde(default)]
    pub custom_resolved_kittycat_perms: Option<Vec<String>>,
}

#[async_trait]
pub trait ApprovalAnswers: Send + Sync {
    /// All that `/guarded pending` asks for: `{"Ok":{}}`, or `{"PermissionError":{"res":…}}`.
    ///
    /// # Errors
    /// 503 while it is not known who is trusted.
    async fn look(&self, question: SightQuestion) -> Result<Value, ErrorResponse>;

    /// `{"Ok":{"message":…,"may_look":…}}` with what came of it, also when the word does not count, and
    /// whether they may look at what waits; or `{"PermissionError":{"res":…}}` for somebody who is not
    /// there.
    ///
    /// # Errors
    /// 422 for another word, 503 when the database does not answer.
    async fn hear(&self, question: ApprovalQuestion) -> Result<Value, ErrorResponse>;
}

#[async_trait]
impl ApprovalAnswers for App {
    async fn look(&self, question: SightQuestion) -> Result<Value, ErrorResponse> {
        let (guild, user) = (question.guild_id, question.user_id);
        let standing = check::standing_of(self, guild, user).await;
        let options = CheckOptions {
            custom_resolved_kittycat_perms: limits(question.custom_resolved_kittycat_perms),
            ..CheckOptions::default()
        };
        let asked = Question {
            guild,
            user,
            command: PENDING,
            options: &options,
        };
        let result = self.gate.decide(&asked, &standing).await;
        let standing = match (standing, result.is_ok()) {
            (Ok(standing), true) => standing,
            (_, _) => return Ok(json!({ "PermissionError": { "res": result } })),
        };
        let desk = self.services.get::<Desk>().map_err(|_| not_ready())?;
        let circle = desk.circle(guild).ok_or_else(not_ready)?;
        Ok(match circle.may_look(user, standing.native) {
            Ok(()) => json!({ "Ok": {} }),
            Err(denied) => json!({ "PermissionError": { "res": denied } }),
        })
    }

    async fn hear(&self, question: ApprovalQuestion) -> Result<Value, ErrorResponse> {
        let Some(word) = Word::read(&question.answer) else {
            return Err(ErrorResponse::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_action",
                "an answer is `agree`, `refuse` or `withdraw`",
            ));
        };
        let (guild, user) = (question.guild_id, question.user_id);
        let standing = match check::standing_of(self, guild, user).await {
            Ok(standing) => standing,
            Err(denied) => return Ok(json!({ "PermissionError": { "res": denied } })),
        };
        let desk = self.services.get::<Desk>().map_err(|_| not_ready())?;
        let request = (guild, question.request);
        match desk.hear(request, user, word, Language::English).await {
            Ok(message) => {
                let circle = desk.circle(guild).unwrap_or_default();
                let may_look = circle.may_look(user, standing.native).is_ok();
                Ok(json!({ "Ok": { "message": message, "may_look": may_look } }))
            }
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
