//! The website in a real Chromium, on the running platform: first page, API browser, and the way
//! from the Download button through the consent page to the file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, Backup, GUILD};
use splashtail_e2e::platform::{Engines, Platform};
use tempfile::TempDir;

const PASSWORD: &str = "from the browser";

#[tokio::test]
#[ignore = "needs node, Chromium and the built website; `make test` provides them"]
async fn pages_work_and_the_download_button_leads_to_the_file() {
    let website = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../website");
    assert!(
        website.join("build/index.html").exists(),
        "build the website first: make website"
    );
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let options = json!({"messages": true, "password": PASSWORD});
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, options)
        .await
        .unwrap();
    let link = backups::finished(&platform, &backup).await.unwrap();

    let downloads = platform.dir().join("downloads");
    let mut browser = Command::new("node");
    browser
        .arg("tests/browser.mjs")
        .current_dir(&website)
        .env(
            "DASHBOARD_URL",
            platform.ready.dashboard.as_ref().unwrap().as_str(),
        )
        .env("EXPECT_CLUSTERS", "2")
        .env("DOWNLOAD_URL", link.as_str())
        .env("DOWNLOAD_USER", ADMINISTRATOR)
        .env("DOWNLOAD_DIR", &downloads);
    let output = tokio::task::spawn_blocking(move || browser.output())
        .await
        .unwrap()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        platform.logs()
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["clusters"], 2, "{report}");
    let path = report["download"]["path"].as_str().unwrap();
    let mut file = Backup::open(std::fs::read(path).unwrap(), Some(PASSWORD)).unwrap();
    assert_eq!(file.json("core/guild").unwrap()["id"], GUILD);
    assert!(platform.stop().await.unwrap().is_empty());
}
