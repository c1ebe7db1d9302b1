//! Threads and forum posts.

use serde_json::{Value, json};

use super::Table;
use super::{automod, compose, guilds, messages};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{
    Audit, Change, Channel, Id, Message, Stamp, ThreadMember, ThreadState, action, intent,
};

/// Minutes until an idle thread is archived.
pub(super) const DURATIONS: [i64; 4] = [60, 1440, 4320, 10_080];

/// Channel flag of posts: at the top of their forum.
const PINNED: u32 = 1 << 1;
/// Channel flag of forums: every post carries a tag.
const REQUIRE_TAG: u32 = 1 << 4;

pub(super) fn routes(table: &mut Table) {
    table.get(
        "/guilds/{guild_id}/threads/active",
        "get_active_guild_threads",
        active,
    );
    table.get(
        "/channels/{channel_id}/threads/archived/public",
        "list_public_archived_threads",
        archived_public,
    );
    table.get(
        "/channels/{channel_id}/threads/archived/private",
        "list_private_archived_threads",
        archived_private,
    );
    table.get(
        "/channels/{channel_id}/users/@me/threads/archived/private",
        "list_my_private_archived_threads",
        archived_mine,
    );
    table.post("/channels/{channel_id}/threads", "create_thread", create);
    table.post(
        "/channels/{channel_id}/messages/{message_id}/threads",
        "create_thread_from_message",
        create_from_message,
    );
    table.get(
        "/channels/{channel_id}/thread-members",
        "list_thread_members",
        members,
    );
    table.put(
        "/channels/{channel_id}/thread-members/@me",
        "join_thread",
        join,
    );
    table.delete(
        "/channels/{channel_id}/thread-members/@me",
        "leave_thread",
        leave,
    );
    table.get(
        "/channels/{channel_id}/thread-members/{user_id}",
        "get_thread_member",
        member,
    );
    table.put(
        "/channels/{channel_id}/thread-members/{user_id}",
        "add_thread_member",
        join,
    );
    table.delete(
        "/channels/{channel_id}/thread-members/{user_id}",
        "delete_thread_member",
        leave,
    );
}

/// Threads with the caller's own memberships beside them.
fn listing(cx: &Cx<'_>, threads: &[&Channel], more: bool) -> Value {
    let me = cx.me();
    let own = threads
        .iter()
        .filter_map(|t| t.thread.as_ref()?.members.get(&me).map(|m| m.json(t.id)));
    json!({
        "threads": threads.iter().map(|t| cx.world.thread_json_for(t, me)).collect::<Vec<_>>(),
        "members": own.collect::<Vec<_>>(),
        "has_more": more,
    })
}

fn active(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.world.archive_idle_threads(id);
    let guild = cx.guild()?;
    let me = cx.me();
    let mut threads: Vec<&Channel> = guild
        .threads
        .iter()
        .filter_map(|t| cx.world.channels.get(t))
        .filter(|c| c.thread.as_ref().is_some_and(|t| !t.archived))
        .filter(|c| cx.world.permissions_in(c.id, me) & perm::VIEW_CHANNEL != 0)
        .collect();
    threads.sort_unstable_by_key(|c| std::cmp::Reverse(c.id));
    let mut json = listing(cx, &threads, false);
    if let Some(map) = json.as_object_mut() {
        map.insert("has_more".to_owned(), false.into());
    }
    Reply::ok(json)
}

#[derive(PartialEq)]
enum Which {
    Public,
    Private,
    Mine,
}

fn archived_public(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    archived(cx, &Which::Public)
}

fn archived_private(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    archived(cx, &Which::Private)
}

fn archived_mine(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    archived(cx, &Which::Mine)
}

