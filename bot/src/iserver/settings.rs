//! The settings operation.

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_api_types::settings::SettingsError;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::ErrorResponse;
use splashtail_permissions::PermissionResult;
use tracing::error;

use super::query::limits;
use crate::app::App;
use crate::configuration::{Asked, PastChange, PastEdit, Refusal, Way};
use crate::framework::check;
use crate::settings::{Fields, Operation};

/// Rows that one View answers.
const MAX_ROWS: usize = 500;
/// Edits that one look into the past reads.
const MAX_CHANGES: u32 = 100;

/// In whose name something is asked about a guild.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct By {
    pub guild_id: GuildId,
    pub user_id: UserId,
    /// Of an API token that asks for the user.
    #[serde(default)]
    pub custom_resolved_kittycat_perms: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SettingQuestion {
    #[serde(flatten)]
    pub by: By,
    pub setting: String,
    #[serde(default)]
    pub module: Option<String>,
    pub op: Operation,
    #[serde(default)]
    pub fields: Fields,
}

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HistoryQuestion {
    #[serde(flatten)]
    pub by: By,
    /// Only what is older than this version.
    #[serde(default)]
    pub below: Option<i64>,
    pub limit: u32,
}

/// A change is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RollbackQuestion {
    #[serde(flatten)]
    pub by: By,
    pub version: i64,
}

/// All that a guild has set is to become a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ExportQuestion {
    #[serde(flatten)]
    pub by: By,
}

/// A guild is to have set what a file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImportQuestion {
    #[serde(flatten)]
    pub by: By,
    pub file: String,
    /// Entries that the file does not name go.
    #[serde(default)]
    pub replace: bool,
    /// Of the plan that was shown. None: it is only planned.
    #[serde(default)]
    pub plan_hash: Option<String>,
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

    /// `{"Ok":{"changes":[…]}}`, newest first, without what the user may not view, or as for
    /// [`SettingAnswers::answer`].
    ///
    /// # Errors
    /// The database did not answer.
    async fn history(&self, question: HistoryQuestion) -> Result<Value, ErrorResponse>;

    /// As [`SettingAnswers::answer`]. It takes the command `perms undo`.
    ///
    /// # Errors
    /// The database did not answer.
    async fn roll_back(&self, question: RollbackQuestion) -> Result<Value, ErrorResponse>;

    /// `{"Ok":{"file":…}}`, or as [`SettingAnswers::answer`]. It takes the command `settings export`.
    ///
    /// # Errors
    /// The database did not answer.
    async fn export(&self, question: ExportQuestion) -> Result<Value, ErrorResponse>;

    /// `{"Ok":{"from":…,"hash":…,"edits":[…],"version":…}}`, or as [`SettingAnswers::answer`]. It takes
    /// the command `settings import`.
    ///
    /// # Errors
    /// The database did not answer, or 409: what would change is not what was shown.
    async fn import(&self, question: ImportQuestion) -> Result<Value, ErrorResponse>;
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
        let asked = question.by.asked(self);
        let asked = match asked.await {
            Ok(asked) => asked,
            Err(denied) => return Ok(denied_by(&denied)),
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
        said(asked.guild, done)
    }

    async fn history(&self, question: HistoryQuestion) -> Result<Value, ErrorResponse> {
        let asked = question.by.asked(self);
        let asked = match asked.await {
            Ok(asked) => asked,
            Err(denied) => return Ok(denied_by(&denied)),
        };
        let limit = question.limit.clamp(1, MAX_CHANGES);
        let past = self.configuration.history(&asked, question.below, limit);
        let past = past.await.map(|past| {
            let changes: Vec<_> = past.into_iter().map(change).collect();
            json!({ "changes": changes })
        });
        said(asked.guild, past)
    }

    async fn roll_back(&self, question: RollbackQuestion) -> Result<Value, ErrorResponse> {
        let asked = question.by.asked(self);
        let asked = match asked.await {
            Ok(asked) => asked,
            Err(denied) => return Ok(denied_by(&denied)),
        };
        let done = self.configuration.roll_back(&asked, question.version).await;
        let done = done.map(|changed| {
            let rows: Vec<_> = changed.fields.into_iter().collect();
            json!({ "fields": rows, "version": changed.version })
        });
        said(asked.guild, done)
    }

    async fn export(&self, question: ExportQuestion) -> Result<Value, ErrorResponse> {
        let asked = question.by.asked(self);
        let asked = match asked.await {
            Ok(asked) => Asked {
                command: Some("settings export"),
                ..asked
            },
            Err(denied) => return Ok(denied_by(&denied)),
        };
        let file = self.configuration.export(&asked).await;
        said(asked.guild, file.map(|file| json!({ "file": file })))
    }

    async fn import(&self, question: ImportQuestion) -> Result<Value, ErrorResponse> {
        let asked = question.by.asked(self);
        let asked = match asked.await {
            Ok(asked) => Asked {
                command: Some("settings import"),
                ..asked
            },
            Err(denied) => return Ok(denied_by(&denied)),
        };
        let (text, replace) = (question.file.as_str(), question.replace);
        let configuration = &self.configuration;
        let plan = match configuration.plan_import(&asked, text, replace).await {
            Ok(plan) => plan,
            Err(refusal) => return said(asked.guild, Err(refusal)),
        };
        let hash = plan.hash(text, replace);
        let version = match question.plan_hash {
            None => None,
            Some(shown) if shown != hash => return Err(plan_changed()),
            Some(_) => {
                let approved = Some(&plan);
                let done = configuration.import(&asked, text, replace, approved).await;
                match done {
                    Ok(changed) => Some(changed.version).filter(|_| changed.made),
                    Err(refusal) => return said(asked.guild, Err(refusal)),
                }
            }
        };
        let edits: Vec<_> = plan.shown.into_iter().map(edit).collect();
        let told = json!({"from": plan.from, "hash": hash, "edits": edits, "version": version});
        Ok(json!({ "Ok": told }))
    }
}

