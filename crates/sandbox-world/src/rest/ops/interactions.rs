//! Answers of applications to interactions: the callback, the original response, follow-ups.

use serde_json::{Value, json};

use super::Table;
use super::webhooks::answer;
use super::{components, compose, files, messages};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::rest::routes::Auth;
use crate::world::permissions as perm;
use crate::world::{Callback, EPHEMERAL, Id, Interaction, LOADING, Message};

pub(super) fn routes(table: &mut Table) {
    table
        .post(
            "/interactions/{interaction_id}/{interaction_token}/callback",
            "create_interaction_response",
            callback,
        )
        .auth(Auth::Open);
}

/// Whether the webhook token in the path is an interaction's.
pub(super) fn owns_token(cx: &Cx<'_>) -> bool {
    let known = cx
        .world
        .interaction_tokens
        .contains_key(cx.param("webhook_token"));
    // An unknown token on an application's id is a dead interaction's, not a webhook's.
    known
        || cx
            .id("webhook_id")
            .is_ok_and(|id| cx.world.apps.contains_key(&id))
}

/// Callback types an interaction of this kind may get.
fn permitted(interaction: &Interaction) -> &'static [i64] {
    match (interaction.kind, interaction.message.is_some()) {
        (4, _) => &[8],
        (3, _) => &[4, 5, 6, 7, 9],
        (5, true) => &[4, 5, 6, 7],
        (5, false) => &[4, 5],
        _ => &[4, 5, 9],
    }
}

fn callback(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx
        .id("interaction_id")
        .map_err(|_| error::UNKNOWN_INTERACTION)?;
    let (now, at_ms) = (cx.now(), cx.steady_ms());
    let found = cx
        .world
        .interactions
        .get(&id)
        .filter(|i| i.token == cx.param("interaction_token"));
    let interaction = found.ok_or(error::UNKNOWN_INTERACTION)?.clone();
    Cx::refuse_if(interaction.callback.is_some(), error::ALREADY_ACKNOWLEDGED)?;
    Cx::refuse_if(!interaction.waiting(at_ms), error::UNKNOWN_INTERACTION)?;
    Cx::refuse_if(!has_channel(cx, &interaction), error::UNKNOWN_CHANNEL)?;
    let with_response = cx.query_flag("with_response", false);
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    let mut form = Form::new(&body);
    form.require("type");
    let kind = form.choice("type", permitted(&interaction)).unwrap_or(0) as u8;
    form.done()?;
    let mut data = body.get("data").cloned().unwrap_or(Value::Null);
    let mut response = None;
    match kind {
        4 => {
            let mut draft = compose::read(&data, files, "data", now)?;
            Cx::refuse_if(draft.is_empty(), error::EMPTY_MESSAGE)?;
            let flags = draft.flags.take().unwrap_or(0);
            response = Some(respond(cx, &interaction, draft, flags));
        }
        5 => {
            let flags = data["flags"].as_u64().unwrap_or(0) & EPHEMERAL;
            response = Some(respond(
                cx,
                &interaction,
                compose::Draft::default(),
                flags | LOADING,
            ));
        }
        7 => {
            if let Some(message) = interaction.message {
                let base = cx.world.message(interaction.channel, message);
                let base = base.ok_or(error::UNKNOWN_MESSAGE)?;
                let draft = compose::read_edit(base, &data, files, "data", now)?;
                messages::amend(cx, interaction.channel, message, draft)?;
                response = Some(message);
            }
        }
        6 => response = interaction.message,
        8 => check_choices(&data)?,
        9 => {
            check_modal(&data)?;
            components::number(&mut data["components"]);
        }
        _ => {}
    }
    if let Some(state) = cx.world.interactions.get_mut(&id) {
        state.callback = Some(Callback { kind, at_ms, data });
        state.response = response;
    }
    cx.world.interaction_changes += 1;
    if !with_response {
        return Reply::nothing();
    }
    let mut about = json!({"id": id, "type": interaction.kind, "channel_id": interaction.channel});
    if let Some(guild) = interaction.guild {
        about["guild_id"] = json!(guild);
    }
    let message = response.and_then(|m| cx.world.message(interaction.channel, m));
    if let Some(message) = message {
        about["response_message_id"] = json!(message.id);
        about["response_message_loading"] = (message.flags & LOADING != 0).into();
        about["response_message_ephemeral"] = (message.flags & EPHEMERAL != 0).into();
    }
    let mut answer = json!({"interaction": about});
    if let Some(message) = message.filter(|_| matches!(kind, 4 | 7)) {
        answer["resource"] =
            json!({"type": kind, "message": cx.world.message_json(message, message.author)});
    }
    Reply::ok(answer)
}

