//! Webhooks: their administration, and messages through their tokens.

use serde_json::{Value, json};

use super::Table;
use super::{compose, files, images, interactions, messages, threads};
use crate::rest::cx::{Caller, Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::rest::routes::Auth;
use crate::world::permissions as perm;
use crate::world::{AssetKind, Audit, Change, Channel, EPHEMERAL, Id, Message, Webhook, action};

pub(super) fn routes(table: &mut Table) {
    table.post("/channels/{channel_id}/webhooks", "create_webhook", create);
    table.get(
        "/channels/{channel_id}/webhooks",
        "list_channel_webhooks",
        of_channel,
    );
    table.get(
        "/guilds/{guild_id}/webhooks",
        "get_guild_webhooks",
        of_guild,
    );
    table.get("/webhooks/{webhook_id}", "get_webhook", get);
    table.patch("/webhooks/{webhook_id}", "update_webhook", update);
    table.delete("/webhooks/{webhook_id}", "delete_webhook", delete);
    const TOKEN: &str = "/webhooks/{webhook_id}/{webhook_token}";
    table
        .get(TOKEN, "get_webhook_by_token", get_by_token)
        .auth(Auth::Open);
    table
        .patch(TOKEN, "update_webhook_by_token", update_by_token)
        .auth(Auth::Open);
    table
        .delete(TOKEN, "delete_webhook_by_token", delete_by_token)
        .auth(Auth::Open);
    table
        .post(TOKEN, "execute_webhook", execute)
        .auth(Auth::Open)
        .limit("execute_webhook", 5, 2000);
    const MESSAGE: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}";
    table
        .get(MESSAGE, "get_webhook_message", get_message)
        .auth(Auth::Open)
        .limit("webhook_message", 5, 2000);
    table
        .patch(MESSAGE, "update_webhook_message", update_message)
        .auth(Auth::Open)
        .limit("webhook_message", 5, 2000);
    table
        .delete(MESSAGE, "delete_webhook_message", delete_message)
        .auth(Auth::Open)
        .limit("webhook_message", 5, 2000);
    const ORIGINAL: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/@original";
    table
        .get(
            ORIGINAL,
            "get_original_webhook_message",
            interactions::get_original,
        )
        .auth(Auth::Open)
        .limit("webhook_message", 5, 2000);
    table
        .patch(
            ORIGINAL,
            "update_original_webhook_message",
            interactions::update_original,
        )
        .auth(Auth::Open)
        .limit("webhook_message", 5, 2000);
    table
        .delete(
            ORIGINAL,
            "delete_original_webhook_message",
            interactions::delete_original,
        )
        .auth(Auth::Open)
        .limit("webhook_message", 5, 2000);
}

pub(super) fn audited(webhook: &Webhook) -> Vec<(&'static str, Value)> {
    vec![
        ("name", json!(webhook.name)),
        ("channel_id", json!(webhook.channel)),
        ("avatar_hash", json!(webhook.avatar)),
        ("type", json!(if webhook.source.is_some() { 2 } else { 1 })),
    ]
}

fn name(form: &mut Form<'_>) -> Option<String> {
    let name = form.text("name", 1..=80)?;
    let lower = name.to_lowercase();
    for word in ["clyde", "discord"] {
        if lower.contains(word) {
            form.error(
                "name",
                "USERNAME_INVALID_CONTAINS",
                format!("Username cannot contain \"{word}\""),
            );
        }
    }
    Some(name)
}

/// Whether the channel and its guild take another webhook.
pub(super) fn room(cx: &Cx<'_>, guild: Id, channel: Id) -> Result<(), ApiError> {
    room_in(cx, channel)?;
    let all = cx.world.webhooks.values().filter(|w| w.guild == guild);
    Cx::refuse_if(
        all.count() >= cx.limits.caps().guild_webhooks,
        error::MAX_GUILD_WEBHOOKS,
    )
}

/// Whether the channel takes another webhook.
fn room_in(cx: &Cx<'_>, channel: Id) -> Result<(), ApiError> {
    let here = cx.world.webhooks.values().filter(|w| w.channel == channel);
    Cx::refuse_if(
        here.count() >= cx.limits.caps().webhooks,
        error::MAX_WEBHOOKS,
    )
}

