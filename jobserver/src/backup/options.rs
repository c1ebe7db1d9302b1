//! What a caller may ask for, and the checks before a row is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::config::Plan;
use splashtail_core::ids::{ChannelId, GuildId, TaskId};
use splashtail_guild::Id;
use splashtail_iblfile::{PublicKey, msgpack};

use super::coverage::KnownChannel;
use crate::fields;
use crate::request::{Head, InvalidRequest, Password};

/// Images of a guild that can be part of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asset {
    Icon,
    Banner,
    Splash,
}

impl Asset {
    /// Field of the guild object that holds the hash.
    pub fn field(self) -> &'static str {
        match self {
            Self::Icon => "icon",
            Self::Banner => "banner",
            Self::Splash => "splash",
        }
    }

    /// Directory on the CDN.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Icon => "icons",
            Self::Banner => "banners",
            Self::Splash => "splashes",
        }
    }

    /// Section of the file.
    pub fn section(self) -> &'static str {
        match self {
            Self::Icon => "assets/guildIcon",
            Self::Banner => "assets/guildBanner",
            Self::Splash => "assets/guildSplash",
        }
    }
}

/// What a backup makes of the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Incremental {
    /// Everything is read from Discord.
    #[default]
    Off,
    /// Messages that an earlier backup of the server holds are copied from it, where that can be read.
    Auto,
}

/// Options of a backup as stored in the job's row. `Encrypt` is never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Options {
    /// Ascending; empty means all.
    pub channels: Vec<ChannelId>,
    pub per_channel: u32,
    pub max_messages: u32,
    pub backup_messages: bool,
    pub backup_attachments: bool,
    pub backup_guild_assets: Vec<Asset>,
    pub ignore_message_backup_errors: bool,
    pub rollover_leftovers: bool,
    pub special_allocations: BTreeMap<ChannelId, u32>,
    /// Who has which roles, nicknames and timeouts. The original knows nothing of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backup_members: bool,
    /// Who is banned, and why. A long list is one page a minute.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backup_bans: bool,
    /// How the file was made, not what is in it: no part of `backup_opts`.
    #[serde(skip_serializing_if = "is_off")]
    pub incremental: Incremental,
    /// PEM. The file is for whoever has the other half, in place of a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// An order by a schedule goes on from the backup before it, unless it says otherwise. Schedules that are
/// older than the option do not mention it.
pub fn scheduled(data: &mut Value) {
    if let Some(Value::Object(options)) = data.get_mut("Options") {
        let said = options.entry("Incremental");
        said.or_insert_with(|| serde_json::json!(Incremental::Auto));
    }
}

fn is_off(incremental: &Incremental) -> bool {
    *incremental == Incremental::Off
}

/// Names the incident of a backup that is made when one begins.
pub const INCIDENT: &str = "Incident";
const OPTION_NAMES: [&str; 14] = [
    "Channels",
    "PerChannel",
    "MaxMessages",
    "BackupMessages",
    "BackupAttachments",
    "BackupGuildAssets",
    "IgnoreMessageBackupErrors",
    "RolloverLeftovers",
    "SpecialAllocations",
    "BackupMembers",
    "BackupBans",
    "Incremental",
    "PublicKey",
    "Encrypt",
];
/// Bytes; one of 2048 bits has some 450.
const LONGEST_KEY: usize = 2048;

/// Limits of the plan, kept with the row so that a resumed job works under the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Constraints {
    pub total_max_messages: u32,
    pub max_attachment_file_size: u64,
    pub file_size_warning_threshold: u64,
    pub min_per_channel: u32,
    pub default_per_channel: u32,
    pub guild_asset_reencode_quality: u8,
    pub max_body_size: u64,
}

impl Constraints {
    pub fn of(plan: &Plan) -> Self {
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            total_max_messages: count(plan.total_max_messages),
            max_attachment_file_size: plan.max_attachment_file_size,
            file_size_warning_threshold: plan.file_size_warning_threshold,
            min_per_channel: count(plan.min_per_channel),
            default_per_channel: count(plan.default_per_channel),
            guild_asset_reencode_quality: plan.guild_asset_reencode_quality,
            max_body_size: plan.max_body_size,
        }
    }
}

