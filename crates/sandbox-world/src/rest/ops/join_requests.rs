//! Requests to join guilds that approve their members by hand (discord-api-docs#8531).

use super::Table;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Id, JoinRequest, Verdict};

pub(super) fn routes(table: &mut Table) {
    table.get(
        "/guilds/{guild_id}/requests",
        "get_guild_join_requests",
        list,
    );
    table.patch(
        "/guilds/{guild_id}/requests/{request_id}",
        "action_guild_join_request",
        decide,
    );
}

/// The guild in the path, for those who may remove members.
fn place(cx: &Cx<'_>) -> Result<Id, ApiError> {
    let id = cx.guild_inside()?.id;
    cx.require(id, perm::KICK_MEMBERS)?;
    Ok(id)
}

/// Oldest first after `after`, otherwise newest first.
fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = place(cx)?;
    let limit = cx.query_number("limit", 100, 1, 100)? as usize;
    let (before, after) = (cx.query_id("before")?, cx.query_id("after")?);
    let status = cx.query("status").map(|s| {
        Verdict::parse(s).ok_or_else(|| {
            ApiError::field("status", "BASE_TYPE_CHOICES", "Value must be a status.")
        })
    });
    let status = status.transpose()?;
    let guild = cx.guild_inside()?;
    let wanted = |r: &&JoinRequest| status.is_none_or(|s| r.status == s);
    let total = guild.join_requests.values().filter(wanted).count();
    let in_range = |r: &&JoinRequest| {
        wanted(r) && before.is_none_or(|b| r.id < b) && after.is_none_or(|a| r.id > a)
    };
    let matching = guild.join_requests.values().filter(in_range);
    let page: Vec<&JoinRequest> = if after.is_some() {
        matching.take(limit).collect()
    } else {
        matching.rev().take(limit).collect()
    };
    let page: Vec<_> = page
        .into_iter()
        .map(|r| cx.world.join_request_json(id, r))
        .collect();
    Reply::ok(serde_json::json!({"total": total, "guild_join_requests": page}))
}

/// A repeated verdict succeeds and changes nothing.
fn decide(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = place(cx)?;
    let request = cx.id("request_id")?;
    let known = cx.guild_inside()?.join_requests.contains_key(&request);
    Cx::refuse_if(!known, error::UNKNOWN_JOIN_REQUEST)?;
    let me = cx.me();
    let body = cx.object()?;
    let mut form = Form::new(&body);
    form.require("action");
    let verdict = form.text("action", 1..=20);
    let reason = form.nullable_text("rejection_reason", 160).flatten();
    let verdict = match verdict.as_deref() {
        Some("APPROVED") => Some(Verdict::Approved),
        Some("REJECTED") => Some(Verdict::Rejected),
        Some(_) => {
            let message = "Value must be one of ('APPROVED', 'REJECTED').";
            form.error("action", "BASE_TYPE_CHOICES", message);
            None
        }
        None => None,
    };
    form.done()?;
    if let Some(verdict) = verdict {
        cx.world
            .decide_join_request(id, request, verdict, me, reason);
    }
    let guild = cx.guild_inside()?;
    let request = guild
        .join_requests
        .get(&request)
        .ok_or(error::UNKNOWN_JOIN_REQUEST)?;
    Reply::ok(cx.world.join_request_json(id, request))
}