/// Whether channels of this kind have webhooks.
fn check_kind(channel: &Channel) -> Result<(), ApiError> {
    Cx::refuse_if(
        !matches!(channel.kind, 0 | 2 | 5 | 13 | 15 | 16),
        error::CHANNEL_TYPE,
    )
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?;
    let (id, guild) = (channel.id, channel.guild_id.ok_or(error::DM_ONLY_GUILD)?);
    check_kind(channel)?;
    cx.require_in(id, perm::MANAGE_WEBHOOKS)?;
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("name");
    let name = name(&mut form).unwrap_or_default();
    let avatar = images::read(&mut form, "avatar").flatten();
    form.done()?;
    room(cx, guild, id)?;
    let new = cx.world.next_id();
    let avatar = avatar.map(|stored| cx.world.assets.keep(AssetKind::Avatar, new, stored));
    let app = if let Caller::Bot { app, .. } = cx.caller {
        Some(app)
    } else {
        None
    };
    let token = cx.world.secret(&format!("webhook {new}"), 68);
    let webhook = Webhook {
        id: new,
        guild,
        channel: id,
        name,
        avatar,
        token,
        creator: me,
        app,
        source: None,
    };
    let json = cx.world.webhook_json(&webhook, true);
    let changes = Change::made(audited(&webhook));
    cx.world.webhooks.insert(new, webhook);
    cx.world.webhooks_updated(guild, id);
    cx.world.audit(
        guild,
        Audit::of(action::WEBHOOK_CREATE, me)
            .target(new)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::ok(json)
}

fn of_channel(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.channel()?.id;
    cx.require_in(id, perm::MANAGE_WEBHOOKS)?;
    let found = cx.world.webhooks.values().filter(|w| w.channel == id);
    Reply::ok(
        found
            .map(|w| cx.world.webhook_json(w, true))
            .collect::<Vec<_>>(),
    )
}

fn of_guild(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_WEBHOOKS)?;
    let found = cx.world.webhooks.values().filter(|w| w.guild == id);
    Reply::ok(
        found
            .map(|w| cx.world.webhook_json(w, true))
            .collect::<Vec<_>>(),
    )
}

/// The webhook in the path, for those who manage it.
fn managed(cx: &Cx<'_>) -> Result<Webhook, ApiError> {
    let webhook = cx
        .world
        .webhooks
        .get(&cx.id("webhook_id")?)
        .ok_or(error::UNKNOWN_WEBHOOK)?;
    cx.require_in(webhook.channel, perm::MANAGE_WEBHOOKS)?;
    Ok(webhook.clone())
}

/// The webhook in the path, whose token is there too.
fn by_token(cx: &Cx<'_>) -> Result<Webhook, ApiError> {
    let webhook = cx
        .world
        .webhooks
        .get(&cx.id("webhook_id")?)
        .ok_or(error::UNKNOWN_WEBHOOK)?;
    Cx::refuse_if(
        webhook.source.is_some() || webhook.token != cx.param("webhook_token"),
        error::BAD_WEBHOOK_TOKEN,
    )?;
    Ok(webhook.clone())
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let webhook = managed(cx)?;
    Reply::ok(cx.world.webhook_json(&webhook, true))
}

fn public(cx: &Cx<'_>, webhook: &Webhook) -> Value {
    let mut json = cx.world.webhook_json(webhook, true);
    if let Some(map) = json.as_object_mut() {
        map.shift_remove("user");
    }
    json
}

fn get_by_token(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let webhook = by_token(cx)?;
    Reply::ok(public(cx, &webhook))
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let webhook = managed(cx)?;
    let changed = change(cx, webhook, true)?;
    Reply::ok(cx.world.webhook_json(&changed, true))
}

fn update_by_token(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let webhook = by_token(cx)?;
    let changed = change(cx, webhook, false)?;
    Reply::ok(public(cx, &changed))
}