fn check_choices(data: &Value) -> Result<(), ApiError> {
    let mut form = Form::at(data, "data");
    form.require("choices");
    let choices = form.list("choices", 25).unwrap_or_default();
    for (n, choice) in choices.iter().enumerate() {
        let mut part = Form::at(choice, &format!("data.choices.{n}"));
        part.require("name");
        part.require("value");
        part.text("name", 1..=100);
        if let Some(Value::String(_)) = part.raw("value") {
            part.text("value", 0..=100);
        }
        form.absorb(part);
    }
    form.done()
}

fn check_modal(data: &Value) -> Result<(), ApiError> {
    let mut form = Form::at(data, "data");
    for key in ["custom_id", "title", "components"] {
        form.require(key);
    }
    form.text("custom_id", 1..=100);
    form.text("title", 1..=45);
    if let Some(list) = form.list("components", 5) {
        if list.is_empty() {
            form.error(
                "components",
                "BASE_TYPE_BAD_LENGTH",
                "Must be between 1 and 5 in length.",
            );
        }
        for (n, row) in list.iter().enumerate() {
            let inputs = row["components"].as_array().map_or(&[][..], Vec::as_slice);
            let inputs = if row["type"] == 18 {
                std::slice::from_ref(&row["component"])
            } else {
                inputs
            };
            for (m, input) in inputs.iter().enumerate() {
                let mut part = Form::at(input, &format!("data.components.{n}.components.{m}"));
                part.require("custom_id");
                part.text("custom_id", 1..=100);
                if input["type"] == 4 && row["type"] == 1 {
                    part.require("label");
                    part.text("label", 1..=45);
                }
                part.text("placeholder", 0..=100);
                part.int("min_length", 0..=4000);
                part.int("max_length", 1..=4000);
                form.absorb(part);
            }
        }
    }
    form.done()
}

/// Posts a message as the application: the response or a follow-up.
fn respond(
    cx: &mut Cx<'_>,
    interaction: &Interaction,
    mut draft: compose::Draft,
    flags: u64,
) -> Id {
    let bot = cx
        .world
        .apps
        .get(&interaction.app)
        .map_or(interaction.app, |a| a.bot);
    let id = cx.world.next_id();
    let mut message = Message::new(
        id,
        interaction.channel,
        bot,
        draft.content.as_deref().unwrap_or_default(),
    );
    message.webhook = Some(interaction.app);
    message.app = Some(interaction.app);
    message.interaction = Some(interaction.id);
    message.ephemeral_for = (flags & EPHEMERAL != 0).then_some(interaction.user);
    message.flags = flags;
    let first = cx
        .world
        .interactions
        .get(&interaction.id)
        .and_then(|i| i.response);
    message.kind = match (interaction.kind, interaction.data["type"].as_u64(), first) {
        (2, Some(2 | 3), None) => 23,
        (2, _, None) => 20,
        _ => 19,
    };
    if let (19, Some(target)) = (message.kind, first.or(interaction.message)) {
        let mut reference =
            json!({"type": 0, "channel_id": interaction.channel, "message_id": target});
        if let Some(guild) = interaction.guild {
            reference["guild_id"] = json!(guild);
        }
        message.reference = Some(reference);
    }
    let old = (interaction.kind == 2).then(|| {
        json!({
            "id": interaction.id,
            "type": 2,
            "name": interaction.metadata["name"],
            "user": cx.world.user_json(interaction.user),
        })
    });
    message.interaction_metadata = Some((public_metadata(&interaction.metadata), old));
    let bits = cx.world.permissions_in(interaction.channel, bot);
    let everyone = bits & perm::MENTION_EVERYONE != 0;
    draft.flags = None;
    messages::fill(&mut message, &mut draft, bits);
    compose::resolve_mentions(cx, &mut message, &draft.mentions, everyone);
    files::attach(cx.world, &mut draft, &mut message);
    cx.world.add_message(message)
}

/// The metadata without what is only kept for the record.
fn public_metadata(metadata: &Value) -> Value {
    let mut metadata = metadata.clone();
    if let Some(map) = metadata.as_object_mut() {
        map.shift_remove("name");
        map.shift_remove("command_type");
    }
    metadata
}

