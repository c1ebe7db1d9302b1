//! Logging in, sessions and tokens.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::users::Me;

/// What a page needs to begin a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientConfig {
    /// Of the application at Discord; `null`: nobody can log in here.
    pub client_id: Option<String>,
    /// Discord's page on which people consent.
    pub authorize_url: String,
    /// Where it leads back to.
    pub redirect_uri: String,
    /// Scopes to ask for.
    pub scope: String,
    /// Discord is simulated: one press on its page logs in as any of its people.
    pub sandbox: bool,
    pub main_server: Option<String>,
    pub support_server_invite: Option<String>,
}

/// Who is signed in in a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrowserSession {
    /// `null`: nobody.
    pub user: Option<Me>,
    /// When it ends, if nobody does anything until then.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether the operators' page is open to them now: for 30 minutes after they signed in, opened it or
    /// sent a command. Then they sign in anew.
    pub operator: bool,
}

/// What a login is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginScope {
    Normal,
    /// For banned people: they may see and end their sessions.
    BanExempt,
}

/// The end of a login: what Discord sent back.
#[derive(Clone, PartialEq, Eq, Deserialize, ToSchema)]
pub struct Login {
    pub code: String,
    /// The one that the login was begun with.
    pub redirect_uri: String,
    /// `a1`
    #[schema(example = "a1")]
    pub protocol: String,
    pub scope: LoginScope,
    /// Of the challenge that the login was begun with (PKCE, RFC 7636).
    #[serde(default)]
    pub code_verifier: Option<String>,
    /// `iss` as it came with the code (RFC 9207).
    #[serde(default)]
    pub iss: Option<String>,
}

/// Without code and verifier.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("redirect_uri", &self.redirect_uri)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// A browser in which somebody logged in.
    Login,
    /// A token for a program.
    Api,
    /// Issued by the operator of the installation.
    Operator,
}

/// A token that was just made. It is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedSession {
    pub user_id: String,
    pub token: String,
    #[schema(value_type = Uuid)]
    pub session_id: String,
    pub expiry: DateTime<Utc>,
}

/// Without the token.
impl fmt::Debug for CreatedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedSession")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    #[schema(value_type = Uuid)]
    pub id: String,
    pub name: String,
    pub user_id: String,
    pub created_at: DateTime<Utc>,
    #[serde(rename = "type")]
    pub kind: SessionKind,
    /// Permissions that it is reduced to; none reduce nothing.
    pub perm_limits: Vec<String>,
    /// `null`: never.
    pub expiry: Option<DateTime<Utc>>,
    /// To about a minute; `null`: never.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The request came with it.
    pub current: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// Newest first.
    pub sessions: Vec<Session>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewSession {
    /// For you to know it by.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// `api`
    #[serde(rename = "type")]
    pub kind: SessionKind,
    /// Permissions such as `server_backups.list` that it is reduced to; none: it may what you may.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub perm_limits: Vec<String>,
    /// Seconds from now until it ends; a year at most.
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub expiry: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionExtension {
    /// Seconds from now until it ends; a year at most.
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub expiry: u64,
}
