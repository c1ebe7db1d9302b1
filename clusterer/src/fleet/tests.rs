//! The fleet in simulated time, against simulated processes.

mod chaos;
mod company;
mod hosts;
mod world;

use std::time::Duration;

use serde_json::{Value, json};
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
        .map(|(_, spawn)| spawn.identify_not_before.is_some())
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
            .all(|(_, spawn)| spawn.identify_not_before.is_none())
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

/// Defects 8 and 12: a second start, or somebody else's `launch_next`, starts nothing.
#[test]
fn launch_next_counts_once_and_only_from_a_launching_cluster() {
    let mut world = World::new(3, 1, 1);
    world.behave(0, Behaviour::Silent);
    world.run(seconds(5));
    for id in [json!(1), json!(2), json!(99), json!("x"), Value::Null] {
        world.notify("launch_next", json!({ "id": id }));
    }
    assert_eq!(world.alive(), [0]);
    world.notify("launch_next", json!({ "id": "0" }));
    assert_eq!(world.alive(), [0, 1]);
    world.notify("launch_next", json!({ "id": 0 }));
    assert_eq!(world.alive(), [0, 1]);
    assert_eq!(
        world.ask("start", Some(0)),
        json!({"error": "already_running"})
    );
    assert_eq!(world.alive(), [0, 1]);
}

/// Defect 12: a lost `launch_next` does not stall the launch.
#[test]
fn all_shards_up_replace_a_lost_launch_next() {
    let mut world = World::new(2, 1, 1);
    world.behave(0, Behaviour::Mute);
    world.run(seconds(30));
    assert!(world.fleet.fully_up());
    assert!(world.events("cluster_crashed").is_empty());
}

/// Defect 12: a cluster that never reports is retried and the others are started meanwhile.
#[test]
fn a_cluster_that_never_launches_is_retried_after_its_deadline() {
    let mut world = World::new(2, 1, 16);
    world.behave(0, Behaviour::Silent);
    world.run(seconds(74));
    assert_eq!(world.alive(), [0, 1]);
    assert!(!world.fleet.fully_up());
    world.run(seconds(8));
    let failed = world.events("cluster_start_failed");
    assert_eq!(
        (failed.len(), &failed[0]["via"], &failed[0]["id"]),
        (1, &json!("start_next"), &json!(0))
    );
    world.behave(0, Behaviour::Normal);
    world.run(seconds(60));
    assert!(world.fleet.fully_up());
}

/// Defect 10: nothing restarts a cluster because its boot is slow.
#[test]
fn a_slow_boot_is_not_a_hang() {
    let mut world = World::new(1, 1, 1);
    world.boot = seconds(70);
    world.run(seconds(80));
    assert!(world.fleet.fully_up());
    assert!(world.events("ping_failure").is_empty());
    assert_eq!(world.spawns.len(), 1);
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

/// Defect 2: answers are matched by nonce and sender.
#[test]
fn late_forged_and_foreign_answers_count_for_nobody() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    world.behave(1, Behaviour::Hung);
    let before = world.published.len();
    world.run_until(seconds(5), |world| {
        world.published[before..]
            .iter()
            .any(|text| text.contains("\"id\":1,\"nonce\""))
    });
    let ping = world
        .published
        .iter()
        .rev()
        .find(|text| text.contains("\"id\":1,\"nonce\""))
        .cloned()
        .unwrap();
    let nonce = serde_json::from_str::<Value>(&ping).unwrap()["nonce"]
        .as_str()
        .unwrap()
        .to_owned();
    let health = json!([{"shard_id": 1, "up": true, "latency": 1.0, "guilds": 0, "users": 0}]);
    // Another cluster in its name, a wrong nonce, garbage.
    for output in [
        json!({"cluster_id": 0, "Nonce": nonce, "Data": health}).to_string(),
        json!({"cluster_id": 1, "Nonce": "other", "Data": health}).to_string(),
        "{".to_owned(),
        String::new(),
    ] {
        world.diag(json!(output));
    }
    for output in [json!(null), json!(5), json!([])] {
        world.diag(output);
    }
    world.run(seconds(4));
    assert!(world.fleet.clusters()[1].unresponsive);
    // The right answer, too late: it belongs to a ping that was given up.
    world.diag(json!(
        json!({"cluster_id": 1, "Nonce": nonce, "Data": health}).to_string()
    ));
    assert!(world.fleet.clusters()[1].unresponsive);
}

