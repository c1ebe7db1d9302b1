//! What a caller may ask for, and the checks before a row is written.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_core::ids::{ChannelId, GuildId, UserId};

use super::filter::{Filter, Trait};
use crate::backup::coverage::KnownChannel;
use crate::backup::options::{self as backup};
use crate::request::{Caller, Head, InvalidRequest};

/// Most messages of one order.
pub const TOTAL_MAX_MESSAGES: u32 = 1000;
const MIN_PER_CHANNEL: u32 = 10;
const DEFAULT_PER_CHANNEL: u32 = 100;
const DAY: u64 = 24 * 60 * 60;
/// Without another one; what is younger goes a hundred at a time.
const DEFAULT_AGE: u64 = 14 * DAY;
const LONGEST_AGE: u64 = 10 * 365 * DAY;
const MOST_USERS: usize = 100;
const LONGEST_TEXT: usize = 200;
const LONGEST_REASON: usize = 400;

/// Options as stored in the job's row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Options {
    /// Ascending; empty means all. Threads belong to their channel.
    pub channels: Vec<ChannelId>,
    pub per_channel: u32,
    pub max_messages: u32,
    pub rollover_leftovers: bool,
    pub special_allocations: BTreeMap<ChannelId, u32>,
    /// Channels where Discord refuses are passed over.
    pub ignore_errors: bool,
    /// Seconds: what is older stays.
    pub prune_from: u64,
    #[serde(flatten)]
    pub filter: Filter,
    /// Only says what would go.
    pub dry_run: bool,
    /// For the audit log.
    pub reason: String,
}

const OPTION_NAMES: [&str; 14] = [
    "Channels",
    "PerChannel",
    "MaxMessages",
    "RolloverLeftovers",
    "SpecialAllocations",
    "IgnoreErrors",
    "PruneFrom",
    "UserID",
    "Users",
    "Contains",
    "Only",
    "Pinned",
    "DryRun",
    "Reason",
];

impl Options {
    /// As a backup would share out that many messages.
    pub fn allocation(&self) -> backup::Options {
        backup::Options {
            channels: self.channels.clone(),
            per_channel: self.per_channel,
            max_messages: self.max_messages,
            rollover_leftovers: self.rollover_leftovers,
            special_allocations: self.special_allocations.clone(),
            ignore_message_backup_errors: self.ignore_errors,
            ..backup::Options::default()
        }
    }
}

/// The job's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fields {
    #[serde(rename = "ServerID")]
    pub server_id: GuildId,
    pub options: Options,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_channels: Vec<KnownChannel>,
    /// What whoever ordered it may do in the server as a whole. Administrators delete wherever the
    /// bot may.
    #[serde(default)]
    pub caller_permissions: u64,
    /// All others only where this user may.
    #[serde(rename = "CallerID", default, skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<UserId>,
}

impl Fields {
    pub const fn caller(&self) -> Caller {
        Caller {
            permissions: self.caller_permissions,
            user: self.caller_id,
        }
    }
}

/// Decodes and validates `{ServerID, Options, KnownChannels, CallerPermissions, CallerID}`. Names match whatever their case,
/// unknown ones are ignored.
pub fn parse(data: &Value) -> Result<Fields, InvalidRequest> {
    let head = Head::read(data, &OPTION_NAMES, None)?;
    let mut options = decode(&head.options)?;
    complete(&mut options)?;
    let caller = head.caller;
    if !caller.is_administrator() && caller.user.is_none() {
        return Err(InvalidRequest::NobodyDeletes);
    }
    Ok(Fields {
        server_id: head.server_id,
        options,
        known_channels: head.known_channels,
        caller_permissions: caller.permissions,
        caller_id: caller.user,
    })
}

fn invalid(name: &str, why: impl Into<String>) -> InvalidRequest {
    InvalidRequest::option(name, why)
}

fn one<T: serde::de::DeserializeOwned + Default>(
    given: &Map<String, Value>,
    name: &'static str,
) -> Result<T, InvalidRequest> {
    let value = given.get(name).cloned();
    value.map_or_else(
        || Ok(T::default()),
        |value| serde_json::from_value(value).map_err(|error| invalid(name, error.to_string())),
    )
}

