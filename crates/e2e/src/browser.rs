//! The browser scripts of the website, on a running platform.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::platform::Platform;

#[must_use]
pub fn website() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../website")
}

/// Runs a script of `website/tests` against the platform; the JSON it prints.
///
/// # Errors
/// It fails, with what it says and the platform's logs.
pub async fn run(platform: &Platform, script: &str, variables: &[(&str, &str)]) -> Result<Value> {
    let report = run_alone(script, variables).await;
    report.with_context(|| platform.logs())
}

/// Runs a script of `website/tests` with these variables; the JSON it prints.
///
/// # Errors
/// It fails, with what it says.
pub async fn run_alone(script: &str, variables: &[(&str, &str)]) -> Result<Value> {
    let mut browser = Command::new("node");
    browser
        .arg(format!("tests/{script}"))
        .current_dir(website())
        .envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || browser.output()).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).with_context(|| text(&output.stdout))
}
