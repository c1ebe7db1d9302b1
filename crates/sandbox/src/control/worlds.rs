//! The world as a whole: loading, restarting, showing.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_sandbox_world::world::{Conduct, Role, User, World};

use super::types::LoadWorld;
use super::{Answer, Body, Control, Ctl, Failure, Parameters};

#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    /// Only names, members' ids and roles, and of a large world only the beginning.
    #[serde(default)]
    summary: bool,
}

pub(super) async fn show(
    State(control): Ctl,
    Parameters(detail): Parameters<Detail>,
) -> Json<Value> {
    control.edge.sandbox.with_world(|world| {
        Json(if detail.summary {
            summary(world)
        } else {
            world.dump()
        })
    })
}

fn summary(world: &World) -> Value {
    let mut users: Vec<&User> = world.users.values().collect();
    users.sort_by_key(|u| u.id);
    let guilds = world.guilds.values().take(500).map(|g| {
        let mut roles: Vec<&Role> = g.roles.values().collect();
        roles.sort_by_key(|r| -r.position);
        json!({
            "id": g.id,
            "name": g.name,
            "owner_id": g.owner_id,
            "members": g.members.keys().take(1000).collect::<Vec<_>>(),
            "roles": roles.iter().map(|r| json!({"id": r.id, "name": r.name})).collect::<Vec<_>>(),
        })
    });
    json!({
        "world": world.name,
        "seed": world.seed,
        "conduct": world.conduct,
        "users": users.iter().take(1000).map(|u| u.json()).collect::<Vec<_>>(),
        "guilds": guilds.collect::<Vec<_>>(),
    })
}

/// `GET /ctl/overview`: where the sandbox stands. Who follows the journal from `journal` on misses
/// nothing that happens after this answer.
pub(super) async fn overview(State(control): Ctl) -> Json<Value> {
    let sandbox = &control.edge.sandbox;
    let journal = sandbox.journal.last();
    let (now_ms, rate) = (sandbox.clock.now_ms(), sandbox.clock.rate());
    sandbox.with_world(|world| {
        Json(json!({
            "world": world.name,
            "seed": world.seed,
            "cdn": world.addresses.rest,
            "journal": journal,
            "now_ms": now_ms,
            "rate": rate,
        }))
    })
}

async fn loaded(control: &Control, name: &str, seed: u64, conduct: Option<Conduct>) -> Answer {
    control.edge.drills.clear().await;
    let (edge, wanted) = (control.edge.clone(), name.to_owned());
    let built = tokio::task::spawn_blocking(move || edge.load(&wanted, seed)).await;
    let built = built.map_err(|error| {
        tracing::error!(%error, world = name, "a world could not be built");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Failure::new(status, "internal", "the world could not be built")
    })?;
    built.map_err(|error| Failure::bad(error.to_string()))?;
    let sandbox = &control.edge.sandbox;
    let conduct = sandbox.with_world(|world| {
        if let Some(conduct) = conduct {
            world.conduct = conduct;
        }
        world.conduct.clone()
    });
    sandbox.journal.set_digests(conduct.digests);
    Ok(Json(
        json!({"world": name, "seed": seed, "conduct": conduct}),
    ))
}

/// `POST /ctl/world`: replaces everything by a built-in world.
pub(super) async fn load(State(control): Ctl, Body(body): Body<LoadWorld>) -> Answer {
    let seed = body.seed.unwrap_or(1);
    if let Some(conduct) = &body.conduct {
        conduct.check().map_err(Failure::bad)?;
    }
    let name = body.world.as_deref().unwrap_or("small");
    loaded(&control, name, seed, body.conduct).await
}

/// `PATCH /ctl/world`: how the world behaves from now on; what is left out takes its default.
pub(super) async fn set_conduct(
    State(control): Ctl,
    Body(conduct): Body<Conduct>,
) -> Answer<Conduct> {
    conduct.check().map_err(Failure::bad)?;
    let detail = serde_json::to_value(&conduct).unwrap_or_default();
    let set = conduct.clone();
    let sandbox = &control.edge.sandbox;
    sandbox.with_world(|world| world.conduct = set);
    sandbox.journal.set_digests(conduct.digests);
    control.note("conduct", detail);
    Ok(Json(conduct))
}

/// `POST /ctl/reset`: the present world from its beginning.
pub(super) async fn reset(State(control): Ctl) -> Answer {
    let (name, seed) = control
        .edge
        .sandbox
        .with_world(|w| (w.name.clone(), w.seed));
    loaded(&control, &name, seed, None).await
}