fn decode(given: &Map<String, Value>) -> Result<Options, InvalidRequest> {
    let mut users: BTreeSet<_> = one(given, "Users")?;
    if let Some(user) = given.get("UserID").filter(|user| **user != "") {
        let user = serde_json::from_value(user.clone());
        users.insert(user.map_err(|error| invalid("UserID", error.to_string()))?);
    }
    let contains: Option<String> = one(given, "Contains")?;
    let only: BTreeSet<Trait> = one(given, "Only")?;
    Ok(Options {
        channels: one(given, "Channels")?,
        per_channel: one(given, "PerChannel")?,
        max_messages: one(given, "MaxMessages")?,
        rollover_leftovers: one(given, "RolloverLeftovers")?,
        special_allocations: one(given, "SpecialAllocations")?,
        ignore_errors: one(given, "IgnoreErrors")?,
        prune_from: given.get("PruneFrom").map_or(Ok(0), age)?,
        filter: Filter {
            users,
            contains: contains.filter(|text| !text.trim().is_empty()),
            only,
            pinned: one(given, "Pinned")?,
        },
        dry_run: one(given, "DryRun")?,
        reason: one(given, "Reason")?,
    })
}

/// Text such as `3d`, `36h` or `1h30m`; a number counts nanoseconds, as in all generations.
fn age(given: &Value) -> Result<u64, InvalidRequest> {
    let invalid = |why: &str| invalid("PruneFrom", why);
    let seconds = match given {
        Value::Number(number) => {
            let nanoseconds = number.as_u64().ok_or(invalid("it must not be negative"))?;
            if nanoseconds > 0 && nanoseconds < 1_000_000_000 {
                let why = "a number counts nanoseconds, and this is less than a second; write \
                           text such as \"3d\"";
                return Err(invalid(why));
            }
            nanoseconds / 1_000_000_000
        }
        Value::String(text) if text.trim().is_empty() => 0,
        Value::String(text) => seconds(text.trim())
            .ok_or(invalid("it is text such as \"3d\", \"36h\" or \"1h30m\""))?,
        _ => return Err(invalid("it is text such as \"3d\"")),
    };
    if seconds > LONGEST_AGE {
        return Err(invalid("it is longer than ten years"));
    }
    Ok(seconds)
}

fn seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = match rest[..end].trim() {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => DAY,
            "w" => 7 * DAY,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[end..];
    }
    (total > 0).then_some(total)
}

