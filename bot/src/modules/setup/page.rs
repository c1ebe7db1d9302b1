//! A step of setting up, as its message.

use poise::serenity_prelude as serenity;
use serenity::{
    ButtonStyle, ChannelType, CreateActionRow, CreateButton, CreateEmbed, CreateSelectMenu,
    CreateSelectMenuKind, CreateSelectMenuOption,
};
use splashtail_antinuke::Mode;
use url::Url;

use super::look::{Alerts, Look};
use super::step::{Progress, Step};
use super::words;
use crate::catalogue::Language;
use crate::colours;
use crate::text;

/// What a message shows.
#[derive(Debug, Clone)]
pub struct Page {
    pub embed: CreateEmbed,
    pub components: Vec<CreateActionRow>,
}

/// What is shown beside the step itself.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    pub language: Language,
    pub look: &'a Look,
    /// Steps that the owner passed.
    pub passed: &'a [String],
    /// Where to give the bot more permissions.
    pub invite: &'a Url,
    /// The same with Administrator.
    pub invite_all: &'a Url,
}

impl Page {
    /// The step, or that everything is done.
    pub fn of(around: Around<'_>, step: Option<Step>) -> Self {
        match step {
            Some(step) => Self::step(around, step),
            None => Self::end(around),
        }
    }

    fn step(around: Around<'_>, step: Step) -> Self {
        let Around {
            language,
            look,
            passed,
            ..
        } = around;
        let title = text!(
            language,
            "setup-title",
            number = step.number(),
            of = Step::ALL.len(),
            step = name(language, step)
        );
        let done = step.progress(look, passed) == Progress::Done;
        let embed = CreateEmbed::new()
            .title(title)
            .description(describe(around, step))
            .colour(if done { colours::GREEN } else { colours::BLUE });
        let mut components = vec![menu(around, Some(step))];
        components.extend(choices(around, step));
        components.push(CreateActionRow::Buttons(buttons(around, step)));
        Self { embed, components }
    }

    fn end(around: Around<'_>) -> Self {
        let Around {
            language,
            look,
            passed,
            ..
        } = around;
        let mut lines = vec![match look.mode {
            Mode::On => text!(language, "setup-end-on"),
            Mode::DryRun => text!(language, "setup-end-dry-run"),
            Mode::Off => text!(language, "setup-end-off"),
        }];
        let passed: Vec<String> = Step::ALL
            .into_iter()
            .filter(|step| step.progress(look, passed) == Progress::Passed)
            .map(|step| name(language, step))
            .collect();
        if !passed.is_empty() {
            lines.push(text!(
                language,
                "setup-end-passed",
                steps = passed.join(", ")
            ));
        }
        lines.push(text!(language, "setup-end-health"));
        let embed = CreateEmbed::new()
            .title(text!(language, "setup-end-title"))
            .description(lines.join("\n\n"))
            .colour(colours::GREEN);
        let anew = CreateButton::new("setup:anew")
            .label(text!(language, "setup-anew"))
            .style(ButtonStyle::Secondary);
        Self {
            embed,
            components: vec![menu(around, None), CreateActionRow::Buttons(vec![anew])],
        }
    }
}

fn name(language: Language, step: Step) -> String {
    match step {
        Step::Permissions => text!(language, "setup-step-permissions"),
        Step::Sight => text!(language, "setup-step-sight"),
        Step::Position => text!(language, "setup-step-position"),
        Step::Alerts => text!(language, "setup-step-alerts"),
        Step::Limits => text!(language, "setup-step-limits"),
        Step::Mode => text!(language, "setup-step-mode"),
    }
}

