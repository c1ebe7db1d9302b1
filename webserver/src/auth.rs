//! Whose token a request carries.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use splashtail_api_types::Code;
use splashtail_api_types::tasks::TargetType;
use splashtail_core::ids::UserId;
use splashtail_core::telemetry::Chain;
use splashtail_jobs::render;
use splashtail_storage::{Owner, TokenHash, TokenKind, TokenRow, UserState};
use tracing::warn;
use uuid::Uuid;

use crate::app::AppState;
use crate::error::ApiError;
use crate::lifetime;

const USER_AUTH: HeaderName = HeaderName::from_static("user-auth");
const SERVER_AUTH: HeaderName = HeaderName::from_static("server-auth");
/// Longer ones are not ours and not worth hashing.
const MAX_TOKEN: usize = 512;

pub const BANNED: &str = "this user is banned from the platform";

/// # Errors
/// The database failed.
pub async fn is_banned(app: &AppState, user: UserId) -> Result<bool, ApiError> {
    let row = app.storage.users().get(user).await?;
    Ok(row.is_some_and(|row| row.state == UserState::Banned))
}

/// What the request's token says, before a route asks for it.
#[derive(Debug, Clone)]
pub enum Identity {
    Anonymous,
    Known(Caller),
    /// There is a token, but not a valid one.
    Rejected,
}

impl Identity {
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Known(caller) => Some(caller),
            Self::Anonymous | Self::Rejected => None,
        }
    }
}

/// The owner of a valid token. As an extractor it makes the token compulsory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub owner: Owner,
    pub token: Uuid,
    pub kind: TokenKind,
    pub expires_at: Option<DateTime<Utc>>,
    pub banned: bool,
    /// None reduce nothing.
    limits: Vec<String>,
}

/// The same for what banned people may do, too: ending their sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanExempt(pub Caller);

const LIMITED: &str =
    "this token is limited to some permissions in servers, and this is none of them";

impl Caller {
    #[cfg(test)]
    pub fn unlimited(owner: Owner) -> Self {
        Self {
            owner,
            token: Uuid::nil(),
            kind: TokenKind::Operator,
            expires_at: None,
            banned: false,
            limits: Vec::new(),
        }
    }

    pub fn id(&self) -> String {
        render::owner(self.owner).id
    }

    pub fn target(&self) -> TargetType {
        render::kind(self.owner)
    }

    /// Distinguishes callers, also a user from a server of the same number.
    pub fn key(&self) -> String {
        self.owner.to_string()
    }

    /// Permissions that the token is reduced to, if it is.
    pub fn limits(&self) -> Option<&[String]> {
        Some(self.limits.as_slice()).filter(|limits| !limits.is_empty())
    }

    /// # Errors
    /// It is a server's token.
    pub fn user(&self) -> Result<UserId, ApiError> {
        match self.owner {
            Owner::User(user) => Ok(user),
            Owner::Server(_) => Err(ApiError::Forbidden(
                "a server's token has no user: use `/entities/{id}/tasks`, or a user's token",
            )),
        }
    }

    /// # Errors
    /// The token is limited: what belongs to the person is not for it.
    pub fn require_unlimited(&self) -> Result<(), ApiError> {
        match self.limits() {
            None => Ok(()),
            Some(_) => Err(ApiError::Forbidden(LIMITED)),
        }
    }

    /// # Errors
    /// The id in the address is not the caller's, or the token is limited.
    pub fn require(&self, id: &str) -> Result<(), ApiError> {
        if self.id() == id {
            self.require_unlimited()
        } else {
            Err(ApiError::Forbidden("this token belongs to somebody else"))
        }
    }

    /// The caller behind a token, if it is a valid one of the kind. Tokens are found by their
    /// hash: what is compared tells nothing about a token that is nearly right.
    ///
    /// # Errors
    /// The database failed.
    pub async fn look_up(
        app: &AppState,
        target: Option<TargetType>,
        token: &str,
    ) -> Result<Option<Self>, ApiError> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Ok(None);
        }
        let hash = TokenHash::of(token);
        let now = app.clock.now();
        let Some(row) = app.storage.tokens().lookup(&hash, now).await? else {
            return Ok(None);
        };
        if target.is_some_and(|target| render::kind(row.owner) != target) {
            return Ok(None);
        }
        let banned = match row.owner {
            Owner::User(user) => is_banned(app, user).await?,
            Owner::Server(_) => false,
        };
        let expires_at = note_use(app, &row, now).await;
        Ok(Some(Self {
            owner: row.owner,
            token: row.id,
            kind: row.kind,
            expires_at,
            banned,
            limits: row.perm_limits,
        }))
    }
}

