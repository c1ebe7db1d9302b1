//! What an end of the clusterer may not undo: a reshard under way, an operator's stop.

use serde_json::json;
use splashtail_ipc::launcher::GatewayRefusal;

use super::super::*;
use super::world::{Behaviour, World, seconds};

/// `(shards, total)` of every process, by cluster.
fn splits(world: &World) -> Vec<(Vec<u16>, u16)> {
    let split = |cluster: &Cluster| {
        let runs = cluster.runs.as_ref().unwrap();
        (
            runs.shards.iter().map(|shard| shard.get()).collect(),
            runs.shard_count,
        )
    };
    world.fleet.clusters().iter().map(split).collect()
}

fn of_eight() -> Vec<(Vec<u16>, u16)> {
    (0..4).map(|id| (vec![2 * id, 2 * id + 1], 8)).collect()
}

/// The clusterer dies at every moment of a reshard from 4 to 8 shards, once.
#[test]
fn a_reshard_goes_on_wherever_it_was_interrupted() {
    for moment in (0..40).map(|step| Duration::from_millis(step * 250)) {
        let mut world = World::new(4, 2, 16);
        world.strict = true;
        world.run(seconds(10));
        world.gateway.shards = 8;
        assert_eq!(world.ask("reshard", None), json!("ok"));
        world.run(moment);
        world.relive();
        world.run(seconds(300));
        assert_eq!(splits(&world), of_eight(), "interrupted after {moment:?}");
        assert!(world.fleet.fully_up());
        assert_eq!(world.identify_violations(), []);
    }
}

/// The file knew nothing of it, as after a crash before it was written.
#[test]
fn processes_of_another_total_are_brought_to_the_map() {
    let mut world = World::new(4, 2, 16);
    world.run(seconds(10));
    let saved = world.saved.as_mut().unwrap();
    saved.clusters[1].runs.as_mut().unwrap().shard_count = 3;
    world.relive();
    world.run(seconds(60));
    assert_eq!(splits(&world), [(vec![0, 1], 4), (vec![2, 3], 4)]);
    assert_eq!(world.spawns.len(), 3, "the other one runs on");
}

/// A cluster that does not come up ends the command, but not the reshard.
#[test]
fn a_reshard_goes_on_when_the_cluster_that_stopped_it_is_up() {
    let mut world = World::new(4, 2, 16);
    world.run(seconds(10));
    world.gateway.shards = 8;
    world.behave(0, Behaviour::Silent);
    assert_eq!(world.ask("reshard", None), json!("ok"));
    world.run_until(seconds(600), |world| {
        !world.events("reshard_failed").is_empty()
    });
    world.behave(0, Behaviour::Normal);
    world.run(seconds(900));
    assert_eq!(splits(&world), of_eight());
    assert!(world.fleet.fully_up());
    let starts = world.spawns.len();
    assert_eq!(world.ask("reshard", None), json!("ok"));
    world.run(seconds(60));
    assert_eq!(
        world.spawns.len(),
        starts,
        "now there is nothing left to do"
    );
}

#[test]
fn what_an_operator_stopped_stays_stopped_through_a_reshard_that_is_interrupted() {
    let mut world = World::new(4, 2, 16);
    world.run(seconds(10));
    assert_eq!(world.ask("stop", Some(1)), json!("ok"));
    world.run(seconds(2));
    world.gateway.shards = 8;
    assert_eq!(world.ask("reshard", None), json!("ok"));
    world.run(seconds(1));
    world.relive();
    world.run(seconds(300));
    assert_eq!(world.alive(), [0, 2, 3]);
    assert_eq!(world.ask("start", Some(1)), json!("ok"));
    world.run(seconds(30));
    assert_eq!(splits(&world), of_eight());
}

#[test]
fn a_rolling_restart_goes_on() {
    let mut world = World::new(4, 1, 16);
    world.run(seconds(10));
    assert_eq!(world.ask("rollingrestart", None), json!("ok"));
    world.run(seconds(2));
    world.relive();
    world.run(seconds(60));
    assert_eq!(world.spawns.len(), 8, "each was restarted once");
    assert!(!world.fleet.instance_list().roll_restarting);
}

