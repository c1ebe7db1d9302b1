//! Messages: reading, posting, editing, deleting.

use std::ops::Bound;

use serde_json::{Value, json};

use super::Table;
use super::compose::{self, Draft};
use super::{automod, files, followers, guilds, threads};
use crate::rest::body::File;
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, read_id};
use crate::rest::limits::Rate;
use crate::world::permissions as perm;
use crate::world::{
    Audit, COMPONENTS_V2, Channel, EPHEMERAL, HAS_SNAPSHOT, Id, Message, MessageView,
    SUPPRESS_EMBEDS, action, value,
};

/// Oldest age at which messages can be deleted in bulk.
const BULK_AGE_MS: i64 = 14 * 86_400_000;

pub(super) fn routes(table: &mut Table) {
    table.get("/channels/{channel_id}/messages", "list_messages", list);
    table
        .post("/channels/{channel_id}/messages", "create_message", create)
        .limit("create_message", 5, 5000);
    table.get(
        "/channels/{channel_id}/messages/{message_id}",
        "get_message",
        get,
    );
    table
        .patch(
            "/channels/{channel_id}/messages/{message_id}",
            "update_message",
            update,
        )
        .limit("update_message", 5, 5000);
    table.delete(
        "/channels/{channel_id}/messages/{message_id}",
        "delete_message",
        delete,
    );
    table
        .post(
            "/channels/{channel_id}/messages/bulk-delete",
            "bulk_delete_messages",
            bulk_delete,
        )
        .limit("bulk_delete_messages", 1, 3000);
}

/// The channel in the path, if messages of it can be read.
fn readable<'c>(cx: &'c Cx<'_>) -> Result<&'c Channel, ApiError> {
    let channel = cx.channel()?;
    Cx::refuse_if(!channel.has_messages(), error::NON_TEXT_CHANNEL)?;
    if channel.is_voice() {
        cx.require_in(channel.id, perm::CONNECT)
            .map_err(|_| error::MISSING_ACCESS)?;
    }
    Ok(channel)
}

/// The message in the path, if the caller may know of it.
pub(super) fn in_path<'c>(cx: &'c Cx<'_>) -> Result<&'c Message, ApiError> {
    let channel = readable(cx)?.id;
    let message = cx
        .world
        .message(channel, cx.id("message_id")?)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    let me = cx.me();
    let hidden = message.ephemeral_for.is_some_and(|u| u != me);
    if hidden {
        Err(error::UNKNOWN_MESSAGE.into())
    } else {
        Ok(message)
    }
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = readable(cx)?.id;
    let me = cx.me();
    let limit = cx.query_number("limit", 50, 1, 100)? as usize;
    let (around, before, after) = (
        cx.query_id("around")?,
        cx.query_id("before")?,
        cx.query_id("after")?,
    );
    if cx.world.permissions_in(channel, me) & perm::READ_MESSAGE_HISTORY == 0 {
        return Reply::ok(json!([]));
    }
    let Some(all) = cx.world.messages.get(&channel) else {
        return Reply::ok(json!([]));
    };
    let shown = |m: &&Message| m.ephemeral_for.is_none();
    let newest_first: Vec<&Message> = if let Some(middle) = around {
        let older = all
            .range(..middle)
            .rev()
            .map(|(_, m)| m)
            .filter(shown)
            .take(limit / 2);
        let newer = all
            .range(middle..)
            .map(|(_, m)| m)
            .filter(shown)
            .take(limit - limit / 2);
        let mut page: Vec<&Message> = older.chain(newer).collect();
        page.sort_unstable_by_key(|m| std::cmp::Reverse(m.id));
        page
    } else if let Some(before) = before {
        all.range(..before)
            .rev()
            .map(|(_, m)| m)
            .filter(shown)
            .take(limit)
            .collect()
    } else if let Some(after) = after {
        // The oldest ones after the mark, but still newest first.
        let mut page: Vec<&Message> = all
            .range((Bound::Excluded(after), Bound::Unbounded))
            .map(|(_, m)| m)
            .filter(shown)
            .take(limit)
            .collect();
        page.reverse();
        page
    } else {
        all.values().rev().filter(shown).take(limit).collect()
    };
    let bare = bare_content(cx, channel);
    Reply::list(newest_first.into_iter().map(|m| view(cx, m, bare)))
}

/// Whether a bot without the message content intent reads here: it gets other people's messages
/// without what they say.
fn bare_content(cx: &Cx<'_>, channel: Id) -> bool {
    lacks_content(cx) && cx.world.guild_of(channel).is_some()
}

