//! Presses under `/setup` and `/health`.

use futures_util::FutureExt as _;
use poise::serenity_prelude as serenity;
use serenity::{ComponentInteractionDataKind, EditInteractionResponse};
use splashtail_antinuke::Mode;
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_guild::Id;
use splashtail_permissions::NativePermissions;

use super::alert_channel::{self, LOOKS, PAUSE};
use super::look::{Alerts, Look};
use super::page::Page;
use super::service::Setup;
use super::step::Step;
use crate::catalogue::Language;
use crate::components::{Press, Presses};
use crate::configuration::{Asked, Way};
use crate::error::BotError;
use crate::framework::gate::member_standing;
use crate::ids;
use crate::modules::antinuke::POLICY;
use crate::settings::Fields;
use crate::text;

pub const SETUP: Presses = Presses {
    prefix: "setup",
    act: |press| set_up(press).boxed(),
};

pub const HEALTH: Presses = Presses {
    prefix: "health",
    act: |press| heal(press).boxed(),
};

/// What a press asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Look again, at a step or at everything.
    Look(Option<Step>),
    Next(Step),
    Anew,
    Alerts(ChannelId),
    /// Make a channel for alerts.
    Make,
    /// Let the bot write where alerts go.
    Speak,
    Mode(Mode),
}

impl Wish {
    fn read(press: &Press) -> Option<Self> {
        let mut parts = press.parts();
        let (verb, detail) = (parts.next()?, parts.next().unwrap_or_default());
        match verb {
            "go" => Step::parse(chosen(press)?).map(|step| Self::Look(Some(step))),
            "look" => Some(Self::Look(Step::parse(detail))),
            "next" => Step::parse(detail).map(Self::Next),
            "anew" => Some(Self::Anew),
            "alerts" => chosen_channel(press).map(Self::Alerts),
            "make" => Some(Self::Make),
            "speak" => Some(Self::Speak),
            "on" => Some(Self::Mode(Mode::On)),
            "mode" if detail == "on" => Some(Self::Mode(Mode::On)),
            "mode" if detail == "dry_run" => Some(Self::Mode(Mode::DryRun)),
            _ => None,
        }
    }

    /// The step whose page shows what became of it.
    fn step(self) -> Option<Step> {
        match self {
            Self::Look(step) => step,
            Self::Next(step) => step.next(),
            Self::Anew => Some(Step::Permissions),
            Self::Alerts(_) | Self::Make | Self::Speak => Some(Step::Alerts),
            Self::Mode(_) => Some(Step::Mode),
        }
    }
}

fn chosen(press: &Press) -> Option<&str> {
    match &press.interaction.data.kind {
        ComponentInteractionDataKind::StringSelect { values } => values.first().map(String::as_str),
        _ => None,
    }
}

fn chosen_channel(press: &Press) -> Option<ChannelId> {
    match &press.interaction.data.kind {
        ComponentInteractionDataKind::ChannelSelect { values } => {
            values.first().and_then(|id| ChannelId::new(id.get()))
        }
        _ => None,
    }
}

async fn set_up(press: Press) -> Result<(), BotError> {
    let (guild, wish) = begin(&press).await?;
    let setup = press.app.services.get::<Setup>()?;
    carry_out(&press, guild, wish).await?;
    let page = match (wish, wish.step()) {
        // The last step leads to what is still open.
        (Wish::Next(_), None) => setup.resume(&press.app, guild, press.language).await?,
        (_, step) => setup.page(&press.app, guild, press.language, step).await?,
    };
    show(&press, page).await
}

async fn heal(press: Press) -> Result<(), BotError> {
    let (guild, wish) = begin(&press).await?;
    let setup = press.app.services.get::<Setup>()?;
    carry_out(&press, guild, wish).await?;
    let may_act = is_owner(&press, guild)?;
    let page = setup
        .report(&press.app, guild, press.language, may_act)
        .await?;
    show(&press, page).await
}

async fn show(press: &Press, page: Page) -> Result<(), BotError> {
    let edit = EditInteractionResponse::new()
        .embed(page.embed)
        .components(page.components);
    Ok(press.show(edit).await?)
}

