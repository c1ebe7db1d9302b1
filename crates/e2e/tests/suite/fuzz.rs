//! The web API under a fuzzer that strangers wrote (Schemathesis): it makes requests from the OpenAPI
//! document, good ones and bad ones, and judges whatever comes back by the same document.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER};
use splashtail_e2e::platform::{Engines, Platform};
use tempfile::TempDir;
use tokio::process::Command;

/// The fuzzer bounds itself by numbers of cases, and takes about a minute; what exceeds this is a hang.
const LIMIT: Duration = Duration::from_secs(600);

/// What the owner of a server gets to see, so the fuzzer got behind the doors.
const ANSWERED: [&str; 14] = [
    "GET /guilds/{guild_id}/approvals",
    "GET /guilds/{guild_id}/events",
    "GET /guilds/{guild_id}/health",
    "GET /guilds/{guild_id}/incidents",
    "GET /guilds/{guild_id}/jobs/{job}",
    "GET /guilds/{guild_id}/jobs/{job}/log",
    "GET /guilds/{guild_id}/overview",
    "GET /guilds/{guild_id}/schedules",
    "GET /guilds/{guild_id}/settings/export",
    "GET /guilds/{guild_id}/settings/history",
    "GET /sessions",
    "GET /users/@me",
    "GET /users/@me/guilds/{guild_id}",
    "POST /guilds/{guild_id}/jobs/{job}/inspect",
];

/// Runs the fuzzer; where it reported every exchange.
async fn fuzz(platform: &Platform, token: &str, job: &str) -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/schemathesis");
    let packages = home.join("packages");
    assert!(packages.exists(), "install the clients first: make clients");
    let config = std::fs::read_to_string(home.join("schemathesis.toml")).unwrap();
    let config = config.replace("{guild}", GUILD).replace("{job}", job);
    let config_path = platform.dir().join("schemathesis.toml");
    std::fs::write(&config_path, config).unwrap();
    let report = platform.dir().join("exchanges.ndjson");
    let document = platform.ready.api.as_ref().unwrap();
    let document = document.join("openapi").unwrap();
    let mut command = Command::new("python3");
    command
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(&config_path)
        .args(["run", "--no-color", "--report=ndjson"])
        .arg("--report-ndjson-path")
        .arg(&report)
        .arg(document.as_str())
        .env("PYTHONPATH", &packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FUZZ_TOKEN", token)
        .current_dir(platform.dir())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(LIMIT, command.output()).await;
    let ended = ended.expect("the fuzzer hangs").unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success(),
        "{said}\n{complained}\n{}",
        platform.logs()
    );
    report
}

/// The operations that succeeded at least once.
fn succeeded(report: &Path) -> BTreeSet<String> {
    let mut succeeded = BTreeSet::new();
    for line in std::fs::read_to_string(report).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let recorder = &event["ScenarioFinished"]["recorder"];
        let (Some(label), Some(exchanges)) = (
            recorder["label"].as_str(),
            recorder["interactions"].as_object(),
        ) else {
            continue;
        };
        for (case, exchange) in exchanges {
            // Other methods are tried at the same address.
            let method = recorder["cases"][case]["value"]["method"].as_str();
            let is_own = method.is_some_and(|method| label.starts_with(&format!("{method} ")));
            let status = exchange["response"]["status_code"].as_u64();
            if is_own && status.is_some_and(|status| status < 300) {
                succeeded.insert(label.to_owned());
            }
        }
    }
    succeeded
}

#[tokio::test]
#[ignore = "needs the installed fuzzer; `make test` provides it"]
async fn whatever_is_asked_the_document_knows_the_answer() {
    let unlimited = [("web_disable_ratelimits", "true")];
    let dir = TempDir::new().unwrap();
    let platform = Platform::start_configured(dir, Engines::Embedded, &unlimited, "")
        .await
        .unwrap();
    let options = json!({"messages": true});
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, options)
        .await
        .unwrap();
    backups::finished(&platform, &backup).await.unwrap();
    let token = platform.token("--user", OWNER).unwrap();
    let report = fuzz(&platform, &token, &backup.job_id).await;
    let succeeded = succeeded(&report);
    for operation in ANSWERED {
        assert!(succeeded.contains(operation), "{operation}: {succeeded:?}");
    }
    platform.stop().await.unwrap();
}
