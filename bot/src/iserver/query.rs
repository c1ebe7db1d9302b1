//! The questions and their answers.

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_ipc::http::ErrorResponse;
use splashtail_permissions::edit::InvalidChecks;
use splashtail_permissions::{Permission, PermissionChecks, PermissionResult};

use super::answers::{not_ready, wrong_cluster};
use super::approvals::{ApprovalQuestion, SightQuestion};
use super::incidents::IncidentQuestion;
use super::settings::{
    ExportQuestion, HistoryQuestion, ImportQuestion, RollbackQuestion, SettingQuestion,
};
use super::{Answering, Iserver};
use crate::cluster::GuildPresence;

/// Guilds one question may be about.
pub const MAX_GUILDS: usize = 10_000;
/// Commands one question may be about.
pub const MAX_COMMANDS: usize = 100;

/// One externally tagged value: `"Modules"`, `{"Modules":null}`, `{"Modules":{}}` or
/// `{"GuildsExist":{"guilds":[…]}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// 1 for each guild in this cluster's cache, 0 for others, in the order asked.
    GuildsExist(Vec<GuildId>),
    /// By guild: `present`, `unavailable`, `absent` or `wrong_cluster`.
    GuildsStatus(Vec<GuildId>),
    /// All modules by id.
    Modules,
    /// One record per shard, as in a diag reply.
    Health,
    /// Whether a member may run a command: `{"perm_res":…,"is_ok":…,"permissions":"…"|null}`. A
    /// denial is an answer.
    CheckCommandPermission(PermissionQuestion),
    /// The same for several: `{"permissions":…,"commands":{name:{"perm_res":…,"is_ok":…}}}`.
    CheckCommandPermissions(PermissionQuestions),
    /// A guild, its roles and those of a member.
    BaseGuildUserInfo(GuildUser),
    /// A module was switched, in one guild or on this cluster: `{"message":""}`.
    ToggleModule(Toggle),
    /// What is known of a guild's settings, or of a member's roles, is out of date: `{"message":""}`.
    InvalidatePermissions(Invalidation),
    /// Shows or changes what a guild has set: `{"Ok":…}`, `{"PermissionError":…}` or `{"Err":…}`.
    SettingsOperation(SettingQuestion),
    /// What was changed, newest first: `{"Ok":{"changes":[…]}}` or as above.
    SettingsHistory(HistoryQuestion),
    /// Takes a change back: as `SettingsOperation`.
    SettingsRollback(RollbackQuestion),
    /// All settings as a file: `{"Ok":{"file":…}}` or as above.
    SettingsExport(ExportQuestion),
    /// What a file would change, or has changed: `{"Ok":{"hash":…,"edits":…}}` or as above.
    SettingsImport(ImportQuestion),
    /// What is wrong in a guild, and how far it is set up: `{"Ok":…}` or `{"PermissionError":…}`.
    GuildHealth(SightQuestion),
    /// What a panic would take now: `{"Ok":…}` or `{"PermissionError":…}`.
    PanicPreview(SightQuestion),
    /// Checks as a guild may store them: `{"checks":…,"text":…}`.
    ParsePermissionChecks(ChecksQuestion),
    /// The webserver did something that the cluster has to know: `{"message":""}`.
    DispatchTrustedWebEvent(WebEvent),
    /// Has something done about an incident: `{"Ok":…}`, `{"PermissionError":…}` or `{"Refused":…}`.
    IncidentAct(IncidentQuestion),
    /// Whether somebody may look at what waits for a second person: `{"Ok":{}}` or
    /// `{"PermissionError":{"res":…}}`.
    ApprovalSight(SightQuestion),
    /// Somebody's word on what waits for a second person: `{"Ok":…}` or `{"PermissionError":…}`.
    ApprovalAnswer(ApprovalQuestion),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PermissionQuestion {
    guild_id: GuildId,
    user_id: UserId,
    /// Qualified name.
    command: String,
    /// Of an API token that asks for the user.
    #[serde(default)]
    custom_resolved_kittycat_perms: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PermissionQuestions {
    guild_id: GuildId,
    user_id: UserId,
    /// Qualified names, at most [`MAX_COMMANDS`].
    commands: Vec<String>,
    /// Of an API token that asks for the user.
    #[serde(default)]
    custom_resolved_kittycat_perms: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct GuildUser {
    guild_id: GuildId,
    user_id: UserId,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Toggle {
    /// All of this cluster, when there is none.
    #[serde(default)]
    guild_id: Option<GuildId>,
    module: String,
    enabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Invalidation {
    guild_id: GuildId,
    /// All members, when there is none.
    #[serde(default)]
    user_id: Option<UserId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChecksQuestion {
    guild_id: GuildId,
    checks: PermissionChecks,
}

/// By name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WebEvent {
    guild_id: GuildId,
    event_name: String,
    #[serde(default)]
    args: Map<String, Value>,
}

/// A row of a guild's modules or commands was written past this cluster: what it remembers is read again.
const CLEAR_CACHE: &str = "settings.clearModuleEnabledCache";

#[derive(Deserialize)]
struct Guilds {
    guilds: Vec<GuildId>,
}

impl Query {
    /// # Errors
    /// 400 when the body is not JSON, 422 when it is no query.
    pub fn parse(body: &[u8]) -> Result<Self, ErrorResponse> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            refuse(
                StatusCode::BAD_REQUEST,
                "invalid_json",
                "the body is not JSON",
                error,
            )
        })?;
        let (tag, fields) = match value {
            Value::String(tag) => (tag, Value::Null),
            Value::Object(object) if object.len() == 1 => {
                object.into_iter().next().unwrap_or_default()
            }
            _ => {
                return Err(invalid(
                    "a query is a string or an object with exactly one key",
                ));
            }
        };
        match tag.as_str() {
            "GuildsExist" => guilds(fields).map(Self::GuildsExist),
            "GuildsStatus" => guilds(fields).map(Self::GuildsStatus),
            "Modules" => without_fields(&fields).map(|()| Self::Modules),
            "Health" => without_fields(&fields).map(|()| Self::Health),
            "CheckCommandPermission" => permission_question(fields),
            "CheckCommandPermissions" => permission_questions(fields),
            "ApprovalSight" => read(fields).map(Self::ApprovalSight),
            "BaseGuildUserInfo" => read(fields).map(Self::BaseGuildUserInfo),
            "ToggleModule" => read(fields).map(Self::ToggleModule),
            "InvalidatePermissions" => read(fields).map(Self::InvalidatePermissions),
            "SettingsOperation" => read(fields).map(Self::SettingsOperation),
            "SettingsHistory" => read(fields).map(Self::SettingsHistory),
            "SettingsExport" => read(fields).map(Self::SettingsExport),
            "SettingsImport" => read(fields).map(Self::SettingsImport),
            "GuildHealth" => read(fields).map(Self::GuildHealth),
            "PanicPreview" => read(fields).map(Self::PanicPreview),
            "ParsePermissionChecks" => read(fields).map(Self::ParsePermissionChecks),
            "DispatchTrustedWebEvent" => read(fields).map(Self::DispatchTrustedWebEvent),
            "ApprovalAnswer" => read(fields).map(Self::ApprovalAnswer),
            "IncidentAct" => read(fields).map(Self::IncidentAct),
            "SettingsRollback" => read(fields).map(Self::SettingsRollback),
            _ => Err(refuse(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unknown_query",
                "this cluster does not know the query",
                tag,
            )),
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::GuildsExist(_) => "GuildsExist",
            Self::GuildsStatus(_) => "GuildsStatus",
            Self::Modules => "Modules",
            Self::Health => "Health",
            Self::CheckCommandPermission(_) => "CheckCommandPermission",
            Self::CheckCommandPermissions(_) => "CheckCommandPermissions",
            Self::ApprovalSight(_) => "ApprovalSight",
            Self::BaseGuildUserInfo(_) => "BaseGuildUserInfo",
            Self::ToggleModule(_) => "ToggleModule",
            Self::InvalidatePermissions(_) => "InvalidatePermissions",
            Self::SettingsOperation(_) => "SettingsOperation",
            Self::SettingsHistory(_) => "SettingsHistory",
            Self::SettingsExport(_) => "SettingsExport",
            Self::SettingsImport(_) => "SettingsImport",
            Self::GuildHealth(_) => "GuildHealth",
            Self::PanicPreview(_) => "PanicPreview",
            Self::ParsePermissionChecks(_) => "ParsePermissionChecks",
            Self::DispatchTrustedWebEvent(_) => "DispatchTrustedWebEvent",
            Self::ApprovalAnswer(_) => "ApprovalAnswer",
            Self::IncidentAct(_) => "IncidentAct",
            Self::SettingsRollback(_) => "SettingsRollback",
        }
    }

    /// The only guild that it is about.
    const fn guild(&self) -> Option<GuildId> {
        match self {
            Self::GuildsExist(_) | Self::GuildsStatus(_) | Self::Modules | Self::Health => None,
            Self::CheckCommandPermission(question) => Some(question.guild_id),
            Self::CheckCommandPermissions(question) => Some(question.guild_id),
            Self::ApprovalSight(question) => Some(question.guild_id),
            Self::BaseGuildUserInfo(question) => Some(question.guild_id),
            Self::ToggleModule(toggle) => toggle.guild_id,
            Self::InvalidatePermissions(invalidation) => Some(invalidation.guild_id),
            Self::SettingsOperation(question) => Some(question.by.guild_id),
            Self::SettingsHistory(question) => Some(question.by.guild_id),
            Self::SettingsRollback(question) => Some(question.by.guild_id),
            Self::SettingsExport(question) => Some(question.by.guild_id),
            Self::SettingsImport(question) => Some(question.by.guild_id),
            Self::GuildHealth(question) => Some(question.guild_id),
            Self::PanicPreview(question) => Some(question.guild_id),
            Self::ParsePermissionChecks(question) => Some(question.guild_id),
            Self::DispatchTrustedWebEvent(event) => Some(event.guild_id),
            Self::IncidentAct(question) => Some(question.guild_id),
            Self::ApprovalAnswer(question) => Some(question.guild_id),
        }
    }

    /// The bare value, not tagged again.
    ///
    /// # Errors
    /// 421 when a question about one guild is for another cluster.
    pub(super) async fn answer(self, iserver: &Iserver) -> Result<Value, ErrorResponse> {
        let view = iserver.view.as_ref();
        if let Some(guild) = self.guild()
            && view.guild(guild) == GuildPresence::WrongCluster
        {
            return Err(wrong_cluster(view.cluster(), guild));
        }
        Ok(match self {
            Self::GuildsExist(guilds) => guilds
                .into_iter()
                .map(|guild| u8::from(view.guild(guild) == GuildPresence::Present))
                .collect(),
            Self::GuildsStatus(guilds) => {
                let status =
                    |guild: GuildId| (guild.to_string(), view.guild(guild).as_str().into());
                Value::Object(guilds.into_iter().map(status).collect::<Map<_, _>>())
            }
            Self::Modules => answering(iserver)?.modules.clone(),
            // Numbers and booleans always serialise.
            Self::Health => serde_json::to_value(view.health().await).unwrap_or_default(),
            Self::CheckCommandPermission(question) => {
                let checks = &answering(iserver)?.checks;
                let custom = limits(question.custom_resolved_kittycat_perms);
                let (guild, user) = (question.guild_id, question.user_id);
                let commands = [question.command];
                let checked = checks.checks(guild, user, &commands, custom).await;
                let permissions = checked.permissions.map(|bits| bits.to_string());
                let result = checked.results.first();
                let is_ok = result.is_some_and(PermissionResult::is_ok);
                json!({ "is_ok": is_ok, "perm_res": result, "permissions": permissions })
            }
            Self::CheckCommandPermissions(question) => {
                let checks = &answering(iserver)?.checks;
                let custom = limits(question.custom_resolved_kittycat_perms);
                let (guild, user) = (question.guild_id, question.user_id);
                let checked = checks.checks(guild, user, &question.commands, custom).await;
                let permissions = checked.permissions.map(|bits| bits.to_string());
                let commands = question.commands.into_iter().zip(checked.results);
                let commands = commands.map(|(command, result)| {
                    let result = json!({ "is_ok": result.is_ok(), "perm_res": result });
                    (command, result)
                });
                let commands: Map<String, Value> = commands.collect();
                json!({ "permissions": permissions, "commands": commands })
            }
            Self::ApprovalSight(question) => answering(iserver)?.approvals.look(question).await?,
            Self::BaseGuildUserInfo(GuildUser { guild_id, user_id }) => {
                let guilds = &answering(iserver)?.guilds;
                let info = guilds.info(guild_id, user_id).await?;
                // Texts, numbers and booleans always serialise.
                serde_json::to_value(info).unwrap_or_default()
            }
            Self::ToggleModule(toggle) => {
                let caches = &answering(iserver)?.caches;
                caches.toggle(toggle.guild_id, &toggle.module, toggle.enabled)?;
                done()
            }
            Self::InvalidatePermissions(Invalidation { guild_id, user_id }) => {
                answering(iserver)?.caches.invalidate(guild_id, user_id);
                done()
            }
            Self::SettingsOperation(question) => {
                answering(iserver)?.settings.answer(question).await?
            }
            Self::SettingsHistory(question) => {
                answering(iserver)?.settings.history(question).await?
            }
            Self::ApprovalAnswer(question) => answering(iserver)?.approvals.hear(question).await?,
            Self::IncidentAct(question) => answering(iserver)?.incidents.act(question).await?,
            Self::SettingsRollback(question) => {
                answering(iserver)?.settings.roll_back(question).await?
            }
            Self::SettingsExport(question) => answering(iserver)?.settings.export(question).await?,
            Self::SettingsImport(question) => answering(iserver)?.settings.import(question).await?,
            Self::GuildHealth(question) => answering(iserver)?.guilds.health(question).await?,
            Self::PanicPreview(question) => answering(iserver)?.incidents.panic(question).await?,
            Self::ParsePermissionChecks(question) => {
                let checks = question.checks.normalised();
                let checks = checks.map_err(|error| invalid_checks(&error))?;
                json!({ "text": checks.to_string(), "checks": checks })
            }
            Self::DispatchTrustedWebEvent(event) => {
                dispatch(answering(iserver)?, &event)?;
                done()
            }
        })
    }
}

/// # Errors
/// 422 for an event that nobody here knows, 404 for a module that there is not.
fn dispatch(answering: &Answering, event: &WebEvent) -> Result<(), ErrorResponse> {
    if event.event_name != CLEAR_CACHE {
        return Err(refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unknown_event",
            "this cluster does not know the event",
            &event.event_name,
        ));
    }
    let module = event.args.get("module").and_then(Value::as_str);
    if module.is_some_and(|module| answering.modules.get(module).is_none()) {
        return Err(ErrorResponse::new(
            StatusCode::NOT_FOUND,
            "unknown_module",
            "there is no such module",
        ));
    }
    answering.caches.invalidate(event.guild_id, None);
    Ok(())
}

