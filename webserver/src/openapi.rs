//! The frame of the OpenAPI document; operations and schemas come from the routes.

use axum::body::Bytes;
use splashtail_core::config::{Config, without_slash};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, ServerBuilder};
use utoipa::{Modify, OpenApi};

#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Antiraid API",
        version = "7.0",
        description = "Ids are Discord snowflakes as decimal strings, times RFC 3339, durations \
                       integer nanoseconds. Every answer that is not a success has the shape of \
                       `ErrorBody`, and every answer carries `X-Request-Id`.",
        license(name = "AGPL-3.0-only", identifier = "AGPL-3.0-only")
    ),
    tags(
        (name = "Core", description = "The installation itself"),
        (name = "Auth", description = "Who you are"),
        (name = "Tasks", description = "Backups and other long work"),
        (name = "Dashboard", description = "The clusters, for operators behind the deploy proxy")
    ),
    modifiers(&Security)
)]
pub struct ApiDocument;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        for (name, header, whose) in [
            ("User", "User-Auth", "user"),
            ("Server", "Server-Auth", "server"),
        ] {
            let description = format!(
                "The token of a {whose}. `Authorization: {name} <token>` is the same; an operator \
                 issues tokens with `splashtail token create`."
            );
            let key = ApiKey::Header(ApiKeyValue::with_description(header, &description));
            components.add_security_scheme(name, SecurityScheme::ApiKey(key));
        }
        let key = ApiKey::Header(ApiKeyValue::with_description(
            "X-DP-Signature",
            "Put there by the proxy in front, with `X-DP-Host`, `X-DP-UserID` and `X-DP-Timestamp`: \
             HMAC-SHA512 over timestamp and user id under `meta.dp_secret`, in lower case hex.",
        ));
        components.add_security_scheme("DeployProxy", SecurityScheme::ApiKey(key));
    }
}

/// The document as this installation serves it.
pub fn render(mut document: Document, config: &Config) -> Result<Bytes, serde_json::Error> {
    let server = ServerBuilder::new()
        .url(without_slash(&config.sites.api))
        .build();
    document.servers = Some(vec![server]);
    serde_json::to_vec(&document).map(Bytes::from)
}
