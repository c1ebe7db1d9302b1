//! Sessions and tokens of the one who asks.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use splashtail_api_types::sessions::{
    CreatedSession, NewSession, Session, SessionExtension, SessionKind, SessionList,
};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::ids::UserId;
use splashtail_permissions::kittycat::CLEAR;
use splashtail_permissions::{Permission, has_perm};
use splashtail_storage::{NewToken, Owner, StorageError, TokenHash, TokenKind, TokenRow};
use tracing::info;
use uuid::Uuid;

use super::login::new_token;
use crate::app::{App, AppState};
use crate::auth::{BanExempt, Caller};
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf};
use crate::lifetime::{LONGEST_API, MOST};

const MAX_BODY: usize = 64 * 1024;
const LONGEST_NAME: usize = 64;
const MOST_LIMITS: usize = 100;

/// Sessions and tokens that you have.
#[utoipa::path(get, path = "/sessions", tag = "Auth", operation_id = "list_sessions",
    security(("User" = [])),
    responses((status = 200, description = "Those that have not ended", body = SessionList)))]
pub async fn list_sessions(
    State(app): State<AppState>,
    BanExempt(caller): BanExempt,
) -> Result<Json<SessionList>, ApiError> {
    let user = caller.user()?;
    caller.require_unlimited()?;
    let now = app.clock.now();
    let rows = app.storage.tokens().list(Owner::User(user)).await?;
    let alive = |row: &TokenRow| row.expires_at.is_none_or(|at| at > now);
    let rows = rows.into_iter().filter(alive);
    Ok(Json(SessionList {
        sessions: rows.map(|row| shown(row, &caller)).collect(),
    }))
}

/// Make a token for a program.
///
/// It is shown once. With limits it is good for what they name and you may do, in any of your servers;
/// what you lose, it loses. A limited token makes such as are limited to no more. What a token makes
/// ends with it, and is ended with it.
#[utoipa::path(post, path = "/sessions", tag = "Auth", operation_id = "create_session",
    security(("User" = [])), request_body = NewSession,
    responses(
        (status = 201, description = "Made", body = CreatedSession),
        (status = 400, description = "A field is not valid", body = ErrorBody),
        (status = 403, description = "It would be good for more than the token that asks", body = ErrorBody),
        (status = 409, description = "You have as many as you may", body = ErrorBody),
    ))]
pub async fn create_session(
    State(app): State<AppState>,
    caller: Caller,
    JsonBody(asked): JsonBody<NewSession, MAX_BODY>,
) -> Result<(StatusCode, Json<CreatedSession>), ApiError> {
    let user = caller.user()?;
    if asked.kind != SessionKind::Api {
        return Err(field(
            "type",
            "has to be `api`; others are made by logging in",
        ));
    }
    let name = asked.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control)
    {
        return Err(field("name", "takes 1 to 64 characters"));
    }
    let now = app.clock.now();
    let expires_at = ends(asked.expiry, now)?;
    if !may_reach(&caller, expires_at) {
        return Err(ApiError::Forbidden(
            "a token makes no token that outlives it; log in to make a longer one",
        ));
    }
    let perm_limits = within(caller.limits(), &asked.perm_limits)?;
    let (token, created) = new_token(NewToken {
        id: Uuid::new_v4(),
        hash: TokenHash::of(""),
        owner: Owner::User(user),
        kind: TokenKind::Api,
        name: name.to_owned(),
        perm_limits,
        maker: is_a_token(&caller).then_some(caller.token),
        created_at: now,
        expires_at: Some(expires_at),
    })?;
    let issued = app.storage.tokens().issue_within(&token, MOST).await;
    if issued.map_err(not_issued)?.is_none() {
        return Err(ApiError::invalid(
            Code::TooManySessions,
            format!("you have {MOST} API tokens: revoke one that you no longer need"),
        ));
    }
    info!(user.id = %user, session.id = created.session_id, by = %caller.token, "made a token");
    Ok((StatusCode::CREATED, Json(created)))
}

/// Let a token end later.
///
/// For tokens of programs; a login extends itself while it is used.
#[utoipa::path(patch, path = "/sessions/{session_id}", tag = "Auth", operation_id = "extend_session",
    params(("session_id" = uuid::Uuid, Path, description = "Of your own")),
    security(("User" = [])), request_body = SessionExtension,
    responses(
        (status = 200, description = "As it is now", body = Session),
        (status = 400, description = "A field is not valid", body = ErrorBody),
        (status = 403, description = "A token extends none, and none outlives the one that made it", body = ErrorBody),
        (status = 404, description = "You have no such token for a program", body = ErrorBody),
    ))]
