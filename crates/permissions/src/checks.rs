//! What a command asks of whoever runs it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kittycat::{Permission, has_perm};
use crate::native::NativePermissions;
use crate::result::PermissionResult;

/// One check. Without any permission in it, it passes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PermissionCheck {
    /// In text form, as rows hold them.
    #[serde(default)]
    pub kittycat_perms: Vec<String>,
    #[serde(default)]
    pub native_perms: Vec<NativePermissions>,
    /// Joins this check to the next one with AND; means nothing on the last check.
    #[serde(default)]
    pub outer_and: bool,
    /// All permissions of this check are needed instead of any.
    #[serde(default)]
    pub inner_and: bool,
}

/// The checks of a command.
///
/// JSON is the original's `{"checks":[…],"checks_needed":n}`. The form of later versions,
/// `{"Simple":{"checks":[…]}}` and `{"Template":{"template":"name"}}`, is read too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PermissionChecks {
    Simple {
        checks: Vec<PermissionCheck>,
        /// Above 1 in old rows only: so many checks have to pass besides the grouping rule.
        checks_needed: usize,
    },
    /// A template of the guild decides. Nothing runs templates here: the result is a denial.
    Template { template: String },
}

impl PermissionCheck {
    /// Whether somebody with these permissions passes. ADMINISTRATOR stands for every listed native
    /// permission and never for a kittycat one.
    ///
    /// # Errors
    /// The denial: `MissingKittycatPerms`, `MissingNativePerms` or `MissingAnyPerms`.
    pub fn run(
        &self,
        native: NativePermissions,
        kittycat: &[Permission],
    ) -> Result<(), PermissionResult> {
        if self.kittycat_perms.is_empty() && self.native_perms.is_empty() {
            return Ok(());
        }
        let has_kittycat = |text: &String| has_perm(kittycat, &Permission::parse(text));
        let has_native =
            |listed: &NativePermissions| native.is_administrator() || native.holds(*listed);
        if self.inner_and {
            if !self.kittycat_perms.iter().all(has_kittycat) {
                return Err(PermissionResult::MissingKittycatPerms {
                    check: self.clone(),
                });
            }
            if !self.native_perms.iter().all(has_native) {
                return Err(PermissionResult::MissingNativePerms {
                    check: self.clone(),
                });
            }
            return Ok(());
        }
        if self.native_perms.iter().any(has_native) || self.kittycat_perms.iter().any(has_kittycat)
        {
            return Ok(());
        }
        Err(PermissionResult::MissingAnyPerms {
            check: self.clone(),
        })
    }
}

impl PermissionChecks {
    /// Anyone passes.
    pub const fn none() -> Self {
        Self::Simple {
            checks: Vec::new(),
            checks_needed: 0,
        }
    }

    /// One kittycat permission; a Discord administrator does not pass without it.
    pub fn kittycat_simple(namespace: &str, perm: &str) -> Self {
        Self::one(PermissionCheck {
            kittycat_perms: vec![format!("{namespace}.{perm}")],
            ..PermissionCheck::default()
        })
    }

    /// One kittycat permission or Discord's ADMINISTRATOR.
    pub fn kittycat_or_admin(namespace: &str, perm: &str) -> Self {
        Self::one(PermissionCheck {
            kittycat_perms: vec![format!("{namespace}.{perm}")],
            native_perms: vec![NativePermissions::ADMINISTRATOR],
            ..PermissionCheck::default()
        })
    }

    fn one(check: PermissionCheck) -> Self {
        Self::Simple {
            checks: vec![check],
            checks_needed: 1,
        }
    }

