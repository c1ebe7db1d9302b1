//! The world as a whole, how it behaves, and what happens to its servers.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use splashtail_sandbox::control::client::ControlClient;
use splashtail_sandbox::control::types::{Conduct, Happening, LoadWorld, Unknown};
use splashtail_sandbox::server::worlds;

use super::super::answer::Outcome;
use super::super::names;

#[derive(Debug, Args)]
pub(super) struct WorldArgs {
    /// Replaces everything, also journal, faults, tokens and sessions.
    #[arg(long, value_name = "NAME", value_parser = worlds())]
    load: Option<String>,
    #[arg(long, requires = "load")]
    seed: Option<u64>,
    /// How it behaves, see `ctl conduct --help`; default: as the sandbox was started.
    #[arg(long, requires = "load", value_name = "JSON", value_parser = read_conduct)]
    conduct: Option<Conduct>,
    /// Only names, members and roles.
    #[arg(long, conflicts_with = "load")]
    summary: bool,
}

#[derive(Debug, Args)]
#[command(after_help = conduct_help())]
pub(super) struct ConductArgs {
    /// What is left out takes its default.
    #[arg(long, value_name = "JSON", value_parser = read_conduct)]
    set: Option<Conduct>,
}

fn conduct_help() -> String {
    let default = serde_json::to_string_pretty(&Conduct::default()).unwrap_or_default();
    format!(
        "What can be set, with its default (docs/sandbox.md, \"How close it is\", says what it means):\n{default}\n\n\
         Example: ctl conduct --set '{{\"audit\": {{\"delay_ms\": [0, 0], \"ahead\": 0}}}}'"
    )
}

fn read_conduct(text: &str) -> Result<Conduct, String> {
    serde_json::from_str(text).map_err(|error| format!("not what can be set: {error}"))
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ctl happen Harbour raid-detected
  ctl happen Harbour all-clear
  ctl happen Harbour unknown --kind sticker
  ctl happen Harbour unknown --kind message --channel general")]
pub(super) struct HappenArgs {
    /// Id or name of the server.
    guild: String,
    what: What,
    /// Of something unknown.
    #[arg(long, value_enum, required_if_eq("what", "unknown"))]
    kind: Option<UnknownKind>,
    /// Where an unknown message or component appears: id or name of a channel that the owner sees.
    #[arg(long, requires = "kind")]
    channel: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Discord notices a raid: `raid_detected_at` of `incidents_data`
    RaidDetected,
    /// Discord notices a wave of direct messages: `dm_spam_detected_at`
    DmSpamDetected,
    /// Both are forgotten
    AllClear,
    /// The owner makes something of a kind that no client knows; ends the strict checks
    Unknown,
}

/// A kind of thing by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnknownKind(Unknown);

impl ValueEnum for UnknownKind {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(Unknown::Channel),
            Self(Unknown::Message),
            Self(Unknown::Component),
            Self(Unknown::Sticker),
            Self(Unknown::AuditEntry),
            Self(Unknown::Permission),
            Self(Unknown::Feature),
            Self(Unknown::Event),
        ]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let name = match self.0 {
            Unknown::Channel => "channel",
            Unknown::Message => "message",
            Unknown::Component => "component",
            Unknown::Sticker => "sticker",
            Unknown::AuditEntry => "audit-entry",
            Unknown::Permission => "permission",
            Unknown::Feature => "feature",
            Unknown::Event => "event",
        };
        Some(name.into())
    }
}

pub(super) async fn world(client: &ControlClient, args: WorldArgs) -> Result<Outcome> {
    let seen = match args.load {
        None if args.summary => client.summary().await?,
        None => client.world().await?,
        world => {
            let wanted = LoadWorld {
                world,
                seed: args.seed,
                conduct: args.conduct,
            };
            client.load_world(&wanted).await?
        }
    };
    Outcome::of(&seen, true)
}

pub(super) async fn conduct(client: &ControlClient, args: ConductArgs) -> Result<Outcome> {
    match args.set {
        Some(conduct) => Outcome::of(&client.set_conduct(&conduct).await?, true),
        None => Outcome::of(&client.summary().await?["conduct"], true),
    }
}

pub(super) async fn happen(client: &ControlClient, args: HappenArgs) -> Result<Outcome> {
    let guild = names::guild(client, &args.guild).await?;
    let happening = match (args.what, args.kind) {
        (What::Unknown, Some(UnknownKind(kind))) => {
            let channel_id = match &args.channel {
                Some(name) => {
                    let owner = names::owner(client, &guild).await?;
                    Some(names::channel(client, &owner, Some(&guild), name).await?)
                }
                None => None,
            };
            Happening::Unknown { kind, channel_id }
        }
        (What::RaidDetected, None) => Happening::RaidDetected,
        (What::DmSpamDetected, None) => Happening::DmSpamDetected,
        (What::AllClear, None) => Happening::AllClear,
        (What::Unknown, None) => bail!("say with --kind what is unknown"),
        (_, Some(_)) => bail!("--kind goes with `unknown` alone"),
    };
    Outcome::of(&client.happen(&guild, &happening).await?, true)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// The names of an enum's values, as reading a wrong one tells them.
    fn values<T: for<'de> Deserialize<'de>>(wrong: serde_json::Value) -> Vec<String> {
        let Err(error) = serde_json::from_value::<T>(wrong) else {
            panic!("`none` is read");
        };
        let error = error.to_string();
        let (_, names) = error.split_once("expected one of ").unwrap();
        let names = names.split(", ");
        names
            .map(|name| name.trim_matches('`').replace('_', "-"))
            .collect()
    }

    fn offered<T: ValueEnum>() -> Vec<String> {
        let values = T::value_variants().iter();
        let values = values.map(|value| value.to_possible_value().unwrap());
        values.map(|value| value.get_name().to_owned()).collect()
    }

    #[test]
    fn everything_that_can_happen_is_offered() {
        assert_eq!(
            offered::<What>(),
            values::<Happening>(json!({"what": "none"}))
        );
        assert_eq!(offered::<UnknownKind>(), values::<Unknown>(json!("none")));
    }

    #[test]
    fn help_lists_what_can_be_set() {
        let help = conduct_help();
        let known = values::<Conduct>(json!({"none": 1}));
        assert!(known.len() > 5, "{known:?}");
        for field in known {
            assert!(
                help.contains(&format!("\"{}\":", field.replace('-', "_"))),
                "{field}: {help}"
            );
        }
    }
}