pub async fn extend_session(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(id): PathOf<Uuid>,
    JsonBody(asked): JsonBody<SessionExtension, MAX_BODY>,
) -> Result<Json<Session>, ApiError> {
    let owner = Owner::User(caller.user()?);
    caller.require_unlimited()?;
    // Whoever has a token that leaked could else keep it for ever.
    if is_a_token(&caller) {
        return Err(ApiError::Forbidden("a token extends none: log in"));
    }
    let now = app.clock.now();
    let expires_at = ends(asked.expiry, now)?;
    let tokens = app.storage.tokens();
    let find = async || {
        let rows = tokens.list(owner).await?;
        let mut rows = rows.into_iter();
        let row = rows.find(|row| row.id == id && row.kind == TokenKind::Api);
        row.ok_or(ApiError::NotFound("token"))
    };
    if let Some(maker) = find().await?.maker {
        let rows = tokens.list(owner).await?;
        let maker = rows.into_iter().find(|row| row.id == maker);
        let until = maker.and_then(|maker| maker.expires_at);
        if until.is_some_and(|until| until < expires_at) {
            return Err(ApiError::Forbidden(
                "this token ends with the one that made it: extend that one, or make a new one",
            ));
        }
    }
    if !tokens.extend(owner, id, now, expires_at).await? {
        return Err(ApiError::NotFound("token"));
    }
    app.identities.forget(owner);
    Ok(Json(shown(find().await?, &caller)))
}

/// End a session or a token at once.
///
/// With a token end those that it made.
#[utoipa::path(delete, path = "/sessions/{session_id}", tag = "Auth", operation_id = "revoke_session",
    params(("session_id" = uuid::Uuid, Path, description = "Of your own")),
    security(("User" = [])),
    responses(
        (status = 204, description = "It is no more"),
        (status = 403, description = "A limited token ends only itself", body = ErrorBody),
        (status = 404, description = "You have no such session", body = ErrorBody),
    ))]
pub async fn revoke_session(
    State(app): State<AppState>,
    BanExempt(caller): BanExempt,
    PathOf(id): PathOf<Uuid>,
) -> Result<StatusCode, ApiError> {
    let user = caller.user()?;
    if id != caller.token {
        caller.require_unlimited()?;
    }
    match end(&app, user, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound("session")),
    }
}

/// `false`: it is no session of this person.
///
/// # Errors
/// The database failed.
pub(super) async fn end(app: &App, user: UserId, id: Uuid) -> Result<bool, ApiError> {
    let owner = Owner::User(user);
    let tokens = app.storage.tokens();
    if !tokens.revoke_of(owner, id).await? {
        return Ok(false);
    }
    app.identities.forget(owner);
    let now = app.clock.now();
    let alive = |row: &TokenRow| row.expires_at.is_none_or(|at| at > now);
    if !tokens.list(owner).await?.iter().any(alive) {
        // Nobody asks Discord in their name any more.
        let accounts = app.storage.accounts();
        if let Some(grant) = accounts.account(user).await?.and_then(|a| a.grant) {
            accounts.replace_grant(user, &grant, None).await?;
        }
    }
    info!(user.id = %user, session.id = %id, "ended a session");
    Ok(true)
}

fn shown(row: TokenRow, caller: &Caller) -> Session {
    Session {
        current: row.id == caller.token,
        id: row.id.to_string(),
        name: row.name,
        user_id: row.owner.id().to_string(),
        created_at: row.created_at,
        kind: match row.kind {
            TokenKind::Operator => SessionKind::Operator,
            TokenKind::Login => SessionKind::Login,
            TokenKind::Api => SessionKind::Api,
        },
        perm_limits: row.perm_limits,
        expiry: row.expires_at,
        last_used_at: row.last_used_at,
    }
}

fn field(name: &'static str, problem: &str) -> ApiError {
    ApiError::Invalid {
        code: Code::InvalidBody,
        message: format!("`{name}` {problem}"),
        context: Some((name, problem.to_owned())),
    }
}

fn ends(seconds: u64, now: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
    let length = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
    let length = length.filter(|length| *length > TimeDelta::zero() && *length <= LONGEST_API);
    let length = length.ok_or_else(|| field("expiry", "is seconds, 1 to a year"))?;
    Ok(now + length)
}

/// A login is the person; it is short by itself, and what it makes may last. Whatever else makes a
/// token takes it along when it ends.
fn is_a_token(caller: &Caller) -> bool {
    caller.kind != TokenKind::Login
}

/// The token that asks was revoked since it was looked up; the new one would hang on it.
fn not_issued(error: StorageError) -> ApiError {
    match error {
        StorageError::Conflict(_) => ApiError::Unauthorized("this token was revoked"),
        error => error.into(),
    }
}

fn may_reach(caller: &Caller, expires_at: DateTime<Utc>) -> bool {
    !is_a_token(caller) || caller.expires_at.is_none_or(|own| expires_at <= own)
}

