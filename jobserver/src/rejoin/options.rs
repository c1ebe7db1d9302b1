//! What is asked: who shall be let back in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::{GuildId, UserId};

use crate::request::{self, Head, InvalidRequest, PLAN_HASH};

/// People that one order names.
pub const MOST_USERS: usize = 5000;
const OPTION_NAMES: [&str; 3] = ["Users", "DryRun", "PlanHash"];

/// The job's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fields {
    #[serde(rename = "ServerID")]
    pub server_id: GuildId,
    pub options: Options,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Options {
    /// Empty: everybody who consented.
    pub users: BTreeSet<UserId>,
    pub dry_run: bool,
    pub plan_hash: Option<String>,
}

/// Decodes and validates `{ServerID, Options}`. Names match whatever their case, unknown ones are ignored.
pub fn parse(data: &Value) -> Result<Fields, InvalidRequest> {
    let head = Head::read(data, &OPTION_NAMES, None)?;
    let given = &head.options;
    let users: BTreeSet<UserId> = match given.get("Users") {
        None | Some(Value::Null) => BTreeSet::new(),
        Some(users) => serde_json::from_value(users.clone())
            .map_err(|error| InvalidRequest::option("Users", error.to_string()))?,
    };
    if users.len() > MOST_USERS {
        let why = format!(
            "it names {} people, but may name {MOST_USERS} at most",
            users.len()
        );
        return Err(InvalidRequest::option("Users", why));
    }
    Ok(Fields {
        server_id: head.server_id,
        options: Options {
            users,
            dry_run: request::flag(given, "DryRun")?,
            plan_hash: request::plan_hash(given, PLAN_HASH)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everybody_or_those_who_are_named() {
        let order = |options: Value| parse(&json!({"ServerID": "1", "Options": options}));
        assert!(order(json!({})).unwrap().options.users.is_empty());
        let named = order(json!({"users": ["9", "8", "9"], "dryrun": true})).unwrap();
        let users: Vec<u64> = named.options.users.iter().map(|user| user.get()).collect();
        assert_eq!((users, named.options.dry_run), (vec![8, 9], true));
        let many: Vec<String> = (1..=5001).map(|id| id.to_string()).collect();
        for wrong in [
            json!({"Users": many}),
            json!({"Users": ["x"]}),
            json!({"Users": "9"}),
            json!({"PlanHash": "abc"}),
        ] {
            assert_eq!(order(wrong).unwrap_err().code(), "invalid_option");
        }
    }
}
