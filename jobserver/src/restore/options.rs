//! What a caller may ask for, and the checks before a row is written.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{ChannelId, GuildId, RoleId, TaskId, UserId};

use super::people::Scope;
use crate::backup::coverage::KnownChannel;
pub use crate::parts::Part;
use crate::request::{self, Head, InvalidRequest, PLAN_HASH, Password};

/// How much of a server a restore may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreMode {
    /// As the backup says: what is missing is made, what is otherwise is changed, what the backup
    /// does not have is deleted.
    #[default]
    Full,
    /// What is missing is made and what is otherwise is changed; what is new stays.
    Diff,
    /// What is missing is made and what the backup does not have is deleted; what is there stays as
    /// it is.
    IgnoreExisting,
}

/// Where the file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupSource {
    /// What this task of the same server left: a backup, or the safety backup of a restore.
    Task(TaskId),
    /// An https address at Discord.
    Address(String),
    /// The server as it was at this time, by what the bot remembers, else by a backup of before.
    AsOf(DateTime<Utc>),
}

/// Options of a restore as stored in the job's row. `Decrypt` is never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Options {
    pub backup_source: BackupSource,
    pub channel_restore_mode: RestoreMode,
    pub role_restore_mode: RestoreMode,
    pub protected_channels: BTreeSet<ChannelId>,
    pub protected_roles: BTreeSet<RoleId>,
    /// Surplus is deleted although something of its kind could not be made; else it is kept then.
    pub ignore_restore_errors: bool,
    pub parts: BTreeSet<Part>,
    /// `members` was among the parts that somebody named: then they get back all that they had, and
    /// lose what they did not have. Else only roles that are made anew go to who held them.
    #[serde(default)]
    pub members_chosen: bool,
    /// Only the plan.
    pub dry_run: bool,
    /// Of the plan that was approved; another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// The task that is named made nothing: it holds a file that somebody sent to the web API.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uploaded: bool,
}

impl Options {
    /// How far members are put right. `foreign`: the backup is not this server's own, so what it says
    /// of people counts only when somebody asks for it.
    pub fn members(&self, foreign: bool) -> Option<Scope> {
        match (self.parts.contains(&Part::Members), self.members_chosen) {
            (true, true) => Some(Scope::All),
            (true, false) if !foreign => Some(Scope::Renewed),
            _ => None,
        }
    }

    /// Whether the backup is a file that somebody brought: its ids are that one's word.
    pub fn is_brought(&self) -> bool {
        self.uploaded || matches!(self.backup_source, BackupSource::Address(_))
    }
}

const OPTION_NAMES: [&str; 11] = [
    "BackupSource",
    "AsOf",
    "ChannelRestoreMode",
    "RoleRestoreMode",
    "ProtectedChannels",
    "ProtectedRoles",
    "IgnoreRestoreErrors",
    "Parts",
    "DryRun",
    "PlanHash",
    "Decrypt",
];

/// The job's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fields {
    #[serde(rename = "ServerID")]
    pub server_id: GuildId,
    pub options: Options,
    /// Largest file, in bytes: the plan's limit when the order was accepted.
    pub max_body_size: u64,
    /// Every channel of the server as the caller sees it on the gateway, where those that the bot
    /// may not see are listed, too. Empty: the caller does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_channels: Vec<KnownChannel>,
    /// What the caller may do in the server as a whole when the order was accepted; the owner may
    /// everything. A restore gives nobody more than that, nor more than they may by then.
    #[serde(default)]
    pub caller_permissions: u64,
    /// Who that is; absent: the server itself, where it says no permissions either.
    #[serde(rename = "CallerID", default, skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<UserId>,
}

const LONGEST_ADDRESS: usize = 2048;
/// As many channels as a server can have, and more roles.
const MOST_PROTECTED: usize = 500;