/// Whether the caller is a bot whose application has not been granted what messages say.
pub(super) fn lacks_content(cx: &Cx<'_>) -> bool {
    let Caller::Bot { app, .. } = cx.caller else {
        return false;
    };
    let app = cx.world.apps.get(&app);
    app.is_none_or(|a| a.flags & ((1 << 18) | (1 << 19)) == 0)
}

fn view<'w>(cx: &'w Cx<'_>, message: &'w Message, bare: bool) -> MessageView<'w> {
    let me = cx.me();
    let mut view = cx.world.message_view(message, me);
    if bare && message.author != me && !message.mentions.contains(&me) {
        view.blank();
    }
    view
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let message = in_path(cx)?;
    let history =
        cx.world.permissions_in(message.channel, cx.me()) & perm::READ_MESSAGE_HISTORY != 0;
    if !history && message.author != cx.me() {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    Reply::ok(value(&view(cx, message, bare_content(cx, message.channel))))
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?.clone();
    Cx::refuse_if(channel.is_forum(), error::FORUM_CHANNEL)?;
    Cx::refuse_if(!channel.has_messages(), error::NON_TEXT_CHANNEL)?;
    let me = cx.me();
    let bits = cx.world.permissions_in(channel.id, me);
    if channel.guild_id.is_some() {
        cx.require_in(channel.id, perm::SEND_MESSAGES)?;
        if channel.is_voice() {
            cx.require_in(channel.id, perm::CONNECT)?;
        }
        cx.require_verified(&channel)?;
        threads::may_post(cx, &channel, bits)?;
    } else {
        direct_allowed(cx, &channel)?;
    }
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    let now = cx.now();
    let mut draft = compose::read(&body, files, "", now)?;
    // Only interactions have answers that others do not see.
    draft.flags = draft.flags.map(|f| f & !EPHEMERAL);
    if (draft.has_files() && bits & perm::ATTACH_FILES == 0)
        || (draft.has_embeds() && bits & perm::EMBED_LINKS == 0)
    {
        return Err(error::MISSING_PERMISSIONS.into());
    }
    Cx::refuse_if(draft.is_empty(), error::EMPTY_MESSAGE)?;
    known_stickers(cx, &channel, &draft)?;
    if let Some(earlier) = same_nonce(cx, channel.id, &draft) {
        return Reply::ok(earlier);
    }
    slowmode(cx, &channel, bits)?;
    let mut message = Message::new(
        Id(0),
        channel.id,
        me,
        draft.content.as_deref().unwrap_or_default(),
    );
    reply_to(cx, &draft, &mut message, bits)?;
    fill(&mut message, &mut draft, bits);
    compose::resolve_mentions(
        cx,
        &mut message,
        &draft.mentions,
        bits & perm::MENTION_EVERYONE != 0,
    );
    mention_replied(cx, &mut message, draft.mentions.replied_user);
    if let Some(guild) = channel.guild_id
        && !guilds::is_bot(cx)
    {
        automod::judge(cx, guild, &message)?;
    }
    message.id = cx.world.next_id();
    if let Some(shown) = &mut message.snapshot {
        shown.channel = channel.id;
        shown.attachments = cx.world.copy_attachments(&shown.attachments);
    }
    files::attach(cx.world, &mut draft, &mut message);
    if let Caller::Bot { app, .. } = cx.caller
        && (message.components.iter().any(|c| !c.is_null()) || message.poll.is_some())
    {
        message.app = Some(app);
    }
    let id = cx.world.add_message(message);
    let message = cx
        .world
        .message(channel.id, id)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    let mut json = cx.world.message_json(message, me);
    if !message.nonce.is_null() {
        json["nonce"] = message.nonce.clone();
    }
    Reply::ok(json)
}

/// Stickers must be the guild's own.
fn known_stickers(cx: &Cx<'_>, channel: &Channel, draft: &Draft) -> Result<(), ApiError> {
    let guild = channel.guild_id.and_then(|g| cx.world.guilds.get(&g));
    let known = |id| guild.is_some_and(|g| g.stickers.contains_key(id));
    Cx::refuse_if(!draft.stickers.iter().all(known), error::BAD_STICKER)
}