fn describe(around: Around<'_>, step: Step) -> String {
    let Around { language, look, .. } = around;
    match step {
        Step::Permissions if look.is_administrator() => {
            text!(language, "setup-permissions-administrator")
        }
        Step::Permissions if look.lacking.is_empty() => text!(language, "setup-permissions-done"),
        Step::Permissions => [
            text!(language, "setup-permissions"),
            words::lacking(language, look),
            text!(language, "setup-permissions-ways"),
        ]
        .join("\n\n"),
        Step::Sight if look.hidden.is_empty() => {
            text!(language, "setup-sight-done", channels = look.channels)
        }
        Step::Sight => [
            text!(
                language,
                "setup-sight",
                hidden = look.hidden_count(),
                channels = look.channels
            ),
            words::hidden(language, look),
            text!(
                language,
                "setup-sight-ways",
                role = words::own_role(language, look)
            ),
        ]
        .join("\n\n"),
        Step::Position if look.above.is_empty() => text!(language, "setup-position-done"),
        Step::Position => [
            text!(
                language,
                "setup-position",
                roles = words::roles(language, &look.above)
            ),
            text!(
                language,
                "setup-position-ways",
                role = words::own_role(language, look)
            ),
        ]
        .join("\n\n"),
        Step::Alerts => {
            let now = match look.alerts {
                Alerts::Nowhere => text!(language, "setup-alerts-none"),
                Alerts::Gone(_) => text!(language, "setup-alerts-gone"),
                Alerts::Mute(id, lacking) => text!(
                    language,
                    "setup-alerts-mute",
                    channel = format!("<#{id}>"),
                    permissions = words::permissions(language, lacking)
                ),
                Alerts::Fine(id) => {
                    text!(language, "setup-alerts-fine", channel = format!("<#{id}>"))
                }
            };
            [now, text!(language, "setup-alerts")].join("\n\n")
        }
        Step::Limits => text!(language, "setup-limits"),
        Step::Mode => {
            let now = match look.mode {
                Mode::On => text!(language, "setup-mode-on"),
                Mode::DryRun => text!(language, "setup-mode-dry-run"),
                Mode::Off => text!(language, "setup-mode-off"),
            };
            [now, text!(language, "setup-mode")].join("\n\n")
        }
    }
}

/// All steps, to go to any.
fn menu(around: Around<'_>, current: Option<Step>) -> CreateActionRow {
    let Around {
        language,
        look,
        passed,
        ..
    } = around;
    let options = Step::ALL.into_iter().map(|step| {
        let mark = match step.progress(look, passed) {
            Progress::Done => '✅',
            Progress::Passed => '➖',
            Progress::Open => '⬜',
        };
        CreateSelectMenuOption::new(name(language, step), step.id())
            .emoji(mark)
            .default_selection(current == Some(step))
    });
    let kind = CreateSelectMenuKind::String {
        options: options.collect(),
    };
    let menu = CreateSelectMenu::new("setup:go", kind);
    CreateActionRow::SelectMenu(menu.placeholder(text!(language, "setup-go")))
}

/// What the step lets choose.
fn choices(around: Around<'_>, step: Step) -> Option<CreateActionRow> {
    let Around { language, look, .. } = around;
    match step {
        Step::Alerts => Some(channel_menu(
            "setup:alerts",
            text!(language, "setup-choose-channel"),
        )),
        Step::Mode => Some(CreateActionRow::Buttons(vec![
            CreateButton::new("setup:mode:on")
                .label(text!(language, "setup-switch-on"))
                .style(ButtonStyle::Success)
                .disabled(look.mode == Mode::On),
            CreateButton::new("setup:mode:dry_run")
                .label(text!(language, "setup-switch-dry-run"))
                .style(ButtonStyle::Secondary)
                .disabled(look.mode == Mode::DryRun),
        ])),
        Step::Permissions | Step::Sight | Step::Position | Step::Limits => None,
    }
}

/// A menu of the channels that can take alerts.
pub fn channel_menu(id: &str, placeholder: String) -> CreateActionRow {
    let kind = CreateSelectMenuKind::Channel {
        channel_types: Some(vec![ChannelType::Text, ChannelType::News]),
        default_channels: None,
    };
    CreateActionRow::SelectMenu(CreateSelectMenu::new(id, kind).placeholder(placeholder))
}

fn buttons(around: Around<'_>, step: Step) -> Vec<CreateButton> {
    let Around {
        language,
        look,
        passed,
        invite,
        invite_all,
    } = around;
    let mut buttons = Vec::new();
    if step == Step::Permissions && !look.is_administrator() && !look.lacking.is_empty() {
        let least = CreateButton::new_link(invite.as_str());
        buttons.push(least.label(text!(language, "setup-invite")));
        let all = CreateButton::new_link(invite_all.as_str());
        buttons.push(all.label(text!(language, "setup-invite-all")));
    }
    if step == Step::Alerts && look.alerts == Alerts::Nowhere {
        let make = CreateButton::new("setup:make").style(ButtonStyle::Secondary);
        buttons.push(make.label(text!(language, "setup-make-channel")));
    }
    let again = CreateButton::new(format!("setup:look:{}", step.id()));
    let again = again.label(text!(language, "setup-again"));
    buttons.push(again.style(ButtonStyle::Secondary));
    let (label, style) = match step.progress(look, passed) {
        Progress::Done => (text!(language, "setup-next"), ButtonStyle::Primary),
        _ if step == Step::Limits => (text!(language, "setup-next"), ButtonStyle::Primary),
        _ => (text!(language, "setup-pass"), ButtonStyle::Secondary),
    };
    let next = CreateButton::new(format!("setup:next:{}", step.id()));
    buttons.push(next.label(label).style(style));
    buttons
}
