//! Announcement channels: publishing messages, and following channels to receive them.

use serde_json::{Value, json};

use super::Table;
use super::{messages, webhooks};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{
    Audit, CROSSPOSTED, Change, IS_CROSSPOST, Id, Message, SUPPRESS_EMBEDS, Webhook, action,
};

/// Kind of announcement channels.
const ANNOUNCEMENT: u8 = 5;

pub(super) fn routes(table: &mut Table) {
    table.post(
        "/channels/{channel_id}/messages/{message_id}/crosspost",
        "crosspost_message",
        crosspost,
    );
    table.post("/channels/{channel_id}/followers", "follow_channel", follow);
}

fn crosspost(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let me = cx.me();
    let message = messages::in_path(cx)?;
    let (id, channel, own, done) = (
        message.id,
        message.channel,
        message.author == me,
        message.flags & CROSSPOSTED != 0,
    );
    let kind = cx.world.channels.get(&channel).map_or(0, |c| c.kind);
    Cx::refuse_if(kind != ANNOUNCEMENT, error::CHANNEL_TYPE)?;
    cx.require_in(channel, perm::SEND_MESSAGES)?;
    if !own {
        cx.require_in(channel, perm::MANAGE_MESSAGES)?;
    }
    Cx::refuse_if(done, error::ALREADY_CROSSPOSTED)?;
    if let Some(message) = cx.world.message_mut(channel, id) {
        message.flags |= CROSSPOSTED;
    }
    cx.world.message_updated(channel, id);
    publish(cx, channel, id);
    let message = cx
        .world
        .message(channel, id)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    Reply::ok(cx.world.message_json(message, me))
}

/// Posts the message in every channel that follows its channel.
fn publish(cx: &mut Cx<'_>, channel: Id, id: Id) {
    let Some(original) = cx.world.message(channel, id).cloned() else {
        return;
    };
    let followers = cx.world.webhooks.values();
    let followers: Vec<(Id, Id)> = followers
        .filter(|w| w.source == Some(channel))
        .map(|w| (w.id, w.channel))
        .collect();
    let mut reference = json!({"type": 0, "channel_id": channel, "message_id": id});
    if let Some(guild) = cx.world.guild_of(channel) {
        reference["guild_id"] = json!(guild);
    }
    for (webhook, target) in followers {
        let new = cx.world.next_id();
        let mut copy = Message::new(new, target, webhook, &original.content);
        copy.webhook = Some(webhook);
        copy.flags = IS_CROSSPOST;
        copy.embeds.clone_from(&original.embeds);
        copy.attachments = cx.world.copy_attachments(&original.attachments);
        copy.reference = Some(reference.clone());
        cx.world.add_message(copy);
    }
}

/// Brings an edit to the channels that have the published message.
pub(super) fn renew(cx: &mut Cx<'_>, channel: Id, id: Id) {
    let original = cx.world.message(channel, id);
    let Some(original) = original.filter(|m| m.flags & CROSSPOSTED != 0).cloned() else {
        return;
    };
    for (target, copy) in cx.world.published_copies(channel, id) {
        let files = cx.world.copy_attachments(&original.attachments);
        if let Some(message) = cx.world.message_mut(target, copy) {
            message.content.clone_from(&original.content);
            message.embeds.clone_from(&original.embeds);
            message.flags = IS_CROSSPOST | (original.flags & SUPPRESS_EMBEDS);
            message.edited = original.edited;
            let old = std::mem::replace(&mut message.attachments, files);
            cx.world.forget_files(&old);
        }
        cx.world.message_updated(target, copy);
    }
}

/// Lets a channel receive what this one publishes: a webhook without a token does it.
fn follow(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let source = cx.channel()?;
    Cx::refuse_if(source.kind != ANNOUNCEMENT, error::CHANNEL_TYPE)?;
    let (from, from_name, from_guild) = (source.id, source.name.clone(), source.guild_id);
    let reason = cx.reason()?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("webhook_channel_id");
    let target = form.id("webhook_channel_id").unwrap_or_default();
    form.done()?;
    let place = cx.channel_by(target)?;
    let guild = place.guild_id.ok_or(error::DM_ONLY_GUILD)?;
    Cx::refuse_if(!matches!(place.kind, 0 | 5), error::CHANNEL_TYPE)?;
    cx.require_in(target, perm::MANAGE_WEBHOOKS)?;
    webhooks::room(cx, guild, target)?;
    let owner = from_guild.and_then(|g| cx.world.guilds.get(&g));
    let name = format!("{} #{from_name}", owner.map_or("", |g| g.name.as_str()));
    let id = cx.world.next_id();
    let webhook = Webhook {
        id,
        guild,
        channel: target,
        name: name.clone(),
        avatar: None,
        token: String::new(),
        creator: me,
        app: None,
        source: Some(from),
    };
    let changes = Change::made(webhooks::audited(&webhook));
    cx.world.webhooks.insert(id, webhook);
    cx.world.webhooks_updated(guild, target);
    let (created, why) = (action::WEBHOOK_CREATE, reason.as_deref());
    cx.world.audit(
        guild,
        Audit::of(created, me)
            .target(id)
            .changes(changes)
            .reason(why),
    );
    let notice = cx.world.next_id();
    let mut message = Message::new(notice, target, me, &name);
    message.kind = 12;
    message.reference = Some(followed(from, from_guild));
    cx.world.add_message(message);
    Reply::ok(json!({"channel_id": from, "webhook_id": id}))
}

/// What the notice of a new follow refers to: the channel, no message.
fn followed(channel: Id, guild: Option<Id>) -> Value {
    let mut reference = json!({"type": 0, "channel_id": channel});
    if let Some(guild) = guild {
        reference["guild_id"] = json!(guild);
    }
    reference
}
