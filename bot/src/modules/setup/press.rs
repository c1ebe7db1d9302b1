//! Presses under `/setup` and `/health`.

use std::sync::Arc;

use poise::CreateReply;
use splashtail_antinuke::Mode;
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_guild::Id;
use splashtail_permissions::NativePermissions;

use super::alert_channel::{self, LOOKS, PAUSE};
use super::look::{Alerts, Look};
use super::page::Page;
use super::service::Setup;
use super::step::Step;
use crate::app::Data;
use crate::catalogue::Language;
use crate::error::BotError;
use crate::framework::setting_commands::asked_by;
use crate::modules::antinuke::POLICY;
use crate::presses::{Change, Press, Presses, Reaction};
use crate::settings::Fields;
use crate::text;

pub fn set_up() -> Presses {
    Presses::new("setup", |app, press| {
        react(app, press, |app, press, guild, wish| async move {
            let setup = app.services.get::<Setup>()?;
            match (wish, wish.step()) {
                // The last step leads to what is still open.
                (Wish::Next(_), None) => setup.resume(&app, guild, press.language).await,
                (_, step) => setup.page(&app, guild, press.language, step).await,
            }
        })
    })
}

pub fn heal() -> Presses {
    Presses::new("health", |app, press| {
        react(app, press, |app, press, guild, _| async move {
            let setup = app.services.get::<Setup>()?;
            let may_act = is_owner(&app, &press, guild)?;
            setup.report(&app, guild, press.language, may_act).await
        })
    })
}

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
        let mut parts = press.custom_id.split(':').skip(1);
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
    press.values.first().map(String::as_str)
}

fn chosen_channel(press: &Press) -> Option<ChannelId> {
    chosen(press)?.parse().ok()
}

/// Who may press is decided now, not when the message was written.
fn react<F>(
    app: &Data,
    press: &Arc<Press>,
    page: impl FnOnce(Data, Arc<Press>, GuildId, Wish) -> F + Send + 'static,
) -> Reaction
where
    F: Future<Output = Result<Page, BotError>> + Send,
{
    let language = press.language;
    let Some(wish) = Wish::read(press) else {
        return Reaction::stale(press);
    };
    let judged = press.guild().and_then(|guild| {
        let refusal = match wish {
            Wish::Look(_) => {
                (!may_read(app, press, guild)?).then(|| text!(language, "setup-not-yours"))
            }
            _ => (!is_owner(app, press, guild)?).then(|| text!(language, "setup-owner")),
        };
        if let Some(refusal) = refusal {
            return Err(BotError::Input(refusal));
        }
        // Known from memory: whoever chose hears of it at once.
        if let Wish::Alerts(channel) = wish {
            alert_channel::judge(app, guild, language, Id::new(channel.get()))?;
        }
        Ok(guild)
    });
    let guild = match judged {
        Ok(guild) => guild,
        Err(error) => return Reaction::Refuse(error.user_text(language)),
    };
    let (app, press) = (Arc::clone(app), Arc::clone(press));
    let done = Reaction::change(async move {
        carry_out(&app, &press, guild, wish).await?;
        let Page { embed, components } = page(app, press, guild, wish).await?;
        Change::show(CreateReply::default().embed(embed).components(components))
    });
    match wish {
        Wish::Look(_) => done.at_once(),
        _ => done,
    }
}

fn is_owner(app: &Data, press: &Press, guild: GuildId) -> Result<bool, BotError> {
    let look = Look::at(app, guild)?;
    let look = look.ok_or_else(|| unknown(press.language))?;
    Ok(look.owner == Some(press.user))
}

fn may_read(app: &Data, press: &Press, guild: GuildId) -> Result<bool, BotError> {
    let permissions = press.permissions;
    let manages = permissions.holds(NativePermissions::MANAGE_GUILD);
    Ok(manages || permissions.is_administrator() || is_owner(app, press, guild)?)
}

async fn carry_out(app: &Data, press: &Press, guild: GuildId, wish: Wish) -> Result<(), BotError> {
    let language = press.language;
    let setup = app.services.get::<Setup>()?;
    match wish {
        Wish::Look(_) => Ok(()),
        Wish::Next(step) => setup.pass(guild, step).await,
        Wish::Anew => setup.forget(guild).await,
        Wish::Alerts(channel) => send_alerts_to(app, press, guild, channel).await,
        Wish::Make => {
            let nonce = press
                .message
                .map_or_else(String::new, |message| message.to_string());
            let made = alert_channel::make(app, guild, language, &nonce).await?;
            let made = ChannelId::new(made.get()).ok_or_else(|| unknown(language))?;
            send_alerts_to(app, press, guild, made).await
        }
        Wish::Speak => alert_channel::allow(app, guild, language).await,
        Wish::Mode(mode) => {
            let word = match mode {
                Mode::On => "on",
                Mode::DryRun => "dry_run",
                Mode::Off => "off",
            };
            set_policy(app, press, "protection mode", ("mode", word.into())).await?;
            settle(app, guild, |look| look.mode == mode).await
        }
    }
}

async fn send_alerts_to(
    app: &Data,
    press: &Press,
    guild: GuildId,
    channel: ChannelId,
) -> Result<(), BotError> {
    let entry = ("alert_channel", channel.to_string());
    set_policy(app, press, "protection alerts", entry).await?;
    let wanted = Alerts::Fine(Id::new(channel.get()));
    settle(app, guild, |look| look.alerts == wanted).await
}

/// As the command of that name does it, with all its checks.
async fn set_policy(
    app: &Data,
    press: &Press,
    command: &'static str,
    (column, value): (&str, String),
) -> Result<(), BotError> {
    let asked = asked_by(app, press, Some(command)).await?;
    let fields = Fields::from_iter([(column.to_owned(), value.into())]);
    app.configuration.set(&asked, POLICY, &fields).await?;
    Ok(())
}

/// Waits a little until what was set holds.
async fn settle(app: &Data, guild: GuildId, is_so: impl Fn(&Look) -> bool) -> Result<(), BotError> {
    for _ in 0..LOOKS {
        if Look::at(app, guild)?.is_some_and(|look| is_so(&look)) {
            break;
        }
        app.clock.sleep(PAUSE).await;
    }
    Ok(())
}

pub(super) fn unknown(language: Language) -> BotError {
    BotError::Input(text!(language, "protection-unknown-server"))
}
