//! The numbered defects of mewld (spec, section 13), at least one test each; `defect_NN` names the
//! number. Those that the state machine cannot have are tested where they could come back:
//!
//! | Defect | Test |
//! |---|---|
//! | 15 zero `ping_interval` | `settings::file`: `every_problem_is_reported_at_once` |
//! | 17, 18 signals | `tests/binary.rs`: `replaced_killed_and_ended` |
//! | 19 listener | `tests/processes`: `the_port_answers_while_discord_does_not` |
//! | 20 `rediss://`, `unix://` | `splashtail-ipc`: `only_a_bare_address_gets_a_scheme` |
//! | 21–23 dashboard | the webserver's tests of `/mewld` |
//! | 24 public health | `splashtail-api-types`: `public_instance_list_names_no_directory_and_no_session` |
//! | 25 action log | `splashtail-ipc`: `bus_over_redis`, `the_hub_keeps_one_log` |
//! | 26 unix socket | `splashtail-ipc`: `bad_peers_cost_only_themselves` and its neighbours |
//! | 27 bot | `splashtail-ipc`: `clients_survive_lost_redis_connections`; the bot: `fleet_bus` |

use serde_json::{Value, json};

use super::super::*;
use super::world::{Behaviour, World, seconds};

/// A lock is what an operation under way shows; none is left when it has ended, however it ends.
#[test]
fn defect_01_no_lock_outlives_its_operation() {
    let mut world = World::new(2, 1, 16);
    let locked = |world: &World| world.fleet.cluster_health(ClusterId(1)).unwrap().locked;
    world.run(seconds(10));
    assert!(!locked(&world));
    world.behave(1, Behaviour::Stubborn);
    for action in ["restart", "stop"] {
        assert_eq!(world.ask(action, Some(1)), json!("ok"));
        let list = world.fleet.instance_list();
        assert!(locked(&world) && list.instances[1].lock_cluster_time.is_some());
        // A second operation does not slip in beside the first.
        assert_eq!(world.ask("start", Some(1)), json!({"error": "stopping"}));
        world.run(seconds(30));
        assert!(!locked(&world), "after {action}");
    }
    // A start that fails lets go as well.
    world.behave(1, Behaviour::Crashing);
    assert_eq!(world.ask("start", Some(1)), json!("ok"));
    assert!(locked(&world));
    world.run(seconds(2));
    assert!(!locked(&world) && !world.fleet.clusters()[1].active());
    assert_eq!(world.ask("start", Some(1)), json!("ok"));
}

/// `launch_next` of anybody, any number of times, while a rolling restart waits for one.
#[test]
fn defect_03_a_flood_of_launch_next_does_not_hang_a_rolling_restart() {
    let mut world = World::new(3, 1, 16);
    world.run(seconds(10));
    assert_eq!(world.ask("rollingrestart", None), json!("ok"));
    for _ in 0..1000 {
        for id in 0..4 {
            world.notify("launch_next", json!({ "id": id }));
        }
    }
    assert_eq!(world.ask("num_processes", None)["clusters"], 3);
    world.run(seconds(60));
    assert!(!world.fleet.instance_list().roll_restarting);
    assert_eq!((world.spawns.len(), world.alive()), (6, vec![0, 1, 2]));
}

/// A ping that was outstanding when the process was replaced is the old one's affair.
#[test]
fn defect_04_a_ping_of_the_old_process_does_not_kill_the_new_one() {
    let mut world = World::new(1, 1, 1);
    world.run(seconds(10));
    world.behave(0, Behaviour::Hung);
    world.run_until(seconds(10), |world| world.fleet.clusters()[0].unresponsive);
    // The second ping is on its way; its deadline passes while the new process is young.
    world.run(seconds(2));
    world.behave(0, Behaviour::Normal);
    assert_eq!(world.events("ping_failure").len(), 1);
    assert_eq!(world.ask("restart", Some(0)), json!("ok"));
    world.run(seconds(60));
    assert_eq!(world.events("ping_failure").len(), 1);
    assert_eq!(world.spawns.len(), 2);
    assert!(world.fleet.clusters()[0].launched());
}

