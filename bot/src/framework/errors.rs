//! What users see when a command fails: a red embed with a title, a text and the way to support.

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{CreateActionRow, CreateButton, CreateEmbed};
use splashtail_core::telemetry::Chain;
use tracing::{debug, error, info, warn};
use url::Url;

use crate::app::{Context, FrameworkError};
use crate::colours;
use crate::discord_http::{describe, once_more};
use crate::error::BotError;
use crate::markdown::{cut, neutralise};
use crate::reply::{self, Failed};

/// Longest description of an embed (Discord documentation, "Embed Limits").
const MAX_DESCRIPTION: usize = 4096;

pub async fn on_error(error: FrameworkError<'_>) {
    match error {
        FrameworkError::Setup { error, .. } => {
            error!(error = %Chain(&error), "the framework was not set up");
        }
        FrameworkError::EventHandler { error, event, .. } => {
            error!(event = event.snake_case_name(), error = %Chain(&error), "an event failed");
        }
        FrameworkError::Command { error, ctx, .. } => {
            log(ctx, &error, "a command failed");
            report(ctx, Failure::of(&error, "The command failed")).await;
        }
        FrameworkError::CommandCheckFailed { error, ctx, .. } => {
            let Some(error) = error else { return };
            log(ctx, &error, "a command was not run");
            report(ctx, Failure::of(&error, "You cannot run this command")).await;
        }
        FrameworkError::CommandPanic { payload, ctx, .. } => {
            let panic = payload.as_deref().unwrap_or("no message");
            error!(
                command = ctx.command().qualified_name.as_ref(),
                panic, "a command panicked"
            );
            report(ctx, Failure::new("Something broke", PANICKED)).await;
        }
        FrameworkError::CooldownHit {
            remaining_cooldown,
            ctx,
            ..
        } => {
            let seconds = remaining_cooldown.as_secs() + 1;
            let text = format!("Please wait {seconds} s before you run this command again.");
            report(ctx, Failure::new("Too fast", text)).await;
        }
        FrameworkError::ArgumentParse {
            error, input, ctx, ..
        } => {
            report(ctx, bad_argument(&error.to_string(), input.as_deref())).await;
        }
        FrameworkError::SubcommandRequired { ctx } => {
            let names: Vec<_> = ctx
                .command()
                .subcommands
                .iter()
                .map(|sub| format!("`{}`", sub.qualified_name))
                .collect();
            let text = format!("Choose one of: {}", names.join(", "));
            report(ctx, Failure::new("This command has subcommands", text)).await;
        }
        FrameworkError::GuildOnly { ctx, .. } => {
            report(ctx, Failure::of(&BotError::NoGuild, "The command failed")).await;
        }
        FrameworkError::MissingBotPermissions {
            missing_permissions,
            ctx,
            ..
        } => {
            let text = format!("The bot lacks these permissions here: {missing_permissions}");
            report(ctx, Failure::new("The bot may not do this", text)).await;
        }
        FrameworkError::CommandStructureMismatch {
            description, ctx, ..
        } => {
            warn!(
                command = ctx.command().qualified_name.as_ref(),
                description, "Discord's copy of a command is not ours"
            );
            report(
                ctx.into(),
                Failure::new("The command is out of date", OUT_OF_DATE),
            )
            .await;
        }
        FrameworkError::UnknownCommand { .. } => {}
        FrameworkError::UnknownInteraction { interaction, .. } => {
            warn!(
                command = interaction.data.name,
                "Discord knows a command that we do not"
            );
        }
        other => {
            if let Err(error) = poise::builtins::on_error(other).await {
                debug!(error = describe(&error), "an error reply was not sent");
            }
        }
    }
}

const PANICKED: &str = "This is a mistake in the bot. It was written down and will be looked at.";
const OUT_OF_DATE: &str =
    "Discord still shows an older form of this command. Please reload Discord and try again.";

fn log(cx: Context<'_>, error: &BotError, message: &str) {
    let outcome = if error.is_ours() { "failed" } else { "refused" };
    metrics::counter!("bot_commands_total", "outcome" => outcome).increment(1);
    let command = cx.command().qualified_name.as_ref();
    let user = cx.author().id;
    match error {
        BotError::Discord(cause) => {
            // Its own text can hold the address of an interaction, and that its token.
            error!(command, user.id = %user, error = cause.describe(), "{message}");
        }
        error if error.is_ours() => {
            error!(command, user.id = %user, error = %Chain(error), "{message}");
        }
        error => info!(command, user.id = %user, reason = %error, "{message}"),
    }
}

