//! Scheduled events.

use serde_json::{Value, json};

use super::Table;
use super::{guilds, images};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{
    AssetKind, Audit, Change, EventStatus, Id, ScheduledEvent, Stamp, Stored, Venue, action,
};

pub(super) fn routes(table: &mut Table) {
    const ALL: &str = "/guilds/{guild_id}/scheduled-events";
    const ONE: &str = "/guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}";
    table.get(ALL, "list_guild_scheduled_events", list);
    table.post(ALL, "create_guild_scheduled_event", create);
    table.get(ONE, "get_guild_scheduled_event", get);
    table.patch(ONE, "update_guild_scheduled_event", update);
    table.delete(ONE, "delete_guild_scheduled_event", delete);
    table.get(
        "/guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/users",
        "list_guild_scheduled_event_users",
        users,
    );
    table.get(
        "/guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/users/counts",
        "count_guild_scheduled_event_users",
        count,
    );
}

/// The guild in the path, its events up to date.
fn place(cx: &mut Cx<'_>) -> Result<Id, ApiError> {
    let guild = cx.guild()?.id;
    cx.world.advance_scheduled_events(guild);
    Ok(guild)
}

/// The event in the path, if the caller sees it.
pub(super) fn found(cx: &mut Cx<'_>) -> Result<(Id, ScheduledEvent), ApiError> {
    let guild = place(cx)?;
    let id = cx.id("guild_scheduled_event_id")?;
    let event = cx.guild()?.scheduled_events.get(&id);
    let event = event.filter(|e| cx.world.sees_scheduled_event(e, cx.me()));
    Ok((guild, event.ok_or(error::UNKNOWN_EVENT)?.clone()))
}

fn shown(cx: &Cx<'_>, guild: Id, event: &ScheduledEvent) -> Value {
    let mut json = cx.world.scheduled_event_json(guild, event);
    if cx.query_flag("with_user_count", false) {
        json["user_count"] = event.users.len().into();
    }
    json
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = place(cx)?;
    let events = cx.world.scheduled_events(guild, cx.me());
    Reply::list(events.into_iter().map(|e| shown(cx, guild, e)))
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, event) = found(cx)?;
    Reply::ok(shown(cx, guild, &event))
}

/// What the kind of venue asks of those who put an event there.
fn permitted(cx: &Cx<'_>, guild: Id, venue: &Venue, bits: u64) -> Result<(), ApiError> {
    match venue {
        Venue::External(_) => cx.require(guild, bits),
        Venue::Voice(channel) => cx.require_in(*channel, bits | perm::VIEW_CHANNEL | perm::CONNECT),
        Venue::Stage(channel) => {
            let staff = perm::MANAGE_CHANNELS | perm::MUTE_MEMBERS | perm::MOVE_MEMBERS;
            cx.require_in(*channel, bits | staff)
        }
    }
}

/// One's own events need either permission, those of others the second.
pub(super) fn may_change(cx: &Cx<'_>, guild: Id, event: &ScheduledEvent) -> Result<(), ApiError> {
    let managed = permitted(cx, guild, &event.venue, perm::MANAGE_EVENTS);
    if event.creator == cx.me() {
        return managed.or_else(|_| permitted(cx, guild, &event.venue, perm::CREATE_EVENTS));
    }
    managed
}

/// Where the body puts the event: of `before` what it leaves out.
fn read_venue(
    cx: &Cx<'_>,
    guild: Id,
    form: &mut Form<'_>,
    before: Option<&ScheduledEvent>,
) -> Option<Venue> {
    let kind = form
        .choice("entity_type", &[1, 2, 3])
        .or(before.map(|e| i64::from(e.entity_type())))?;
    if kind == 3 {
        let metadata = form.raw("entity_metadata").cloned().unwrap_or(Value::Null);
        let mut part = Form::at(&metadata, &form.path_to("entity_metadata"));
        let place = part.text("location", 1..=100);
        let kept = before.and_then(|e| e.location().map(str::to_owned));
        let place = place.or(kept.filter(|_| part.raw("location").is_none()));
        if place.is_none() && part.errors.is_empty() {
            part.require("location");
        }
        form.errors.extend(part.errors);
        return Some(Venue::External(place.unwrap_or_default()));
    }
    let wanted = if kind == 1 { 13 } else { 2 };
    let channel = form.id("channel_id").or(before.and_then(|e| e.channel()));
    let fits = |c: &Id| {
        let channel = cx.world.channels.get(c);
        channel.is_some_and(|c| c.guild_id == Some(guild) && c.kind == wanted)
    };
    match channel {
        None => form.require("channel_id"),
        Some(channel) if fits(&channel) => {
            return Some(if kind == 1 {
                Venue::Stage(channel)
            } else {
                Venue::Voice(channel)
            });
        }
        Some(_) => form.error("channel_id", "CHANNEL_INVALID", "Channel is invalid."),
    }
    None
}

