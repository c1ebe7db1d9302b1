//! Acts of users, by name: each becomes the REST request a client would send.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::types::{Act, ActResult, ActResults, Upload};
use super::{Answer, Body, Ctl, Failure, id, known_user, upload};
use crate::Sandbox;
use crate::rest::Actor;
use crate::server::Edge;
use crate::world::{Guild, Id, Stamp, User, World};

/// Most results of one call.
const MAX_RESULTS: usize = 100_000;

/// Every act, for those who ask for another.
const ACTS: &[&str] = &[
    "join",
    "leave",
    "say",
    "edit_message",
    "delete_message",
    "bulk_delete",
    "pin",
    "react",
    "typing",
    "open_dm",
    "create_channel",
    "edit_channel",
    "delete_channel",
    "edit_overwrite",
    "create_thread",
    "create_role",
    "edit_role",
    "delete_role",
    "give_role",
    "take_role",
    "edit_member",
    "timeout",
    "kick",
    "ban",
    "unban",
    "bulk_ban",
    "prune",
    "create_webhook",
    "invite",
    "add_bot",
    "remove_bot",
    "edit_guild",
    "transfer_owner",
    "request",
];

/// `POST /ctl/as/{user}/{act}`.
pub(super) async fn act(
    State(control): Ctl,
    Path((user, name)): Path<(String, String)>,
    Body(act): Body<Act>,
) -> Answer<ActResults> {
    let edge = &control.edge;
    let actors = match &act.actors {
        None => vec![known_user(edge, &user)?],
        Some(actors) if actors.is_empty() => {
            return Err(Failure::bad("`actors` names nobody"));
        }
        Some(actors) => {
            let ids: Vec<Id> = actors.iter().map(|a| id(a)).collect::<Result<_, _>>()?;
            edge.sandbox
                .with_world(|world| ids.iter().for_each(|id| ensure_user(world, *id)));
            ids
        }
    };
    let times = act.times.unwrap_or(1).max(1) as usize;
    let total = times.saturating_mul(actors.len());
    if total > MAX_RESULTS {
        return Err(Failure::bad(format!(
            "{total} repetitions are more than {MAX_RESULTS}"
        )));
    }
    let detail = json!({"user": user, "act": noted(&act)});
    control.note(&name, detail);
    let pause = Duration::from_millis(act.spread_ms.unwrap_or(0)) / total.max(1) as u32;
    let mut results = Vec::with_capacity(total);
    for n in 0..total {
        if n > 0 && !pause.is_zero() {
            edge.sandbox.clock.sleep(pause).await;
        }
        // Actors take turns, as in a raid.
        let (actor, repetition) = (actors[n % actors.len()], n / actors.len());
        let step = Act {
            body: numbered(&act.body, n),
            ..act.clone()
        };
        tracing::trace!(%actor, repetition, act = name, "a user acts");
        results.push(perform(edge, actor, &name, &step)?);
        if n % 64 == 63 {
            tokio::task::yield_now().await;
        }
    }
    Ok(Json(ActResults { results }))
}

/// For the journal: files by name only.
fn noted(act: &Act) -> Value {
    let named = |file: &Upload| Upload {
        content_base64: String::new(),
        ..file.clone()
    };
    let files = act.files.iter().map(named).collect();
    let act = Act {
        files,
        ..act.clone()
    };
    serde_json::to_value(act).unwrap_or_default()
}

/// Raiders come from nowhere.
fn ensure_user(world: &mut World, id: Id) {
    world
        .users
        .entry(id)
        .or_insert_with(|| User::new(id, &format!("user{}", id.0 % 1_000_000)));
}

