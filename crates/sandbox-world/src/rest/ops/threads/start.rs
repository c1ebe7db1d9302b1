//! Starting a thread: alone, on a message, or as a post of a forum.

use serde_json::{Value, json};

use super::super::{automod, compose, files, messages};
use super::{DURATIONS, REQUIRE_TAG, audited};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Audit, Change, Channel, Id, Message, ThreadMember, ThreadState, action};

/// What every way of starting a thread reads.
struct Start {
    name: String,
    auto_archive: u32,
    slowmode: u32,
}

fn read_start(form: &mut Form<'_>, parent: &Channel) -> Start {
    form.require("name");
    let fallback = parent.default_auto_archive_duration.unwrap_or(4320);
    Start {
        name: form.text("name", 1..=100).unwrap_or_default(),
        auto_archive: form
            .choice("auto_archive_duration", &DURATIONS)
            .map_or(fallback, |n| n as u32),
        slowmode: form
            .int("rate_limit_per_user", 0..=21_600)
            .map_or(parent.default_thread_rate_limit_per_user, |n| n as u32),
    }
}

/// Whether the guild takes another active thread under `parent`.
pub(super) fn room(cx: &Cx<'_>, guild: Id, parent: &Channel) -> Result<(), ApiError> {
    let Some(place) = cx.world.guilds.get(&guild) else {
        return Ok(());
    };
    let caps = cx.limits.caps();
    let active = place
        .threads
        .iter()
        .filter_map(|t| cx.world.channels.get(t))
        .filter(|c| c.thread.as_ref().is_some_and(|t| !t.archived));
    let news = active.clone().filter(|c| c.kind == 10).count();
    Cx::refuse_if(
        active.count() >= caps.active_threads,
        error::MAX_ACTIVE_THREADS,
    )?;
    Cx::refuse_if(
        parent.kind == 5 && news >= caps.active_announcement_threads,
        error::MAX_ACTIVE_NEWS_THREADS,
    )
}

/// Counts a new thread against the limit that the whole guild shares. The wait it names is longer
/// than the one there is (discord-api-docs#7816).
fn count_start(cx: &Cx<'_>, guild: Id) -> Result<(), ApiError> {
    let rate = cx.limits.beside().threads;
    let taken = cx
        .limits
        .shared("guild_threads", &guild.to_string(), rate, cx.steady_ms());
    taken.map_err(|mut error| {
        if let Some(retry) = &mut error.retry {
            retry.after_ms = retry.after_ms.max(rate.per_ms);
        }
        error
    })
}

/// A thread may be started now.
fn may_start(cx: &mut Cx<'_>, guild: Id, parent: &Channel) -> Result<(), ApiError> {
    cx.world.archive_idle_threads(guild);
    room(cx, guild, parent)?;
    count_start(cx, guild)
}

/// A thread of the caller's.
fn build(cx: &mut Cx<'_>, id: Id, kind: u8, parent: &Channel, start: Start) -> Channel {
    let (me, now) = (cx.me(), cx.now());
    let mut thread = build_for(cx, id, kind, parent, start, me);
    if let Some(state) = &mut thread.thread {
        let member = ThreadMember {
            user: me,
            joined: now,
        };
        state.members.insert(me, member);
    }
    thread
}

fn build_for(cx: &Cx<'_>, id: Id, kind: u8, parent: &Channel, start: Start, owner: Id) -> Channel {
    let now = cx.now();
    let mut thread = Channel::new(id, kind, parent.guild_id, &start.name);
    thread.parent_id = Some(parent.id);
    thread.rate_limit_per_user = start.slowmode;
    thread.nsfw = parent.nsfw;
    thread.thread = Some(ThreadState {
        owner,
        archived: false,
        archived_at: now,
        auto_archive: start.auto_archive,
        locked: false,
        invitable: true,
        created_at: now,
        message_count: 0,
        total_sent: 0,
        applied_tags: Vec::new(),
        members: Default::default(),
    });
    thread
}