fn direct_allowed(cx: &Cx<'_>, channel: &Channel) -> Result<(), ApiError> {
    let me = cx.me();
    let Some(other) = channel.recipients.iter().copied().find(|u| *u != me) else {
        return Err(error::CANNOT_DM.into());
    };
    let accepts = cx
        .world
        .users
        .get(&other)
        .is_some_and(|u| u.accepts_dms || u.bot);
    let now = cx.now();
    let shared = cx.world.guilds.values().any(|g| {
        let closed = g
            .incidents
            .as_ref()
            .and_then(|i| i.dms_disabled_until)
            .is_some_and(|t| t > now);
        g.members.contains_key(&me) && g.members.contains_key(&other) && !closed
    });
    Cx::refuse_if(!accepts || !shared, error::CANNOT_DM)
}

/// The message a repeated `enforce_nonce` refers to.
fn same_nonce(cx: &Cx<'_>, channel: Id, draft: &Draft) -> Option<Value> {
    if !draft.enforce_nonce || draft.nonce.is_null() {
        return None;
    }
    let me = cx.me();
    let since = cx.steady_ms() - 300_000;
    let recent = cx
        .world
        .messages
        .get(&channel)?
        .values()
        .rev()
        .take_while(|m| m.came_ms >= since);
    let earlier = recent
        .into_iter()
        .find(|m| m.author == me && m.nonce == draft.nonce)?;
    let mut json = cx.world.message_json(earlier, me);
    json["nonce"] = earlier.nonce.clone();
    Some(json)
}

fn slowmode(cx: &Cx<'_>, channel: &Channel, bits: u64) -> Result<(), ApiError> {
    // Channel resource, `rate_limit_per_user`: bots and holders of one permission are unaffected.
    let spared = guilds::is_bot(cx) || bits & perm::BYPASS_SLOWMODE != 0;
    if channel.rate_limit_per_user == 0 || spared {
        return Ok(());
    }
    let rate = Rate::fixed(1, i64::from(channel.rate_limit_per_user) * 1000);
    let key = format!("{}/{}", channel.id, cx.me());
    let taken = cx.limits.hidden("slowmode", &key, rate, cx.steady_ms());
    taken.map_err(|e| ApiError {
        code: 20016,
        message: "This action cannot be performed due to slowmode rate limit.".to_owned(),
        ..e
    })
}

/// Fills in what `message_reference` asks for.
fn reply_to(cx: &Cx<'_>, draft: &Draft, message: &mut Message, bits: u64) -> Result<(), ApiError> {
    let Some(reference) = &draft.reference else {
        return Ok(());
    };
    let mut form = Form::at(reference, "message_reference");
    form.require("message_id");
    let target = form.id("message_id").unwrap_or_default();
    let place = form.id("channel_id").unwrap_or(message.channel);
    let forward = form.choice("type", &[0, 1]) == Some(1);
    let strict = form.flag("fail_if_not_exists").unwrap_or(true);
    form.done()?;
    if !forward && bits & perm::READ_MESSAGE_HISTORY == 0 {
        return Err(error::REPLY_WITHOUT_HISTORY.into());
    }
    let there = cx.world.permissions_in(place, cx.me());
    let visible = there & perm::VIEW_CHANNEL != 0;
    // Whether or not there is such a message: that is history, too.
    Cx::refuse_if(
        forward && visible && there & perm::READ_MESSAGE_HISTORY == 0,
        error::FORWARD_WITHOUT_HISTORY,
    )?;
    let adult = |channel: Id| {
        cx.world.is_age_restricted(channel) || cx.world.is_in_age_restricted_guild(channel)
    };
    Cx::refuse_if(
        forward && visible && adult(place) && !adult(message.channel),
        error::AGE_RESTRICTED_FORWARD,
    )?;
    let found = cx.world.message(place, target);
    let found = found
        .filter(|m| visible && (forward || place == message.channel) && m.ephemeral_for.is_none());
    let Some(found) = found else {
        if strict || forward {
            return Err(ApiError::field(
                "message_reference",
                "REPLIES_UNKNOWN_MESSAGE",
                "Unknown message",
            ));
        }
        return Ok(());
    };
    let mut json = json!({"type": u8::from(forward), "channel_id": place, "message_id": target});
    if let Some(guild) = cx.world.guild_of(place) {
        json["guild_id"] = json!(guild);
    }
    message.reference = Some(json);
    if forward {
        may_forward(cx, found)?;
        // A forward of a forward shows the first message.
        let first = found.snapshot.as_deref().unwrap_or(found);
        message.snapshot = Some(Box::new(first.clone()));
        message.flags |= HAS_SNAPSHOT;
    } else {
        message.kind = 19;
    }
    Ok(())
}

