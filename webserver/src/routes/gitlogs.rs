//! Hooks of a server: which repositories are told where.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Deserialize;
use splashtail_api_types::gitlogs::{
    CreatedGitHook, GitDelivery, GitDeliveryList, GitHook, GitHookList, GitRepo, GitRule,
    GitRuleAct, NewGitHook, NewGitRepo, NewGitRule,
};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::config::without_slash;
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_core::random;
use splashtail_storage::{
    Added, DeliveryRow, GitAct, MOST_GIT_HOOKS, MOST_GIT_REPOS, MOST_GIT_RULES,
};
use tracing::info;
use utoipa::IntoParams;
use uuid::Uuid;

use super::tasks::page_limit;
use super::webhooks::managed;
use crate::app::{App, AppState};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf};
use crate::gitlogs::is_pattern;

/// Where GitHub sends to.
pub(super) const PATH: &str = "/integrations/gitlogs/kittycat";

const MAX_BODY: usize = 8 * 1024;
const MAX_COMMENT: usize = 64;
const MAX_REPO: usize = 140;
const MAX_EVENTS: usize = 20;
const DEFAULT_PAGE: u32 = 25;
/// Bytes of a secret.
const KEY: usize = 32;

/// Hooks of a server, with their repositories and rules.
///
/// For the owner and administrators. The token may not be limited.
#[utoipa::path(get, path = "/guilds/{guild_id}/gitlogs", tag = "Guilds", operation_id = "list_git_hooks",
    params(("guild_id" = String, Path, description = "The server")), security(("User" = [])),
    responses(
        (status = 200, description = "All", body = GitHookList),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn list_git_hooks(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<GitHookList>, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let mut hooks = Vec::new();
    for hook in app.storage.gitlogs().git_hooks(guild).await? {
        hooks.push(whole(&app, hook).await?);
    }
    Ok(Json(GitHookList { hooks }))
}

/// Make a hook.
///
/// Give its `url` and the secret to a webhook of a repository, or of an organisation, at GitHub. A server
/// has 5 at most.
#[utoipa::path(post, path = "/guilds/{guild_id}/gitlogs", tag = "Guilds", operation_id = "create_git_hook",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = NewGitHook, security(("User" = [])),
    responses(
        (status = 201, description = "Made; the secret is shown once", body = CreatedGitHook),
        (status = 400, description = "A field is not valid, or there are 5", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn create_git_hook(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    JsonBody(new): JsonBody<NewGitHook, MAX_BODY>,
) -> Result<(StatusCode, Json<CreatedGitHook>), ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let comment = new.comment.trim();
    let fits = (1..=MAX_COMMENT).contains(&comment.chars().count());
    if !fits || comment.contains(char::is_control) {
        return Err(invalid(
            "comment",
            format!("a comment has 1 to {MAX_COMMENT} characters"),
        ));
    }
    let id = Uuid::new_v4();
    let secret = URL_SAFE_NO_PAD.encode(random::bytes::<KEY>()?);
    let hook = splashtail_storage::GitHook {
        id,
        guild,
        comment: comment.to_owned(),
        secret: app.accounts.seal_git_hook(id, secret.as_bytes())?,
        created_by: caller.user()?,
        created_at: app.clock.now(),
    };
    if !app.storage.gitlogs().add_git_hook(&hook).await? {
        return Err(invalid(
            "guild_id",
            format!("a server has at most {MOST_GIT_HOOKS} hooks"),
        ));
    }
    info!(guild.id = %guild, user.id = %hook.created_by, hook.id = %id, "made a hook for repositories");
    let hook = whole(&app, hook).await?;
    Ok((StatusCode::CREATED, Json(CreatedGitHook { hook, secret })))
}

/// Remove a hook, with its repositories, rules and what it told.
#[utoipa::path(delete, path = "/guilds/{guild_id}/gitlogs/{hook}", tag = "Guilds", operation_id = "remove_git_hook",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("hook" = uuid::Uuid, Path, description = "The hook"),
    ),
    security(("User" = [])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such hook of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn remove_git_hook(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, hook)): PathOf<(String, Uuid)>,
) -> Result<StatusCode, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let removed = app.storage.gitlogs().remove_git_hook(guild, hook).await?;
    gone(removed, "hook")
}

/// Have a repository told in a channel.
///
/// A server has 10 at most.
#[utoipa::path(post, path = "/guilds/{guild_id}/gitlogs/{hook}/repos", tag = "Guilds", operation_id = "add_git_repo",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("hook" = uuid::Uuid, Path, description = "The hook"),
    ),
    request_body = NewGitRepo, security(("User" = [])),
    responses(
        (status = 201, description = "It is told", body = GitRepo),
        (status = 400, description = "A field is not valid, there are 10, or the channel is none of this server", body = ErrorBody),
        (status = 404, description = "No such hook of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn add_git_repo(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, hook)): PathOf<(String, Uuid)>,
    JsonBody(new): JsonBody<NewGitRepo, MAX_BODY>,
) -> Result<(StatusCode, Json<GitRepo>), ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let name = repo_name(&new.name)?;
    of(&app, guild, hook).await?;
    let repo = splashtail_storage::GitRepo {
        id: Uuid::new_v4(),
        hook,
        name,
        channel: channel(&app, guild, &new.channel_id).await?,
    };
    let added = app.storage.gitlogs().add_git_repo(guild, &repo).await?;
    let full = format!("a server has at most {MOST_GIT_REPOS} repositories");
    is_added(added, "name", full)?;
    Ok((StatusCode::CREATED, Json(shown_repo(repo))))
}