/// The job's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fields {
    #[serde(rename = "ServerID")]
    pub server_id: GuildId,
    pub constraints: Constraints,
    pub options: Options,
    /// Every channel of the server as the caller sees it on the gateway, where those that the bot
    /// may not see are listed, too. Empty: the caller does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_channels: Vec<KnownChannel>,
    /// What it was made at the beginning of; the bot alone says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Id>,
    /// An earlier backup that the key in the job's secret opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<TaskId>,
    /// What the file says of its key, where it is for the holder of a private key: base64, no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_key: Option<String>,
}

/// Decodes and validates `{ServerID, Options, KnownChannels}`. Names match whatever their case, unknown ones are
/// ignored, and constraints sent along are replaced by the plan's.
pub fn parse(
    data: &Value,
    constraints: Constraints,
) -> Result<(Fields, Option<Password>), InvalidRequest> {
    let head = Head::read(data, &OPTION_NAMES, Some("Encrypt"))?;
    let mut options = decode(head.options)?;
    complete(&mut options, &constraints)?;
    if options.public_key.is_some() && head.password.is_some() {
        let why = "it stands in place of a password: leave one of them";
        return Err(InvalidRequest::option("PublicKey", why));
    }
    Ok((
        Fields {
            server_id: head.server_id,
            constraints,
            options,
            known_channels: head.known_channels,
            incident: incident(data)?,
            former: None,
            sealed_key: None,
        },
        head.password,
    ))
}

fn incident(data: &Value) -> Result<Option<Id>, InvalidRequest> {
    let given = data
        .as_object()
        .and_then(|data| fields::get(data, INCIDENT));
    let read = given.map(|id| Id::read(id).ok_or(InvalidRequest::Incident));
    read.transpose()
}

/// One option at a time, so that the message names the one that is wrong.
fn decode(mut given: serde_json::Map<String, Value>) -> Result<Options, InvalidRequest> {
    fn one<T: serde::de::DeserializeOwned + Default>(
        given: &mut serde_json::Map<String, Value>,
        name: &str,
    ) -> Result<T, InvalidRequest> {
        match given.remove(name) {
            None => Ok(T::default()),
            // The value itself may be anything, so only the reason is repeated.
            Some(value) => serde_json::from_value(value)
                .map_err(|error| InvalidRequest::option(name, error.to_string())),
        }
    }
    let given = &mut given;
    Ok(Options {
        channels: one(given, "Channels")?,
        per_channel: one(given, "PerChannel")?,
        max_messages: one(given, "MaxMessages")?,
        backup_messages: one(given, "BackupMessages")?,
        backup_attachments: one(given, "BackupAttachments")?,
        backup_guild_assets: one(given, "BackupGuildAssets")?,
        ignore_message_backup_errors: one(given, "IgnoreMessageBackupErrors")?,
        rollover_leftovers: one(given, "RolloverLeftovers")?,
        special_allocations: one(given, "SpecialAllocations")?,
        // Roles without their members are not the server as it was.
        backup_members: one::<Option<bool>>(given, "BackupMembers")?.unwrap_or(true),
        backup_bans: one(given, "BackupBans")?,
        incremental: one(given, "Incremental")?,
        public_key: public_key(one(given, "PublicKey")?)?,
    })
}

fn public_key(given: Option<String>) -> Result<Option<String>, InvalidRequest> {
    let Some(given) = given.filter(|given| !given.trim().is_empty()) else {
        return Ok(None);
    };
    if given.len() > LONGEST_KEY {
        let why = format!("it has {LONGEST_KEY} bytes at most");
        return Err(InvalidRequest::option("PublicKey", why));
    }
    match PublicKey::parse(&given) {
        Ok(_) => Ok(Some(given)),
        Err(error) => Err(InvalidRequest::option("PublicKey", error.to_string())),
    }
}

