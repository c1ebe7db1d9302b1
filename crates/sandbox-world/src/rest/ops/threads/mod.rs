//! Threads and forum posts.

mod members;
mod start;

use serde_json::{Value, json};

use super::Table;
use super::{channels, guilds};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Audit, Channel, Id, Stamp, ThreadState, action};

use members::{join, leave, member, members};
use start::{create, create_from_message, room};

pub(super) use start::{post_by_webhook, tags};

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

/// Whether something can be posted into a thread by whoever holds `bits` there: that opens it again,
/// unless it is locked or there is no room for another active one.
pub(super) fn may_post(cx: &mut Cx<'_>, channel: &Channel, bits: u64) -> Result<(), ApiError> {
    let (Some(guild), Some(parent)) = (channel.guild_id, channel.parent_id) else {
        return Ok(());
    };
    let Some(thread) = &channel.thread else {
        return Ok(());
    };
    Cx::refuse_if(
        thread.locked && bits & perm::MANAGE_THREADS == 0,
        error::ARCHIVED,
    )?;
    if !thread.archived {
        return Ok(());
    }
    cx.world.archive_idle_threads(guild);
    let parent = cx.world.channels.get(&parent);
    parent.map_or(Ok(()), |parent| room(cx, guild, parent))
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
    channels::hidden_limit(cx, &before, &channel)?;
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
