//! Single occurrences of a recurring event that are moved or called off (guild scheduled event
//! resource, "Guild Scheduled Event Exception").

use serde_json::{Value, json};

use super::Table;
use super::scheduled_events::{found, may_change};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::{Audit, Change, EventException, Id, ScheduledEvent, action};

pub(super) fn routes(table: &mut Table) {
    const ALL: &str = "/guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/exceptions";
    const ONE: &str =
        "/guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/exceptions/{exception_id}";
    table.post(ALL, "create_guild_scheduled_event_exception", create);
    table.patch(ONE, "update_guild_scheduled_event_exception", update);
    table.delete(ONE, "delete_guild_scheduled_event_exception", delete);
    table.get(
        "/guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/{guild_scheduled_event_exception_id}/users",
        "list_guild_scheduled_event_exception_users",
        users,
    );
}

/// The event in the path, for those who may change it.
fn place(cx: &mut Cx<'_>) -> Result<(Id, ScheduledEvent), ApiError> {
    let (guild, event) = found(cx)?;
    may_change(cx, guild, &event)?;
    Ok((guild, event))
}

fn audited(exception: &EventException) -> Vec<(&'static str, Value)> {
    vec![
        ("scheduled_start_time", json!(exception.starts)),
        ("scheduled_end_time", json!(exception.ends)),
        ("is_canceled", json!(exception.canceled)),
    ]
}

fn read(form: &mut Form<'_>, exception: &mut EventException) {
    if let Some(at) = form.nullable_time("scheduled_start_time") {
        exception.starts = at;
    }
    if let Some(at) = form.nullable_time("scheduled_end_time") {
        exception.ends = at;
    }
    if let Some(on) = form.flag("is_canceled") {
        exception.canceled = on;
    }
    if let (Some(start), Some(end)) = (exception.starts, exception.ends)
        && end <= start
    {
        form.error(
            "scheduled_end_time",
            "GUILD_SCHEDULED_EVENT_END_BEFORE_START",
            "End time must be after start time.",
        );
    }
}

fn note(
    cx: &mut Cx<'_>,
    guild: Id,
    kind: u16,
    event: Id,
    exception: Id,
    changes: Vec<Change>,
) -> Result<(), ApiError> {
    let (me, reason) = (cx.me(), cx.reason()?);
    let entry = Audit::of(kind, me)
        .target(event)
        .changes(changes)
        .options(vec![("event_exception_id", exception.to_string())])
        .reason(reason.as_deref());
    cx.world.audit(guild, entry);
    Ok(())
}

/// An exception's id is the time of the occurrence, so a second one for the same time takes the
/// place of the first.
fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, event) = place(cx)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("original_scheduled_start_time");
    let original = form
        .nullable_time("original_scheduled_start_time")
        .flatten();
    let mut exception = EventException {
        id: original.map_or(Id(0), Id::at),
        starts: None,
        ends: None,
        canceled: false,
    };
    read(&mut form, &mut exception);
    if event.recurrence.is_null() {
        form.error(
            "original_scheduled_start_time",
            "GUILD_SCHEDULED_EVENT_NOT_RECURRING",
            "Event does not recur.",
        );
    }
    form.done()?;
    let id = exception.id;
    let json = exception.json(event.id);
    let made = Change::made(audited(&exception));
    cx.world.put_event_exception(guild, event.id, exception);
    note(
        cx,
        guild,
        action::EVENT_EXCEPTION_CREATE,
        event.id,
        id,
        made,
    )?;
    Reply::ok(json)
}

/// The exception in the path.
fn exception(cx: &Cx<'_>, event: &ScheduledEvent) -> Result<EventException, ApiError> {
    let id = cx.id("exception_id")?;
    let known = event.exceptions.get(&id);
    Ok(known.ok_or(error::UNKNOWN_EVENT)?.clone())
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, event) = place(cx)?;
    let before = exception(cx, &event)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut after = before.clone();
    read(&mut form, &mut after);
    form.done()?;
    let json = after.json(event.id);
    let changed = super::guilds::changes(audited(&before), audited(&after));
    cx.world.put_event_exception(guild, event.id, after);
    if !changed.is_empty() {
        let kind = action::EVENT_EXCEPTION_UPDATE;
        note(cx, guild, kind, event.id, before.id, changed)?;
    }
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, event) = place(cx)?;
    let gone = exception(cx, &event)?;
    cx.world.drop_event_exception(guild, event.id, gone.id);
    let changes = Change::gone(audited(&gone));
    note(
        cx,
        guild,
        action::EVENT_EXCEPTION_DELETE,
        event.id,
        gone.id,
        changes,
    )?;
    Reply::nothing()
}

/// Whoever is interested in the event is in each of its occurrences.
fn users(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (_, event) = found(cx)?;
    let id = cx.id("guild_scheduled_event_exception_id")?;
    Cx::refuse_if(!event.exceptions.contains_key(&id), error::UNKNOWN_EVENT)?;
    let limit = cx.query_number("limit", 100, 1, 100)? as usize;
    let page = cx.page(event.users.iter(), limit)?;
    Reply::list(page.into_iter().map(|user| {
        json!({
            "guild_scheduled_event_id": event.id,
            "guild_scheduled_event_exception_id": id,
            "user_id": user,
            "user": cx.world.user_json(user),
            "response": 1,
        })
    }))
}
