//! What no event and no entry tells of.

use serde_json::{Value, json};
use splashtail_antinuke::{Effect, HOUR, Input, Look, Mode, Notice};

use crate::world::*;

fn looks(world: &World) -> Vec<Look> {
    let effects = world.effects.iter();
    let looks = effects.filter_map(|effect| match effect {
        Effect::Look(look) => Some(*look),
        _ => None,
    });
    looks.collect()
}

fn template(updated: &str, channels: usize) -> Value {
    json!([{"code": "abc", "updated_at": updated, "serialized_source_guild":
        {"channels": vec![json!({}); channels], "roles": []}}])
}

#[test]
fn a_server_is_looked_at_four_times_a_day() {
    let mut world = World::new();
    assert!(looks(&world).is_empty(), "a start is no time to ask");
    world.wait(49 * HOUR);
    let all = looks(&world);
    assert!(all.iter().all(|look| *look == Look::Templates));
    assert!((7..=9).contains(&all.len()), "{}", all.len());
    // Servers without a welcome screen are not asked for it.
    let mut guild = world.structure.guild().clone();
    guild["features"] = json!(["WELCOME_SCREEN_ENABLED"]);
    world.feed("GUILD_UPDATE", guild);
    world.wait(7 * HOUR);
    assert!(looks(&world).contains(&Look::WelcomeScreen));
}

#[test]
fn nobody_is_asked_who_would_refuse_or_where_nothing_is_judged() {
    let mut world = World::new();
    world.set_role(MY_ROLE, 10, 0);
    world.wait(49 * HOUR);
    assert!(looks(&world).is_empty());
    let mut world = World::with(|policy| policy.mode = Mode::Off);
    assert_eq!(world.engine.next_wake(), None);
    world.wait(49 * HOUR);
    assert!(looks(&world).is_empty());
}

#[test]
fn a_template_synced_to_ruin_is_told() {
    let mut world = World::new();
    for (updated, channels) in [("a", 20), ("b", 19)] {
        let raw = &template(updated, channels);
        let look = Look::Templates;
        world.give(Input::Seen { look, raw });
    }
    assert!(!world.told(Notice::Template));
    let raw = &template("c", 1);
    let look = Look::Templates;
    world.give(Input::Seen { look, raw });
    assert!(world.told(Notice::Template));
    world.no_incident();
}
