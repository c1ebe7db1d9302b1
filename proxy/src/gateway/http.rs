//! The HTTP routes beside the websocket: where the gateway is, how it does, and what is known.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query as UrlQuery, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use splashtail_core::ids::GuildId;
use splashtail_core::meters;
use splashtail_ipc::http::{ErrorResponse, Limits, NotReady, Readiness, harden};
use subtle::ConstantTimeEq;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::debug;

use super::Gateway;
use super::cache::Known;
use super::cache::json::{Fields, Snowflake, elements, raw};
use super::client::connection;
use super::client::frames::Query;
use super::shard::Status;
use super::visitors::programs_only;

/// A shard may be away for so long before the daemon counts as not ready.
const AWAY: Duration = Duration::from_secs(60);
/// A client's frame; a longer one than the protocol allows meets its close code.
const FRAME: usize = 64 << 10;
/// Websockets at a time.
const MOST_CLIENTS: usize = 4096;
const SECRET: &str = "x-proxy-secret";

/// Everything on the gateway's port.
pub fn router(gateway: &Arc<Gateway>, readiness: Readiness) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/shard-count", get(shard_count))
        .route("/api/status", get(status))
        .route("/antiraid/api/state", get(state))
        .route("/admin/clients", get(clients))
        .route("/admin/kick", post(kick))
        .route("/admin/drain", post(drain))
        .route("/admin/reshard", post(reshard));
    for prefix in ["", "/api", "/antiraid/api"] {
        router = router
            .route(&format!("{prefix}/gateway"), get(gateway_bot))
            .route(&format!("{prefix}/gateway/bot"), get(gateway_bot));
    }
    for prefix in ["/api", "/antiraid/api"] {
        router = router
            .route(&format!("{prefix}/{{version}}/gateway"), get(gateway_bot))
            .route(
                &format!("{prefix}/{{version}}/gateway/bot"),
                get(gateway_bot),
            );
    }
    let router = router
        .fallback(async || {
            ErrorResponse::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is nothing at this path",
            )
        })
        .with_state(Arc::clone(gateway))
        .merge(readiness.route());
    // Libraries differ in the path that they upgrade at.
    let router = router
        .layer(from_fn_with_state(Arc::clone(gateway), websocket))
        .layer(from_fn_with_state(Arc::clone(gateway), programs_only));
    let limits = Limits {
        body: 64 << 10,
        answer: Duration::from_secs(10),
    };
    harden(router, limits)
}

/// Whether every shard is connected, or was a moment ago.
pub fn readiness(gateway: &Arc<Gateway>) -> Readiness {
    let asked = Arc::clone(gateway);
    Readiness::new(Arc::clone(&gateway.clock)).require("gateway", move || {
        let gateway = Arc::clone(&asked);
        async move { gateway.ready() }
    })
}

impl Gateway {
    /// A shard that Discord does not want, with its close code.
    fn refused(&self) -> Option<(u16, u16)> {
        self.shards().iter().find_map(|shard| match shard.status() {
            Status::Refused(code) => Some((shard.id, code)),
            Status::Away(_) | Status::Connected(_) => None,
        })
    }

    fn ready(&self) -> Result<(), NotReady> {
        let Some(fleet) = self.fleet() else {
            return Err(NotReady::new(
                "Discord has not said yet where its gateway is",
            ));
        };
        if self.drain.is_cancelled() {
            return Err(NotReady::new("the proxy stops"));
        }
        let now = self.clock.monotonic();
        for shard in fleet.shards.iter() {
            let id = shard.id;
            match shard.status() {
                Status::Connected(_) => {}
                Status::Refused(code) => {
                    return Err(NotReady::new(format!(
                        "Discord refuses shard {id} with close code {code}; it is tried again after a reload"
                    )));
                }
                Status::Away(_) if shard.inner().greeting().is_none() => {
                    return Err(NotReady::new(format!("shard {id} has no session yet")));
                }
                Status::Away(since) if now.saturating_sub(since) >= AWAY => {
                    return Err(NotReady::new(format!("shard {id} is not connected")));
                }
                Status::Away(_) => {}
            }
        }
        Ok(())
    }
}

/// Whether the process does what it is for: what only a restart can mend is no health. Discord being
/// away is not of that kind.
async fn health(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.refused() {
        None => "ok".into_response(),
        Some((shard, code)) => {
            let message = format!(
                "Discord refuses shard {shard} with close code {code}: mend the configuration and \
                 send SIGHUP to splashtail"
            );
            ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "refused", message).into_response()
        }
    }
}