fn change(cx: &mut Cx<'_>, before: Webhook, may_move: bool) -> Result<Webhook, ApiError> {
    let reason = cx.reason()?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let name = name(&mut form);
    let avatar = images::read(&mut form, "avatar");
    let place = form.id("channel_id").filter(|_| may_move);
    form.done()?;
    let mut after = before.clone();
    if let Some(place) = place.filter(|p| *p != before.channel) {
        let target = cx.channel_by(place)?;
        Cx::refuse_if(
            target.guild_id != Some(before.guild),
            error::UNKNOWN_CHANNEL,
        )?;
        check_kind(target)?;
        cx.require_in(place, perm::MANAGE_WEBHOOKS)?;
        room_in(cx, place)?;
        after.channel = place;
    }
    if let Some(name) = name {
        after.name = name;
    }
    if let Some(avatar) = avatar {
        after.avatar =
            avatar.map(|stored| cx.world.assets.keep(AssetKind::Avatar, before.id, stored));
    }
    let changed = super::guilds::changes(audited(&before), audited(&after));
    cx.world.webhooks.insert(after.id, after.clone());
    for channel in [
        Some(before.channel),
        Some(after.channel).filter(|c| *c != before.channel),
    ]
    .into_iter()
    .flatten()
    {
        cx.world.webhooks_updated(before.guild, channel);
    }
    if !changed.is_empty() {
        // Whoever uses the token is nobody, even a bot (discord-api-docs#7644).
        let who = Some(cx.me()).filter(|_| may_move);
        cx.world.audit(
            before.guild,
            Audit::of(action::WEBHOOK_UPDATE, who)
                .target(before.id)
                .changes(changed)
                .reason(reason.as_deref()),
        );
    }
    Ok(after)
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let webhook = managed(cx)?;
    let me = cx.me();
    delete_as(cx, &webhook, Some(me))
}

fn delete_by_token(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let webhook = by_token(cx)?;
    // Whoever knows the token is nobody.
    delete_as(cx, &webhook, None)
}

