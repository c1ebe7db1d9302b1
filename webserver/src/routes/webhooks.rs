//! Addresses that hear of what happens in a server.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use splashtail_api_types::webhooks::{
    CreatedWebhook, NewWebhook, Webhook, WebhookChange, WebhookData, WebhookDelivery,
    WebhookDeliveryList, WebhookList, WebhookMessage, WebhookOrdered, WebhookType,
};
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::config::is_local;
use splashtail_core::ids::GuildId;
use splashtail_core::random;
use splashtail_storage::{MOST_WEBHOOKS, MessageRow, NewMessage, SaidAlone, WebhookSwitch};
use tracing::info;
use url::{Host, Url};
use utoipa::IntoParams;
use uuid::Uuid;

use super::tasks::page_limit;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathOf, QueryOf, guild_id};

const DEFAULT_PAGE: u32 = 25;
const MAX_BODY: usize = 8 * 1024;
const MAX_NAME: usize = 64;
const MAX_URL: usize = 500;
/// Discord's bit of Administrator; the owner has all.
const ADMINISTRATOR: u64 = 1 << 3;
const RIGHT: &str = "webhooks of a server are for its administrators";
/// Any member may ask for this, and the answer says who they are.
const ASKED: &str = "ping";
/// Bytes of a signing key.
const KEY: usize = 32;

/// Webhooks of a server.
///
/// For the owner and administrators. The token may not be limited.
#[utoipa::path(get, path = "/guilds/{guild_id}/webhooks", tag = "Guilds", operation_id = "list_webhooks",
    params(("guild_id" = String, Path, description = "The server")),
    security(("User" = [])),
    responses(
        (status = 200, description = "All", body = WebhookList),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn list_webhooks(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<WebhookList>, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let webhooks = app.storage.webhooks().webhooks(guild).await?;
    let webhooks = webhooks.into_iter().map(shown);
    Ok(Json(WebhookList {
        webhooks: webhooks.collect(),
    }))
}

/// Make a webhook.
///
/// A POST goes to the address for each message, signed as Standard Webhooks has it: `webhook-id`,
/// `webhook-timestamp` and `webhook-signature`. Anything but 2xx is tried again for three days. A server
/// has 5 at most.
#[utoipa::path(post, path = "/guilds/{guild_id}/webhooks", tag = "Guilds", operation_id = "create_webhook",
    params(("guild_id" = String, Path, description = "The server")),
    request_body = NewWebhook, security(("User" = [])),
    responses(
        (status = 201, description = "Made; the secret is shown once", body = CreatedWebhook),
        (status = 400, description = "A field is not valid, or there are 5", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn create_webhook(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    JsonBody(new): JsonBody<NewWebhook, MAX_BODY>,
) -> Result<(StatusCode, Json<CreatedWebhook>), ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let (id, key) = (Uuid::new_v4(), random::bytes::<KEY>()?);
    let new = splashtail_storage::NewWebhook {
        id,
        guild,
        name: name(&new.name)?,
        url: address(&new.url, is_local(&app.config.discord.api_base))?,
        types: types(&new.types)?,
        secret: app.accounts.seal_webhook(id, &key)?,
        created_by: caller.user()?,
        created_at: app.clock.now(),
    };
    let webhooks = app.storage.webhooks();
    if !webhooks.add_webhook(&new).await? {
        return Err(invalid(
            "guild_id",
            format!("a server has at most {MOST_WEBHOOKS} webhooks"),
        ));
    }
    info!(guild.id = %guild, user.id = %new.created_by, webhook.id = %id, "made a webhook");
    let made = webhooks.webhook(id).await?;
    let webhook = shown(made.ok_or(ApiError::NotFound("webhook"))?);
    let secret = format!("whsec_{}", STANDARD.encode(key));
    Ok((
        StatusCode::CREATED,
        Json(CreatedWebhook { webhook, secret }),
    ))
}

/// Change a webhook, or switch it on or off.
#[utoipa::path(patch, path = "/guilds/{guild_id}/webhooks/{webhook}", tag = "Guilds", operation_id = "change_webhook",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("webhook" = uuid::Uuid, Path, description = "The webhook"),
    ),
    request_body = WebhookChange, security(("User" = [])),
    responses(
        (status = 200, description = "As it is now", body = Webhook),
        (status = 400, description = "A field is not valid", body = ErrorBody),
        (status = 404, description = "No such webhook of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn change_webhook(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, Uuid)>,
    JsonBody(change): JsonBody<WebhookChange, MAX_BODY>,
) -> Result<Json<Webhook>, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let is_local = is_local(&app.config.discord.api_base);
    let url = change.url.map(|wanted| address(&wanted, is_local));
    // Whoever sends it somewhere answers for what it is told there.
    let vouches = change.enabled == Some(true) || url.is_some();
    let change = splashtail_storage::WebhookChange {
        vouched_by: vouches.then(|| caller.user()).transpose()?,
        name: change.name.map(|wanted| name(&wanted)).transpose()?,
        url: url.transpose()?,
        types: change.types.map(|wanted| types(&wanted)).transpose()?,
        switch: change.enabled.map(|enabled| match enabled {
            true => WebhookSwitch::On,
            false => WebhookSwitch::Off("it was switched off".to_owned()),
        }),
    };
    let webhooks = app.storage.webhooks();
    let changed = webhooks.change_webhook(guild, id, &change).await?;
    Ok(Json(shown(changed.ok_or(ApiError::NotFound("webhook"))?)))
}

/// Remove a webhook, and its messages.
#[utoipa::path(delete, path = "/guilds/{guild_id}/webhooks/{webhook}", tag = "Guilds", operation_id = "remove_webhook",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("webhook" = uuid::Uuid, Path, description = "The webhook"),
    ),
    security(("User" = [])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such webhook of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn remove_webhook(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, Uuid)>,
) -> Result<StatusCode, ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    match app.storage.webhooks().remove_webhook(guild, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound("webhook")),
    }
}