/// Have a repository told no more.
#[utoipa::path(delete, path = "/guilds/{guild_id}/gitlogs/{hook}/repos/{repo}", tag = "Guilds", operation_id = "remove_git_repo",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("hook" = uuid::Uuid, Path, description = "The hook"),
        ("repo" = uuid::Uuid, Path, description = "The repository"),
    ),
    security(("User" = [])),
    responses(
        (status = 204, description = "It is gone, with the rules that were about it alone"),
        (status = 404, description = "No such repository of this hook, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn remove_git_repo(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, hook, repo)): PathOf<(String, Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    of(&app, guild, hook).await?;
    let removed = app.storage.gitlogs().remove_git_repo(hook, repo).await?;
    gone(removed, "repository")
}

/// Add a rule to a hook.
///
/// Rules are asked from the highest priority to the lowest. A hook has 10 at most.
#[utoipa::path(post, path = "/guilds/{guild_id}/gitlogs/{hook}/rules", tag = "Guilds", operation_id = "add_git_rule",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("hook" = uuid::Uuid, Path, description = "The hook"),
    ),
    request_body = NewGitRule, security(("User" = [])),
    responses(
        (status = 201, description = "It counts", body = GitRule),
        (status = 400, description = "A field is not valid, there are 10, or the channel is none of this server", body = ErrorBody),
        (status = 404, description = "No such hook of this server, no such repository of it, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn add_git_rule(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, hook)): PathOf<(String, Uuid)>,
    JsonBody(new): JsonBody<NewGitRule, MAX_BODY>,
) -> Result<(StatusCode, Json<GitRule>), ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let many = (1..=MAX_EVENTS).contains(&new.events.len());
    if !many || !new.events.iter().all(|event| is_pattern(event)) {
        return Err(invalid(
            "events",
            format!("name 1 to {MAX_EVENTS} events such as `push` or `issues.*`"),
        ));
    }
    of(&app, guild, hook).await?;
    let repo = new.repo.map(|repo| repo.parse()).transpose();
    let repo = repo.map_err(|_| ApiError::NotFound("repository"))?;
    let act = match (new.act, new.channel_id) {
        (GitRuleAct::Block, None) => GitAct::Block,
        (GitRuleAct::Only, None) => GitAct::Only,
        (GitRuleAct::Redirect, Some(id)) => GitAct::Redirect(channel(&app, guild, &id).await?),
        _ => {
            return Err(invalid(
                "channel_id",
                "`redirect` takes a channel, and nothing else does".to_owned(),
            ));
        }
    };
    let rule = splashtail_storage::GitRule {
        id: Uuid::new_v4(),
        hook,
        repo,
        events: new.events,
        act,
        priority: new.priority,
    };
    let added = app.storage.gitlogs().add_git_rule(guild, &rule).await?;
    let full = format!("a hook has at most {MOST_GIT_RULES} rules");
    is_added(added, "hook", full)?;
    Ok((StatusCode::CREATED, Json(shown_rule(rule))))
}

/// Remove a rule.
#[utoipa::path(delete, path = "/guilds/{guild_id}/gitlogs/{hook}/rules/{rule}", tag = "Guilds", operation_id = "remove_git_rule",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("hook" = uuid::Uuid, Path, description = "The hook"),
        ("rule" = uuid::Uuid, Path, description = "The rule"),
    ),
    security(("User" = [])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such rule of this hook, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn remove_git_rule(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, hook, rule)): PathOf<(String, Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    of(&app, guild, hook).await?;
    let removed = app.storage.gitlogs().remove_git_rule(hook, rule).await?;
    gone(removed, "rule")
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Only what came before this.
    before: Option<Uuid>,
    /// At most 100; 25 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// What came to a hook in the last 30 days, newest first.
#[utoipa::path(get, path = "/guilds/{guild_id}/gitlogs/{hook}/deliveries", tag = "Guilds", operation_id = "list_git_deliveries",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("hook" = uuid::Uuid, Path, description = "The hook"),
        DeliveryQuery,
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "One page", body = GitDeliveryList),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 404, description = "No such hook of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn list_git_deliveries(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, hook)): PathOf<(String, Uuid)>,
    QueryOf(query): QueryOf<DeliveryQuery>,
) -> Result<Json<GitDeliveryList>, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    of(&app, guild, hook).await?;
    let gitlogs = app.storage.gitlogs();
    let before = match query.before {
        None => None,
        Some(id) => {
            let row = gitlogs.delivery(id).await?;
            let row = row.filter(|row| row.hook == hook);
            let unknown = || ApiError::invalid(Code::UnknownCursor, "`before` did not come here");
            Some(row.ok_or_else(unknown)?.number)
        }
    };
    let rows = gitlogs.deliveries(hook, before, limit).await?;
    Ok(Json(GitDeliveryList {
        deliveries: rows.into_iter().map(shown_delivery).collect(),
    }))
}

