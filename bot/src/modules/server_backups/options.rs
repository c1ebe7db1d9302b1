//! From the options of the command to the job's data.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value, json};
use splashtail_core::config::Plan;
use splashtail_core::ids::{ChannelId, GuildId};
use splashtail_guild::{Id, Kind, Structure};

use crate::catalogue::Language;
use crate::markdown::{neutralise, shorten};
use crate::text;

const ASSETS: [&str; 3] = ["icon", "splash", "banner"];
/// Quoted of what a user typed.
const QUOTED: usize = 60;

#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    pub messages: bool,
    pub attachments: bool,
    /// Roles, nicknames and timeouts of members.
    pub members: bool,
    pub bans: bool,
    /// `None` = all.
    pub assets: Option<String>,
    pub rollover_leftovers: bool,
    pub ignore_errors: bool,
    /// `None` = what the plan allows.
    pub max_messages: Option<i64>,
    /// `None` = the plan's default.
    pub per_channel: Option<i64>,
    pub special_allocations: Option<String>,
    pub password: Option<SecretString>,
    /// Copies what an earlier backup has.
    pub incremental: bool,
    /// All channels of the server as the gateway shows them; empty when that is not known.
    pub channels: Vec<KnownChannel>,
}

/// A channel that exists, whether the bot may see it or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KnownChannel {
    pub id: ChannelId,
    #[serde(rename = "type")]
    pub kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<ChannelId>,
}

impl KnownChannel {
    /// Those of a server; none when it is not known which there are besides those that can be seen.
    pub fn all(server: &Structure) -> Vec<Self> {
        if !server.knows(Kind::Channel) || !server.knows(Kind::Hidden) {
            return Vec::new();
        }
        // Of a channel that was seen before it was hidden there are two objects.
        let objects = server.all(Kind::Channel).chain(server.all(Kind::Hidden));
        let channels: BTreeMap<_, _> = objects
            .filter_map(|(id, channel)| {
                let parent = Id::read(&channel["parent_id"]);
                let channel = Self {
                    id: ChannelId::new(id.get())?,
                    kind: u8::try_from(channel["type"].as_u64()?).ok()?,
                    parent_id: parent.and_then(|parent| ChannelId::new(parent.get())),
                };
                Some((id, channel))
            })
            .collect();
        channels.into_values().collect()
    }
}

impl CreateOptions {
    /// The data of a `guild_create_backup` task. Limits of the plan are the jobserver's to check;
    /// here it is only made sure that every option can be read.
    ///
    /// # Errors
    /// What is wrong, for the user.
    pub fn job_data(
        self,
        language: Language,
        guild: GuildId,
        plan: &Plan,
    ) -> Result<Value, String> {
        if self.attachments && !self.messages {
            return Err(text!(language, "option-attachments"));
        }
        let max_messages = positive(language, "max_messages", self.max_messages)?;
        let per_channel = match positive(language, "per_channel", self.per_channel)? {
            0 if max_messages > 0 => plan.default_per_channel.min(max_messages),
            per_channel => per_channel,
        };
        let password = self.password.as_ref().map(ExposeSecret::expose_secret);
        let mut data = json!({
            "ServerID": guild,
            "Options": {
                "PerChannel": per_channel,
                "MaxMessages": max_messages,
                "BackupMessages": self.messages,
                "BackupAttachments": self.attachments,
                "BackupMembers": self.members,
                "BackupBans": self.bans,
                "BackupGuildAssets": assets(language, self.assets.as_deref())?,
                "IgnoreMessageBackupErrors": self.ignore_errors,
                "RolloverLeftovers": self.rollover_leftovers,
                "SpecialAllocations": special_allocations(language, self.special_allocations.as_deref())?,
                "Encrypt": password.unwrap_or_default(),
            },
        });
        if self.incremental {
            data["Options"]["Incremental"] = "auto".into();
        }
        if !self.channels.is_empty() {
            data["KnownChannels"] = json!(self.channels);
        }
        Ok(data)
    }
}

/// Zero means "as the plan says" to the jobserver.
fn positive(language: Language, name: &str, value: Option<i64>) -> Result<u64, String> {
    match value {
        None => Ok(0),
        Some(value) => match u64::try_from(value) {
            Ok(value) if value > 0 => Ok(value),
            _ => Err(text!(language, "option-positive", option = name)),
        },
    }
}

