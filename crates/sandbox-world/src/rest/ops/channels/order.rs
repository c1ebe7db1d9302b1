//! The order of a guild's channels.

use serde_json::Value;

use super::super::{onboarding, overwrites};
use super::{check_destination, check_parent};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::{Form, listed, read_id};
use crate::world::Id;
use crate::world::permissions as perm;

/// A wish of a reordering.
struct Move {
    channel: Id,
    position: Option<i64>,
    /// Set when it changes.
    parent: Option<Option<Id>>,
    sync: bool,
}

fn read_moves(cx: &Cx<'_>, id: Id, list: &[Value]) -> Result<Vec<Move>, ApiError> {
    let mut moves = Vec::with_capacity(list.len());
    for (n, entry) in list.iter().enumerate() {
        let channel = entry.get("id").and_then(read_id).ok_or_else(|| {
            ApiError::field(
                &format!("{n}.id"),
                "BASE_TYPE_REQUIRED",
                "This field is required",
            )
        })?;
        let place = cx
            .world
            .channels
            .get(&channel)
            .filter(|c| c.guild_id == Some(id) && !c.is_thread());
        let place = place.ok_or(error::UNKNOWN_CHANNEL)?;
        let mut form = Form::at(entry, &n.to_string());
        let position = form.int("position", 0..=i64::from(i32::MAX));
        let parent = form
            .nullable_id("parent_id")
            .filter(|p| *p != place.parent_id);
        let sync = form.flag("lock_permissions").unwrap_or(false);
        form.done()?;
        moves.push(Move {
            channel,
            position: position.filter(|p| *p != place.position),
            parent,
            sync,
        });
    }
    Ok(moves)
}

/// Places may be given to hidden channels too ("your app can rely on their real values to reorder
/// channels"); everything else needs Manage Channels where it happens.
fn check_move(cx: &Cx<'_>, guild: Id, wish: &Move) -> Result<(), ApiError> {
    let seen = cx.world.sees(wish.channel, cx.me());
    if wish.parent.is_some() || (wish.position.is_some() && seen) {
        cx.require_in(wish.channel, perm::MANAGE_CHANNELS)?;
    }
    if let Some(Some(parent)) = wish.parent {
        check_parent(cx, guild, wish.channel, parent)?;
        check_destination(cx, parent)?;
    }
    if wish.sync {
        cx.require_in(wish.channel, perm::MANAGE_ROLES)?;
        keep_synced_open(cx, guild, wish)?;
    }
    Ok(())
}

/// The category's overwrites must not hide what newcomers are shown either.
fn keep_synced_open(cx: &Cx<'_>, guild: Id, wish: &Move) -> Result<(), ApiError> {
    let all = &cx.world.channels;
    let Some(channel) = all.get(&wish.channel) else {
        return Ok(());
    };
    let parent = wish.parent.unwrap_or(channel.parent_id);
    let Some(parent) = parent.and_then(|p| all.get(&p)) else {
        return Ok(());
    };
    let (before, after) = (&channel.overwrites, &parent.overwrites);
    onboarding::keep_open(cx, guild, channel.id, before, after)
}

/// New positions, and at most one new parent. The audit log is told of overwrites only.
pub(super) fn reorder(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    cx.require(id, perm::MANAGE_CHANNELS)?;
    let body = cx.body()?;
    let list = listed(&body)?;
    let moves = read_moves(cx, id, list)?;
    Cx::refuse_if(
        moves.iter().filter(|m| m.parent.is_some()).count() > 1,
        error::ONE_PARENT_CHANGE,
    )?;
    for wish in &moves {
        check_move(cx, id, wish)?;
    }
    for wish in moves {
        let Some(before) = cx.world.channels.get(&wish.channel).cloned() else {
            continue;
        };
        let mut after = before.clone();
        after.position = wish.position.unwrap_or(before.position);
        after.parent_id = wish.parent.unwrap_or(before.parent_id);
        let parent = after.parent_id.filter(|_| wish.sync);
        if let Some(parent) = parent.and_then(|p| cx.world.channels.get(&p)) {
            after.overwrites.clone_from(&parent.overwrites);
        }
        let moved = after.position != before.position || after.parent_id != before.parent_id;
        if !moved && after.overwrites == before.overwrites {
            continue;
        }
        let synced = after.overwrites.clone();
        cx.world.edit_channel(wish.channel, |c| *c = after);
        overwrites::audit_difference(cx, id, wish.channel, &before.overwrites, &synced, None);
    }
    Reply::nothing()
}
