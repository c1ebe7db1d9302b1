//! `proxy`: how the proxy does, over its own port.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use serde_json::Value;
use splashtail_core::config::{Component, is_local, without_slash};

use super::source::ConfigSource;

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub struct ProxyArgs {
    #[command(subcommand)]
    command: ProxyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ProxyCommand {
    /// Show the shards at Discord, the clients and how far they are behind, and the calls that wait
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    source: ConfigSource,
    /// Print the proxy's answer as it is.
    #[arg(long)]
    json: bool,
}

/// # Errors
/// A sentence that says what to do: no proxy answers.
pub async fn run(args: ProxyArgs) -> Result<ExitCode> {
    let ProxyCommand::Status(args) = args.command;
    let loaded = args.source.load_or_embedded(Component::Cli)?;
    let config = args.source.in_force(loaded).config;
    let address = without_slash(&config.simple_gateway_proxy.url);
    let mut http = reqwest::Client::builder().timeout(TIMEOUT);
    if is_local(&config.simple_gateway_proxy.url) {
        http = http.no_proxy();
    }
    let http = http.build().context("cannot build an HTTP client")?;
    let unreachable = || {
        let hint = match config.proxy.enabled {
            true => "start it with `splashtail up` or `splashtail webserver`",
            false => "it is off, set `proxy.enabled`",
        };
        anyhow!("no gateway proxy answers at {address} (`simple_gateway_proxy.url`): {hint}")
    };
    let answer = http.get(format!("{address}/api/status")).send().await;
    let answer = answer.map_err(|_| unreachable())?;
    let answer: Value = answer.json().await.map_err(|_| unreachable())?;
    let text = match args.json {
        true => format!("{answer}\n"),
        false => table(&serde_json::from_value(answer).context("the proxy's answer is not known")?),
    };
    // Whoever stopped reading wants no more.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    managers: Vec<Manager>,
    clients: u64,
    backlog_bytes: u64,
    session_starts_remaining: Option<u64>,
    rest: Option<Rest>,
}

/// Calls to Discord.
#[derive(Debug, Deserialize)]
struct Rest {
    tokens: u64,
    waiting: u64,
    in_flight: u64,
    buckets: u64,
    left_in_second: u64,
    per_second: u64,
    refused_in_ten_minutes: u64,
}

#[derive(Debug, Deserialize)]
struct Manager {
    shard_groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    /// Id, state, latency in ms, servers, seconds connected, seconds in all.
    shards: Vec<(u16, u8, i64, u64, u64, u64)>,
}

fn table(answer: &Answer) -> String {
    let data = &answer.data;
    let mut text = String::from("SHARD  STATE       SERVERS\n");
    let groups = data
        .managers
        .iter()
        .flat_map(|manager| &manager.shard_groups);
    for (id, state, _, servers, ..) in groups.flat_map(|group| &group.shards) {
        text.push_str(&format!("{id:<5}  {:<10}  {servers}\n", word(*state)));
    }
    let starts = data
        .session_starts_remaining
        .map_or_else(|| "unknown".to_owned(), |left| left.to_string());
    text.push_str(&format!(
        "\n{} clients, {} KiB behind; {starts} session starts left today\n",
        data.clients,
        data.backlog_bytes >> 10
    ));
    if let Some(rest) = &data.rest {
        text.push_str(&format!(
            "{} calls wait, {} under way, {} tokens with {} buckets; {} of {} left in this second; \
             {} of 10000 refused in ten minutes\n",
            rest.waiting,
            rest.in_flight,
            rest.tokens,
            rest.buckets,
            rest.left_in_second,
            rest.per_second,
            rest.refused_in_ten_minutes
        ));
    }
    text
}

/// The original's numbers.
fn word(state: u8) -> &'static str {
    match state {
        0 => "idle",
        1 => "connecting",
        2 => "connected",
        3 | 4 => "closing",
        5 => "closed",
        _ => "refused",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_names_every_shard() {
        let answer = json!({"ok": true, "data": {
            "uptime": 7, "clients": 3, "backlog_bytes": 4096, "session_starts_remaining": 990,
            "rest": {"tokens": 2, "waiting": 5, "in_flight": 1, "buckets": 40, "left_in_second": 49,
                "per_second": 50, "refused_in_ten_minutes": 3},
            "managers": [{"display_name": "x", "shard_groups": [{"id": 0, "status": 2, "uptime": 7,
                "shards": [[0, 2, 0, 12, 7, 7], [1, 6, 0, 0, 0, 0]]}]}],
        }});
        let text = table(&serde_json::from_value(answer).unwrap());
        assert_eq!(
            text,
            "SHARD  STATE       SERVERS\n\
             0      connected   12\n\
             1      refused     0\n\
             \n3 clients, 4 KiB behind; 990 session starts left today\n\
             5 calls wait, 1 under way, 2 tokens with 40 buckets; 49 of 50 left in this second; \
             3 of 10000 refused in ten minutes\n"
        );
    }
}
