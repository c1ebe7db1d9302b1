//! What an operator asks of a fleet over several hosts.

use serde_json::{Value, json};
use splashtail_api_types::clusters::InstanceState;

use super::super::company::Company;
use super::super::world::{Behaviour, seconds};
use super::ids;
use crate::fleet::*;

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