/// # Errors
/// The server has no such hook.
async fn of(app: &App, guild: GuildId, hook: Uuid) -> Result<(), ApiError> {
    let found = app.storage.gitlogs().git_hook(hook).await?;
    let is_own = found.is_some_and(|found| found.guild == guild);
    is_own.then_some(()).ok_or(ApiError::NotFound("hook"))
}

/// With its repositories and rules.
pub(super) async fn whole(
    app: &App,
    hook: splashtail_storage::GitHook,
) -> Result<GitHook, ApiError> {
    let gitlogs = app.storage.gitlogs();
    let (repos, rules) = (
        gitlogs.git_repos(hook.id).await?,
        gitlogs.git_rules(hook.id).await?,
    );
    let base = without_slash(&app.config.sites.api);
    Ok(GitHook {
        id: hook.id.to_string(),
        guild_id: hook.guild.to_string(),
        comment: hook.comment,
        url: format!("{base}{PATH}?id={}", hook.id),
        created_by: hook.created_by.to_string(),
        created_at: hook.created_at,
        repos: repos.into_iter().map(shown_repo).collect(),
        rules: rules.into_iter().map(shown_rule).collect(),
    })
}

/// # Errors
/// The channel is none of this server: else one server would have things told in another.
async fn channel(app: &App, guild: GuildId, id: &str) -> Result<ChannelId, ApiError> {
    let unknown = || {
        invalid(
            "channel_id",
            "this is no channel of the server that the bot can see".to_owned(),
        )
    };
    let id: ChannelId = id.parse().map_err(|_| unknown())?;
    match app.people.server_of(id).await? {
        Some(of) if of == guild => Ok(id),
        _ => Err(unknown()),
    }
}

fn repo_name(wanted: &str) -> Result<String, ApiError> {
    let name = wanted.trim().to_lowercase();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(known);
    let parts = name.split_once('/');
    match parts.is_some_and(|(owner, name)| is_part(owner) && is_part(name)) {
        true if name.len() <= MAX_REPO => Ok(name),
        _ => Err(invalid(
            "name",
            "a repository is named as `owner/name`".to_owned(),
        )),
    }
}

fn is_added(added: Added, field: &'static str, full: String) -> Result<(), ApiError> {
    match added {
        Added::Added => Ok(()),
        Added::Nowhere => Err(ApiError::NotFound("hook or repository")),
        Added::Full => Err(invalid(field, full)),
        Added::Twice => Err(invalid(field, "the hook has this one already".to_owned())),
    }
}

fn gone(removed: bool, what: &'static str) -> Result<StatusCode, ApiError> {
    removed
        .then_some(StatusCode::NO_CONTENT)
        .ok_or(ApiError::NotFound(what))
}

fn invalid(field: &'static str, message: String) -> ApiError {
    ApiError::Invalid {
        code: Code::InvalidBody,
        context: Some((field, message.clone())),
        message,
    }
}

fn shown_repo(repo: splashtail_storage::GitRepo) -> GitRepo {
    GitRepo {
        id: repo.id.to_string(),
        name: repo.name,
        channel_id: repo.channel.to_string(),
    }
}

fn shown_rule(rule: splashtail_storage::GitRule) -> GitRule {
    GitRule {
        id: rule.id.to_string(),
        repo: rule.repo.map(|repo| repo.to_string()),
        events: rule.events,
        act: match rule.act {
            GitAct::Block => GitRuleAct::Block,
            GitAct::Only => GitRuleAct::Only,
            GitAct::Redirect(_) => GitRuleAct::Redirect,
        },
        channel_id: rule.act.channel().map(|channel| channel.to_string()),
        priority: rule.priority,
    }
}

pub(super) fn shown_delivery(row: DeliveryRow) -> GitDelivery {
    GitDelivery {
        id: row.id.to_string(),
        event: row.event,
        repo: row.repo,
        channel_id: row.channel.map(|channel| channel.to_string()),
        state: row.state,
        attempts: row.attempts,
        outcome: row.outcome.filter(|outcome| !outcome.is_empty()),
        created_at: row.created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_its_owner_too() {
        assert_eq!(
            repo_name(" Owner/Some.Name-1 ").unwrap(),
            "owner/some.name-1"
        );
        for wrong in ["", "name", "/name", "owner/", "a/b/c", "a b/c", "a/ü"] {
            assert!(repo_name(wrong).is_err(), "{wrong}");
        }
        assert!(repo_name(&format!("a/{}", "b".repeat(140))).is_err());
    }
}