/// Fills defaults and checks, in the order that decides which of several mistakes is reported.
fn complete(options: &mut Options) -> Result<(), InvalidRequest> {
    if options.max_messages == 0 {
        options.max_messages = TOTAL_MAX_MESSAGES;
    }
    if options.per_channel == 0 {
        options.per_channel = DEFAULT_PER_CHANNEL.min(options.max_messages);
    }
    if options.prune_from == 0 {
        options.prune_from = DEFAULT_AGE;
    }
    let (per_channel, max_messages) = (options.per_channel, options.max_messages);
    if max_messages > TOTAL_MAX_MESSAGES {
        return Err(InvalidRequest::TooManyToDelete {
            given: max_messages,
            most: TOTAL_MAX_MESSAGES,
        });
    }
    if per_channel < MIN_PER_CHANNEL && per_channel < max_messages {
        return Err(InvalidRequest::PerChannelTooSmall {
            given: per_channel,
            least: MIN_PER_CHANNEL,
        });
    }
    if per_channel > max_messages {
        return Err(InvalidRequest::PerChannelTooLarge {
            per_channel,
            max_messages,
        });
    }
    for (&channel, &given) in &options.special_allocations {
        if given > max_messages {
            return Err(InvalidRequest::SpecialAllocation {
                channel,
                given,
                most: max_messages,
            });
        }
    }
    let filter = &options.filter;
    if filter.users.len() > MOST_USERS {
        return Err(invalid(
            "Users",
            format!("there are more than {MOST_USERS}"),
        ));
    }
    if filter
        .contains
        .as_ref()
        .is_some_and(|text| text.len() > LONGEST_TEXT)
    {
        return Err(invalid(
            "Contains",
            format!("it is longer than {LONGEST_TEXT} bytes"),
        ));
    }
    options.reason = options.reason.chars().take(LONGEST_REASON).collect();
    options.channels.sort();
    options.channels.dedup();
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(options: Value) -> Result<Options, InvalidRequest> {
        parse(&json!({"ServerID": "1", "options": options, "CallerID": "7"}))
            .map(|fields| fields.options)
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let options = with(json!({})).unwrap();
        assert_eq!((options.max_messages, options.per_channel), (1000, 100));
        assert_eq!(options.prune_from, 14 * DAY);
        assert!(!options.dry_run && !options.filter.pinned);
        let stored = serde_json::to_value(&options).unwrap();
        assert_eq!(serde_json::from_value::<Options>(stored).unwrap(), options);
        let few = with(json!({"MaxMessages": 5})).unwrap();
        assert_eq!(few.per_channel, 5);
    }

    /// The bot sent seconds and the server read nanoseconds: three days were 0.26 ms.
    #[test]
    fn an_age_says_its_unit_or_counts_nanoseconds() {
        let age = |age: Value| with(json!({"PruneFrom": age})).map(|options| options.prune_from);
        assert_eq!(age(json!("3d")), Ok(3 * DAY));
        assert_eq!(age(json!("1h30m")), Ok(5400));
        assert_eq!(age(json!("2w 1d")), Ok(15 * DAY));
        assert_eq!(age(json!(259_200_000_000_000_u64)), Ok(3 * DAY));
        assert_eq!(age(json!(0)), Ok(14 * DAY));
        assert_eq!(age(json!("")), Ok(14 * DAY));
        for bad in [
            json!(259_200),
            json!("3"),
            json!("3 days"),
            json!(-1),
            json!("0s"),
            json!("99999999999999999999d"),
            json!("9999w"),
            json!([]),
        ] {
            let error = age(bad.clone()).unwrap_err();
            assert!(
                error.to_string().starts_with("Options.PruneFrom"),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn somebody_is_behind_every_order() {
        let by = |caller: Value| {
            let mut data = json!({"ServerID": "1"});
            let (Value::Object(data), Value::Object(caller)) = (&mut data, caller) else {
                unreachable!()
            };
            data.extend(caller);
            parse(&Value::Object(data.clone())).map(|fields| fields.caller())
        };
        let (admin, mods) = (json!("8"), json!("8192"));
        assert!(
            by(json!({"CallerPermissions": admin}))
                .unwrap()
                .is_administrator()
        );
        let moderator = by(json!({"CallerPermissions": mods, "CallerID": "7"})).unwrap();
        assert_eq!(
            (moderator.permissions, moderator.user),
            (8192, UserId::new(7))
        );
        for nobody in [json!({}), json!({"CallerPermissions": mods})] {
            assert_eq!(by(nobody), Err(InvalidRequest::NobodyDeletes));
        }
        let code = |caller| by(caller).unwrap_err().code();
        assert_eq!(
            code(json!({"CallerPermissions": 8})),
            "invalid_caller_permissions"
        );
        assert_eq!(code(json!({"CallerID": "me"})), "invalid_caller_id");
    }

    #[test]
    fn mistakes_are_told_apart() {
        let code = |options| with(options).unwrap_err().code();
        assert_eq!(code(json!({"PerChannel": 9})), "per_channel_too_small");
        assert_eq!(code(json!({"MaxMessages": 1001})), "too_many_messages");
        assert_eq!(
            code(json!({"PerChannel": 101, "MaxMessages": 100})),
            "per_channel_too_large"
        );
        // Huge and negative ones crashed the original.
        assert_eq!(
            code(json!({"SpecialAllocations": {"1": 1001}})),
            "invalid_special_allocation"
        );
        assert_eq!(
            code(json!({"SpecialAllocations": {"1": -1}})),
            "invalid_option"
        );
        assert_eq!(code(json!({"UserID": "somebody"})), "invalid_option");
        assert_eq!(code(json!({"Only": ["gifs"]})), "invalid_option");
        assert_eq!(
            parse(&json!({"Options": {}})),
            Err(InvalidRequest::ServerId)
        );
        let users = |given: Value| with(given).unwrap().filter.users.len();
        assert_eq!(users(json!({"userid": "5", "Users": ["6", "5"]})), 2);
        assert_eq!(users(json!({"UserID": ""})), 0);
    }
}
