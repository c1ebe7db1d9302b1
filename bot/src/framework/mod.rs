//! How gateway events become commands.

pub mod check;
pub mod errors;
pub mod gate;
pub mod maintenance;
pub mod setting_commands;
pub mod tracked;

use poise::serenity_prelude as serenity;
use serenity::CreateAllowedMentions;
use tracing::info;

use crate::app::{Command, Context, Data};
use crate::error::BotError;

pub const PREFIX: &str = "%";

/// The framework, which hands `data` to commands from the first Ready on. Owners are the
/// application's owners, looked up at start, and the configured root users.
pub fn build(data: Data, commands: Vec<Command>) -> poise::Framework<Data, BotError> {
    let root_users = &data.config.discord_auth.root_users;
    let options = poise::FrameworkOptions {
        commands,
        owners: root_users
            .iter()
            .map(|user| serenity::UserId::new(user.get()))
            .collect(),
        prefix_options: poise::PrefixFrameworkOptions {
            prefix: Some(PREFIX.into()),
            ..poise::PrefixFrameworkOptions::default()
        },
        // Text of others is quoted in our messages; none of it may ring anybody.
        allowed_mentions: Some(CreateAllowedMentions::new()),
        command_check: Some(|cx| Box::pin(check::check(cx))),
        on_error: |error| Box::pin(errors::on_error(error)),
        pre_command: |cx| Box::pin(before(cx)),
        post_command: |cx| Box::pin(after(cx)),
        ..poise::FrameworkOptions::default()
    };
    poise::Framework::builder()
        .options(options)
        .setup(move |_, _, _| Box::pin(async move { Ok(data) }))
        .build()
}

async fn before(cx: Context<'_>) {
    info!(command = cx.command().qualified_name.as_ref(), user.id = %cx.author().id, "running a command");
}

async fn after(cx: Context<'_>) {
    metrics::counter!("bot_commands_total", "outcome" => "ok").increment(1);
    info!(command = cx.command().qualified_name.as_ref(), user.id = %cx.author().id, "a command ended");
}
