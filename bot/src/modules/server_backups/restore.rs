//! `/backups restore`.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use poise::serenity_prelude as serenity;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, GuildId, RoleId, TaskId, UserId};

use super::confirm::look_first;
use super::create::known_channels;
use super::options::{KnownChannel, items, quote};
use super::{Backups, RESTORE_TASK};
use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::error::BotError;
use crate::framework::check;
use crate::framework::gate::Standing;
use crate::ids;
use crate::modules::jobs::run;
use crate::reply;
use crate::settings::{interval, moment};
use crate::text;

/// Names of parts, as the jobserver knows them.
const PARTS: [&str; 16] = [
    "settings",
    "roles",
    "channels",
    "overwrites",
    "emojis",
    "stickers",
    "sounds",
    "automod",
    "events",
    "welcome",
    "webhooks",
    "invites",
    "threads",
    "messages",
    "members",
    "bans",
];

/// How much a restore may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, poise::ChoiceParameter)]
pub enum Mode {
    #[name = "full: exactly as in the backup"]
    Full,
    #[name = "diff: put back what is missing or changed, keep what is new"]
    Diff,
    #[name = "ignore_existing: leave what is there, delete what is new"]
    IgnoreExisting,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Diff => "diff",
            Self::IgnoreExisting => "ignore_existing",
        }
    }
}

/// Put this server back as a backup has it. A safety backup is made first.
///
/// As a message it only says how to run it: a password has no place there.
#[poise::command(
    prefix_command,
    slash_command,
    guild_only,
    user_cooldown = 20,
    guild_cooldown = 30
)]
#[allow(
    clippy::too_many_arguments,
    reason = "one parameter per option of the slash command"
)]
pub async fn restore(
    cx: Context<'_>,
    #[description = "Id of a backup of this server, from /backups list"] backup_id: Option<String>,
    #[description = "A backup file, instead of an id"] backup_file: Option<serenity::Attachment>,
    #[description = "Of the backup, if it has one"] password: Option<String>,
    #[description = "What may change (default: full)"] channel_restore_mode: Option<Mode>,
    #[description = "What may change of roles (default: as channel_restore_mode)"]
    role_restore_mode: Option<Mode>,
    #[description = "Channels that stay as they are, separated by commas; this one always does"]
    protected_channels: Option<String>,
    #[description = "Roles that stay as they are, separated by commas"] protected_roles: Option<
        String,
    >,
    #[description = "Delete what is new even if something could not be restored (default: no)"]
    ignore_restore_errors: Option<bool>,
    #[description = "Parts to restore, separated by commas: settings, roles, … (default: all but bans)"]
    parts: Option<String>,
    #[description = "Only show what would be done (default: no)"] dry_run: Option<bool>,
    #[description = "Hash of a plan that you have looked at; another plan is refused"]
    plan_hash: Option<String>,
    #[description = "The server as it was then, instead of a backup: 2026-11-30 18:05 (UTC), or 20m ago"]
    as_of: Option<String>,
) -> Result<(), BotError> {
    if let Context::Prefix(_) = cx {
        return Err(BotError::Input(text!(
            app::reader_language(cx),
            "backups-slash-restore"
        )));
    }
    reply::defer(cx).await?;
    let guild = ids::guild_of(cx)?;
    let standing = check::standing(cx, guild).await.map_err(BotError::Denied)?;
    let options = RestoreOptions {
        caller: caller_permissions(&standing),
        caller_id: Some(ids::user(cx.author().id)),
        backup_id,
        as_of: match as_of {
            None => None,
            Some(text) => Some(
                moment_or_age(&text, cx.data().services.get::<Backups>()?.clock.now()).ok_or_else(
                    || {
                        let language = app::reader_language(cx);
                        BotError::Input(text!(language, "option-as-of", what = quote(&text)))
                    },
                )?,
            ),
        },
        backup_address: backup_file.map(|file| file.url),
        password: password.map(Into::into),
        channels: channel_restore_mode,
        roles: role_restore_mode,
        here: ChannelId::new(cx.channel_id().get()),
        protected_channels,
        protected_roles,
        ignore_errors: ignore_restore_errors.unwrap_or(false),
        parts,
        dry_run: dry_run.unwrap_or(false),
        plan_hash,
        known_channels: known_channels(cx.data(), guild),
    };
    let approved = options.plan_hash.clone();
    let data = options
        .job_data(app::reader_language(cx), guild)
        .map_err(BotError::Input)?;
    match dry_run.unwrap_or(false) {
        true => run(cx, RESTORE_TASK, data).await,
        false => look_first(cx, data, approved.as_deref().map(str::trim)).await,
    }
}

