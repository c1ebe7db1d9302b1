//! Makes slash commands known to Discord, or unknown, at an operator's click.

use std::sync::Arc;

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{ButtonStyle, CreateActionRow, CreateButton, GuildId};
use splashtail_core::ids::UserId;
use tracing::{info, warn};

use crate::app::{App, Context};
use crate::discord_http::{describe, once_more};
use crate::error::BotError;
use crate::ids;
use crate::presses::{Change, Press, Presses, Reaction};
use crate::reply;

const PREFIX: &str = "register";

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
    reply::answer(cx, question(cx.guild_id(), ids::user(cx.author().id))).await?;
    Ok(())
}

pub fn presses() -> Presses {
    Presses::new(PREFIX, |app, press| {
        let guild = press.guild().ok().map(|guild| GuildId::new(guild.get()));
        let Some((user, choice)) = chosen(press, guild) else {
            return Reaction::stale(press);
        };
        // Whoever was an operator may have ceased to be one.
        if user != press.user || !app.is_root_user(user) {
            return Reaction::not_yours(press);
        }
        let app = Arc::clone(app);
        Reaction::change(async move { Change::show(plain(&carry_out(&app, choice).await)) })
    })
}

/// Does it; what there is to say about it.
async fn carry_out(app: &App, choice: Choice) -> String {
    let commands = match choice.register {
        true => app.described.clone(),
        false => Vec::new(),
    };
    let Some(connection) = app.state.connection() else {
        return "The bot is not connected yet. Please try again.".to_owned();
    };
    let http = &connection.http;
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

fn question(guild: Option<GuildId>, user: UserId) -> CreateReply {
    CreateReply::default()
        .content("What shall be done with this bot's slash commands?")
        .components(buttons(guild, user))
}

/// Those of the server only where there is one.
fn buttons(guild: Option<GuildId>, user: UserId) -> Vec<CreateActionRow> {
    let button = |what: &str, label: &str, style| {
        let button = CreateButton::new(format!("{PREFIX}:{user}:{what}"));
        button.label(label).style(style)
    };
    let (on, off) = (ButtonStyle::Primary, ButtonStyle::Danger);
    let mut buttons = vec![
        button("on:global", "Register globally", on),
        button("off:global", "Unregister globally", off),
    ];
    if guild.is_some() {
        buttons.extend([
            button("on:guild", "Register here", on),
            button("off:guild", "Unregister here", off),
        ]);
    }
    vec![CreateActionRow::Buttons(buttons)]
}

/// What a press asks for, and who ran the command.
fn chosen(press: &Press, guild: Option<GuildId>) -> Option<(UserId, Choice)> {
    let [user, verb, place] = press.parts()?;
    let choice = choice(verb, place, guild)?;
    Some((user.parse().ok()?, choice))
}

fn choice(verb: &str, place: &str, guild: Option<GuildId>) -> Option<Choice> {
    let register = match verb {
        "on" => true,
        "off" => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_button_is_understood_where_it_is_shown() {
        for guild in [None, Some(GuildId::new(5))] {
            let rows = serde_json::to_value(buttons(guild, UserId::new(7).unwrap())).unwrap();
            let buttons = rows[0]["components"].as_array().unwrap();
            let choices: Vec<_> = buttons
                .iter()
                .map(|button| {
                    let id = button["custom_id"].as_str().unwrap();
                    let what = id.strip_prefix("register:7:").unwrap();
                    let (verb, place) = what.split_once(':').unwrap();
                    choice(verb, place, guild).unwrap()
                })
                .collect();
            let everywhere = [true, false].map(|register| Choice {
                register,
                guild: None,
            });
            assert_eq!(choices[..2], everywhere);
            assert!(choices[2..].iter().all(|choice| choice.guild == guild));
            assert_eq!(choices.len(), if guild.is_some() { 4 } else { 2 });
        }
        assert_eq!(choice("on", "guild", None), None);
        assert_eq!(choice("on", "", None), None);
        assert_eq!(choice("other", "global", None), None);
    }
}