fn archived(cx: &mut Cx<'_>, which: &Which) -> Result<Reply, ApiError> {
    let channel = cx.channel()?;
    let (id, kind, guild) = (
        channel.id,
        channel.kind,
        channel.guild_id.ok_or(error::DM_ONLY_GUILD)?,
    );
    Cx::refuse_if(!matches!(kind, 0 | 5 | 15 | 16), error::CHANNEL_TYPE)?;
    cx.require_in(id, perm::READ_MESSAGE_HISTORY)?;
    if *which == Which::Private {
        cx.require_in(id, perm::MANAGE_THREADS)?;
    }
    let limit = cx.query_number("limit", 50, 2, 100)? as usize;
    let before_text = cx.query("before").map(str::to_owned);
    cx.world.archive_idle_threads(guild);
    let me = cx.me();
    let Some(state) = cx.world.guilds.get(&guild) else {
        return Err(error::UNKNOWN_GUILD.into());
    };
    let mut found: Vec<(&Channel, &ThreadState)> = state
        .threads
        .iter()
        .filter_map(|t| cx.world.channels.get(t))
        .filter(|c| c.parent_id == Some(id))
        .filter_map(|c| Some((c, c.thread.as_ref().filter(|t| t.archived)?)))
        .filter(|(c, t)| match which {
            Which::Public => matches!(c.kind, 10 | 11),
            Which::Private => c.kind == 12,
            Which::Mine => c.kind == 12 && t.members.contains_key(&me),
        })
        .collect();
    match which {
        // One's own are paged by id, the others by when they were archived.
        Which::Mine => {
            let before = before_text.and_then(|t| t.parse::<Id>().ok());
            found.retain(|(c, _)| before.is_none_or(|b| c.id < b));
            found.sort_unstable_by_key(|(c, _)| std::cmp::Reverse(c.id));
        }
        _ => {
            let before = match before_text {
                Some(text) => Some(
                    Stamp::parse(&text)
                        .or_else(|| text.parse::<Id>().ok().map(Id::created))
                        .ok_or_else(|| {
                            ApiError::field(
                                "before",
                                "DATETIME_TYPE_PARSE",
                                "Could not parse the value. Should be ISO8601.",
                            )
                        })?,
                ),
                None => None,
            };
            found.retain(|(_, t)| before.is_none_or(|b| t.archived_at < b));
            found.sort_unstable_by_key(|(c, t)| std::cmp::Reverse((t.archived_at, c.id)));
        }
    }
    let more = found.len() > limit;
    let threads: Vec<&Channel> = found.into_iter().take(limit).map(|(c, _)| c).collect();
    Reply::ok(listing(cx, &threads, more))
}