/// Defect 11: an end that nobody asked for is a crash, exit status 0 included.
#[test]
fn every_unrequested_exit_is_a_crash_and_the_others_do_not_notice() {
    let mut world = World::new(4, 1, 16);
    world.run(seconds(10));
    world.crash(
        2,
        Exit {
            code: Some(0),
            signal: None,
        },
    );
    let crashed = world.events("cluster_crashed");
    assert_eq!(
        (&crashed[0]["id"], &crashed[0]["code"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(world.alive(), [0, 1, 3]);
    world.run(seconds(5));
    assert_eq!(world.alive(), [0, 1, 3], "the first pause is 6 s");
    world.run(seconds(6));
    assert_eq!(world.alive(), [0, 1, 2, 3]);
    assert_eq!(world.spawns.len(), 5);
    assert_eq!(world.announcements(), 2);
}

/// Defect 9: crash loops end in a hold, not in exhausted identifies.
#[test]
fn a_crash_loop_backs_off_and_is_held() {
    let mut world = World::new(2, 1, 16);
    world.behave(0, Behaviour::Crashing);
    world.run(seconds(600));
    let spawns = world
        .spawns
        .iter()
        .filter(|(_, spawn)| spawn.cluster == ClusterId(0))
        .count();
    assert!(spawns <= 5, "{spawns} starts in ten minutes");
    let backoffs = world.events("cluster_backoff");
    assert_eq!(backoffs.last().unwrap()["held"], true);
    // An operator need not wait.
    world.behave(0, Behaviour::Normal);
    assert_eq!(world.ask("start", Some(0)), json!("ok"));
    world.run(seconds(10));
    assert!(world.fleet.fully_up());
}

/// Defect 6 and 7: a start waits for the end of the predecessor, and a stale exit changes nothing.
#[test]
fn restart_awaits_the_exit_and_kills_after_the_grace_time() {
    let mut world = World::new(1, 1, 1);
    world.run(seconds(5));
    world.behave(0, Behaviour::Stubborn);
    assert_eq!(world.ask("restart", Some(0)), json!("ok"));
    world.run(seconds(9));
    assert_eq!(world.spawns.len(), 1);
    assert!(
        world
            .signals
            .iter()
            .all(|(_, signal)| *signal == Signal::Terminate)
    );
    world.behave(0, Behaviour::Normal);
    world.run(seconds(5));
    assert_eq!(world.signals.last().unwrap().1, Signal::Kill);
    assert_eq!(world.spawns.len(), 2);
    let stale = world.spawns[0].1.incarnation;
    world.event(Event::Exited {
        cluster: ClusterId(0),
        incarnation: stale,
        exit: Exit::default(),
    });
    world.run(seconds(5));
    assert_eq!((world.spawns.len(), world.alive()), (2, vec![0]));
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

/// Defect 13.
#[test]
fn rolling_restart_is_single_flight_and_takes_one_cluster_at_a_time() {
    let mut world = World::new(4, 1, 16);
    assert_eq!(
        world.ask("rollingrestart", None),
        json!({"error": "not_fully_up"})
    );
    world.run(seconds(10));
    assert_eq!(world.ask("stop", Some(3)), json!("ok"));
    world.run(seconds(1));
    assert_eq!(world.ask("rollingrestart", None), json!("ok"));
    assert_eq!(
        world.ask("rollingrestart", None),
        json!({"error": "already_rolling"})
    );
    assert!(world.fleet.instance_list().roll_restarting);
    world.least_alive = usize::MAX;
    world.run(seconds(60));
    assert!(!world.fleet.instance_list().roll_restarting);
    assert_eq!(
        world.alive(),
        [0, 1, 2],
        "what an operator stopped stays stopped"
    );
    assert_eq!(world.spawns.len(), 4 + 3);
    assert_eq!(world.least_alive, 2);
    assert_eq!(world.announcements(), 2);
}

/// Defect 13: the wait ends, the flag is cleared and supervision went on meanwhile.
#[test]
fn a_rolling_restart_that_hangs_is_given_up() {
    let mut world = World::new(3, 1, 16);
    world.run(seconds(10));
    world.behave(0, Behaviour::Silent);
    assert_eq!(world.ask("rollingrestart", None), json!("ok"));
    world.run(seconds(20));
    world.crash(
        2,
        Exit {
            code: Some(1),
            signal: None,
        },
    );
    world.run(seconds(20));
    assert_eq!(world.alive(), [0, 1, 2]);
    world.run(seconds(120));
    let failed = world.events("cluster_restart_failed");
    assert!(
        failed
            .iter()
            .any(|entry| entry["via"] == "rolling_restart" && entry["id"] == 0)
    );
    assert!(!world.fleet.instance_list().roll_restarting);
    assert_eq!(
        world
            .spawns
            .iter()
            .filter(|(_, spawn)| spawn.cluster == ClusterId(1))
            .count(),
        1
    );
}

/// Defect 14: a new total restarts every cluster, one at a time.
#[test]
fn reshard_restarts_everything_when_the_total_changes() {
    let mut world = World::new(4, 2, 16);
    world.run(seconds(10));
    world.gateway.shards = 6;
    assert_eq!(world.ask("reshard", None), json!("ok"));
    world.least_alive = usize::MAX;
    world.run(seconds(100));
    assert_eq!(world.events("reshard_success").len(), 1);
    assert_eq!(world.alive(), [0, 1, 2]);
    assert_eq!(world.least_alive, 1);
    assert!(
        world.spawns[2..]
            .iter()
            .all(|(_, spawn)| spawn.shard_count == 6 && spawn.cluster_count == 3)
    );
    assert_eq!(world.spawns.len(), 5);
    assert!(world.fleet.fully_up());
}

#[test]
fn reshard_to_the_same_map_changes_nothing_and_a_refused_one_leaves_all_as_it_was() {
    let mut world = World::new(4, 2, 16);
    world.run(seconds(10));
    assert_eq!(world.ask("reshard", None), json!("ok"));
    world.run(seconds(10));
    assert_eq!(
        (world.events("reshard_success").len(), world.spawns.len()),
        (1, 2)
    );
    world.gateway.shards = 2;
    assert_eq!(world.ask("reshard", None), json!("ok"));
    world.run(seconds(10));
    world.gateway.shards = 8;
    world.gateway.session_start_limit.remaining = 7;
    assert_eq!(world.ask("reshard", None), json!("ok"));
    world.run(seconds(10));
    assert_eq!(world.events("reshard_failed").len(), 2);
    assert!(world.fleet.fully_up());
    assert_eq!(
        (world.spawns.len(), world.fleet.instance_list().shard_count),
        (2, 4)
    );
    let mut off = World::with(1, 1, 1, |policy| policy.reshard_enabled = false);
    off.run(seconds(10));
    assert_eq!(
        off.ask("reshard", None),
        json!({"error": "reshard_disabled"})
    );
}

/// Defect 19: waiting for the identify budget blocks nothing, and the budget is asked for again.
#[test]
fn a_spent_identify_budget_is_waited_for() {
    let mut world = World::new(2, 1, 16);
    world.gateway.session_start_limit.remaining = 2;
    world.gateway.session_start_limit.reset_after = 3_600_000;
    world.run(seconds(3000));
    assert_eq!(
        world.alive(),
        [] as [u16; 0],
        "2 sessions are fewer than the floor of 3"
    );
    assert_eq!(world.ask("num_processes", None)["clusters"], 2);
    assert_eq!(world.events("identify_budget_wait").len(), 1);
    world.gateway.session_start_limit.remaining = 1000;
    world.run(seconds(700));
    assert_eq!(world.alive(), [0, 1]);
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

/// Defect 15 and the port rules: what cannot work is refused before any process is started.
#[test]
fn impossible_maps_start_nothing() {
    for (shards, policy) in [
        (0, (|_| {}) as fn(&mut Policy)),
        (4, |policy| policy.per_cluster = 0),
        (4, |policy| policy.ports.base = 65_535),
        (4, |policy| policy.ports.used = vec![(5_001, "meta.port")]),
    ] {
        let mut world = World::with(shards, 1, 1, policy);
        world.run(seconds(10));
        assert_eq!(world.exit.as_ref().map(|(code, _)| *code), Some(1));
        assert!(world.spawns.is_empty());
    }
}

/// Defects 17 and 18: all clusters end in parallel, nothing is restarted, and the exit waits.
#[test]
fn shutdown_stops_everything_within_the_grace_time() {
    let mut world = World::new(4, 1, 16);
    world.run(seconds(10));
    world.behave(1, Behaviour::Stubborn);
    world.behave(2, Behaviour::Crashing);
    world.run(seconds(1));
    let began = world.now().monotonic;
    world.event(Event::Shutdown);
    assert_eq!(
        world.ask("start", Some(1)),
        json!({"error": "shutting_down"})
    );
    world.run_until(seconds(8), |world| world.exit.is_some());
    assert!(world.now().monotonic - began <= seconds(6));
    assert_eq!(
        (world.alive(), world.exit.clone().unwrap().0),
        (Vec::new(), 0)
    );
    let spawns = world.spawns.len();
    world.run(seconds(1000));
    assert_eq!(world.spawns.len(), spawns);
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

/// Defect 15.
#[test]
fn action_logs_of_bots_are_kept_unless_they_are_useless() {
    let mut world = World::new(1, 1, 1);
    world.run(seconds(3));
    let mut send = |data: Value| {
        let text = json!({"scope": "launcher", "action": "action_logs", "data": data}).to_string();
        world.message(&text);
    };
    send(json!({"event": "shard_ready", "shard_id": 0, "ts": 5}));
    send(Value::Null);
    send(json!([]));
    send(json!({"event": "huge", "text": "x".repeat(20_000)}));
    send(json!({"event": "no_time"}));
    assert_eq!(world.events("shard_ready")[0]["ts"], 5);
    assert!(world.events("huge").is_empty());
    assert!(world.events("no_time")[0]["ts"].is_i64());
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
    assert!(world.events("ping_failure").is_empty());
    assert_eq!(world.spawns.len(), 4);
}
