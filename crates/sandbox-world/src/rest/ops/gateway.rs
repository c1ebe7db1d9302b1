//! Where to connect.

use serde_json::json;

use super::Table;
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::routes::Auth;

pub(super) fn routes(table: &mut Table) {
    table
        .get("/gateway", "get_gateway", get_gateway)
        .auth(Auth::Open);
    table.get("/gateway/bot", "get_bot_gateway", get_bot_gateway);
    table.get("/voice/regions", "list_voice_regions", regions);
    table.get(
        "/guilds/{guild_id}/regions",
        "list_guild_voice_regions",
        regions,
    );
}

fn get_gateway(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(json!({"url": cx.world.addresses.gateway}))
}

fn get_bot_gateway(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let Caller::Bot { app, .. } = cx.caller else {
        return Err(error::ONLY_BOTS.into());
    };
    let now = cx.steady_ms();
    let shards = cx.world.shards_needed(app);
    let app = cx.world.apps.get(&app).ok_or_else(ApiError::unauthorized)?;
    let sessions = app.sessions;
    let reset = sessions.reset_at_ms.filter(|at| *at > now);
    let remaining = if reset.is_some() {
        sessions.remaining
    } else {
        sessions.total
    };
    Reply::ok(json!({
        "url": cx.world.addresses.gateway,
        "shards": shards,
        "session_start_limit": {
            "total": sessions.total,
            "remaining": remaining,
            "reset_after": reset.map_or(0, |at| at - now),
            "max_concurrency": app.max_concurrency,
        },
    }))
}

fn regions(_: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(json!([
        {"id": "rotterdam", "name": "Rotterdam", "custom": false, "deprecated": false, "optimal": true},
        {"id": "us-east", "name": "US East", "custom": false, "deprecated": false, "optimal": false},
    ]))
}
