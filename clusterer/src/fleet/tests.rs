//! The fleet in simulated time, against simulated processes.

#![allow(clippy::print_stdout, reason = "the soak says what it did")]

mod bad_input;
mod chaos;
mod company;
mod defects;
mod hosts;
mod interrupted;
mod world;

use std::time::Duration;

use serde_json::json;
use splashtail_core::ids::ClusterId;

use self::world::{Behaviour, World, seconds};
use super::*;

#[test]
fn clusters_with_different_keys_launch_in_parallel() {
    let mut world = World::new(4, 2, 16);
    world.run(Duration::ZERO);
    assert_eq!(world.alive(), [0, 1], "shards 0-1 and 2-3 share no key");
    world.run(seconds(3));
    assert!(world.fleet.fully_up());
    assert_eq!(world.announcements(), 1);
    let list = world.fleet.instance_list();
    assert!(
        list.fully_up
            && list
                .instances
                .iter()
                .all(|instance| instance.active && instance.launched_fully)
    );
    assert_eq!(list.get_gateway_bot.shards, 4);
    assert!(
        list.instances
            .iter()
            .all(|instance| instance.cluster_health.is_some())
    );
}

#[test]
fn one_key_means_one_after_the_other_and_the_boot_overlaps_the_rest() {
    let mut world = World::new(6, 1, 1);
    world.boot = seconds(1);
    world.run(seconds(100));
    assert!(world.fleet.fully_up());
    let spawned: Vec<u64> = world.spawns.iter().map(|(at, _)| at.as_secs()).collect();
    // One identify per 5 s: cluster i identifies at 1 + 5 i and the next boots meanwhile.
    assert_eq!(spawned, [0, 1, 6, 11, 16, 21]);
    let waits: Vec<bool> = world
        .spawns
        .iter()
        .map(|(_, spawn)| !spawn.floors.is_empty())
        .collect();
    assert_eq!(waits, [false, true, true, true, true, true]);
    assert!(
        world.identify_violations().is_empty(),
        "{:?}",
        world.identify_violations()
    );
}

#[test]
fn a_mewld_bot_starts_only_when_its_key_has_rested() {
    let mut world = World::with(6, 1, 1, |policy| policy.overlap_boot = false);
    world.boot = seconds(1);
    world.run(seconds(100));
    assert!(world.fleet.fully_up());
    let spawned: Vec<u64> = world.spawns.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(spawned, [0, 6, 12, 18, 24, 30]);
    assert!(
        world
            .spawns
            .iter()
            .all(|(_, spawn)| spawn.floors.is_empty())
    );
}

#[test]
fn the_chain_delay_of_the_file_is_kept() {
    let mut world = World::with(2, 1, 1, |policy| policy.start_next_delay = seconds(20));
    world.run(seconds(60));
    assert_eq!(
        world.spawns[1].0,
        world.spawns[0].0 + world.boot + seconds(20)
    );
}

#[test]
fn a_hung_cluster_is_marked_within_5_and_restarted_within_10_seconds() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(20));
    world.behave(1, Behaviour::Hung);
    let hung = world.now().monotonic;
    world.run_until(seconds(10), |world| world.fleet.clusters()[1].unresponsive);
    assert!(world.now().monotonic - hung < seconds(5));
    world.run_until(seconds(10), |world| world.spawns.len() == 3);
    assert!(
        world.now().monotonic - hung < seconds(10),
        "{:?}",
        world.now().monotonic - hung
    );
    world.behave(1, Behaviour::Normal);
    world.run(seconds(30));
    assert!(world.fleet.clusters().iter().all(Cluster::launched));
    let failures = world.events("ping_failure");
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|failure| failure["id"] == 1));
    assert_eq!(
        world
            .spawns
            .iter()
            .filter(|(_, spawn)| spawn.cluster == ClusterId(0))
            .count(),
        1
    );
}

#[test]
fn each_command_gets_one_reply() {
    let mut world = World::new(3, 1, 16);
    world.run(seconds(10));
    assert_eq!(
        world.ask("num_processes", None),
        json!({"clusters": 3, "shards": 3})
    );
    let statuses = world.ask("statuses", None);
    assert_eq!(
        statuses["1"],
        json!({"active": true, "status": "", "name": "Waffle", "started_at": world.start_of(1), "shard_list": [1]})
    );
    assert_eq!(world.ask("stop", Some(1)), json!("ok"));
    world.run(seconds(2));
    assert_eq!(world.ask("stop", Some(1)), json!({"error": "not_running"}));
    assert_eq!(
        world.ask("restart", Some(1)),
        json!({"error": "not_running"})
    );
    assert_eq!(world.ask("statuses", None)["1"]["active"], false);
    assert_eq!(
        world.ask("start", Some(9)),
        json!({"error": "unknown_cluster"})
    );
    assert_eq!(world.ask("start", None), json!({"error": "invalid_id"}));
    assert_eq!(world.ask("dance", None), json!({"error": "unknown_action"}));
    // A stopped cluster stays stopped.
    world.run(seconds(1000));
    assert_eq!(world.alive(), [0, 2]);
    assert_eq!(world.ask("start", Some(1)), json!("ok"));
    world.run(seconds(10));
    assert_eq!(world.alive(), [0, 1, 2]);
}