/// `{n}` in strings becomes the number of the repetition.
fn numbered(body: &Value, n: usize) -> Value {
    match body {
        Value::String(text) => text.replace("{n}", &n.to_string()).into(),
        Value::Array(items) => items.iter().map(|v| numbered(v, n)).collect(),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| (k.clone(), numbered(v, n)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn perform(edge: &Edge, user: Id, name: &str, act: &Act) -> Result<ActResult, Failure> {
    let guild = || required(&act.guild_id, "guild_id");
    match name {
        "join" => return Ok(join(&edge.sandbox, user, guild()?)),
        "accept_rules" => return Ok(accept_rules(&edge.sandbox, user, guild()?)),
        "add_bot" => return add_bot(edge, user, guild()?, act),
        _ => {}
    }
    let (method, path, body) = plan(name, act)?;
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path.to_owned(), query.to_owned()),
        None => (path, String::new()),
    };
    let mut request = upload::request(method, path, &body, &act.files)?;
    request.query = query;
    if let Some(reason) = &act.reason {
        request = request.with_reason(reason);
    }
    let answer = edge.sandbox.dispatch(Actor::User(user), request);
    Ok(ActResult {
        status: answer.status,
        body: answer.json(),
    })
}

fn required(field: &Option<String>, name: &str) -> Result<Id, Failure> {
    match field {
        Some(text) => id(text),
        None => Err(Failure::bad(format!("`{name}` is needed"))),
    }
}

/// Method, path with query, and body of an act.
fn plan(name: &str, act: &Act) -> Result<(Method, String, Value), Failure> {
    let guild = || required(&act.guild_id, "guild_id");
    let channel = || required(&act.channel_id, "channel_id");
    let message = || required(&act.message_id, "message_id");
    let target = || required(&act.target_id, "target_id");
    let body = act.body.clone();
    let text = |key: &str| match &body[key] {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Failure::bad(format!("`body.{key}` is needed"))),
    };
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let none = Value::Null;
    let or_empty = |body: Value| if body.is_null() { json!({}) } else { body };
    Ok(match name {
        "leave" => (
            Method::DELETE,
            format!("/users/@me/guilds/{}", guild()?),
            none,
        ),
        "say" => (
            Method::POST,
            format!("/channels/{}/messages", channel()?),
            body,
        ),
        "edit_message" => (
            Method::PATCH,
            format!("/channels/{}/messages/{}", channel()?, message()?),
            body,
        ),
        "delete_message" => (
            Method::DELETE,
            format!("/channels/{}/messages/{}", channel()?, message()?),
            none,
        ),
        "bulk_delete" => (
            Method::POST,
            format!("/channels/{}/messages/bulk-delete", channel()?),
            body,
        ),
        "pin" | "unpin" => (
            if name == "pin" {
                Method::PUT
            } else {
                Method::DELETE
            },
            format!("/channels/{}/messages/pins/{}", channel()?, message()?),
            none,
        ),
        "react" | "unreact" => {
            let emoji = encoded(&text("emoji")?);
            let (channel, message) = (channel()?, message()?);
            let path = format!("/channels/{channel}/messages/{message}/reactions/{emoji}/@me");
            let method = if name == "react" {
                Method::PUT
            } else {
                Method::DELETE
            };
            (method, path, none)
        }
        "typing" => (
            Method::POST,
            format!("/channels/{}/typing", channel()?),
            none,
        ),
        "create_channel" => (Method::POST, format!("/guilds/{}/channels", guild()?), body),
        "edit_channel" => (Method::PATCH, format!("/channels/{}", channel()?), body),
        "delete_channel" => (Method::DELETE, format!("/channels/{}", channel()?), none),
        "edit_overwrite" => (
            Method::PUT,
            format!("/channels/{}/permissions/{}", channel()?, target()?),
            body,
        ),
        "create_thread" => match &act.message_id {
            Some(_) => {
                let path = format!("/channels/{}/messages/{}/threads", channel()?, message()?);
                (Method::POST, path, body)
            }
            None => (
                Method::POST,
                format!("/channels/{}/threads", channel()?),
                body,
            ),
        },
        "create_role" => (
            Method::POST,
            format!("/guilds/{}/roles", guild()?),
            or_empty(body),
        ),
        "edit_role" => (
            Method::PATCH,
            format!("/guilds/{}/roles/{}", guild()?, target()?),
            body,
        ),
        "delete_role" => (
            Method::DELETE,
            format!("/guilds/{}/roles/{}", guild()?, target()?),
            none,
        ),
        "give_role" | "take_role" => {
            let role = id(&text("role_id")?)?;
            let method = if name == "give_role" {
                Method::PUT
            } else {
                Method::DELETE
            };
            (
                method,
                format!("/guilds/{}/members/{}/roles/{role}", guild()?, target()?),
                none,
            )
        }
        "kick" => (
            Method::DELETE,
            format!("/guilds/{}/members/{}", guild()?, target()?),
            none,
        ),
        "remove_bot" => (
            Method::DELETE,
            format!("/guilds/{}/members/{}", guild()?, target()?),
            none,
        ),
        "ban" => (
            Method::PUT,
            format!("/guilds/{}/bans/{}", guild()?, target()?),
            or_empty(body),
        ),
        "unban" => (
            Method::DELETE,
            format!("/guilds/{}/bans/{}", guild()?, target()?),
            none,
        ),
        "bulk_ban" => (Method::POST, format!("/guilds/{}/bulk-ban", guild()?), body),
        "timeout" | "edit_member" => (
            Method::PATCH,
            format!("/guilds/{}/members/{}", guild()?, target()?),
            body,
        ),
        "create_webhook" => (
            Method::POST,
            format!("/channels/{}/webhooks", channel()?),
            body,
        ),
        "invite" => (
            Method::POST,
            format!("/channels/{}/invites", channel()?),
            or_empty(body),
        ),
        "prune" => (
            Method::POST,
            format!("/guilds/{}/prune", guild()?),
            or_empty(body),
        ),
        "edit_guild" => (Method::PATCH, format!("/guilds/{}", guild()?), body),
        "transfer_owner" => (
            Method::PATCH,
            format!("/guilds/{}", guild()?),
            json!({"owner_id": target()?}),
        ),
        "open_dm" => (
            Method::POST,
            "/users/@me/channels".to_owned(),
            json!({"recipient_id": target()?}),
        ),
        "request" => {
            let method: Method = text("method")?
                .parse()
                .map_err(|_| Failure::bad("`body.method` is no method"))?;
            let path = text("path")?;
            if !path.starts_with('/') {
                return Err(Failure::bad("`body.path` starts with a slash"));
            }
            (method, path, body["body"].clone())
        }
        _ => {
            let message = format!("there is no act `{name}`; there are {}", ACTS.join(", "));
            return Err(Failure::new(StatusCode::NOT_FOUND, "unknown_act", message));
        }
    })
}