/// Stores a new thread and writes its entry.
fn open(cx: &mut Cx<'_>, guild: Id, thread: Channel, reason: Option<&str>) {
    let me = cx.me();
    open_as(cx, guild, thread, Some(me), reason);
}

fn open_as(cx: &mut Cx<'_>, guild: Id, thread: Channel, who: Option<Id>, reason: Option<&str>) {
    let id = thread.id;
    let mut changes: Vec<Change> = Change::made(audited(&thread));
    changes.retain(|c| c.new.is_some());
    cx.world.add_channel(thread);
    cx.world.audit(
        guild,
        Audit::of(action::THREAD_CREATE, who)
            .target(id)
            .changes(changes)
            .reason(reason),
    );
}

fn opened(cx: &Cx<'_>, id: Id) -> Result<Value, ApiError> {
    let thread = cx.world.channels.get(&id).ok_or(error::UNKNOWN_CHANNEL)?;
    Ok(cx.world.thread_json_for(thread, cx.me()))
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let parent = cx.channel()?.clone();
    let guild = parent.guild_id.ok_or(error::DM_ONLY_GUILD)?;
    Cx::refuse_if(!matches!(parent.kind, 0 | 5 | 15 | 16), error::CHANNEL_TYPE)?;
    cx.require_verified(&parent)?;
    let reason = cx.reason()?;
    if parent.is_forum() {
        return post(cx, guild, &parent, reason.as_deref());
    }
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let start = read_start(&mut form, &parent);
    let kind = form.choice("type", &[10, 11, 12]).unwrap_or(12) as u8;
    let invitable = form.flag("invitable").unwrap_or(true);
    let needed = if kind == 12 {
        perm::CREATE_PRIVATE_THREADS
    } else {
        perm::CREATE_PUBLIC_THREADS
    };
    cx.require_in(parent.id, needed)?;
    form.done()?;
    automod::judge_title(cx, &parent, &start.name)?;
    may_start(cx, guild, &parent)?;
    let id = cx.world.next_id();
    let mut thread = build(cx, id, kind, &parent, start);
    if let Some(state) = &mut thread.thread {
        state.invitable = invitable;
    }
    let name = thread.name.clone();
    open(cx, guild, thread, reason.as_deref());
    if kind != 12 {
        let me = cx.me();
        let notice = cx.world.next_id();
        let mut message = Message::new(notice, parent.id, me, &name);
        message.kind = 18;
        message.reference = Some(json!({"type": 0, "channel_id": id, "guild_id": guild}));
        cx.world.add_message(message);
    }
    Reply::created(opened(cx, id)?)
}

fn check_tagged(parent: &Channel, tags: &[Id]) -> Result<(), ApiError> {
    let untagged = parent.flags & REQUIRE_TAG != 0 && tags.is_empty();
    Cx::refuse_if(untagged, error::TAG_REQUIRED)
}

/// A post that a webhook starts, by the rules of every post, still without its message. Whoever knows
/// the address is nobody, so its entry names nobody.
pub(in crate::rest::ops) fn post_by_webhook(
    cx: &mut Cx<'_>,
    webhook: Id,
    parent: &Channel,
    name: String,
    tags: Vec<Id>,
) -> Result<Id, ApiError> {
    let guild = parent.guild_id.ok_or(error::DM_ONLY_GUILD)?;
    check_tagged(parent, &tags)?;
    let reason = cx.reason()?;
    may_start(cx, guild, parent)?;
    let start = Start {
        name,
        auto_archive: parent.default_auto_archive_duration.unwrap_or(4320),
        slowmode: parent.default_thread_rate_limit_per_user,
    };
    let id = cx.world.next_id();
    let mut post = build_for(cx, id, 11, parent, start, webhook);
    if let Some(state) = &mut post.thread {
        state.applied_tags = tags;
    }
    open_as(cx, guild, post, None, reason.as_deref());
    if let Some(forum) = cx.world.channels.get_mut(&parent.id) {
        forum.last_message_id = Some(id);
    }
    Ok(id)
}