/// The limits of a token that one with the limits `own` makes.
fn within(own: Option<&[String]>, asked: &[String]) -> Result<Vec<String>, ApiError> {
    let wrong = |problem: &str| field("perm_limits", problem);
    if asked.len() > MOST_LIMITS {
        return Err(wrong("takes at most 100 permissions"));
    }
    let mut limits = Vec::new();
    for text in asked {
        let permission = Permission::from_input(text);
        let permission = permission.map_err(|error| wrong(&format!("has {text:?}: {error}")))?;
        if permission.perm == CLEAR {
            return Err(wrong(
                "has `@clear`, which only a list of several ranks knows",
            ));
        }
        if !limits.contains(&permission) {
            limits.push(permission);
        }
    }
    if !limits.is_empty() && limits.iter().all(|permission| permission.negator) {
        return Err(wrong("only takes away: name what the token is for"));
    }
    if let Some(own) = own {
        let own: Vec<_> = own.iter().map(|text| Permission::parse(text)).collect();
        let beyond = limits
            .iter()
            .any(|permission| !permission.negator && !has_perm(&own, permission));
        if limits.is_empty() || beyond {
            return Err(ApiError::Forbidden(
                "a limited token makes no token with more than its own limits",
            ));
        }
        // What was taken from it is taken from what it makes.
        for taken in own.into_iter().filter(|permission| permission.negator) {
            if !limits.contains(&taken) {
                limits.push(taken);
            }
        }
    }
    Ok(limits.iter().map(Permission::to_string).collect())
}

#[cfg(test)]
mod tests {
    use splashtail_core::config::Config;
    use splashtail_core::environment::Environment;
    use splashtail_core::ids::UserId;
    use splashtail_storage::Storage;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn checked(own: &[&str], asked: &[&str]) -> Result<Vec<String>, u16> {
        let texts = |list: &[&str]| {
            list.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let own = texts(own);
        let own = Some(own.as_slice()).filter(|own| !own.is_empty());
        within(own, &texts(asked)).map_err(|error| error.status().as_u16())
    }

    #[tokio::test]
    async fn a_token_that_was_revoked_meanwhile_makes_none() {
        let dir = tempfile::TempDir::new().unwrap();
        let config = Config::embedded(dir.path(), Environment::Staging);
        let stop = CancellationToken::new();
        let storage = Storage::open(&config.database(), &stop).await.unwrap();
        storage.migrate().await.unwrap();
        let (token, _) = new_token(NewToken {
            id: Uuid::new_v4(),
            hash: TokenHash::of(""),
            owner: Owner::User(UserId::new(1).unwrap()),
            kind: TokenKind::Api,
            name: "bot".to_owned(),
            perm_limits: Vec::new(),
            maker: Some(Uuid::new_v4()),
            created_at: DateTime::UNIX_EPOCH,
            expires_at: Some(DateTime::UNIX_EPOCH),
        })
        .unwrap();
        let issued = storage.tokens().issue_within(&token, MOST).await;
        assert_eq!(not_issued(issued.unwrap_err()).status().as_u16(), 401);
    }

    /// Once a limited token could make an unlimited one.
    #[test]
    fn a_token_makes_none_that_is_good_for_more() {
        for (own, asked, made) in [
            (&[][..], &[][..], Ok(&[][..])),
            (&[], &["a.b", "a.b"], Ok(&["a.b"])),
            (&["a.*"], &[], Err(403)),
            (&["a.*"], &["a.b"], Ok(&["a.b"])),
            (&["a.b"], &["a.*"], Err(403)),
            (&["a.*"], &["global.*"], Err(403)),
            (&["a.*"], &["global.b"], Err(403)),
            (&["a.*"], &["c.d"], Err(403)),
            (&["a.*", "~a.x"], &["a.x"], Err(403)),
            (&["a.*", "~a.x"], &["a.*"], Ok(&["a.*", "~a.x"])),
            (&["global.*"], &["c.d"], Ok(&["c.d"])),
            (&[], &["~a.b"], Err(400)),
            (&[], &["a.@clear"], Err(400)),
            (&[], &["a b"], Err(400)),
            (&[], &[""], Err(400)),
        ] {
            let made = made.map(|list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect());
            assert_eq!(checked(own, asked), made, "{own:?} {asked:?}");
        }
    }

    #[test]
    fn tokens_last_a_second_to_a_year() {
        let now = DateTime::UNIX_EPOCH;
        for (seconds, good) in [
            (0, false),
            (1, true),
            (31_536_000, true),
            (31_536_001, false),
            (u64::MAX, false),
        ] {
            assert_eq!(ends(seconds, now).is_ok(), good, "{seconds}");
        }
    }
}
