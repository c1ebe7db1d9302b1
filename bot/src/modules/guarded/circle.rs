//! Who can agree.

use std::collections::BTreeSet;

use splashtail_core::ids::{ChannelId, GuildId, UserId};
use splashtail_permissions::{NativePermissions, PermissionCheck, PermissionResult};

use crate::catalogue::Language;

/// Where the people of a server are known.
pub trait People: Send + Sync {
    /// `None` while the server is not known yet.
    fn circle(&self, guild: GuildId) -> Option<Circle>;
}

/// The trusted set of a server: its owner and the people they have named. Roles do not count: whoever
/// manages roles could give themselves one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circle {
    pub owner: Option<UserId>,
    pub named: BTreeSet<UserId>,
    /// Where the staff reads.
    pub alert_channel: Option<ChannelId>,
    /// Of the server.
    pub name: String,
    /// Of what everybody there reads.
    pub language: Language,
}

impl Circle {
    pub fn is_owner(&self, user: UserId) -> bool {
        self.owner == Some(user)
    }

    pub fn has(&self, user: UserId) -> bool {
        self.is_owner(user) || self.named.contains(&user)
    }

    /// Whether somebody may see what waits for the circle.
    ///
    /// # Errors
    /// What they lack.
    pub fn may_look(
        &self,
        user: UserId,
        native: NativePermissions,
    ) -> Result<(), PermissionResult> {
        if self.has(user) || native.is_administrator() {
            return Ok(());
        }
        Err(PermissionResult::MissingAnyPerms {
            check: PermissionCheck {
                native_perms: vec![NativePermissions::ADMINISTRATOR],
                ..PermissionCheck::default()
            },
        })
    }

    /// Everybody, the owner first.
    pub fn all(&self) -> impl Iterator<Item = UserId> {
        let owner = self.owner;
        let others = self.named.iter().copied();
        owner
            .into_iter()
            .chain(others.filter(move |user| owner != Some(*user)))
    }
}
