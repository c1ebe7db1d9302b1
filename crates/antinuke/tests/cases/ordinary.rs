//! Days on which nothing is wrong.

use serde_json::json;
use splashtail_antinuke::{DAY, HOUR, MINUTE, SECOND, UNIT};
use splashtail_guild::Id;

use crate::world::*;

#[test]
fn case_40_setting_up_a_server_is_no_attack() {
    let mut world = World::new();
    for n in 0..40 {
        world.act(ADMIN, 10, Id::new(9000 + n));
        let more = json!({"options": {"id": MOD_ROLE, "type": "0"},
            "changes": [{"key": "allow", "new_value": "1024"}]});
        world.act_with(ADMIN, 13, Id::new(9000 + n), more);
        world.act(ADMIN, 11, Id::new(9000 + n));
        world.wait(30 * SECOND);
    }
    // Some were a mistake.
    for n in 0..5 {
        world.act(ADMIN, 12, Id::new(9000 + n));
    }
    world.no_incident();
}

#[test]
fn case_40_clearing_silent_channels_counts_a_quarter() {
    let mut world = World::new();
    for n in 0..15 {
        let silent = world.now.minus(40 * DAY).id();
        world.feed(
            "CHANNEL_UPDATE",
            json!({"id": channel(n), "guild_id": GUILD, "type": 0, "flags": 0,
            "name": "old", "last_message_id": silent, "permission_overwrites": []}),
        );
    }
    for n in 0..15 {
        world.delete_channel(ADMIN, n);
        world.wait(20 * SECOND);
    }
    world.no_incident();
}

/// All but the first `lively` of thirty channels are silent.
fn quiet_but_for(lively: u64) -> World {
    let mut world = World::new();
    let silent = world.now.minus(40 * DAY).id();
    for n in lively..30 {
        world.feed(
            "CHANNEL_UPDATE",
            json!({"id": channel(n), "guild_id": GUILD, "type": 0, "flags": 0,
            "name": "old", "last_message_id": silent, "permission_overwrites": []}),
        );
    }
    world
}

#[test]
fn in_a_server_that_is_quiet_as_a_whole_silence_excuses_nothing() {
    let mut world = quiet_but_for(6);
    for n in 20..23 {
        world.delete_channel(ADMIN, n);
    }
    world.no_incident();
    world.delete_channel(ADMIN, 23);
    assert!(world.is_contained(ADMIN), "the fourth is one too many");
}

#[test]
fn whoever_deletes_silent_channels_fast_is_not_tidying() {
    let mut world = quiet_but_for(10);
    for n in 15..22 {
        world.delete_channel(ADMIN, n);
    }
    world.no_incident();
    world.delete_channel(ADMIN, 22);
    assert!(world.is_contained(ADMIN), "six a quarter, two whole");
}

#[test]
fn a_category_is_not_silent() {
    let mut world = World::new();
    world.wait(60 * DAY);
    for n in 0..4 {
        let id = Id::new(2990 + n);
        world.feed(
            "CHANNEL_CREATE",
            json!({"id": id, "guild_id": GUILD, "type": 4, "name": "c",
            "permission_overwrites": []}),
        );
        world.act(ADMIN, 12, id);
    }
    assert!(world.is_contained(ADMIN));
}

#[test]
fn a_channel_in_which_somebody_wrote_lately_is_not_silent() {
    let mut world = World::new();
    let silent = world.now.minus(40 * DAY).id();
    for n in 0..4 {
        world.feed(
            "CHANNEL_UPDATE",
            json!({"id": channel(n), "guild_id": GUILD, "type": 0, "flags": 0,
            "name": "old", "last_message_id": silent, "permission_overwrites": []}),
        );
        let id = world.id();
        world.feed(
            "MESSAGE_CREATE",
            json!({"id": id, "guild_id": GUILD, "channel_id": channel(n),
            "author": {"id": PLAIN}}),
        );
    }
    for n in 0..4 {
        world.delete_channel(ADMIN, n);
    }
    assert!(world.is_contained(ADMIN));
}

