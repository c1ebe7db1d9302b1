//! Which clusterers are on a bus, for who only watches.

use super::{LauncherCmd, SCOPE_CLUSTERER};

/// One says so at its start and every five seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Another one with every start.
    pub id: String,
    /// Host name and port, for people.
    pub name: String,
    /// First and last shard, and the total; `None` for one that runs all shards.
    pub range: Option<(u16, u16, u16)>,
    /// It says good-bye.
    pub leaving: bool,
}

impl Presence {
    /// `None` for every other message.
    pub fn of(command: &LauncherCmd) -> Option<Self> {
        if (command.scope.as_str(), command.action.as_str()) != (SCOPE_CLUSTERER, "announce") {
            return None;
        }
        let data = command.data.as_ref()?;
        let text = |name: &str| Some(data.get(name)?.as_str()?.to_owned());
        let number = |name: &str| u16::try_from(data.get(name)?.as_u64()?).ok();
        let flag = |name: &str| data.get(name).is_some_and(|flag| flag == true);
        let range = || Some((number("first")?, number("last")?, number("shard_count")?));
        Some(Self {
            id: text("id")?,
            name: text("name")?,
            range: if flag("whole") { None } else { Some(range()?) },
            leaving: flag("leaving"),
        })
    }

    /// Both cannot be there: they would run the same shards, or two bots.
    pub fn excludes(&self, other: &Self) -> bool {
        if self.id == other.id || self.leaving || other.leaving {
            return false;
        }
        match (self.range, other.range) {
            (Some((first, last, total)), Some(other)) => {
                total != other.2 || (first <= other.1 && other.0 <= last)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Incoming;
    use super::*;

    fn presence(id: &str, whole: bool, first: u16, last: u16) -> Presence {
        let data = json!({"id": id, "name": "a:1", "whole": whole, "first": first, "last": last, "shard_count": 8});
        let text = json!({"scope": "clusterer", "action": "announce", "data": data}).to_string();
        let Ok(Incoming::Command(command)) = Incoming::parse(&text) else {
            panic!("a command")
        };
        Presence::of(&command).unwrap()
    }

    #[test]
    fn two_of_which_one_runs_everything_exclude_each_other() {
        let (whole, low, high) = (
            presence("a", true, 0, 0),
            presence("b", false, 0, 3),
            presence("c", false, 4, 7),
        );
        assert_eq!((whole.range, low.range), (None, Some((0, 3, 8))));
        assert!(whole.excludes(&low) && low.excludes(&whole));
        assert!(!low.excludes(&high) && !low.excludes(&low));
        assert!(low.excludes(&presence("d", false, 3, 4)));
    }

    #[test]
    fn other_messages_tell_nothing() {
        assert_eq!(
            Presence::of(&LauncherCmd::command("statuses", None, "x")),
            None
        );
        assert_eq!(
            Presence::of(&LauncherCmd::announce(serde_json::Map::new())),
            None
        );
    }
}
