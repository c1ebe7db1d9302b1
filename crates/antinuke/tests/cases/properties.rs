//! What holds for every sequence of entries.

use proptest::prelude::*;
use serde_json::{Value, json};
use splashtail_antinuke::{Rung, State};
use splashtail_guild::Id;

use crate::world::*;

const ACTIONS: [u16; 30] = [
    1, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25, 26, 28, 30, 31, 32, 40, 42, 50, 52, 62, 72,
    73, 82, 112, 140, 142, 9999,
];

fn actor() -> impl Strategy<Value = Option<Id>> {
    prop_oneof![
        Just(Some(OWNER)),
        Just(Some(ME)),
        Just(Some(MOD)),
        Just(Some(ADMIN)),
        Just(Some(HIGH)),
        Just(Some(BOT)),
        Just(Some(PLAIN)),
        Just(None),
    ]
}

fn change() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"changes": [{"key": "$add", "new_value": [{"id": ADMIN_ROLE}]}]})),
        Just(json!({"changes": [{"key": "permissions", "old_value": "0", "new_value": "8"}]})),
        Just(json!({"changes": [{"key": "vanity_url_code", "old_value": "a"}]})),
        Just(
            json!({"options": {"count": "50", "members_removed": "500", "id": "1002", "type": "1"},
            "changes": [{"key": "deny", "new_value": "1024"}]})
        ),
        Just(json!({"changes": "what", "options": [1], "reason": 5})),
    ]
}

fn target() -> impl Strategy<Value = Id> {
    prop_oneof![
        (0..30_u64).prop_map(channel),
        Just(MY_ROLE),
        Just(MOD),
        Just(ME),
        Just(GUILD),
        (0..50_u64).prop_map(user),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn owner_bot_and_trusted_are_never_touched(
        acts in proptest::collection::vec((actor(), 0..ACTIONS.len(), target(), change(), 0..3000_u64), 1..120)
    ) {
        let mut world = World::with(|policy| {
            policy.trusted.users.insert(HIGH);
        });
        for (by, action, target, more, pause) in acts {
            world.act_with(by, ACTIONS[action], target, more);
            world.wait(pause);
        }
        for spared in [OWNER, ME, HIGH] {
            let punished = world.calls.iter().filter(|c| {
                c.key.actor == spared && matches!(c.key.rung, Rung::TakeRoles | Rung::Kick | Rung::Ban | Rung::HoldBot)
            });
            prop_assert_eq!(punished.count(), 0, "{:?}", spared);
        }
        let mine = |role: Id| world.calls.iter().any(|c| c.key.subject == role && c.key.rung != Rung::Return);
        prop_assert!(!mine(MY_ROLE), "the bot never edits its own role");
    }

    #[test]
    fn one_actors_acts_never_count_for_another(
        acts in proptest::collection::vec((0..30_u64, 0..2000_u64), 1..40)
    ) {
        let mut world = World::new();
        for (n, pause) in acts {
            world.act(ADMIN, 12, channel(n));
            world.wait(pause);
        }
        prop_assert_eq!(world.engine.actor_state(MOD), State::Idle);
        prop_assert!(world.against(MOD).is_empty());
    }

    #[test]
    fn order_and_repeats_change_no_verdict(
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        actions in proptest::collection::vec(prop_oneof![Just(10_u16), Just(11), Just(12), Just(32), Just(22), Just(50)], 12),
    ) {
        let mut first = World::new();
        let mut entries = Vec::new();
        for (n, action) in actions.iter().enumerate() {
            first.now = START.plus(n as u64 * 300);
            entries.push(first.entry(MOD, *action, Id::new(3000 + n as u64)));
        }
        let mut second = World::new();
        for world in [&mut first, &mut second] {
            world.now = START.plus(4000);
        }
        for entry in &entries {
            first.tell(entry);
        }
        for n in order {
            second.tell(&entries[n]);
            second.tell(&entries[n]);
        }
        prop_assert_eq!(first.is_contained(MOD), second.is_contained(MOD));
        prop_assert_eq!(first.calls.len(), second.calls.len());
    }
}

#[test]
fn memory_is_bounded() {
    let mut world = World::new();
    for n in 0..20_000_u64 {
        world.act_with(
            Id::new(100_000 + n),
            72,
            user(n),
            json!({"options": {"count": "1", "channel_id": channel(n % 30)}}),
        );
    }
    assert!(world.engine.actor_count() <= 4096);
    let saved = serde_json::to_vec(&world.engine.save()).unwrap();
    assert!(saved.len() < 16 << 20, "{}", saved.len());
}
