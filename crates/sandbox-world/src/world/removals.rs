//! Who was removed from a guild, and by whom: the audit log names the actor of the first ban of a bulk
//! and of the first thousand that are pruned, and nobody who is pruned.

use std::collections::VecDeque;

use super::{Id, World};

/// Removals that are remembered; the oldest go first.
const KEPT: usize = 200_000;

/// How somebody was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// A bot also by the end of its integration.
    Kicked,
    /// Also somebody who was not in the guild.
    Banned,
    Pruned,
}

/// A deed against a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    pub user: Id,
    pub by: Id,
    pub how: Removed,
    /// In steady time.
    pub at_ms: i64,
}

/// The removals of a guild.
#[derive(Debug, Clone, Default)]
pub struct Removals {
    total: u64,
    kept: VecDeque<Removal>,
}

impl Removals {
    /// How many there have been.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Those after the first `seen`, in their order.
    pub fn since(&self, seen: u64) -> impl Iterator<Item = &Removal> {
        let new = usize::try_from(self.total.saturating_sub(seen)).unwrap_or(usize::MAX);
        self.kept.iter().skip(self.kept.len().saturating_sub(new))
    }

    fn push(&mut self, removal: Removal) {
        self.total += 1;
        self.kept.push_back(removal);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }
}

impl World {
    /// Notes that `by` removed somebody.
    pub(crate) fn note_removal(&mut self, guild: Id, user: Id, by: Id, how: Removed) {
        let at_ms = self.steady_ms();
        if let Some(place) = self.guilds.get_mut(&guild) {
            place.removals.push(Removal {
                user,
                by,
                how,
                at_ms,
            });
        }
    }
}