/// Messages that people and commands wrote are forwarded, polls are not (message resource, "Message
/// Forwards"); what a bot may not read it may not pass on either.
fn may_forward(cx: &Cx<'_>, message: &Message) -> Result<(), ApiError> {
    let me = cx.me();
    let bare = bare_content(cx, message.channel);
    Cx::refuse_if(
        bare && message.author != me && !message.mentions.contains(&me),
        error::UNREADABLE_FORWARD,
    )?;
    if !matches!(message.kind, 0 | 19 | 20 | 23) || message.poll.is_some() {
        return Err(ApiError::field(
            "message_reference",
            "MESSAGE_REFERENCE_CANNOT_FORWARD",
            "This message cannot be forwarded",
        ));
    }
    Ok(())
}

fn mention_replied(cx: &Cx<'_>, message: &mut Message, wanted: bool) {
    if message.kind != 19 || !wanted {
        return;
    }
    let target = message
        .reference
        .as_ref()
        .and_then(|r| read_id(&r["message_id"]));
    let author = target
        .and_then(|t| cx.world.message(message.channel, t))
        .filter(|m| m.webhook.is_none());
    if let Some(author) = author.map(|m| m.author)
        && author != message.author
        && !message.mentions.contains(&author)
    {
        message.mentions.push(author);
    }
}

/// Moves the parts of a draft into a new message.
pub(super) fn fill(message: &mut Message, draft: &mut Draft, bits: u64) {
    message.embeds = draft.embeds.take().unwrap_or_default();
    message.components = draft.components.take().unwrap_or_default();
    message.flags |= draft.flags.unwrap_or(0);
    message.tts = draft.tts && bits & perm::SEND_TTS_MESSAGES != 0;
    message.nonce = std::mem::take(&mut draft.nonce);
    message.stickers = std::mem::take(&mut draft.stickers);
    message.poll = draft.poll.take();
}

/// Changes a message as a draft says; what the draft does not mention stays.
pub(super) fn amend(cx: &mut Cx<'_>, channel: Id, id: Id, draft: Draft) -> Result<(), ApiError> {
    amend_quietly(cx, channel, id, draft)?;
    cx.world.message_updated(channel, id);
    followers::renew(cx, channel, id);
    Ok(())
}

/// As [`amend`], without announcing it.
pub(super) fn amend_quietly(
    cx: &mut Cx<'_>,
    channel: Id,
    id: Id,
    mut draft: Draft,
) -> Result<(), ApiError> {
    let mut message = cx
        .world
        .message(channel, id)
        .ok_or(error::UNKNOWN_MESSAGE)?
        .clone();
    let now = cx.now();
    if let Some(text) = draft.content.take() {
        message.content = text;
    }
    if let Some(embeds) = draft.embeds.take() {
        message.embeds = embeds;
    }
    if let Some(components) = draft.components.take() {
        message.components = components;
    }
    if let Some(flags) = draft.flags {
        let editable = SUPPRESS_EMBEDS | COMPONENTS_V2;
        message.flags = (message.flags & !SUPPRESS_EMBEDS) | (flags & editable);
    }
    if let Some(kept) = &draft.kept {
        let mut gone = Vec::new();
        message
            .attachments
            .retain_mut(|a| match kept.iter().find(|k| k.id == a.id) {
                Some(kept) => {
                    kept.amend(a);
                    true
                }
                None => {
                    gone.push(a.id);
                    false
                }
            });
        for id in gone {
            cx.world
                .assets
                .forget(crate::world::AssetKind::Attachment, id);
        }
    }
    let everyone = message.mention_everyone;
    compose::resolve_mentions(cx, &mut message, &draft.mentions, everyone);
    files::attach(cx.world, &mut draft, &mut message);
    Cx::refuse_if(message.is_empty(), error::EMPTY_MESSAGE)?;
    message.edited = Some(now);
    if let Some(slot) = cx.world.message_mut(channel, id) {
        *slot = message;
    }
    Ok(())
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let me = cx.me();
    let message = in_path(cx)?;
    let (id, channel, own, system) = (
        message.id,
        message.channel,
        message.author == me,
        !matches!(message.kind, 0 | 19 | 20 | 23),
    );
    let bits = cx.world.permissions_in(channel, me);
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    if !own {
        // Others may only hide embeds.
        let only_flags = body
            .as_object()
            .is_some_and(|b| !b.is_empty() && b.keys().all(|k| k == "flags"));
        Cx::refuse_if(!only_flags, error::NOT_AUTHOR)?;
        cx.require_in(channel, perm::MANAGE_MESSAGES)?;
    }
    Cx::refuse_if(system, error::SYSTEM_MESSAGE)?;
    if let Some(place) = cx.world.channels.get(&channel)
        && place.thread.as_ref().is_some_and(|t| t.archived)
    {
        Cx::refuse_if(bits & perm::MANAGE_THREADS == 0, error::ARCHIVED)?;
    }
    count_old_edit(cx, channel, id)?;
    let draft = read_edit(cx, channel, id, &body, files)?;
    judge_edit(cx, channel, id, &draft)?;
    amend(cx, channel, id, draft)?;
    let message = cx
        .world
        .message(channel, id)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    Reply::ok(cx.world.message_json(message, me))
}

