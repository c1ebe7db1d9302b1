//! What a user sees in a client, ephemeral messages included.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::commands::{self, Usable};
use super::{Answer, Ctl, Failure, id, known_user};
use crate::world::permissions::VIEW_CHANNEL;
use crate::world::{Id, World};

#[derive(Debug, Deserialize)]
pub(super) struct Messages {
    channel_id: String,
    #[serde(default = "fifty")]
    limit: usize,
}

fn fifty() -> usize {
    50
}

/// `GET /ctl/as/{user}/messages`: the newest messages of a channel, oldest first.
pub(super) async fn messages(
    State(control): Ctl,
    Path(user): Path<String>,
    Query(query): Query<Messages>,
) -> Answer<Vec<Value>> {
    let user = known_user(&control.edge, &user)?;
    let channel = id(&query.channel_id)?;
    control.edge.sandbox.with_world(|world| {
        if world.permissions_in(channel, user) & VIEW_CHANNEL == 0 {
            return Err(Failure::missing("visible channel", &query.channel_id));
        }
        Ok(Json(seen(world, channel, user, query.limit)))
    })
}

fn seen(world: &World, channel: Id, user: Id, limit: usize) -> Vec<Value> {
    let Some(all) = world.messages.get(&channel) else {
        return Vec::new();
    };
    let mine = all
        .values()
        .rev()
        .filter(|m| m.ephemeral_for.is_none_or(|u| u == user));
    let mut newest: Vec<Value> = mine
        .take(limit.min(200))
        .map(|m| world.message_json(m, user))
        .collect();
    newest.reverse();
    newest
}

#[derive(Debug, Deserialize)]
pub(super) struct Where {
    guild_id: String,
    #[serde(default)]
    channel_id: Option<String>,
}

/// `GET /ctl/as/{user}/commands`: the commands the user's client would offer.
pub(super) async fn commands(
    State(control): Ctl,
    Path(user): Path<String>,
    Query(place): Query<Where>,
) -> Answer<Vec<Value>> {
    let user = known_user(&control.edge, &user)?;
    let guild = id(&place.guild_id)?;
    let channel = place.channel_id.as_deref().map(id).transpose()?;
    control.edge.sandbox.with_world(|world| {
        let usable = commands::usable(world, Some(guild), channel, user);
        let json = |Usable { app, command }: &Usable<'_>| {
            let mut json = command.json(app.id);
            json["application"] = json!({"id": app.id, "name": app.name});
            json
        };
        Ok(Json(usable.iter().map(json).collect()))
    })
}
