//! `/raid`.

use chrono::TimeDelta;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use serenity::CreateEmbed;
use splashtail_raid::Mode;

use super::decide::Wish;
use super::service::Watch;
use super::settings::POLICY;
use super::text as card;
use crate::app::{self, Context};
use crate::colours;
use crate::configuration::Changed;
use crate::error::BotError;
use crate::framework::setting_commands::{asked, takes_back};
use crate::ids;
use crate::reply;
use crate::settings::interval;
use crate::text;

/// Longest list of people in one answer, in characters.
const LONGEST: usize = 3800;

#[derive(Debug, Clone, Copy, poise::ChoiceParameter)]
enum ModeChoice {
    #[name = "off: nothing is judged"]
    Off,
    #[name = "dry run: told, nothing done"]
    DryRun,
    #[name = "ask: held, banned on your word"]
    Ask,
    #[name = "auto: banned if beyond doubt"]
    Auto,
}

/// What stops crowds of accounts that come to do harm.
#[poise::command(
    slash_command,
    guild_only,
    subcommands(
        "status", "mode", "alerts", "expect", "people", "ban", "hold", "letin", "undo"
    ),
    subcommand_required
)]
pub(super) async fn raid(_cx: Context<'_>) -> Result<(), BotError> {
    Ok(())
}

/// See how many usually come, and how the latest wave stands.
#[poise::command(slash_command, guild_only)]
async fn status(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let watch = cx.data().services.get::<Watch>()?;
    let wishes = watch.policies.get(guild).await?;
    let mut lines = vec![match wishes.policy.mode {
        Mode::Off => text!(language, "raid-is-off"),
        Mode::DryRun => text!(language, "raid-is-dry"),
        Mode::Ask => text!(language, "raid-is-ask"),
        Mode::Auto => text!(language, "raid-is-auto"),
    }];
    lines.push(match watch.alert_channel(guild) {
        Some(channel) => text!(language, "raid-alerts", channel = format!("<#{channel}>")),
        None => text!(language, "raid-alerts-none"),
    });
    if let Some(expected) = wishes.policy.expected {
        let until = format!("<t:{}:f>", expected.until.0 / 1000);
        lines.push(text!(
            language,
            "raid-expects",
            people = expected.people,
            until = until
        ));
    }
    if let Some(server) = watch.load_known(guild).await {
        let now = watch.now();
        let (usual, wave) = server.read(|engine| {
            (
                engine.usual(now),
                engine
                    .wave()
                    .map(|wave| card::person_counts(language, wave)),
            )
        });
        lines.push(text!(
            language,
            "raid-usual",
            usual = language.decimal(usual, 1)
        ));
        lines.extend(wave);
    }
    show(cx, lines).await
}

/// Choose what is done about raids.
#[poise::command(slash_command, guild_only)]
async fn mode(
    cx: Context<'_>,
    #[description = "What is done about raids"] mode: ModeChoice,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let language = app::language_here(cx);
    let (mode, said) = match mode {
        ModeChoice::Off => ("off", text!(language, "raid-is-off")),
        ModeChoice::DryRun => ("dry_run", text!(language, "raid-is-dry")),
        ModeChoice::Ask => ("ask", text!(language, "raid-is-ask")),
        ModeChoice::Auto => ("auto", text!(language, "raid-is-auto")),
    };
    let done = set(cx, "raid mode", json!({"mode": mode})).await?;
    show_done(cx, said, &done).await
}

/// Choose where alerts about raids go.
#[poise::command(slash_command, guild_only)]
async fn alerts(
    cx: Context<'_>,
    #[description = "A channel that only staff can read"] channel: serenity::ChannelId,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let language = app::language_here(cx);
    let fields = json!({"alert_channel": channel.to_string()});
    let done = set(cx, "raid alerts", fields).await?;
    let said = text!(language, "raid-alerts", channel = format!("<#{channel}>"));
    show_done(cx, said, &done).await
}