#[test]
fn a_fleet_that_was_stopped_starts_with_nothing() {
    for (stopped, left) in [(vec![0, 1, 2, 3], vec![]), (vec![1], vec![0, 2, 3])] {
        let mut world = World::new(4, 1, 16);
        world.run(seconds(10));
        for cluster in &stopped {
            assert_eq!(world.ask("stop", Some(*cluster)), json!("ok"));
        }
        world.run(seconds(2));
        let remembered = world.saved.as_ref().unwrap().remember();
        let before = world.spawns.len();
        let mut next = World::new(4, 1, 16);
        next.fleet.remember(remembered);
        next.run(seconds(30));
        assert_eq!((before, next.alive()), (4, left));
        assert!(next.fleet.fully_up(), "nothing is left to launch");
        assert_eq!(next.ask("start", Some(stopped[0])), json!("ok"));
        next.run(seconds(5));
        assert!(next.alive().contains(&stopped[0]));
    }
}

#[test]
fn a_file_that_makes_no_fleet_is_known_as_such() {
    let mut world = World::new(4, 2, 16);
    world.run(seconds(10));
    let saved = world.saved.clone().unwrap();
    assert!(saved.is_sound());
    let mut twice = saved.clone();
    twice.clusters[1].shards = twice.clusters[0].shards.clone();
    let mut beyond = saved.clone();
    beyond.shard_count = 3;
    let mut gap = saved;
    gap.clusters[1].id = ClusterId(7);
    assert!(!twice.is_sound() && !beyond.is_sound() && !gap.is_sound());
}

/// "Restart" is what an operator does after the cause was mended.
#[test]
fn a_restart_by_hand_begins_with_a_clean_record() {
    for action in ["restart", "rollingrestart"] {
        let mut world = World::new(1, 1, 16);
        world.run(seconds(10));
        for _ in 0..4 {
            world.crash(0, Exit::default());
            world.run(seconds(100));
        }
        let cluster = (action == "restart").then_some(0);
        assert_eq!(world.ask(action, cluster), json!("ok"));
        world.run(seconds(10));
        world.crash(0, Exit::default());
        let entry = world.events("cluster_backoff").pop().unwrap().clone();
        assert_eq!(entry["held"], false, "{action}");
        assert!(entry["delay_s"].as_u64().unwrap() < 10, "{entry:?}");
    }
}

fn refused() -> Exit {
    Exit {
        code: Some(78),
        refused: Some(GatewayRefusal::Intents),
        ..Exit::default()
    }
}

/// Every start would be refused, too, and costs an identify.
#[test]
fn a_refusal_of_discord_holds_the_fleet_until_somebody_acts() {
    let mut world = World::new(4, 1, 1);
    world.run(Duration::ZERO);
    world.crash(0, refused());
    world.run(seconds(3600));
    assert_eq!((world.spawns.len(), world.alive()), (1, vec![]));
    let list = world.fleet.instance_list();
    let hold = list.hold.unwrap();
    assert_eq!((hold.code.as_str(), hold.close_code), ("intents", 4014));
    assert!(hold.message.contains("refuses the intents") && hold.remedy.contains("portal"));
    assert!(!list.fully_up);
    assert_eq!(world.events("discord_refused").len(), 1);
    // A second try that is refused, too, costs one start.
    assert_eq!(world.ask("start", Some(2)), json!("ok"));
    world.run(Duration::ZERO);
    world.crash(2, refused());
    world.run(seconds(3600));
    assert_eq!(world.spawns.len(), 2);
    // Mended: all others follow the one that tried.
    assert_eq!(world.ask("start", Some(3)), json!("ok"));
    world.run(seconds(60));
    assert!(world.fleet.fully_up() && world.fleet.instance_list().hold.is_none());
    assert_eq!(world.identify_violations(), []);
}

/// The token was mended while another cluster was still launching with the old one.
#[test]
fn a_late_refusal_takes_nothing_from_a_try() {
    let mut world = World::new(4, 1, 16);
    world.behave(0, Behaviour::Silent);
    world.behave(1, Behaviour::Silent);
    world.run(Duration::ZERO);
    assert_eq!(world.alive(), [0, 1, 2, 3]);
    world.crash(0, refused());
    world.behave(0, Behaviour::Normal);
    assert_eq!(world.ask("start", Some(0)), json!("ok"));
    world.crash(1, refused());
    world.behave(1, Behaviour::Normal);
    world.run(seconds(60));
    assert!(world.fleet.instance_list().hold.is_none());
    assert_eq!(world.alive(), [0, 1, 2, 3]);
}