fn delete_as(cx: &mut Cx<'_>, webhook: &Webhook, who: Option<Id>) -> Result<Reply, ApiError> {
    let reason = cx.reason()?;
    remove(cx, webhook);
    let changes = Change::gone(audited(webhook));
    cx.world.audit(
        webhook.guild,
        Audit::of(action::WEBHOOK_DELETE, who)
            .target(webhook.id)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::nothing()
}

pub(super) fn remove(cx: &mut Cx<'_>, webhook: &Webhook) {
    cx.world.remove_webhook(webhook.id);
}

fn execute(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    if interactions::owns_token(cx) {
        return interactions::follow_up(cx);
    }
    let webhook = by_token(cx)?;
    let (rate, place) = (
        cx.limits.beside().webhook_posts,
        webhook.channel.to_string(),
    );
    cx.limits
        .shared("webhook_posts", &place, rate, cx.steady_ms())?;
    let wait = cx.query_flag("wait", false);
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    let mut form = Form::new(&body);
    let shown_name = form.text("username", 1..=80);
    let avatar_url = form.text("avatar_url", 0..=2048).filter(|u| !u.is_empty());
    let parent = cx.world.channels.get(&webhook.channel);
    let parent = parent.ok_or(error::UNKNOWN_CHANNEL)?.clone();
    let thread_name = form.text("thread_name", 1..=100);
    let tags = if thread_name.is_some() && parent.is_forum() {
        threads::tags(&mut form, &parent)
    } else {
        Vec::new()
    };
    form.done()?;
    let mut draft = compose::read(&body, files, "", cx.now())?;
    draft.flags = draft.flags.map(|f| f & !EPHEMERAL);
    Cx::refuse_if(draft.is_empty(), error::EMPTY_MESSAGE)?;
    let channel = target(cx, &webhook, &parent, thread_name, tags)?;
    let id = match cx.world.channels.get(&channel) {
        // The first message of a post has the post's id.
        Some(post)
            if post.is_thread() && cx.world.messages.get(&channel).is_none_or(|m| m.is_empty()) =>
        {
            channel
        }
        _ => cx.world.next_id(),
    };
    let mut message = Message::new(
        id,
        channel,
        webhook.id,
        draft.content.as_deref().unwrap_or_default(),
    );
    message.webhook = Some(webhook.id);
    message.author_name = shown_name;
    message.author_avatar = avatar_url.map(|u| {
        u.rsplit('/')
            .next()
            .unwrap_or_default()
            .split('.')
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    message.app = webhook.app;
    let everyone = cx
        .world
        .guilds
        .get(&webhook.guild)
        .and_then(|g| g.roles.get(&g.id))
        .map_or(0, |r| r.permissions);
    messages::fill(&mut message, &mut draft, everyone);
    compose::resolve_mentions(
        cx,
        &mut message,
        &draft.mentions,
        everyone & perm::MENTION_EVERYONE != 0,
    );
    files::attach(cx.world, &mut draft, &mut message);
    let id = cx.world.add_message(message);
    if !wait {
        return Reply::nothing();
    }
    let message = cx
        .world
        .message(channel, id)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    Reply::ok(cx.world.message_json(message, webhook.id))
}

/// Where a webhook posts: its channel, a thread in it, or a new post.
fn target(
    cx: &mut Cx<'_>,
    webhook: &Webhook,
    parent: &Channel,
    thread_name: Option<String>,
    tags: Vec<Id>,
) -> Result<Id, ApiError> {
    match (cx.query_id("thread_id")?, thread_name) {
        (Some(_), Some(_)) => Err(error::FORUM_ONE_THREAD.into()),
        (Some(thread), None) => {
            let channel = cx
                .world
                .channels
                .get(&thread)
                .filter(|c| c.parent_id == Some(parent.id) && c.is_thread());
            let channel = channel.ok_or(error::UNKNOWN_CHANNEL)?.clone();
            // Whoever knows the address has no permissions, so what is locked stays so.
            threads::may_post(cx, &channel, 0)?;
            Ok(channel.id)
        }
        (None, Some(name)) => {
            Cx::refuse_if(!parent.is_forum(), error::ONLY_FORUM_THREADS)?;
            threads::post_by_webhook(cx, webhook.id, parent, name, tags)
        }
        (None, None) => {
            Cx::refuse_if(parent.is_forum(), error::FORUM_NEEDS_THREAD)?;
            Ok(parent.id)
        }
    }
}

/// The message in the path, which the webhook must have sent.
fn own_message(cx: &Cx<'_>, webhook: &Webhook) -> Result<(Id, Id), ApiError> {
    let channel = cx.query_id("thread_id")?.unwrap_or(webhook.channel);
    let message = cx
        .world
        .message(channel, cx.id("message_id")?)
        .filter(|m| m.webhook == Some(webhook.id));
    let message = message.ok_or(error::UNKNOWN_MESSAGE)?;
    Ok((message.channel, message.id))
}

/// A message as whoever sent it sees it.
pub(super) fn answer(cx: &Cx<'_>, channel: Id, id: Id) -> Result<Reply, ApiError> {
    let message = cx
        .world
        .message(channel, id)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    Reply::ok(cx.world.message_json(message, message.author))
}

fn get_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    if interactions::owns_token(cx) {
        return interactions::get_message(cx);
    }
    let webhook = by_token(cx)?;
    let (channel, id) = own_message(cx, &webhook)?;
    answer(cx, channel, id)
}

fn update_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    if interactions::owns_token(cx) {
        return interactions::update_message(cx);
    }
    let webhook = by_token(cx)?;
    let (channel, id) = own_message(cx, &webhook)?;
    let body = cx.object()?;
    let files = std::mem::take(&mut cx.files);
    let draft = messages::read_edit(cx, channel, id, &body, files)?;
    messages::amend(cx, channel, id, draft)?;
    answer(cx, channel, id)
}

fn delete_message(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    if interactions::owns_token(cx) {
        return interactions::delete_message(cx);
    }
    let webhook = by_token(cx)?;
    let (channel, id) = own_message(cx, &webhook)?;
    cx.world.delete_messages(channel, &[id]);
    Reply::nothing()
}