fn assets(language: Language, list: Option<&str>) -> Result<Vec<&'static str>, String> {
    let Some(list) = list else {
        return Ok(ASSETS.to_vec());
    };
    let names: Vec<_> = items(list).map(str::to_ascii_lowercase).collect();
    match names.as_slice() {
        [] => return Ok(ASSETS.to_vec()),
        [none] if none == "none" => return Ok(Vec::new()),
        _ => {}
    }
    let mut assets = Vec::new();
    for name in names {
        let Some(asset) = ASSETS.into_iter().find(|asset| *asset == name) else {
            return Err(text!(language, "option-asset", what = quote(&name)));
        };
        if !assets.contains(&asset) {
            assets.push(asset);
        }
    }
    Ok(assets)
}

/// Reads `channel=number,…`; a channel is its id or its mention.
fn special_allocations(
    language: Language,
    list: Option<&str>,
) -> Result<Map<String, Value>, String> {
    let mut allocations = Map::new();
    for item in items(list.unwrap_or_default()) {
        let parsed = item.split_once('=').and_then(|(channel, number)| {
            let channel = channel.trim();
            let id = channel
                .strip_prefix("<#")
                .and_then(|rest| rest.strip_suffix('>'));
            let channel: ChannelId = id.unwrap_or(channel).parse().ok()?;
            Some((channel, number.trim().parse::<u32>().ok()?))
        });
        let Some((channel, number)) = parsed else {
            return Err(text!(language, "option-allocation", what = quote(item)));
        };
        if allocations
            .insert(channel.to_string(), number.into())
            .is_some()
        {
            let channel = format!("<#{channel}>");
            return Err(text!(language, "option-twice", channel = channel));
        }
    }
    Ok(allocations)
}

pub(super) fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