/// A changed configuration comes with a SIGHUP: one cluster finds out whether it helped.
#[test]
fn a_new_clusterer_tries_with_one_cluster() {
    for mended in [false, true] {
        let mut world = World::new(4, 1, 16);
        world.run(seconds(10));
        for cluster in [1, 2] {
            world.crash(cluster, refused());
        }
        world.run(seconds(60));
        assert_eq!(world.alive(), [0, 3], "what runs is left alone");
        let refuses = json!({"error": "discord_refuses"});
        assert_eq!(world.ask("restart", Some(0)), refuses);
        assert_eq!(world.ask("rollingrestart", None), refuses);
        world.spawns.clear();
        world.relive();
        world.run(Duration::ZERO);
        assert_eq!(world.alive(), [0, 1, 3]);
        if !mended {
            world.crash(1, refused());
        }
        world.run(seconds(60));
        let alive = if mended { vec![0, 1, 2, 3] } else { vec![0, 3] };
        assert_eq!(world.alive(), alive);
    }
}

#[test]
fn nothing_healthy_is_stopped_while_it_could_not_start_again() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    world.event(Event::Bus { up: false });
    let down = json!({"error": "bus_down"});
    assert_eq!(world.ask("restart", Some(0)), down);
    assert_eq!(world.ask("rollingrestart", None), down);
    assert_eq!(world.ask("reshard", None), down);
    world.run(seconds(60));
    assert_eq!(world.alive(), [0, 1]);
    // What is down already loses nothing.
    world.crash(1, Exit::default());
    assert_eq!(world.ask("restart", Some(1)), json!("ok"));
    world.event(Event::Bus { up: true });
    world.run(seconds(10));
    assert_eq!(world.alive(), [0, 1]);
}

/// The outage begins in the middle of it.
#[test]
fn a_rolling_restart_waits_for_the_bus() {
    let mut world = World::new(3, 1, 16);
    world.run(seconds(10));
    assert_eq!(world.ask("rollingrestart", None), json!("ok"));
    world.event(Event::Bus { up: false });
    world.run(seconds(600));
    assert_eq!(
        world.alive().len(),
        2,
        "only the one that was told to end before"
    );
    world.event(Event::Bus { up: true });
    world.run(seconds(60));
    assert_eq!((world.alive(), world.spawns.len()), (vec![0, 1, 2], 6));
}

fn silenced(wait: Duration) -> Option<GatewayFailure> {
    Some(GatewayFailure {
        message: "Discord answered 429".to_owned(),
        fatal: false,
        retry_after: Some(wait),
    })
}

const DAY: Duration = Duration::from_secs(82_721);

/// A bot on a shared host was told to come back after 82,721 s.
#[test]
fn a_day_without_an_answer_is_no_day_without_a_bot() {
    let last = World::new(4, 1, 16).gateway;
    for (fixed, recalled) in [
        (Some(4), None),
        (None, Some(last.clone())),
        (Some(4), Some(last)),
    ] {
        let mut world = World::with(4, 1, 16, |policy| policy.fixed_shard_count = fixed);
        world.gateway_failure = silenced(DAY);
        world.fleet.recall(recalled);
        world.run(seconds(60));
        assert!(world.fleet.fully_up(), "{fixed:?}");
        assert_eq!(world.fetches, 1);
        // Crashes later in the day are no reason to ask either.
        world.run(seconds(3600));
        world.crash(2, Exit::default());
        world.run(seconds(60));
        assert_eq!((world.alive(), world.fetches), (vec![0, 1, 2, 3], 1));
        assert_eq!(world.identify_violations(), []);
        assert_eq!(world.said, [""; 0]);
    }
}

#[test]
fn a_long_wait_is_spoken_of_once_a_minute() {
    let mut world = World::new(2, 1, 16);
    world.gateway_failure = silenced(DAY);
    world.run(seconds(600));
    assert_eq!((world.fetches, world.alive()), (1, vec![]));
    assert!((10..=11).contains(&world.said.len()), "{:?}", world.said);
    assert!(
        world.said[0].contains("fixed_shard_count"),
        "{:?}",
        world.said
    );
    let mut world = World::new(2, 1, 16);
    world.gateway_failure = silenced(seconds(30));
    world.run(seconds(25));
    assert_eq!(world.said, [""; 0], "not worth a word");
}

#[test]
fn an_answer_is_kept() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(1));
    assert_eq!(world.kept.as_ref(), Some(&world.gateway));
}
