//! The kinds of jobs as they are typed: names of options, what each takes, and the fields that
//! come of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Map, Value, json};
use splashtail_api_types::job_kinds::{self, JobKind};
use splashtail_core::ids::{GuildId, UserId};

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Flag,
    Number,
    Text,
    /// Separated by commas.
    List,
    /// `id=number`, separated by commas.
    Numbers,
}

impl Takes {
    fn shown(self) -> &'static str {
        match self {
            Self::Flag => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::List => "a list: a,b,c",
            Self::Numbers => "numbers: id=5,id=7",
        }
    }

    fn read(self, name: &str, text: &str) -> anyhow::Result<Value> {
        let wrong = || anyhow!("{name} takes {}, not {text:?}", self.shown());
        let parts = || {
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
        };
        Ok(match self {
            Self::Flag => Value::Bool(text.parse().map_err(|_| wrong())?),
            Self::Number => Value::from(text.parse::<u64>().map_err(|_| wrong())?),
            Self::Text => Value::from(text),
            Self::List => parts().collect(),
            Self::Numbers => {
                let mut numbers = Map::new();
                for part in parts() {
                    let (id, number) = part.split_once('=').ok_or_else(wrong)?;
                    let number: u64 = number.trim().parse().map_err(|_| wrong())?;
                    numbers.insert(id.trim().to_owned(), number.into());
                }
                Value::Object(numbers)
            }
        })
    }
}

/// The option that stands in place of a source.
pub const AS_OF: &str = "AsOf";

/// A kind of job as it is typed.
#[derive(Debug)]
pub struct Kind {
    of: JobKind,
    /// The option that holds a password; it is never typed.
    pub password: Option<&'static str>,
    pub takes_source: bool,
    options: &'static [(&'static str, Takes, &'static str)],
}

pub const KINDS: [Kind; 4] = [
    Kind {
        of: job_kinds::CREATE_BACKUP,
        password: Some("Encrypt"),
        takes_source: false,
        options: &[
            (
                "Channels",
                Takes::List,
                "only the messages of these channels",
            ),
            ("PerChannel", Takes::Number, "messages of each channel"),
            ("MaxMessages", Takes::Number, "messages in all"),
            ("BackupMessages", Takes::Flag, "messages, too"),
            ("BackupAttachments", Takes::Flag, "their attachments, too"),
            ("BackupGuildAssets", Takes::List, "icon, banner, splash"),
            (
                "IgnoreMessageBackupErrors",
                Takes::Flag,
                "go on where Discord refuses",
            ),
            (
                "RolloverLeftovers",
                Takes::Flag,
                "what channels leave goes to others",
            ),
            (
                "SpecialAllocations",
                Takes::Numbers,
                "messages of single channels",
            ),
            (
                "BackupMembers",
                Takes::Flag,
                "roles, names and timeouts of members (default: true)",
            ),
            ("BackupBans", Takes::Flag, "who is banned, and why"),
            (
                "Incremental",
                Takes::Text,
                "auto copies messages that an earlier backup of the directory has; off",
            ),
            (
                "PublicKey",
                Takes::Text,
                "PEM of an RSA key of 2048 bits: only its private half opens the file",
            ),
        ],
    },
    Kind {
        of: job_kinds::RESTORE_BACKUP,
        password: Some("Decrypt"),
        takes_source: true,
        options: &[
            (
                "ChannelRestoreMode",
                Takes::Text,
                "full, diff or ignore_existing",
            ),
            ("RoleRestoreMode", Takes::Text, "the same for roles alone"),
            ("ProtectedChannels", Takes::List, "stay as they are"),
            ("ProtectedRoles", Takes::List, "stay as they are"),
            (
                "IgnoreRestoreErrors",
                Takes::Flag,
                "delete what is new although something is missing",
            ),
            (
                "Parts",
                Takes::List,
                "settings, roles, channels, overwrites, messages and so on",
            ),
            (
                AS_OF,
                Takes::Text,
                "in place of --source: the server as it was at 2026-11-30T18:05:00Z, by what this directory has",
            ),
            ("DryRun", Takes::Flag, "only the plan"),
            ("PlanHash", Takes::Text, "run this plan and no other"),
        ],
    },
    Kind {
        of: job_kinds::MESSAGE_PRUNE,
        password: None,
        takes_source: false,
        options: &[
            ("Channels", Takes::List, "only in these channels"),
            ("PerChannel", Takes::Number, "messages of each channel"),
            ("MaxMessages", Takes::Number, "messages in all, up to 1000"),
            (
                "RolloverLeftovers",
                Takes::Flag,
                "what channels leave goes to others",
            ),
            (
                "SpecialAllocations",
                Takes::Numbers,
                "messages of single channels",
            ),
            ("IgnoreErrors", Takes::Flag, "go on where Discord refuses"),
            (
                "PruneFrom",
                Takes::Text,
                "how far back: 3d, 36h; two weeks without it",
            ),
            ("UserID", Takes::Text, "only of this user"),
            ("Users", Takes::List, "only of these users"),
            ("Contains", Takes::Text, "only with this text"),
            (
                "Only",
                Takes::List,
                "attachments, embeds, links, invites, bots, webhooks",
            ),
            ("Pinned", Takes::Flag, "pinned ones, too"),
            ("DryRun", Takes::Flag, "only say what would be deleted"),
            ("Reason", Takes::Text, "for the audit log"),
        ],
    },
    Kind {
        of: job_kinds::MASS_BAN,
        password: None,
        takes_source: false,
        options: &[
            ("Users", Takes::List, "who is banned, 1000 at most"),
            ("Reason", Takes::Text, "for the audit log"),
            (
                "DeleteSeconds",
                Takes::Number,
                "messages that go with the bans, up to seven days",
            ),
            (
                "Undo",
                Takes::Text,
                "the id of a mass ban of this directory that is taken back",
            ),
            ("DryRun", Takes::Flag, "only say who would be banned"),
            ("PlanHash", Takes::Text, "run this plan and no other"),
        ],
    },
];