/// Who may press is decided now, not when the message was written.
async fn begin(press: &Press) -> Result<(GuildId, Wish), BotError> {
    let language = press.language;
    let guild = press.interaction.guild_id.map(ids::guild);
    let guild = guild.ok_or(BotError::NoGuild)?;
    let wish = Wish::read(press);
    let wish = wish.ok_or_else(|| BotError::Input(text!(language, "button-broken")))?;
    let refusal = match wish {
        Wish::Look(_) => (!may_read(press, guild)?).then(|| text!(language, "setup-not-yours")),
        _ => (!is_owner(press, guild)?).then(|| text!(language, "setup-owner")),
    };
    if let Some(refusal) = refusal {
        return Err(BotError::Input(refusal));
    }
    press.defer().await?;
    Ok((guild, wish))
}

fn is_owner(press: &Press, guild: GuildId) -> Result<bool, BotError> {
    let look = Look::at(&press.app, guild)?;
    let look = look.ok_or_else(|| unknown(press.language))?;
    Ok(look.owner == Some(ids::user(press.interaction.user.id)))
}

fn may_read(press: &Press, guild: GuildId) -> Result<bool, BotError> {
    let member = press.interaction.member.as_ref();
    let permissions = member.and_then(|member| member.permissions);
    let permissions = NativePermissions(permissions.map_or(0, |held| held.bits()));
    let manages = permissions.holds(NativePermissions::MANAGE_GUILD);
    Ok(manages || permissions.is_administrator() || is_owner(press, guild)?)
}

async fn carry_out(press: &Press, guild: GuildId, wish: Wish) -> Result<(), BotError> {
    let (app, language) = (&press.app, press.language);
    let setup = app.services.get::<Setup>()?;
    match wish {
        Wish::Look(_) => Ok(()),
        Wish::Next(step) => setup.pass(guild, step).await,
        Wish::Anew => setup.forget(guild).await,
        Wish::Alerts(channel) => {
            alert_channel::judge(app, guild, language, Id::new(channel.get()))?;
            send_alerts_to(press, guild, channel).await
        }
        Wish::Make => {
            let nonce = press.interaction.message.id.to_string();
            let made = alert_channel::make(app, guild, language, &nonce).await?;
            let made = ChannelId::new(made.get()).ok_or_else(|| unknown(language))?;
            send_alerts_to(press, guild, made).await
        }
        Wish::Speak => alert_channel::allow(app, guild, language).await,
        Wish::Mode(mode) => {
            let word = match mode {
                Mode::On => "on",
                Mode::DryRun => "dry_run",
                Mode::Off => "off",
            };
            set_policy(press, guild, "protection mode", ("mode", word.into())).await?;
            settle(press, guild, |look| look.mode == mode).await
        }
    }
}

async fn send_alerts_to(press: &Press, guild: GuildId, channel: ChannelId) -> Result<(), BotError> {
    let entry = ("alert_channel", channel.to_string());
    set_policy(press, guild, "protection alerts", entry).await?;
    let wanted = Alerts::Fine(Id::new(channel.get()));
    settle(press, guild, |look| look.alerts == wanted).await
}

/// As the command of that name does it, with all its checks.
async fn set_policy(
    press: &Press,
    guild: GuildId,
    command: &'static str,
    (column, value): (&str, String),
) -> Result<(), BotError> {
    let (app, user) = (&press.app, ids::user(press.interaction.user.id));
    let member = press.interaction.member.as_ref();
    let roles = member.map(|member| member.roles.iter().copied().map(ids::role).collect());
    let connection = app.state.connection();
    let connection = connection.ok_or_else(|| unknown(press.language))?;
    let standing = member_standing(connection, guild, user, roles).await;
    let asked = Asked {
        guild,
        user,
        standing: standing.map_err(BotError::Denied)?,
        custom: None,
        way: Way::Discord,
        command: Some(command),
    };
    let fields = Fields::from_iter([(column.to_owned(), value.into())]);
    app.configuration.set(&asked, POLICY, &fields).await?;
    Ok(())
}

/// Waits a little until what was set holds.
async fn settle(
    press: &Press,
    guild: GuildId,
    is_so: impl Fn(&Look) -> bool,
) -> Result<(), BotError> {
    for _ in 0..LOOKS {
        if Look::at(&press.app, guild)?.is_some_and(|look| is_so(&look)) {
            break;
        }
        press.app.clock.sleep(PAUSE).await;
    }
    Ok(())
}

pub(super) fn unknown(language: Language) -> BotError {
    BotError::Input(text!(language, "protection-unknown-server"))
}
