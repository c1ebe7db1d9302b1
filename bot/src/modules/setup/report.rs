//! What is wrong, as a message with what can be done about it.

use poise::serenity_prelude as serenity;
use serenity::{ButtonStyle, CreateActionRow, CreateButton, CreateEmbed};
use url::Url;

use super::finding::{Finding, Severity};
use super::look::Look;
use super::page::{Page, channel_menu};
use super::words;
use crate::catalogue::Language;
use crate::colours;
use crate::modules::antinuke::NoIdentity;
use crate::text;

/// The report. `may_act`: whether the reader can press what changes something.
pub fn report(
    language: Language,
    look: &Look,
    findings: &[Finding],
    invite: &Url,
    may_act: bool,
) -> Page {
    let worst = findings.iter().map(Finding::severity).min();
    let (title, colour) = match worst {
        None => (text!(language, "health-fine"), colours::GREEN),
        Some(Severity::Advice) => (text!(language, "health-advice"), colours::GREEN),
        Some(Severity::Weak) => (text!(language, "health-weak"), colours::BLUE),
        Some(Severity::Bad) => (text!(language, "health-bad"), colours::RED),
    };
    let mut lines: Vec<String> = findings
        .iter()
        .map(|finding| {
            let mark = match finding.severity() {
                Severity::Bad => '🔴',
                Severity::Weak => '🟠',
                Severity::Advice => '🔵',
            };
            format!("{mark} {}", sentence(language, look, finding))
        })
        .collect();
    if lines.is_empty() {
        lines.push(text!(language, "health-nothing", channels = look.channels));
    }
    let embed = CreateEmbed::new()
        .title(title)
        .description(lines.join("\n\n"))
        .colour(colour);
    Page {
        embed,
        components: components(language, look, findings, invite, may_act),
    }
}

/// What is wrong and what to do about it, in sentences.
pub fn sentence(language: Language, look: &Look, finding: &Finding) -> String {
    match finding {
        Finding::Broken(NoIdentity::NoToken) => text!(language, "protection-no-token"),
        Finding::Broken(NoIdentity::NoSecret) => text!(language, "protection-no-secret"),
        Finding::TimedOut => text!(language, "health-timed-out"),
        Finding::Off => text!(language, "health-off"),
        Finding::NoAuditLog => text!(language, "health-no-audit-log"),
        Finding::DatabaseAway => text!(language, "health-database"),
        Finding::AlertsGone(id) => {
            text!(language, "health-alerts-gone", channel = format!("<#{id}>"))
        }
        Finding::AlertsMute(id, lacking) => text!(
            language,
            "health-alerts-mute",
            channel = format!("<#{id}>"),
            permissions = words::permissions(language, *lacking)
        ),
        Finding::NoAlerts => text!(language, "health-no-alerts"),
        Finding::DryRun => text!(language, "health-dry-run"),
        Finding::Lacking => text!(
            language,
            "health-lacking",
            permissions = words::lacking(language, look)
        ),
        Finding::RoleTooLow => text!(
            language,
            "health-role-too-low",
            role = words::own_role(language, look),
            roles = words::roles(language, &look.above)
        ),
        Finding::Hidden => text!(
            language,
            "health-hidden",
            hidden = look.hidden_count(),
            channels = look.channels,
            list = words::hidden(language, look)
        ),
        Finding::JobserverAway => text!(language, "health-jobserver"),
        Finding::ShardsDown(down, all) => {
            text!(language, "health-shards", down = *down, all = *all)
        }
        Finding::AnybodyPrunes => text!(language, "health-prune"),
        Finding::NoSecondFactor => text!(language, "health-second-factor"),
    }
}

fn components(
    language: Language,
    look: &Look,
    findings: &[Finding],
    invite: &Url,
    may_act: bool,
) -> Vec<CreateActionRow> {
    let mut rows = Vec::new();
    let mut buttons = Vec::new();
    let button = |id: &str, label: String, style| CreateButton::new(id).label(label).style(style);
    let mut choose = false;
    for finding in findings.iter().filter(|_| may_act) {
        match finding {
            Finding::Off | Finding::DryRun => buttons.push(button(
                "health:on",
                text!(language, "setup-switch-on"),
                ButtonStyle::Success,
            )),
            Finding::AlertsMute(..) => {
                choose = true;
                buttons.push(button(
                    "health:speak",
                    text!(language, "health-speak"),
                    ButtonStyle::Primary,
                ));
            }
            Finding::AlertsGone(_) | Finding::NoAlerts => choose = true,
            _ => {}
        }
    }
    if choose {
        rows.push(channel_menu(
            "health:alerts",
            text!(language, "setup-choose-channel"),
        ));
    }
    if !look.lacking.is_empty() {
        let link = CreateButton::new_link(invite.as_str());
        buttons.push(link.label(text!(language, "setup-invite")));
    }
    buttons.push(button(
        "health:look",
        text!(language, "setup-again"),
        ButtonStyle::Secondary,
    ));
    rows.push(CreateActionRow::Buttons(buttons));
    rows
}
