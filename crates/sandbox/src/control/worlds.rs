//! The world as a whole: loading, restarting, showing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed;
use splashtail_sandbox_world::world::{Conduct, Role, User, World};

use super::types::LoadWorld;
use super::{Answer, Body, Control, Ctl, Failure, Parameters};
use crate::server::Edge;

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

/// A world and its seed; the present ones when there is none.
type Wanted = Option<(String, u64)>;

/// Loads a world after all that were asked for before it, whether or not its caller waits.
async fn loaded(control: &Control, wanted: Wanted, conduct: Option<Conduct>) -> Answer {
    let load = replace(control.edge.clone(), wanted, conduct);
    tokio::spawn(load).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a world could not be built");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Err(Failure::new(
            status,
            "internal",
            "the world could not be built",
        ))
    })
}

async fn replace(edge: Arc<Edge>, wanted: Wanted, conduct: Option<Conduct>) -> Answer {
    let _turn = edge.loading.write().await;
    let present = || edge.sandbox.with_world(|w| (w.name.clone(), w.seed));
    let (name, seed) = wanted.unwrap_or_else(present);
    edge.drills.clear().await;
    let (builder, world) = (edge.clone(), name.clone());
    let built = tokio::task::spawn_blocking(move || builder.load(&world, seed, conduct)).await;
    let built = match built {
        Ok(built) => built.map_err(|error| Failure::bad(error.to_string()))?,
        // It panicked, and so does this task, whose caller says so.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    Ok(Json(json!({"world": name, "seed": seed, "conduct": built})))
}

/// `POST /ctl/world`: replaces everything by a built-in world.
pub(super) async fn load(State(control): Ctl, Body(body): Body<LoadWorld>) -> Answer {
    let number = body.seed.unwrap_or(1);
    if let Some(conduct) = &body.conduct {
        conduct.check().map_err(Failure::bad)?;
    }
    let name = body.world.unwrap_or_else(|| "small".to_owned());
    seed::known(&name).map_err(|error| Failure::bad(error.to_string()))?;
    loaded(&control, Some((name, number)), body.conduct).await
}

/// `PATCH /ctl/world`: how the world behaves from now on; what is left out takes its default.
pub(super) async fn set_conduct(
    State(control): Ctl,
    Body(conduct): Body<Conduct>,
) -> Answer<Conduct> {
    conduct.check().map_err(Failure::bad)?;
    let detail = serde_json::to_value(&conduct).unwrap_or_default();
    let set = conduct.clone();
    let _turn = control.edge.turn().await;
    let sandbox = &control.edge.sandbox;
    sandbox.with_world(|world| {
        sandbox.journal.set_digests(set.digests);
        world.conduct = set;
    });
    control.note("conduct", detail);
    Ok(Json(conduct))
}

/// `POST /ctl/reset`: the present world from its beginning.
pub(super) async fn reset(State(control): Ctl) -> Answer {
    loaded(&control, None, None).await
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use splashtail_sandbox_world::clock::SandboxClock;
    use splashtail_sandbox_world::world::Addresses;
    use splashtail_sandbox_world::{Options, Sandbox};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::gateway::Settings;

    pub fn control() -> Control {
        let nowhere = Addresses {
            rest: String::new(),
            gateway: String::new(),
        };
        let sandbox = Sandbox::new(&Options {
            world: "small".to_owned(),
            seed: 1,
            addresses: nowhere,
            clock: Arc::new(SandboxClock::frozen(chrono::DateTime::UNIX_EPOCH)),
            conduct: Conduct::default(),
        });
        Control {
            edge: Edge::new(sandbox.unwrap(), Settings::default(), false).unwrap(),
            shutdown: CancellationToken::new(),
        }
    }

    fn wish(seed: u64, conduct: &Conduct) -> Body<LoadWorld> {
        let conduct = Some(conduct.clone());
        Body(LoadWorld {
            world: None,
            seed: Some(seed),
            conduct,
        })
    }

    fn digesting() -> Conduct {
        Conduct {
            digests: true,
            ..Conduct::prompt()
        }
    }

    fn stand(control: &Control) -> (u64, Conduct, bool) {
        let sandbox = &control.edge.sandbox;
        let (seed, conduct) = sandbox.with_world(|w| (w.seed, w.conduct.clone()));
        let digests = sandbox.journal.digest_of(Vec::new).is_some();
        (seed, conduct, digests)
    }

    #[tokio::test]
    async fn a_world_is_loaded_whole_though_nobody_waits_for_it() {
        let (control, conduct) = (control(), digesting());
        let asked = load(State(control.clone()), wish(2, &conduct));
        // Its client goes while the world is built.
        assert!(asked.now_or_never().is_none());
        let built = async {
            while stand(&control).0 == 1 {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_secs(60);
        tokio::time::timeout(patience, built).await.unwrap();
        assert_eq!(stand(&control), (2, conduct, true));
    }

    #[tokio::test]
    async fn worlds_are_loaded_in_the_order_in_which_they_are_asked_for() {
        let (control, conduct) = (control(), digesting());
        let turn = control.edge.loading.write().await;
        let plain = Conduct::default();
        let first = load(State(control.clone()), wish(2, &plain));
        let second = load(State(control.clone()), wish(3, &conduct));
        let again = reset(State(control.clone()));
        let all = tokio::spawn(async { tokio::join!(first, second, again) });
        tokio::task::yield_now().await;
        drop(turn);
        let (first, second, again) = all.await.unwrap();
        let seed = |answer: Answer| answer.unwrap().0["seed"].clone();
        assert_eq!([first, second, again].map(seed), [2, 3, 3]);
        assert_eq!(stand(&control), (3, plain, false));
    }

    #[tokio::test]
    async fn what_is_set_while_a_world_is_loaded_holds_in_it() {
        let control = control();
        let loaded = load(State(control.clone()), wish(2, &Conduct::default()));
        let loaded = tokio::spawn(loaded);
        while control.edge.loading.try_read().is_ok() {
            tokio::task::yield_now().await;
        }
        let set = set_conduct(State(control.clone()), Body(digesting())).await;
        assert!(set.is_ok() && loaded.await.unwrap().is_ok());
        assert_eq!(stand(&control), (2, digesting(), true));
    }

    #[tokio::test]
    async fn a_world_that_is_not_there_ends_nothing() {
        let control = control();
        let mut asked = wish(2, &digesting());
        asked.0.world = Some("nowhere".to_owned());
        let turn = control.edge.loading.write().await;
        assert!(load(State(control.clone()), asked).await.is_err());
        drop(turn);
        assert_eq!(stand(&control), (1, Conduct::default(), false));
    }
}
