//! The website in a real Chromium, on the running platform: first page, API browser, the way from
//! the Download button through the consent page to the file, a server's pages as its owner uses them, and the
//! operators' page.

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use splashtail_core::config::{Component, Config, LoadOptions};
use splashtail_e2e::attack;
use splashtail_e2e::backups::{self, ADMINISTRATOR, Backup, GUILD, OWNER};
use splashtail_e2e::browser;
use splashtail_e2e::platform::{Engines, OPERATOR, Platform, is_alive};
use tempfile::TempDir;

const PASSWORD: &str = "from the browser";

/// Runs a script of the website's tests against the platform and returns what it reports.
async fn drive(platform: &Platform, script: &str, variables: &[(&str, &str)]) -> Value {
    assert!(
        browser::website().join("build/index.html").exists(),
        "build the website first: make website"
    );
    let dashboard = platform.ready.dashboard.as_ref().unwrap();
    let all = [&[("DASHBOARD_URL", dashboard.as_str())][..], variables].concat();
    browser::run(platform, script, &all).await.unwrap()
}

#[tokio::test]
#[ignore = "needs node, Chromium and the built website; `make test` provides them"]
async fn pages_work_and_the_download_button_leads_to_the_file() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let options = json!({"messages": true, "password": PASSWORD});
    let backup = backups::create(&platform, GUILD, ADMINISTRATOR, options)
        .await
        .unwrap();
    let link = backups::finished(&platform, &backup).await.unwrap();

    let token = platform.token("--server", GUILD).unwrap();
    let downloads = platform.dir().join("downloads");
    let variables = [
        ("SERVER_ID", GUILD),
        ("SERVER_TOKEN", token.as_str()),
        ("EXPECT_CLUSTERS", "2"),
        ("DOWNLOAD_URL", link.as_str()),
        ("DOWNLOAD_USER", ADMINISTRATOR),
        ("SIGN_IN_AS", ADMINISTRATOR),
        ("DOWNLOAD_DIR", downloads.to_str().unwrap()),
    ];
    let report = drive(&platform, "browser.mjs", &variables).await;
    assert_eq!(report["clusters"], 2, "{report}");
    let path = report["download"]["path"].as_str().unwrap();
    let mut file = Backup::open(std::fs::read(path).unwrap(), Some(PASSWORD)).unwrap();
    assert_eq!(file.json("core/guild").unwrap()["id"], GUILD);
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs node, Chromium and the built website; `make test` provides them"]
async fn an_owner_looks_after_a_server_in_its_pages() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let sandbox = platform.ready.sandbox.as_ref().unwrap();
    let control = sandbox.control.as_str();
    let variables = [
        ("CONTROL_URL", control),
        ("SERVER_ID", GUILD),
        ("OWNER", OWNER),
    ];
    let report = drive(&platform, "server.mjs", &variables).await;
    assert_eq!(report["steps"], 10, "{report}");
    let incidents = attack::incidents(&platform, GUILD).await.unwrap();
    assert!(
        incidents
            .iter()
            .any(|incident| incident["id"] == report["incident"]),
        "the incident on the page is one of the server: {report} {incidents:?}"
    );
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test]
#[ignore = "needs node, Chromium and the built website; `make test` provides them"]
async fn every_page_is_accessible_in_every_state_and_theme_and_holds_every_language() {
    let report = browser::run_alone("accessibility.mjs", &[]).await.unwrap();
    assert_eq!(
        (&report["states"], &report["languages"]),
        (&json!(83), &json!(5)),
        "{report}"
    );
}

#[tokio::test]
#[ignore = "needs node, Chromium and the built website; `make test` provides them"]
async fn an_operator_restarts_a_cluster_in_the_page() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let effective = Config::load(&LoadOptions {
        path: Some(platform.dir().join("data/run/config.yaml")),
        component: Component::Cli,
        ..LoadOptions::default()
    });
    let secret = effective.unwrap().config.meta.dp_secret.unwrap();
    let variables = [("DP_SECRET", secret.expose_secret()), ("DP_USER", OPERATOR)];
    let report = drive(&platform, "operators.mjs", &variables).await;
    assert_eq!(
        (&report["clusters"], &report["shards"]),
        (&json!(2), &json!(2)),
        "{report}"
    );
    let pids = &platform.ready.pids.bot;
    assert!(!is_alive(pids[&0]), "cluster 0 has a new process: {report}");
    assert!(is_alive(pids[&1]), "cluster 1 was left alone");
    assert!(platform.stop().await.unwrap().is_empty());
}
