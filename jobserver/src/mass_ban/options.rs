//! What is asked of a mass ban.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use splashtail_core::ids::{GuildId, TaskId, UserId};

use crate::request::{self, Head, InvalidRequest, PLAN_HASH};

/// People of one order.
pub const MOST_USERS: usize = 1000;
/// Messages of seven days go with a ban at most (Discord documentation, "Bulk Guild Ban").
pub const MOST_SECONDS: u32 = 7 * 24 * 60 * 60;
const LONGEST_REASON: usize = 300;
const OPTION_NAMES: [&str; 6] = [
    "Users",
    "DeleteSeconds",
    "Reason",
    "DryRun",
    "PlanHash",
    "Undo",
];

/// The job's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fields {
    #[serde(rename = "ServerID")]
    pub server_id: GuildId,
    #[serde(rename = "CallerID")]
    pub caller_id: UserId,
    pub options: Options,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Options {
    /// Ascending. With `undo`: nobody else is freed.
    pub users: Vec<UserId>,
    pub delete_seconds: u32,
    pub reason: String,
    pub dry_run: bool,
    pub plan_hash: Option<String>,
    /// The mass ban that is taken back.
    pub undo: Option<TaskId>,
}

/// Decodes and validates `{ServerID, CallerID, Options}`. Names match whatever their case, unknown ones
/// are ignored.
pub fn parse(data: &Value) -> Result<Fields, InvalidRequest> {
    let head = Head::read(data, &OPTION_NAMES, None)?;
    let given = &head.options;
    let users: BTreeSet<UserId> = one(given, "Users")?;
    let options = Options {
        delete_seconds: one(given, "DeleteSeconds")?,
        reason: one::<String>(given, "Reason")?.trim().to_owned(),
        dry_run: request::flag(given, "DryRun")?,
        plan_hash: request::plan_hash(given, PLAN_HASH)?,
        undo: one(given, "Undo")?,
        users: users.into_iter().collect(),
    };
    if options.delete_seconds > MOST_SECONDS {
        let why = format!("it is at most {MOST_SECONDS}");
        return Err(InvalidRequest::option("DeleteSeconds", why));
    }
    if options.reason.chars().count() > LONGEST_REASON {
        let why = format!("it has {LONGEST_REASON} characters at most");
        return Err(InvalidRequest::option("Reason", why));
    }
    match (options.users.len(), options.undo) {
        (0, None) => return Err(InvalidRequest::NoUsers),
        (given, _) if given > MOST_USERS => {
            let most = MOST_USERS;
            return Err(InvalidRequest::TooManyUsers { given, most });
        }
        _ => {}
    }
    Ok(Fields {
        server_id: head.server_id,
        caller_id: head.caller.user.ok_or(InvalidRequest::NobodyBans)?,
        options,
    })
}

fn one<T: serde::de::DeserializeOwned + Default>(
    given: &Map<String, Value>,
    name: &'static str,
) -> Result<T, InvalidRequest> {
    let value = given.get(name).cloned();
    value.map_or_else(
        || Ok(T::default()),
        |value| {
            let read = serde_json::from_value(value);
            read.map_err(|error| InvalidRequest::option(name, error.to_string()))
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(options: Value) -> Result<Fields, InvalidRequest> {
        parse(&json!({"ServerID": "1", "CallerID": "2", "Options": options}))
    }

    #[test]
    fn everybody_is_named_once_and_nobody_too_many() {
        let fields = order(json!({"users": ["9", "8", "9"], "reason": " raid "})).unwrap();
        let users: Vec<u64> = fields.options.users.iter().map(|user| user.get()).collect();
        assert_eq!(users, [8, 9]);
        assert_eq!(fields.options.reason, "raid");
        let many: Vec<String> = (1..=1001).map(|id| id.to_string()).collect();
        let code = |options| order(options).unwrap_err().code();
        assert_eq!(code(json!({"Users": many})), "too_many_users");
        assert_eq!(code(json!({})), "no_users");
        assert_eq!(code(json!({"Users": ["x"]})), "invalid_option");
        assert_eq!(
            code(json!({"Users": ["1"], "DeleteSeconds": MOST_SECONDS + 1})),
            "invalid_option"
        );
        let undo = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert!(order(json!({"Undo": undo})).unwrap().options.undo.is_some());
        let nobody = parse(&json!({"ServerID": "1", "Options": {"Users": ["1"]}}));
        assert_eq!(nobody.unwrap_err().code(), "caller_missing");
    }
}
