//! Whose token a request carries.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use splashtail_api_types::Code;
use splashtail_api_types::tasks::TargetType;
use splashtail_core::config::Config;
use splashtail_core::ids::UserId;
use splashtail_core::telemetry::Chain;
use splashtail_jobs::render;
use splashtail_storage::{Owner, TokenHash, TokenKind, TokenRow, UserState};
use tracing::warn;
use url::Url;
use uuid::Uuid;

use crate::app::{App, AppState};
use crate::cookies::{Cookie, find_cookie};
use crate::error::ApiError;
use crate::identities::Known;
use crate::lifetime;
use crate::operators;

/// Holds a browser's token. No script reads it.
const SESSION_COOKIE: &str = "session";
/// The same where `sites.api` is `https`: browsers take it from this host alone.
pub const SECURE_SESSION_COOKIE: &str = "__Host-session";
const USER_AUTH: HeaderName = HeaderName::from_static("user-auth");
const SERVER_AUTH: HeaderName = HeaderName::from_static("server-auth");
/// Longer ones are not ours and not worth hashing.
const MAX_TOKEN: usize = 512;

pub const BANNED: &str = "this user is banned from the platform";

/// The cookie of sessions, and its name.
pub fn session_cookie(config: &Config) -> (Cookie, &'static str) {
    let cookie = Cookie::below("/", config);
    let name = cookie.host_name(SESSION_COOKIE, SECURE_SESSION_COOKIE);
    (cookie, name)
}

/// # Errors
/// The database failed.
pub async fn is_banned(app: &App, user: UserId) -> Result<bool, ApiError> {
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
    /// A browser's session, in a change that no page of ours asked for.
    Foreign,
}

