//! What users see when a command fails: a red embed with a title, a text and the way to support.

use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{CreateActionRow, CreateButton, CreateEmbed};
use splashtail_core::telemetry::Chain;
use tracing::{debug, error, info, warn};
use url::Url;

use crate::app::{self, Context, FrameworkError};
use crate::catalogue::Language;
use crate::colours;
use crate::discord_http::{describe, once_more};
use crate::error::BotError;
use crate::markdown::{neutralise, shorten};
use crate::reply::{self, Failed};
use crate::text;

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
            report(ctx, |language| {
                Failure::of(language, &error, text!(language, "error-title"))
            })
            .await;
        }
        FrameworkError::CommandCheckFailed { error, ctx, .. } => {
            let Some(error) = error else { return };
            log(ctx, &error, "a command was not run");
            report(ctx, |language| {
                Failure::of(language, &error, text!(language, "error-denied"))
            })
            .await;
        }
        FrameworkError::CommandPanic { payload, ctx, .. } => {
            let panic = payload.as_deref().unwrap_or("unknown");
            error!(
                command = ctx.command().qualified_name.as_ref(),
                panic, "a command panicked"
            );
            report(ctx, |language| Failure {
                title: text!(language, "error-broken"),
                text: text!(language, "error-panicked"),
                code: None,
            })
            .await;
        }
        FrameworkError::CooldownHit {
            remaining_cooldown,
            ctx,
            ..
        } => {
            let seconds = remaining_cooldown.as_secs() + 1;
            report(ctx, |language| Failure {
                title: text!(language, "error-too-fast"),
                text: text!(language, "error-wait", seconds = seconds),
                code: None,
            })
            .await;
        }
        FrameworkError::ArgumentParse {
            error, input, ctx, ..
        } => {
            report(ctx, |language| {
                bad_argument(language, &error.to_string(), input.as_deref())
            })
            .await;
        }
        FrameworkError::SubcommandRequired { ctx } => {
            let names: Vec<_> = ctx
                .command()
                .subcommands
                .iter()
                .map(|sub| format!("`{}`", sub.qualified_name))
                .collect();
            report(ctx, |language| Failure {
                title: text!(language, "error-subcommands"),
                text: text!(language, "error-choose", names = names.join(", ")),
                code: None,
            })
            .await;
        }
        FrameworkError::GuildOnly { ctx, .. } => {
            report(ctx, |language| {
                Failure::of(language, &BotError::NoGuild, text!(language, "error-title"))
            })
            .await;
        }
        FrameworkError::MissingBotPermissions {
            missing_permissions,
            ctx,
            ..
        } => {
            let missing = missing_permissions.to_string();
            report(ctx, |language| Failure {
                title: text!(language, "error-bot-may-not"),
                text: text!(language, "error-bot-lacks", permissions = missing.as_str()),
                code: None,
            })
            .await;
        }
        FrameworkError::CommandStructureMismatch {
            description, ctx, ..
        } => {
            warn!(
                command = ctx.command().qualified_name.as_ref(),
                description, "Discord's copy of a command is not ours"
            );
            report(ctx.into(), |language| Failure {
                title: text!(language, "error-old-form"),
                text: text!(language, "error-reload"),
                code: None,
            })
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
    title: String,
    text: String,
    /// The code of a denial.
    code: Option<&'static str>,
}

impl Failure {
    fn of(language: Language, error: &BotError, title: String) -> Self {
        let (title, code) = match error {
            BotError::Denied(result) => (text!(language, "error-denied"), Some(result.code())),
            BotError::Input(_)
            | BotError::Settings(_)
            | BotError::NoSetting(_)
            | BotError::SettingsBusy => (text!(language, "error-input"), None),
            BotError::Guarded(_) => (text!(language, "error-guarded"), None),
            BotError::Jobserver(_) => (text!(language, "error-job"), None),
            _ => (title, None),
        };
        Self {
            title,
            text: error.user_text(language),
            code,
        }
    }

    fn embed(&self, language: Language) -> CreateEmbed {
        let embed = CreateEmbed::new()
            .title(&self.title)
            .description(shorten(&self.text, MAX_DESCRIPTION))
            .colour(colours::RED);
        match self.code {
            Some(code) => embed.field(text!(language, "error-code"), format!("`{code}`"), false),
            None => embed,
        }
    }
}

fn bad_argument(language: Language, problem: &str, input: Option<&str>) -> Failure {
    let problem = neutralise(problem);
    let text = match input {
        Some(input) => format!("`{}`: {problem}", shorten(input, 100).replace('`', "'")),
        None => problem,
    };
    Failure {
        title: text!(language, "error-option"),
        text,
        code: None,
    }
}

fn support_button(language: Language, support: &Url) -> CreateActionRow {
    let label = text!(language, "error-support");
    CreateActionRow::Buttons(vec![CreateButton::new_link(support.as_str()).label(label)])
}

/// Fills the deferred answer, or sends the first one for the user's eyes only. Autocomplete has no
/// place for messages.
async fn report(cx: Context<'_>, failure: impl FnOnce(Language) -> Failure) {
    let answered = match cx {
        Context::Application(application)
            if application.interaction_type == poise::CommandInteractionType::Autocomplete =>
        {
            return;
        }
        Context::Application(application) => application
            .has_sent_initial_response
            .load(std::sync::atomic::Ordering::SeqCst),
        Context::Prefix(_) => false,
    };
    // Where the answer was deferred, everybody reads it.
    let language = match answered {
        true => app::language_here(cx),
        false => app::reader_language(cx),
    };
    let support = &cx.data().config.meta.support_server;
    let message = CreateReply::default()
        .content("")
        .embed(failure(language).embed(language))
        .components(vec![support_button(language, support)])
        .ephemeral(true);
    let sent = match answered {
        true => reply::answer(cx, message).await.map(drop),
        false if matches!(cx, Context::Application(_)) => {
            let sent = once_more(|| cx.send(message.clone())).await;
            sent.map(drop).map_err(Failed::from)
        }
        false => reply::answer(cx, message).await.map(drop),
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
        serde_json::to_value(failure.embed(Language::English)).unwrap()
    }

    #[test]
    fn a_denial_is_red_and_has_a_code() {
        let error = BotError::Denied(PermissionResult::CommandDisabled {
            command: "ping".into(),
        });
        insta::assert_json_snapshot!(shown(&Failure::of(Language::English, &error, "x".into())), @r#"
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
        let failure = Failure {
            title: "t".into(),
            text: "ä".repeat(5000),
            code: None,
        };
        let description = shown(&failure)["description"]
            .as_str()
            .unwrap()
            .chars()
            .count();
        assert_eq!(description, MAX_DESCRIPTION);
    }

    #[test]
    fn bad_arguments_are_quoted_harmlessly() {
        let failure = bad_argument(
            Language::English,
            "expected a **number**",
            Some("`x` @everyone"),
        );
        assert_eq!(failure.text, r"`'x' @everyone`: expected a \*\*number\*\*");
    }

    #[test]
    fn storage_failures_say_nothing_of_the_database() {
        let cause = StorageError::Address("postgres://user:secret@db".to_owned());
        let failure = Failure::of(Language::English, &BotError::Storage(cause), "t".into());
        insta::assert_snapshot!(failure.text, @"The database did not answer. Please try again in a minute.");
    }
}
