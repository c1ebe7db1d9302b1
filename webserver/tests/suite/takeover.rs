//! Two webservers on the same listeners, as while a supervisor replaces one.

use crate::support::TestServer;

/// Asks on a new connection each time: one that idles belongs to whoever accepted it.
fn without_pool() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    builder.pool_max_idle_per_host(0).build().unwrap()
}

#[tokio::test]
async fn a_successor_answers_nothing_until_it_can_and_then_alone() {
    let mut old = TestServer::start().await;
    // Its database has no tables yet, so it is not ready.
    let mut new = old.successor().await;
    (old.client, new.client) = (without_pool(), without_pool());
    for _ in 0..200 {
        assert_eq!(old.get("/jobs/summary").await.status(), 200);
        assert_eq!(old.admin("/readyz").await.status(), 200);
    }
    new.storage.migrate().await.unwrap();
    new.said_ready().await;
    new.started().await;
    let gone = tokio::spawn(old.stop());
    while !gone.is_finished() {
        assert_eq!(new.get("/jobs/summary").await.status(), 200);
        assert_eq!(new.admin("/readyz").await.status(), 200);
    }
    gone.await.unwrap();
    assert_eq!(new.get("/jobs/summary").await.status(), 200);
    new.stop().await;
}

#[tokio::test]
async fn a_successor_does_not_leave_the_address_mute_when_its_predecessor_goes() {
    let old = TestServer::start().await;
    let mut new = old.successor().await;
    old.stop().await;
    new.is_all_there_is();
    let answer = new.admin("/readyz").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(new.get("/jobs/summary").await.status(), 503);
    new.stop().await;
}
