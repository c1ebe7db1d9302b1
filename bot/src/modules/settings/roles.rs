//! `guild_roles`: custom permissions of roles.

use std::sync::Arc;

use serde_json::Value;
use splashtail_core::ids::RoleId;
use splashtail_permissions::Permission;
use splashtail_permissions::edit::{ConfiguredRole, MIN_INDEX, check_role_change};
use splashtail_storage::Edit;

use crate::framework::gate::ROLES;
use crate::settings::{
    Column, Draft, Fields, Format, Kind, Operation, Rule, Rules, Setting, Why, Wrong,
};

/// Permissions that one role or member can have.
pub const MAX_PERMISSIONS: usize = 50;
const MAX_INDEX: i64 = 10_000;

pub fn setting() -> Setting {
    Setting {
        id: ROLES,
        name: "Roles",
        description: "Custom permissions of roles",
        primary_key: "role_id",
        title_template: "{index} - {role_id}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new("role_id", "Role", "The role", Kind::of(Format::Role))
            },
            Column {
                list: Some(MAX_PERMISSIONS),
                ..Column::new(
                    "perms",
                    "Permissions",
                    "Custom permissions, separated by commas, such as server_backups.create",
                    Kind::of(Format::Permission),
                )
            },
            Column {
                nullable: true,
                unique: true,
                ..Column::new(
                    "index",
                    "Index",
                    "The lower, the stronger (default: below all others)",
                    Kind::Integer {
                        min: MIN_INDEX as i64,
                        max: MAX_INDEX,
                    },
                )
            },
            Column {
                nullable: true,
                ..Column::new(
                    "display_name",
                    "Display name",
                    "How the team calls the role",
                    Kind::text(1, 64),
                )
            },
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: 250,
        rules: Some(Arc::new(RoleRules)),
    }
}

struct RoleRules;

impl Rules for RoleRules {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        let role = draft.after.as_ref().or(draft.before);
        let role = role.and_then(|fields| fields.get("role_id")?.as_str()?.parse::<RoleId>().ok());
        let Some(role) = role else {
            return Err(Rule::WhichRole.into());
        };
        let target = draft.actor.ranks.get(&role).copied();
        if draft.operation == Operation::Create && target.is_none() {
            return Err(Wrong::field("role_id", Why::NoRole));
        }
        place(draft);
        let of = |fields: Option<&Fields>| fields.map(|fields| (perms(fields), index(fields)));
        let (before, after) = (of(draft.before), of(draft.after.as_ref()));
        let current = before.as_ref().map(|(perms, index)| ConfiguredRole {
            perms,
            index: *index,
        });
        let new = after.as_ref().map(|(perms, index)| ConfiguredRole {
            perms,
            index: *index,
        });
        check_role_change(&draft.actor.editor(), target, current, new)
            .map_err(|error| Rule::Edit(error).into())
    }
}

/// Gives the role its index: the one asked for, from which others move up by one as far as they
/// have to, or one below all others.
fn place(draft: &mut Draft<'_>) {
    let Some(after) = &mut draft.after else {
        return;
    };
    let own = after.get("role_id").cloned();
    let others = || {
        let others = draft.rows.of(ROLES);
        others.filter(|(_, fields)| fields.get("role_id") != own.as_ref())
    };
    let wanted = after.get("index").and_then(Value::as_i64);
    let Some(wanted) = wanted else {
        let lowest = others().map(|(_, fields)| i64::from(index(fields))).max();
        after.insert("index".to_owned(), (lowest.unwrap_or(0) + 1).into());
        return;
    };
    let mut taken = wanted;
    let mut order: Vec<_> = others().collect();
    order.sort_by_key(|(_, fields)| index(fields));
    for (entry, fields) in order {
        if i64::from(index(fields)) != taken {
            continue;
        }
        taken += 1;
        let mut moved = fields.clone();
        moved.insert("index".to_owned(), taken.into());
        draft.also.push(Edit {
            setting: ROLES.to_owned(),
            entry: entry.to_owned(),
            before: Some(Value::Object(fields.clone())),
            after: Some(Value::Object(moved)),
        });
    }
}

fn index(fields: &Fields) -> i32 {
    let index = fields.get("index").and_then(Value::as_i64);
    index
        .and_then(|index| index.try_into().ok())
        .unwrap_or(i32::MAX)
}

/// The permissions of a column `perms`.
fn perms(fields: &Fields) -> Vec<Permission> {
    permissions(fields.get("perms"))
}

/// A column's list of permissions.
pub fn permissions(column: Option<&Value>) -> Vec<Permission> {
    let items = column.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(Value::as_str)
        .map(Permission::parse)
        .collect()
}
