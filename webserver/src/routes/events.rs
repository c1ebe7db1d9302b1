//! What happens in a server, told while it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use futures_util::StreamExt as _;
use http::HeaderMap;
use serde::Deserialize;
use splashtail_api_types::events::ServerSentEvent;
use splashtail_api_types::{Code, ErrorBody};
use splashtail_core::random;
use utoipa::IntoParams;

use super::tasks::LAST_EVENT_ID;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::events::{Following, follow, rights};
use crate::extract::{PathOf, QueryOf, guild_id};
use crate::sse::stream;

/// Whoever follows is sent away by then, and comes back with the last event they have.
const LONGEST: u64 = 15 * 60;
/// Clients come back after this and at most twice as much, so that not all of them ask at once when
/// a server goes.
const RETRY: Duration = Duration::from_millis(1000);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only what is behind this version; as the header `Last-Event-ID`, which wins. Without it the
    /// stream begins now.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Seconds to wait for events. With 0 the stream tells what is new and ends.
    #[param(minimum = 0, maximum = 900)]
    wait: Option<u64>,
}

/// Follow what happens in a server.
///
/// Server-sent events. First `ready` (a `StreamReady`), then `incident`, `job`, `approval`,
/// `settings`, `guild` and `backup_late` (each a `GuildEvent`) of what you may look at there, each once and in order; last `end`
/// (a `StreamEnd`). With `Last-Event-ID` a stream goes on where another one ended, for a day. It ends
/// after a quarter of an hour, when the server is replaced by a newer one, and within a minute after
/// your rights or your token do.
#[utoipa::path(get, path = "/guilds/{guild_id}/events", tag = "Guilds", operation_id = "follow_guild",
    params(
        ("guild_id" = String, Path, description = "The server"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that is known"),
        EventsQuery,
    ),
    security(("User" = [])),
    responses(
        (status = 200, description = "Events as they happen", content_type = "text/event-stream", body = ServerSentEvent),
        (status = 400, description = "The query is not valid", body = ErrorBody),
        (status = 403, description = "There is nothing that you may look at in this server", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run, or too many streams are open; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn follow_guild(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let guild = guild_id(&guild)?;
    let left = query.wait.unwrap_or(LONGEST);
    if left > LONGEST {
        return Err(ApiError::Invalid {
            code: Code::InvalidQuery,
            message: format!("`wait` is at most {LONGEST}"),
            context: Some(("wait", format!("{left} is out of range [0..{LONGEST}]"))),
        });
    }
    let known = headers.get(LAST_EVENT_ID);
    let known = known.and_then(|known| known.to_str().ok()?.trim().parse().ok());
    let known = known.or(query.after);
    let kinds = rights(&app, guild, &caller).await?;
    let place = app.streams.take(caller.owner)?;
    let news = app.feed.of(guild);
    let events = app.storage.events();
    let (after, reset) = match known {
        None => (events.newest(guild).await?, false),
        Some(known) if events.remembers(known).await? => (known, false),
        Some(_) => (events.newest(guild).await?, true),
    };
    let spread: [u8; 2] = random::bytes()?;
    let retry = RETRY + Duration::from_millis(u64::from(u16::from_le_bytes(spread)) / 66);
    let asked_at = app.clock.monotonic();
    let following = Following {
        app,
        guild,
        caller,
        kinds,
        _place: place,
        news,
        after,
        reset,
        until: asked_at + Duration::from_secs(left),
        asked_at,
    };
    let events = follow(following, retry).map(Ok::<_, Infallible>);
    Ok(stream(events))
}
