//! Who may change whose permissions in a guild, and what checks a guild may store.

use crate::checks::{PermissionCheck, PermissionChecks};
use crate::kittycat::{
    InvalidPermission, PatchError, Permission, check_clear, check_patch_changes, check_role_edit,
};
use crate::native::NativePermissions;

/// Lowest index that a role can have: below it a role would rank above overrides.
pub const MIN_INDEX: i32 = 1;
/// Checks of one list, permissions of one kind in one check.
const MAX_CHECKS: usize = 10;
const MAX_PERMISSIONS: usize = 10;

/// Whoever makes a change. `Rank` is a place in Discord's order of roles; the greater stands higher.
#[derive(Debug, Clone, Copy)]
pub struct Editor<'a, Rank> {
    pub is_owner: bool,
    /// Resolved.
    pub kittycat: &'a [Permission],
    /// Of the highest role on Discord.
    pub highest: Option<Rank>,
    /// Index of the strongest configured role among the editor's.
    pub index: Option<i32>,
}

/// A configured role as it is or as it shall be; permissions as typed.
#[derive(Debug, Clone, Copy)]
pub struct ConfiguredRole<'a> {
    pub perms: &'a [Permission],
    pub index: i32,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("only who has a configured role may change roles")]
    NoConfiguredRole,
    #[error("the role has to be below your highest role")]
    NotBelow,
    #[error("the index {index} ranks above your own, {own}")]
    AboveOwnIndex { index: i32, own: i32 },
    #[error("an index is at least {MIN_INDEX}")]
    IndexTooLow,
    #[error("only the member can make its permissions public")]
    NotOneself,
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// Whether a role's permissions may be set (`current` is `None`), changed, or removed (`new` is).
/// `target` is the role's place on Discord, `None` when it is not there any more.
///
/// # Errors
/// See [`EditError`]; owners only meet [`EditError::IndexTooLow`].
pub fn check_role_change<Rank: Ord>(
    editor: &Editor<'_, Rank>,
    target: Option<Rank>,
    current: Option<ConfiguredRole<'_>>,
    new: Option<ConfiguredRole<'_>>,
) -> Result<(), EditError> {
    if new.is_some_and(|new| new.index < MIN_INDEX) {
        return Err(EditError::IndexTooLow);
    }
    if editor.is_owner {
        return Ok(());
    }
    let own = editor.index.ok_or(EditError::NoConfiguredRole)?;
    if target.is_some_and(|target| {
        editor
            .highest
            .as_ref()
            .is_none_or(|highest| target >= *highest)
    }) {
        return Err(EditError::NotBelow);
    }
    for role in [current, new].into_iter().flatten() {
        if role.index < own {
            let index = role.index;
            return Err(EditError::AboveOwnIndex { index, own });
        }
    }
    let perms = |role: Option<ConfiguredRole<'_>>| role.map_or(Vec::new(), |r| r.perms.to_vec());
    check_role_edit(editor.kittycat, &perms(current), &perms(new))?;
    Ok(())
}

/// What changes of a member; lists are resolved but for `overrides`, which is as typed.
#[derive(Debug, Clone, Copy)]
pub struct MemberChange<'a> {
    pub before: &'a [Permission],
    pub after: &'a [Permission],
    pub overrides: &'a [Permission],
    pub becomes_public: bool,
    pub is_oneself: bool,
}

/// Whether a member's own permissions may be changed.
///
/// # Errors
/// See [`EditError`].
pub fn check_member_change<Rank>(
    editor: &Editor<'_, Rank>,
    change: &MemberChange<'_>,
) -> Result<(), EditError> {
    if change.becomes_public && !change.is_oneself {
        return Err(EditError::NotOneself);
    }
    if editor.is_owner {
        return Ok(());
    }
    check_clear(editor.kittycat, change.overrides)?;
    check_patch_changes(editor.kittycat, change.before, change.after)?;
    Ok(())
}

/// Why checks are not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChecks {
    #[error("there can be {MAX_CHECKS} checks")]
    TooMany,
    #[error("a check can hold {MAX_PERMISSIONS} permissions of a kind")]
    TooManyPermissions,
    #[error("`{text}`: {cause}")]
    Permission {
        text: String,
        cause: InvalidPermission,
    },
    #[error("a check asks for Discord permissions that nobody knows")]
    UnknownNative,
    #[error("more checks are needed than there are")]
    NeverMet,
    #[error("templates cannot decide here")]
    Template,
}

