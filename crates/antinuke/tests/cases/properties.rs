//! What holds for every sequence of entries.

use proptest::prelude::*;
use serde_json::{Value, json};
use splashtail_antinuke::{
    Command, Effect, Incident, IncidentKind, IncidentState, Input, Rung, SECOND, bits,
};
use splashtail_guild::Id;

use crate::world::*;

const TRUSTED: Id = Id::new(1100);
const TRUSTED_ROLE: Id = Id::new(2100);
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
        Just(Some(TRUSTED)),
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
        acts in proptest::collection::vec((actor(), 0..ACTIONS.len(), target(), change(), 0..3000_u64), 1..120),
        order in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0..3000_u64), 0..120),
    ) {
        let mut world = World::with(|policy| {
            policy.trusted.users.insert(HIGH);
            policy.trusted.roles.insert(TRUSTED_ROLE);
        });
        world.add_role(TRUSTED_ROLE, 2, bits::POWER);
        world.add_member(TRUSTED, &[TRUSTED_ROLE]);
        let mut entries = Vec::new();
        for (by, action, target, more, pause) in acts {
            let mut entry = world.entry(by, ACTIONS[action], target);
            for (key, value) in more.as_object().unwrap() {
                entry[key] = value.clone();
            }
            entries.push((entry, pause));
        }
        // As they came, then again and in any order, from the event or from the log.
        for (entry, pause) in &entries {
            world.tell(entry);
            world.wait(*pause);
        }
        for (index, polled, pause) in order {
            let (raw, _) = index.get(&entries);
            world.give(Input::Entry { raw, polled });
            world.wait(pause);
        }
        for spared in [OWNER, ME, HIGH, TRUSTED] {
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
        acts in proptest::collection::vec((any::<bool>(), 0..ACTIONS.len(), 0..15_u64, 0..2000_u64), 1..60),
    ) {
        let mut both = World::new();
        let mut entries = Vec::new();
        for (first, action, n, pause) in acts {
            // The later entries of a large prune name whom it removed: they are the pruner's.
            if ACTIONS[action] == 21 {
                continue;
            }
            // Each has channels of their own.
            let (by, target) = if first { (ADMIN, channel(n)) } else { (MOD, channel(15 + n)) };
            entries.push((both.entry(by, ACTIONS[action], target), by, both.now));
            both.now = both.now.plus(pause);
        }
        let end = both.now;
        let world_of = |who: &[Id]| {
            let mut world = World::new();
            for (entry, by, at) in &entries {
                world.now = *at;
                if who.contains(by) {
                    world.tell(entry);
                }
            }
            world.now = end;
            world
        };
        let windows = |world: &World, who: Id| {
            let actors = world.engine.save().actors;
            actors.get(&who).map(|actor| actor.windows.clone())
        };
        let together = world_of(&[ADMIN, MOD]);
        let linked = together.engine.incidents().any(|incident| incident.suspects.len() > 1);
        for who in [ADMIN, MOD] {
            let alone = world_of(&[who]);
            prop_assert_eq!(windows(&together, who), windows(&alone, who));
            // Who is punished beside another had it coming, unless they share an attack.
            let punished = |world: &World| !world.against(who).is_empty();
            prop_assert!(linked || punished(&alone) || !punished(&together), "{:?}", who);
        }
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

#[derive(Debug, Clone, Copy)]
enum Turn {
    Power(u64),
    Deeds(u64),
    Attack(usize),
    /// A person gives back what was taken from attackers.
    Return,
    /// The log has its time and is read, or cannot be.
    Read(bool),
    /// Entries of all deeds that nobody stood for.
    Explained,
    Wait(u64),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        (1..4_u64).prop_map(Turn::Power),
        (1..8_u64).prop_map(Turn::Deeds),
        (0..PEOPLE).prop_map(Turn::Attack),
        Just(Turn::Return),
        prop::bool::weighted(0.9).prop_map(Turn::Read),
        Just(Turn::Explained),
        (1..12_u64).prop_map(Turn::Wait),
    ]
}

/// How it begins: with power that nobody gave, somebody who attacks then, and more by nobody; or with deeds
/// by nobody, a band whose attack is given back, and another band.
fn beginning() -> impl Strategy<Value = Vec<Turn>> {
    let power = (0..PEOPLE).prop_map(|who| {
        vec![
            Turn::Power(1),
            Turn::Read(true),
            Turn::Attack(who),
            Turn::Deeds(7),
            Turn::Read(true),
        ]
    });
    let bands = (1..PEOPLE - 2).prop_map(|more| {
        let first = (0..BAND).map(Turn::Attack);
        let second = (BAND..BAND + more.min(BAND)).map(Turn::Attack);
        let begun = [Turn::Deeds(7), Turn::Read(true)].into_iter();
        let all = begun.chain(first).chain([Turn::Return]).chain(second);
        all.chain([Turn::Explained, Turn::Wait(5)]).collect()
    });
    prop_oneof![Just(Vec::new()), power, bands]
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let rest = prop::collection::vec(turn(), 1..40);
    (beginning(), rest).prop_map(|(first, rest)| first.into_iter().chain(rest).collect())
}

/// People of one of two bands, and all who attack.
const BAND: usize = 4;
const PEOPLE: usize = 2 * BAND + 2;
/// So many who attack together make a panic.
const PANICS: usize = 3;

/// Two bands with roles of their own, and two more.
fn attackers(world: &mut World) -> Vec<Id> {
    let bands = (0..2 * BAND as u64).map(|n| {
        world.add_role(Id::new(2300 + n), 4, bits::ADMINISTRATOR);
        world.add_member(user(40 + n), &[Id::new(2300 + n)]);
        user(40 + n)
    });
    bands.chain([MOD, ADMIN]).collect()
}

/// Whether it takes a panic, by who attacks alone.
fn takes_panic(incident: &Incident) -> bool {
    incident.is_open() && incident.suspects.len() >= PANICS
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What entries explain ends no panic that an attacker's incident relies on, and no such incident.
    #[test]
    fn relief_ends_nothing_of_an_attack(turns in turns()) {
        let mut world = World::new();
        let people = attackers(&mut world);
        let (mut gone, mut fresh) = (Vec::new(), 9000_u64);
        let mut returned = Vec::new();
        for turn in turns {
            let relies = world.engine.incidents().any(takes_panic);
            let held = world.engine.panic().is_some() && relies;
            match turn {
                Turn::Power(n) => {
                    world.add_member(user(n), &[]);
                    world.feed("GUILD_MEMBER_UPDATE", member(user(n), &[ADMIN_ROLE]));
                }
                Turn::Deeds(count) => for _ in 0..count {
                    fresh += 1;
                    let role = json!({"guild_id": GUILD, "role_id": Id::new(fresh)});
                    world.feed("GUILD_ROLE_DELETE", role);
                    gone.push(Id::new(fresh));
                },
                Turn::Attack(who) => for _ in 0..4 {
                    fresh += 1;
                    let reason = json!({"reason": "nuked"});
                    world.act_with(people[who], 12, Id::new(fresh), reason);
                },
                Turn::Return => {
                    let open = {
                        let mut all = world.engine.incidents();
                        let theirs = all.find(|i| i.is_open() && !i.suspects.is_empty());
                        theirs.map(|i| i.id)
                    };
                    if let Some(incident) = open {
                        world.give(Input::Command(Command::Return { incident }));
                        returned.push(incident);
                    }
                }
                Turn::Read(read) => for _ in 0..3 {
                    world.wait(5 * SECOND);
                    let asked = world.effects.iter().rev().find_map(|effect| match effect {
                        Effect::PollAudit(poll) => Some(*poll),
                        _ => None,
                    });
                    if let Some(poll) = asked {
                        world.give(Input::Polled { poll, read });
                    }
                },
                Turn::Explained => for role in gone.drain(..) {
                    world.act(OWNER, 32, role);
                },
                Turn::Wait(seconds) => world.wait(seconds * SECOND),
            }
            // A person ends what they want.
            let by_hand = matches!(turn, Turn::Return);
            prop_assert!(!held || by_hand || world.engine.panic().is_some(), "{turn:?} ended the panic");
            for incident in world.engine.incidents().filter(|i| !i.suspects.is_empty()) {
                let ended = incident.state == IncidentState::Returned;
                prop_assert!(!ended || returned.contains(&incident.id));
                prop_assert_ne!(incident.kind, IncidentKind::Unattributed);
            }
        }
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
