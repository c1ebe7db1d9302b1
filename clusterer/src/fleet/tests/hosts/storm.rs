//! Whatever happens to several hosts, and whatever strangers say.

#![allow(clippy::print_stdout, reason = "a failed test shows its seed")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use super::super::bad_input::any_json;
use super::super::company::Company;
use super::super::world::{Behaviour, World, seconds};
use crate::fleet::*;

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
