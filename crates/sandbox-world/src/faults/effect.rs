//! What several faults that hit one thing do to it together: the others do nothing and have not struck.

use super::action::Action;

/// Whether each of these, in their order, has an effect beside the others.
pub(super) fn effective(actions: &[&Action]) -> Vec<bool> {
    let end = actions.iter().position(|action| decides(action));
    let reached = &actions[..end.unwrap_or(actions.len())];
    let first = |wanted: fn(&Action) -> bool| reached.iter().position(|action| wanted(action));
    let gone = first(|action| matches!(action, Action::Hang {} | Action::Reset {}));
    let fate = gone.or_else(|| first(|action| matches!(action, Action::Truncate {})));
    let again = first(|action| matches!(action, Action::GwMemberAgain {}));
    let is_bucket = |action: &&Action| matches!(action, Action::Bucket { .. });
    let is_shown = end.map_or(gone.is_none(), |end| shows_bucket(actions[end]));
    let bucket = reached.iter().rposition(is_bucket).filter(|_| is_shown);
    let ending = end.map(|end| actions[end]);
    let has_effect = |(n, action): (usize, &&Action)| match action {
        _ if end.is_some_and(|end| n >= end) => end == Some(n),
        _ if ending.is_some_and(leaves_nothing) => false,
        Action::Hang {} | Action::Reset {} | Action::Truncate {} => {
            ending.is_none() && fate == Some(n)
        }
        Action::Bucket { .. } => bucket == Some(n),
        Action::GwMemberAgain {} => again == Some(n),
        _ => true,
    };
    actions.iter().enumerate().map(has_effect).collect()
}

/// Nothing after it is reached.
fn decides(action: &Action) -> bool {
    let ends_connection = matches!(action, Action::GwClose { .. } | Action::GwDrop {});
    let refuses = matches!(action, Action::Status { .. } | Action::BlockIp {});
    ends_connection || refuses || leaves_nothing(action)
}

/// Nor does anything before it count.
fn leaves_nothing(action: &Action) -> bool {
    matches!(
        action,
        Action::GwRefuse { .. } | Action::GwLose {} | Action::AuditLose {}
    )
}

/// Whether an answer tells of a bucket.
fn shows_bucket(answer: &Action) -> bool {
    matches!(answer, Action::Status { status: 429, scope, html: false, .. }
        if scope.as_deref() != Some("global"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_what_has_an_effect_strikes() {
        let limited = json!({"type": "status", "status": 429});
        let global = json!({"type": "status", "status": 429, "scope": "global"});
        let down = json!({"type": "status", "status": 503});
        let late = json!({"type": "latency", "ms": 1});
        let bucket = json!({"type": "bucket", "name": "b"});
        let plain = |name: &str| json!({"type": name});
        let (hang, reset, truncate) = (plain("hang"), plain("reset"), plain("truncate"));
        let ms = |name: &str| json!({"type": name, "ms": 1});
        for (actions, expected) in [
            (vec![], vec![]),
            (
                vec![&late, &hang, &down, &late],
                vec![true, false, true, false],
            ),
            (vec![&down, &limited], vec![true, false]),
            (vec![&plain("block_ip"), &down], vec![true, false]),
            (vec![&bucket, &limited], vec![true, true]),
            (vec![&bucket, &bucket, &limited], vec![false, true, true]),
            (vec![&limited, &bucket], vec![true, false]),
            (vec![&bucket, &global], vec![false, true]),
            (vec![&bucket, &down], vec![false, true]),
            (vec![&bucket, &bucket], vec![false, true]),
            (vec![&bucket, &truncate], vec![true, true]),
            (vec![&bucket, &hang, &late], vec![false, true, true]),
            (vec![&truncate, &reset, &hang], vec![false, true, false]),
            (vec![&hang, &truncate], vec![true, false]),
            (vec![&truncate, &truncate], vec![true, false]),
            (vec![&plain("gw_dup"), &ms("gw_delay")], vec![true, true]),
            (vec![&plain("gw_dup"), &plain("gw_lose")], vec![false, true]),
            (
                vec![&plain("gw_lose"), &plain("gw_lose")],
                vec![true, false],
            ),
            (
                vec![&plain("gw_member_again"), &plain("gw_member_again")],
                vec![true, false],
            ),
            (
                vec![
                    &plain("gw_heartbeat"),
                    &plain("gw_drop"),
                    &plain("gw_zombie"),
                ],
                vec![true, true, false],
            ),
            (
                vec![&ms("audit_delay"), &plain("audit_lose"), &ms("audit_delay")],
                vec![false, true, false],
            ),
            (
                vec![&ms("audit_delay"), &ms("audit_delay")],
                vec![true, true],
            ),
        ] {
            let given: Vec<Action> = actions.iter().map(|a| read(a)).collect();
            let given: Vec<&Action> = given.iter().collect();
            assert_eq!(effective(&given), expected, "{actions:?}");
        }
    }

    fn read(action: &Value) -> Action {
        serde_json::from_value(action.clone()).unwrap()
    }
}
