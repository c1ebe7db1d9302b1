//! Whoever has a plan made reaches below their own highest role, as it is and as it was.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use splashtail_guild::permissions::bits;
use splashtail_guild::{
    Effect, Facts, Id, Kind, Mode, Operation, Plan, Structure, Subject, Surplus, Why, plan,
    rehearse,
};

/// Id, name, position and permissions.
type Role<'a> = (u64, &'a str, i64, u64);

const BOT: Role<'_> = (90, "Bot", 90, bits::ADMINISTRATOR);

fn server(roles: &[Role<'_>]) -> Structure {
    let everyone = (1, "@everyone", 0, 0);
    let all = [everyone, BOT].into_iter().chain(roles.iter().copied());
    let role = |(id, name, position, set): Role<'_>| {
        json!({"id": id.to_string(), "name": name, "position": position,
               "permissions": set.to_string(), "color": 0, "managed": id == BOT.0})
    };
    let roles: Value = all.map(role).collect();
    Structure::from_guild(&json!({"id": "1", "name": "Harbour", "roles": roles})).unwrap()
}

fn planned(live: &Structure, wanted: &Structure, orderer: Option<&[u64]>) -> Plan {
    let facts = Facts {
        permissions: bits::ADMINISTRATOR,
        top_role: Some(Id::new(BOT.0)),
        owner: false,
    };
    let mut mode = Mode::all(Surplus::Delete);
    mode.orderer = orderer.map(|roles| roles.iter().copied().map(Id::new).collect());
    plan(live, wanted, facts, &mode)
}

fn steps(plan: &Plan) -> Vec<&str> {
    plan.effects.iter().map(|e| e.step.as_str()).collect()
}

fn outranked(plan: &Plan) -> Vec<(u64, Vec<&'static str>)> {
    let left = plan.unable.iter();
    let left = left.filter(|unable| unable.why == Why::Outranked);
    left.map(|unable| (unable.id.get(), unable.fields.clone()))
        .collect()
}

#[test]
fn roles_at_or_above_the_callers_own_are_not_edited_or_deleted() {
    let wanted = server(&[(10, "Low", 1, 0), (20, "Own", 2, 0), (30, "High", 3, 0)]);
    let live = server(&[
        (10, "Low", 1, 4),
        (20, "Own", 2, 4),
        (30, "High", 3, 4),
        (15, "New", 1, 0),
        (40, "New and high", 4, 0),
    ]);
    let by_owner = planned(&live, &wanted, None);
    assert_eq!(
        steps(&by_owner),
        [
            "role/10/edit",
            "role/20/edit",
            "role/30/edit",
            "role/15/delete",
            "role/40/delete"
        ]
    );
    let by_member = planned(&live, &wanted, Some(&[10, 20]));
    assert_eq!(steps(&by_member), ["role/10/edit", "role/15/delete"]);
    assert_eq!(
        outranked(&by_member),
        [
            (20, vec!["permissions"]),
            (30, vec!["permissions"]),
            (40, vec![])
        ]
    );
    // Whoever has no role reaches nothing but what everybody may.
    assert_eq!(steps(&planned(&live, &wanted, Some(&[]))), [""; 0]);
}

#[test]
fn nothing_is_moved_past_the_callers_own() {
    let wanted = server(&[
        (10, "A", 1, 0),
        (11, "B", 2, 0),
        (20, "Own", 3, 0),
        (30, "High", 4, 0),
    ]);
    // Everything is upside down.
    let live = server(&[
        (30, "High", 1, 0),
        (11, "B", 2, 0),
        (10, "A", 3, 0),
        (20, "Own", 4, 0),
        (35, "Higher", 5, 0),
    ]);
    let plan = planned(&live, &wanted, Some(&[20]));
    let sorted = plan
        .effects
        .iter()
        .find_map(|effect: &Effect| match &effect.operation {
            Operation::Reorder { positions, .. } => Some(positions.clone()),
            _ => None,
        });
    let moved: Vec<_> = sorted.unwrap();
    let of = |id| Subject::Wanted(Id::new(id));
    assert_eq!(moved, [(of(10), 1), (of(11), 2), (of(30), 3)]);
    assert!(!steps(&plan).contains(&"role/35/delete"));
    let after = rehearse(&live, &plan);
    let rank = |id| after.rank_of(Id::new(id)).unwrap();
    assert!(
        rank(30) < rank(20),
        "it stays below whoever could not move it higher"
    );
}

#[test]
fn no_low_role_stands_for_a_higher_one_that_is_gone() {
    let high = (30, "Admin", 3, 8);
    let wanted = server(&[(10, "Low", 1, 0), (20, "Own", 2, 0), high]);
    // It was deleted, and the caller has made one that is called like it, and holds it.
    let live = server(&[(10, "Low", 1, 0), (15, "Admin", 1, 0), (20, "Own", 2, 0)]);
    let plan = planned(&live, &wanted, Some(&[15, 20]));
    assert_eq!(steps(&plan), ["role/15/delete"]);
    assert_eq!(outranked(&plan), [(30, vec![])]);
    assert_eq!(plan.mapping.live(Kind::Role, Id::new(30)), None);
    assert_eq!(plan.mapping.wanted(Kind::Role, Id::new(15)), None);
    // The owner's word is that it is the same one.
    let by_owner = planned(&live, &wanted, None);
    assert_eq!(
        by_owner.mapping.live(Kind::Role, Id::new(30)),
        Some(Id::new(15))
    );
    // What stood below is made again, and paired.
    let fewer = server(&[(16, "Low", 1, 0), (20, "Own", 2, 0), high]);
    let plan = planned(&fewer, &wanted, Some(&[20]));
    assert_eq!(
        plan.mapping.live(Kind::Role, Id::new(10)),
        Some(Id::new(16))
    );
    let none = server(&[(20, "Own", 2, 0), high]);
    assert_eq!(
        steps(&planned(&none, &wanted, Some(&[20])))[0],
        "role/10/create"
    );
    // Whoever stood there by a role that a restore made again stands there still.
    let again = server(&[(10, "Low", 1, 0), (21, "Own", 2, 0), high]);
    let lost = server(&[(21, "Own", 2, 0), high]);
    assert_eq!(steps(&planned(&again, &wanted, Some(&[21]))), [""; 0]);
    assert_eq!(
        steps(&planned(&lost, &wanted, Some(&[21])))[0],
        "role/10/create"
    );
}