/// # Errors
/// There is no such kind; the message names all.
pub fn find(name: &str) -> anyhow::Result<&'static Kind> {
    let found = KINDS.iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(Kind::name).collect();
        anyhow!(
            "there is no kind of job {name:?}; there are {}",
            names.join(", ")
        )
    })
}

impl Kind {
    pub fn name(&self) -> &'static str {
        self.of.name
    }

    pub fn about(&self) -> &'static str {
        self.of.about
    }

    /// Whether it changes the server when it is no dry run.
    pub fn changes(&self) -> bool {
        self.of.changes_server
    }

    /// What can be typed, for people.
    pub fn usage(&self) -> String {
        let mut text = format!("{}: {}\n", self.name(), self.about());
        for (name, takes, help) in self.options {
            text.push_str(&format!("  -F {name:<26} {:<22} {help}\n", takes.shown()));
        }
        text
    }

    pub fn describe(&self) -> Value {
        let option = |(name, takes, help): &(&str, Takes, &str)| json!({"name": name, "takes": takes.shown(), "about": help});
        json!({"name": self.name(), "about": self.about(), "changes_the_server": self.changes(),
               "options": self.options.iter().map(option).collect::<Vec<_>>()})
    }

    /// The options: those of a preset, and over them what was typed.
    ///
    /// # Errors
    /// An option that this kind does not have, or that takes something else.
    pub fn options(
        &self,
        preset: Option<&Path>,
        typed: &[String],
    ) -> anyhow::Result<Map<String, Value>> {
        let mut options = Map::new();
        if let Some(path) = preset {
            let shown = path.display();
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the preset {shown}"))?;
            let preset: BTreeMap<String, Value> = serde_yaml::from_str(&text)
                .map_err(|_| anyhow!("the preset {shown} is not a list of `Name: value`"))?;
            for (name, value) in preset {
                options.insert(self.option(&name)?.0.to_owned(), value);
            }
        }
        for field in typed {
            let (name, text) = field
                .split_once('=')
                .ok_or_else(|| anyhow!("-F takes Name=value, not {field:?}"))?;
            let (name, takes) = self.option(name.trim())?;
            options.insert(name.to_owned(), takes.read(name, text)?);
        }
        Ok(options)
    }

    fn option(&self, name: &str) -> anyhow::Result<(&'static str, Takes)> {
        if self
            .password
            .is_some_and(|password| password.eq_ignore_ascii_case(name))
        {
            bail!("a password is not typed where others can read it: use --password-file");
        }
        let known = self.options.iter();
        let mut known = known.filter(|(known, ..)| known.eq_ignore_ascii_case(name));
        let found = known.next().map(|(name, takes, _)| (*name, *takes));
        found.ok_or_else(|| {
            let names: Vec<_> = self.options.iter().map(|(name, ..)| *name).collect();
            anyhow!(
                "{} has no option {name:?}; it has {}",
                self.name(),
                names.join(", ")
            )
        })
    }

    /// What an order of this kind consists of. Whoever runs jobs here has the bot's token, and with
    /// it everything that the bot may do; who is banned has to stand below the bot.
    pub fn fields(&self, server: GuildId, bot: UserId, options: Map<String, Value>) -> Value {
        let mut fields = json!({"ServerID": server, "Options": options,
                                "CallerPermissions": u64::MAX.to_string()});
        if self.of == job_kinds::MASS_BAN {
            fields["CallerID"] = json!(bot);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kind: &str, typed: &[&str]) -> anyhow::Result<Value> {
        let typed: Vec<String> = typed.iter().map(|text| (*text).to_owned()).collect();
        find(kind)?.options(None, &typed).map(Value::Object)
    }

    #[test]
    fn every_kind_that_runs_here_can_be_typed() {
        let here = job_kinds::JOB_KINDS.iter().filter(|kind| kind.runs_locally);
        let typed: Vec<_> = KINDS.iter().map(|kind| kind.of).collect();
        assert_eq!(typed, here.copied().collect::<Vec<_>>());
    }

    #[test]
    fn options_are_read_as_what_they_take() {
        let read = options(
            "guild_create_backup",
            &[
                "maxmessages=50",
                "BackupMessages=true",
                "Channels=1, 2,",
                "SpecialAllocations=5=7,6=0",
            ],
        );
        let expected = json!({"MaxMessages": 50, "BackupMessages": true, "Channels": ["1", "2"],
                              "SpecialAllocations": {"5": 7, "6": 0}});
        assert_eq!(read.unwrap(), expected);
    }

    #[test]
    fn mistakes_are_named() {
        for (kind, typed, part) in [
            (
                "backup",
                "",
                "guild_create_backup, guild_restore_backup, message_prune",
            ),
            (
                "guild_create_backup",
                "MaxMessages=many",
                "MaxMessages takes a number, not \"many\"",
            ),
            (
                "guild_create_backup",
                "Max=5",
                "no option \"Max\"; it has Channels",
            ),
            ("guild_create_backup", "MaxMessages", "-F takes Name=value"),
            ("guild_create_backup", "encrypt=hunter2", "--password-file"),
            ("message_prune", "SpecialAllocations=5", "id=5,id=7"),
        ] {
            let error = options(kind, &[typed]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_typed_wins_over_a_preset() {
        let directory = tempfile::tempdir().unwrap();
        let preset = directory.path().join("preset.yaml");
        std::fs::write(&preset, "MaxMessages: 500\nbackupmessages: true\n").unwrap();
        let kind = find("guild_create_backup").unwrap();
        let read = kind.options(Some(&preset), &["MaxMessages=60".to_owned()]);
        assert_eq!(
            Value::Object(read.unwrap()),
            json!({"BackupMessages": true, "MaxMessages": 60})
        );
        std::fs::write(&preset, "Secret: x\n").unwrap();
        assert!(kind.options(Some(&preset), &[]).is_err());
    }
}