impl Identity {
    pub fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Known(caller) => Some(caller),
            Self::Anonymous | Self::Rejected | Self::Foreign => None,
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
    /// The token came in a browser's cookie.
    pub by_cookie: bool,
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
            by_cookie: false,
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
        app: &App,
        target: Option<TargetType>,
        token: &str,
    ) -> Result<Option<Self>, ApiError> {
        Self::of_hash(app, target, token, TokenHash::of, true).await
    }

    /// The same for what a browser's cookie carries, and nothing else does.
    async fn in_cookie(app: &App, token: &str, is_act: bool) -> Result<Option<Self>, ApiError> {
        let (target, hash) = (Some(TargetType::User), TokenHash::of_cookie);
        let caller = Self::of_hash(app, target, token, hash, is_act);
        Ok(caller.await?.map(|caller| Self {
            by_cookie: true,
            ..caller
        }))
    }

    async fn of_hash(
        app: &App,
        target: Option<TargetType>,
        token: &str,
        hash: fn(&str) -> TokenHash,
        is_act: bool,
    ) -> Result<Option<Self>, ApiError> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Ok(None);
        }
        let Some(Known { row, banned, .. }) = known_as(app, &hash(token), is_act).await? else {
            return Ok(None);
        };
        if target.is_some_and(|target| render::kind(row.owner) != target) {
            return Ok(None);
        }
        Ok(Some(Self {
            owner: row.owner,
            token: row.id,
            kind: row.kind,
            expires_at: row.expires_at,
            banned,
            by_cookie: false,
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

/// What a token is good for, which is looked up now and then. `is_act`: a login lasts longer for it.
async fn known_as(app: &App, hash: &TokenHash, is_act: bool) -> Result<Option<Known>, ApiError> {
    let (now, at) = (app.clock.now(), app.clock.monotonic());
    let age = app.identities.age();
    let remembered = app.identities.known(hash, at);
    let is_new = remembered.is_none();
    let mut known = match remembered {
        Some(known) if known.row.expires_at.is_some_and(|ends| ends <= now) => return Ok(None),
        Some(known) => known,
        None => {
            let Some(row) = app.storage.tokens().lookup(hash, now).await? else {
                return Ok(None);
            };
            let banned = match row.owner {
                Owner::User(user) => is_banned(app, user).await?,
                Owner::Server(_) => false,
            };
            Known { row, banned, at }
        }
    };
    if note_use(app, &mut known.row, now, is_act).await || is_new {
        app.identities.remember(hash, known.clone(), age);
    }
    Ok(Some(known))
}

/// Writes down that a token is in use, now and then, and extends a login by an act; whether anything
/// was. A request does not fail for it.
async fn note_use(app: &App, row: &mut TokenRow, now: DateTime<Utc>, is_act: bool) -> bool {
    let extended = lifetime::extended(row, now).filter(|_| is_act);
    if extended.is_none() && !lifetime::is_worth_noting(row, now) {
        return false;
    }
    let touched = app.storage.tokens().touch(row.id, now, extended).await;
    if let Err(error) = touched {
        warn!(error = %Chain(&error), "the use of a token was not noted");
        return false;
    }
    row.last_used_at = Some(now);
    row.expires_at = extended.or(row.expires_at);
    true
}

fn known(parts: &Parts) -> Result<&Caller, ApiError> {
    match parts.extensions.get::<Identity>() {
        Some(Identity::Known(caller)) => Ok(caller),
        Some(Identity::Rejected) => Err(ApiError::Unauthorized("this token is not valid")),
        Some(Identity::Foreign) => Err(ApiError::foreign()),
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
        None => {
            let (method, path) = (request.method(), request.uri().path());
            in_browser(&app, method, path, request.headers()).await?
        }
        Some((kind, token)) => match Caller::look_up(&app, kind, token).await? {
            Some(caller) => Identity::Known(caller),
            None => Identity::Rejected,
        },
    };
    request.extensions_mut().insert(identity);
    Ok(next.run(request).await)
}

/// A browser sends its cookie along with whatever any site makes it ask. What only reads is harmless,
/// since no other site is shown the answer; a change has to come from a page of our own.
async fn in_browser(
    app: &App,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<Identity, ApiError> {
    let (_, name) = session_cookie(&app.config);
    let Some(token) = find_cookie(headers, name) else {
        return Ok(Identity::Anonymous);
    };
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let is_act = !reads || is_opened(headers) || !is_watched(path);
    let Some(caller) = Caller::in_cookie(app, token, is_act).await? else {
        return Ok(Identity::Rejected);
    };
    Ok(match reads || is_from(headers, &app.config.sites.api) {
        true => Identity::Known(caller),
        false => Identity::Foreign,
    })
}

/// Whether a person opened this address: browsers say so of nothing that a page asks for.
pub fn is_opened(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-user")
        .is_some_and(|value| value == "?1")
}

/// Of a server.
const WATCHED: [&str; 8] = [
    "approvals",
    "events",
    "health",
    "incidents",
    "jobs",
    "overview",
    "schedules",
    "webhooks",
];

/// What an open page asks for again and again with nobody before it: no session lasts longer for that.
fn is_watched(path: &str) -> bool {
    let of_server = path.strip_prefix("/guilds/");
    let of_server = of_server.and_then(|rest| rest.split('/').nth(1));
    let of_server = of_server.unwrap_or_default();
    WATCHED.contains(&of_server)
        || matches!(
            path,
            "/session" | "/jobs/summary" | "/bot-stats" | "/reaction-times"
        )
        || path.starts_with("/clusters/")
        || operators::contains(path)
}

/// Whether a page of the site had the request made.
pub fn is_from(headers: &HeaderMap, site: &Url) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let fetched = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin = text(ORIGIN.as_str()).and_then(|origin| Url::parse(origin).ok());
    fetched && origin.is_some_and(|origin| origin.origin() == site.origin())
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

    #[test]
    fn an_open_page_is_no_act() {
        for watched in [
            "/mewld/api/instance-list",
            "/mewld/",
            "/guilds/5/incidents",
            "/guilds/5/webhooks/6/messages",
            "/session",
            "/clusters/health",
            "/guilds/5/jobs",
            "/guilds/5/jobs/6/log",
            "/guilds/5/events",
            "/guilds/5/overview",
        ] {
            assert!(is_watched(watched), "{watched}");
        }
        for looked_at in [
            "/sessions",
            "/users/@me/guilds",
            "/guilds/5/settings",
            "/guilds/jobs",
        ] {
            assert!(!is_watched(looked_at), "{looked_at}");
        }
    }
}
