//! A jobserver may die at any moment of a restore.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::server::world;
use crate::{saved, state};

/// Killed after ever more effects, with the effect under way cut off: the next jobserver goes on,
/// nothing is missing and nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_jobserver_that_dies_makes_nothing_twice() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let before = state(&world).await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    world.nuke().await;
    let id = server
        .order_restore(&world, json!({"BackupSource": source}))
        .await;
    let mut effects = world.effects().await;
    for more in [1, 4, 9] {
        effects += more;
        while world.effects().await < effects {
            assert!(!server.has_ended(id).await, "it ended before it was killed");
            tokio::task::yield_now().await;
        }
        server.kill();
        server = world.setup.start().await;
    }
    let report = server.document(id).await;
    assert_eq!(state(&world).await, before, "{report:#}");
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
    let items = server.storage.ledger().items(id, 0, 1000).await.unwrap();
    let made = items.iter().filter(|item| item.what.contains(".create"));
    let made: Vec<_> = made.filter_map(|item| item.after.clone()).collect();
    let distinct: BTreeSet<_> = made.iter().collect();
    assert_eq!(distinct.len(), made.len(), "{made:?}");
}
