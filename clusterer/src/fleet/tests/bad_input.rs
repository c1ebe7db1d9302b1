//! Whatever comes over the bus, the fleet stays sound and says one thing to each command.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::world::{World, seconds};

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u16..20).prop_map(Value::from),
        "[a-z0-9\\-{}\":,]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("id|nonce|Nonce|Data|[a-z]{1,5}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const NOTIFICATIONS: [&str; 3] = ["launch_next", "diag", "action_logs"];

fn any_action() -> impl Strategy<Value = String> {
    // An end is an end: it is left out here.
    let known = ACTIONS.iter().chain(&NOTIFICATIONS).copied();
    let known: Vec<_> = known
        .filter(|action| !["shutdown", "restartproc"].contains(action))
        .collect();
    prop_oneof![
        prop::sample::select(known).prop_map(str::to_owned),
        "[a-z_]{0,12}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn hostile_fields_of_commands(
        messages in prop::collection::vec((any_action(), any_json(), any_json(), any_json(), any_json()), 1..12)
    ) {
        let mut world = World::new(4, 2, 16);
        world.run(seconds(5));
        for (action, args, command_id, output, data) in messages {
            let before = world.replies.len();
            let message = json!({
                "scope": "launcher", "action": action, "args": args, "command_id": command_id,
                "output": output, "data": data,
            });
            world.message(&message.to_string());
            let replies = usize::from(!NOTIFICATIONS.contains(&action.as_str()));
            prop_assert_eq!(world.replies.len() - before, replies, "{}", action);
            world.check_invariants();
        }
        world.run(seconds(100));
        world.check_invariants();
        prop_assert!(world.exit.is_none());
        prop_assert!(world.events("ping_failure").is_empty());
    }

    #[test]
    fn anything_at_all(texts in prop::collection::vec(prop_oneof![any_json().prop_map(|json| json.to_string()), any::<String>()], 1..12)) {
        let mut world = World::new(2, 1, 16);
        world.run(seconds(5));
        for text in texts {
            world.message(&text);
        }
        world.run(seconds(5));
        world.check_invariants();
        prop_assert_eq!(world.spawns.len(), 2);
        prop_assert!(world.exit.is_none());
    }
}
