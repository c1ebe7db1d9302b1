//! Protection against a nuke, in a dry run and switched on, through the real bot.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::{ActKind, DrillKind, DrillReport, DrillState, NewDrill};
use splashtail_sandbox_world::journal::{Entry, Record};

/// Far longer than a busy machine needs: what has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(120);

async fn in_time(what: &str, waiting: impl Future<Output = ()>) {
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("never came: {what}"));
}

async fn say(platform: &Platform, guild: &str, user: &str, name: &str, options: Value) -> String {
    let answer = backups::command(platform, guild, user, name, options).await;
    let answer = answer.unwrap();
    serde_json::to_string(&answer.messages).unwrap()
}

async fn nuke(platform: &Platform, guild: &str) -> u64 {
    let order = NewDrill {
        size: Some(24),
        rate: Some(8.0),
        // Until everything was seen; the test ends it.
        watch_ms: Some(600_000),
        ..NewDrill::new(DrillKind::Nuke, guild)
    };
    platform.control.start_drill(&order).await.unwrap().id
}

/// The drill once all acts were tried and it is as wanted.
async fn until(platform: &Platform, id: u64, wanted: fn(&DrillReport) -> bool) -> DrillReport {
    loop {
        let report = platform.control.drill(id, 100).await.unwrap();
        if report.attempted == report.planned && wanted(&report) {
            return report;
        }
        assert_ne!(report.state, DrillState::Finished, "{report:#?}");
    }
}

/// The line of the list that tells of this attacker, once it says what is wanted: incidents are
/// written down behind the decision.
async fn listed(platform: &Platform, guild: &str, attacker: &str, wanted: &str) {
    let waiting = async {
        loop {
            let said = say(platform, guild, OWNER, "incidents list", json!({})).await;
            let mut lines = said.split("\\n");
            if lines.any(|line| line.contains(attacker) && line.contains(wanted)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time(wanted, waiting).await;
}

/// What an attacker's webhooks, roles and moves did stands in one line with the attacker, and no line
/// tells of nobody and nothing.
async fn one_attack_is_one_incident(platform: &Platform, guild: &str) {
    let said = say(platform, guild, OWNER, "incidents list", json!({})).await;
    assert!(!said.contains(": 0 acts"), "{said}");
    assert!(!said.contains("nobody known"), "{said}");
}

async fn alerted(platform: &Platform, channel: &str, attacker: &str, wanted: &str) {
    let path = format!("/channels/{channel}/messages");
    let waiting = async {
        loop {
            let messages = backups::discord(platform, &path).await.unwrap();
            let tells = |message: &Value| {
                let embed = &message["embeds"][0];
                let (title, text) = (embed["title"].as_str(), embed["description"].as_str());
                title.is_some_and(|title| title.starts_with(wanted))
                    && text.is_some_and(|text| text.contains(attacker))
            };
            if messages.as_array().unwrap().iter().any(tells) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time(wanted, waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attacker_is_seen_in_a_dry_run_and_stopped_when_protection_is_on() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();

    // Choices are numbered. A rogue administrator cannot weaken protection.
    let off = json!({"mode": 0});
    let refused = say(&platform, GUILD, ADMINISTRATOR, "protection mode", off).await;
    assert!(refused.contains("Only the owner"), "{refused}");
    // A server with a community cannot lose this channel.
    let guild = backups::discord(&platform, &format!("/guilds/{GUILD}")).await;
    let guild = guild.unwrap();
    let staff = guild["public_updates_channel_id"].as_str().unwrap();
    let alerts = json!({"channel": staff});
    let there = say(&platform, GUILD, OWNER, "protection alerts", alerts).await;
    assert!(there.contains("Alerts go to"), "{there}");

    let drill = nuke(&platform, GUILD).await;
    let dry = until(&platform, drill, |_| true).await;
    let attacker = dry.attackers.ids[0].clone();
    listed(&platform, GUILD, &attacker, "would have been stopped").await;
    alerted(&platform, staff, &attacker, "Would have been stopped").await;
    one_attack_is_one_incident(&platform, GUILD).await;
    let dry = platform.control.stop_drill(drill).await.unwrap();
    assert_eq!(dry.times.first_defence_ms, None, "{dry:#?}");
    assert!(dry.defended.is_empty(), "{dry:#?}");
    assert_eq!(dry.attackers.active, 1, "{dry:#?}");

    let on = say(
        &platform,
        GUILD,
        OWNER,
        "protection mode",
        json!({"mode": 2}),
    )
    .await;
    assert!(on.contains("Protection is on"), "{on}");

    let stopped = stopped(&platform, GUILD).await;
    alerted(&platform, staff, &stopped.attackers.ids[0], "Stopped").await;
    assert!(stopped.succeeded < dry.succeeded, "{stopped:#?}");
    assert!(platform.stop().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attacker_whom_nobody_knew_is_stopped_at_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let on = say(
        &platform,
        GUILD,
        OWNER,
        "protection mode",
        json!({"mode": 2}),
    )
    .await;
    assert!(on.contains("Protection is on"), "{on}");
    let stopped = stopped(&platform, GUILD).await;
    assert!(stopped.succeeded < stopped.planned, "{stopped:#?}");
    assert!(platform.stop().await.unwrap().is_empty());
}

/// Nukes a server with protection on. The report ends when the attacker was stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bot_leaves_a_server_in_which_its_token_is_abused_where_the_owner_wants_it() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let leave = json!({"own_token": 1});
    let set = say(&platform, GUILD, OWNER, "protection_policy update", leave).await;
    assert!(set.contains("leave"), "{set}");
    let on = json!({"mode": 2});
    let said = say(&platform, GUILD, OWNER, "protection mode", on).await;
    assert!(said.contains("Protection is on"), "{said}");
    let order = NewDrill {
        size: Some(1),
        own_token: true,
        acts: vec![ActKind::CreateChannel],
        watch_ms: Some(600_000),
        ..NewDrill::new(DrillKind::TokenLeak, GUILD)
    };
    let drill = platform.control.start_drill(&order).await.unwrap().id;
    let gone = async {
        loop {
            let report = platform.control.drill(drill, 100).await.unwrap();
            if report.attackers.in_guild == 0 {
                return;
            }
        }
    };
    in_time("the bot is out", gone).await;
    platform.control.stop_drill(drill).await.unwrap();
    let told = platform.control.journal(0).await.unwrap();
    let dm = |entry: &Entry| match &entry.record {
        Record::Request { method, path, .. } => method == "POST" && path.ends_with("@me/channels"),
        _ => false,
    };
    assert!(told.iter().any(dm), "the owner is told");
    assert!(platform.stop().await.unwrap().is_empty());
}

async fn stopped(platform: &Platform, guild: &str) -> DrillReport {
    let drill = nuke(platform, guild).await;
    let contained = |report: &DrillReport| report.attackers.active == 0;
    let report = until(platform, drill, contained).await;
    let attacker = &report.attackers.ids[0];
    listed(platform, guild, attacker, ", stopped").await;
    let member = format!("/guilds/{guild}/members/{attacker}");
    let member = backups::discord(platform, &member).await.unwrap();
    assert_eq!(member["roles"], json!([]), "their roles are off");
    let report = platform.control.stop_drill(drill).await.unwrap();
    assert!(report.times.first_defence_ms.is_some(), "{report:#?}");
    report
}