#[test]
fn a_never_started_cluster_reports_gos_zero_time() {
    let mut world = World::new(2, 1, 1);
    world.behave(0, Behaviour::Silent);
    world.run(seconds(2));
    assert_eq!(
        world.ask("statuses", None)["1"]["started_at"],
        -62_135_596_800_i64
    );
}

#[test]
fn the_gateway_is_asked_again_until_it_answers_and_a_refused_token_ends_it() {
    let failure = |fatal| GatewayFailure {
        message: "no".to_owned(),
        fatal,
        retry_after: Some(seconds(30)),
    };
    let mut world = World::new(2, 1, 16);
    world.gateway_failure = Some(failure(false));
    world.run(seconds(29));
    assert_eq!((world.fetches, world.exit.clone()), (1, None));
    world.run(seconds(5));
    assert_eq!(world.fetches, 2);
    world.gateway_failure = None;
    world.run(seconds(60));
    assert!(world.fleet.fully_up());

    let mut world = World::new(2, 1, 16);
    world.gateway_failure = Some(failure(true));
    world.run(seconds(1));
    assert_eq!(world.exit.unwrap().0, 1);
}

#[test]
fn the_two_ways_to_end_by_command() {
    for (action, code) in [("shutdown", 0), ("restartproc", 1)] {
        let mut world = World::new(2, 1, 16);
        world.run(seconds(5));
        assert_eq!(world.ask(action, None), json!("ok"));
        world.run(seconds(3));
        assert_eq!(
            (world.exit.clone().unwrap().0, world.alive()),
            (code, Vec::new())
        );
    }
}

#[test]
fn nothing_is_held_against_clusters_while_the_bus_is_down() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    world.event(Event::Bus { up: false });
    world.deaf = true;
    world.run(seconds(600));
    world.deaf = false;
    world.event(Event::Bus { up: true });
    world.run(seconds(60));
    assert!(world.events("ping_failure").is_empty());
    assert_eq!(world.spawns.len(), 2);
    // A launch under way gets its time back.
    world.boot = seconds(70);
    world.crash(0, Exit::default());
    world.run(seconds(20));
    world.event(Event::Bus { up: false });
    world.run(seconds(40));
    world.event(Event::Bus { up: true });
    world.run(seconds(60));
    assert!(world.events("cluster_start_failed").is_empty());
}

/// The connection stands, but nothing comes through: not even our own pings do.
#[test]
fn silence_of_the_bus_is_not_held_against_the_clusters() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    world.deaf = true;
    world.run(seconds(300));
    world.deaf = false;
    world.run(seconds(30));
    // At most the answer to a ping that did come through was lost.
    let failures = world.events("ping_failure").len();
    assert!(failures <= 2, "{failures} for two clusters");
    assert_eq!(world.spawns.len(), 2);
    assert!(
        world
            .fleet
            .clusters()
            .iter()
            .all(|cluster| !cluster.unresponsive)
    );
    world.behave(0, Behaviour::Hung);
    world.run(seconds(5));
    assert!(world.fleet.clusters()[0].unresponsive, "the watch goes on");
}

#[test]
fn clusters_have_half_a_minute_to_find_a_bus_that_is_back() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    world.event(Event::Bus { up: false });
    world.run(seconds(10));
    world.behave(0, Behaviour::Hung);
    world.behave(1, Behaviour::Hung);
    world.event(Event::Bus { up: true });
    world.run(seconds(25));
    world.behave(0, Behaviour::Normal);
    world.run(seconds(25));
    let failures = world.events("ping_failure");
    assert!(!failures.is_empty() && failures.iter().all(|failure| failure["id"] == 1));
    // One that answered is watched as strictly as ever.
    world.event(Event::Bus { up: false });
    world.event(Event::Bus { up: true });
    world.run(seconds(5));
    world.behave(0, Behaviour::Hung);
    let began = world.now().monotonic;
    world.run_until(seconds(10), |world| world.fleet.clusters()[0].unresponsive);
    assert!(world.now().monotonic - began < seconds(5));
}