fn invalid_checks(error: &InvalidChecks) -> ErrorResponse {
    refuse(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_checks",
        "a server cannot store these checks",
        error,
    )
}

/// There is nothing to say about it.
fn done() -> Value {
    json!({ "message": "" })
}

fn answering(iserver: &Iserver) -> Result<&Answering, ErrorResponse> {
    iserver.answers.get().ok_or_else(not_ready)
}

fn permission_question(fields: Value) -> Result<Query, ErrorResponse> {
    let question: PermissionQuestion = read(fields)?;
    if question.command.trim().is_empty() {
        return Err(invalid("the command is empty"));
    }
    Ok(Query::CheckCommandPermission(question))
}

fn permission_questions(fields: Value) -> Result<Query, ErrorResponse> {
    let questions: PermissionQuestions = read(fields)?;
    let commands = &questions.commands;
    if commands.len() > MAX_COMMANDS || commands.iter().any(|name| name.trim().is_empty()) {
        return Err(invalid(&format!(
            "at most {MAX_COMMANDS} commands, none of them empty"
        )));
    }
    Ok(Query::CheckCommandPermissions(questions))
}

/// What an API token is reduced to.
pub(super) fn limits(custom: Option<Vec<String>>) -> Option<Vec<Permission>> {
    let custom = custom?;
    Some(custom.iter().map(|text| Permission::parse(text)).collect())
}

fn guilds(fields: Value) -> Result<Vec<GuildId>, ErrorResponse> {
    let Guilds { guilds } = read(fields)?;
    if guilds.len() > MAX_GUILDS {
        return Err(invalid(&format!("at most {MAX_GUILDS} guilds at a time")));
    }
    Ok(guilds)
}

fn read<T: DeserializeOwned>(fields: Value) -> Result<T, ErrorResponse> {
    serde_json::from_value(fields).map_err(|error| {
        refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_query",
            "the query's fields cannot be read",
            error,
        )
    })
}

/// Unknown fields are ignored everywhere, so any object will do.
fn without_fields(fields: &Value) -> Result<(), ErrorResponse> {
    match fields {
        Value::Null | Value::Object(_) => Ok(()),
        _ => Err(invalid("this query has no fields")),
    }
}

fn invalid(detail: &str) -> ErrorResponse {
    refuse(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_query",
        "this is no query",
        detail,
    )
}

fn refuse(
    status: StatusCode,
    code: &str,
    message: &str,
    detail: impl std::fmt::Display,
) -> ErrorResponse {
    let mut response = ErrorResponse::new(status, code, message);
    response.body = response.body.with_context("detail", detail.to_string());
    response
}