/// The interaction whose token is in the path, once it has been answered.
fn answered(cx: &Cx<'_>) -> Result<Interaction, ApiError> {
    let id = cx
        .world
        .interaction_tokens
        .get(cx.param("webhook_token"))
        .ok_or(error::BAD_WEBHOOK_TOKEN)?;
    let interaction = cx
        .world
        .interactions
        .get(id)
        .ok_or(error::BAD_WEBHOOK_TOKEN)?;
    Cx::refuse_if(
        cx.id("webhook_id")? != interaction.app,
        error::UNKNOWN_WEBHOOK,
    )?;
    Cx::refuse_if(!interaction.alive(cx.steady_ms()), error::BAD_WEBHOOK_TOKEN)?;
    Cx::refuse_if(interaction.callback.is_none(), error::UNKNOWN_WEBHOOK)?;
    Cx::refuse_if(!has_channel(cx, interaction), error::UNKNOWN_CHANNEL)?;
    Ok(interaction.clone())
}

/// Whether the channel in which somebody asked is still there: answers go nowhere else.
fn has_channel(cx: &Cx<'_>, interaction: &Interaction) -> bool {
    cx.world.channels.contains_key(&interaction.channel)
}

pub(super) fn follow_up(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let interaction = answered(cx)?;
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    let mut draft = compose::read(&body, files, "", cx.now())?;
    Cx::refuse_if(draft.is_empty(), error::EMPTY_MESSAGE)?;
    // The first follow-up to a deferred response fills it in.
    if let Some(original) = loading(cx, &interaction) {
        edit(cx, interaction.channel, original, draft)?;
        return answer(cx, interaction.channel, original);
    }
    let flags = draft.flags.take().unwrap_or(0);
    let id = respond(cx, &interaction, draft, flags);
    if let Some(state) = cx.world.interactions.get_mut(&interaction.id) {
        state.followups.push(id);
    }
    cx.world.interaction_changes += 1;
    answer(cx, interaction.channel, id)
}

/// The response, while it still says that the application is thinking.
fn loading(cx: &Cx<'_>, interaction: &Interaction) -> Option<Id> {
    let message = cx
        .world
        .message(interaction.channel, interaction.response?)?;
    (message.flags & LOADING != 0).then_some(message.id)
}

fn edit(cx: &mut Cx<'_>, channel: Id, id: Id, draft: compose::Draft) -> Result<(), ApiError> {
    let was_loading = cx
        .world
        .message(channel, id)
        .is_some_and(|m| m.flags & LOADING != 0);
    messages::amend_quietly(cx, channel, id, draft)?;
    if let Some(message) = cx.world.message_mut(channel, id) {
        message.flags &= !LOADING;
        if was_loading {
            message.edited = None;
        }
    }
    cx.world.message_updated(channel, id);
    cx.world.interaction_changes += 1;
    Ok(())
}

fn original(cx: &Cx<'_>) -> Result<(Id, Id), ApiError> {
    let interaction = answered(cx)?;
    let id = interaction.response.ok_or(error::UNKNOWN_MESSAGE)?;
    cx.world
        .message(interaction.channel, id)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    Ok((interaction.channel, id))
}

/// The message in the path, which must belong to the interaction.
fn own(cx: &Cx<'_>) -> Result<(Id, Id), ApiError> {
    let interaction = answered(cx)?;
    let id = cx.id("message_id")?;
    let known = interaction.response == Some(id) || interaction.followups.contains(&id);
    Cx::refuse_if(
        !known || cx.world.message(interaction.channel, id).is_none(),
        error::UNKNOWN_MESSAGE,
    )?;
    Ok((interaction.channel, id))
}

fn read_and_edit(cx: &mut Cx<'_>, (channel, id): (Id, Id)) -> Result<Reply, ApiError> {
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    let draft = messages::read_edit(cx, channel, id, &body, files)?;
    edit(cx, channel, id, draft)?;
    answer(cx, channel, id)
}

fn remove(cx: &mut Cx<'_>, (channel, id): (Id, Id)) -> Result<Reply, ApiError> {
    cx.world.delete_messages(channel, &[id]);
    cx.world.interaction_changes += 1;
    Reply::nothing()
}

pub(super) fn get_original(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (channel, id) = original(cx)?;
    answer(cx, channel, id)
}

pub(super) fn update_original(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let place = original(cx)?;
    read_and_edit(cx, place)
}

pub(super) fn delete_original(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let place = original(cx)?;
    remove(cx, place)
}

pub(super) fn get_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (channel, id) = own(cx)?;
    answer(cx, channel, id)
}

pub(super) fn update_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let place = own(cx)?;
    read_and_edit(cx, place)
}

pub(super) fn delete_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let place = own(cx)?;
    remove(cx, place)
}
