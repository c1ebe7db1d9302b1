//! The frame of the OpenAPI document; operations and schemas come from the routes. A route says
//! what is particular to it, and [`complete`] adds what every operation can answer.

use axum::body::Bytes;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::events::{GuildEvent, StreamEnd, StreamReady};
use splashtail_api_types::webhooks::WebhookMessage;
use splashtail_core::config::{Config, without_slash};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, OpenApi as Document, PathItem, Paths, Ref, RefOr, ResponseBuilder, ServerBuilder,
};
use utoipa::{Modify, OpenApi};

use crate::auth::SECURE_SESSION_COOKIE;

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
        (name = "Users", description = "You and your servers"),
        (name = "Guilds", description = "Servers: what they have set, and what happened in them"),
        (name = "Tasks", description = "Backups and other long work"),
        (name = "Operators", description = "The clusters, for operators who signed in or come through the deploy proxy")
    ),
    // What streams tell and webhooks are sent is in no answer's shape.
    components(schemas(ErrorBody, GuildEvent, StreamReady, StreamEnd, WebhookMessage)),
    modifiers(&Security)
)]
pub struct ApiDocument;

struct Security;

/// The scheme of a browser's cookie, which is good where a person's token is.
const SESSION: &str = "Session";
const NO_SCOPES: [String; 0] = [];

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        for (name, header, whose) in [
            ("User", "User-Auth", "user"),
            ("Server", "Server-Auth", "server"),
        ] {
            let description = format!(
                "The token of a {whose}. `Authorization: {name} <token>` is the same. People get one by \
                 logging in and make more with `POST /sessions`; an operator issues them with \
                 `splashtail token create`."
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
        let key = ApiKey::Cookie(ApiKeyValue::with_description(
            SECURE_SESSION_COOKIE,
            "Of a browser that signed in at `/login`; `session` where `sites.api` is plain `http`. What changes something has to come from a page of \
             this site (`Origin`).",
        ));
        components.add_security_scheme(SESSION, SecurityScheme::ApiKey(key));
    }
}

/// Adds to each operation the errors that layers and extractors around it answer with. What the
/// route itself says about a status stays.
pub fn complete(document: &mut Document) {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let has_path = operation.parameters.iter().flatten().any(|parameter| {
            matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path)
        });
        let has_body = operation.request_body.is_some();
        if let Some(ways) = &mut operation.security
            && ways
                .iter()
                .any(|way| *way == SecurityRequirement::new("User", NO_SCOPES))
        {
            ways.push(SecurityRequirement::new(SESSION, NO_SCOPES));
        }
        let security = operation.security.as_ref();
        let security = serde_json::to_string(&security).unwrap_or_default();
        let mut errors = vec![
            (
                "400",
                "The query, the path or the credentials cannot be read; the message says why",
            ),
            ("500", "Our fault; the context names the request"),
            (
                "503",
                "A part of the platform is not available; see `Retry-After`",
            ),
            ("504", "It took too long"),
        ];
        if has_path {
            errors.push(("404", "There is nothing of this name"));
        }
        if has_body {
            errors.push(("413", "The body is too large"));
        }
        if security.contains("DeployProxy") {
            errors.push((
                "401",
                "Nobody signed in, no proxy vouches for the request, or the user is no operator",
            ));
        } else if security.contains("User") || security.contains("Server") {
            errors.push(("401", "No token, or not a valid one"));
            errors.push((
                "403",
                "The token belongs to somebody else or is limited to less, or its user is banned or may not do this",
            ));
        }
        for (status, description) in errors {
            declare(operation, status, description);
        }
    }
}

/// Declares that a limit stands before the operations.
pub fn declare_limit(paths: &mut Paths) {
    for operation in paths.paths.values_mut().flat_map(operations) {
        declare(operation, "429", "Too many requests; see `Retry-After`");
    }
}

fn declare(operation: &mut Operation, status: &str, description: &str) {
    let content = Content::new(Some(Ref::from_schema_name("ErrorBody")));
    operation
        .responses
        .responses
        .entry(status.to_owned())
        .or_insert_with(|| {
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/json", content);
            RefOr::T(response.build())
        });
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// The document as this installation serves it.
pub fn render(mut document: Document, config: &Config) -> Result<Bytes, serde_json::Error> {
    let server = ServerBuilder::new()
        .url(without_slash(&config.sites.api))
        .build();
    document.servers = Some(vec![server]);
    serde_json::to_vec(&document).map(Bytes::from)
}