async fn metrics() -> Response {
    match meters::render() {
        Some(page) => page.into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn not_known() -> Response {
    ErrorResponse::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        "Discord has not said yet where its gateway is",
    )
    .retry_after(1)
    .into_response()
}

async fn shard_count(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.client_shards() {
        Some(shards) => shards.to_string().into_response(),
        None => not_known(),
    }
}

/// As Discord's; identifying here costs nothing.
pub(crate) async fn gateway_bot(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.client_shards() {
        Some(shards) => Json(json!({
            "url": gateway.settings.address,
            "shards": shards,
            "session_start_limit": {
                "total": 1000,
                "remaining": 1000,
                "reset_after": 0,
                "max_concurrency": shards.max(16),
            },
        }))
        .into_response(),
        None => not_known(),
    }
}

/// In the shape of the original's status page.
async fn status(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    let now = gateway.clock.monotonic();
    let shards: Vec<_> = gateway
        .shards()
        .iter()
        .map(|shard| {
            let (state, up) = match shard.status() {
                Status::Connected(since) => (2, now.saturating_sub(since)),
                Status::Away(_) => (1, Duration::ZERO),
                Status::Refused(_) => (6, Duration::ZERO),
            };
            let guilds = shard.inner().guilds.count();
            let latency = shard.latency_ms();
            json!([
                shard.id,
                state,
                latency,
                guilds,
                up.as_secs(),
                now.as_secs()
            ])
        })
        .collect();
    let all_up = gateway.ready().is_ok();
    let clients = gateway.list();
    let away = clients.iter().filter(|session| session.gone().is_some());
    Json(json!({"ok": true, "data": {
        "uptime": now.as_secs(),
        "managers": [{"display_name": "splashtail", "shard_groups": [{
            "id": 0,
            "status": if all_up { 2 } else { 1 },
            "uptime": now.as_secs(),
            "shards": shards,
        }]}],
        "resharding": gateway.is_resharding(),
        "clients": clients.len(),
        "clients_away": away.count(),
        "backlog_bytes": clients.iter().map(|session| session.behind()).sum::<u64>(),
        "session_starts_remaining": gateway.fleet().map(|fleet| fleet.upstream.budget.remaining()),
        "rest": gateway.rest.get().map(|rest| rest.report()),
    }}))
}

#[derive(Debug, Deserialize)]
struct Look {
    col: String,
    id: Option<u64>,
    guild_id: Option<u64>,
}

/// What is known without asking Discord.
async fn state(State(gateway): State<Arc<Gateway>>, UrlQuery(look): UrlQuery<Look>) -> Response {
    match gateway.look(&look) {
        Ok(Some(data)) => Json(json!({"ok": true, "data": data})).into_response(),
        Ok(None) => Json(json!({"ok": true})).into_response(),
        Err(error) => Json(json!({"ok": false, "error": error})).into_response(),
    }
}

impl Gateway {
    fn look(&self, look: &Look) -> Result<Option<Box<RawValue>>, &'static str> {
        let guild = match look.col.as_str() {
            "guilds" | "derived.has_guild_id" | "guild_channels" => look.id.or(look.guild_id),
            _ => look.guild_id,
        };
        let guild = guild
            .and_then(GuildId::new)
            .ok_or("a server's id is missing")?;
        let total = u16::try_from(self.shards().len()).unwrap_or(u16::MAX);
        let shards = self.shards();
        let shard = shards
            .iter()
            .find(|shard| shard.id == guild.shard(total).get());
        let shard = shard.ok_or("nothing is known yet")?;
        let known = shard.inner().guilds.get(guild);
        if look.col == "derived.has_guild_id" {
            return Ok(raw(known.is_some().to_string()));
        }
        let body = match known {
            None => return Ok(None),
            Some(Known::Announced | Known::Away) => return Err("the server is not available"),
            Some(Known::There(body)) => body,
        };
        let text = std::str::from_utf8(&body).map_err(|_| "the server cannot be read")?;
        let fields = Fields::read(text).map_err(|_| "the server cannot be read")?;
        let list = match look.col.as_str() {
            "guilds" => return Ok(raw(text)),
            "guild_channels" => return Ok(fields.get("channels").map(ToOwned::to_owned)),
            "channels" => "channels",
            "roles" => "roles",
            "voice_states" => "voice_states",
            "members" | "guild_members" => "members",
            _ => return Err("there is no such collection"),
        };
        let all = fields.get(list);
        let Some(id) = look.id else {
            return Ok(all.map(ToOwned::to_owned));
        };
        let found = all
            .and_then(|all| elements(all).ok())
            .and_then(|all| all.into_iter().find(|one| has_id(one, id)));
        match found {
            Some(found) => Ok(Some(found.to_owned())),
            // Not all members are kept.
            None if list == "members" => Err("the member is not kept"),
            None => Ok(None),
        }
    }
}