/// What a restore may give at most. The owner may everything.
fn caller_permissions(standing: &Standing) -> u64 {
    match standing.is_owner {
        true => u64::MAX,
        false => standing.native.0,
    }
}

/// What the user typed.
#[derive(Debug, Clone, Default)]
struct RestoreOptions {
    backup_id: Option<String>,
    /// RFC 3339.
    as_of: Option<String>,
    backup_address: Option<String>,
    password: Option<SecretString>,
    channels: Option<Mode>,
    roles: Option<Mode>,
    /// Where the progress is shown: it must not be deleted.
    here: Option<ChannelId>,
    protected_channels: Option<String>,
    protected_roles: Option<String>,
    ignore_errors: bool,
    parts: Option<String>,
    dry_run: bool,
    plan_hash: Option<String>,
    known_channels: Vec<KnownChannel>,
    /// Permissions of the user in the server.
    caller: u64,
    /// Whose rank says how far they reach.
    caller_id: Option<UserId>,
}

impl RestoreOptions {
    /// The data of a `guild_restore_backup` task.
    ///
    /// # Errors
    /// What is wrong, for the user.
    fn job_data(self, language: Language, guild: GuildId) -> Result<Value, String> {
        let source = match (&self.backup_id, &self.backup_address, &self.as_of) {
            (Some(id), None, None) => {
                let id: TaskId = id
                    .trim()
                    .parse()
                    .map_err(|_| text!(language, "backups-unknown", what = quote(id)))?;
                format!("task://{id}")
            }
            (None, Some(address), None) => address.clone(),
            (None, None, Some(_)) => String::new(),
            _ => {
                return Err(text!(language, "option-source"));
            }
        };
        let mut channels: Vec<ChannelId> = mentioned(
            language,
            "protected_channels",
            self.protected_channels.as_deref(),
            "#",
        )?;
        channels.extend(self.here);
        let roles: Vec<RoleId> = mentioned(
            language,
            "protected_roles",
            self.protected_roles.as_deref(),
            "@&",
        )?;
        let mode = |mode: Option<Mode>| mode.map_or("", Mode::as_str);
        let password = self.password.as_ref().map(ExposeSecret::expose_secret);
        let mut data = json!({
            "ServerID": guild,
            "CallerPermissions": self.caller.to_string(),
            "Options": {
                "BackupSource": source,
                "Decrypt": password.unwrap_or_default(),
                "ChannelRestoreMode": mode(self.channels),
                "RoleRestoreMode": mode(self.roles),
                "ProtectedChannels": channels,
                "ProtectedRoles": roles,
                "IgnoreRestoreErrors": self.ignore_errors,
                "Parts": parts(language, self.parts.as_deref())?,
                "DryRun": self.dry_run,
                "PlanHash": self.plan_hash.as_deref().map(str::trim).unwrap_or_default(),
            },
        });
        if let Some(caller) = self.caller_id {
            data["CallerID"] = caller.to_string().into();
        }
        if let Some(at) = self.as_of {
            data["Options"]["AsOf"] = at.into();
        }
        if !self.known_channels.is_empty() {
            data["KnownChannels"] = json!(self.known_channels);
        }
        Ok(data)
    }
}

