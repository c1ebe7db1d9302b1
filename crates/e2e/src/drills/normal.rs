//! How much of what is normal: the defaults that docs/protection.md speaks of, written down once more, so
//! that the engine is not its own judge. For a server of at most 200 members.

use std::collections::BTreeMap;

use serde_json::Value;
use splashtail_sandbox::control::types::ActKind;

use super::Who;

/// Its name, the types of entry (Discord documentation, "Audit Log Events") that have one limit together, and
/// what is normal within a minute and within a day, for moderators, administrators and bots.
type Row = (&'static str, &'static [u64], [u64; 3], [u64; 3]);

const ROWS: [Row; 15] = [
    ("channels deleted", &[12], [2, 3, 3], [5, 12, 10]),
    ("roles deleted", &[32], [2, 3, 3], [5, 12, 10]),
    ("channels made", &[10], [5, 10, 10], [40, 150, 150]),
    ("channels changed", &[11], [8, 20, 20], [120, 500, 500]),
    ("roles changed", &[31], [8, 20, 20], [120, 500, 500]),
    (
        "overwrites changed",
        &[13, 14, 15],
        [8, 20, 20],
        [120, 500, 500],
    ),
    ("webhooks made", &[50], [3, 4, 4], [15, 25, 25]),
    ("invites deleted", &[42], [4, 5, 5], [25, 50, 50]),
    (
        "emojis and stickers deleted",
        &[62, 92],
        [4, 5, 5],
        [25, 50, 50],
    ),
    ("AutoMod rules deleted", &[142], [4, 5, 5], [25, 50, 50]),
    ("integrations removed", &[82], [4, 5, 5], [25, 50, 50]),
    ("bans", &[22], [3, 4, 5], [30, 50, 100]),
    ("kicks", &[20], [3, 4, 5], [30, 50, 100]),
    ("threads made", &[110], [5, 5, 5], [100, 100, 100]),
    ("changes of the server", &[1], [3, 4, 4], [20, 30, 30]),
];

/// What needs no counting.
pub(super) const INSTANT: [ActKind; 4] = [
    ActKind::GrantAdministrator,
    ActKind::Prune,
    ActKind::DisarmBot,
    ActKind::KickBot,
];

/// Acts of one type, and how many are normal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub what: &'static str,
    pub count: u64,
    pub normal: u64,
}

/// What each of these people left in the log, type by type.
pub(super) fn counts(log: &[Value], who: Who, people: &[String]) -> BTreeMap<String, Vec<Count>> {
    let column = match who {
        Who::Moderator | Who::FiveModerators => 0,
        Who::One | Who::Two | Who::Five | Who::LowAndSlow => 1,
        Who::Bot | Who::OwnToken => 2,
    };
    let of = |person: &String| {
        let rows = ROWS.iter().map(|(what, types, minute, day)| {
            let theirs = log.iter().filter(|entry| {
                let kind = entry["action_type"].as_u64();
                entry["user_id"] == **person && kind.is_some_and(|kind| types.contains(&kind))
            });
            let span = if who.is_slow() { day } else { minute };
            Count {
                what,
                count: theirs.count() as u64,
                normal: span[column],
            }
        });
        (person.clone(), rows.filter(|row| row.count > 0).collect())
    };
    people.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everybody_is_counted_by_themselves_and_by_their_own_limits() {
        let entry = |user: &str, kind: u64| json!({"user_id": user, "action_type": kind});
        let log = [
            entry("1", 12),
            entry("1", 12),
            entry("2", 62),
            entry("2", 92),
        ];
        let people = ["1".to_owned(), "2".to_owned()];
        let counted = counts(&log, Who::FiveModerators, &people);
        let of = |what, count, normal| {
            vec![Count {
                what,
                count,
                normal,
            }]
        };
        assert_eq!(counted["1"], of("channels deleted", 2, 2));
        assert_eq!(counted["2"], of("emojis and stickers deleted", 2, 4));
        let slow = counts(&log, Who::LowAndSlow, &people);
        assert_eq!(slow["1"], of("channels deleted", 2, 12));
    }
}
