//! A moderator's and an administrator's day, in any order: every kind of act that has a limit.

use proptest::prelude::*;
use serde_json::{Value, json};
use splashtail_antinuke::{HOUR, Span, UNIT};
use splashtail_guild::Id;

use crate::world::*;

/// The hours somebody is awake.
const AWAKE: u64 = 16 * HOUR;

/// How often, which action, and what the entry says besides.
type Kind = (u64, u16, Value);

fn moderators_day() -> Vec<Kind> {
    let given =
        |key: &str| json!({"changes": [{"key": key, "new_value": [{"id": Id::new(2700)}]}]});
    let member = |key: &str, new: Value| json!({"changes": [{"key": key, "new_value": new}]});
    let count =
        |count: u64| json!({"options": {"count": count.to_string(), "channel_id": channel(3)}});
    vec![
        (2, 12, json!({})),
        (1, 32, json!({})),
        (6, 10, json!({})),
        (3, 30, json!({})),
        (20, 11, json!({})),
        (8, 31, json!({})),
        (
            12,
            14,
            json!({"options": {"id": MOD_ROLE, "type": "0"}, "changes": [{"key": "deny", "old_value": "0", "new_value": "2048"}]}),
        ),
        (2, 50, json!({})),
        (3, 42, json!({})),
        (3, 62, json!({})),
        (2, 102, json!({})),
        (3, 112, json!({})),
        (1, 140, json!({})),
        (2, 141, json!({})),
        (1, 81, json!({})),
        (12, 22, json!({})),
        (6, 20, json!({})),
        (3, 23, json!({})),
        (
            25,
            24,
            member(
                "communication_disabled_until",
                json!("2027-09-06T00:00:00+00:00"),
            ),
        ),
        (8, 24, member("nick", json!("quiet"))),
        (8, 24, member("mute", json!(true))),
        (10, 26, count(1)),
        (5, 27, count(1)),
        (50, 25, given("$add")),
        (20, 25, given("$remove")),
        (50, 72, count(2)),
        (5, 73, count(20)),
        (2, 1, json!({})),
        (15, 110, json!({})),
        (10, 74, json!({})),
        (2, 101, json!({})),
    ]
}

fn administrators_day() -> Vec<Kind> {
    let mut day = moderators_day();
    day.extend([
        (1, 28, json!({})),
        (1, 80, json!({})),
        (2, 167, json!({})),
        (3, 60, json!({})),
        (1, 121, json!({"options": {"application_id": "1"}})),
    ]);
    day
}

/// Spends the day, in the order of `keys`, and says how many acts and points it had.
fn spend(day: &[Kind], who: Id, keys: &[u32]) -> (usize, u32) {
    let mut world = World::new();
    world.add_role(Id::new(2700), 1, 0);
    let acts = day.iter().flat_map(|(times, action, more)| {
        std::iter::repeat_n((*action, more), usize::try_from(*times).unwrap())
    });
    let mut acts: Vec<_> = acts.zip(keys.iter().cycle()).collect();
    acts.sort_by_key(|(_, key)| **key);
    let pause = AWAKE / acts.len() as u64;
    let mut pings = 0;
    for (n, ((action, more), _)) in acts.iter().enumerate() {
        let n = n as u64;
        let target = match action {
            11 | 12 | 14 => channel(n % 30),
            _ => user(1000 + n),
        };
        world.act_with(who, *action, target, (*more).clone());
        world.wait(pause);
        // Twice a day there is news for everybody.
        if n % 150 == 100 {
            let message = world.id();
            let ping = json!({"id": message, "guild_id": GUILD, "channel_id": channel(0),
                "author": {"id": who}, "mention_everyone": true});
            world.feed("MESSAGE_CREATE", ping);
            pings += 1;
        }
    }
    world.no_incident();
    let saved = world.engine.save();
    let points = saved.actors[&who].windows.points(Span::Day, world.now);
    (acts.len() + pings, points / UNIT)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn case_40_three_hundred_acts_of_every_kind_are_no_attack(
        keys in proptest::collection::vec(any::<u32>(), 400),
    ) {
        let (acts, points) = spend(&moderators_day(), MOD, &keys);
        prop_assert!(acts >= 300, "{acts}");
        prop_assert!(points > 150, "they did count: {points}");
        let (acts, _) = spend(&administrators_day(), ADMIN, &keys);
        prop_assert!(acts > 300, "{acts}");
    }
}
