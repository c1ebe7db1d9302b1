//! What a server sets about locks.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::ids::{GuildId, RoleId};
use splashtail_discord::snowflake;
use splashtail_storage::{Storage, StorageError};

use super::service::critical;
use crate::settings::{Column, Format, Kind, Operation, Setting};

pub(super) const SETTING: &str = "lockdown_roles";
const SERVER: &str = "server";
const MOST_ROLES: usize = 20;

/// Whom locks are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Roles that members have; none: everyone's.
    members: Vec<RoleId>,
    /// A quick lock is not put up where other roles would go on speaking.
    pub strict: bool,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    member_roles: Value,
    #[serde(default = "yes")]
    require_correct_layout: bool,
}

const fn yes() -> bool {
    true
}

impl Wishes {
    fn read(fields: Option<&Value>) -> Self {
        let row = fields.and_then(|fields| Row::deserialize(fields).ok());
        let roles = row.as_ref().map(|row| snowflake::array(&row.member_roles));
        let roles = roles.into_iter().flatten().filter_map(snowflake::typed);
        Self {
            members: roles.collect(),
            strict: row.as_ref().is_none_or(|row| row.require_correct_layout),
        }
    }

    pub fn roles(&self, guild: GuildId) -> BTreeSet<u64> {
        critical(guild, &self.members)
    }
}

pub(super) async fn stored(storage: &Storage, guild: GuildId) -> Result<Wishes, StorageError> {
    let read = storage.settings().read(guild, Some(SETTING)).await?;
    let row = read.rows.iter().find(|row| row.entry == SERVER);
    Ok(Wishes::read(row.map(|row| &row.fields)))
}

pub(super) fn setting() -> Setting {
    Setting {
        id: SETTING,
        name: "Lockdown",
        description: "Whom a lockdown keeps from writing and speaking",
        primary_key: "scope",
        title_template: "Lockdown",
        retired: &[],
        columns: vec![
            Column {
                default: Some(json!(SERVER)),
                ..Column::new(
                    "scope",
                    "Scope",
                    "There is one for the whole server",
                    Kind::Text {
                        min: 1,
                        max: 16,
                        allowed: &[SERVER],
                        format: Format::Plain,
                    },
                )
            },
            Column {
                nullable: true,
                list: Some(MOST_ROLES),
                ..Column::new(
                    "member_roles",
                    "Roles of members",
                    "Separated by commas; empty: everyone",
                    Kind::of(Format::Role),
                )
            },
            Column {
                default: Some(json!(true)),
                ..Column::new(
                    "require_correct_layout",
                    "Complete",
                    "Refuse a quick lock while other roles let people write",
                    Kind::Boolean,
                )
            },
        ],
        operations: &[Operation::View, Operation::Update, Operation::Delete],
        max_entries: 1,
        rules: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_row_everyone_is_locked_and_completely() {
        setting().check().unwrap();
        let guild = GuildId::new(1).unwrap();
        let none = Wishes::read(None);
        assert!(none.strict && none.roles(guild) == BTreeSet::from([1]));
        let row = json!({"scope": "server", "member_roles": ["5", "6"],
                         "require_correct_layout": false});
        let some = Wishes::read(Some(&row));
        assert!(!some.strict && some.roles(guild) == BTreeSet::from([5, 6]));
        let null = json!({"scope": "server", "member_roles": null});
        assert_eq!(Wishes::read(Some(&null)), none);
    }
}
