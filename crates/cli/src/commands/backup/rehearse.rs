//! `backup rehearse`: a restore for practice. A simulated Discord with one empty server is started in
//! this process, and the very job that would restore the file at Discord restores it there.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use splashtail_core::clock::{Clock as _, SystemClock};
use splashtail_core::password;
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::{blank, small};
use tokio::process::Command;

use super::BackupFile;
use super::open::open_with_password;
use crate::supervisor::sibling;

/// Parts of a backup that are put back when messages are not.
const WITHOUT_MESSAGES: &str =
    "settings,roles,channels,overwrites,emojis,stickers,sounds,automod,events";
/// Kinds of things that are said before the rest is counted.
const SHOWN: usize = 40;

/// Exit codes: 0 everything would be there again, 1 the restore failed, 5 something would be missing.
const MISSING: u8 = 5;

pub async fn rehearse(
    file: &BackupFile,
    messages: bool,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    // A wrong password or a damaged file is said before anything is started.
    let (archive, password) = open_with_password(file)?;
    drop(archive);
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let clock = Arc::new(SandboxClock::new(SystemClock.now()));
    let sandbox = start("blank", 1, clock, Settings::default(), false).await;
    let sandbox = sandbox.context("the simulated Discord did not start")?;
    let restored = restore(file, password, messages, directory.path(), &sandbox).await;
    sandbox.stop().await;
    let report = restored?;
    let Some(report) = report else {
        return Ok(ExitCode::FAILURE);
    };
    let missing = show(&report, as_json)?;
    Ok(if missing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(MISSING)
    })
}

/// The job's report; `None` when it failed, which it has said itself.
async fn restore(
    file: &BackupFile,
    password: Option<String>,
    messages: bool,
    directory: &Path,
    sandbox: &Running,
) -> anyhow::Result<Option<Value>> {
    let program = sibling("splashtail-jobserver")?;
    let token = directory.join("token");
    std::fs::write(&token, small::bot_token()).context("cannot write a temporary file")?;
    let output: PathBuf = directory.join("report.json");
    let mut job = Command::new(&program);
    job.args(["localjobs", "run", "guild_restore_backup", "--yes"])
        .arg("--data-dir")
        .arg(directory.join("jobs"))
        .args(["--server", &blank::GUILD.to_string()])
        .arg("--source")
        .arg(&file.file)
        .arg("--token-file")
        .arg(&token)
        .args(["--api", sandbox.rest.as_str(), "--cdn", sandbox.rest.as_str()])
        .arg("--output")
        .arg(&output)
        .stdin(Stdio::null())
        // The answer is ours; how far it is stays visible.
        .stdout(Stdio::null())
        .kill_on_drop(true);
    if !messages {
        job.args(["-F", &format!("Parts={WITHOUT_MESSAGES}")]);
    }
    match password {
        Some(password) => job.env(password::VARIABLE, password),
        None => job.env_remove(password::VARIABLE),
    };
    let status = job.status().await;
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        return Ok(None);
    }
    let text = std::fs::read(&output).context("the restore left no report")?;
    let report: Value = serde_json::from_slice(&text).context("the report is not readable")?;
    if report["kind"] != "restore_report" {
        bail!("the restore left something else than a report");
    }
    Ok(Some(report))
}

/// Says what would be missing; how many things that are.
fn show(report: &Value, as_json: bool) -> anyhow::Result<usize> {
    let lines: Vec<&str> = report["lines"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut out = std::io::stdout().lock();
    if as_json {
        let whole = json!({"complete": lines.is_empty(), "changes": report["effects"],
                           "made": report["done"], "counts": report["counts"],
                           "messages": report["messages"],
                           "missing": report["not_restored"]});
        writeln!(out, "{whole}")?;
        return Ok(lines.len());
    }
    let (made, changes) = (&report["done"], &report["effects"]);
    writeln!(
        out,
        "{made} of {changes} changes were made in an empty server."
    )?;
    if lines.is_empty() {
        writeln!(out, "Nothing would be missing.")?;
    } else {
        writeln!(out, "{} things would be missing:", lines.len())?;
        for line in lines.iter().take(SHOWN) {
            writeln!(out, "  {line}")?;
        }
        if lines.len() > SHOWN {
            writeln!(out, "  and {} more; --json has all", lines.len() - SHOWN)?;
        }
    }
    Ok(lines.len())
}
