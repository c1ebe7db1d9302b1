//! `guild_members`: custom permissions of single members.

use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_core::ids::{RoleId, UserId};
use splashtail_permissions::edit::{MemberChange, check_member_change};
use splashtail_permissions::kittycat::{Position, resolve};

use super::roles::{MAX_PERMISSIONS, permissions};
use crate::framework::gate::{MEMBERS, ROLES};
use crate::settings::{
    Column, Draft, Fields, Format, Kind, Operation, Rule, Rules, Setting, Wrong,
};

pub fn setting() -> Setting {
    Setting {
        id: MEMBERS,
        name: "Members",
        description: "Custom permissions of single members",
        primary_key: "user_id",
        title_template: "{user_id}",
        columns: vec![
            Column {
                unique: true,
                ..Column::new("user_id", "Member", "The member", Kind::of(Format::User))
            },
            Column {
                list: Some(MAX_PERMISSIONS),
                default: Some(json!([])),
                ..Column::new(
                    "perm_overrides",
                    "Permissions",
                    "Custom permissions, separated by commas; they win over those of roles",
                    Kind::of(Format::Permission),
                )
            },
            Column {
                default: Some(json!(false)),
                ..Column::new(
                    "public",
                    "Public",
                    "Whether the member is shown in the public list of the team",
                    Kind::Boolean,
                )
            },
        ],
        retired: &[],
        operations: &Operation::ALL,
        max_entries: 500,
        rules: Some(Arc::new(MemberRules)),
    }
}

struct MemberRules;

impl Rules for MemberRules {
    fn judge(&self, draft: &mut Draft<'_>) -> Result<(), Wrong> {
        let member = draft.after.as_ref().or(draft.before);
        let member =
            member.and_then(|fields| fields.get("user_id")?.as_str()?.parse::<UserId>().ok());
        let overrides = |fields: Option<&Fields>| {
            permissions(fields.and_then(|fields| fields.get("perm_overrides")))
        };
        let (before, after) = (overrides(draft.before), overrides(draft.after.as_ref()));
        // What somebody holds follows from their roles too; whoever is not known is not changed.
        let roles = member.and_then(|member| draft.members.get(&member));
        if before != after && roles.is_none() {
            return Err(Rule::UnknownMember.into());
        }
        let positions = positions(draft, roles.map_or(&[][..], Vec::as_slice));
        let is_public = |value: &Value| value.as_bool().unwrap_or(false);
        let (was, will) = draft.values("public");
        let change = MemberChange {
            before: &resolve(&positions, &before),
            after: &resolve(&positions, &after),
            overrides: &after,
            becomes_public: is_public(will) && !is_public(was),
            is_oneself: member.is_some() && member == draft.actor.user,
        };
        check_member_change(&draft.actor.editor(), &change)
            .map_err(|error| Rule::Edit(error).into())
    }
}

/// The configured roles of the member whom the entry is about.
fn positions(draft: &Draft<'_>, roles: &[RoleId]) -> Vec<Position> {
    let held = draft.rows.of(ROLES).filter_map(|(entry, fields)| {
        let role: RoleId = entry.parse().ok()?;
        let held = roles.contains(&role);
        held.then(|| Position {
            id: entry.to_owned(),
            index: fields
                .get("index")
                .and_then(Value::as_i64)
                .and_then(|index| index.try_into().ok())
                .unwrap_or(i32::MAX),
            perms: permissions(fields.get("perms")),
        })
    });
    held.collect()
}
