//! `splashtail clusters` as an operator uses it, on the running platform.

use std::collections::BTreeMap;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use splashtail_e2e::platform::{Engines, Platform, binary, is_alive};
use tempfile::TempDir;
use tokio::process::Command;

const DONE: i32 = 0;
const REFUSED: i32 = 1;
const TIMED_OUT: i32 = 3;

/// Runs the command against the platform's data directory; the ports are found there.
fn command(platform: &Platform, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("splashtail"));
    command
        .arg("clusters")
        .args(arguments)
        .arg("--config")
        .arg(platform.dir().join("config.yaml"))
        .arg("--data-dir")
        .arg(platform.dir().join("data"))
        .kill_on_drop(true);
    command
}

async fn clusters(platform: &Platform, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(platform, arguments).output().await.unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

async fn expect(platform: &Platform, arguments: &[&str], code: i32, words: &str) -> String {
    let (status, stdout, stderr) = clusters(platform, arguments).await;
    let all = format!("{stdout}{stderr}");
    assert_eq!(status, code, "{arguments:?}: {all}\n{}", platform.logs());
    assert!(all.contains(words), "{arguments:?}: {all}");
    all
}

async fn status(platform: &Platform) -> Value {
    let (code, stdout, stderr) = clusters(platform, &["status", "--json"]).await;
    assert_eq!(code, DONE, "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

fn pids(status: &Value) -> BTreeMap<u64, u64> {
    let clusters = status["clusters"].as_array().unwrap().iter();
    clusters
        .filter_map(|cluster| Some((cluster["id"].as_u64()?, cluster["pid"].as_u64()?)))
        .collect()
}

#[tokio::test]
async fn an_operator_sees_stops_and_restarts_clusters() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();

    let before = status(&platform).await;
    assert_eq!(before["fully_up"], true, "{before}");
    assert_eq!(before["shard_count"], 4);
    assert!(before["identifies"]["remaining"].as_u64().unwrap() > 0);
    let first = &before["clusters"][0];
    assert_eq!(
        (
            &first["name"],
            &first["state"],
            &first["shards"],
            &first["restarts"]
        ),
        (
            &"Flare".into(),
            &"running".into(),
            &Value::from(vec![0, 1]),
            &0.into()
        ),
        "{before}"
    );
    let started: BTreeMap<u64, u64> = platform
        .ready
        .pids
        .bot
        .iter()
        .map(|(id, pid)| (u64::from(*id), u64::from(*pid)))
        .collect();
    assert_eq!(pids(&before), started);
    let table = expect(&platform, &["status"], DONE, "Fully up: 2 of 2 clusters, ").await;
    assert!(
        table.contains("Flare") && table.contains("Waffle"),
        "{table}"
    );

    // Refusals say what to do and change nothing.
    expect(
        &platform,
        &["start", "1"],
        REFUSED,
        "`splashtail clusters restart 1` restarts it",
    )
    .await;
    expect(&platform, &["stop", "9"], REFUSED, "there is no cluster 9").await;
    expect(
        &platform,
        &["stop", "--name", "Aqua"],
        REFUSED,
        "no cluster is called",
    )
    .await;
    expect(&platform, &["reshard"], REFUSED, "experimental_features").await;
    assert_eq!(pids(&status(&platform).await), started);

    expect(
        &platform,
        &["stop", "--name", "waffle"],
        DONE,
        "cluster 1 (Waffle) is stopped",
    )
    .await;
    let stopped = status(&platform).await;
    assert_eq!(stopped["clusters"][1]["state"], "stopped");
    assert_eq!(stopped["clusters"][0]["state"], "running");
    assert!(!is_alive(u32::try_from(started[&1]).unwrap()));
    expect(
        &platform,
        &["stop", "1"],
        REFUSED,
        "`splashtail clusters start 1` starts it",
    )
    .await;
    expect(
        &platform,
        &["start", "1", "--timeout", "1s"],
        TIMED_OUT,
        "cluster 1 is not there after 1 s",
    )
    .await;
    // It is on its way; this waits for the end of it.
    expect(
        &platform,
        &["restart", "1"],
        DONE,
        "cluster 1 (Waffle) runs again",
    )
    .await;
    let back = status(&platform).await;
    assert_eq!(pids(&back)[&0], started[&0], "the other one was left alone");
    assert_ne!(pids(&back)[&1], started[&1]);
    assert!(back["clusters"][1]["restarts"].as_u64().unwrap() >= 1);

    rolling_restart(&platform, &pids(&back)).await;

    let log = expect(
        &platform,
        &["logs", "--limit", "500"],
        DONE,
        "a rolling restart began",
    )
    .await;
    for words in [
        "the command line asked for stop of cluster 1 (Waffle)",
        "cluster 1 (Waffle) was stopped",
        "cluster 0 (Flare) was started, process",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let (_, json, _) = clusters(&platform, &["logs", "--json", "--limit", "2"]).await;
    let entries: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len(), 2, "{json}");
    assert!(entries.iter().all(|entry| entry["ts"].is_i64()), "{json}");
    expect(&platform, &["logs", "--output", "0"], DONE, "\n").await;

    wrong_secret_and_no_clusterer(platform).await;
}

/// Every process is another one afterwards, and never is more than one cluster down.
async fn rolling_restart(platform: &Platform, before: &BTreeMap<u64, u64>) {
    let mut rolling = command(platform, &["rolling-restart"]);
    let rolling = rolling.output();
    tokio::pin!(rolling);
    let mut sawn_down = 0;
    let output = loop {
        let now = tokio::select! {
            output = &mut rolling => break output.unwrap(),
            now = status(platform) => now,
        };
        let down = now["clusters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|cluster| cluster["state"] != "running")
            .count();
        assert!(down <= 1, "{now}");
        sawn_down += down;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{}", platform.logs());
    assert!(
        text.contains("the rolling restart is done: 2 clusters restarted"),
        "{text}"
    );
    assert!(
        sawn_down > 0,
        "no cluster was ever down: nothing was restarted"
    );
    let after = pids(&status(platform).await);
    for (id, pid) in before {
        assert_ne!(after[id], *pid, "cluster {id} has a new process");
    }
}

async fn wrong_secret_and_no_clusterer(platform: Platform) {
    let url = platform.ready.clusterer.as_ref().unwrap();
    let other = TempDir::new().unwrap();
    let config = other.path().join("config.yaml");
    let ask = async || {
        let output = Command::new(binary("splashtail"))
            .args(["clusters", "status", "--config"])
            .arg(&config)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(REFUSED), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    std::fs::write(&config, format!("meta:\n  clusterer_url: \"{url}\"\n")).unwrap();
    assert!(
        ask()
            .await
            .contains("no platform has run with the data directory")
    );
    let secret = "0123456789abcdef0123456789abcdef";
    let meta = format!(
        "meta:\n  clusterer_url: \"{url}\"\n  jobserver_secrets: {{api: a{secret}, bot: b{secret}, cli: c{secret}}}\n"
    );
    std::fs::write(&config, meta).unwrap();
    assert!(
        ask()
            .await
            .contains("does not accept the secret of the client `cli`")
    );

    let mut watch = command(&platform, &["status", "--watch", "--json"]);
    watch.stdout(std::process::Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut lines = {
        use tokio::io::{AsyncBufReadExt, BufReader};
        BufReader::new(watch.stdout.take().unwrap()).lines()
    };
    let mut next = async || {
        let line = tokio::time::timeout(Duration::from_secs(90), lines.next_line());
        serde_json::from_str::<Value>(&line.await.unwrap().unwrap().unwrap()).unwrap()
    };
    assert_eq!(next().await["fully_up"], true);
    assert!(platform.stop().await.unwrap().is_empty());
    loop {
        let line = next().await;
        if let Some(error) = line["error"].as_str() {
            assert!(error.contains("clusterer unreachable"), "{line}");
            break;
        }
    }
    let pid = watch.id().unwrap();
    splashtail_e2e::platform::signal(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let end = tokio::time::timeout(Duration::from_secs(90), watch.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(end.code(), Some(DONE), "Ctrl-C is the normal end");
    assert!(ask().await.contains("no clusterer answers at"));
}