impl By {
    /// # Errors
    /// Discord does not say who they are.
    async fn asked(self, app: &App) -> Result<Asked, PermissionResult> {
        let standing = check::standing_of(app, self.guild_id, self.user_id).await?;
        Ok(Asked {
            guild: self.guild_id,
            user: self.user_id,
            standing,
            custom: limits(self.custom_resolved_kittycat_perms),
            way: Way::Api,
            command: None,
        })
    }
}

/// As a line of `SettingsHistory` in the web API.
fn change(past: PastChange) -> Value {
    let edits = past.edits.into_iter().map(edit);
    json!({
        "version": past.version,
        "at": past.at,
        "by": past.by,
        "way": past.way,
        "undoes": past.undoes,
        "edits": edits.collect::<Vec<_>>(),
    })
}

fn edit(edit: PastEdit) -> Value {
    json!({
        "setting": edit.setting,
        "entry": edit.entry,
        "before": edit.before,
        "after": edit.after,
    })
}

fn plan_changed() -> ErrorResponse {
    ErrorResponse::new(
        StatusCode::CONFLICT,
        "plan_changed",
        "the settings, the file or your rights have changed since the plan was made: look at it again",
    )
}

fn said(guild: GuildId, done: Result<Value, Refusal>) -> Result<Value, ErrorResponse> {
    match done {
        Ok(done) => Ok(json!({ "Ok": done })),
        Err(Refusal::Denied(denied)) => Ok(denied_by(&denied)),
        Err(Refusal::Wrong(wrong)) => {
            let errors: Vec<SettingsError> = wrong.iter().map(SettingsError::from).collect();
            Ok(json!({ "Err": { "error": errors.first(), "errors": errors } }))
        }
        Err(Refusal::Guarded(text)) => {
            let error = SettingsError::Generic {
                message: text,
                src: "rules".to_owned(),
                typ: "guarded".to_owned(),
            };
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