/// Whatever takes long, the next command is answered and carried out at once.
#[test]
fn defect_05_commands_do_not_wait_for_delays_starts_and_reshards() {
    let mut world = World::with(2, 1, 1, |policy| policy.start_next_delay = seconds(600));
    world.boot = seconds(30);
    world.run(seconds(1));
    assert_eq!(world.ask("num_processes", None)["clusters"], 2);
    world.run(seconds(60));
    assert_eq!(world.spawns.len(), 1, "the chain waits");
    assert_eq!(world.ask("stop", Some(0)), json!("ok"));
    world.run(seconds(2));
    assert!(world.alive().is_empty());

    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    world.gateway.shards = 3;
    world.behave(0, Behaviour::Stubborn);
    let busy = json!({"error": "reshard_in_progress"});
    assert_eq!(world.ask("reshard", None), json!("ok"));
    assert_eq!(world.ask("reshard", None), busy);
    assert_eq!(world.ask("rollingrestart", None), busy);
    assert_eq!(world.ask("statuses", None)["1"]["active"], true);
    assert_eq!(world.ask("stop", Some(1)), json!("ok"));
    world.run(seconds(1));
    assert_eq!(world.alive(), [0]);
}

/// The exit of a process that was replaced, and an operator who is faster than the pause.
#[test]
fn defect_07_one_crash_leads_to_one_start() {
    let mut world = World::new(1, 1, 1);
    world.run(seconds(10));
    let crashed = world.spawns[0].1.incarnation;
    world.crash(0, Exit::default());
    for _ in 0..3 {
        world.run(seconds(1));
        world.event(Event::Exited {
            cluster: ClusterId(0),
            incarnation: crashed,
            exit: Exit::default(),
        });
    }
    assert_eq!(world.ask("start", Some(0)), json!("ok"));
    world.event(Event::Exited {
        cluster: ClusterId(0),
        incarnation: crashed,
        exit: Exit::default(),
    });
    world.check_invariants();
    world.run(seconds(60));
    assert_eq!(world.spawns.len(), 2);
    assert_eq!(world.events("cluster_crashed").len(), 1);
    world.check_invariants();
}

/// The instance list tells the truth at every moment and has no nulls where UIs iterate.
#[test]
fn defect_16_the_instance_list_follows_what_happens() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    let one = |world: &World| world.fleet.instance_list().instances[1].clone();
    let session = one(&world).session_id;
    assert_eq!(session.len(), 32);
    assert_eq!(one(&world).cluster_health.unwrap().len(), 1);
    world.behave(1, Behaviour::Stubborn);
    assert_eq!(world.ask("restart", Some(1)), json!("ok"));
    assert!(one(&world).currently_killing && !one(&world).active);
    world.run_until(seconds(20), |world| world.spawns.len() == 3);
    let fresh = one(&world);
    assert!(!fresh.launched_fully && !fresh.currently_killing && fresh.active);
    assert_eq!(fresh.cluster_health, Some(Vec::new()));
    assert_ne!(fresh.session_id, session);
    assert_eq!(world.fleet.instance_list().get_gateway_bot.shards, 2);
    // Of one that is down nothing is told that was true before.
    world.run(seconds(30));
    world.crash(1, Exit::default());
    let down = one(&world);
    assert!(!down.active && !down.launched_fully && down.session_id.is_empty());
    assert_eq!(down.cluster_health, Some(Vec::new()));
    // A successor asks Discord anew, though it needs to start nothing.
    world.run(seconds(30));
    let mut second = world.succeed();
    second.adopt();
    let list = second.fleet.instance_list();
    assert_eq!((list.get_gateway_bot.shards, list.instances.len()), (2, 2));
    assert_eq!(list.instances[0].cluster_health, Some(Vec::new()));
}