/// Fills defaults and checks, in the order that decides which of several mistakes is reported.
fn complete(options: &mut Options, limits: &Constraints) -> Result<(), InvalidRequest> {
    if options.max_messages == 0 {
        options.max_messages = limits.total_max_messages;
    }
    if options.per_channel == 0 {
        options.per_channel = limits.default_per_channel;
    }
    let (per_channel, max_messages) = (options.per_channel, options.max_messages);
    if per_channel < limits.min_per_channel {
        let least = limits.min_per_channel;
        return Err(InvalidRequest::PerChannelTooSmall {
            given: per_channel,
            least,
        });
    }
    if max_messages > limits.total_max_messages {
        let most = limits.total_max_messages;
        return Err(InvalidRequest::TooManyMessages {
            given: max_messages,
            most,
        });
    }
    if per_channel > max_messages {
        return Err(InvalidRequest::PerChannelTooLarge {
            per_channel,
            max_messages,
        });
    }
    if options.backup_attachments && !options.backup_messages {
        return Err(InvalidRequest::AttachmentsWithoutMessages);
    }
    options.backup_guild_assets.sort();
    options.backup_guild_assets.dedup();
    options.channels.sort();
    options.channels.dedup();
    for (&channel, &given) in &options.special_allocations {
        if given > max_messages {
            return Err(InvalidRequest::SpecialAllocation {
                channel,
                given,
                most: max_messages,
            });
        }
    }
    Ok(())
}