fn refusal(status: u16, code: i64, message: &str) -> ActResult {
    ActResult {
        status,
        body: json!({"message": message, "code": code}),
    }
}

/// Joining is what a person does with an invite; bots have no request for it.
pub(crate) fn join(sandbox: &Sandbox, user: Id, guild: Id) -> ActResult {
    sandbox.with_world(|world| {
        let now = world.now();
        let Some(place) = world.guilds.get(&guild) else {
            return refusal(404, 10004, "Unknown Guild");
        };
        if place.bans.contains_key(&user) {
            return refusal(403, 40007, "The user is banned from this guild.");
        }
        if invites_paused(place, now) {
            return refusal(403, 40012, "Invites are currently paused for this server.");
        }
        if world.add_member(guild, user) {
            let member = world.guilds.get(&guild).and_then(|g| g.members.get(&user));
            let body = member.map_or(Value::Null, |m| world.member_json(m));
            ActResult { status: 201, body }
        } else {
            ActResult {
                status: 204,
                body: Value::Null,
            }
        }
    })
}

/// Passing the screening is what a person does in a client; bots have no request for it.
fn accept_rules(sandbox: &Sandbox, user: Id, guild: Id) -> ActResult {
    sandbox.with_world(|world| {
        let waits = |world: &World| {
            let member = world.guilds.get(&guild).and_then(|g| g.members.get(&user));
            member.map(|m| m.pending)
        };
        match waits(world) {
            None => return refusal(404, 10007, "Unknown Member"),
            Some(true) => world.edit_member(guild, user, |m| m.pending = false),
            Some(false) => {}
        }
        ActResult {
            status: 204,
            body: Value::Null,
        }
    })
}

/// Whether a guild lets nobody in for now.
pub(crate) fn invites_paused(guild: &Guild, now: Stamp) -> bool {
    let incidents = guild.incidents.as_ref();
    let until = incidents.and_then(|i| i.invites_disabled_until);
    until.is_some_and(|until| until > now) || guild.features.contains("INVITES_DISABLED")
}

fn add_bot(edge: &Edge, user: Id, guild: Id, act: &Act) -> Result<ActResult, Failure> {
    let app = required(&act.target_id, "target_id")?;
    let permissions = match &act.body["permissions"] {
        Value::Null => crate::world::permissions::ADMINISTRATOR,
        Value::String(text) => text
            .parse()
            .map_err(|_| Failure::bad("`body.permissions` is no number"))?,
        other => other
            .as_u64()
            .ok_or_else(|| Failure::bad("`body.permissions` is no number"))?,
    };
    Ok(edge.sandbox.with_world(|world| {
        if !world.apps.contains_key(&app) {
            return refusal(404, 10002, "Unknown Application");
        }
        if world.permissions_of(guild, user) & crate::world::permissions::MANAGE_GUILD == 0 {
            return refusal(403, 50013, "Missing Permissions");
        }
        if world.add_bot(guild, app, user, permissions) {
            ActResult {
                status: 204,
                body: Value::Null,
            }
        } else {
            refusal(403, 40007, "The user is banned from this guild.")
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_numbered_in_every_string() {
        let body = json!({"content": "raid {n}", "embeds": [{"title": "{n}"}], "tts": false});
        let third = json!({"content": "raid 2", "embeds": [{"title": "2"}], "tts": false});
        assert_eq!(numbered(&body, 2), third);
    }

    #[test]
    fn acts_become_rest_requests() {
        let act = Act {
            guild_id: Some("1".into()),
            target_id: Some("2".into()),
            body: json!({"role_id": "3"}),
            ..Act::default()
        };
        let (method, path, body) = plan("give_role", &act).unwrap();
        assert_eq!(
            (method, path, body),
            (
                Method::PUT,
                "/guilds/1/members/2/roles/3".into(),
                Value::Null
            )
        );
        assert!(plan("say", &act).is_err(), "a channel is needed");
        let refusal = |name: &str| plan(name, &Act::default()).err().map(|f| f.code);
        assert_eq!(refusal("fly"), Some("unknown_act"));
        // The two that are no requests are not planned.
        for name in ACTS.iter().filter(|n| !["join", "add_bot"].contains(n)) {
            assert_ne!(refusal(name), Some("unknown_act"), "{name}");
        }
    }
}