pub(super) fn quote(text: &str) -> String {
    format!("“{}”", neutralise(&shorten(text, QUOTED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guild() -> GuildId {
        GuildId::new(1_100_000_000_001_179_648).unwrap()
    }

    fn options() -> CreateOptions {
        CreateOptions {
            messages: true,
            rollover_leftovers: true,
            ..CreateOptions::default()
        }
    }

    fn data(options: CreateOptions) -> Result<Value, String> {
        options.job_data(Language::English, guild(), &Plan::default())
    }

    fn accepted(options: CreateOptions) -> Value {
        data(options).unwrap()["Options"].clone()
    }

    #[test]
    fn all_defaults() {
        let data = data(CreateOptions {
            rollover_leftovers: true,
            ..CreateOptions::default()
        });
        insta::assert_json_snapshot!(data.unwrap(), @r#"
        {
          "ServerID": "1100000000001179648",
          "Options": {
            "PerChannel": 0,
            "MaxMessages": 0,
            "BackupMessages": false,
            "BackupAttachments": false,
            "BackupMembers": false,
            "BackupBans": false,
            "BackupGuildAssets": [
              "icon",
              "splash",
              "banner"
            ],
            "IgnoreMessageBackupErrors": false,
            "RolloverLeftovers": true,
            "SpecialAllocations": {},
            "Encrypt": ""
          }
        }
        "#);
    }

    #[test]
    fn who_is_who_and_who_is_banned_are_kept_apart() {
        let options = CreateOptions {
            members: true,
            ..options()
        };
        let kept = accepted(options);
        assert_eq!(
            (&kept["BackupMembers"], &kept["BackupBans"]),
            (&json!(true), &json!(false))
        );
    }

    #[test]
    fn assets_default_to_all_and_may_be_none() {
        for (list, assets) in [
            (None, &["icon", "splash", "banner"][..]),
            (Some(""), &["icon", "splash", "banner"]),
            (Some(" , "), &["icon", "splash", "banner"]),
            (Some("banner, Icon,banner"), &["banner", "icon"]),
            (Some("none"), &[]),
        ] {
            let options = CreateOptions {
                assets: list.map(str::to_owned),
                ..options()
            };
            assert_eq!(
                accepted(options)["BackupGuildAssets"],
                json!(assets),
                "{list:?}"
            );
        }
        let options = CreateOptions {
            assets: Some("icon,*cover*".to_owned()),
            ..options()
        };
        assert!(
            data(options)
                .unwrap_err()
                .starts_with(r"“\*cover\*” is no image")
        );
    }

    #[test]
    fn attachments_need_messages() {
        let options = CreateOptions {
            attachments: true,
            messages: false,
            ..options()
        };
        assert!(data(options).unwrap_err().contains("messages"));
    }

    #[test]
    fn numbers() {
        for (max, per_channel, expected) in [
            (None, None, (0, 0)),
            (Some(1230), None, (1230, 100)),
            (Some(60), None, (60, 60)),
            (Some(60), Some(55), (60, 55)),
            (None, Some(70), (0, 70)),
        ] {
            let options = accepted(CreateOptions {
                max_messages: max,
                per_channel,
                ..options()
            });
            assert_eq!(options["MaxMessages"], expected.0);
            assert_eq!(options["PerChannel"], expected.1);
        }
        for bad in [0, -5] {
            let error = data(CreateOptions {
                max_messages: Some(bad),
                ..options()
            })
            .unwrap_err();
            assert_eq!(error, "`max_messages` has to be at least 1.");
        }
    }

    #[test]
    fn special_allocations_are_read_strictly() {
        let allocations = |text: &str| {
            data(CreateOptions {
                special_allocations: Some(text.to_owned()),
                ..options()
            })
            .map(|data| data["Options"]["SpecialAllocations"].clone())
        };
        assert_eq!(
            allocations("123=5, <#456> = 0 ,").unwrap(),
            json!({"123": 5, "456": 0})
        );
        for bad in [
            "123",
            "general=5",
            "123=-5",
            "123=five",
            "0=5",
            "123=5=6",
            "<#123=5",
        ] {
            assert!(
                allocations(bad).unwrap_err().contains("channel=number"),
                "{bad}"
            );
        }
        assert!(allocations("123=5,<#123>=6").unwrap_err().contains("twice"));
    }

    #[test]
    fn the_password_goes_where_the_job_expects_it() {
        let options = CreateOptions {
            password: Some("hunter2".into()),
            ..options()
        };
        assert!(!format!("{options:?}").contains("hunter2"));
        assert_eq!(accepted(options)["Encrypt"], "hunter2");
    }

    /// A channel that was seen before it was hidden is one channel, and of a list that nobody read
    /// nothing is told.
    #[test]
    fn every_channel_of_the_gateway_is_known_once() {
        let clear = |id: &str| json!({"id": id, "type": 0, "name": "a", "parent_id": "5"});
        let hidden = json!({"id": "8", "type": 2, "name": "___hidden___", "flags": 1 << 17,
            "permission_overwrites": [{"id": "1", "type": 0, "allow": "0", "deny": "1024"}]});
        let guild = json!({"id": "1", "name": "x", "roles": [], "emojis": [], "stickers": []});
        let mut server = Structure::from_guild(&guild).unwrap();
        assert_eq!(KnownChannel::all(&server), []);
        server.learn(Kind::Channel, vec![clear("7"), clear("8")]);
        assert_eq!(KnownChannel::all(&server), [], "there may be more");
        server.learn(Kind::Hidden, vec![hidden]);
        let known = KnownChannel::all(&server);
        let shown: Vec<_> = known
            .iter()
            .map(|known| (known.id.get(), known.kind, known.parent_id.is_some()))
            .collect();
        assert_eq!(shown, [(7, 0, true), (8, 2, false)]);
    }

    /// Discord's lists leave out what the bot may not see; the gateway does not.
    #[test]
    fn the_jobserver_is_told_which_channels_exist() {
        let channel = |id, parent| KnownChannel {
            id: ChannelId::new(id).unwrap(),
            kind: 15,
            parent_id: parent,
        };
        let options = CreateOptions {
            channels: vec![channel(7, None), channel(8, ChannelId::new(5))],
            ..options()
        };
        assert_eq!(
            data(options).unwrap()["KnownChannels"],
            json!([{"id": "7", "type": 15}, {"id": "8", "type": 15, "parent_id": "5"}])
        );
    }
}
