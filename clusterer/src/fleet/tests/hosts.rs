//! A fleet over several hosts in simulated time.

#![allow(clippy::print_stdout, reason = "a failed test shows its seed")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use splashtail_api_types::clusters::InstanceState;

use super::super::*;
use super::bad_input::any_json;
use super::company::{Company, host};
use super::world::{Behaviour, World, seconds};

fn ids(statuses: &Value) -> Vec<&str> {
    let mut ids: Vec<_> = statuses
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn hosts_listen_then_launch_their_ranges_and_one_says_that_all_are_up() {
    let mut company = Company::new(&[0, 4], 8, 2, 16);
    company.run(Duration::from_millis(4_900));
    assert_eq!(company.alive(), [] as [u16; 0], "first they listen");
    company.run(seconds(5));
    assert_eq!(company.alive(), [0, 1, 2, 3]);
    assert_eq!(company.announcements(), 1);
    for (index, host) in company.hosts.iter().enumerate() {
        let clusters: Vec<u16> = host.fleet.clusters().iter().map(|c| c.id.get()).collect();
        assert_eq!(clusters, [[0, 1], [2, 3]][index]);
        let spawn = &host.spawns[1].1;
        assert_eq!((spawn.shard_count, spawn.cluster_count), (8, 4));
        // Everyone knows everything; an id is an index.
        let list = host.fleet.instance_list();
        assert!(
            list.fully_up
                && list
                    .instances
                    .iter()
                    .all(|instance| instance.launched_fully)
        );
        let ids: Vec<_> = list
            .instances
            .iter()
            .map(|instance| instance.cluster_id.get())
            .collect();
        assert_eq!((ids, list.shard_count), (vec![0, 1, 2, 3], 8));
        assert_eq!(list.map[3].name, "Cluster-3");
        let health = host.fleet.cluster_health(ClusterId(3)).unwrap();
        assert!(!health.locked);
        assert_eq!(host.fleet.numbers().hosts, 2);
    }
    company.run(seconds(30));
    assert_eq!(company.announcements(), 1, "once");
    let health = company.hosts[0]
        .fleet
        .cluster_health(ClusterId(3))
        .unwrap()
        .health;
    assert_eq!(
        health.len(),
        2,
        "health of another host's cluster arrives with what it says"
    );
}

#[test]
fn of_two_hosts_with_the_same_shards_the_younger_ends_before_it_starts_anything() {
    let mut company = Company::new(&[0, 4], 8, 1, 16);
    company.run(seconds(20));
    company.join(host((2, 5), 8, 1, 16));
    company.run(seconds(1));
    let (code, reason) = company.hosts[2].exit.clone().unwrap();
    assert_eq!(code, 1);
    let reason = reason.unwrap();
    for part in ["2-5", "host-2-5", "shard_range"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    assert!(
        reason.contains("0-3 of host host-0-3") || reason.contains("4-7 of host host-4-7"),
        "{reason}"
    );
    assert!(company.hosts[2].spawns.is_empty());
    company.run(seconds(60));
    assert!(company.hosts[0].exit.is_none() && company.hosts[1].exit.is_none());
    assert_eq!(company.alive(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(company.hosts[0].fleet.fully_up());

    // Two that start together: one of them stays.
    let mut company = Company::new(&[0], 8, 1, 16);
    company.join(host((0, 3), 8, 1, 16));
    company.hosts[1].time = Duration::from_millis(1);
    company.run(seconds(20));
    let ended = company.hosts.iter().filter(|host| host.exit.is_some());
    assert_eq!(ended.count(), 1);
}

/// They could not hear each other when both began; when they can, the fleet is repaired.
#[test]
fn a_double_that_grew_up_on_a_bus_of_its_own_ends_when_the_buses_are_one() {
    let mut company = Company::new(&[0, 4], 8, 1, 16);
    company.run(seconds(20));
    company.hosts.push(host((2, 5), 8, 1, 16));
    company.cut.push(true);
    company.run(seconds(20));
    company.connect(2, true);
    company.run(seconds(6));
    let (code, reason) = company.hosts[2].exit.clone().unwrap();
    assert!(code == 1 && reason.unwrap().contains("2-5"));
    company.run(seconds(20));
    assert!(company.hosts[1].exit.is_none() && company.hosts[0].fleet.fully_up());
    assert_eq!(company.alive(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

/// The host with shard 0 answers for the fleet, and that is all it is needed for.
#[test]
fn without_the_host_that_answers_the_others_go_on() {
    let mut company = Company::new(&[0, 2, 4], 6, 1, 1);
    company.run(seconds(60));
    company.connect(0, false);
    company.run(seconds(20));
    assert!(company.replies("statuses", Value::Null).is_empty());
    assert_eq!(company.ask("restart", 3), (1, json!("ok")));
    company.hosts[2].crash(5, Exit::default());
    company.run(seconds(30));
    assert_eq!(company.alive(), [0, 1, 2, 3, 4, 5]);
    company.check_identifies();
    // The lowest of those that are left says what is missing.
    let told = |index: usize| company.hosts[index].events("shards_missing").len();
    assert_eq!([told(1), told(2)], [1, 0]);
}

#[test]
fn another_total_or_cluster_size_does_not_fit() {
    for (shards, per_cluster) in [(16, 1), (8, 2)] {
        let mut company = Company::new(&[0], 4, 1, 16);
        company.hosts[0] = host((0, 3), 8, 1, 16);
        company.run(seconds(20));
        company.join(host((4, 7), shards, per_cluster, 16));
        company.run(seconds(1));
        let (code, reason) = company.hosts[1].exit.clone().unwrap();
        let reason = reason.unwrap();
        assert_eq!(code, 1);
        for part in ["fixed_shard_count", "per_cluster", "host-0-3", "host-4-7"] {
            assert!(reason.contains(part), "{part} in {reason}");
        }
        assert!(company.hosts[0].exit.is_none());
    }
}

#[test]
fn a_gap_holds_only_fully_up_back() {
    let mut company = Company::new(&[0, 4], 8, 2, 16);
    let late = company.hosts.pop().unwrap();
    company.cut.pop();
    company.run(seconds(30));
    assert_eq!(company.alive(), [0, 1]);
    assert!(!company.hosts[0].fleet.fully_up());
    assert_eq!(company.announcements(), 0);
    assert_eq!(company.events("shards_missing")[0]["shards"], "4-7");
    assert_eq!(company.hosts[0].fleet.numbers().shards_missing, 4);
    let states: Vec<_> = company.hosts[0].fleet.instance_list().instances;
    let state = |id: usize| {
        states[id]
            .process
            .as_ref()
            .map(|process| process.state.as_str())
    };
    assert_eq!([state(0), state(2)], [Some("running"), Some("missing")]);
    let (_, statuses) = company.ask("statuses", Value::Null);
    assert_eq!(ids(&statuses), ["0", "1", "2", "3"]);
    assert_eq!(statuses["1"]["status"], "");
    assert_eq!(
        statuses["2"],
        json!({"active": false, "status": "missing", "name": "Aqua", "started_at": -62_135_596_800_i64, "shard_list": [4, 5]})
    );
    assert_eq!(
        company.ask("restart", 2).1,
        json!({"error": "host_missing"})
    );
    assert_eq!(
        company.ask("rollingrestart", Value::Null).1,
        json!({"error": "not_fully_up"})
    );
    // What runs is looked after as ever.
    company.hosts[0].crash(1, Exit::default());
    company.run(seconds(20));
    assert_eq!(company.alive(), [0, 1]);

    company.join(late);
    company.run(seconds(20));
    assert!(company.hosts.iter().all(|host| host.fleet.fully_up()));
    assert_eq!(
        (
            company.announcements(),
            company.events("shards_complete").len()
        ),
        (1, 1)
    );
}

#[test]
fn a_silent_host_is_gone_after_three_intervals_and_back_when_it_speaks() {
    let mut company = Company::new(&[0, 2], 4, 1, 16);
    company.run(seconds(30));
    company.connect(1, false);
    company.run(seconds(9));
    assert!(
        company.hosts[0].fleet.fully_up(),
        "one or two lost messages mean nothing"
    );
    company.run(seconds(7));
    assert!(!company.hosts[0].fleet.fully_up());
    assert_eq!(company.events("host_gone")[0]["shards"], "2-3");
    // The one without a bus blames nobody, and its clusters run.
    assert!(company.hosts[1].fleet.fully_up());
    assert_eq!(company.alive(), [0, 1, 2, 3]);
    company.connect(1, true);
    company.run(seconds(1));
    assert!(company.hosts[0].fleet.fully_up() && company.hosts[1].fleet.fully_up());
    assert_eq!(company.announcements(), 1, "nothing was launched");
    assert!(company.events("ping_failure").is_empty());
    let spawns: usize = company.hosts.iter().map(|host| host.spawns.len()).sum();
    assert_eq!(spawns, 4);
}

#[test]
fn every_command_has_one_reply_from_the_one_whom_it_concerns() {
    let mut company = Company::new(&[0, 2, 4], 6, 1, 16);
    company.run(seconds(20));
    assert_eq!(
        company.ask("num_processes", Value::Null),
        (0, json!({"clusters": 6, "shards": 6}))
    );
    let (who, statuses) = company.ask("statuses", Value::Null);
    assert_eq!((who, ids(&statuses).len()), (0, 6));
    assert!(
        statuses
            .as_object()
            .unwrap()
            .values()
            .all(|status| status["active"] == true)
    );
    assert_eq!(company.ask("stop", 3), (1, json!("ok")));
    company.run(seconds(2));
    assert_eq!(
        company.ask("stop", "3"),
        (1, json!({"error": "not_running"}))
    );
    assert_eq!(company.ask("statuses", Value::Null).1["3"]["active"], false);
    assert_eq!(company.ask("start", 3), (1, json!("ok")));
    assert_eq!(company.ask("restart", 5), (2, json!("ok")));
    assert_eq!(
        company.ask("start", 0),
        (0, json!({"error": "already_running"}))
    );
    assert_eq!(
        company.ask("start", 6),
        (0, json!({"error": "unknown_cluster"}))
    );
    assert_eq!(
        company.ask("start", json!([])),
        (0, json!({"error": "invalid_id"}))
    );
    assert_eq!(
        company.ask("dance", Value::Null),
        (0, json!({"error": "unknown_action"}))
    );
    company.run(seconds(30));
    assert_eq!(company.alive(), [0, 1, 2, 3, 4, 5]);
    // Notifications have none, and one host writes what bots log.
    assert!(company.replies("launch_next", json!(4)).is_empty());
    let entry =
        json!({"scope": "launcher", "action": "action_logs", "data": {"event": "shard_ready"}});
    company.broadcast(&entry.to_string());
    assert_eq!(company.events("shard_ready").len(), 1);
}

/// Whoever has the answer looks at once whether it is so.
#[test]
fn what_an_answer_says_is_seen_at_once_on_the_host_that_was_asked() {
    let mut company = Company::new(&[0, 2], 4, 1, 16);
    company.run(seconds(20));
    let state = |company: &Company| {
        let list = company.hosts[0].fleet.instance_list();
        list.instances[3].process.as_ref().unwrap().state
    };
    for (action, before) in [
        ("stop", InstanceState::Running),
        ("start", InstanceState::Stopped),
    ] {
        assert_eq!(state(&company), before);
        // Something else was told a moment ago.
        company.hosts[1].crash(2, Exit::default());
        assert_eq!(company.request(0, action, Some(3)), "ok");
        assert_ne!(state(&company), before);
        company.run(seconds(30));
    }
    assert_eq!(company.request(1, "rollingrestart", None), "ok");
    assert!(company.hosts[1].fleet.instance_list().roll_restarting);
}

#[test]
fn requests_by_http_reach_the_right_host_from_any() {
    let mut company = Company::new(&[0, 2], 4, 1, 16);
    company.run(seconds(20));
    for host in 0..2 {
        assert_eq!(company.request(host, "num_processes", None)["clusters"], 4);
        assert_eq!(company.request(host, "stop", Some(1)), "ok");
        company.run(seconds(2));
        assert_eq!(
            company.request(host, "stop", Some(1)),
            json!({"error": "not_running"})
        );
        assert_eq!(company.request(host, "start", Some(1)), "ok");
        company.run(seconds(10));
        assert_eq!(
            company.request(host, "restart", Some(9)),
            json!({"error": "unknown_cluster"})
        );
    }
    // Nobody there who could answer.
    company.connect(0, false);
    assert_eq!(
        company.request(1, "statuses", None),
        json!({"error": "no_answer"})
    );
    assert_eq!(
        company.request(0, "stop", Some(3)),
        json!({"error": "bus_unavailable"})
    );
    company.connect(0, true);
    company.run(seconds(10));
    assert_eq!(company.request(1, "rollingrestart", None), "ok");
    company.run(seconds(60));
    assert_eq!(
        company.hosts[0].spawns.len() + company.hosts[1].spawns.len(),
        4 + 2 + 4
    );
}

#[test]
fn a_rolling_restart_takes_one_cluster_of_the_whole_fleet_at_a_time_host_by_host() {
    let mut company = Company::new(&[0, 2, 4], 6, 1, 16);
    company.run(seconds(20));
    company.least_alive = usize::MAX;
    assert_eq!(company.ask("rollingrestart", Value::Null), (0, json!("ok")));
    assert_eq!(
        company.ask("rollingrestart", Value::Null),
        (0, json!({"error": "already_rolling"}))
    );
    assert_eq!(
        company.ask("reshard", Value::Null).1,
        json!({"error": "already_rolling"})
    );
    company.run(seconds(1));
    assert!(
        company
            .hosts
            .iter()
            .all(|host| host.fleet.instance_list().roll_restarting)
    );
    company.run(seconds(60));
    assert!(
        !company
            .hosts
            .iter()
            .any(|host| host.fleet.instance_list().roll_restarting)
    );
    assert_eq!(company.least_alive, 5);
    let mut restarts: Vec<_> = company
        .hosts
        .iter()
        .flat_map(|host| host.spawns[2..].iter())
        .map(|(at, spawn)| (*at, spawn.cluster.get()))
        .collect();
    restarts.sort_unstable();
    let order: Vec<u16> = restarts.into_iter().map(|(_, cluster)| cluster).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    assert_eq!(
        (
            company.announcements(),
            company.events("rolling_restart").len()
        ),
        (2, 1)
    );
    // And again: the turns of the first one are forgotten.
    assert_eq!(company.ask("rollingrestart", Value::Null), (0, json!("ok")));
    company.run(seconds(60));
    assert_eq!((company.announcements(), company.least_alive), (3, 5));
}

#[test]
fn a_rolling_restart_ends_when_a_host_goes_or_a_cluster_stays_down() {
    let mut company = Company::new(&[0, 2, 4], 6, 1, 16);
    company.run(seconds(20));
    assert_eq!(company.ask("rollingrestart", Value::Null).1, json!("ok"));
    company.connect(2, false);
    company.run(seconds(60));
    let failed = company.events("cluster_restart_failed");
    assert_eq!(
        (failed.len(), &failed[0]["via"]),
        (1, &json!("rolling_restart"))
    );
    assert!(!company.hosts[1].fleet.instance_list().roll_restarting);
    company.connect(2, true);
    company.run(seconds(30));
    assert_eq!(company.hosts[2].spawns.len(), 2, "it does not roll alone");

    company.hosts[1].behave(3, Behaviour::Silent);
    assert_eq!(company.ask("rollingrestart", Value::Null).1, json!("ok"));
    company.run(seconds(200));
    let failed = company.events("cluster_restart_failed").len();
    assert!(failed >= 2, "{failed}");
    assert_eq!(
        company.hosts[2].spawns.len(),
        2,
        "the turn is not passed on"
    );
    assert!(!company.hosts[0].fleet.instance_list().roll_restarting);
}

#[test]
fn reshard_restarts_all_hosts_in_turn_and_never_changes_the_total() {
    let mut company = Company::new(&[0, 2], 4, 1, 16);
    company.run(seconds(20));
    // Nothing to change: the total is fixed.
    company
        .hosts
        .iter_mut()
        .for_each(|host| host.gateway.shards = 9);
    assert_eq!(company.ask("reshard", Value::Null), (0, json!("ok")));
    company.run(seconds(30));
    assert_eq!(
        (
            company.events("reshard_begin").len(),
            company.events("reshard_success").len()
        ),
        (1, 1)
    );
    assert_eq!(
        company.hosts[0].spawns.len() + company.hosts[1].spawns.len(),
        4
    );
    // A host that cannot do its part fails it for all.
    company.hosts[1].gateway.session_start_limit.remaining = 1;
    assert_eq!(company.ask("reshard", Value::Null), (0, json!("ok")));
    company.run(seconds(30));
    let failed = company.events("reshard_failed");
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0]["error"]
            .as_str()
            .unwrap()
            .contains("1 sessions are left")
    );
    assert!(company.hosts[0].fleet.fully_up());
}

/// The floor for one key: one identify each 5 s, whatever host it is on.
#[test]
fn hosts_share_the_identify_keys() {
    let mut company = Company::new(&[0, 4], 8, 1, 1);
    company.run(seconds(60));
    assert_eq!(company.alive().len(), 8);
    assert!(company.hosts[0].fleet.fully_up());
    company.check_identifies();
    let mut times: Vec<_> = company
        .hosts
        .iter()
        .flat_map(|host| host.identifies().to_vec())
        .collect();
    times.sort_unstable();
    let took = times[7].0 - times[0].0;
    assert!(
        took < seconds(5 * 7 + 2),
        "{took:?} for seven pauses of 5 s"
    );
    // With sixteen keys nobody waits for anybody.
    let mut company = Company::new(&[0, 4], 8, 1, 16);
    company.run(seconds(8));
    assert!(company.hosts[0].fleet.fully_up());
}

#[test]
fn the_keys_of_a_lost_host_are_free_again() {
    let mut company = Company::new(&[0, 1], 2, 1, 1);
    company.run(seconds(30));
    // It is lost while it identifies.
    company.hosts[1].behave(1, Behaviour::Silent);
    company.ask("restart", 1);
    company.run(seconds(2));
    company.connect(1, false);
    company.ask("restart", 0);
    company.run(seconds(10));
    assert!(
        !company.hosts[0].fleet.clusters()[0].active(),
        "the key may be in use"
    );
    company.run(seconds(10));
    assert!(company.hosts[0].fleet.clusters()[0].launched());
}

#[test]
fn a_clusterer_that_starts_anew_keeps_its_place() {
    let mut company = Company::new(&[0, 2], 4, 1, 16);
    company.run(seconds(30));
    for index in [0, 1] {
        company.replace(index);
        company.run(seconds(10));
        assert!(
            company
                .hosts
                .iter()
                .all(|host| host.fleet.fully_up() && host.exit.is_none())
        );
        assert!(company.hosts[index].spawns.is_empty());
    }
    // The elder in spite of its youth: a stranger with its shards is refused.
    company.join(host((0, 1), 4, 1, 16));
    company.run(seconds(1));
    assert_eq!(
        company.hosts[2].exit.as_ref().map(|(code, _)| *code),
        Some(1)
    );
    assert!(company.hosts[0].exit.is_none());
    assert_eq!(company.ask("restart", 3), (1, json!("ok")));
    company.run(seconds(20));
    assert_eq!(company.alive(), [0, 1, 2, 3]);
}

#[test]
fn shutdown_ends_every_host_and_has_one_reply() {
    let ended = |mut company: Company, code: u8| {
        company.run(seconds(5));
        assert!(company.alive().is_empty());
        let with = |host: &World| host.exit.as_ref().is_some_and(|(exit, _)| *exit == code);
        assert!(company.hosts.iter().all(with));
    };
    for (action, code) in [("shutdown", 0), ("restartproc", 1)] {
        let mut company = Company::new(&[0, 2], 4, 1, 16);
        company.run(seconds(20));
        assert_eq!(company.ask(action, Value::Null), (0, json!("ok")));
        ended(company, code);
        let mut company = Company::new(&[0, 2], 4, 1, 16);
        company.run(seconds(20));
        assert_eq!(company.request(1, action, None), json!("ok"));
        ended(company, code);
    }
    // One that ends by itself says so: nobody waits 15 s for it.
    let mut company = Company::new(&[0, 2], 4, 1, 16);
    company.run(seconds(20));
    company.hosts[1].event(Event::Shutdown);
    company.run(seconds(1));
    assert_eq!(company.events("shards_missing")[0]["shards"], "2-3");
}

const MEMBERS: [&str; 18] = [
    "id",
    "name",
    "since",
    "sequence",
    "first",
    "last",
    "shard_count",
    "per_cluster",
    "joined",
    "leaving",
    "settled",
    "fleet_up",
    "launches",
    "identifies",
    "claims",
    "identified",
    "roll",
    "done",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// A stranger on the bus may say what it likes: no host falls over, none starts a shard twice.
    #[test]
    fn hostile_announcements(changes in prop::collection::vec((prop::sample::select(&MEMBERS[..]), any_json()), 1..4)) {
        let mut company = Company::new(&[0, 2], 4, 1, 16);
        company.run(seconds(10));
        let said = company.hosts[1].published.iter().rev().find(|text| text.contains("announce")).unwrap();
        let mut message: Value = serde_json::from_str(said).unwrap();
        message["data"]["id"] = json!("stranger");
        message["data"]["joined"] = json!(false);
        for (member, value) in changes {
            message["data"][member] = value;
        }
        company.broadcast(&message.to_string());
        company.run(seconds(20));
        for host in &company.hosts {
            host.check_invariants();
        }
    }
}

/// Random commands, crashes, hangs, lost buses and new clusterers on three hosts.
fn storm(seed: u64, acts: u32) {
    // Shown when it fails.
    println!("storm of seed {seed}");
    let keys = if seed.is_multiple_of(2) { 16 } else { 2 };
    let mut company = Company::pinging(&[0, 3, 5], 9, 1, keys, seconds(20));
    company.seed(seed);
    company.hosts.iter_mut().for_each(|host| host.strict = true);
    company.run(seconds(60));
    for _ in 0..acts {
        act(&mut company);
        company.check_invariants();
        let pause = company.random(4000);
        company.run(Duration::from_millis(u64::try_from(pause).unwrap()));
        company.check_invariants();
    }
    for index in 0..3 {
        if company.cut[index] {
            company.connect(index, true);
        }
        for id in 0..9 {
            company.hosts[index].behave(id, Behaviour::Normal);
        }
    }
    company.run(seconds(1400));
    for id in 0..9 {
        company.ask("start", id);
    }
    company.run(seconds(700));
    company.check_invariants();
    let launched = |host: &World| host.fleet.clusters().iter().all(Cluster::launched);
    assert!(company.hosts.iter().all(launched));
    assert!(company.hosts.iter().all(|host| host.fleet.fully_up()));
    assert!(
        !company
            .hosts
            .iter()
            .any(|host| host.fleet.instance_list().roll_restarting)
    );
    assert_eq!(company.ask("rollingrestart", Value::Null).1, json!("ok"));
}

fn act(company: &mut Company) {
    let cluster = u16::try_from(company.random(9)).unwrap();
    let index = company.random(3);
    let whole = !company.cut.contains(&true);
    match company.random(100) {
        0..40 => {
            let actions = [
                "start",
                "stop",
                "restart",
                "statuses",
                "nonsense",
                "rollingrestart",
            ];
            let action = actions[company.random(actions.len())];
            let replies = company.replies(action, json!(cluster));
            // A host that cannot be reached cannot answer; never do two.
            assert!(replies.len() <= 1, "{action}: {replies:?}");
            assert!(!whole || replies.len() == 1, "{action} was not answered");
        }
        40..50 => company.hosts[index].crash(cluster, Exit::default()),
        50..60 => company.hosts[index].behave(cluster, Behaviour::Hung),
        60..65 => company.hosts[index].behave(cluster, Behaviour::Stubborn),
        65..75 => {
            let up = company.cut[index];
            company.connect(index, up);
        }
        75..80 if whole => company.replace(index),
        _ => {
            for id in 0..9 {
                company.hosts[index].behave(id, Behaviour::Normal);
            }
        }
    }
}

#[test]
fn three_hundred_random_acts_against_three_hosts() {
    storm(2, 300);
    storm(3, 300);
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(4), ..ProptestConfig::with_cases(4) })]
    #[test]
    fn shorter_storms_over_three_hosts(seed in any::<u64>()) {
        storm(seed, 40);
    }
}

/// A clusterer that was told of no others.
fn alone(shards: u16) -> World {
    alone_with(shards, u64::from(shards))
}

fn alone_with(shards: u16, seed: u64) -> World {
    let mut world = World::with(shards, 1, 16, |policy| {
        policy.host = "lone".to_owned();
        policy.listen = Duration::from_millis(500);
    });
    world.shared = true;
    world.fleet = Fleet::new(world.policy.clone(), seed);
    world
}

#[test]
fn a_second_clusterer_of_a_bus_ends_whatever_their_files_say() {
    let ranged = || host((0, 1), 4, 1, 16);
    for (first, second) in [
        (alone(4), alone_with(4, 9)),
        (alone(4), alone(9)),
        (alone(4), ranged()),
        (ranged(), alone(4)),
    ] {
        let mut company = Company::new(&[0], 1, 1, 16);
        company.hosts.clear();
        company.cut.clear();
        company.join(first);
        company.run(seconds(20));
        let before = company.hosts[0].alive();
        assert!(!before.is_empty());
        company.join(second);
        company.run(seconds(20));
        let (code, reason) = company.hosts[1].exit.clone().expect("the younger one ends");
        let reason = reason.unwrap();
        assert_eq!(code, 1);
        assert!(reason.contains("shard_range"), "{reason}");
        assert!(company.hosts[1].spawns.is_empty(), "{reason}");
        assert_eq!(
            (company.hosts[0].alive(), &company.hosts[0].exit),
            (before, &None)
        );
    }
}

/// Both start at the same time: one stays.
#[test]
fn of_two_that_start_together_one_stays() {
    for seed in 0..20 {
        let mut company = Company::new(&[0], 1, 1, 16);
        company.hosts.clear();
        company.cut.clear();
        company.seed(seed);
        for seed in [1, 2] {
            company.hosts.push(alone_with(4, seed));
            company.cut.push(false);
        }
        company.run(seconds(30));
        let left: Vec<_> = company
            .hosts
            .iter()
            .filter(|host| host.exit.is_none())
            .collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].alive(), [0, 1, 2, 3]);
    }
}

/// It goes on with the clusters of its predecessor at once, and stays the elder.
#[test]
fn a_successor_of_a_lone_clusterer_is_no_newcomer() {
    let mut company = Company::new(&[0], 1, 1, 16);
    company.hosts.clear();
    company.cut.clear();
    company.join(alone(2));
    company.run(seconds(20));
    company.hosts[0].relive();
    company.join(alone_with(2, 9));
    company.run(seconds(20));
    assert_eq!(company.hosts[0].alive(), [0, 1]);
    assert!(company.hosts[0].exit.is_none() && company.hosts[1].exit.is_some());
}
