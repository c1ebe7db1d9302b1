//! What is done about incidents, for people who ask from outside.

use async_trait::async_trait;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, TaskId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::ErrorResponse;
use tracing::error;

use super::answers::{not_ready, unknown_guild};
use super::approvals::SightQuestion;
use super::query::limits;
use crate::app::App;
use crate::configuration::{Asked, Way};
use crate::framework::check::{self, CommandChecks as _};
use crate::modules::antinuke::{ACTS, IncidentAct, NotDone, Protection};

/// The command that shows how protected a server is.
const STATUS: &str = "protection status";

/// Something is to be done about an incident.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IncidentQuestion {
    pub guild_id: GuildId,
    /// In whose name it is asked.
    pub user_id: UserId,
    /// A snowflake. `panic` and `calm` are about the whole server and take any.
    pub incident: String,
    /// One of the module's [`ACTS`].
    pub act: String,
    /// Of a put-back of `parts`, and of the plan that is approved: which.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Of the plan that was shown.
    #[serde(default)]
    pub plan_hash: Option<String>,
    /// The put-back that is taken back.
    #[serde(default)]
    pub job: Option<TaskId>,
}

#[async_trait]
pub trait IncidentAnswers: Send + Sync {
    /// `{"Ok":{"message":…,"job":…}}` with the job that carries it out, or null where none does;
    /// `{"PermissionError":{"res":…}}` for somebody who is not there, `{"Refused":{"message":…}}`,
    /// `{"Guarded":{"message":…}}` where others have to agree first, `{"Unknown":{"message":…}}` for an
    /// incident that is forgotten, and `{"NotOrdered":{"status":…,"code":…,"message":…}}` where the
    /// jobserver takes no order for it.
    ///
    /// # Errors
    /// 404 for a guild that there is not, 422 for what is no act or incident, 503 while it is not known.
    async fn act(&self, question: IncidentQuestion) -> Result<Value, ErrorResponse>;

    /// What a panic would take: `{"Ok":…}`, or `{"PermissionError":{"res":…}}`. It takes the command
    /// `protection status`.
    ///
    /// # Errors
    /// 404 for a guild that there is not, 503 while it is not known.
    async fn panic(&self, question: SightQuestion) -> Result<Value, ErrorResponse>;
}

#[async_trait]
impl IncidentAnswers for App {
    async fn act(&self, question: IncidentQuestion) -> Result<Value, ErrorResponse> {
        let verb = ACTS.into_iter().find(|act| *act == question.act);
        let incident = question.incident.parse().ok();
        let Some((verb, incident)) = verb.zip(incident) else {
            return Err(ErrorResponse::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_action",
                format!("an act is one of {}, of an incident", ACTS.join(", ")),
            ));
        };
        let connection = self.state.connection().ok_or_else(not_ready)?;
        let view = connection.guilds.get(question.guild_id);
        let view = view.ok_or_else(unknown_guild)?;
        let (guild, user) = (question.guild_id, question.user_id);
        let standing = match check::standing_of(self, guild, user).await {
            Ok(standing) => standing,
            Err(denied) => return Ok(json!({ "PermissionError": { "res": denied } })),
        };
        let protection = self.services.get::<Protection>();
        let protection = protection.map_err(|_| not_ready())?;
        let act = IncidentAct {
            verb,
            incident,
            parts: &question.parts,
            plan_hash: question.plan_hash.as_deref(),
            job: question.job,
        };
        let asked = Asked {
            guild,
            user,
            standing,
            custom: None,
            way: Way::Api,
            command: None,
        };
        Ok(match protection.act(self, &asked, &view, act).await {
            Ok(done) => json!({ "Ok": { "message": done.said, "job": done.job } }),
            Err(NotDone::Refused(message)) => json!({ "Refused": { "message": message } }),
            Err(NotDone::Unknown(message)) => json!({ "Unknown": { "message": message } }),
            Err(NotDone::Guarded(message)) => json!({ "Guarded": { "message": message } }),
            Err(NotDone::NotOrdered { status, code, why }) => {
                let status = status.as_u16();
                json!({ "NotOrdered": { "status": status, "code": code, "message": why } })
            }
            Err(NotDone::Failed(error)) => {
                error!(guild.id = %guild, error = %Chain(&error), "an act on an incident failed");
                return Err(not_ready());
            }
        })
    }

    async fn panic(&self, question: SightQuestion) -> Result<Value, ErrorResponse> {
        let (guild, user) = (question.guild_id, question.user_id);
        let connection = self.state.connection().ok_or_else(not_ready)?;
        let view = connection.guilds.get(guild).ok_or_else(unknown_guild)?;
        let commands = [STATUS.to_owned()];
        let custom = limits(question.custom_resolved_kittycat_perms);
        let checked = self.checks(guild, user, &commands, custom).await;
        match checked.results.into_iter().next() {
            Some(result) if result.is_ok() => {}
            denied => return Ok(json!({ "PermissionError": { "res": denied } })),
        }
        let protection = self.services.get::<Protection>();
        let protection = protection.map_err(|_| not_ready())?;
        let preview = protection.panic_preview(&view).await;
        preview
            .map(|preview| json!({ "Ok": preview }))
            .ok_or_else(not_ready)
    }
}