/// Send a message of the type `test`, whatever types the webhook takes.
///
/// One at a time: the next when that has arrived or was given up.
#[utoipa::path(post, path = "/guilds/{guild_id}/webhooks/{webhook}/test", tag = "Guilds", operation_id = "test_webhook",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("webhook" = uuid::Uuid, Path, description = "The webhook"),
    ),
    security(("User" = [])),
    responses(
        (status = 202, description = "It is sent", body = WebhookOrdered),
        (status = 404, description = "No such webhook of this server, or the bot is not there", body = ErrorBody),
        (status = 409, description = "The last test is still on its way", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn test_webhook(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, Uuid)>,
) -> Result<(StatusCode, Json<WebhookOrdered>), ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    let (message, now) = (Uuid::new_v4(), app.clock.now());
    let body = WebhookMessage {
        r#type: WebhookType::Test,
        timestamp: now,
        data: WebhookData {
            guild_id: guild.to_string(),
            id: message.to_string(),
            state: None,
        },
    };
    let new = NewMessage {
        id: message,
        kind: WebhookType::Test.as_str().to_owned(),
        subject: message.to_string(),
        body: serde_json::to_string(&body)?,
        at: now,
    };
    let webhooks = app.storage.webhooks();
    match webhooks.say_if_none_waits(guild, id, &new).await? {
        SaidAlone::Said => Ok(ordered(message)),
        SaidAlone::Waits => Err(ApiError::invalid(
            Code::TestWaits,
            "the last test of this webhook is still on its way",
        )),
        SaidAlone::NoWebhook => Err(ApiError::NotFound("webhook")),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// The id of the last message of the page before.
    before: Option<Uuid>,
    /// At most 100; 25 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Messages of a webhook and how they went, newest first.
#[utoipa::path(get, path = "/guilds/{guild_id}/webhooks/{webhook}/messages", tag = "Guilds", operation_id = "list_webhook_messages",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("webhook" = uuid::Uuid, Path, description = "The webhook"),
        MessagesQuery,
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "One page", body = WebhookDeliveryList),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 404, description = "No such webhook of this server, or the bot is not there", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn list_webhook_messages(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id)): PathOf<(String, Uuid)>,
    QueryOf(query): QueryOf<MessagesQuery>,
) -> Result<Json<WebhookDeliveryList>, ApiError> {
    let limit = page_limit(query.limit, DEFAULT_PAGE)?;
    let guild = managed(&app, &caller, &guild).await?;
    of(&app, guild, id).await?;
    let store = app.storage.webhooks();
    let messages = store.messages(id, query.before, limit).await?;
    let messages = messages.into_iter().map(delivery);
    Ok(Json(WebhookDeliveryList {
        messages: messages.collect(),
    }))
}

/// Send a message once more that was delivered or given up.
#[utoipa::path(post, path = "/guilds/{guild_id}/webhooks/{webhook}/messages/{message}/replay", tag = "Guilds", operation_id = "replay_webhook_message",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("webhook" = uuid::Uuid, Path, description = "The webhook"),
        ("message" = uuid::Uuid, Path, description = "The message"),
    ),
    security(("User" = [])),
    responses(
        (status = 202, description = "It is sent", body = WebhookOrdered),
        (status = 404, description = "No such message that has ended, or the bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
    ))]
