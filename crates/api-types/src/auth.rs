//! Who a caller of the web API is.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::tasks::TargetType;

/// Body of `POST /auth/test`: is this token good for that user or server?
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthTest {
    pub auth_type: TargetType,
    /// The user or server the token must belong to.
    pub target_id: String,
    pub token: String,
}

/// Without the token.
impl fmt::Debug for AuthTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthTest")
            .field("auth_type", &self.auth_type)
            .field("target_id", &self.target_id)
            .finish_non_exhaustive()
    }
}

/// What the API knows about an authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthContext {
    pub target_type: TargetType,
    pub id: String,
    pub authorized: bool,
    pub banned: bool,
    pub data: AuthData,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthData {
    /// The session or token used; not the token itself.
    pub session_id: Option<String>,
    /// Permissions the token is reduced to; empty means no reduction.
    #[serde(default)]
    pub perm_limits: Vec<String>,
}
