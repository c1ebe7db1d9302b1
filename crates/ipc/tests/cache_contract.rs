//! One contract, two caches.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use splashtail_core::clock::SystemClock;
use splashtail_core::config::BusTarget;
use splashtail_ipc::cache::{self, Cache};

const MINUTE: Duration = Duration::from_secs(60);

async fn cache_contract(cache: Arc<dyn Cache>, prefix: &str) {
    let key = |name: &str| format!("{prefix}{name}");
    let (a, b, n) = (key("a"), key("b"), key("n"));

    assert_eq!(cache.get(&a).await.unwrap(), None);
    assert_eq!(cache.take(&a).await.unwrap(), None);
    cache.set(&a, "one", MINUTE).await.unwrap();
    cache.set(&a, "two", MINUTE).await.unwrap();
    assert_eq!(cache.get(&a).await.unwrap().unwrap(), "two");
    assert!(!cache.claim(&a, MINUTE).await.unwrap());
    assert_eq!(cache.take(&a).await.unwrap().unwrap(), "two");
    assert_eq!(cache.get(&a).await.unwrap(), None);
    assert!(cache.claim(&a, MINUTE).await.unwrap());
    assert!(!cache.claim(&a, MINUTE).await.unwrap());
    assert!(cache.get(&a).await.unwrap().is_some());
    cache.check().await.unwrap();

    let dated = cache.claim_dated(&key("d"), MINUTE).await.unwrap();
    assert!(dated.first && dated.since > 0, "{dated:?}");
    let again = cache.claim_dated(&key("d"), MINUTE).await.unwrap();
    assert!(!again.first && again.age >= dated.age, "{again:?}");
    assert_eq!(again.since, dated.since, "it remembers since then");
    let known = cache.claim_dated(&a, MINUTE).await.unwrap();
    assert!(!known.first, "both kinds are one");

    // One of many wins.
    let claims = (0..32).map(|_| {
        let (cache, b) = (Arc::clone(&cache), b.clone());
        tokio::spawn(async move { cache.claim(&b, MINUTE).await.unwrap() })
    });
    let mut winners = 0;
    for claim in claims.collect::<Vec<_>>() {
        winners += u32::from(claim.await.unwrap());
    }
    assert_eq!(winners, 1);

    // Counting is exact under concurrency, and later events do not extend the window.
    let counts = (0..32).map(|_| {
        let (cache, n) = (Arc::clone(&cache), n.clone());
        tokio::spawn(async move { cache.incr_window(&n, MINUTE).await.unwrap().count })
    });
    let mut seen = Vec::new();
    for count in counts.collect::<Vec<_>>() {
        seen.push(count.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=32).collect::<Vec<u64>>());
    let window = cache.incr_window(&n, MINUTE * 60).await.unwrap();
    assert_eq!(window.count, 33);
    assert!(
        window.resets_in <= MINUTE && window.resets_in > Duration::ZERO,
        "{window:?}"
    );
    assert_eq!(cache.get(&n).await.unwrap().unwrap(), "33");

    // A key ends with its time.
    cache
        .set(&a, "short", Duration::from_millis(1))
        .await
        .unwrap();
    let gone = async {
        while cache.get(&a).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn cache_in_process() {
    let target = BusTarget::Hub("bus.sock".into());
    cache_contract(cache::connect(&target, SystemClock::shared()).unwrap(), "").await;
}

#[tokio::test]
#[ignore = "needs REDIS_URL"] // `make test` provides one and runs this too
async fn cache_in_redis() {
    let target = BusTarget::Redis(std::env::var("REDIS_URL").unwrap().into());
    let prefix = format!("test/{}/", uuid::Uuid::new_v4());
    cache_contract(
        cache::connect(&target, SystemClock::shared()).unwrap(),
        &prefix,
    )
    .await;
}
