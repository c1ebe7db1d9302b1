//! Emojis of applications, usable by their bots everywhere.

use serde_json::{Value, json};

use super::Table;
use super::{apps, emojis};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::{AssetKind, Emoji, Id};

/// Emojis of an application.
const MAX_EMOJIS: usize = 2000;

pub(super) fn routes(table: &mut Table) {
    const ALL: &str = "/applications/{application_id}/emojis";
    const ONE: &str = "/applications/{application_id}/emojis/{emoji_id}";
    table.get(ALL, "list_application_emojis", list);
    table.post(ALL, "create_application_emoji", create);
    table.get(ONE, "get_application_emoji", get);
    table.patch(ONE, "update_application_emoji", update);
    table.delete(ONE, "delete_application_emoji", delete);
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let app = apps::in_path(cx)?;
    let app = cx.world.apps.get(&app).ok_or(error::UNKNOWN_APPLICATION)?;
    let items: Vec<Value> = app
        .emojis
        .values()
        .map(|e| cx.world.emoji_json(e))
        .collect();
    Reply::ok(json!({"items": items}))
}

/// The application and the emoji in the path.
fn found(cx: &Cx<'_>) -> Result<(Id, Emoji), ApiError> {
    let id = apps::in_path(cx)?;
    let app = cx.world.apps.get(&id).ok_or(error::UNKNOWN_APPLICATION)?;
    let emoji = app
        .emojis
        .get(&cx.id("emoji_id")?)
        .ok_or(error::UNKNOWN_EMOJI)?;
    Ok((id, emoji.clone()))
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (_, emoji) = found(cx)?;
    Reply::ok(cx.world.emoji_json(&emoji))
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let app = apps::in_path(cx)?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let picture = emojis::read_new(&mut form);
    form.done()?;
    let (name, image) = picture.ok_or(error::BAD_FILE)?;
    let count = cx.world.apps.get(&app).map_or(0, |a| a.emojis.len());
    Cx::refuse_if(count >= MAX_EMOJIS, error::MAX_EMOJIS)?;
    let emoji = Emoji {
        id: cx.world.next_id(),
        name,
        roles: Default::default(),
        animated: image.content_type == "image/gif",
        creator: me,
    };
    let assets = &mut cx.world.assets;
    assets.keep_by_id(AssetKind::Emoji, emoji.id, image);
    let json = cx.world.emoji_json(&emoji);
    put(cx, app, emoji);
    Reply::created(json)
}

fn put(cx: &mut Cx<'_>, app: Id, emoji: Emoji) {
    if let Some(app) = cx.world.apps.get_mut(&app) {
        app.emojis.insert(emoji.id, emoji);
    }
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, mut emoji) = found(cx)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    if let Some(name) = emojis::read_name(&mut form) {
        emoji.name = name;
    }
    form.done()?;
    let json = cx.world.emoji_json(&emoji);
    put(cx, app, emoji);
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (app, emoji) = found(cx)?;
    if let Some(app) = cx.world.apps.get_mut(&app) {
        app.emojis.remove(&emoji.id);
    }
    cx.world.assets.forget(AssetKind::Emoji, emoji.id);
    Reply::nothing()
}
