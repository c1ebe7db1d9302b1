//! What a plan may touch.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use splashtail_guild::{
    Effect, Facts, Id, Kind, Mapping, Mode, Operation, Rule, Structure, Surplus, Why, plan,
};

const ALL: Facts = Facts {
    permissions: 1 << 3,
    top_role: None,
    owner: true,
};

fn role(id: u64, name: &str, position: u64) -> Value {
    json!({"id": id.to_string(), "name": name, "position": position, "permissions": "0"})
}

fn channel(id: u64, name: &str, parent: Option<u64>, kind: u64, overwrites: Value) -> Value {
    json!({"id": id.to_string(), "type": kind, "name": name, "position": id,
           "parent_id": parent.map(|id| id.to_string()), "permission_overwrites": overwrites})
}

fn server(roles: Vec<Value>, channels: Vec<Value>) -> Structure {
    let mut all = vec![role(1, "@everyone", 0)];
    all.extend(roles);
    let guild = json!({"id": "1", "name": "G", "roles": all, "channels": channels});
    Structure::from_guild(&guild).unwrap()
}

fn steps(live: &Structure, wanted: &Structure, mode: &Mode) -> Vec<String> {
    let effects = plan(live, wanted, ALL, mode).effects;
    effects.into_iter().map(|effect| effect.step).collect()
}

const EVERYTHING: Rule = Rule {
    create: true,
    edit: true,
    surplus: Surplus::Delete,
};

fn deny(role: u64) -> Value {
    json!([{"id": role.to_string(), "type": 0, "allow": "0", "deny": "1024"}])
}

/// Roles that are left alone still tell whom overwrites are for.
#[test]
fn a_kind_without_a_rule_stays_and_is_led_to() {
    let live = server(vec![role(50, "Mod", 1)], vec![]);
    let wanted = server(
        vec![role(5, "Mod", 1), role(6, "Gone", 2)],
        vec![channel(9, "c", None, 0, deny(5))],
    );
    let mode = Mode::nothing().with(Kind::Channel, EVERYTHING);
    let planned = plan(&live, &wanted, ALL, &mode);
    let [effect, sorted] = planned.effects.as_slice() else {
        panic!("{:?}", planned.effects);
    };
    assert_eq!(sorted.step, "channel/reorder");
    let Some(Operation::Create { body, .. }) = effect.operation.resolved(&planned.mapping) else {
        panic!("{effect:?}");
    };
    assert_eq!(body["permission_overwrites"][0]["id"], "50");
    assert_eq!(steps(&live, &wanted, &Mode::nothing()), [""; 0]);
}

#[test]
fn each_liberty_is_its_own() {
    let live = server(vec![role(5, "renamed", 1), role(7, "new", 2)], vec![]);
    let wanted = server(vec![role(5, "Mod", 1), role(6, "lost", 2)], vec![]);
    let with = |create, edit, surplus| {
        let rule = Rule {
            create,
            edit,
            surplus,
        };
        steps(&live, &wanted, &Mode::nothing().with(Kind::Role, rule))
    };
    assert_eq!(with(true, false, Surplus::Keep)[0], "role/6/create");
    assert!(with(false, true, Surplus::Keep).contains(&"role/5/edit".to_owned()));
    assert_eq!(with(false, false, Surplus::Delete), ["role/7/delete"]);
}

/// New channels get their overwrites in any case: without them they would be open to everybody.
#[test]
fn overwrites_alone_may_be_left() {
    let live = server(vec![], vec![channel(9, "c", None, 0, json!([]))]);
    let wanted = server(
        vec![],
        vec![
            channel(9, "c", None, 0, deny(1)),
            channel(10, "d", None, 0, deny(1)),
        ],
    );
    let mut mode = Mode::all(Surplus::Keep);
    mode.overwrites = false;
    let planned = plan(&live, &wanted, ALL, &mode);
    assert!(
        planned
            .effects
            .iter()
            .all(|effect| effect.step != "channel/9/edit")
    );
    let made = planned
        .effects
        .iter()
        .find_map(|effect| match &effect.operation {
            Operation::Create { body, .. } => Some(body.clone()),
            _ => None,
        });
    assert_eq!(made.unwrap()["permission_overwrites"], deny(1));
    mode.overwrites = true;
    assert!(steps(&live, &wanted, &mode).contains(&"channel/9/edit".to_owned()));
}

#[test]
fn what_is_protected_stays_with_the_category_it_stands_in() {
    let live = server(
        vec![role(5, "renamed", 1), role(7, "new", 2)],
        vec![
            channel(20, "category", None, 4, json!([])),
            channel(21, "log", Some(20), 0, json!([])),
            channel(22, "other", None, 0, json!([])),
        ],
    );
    let wanted = server(vec![role(5, "Mod", 1)], vec![]);
    let mode = Mode::all(Surplus::Delete)
        .protect(Kind::Role, Id::new(5))
        .protect(Kind::Channel, Id::new(21));
    let planned = plan(&live, &wanted, ALL, &mode);
    let steps: Vec<_> = planned.effects.iter().map(|e| e.step.as_str()).collect();
    assert_eq!(steps, ["channel/22/delete", "role/7/delete"]);
    let kept = planned
        .unable
        .iter()
        .filter(|unable| unable.why == Why::Protected);
    let kept: Vec<_> = kept.map(|unable| unable.id.get()).collect();
    assert_eq!(kept, [5, 21, 20]);
}

