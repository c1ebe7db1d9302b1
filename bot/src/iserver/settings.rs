//! The settings operation.

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::ErrorResponse;
use splashtail_permissions::{Permission, PermissionResult};
use tracing::error;

use crate::app::App;
use crate::configuration::{Asked, Refusal, Way};
use crate::framework::check;
use crate::settings::{Fields, Operation, refuse};

/// Rows that one View answers.
const MAX_ROWS: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SettingQuestion {
    pub guild_id: GuildId,
    /// In whose name it is asked.
    pub user_id: UserId,
    pub setting: String,
    #[serde(default)]
    pub module: Option<String>,
    pub op: Operation,
    #[serde(default)]
    pub fields: Fields,
    /// Of an API token that asks for the user.
    #[serde(default)]
    pub custom_resolved_kittycat_perms: Option<Vec<String>>,
}

/// Answers it.
#[async_trait]
pub trait SettingAnswers: Send + Sync {
    /// `{"Ok":{"fields":[row]}}`, `{"PermissionError":{"res":…}}`, or `{"Err":{"error":…,
    /// "errors":[…]}}` with everything that is wrong.
    ///
    /// # Errors
    /// The database did not answer, or there is no such setting.
    async fn answer(&self, question: SettingQuestion) -> Result<Value, ErrorResponse>;
}

#[async_trait]
impl SettingAnswers for App {
    async fn answer(&self, question: SettingQuestion) -> Result<Value, ErrorResponse> {
        let known = self.registry.setting(&question.setting);
        let asked_module = question.module.as_deref();
        let known = known.filter(|(module, _)| asked_module.is_none_or(|asked| asked == *module));
        let Some((_, setting)) = known else {
            return Err(no_setting());
        };
        let (guild, user) = (question.guild_id, question.user_id);
        let standing = match check::standing_of(self, guild, user).await {
            Ok(standing) => standing,
            Err(denied) => return Ok(denied_by(&denied)),
        };
        let custom = question.custom_resolved_kittycat_perms.map(|perms| {
            let perms = perms.iter().map(|text| Permission::parse(text));
            perms.collect()
        });
        let asked = Asked {
            guild,
            user,
            standing,
            custom,
            way: Way::Api,
            command: None,
        };
        let id = setting.id;
        let fields = &question.fields;
        let done = match question.op {
            Operation::View => {
                let page = |key: &str| fields.get(key).and_then(Value::as_u64);
                let page = |key: &str| page(key).and_then(|number| usize::try_from(number).ok());
                let limit = page("__limit").unwrap_or(MAX_ROWS).min(MAX_ROWS);
                let offset = page("__offset").unwrap_or(0);
                let view = self.configuration.view(&asked, id, offset, limit).await;
                view.map(|view| {
                    json!({ "fields": view.rows, "count": view.count, "maximum": view.is_full })
                })
            }
            operation => {
                let changed = self
                    .configuration
                    .change(&asked, id, operation, fields)
                    .await;
                changed.map(|changed| {
                    let rows: Vec<_> = changed.fields.into_iter().collect();
                    json!({ "fields": rows, "version": changed.version })
                })
            }
        };
        match done {
            Ok(done) => Ok(json!({ "Ok": done })),
            Err(Refusal::Denied(denied)) => Ok(denied_by(&denied)),
            Err(Refusal::Wrong(errors)) => {
                Ok(json!({ "Err": { "error": errors.first(), "errors": errors } }))
            }
            Err(Refusal::Guarded(text)) => {
                let error = refuse(text, "guarded");
                Ok(json!({ "Err": { "error": error, "errors": [error] } }))
            }
            Err(Refusal::NoSetting(_)) => Err(no_setting()),
            Err(Refusal::Busy) => Err(ErrorResponse::new(
                StatusCode::CONFLICT,
                "busy",
                "others are changing the settings right now",
            )),
            Err(Refusal::Storage(cause)) => {
                error!(guild.id = %guild, error = %Chain(&cause), "a setting was not reached");
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

fn denied_by(result: &PermissionResult) -> Value {
    json!({ "PermissionError": { "res": result } })
}

fn no_setting() -> ErrorResponse {
    ErrorResponse::new(
        StatusCode::NOT_FOUND,
        "unknown_setting",
        "there is no such setting",
    )
}
