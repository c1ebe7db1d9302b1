//! A clusterer that was told of no others, and one more on its bus.

use super::super::company::{Company, host};
use super::super::world::{World, seconds};
use crate::fleet::*;

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
