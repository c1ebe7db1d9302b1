//! Raids on a server, told in a dry run and answered when protection is on, through the real bot.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::{ActKind, DrillKind, DrillReport, NewDrill, RaidStyle};

/// Far longer than a busy machine needs: what has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(200);

async fn until<T>(platform: &Platform, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await;
    found.unwrap_or_else(|_| panic!("never came: {what}\n{}", platform.logs()))
}

async fn say(platform: &Platform, user: &str, name: &str, options: Value) -> String {
    let answer = backups::command(platform, GUILD, user, name, options).await;
    serde_json::to_string(&answer.unwrap().messages).unwrap()
}

async fn guild(platform: &Platform) -> Value {
    let path = format!("/guilds/{GUILD}");
    backups::discord(platform, &path).await.unwrap()
}

/// The newest message there whose title has this in it.
async fn card(platform: &Platform, channel: &str, title: &str) -> Value {
    let path = format!("/channels/{channel}/messages?limit=20");
    until(platform, title, async || {
        let messages = backups::discord(platform, &path).await.ok()?;
        let mut messages = messages.as_array()?.iter();
        let shows = |message: &&Value| {
            let shown = message["embeds"][0]["title"].as_str();
            shown.is_some_and(|shown| shown.contains(title))
        };
        messages.find(shows).cloned()
    })
    .await
}

/// A button of the card as it is now.
async fn label(platform: &Platform, channel: &str, begins: &str) -> (Value, String) {
    until(platform, begins, async || {
        let card = card(platform, channel, "Raid:").await;
        let buttons = card["components"][0]["components"].as_array()?.clone();
        let mut labels = buttons.iter().filter_map(|button| button["label"].as_str());
        let found = labels.find(|label| label.starts_with(begins))?.to_owned();
        Some((card, found))
    })
    .await
}

async fn raid(platform: &Platform, size: u32) -> u64 {
    let order = NewDrill {
        size: Some(size),
        rate: Some(5.0),
        style: Some(RaidStyle::Fresh),
        // Until everything was seen; the test ends it.
        watch_ms: Some(600_000),
        ..NewDrill::new(DrillKind::Raid, GUILD)
    };
    platform.control.start_drill(&order).await.unwrap().id
}

async fn report(platform: &Platform, id: u64) -> DrillReport {
    platform.control.drill(id, 100).await.unwrap()
}

fn is_attacker(report: &DrillReport, user: &str) -> bool {
    report.attackers.ids.iter().any(|id| id == user)
}

async fn banned(platform: &Platform) -> usize {
    let path = format!("/guilds/{GUILD}/bans?limit=1000");
    let bans = platform
        .control
        .rest(OWNER, "GET", &path, Value::Null)
        .await;
    bans.unwrap().body.as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raid_is_told_in_a_dry_run_and_ended_by_one_press_when_protection_is_on() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let staff = guild(&platform).await["public_updates_channel_id"].clone();
    let staff = staff.as_str().unwrap();
    let refused = say(&platform, PLAIN_MEMBER, "raid mode", json!({"mode": 2})).await;
    assert!(refused.contains("ermission"), "{refused}");
    let alerts = say(&platform, OWNER, "raid alerts", json!({"channel": staff})).await;
    assert!(alerts.contains("Alerts go to"), "{alerts}");

    let drill = raid(&platform, 30).await;
    card(&platform, staff, "Dry run · Raid").await;
    let dry = until(&platform, "all have come", async || {
        let report = report(&platform, drill).await;
        (report.attempted == report.planned).then_some(report)
    })
    .await;
    assert!(dry.defended.is_empty(), "{dry:#?}");
    let people = say(&platform, OWNER, "raid people", json!({})).await;
    // The list is cut to what one answer holds, so not everybody is in it.
    let named: BTreeSet<&str> = people
        .split("<@")
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(user, _)| user)
        .collect();
    assert!(named.len() >= 10, "{people}");
    let strangers = named.iter().find(|user| !is_attacker(&dry, user));
    assert_eq!(strangers, None, "{people}");
    assert!(
        people.contains("normally"),
        "the reasons are named: {people}"
    );
    platform.control.stop_drill(drill).await.unwrap();
    assert_eq!(banned(&platform).await, 0);

    let on = say(&platform, OWNER, "raid mode", json!({"mode": 2})).await;
    assert!(on.contains("On:"), "{on}");
    let before = guild(&platform).await["verification_level"].clone();
    let drill = raid(&platform, 60).await;
    let (shown, ban) = label(&platform, staff, "Ban ").await;
    until(&platform, "invites are paused", async || {
        let paused = &guild(&platform).await["incidents_data"]["invites_disabled_until"];
        paused.is_string().then_some(())
    })
    .await;
    assert_eq!(banned(&platform).await, 0, "nobody before somebody said so");
    let said = backups::press(&platform, GUILD, OWNER, &shown, &ban)
        .await
        .unwrap();
    let said = serde_json::to_string(&said.messages).unwrap();
    assert!(said.contains("being banned"), "{said}");
    // Whom the pause keeps out never writes, so not all that was planned is tried.
    until(&platform, "most raiders are gone", async || {
        let report = report(&platform, drill).await;
        let mut acts = report.acts.iter();
        let joins = acts.find(|of| of.act == ActKind::Join)?;
        let all_tried = joins.attempted == u64::from(report.settings.size);
        (all_tried && report.attackers.in_guild <= 5).then_some(())
    })
    .await;
    until(&platform, "raiders are banned", async || {
        (banned(&platform).await > 0).then_some(())
    })
    .await;

    let (shown, undo) = label(&platform, staff, "Undo").await;
    backups::press(&platform, GUILD, OWNER, &shown, &undo)
        .await
        .unwrap();
    until(&platform, "the bans are lifted", async || {
        (banned(&platform).await == 0).then_some(())
    })
    .await;
    until(&platform, "the door is open", async || {
        let guild = guild(&platform).await;
        let paused = &guild["incidents_data"]["invites_disabled_until"];
        (!paused.is_string() && guild["verification_level"] == before).then_some(())
    })
    .await;
    platform.control.stop_drill(drill).await.unwrap();
    assert!(platform.stop().await.unwrap().is_empty());
}
