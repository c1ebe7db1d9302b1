//! Applications and what a bearer token may do.

use serde_json::json;

use super::Table;
use super::images;
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::rest::routes::Auth;
use crate::world::{AssetKind, Id};

pub(super) fn routes(table: &mut Table) {
    table.get("/applications/@me", "get_my_application", get_mine);
    table.patch("/applications/@me", "update_my_application", update_mine);
    table.get(
        "/oauth2/applications/@me",
        "get_my_oauth2_application",
        get_mine,
    );
    table
        .get(
            "/oauth2/@me",
            "get_my_oauth2_authorization",
            get_authorization,
        )
        .auth(Auth::Grant);
    table.get("/applications/{application_id}", "get_application", get_one);
}

/// The application that acts.
pub(super) fn own(cx: &Cx<'_>) -> Result<Id, ApiError> {
    match cx.caller {
        Caller::Bot { app, .. } => Ok(app),
        _ => Err(error::ONLY_BOTS.into()),
    }
}

/// The application in the path, which must be the caller's own.
pub(super) fn in_path(cx: &Cx<'_>) -> Result<Id, ApiError> {
    let id = cx.id("application_id")?;
    if !cx.world.apps.contains_key(&id) {
        return Err(error::UNKNOWN_APPLICATION.into());
    }
    if own(cx)? == id {
        Ok(id)
    } else {
        Err(error::MISSING_ACCESS.into())
    }
}

fn answer(cx: &Cx<'_>, id: Id) -> Result<Reply, ApiError> {
    let app = cx.world.apps.get(&id).ok_or(error::UNKNOWN_APPLICATION)?;
    Reply::ok(cx.world.private_app_json(app))
}

fn get_mine(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    answer(cx, own(cx)?)
}

fn get_one(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    answer(cx, in_path(cx)?)
}

fn update_mine(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = own(cx)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let description = form.text("description", 0..=400);
    let icon = images::read(&mut form, "icon");
    form.done()?;
    let icon = icon.map(|i| i.map(|stored| cx.world.assets.keep(AssetKind::Icon, id, stored)));
    let app = cx
        .world
        .apps
        .get_mut(&id)
        .ok_or(error::UNKNOWN_APPLICATION)?;
    if let Some(text) = description {
        app.description = text;
    }
    if let Some(hash) = icon {
        app.icon = hash;
    }
    answer(cx, id)
}

fn get_authorization(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let Caller::Bearer(grant) = cx.caller.clone() else {
        return Err(ApiError::unauthorized());
    };
    let app = cx
        .world
        .apps
        .get(&grant.app)
        .ok_or(error::UNKNOWN_APPLICATION)?;
    let mut json = json!({
        "application": {
            "id": app.id,
            "name": app.name,
            "icon": app.icon,
            "description": app.description,
            "type": null,
            "bot_public": true,
            "bot_require_code_grant": false,
            "verify_key": cx.world.secret(&format!("verify key {}", app.id), 64),
            "flags": app.flags,
            "flags_new": app.flags.to_string(),
        },
        "expires": cx.world.shown_at(grant.expires_ms),
        "scopes": grant.scopes,
    });
    if grant.allows("identify") {
        json["user"] = cx.world.user_json(grant.user);
    }
    Reply::ok(json)
}
