//! A fleet over several hosts in simulated time.

mod alone;
mod commands;
mod storm;

use serde_json::{Value, json};

use super::company::{Company, host};
use super::world::{Behaviour, World, seconds};
use crate::fleet::*;

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
