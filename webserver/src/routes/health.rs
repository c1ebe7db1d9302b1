//! How well a server is set up, and how fast the bot answers attacks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::json;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::health::GuildHealth;
use splashtail_api_types::incidents::PanicPreview;
use splashtail_api_types::overview::{Percentiles, ReactionTimes};
use splashtail_core::ids::GuildId;
use splashtail_storage::Reaction;

use super::guilds::read;
use crate::app::{App, AppState};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::{PathOf, guild_id};

/// Incidents that count, and how long ago they changed.
const MOST: u32 = 1000;
const LATELY: Duration = Duration::from_secs(30 * 24 * 3600);

/// What is wrong in a server, worst first, and how far it is set up.
///
/// As `/health` and `/setup` in Discord say it.
#[utoipa::path(get, path = "/guilds/{guild_id}/health", tag = "Guilds", operation_id = "get_guild_health",
    params(("guild_id" = String, Path, description = "The server")),
    security(("User" = [])),
    responses(
        (status = 200, description = "As it is now", body = GuildHealth),
        (status = 403, description = "You may not look at it", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn get_guild_health(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<GuildHealth>, ApiError> {
    health(&app, &caller, guild_id(&guild)?).await.map(Json)
}

/// # Errors
/// They may not look at it, or the bot cannot be asked.
pub(super) async fn health(
    app: &App,
    caller: &Caller,
    guild: GuildId,
) -> Result<GuildHealth, ApiError> {
    let query = json!({"GuildHealth": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    read(app.fleet.ask(guild, &query).await?)
}

/// What a panic would take in a server now, and what it would not reach.
///
/// Nothing is done; `panic` among the acts on an incident does it.
#[utoipa::path(get, path = "/guilds/{guild_id}/panic", tag = "Guilds", operation_id = "preview_panic",
    params(("guild_id" = String, Path, description = "The server")),
    security(("User" = [])),
    responses(
        (status = 200, description = "As it is now", body = PanicPreview),
        (status = 403, description = "You may not look at it", body = ErrorBody),
        (status = 404, description = "The bot is not in this server", body = ErrorBody),
        (status = 412, description = "The bot's clusters are starting or out of reach", body = ErrorBody),
        (status = 502, description = "The cluster answered unexpectedly", body = ErrorBody),
        (status = 503, description = "The cluster of the server does not run; see `Retry-After`", body = ErrorBody),
    ))]
pub async fn preview_panic(
    State(app): State<AppState>,
    caller: Caller,
    PathOf(guild): PathOf<String>,
) -> Result<Json<PanicPreview>, ApiError> {
    let guild = guild_id(&guild)?;
    let query = json!({"PanicPreview": {
        "guild_id": guild,
        "user_id": caller.user()?,
        "custom_resolved_kittycat_perms": caller.limits(),
    }});
    read(app.fleet.ask(guild, &query).await?).map(Json)
}

/// How fast the bot answered attacks lately.
///
/// In the whole installation, where protection is on; at most a minute old.
#[utoipa::path(get, path = "/reaction-times", tag = "Core", operation_id = "get_reaction_times",
    responses((status = 200, description = "Of the last thirty days", body = ReactionTimes)))]
pub async fn get_reaction_times(
    State(app): State<AppState>,
) -> Result<Json<ReactionTimes>, ApiError> {
    let measured = async {
        let found = app.storage.protections().reactions(LATELY, MOST).await?;
        Ok(times(&found))
    };
    Ok(Json(app.reactions.get(measured).await?))
}

fn times(found: &[Reaction]) -> ReactionTimes {
    let since = |what: fn(&Reaction) -> Option<i64>| {
        let took = found.iter().filter_map(|reaction| {
            let took = what(reaction)? - reaction.received?;
            u64::try_from(took).ok()
        });
        Percentiles::of(took.collect())
    };
    let measured = |reaction: &&Reaction| reaction.received.is_some() && reaction.sent.is_some();
    ReactionTimes {
        incidents: found.iter().filter(measured).count(),
        sent: since(|reaction| reaction.sent),
        acknowledged: since(|reaction| reaction.acknowledged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_does_not_count() {
        let reaction = |received, sent, acknowledged| Reaction {
            received,
            sent,
            acknowledged,
        };
        let found = [
            reaction(Some(10), Some(13), Some(110)),
            reaction(Some(20), Some(21), None),
            reaction(Some(30), None, None),
            reaction(None, Some(5), None),
        ];
        let told = times(&found);
        let at = |p50_ms, p99_ms| Some(Percentiles { p50_ms, p99_ms });
        assert_eq!(told.incidents, 2);
        assert_eq!((told.sent, told.acknowledged), (at(1, 3), at(100, 100)));
        assert_eq!(times(&[]), ReactionTimes::default());
    }
}