pub(super) fn audited(channel: &Channel) -> Vec<(&'static str, Value)> {
    let Some(thread) = &channel.thread else {
        return Vec::new();
    };
    vec![
        ("name", json!(channel.name)),
        ("type", json!(channel.kind)),
        ("archived", json!(thread.archived)),
        ("locked", json!(thread.locked)),
        ("auto_archive_duration", json!(thread.auto_archive)),
        ("rate_limit_per_user", json!(channel.rate_limit_per_user)),
        (
            "invitable",
            if channel.kind == 12 {
                json!(thread.invitable)
            } else {
                Value::Null
            },
        ),
        ("flags", json!(channel.flags)),
        ("applied_tags", json!(thread.applied_tags)),
    ]
}

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
fn room(cx: &Cx<'_>, guild: Id, parent: &Channel) -> Result<(), ApiError> {
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
        .shared("guild_threads", &guild.to_string(), rate, cx.now().0);
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

fn build(cx: &mut Cx<'_>, id: Id, kind: u8, parent: &Channel, start: Start) -> Channel {
    let (me, now) = (cx.me(), cx.now());
    let mut thread = Channel::new(id, kind, parent.guild_id, &start.name);
    thread.parent_id = Some(parent.id);
    thread.rate_limit_per_user = start.slowmode;
    thread.nsfw = parent.nsfw;
    thread.thread = Some(ThreadState {
        owner: me,
        archived: false,
        archived_at: now,
        auto_archive: start.auto_archive,
        locked: false,
        invitable: true,
        created_at: now,
        message_count: 0,
        total_sent: 0,
        applied_tags: Vec::new(),
        members: [(
            me,
            ThreadMember {
                user: me,
                joined: now,
            },
        )]
        .into(),
    });
    thread
}

/// Stores a new thread and writes its entry.
fn open(cx: &mut Cx<'_>, guild: Id, thread: Channel, reason: Option<&str>) {
    let (me, id) = (cx.me(), thread.id);
    let mut changes: Vec<Change> = audited(&thread)
        .into_iter()
        .map(|(k, v)| Change::new(k, None, Some(v)))
        .collect();
    changes.retain(|c| c.new.is_some());
    cx.world.add_channel(thread);
    cx.world.audit(
        guild,
        Audit::of(action::THREAD_CREATE, me)
            .target(id)
            .changes(changes)
            .reason(reason),
    );
}

fn opened(cx: &Cx<'_>, id: Id) -> Result<Value, ApiError> {
    let thread = cx.world.channels.get(&id).ok_or(error::UNKNOWN_CHANNEL)?;
    Ok(cx.world.thread_json_for(thread, cx.me()))
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
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
    let untagged = parent.flags & REQUIRE_TAG != 0 && tags.is_empty();
    Cx::refuse_if(untagged, error::TAG_REQUIRED)?;
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
    compose::attach(cx.world, &mut draft, &mut message);
    cx.world.add_message(message);
    if let Some(forum) = cx.world.channels.get_mut(&parent.id) {
        forum.last_message_id = Some(id);
    }
    let mut json = opened(cx, id)?;
    let first = cx.world.message(id, id);
    json["message"] = first.map_or(Value::Null, |m| cx.world.message_json(m, me));
    Reply::created(json)
}

fn tags(form: &mut Form<'_>, parent: &Channel) -> Vec<Id> {
    let tags = form.ids("applied_tags", 5).unwrap_or_default();
    if tags
        .iter()
        .any(|t| !parent.available_tags.iter().any(|a| a.id == *t))
    {
        form.error("applied_tags", "TAG_INVALID", "Unknown tag.");
    }
    tags
}

fn create_from_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
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

/// PATCH of a thread.
pub(super) fn update(cx: &mut Cx<'_>, before: Channel) -> Result<Reply, ApiError> {
    let (id, me) = (before.id, cx.me());
    let (Some(guild), Some(state)) = (before.guild_id, before.thread.clone()) else {
        return Err(error::UNKNOWN_CHANNEL.into());
    };
    let bits = cx.world.permissions_in(id, me);
    let reason = cx.reason()?;
    let body = cx.object()?;
    let asks = |key: &str| body.get(key).is_some_and(|v| !v.is_null());
    // Anyone who can write may open an archived thread; its owner may also close and rename it.
    let opening = body["archived"] == false && body.as_object().is_some_and(|b| b.len() == 1);
    let allowed = (opening && !state.locked && bits & perm::SEND_MESSAGES != 0)
        || (state.owner == me
            && !state.locked
            && !["locked", "rate_limit_per_user", "flags"]
                .into_iter()
                .any(asks));
    if !allowed {
        cx.require_in(id, perm::MANAGE_THREADS)?;
    }
    let mut form = Form::new(&body);
    let mut channel = before.clone();
    let mut thread = state.clone();
    if let Some(name) = form.text("name", 1..=100) {
        channel.name = name;
    }
    if let Some(n) = form.choice("auto_archive_duration", &DURATIONS) {
        thread.auto_archive = n as u32;
    }
    if let Some(n) = form.int("rate_limit_per_user", 0..=21_600) {
        channel.rate_limit_per_user = n as u32;
    }
    if let Some(on) = form.flag("locked") {
        thread.locked = on;
    }
    if let Some(on) = form.flag("invitable") {
        thread.invitable = on;
    }
    if let Some(flags) = form.int("flags", 0..=i64::from(u32::MAX)) {
        channel.flags = flags as u32;
    }
    let parent = before
        .parent_id
        .and_then(|p| cx.world.channels.get(&p))
        .cloned();
    if form.has("applied_tags")
        && let Some(parent) = &parent
    {
        thread.applied_tags = tags(&mut form, parent);
    }
    let archived = form.flag("archived");
    form.done()?;
    let archived_after = archived.unwrap_or(state.archived);
    // An archived thread only changes if the same call opens it.
    let others = body.as_object().is_some_and(|b| {
        b.keys()
            .any(|k| !matches!(k.as_str(), "archived" | "locked"))
    });
    Cx::refuse_if(state.archived && archived_after && others, error::ARCHIVED)?;
    if let Some(parent) = &parent {
        if state.archived && !archived_after {
            room(cx, guild, parent)?;
        }
        may_pin(cx, parent, &before, &channel)?;
    }
    if archived_after != state.archived {
        thread.archived = archived_after;
        thread.archived_at = if archived_after {
            cx.world.free_archive_time(id, cx.now())
        } else {
            cx.now()
        };
    }
    channel.thread = Some(thread);
    let changed = guilds::changes(audited(&before), audited(&channel));
    cx.world.edit_channel(id, |c| *c = channel);
    if !changed.is_empty() {
        cx.world.audit(
            guild,
            Audit::of(action::THREAD_UPDATE, me)
                .target(id)
                .changes(changed)
                .reason(reason.as_deref()),
        );
    }
    let channel = cx.world.channels.get(&id).ok_or(error::UNKNOWN_CHANNEL)?;
    Reply::ok(cx.world.thread_json_for(channel, me))
}

/// Whether a forum takes another post at its top.
fn may_pin(
    cx: &Cx<'_>,
    parent: &Channel,
    before: &Channel,
    after: &Channel,
) -> Result<(), ApiError> {
    let newly = after.flags & PINNED != 0 && before.flags & PINNED == 0;
    let place = parent.guild_id.and_then(|g| cx.world.guilds.get(&g));
    let Some(place) = place.filter(|_| newly && parent.is_forum()) else {
        return Ok(());
    };
    let posts = place
        .threads
        .iter()
        .filter_map(|t| cx.world.channels.get(t));
    let pinned = posts.filter(|c| c.parent_id == Some(parent.id) && c.flags & PINNED != 0);
    Cx::refuse_if(
        pinned.count() >= cx.limits.caps().pinned_threads,
        error::MAX_PINNED_THREADS,
    )
}

/// The thread in the path.
fn thread<'c>(cx: &'c Cx<'_>) -> Result<(&'c Channel, &'c ThreadState), ApiError> {
    let channel = cx.channel()?;
    let state = channel.thread.as_ref().ok_or(error::CHANNEL_TYPE)?;
    Ok((channel, state))
}

