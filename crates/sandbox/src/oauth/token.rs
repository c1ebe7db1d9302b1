//! The token endpoint: form-encoded only, client by Basic authentication or in the body.

use std::collections::HashMap;

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::json;
use splashtail_sandbox_world::world::{Application, Id, World};

use super::grants::{Grants, Issued, TOKEN_S};

/// An error of RFC 6749 §5.2.
struct Refused(StatusCode, &'static str, &'static str);

impl From<Refused> for Response {
    fn from(Refused(status, error, description): Refused) -> Self {
        super::json(
            status,
            &json!({"error": error, "error_description": description}),
        )
    }
}

const NOT_A_FORM: Refused = Refused(
    StatusCode::BAD_REQUEST,
    "invalid_request",
    "The body must be application/x-www-form-urlencoded.",
);
const INVALID_CLIENT: Refused = Refused(
    StatusCode::UNAUTHORIZED,
    "invalid_client",
    "Invalid client credentials.",
);

struct Form {
    fields: HashMap<String, String>,
    app: Id,
    owner: Id,
}

impl Form {
    fn get(&self, key: &str) -> &str {
        self.fields.get(key).map_or("", String::as_str)
    }
}

fn read(
    world: &World,
    content_type: &str,
    authorization: Option<&str>,
    body: &[u8],
) -> Result<Form, Refused> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence != "application/x-www-form-urlencoded" {
        return Err(NOT_A_FORM);
    }
    let fields: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    let (id, secret) = match authorization.and_then(basic) {
        Some(pair) => pair,
        None => {
            let field = |key: &str| fields.get(key).cloned().unwrap_or_default();
            (field("client_id"), field("client_secret"))
        }
    };
    let app = id.parse().ok().and_then(|id: Id| world.apps.get(&id));
    let app: &Application = app
        .filter(|a| !secret.is_empty() && a.client_secret == secret)
        .ok_or(INVALID_CLIENT)?;
    Ok(Form {
        app: app.id,
        owner: app.owner,
        fields,
    })
}

fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let plain = |s: &str| {
        percent_encoding::percent_decode_str(s)
            .decode_utf8_lossy()
            .into_owned()
    };
    Some((plain(id), plain(secret)))
}

/// `POST /oauth2/token`.
pub(crate) fn exchange(
    world: &mut World,
    grants: &Grants,
    content_type: &str,
    authorization: Option<&str>,
    body: &[u8],
) -> Response {
    match issue(world, grants, content_type, authorization, body) {
        Err(refused) => refused.into(),
        Ok(issued) => {
            let mut answer = json!({
                "token_type": "Bearer",
                "access_token": issued.access_token,
                "expires_in": TOKEN_S,
                "scope": issued.scopes.join(" "),
            });
            if let Some(refresh) = issued.refresh_token {
                answer["refresh_token"] = refresh.into();
            }
            super::json(StatusCode::OK, &answer)
        }
    }
}

fn issue(
    world: &mut World,
    grants: &Grants,
    content_type: &str,
    authorization: Option<&str>,
    body: &[u8],
) -> Result<Issued, Refused> {
    let form = read(world, content_type, authorization, body)?;
    let bad = |what| Refused(StatusCode::BAD_REQUEST, "invalid_grant", what);
    match form.get("grant_type") {
        "authorization_code" => {
            let verifier = form.fields.get("code_verifier").map(String::as_str);
            let (code, redirect) = (form.get("code"), form.get("redirect_uri"));
            grants
                .redeem(world, code, form.app, redirect, verifier)
                .ok_or_else(|| bad("Invalid \"code\" in request."))
        }
        "refresh_token" => grants
            .refresh(world, form.get("refresh_token"), form.app)
            .ok_or_else(|| bad("Invalid \"refresh_token\" in request.")),
        "client_credentials" => {
            let scopes = form
                .get("scope")
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            Ok(grants.grant(world, form.app, form.owner, scopes))
        }
        _ => Err(Refused(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "Grant type None is not supported",
        )),
    }
}

/// `POST /oauth2/token/revoke`.
pub(crate) fn revoke(
    world: &mut World,
    grants: &Grants,
    content_type: &str,
    authorization: Option<&str>,
    body: &[u8],
) -> Response {
    match read(world, content_type, authorization, body) {
        Err(refused) => refused.into(),
        Ok(form) => {
            grants.revoke(world, form.get("token"), form.app);
            super::json(StatusCode::OK, &json!({}))
        }
    }
}
