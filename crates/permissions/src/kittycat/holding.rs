//! Whether a resolved list holds a permission.

use super::permission::{GLOBAL, Permission, WILDCARD};

/// Whether `perms`, already resolved, grants `wanted` (its negator flag is not looked at).
///
/// An entry applies when its namespace and name are the wanted ones or stand for all. The answer
/// is yes when an entry applies and no applying entry is a negator; a positive `global.*` is always
/// yes. The order of the list does not matter.
pub fn has_perm(perms: &[Permission], wanted: &Permission) -> bool {
    let mut granted = false;
    let mut negated = false;
    for entry in perms {
        if entry.is_global_wildcard() {
            return true;
        }
        let applies = (entry.namespace == wanted.namespace || entry.namespace == GLOBAL)
            && (entry.perm == wanted.perm || entry.perm == WILDCARD);
        granted |= applies;
        negated |= applies && entry.negator;
    }
    granted && !negated
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kittycat::resolve::tests::{any_permissions, list};

    fn holds(perms: &str, wanted: &str) -> bool {
        has_perm(&list(perms), &Permission::parse(wanted))
    }

    #[test]
    fn the_stated_consequences() {
        for (perms, wanted, expected) in [
            ("", "limits.add", false),
            ("limits.add", "limits.add", true),
            ("limits.*", "limits.add", true),
            ("global.add", "limits.add", true),
            ("global.*", "limits.add", true),
            ("~limits.add", "limits.add", false),
            ("limits.* ~limits.add", "limits.add", false),
            ("~limits.add limits.* global.add", "limits.add", false),
            ("~limits.* limits.add", "limits.add", false),
            ("~global.add limits.add", "limits.add", false),
            ("~limits.add global.*", "limits.add", true),
            ("global.* ~limits.add ~global.*", "limits.add", true),
            ("~global.*", "limits.add", false),
            ("limits.add", "limits.*", false),
            ("limits.view", "global.view", false),
            ("limits.*", "limits.@clear", true),
            ("Limits.add", "limits.add", false),
            ("limits.* ~limits.remove", "limits.add", true),
        ] {
            assert_eq!(
                holds(perms, wanted),
                expected,
                "{perms:?} asked for {wanted}"
            );
        }
    }

    proptest! {
        #[test]
        fn order_is_irrelevant(perms in any_permissions(), wanted in any_permissions()) {
            let mut reversed = perms.clone();
            reversed.reverse();
            for wanted in &wanted {
                prop_assert_eq!(has_perm(&perms, wanted), has_perm(&reversed, wanted));
            }
        }

        #[test]
        fn one_negator_beats_any_grant(perms in any_permissions(), wanted in any_permissions()) {
            let mut perms: Vec<_> = perms.into_iter().filter(|p| !p.is_global_wildcard()).collect();
            for wanted in &wanted {
                let wanted = wanted.positive();
                if wanted.is_global_wildcard() { continue; }
                perms.push(wanted.twin());
                prop_assert!(!has_perm(&perms, &wanted));
            }
        }
    }
}