/// A rule for repetitions, as answered.
fn read_recurrence(form: &mut Form<'_>) -> Option<Value> {
    if !form.has("recurrence_rule") {
        return None;
    }
    let Some(given) = form.raw("recurrence_rule") else {
        return Some(Value::Null);
    };
    let mut part = Form::at(given, &form.path_to("recurrence_rule"));
    part.require("start");
    part.require("frequency");
    let time = |part: &mut Form<'_>, key| part.nullable_time(key).flatten();
    let rule = json!({
        "start": time(&mut part, "start").unwrap_or_default(),
        "end": time(&mut part, "end"),
        "frequency": part.choice("frequency", &[0, 1, 2, 3]).unwrap_or(0),
        "interval": part.int("interval", 1..=i64::from(i32::MAX)).unwrap_or(1),
        "by_weekday": numbers(&mut part, "by_weekday", 7, 0, 6),
        "by_n_weekday": weekdays(&mut part),
        "by_month": numbers(&mut part, "by_month", 12, 1, 12),
        "by_month_day": numbers(&mut part, "by_month_day", 33, -1, 31),
        "by_year_day": numbers(&mut part, "by_year_day", 367, -1, 365),
        "count": part.int("count", 1..=i64::from(i32::MAX)),
    });
    form.absorb(part);
    Some(rule)
}

fn numbers(part: &mut Form<'_>, key: &str, most: usize, low: i64, high: i64) -> Option<Vec<i64>> {
    let list = part.list(key, most)?;
    let mut numbers = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        match value.as_i64() {
            Some(number) if (low..=high).contains(&number) => numbers.push(number),
            _ => {
                let message = format!("Value must be between {low} and {high}.");
                part.error(&format!("{key}.{n}"), "BASE_TYPE_CHOICES", message);
            }
        }
    }
    Some(numbers)
}

fn weekdays(part: &mut Form<'_>) -> Option<Vec<Value>> {
    let list = part.list("by_n_weekday", 7)?;
    let mut days = Vec::with_capacity(list.len());
    for (n, value) in list.iter().enumerate() {
        let mut one = Form::at(value, &part.path_to(&format!("by_n_weekday.{n}")));
        one.require("n");
        one.require("day");
        days.push(json!({"n": one.int("n", 1..=5), "day": one.int("day", 0..=6)}));
        part.absorb(one);
    }
    Some(days)
}

/// Reads the fields that making and changing share; the cover comes back to be kept.
fn read(form: &mut Form<'_>, event: &mut ScheduledEvent, now: Stamp) -> Option<Option<Stored>> {
    if let Some(name) = form.text("name", 1..=100) {
        event.name = name;
    }
    if let Some(text) = form.nullable_text("description", 1000) {
        event.description = text;
    }
    form.choice("privacy_level", &[2]);
    if let Some(Some(start)) = form.nullable_time("scheduled_start_time") {
        if start < now && start != event.starts {
            form.error(
                "scheduled_start_time",
                "GUILD_SCHEDULED_EVENT_SCHEDULE_PAST",
                "Cannot schedule event in the past.",
            );
        }
        event.starts = start;
    }
    if let Some(end) = form.nullable_time("scheduled_end_time") {
        event.ends = end;
    }
    if event.ends.is_some_and(|end| end <= event.starts) {
        form.error(
            "scheduled_end_time",
            "GUILD_SCHEDULED_EVENT_END_BEFORE_START",
            "End time must be after start time.",
        );
    }
    if matches!(event.venue, Venue::External(_)) && event.ends.is_none() {
        form.require("scheduled_end_time");
    }
    if let Some(rule) = read_recurrence(form) {
        event.recurrence = rule;
    }
    images::read(form, "image")
}