pub async fn replay_webhook_message(
    State(app): State<AppState>,
    caller: Caller,
    PathOf((guild, id, message)): PathOf<(String, Uuid, Uuid)>,
) -> Result<(StatusCode, Json<WebhookOrdered>), ApiError> {
    let guild = managed(&app, &caller, &guild).await?;
    of(&app, guild, id).await?;
    match app.storage.webhooks().send_again(id, message).await? {
        true => Ok(ordered(message)),
        false => Err(ApiError::NotFound("message that has ended")),
    }
}

/// The server, if its webhooks are the caller's to manage. What they are told of goes anywhere, so it
/// takes who may see everything.
pub(super) async fn managed(
    app: &AppState,
    caller: &Caller,
    guild: &str,
) -> Result<GuildId, ApiError> {
    let guild = guild_id(guild)?;
    caller.require_unlimited()?;
    let standing = app.fleet.standing(guild, caller, ASKED).await?;
    match standing.permissions.unwrap_or_default() & ADMINISTRATOR {
        0 => Err(ApiError::Forbidden(RIGHT)),
        _ => Ok(guild),
    }
}

async fn of(
    app: &AppState,
    guild: GuildId,
    id: Uuid,
) -> Result<splashtail_storage::Webhook, ApiError> {
    let webhook = app.storage.webhooks().webhook(id).await?;
    let webhook = webhook.filter(|webhook| webhook.guild == guild);
    webhook.ok_or(ApiError::NotFound("webhook"))
}

fn ordered(message: Uuid) -> (StatusCode, Json<WebhookOrdered>) {
    let message = message.to_string();
    (StatusCode::ACCEPTED, Json(WebhookOrdered { message }))
}

fn invalid(field: &'static str, message: String) -> ApiError {
    ApiError::Invalid {
        code: Code::InvalidBody,
        context: Some((field, message.clone())),
        message,
    }
}

fn name(wanted: &str) -> Result<String, ApiError> {
    let name = wanted.trim();
    match (1..=MAX_NAME).contains(&name.chars().count()) && !name.contains(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(invalid(
            "name",
            format!("a name has 1 to {MAX_NAME} characters"),
        )),
    }
}

fn types(wanted: &[WebhookType]) -> Result<Vec<String>, ApiError> {
    let mut types: Vec<_> = wanted.iter().map(|kind| kind.as_str().to_owned()).collect();
    types.sort_unstable();
    types.dedup();
    match types.is_empty() {
        true => Err(invalid("types", "name at least one type".to_owned())),
        false => Ok(types),
    }
}

/// Where it leads to is looked at when something is sent; this only spares people a detour.
fn address(wanted: &str, is_local: bool) -> Result<String, ApiError> {
    let wrong = |why: &str| Err(invalid("url", why.to_owned()));
    if wanted.len() > MAX_URL {
        return wrong("an address has at most 500 characters");
    }
    let Ok(url) = Url::parse(wanted) else {
        return wrong("this is no address");
    };
    let is_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(_)) => false,
        None => return wrong("this is no address"),
    };
    let may_be_plain = is_local && is_loopback;
    if url.scheme() != "https" && !(may_be_plain && url.scheme() == "http") {
        return wrong("an address begins with https://");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return wrong("an address has no user, no password and no fragment");
    }
    Ok(url.into())
}

fn shown(webhook: splashtail_storage::Webhook) -> Webhook {
    let types = WebhookType::ALL.into_iter();
    let types = types.filter(|kind| webhook.types.iter().any(|own| own == kind.as_str()));
    Webhook {
        types: types.collect(),
        id: webhook.id.to_string(),
        name: webhook.name,
        url: webhook.url,
        enabled: webhook.off.is_none(),
        off: webhook.off,
        created_by: webhook.created_by.to_string(),
        created_at: webhook.created_at,
        vouched_by: webhook.vouched_by.to_string(),
    }
}

fn delivery(row: MessageRow) -> WebhookDelivery {
    WebhookDelivery {
        id: row.id.to_string(),
        r#type: row.kind,
        body: row.body,
        state: row.state.as_str().to_owned(),
        attempts: row.attempts,
        due_at: row.due_at,
        status: row.status,
        outcome: row.outcome,
        created_at: row.created_at,
        tried_at: row.tried_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_public_and_holds_no_secret() {
        let taken = |wanted: &str, local| address(wanted, local).is_ok();
        assert!(taken("https://example.com/a?b=c", false));
        for wrong in [
            "http://example.com",
            "https://user@example.com",
            "https://:pass@example.com",
            "https://example.com/#x",
            "http://127.0.0.1/",
            "ftp://example.com",
            "example.com",
            "",
        ] {
            assert!(!taken(wrong, false), "{wrong}");
        }
        assert!(taken("http://127.0.0.1:9/", true));
        assert!(!taken("http://example.com/", true));
        assert!(!taken(
            &format!("https://example.com/{}", "x".repeat(500)),
            false
        ));
    }
}
