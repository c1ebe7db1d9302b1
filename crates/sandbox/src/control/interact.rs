//! Interactions as a person has them: start one, wait, and say what came up on the screen.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::rest::Request;
use splashtail_sandbox_world::world::permissions::VIEW_CHANNEL;
use splashtail_sandbox_world::world::{Id, InteractionError, Message, NewInteraction, World};
use tokio::time::Instant;

use super::commands::{self, Filled, Resolved};
use super::types::{Interact, InteractKind, Interacted};
use super::{Answer, Body, Ctl, Failure, id, known_user};

/// What a client shows when nothing came in time.
const NO_RESPONSE: &str = "The application did not respond";
/// A deferred response that is not there yet.
const LOADING: u64 = 1 << 7;

impl From<InteractionError> for Failure {
    fn from(error: InteractionError) -> Self {
        let (status, code) = match &error {
            InteractionError::NoChannel(_) => (StatusCode::NOT_FOUND, "no_channel"),
            InteractionError::NotAllowed => (StatusCode::FORBIDDEN, "not_allowed"),
            InteractionError::NoCommand(..) => (StatusCode::NOT_FOUND, "no_command"),
            InteractionError::BadOption(..) => (StatusCode::BAD_REQUEST, "bad_option"),
            InteractionError::NoComponent(_) => (StatusCode::NOT_FOUND, "no_component"),
            InteractionError::BadComponent(..) => (StatusCode::BAD_REQUEST, "bad_component"),
            InteractionError::NoModal(_) => (StatusCode::NOT_FOUND, "no_modal"),
        };
        Self::new(status, code, error.to_string())
    }
}

/// `POST /ctl/as/{user}/interact`.
pub(super) async fn interact(
    State(control): Ctl,
    Path(user): Path<String>,
    Body(wish): Body<Interact>,
) -> Answer<Interacted> {
    let edge = &control.edge;
    // It begins in the world that was asked for.
    drop(edge.turn().await);
    let user = known_user(edge, &user)?;
    edge.set_visitor(user);
    let channel = id(&wish.channel_id)?;
    let guild = wish.guild_id.as_deref().map(id).transpose()?;
    control.note(
        "interact",
        json!({"user": user, "kind": wish.kind, "name": wish.name,
            "custom_id": wish.custom_id, "channel_id": channel}),
    );
    let sandbox = &edge.sandbox;
    let start = |world: &mut World| {
        let visible = world.permissions_in(channel, user) & VIEW_CHANNEL != 0;
        let place = world.guild_of(channel);
        if !visible || (guild.is_some() && place != guild) {
            return Err(Failure::from(InteractionError::NoChannel(channel)));
        }
        let new = build(world, (place, channel, user), &wish)?;
        Ok(world.start_interaction(new))
    };
    // What the client sends. Of what it started it hears over the gateway, also when its answer is lost.
    let request = Request::act(Method::POST, "/interactions", &Value::Null);
    let mut started = None;
    let click = edge.click_as(user, &request, || {
        started = Some(sandbox.with_world(start));
    });
    let told = tokio::select! {
        told = tokio::time::timeout(Duration::from_millis(wish.wait_ms), click) => told,
        () = control.shutdown.cancelled() => return Err(stopping()),
    };
    if let Ok(Some(Err(answer))) = told {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let error = Some(format!("The request was answered with {status}"));
        return Ok(Json(Interacted {
            error,
            ..Interacted::default()
        }));
    }
    let Some(interaction) = started.transpose()? else {
        return Ok(Json(Interacted {
            error: Some(NO_RESPONSE.to_owned()),
            ..Interacted::default()
        }));
    };
    let seen = tokio::select! {
        seen = watch(sandbox, interaction, user, Duration::from_millis(wish.wait_ms)) => seen,
        () = control.shutdown.cancelled() => return Err(stopping()),
    };
    Ok(Json(seen))
}

fn stopping() -> Failure {
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "stopping",
        "the sandbox stops",
    )
}

type Place = (Option<Id>, Id, Id);