/// Messages that come before there is any cluster.
#[test]
fn defect_20_messages_before_the_clusters_exist() {
    let mut world = World::new(2, 1, 16);
    world.gateway_failure = Some(GatewayFailure {
        message: "no".to_owned(),
        fatal: false,
        retry_after: Some(seconds(60)),
    });
    world.run(seconds(1));
    world.notify("launch_next", json!({ "id": 0 }));
    let none = json!({"clusters": 0, "shards": 0});
    assert_eq!(world.ask("num_processes", None), none);
    assert_eq!(world.ask("statuses", None), json!({}));
    for (action, id, code) in [
        ("start", Some(0), "unknown_cluster"),
        ("rollingrestart", None, "not_fully_up"),
        ("reshard", None, "not_fully_up"),
    ] {
        assert_eq!(world.ask(action, id), json!({ "error": code }));
    }
    let list = world.fleet.instance_list();
    assert!(list.instances.is_empty() && !list.fully_up);
    world.gateway_failure = None;
    world.run(seconds(120));
    assert!(world.fleet.fully_up());
}

/// Answers are matched by nonce and sender.
#[test]
fn defect_02_late_forged_and_foreign_answers_count_for_nobody() {
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
    let others = json!([{"shard_id": 0, "up": true, "latency": 1.0, "guilds": 0, "users": 0}]);
    // Another cluster in its name, about its own shards too, a wrong nonce, garbage.
    for output in [
        json!({"cluster_id": 0, "Nonce": nonce, "Data": health}).to_string(),
        json!({"cluster_id": 1, "Nonce": nonce, "Data": others}).to_string(),
        json!({"Nonce": nonce, "Data": others}).to_string(),
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

/// A start waits for the end of the predecessor, and a stale exit changes nothing.
#[test]
fn defect_06_07_restart_awaits_the_exit_and_kills_after_the_grace_time() {
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
    world.check_invariants();
    world.run(seconds(60));
    assert_eq!((world.spawns.len(), world.alive()), (2, vec![0]));
}

/// A second start, or somebody else's `launch_next`, starts nothing.
#[test]
fn defect_08_12_launch_next_counts_once_and_only_from_a_launching_cluster() {
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

/// Somebody else says that a cluster has launched which still boots: that must not get it killed.
#[test]
fn defect_10_12_a_stranger_s_launch_next_does_not_cost_a_booting_cluster() {
    let mut world = World::new(2, 1, 16);
    world.boot = seconds(70);
    world.behave(0, Behaviour::Silent);
    world.run(seconds(2));
    world.notify("launch_next", json!({ "id": 0 }));
    assert!(world.fleet.clusters()[0].launched(), "it is believed");
    world.run(seconds(11));
    assert!(world.events("ping_failure").is_empty());
    // Now it listens, and launches after 70 s.
    world.behave(0, Behaviour::Normal);
    world.run(seconds(100));
    assert!(world.events("ping_failure").is_empty());
    assert_eq!(world.spawns.len(), 2);
    // One that has answered once is watched as ever, and one that never does is found out.
    world.behave(0, Behaviour::Hung);
    world.run(seconds(10));
    assert_eq!(world.spawns.len(), 3);
    world.behave(1, Behaviour::Silent);
    assert_eq!(world.ask("restart", Some(1)), json!("ok"));
    world.run_until(seconds(30), |world| world.spawns.len() == 4);
    world.notify("launch_next", json!({ "id": 1 }));
    world.run(seconds(30));
    let failures = world.events("ping_failure").len();
    assert!(failures >= 4 && world.spawns.len() >= 5);
}

/// The budget is looked at before every start, also after a crash.
#[test]
fn defect_09_a_restart_waits_for_the_identify_budget() {
    let mut world = World::new(2, 1, 16);
    world.run(seconds(10));
    world.gateway.session_start_limit.remaining = 2;
    world.gateway.session_start_limit.reset_after = 600_000;
    // What Discord said at the start is too old by then.
    world.run(seconds(120));
    world.crash(0, Exit::default());
    world.run(seconds(300));
    assert_eq!(world.alive(), [1]);
    assert_eq!(world.events("identify_budget_wait").len(), 1);
    world.gateway.session_start_limit.remaining = 1000;
    world.run(seconds(400));
    assert_eq!(world.alive(), [0, 1]);
}

/// Crash loops end in a hold, not in exhausted identifies.
#[test]
fn defect_09_a_crash_loop_backs_off_and_is_held() {
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

/// Nothing restarts a cluster because its boot is slow.
#[test]
fn defect_10_a_slow_boot_is_not_a_hang() {
    let mut world = World::new(1, 1, 1);
    world.boot = seconds(70);
    world.run(seconds(80));
    assert!(world.fleet.fully_up());
    assert!(world.events("ping_failure").is_empty());
    assert_eq!(world.spawns.len(), 1);
}

/// An end that nobody asked for is a crash, exit status 0 included.
#[test]
fn defect_11_every_unrequested_exit_is_a_crash_and_the_others_do_not_notice() {
    let mut world = World::new(4, 1, 16);
    world.run(seconds(10));
    world.crash(
        2,
        Exit {
            code: Some(0),
            signal: None,
            refused: None,
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

/// The wait ends, the flag is cleared and supervision went on meanwhile.
#[test]
fn defect_11_13_a_hanging_rolling_restart_is_given_up_and_crashes_are_seen_meanwhile() {
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
            refused: None,
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

/// A lost `launch_next` does not stall the launch.
#[test]
fn defect_12_all_shards_up_replace_a_lost_launch_next() {
    let mut world = World::new(2, 1, 1);
    world.behave(0, Behaviour::Mute);
    world.run(seconds(30));
    assert!(world.fleet.fully_up());
    assert!(world.events("cluster_crashed").is_empty());
}

/// A cluster that never reports is retried and the others are started meanwhile.
#[test]
fn defect_12_a_cluster_that_never_launches_is_retried_after_its_deadline() {
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

#[test]
fn defect_13_rolling_restart_is_single_flight_and_takes_one_cluster_at_a_time() {
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

/// A new total restarts every cluster, one at a time.
#[test]
fn defect_14_reshard_restarts_everything_when_the_total_changes() {
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
fn defect_14_a_refused_reshard_leaves_all_as_it_was() {
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

/// What cannot work is refused before any process is started.
#[test]
fn defect_15_impossible_maps_start_nothing() {
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

#[test]
fn defect_15_action_logs_of_bots_are_kept_unless_they_are_useless() {
    let mut world = World::new(1, 1, 1);
    world.run(seconds(3));
    let mut send = |data: Value| {
        let text = json!({"scope": "launcher", "action": "action_logs", "data": data}).to_string();
        world.message(&text);
    };
    send(json!({"event": "shard_ready", "shard_id": 0, "ts": 5}));
    send(Value::Null);
    send(json!([]));
    send(json!({}));
    send(json!({"event": 5}));
    send(json!({"event": "huge", "text": "x".repeat(20_000)}));
    send(json!({"event": "no_time", "ts": "noon"}));
    assert_eq!(world.events("shard_ready")[0]["ts"], 5);
    assert!(world.events("huge").is_empty());
    assert!(world.events("no_time")[0]["ts"].is_i64());
    assert!(world.log.iter().all(|entry| entry["event"].is_string()));
}

/// All clusters end in parallel, nothing is restarted, and the exit waits.
#[test]
fn defect_17_shutdown_stops_everything_within_the_grace_time() {
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

/// Waiting for the identify budget blocks nothing, and the budget is asked for again.
#[test]
fn defect_19_a_spent_identify_budget_is_waited_for() {
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
