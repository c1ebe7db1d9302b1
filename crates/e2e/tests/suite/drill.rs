//! `splashtail sandbox drill` as an operator runs it, against a sandbox of its own.

use std::process::Output;
use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_e2e::platform::binary;
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use tokio::process::Command;

async fn sandbox() -> Running {
    let clock = Arc::new(SandboxClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    clock.set_rate(100.0);
    start("small", 1, clock, Settings::default(), true)
        .await
        .unwrap()
}

async fn drill(running: &Running, words: &str) -> Output {
    Command::new(binary("splashtail"))
        .args(["sandbox", "drill"])
        .args(words.split(' '))
        .env("SPLASHTAIL_SANDBOX_CONTROL", running.control.as_str())
        .output()
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_reports_as_table_and_as_json() {
    let running = sandbox().await;
    let words = "raid --guild lighthouse --size 4 --rate 10 --watch 0";
    let table = drill(&running, words).await;
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    let lines: Vec<&str> = text(&table.stdout).lines().collect();
    assert_eq!(
        lines[0],
        "Drill 1: raid on Lighthouse (1100000000005373952)"
    );
    let posted = "  messages posted                          4         0         4";
    assert!(lines.contains(&posted), "{lines:?}");
    // No terminal, no progress line.
    assert_eq!(text(&table.stderr), "");

    let words = "spam --size 6 --rate 2 --watch 0 --json --fail-over 5";
    let document = drill(&running, words).await;
    assert_eq!(
        document.status.code(),
        Some(4),
        "{}",
        text(&document.stderr)
    );
    let report: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(report["guild_id"], "1100000000001179648");
    assert_eq!(report["achieved"], json!({"messages_posted": 6}));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_said_in_a_line() {
    let running = sandbox().await;
    for (words, said) in [
        (
            "nuke --guild nowhere",
            "there is no server `nowhere`; there are Harbour, Lighthouse, Shipyard, Tidepool",
        ),
        ("nuke --size 0", "400: `size` lies between 1 and 100000"),
        (
            "raid --actors 3",
            "400: `actors` means nothing in a raid drill",
        ),
    ] {
        let refused = drill(&running, words).await;
        assert_eq!(refused.status.code(), Some(1));
        assert_eq!(text(&refused.stderr).trim_end(), said);
        assert_eq!(text(&refused.stdout), "");
    }
    running.stop().await;
}