#[test]
fn case_40_a_bot_that_grants_fifty_roles_is_doing_its_work() {
    let mut world = World::new();
    world.add_role(Id::new(2700), 1, 0);
    for n in 0..50 {
        let more = json!({"changes": [{"key": "$add", "new_value": [{"id": Id::new(2700)}]}]});
        world.act_with(BOT, 25, user(400 + n), more);
        world.wait(200);
    }
    world.no_incident();
}

#[test]
fn one_category_synced_to_its_channels_counts_once() {
    let mut world = World::new();
    for n in 0..10 {
        let more = json!({"options": {"id": MOD_ROLE, "type": "0"},
            "changes": [{"key": "allow", "new_value": "1024"}]});
        world.act_with(MOD, 13, channel(n), more);
    }
    world.no_incident();
}

#[test]
fn other_overwrites_of_the_same_category_each_count() {
    let mut world = World::new();
    for n in 0..9 {
        let more = json!({"options": {"id": Id::new(2700 + n), "type": "0"},
            "changes": [{"key": "allow", "old_value": "1024"}]});
        world.act_with(MOD, 15, channel(n), more);
    }
    assert!(world.is_contained(MOD), "nine are one too many");
}

#[test]
fn the_same_overwrite_with_other_bits_counts() {
    let mut world = World::new();
    for n in 0..9 {
        let more = json!({"options": {"id": MOD_ROLE, "type": "0"},
            "changes": [{"key": "allow", "new_value": (1024_u64 << n).to_string()}]});
        world.act_with(MOD, 14, channel(n), more);
    }
    assert!(world.is_contained(MOD));
}

#[test]
fn what_counts_once_is_over_after_five_seconds() {
    let mut world = World::new();
    let more = json!({"options": {"id": MOD_ROLE, "type": "0"},
        "changes": [{"key": "allow", "old_value": "1024"}]});
    for n in 0..18 {
        world.act_with(MOD, 15, channel(n % 10), more.clone());
        world.wait(3 * SECOND);
    }
    assert!(world.is_contained(MOD), "every other one counts");
}

#[test]
fn case_40_a_moderators_day_of_three_hundred_acts() {
    let mut world = World::new();
    world.add_role(Id::new(2700), 1, 0);
    let role = json!({"changes": [{"key": "$add", "new_value": [{"id": Id::new(2700)}]}]});
    let off = json!({"changes": [{"key": "$remove", "new_value": [{"id": Id::new(2700)}]}]});
    let mute = json!({"changes": [{"key": "communication_disabled_until",
        "new_value": "2027-09-05T00:00:00+00:00"}]});
    let nick = json!({"changes": [{"key": "nick", "old_value": "a", "new_value": "b"}]});
    let deleted = json!({"options": {"count": "3", "channel_id": channel(0)}});
    let bulk = json!({"options": {"count": "20"}});
    for n in 0..300_u64 {
        let target = user(600 + n);
        match n % 20 {
            0 | 1 => world.act_with(MOD, 24, target, mute.clone()),
            2..=5 => world.act_with(MOD, 72, target, deleted.clone()),
            6..=9 => world.act_with(MOD, 25, target, role.clone()),
            10 => world.act_with(MOD, 25, target, off.clone()),
            11 => world.act_with(MOD, 24, target, nick.clone()),
            12 => world.act(MOD, 22, target),
            13 if n % 40 == 13 => world.act(MOD, 20, target),
            14 => world.act_with(MOD, 73, channel(1), bulk.clone()),
            15 => world.act(MOD, 11, channel(n % 30)),
            16 => world.act(MOD, 110, Id::new(9500 + n)),
            17 => world.act_with(MOD, 26, GUILD, json!({"options": {"count": "1"}})),
            _ => world.act(MOD, 74, target),
        };
        world.wait(8 * HOUR / 300);
    }
    world.no_incident();
    let kept = world.engine.save();
    let moderator = &kept.actors[&MOD];
    let points = moderator
        .windows
        .points(splashtail_antinuke::Span::Day, world.now);
    assert!(points / UNIT > 50, "they did count: {}", points / UNIT);
    world.wait(MINUTE);
}
