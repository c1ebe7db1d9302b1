//! `/setup` and `/health`.

use poise::CreateReply;

use super::look::Look;
use super::page::Page;
use super::service::Setup;
use crate::app::{self, Context};
use crate::error::BotError;
use crate::ids;
use crate::reply;

/// Set the bot up, step by step; it begins where you left off.
#[poise::command(slash_command, guild_only, ephemeral)]
pub async fn setup(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::reader_language(cx));
    let setup = cx.data().services.get::<Setup>()?;
    let page = setup.resume(cx.data(), guild, language).await?;
    show(cx, page).await
}

/// See what is wrong with the bot here, worst first, and mend what can be mended.
#[poise::command(slash_command, guild_only, ephemeral)]
pub async fn health(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::reader_language(cx));
    let setup = cx.data().services.get::<Setup>()?;
    let look = Look::at(cx.data(), guild)?;
    let reader = Some(ids::user(cx.author().id));
    let may_act = look.is_some_and(|look| look.owner == reader);
    let page = setup.report(cx.data(), guild, language, may_act).await?;
    show(cx, page).await
}

async fn show(cx: Context<'_>, page: Page) -> Result<(), BotError> {
    let reply = CreateReply::default()
        .embed(page.embed)
        .components(page.components)
        .ephemeral(true);
    reply::answer(cx, reply).await?;
    Ok(())
}
