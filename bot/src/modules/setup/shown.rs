//! What is wrong in a server and how far it is set up, for pages and programs.

use std::collections::BTreeSet;

use splashtail_antinuke::Mode;
use splashtail_api_types::health::{
    GuildHealth, HealthFinding, HiddenChannels, LackingPermission, SetupStep,
};
use splashtail_guild::Id;
use url::Url;

use super::finding::Finding;
use super::look::{Alerts, Look};
use super::report::sentence;
use super::step::Step;
use crate::catalogue::Language;

/// In English: whoever shows it has words of their own for each code.
pub fn shown(look: &Look, findings: &[Finding], passed: &[String], invite: &Url) -> GuildHealth {
    let findings = findings.iter().map(|finding| HealthFinding {
        code: finding.code().to_owned(),
        severity: finding.severity().as_str().to_owned(),
        text: sentence(Language::English, look, finding),
    });
    let steps = Step::ALL.into_iter().map(|step| SetupStep {
        id: step.id().to_owned(),
        state: step.progress(look, passed).as_str().to_owned(),
    });
    let lacking = look.lacking.iter().map(|(bits, wanted)| {
        let modules: BTreeSet<&str> = wanted.iter().map(|wanted| wanted.module).collect();
        LackingPermission {
            permissions: bits.to_string(),
            modules: modules.into_iter().map(str::to_owned).collect(),
            reasons: wanted.iter().map(|wanted| wanted.why.to_owned()).collect(),
        }
    });
    let hidden = look
        .hidden
        .iter()
        .map(|(category, channels)| HiddenChannels {
            category: category.map(|id| id.to_string()),
            channels: texts(channels),
        });
    GuildHealth {
        mode: match look.mode {
            Mode::On => "on",
            Mode::DryRun => "dry_run",
            Mode::Off => "off",
        }
        .to_owned(),
        findings: findings.collect(),
        steps: steps.collect(),
        channels: look.channels,
        hidden: hidden.collect(),
        lacking: lacking.collect(),
        own_role: look.own_role.map(|id| id.to_string()),
        roles_above: texts(&look.above),
        alert_channel: match look.alerts {
            Alerts::Nowhere => None,
            Alerts::Gone(id) | Alerts::Mute(id, _) | Alerts::Fine(id) => Some(id.to_string()),
        },
        invite: invite.to_string(),
    }
}

fn texts(ids: &[Id]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