/// A laptop that slept, or a loop that was starved: late timers prove nothing about clusters.
#[test]
fn a_pause_of_the_clusterer_itself_is_not_a_miss() {
    let mut world = World::new(1, 1, 1);
    world.run(seconds(10));
    for _ in 0..20 {
        world.sleep_through(seconds(100));
        world.run(seconds(5));
    }
    assert!(world.events("ping_failure").is_empty());
}

#[test]
fn a_successor_takes_running_clusters_over() {
    let mut first = World::new(4, 1, 16);
    first.run(seconds(10));
    first.behave(2, Behaviour::Silent);
    assert_eq!(first.ask("restart", Some(2)), json!("ok"));
    assert_eq!(first.ask("stop", Some(3)), json!("ok"));
    first.run(seconds(3));
    // It dies here. Cluster 1 dies in the meantime, and Discord recommends more shards by now.
    let mut second = first.succeed();
    second.gateway.shards = 9;
    second.die_unseen(1);
    second.adopt();
    second.run(seconds(1));
    assert_eq!(second.signals, []);
    assert_eq!(second.ask("statuses", None)["0"]["active"], true);
    second.behave(2, Behaviour::Mute);
    second.run(seconds(30));
    assert_eq!(second.alive(), [0, 1, 2]);
    let spawned: Vec<u16> = second
        .spawns
        .iter()
        .map(|(_, spawn)| spawn.cluster.get())
        .collect();
    assert_eq!(
        spawned,
        [1],
        "only the dead one is started, with the old total"
    );
    assert_eq!(second.spawns[0].1.shard_count, 4);
    assert!(second.fleet.clusters().iter().all(Cluster::settled));
    assert_eq!(second.ask("stop", Some(0)), json!("ok"));
    second.run(seconds(3));
    assert_eq!(second.alive(), [1, 2]);
}

/// Told to end before it had launched, it may identify until it is gone, whoever watches it.
#[test]
fn a_successor_knows_which_processes_may_still_identify() {
    let mut world = World::new(2, 1, 1);
    world.boot = seconds(30);
    world.behave(0, Behaviour::Stubborn);
    world.run(seconds(2));
    assert_eq!(world.ask("stop", Some(0)), json!("ok"));
    world.run(seconds(1));
    let mut second = world.succeed();
    second.adopt();
    second.run(seconds(5));
    assert_eq!(second.alive(), [0], "the other one shares its key");
    second.run(seconds(60));
    assert_eq!(second.alive(), [1]);
    assert_eq!(second.identify_violations(), []);
}

/// One that died unseen while it could identify may have done so at the last moment.
#[test]
fn a_successor_lets_the_keys_of_a_lost_launching_process_rest() {
    let mut world = World::with(1, 1, 1, |policy| policy.overlap_boot = false);
    world.behave(0, Behaviour::Silent);
    world.run(seconds(2));
    let mut second = world.succeed();
    second.die_unseen(0);
    second.adopt();
    second.run(seconds(4));
    assert_eq!(second.alive(), [0; 0]);
    second.run(seconds(2));
    assert_eq!(second.alive(), [0]);
}

/// Pings answered at any moment before their deadline lead to no restart. `SOAK_PINGS=1000000`
/// makes it a soak.
#[test]
fn slow_answers_never_lead_to_a_restart() {
    let wanted = std::env::var("SOAK_PINGS").map_or(5_000, |pings| pings.parse().unwrap());
    let mut world = World::new(4, 1, 16);
    world.latency = Duration::from_millis(2_900);
    world.quiet = true;
    world.run(seconds(30));
    world.pings = 0;
    world.run_until(seconds(4 * wanted), |world| world.pings >= wanted);
    assert!(world.pings >= wanted);
    println!("{} pings without a false kill", world.pings);
    assert!(world.events("ping_failure").is_empty());
    assert_eq!(world.spawns.len(), 4);
}

/// 64 shards at 16 a time: the next cluster boots while the last one's keys rest, and waits for no
/// Ready of it.
#[test]
fn clusters_that_share_keys_follow_each_other_at_the_pace_of_discord() {
    let mut world = World::new(64, 16, 16);
    world.boot = seconds(2);
    world.run(seconds(100));
    assert!(world.fleet.fully_up());
    let identifies = world.identifies();
    let (first, last) = (identifies[0].0, identifies[63].0);
    assert_eq!((last - first).as_secs(), 15);
    assert_eq!(world.identify_violations(), []);
    // Keys that two clusters share only in part: each has its own time.
    let mut world = World::new(10, 3, 4);
    world.run(seconds(100));
    assert!(world.fleet.fully_up());
    let floors: Vec<_> = world
        .spawns
        .iter()
        .map(|(_, spawn)| spawn.floors.len())
        .collect();
    assert_eq!(floors, [0, 2, 2, 1]);
    assert_eq!(world.identify_violations(), []);
}
