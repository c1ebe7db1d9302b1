use std::cmp::Reverse;

use serde_json::Value;

use crate::read::id;
use crate::{Id, Kind, Structure};

/// A place in the order of roles; the greater stands higher. Of two roles at one position the one
/// with the lower id is higher, and @everyone is below all others (Discord docs, "Permission
/// Hierarchy").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    position: i64,
    id: Reverse<u64>,
}

impl Rank {
    /// Above every role, as owners are.
    pub const HIGHEST: Self = Self {
        position: i64::MAX,
        id: Reverse(0),
    };

    /// Of a role of this guild.
    pub fn new(position: i64, role: u64, guild: u64) -> Self {
        Self {
            // Whatever its position says.
            position: if role == guild { i64::MIN } else { position },
            id: Reverse(role),
        }
    }

    /// Of a role object of this guild. `None` without an id or, but for @everyone, a position.
    pub fn of(role: &Value, guild: u64) -> Option<Self> {
        let id = id(&role["id"])?;
        let position = role["position"].as_i64();
        let position = position.or((id == guild).then_some(0))?;
        Some(Self::new(position, id, guild))
    }
}

impl Structure {
    /// Where a role stands. `None` when there is no such role, or nothing says where it is.
    pub fn rank_of(&self, role: Id) -> Option<Rank> {
        let object = self.get(Kind::Role, role)?;
        Rank::of(object, self.id().get())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_those_of_discord() {
        let rank = |id: u64, position: i64| {
            let role = json!({"id": id.to_string(), "position": position});
            Rank::of(&role, 100).unwrap()
        };
        for (higher, lower) in [
            // By position.
            (rank(9, 2), rank(1, 1)),
            // By age at one position.
            (rank(1, 2), rank(9, 2)),
            // @everyone, who is older than all roles, is below those at position 0 and below.
            (rank(900, 0), rank(100, 0)),
            (rank(900, 0), rank(100, 7)),
            (rank(900, -1), rank(100, 0)),
        ] {
            assert!(higher > lower, "{higher:?} {lower:?}");
        }
        assert_eq!(rank(5, 3), Rank::new(3, 5, 100));
        assert_eq!(Rank::of(&json!({"id": "5"}), 100), None);
        assert_eq!(Rank::of(&json!({"position": 5}), 100), None);
        assert!(Rank::of(&json!({"id": "100"}), 100).is_some());
    }
}