fn build(world: &mut World, place: Place, wish: &Interact) -> Result<NewInteraction, Failure> {
    let (guild, channel, user) = place;
    let needed = |field: &Option<String>, name: &str| {
        field
            .clone()
            .ok_or_else(|| Failure::bad(format!("`{name}` is needed")))
    };
    let new = |app, kind, data, message| NewInteraction {
        app,
        kind,
        guild,
        channel,
        user,
        data,
        message,
    };
    Ok(match wish.kind {
        InteractKind::Slash | InteractKind::Autocomplete => {
            let path = needed(&wish.name, "name")?;
            let completes = wish.kind == InteractKind::Autocomplete;
            let last = || wish.options.keys().next_back().cloned();
            let focused = if completes {
                wish.focused.clone().or_else(last)
            } else {
                None
            };
            if completes && focused.is_none() {
                return Err(Failure::bad(
                    "an autocompletion needs the option being typed",
                ));
            }
            let filled = Filled {
                path: &path,
                options: &wish.options,
                focused: focused.as_deref(),
            };
            let built = commands::slash(world, place, &filled)?;
            new(built.app, if completes { 4 } else { 2 }, built.data, None)
        }
        InteractKind::ContextMenu => {
            let name = needed(&wish.name, "name")?;
            let target = id(&needed(&wish.target_id, "target_id")?)?;
            let built = commands::context_menu(world, place, &name, target)?;
            new(built.app, 2, built.data, None)
        }
        InteractKind::Button | InteractKind::Select => {
            let custom_id = needed(&wish.custom_id, "custom_id")?;
            let message = wish.message_id.as_deref().map(id).transpose()?;
            component(world, place, wish, &custom_id, message)?
        }
        InteractKind::Modal => {
            let custom_id = needed(&wish.custom_id, "custom_id")?;
            let (app, message, data) = modal(world, place, &custom_id, &wish.values)?;
            new(app, 5, data, message)
        }
    })
}

/// A press or choice on the newest message that has the component, or the one named.
fn component(
    world: &mut World,
    (guild, channel, user): Place,
    wish: &Interact,
    custom_id: &str,
    message: Option<Id>,
) -> Result<NewInteraction, InteractionError> {
    let missing = || InteractionError::NoComponent(custom_id.to_owned());
    let bad = |why: &str| InteractionError::BadComponent(custom_id.to_owned(), why.to_owned());
    let all = world.messages.get(&channel).ok_or_else(missing)?;
    let (message, found) = all
        .values()
        .rev()
        .filter(|m| message.is_none_or(|id| m.id == id))
        .filter(|m| m.ephemeral_for.is_none_or(|u| u == user))
        .find_map(|m| Some((m, find_component(&m.components, custom_id)?)))
        .ok_or_else(missing)?;
    if found["disabled"] == true {
        return Err(bad("it is disabled"));
    }
    let kind = found["type"].as_u64().unwrap_or(0);
    let mut data = json!({"custom_id": custom_id, "component_type": kind});
    if !found["id"].is_null() {
        data["id"] = found["id"].clone();
    }
    let app = application_of(world, message).ok_or_else(missing)?;
    let bot = world.apps.get(&app).map_or(Id(0), |a| a.bot);
    match (wish.kind, kind) {
        (InteractKind::Button, 2) => {}
        (InteractKind::Select, 3 | 5..=8) => {
            let (values, resolved) = chosen(world, (guild, user, bot), found, kind, &wish.values)
                .map_err(|why| bad(&why))?;
            data["values"] = json!(values);
            if let Some(resolved) = resolved.json() {
                data["resolved"] = resolved;
            }
        }
        _ => return Err(bad("it is of another kind")),
    }
    Ok(NewInteraction {
        app,
        kind: 3,
        guild,
        channel,
        user,
        data,
        message: Some(message.id),
    })
}

fn application_of(world: &World, message: &Message) -> Option<Id> {
    message
        .app
        .or_else(|| world.app_of_bot(message.author).map(|a| a.id))
}

/// Searches rows, containers, sections and labels.
fn find_component<'v>(components: &'v [Value], custom_id: &str) -> Option<&'v Value> {
    components.iter().find_map(|component| {
        if component["custom_id"] == custom_id {
            return Some(component);
        }
        let inner = component["components"].as_array();
        inner
            .and_then(|inner| find_component(inner, custom_id))
            .or_else(|| {
                ["accessory", "component"].iter().find_map(|key| {
                    find_component(std::slice::from_ref(component.get(key)?), custom_id)
                })
            })
    })
}

