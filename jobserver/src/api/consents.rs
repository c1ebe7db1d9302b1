//! What people allow: to be brought back into a server. Whoever asked them for it tells, and nobody else.

use std::time::Duration;

use axum::Json;
use axum::response::IntoResponse as _;
use http::StatusCode;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use splashtail_api_types::Code;
use splashtail_core::ids::{GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::http::ErrorResponse;
use splashtail_ipc::signing::Caller;
use splashtail_storage::StorageError;
use tracing::error;

use super::{Answer, App, arguments, bad, optional_text, refusal, server_id, text, unavailable};
use crate::fields;
use crate::rejoin::Consented;

/// Who people sign in at, and who reads their answers.
const ASKS: &str = "api";
/// Bytes; Discord's have some thirty.
const LONGEST_TOKEN: usize = 512;

/// `put_join_consent {server_id, user_id, access_token, refresh_token, expires_in}`.
pub async fn put(app: &App, caller: &Caller, body: &[u8]) -> Answer {
    only_whoever_asks(caller)?;
    let args = arguments(body)?;
    let lasts = fields::get(&args, "expires_in").and_then(Value::as_u64);
    let lasts = lasts.ok_or_else(|| bad("invalid_args", "args.expires_in must be seconds"))?;
    let consented = Consented {
        guild: server_id(&args)?,
        user: user_id(&args)?,
        access_token: token(&args, "access_token")?,
        refresh_token: token(&args, "refresh_token")?,
        lasts: Duration::from_secs(lasts),
    };
    let grants = &app.ready()?.grants;
    if grants.application.is_none() {
        let why = "discord_auth.client_id and discord_auth.client_secret are missing";
        return Err(bad("no_application", why));
    }
    let kept = grants.keep(&consented).await;
    let kept = kept.map_err(|error| {
        error!(error = %Chain(&error), "a consent was not kept");
        unavailable("the consent could not be kept")
    })?;
    if !kept {
        let why = "an earlier consent is being ended at Discord at this moment, and this one with it: \
                   allow it once more in some minutes";
        return Err(ErrorResponse::new(
            StatusCode::CONFLICT,
            Code::ConsentEnding.as_str(),
            why,
        ));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `remove_join_consent {user_id, server_id?}`: for all servers, where none is named. With the last one what
/// Discord gave is revoked there, now or when Discord can be asked.
pub async fn remove(app: &App, caller: &Caller, body: &[u8]) -> Answer {
    only_whoever_asks(caller)?;
    let args = arguments(body)?;
    let (user, server) = (user_id(&args)?, one_server(&args)?);
    let store = app.ready()?.storage.join_consents();
    store.withdraw(user, server).await.map_err(failed)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `join_consents {user_id}`: the servers of a person; `join_consents {server_id}`: how many people.
pub async fn list(app: &App, body: &[u8]) -> Answer {
    let args = arguments(body)?;
    let store = app.ready()?.storage.join_consents();
    if let Some(server) = one_server(&args)? {
        let count = store.count_consents(server).await.map_err(failed)?;
        return Ok(Json(json!({"count": count})).into_response());
    }
    let consents = store.consents_of(user_id(&args)?).await.map_err(failed)?;
    let consents: Vec<Value> = consents
        .into_iter()
        .map(|(server, at)| json!({"server_id": server, "given_at": at.to_rfc3339()}))
        .collect();
    Ok(Json(json!({"consents": consents})).into_response())
}

fn only_whoever_asks(caller: &Caller) -> Result<(), ErrorResponse> {
    if caller.client == ASKS {
        return Ok(());
    }
    let why = format!("consents are told by the client {ASKS:?} alone");
    Err(ErrorResponse::new(StatusCode::FORBIDDEN, "not_yours", why))
}

fn token(args: &Map<String, Value>, name: &str) -> Result<SecretString, ErrorResponse> {
    let token = text(args, name)?;
    if token.len() > LONGEST_TOKEN {
        return Err(bad("invalid_args", format!("args.{name} is too long")));
    }
    Ok(token.into())
}

fn one_server(args: &Map<String, Value>) -> Result<Option<GuildId>, ErrorResponse> {
    match fields::get(args, "server_id") {
        None => Ok(None),
        Some(_) => server_id(args).map(Some),
    }
}

fn user_id(args: &Map<String, Value>) -> Result<UserId, ErrorResponse> {
    let id = optional_text(args, "user_id")?.and_then(|id| id.parse().ok());
    id.ok_or_else(|| bad("invalid_args", "args.user_id must be the id of a user"))
}

fn failed(error: StorageError) -> ErrorResponse {
    refusal(error.into())
}