/// A successor reads what its predecessor planned.
#[test]
fn plans_travel_as_json() {
    let live = server(vec![role(5, "renamed", 1), role(7, "new", 2)], vec![]);
    let wanted = server(
        vec![role(5, "Mod", 1), role(6, "lost", 2)],
        vec![channel(9, "c", None, 0, deny(6))],
    );
    let planned = plan(&live, &wanted, ALL, &Mode::all(Surplus::Delete));
    let text = serde_json::to_string(&(&planned.effects, &planned.mapping)).unwrap();
    let (effects, mapping): (Vec<Effect>, Mapping) = serde_json::from_str(&text).unwrap();
    assert_eq!(effects, planned.effects);
    assert_eq!(mapping, planned.mapping);
}

/// As many roles below the bot's own as it has positions below it, or more.
#[test]
fn roles_are_numbered_anew_where_places_are_too_few() {
    let order = |top: u64| {
        let bot = role(9, "Bot", top);
        let live = server(vec![role(5, "A", 1), bot.clone()], vec![]);
        let wanted = vec![role(5, "A", 1), role(6, "B", 2), role(7, "C", 3), bot];
        let facts = Facts {
            owner: false,
            top_role: Some(Id::new(9)),
            ..ALL
        };
        let mode = Mode::nothing().with(Kind::Role, EVERYTHING);
        let effects = plan(&live, &server(wanted, vec![]), facts, &mode).effects;
        let sorts = effects.into_iter().filter_map(|effect| {
            let places = match effect.operation {
                Operation::Reorder { positions, .. } => positions,
                _ => return None,
            };
            let places = places.into_iter().map(|(_, at)| at).collect();
            Some((effect.step, places))
        });
        sorts.collect::<Vec<(String, Vec<i64>)>>()
    };
    let sorted = ("role/reorder".to_owned(), vec![1, 2, 3]);
    assert_eq!(order(4), std::slice::from_ref(&sorted));
    let numbered = ("role/renumber".to_owned(), vec![1]);
    assert_eq!(order(3), [numbered, sorted]);
}

/// What somebody may not give stays as it is, in roles and in overwrites, and is named.
#[test]
fn nobody_gains_what_the_orderer_lacks() {
    let with = |id: u64, name: &str, permissions: u64| {
        let mut role = role(id, name, 1);
        role["permissions"] = permissions.to_string().into();
        role
    };
    let overwrite = |allow: u64, deny: u64| json!([{"id": "5", "type": 0, "allow": allow.to_string(), "deny": deny.to_string()}]);
    let live = server(
        vec![with(5, "Mod", 1 << 5)],
        vec![
            channel(8, "a", None, 0, overwrite(0, 1 << 10)),
            channel(9, "b", None, 0, overwrite(1 << 11, 1 << 10)),
        ],
    );
    let wanted = server(
        vec![
            with(5, "Mod", 1 << 3 | 1 << 2),
            with(6, "New", 1 << 3 | 1 << 2),
        ],
        vec![
            channel(8, "a", None, 0, json!([])),
            channel(9, "b", None, 0, overwrite(1 << 2 | 1 << 13, 0)),
            channel(10, "c", None, 0, overwrite(1 << 2 | 1 << 13, 0)),
        ],
    );
    let bodies = |grants: u64| {
        let mut mode = Mode::all(Surplus::Keep);
        mode.grants = grants;
        let planned = plan(&live, &wanted, ALL, &mode);
        let mut bodies = std::collections::BTreeMap::new();
        for effect in planned.effects {
            if let Operation::Create { body, .. } | Operation::Edit { body, .. } = effect.operation
            {
                let said = match body.get("permission_overwrites") {
                    Some(Value::Array(list)) if list.is_empty() => json!([]),
                    Some(list) => json!([list[0]["allow"], list[0]["deny"]]),
                    None => body.get("permissions").cloned().unwrap_or_default(),
                };
                bodies.insert(effect.step, said);
            }
        }
        let withheld = planned.unable.iter().filter_map(|unable| match unable.why {
            Why::Withheld(set) => Some((unable.id.get(), set)),
            _ => None,
        });
        (json!(bodies), withheld.collect::<Vec<_>>())
    };
    let (all, withheld) = bodies(1 << 3);
    assert_eq!(withheld, []);
    assert_eq!(
        all,
        json!({"role/5/edit": "12", "role/6/create": "12", "channel/8/edit": [],
               "channel/9/edit": ["8196", "0"], "channel/10/create": ["8196", "0"]})
    );
    let (masked, mut withheld) = bodies(1 << 2);
    withheld.sort_unstable();
    assert_eq!(
        masked,
        json!({"role/5/edit": "4", "role/6/create": "4",
               "channel/9/edit": ["4", "1024"], "channel/10/create": ["4", "0"]})
    );
    assert_eq!(
        withheld,
        [
            (5, 8),
            (6, 8),
            (8, 1 << 10),
            (9, 1 << 13 | 1 << 10),
            (10, 1 << 13)
        ]
    );
}