/// Say that many will come, and that this is fine.
#[poise::command(slash_command, guild_only)]
async fn expect(
    cx: Context<'_>,
    #[description = "How many, about; nothing: the crowd is over"]
    #[min = 1]
    #[max = 100_000]
    people: Option<u32>,
    #[description = "For how long, such as 2h or 3d; 12 hours if you say nothing, 7 days at most"]
    length: Option<String>,
) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let language = app::language_here(cx);
    let Some(people) = people else {
        let nobody =
            json!({"expected_people": null, "expected_from": null, "expected_until": null});
        let done = set(cx, "raid expect", nobody).await?;
        return show_done(cx, text!(language, "raid-expects-nobody"), &done).await;
    };
    let own = app::reader_language(cx);
    let wrong = || BotError::Input(text!(own, "raid-length"));
    let length = length.unwrap_or_else(|| "12h".to_owned());
    let length = interval(&length).ok_or_else(wrong)?;
    let length = TimeDelta::try_seconds(length).ok_or_else(wrong)?;
    let from = cx.data().clock.now();
    let until = from.checked_add_signed(length).ok_or_else(wrong)?;
    let fields = json!({"expected_people": people, "expected_from": from.timestamp(),
                        "expected_until": until.timestamp()});
    let done = set(cx, "raid expect", fields).await?;
    let until = format!("<t:{}:f>", until.timestamp());
    let said = text!(language, "raid-expects", people = people, until = until);
    show_done(cx, said, &done).await
}

/// See who belongs to the latest wave, and why.
#[poise::command(slash_command, guild_only)]
async fn people(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let (guild, language) = (ids::guild_of(cx)?, app::language_here(cx));
    let watch = cx.data().services.get::<Watch>()?;
    let server = watch.load_known(guild).await;
    let wave = server.and_then(|server| server.read(|engine| engine.wave().cloned()));
    let said = match wave {
        None => text!(language, "raid-none"),
        Some(wave) => {
            card::people(language, &wave, LONGEST).unwrap_or_else(|| text!(language, "raid-nobody"))
        }
    };
    show(cx, vec![said]).await
}

/// Ban all raiders of the latest wave, also those who still come.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn ban(cx: Context<'_>) -> Result<(), BotError> {
    decide(cx, Wish::Ban).await
}

/// Hold everybody of the latest wave who may be a raider.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn hold(cx: Context<'_>) -> Result<(), BotError> {
    decide(cx, Wish::Hold).await
}

/// Let everybody of the latest wave in, or one person: it was nothing.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn letin(
    cx: Context<'_>,
    #[description = "This one alone; an id is enough"] person: Option<serenity::UserId>,
) -> Result<(), BotError> {
    let Some(person) = person else {
        return decide(cx, Wish::LetIn).await;
    };
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let by = (ids::user(cx.author().id), app::language_here(cx));
    let watch = cx.data().services.get::<Watch>()?;
    let said = watch.let_in(guild, ids::user(person), by).await?;
    show(cx, vec![said]).await
}

/// Take back what was done about the latest wave, bans as well.
#[poise::command(slash_command, guild_only, user_cooldown = 5)]
async fn undo(cx: Context<'_>) -> Result<(), BotError> {
    decide(cx, Wish::Undo).await
}

async fn decide(cx: Context<'_>, wish: Wish) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let by = (ids::user(cx.author().id), app::language_here(cx));
    let watch = cx.data().services.get::<Watch>()?;
    let said = watch.decide(guild, None, wish, by).await?;
    show(cx, vec![said]).await
}

/// Changes the policy, and has the engine go by it before it is said.
async fn set(cx: Context<'_>, command: &'static str, fields: Value) -> Result<Changed, BotError> {
    let asked = asked(cx, Some(command)).await?;
    let fields = fields.as_object().cloned().unwrap_or_default();
    let configuration = &cx.data().configuration;
    let done = configuration.set(&asked, POLICY, &fields).await?;
    let watch = cx.data().services.get::<Watch>()?;
    let wishes = watch.policies.get(asked.guild).await?;
    if let Some(server) = watch.server(asked.guild) {
        server.ask(|engine| {
            engine.set_policy(wishes.policy.clone());
            Vec::new()
        });
    }
    Ok(done)
}

async fn show_done(cx: Context<'_>, said: String, done: &Changed) -> Result<(), BotError> {
    let mut lines = vec![said];
    if done.made {
        lines.push(takes_back(app::language_here(cx), done.version));
    }
    show(cx, lines).await
}

async fn show(cx: Context<'_>, lines: Vec<String>) -> Result<(), BotError> {
    let title = text!(app::language_here(cx), "raid-title");
    let embed = CreateEmbed::new()
        .title(title)
        .description(lines.join("\n"))
        .colour(colours::BLUE);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}
