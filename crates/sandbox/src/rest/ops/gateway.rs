//! Where to connect.

use http::Method;
use serde_json::json;

use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::limits::{Bucket, Major};
use crate::rest::routes::{Auth, Route};

pub(super) fn routes(table: &mut Vec<Route>) {
    table.push(Route {
        method: Method::GET,
        template: "/gateway",
        operation: "get_gateway",
        auth: Auth::Open,
        bucket: Bucket { name: "gateway", limit: 50, per_ms: 1000, major: Major::None },
        run: get_gateway,
    });
    table.push(Route {
        method: Method::GET,
        template: "/gateway/bot",
        operation: "get_bot_gateway",
        auth: Auth::Bot,
        bucket: Bucket { name: "gateway_bot", limit: 2, per_ms: 5000, major: Major::None },
        run: get_bot_gateway,
    });
}

fn get_gateway(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(json!({"url": cx.world.addresses.gateway}))
}

fn get_bot_gateway(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let Caller::Bot { app, .. } = cx.caller else { return Err(error::ONLY_BOTS.into()) };
    let now = cx.now();
    let app = cx.world.apps.get(&app).ok_or_else(ApiError::unauthorized)?;
    let sessions = app.sessions;
    let reset = sessions.reset_at.filter(|at| *at > now);
    let remaining = if reset.is_some() { sessions.remaining } else { sessions.total };
    Reply::ok(json!({
        "url": cx.world.addresses.gateway,
        "shards": app.shards,
        "session_start_limit": {
            "total": sessions.total,
            "remaining": remaining,
            "reset_after": reset.map_or(0, |at| at.0 - now.0),
            "max_concurrency": app.max_concurrency,
        },
    }))
}