fn has_id(value: &RawValue, id: u64) -> bool {
    #[derive(Deserialize)]
    struct Ids {
        id: Option<Snowflake>,
        user_id: Option<Snowflake>,
        user: Option<User>,
    }
    #[derive(Deserialize)]
    struct User {
        id: Snowflake,
    }
    serde_json::from_str::<Ids>(value.get()).is_ok_and(|ids| {
        [ids.id, ids.user_id, ids.user.map(|user| user.id)].contains(&Some(Snowflake(id)))
    })
}

/// Without a secret in the configuration nobody is an administrator.
fn admitted(gateway: &Gateway, headers: &HeaderMap) -> bool {
    let secret = gateway.settings.admin_secret.as_ref();
    secret
        .zip(headers.get(SECRET))
        .is_some_and(|(secret, given)| {
            bool::from(secret.expose_secret().as_bytes().ct_eq(given.as_bytes()))
        })
}

async fn clients(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if !admitted(&gateway, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let clients: Vec<_> = gateway
        .list()
        .iter()
        .map(|session| {
            json!({
                "id": session.sight.session,
                "shard": [session.sight.shard.0, session.sight.shard.1],
                "intents": session.sight.intents,
                "connected": session.gone().is_none(),
                "behind_bytes": session.behind(),
            })
        })
        .collect();
    Json(json!({"clients": clients})).into_response()
}

#[derive(Debug, Deserialize)]
struct Kick {
    id: u64,
}

/// Ends a client's session: it begins anew.
async fn kick(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Json(kick): Json<Kick>,
) -> Response {
    if !admitted(&gateway, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let list = gateway.list();
    match list.iter().find(|session| session.sight.session == kick.id) {
        Some(session) => {
            gateway.end(session);
            session.kick();
            StatusCode::NO_CONTENT.into_response()
        }
        None => ErrorResponse::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no such client",
        )
        .into_response(),
    }
}

/// Ends the process in order, as SIGTERM does: sessions are kept for whoever follows.
async fn drain(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if !admitted(&gateway, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    gateway.ends.cancel();
    StatusCode::ACCEPTED.into_response()
}

#[derive(Debug, Default, Deserialize)]
struct Reshard {
    /// 0: as many as Discord recommends.
    #[serde(default)]
    shards: u16,
}

/// Begins to have another number of shards; how it goes is in the log and in the status.
async fn reshard(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    wanted: Option<Json<Reshard>>,
) -> Response {
    if !admitted(&gateway, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if gateway.is_resharding() {
        return ErrorResponse::new(
            StatusCode::CONFLICT,
            "under_way",
            "another number of shards is on its way already",
        )
        .into_response();
    }
    let Reshard { shards } = wanted.map(|Json(wanted)| wanted).unwrap_or_default();
    gateway.wish_for(shards);
    StatusCode::ACCEPTED.into_response()
}

/// Takes upgrades at any path.
pub(crate) async fn websocket(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let wants = headers
        .get(UPGRADE)
        .is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !wants {
        return next.run(request).await;
    }
    let refuse = |status, code, message| ErrorResponse::new(status, code, message).into_response();
    let version = headers.get(SEC_WEBSOCKET_VERSION);
    let Some(key) = headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|_| version.is_some_and(|version| version == "13"))
    else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "bad_request",
            "no websocket of version 13",
        );
    };
    if gateway.fleet().is_none() || gateway.drain.is_cancelled() {
        return not_known();
    }
    if gateway.tasks.len() >= MOST_CLIENTS {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "crowded",
            "too many clients are connected",
        );
    }
    let accept = derive_accept_key(key.as_bytes());
    let query = Query::read(request.uri().query().unwrap_or_default());
    let upgrade = hyper::upgrade::on(&mut request);
    let tasks = gateway.tasks.clone();
    tasks.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let config = WebSocketConfig::default()
                    .max_message_size(Some(FRAME))
                    .max_frame_size(Some(FRAME))
                    .write_buffer_size(64 << 10)
                    .read_buffer_size(8 << 10);
                let stream = TokioIo::new(upgraded);
                let socket =
                    WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
                connection::serve(gateway, socket, &query).await;
            }
            Err(error) => debug!(%error, "no websocket after all"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
