//! Who gains what by an operation.

use serde_json::{Map, Value};

use super::{Operation, Subject};
use crate::read::{array, bit_set};
use crate::{Id, Kind, Structure};

const OVERWRITES: &str = "permission_overwrites";

impl Operation {
    /// Permission bits that a role has more by it, or that an overwrite allows more or denies less, against
    /// the live state. The operation is resolved: ids are live ones.
    pub fn gains(&self, live: &Structure) -> u64 {
        match self {
            Self::Create {
                kind: Kind::Role,
                body,
                ..
            } => permissions(body),
            Self::Edit {
                kind: Kind::Role,
                subject,
                body,
            } => {
                let had = object(live, Kind::Role, *subject);
                permissions(body) & !had.map_or(0, |role| bit_set(&role["permissions"]))
            }
            Self::Create {
                kind: Kind::Channel,
                body,
                ..
            } => replaced(&[], body),
            Self::Edit {
                kind: Kind::Channel,
                subject,
                body,
            } => {
                let channel = object(live, Kind::Channel, *subject);
                replaced(channel.map(overwrites).unwrap_or_default(), body)
            }
            Self::PutOverwrite { channel, overwrite } => {
                let channel = object(live, Kind::Channel, *channel);
                let mut old = channel.map(overwrites).unwrap_or_default().iter();
                let old = old.find(|old| Id::of(old) == Id::of(overwrite));
                put(old, overwrite)
            }
            Self::DeleteOverwrite { channel, whom } => {
                let channel = object(live, Kind::Channel, *channel);
                let old = channel.map(overwrites).unwrap_or_default().iter();
                let gone = old.filter(|old| Id::of(old) == Some(*whom));
                gone.fold(0, |all, old| all | bit_set(&old["deny"]))
            }
            Self::Create { .. }
            | Self::Edit { .. }
            | Self::Delete { .. }
            | Self::Reorder { .. } => 0,
        }
    }
}

fn object(live: &Structure, kind: Kind, subject: Subject) -> Option<&Value> {
    match subject {
        Subject::Live(id) => live.get(kind, id),
        Subject::Wanted(_) => None,
    }
}

fn permissions(body: &Map<String, Value>) -> u64 {
    body.get("permissions").map_or(0, bit_set)
}

fn overwrites(channel: &Value) -> &[Value] {
    array(&channel[OVERWRITES])
}

/// By a whole list in place of another one.
fn replaced(old: &[Value], body: &Map<String, Value>) -> u64 {
    let Some(new) = body.get(OVERWRITES) else {
        return 0;
    };
    let new = array(new);
    let gained = new.iter().fold(0, |all, overwrite| {
        let old = old.iter().find(|old| Id::of(old) == Id::of(overwrite));
        all | put(old, overwrite)
    });
    let stays = |old: &Value| new.iter().any(|new| Id::of(new) == Id::of(old));
    let gone = old.iter().filter(|old| !stays(old));
    gone.fold(gained, |all, old| all | bit_set(&old["deny"]))
}

fn put(old: Option<&Value>, new: &Value) -> u64 {
    let had = |key: &str| old.map_or(0, |old| bit_set(&old[key]));
    let (allow, deny) = (bit_set(&new["allow"]), bit_set(&new["deny"]));
    allow & !had("allow") | had("deny") & !deny
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live() -> Structure {
        let guild = json!({"id": "1", "roles": [
            {"id": "1", "position": 0, "permissions": "1"},
            {"id": "2", "position": 1, "permissions": "6"}],
            "channels": [{"id": "5", "type": 0, "name": "a", "permission_overwrites": [
                {"id": "2", "type": 0, "allow": "8", "deny": "16"}]}]});
        Structure::from_guild(&guild).unwrap()
    }

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_new_counts_and_what_is_taken_does_not() {
        let of = |id| Subject::Live(Id::new(id));
        let role = |set: &str| Operation::Edit {
            kind: Kind::Role,
            subject: of(2),
            body: body(json!({"permissions": set})),
        };
        assert_eq!(role("12").gains(&live()), 8);
        assert_eq!(role("2").gains(&live()), 0);
        let channel = |list: Value| Operation::Edit {
            kind: Kind::Channel,
            subject: of(5),
            body: body(json!({"permission_overwrites": list})),
        };
        let overwrite =
            |allow: &str, deny: &str| json!({"id": "2", "type": 0, "allow": allow, "deny": deny});
        for (list, gains) in [
            (json!([overwrite("8", "16")]), 0),
            (json!([overwrite("0", "24")]), 0),
            (json!([overwrite("40", "0")]), 48),
            (json!([]), 16),
            (
                json!([overwrite("8", "16"), {"id": "9", "type": 1, "allow": "4", "deny": "0"}]),
                4,
            ),
        ] {
            assert_eq!(channel(list.clone()).gains(&live()), gains, "{list}");
        }
        let named = Operation::Edit {
            kind: Kind::Channel,
            subject: of(5),
            body: body(json!({"name": "b"})),
        };
        assert_eq!(named.gains(&live()), 0);
        let put = Operation::PutOverwrite {
            channel: of(5),
            overwrite: overwrite("12", "0"),
        };
        assert_eq!(put.gains(&live()), 4 | 16);
        let gone = Operation::DeleteOverwrite {
            channel: of(5),
            whom: Id::new(2),
        };
        assert_eq!(gone.gains(&live()), 16);
    }
}