    /// Runs the whole list. It is cut into groups, maximal runs joined by `outer_and`; a group
    /// passes when all its checks do, the list when any group does. An empty list passes.
    ///
    /// # Errors
    /// One failing check: its own denial. Several: `NoChecksSucceeded` when none passed, else
    /// `MissingMinChecks`. A template: `GenericError`.
    pub fn run(
        &self,
        native: NativePermissions,
        kittycat: &[Permission],
    ) -> Result<(), PermissionResult> {
        let (checks, needed) = match self {
            Self::Simple {
                checks,
                checks_needed,
            } => (checks, *checks_needed),
            Self::Template { template } => {
                let error = format!("the permission template `{template}` cannot be run");
                return Err(PermissionResult::GenericError { error });
            }
        };
        if checks.is_empty() {
            return Ok(());
        }
        let mut outcomes: Vec<_> = checks
            .iter()
            .map(|check| check.run(native, kittycat))
            .collect();
        let passed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let group_passed = checks
            .iter()
            .zip(&outcomes)
            .collect::<Vec<_>>()
            .split_inclusive(|(check, _)| !check.outer_and)
            .any(|group| group.iter().all(|(_, outcome)| outcome.is_ok()));
        let enough = needed <= 1 || passed >= needed;
        if group_passed && enough {
            return Ok(());
        }
        if !group_passed && outcomes.len() - passed == 1 {
            outcomes.retain(Result::is_err);
            return outcomes.swap_remove(0);
        }
        Err(if passed == 0 && outcomes.len() == 1 {
            PermissionResult::MissingMinChecks {
                checks: self.clone(),
            }
        } else if passed == 0 {
            PermissionResult::NoChecksSucceeded {
                checks: self.clone(),
            }
        } else {
            PermissionResult::MissingMinChecks {
                checks: self.clone(),
            }
        })
    }
}

impl PermissionChecks {
    /// Whether a token with these limits reaches a command that its owner may run: Discord's
    /// permissions do not count, and a check that asks for nothing else takes everything
    /// (`global.*`). What anybody may run, whose checks are empty, takes one of the command's `own`
    /// permissions.
    ///
    /// # Errors
    /// As [`PermissionChecks::run`].
    pub fn within(&self, limits: &[Permission], own: &[String]) -> Result<(), PermissionResult> {
        let Self::Simple {
            checks,
            checks_needed,
        } = self
        else {
            return self.run(NativePermissions::default(), limits);
        };
        let anybody = PermissionCheck {
            kittycat_perms: own.to_vec(),
            ..PermissionCheck::default()
        };
        let mut limited: Vec<_> = checks
            .iter()
            .map(
                |check| match (&*check.kittycat_perms, &*check.native_perms) {
                    ([], []) => PermissionCheck {
                        outer_and: check.outer_and,
                        ..anybody.clone()
                    },
                    ([], _) => PermissionCheck {
                        kittycat_perms: vec!["global.*".to_owned()],
                        native_perms: Vec::new(),
                        ..check.clone()
                    },
                    _ => PermissionCheck {
                        native_perms: Vec::new(),
                        ..check.clone()
                    },
                },
            )
            .collect();
        if limited.is_empty() {
            limited.push(anybody);
        }
        let limited = Self::Simple {
            checks: limited,
            checks_needed: *checks_needed,
        };
        limited.run(NativePermissions::default(), limits)
    }
}

impl Default for PermissionChecks {
    fn default() -> Self {
        Self::none()
    }
}