/// A time as it is written in settings, or how long ago it was: `20m`, `1h30m`.
fn moment_or_age(text: &str, now: DateTime<Utc>) -> Option<String> {
    let text = text.trim();
    let is_age = text.ends_with(|c: char| c.is_ascii_alphabetic()) && !text.ends_with(['Z', 'z']);
    if !is_age {
        return moment(text);
    }
    let age = TimeDelta::try_seconds(interval(text)?)?;
    let at = now.checked_sub_signed(age)?;
    Some(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Ids or mentions.
pub(super) fn mentioned<T: std::str::FromStr>(
    language: Language,
    option: &str,
    list: Option<&str>,
    sign: &str,
) -> Result<Vec<T>, String> {
    let one = |item| {
        let id = str::strip_prefix(item, "<").and_then(|rest| rest.strip_prefix(sign));
        let id = id.and_then(|rest| rest.strip_suffix('>')).unwrap_or(item);
        id.parse().map_err(|_| {
            text!(
                language,
                "option-mention",
                what = quote(item),
                option = option
            )
        })
    };
    items(list.unwrap_or_default()).map(one).collect()
}

fn parts(language: Language, list: Option<&str>) -> Result<Vec<&'static str>, String> {
    let one = |item: &str| {
        let found = PARTS
            .into_iter()
            .find(|part| part.eq_ignore_ascii_case(item));
        found.ok_or_else(|| {
            let all = PARTS.join(", ");
            text!(language, "option-part", what = quote(item), parts = all)
        })
    };
    items(list.unwrap_or_default()).map(one).collect()
}

#[cfg(test)]
mod tests {
    use splashtail_permissions::NativePermissions;

    use super::*;

    const TASK: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    fn data(options: RestoreOptions) -> Result<Value, String> {
        options.job_data(Language::English, GuildId::new(1).unwrap())
    }

    fn of_task() -> RestoreOptions {
        RestoreOptions {
            backup_id: Some(format!(" {TASK} ")),
            here: ChannelId::new(7),
            ..RestoreOptions::default()
        }
    }

    #[test]
    fn the_channel_of_the_command_is_protected() {
        insta::assert_json_snapshot!(data(RestoreOptions {
            channels: Some(Mode::Diff),
            protected_channels: Some("<#5>, 6".to_owned()),
            protected_roles: Some("<@&8>".to_owned()),
            parts: Some("Roles, channels".to_owned()),
            caller: 1 << 5,
            caller_id: UserId::new(9),
            ..of_task()
        }).unwrap(), @r#"
        {
          "ServerID": "1",
          "CallerPermissions": "32",
          "Options": {
            "BackupSource": "task://0f8fad5b-d9cb-469f-a165-70867728950e",
            "Decrypt": "",
            "ChannelRestoreMode": "diff",
            "RoleRestoreMode": "",
            "ProtectedChannels": [
              "5",
              "6",
              "7"
            ],
            "ProtectedRoles": [
              "8"
            ],
            "IgnoreRestoreErrors": false,
            "Parts": [
              "roles",
              "channels"
            ],
            "DryRun": false,
            "PlanHash": ""
          },
          "CallerID": "9"
        }
        "#);
    }

    #[test]
    fn a_restore_gives_no_more_than_its_caller_has() {
        let standing = |is_owner| Standing {
            is_owner,
            native: NativePermissions(1 << 5),
            roles: Vec::new(),
            positions: Vec::new(),
        };
        assert_eq!(caller_permissions(&standing(false)), 1 << 5);
        assert_eq!(caller_permissions(&standing(true)), u64::MAX);
    }

    #[test]
    fn a_time_is_said_or_counted_back() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for (text, at) in [
            ("20m", Some("2023-11-14T21:53:20Z")),
            (" 1h30m", Some("2023-11-14T20:43:20Z")),
            ("2023-11-14 21:00", Some("2023-11-14T21:00:00Z")),
            ("2023-11-14T21:00:00Z", Some("2023-11-14T21:00:00Z")),
            ("<t:1700000000:f>", Some("2023-11-14T22:13:20Z")),
            ("yesterday", None),
        ] {
            assert_eq!(moment_or_age(text, now).as_deref(), at, "{text}");
        }
    }

    #[test]
    fn exactly_one_backup_is_named() {
        let both = RestoreOptions {
            backup_address: Some("https://cdn.discordapp.com/a.iblfile".to_owned()),
            ..of_task()
        };
        let file = RestoreOptions {
            backup_id: None,
            ..both.clone()
        };
        let source = data(file).unwrap()["Options"]["BackupSource"].clone();
        assert_eq!(source, "https://cdn.discordapp.com/a.iblfile");
        for options in [both, RestoreOptions::default()] {
            assert!(data(options).unwrap_err().contains("either `backup_id`"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_quoted() {
        for (options, said) in [
            (
                RestoreOptions {
                    backup_id: Some("**latest**".to_owned()),
                    ..of_task()
                },
                "is not the id of a backup",
            ),
            (
                RestoreOptions {
                    protected_roles: Some("<#5>".to_owned()),
                    ..of_task()
                },
                "`protected_roles` is neither",
            ),
            (
                RestoreOptions {
                    parts: Some("everything".to_owned()),
                    ..of_task()
                },
                "`parts` takes settings, roles",
            ),
        ] {
            let error = data(options).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
