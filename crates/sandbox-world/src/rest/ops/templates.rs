//! Templates of guilds. They leave no entries in the audit log.

use serde_json::json;

use super::Table;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::rest::routes::Auth;
use crate::world::permissions as perm;
use crate::world::{Id, Template};

pub(super) fn routes(table: &mut Table) {
    const ALL: &str = "/guilds/{guild_id}/templates";
    const ONE: &str = "/guilds/{guild_id}/templates/{code}";
    table
        .get("/guilds/templates/{code}", "get_guild_template", get)
        .auth(Auth::Bot);
    table.get(ALL, "list_guild_templates", list);
    table.post(ALL, "create_guild_template", create);
    table.put(ONE, "sync_guild_template", sync);
    table.patch(ONE, "update_guild_template", update);
    table.delete(ONE, "delete_guild_template", delete);
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let template = cx.world.templates.get(cx.param("code"));
    let template = template.ok_or(error::UNKNOWN_TEMPLATE)?;
    Reply::ok(cx.world.template_json(template))
}

/// The guild in the path, for those who manage it.
fn place(cx: &Cx<'_>) -> Result<Id, ApiError> {
    let id = cx.guild_inside()?.id;
    cx.require(id, perm::MANAGE_GUILD)?;
    Ok(id)
}

/// The template in the path.
fn found(cx: &Cx<'_>) -> Result<Template, ApiError> {
    let guild = place(cx)?;
    let template = cx.world.templates.get(cx.param("code"));
    let template = template.filter(|t| t.guild == guild);
    Ok(template.ok_or(error::UNKNOWN_TEMPLATE)?.clone())
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = place(cx)?;
    let own = cx.world.templates.values().filter(|t| t.guild == guild);
    Reply::ok(own.map(|t| cx.world.template_json(t)).collect::<Vec<_>>())
}

fn read(form: &mut Form<'_>, template: &mut Template) {
    if let Some(name) = form.text("name", 1..=100) {
        template.name = name;
    }
    if let Some(text) = form.nullable_text("description", 120) {
        template.description = text;
    }
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = place(cx)?;
    let (me, now) = (cx.me(), cx.now());
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("name");
    let mut template = Template {
        code: String::new(),
        guild,
        name: String::new(),
        description: None,
        creator: me,
        created_at: now,
        updated_at: now,
        snapshot: json!(null),
    };
    read(&mut form, &mut template);
    form.done()?;
    let own = cx.world.templates.values().filter(|t| t.guild == guild);
    Cx::refuse_if(
        own.count() >= cx.limits.caps().templates,
        error::HAS_TEMPLATE,
    )?;
    let number = cx.world.next_id();
    template.code = cx.world.secret(&format!("template {number}"), 12);
    template.snapshot = cx.world.template_snapshot(guild);
    put(cx, template)
}

fn put(cx: &mut Cx<'_>, template: Template) -> Result<Reply, ApiError> {
    let json = cx.world.template_json(&template);
    cx.world.templates.insert(template.code.clone(), template);
    Reply::ok(json)
}

fn sync(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let mut template = found(cx)?;
    template.snapshot = cx.world.template_snapshot(template.guild);
    template.updated_at = cx.now();
    put(cx, template)
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let mut template = found(cx)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    read(&mut form, &mut template);
    form.done()?;
    put(cx, template)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let template = found(cx)?;
    cx.world.templates.remove(&template.code);
    Reply::ok(cx.world.template_json(&template))
}
