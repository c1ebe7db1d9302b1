//! Events of servers on their way through the running bot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{ADMINISTRATOR, GUILD, OWNER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::Act;
use splashtail_sandbox_world::faults::{Action, Match, Rule};
use tempfile::TempDir;

const BOT: &str = "1100000000000000001";
/// What a member may say at once in one channel.
const FLOOD: usize = 5;
const LIMIT: Duration = Duration::from_secs(120);

/// Sum of a counter's series whose labels contain `label`, on the cluster that has the server.
async fn counted(platform: &Platform, name: &str, label: &str) -> u64 {
    let url = platform.ready.iserver[&0].join("/metrics").unwrap();
    let page = reqwest::get(url).await.unwrap().text().await.unwrap();
    let series = page.lines().filter(|line| {
        let named = line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']));
        named && line.contains(label)
    });
    let values = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values.sum()
}

async fn channel(platform: &Platform) -> String {
    let sandbox = platform.ready.sandbox.as_ref().unwrap();
    let mut url = sandbox
        .control
        .join(&format!("/ctl/as/{OWNER}/guild"))
        .unwrap();
    url.query_pairs_mut().append_pair("guild_id", GUILD);
    let guild: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let channels = guild["channels"].as_array().unwrap();
    let text = channels
        .iter()
        .find(|channel| channel["type"] == 0)
        .unwrap();
    text["id"].as_str().unwrap().to_owned()
}

/// A role is created while every answer to a command hangs: the bot hears of it before any of the
/// commands has ended.
#[tokio::test]
async fn a_flood_of_commands_delays_no_security_event() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let answers_hang = Rule {
        matches: Match {
            method: Some("POST".to_owned()),
            route: Some("/channels/{channel_id}/messages".to_owned()),
            token: Some(BOT.to_owned()),
            ..Match::default()
        },
        action: Action::Hang {},
        times: None,
        probability: 1.0,
    };
    let general = channel(&platform).await;
    let heard = || counted(&platform, "bot_event_queue_seconds_count", "security");
    let before = heard().await;
    let flood = Act {
        channel_id: Some(general),
        body: json!({"content": "%help"}),
        times: Some(u32::try_from(FLOOD).unwrap()),
        ..Act::default()
    };
    platform.control.add_fault(&answers_hang).await.unwrap();
    let said = platform.control.act(OWNER, "say", &flood).await.unwrap();
    let heard_by_discord = said.results.iter().filter(|said| said.status == 200);
    assert_eq!(heard_by_discord.count(), FLOOD);
    let role = Act {
        guild_id: Some(GUILD.to_owned()),
        body: json!({"name": "Lamplighter"}),
        ..Act::default()
    };
    let made = platform
        .control
        .act(ADMINISTRATOR, "create_role", &role)
        .await
        .unwrap();
    assert_eq!(made.results[0].status, 200);

    let deadline = tokio::time::Instant::now() + LIMIT;
    while heard().await <= before {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in time\n{}",
            platform.logs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        counted(&platform, "bot_events_total", "GUILD_ROLE_CREATE").await,
        1
    );
    let ended = counted(&platform, "bot_commands_total", "outcome").await;
    assert_eq!(ended, 0, "of commands whose answers hang");
}