/// What is shown.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    title: &'static str,
    text: String,
    /// The code of a denial.
    code: Option<&'static str>,
}

impl Failure {
    fn new(title: &'static str, text: impl Into<String>) -> Self {
        Self {
            title,
            text: text.into(),
            code: None,
        }
    }

    fn of(error: &BotError, title: &'static str) -> Self {
        match error {
            BotError::Denied(result) => {
                let title = "You cannot run this command";
                Self {
                    title,
                    text: error.user_text(),
                    code: Some(result.code()),
                }
            }
            BotError::Input(_) => Self::new("This does not work", error.user_text()),
            BotError::Guarded(_) => Self::new("Others have to agree", error.user_text()),
            BotError::Jobserver(_) => Self::new("The job was not started", error.user_text()),
            error => Self::new(title, error.user_text()),
        }
    }

    fn embed(&self) -> CreateEmbed {
        let embed = CreateEmbed::new()
            .title(self.title)
            .description(cut(&self.text, MAX_DESCRIPTION))
            .colour(colours::RED);
        match self.code {
            Some(code) => embed.field("Code", format!("`{code}`"), false),
            None => embed,
        }
    }
}

fn bad_argument(problem: &str, input: Option<&str>) -> Failure {
    let problem = neutralise(problem);
    let text = match input {
        Some(input) => format!("`{}`: {problem}", cut(input, 100).replace('`', "'")),
        None => problem,
    };
    Failure::new("An option cannot be used", text)
}

fn support_button(support: &Url) -> CreateActionRow {
    CreateActionRow::Buttons(vec![
        CreateButton::new_link(support.as_str()).label("Support server"),
    ])
}

/// Fills the deferred answer, or sends the first one for the user's eyes only. Autocomplete has no
/// place for messages.
async fn report(cx: Context<'_>, failure: Failure) {
    if let Context::Application(application) = cx
        && application.interaction_type == poise::CommandInteractionType::Autocomplete
    {
        return;
    }
    let message = CreateReply::default()
        .content("")
        .embed(failure.embed())
        .components(vec![support_button(&cx.data().config.meta.support_server)])
        .ephemeral(true);
    let sent = match cx {
        Context::Application(application)
            if !application
                .has_sent_initial_response
                .load(std::sync::atomic::Ordering::SeqCst) =>
        {
            let sent = once_more(|| cx.send(message.clone())).await;
            sent.map(drop).map_err(Failed::from)
        }
        _ => reply::answer(cx, message).await.map(drop),
    };
    if let Err(error) = sent {
        warn!(error = error.describe(), "an error reply was not sent");
    }
}

#[cfg(test)]
mod tests {
    use splashtail_permissions::PermissionResult;
    use splashtail_storage::StorageError;

    use super::*;

    fn shown(failure: &Failure) -> serde_json::Value {
        serde_json::to_value(failure.embed()).unwrap()
    }

    #[test]
    fn a_denial_is_red_and_has_a_code() {
        let error = BotError::Denied(PermissionResult::CommandDisabled {
            command: "ping".into(),
        });
        insta::assert_json_snapshot!(shown(&Failure::of(&error, "x")), @r#"
        {
          "title": "You cannot run this command",
          "type": "rich",
          "description": "The command `ping` is disabled in this server.",
          "color": 15158332,
          "fields": [
            {
              "name": "Code",
              "value": "`command_disabled`",
              "inline": false
            }
          ]
        }
        "#);
    }

    #[test]
    fn long_texts_fit() {
        let failure = Failure::new("t", "ä".repeat(5000));
        let description = shown(&failure)["description"]
            .as_str()
            .unwrap()
            .chars()
            .count();
        assert_eq!(description, MAX_DESCRIPTION);
    }

    #[test]
    fn bad_arguments_are_quoted_harmlessly() {
        let failure = bad_argument("expected a **number**", Some("`x` @everyone"));
        assert_eq!(failure.text, r"`'x' @everyone`: expected a \*\*number\*\*");
    }

    #[test]
    fn storage_failures_say_nothing_of_the_database() {
        let cause = StorageError::Address("postgres://user:secret@db".to_owned());
        let failure = Failure::of(&BotError::Storage(cause), "The command failed");
        insta::assert_snapshot!(failure.text, @"The database did not answer. Please try again in a minute.");
    }
}