impl PermissionChecks {
    /// These checks as a guild may store them: checks without a permission are left out, bits that
    /// Discord does not have are cleared, and what that changes keeps its groups.
    ///
    /// # Errors
    /// See [`InvalidChecks`]. A check that only asked for unknown bits is refused, or it would
    /// admit everybody.
    pub fn normalised(&self) -> Result<Self, InvalidChecks> {
        let Self::Simple {
            checks,
            checks_needed,
        } = self
        else {
            return Err(InvalidChecks::Template);
        };
        let mut kept: Vec<PermissionCheck> = Vec::new();
        for check in checks {
            let check = normalised(check)?;
            if check.kittycat_perms.is_empty() && check.native_perms.is_empty() {
                // Its group ends where it would have ended.
                if !check.outer_and
                    && let Some(last) = kept.last_mut()
                {
                    last.outer_and = false;
                }
                continue;
            }
            kept.push(check);
        }
        if kept.len() > MAX_CHECKS {
            return Err(InvalidChecks::TooMany);
        }
        if *checks_needed > kept.len().max(1) {
            return Err(InvalidChecks::NeverMet);
        }
        Ok(Self::Simple {
            checks: kept,
            checks_needed: *checks_needed,
        })
    }
}

fn normalised(check: &PermissionCheck) -> Result<PermissionCheck, InvalidChecks> {
    let too_many = |length: usize| length > MAX_PERMISSIONS;
    if too_many(check.kittycat_perms.len()) || too_many(check.native_perms.len()) {
        return Err(InvalidChecks::TooManyPermissions);
    }
    let kittycat = check.kittycat_perms.iter().map(|text| {
        let read = Permission::from_input(text);
        let read = read.map_err(|cause| InvalidChecks::Permission {
            text: text.clone(),
            cause,
        })?;
        Ok(read.to_string())
    });
    let kittycat = kittycat.collect::<Result<_, InvalidChecks>>()?;
    let known = check.native_perms.iter().map(|bits| bits.known());
    let known: Vec<NativePermissions> = known.filter(|bits| bits.0 != 0).collect();
    if known.is_empty() && !check.native_perms.is_empty() {
        return Err(InvalidChecks::UnknownNative);
    }
    Ok(PermissionCheck {
        kittycat_perms: kittycat,
        native_perms: known,
        ..check.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Permission> {
        text.split_whitespace().map(Permission::parse).collect()
    }

    fn code(outcome: Result<(), EditError>) -> &'static str {
        match outcome {
            Ok(()) => "ok",
            Err(EditError::NoConfiguredRole) => "no role",
            Err(EditError::NotBelow) => "not below",
            Err(EditError::AboveOwnIndex { .. }) => "above",
            Err(EditError::IndexTooLow) => "too low",
            Err(EditError::NotOneself) => "not oneself",
            Err(EditError::Patch(_)) => "patch",
        }
    }

    /// The editor has a role at position 5 with index 10 and holds `limits.*`; a role is `(index,
    /// permissions)`.
    #[test]
    fn the_truth_table_of_roles() {
        type Role = Option<(i32, &'static str)>;
        type Row = (bool, Option<i32>, Option<i64>, Role, Role, &'static str);
        let rows: [Row; 19] = [
            (
                false,
                Some(10),
                Some(4),
                None,
                Some((10, "limits.add")),
                "ok",
            ),
            (
                false,
                Some(10),
                Some(4),
                None,
                Some((11, "limits.add")),
                "ok",
            ),
            (
                false,
                Some(10),
                Some(4),
                None,
                Some((9, "limits.add")),
                "above",
            ),
            (
                false,
                Some(10),
                Some(5),
                None,
                Some((11, "limits.add")),
                "not below",
            ),
            (
                false,
                Some(10),
                Some(6),
                None,
                Some((11, "limits.add")),
                "not below",
            ),
            (
                false,
                None,
                Some(4),
                None,
                Some((11, "limits.add")),
                "no role",
            ),
            (
                false,
                Some(10),
                Some(4),
                None,
                Some((11, "tags.use")),
                "patch",
            ),
            (
                false,
                Some(10),
                Some(4),
                None,
                Some((11, "limits.@clear")),
                "patch",
            ),
            (
                false,
                Some(10),
                Some(4),
                Some((11, "limits.add")),
                None,
                "ok",
            ),
            (
                false,
                Some(10),
                Some(4),
                Some((9, "limits.add")),
                None,
                "above",
            ),
            (
                false,
                Some(10),
                Some(4),
                Some((11, "tags.use")),
                None,
                "patch",
            ),
            (false, Some(10), None, Some((11, "limits.add")), None, "ok"),
            (
                false,
                Some(10),
                Some(4),
                Some((11, "tags.use")),
                Some((12, "tags.use")),
                "ok",
            ),
            (
                false,
                Some(10),
                Some(4),
                Some((9, "")),
                Some((12, "")),
                "above",
            ),
            (
                false,
                Some(10),
                Some(4),
                Some((12, "limits.add ~limits.add")),
                Some((12, "~limits.add limits.add")),
                "ok",
            ),
            (
                false,
                Some(10),
                Some(4),
                Some((12, "tags.add ~tags.add")),
                Some((12, "~tags.add tags.add")),
                "patch",
            ),
            (true, None, Some(99), None, Some((1, "global.*")), "ok"),
            (true, None, Some(99), None, Some((0, "global.*")), "too low"),
            (false, Some(10), Some(4), None, Some((0, "")), "too low"),
        ];
        for (is_owner, index, target, current, new, expected) in rows {
            let held = list("limits.*");
            let editor = Editor {
                is_owner,
                kittycat: &held,
                highest: Some(5),
                index,
            };
            let perms = [current, new].map(|role| role.map(|(index, text)| (index, list(text))));
            let [current_role, new_role] = [&perms[0], &perms[1]].map(|role| {
                role.as_ref().map(|(index, perms)| ConfiguredRole {
                    perms,
                    index: *index,
                })
            });
            let got = check_role_change(&editor, target, current_role, new_role);
            assert_eq!(code(got), expected, "{current:?} -> {new:?}");
        }
    }

    #[test]
    fn who_has_no_role_on_discord_is_below_everybody() {
        let held = list("global.*");
        let editor = Editor {
            is_owner: false,
            kittycat: &held,
            highest: None,
            index: Some(1),
        };
        let new = Some(ConfiguredRole {
            perms: &[],
            index: 5,
        });
        let got = check_role_change(&editor, Some(0), None, new);
        assert_eq!(code(got), "not below");
    }

    #[test]
    fn the_truth_table_of_members() {
        for (is_owner, before, after, overrides, public, oneself, expected) in [
            (false, "", "limits.add", "limits.add", false, false, "ok"),
            (false, "limits.add", "", "", false, false, "ok"),
            (false, "", "tags.use", "tags.use", false, true, "patch"),
            (false, "tags.use", "", "", false, false, "patch"),
            (false, "", "", "limits.@clear", false, false, "patch"),
            (false, "", "", "", true, false, "not oneself"),
            (false, "", "", "", true, true, "ok"),
            (true, "", "global.*", "global.*", false, false, "ok"),
            (true, "", "", "", true, false, "not oneself"),
        ] {
            let held = list("limits.*");
            let editor = Editor::<i64> {
                is_owner,
                kittycat: &held,
                highest: None,
                index: None,
            };
            let (before_list, after_list, overrides) = (list(before), list(after), list(overrides));
            let change = MemberChange {
                before: &before_list,
                after: &after_list,
                overrides: &overrides,
                becomes_public: public,
                is_oneself: oneself,
            };
            let got = check_member_change(&editor, &change);
            assert_eq!(code(got), expected, "{before} -> {after}, {overrides:?}");
        }
    }

    fn check(kittycat: &str, native: &[u64], outer_and: bool) -> PermissionCheck {
        PermissionCheck {
            kittycat_perms: kittycat.split_whitespace().map(str::to_owned).collect(),
            native_perms: native.iter().map(|bits| NativePermissions(*bits)).collect(),
            outer_and,
            inner_and: false,
        }
    }

    fn simple(checks: Vec<PermissionCheck>) -> PermissionChecks {
        PermissionChecks::Simple {
            checks,
            checks_needed: 0,
        }
    }

    #[test]
    fn stored_checks_are_bounded_and_clean() {
        let unknown = 1 << 60;
        let normalised = |checks: Vec<PermissionCheck>| simple(checks).normalised();
        assert_eq!(
            normalised(vec![check("view", &[8 | unknown, unknown], false)]),
            Ok(simple(vec![check("global.view", &[8], false)]))
        );
        assert_eq!(
            normalised(vec![check("", &[unknown], false)]),
            Err(InvalidChecks::UnknownNative)
        );
        assert_eq!(normalised(vec![check("", &[], false)]), Ok(simple(vec![])));
        assert_eq!(
            normalised(vec![check("a.b", &[], false); 11]),
            Err(InvalidChecks::TooMany)
        );
        assert_eq!(
            normalised(vec![check(&"a.b ".repeat(11), &[], false)]),
            Err(InvalidChecks::TooManyPermissions)
        );
        assert!(normalised(vec![check(&format!("a.{}", "b".repeat(127)), &[], false)]).is_err());
        let needs = |checks_needed| {
            PermissionChecks::Simple {
                checks: vec![check("a.b", &[], false)],
                checks_needed,
            }
            .normalised()
        };
        assert!(needs(1).is_ok());
        assert_eq!(needs(2), Err(InvalidChecks::NeverMet));
        let template = PermissionChecks::Template {
            template: "t".to_owned(),
        };
        assert_eq!(template.normalised(), Err(InvalidChecks::Template));
    }

    #[test]
    fn leaving_out_an_empty_check_joins_nothing() {
        // A & empty | C is A | C and not A & C.
        let checks = vec![
            check("a.a", &[], true),
            check("", &[], false),
            check("c.c", &[], false),
        ];
        let expected = vec![check("a.a", &[], false), check("c.c", &[], false)];
        assert_eq!(simple(checks).normalised(), Ok(simple(expected)));
        // A & empty & C stays A & C.
        let checks = vec![
            check("a.a", &[], true),
            check("", &[], true),
            check("c.c", &[], false),
        ];
        let expected = vec![check("a.a", &[], true), check("c.c", &[], false)];
        assert_eq!(simple(checks).normalised(), Ok(simple(expected)));
    }
}