/// Only so many messages that are older than an hour may be edited in a while.
fn count_old_edit(cx: &Cx<'_>, channel: Id, id: Id) -> Result<(), ApiError> {
    let now = cx.now();
    if id.created().plus(3_600_000) > now {
        return Ok(());
    }
    let rate = cx.limits.beside().old_edits;
    let taken = cx
        .limits
        .hidden("old_edits", &channel.to_string(), rate, cx.steady_ms());
    taken.map_err(|e| e.known_limit(error::MAX_OLD_EDITS))
}

/// Reads the body of an edit against the message that it changes.
pub(super) fn read_edit(
    cx: &Cx<'_>,
    channel: Id,
    id: Id,
    body: &Value,
    files: Vec<File>,
) -> Result<Draft, ApiError> {
    let message = cx.world.message(channel, id);
    let message = message.ok_or(error::UNKNOWN_MESSAGE)?;
    compose::read_edit(message, body, files, "", cx.now())
}

/// AutoMod reads edits as it reads new messages.
fn judge_edit(cx: &mut Cx<'_>, channel: Id, id: Id, draft: &Draft) -> Result<(), ApiError> {
    let Some(guild) = cx.world.guild_of(channel).filter(|_| !guilds::is_bot(cx)) else {
        return Ok(());
    };
    let (Some(text), Some(message)) = (&draft.content, cx.world.message(channel, id)) else {
        return Ok(());
    };
    let mut edited = message.clone();
    edited.content.clone_from(text);
    automod::judge(cx, guild, &edited)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let me = cx.me();
    let message = in_path(cx)?;
    let (id, channel, author) = (message.id, message.channel, message.author);
    let webhook = message.webhook.is_some();
    let deletable = message.is_deletable();
    let guild = cx.world.guild_of(channel);
    if author != me || message.is_moderators() {
        Cx::refuse_if(guild.is_none(), error::DM_ONLY_GUILD)?;
        cx.require_in(channel, perm::MANAGE_MESSAGES)?;
    }
    Cx::refuse_if(!deletable, error::SYSTEM_MESSAGE)?;
    let reason = cx.reason()?;
    cx.world.delete_messages(channel, &[id]);
    // A bot deleting one message leaves no entry, nor does anyone deleting their own.
    if let Some(guild) = guild
        && author != me
        && !guilds::is_bot(cx)
        && !webhook
    {
        let audit = Audit::of(action::MESSAGE_DELETE, me)
            .target(author)
            .reason(reason.as_deref());
        cx.world.audit_counted(guild, audit, Some(channel));
    }
    Reply::nothing()
}

fn bulk_delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = readable(cx)?;
    let (id, guild) = (channel.id, channel.guild_id);
    let guild = guild.ok_or(error::DM_ONLY_GUILD)?;
    cx.require_in(id, perm::MANAGE_MESSAGES)?;
    let reason = cx.reason()?;
    let (me, now) = (cx.me(), cx.now());
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("messages");
    let given = form
        .raw("messages")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let ids = if given > 100 {
        Vec::new()
    } else {
        form.ids("messages", 100).unwrap_or_default()
    };
    form.done()?;
    Cx::refuse_if(ids.len() < 2 || ids.len() != given, error::BULK_COUNT)?;
    Cx::refuse_if(
        ids.iter().any(|m| m.created() < now.plus(-BULK_AGE_MS)),
        error::TOO_OLD,
    )?;
    // As when one of them is deleted alone; it was otherwise once (discord-api-docs#1063).
    let mut known = ids.iter().filter_map(|m| cx.world.message(id, *m));
    Cx::refuse_if(known.any(|m| !m.is_deletable()), error::SYSTEM_MESSAGE)?;
    let gone = cx.world.delete_messages_in_bulk(id, &ids);
    if !gone.is_empty() {
        let options = vec![("count", gone.len().to_string())];
        cx.world.audit(
            guild,
            Audit::of(action::MESSAGE_BULK_DELETE, me)
                .target(id)
                .options(options)
                .reason(reason.as_deref()),
        );
    }
    Reply::nothing()
}