impl Serialize for PermissionChecks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Simple {
                checks,
                checks_needed,
            } => Flat {
                checks: checks.clone(),
                checks_needed: *checks_needed,
            }
            .serialize(serializer),
            Self::Template { template } => Tagged::Template {
                template: template.clone(),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PermissionChecks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Flat(Flat),
            Tagged(Tagged),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Flat(Flat {
                checks,
                checks_needed,
            }) => Self::Simple {
                checks,
                checks_needed,
            },
            Either::Tagged(Tagged::Simple { checks }) => Self::Simple {
                checks,
                checks_needed: 0,
            },
            Either::Tagged(Tagged::Template { template }) => Self::Template { template },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Flat {
    checks: Vec<PermissionCheck>,
    #[serde(default)]
    checks_needed: usize,
}

#[derive(Serialize, Deserialize)]
enum Tagged {
    Simple { checks: Vec<PermissionCheck> },
    Template { template: String },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOBODY: NativePermissions = NativePermissions(0);
    const ADMIN: NativePermissions = NativePermissions::ADMINISTRATOR;
    const MANAGER: NativePermissions = NativePermissions::MANAGE_GUILD;

    fn check(kittycat: &[&str], native: &[NativePermissions], inner_and: bool) -> PermissionCheck {
        PermissionCheck {
            kittycat_perms: kittycat.iter().map(|text| (*text).to_owned()).collect(),
            native_perms: native.to_vec(),
            outer_and: false,
            inner_and,
        }
    }

    fn code(outcome: Result<(), PermissionResult>) -> &'static str {
        outcome.map_or_else(|denial| denial.code(), |()| "ok")
    }

    #[test]
    fn one_check() {
        let none: &[Permission] = &[];
        let add = &[Permission::parse("limits.add")][..];
        for (check, native, kittycat, expected) in [
            (check(&[], &[], false), NOBODY, none, "ok"),
            (check(&[], &[], true), NOBODY, none, "ok"),
            (
                check(&["limits.add"], &[MANAGER], true),
                MANAGER,
                none,
                "missing_kittycat_perms",
            ),
            (
                check(&["limits.add"], &[MANAGER], true),
                NOBODY,
                add,
                "missing_native_perms",
            ),
            (check(&["limits.add"], &[MANAGER], true), MANAGER, add, "ok"),
            (check(&["limits.add"], &[MANAGER], true), ADMIN, add, "ok"),
            // ADMINISTRATOR is no kittycat permission.
            (
                check(&["limits.add"], &[MANAGER], true),
                ADMIN,
                none,
                "missing_kittycat_perms",
            ),
            (
                check(&["limits.add"], &[], false),
                ADMIN,
                none,
                "missing_any_perms",
            ),
            (check(&["limits.add"], &[MANAGER], false), ADMIN, none, "ok"),
            (
                check(&["limits.add"], &[MANAGER], false),
                MANAGER,
                none,
                "ok",
            ),
            (check(&["limits.add"], &[MANAGER], false), NOBODY, add, "ok"),
            (
                check(&["limits.add"], &[MANAGER], false),
                NOBODY,
                none,
                "missing_any_perms",
            ),
            (
                check(&[], &[NativePermissions(0)], false),
                MANAGER,
                none,
                "missing_any_perms",
            ),
        ] {
            assert_eq!(
                code(check.run(native, kittycat)),
                expected,
                "{check:?} {native:?}"
            );
        }
    }

    /// Builds `A&B|C` with one kittycat permission per letter and asks as a holder of `held`.
    fn ask(expression: &str, held: &str, checks_needed: usize) -> &'static str {
        let mut checks: Vec<PermissionCheck> = Vec::new();
        for letter in expression.chars() {
            match letter {
                '&' => checks.last_mut().unwrap().outer_and = true,
                '|' => {}
                letter => checks.push(check(&[&format!("t.{letter}")], &[], false)),
            }
        }
        let held: Vec<_> = held
            .chars()
            .map(|letter| Permission::new("t", letter))
            .collect();
        code(
            PermissionChecks::Simple {
                checks,
                checks_needed,
            }
            .run(NOBODY, &held),
        )
    }

    #[test]
    fn truth_tables() {
        let any = "missing_any_perms";
        let none = "no_checks_succeeded";
        let few = "missing_min_checks";
        for (expression, rows) in [
            ("A", vec![("", any), ("A", "ok")]),
            (
                "A|B",
                vec![("", none), ("A", "ok"), ("B", "ok"), ("AB", "ok")],
            ),
            (
                "A&B",
                vec![("", none), ("A", any), ("B", any), ("AB", "ok")],
            ),
            (
                "A&B|C",
                vec![
                    ("", none),
                    ("A", few),
                    ("B", few),
                    ("AB", "ok"),
                    ("C", "ok"),
                    ("AC", "ok"),
                    ("BC", "ok"),
                    ("ABC", "ok"),
                ],
            ),
            (
                "A|B&C",
                vec![
                    ("", none),
                    ("A", "ok"),
                    ("B", few),
                    ("C", few),
                    ("AB", "ok"),
                    ("AC", "ok"),
                    ("BC", "ok"),
                    ("ABC", "ok"),
                ],
            ),
            ("A&", vec![("", any), ("A", "ok")]),
            ("A|B|C|D", vec![("", none), ("D", "ok")]),
        ] {
            for (held, expected) in rows {
                assert_eq!(
                    ask(expression, held, 1),
                    expected,
                    "{expression} held by {held:?}"
                );
                assert_eq!(
                    ask(expression, held, 0),
                    expected,
                    "{expression} held by {held:?}"
                );
            }
        }
    }

    #[test]
    fn old_rows_can_ask_for_a_number_of_checks() {
        assert_eq!(ask("A|B|C", "A", 2), "missing_min_checks");
        assert_eq!(ask("A|B|C", "AC", 2), "ok");
        assert_eq!(ask("A|B|C", "", 2), "no_checks_succeeded");
        assert_eq!(ask("A|B", "A", 2), "missing_min_checks");
        assert_eq!(ask("A", "A", 2), "missing_min_checks");
        assert_eq!(ask("", "", 5), "ok");
    }

    #[test]
    fn builders() {
        let admin = |checks: PermissionChecks| code(checks.run(ADMIN, &[]));
        assert_eq!(admin(PermissionChecks::none()), "ok");
        assert_eq!(
            admin(PermissionChecks::kittycat_simple("limits", "add")),
            "missing_any_perms"
        );
        assert_eq!(
            admin(PermissionChecks::kittycat_or_admin("limits", "add")),
            "ok"
        );
    }

    #[test]
    fn the_wire_form_of_the_original_and_what_else_is_read() {
        let wire = json!({"checks": [{"kittycat_perms": ["backups.create"], "native_perms": ["8"],
            "outer_and": false, "inner_and": false}], "checks_needed": 1});
        let checks = PermissionChecks::kittycat_or_admin("backups", "create");
        assert_eq!(serde_json::to_value(&checks).unwrap(), wire);
        let read = |json| serde_json::from_value::<PermissionChecks>(json).unwrap();
        assert_eq!(read(wire.clone()), checks);
        assert_eq!(
            read(json!({"Simple": {"checks": wire["checks"]}})),
            match checks {
                PermissionChecks::Simple { checks, .. } => PermissionChecks::Simple {
                    checks,
                    checks_needed: 0
                },
                other => other,
            }
        );
        let template = read(json!({"Template": {"template": "gate"}}));
        assert_eq!(code(template.run(ADMIN, &[])), "generic_error");
        assert!(serde_json::from_value::<PermissionChecks>(json!({})).is_err());
    }

    proptest! {
        #[test]
        fn grouping_means_what_it_says(spec in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..8)) {
            let checks: Vec<_> = spec.iter().enumerate().map(|(at, (_, and))| PermissionCheck {
                outer_and: *and, ..check(&[&format!("t.{at}")], &[], false)
            }).collect();
            let held: Vec<_> = spec.iter().enumerate().filter(|(_, (held, _))| *held)
                .map(|(at, _)| Permission::new("t", at.to_string())).collect();
            let mut expected = false;
            let mut group = true;
            for (held, and) in &spec {
                group &= *held;
                if !and { expected |= group; group = true; }
            }
            if spec.last().unwrap().1 { expected |= group; }
            let checks = PermissionChecks::Simple { checks, checks_needed: 1 };
            prop_assert_eq!(checks.run(NOBODY, &held).is_ok(), expected);
        }
    }
}
