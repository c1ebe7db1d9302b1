//! Answering the consent page of OAuth2.

use axum::Json;
use axum::extract::{Path, State};
use http::{Method, StatusCode};
use serde_json::Value;
use splashtail_sandbox_world::rest::Request;

use super::types::{Consent, Consented};
use super::{Answer, Body, Ctl, Failure, id, known_user};
use crate::oauth::{self, Decision};

/// `POST /ctl/as/{user}/consent`. Without an address it only preselects the user on the page.
pub(super) async fn consent(
    State(control): Ctl,
    Path(user): Path<String>,
    Body(consent): Body<Consent>,
) -> Answer<Consented> {
    let edge = &control.edge;
    // It begins in the world that was asked for; what a fault makes slow holds none up.
    drop(edge.turn().await);
    let user = known_user(edge, &user)?;
    edge.set_visitor(user);
    let Some((_, query)) = consent.authorize_url.split_once('?') else {
        if consent.authorize_url.is_empty() {
            return Ok(Json(Consented {
                location: String::new(),
            }));
        }
        return Err(Failure::bad("`authorize_url` has no parameters"));
    };
    let query = query.split('#').next().unwrap_or_default();
    let guild = consent.guild_id.as_deref().map(id).transpose()?;
    let decision = Decision {
        user,
        allow: consent.allow,
        guild,
    };
    // What the browser sends when the button is pressed.
    let request = Request::act(Method::POST, "/oauth2/authorize", &Value::Null);
    let decide = || {
        let sandbox = &edge.sandbox;
        sandbox.with_world(|world| oauth::answer(world, &edge.grants, query, decision))
    };
    let location = match edge.click_as(user, &request, decide).await {
        Some(Ok(decided)) => decided.map_err(|error| {
            Failure::new(
                StatusCode::BAD_REQUEST,
                "consent_refused",
                error.to_string(),
            )
        })?,
        Some(Err(answer)) => return Err(Failure::struck(&answer)),
        None => return Err(Failure::unheard()),
    };
    Ok(Json(Consented { location }))
}