/// A post in a forum: a thread together with its first message, which has the same id.
fn post(
    cx: &mut Cx<'_>,
    guild: Id,
    parent: &Channel,
    reason: Option<&str>,
) -> Result<Reply, ApiError> {
    cx.require_in(parent.id, perm::SEND_MESSAGES)?;
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    let mut form = Form::new(&body);
    let start = read_start(&mut form, parent);
    form.require("message");
    let tags = tags(&mut form, parent);
    form.done()?;
    check_tagged(parent, &tags)?;
    let mut draft = compose::read(&body["message"], files, "message", cx.now())?;
    Cx::refuse_if(draft.is_empty(), error::EMPTY_MESSAGE)?;
    let me = cx.me();
    automod::judge_title(cx, parent, &start.name)?;
    automod::judge_post(cx, parent, draft.content.as_deref().unwrap_or_default())?;
    may_start(cx, guild, parent)?;
    let id = cx.world.next_id();
    let bits = cx.world.permissions_in(parent.id, me);
    let mut thread = build(cx, id, 11, parent, start);
    if let Some(state) = &mut thread.thread {
        state.applied_tags = tags;
    }
    open(cx, guild, thread, reason);
    let mut message = Message::new(id, id, me, draft.content.as_deref().unwrap_or_default());
    messages::fill(&mut message, &mut draft, bits);
    compose::resolve_mentions(
        cx,
        &mut message,
        &draft.mentions,
        bits & perm::MENTION_EVERYONE != 0,
    );
    files::attach(cx.world, &mut draft, &mut message);
    cx.world.add_message(message);
    if let Some(forum) = cx.world.channels.get_mut(&parent.id) {
        forum.last_message_id = Some(id);
    }
    let mut json = opened(cx, id)?;
    let first = cx.world.message(id, id);
    json["message"] = first.map_or(Value::Null, |m| cx.world.message_json(m, me));
    Reply::created(json)
}

/// The tags a body gives a post: the forum has them.
pub(in crate::rest::ops) fn tags(form: &mut Form<'_>, parent: &Channel) -> Vec<Id> {
    let tags = form.ids("applied_tags", 5).unwrap_or_default();
    if tags
        .iter()
        .any(|t| !parent.available_tags.iter().any(|a| a.id == *t))
    {
        form.error("applied_tags", "TAG_INVALID", "Unknown tag.");
    }
    tags
}

pub(super) fn create_from_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let parent = cx.channel()?.clone();
    let guild = parent.guild_id.ok_or(error::DM_ONLY_GUILD)?;
    Cx::refuse_if(!matches!(parent.kind, 0 | 5), error::CHANNEL_TYPE)?;
    let message = messages::in_path(cx)?;
    let (id, taken) = (message.id, message.thread.is_some());
    cx.require_in(parent.id, perm::CREATE_PUBLIC_THREADS)?;
    cx.require_verified(&parent)?;
    let reason = cx.reason()?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let start = read_start(&mut form, &parent);
    form.done()?;
    Cx::refuse_if(
        taken || cx.world.channels.contains_key(&id),
        error::THREAD_EXISTS,
    )?;
    automod::judge_title(cx, &parent, &start.name)?;
    may_start(cx, guild, &parent)?;
    let kind = if parent.kind == 5 { 10 } else { 11 };
    let thread = build(cx, id, kind, &parent, start);
    if let Some(message) = cx.world.message_mut(parent.id, id) {
        message.thread = Some(id);
        message.flags |= crate::world::HAS_THREAD;
    }
    open(cx, guild, thread, reason.as_deref());
    cx.world.message_updated(parent.id, id);
    let me = cx.me();
    let starter = cx.world.next_id();
    let mut message = Message::new(starter, id, me, "");
    message.kind = 21;
    message.reference =
        Some(json!({"type": 0, "channel_id": parent.id, "message_id": id, "guild_id": guild}));
    cx.world.add_message(message);
    Reply::created(opened(cx, id)?)
}
