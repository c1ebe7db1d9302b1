//! `clusters logs`: the action log in words, or the end of a cluster's own log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use splashtail_core::ids::ClusterId;

use super::connection::Connection;
use super::events;
use super::fleet::Fleet;
use super::terminal::{print, say};
use crate::commands::source::ConfigSource;

const PERIOD: Duration = Duration::from_secs(1);
/// Enough for any number of lines that a person reads.
const TAIL_BYTES: u64 = 1024 * 1024;

#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// Wait for what comes, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// How many of the newest entries or lines to begin with.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print the entries as JSON, one a line.
    #[arg(long)]
    json: bool,
    /// Show what this cluster's process wrote, instead of the action log; on its machine only.
    #[arg(long, value_name = "ID", conflicts_with_all = ["json", "follow"])]
    output: Option<ClusterId>,
    #[command(flatten)]
    source: ConfigSource,
}

/// # Errors
/// The clusterer cannot be reached, or there is no such file.
pub async fn run(args: LogsArgs) -> Result<ExitCode> {
    let connection = Connection::open(&args.source)?;
    if let Some(cluster) = args.output {
        let path = connection.logs.join(format!("bot-{cluster}.log"));
        print(&tail(&path, args.limit)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut log = connection
        .action_log()
        .await
        .map_err(|error| connection.explain(&error))?;
    // Names only make it nicer.
    let mut fleet = connection.fleet().await.ok();
    let first = log.len().saturating_sub(args.limit);
    if !print(&text(&log[first..], fleet.as_ref(), args.json)) || !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    let mut trouble = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = &mut stop => return Ok(ExitCode::SUCCESS),
        }
        match connection.action_log().await {
            Ok(newer) => {
                trouble = false;
                let fresh = news(&log, &newer);
                if !fresh.is_empty() {
                    fleet = connection.fleet().await.ok().or(fleet);
                    if !print(&text(fresh, fleet.as_ref(), args.json)) {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                log = newer;
            }
            Err(error) => {
                if !trouble {
                    say(&connection.trouble(&error));
                }
                trouble = true;
            }
        }
    }
}

/// The entries of `newer` that come after those of `older`. The log loses its oldest entries when
/// it grows too long, so positions mean nothing.
fn news<'a>(older: &[Value], newer: &'a [Value]) -> &'a [Value] {
    let Some(last) = older.last() else {
        return newer;
    };
    match newer.iter().rposition(|entry| entry == last) {
        Some(at) => &newer[at + 1..],
        // All of it is new, or the log was cleared.
        None => newer,
    }
}

fn text(entries: &[Value], fleet: Option<&Fleet>, json: bool) -> String {
    entries
        .iter()
        .map(|entry| match json {
            true => format!("{entry}\n"),
            false => format!("{}\n", events::line(entry, fleet)),
        })
        .collect()
}

/// The last lines of a file.
fn tail(path: &Path, limit: usize) -> Result<String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is no {}: look on the machine that runs the cluster, or name its --data-dir",
            path.display()
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(limit);
    Ok(lines[first..]
        .iter()
        .map(|line| format!("{line}\n"))
        .collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_new_is_printed() {
        let entries: Vec<_> = (0..5)
            .map(|ts| json!({"event": "rolling_restart", "ts": ts}))
            .collect();
        assert_eq!(news(&[], &entries[..2]), &entries[..2]);
        assert_eq!(news(&entries[..2], &entries[..2]), &entries[..0]);
        assert_eq!(news(&entries[..2], &entries), &entries[2..]);
        // The oldest were dropped.
        assert_eq!(news(&entries[..4], &entries[3..]), &entries[4..]);
        assert_eq!(news(&entries[..2], &entries[3..]), &entries[3..]);
        assert_eq!(news(&entries, &[]), &entries[..0]);
    }

    #[test]
    fn json_is_the_entry_and_text_is_words() {
        let entries = [json!({"event": "cluster_stopped", "id": 1, "ts": 0})];
        assert_eq!(
            text(&entries, None, true),
            "{\"event\":\"cluster_stopped\",\"id\":1,\"ts\":0}\n"
        );
        assert_eq!(
            text(&entries, None, false),
            "1970-01-01 00:00:00  cluster 1 was stopped\n"
        );
    }

    #[test]
    fn the_end_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bot-0.log");
        assert!(
            tail(&path, 5)
                .unwrap_err()
                .to_string()
                .contains("there is no")
        );
        std::fs::write(&path, "one\ntwo\nthree").unwrap();
        assert_eq!(tail(&path, 2).unwrap(), "two\nthree\n");
        assert_eq!(tail(&path, 9).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(tail(&path, 0).unwrap(), "");
    }
}
