//! What people allow: that a server brings them back when they lost it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A server that may bring you back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GivenConsent {
    pub server_id: String,
    /// As Discord said at your last login; `null`: you are not in it, as far as is known.
    pub name: Option<String>,
    pub given_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentList {
    /// Newest first.
    pub consents: Vec<GivenConsent>,
}

/// A server that asks you whether it may bring you back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerConsent {
    pub server_id: String,
    pub name: String,
    /// An address; empty: none.
    pub avatar: String,
    /// `null`: it may not.
    pub given_at: Option<DateTime<Utc>>,
}

/// Where the browser goes to give a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentPage {
    /// Discord's page. It leads back to this browser within ten minutes, once.
    pub url: String,
}