fn members(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let with = cx.query_flag("with_member", false);
    let (channel, state) = thread(cx)?;
    Reply::ok(
        state
            .members
            .values()
            .map(|m| member_json(cx, channel, *m, with))
            .collect::<Vec<_>>(),
    )
}

fn member_json(cx: &Cx<'_>, channel: &Channel, member: ThreadMember, with: bool) -> Value {
    let mut json = member.json(channel.id);
    let guild = channel.guild_id.and_then(|g| cx.world.guilds.get(&g));
    if let Some(full) = guild
        .and_then(|g| g.members.get(&member.user))
        .filter(|_| with)
    {
        json["member"] = cx.world.member_json(full);
    }
    json
}

fn member(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let user = cx.id("user_id")?;
    let with = cx.query_flag("with_member", false);
    let (channel, state) = thread(cx)?;
    let found = state
        .members
        .get(&user)
        .copied()
        .ok_or(error::UNKNOWN_MEMBER)?;
    Reply::ok(member_json(cx, channel, found, with))
}

fn join(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    change_member(cx, true)
}

fn leave(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    change_member(cx, false)
}

fn change_member(cx: &mut Cx<'_>, add: bool) -> Result<Reply, ApiError> {
    let me = cx.me();
    let user = if cx.param("user_id").is_empty() {
        me
    } else {
        cx.id("user_id")?
    };
    let (channel, state) = thread(cx)?;
    let (id, guild, owner) = (
        channel.id,
        channel.guild_id.ok_or(error::DM_ONLY_GUILD)?,
        state.owner,
    );
    Cx::refuse_if(state.archived, error::ARCHIVED)?;
    let has = state.members.contains_key(&user);
    if user != me {
        let known = cx
            .world
            .guilds
            .get(&guild)
            .is_some_and(|g| g.members.contains_key(&user));
        Cx::refuse_if(!known, error::UNKNOWN_MEMBER)?;
        if add {
            cx.require_in(id, perm::SEND_MESSAGES)?;
        } else if !(owner == me && channel.kind == 12) {
            cx.require_in(id, perm::MANAGE_THREADS)?;
        }
    }
    let full = state.members.len() >= cx.limits.caps().thread_members;
    if has == add {
        return Reply::nothing();
    }
    Cx::refuse_if(add && full, error::MAX_THREAD_MEMBERS)?;
    let joined = cx.now();
    let new = ThreadMember { user, joined };
    let Some(state) = cx
        .world
        .channels
        .get_mut(&id)
        .and_then(|c| c.thread.as_mut())
    else {
        return Reply::nothing();
    };
    if add {
        state.members.insert(user, new);
    } else {
        state.members.remove(&user);
    }
    let count = state.members.len().min(50);
    let mut payload = json!({"id": id, "guild_id": guild, "member_count": count});
    if add {
        payload["added_members"] = json!([new.json(id)]);
    } else {
        payload["removed_member_ids"] = json!([user]);
    }
    cx.world.emit_thread_members(id, guild, user, payload);
    if add
        && cx.world.users.get(&user).is_some_and(|u| u.bot)
        && let Some(channel) = cx.world.channels.get(&id)
    {
        let json = cx.world.thread_json_for(channel, user);
        cx.world
            .emit_to(user, Some(guild), "THREAD_CREATE", intent::GUILDS, json);
    }
    Reply::nothing()
}
