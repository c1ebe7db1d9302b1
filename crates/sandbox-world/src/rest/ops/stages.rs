//! Stage instances: what is being said on a stage, while it is.

use serde_json::{Value, json};

use super::Table;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Audit, Change, Id, StageInstance, action};

pub(super) fn routes(table: &mut Table) {
    const ONE: &str = "/stage-instances/{channel_id}";
    table.post("/stage-instances", "create_stage_instance", create);
    table.get(ONE, "get_stage_instance", get);
    table.patch(ONE, "update_stage_instance", update);
    table.delete(ONE, "delete_stage_instance", delete);
}

/// What moderators of a stage hold (stage instance resource, "Definitions").
const MODERATOR: u64 = perm::MANAGE_CHANNELS | perm::MUTE_MEMBERS | perm::MOVE_MEMBERS;

/// The instance on the stage in the path.
fn found(cx: &Cx<'_>) -> Result<StageInstance, ApiError> {
    let channel = cx.channel()?;
    let guild = channel.guild_id.and_then(|g| cx.world.guilds.get(&g));
    let stage = guild.and_then(|g| g.stages.get(&channel.id));
    Ok(stage.ok_or(error::UNKNOWN_STAGE)?.clone())
}

fn get(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    Reply::ok(found(cx)?.json())
}

fn audited(stage: &StageInstance) -> Vec<(&'static str, Value)> {
    vec![
        ("topic", json!(stage.topic)),
        ("privacy_level", json!(stage.privacy_level)),
    ]
}

fn note(
    cx: &mut Cx<'_>,
    kind: u16,
    stage: &StageInstance,
    changes: Vec<Change>,
) -> Result<(), ApiError> {
    let (me, reason) = (cx.me(), cx.reason()?);
    let entry = Audit::of(kind, me)
        .target(stage.id)
        .changes(changes)
        .options(vec![("channel_id", stage.channel.to_string())])
        .reason(reason.as_deref());
    cx.world.audit(stage.guild, entry);
    Ok(())
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("channel_id");
    form.require("topic");
    let place = form.id("channel_id");
    let topic = form.text("topic", 1..=120).unwrap_or_default();
    let privacy_level = form.choice("privacy_level", &[1, 2]).unwrap_or(2) as u8;
    let event = form.id("guild_scheduled_event_id");
    let notify = form.flag("send_start_notification").unwrap_or(false);
    form.done()?;
    let channel = cx.channel_by(place.unwrap_or_default())?;
    let (channel, guild, kind) = (channel.id, channel.guild_id, channel.kind);
    let guild = guild.ok_or(error::DM_ONLY_GUILD)?;
    Cx::refuse_if(kind != 13, error::CHANNEL_TYPE)?;
    cx.require_in(channel, MODERATOR)?;
    if notify {
        cx.require_in(channel, perm::MENTION_EVERYONE)?;
    }
    let open = cx
        .world
        .guilds
        .get(&guild)
        .is_some_and(|g| g.stages.contains_key(&channel));
    Cx::refuse_if(open, error::STAGE_OPEN)?;
    let stage = StageInstance {
        id: cx.world.next_id(),
        guild,
        channel,
        topic,
        privacy_level,
        event,
    };
    cx.world.put_stage("STAGE_INSTANCE_CREATE", stage.clone());
    let made = Change::made(audited(&stage));
    note(cx, action::STAGE_CREATE, &stage, made)?;
    Reply::ok(stage.json())
}

fn update(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let before = found(cx)?;
    cx.require_in(before.channel, MODERATOR)?;
    let body = cx.object()?;
    let mut form = Form::new(&body);
    let mut stage = before.clone();
    if let Some(topic) = form.text("topic", 1..=120) {
        stage.topic = topic;
    }
    if let Some(level) = form.choice("privacy_level", &[1, 2]) {
        stage.privacy_level = level as u8;
    }
    form.done()?;
    cx.world.put_stage("STAGE_INSTANCE_UPDATE", stage.clone());
    let changed = super::guilds::changes(audited(&before), audited(&stage));
    if !changed.is_empty() {
        note(cx, action::STAGE_UPDATE, &stage, changed)?;
    }
    Reply::ok(stage.json())
}

fn delete(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let stage = found(cx)?;
    cx.require_in(stage.channel, MODERATOR)?;
    let (guild, channel): (Id, Id) = (stage.guild, stage.channel);
    cx.world.end_stage(guild, channel);
    let gone = Change::gone(audited(&stage));
    note(cx, action::STAGE_DELETE, &stage, gone)?;
    Reply::nothing()
}
