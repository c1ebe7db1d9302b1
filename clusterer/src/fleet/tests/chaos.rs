//! Random commands, crashes and hangs.

#![allow(clippy::print_stdout, reason = "a failed test shows its seed")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::super::*;
use super::world::{Behaviour, World, seconds};

const CLUSTERS: u16 = 16;

fn act(world: &mut World, rng: &mut StdRng) {
    let cluster = rng.random_range(0..CLUSTERS);
    match rng.random_range(0..100) {
        0..40 => {
            let actions = ["start", "stop", "restart", "statuses", "num_processes"];
            let action = actions[rng.random_range(0..actions.len())];
            world.ask(action, Some(cluster));
        }
        40..50 => drop(world.ask("rollingrestart", None)),
        50..52 => drop(world.ask("nonsense", None)),
        52..55 => {
            let more = world.gateway.shards + rng.random_range(0..2);
            world.gateway.shards = more.min(CLUSTERS + 4);
            world.ask("reshard", None);
        }
        55..57 => {
            let refused = Some(splashtail_ipc::launcher::GatewayRefusal::Intents);
            world.crash(
                cluster,
                Exit {
                    refused,
                    ..Exit::default()
                },
            );
        }
        57..65 => world.crash(
            cluster,
            Exit {
                code: Some(1),
                signal: None,
                refused: None,
            },
        ),
        65..75 => world.behave(cluster, Behaviour::Hung),
        75..80 => world.behave(cluster, Behaviour::Silent),
        80..85 => world.behave(cluster, Behaviour::Stubborn),
        85..90 => {
            world.event(Event::Bus { up: false });
            world.run(seconds(rng.random_range(0..5)));
            world.event(Event::Bus { up: true });
        }
        90..92 => world.relive(),
        92..95 => world.sleep_through(Duration::from_millis(rng.random_range(0..5000))),
        _ => {
            for id in 0..CLUSTERS + 4 {
                world.behave(id, Behaviour::Normal);
            }
        }
    }
}

fn storm(seed: u64, acts: u32) {
    // Shown when it fails.
    println!("storm of seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::with(CLUSTERS, 1, 16, |policy| policy.ping_interval = seconds(10));
    world.quiet = true;
    world.strict = true;
    world.run(seconds(10));
    for _ in 0..acts {
        act(&mut world, &mut rng);
        let pause = Duration::from_millis(rng.random_range(0..4000));
        world.run(pause);
    }
    // Calm: everything that an operator did not stop comes back.
    for id in 0..CLUSTERS + 4 {
        world.behave(id, Behaviour::Normal);
    }
    for id in 0..CLUSTERS + 4 {
        if world
            .fleet
            .clusters()
            .iter()
            .any(|c| c.id.get() == id && c.state == State::Refused)
        {
            world.ask("start", Some(id));
        }
    }
    world.run(seconds(1400));
    assert!(world.fleet.clusters().iter().all(Cluster::settled));
    let total = world.ask("num_processes", None)["shards"].clone();
    for cluster in world.fleet.clusters() {
        let stopped = !cluster.wanted && cluster.state == State::Stopped;
        assert!(stopped || cluster.launched(), "{cluster:?}");
    }
    for id in 0..CLUSTERS + 4 {
        world.ask("start", Some(id));
    }
    world.run(seconds(600));
    assert!(world.fleet.clusters().iter().all(Cluster::launched));
    for cluster in world.fleet.clusters() {
        let runs = cluster.runs.as_ref().unwrap();
        assert_eq!(json!(runs.shard_count), total, "every guild is served once");
        assert_eq!(runs.shards, cluster.shards);
    }
    assert!(!world.fleet.instance_list().roll_restarting);
    assert_eq!(world.identify_violations(), []);
    world.event(Event::Shutdown);
    world.run(seconds(7));
    assert!(world.exit.is_some());
}

/// `STORM_SEED` tries another one.
#[test]
fn a_thousand_random_acts_against_sixteen_clusters() {
    let seed = std::env::var("STORM_SEED").map_or(1, |seed| seed.parse().unwrap());
    storm(seed, 1000);
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(8), ..ProptestConfig::with_cases(8) })]
    #[test]
    fn shorter_storms_of_every_kind(seed in any::<u64>()) {
        storm(seed, 60);
    }
}
