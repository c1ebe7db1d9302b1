//! The bot behind the gateway proxy: whoever of ours is started again, Discord does not notice.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use splashtail_e2e::attack::Ground;
use splashtail_e2e::drills::{Attack, Who, run_beside};
use splashtail_e2e::platform::{Engines, Platform, binary, signal};
use splashtail_sandbox::control::types::ActKind;
use splashtail_sandbox_world::seed::small;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(180);

/// Discord's sessions and how often each was resumed.
async fn sessions(platform: &Platform) -> BTreeMap<String, u32> {
    let sessions = platform.control.sessions().await.unwrap();
    let sessions = sessions.into_iter();
    sessions
        .map(|session| (session.session_id, session.resumes))
        .collect()
}

async fn splashtail(platform: &Platform, arguments: &[&str]) -> String {
    let output = Command::new(binary("splashtail"))
        .args(arguments)
        .arg("--config")
        .arg(platform.dir().join("config.yaml"))
        .arg("--data-dir")
        .arg(platform.dir().join("data"))
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {text}{complaint}\n{}",
        platform.logs()
    );
    text
}

/// The bot answers in every server.
async fn answers(platform: &Platform) {
    let owner = small::OWNER.to_string();
    for guild in small::GUILDS {
        let path = format!("/guilds/{guild}/channels");
        let channels = platform.control.rest(&owner, "GET", &path, Value::Null);
        let channels = channels.await.unwrap().body;
        let text = channels
            .as_array()
            .and_then(|channels| channels.iter().find(|channel| channel["type"] == 0));
        let ping = json!({
            "kind": "slash", "guild_id": guild.to_string(), "channel_id": text.unwrap()["id"], "name": "ping",
        });
        let ping = serde_json::from_value(ping).unwrap();
        let deadline = Instant::now() + LIMIT;
        loop {
            let shown = platform.control.interact(&owner, &ping).await;
            if shown.as_ref().is_ok_and(|shown| !shown.messages.is_empty()) {
                break;
            }
            let logs = platform.logs();
            assert!(Instant::now() < deadline, "{shown:?}\n{logs}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn proxy_pid(platform: &Platform, not: Option<u32>) -> u32 {
    let deadline = Instant::now() + LIMIT;
    loop {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            let of = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
            let config = platform.dir().join("data/run/config.yaml");
            let environment = String::from_utf8_lossy(&of("environ")).into_owned();
            let is_proxy = String::from_utf8_lossy(&of("cmdline")).contains("splashtail-proxy");
            if is_proxy && environment.contains(&*config.to_string_lossy()) && Some(pid) != not {
                return pid;
            }
        }
        assert!(Instant::now() < deadline, "{}", platform.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn discord_sees_neither_the_bot_nor_the_proxy_restart() {
    let enabled = "proxy:\n  enabled: true\n";
    let directory = TempDir::new().unwrap();
    let platform = Platform::start_with(directory, Engines::Embedded, enabled)
        .await
        .unwrap();
    let before = sessions(&platform).await;
    assert_eq!(before.len(), 4, "{before:?}");
    answers(&platform).await;
    let shown = splashtail(&platform, &["proxy", "status"]).await;
    assert_eq!(shown.matches("connected").count(), 4, "{shown}");

    // Answers went the same way, and so did what the bot asked of Discord before.
    let status = splashtail(&platform, &["proxy", "status", "--json"]).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    let rest = &status["data"]["rest"];
    assert!(rest["buckets"].as_u64() > Some(0), "{rest}");
    assert_eq!(rest["refused_in_ten_minutes"], 0, "{rest}");

    splashtail(&platform, &["clusters", "restart", "all"]).await;
    answers(&platform).await;
    assert_eq!(sessions(&platform).await, before, "the bot restarted alone");

    for (round, how) in [(1, Signal::SIGTERM), (2, Signal::SIGKILL)] {
        let old = proxy_pid(&platform, None).await;
        signal(old, how).unwrap();
        proxy_pid(&platform, Some(old)).await;
        let deadline = Instant::now() + LIMIT;
        let expected: BTreeMap<_, _> = before.keys().map(|id| (id.clone(), round)).collect();
        loop {
            let now = sessions(&platform).await;
            if now == expected {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{how}: {now:?}\n{}",
                platform.logs()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        answers(&platform).await;
    }
    assert_eq!(
        sessions(&platform).await.len(),
        4,
        "no session began anew:\n{}",
        platform.logs()
    );
    assert_eq!(platform.stop().await.unwrap(), Vec::<u32>::new());
}

/// Whoever attacks is stopped all the same with the proxy in between, and what stops them goes
/// through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_are_stopped_through_the_proxy() {
    let enabled = "proxy:\n  enabled: true\n";
    let directory = TempDir::new().unwrap();
    let platform = Platform::start_with(directory, Engines::Embedded, enabled)
        .await
        .unwrap();
    let ground = Ground::level(&platform).await.unwrap();
    let attack = |act: ActKind, size| Attack {
        who: Who::One,
        acts: vec![act],
        rate: 10.0,
        size,
        protected: true,
        judged: true,
    };
    // However late a busy machine is, the channel of the alerts, the last, stays.
    let attacks = vec![attack(ActKind::DeleteChannel, 20), attack(ActKind::Ban, 40)];
    for outcome in run_beside(&platform, &ground, attacks).await.unwrap() {
        let verdict = outcome.verdict.as_ref().unwrap();
        let logs = || platform.logs();
        assert!(
            verdict.holds(),
            "{verdict}\n{:?}\n{}",
            outcome.report,
            logs()
        );
    }
    let status = splashtail(&platform, &["proxy", "status", "--json"]).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    let rest = &status["data"]["rest"];
    assert_eq!(rest["refused_in_ten_minutes"], 0, "{rest}");
    assert!(platform.stop().await.unwrap().is_empty());
}
