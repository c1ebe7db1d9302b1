//! Trust comes from the owner alone: what anybody else does to those who have it is told.

use splashtail_guild::{Id, Structure};

use super::Engine;
use crate::effect::{Alert, Effect, Notice};
use crate::entry::{Entry, action as a};
use crate::members::owner;
use crate::moment::Moment;

impl Engine {
    /// A trusted role gives trust like a name does, and with the role it goes. Both are the owner's to
    /// do, and so is sending away whoever is trusted: they could stop an attack.
    pub(super) fn tell_of_trust(
        &mut self,
        entry: &Entry<'_>,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let by_owner = entry.user.is_some() && entry.user == owner(structure);
        if by_owner || entry.user == Some(self.me) {
            return;
        }
        for notice in self.done_to_trust(entry) {
            let alert = Alert {
                notice,
                incident: None,
                about: entry.target,
                owner: true,
            };
            self.tell(alert, now, out);
        }
    }

    fn done_to_trust(&self, entry: &Entry<'_>) -> Vec<Notice> {
        let trusted = &self.policy.trusted;
        let any = |roles: Vec<Id>| roles.iter().any(|role| trusted.roles.contains(role));
        let found = match entry.action {
            a::MEMBER_ROLE_UPDATE => [
                any(entry.roles("$add")).then_some(Notice::TrustGiven),
                any(entry.roles("$remove")).then_some(Notice::TrustTaken),
            ],
            a::ROLE_DELETE => {
                let was = entry
                    .target
                    .is_some_and(|role| trusted.roles.contains(&role));
                [was.then_some(Notice::TrustedRoleGone), None]
            }
            a::MEMBER_KICK | a::MEMBER_BAN_ADD => {
                let was = entry.target.filter(|user| {
                    let known = self.members.get(*user);
                    let roles = known.map_or(&[][..], |member| member.roles.as_slice());
                    // Whoever leaves by themselves says nothing.
                    entry.user != Some(*user) && self.policy.trusts(*user, roles)
                });
                [was.map(|_| Notice::TrustedRemoved), None]
            }
            _ => [None, None],
        };
        found.into_iter().flatten().collect()
    }
}
