//! From positions to one list of permissions.

use super::permission::{CLEAR, GLOBAL, Permission, WILDCARD};

/// What one role grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub id: String,
    /// The lower, the higher in rank. Below 1 is refused on input: it would rank above overrides.
    pub index: i32,
    pub perms: Vec<Permission>,
}

/// Combines positions and the member's own overrides into the list that
/// [`has_perm`](super::has_perm) reads.
///
/// Weak positions come first and stronger ones change what those gathered; positions of equal
/// index are read by id, and the overrides come after every position of index 0. The result keeps
/// the order of insertion and holds no `@clear`.
pub fn resolve(positions: &[Position], overrides: &[Permission]) -> Vec<Permission> {
    // `None` is the overrides: after any id on equal indexes.
    let mut order: Vec<(i32, Option<&str>, &[Permission])> = positions
        .iter()
        .map(|position| {
            (
                position.index,
                Some(position.id.as_str()),
                position.perms.as_slice(),
            )
        })
        .collect();
    order.push((0, None, overrides));
    order.sort_by(|(left, left_id, _), (right, right_id, _)| {
        right.cmp(left).then_with(|| {
            left_id
                .is_none()
                .cmp(&right_id.is_none())
                .then_with(|| left_id.cmp(right_id))
        })
    });

    let mut gathered = Vec::new();
    for (_, _, perms) in order {
        for permission in perms {
            gather(&mut gathered, permission);
        }
    }
    gathered
}

fn gather(gathered: &mut Vec<Permission>, permission: &Permission) {
    if permission.perm == CLEAR {
        if permission.namespace == GLOBAL {
            gathered.clear();
        } else {
            gathered.retain(|held| held.namespace != permission.namespace);
        }
        return;
    }
    if !permission.negator && permission.perm == WILDCARD {
        gathered.retain(|held| !(held.negator && held.namespace == permission.namespace));
    }
    let twin = permission.twin();
    gathered.retain(|held| *held != twin);
    if !gathered.contains(permission) {
        gathered.push(permission.clone());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kittycat::has_perm;

    pub(crate) fn list(text: &str) -> Vec<Permission> {
        text.split_whitespace().map(Permission::parse).collect()
    }

    pub(crate) fn any_permissions() -> impl Strategy<Value = Vec<Permission>> {
        proptest::collection::vec("~?(global|limits|tags)\\.(add|view|\\*|@clear)", 0..8)
            .prop_map(|texts| texts.iter().map(|text| Permission::parse(text)).collect())
    }

    fn position(index: i32, id: &str, perms: &str) -> Position {
        Position {
            id: id.to_owned(),
            index,
            perms: list(perms),
        }
    }

    fn printed(perms: &[Permission]) -> String {
        perms
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_worked_examples() {
        type Row = (
            &'static [(i32, &'static str, &'static str)],
            &'static str,
            &'static str,
        );
        let rows: [Row; 12] = [
            (
                &[
                    (30, "a", "limits.view tags.use"),
                    (10, "b", "~tags.use limits.*"),
                ],
                "",
                "limits.view ~tags.use limits.*",
            ),
            (
                &[
                    (20, "a", "~limits.remove limits.view"),
                    (5, "b", "limits.*"),
                ],
                "",
                "limits.view limits.*",
            ),
            (
                &[(20, "a", "limits.*"), (5, "b", "~limits.remove")],
                "",
                "limits.* ~limits.remove",
            ),
            (
                &[
                    (9, "a", "limits.* backups.create"),
                    (3, "b", "limits.@clear limits.view"),
                ],
                "",
                "backups.create limits.view",
            ),
            (
                &[(9, "a", "limits.* backups.create")],
                "global.@clear backups.list",
                "backups.list",
            ),
            (
                &[(4, "y", "~limits.add"), (4, "x", "limits.add")],
                "",
                "~limits.add",
            ),
            (&[(0, "a", "limits.add")], "~limits.add", "~limits.add"),
            (&[(-1, "a", "limits.add")], "~limits.add", "limits.add"),
            (
                &[(9, "a", "limits.view")],
                "~limits.* limits.view",
                "limits.view ~limits.*",
            ),
            (&[(9, "a", "~limits.*")], "limits.*", "limits.*"),
            (
                &[(9, "a", "~limits.add")],
                "global.*",
                "~limits.add global.*",
            ),
            (&[(9, "a", "global.*")], "~global.*", "~global.*"),
        ];
        for (number, (positions, overrides, expected)) in rows.into_iter().enumerate() {
            let positions: Vec<_> = positions
                .iter()
                .map(|(index, id, perms)| position(*index, id, perms))
                .collect();
            let resolved = resolve(&positions, &list(overrides));
            assert_eq!(printed(&resolved), expected, "example {}", number + 1);
        }
    }

    #[test]
    fn the_answers_of_the_worked_examples() {
        let ask = |weak: &str, overrides: &str, wanted: &str| {
            let resolved = resolve(&[position(9, "a", weak)], &list(overrides));
            has_perm(&resolved, &Permission::parse(wanted))
        };
        assert!(!ask("limits.view", "~limits.* limits.view", "limits.view"));
        assert!(ask("~limits.add", "global.*", "limits.add"));
        assert!(!ask("global.*", "~global.*", "limits.add"));
        // A stronger plain grant does not lift a weaker wildcard negator; a wildcard does.
        assert!(!ask("~limits.*", "limits.add", "limits.add"));
        assert!(ask("~limits.*", "limits.*", "limits.add"));
        assert!(ask("~limits.*", "limits.@clear limits.add", "limits.add"));
    }

    #[test]
    fn removal_keeps_the_order() {
        let resolved = resolve(&[position(5, "a", "a.a b.b c.c d.d")], &list("~a.a"));
        assert_eq!(printed(&resolved), "b.b c.c d.d ~a.a");
    }

    proptest! {
        #[test]
        fn a_resolved_list_is_clean(first in any_permissions(), second in any_permissions(), overrides in any_permissions()) {
            let positions = [
                Position { id: "a".into(), index: 9, perms: first },
                Position { id: "b".into(), index: 3, perms: second },
            ];
            let resolved = resolve(&positions, &overrides);
            for (at, permission) in resolved.iter().enumerate() {
                prop_assert!(permission.perm != CLEAR);
                prop_assert!(!resolved[at + 1..].contains(permission), "twice: {permission}");
                prop_assert!(!resolved.contains(&permission.twin()), "both ways: {permission}");
            }
            prop_assert_eq!(resolve(&[], &resolved).len(), resolved.len());
        }

        #[test]
        fn the_order_of_positions_is_irrelevant(a in any_permissions(), b in any_permissions(), c in any_permissions()) {
            let mut positions = vec![
                Position { id: "a".into(), index: 4, perms: a },
                Position { id: "b".into(), index: 4, perms: b },
                Position { id: "c".into(), index: 2, perms: c },
            ];
            let forwards = resolve(&positions, &[]);
            positions.reverse();
            prop_assert_eq!(forwards, resolve(&positions, &[]));
        }
    }
}
