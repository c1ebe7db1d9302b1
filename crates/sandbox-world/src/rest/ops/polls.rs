//! Polls after they were posted: ending them, and who voted.

use serde_json::json;

use super::{Table, messages};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};

pub(super) fn routes(table: &mut Table) {
    table.post(
        "/channels/{channel_id}/polls/{message_id}/expire",
        "poll_expire",
        expire,
    );
    table.get(
        "/channels/{channel_id}/polls/{message_id}/answers/{answer_id}",
        "get_answer_voters",
        voters,
    );
}

/// Ends a poll of one's own.
fn expire(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let (me, now) = (cx.me(), cx.now());
    let message = messages::in_path(cx)?;
    let (channel, id) = (message.channel, message.id);
    Cx::refuse_if(message.author != me, error::NOT_AUTHOR)?;
    let poll = message.poll.as_ref().ok_or(error::NOT_A_POLL)?;
    let over = poll["results"]["is_finalized"] == true
        || poll["expiry"]
            .as_str()
            .is_some_and(|end| end <= now.to_string().as_str());
    Cx::refuse_if(over, error::POLL_EXPIRED)?;
    if let Some(poll) = cx
        .world
        .message_mut(channel, id)
        .and_then(|m| m.poll.as_mut())
    {
        poll["expiry"] = json!(now);
        poll["results"]["is_finalized"] = true.into();
    }
    cx.world.message_updated(channel, id);
    let message = cx
        .world
        .message(channel, id)
        .ok_or(error::UNKNOWN_MESSAGE)?;
    Reply::ok(cx.world.message_json(message, me))
}

/// Who chose an answer, by user id.
fn voters(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let message = messages::in_path(cx)?;
    let poll = message.poll.as_ref().ok_or(error::UNKNOWN_MESSAGE)?;
    let answer = cx.param("answer_id");
    let known = poll["answers"].as_array().is_some_and(|answers| {
        let mut ids = answers.iter().map(|a| a["answer_id"].to_string());
        ids.any(|id| id == answer)
    });
    Cx::refuse_if(!known, error::UNKNOWN_POLL_ANSWER)?;
    let limit = cx.query_number("limit", 25, 1, 100)? as usize;
    let votes = answer.parse().ok().and_then(|a: u64| message.votes.get(&a));
    let page = cx.page(votes.into_iter().flatten(), limit)?;
    let users: Vec<_> = page.into_iter().map(|u| cx.world.user_json(u)).collect();
    Reply::ok(json!({"users": users}))
}
