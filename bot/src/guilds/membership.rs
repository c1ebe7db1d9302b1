//! Whose joins and leaves were counted. Discord may tell of one more than once.

use std::collections::VecDeque;

use splashtail_core::ids::UserId;

/// People remembered of a server, at 16 bytes each.
const MOST: usize = 250;

/// The people heard of last and whether they are in the server.
#[derive(Debug, Default)]
pub(super) struct Membership(VecDeque<(UserId, bool)>);

impl Membership {
    /// The server as it begins.
    pub(super) fn begin(&mut self, members: impl Iterator<Item = UserId>) {
        self.0 = members.take(MOST).map(|member| (member, true)).collect();
    }

    /// Somebody joined or left. `false` when that is how it was already.
    pub(super) fn tell(&mut self, user: UserId, is_member: bool) -> bool {
        let before = self.0.iter().position(|(known, _)| *known == user);
        let before = before.and_then(|at| self.0.remove(at));
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((user, is_member));
        before.is_none_or(|(_, was_member)| was_member != is_member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_remembered_the_latest() {
        let user = |id| UserId::new(id).unwrap();
        let mut known = Membership::default();
        known.begin((1..=1000).map(user));
        assert_eq!(known.0.len(), MOST);
        assert!(!known.tell(user(1), true));
        for id in 2000..2000 + MOST as u64 - 1 {
            assert!(known.tell(user(id), true));
        }
        assert_eq!(known.0.len(), MOST);
        assert!(!known.tell(user(1), true) && known.tell(user(1), false));
        assert!(known.tell(user(2), true), "forgotten");
    }
}
