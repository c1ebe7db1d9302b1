//! Whether someone may change somebody's permissions.

use super::holding::has_perm;
use super::permission::{CLEAR, Permission, WILDCARD};
use super::resolve::{Position, resolve};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("you cannot change `{permission}`, which you do not hold")]
    NoPermission { permission: Permission },
    #[error("changing `{wildcard}` needs `{negator}` in the new list, because you are held to it")]
    LacksNegatorForWildcard {
        wildcard: Permission,
        negator: Permission,
    },
    #[error("only the owner or a holder of `global.*` may use `{permission}`")]
    ClearNotAllowed { permission: Permission },
}

/// Whether a manager may turn `current` into `new`; all three lists are resolved.
///
/// # Errors
/// The first change that goes beyond what the manager holds.
pub fn check_patch_changes(
    manager: &[Permission],
    current: &[Permission],
    new: &[Permission],
) -> Result<(), PatchError> {
    let removed = current
        .iter()
        .filter(|permission| !new.contains(permission));
    let added = new
        .iter()
        .filter(|permission| !current.contains(permission));
    for changed in removed.chain(added) {
        if !has_perm(manager, &changed.positive()) {
            return Err(PatchError::NoPermission {
                permission: changed.clone(),
            });
        }
        if changed.perm != WILDCARD {
            continue;
        }
        let lacking = manager.iter().find(|held| {
            held.negator && held.namespace == changed.namespace && !new.contains(held)
        });
        if let Some(negator) = lacking {
            return Err(PatchError::LacksNegatorForWildcard {
                wildcard: changed.clone(),
                negator: negator.clone(),
            });
        }
    }
    Ok(())
}

/// Refuses `@clear` from those who do not hold `global.*`: it would erase the negators of other
/// positions. Owners hold `global.*`.
///
/// # Errors
/// [`PatchError::ClearNotAllowed`] with the first such entry.
pub fn check_clear(manager: &[Permission], new: &[Permission]) -> Result<(), PatchError> {
    if manager.iter().any(Permission::is_global_wildcard) {
        return Ok(());
    }
    match new.iter().find(|permission| permission.perm == CLEAR) {
        None => Ok(()),
        Some(permission) => Err(PatchError::ClearNotAllowed {
            permission: permission.clone(),
        }),
    }
}

/// Whether a manager may give a role the list `new` instead of `current`, both as typed. Besides
/// the lists it compares what they resolve to, so that reordering is seen as the change it is.
///
/// # Errors
/// See [`PatchError`].
pub fn check_role_edit(
    manager: &[Permission],
    current: &[Permission],
    new: &[Permission],
) -> Result<(), PatchError> {
    check_clear(manager, new)?;
    check_patch_changes(manager, current, new)?;
    let alone = |perms: &[Permission]| {
        resolve(
            &[Position {
                id: String::new(),
                index: 1,
                perms: perms.to_vec(),
            }],
            &[],
        )
    };
    check_patch_changes(manager, &alone(current), &alone(new))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kittycat::resolve::tests::{any_permissions, list};

    fn no_permission(text: &str) -> Result<(), PatchError> {
        Err(PatchError::NoPermission {
            permission: Permission::parse(text),
        })
    }

    fn lacks(wildcard: &str, negator: &str) -> Result<(), PatchError> {
        let (wildcard, negator) = (Permission::parse(wildcard), Permission::parse(negator));
        Err(PatchError::LacksNegatorForWildcard { wildcard, negator })
    }

    #[test]
    fn the_table() {
        for (manager, current, new, expected) in [
            ("limits.*", "limits.view", "limits.view limits.add", Ok(())),
            ("limits.view", "", "limits.add", no_permission("limits.add")),
            ("limits.*", "", "global.add", no_permission("global.add")),
            (
                "limits.* ~limits.remove",
                "",
                "limits.*",
                lacks("limits.*", "~limits.remove"),
            ),
            (
                "limits.* ~limits.remove",
                "~limits.remove",
                "limits.* ~limits.remove ~limits.hit",
                Ok(()),
            ),
            (
                "limits.* ~limits.remove",
                "",
                "limits.* ~limits.remove",
                no_permission("~limits.remove"),
            ),
            (
                "limits.* ~limits.remove",
                "limits.*",
                "",
                lacks("limits.*", "~limits.remove"),
            ),
            ("global.* ~limits.remove", "", "global.*", Ok(())),
            (
                "limits.view",
                "limits.view limits.view",
                "limits.view",
                Ok(()),
            ),
        ] {
            let got = check_patch_changes(&list(manager), &list(current), &list(new));
            assert_eq!(got, expected, "{manager} | {current} -> {new}");
        }
    }

    #[test]
    fn clearing_is_for_those_who_hold_everything() {
        let new = list("limits.view limits.@clear");
        assert!(matches!(
            check_role_edit(&list("limits.*"), &[], &new),
            Err(PatchError::ClearNotAllowed { .. })
        ));
        assert_eq!(check_role_edit(&list("global.*"), &[], &new), Ok(()));
    }

    #[test]
    fn reordering_an_unresolved_list_is_a_change() {
        let current = list("limits.add ~limits.add");
        let new = list("~limits.add limits.add");
        assert_eq!(check_patch_changes(&list("tags.*"), &current, &new), Ok(()));
        assert_eq!(
            check_role_edit(&list("tags.*"), &current, &new),
            no_permission("~limits.add")
        );
    }

    proptest! {
        #[test]
        fn no_change_is_always_allowed(manager in any_permissions(), perms in any_permissions()) {
            prop_assert_eq!(check_patch_changes(&manager, &perms, &perms), Ok(()));
        }

        #[test]
        fn nobody_grants_what_they_lack(manager in any_permissions(), new in any_permissions()) {
            if check_patch_changes(&manager, &[], &new).is_ok() {
                for permission in &new {
                    prop_assert!(has_perm(&manager, &permission.positive()));
                }
            }
        }
    }
}
