//! Makes slash commands known to Discord, or unknown, at an operator's click.

use std::time::Duration;

use futures_util::StreamExt;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{
    ButtonStyle, ComponentInteraction, ComponentInteractionCollector, CreateActionRow,
    CreateButton, GuildId,
};
use tracing::{info, warn};

use crate::app::Context;
use crate::clicks;
use crate::discord_http::{describe, once_more};
use crate::error::BotError;
use crate::registration::describe_commands;
use crate::reply::{self, EditError, Reply};

/// How long the buttons wait for a click.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Choice {
    register: bool,
    /// `None`: in all servers.
    guild: Option<GuildId>,
}

/// Register or unregister this bot's slash commands.
#[poise::command(prefix_command, slash_command, hide_in_help)]
pub async fn register(cx: Context<'_>) -> Result<(), BotError> {
    let message = reply::answer(cx, question(cx.guild_id())).await?;
    let Some(click) = authors_click(cx, &message).await else {
        let over = "Nobody chose anything. Run `register` again to try once more.";
        return told(message.edit(cx, plain(over)).await);
    };
    clicks::acknowledge(cx, &click).await;
    let Some(choice) = chosen(&click.data.custom_id, cx.guild_id()) else {
        return Ok(());
    };
    told(message.edit(cx, plain("Working on it…")).await)?;
    let text = carry_out(cx, choice).await;
    told(message.edit(cx, plain(&text)).await)
}

/// `None` when nobody clicks in time, or this process stops.
async fn authors_click(cx: Context<'_>, message: &Reply) -> Option<ComponentInteraction> {
    let clicks = ComponentInteractionCollector::new(cx.serenity_context())
        .message_id(message.message)
        .timeout(PATIENCE)
        .stream();
    let mut clicks = std::pin::pin!(clicks);
    let shutdown = &cx.data().shutdown;
    loop {
        let click = tokio::select! {
            () = shutdown.cancelled() => return None,
            click = clicks.next() => click?,
        };
        if click.user.id == cx.author().id {
            return Some(click);
        }
        clicks::refuse(cx, &click).await;
    }
}

/// Does it; what there is to say about it.
async fn carry_out(cx: Context<'_>, choice: Choice) -> String {
    let commands = if choice.register {
        describe_commands(&cx.framework().options().commands, None)
    } else {
        Vec::new()
    };
    let http = cx.http();
    let done = match choice.guild {
        Some(guild) => once_more(|| http.create_guild_commands(guild, &commands)).await,
        None => once_more(|| http.create_global_commands(&commands)).await,
    };
    let place = match choice.guild {
        Some(_) => "in this server",
        None => "in all servers",
    };
    match done {
        Ok(_) => {
            info!(count = commands.len(), guild.id = ?choice.guild, "an operator set the commands");
            if choice.register {
                format!("Done: {} commands are registered {place}.", commands.len())
            } else {
                format!("Done: no commands are registered {place} any more.")
            }
        }
        Err(error) => {
            warn!(error = describe(&error), guild.id = ?choice.guild, "commands were not set");
            format!("Discord did not take the commands {place}: the bot's log says why.")
        }
    }
}

fn question(guild: Option<GuildId>) -> CreateReply {
    CreateReply::default()
        .content("What shall be done with this bot's slash commands?")
        .components(buttons(guild))
}

/// Those of the server only where there is one.
fn buttons(guild: Option<GuildId>) -> Vec<CreateActionRow> {
    let button = |id: &str, label: &str, style| CreateButton::new(id).label(label).style(style);
    let mut buttons = vec![
        button("register.global", "Register globally", ButtonStyle::Primary),
        button(
            "unregister.global",
            "Unregister globally",
            ButtonStyle::Danger,
        ),
    ];
    if guild.is_some() {
        buttons.extend([
            button("register.guild", "Register here", ButtonStyle::Primary),
            button("unregister.guild", "Unregister here", ButtonStyle::Danger),
        ]);
    }
    vec![CreateActionRow::Buttons(buttons)]
}

fn chosen(custom_id: &str, guild: Option<GuildId>) -> Option<Choice> {
    let (verb, place) = custom_id.split_once('.')?;
    let register = match verb {
        "register" => true,
        "unregister" => false,
        _ => return None,
    };
    let guild = match place {
        "global" => None,
        "guild" => Some(guild?),
        _ => return None,
    };
    Some(Choice { register, guild })
}

fn plain(text: &str) -> CreateReply {
    CreateReply::default().content(text).components(Vec::new())
}

/// A message that somebody deleted needs no more words.
fn told(edited: Result<(), EditError>) -> Result<(), BotError> {
    match edited {
        Ok(()) | Err(EditError::Gone) => Ok(()),
        Err(EditError::Discord(error)) => Err(BotError::Discord(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_button_is_understood_where_it_is_shown() {
        for guild in [None, Some(GuildId::new(5))] {
            let rows = serde_json::to_value(buttons(guild)).unwrap();
            let buttons = rows[0]["components"].as_array().unwrap();
            let choices: Vec<_> = buttons
                .iter()
                .map(|button| chosen(button["custom_id"].as_str().unwrap(), guild).unwrap())
                .collect();
            let everywhere = [true, false].map(|register| Choice {
                register,
                guild: None,
            });
            assert_eq!(choices[..2], everywhere);
            assert!(choices[2..].iter().all(|choice| choice.guild == guild));
            assert_eq!(choices.len(), if guild.is_some() { 4 } else { 2 });
        }
        assert_eq!(chosen("register.guild", None), None);
        assert_eq!(chosen("register", None), None);
        assert_eq!(chosen("other.global", None), None);
    }
}