fn audited(event: &ScheduledEvent) -> Vec<(&'static str, Value)> {
    vec![
        ("name", json!(event.name)),
        ("description", json!(event.description)),
        ("privacy_level", json!(2)),
        ("status", json!(event.status as u8)),
        ("entity_type", json!(event.entity_type())),
        ("channel_id", json!(event.channel())),
        ("location", json!(event.location())),
        ("scheduled_start_time", json!(event.starts)),
        ("scheduled_end_time", json!(event.ends)),
        ("image_hash", json!(event.image)),
    ]
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = place(cx)?;
    let reason = cx.reason()?;
    let (me, now) = (cx.me(), cx.now());
    let body = cx.object()?;
    let mut form = Form::new(&body);
    for key in [
        "name",
        "privacy_level",
        "scheduled_start_time",
        "entity_type",
    ] {
        form.require(key);
    }
    let venue = read_venue(cx, guild, &mut form, None);
    let mut event = ScheduledEvent {
        id: Id(0),
        creator: me,
        name: String::new(),
        description: None,
        image: None,
        starts: Stamp(0),
        ends: None,
        status: EventStatus::Scheduled,
        venue: venue.unwrap_or(Venue::External(String::new())),
        recurrence: Value::Null,
        exceptions: Default::default(),
        users: [me].into(),
    };
    // Whoever may make none is told so before anything else is.
    permitted(cx, guild, &event.venue, perm::CREATE_EVENTS)?;
    let cover = read(&mut form, &mut event, now);
    form.done()?;
    let open = cx.guild()?.scheduled_events.values();
    let open = open.filter(|e| !e.status.is_over()).count();
    Cx::refuse_if(open >= cx.limits.caps().scheduled_events, error::MAX_EVENTS)?;
    event.id = cx.world.next_id();
    keep_cover(cx, &mut event, cover);
    let (json, id) = (cx.world.scheduled_event_json(guild, &event), event.id);
    let changes = Change::made(audited(&event));
    cx.world
        .put_scheduled_event(guild, "GUILD_SCHEDULED_EVENT_CREATE", event);
    let created = action::SCHEDULED_EVENT_CREATE;
    let why = reason.as_deref();
    cx.world.audit(
        guild,
        Audit::of(created, me)
            .target(id)
            .changes(changes)
            .reason(why),
    );
    Reply::ok(json)
}

fn keep_cover(cx: &mut Cx<'_>, event: &mut ScheduledEvent, cover: Option<Option<Stored>>) {
    if let Some(cover) = cover {
        let (assets, kind) = (&mut cx.world.assets, AssetKind::EventCover);
        event.image = cover.map(|stored| assets.keep(kind, event.id, stored));
    }
}

/// Events begin, end after they have begun, and are called off before.
fn read_status(form: &mut Form<'_>, event: &mut ScheduledEvent) {
    use EventStatus::{Active, Canceled, Completed, Scheduled};
    let Some(number) = form.choice("status", &[1, 2, 3, 4]) else {
        return;
    };
    event.status = match (event.status, number) {
        (Scheduled, 2) => Active,
        (Active, 3) => Completed,
        (Scheduled, 4) => Canceled,
        (status, same) if status as i64 == same => status,
        (status, _) => {
            let message = "The event cannot change its status like this.";
            form.error("status", "BASE_TYPE_CHOICES", message);
            status
        }
    };
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, before) = found(cx)?;
    may_change(cx, guild, &before)?;
    let reason = cx.reason()?;
    let (me, now) = (cx.me(), cx.now());
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut event = before.clone();
    if let Some(venue) = read_venue(cx, guild, &mut form, Some(&before)) {
        event.venue = venue;
    }
    read_status(&mut form, &mut event);
    let cover = read(&mut form, &mut event, now);
    form.done()?;
    if event.venue != before.venue {
        may_change(cx, guild, &event)?;
    }
    Cx::refuse_if(before.status.is_over(), error::EVENT_OVER)?;
    keep_cover(cx, &mut event, cover);
    let changed = guilds::changes(audited(&before), audited(&event));
    let json = cx.world.scheduled_event_json(guild, &event);
    cx.world
        .put_scheduled_event(guild, "GUILD_SCHEDULED_EVENT_UPDATE", event);
    if !changed.is_empty() {
        let (updated, id) = (action::SCHEDULED_EVENT_UPDATE, Some(before.id));
        let why = reason.as_deref();
        cx.world.audit(
            guild,
            Audit::of(updated, me)
                .target(id)
                .changes(changed)
                .reason(why),
        );
    }
    Reply::ok(json)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (guild, event) = found(cx)?;
    may_change(cx, guild, &event)?;
    let reason = cx.reason()?;
    let me = cx.me();
    cx.world.delete_scheduled_event(guild, event.id);
    let changes = Change::gone(audited(&event));
    let (deleted, id) = (action::SCHEDULED_EVENT_DELETE, Some(event.id));
    let why = reason.as_deref();
    cx.world.audit(
        guild,
        Audit::of(deleted, me)
            .target(id)
            .changes(changes)
            .reason(why),
    );
    Reply::nothing()
}

fn users(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (_, event) = found(cx)?;
    let limit = cx.query_number("limit", 100, 1, 100)? as usize;
    let with_member = cx.query_flag("with_member", false);
    let page = cx.page(event.users.iter(), limit)?;
    let guild = cx.guild()?;
    let line = |user: Id| {
        let mut json = json!({
            "guild_scheduled_event_id": event.id,
            "user_id": user,
            "user": cx.world.user_json(user),
            "response": 1,
        });
        let member = guild.members.get(&user).filter(|_| with_member);
        if let Some(member) = member {
            json["member"] = cx.world.member_json(member);
        }
        json
    };
    Reply::list(page.into_iter().map(line))
}

fn count(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (_, event) = found(cx)?;
    Reply::ok(json!({
        "guild_scheduled_event_count": event.users.len(),
        "guild_scheduled_event_exception_counts": {},
    }))
}
