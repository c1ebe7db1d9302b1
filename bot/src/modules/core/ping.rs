//! `ping`.

use std::time::Duration;

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;
use splashtail_core::ids::ShardId;

use crate::app::{self, Context};
use crate::colours;
use crate::error::BotError;
use crate::reply::{self, EditError};
use crate::text;

/// Show how quickly the bot answers.
#[poise::command(prefix_command, slash_command, user_cooldown = 1)]
pub async fn ping(cx: Context<'_>) -> Result<(), BotError> {
    let clock = &cx.data().clock;
    let language = app::language_here(cx);
    let gateway_us = latency(cx).await.as_micros();
    let embed = || {
        CreateEmbed::new()
            .title(text!(language, "ping-title"))
            .colour(colours::GREEN)
            .field(
                text!(language, "ping-gateway"),
                // Zero until the first heartbeat came back.
                if gateway_us == 0 {
                    text!(language, "ping-unknown")
                } else {
                    format!("{gateway_us} µs")
                },
                true,
            )
    };
    let started = clock.monotonic();
    let message = reply::answer(cx, CreateReply::default().embed(embed())).await?;
    let send_ms = clock.monotonic().saturating_sub(started).as_millis();
    let measured = embed().field(
        text!(language, "ping-sending"),
        format!("{send_ms} ms"),
        true,
    );
    match message
        .edit(cx, CreateReply::default().embed(measured))
        .await
    {
        Ok(()) | Err(EditError::Gone) => Ok(()),
        Err(EditError::Discord(error)) => Err(BotError::Discord(error)),
    }
}

/// Heartbeat round trip of this shard.
async fn latency(cx: Context<'_>) -> Duration {
    let Ok(shard) = u16::try_from(cx.serenity_context().shard_id.0) else {
        return Duration::ZERO;
    };
    let Some(connection) = cx.data().state.connection() else {
        return Duration::ZERO;
    };
    let state = connection.shards.state(ShardId(shard)).await;
    state.and_then(|(_, latency)| latency).unwrap_or_default()
}