fn chosen(
    world: &World,
    (guild, user, bot): (Option<Id>, Id, Id),
    select: &Value,
    kind: u64,
    values: &Value,
) -> Result<(Vec<String>, Resolved), String> {
    let values: Vec<String> = match values {
        Value::Null => Vec::new(),
        other => {
            serde_json::from_value(other.clone()).map_err(|_| "`values` is a list of strings")?
        }
    };
    let bound = |key: &str| select[key].as_u64().unwrap_or(1) as usize;
    if values.len() < bound("min_values") || values.len() > bound("max_values") {
        return Err("too few or too many values".to_owned());
    }
    let mut resolved = Resolved::default();
    for value in &values {
        let found = match (kind, value.parse::<Id>()) {
            (3, _) => {
                let options = select["options"].as_array();
                options.is_some_and(|o| o.iter().any(|o| o["value"] == value.as_str()))
            }
            (5, Ok(id)) => resolved.user(world, guild, id),
            (6, Ok(id)) => resolved.role(world, guild, id),
            (7, Ok(id)) => resolved.user(world, guild, id) || resolved.role(world, guild, id),
            (8, Ok(id)) => {
                resolved.channel(world, id, user, bot);
                world.guild_of(id) == guild
            }
            _ => false,
        };
        if !found {
            return Err(format!("there is no option `{value}`"));
        }
    }
    Ok((values, resolved))
}

/// The newest modal of that name that was shown to the user, filled in.
fn modal(
    world: &World,
    (_, channel, user): Place,
    custom_id: &str,
    values: &Value,
) -> Result<(Id, Option<Id>, Value), InteractionError> {
    let missing = || InteractionError::NoModal(custom_id.to_owned());
    let opened = world
        .interactions
        .values()
        .rev()
        .filter(|i| i.user == user && i.channel == channel)
        .find(|i| {
            let shown = i.callback.as_ref().filter(|c| c.kind == 9);
            shown.is_some_and(|c| c.data["custom_id"] == custom_id)
        })
        .ok_or_else(missing)?;
    let form = opened
        .callback
        .as_ref()
        .map(|c| &c.data["components"])
        .ok_or_else(missing)?;
    let empty = serde_json::Map::new();
    let values = values.as_object().unwrap_or(&empty);
    let mut known = Vec::new();
    let components = answered(form, values, &mut known)?;
    if let Some(unknown) = values.keys().find(|k| !known.contains(k)) {
        return Err(InteractionError::BadComponent(
            unknown.clone(),
            "it is not in the modal".into(),
        ));
    }
    Ok((
        opened.app,
        opened.message,
        json!({"custom_id": custom_id, "components": components}),
    ))
}

/// The modal's own structure with what was typed and chosen.
fn answered(
    components: &Value,
    values: &serde_json::Map<String, Value>,
    known: &mut Vec<String>,
) -> Result<Vec<Value>, InteractionError> {
    let mut out = Vec::new();
    for component in components.as_array().into_iter().flatten() {
        let kind = component["type"].as_u64().unwrap_or(0);
        let mut answer = json!({"type": kind});
        if !component["id"].is_null() {
            answer["id"] = component["id"].clone();
        }
        match kind {
            1 => answer["components"] = answered(&component["components"], values, known)?.into(),
            18 => {
                let inner = Value::Array(vec![component["component"].clone()]);
                answer["component"] = answered(&inner, values, known)?
                    .pop()
                    .unwrap_or(Value::Null);
            }
            10 => {}
            _ => {
                let name = component["custom_id"].as_str().unwrap_or_default();
                known.push(name.to_owned());
                answer["custom_id"] = name.into();
                let given = values.get(name).cloned().unwrap_or(Value::Null);
                fill_field(component, kind, given, &mut answer).map_err(|why| {
                    InteractionError::BadComponent(name.to_owned(), why.to_owned())
                })?;
            }
        }
        out.push(answer);
    }
    Ok(out)
}

