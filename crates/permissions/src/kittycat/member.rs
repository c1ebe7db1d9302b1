//! The kittycat permissions of one member of a guild.

use super::permission::{GLOBAL, Permission, WILDCARD};
use super::resolve::{Position, resolve};

/// Where a member stands, as far as it alone decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberStanding {
    pub is_owner: bool,
    /// A root user of the installation, in the installation's main server.
    pub is_root_in_main: bool,
}

/// Facts from the store: the configured roles among those the member has (the everyone role, whose
/// id is the guild's, included) and the member's own overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberPermissions {
    pub positions: Vec<Position>,
    pub overrides: Vec<Permission>,
}

impl MemberPermissions {
    /// The resolved list. It is computed each time: a stored copy goes stale when a member loses
    /// a role.
    pub fn resolved(&self, standing: MemberStanding) -> Vec<Permission> {
        if standing.is_owner || standing.is_root_in_main {
            return vec![Permission::new(GLOBAL, WILDCARD)];
        }
        resolve(&self.positions, &self.overrides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kittycat::has_perm;

    #[test]
    fn owners_and_root_users_at_home_hold_everything() {
        let everything = [Permission::parse("global.*")];
        let rows = MemberPermissions {
            overrides: vec![Permission::parse("~global.*")],
            ..MemberPermissions::default()
        };
        for standing in [
            MemberStanding {
                is_owner: true,
                is_root_in_main: false,
            },
            MemberStanding {
                is_owner: false,
                is_root_in_main: true,
            },
        ] {
            assert_eq!(rows.resolved(standing), everything);
        }
        assert_eq!(rows.resolved(MemberStanding::default()), rows.overrides);
        assert!(
            MemberPermissions::default()
                .resolved(MemberStanding::default())
                .is_empty()
        );
    }

    #[test]
    fn a_lost_role_takes_its_permissions_along() {
        let role = Position {
            id: "1".into(),
            index: 3,
            perms: vec![Permission::parse("server_backups.create")],
        };
        let mut member = MemberPermissions {
            positions: vec![role],
            overrides: Vec::new(),
        };
        let wanted = Permission::parse("server_backups.create");
        assert!(has_perm(
            &member.resolved(MemberStanding::default()),
            &wanted
        ));
        member.positions.clear();
        assert!(!has_perm(
            &member.resolved(MemberStanding::default()),
            &wanted
        ));
    }
}