/// Decodes and validates `{ServerID, Options, KnownChannels, CallerPermissions, CallerID}`. Names match whatever their case,
/// unknown ones are ignored. `cdn`: where Discord's files are, if not at its own hosts.
pub fn parse(
    data: &Value,
    max_body_size: u64,
    cdn: &str,
) -> Result<(Fields, Option<Password>), InvalidRequest> {
    let head = Head::read(data, &OPTION_NAMES, Some("Decrypt"))?;
    let given = &head.options;
    let channel_restore_mode = mode(given.get("ChannelRestoreMode"), "ChannelRestoreMode")?;
    let role_restore_mode = mode(given.get("RoleRestoreMode"), "RoleRestoreMode")?;
    let channel_restore_mode = channel_restore_mode.unwrap_or_default();
    let (parts, members_chosen) = parts(given.get("Parts"))?;
    let options = Options {
        backup_source: match as_of(given.get("AsOf"))? {
            Some(at) if given.get("BackupSource").is_none_or(|source| *source == "") => {
                BackupSource::AsOf(at)
            }
            Some(_) => {
                let why = "it stands in place of BackupSource: leave one of them";
                return Err(InvalidRequest::option("AsOf", why));
            }
            None => source(given.get("BackupSource"), cdn)?,
        },
        channel_restore_mode,
        role_restore_mode: role_restore_mode.unwrap_or(channel_restore_mode),
        protected_channels: set(given.get("ProtectedChannels"), "ProtectedChannels")?,
        protected_roles: set(given.get("ProtectedRoles"), "ProtectedRoles")?,
        ignore_restore_errors: request::flag(given, "IgnoreRestoreErrors")?,
        parts,
        members_chosen,
        dry_run: request::flag(given, "DryRun")?,
        plan_hash: request::plan_hash(given, PLAN_HASH)?,
        // Nobody's own to say: the row of the task tells.
        uploaded: false,
    };
    if options.is_brought() && !head.caller.is_administrator() {
        return Err(InvalidRequest::ForeignFile);
    }
    let fields = Fields {
        server_id: head.server_id,
        options,
        max_body_size,
        known_channels: head.known_channels,
        caller_permissions: head.caller.permissions,
        caller_id: head.caller.user,
    };
    Ok((fields, head.password))
}

fn as_of(given: Option<&Value>) -> Result<Option<DateTime<Utc>>, InvalidRequest> {
    let Some(given) = given.filter(|given| **given != "") else {
        return Ok(None);
    };
    let read = given
        .as_str()
        .and_then(|text| DateTime::parse_from_rfc3339(text.trim()).ok());
    let wrong = || InvalidRequest::option("AsOf", "it is a time such as 2026-11-30T18:05:00Z");
    read.map(|at| Some(at.to_utc())).ok_or_else(wrong)
}

/// `task://<id>` and `job://<id>`, also with an empty host or what follows the id of an object's
/// key, so that the addresses of all generations are read; a bare id; or an https address.
fn source(given: Option<&Value>, cdn: &str) -> Result<BackupSource, InvalidRequest> {
    let given = given.and_then(Value::as_str).map(str::trim);
    let given = given.filter(|given| !given.is_empty());
    let given = given.ok_or(InvalidRequest::NoSource)?;
    if let Ok(task) = given.parse() {
        return Ok(BackupSource::Task(task));
    }
    for scheme in ["task://", "job://"] {
        if let Some(rest) = given.strip_prefix(scheme) {
            let task = rest.trim_matches('/').parse();
            return task
                .map(BackupSource::Task)
                .map_err(|_| InvalidRequest::Source);
        }
    }
    let allowed = given.starts_with("https://") || given.starts_with(cdn);
    if given.len() > LONGEST_ADDRESS || !allowed {
        return Err(InvalidRequest::Source);
    }
    // Whether the host is Discord's is the download's to decide.
    Ok(BackupSource::Address(given.to_owned()))
}

fn mode(given: Option<&Value>, name: &'static str) -> Result<Option<RestoreMode>, InvalidRequest> {
    match given {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|_| InvalidRequest::option(name, "it is `full`, `diff` or `ignore_existing`")),
    }
}

fn set<T: serde::de::DeserializeOwned + Ord>(
    given: Option<&Value>,
    name: &'static str,
) -> Result<BTreeSet<T>, InvalidRequest> {
    let Some(given) = given else {
        return Ok(BTreeSet::new());
    };
    let ids: Vec<T> = serde_json::from_value(given.clone())
        .map_err(|error| InvalidRequest::option(name, error.to_string()))?;
    if ids.len() > MOST_PROTECTED {
        return Err(InvalidRequest::option(
            name,
            format!("more than {MOST_PROTECTED} ids"),
        ));
    }
    Ok(ids.into_iter().collect())
}