/// Whether the token of a request that takes long is still good, and its owner not banned.
///
/// # Errors
/// The database failed.
pub async fn is_alive(app: &AppState, caller: &Caller) -> Result<bool, ApiError> {
    let now = app.clock.now();
    let rows = app.storage.tokens().list(caller.owner).await?;
    let mut own = rows.iter().filter(|row| row.id == caller.token);
    let is_good = own.any(|row| row.expires_at.is_none_or(|at| at > now));
    Ok(is_good
        && match caller.owner {
            Owner::User(user) => !is_banned(app, user).await?,
            Owner::Server(_) => true,
        })
}

/// Writes down that a token is in use, now and then, and extends a login; until when it is good. A
/// request does not fail for it.
async fn note_use(app: &AppState, row: &TokenRow, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let extended = lifetime::extended(row, now);
    if extended.is_some() || lifetime::is_worth_noting(row, now) {
        let touched = app.storage.tokens().touch(row.id, now, extended).await;
        if let Err(error) = touched {
            warn!(error = %Chain(&error), "the use of a token was not noted");
            return row.expires_at;
        }
    }
    extended.or(row.expires_at)
}

fn known(parts: &Parts) -> Result<&Caller, ApiError> {
    match parts.extensions.get::<Identity>() {
        Some(Identity::Known(caller)) => Ok(caller),
        Some(Identity::Rejected) => Err(ApiError::Unauthorized("this token is not valid")),
        Some(Identity::Anonymous) | None => Err(ApiError::Unauthorized(
            "a token is required: `Authorization: User <token>` or `Server <token>`",
        )),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let caller = known(parts)?;
        if caller.banned {
            return Err(ApiError::Forbidden(BANNED));
        }
        Ok(caller.clone())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BanExempt {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        known(parts).cloned().map(Self)
    }
}

/// Puts the [`Identity`] into the request. Public routes ignore a token that is not valid.
pub async fn identify(
    State(app): State<AppState>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let identity = match credentials(request.headers())? {
        None => Identity::Anonymous,
        Some((kind, token)) => match Caller::look_up(&app, kind, token).await? {
            Some(caller) => Identity::Known(caller),
            None => Identity::Rejected,
        },
    };
    request.extensions_mut().insert(identity);
    Ok(next.run(request).await)
}

/// `User-Auth: X` means `Authorization: User X`, `Server-Auth` likewise, with or without the word
/// in front. `Authorization` takes the token without the word, too.
fn credentials(headers: &HeaderMap) -> Result<Option<(Option<TargetType>, &str)>, ApiError> {
    let text = |name: &HeaderName| -> Result<Option<&str>, ApiError> {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| {
                ApiError::invalid(Code::BadCredentials, "the token is not ASCII text")
            }),
            _ => Err(ApiError::invalid(Code::BadCredentials, "send one token")),
        }
    };
    match (text(&USER_AUTH)?, text(&SERVER_AUTH)?) {
        (Some(_), Some(_)) => Err(ApiError::invalid(
            Code::BadCredentials,
            "send either `User-Auth` or `Server-Auth`, not both",
        )),
        (Some(token), None) => Ok(Some((
            Some(TargetType::User),
            token.strip_prefix("User ").unwrap_or(token),
        ))),
        (None, Some(token)) => Ok(Some((
            Some(TargetType::Server),
            token.strip_prefix("Server ").unwrap_or(token),
        ))),
        (None, None) => Ok(text(&AUTHORIZATION)?.map(|value| {
            if let Some(token) = value.strip_prefix("User ") {
                (Some(TargetType::User), token)
            } else if let Some(token) = value.strip_prefix("Server ") {
                (Some(TargetType::Server), token)
            } else {
                (None, value)
            }
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&str, &str)]) -> Result<Option<(Option<TargetType>, String)>, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        credentials(&headers)
            .map(|found| found.map(|(kind, token)| (kind, token.to_owned())))
            .map_err(|error| error.status().as_u16())
    }

    #[test]
    fn every_way_to_send_a_token() {
        let user = |token: &str| Ok(Some((Some(TargetType::User), token.to_owned())));
        let server = |token: &str| Ok(Some((Some(TargetType::Server), token.to_owned())));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("authorization", "User t")]), user("t"));
        assert_eq!(read(&[("authorization", "Server t")]), server("t"));
        assert_eq!(
            read(&[("authorization", "t")]),
            Ok(Some((None, "t".to_owned())))
        );
        assert_eq!(read(&[("user-auth", "t")]), user("t"));
        assert_eq!(read(&[("user-auth", "User t")]), user("t"));
        assert_eq!(read(&[("server-auth", "t")]), server("t"));
        assert_eq!(
            read(&[("server-auth", "Server t"), ("authorization", "User x")]),
            server("t")
        );
        assert_eq!(read(&[("user-auth", "a"), ("server-auth", "b")]), Err(400));
        assert_eq!(read(&[("user-auth", "a"), ("user-auth", "b")]), Err(400));
    }
}