impl Options {
    /// Section `backup_opts`: the original's struct, with the password blanked.
    pub fn section(&self, encrypted: bool) -> msgpack::Value {
        use msgpack::Value as M;
        let names = |asset: &Asset| M::from(asset.field());
        let allocations = self
            .special_allocations
            .iter()
            .map(|(id, most)| (M::from(id.to_string()), M::from(u64::from(*most))))
            .collect();
        M::object([
            (
                "Channels",
                self.channels
                    .iter()
                    .map(|id| M::from(id.to_string()))
                    .collect::<Vec<_>>()
                    .into(),
            ),
            ("PerChannel", u64::from(self.per_channel).into()),
            ("MaxMessages", u64::from(self.max_messages).into()),
            ("BackupMessages", self.backup_messages.into()),
            ("BackupAttachments", self.backup_attachments.into()),
            (
                "BackupGuildAssets",
                self.backup_guild_assets
                    .iter()
                    .map(names)
                    .collect::<Vec<_>>()
                    .into(),
            ),
            (
                "IgnoreMessageBackupErrors",
                self.ignore_message_backup_errors.into(),
            ),
            ("RolloverLeftovers", self.rollover_leftovers.into()),
            ("SpecialAllocations", M::Map(allocations)),
            ("Encrypt", if encrypted { "SET" } else { "" }.into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LIMITS: Constraints = Constraints {
        total_max_messages: 500,
        max_attachment_file_size: 8_000_000,
        file_size_warning_threshold: 50_000_000,
        min_per_channel: 50,
        default_per_channel: 100,
        guild_asset_reencode_quality: 85,
        max_body_size: 100_000_000,
    };

    #[test]
    fn a_schedule_goes_on_from_the_backup_before() {
        let incremental = |options: Value| {
            let mut data = json!({"ServerID": "1", "Options": options});
            scheduled(&mut data);
            parse(&data, LIMITS).unwrap().0.options.incremental
        };
        assert_eq!(incremental(json!({})), Incremental::Auto);
        let off = json!({"Incremental": "off"});
        assert_eq!(incremental(off), Incremental::Off);
    }

    fn with(options: Value) -> Result<Options, InvalidRequest> {
        parse(&json!({"ServerID": "1", "Options": options}), LIMITS).map(|(f, _)| f.options)
    }

    #[test]
    fn names_match_in_any_case_and_unknown_ones_are_ignored() {
        let data = json!({
            "serverid": 1100000000001179648_u64, "CONSTRAINTS": {"TotalMaxMessages": 1_000_000},
            "options": {"backupmessages": true, "perchannel": 60, "Later": 1, "Channels": null,
                        "SPECIALALLOCATIONS": {"21": 7}, "Encrypt": "s3cret"}
        });
        let (fields, password) = parse(&data, LIMITS).unwrap();
        assert_eq!(fields.server_id.get(), 1_100_000_000_001_179_648);
        assert_eq!(
            fields.constraints, LIMITS,
            "the plan wins over what the caller sends"
        );
        assert!(fields.options.backup_messages);
        assert_eq!(
            (fields.options.per_channel, fields.options.max_messages),
            (60, 500)
        );
        assert_eq!(
            fields.options.special_allocations.values().copied().next(),
            Some(7)
        );
        let password = password.unwrap();
        assert_eq!(format!("{password:?}"), "Password(..)");
        assert_eq!(password.0, "s3cret");
        let stored = serde_json::to_string(&fields).unwrap();
        assert!(
            !stored.contains("s3cret") && !stored.contains("Encrypt"),
            "{stored}"
        );
        let again: Fields = serde_json::from_str(&stored).unwrap();
        assert_eq!(again, fields);
    }

    #[test]
    fn callers_may_say_which_channels_exist() {
        let with = |known: Value| {
            let data = json!({"ServerID": "1", "Options": {}, "knownchannels": known});
            parse(&data, LIMITS).map(|(fields, _)| fields)
        };
        let given = json!([{"id": "7", "type": 15, "name": "___hidden___"},
                           {"id": "5", "type": 0, "parent_id": "9"}, {"id": "7", "type": 15}]);
        let fields = with(given).unwrap();
        let stored = serde_json::to_value(&fields).unwrap();
        assert_eq!(
            stored["KnownChannels"],
            json!([{"id": "5", "type": 0, "parent_id": "9"}, {"id": "7", "type": 15}])
        );
        let plain = serde_json::to_value(with(Value::Null).unwrap()).unwrap();
        assert_eq!(plain.get("KnownChannels"), None);
        for bad in [json!(["7"]), json!([{"id": "x", "type": 0}]), json!({})] {
            assert_eq!(with(bad).unwrap_err().code(), "invalid_known_channels");
        }
        let many: Vec<Value> = (1..=1001)
            .map(|id: u64| json!({"id": id.to_string(), "type": 0}))
            .collect();
        assert_eq!(
            with(json!(many)).unwrap_err().code(),
            "invalid_known_channels"
        );
    }

    #[test]
    fn mistakes_are_told_apart() {
        let code = |options| with(options).unwrap_err().code();
        assert_eq!(code(json!({"PerChannel": 49})), "per_channel_too_small");
        assert_eq!(code(json!({"MaxMessages": 501})), "too_many_messages");
        assert_eq!(
            code(json!({"PerChannel": 101, "MaxMessages": 100})),
            "per_channel_too_large"
        );
        assert_eq!(
            code(json!({"BackupAttachments": true})),
            "attachments_without_messages"
        );
        assert_eq!(
            code(json!({"BackupGuildAssets": ["icon", "hat"]})),
            "invalid_option"
        );
        assert_eq!(code(json!({"Channels": ["general"]})), "invalid_option");
        assert_eq!(code(json!({"MaxMessages": -1})), "invalid_option");
        assert_eq!(
            code(json!({"SpecialAllocations": {"x": 1}})),
            "invalid_option"
        );
        assert_eq!(
            code(json!({"SpecialAllocations": {"1": -1}})),
            "invalid_option"
        );
        assert_eq!(code(json!([])), "invalid_option");
        // Unlimited special allocations went around the plan's limit.
        assert_eq!(
            code(json!({"SpecialAllocations": {"1": 501}})),
            "invalid_special_allocation"
        );
        let bad = parse(&json!({"Options": {}}), LIMITS).err().unwrap();
        assert_eq!(bad, InvalidRequest::ServerId);
        let bad = parse(&json!({"ServerID": "0"}), LIMITS).err().unwrap();
        assert_eq!(bad, InvalidRequest::ServerId);
    }

    #[test]
    fn the_options_section_holds_no_password() {
        let options = with(json!({"Encrypt": "s3cret", "Channels": ["5", "5", "4"]})).unwrap();
        let section = options.section(true).to_json();
        assert_eq!(section["Encrypt"], "SET");
        assert_eq!(section["Channels"], json!(["4", "5"]));
        assert_eq!(options.section(false).to_json()["Encrypt"], "");
        let keys: Vec<_> = section
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let known = OPTION_NAMES.into_iter().filter(|name| {
            !["BackupMembers", "BackupBans", "Incremental", "PublicKey"].contains(name)
        });
        assert_eq!(keys, known.collect::<Vec<_>>());
    }
}