/// All but those that have to be chosen, when none are named; and whether members are.
fn parts(given: Option<&Value>) -> Result<(BTreeSet<Part>, bool), InvalidRequest> {
    let named: BTreeSet<Part> = match given {
        None => BTreeSet::new(),
        Some(given) => serde_json::from_value(given.clone())
            .map_err(|error| InvalidRequest::option("Parts", error.to_string()))?,
    };
    match named.is_empty() {
        true => {
            let usual = Part::ALL.into_iter().filter(|part| part.is_usual());
            Ok((usual.collect(), false))
        }
        false => {
            let members = named.contains(&Part::Members);
            Ok((named, members))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CDN: &str = "http://127.0.0.1:4400/";
    const TASK: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    fn with(options: Value) -> Result<Options, InvalidRequest> {
        parse(
            &json!({"ServerID": "1", "Options": options, "CallerPermissions": "8"}),
            1000,
            CDN,
        )
        .map(|(fields, _)| fields.options)
    }

    #[test]
    fn names_match_in_any_case_and_the_password_stays_out() {
        let data = json!({"serverid": "1", "options": {
            "backupsource": format!("task://{TASK}"), "decrypt": "s3cret", "Unknown": 1,
            "channelrestoremode": "diff", "protectedchannels": ["5"]}});
        let (fields, password) = parse(&data, 1000, CDN).unwrap();
        assert_eq!(password.unwrap().0, "s3cret");
        assert_eq!(fields.options.channel_restore_mode, RestoreMode::Diff);
        assert_eq!(fields.options.role_restore_mode, RestoreMode::Diff);
        assert_eq!(fields.options.parts.len(), Part::ALL.len() - 1);
        let stored = serde_json::to_string(&fields).unwrap();
        assert!(
            !stored.contains("s3cret") && !stored.contains("Decrypt"),
            "{stored}"
        );
        assert_eq!(serde_json::from_str::<Fields>(&stored).unwrap(), fields);
    }

    #[test]
    fn sources_are_tasks_or_https() {
        let source = |text: &str| with(json!({"BackupSource": text})).map(|o| o.backup_source);
        let task = BackupSource::Task(TASK.parse().unwrap());
        for text in [
            TASK.to_owned(),
            format!("task:///{TASK}"),
            format!("job://{TASK}"),
        ] {
            assert_eq!(source(&text).as_ref(), Ok(&task), "{text}");
        }
        let address = "https://cdn.discordapp.com/attachments/1/2/a.iblfile";
        assert_eq!(
            source(address),
            Ok(BackupSource::Address(address.to_owned()))
        );
        for text in [
            "file:///etc/passwd",
            "http://example.com/a",
            "task://../../x",
            "task:///other/key",
            "ftp://x",
        ] {
            assert_eq!(source(text), Err(InvalidRequest::Source), "{text}");
        }
        assert_eq!(source(" "), Err(InvalidRequest::NoSource));
    }

    #[test]
    fn a_time_stands_in_place_of_a_backup() {
        let options = with(json!({"AsOf": "2026-11-30T18:05:00+01:00"})).unwrap();
        let BackupSource::AsOf(at) = options.backup_source else {
            panic!("{options:?}")
        };
        assert_eq!(at.to_rfc3339(), "2026-11-30T17:05:00+00:00");
        for wrong in [
            json!({"AsOf": "yesterday"}),
            json!({"AsOf": 5}),
            json!({"AsOf": "2026-11-30T18:05:00Z", "BackupSource": TASK}),
        ] {
            let error = with(wrong).unwrap_err();
            assert!(error.to_string().starts_with("Options.AsOf"), "{error}");
        }
        assert_eq!(with(json!({"AsOf": ""})), Err(InvalidRequest::NoSource));
    }

    #[test]
    fn members_are_put_right_as_far_as_somebody_asks() {
        let scope = |parts: Value, foreign| {
            let options = with(json!({"BackupSource": TASK, "Parts": parts})).unwrap();
            options.members(foreign)
        };
        let named = || json!(["roles", "members"]);
        assert_eq!(scope(json!([]), false), Some(Scope::Renewed));
        assert_eq!(scope(json!([]), true), None);
        assert_eq!(scope(named(), false), Some(Scope::All));
        assert_eq!(scope(named(), true), Some(Scope::All));
        assert_eq!(scope(json!(["roles"]), false), None);
        // Nobody says it in another way.
        let said = json!({"BackupSource": TASK, "MembersChosen": true});
        assert_eq!(with(said).unwrap().members(false), Some(Scope::Renewed));
    }

    #[test]
    fn files_are_for_administrators() {
        let by = |caller: Value| {
            let source = "https://cdn.discordapp.com/attachments/1/2/a.iblfile";
            let data = json!({"ServerID": "1", "Options": {"BackupSource": source},
                              "CallerPermissions": caller});
            parse(&data, 1000, CDN).map(|(fields, _)| fields.caller_permissions)
        };
        assert_eq!(by(json!("8")), Ok(8));
        assert_eq!(by(json!(u64::MAX.to_string())), Ok(u64::MAX));
        for caller in [json!("268435488"), json!("0"), Value::Null] {
            assert_eq!(by(caller), Err(InvalidRequest::ForeignFile));
        }
        assert_eq!(by(json!(8)), Err(InvalidRequest::CallerPermissions));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (options, name) in [
            (
                json!({"ChannelRestoreMode": "partial"}),
                "ChannelRestoreMode",
            ),
            (json!({"RoleRestoreMode": 1}), "RoleRestoreMode"),
            (json!({"Parts": ["everything"]}), "Parts"),
            (json!({"ProtectedRoles": ["x"]}), "ProtectedRoles"),
            (json!({"DryRun": "yes"}), "DryRun"),
            (json!({"PlanHash": "abc"}), "PlanHash"),
        ] {
            let mut options = options;
            options["BackupSource"] = TASK.into();
            let error = with(options).unwrap_err();
            assert!(
                matches!(&error, InvalidRequest::Option { name: of, .. } if *of == name),
                "{error}"
            );
        }
    }
}