fn fill_field(
    component: &Value,
    kind: u64,
    given: Value,
    answer: &mut Value,
) -> Result<(), &'static str> {
    let required = component["required"] != false;
    if kind == 4 {
        let text = match given {
            Value::Null => component["value"].as_str().unwrap_or_default().to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        let length = text.chars().count() as u64;
        if required && length == 0 {
            return Err("it is required");
        }
        let min = component["min_length"].as_u64().unwrap_or(0);
        let max = component["max_length"].as_u64().unwrap_or(4000);
        if (length > 0 || required) && length < min || length > max {
            return Err("its length is out of bounds");
        }
        answer["value"] = text.into();
        return Ok(());
    }
    let list = match given {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        one => vec![one],
    };
    if required && list.is_empty() {
        return Err("it is required");
    }
    answer["values"] = list.into();
    Ok(())
}

/// Waits for the first callback, and for a deferred response to be filled in.
async fn watch(sandbox: &Sandbox, interaction: Id, user: Id, wait: Duration) -> Interacted {
    let mut changes = sandbox.interactions().watch();
    let deadline = Instant::now() + wait;
    let mut seen = Interacted {
        interaction_id: interaction.to_string(),
        ..Interacted::default()
    };
    loop {
        changes.mark_unchanged();
        let (done, dead) = sandbox.with_world(|world| look(world, interaction, user, &mut seen));
        if done || dead || Instant::now() >= deadline {
            break;
        }
        tokio::select! {
            _ = changes.changed() => {}
            // The sandbox clock may pass the deadline of the callback without a change.
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
    if seen.ack_ms.is_none() {
        seen.error = Some(NO_RESPONSE.to_owned());
    }
    seen
}

/// Refreshes what is seen; whether there is nothing more to wait for, and whether the
/// interaction died unanswered.
fn look(world: &World, interaction: Id, user: Id, seen: &mut Interacted) -> (bool, bool) {
    let Some(state) = world.interactions.get(&interaction) else {
        return (false, true);
    };
    let Some(callback) = &state.callback else {
        return (false, !state.waiting(world.steady_ms()));
    };
    let took = callback.at_ms.saturating_sub(state.created_ms);
    seen.ack_ms.get_or_insert(took.try_into().unwrap_or(0));
    seen.callback_type = Some(callback.kind);
    match callback.kind {
        8 => seen.choices = Some(callback.data["choices"].clone()),
        9 => seen.modal = Some(callback.data.clone()),
        _ => {}
    }
    let changed = matches!(callback.kind, 6 | 7)
        .then_some(state.message)
        .flatten();
    let ids = changed
        .into_iter()
        .chain(state.response)
        .chain(state.followups.iter().copied());
    let mut ids: Vec<Id> = ids.collect();
    ids.dedup();
    let messages = ids
        .iter()
        .filter_map(|id| world.message(state.channel, *id));
    let messages: Vec<&Message> = messages
        .filter(|m| m.ephemeral_for.is_none_or(|u| u == user))
        .collect();
    let loading = messages.iter().any(|m| m.flags & LOADING != 0);
    seen.messages = messages
        .iter()
        .map(|m| world.message_json(m, user))
        .collect();
    (!loading, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_found_at_any_depth() {
        let tree = [json!({"type": 17, "components": [
            {"type": 9, "accessory": {"type": 2, "custom_id": "deep"}},
            {"type": 1, "components": [{"type": 2, "custom_id": "row"}]}]})];
        assert!(find_component(&tree, "deep").is_some());
        assert!(find_component(&tree, "row").is_some());
        assert!(find_component(&tree, "none").is_none());
    }

    #[test]
    fn a_filled_modal_keeps_its_structure() {
        let form = json!([
            {"type": 1, "components": [{"type": 4, "custom_id": "why", "required": true}]},
            {"type": 18, "component": {"type": 3, "custom_id": "which"}}]);
        let values = json!({"why": "because", "which": ["a"]});
        let mut known = Vec::new();
        let out = answered(&form, values.as_object().unwrap(), &mut known).unwrap();
        assert_eq!(
            json!(out),
            json!([
            {"type": 1, "components": [{"type": 4, "custom_id": "why", "value": "because"}]},
            {"type": 18, "component": {"type": 3, "custom_id": "which", "values": ["a"]}}])
        );
        assert!(
            answered(&form, &serde_json::Map::new(), &mut known).is_err(),
            "required"
        );
    }
}
