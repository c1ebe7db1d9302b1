//! `proxy`: how the proxy does, over its own port.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use splashtail_api_types::proxy::{ProxyPage, ProxyReport, ProxyShardState};
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
        false => {
            let page: ProxyPage = serde_json::from_value(answer).with_context(|| {
                format!(
                    "{address} (`simple_gateway_proxy.url`) is no gateway proxy of this version"
                )
            })?;
            table(&ProxyReport::from(page))
        }
    };
    // Whoever stopped reading wants no more.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn table(report: &ProxyReport) -> String {
    let mut text = String::from("SHARD  STATE       SERVERS  LATENCY  CONNECTED\n");
    for shard in &report.shards {
        let latency = shard.latency_ms.map(|latency| format!("{latency} ms"));
        let connected = shard.connected_for.map(|seconds| format!("{seconds} s"));
        text.push_str(&format!(
            "{:<5}  {:<10}  {:<7}  {:<7}  {}\n",
            shard.id,
            word(shard.state),
            shard.guilds,
            latency.as_deref().unwrap_or("-"),
            connected.as_deref().unwrap_or("-"),
        ));
    }
    if report.shards.is_empty() {
        text.push_str("Discord has not said yet where its gateway is\n");
    }
    if report.resharding {
        text.push_str("another number of shards is on its way\n");
    }
    let starts = report
        .session_starts_remaining
        .map_or_else(|| "unknown".to_owned(), |left| left.to_string());
    text.push_str(&format!(
        "\n{} clients, {} of them away, {} KiB behind; {starts} session starts left today\n",
        report.clients,
        report.clients_away,
        report.backlog_bytes >> 10
    ));
    if let Some(calls) = &report.calls {
        text.push_str(&format!(
            "{} calls wait, {} under way, {} tokens with {} buckets; {} of {} left in this second; \
             {} of 10000 refused in ten minutes\n",
            calls.waiting,
            calls.in_flight,
            calls.tokens,
            calls.buckets,
            calls.left_in_second,
            calls.per_second,
            calls.refused_in_ten_minutes
        ));
    }
    text
}

fn word(state: ProxyShardState) -> &'static str {
    match state {
        ProxyShardState::Connecting => "connecting",
        ProxyShardState::Connected => "connected",
        ProxyShardState::Refused => "refused",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(page: Value) -> String {
        let page: ProxyPage = serde_json::from_value(page).unwrap();
        table(&ProxyReport::from(page))
    }

    #[test]
    fn the_table_names_every_shard() {
        let text = shown(json!({"ok": true, "data": {
            "uptime": 7, "resharding": true, "clients": 3, "clients_away": 1,
            "backlog_bytes": 4096, "session_starts_remaining": 990,
            "rest": {"tokens": 2, "waiting": 5, "in_flight": 1, "buckets": 40, "left_in_second": 49,
                "per_second": 50, "refused_in_ten_minutes": 3},
            "managers": [{"display_name": "x", "shard_groups": [{"id": 0, "status": 2, "uptime": 7,
                "shards": [[0, 2, 41, 12, 7, 7], [1, 6, 0, 0, 0, 0]]}]}],
        }}));
        assert_eq!(
            text,
            "SHARD  STATE       SERVERS  LATENCY  CONNECTED\n\
             0      connected   12       41 ms    7 s\n\
             1      refused     0        -        -\n\
             another number of shards is on its way\n\
             \n3 clients, 1 of them away, 4 KiB behind; 990 session starts left today\n\
             5 calls wait, 1 under way, 2 tokens with 40 buckets; 49 of 50 left in this second; \
             3 of 10000 refused in ten minutes\n"
        );
    }

    #[test]
    fn before_discord_answered_there_is_nothing_to_list() {
        let text = shown(json!({"ok": true, "data": {
            "uptime": 1, "resharding": false, "clients": 0, "clients_away": 0, "backlog_bytes": 0,
            "session_starts_remaining": null, "rest": null, "managers": [],
        }}));
        assert!(text.contains("Discord has not said yet"), "{text}");
        assert!(text.contains("unknown session starts left"), "{text}");
    }
}
