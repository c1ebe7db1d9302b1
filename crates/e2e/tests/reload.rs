//! SIGHUP to the supervisor: new webserver and jobserver, the same bot, nobody refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use splashtail_e2e::platform::{Engines, OPERATOR, Platform, is_alive, signal};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_reload_refuses_nobody_and_leaves_the_bot_alone() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let pids = platform.ready.pids.clone();
    let url = platform
        .ready
        .api
        .as_ref()
        .unwrap()
        .join("openapi")
        .unwrap();

    // Someone asks all the time, over a new connection each time.
    let (stop, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let caller = tokio::spawn({
        let (stop, answered) = (stop.clone(), answered.clone());
        async move {
            let client = reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()
                .unwrap();
            while !stop.load(Ordering::Relaxed) {
                let status = client.get(url.clone()).send().await.unwrap().status();
                assert_eq!(status, 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });

    // An operator goes, a key changes, and a daemon of the new configuration is asked for it.
    let root = platform.dir();
    let cluster_file = root.join("mewld-staging.yaml");
    let text = std::fs::read_to_string(&cluster_file).unwrap();
    let text = text.replace(&format!("\"{OPERATOR}\""), "");
    assert!(text.contains("allowed_ids: []"), "{text}");
    std::fs::write(&cluster_file, text).unwrap();
    let config = root.join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("meta: {}", "meta: {web_disable_ratelimits: true}");
    std::fs::write(&config, text).unwrap();
    let run = root.join("data/run");
    let in_force = |file: &str| std::fs::read_to_string(run.join(file)).unwrap();
    assert!(in_force("mewld-staging.yaml").contains(OPERATOR));

    signal(pids.splashtail, Signal::SIGHUP).unwrap();
    let old = [
        pids.daemon("webserver").unwrap(),
        pids.daemon("jobserver").unwrap(),
    ];
    let deadline = tokio::time::Instant::now() + LIMIT;
    while old.iter().any(|pid| is_alive(*pid)) {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the old ones stay:\n{}",
            platform.logs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = answered.load(Ordering::Relaxed);
    while answered.load(Ordering::Relaxed) < before + 20 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the new one does not answer"
        );
        assert!(!caller.is_finished(), "someone was refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    caller.await.unwrap();
    assert!(!in_force("mewld-staging.yaml").contains(OPERATOR));
    assert!(in_force("config.yaml").contains("web_disable_ratelimits: true"));

    assert!(
        is_alive(pids.daemon("clusterer").unwrap()),
        "the clusterer replaces itself under its pid"
    );
    for pid in pids.bot.values() {
        assert!(is_alive(*pid), "the bot goes on");
    }
    assert!(platform.stop().await.unwrap().is_empty());
}
