//! When an attack begins the server is backed up, and the alert says where that is.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER};
use splashtail_e2e::platform::{Engines, Platform};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(240);
/// Within the rate limit of reading messages.
const POLL: Duration = Duration::from_millis(400);
const SAYS: &str = "Backup of the server from the beginning of this: `";

async fn until<T>(platform: &Platform, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "never came: {what}\n{}", platform.logs());
        tokio::time::sleep(POLL).await;
    }
}

async fn say(platform: &Platform, name: &str, options: Value) -> String {
    let answer = backups::command(platform, GUILD, OWNER, name, options).await;
    json!(answer.unwrap().messages).to_string()
}

/// By an administrator, until protection takes their roles.
async fn attack(platform: &Platform) {
    let roles = format!("/guilds/{GUILD}/roles");
    let body = json!({"name": "Spam", "permissions": "0"});
    let stopped = async || {
        let control = &platform.control;
        let made = control
            .rest(ADMINISTRATOR, "POST", &roles, body.clone())
            .await;
        (made.unwrap().status == 403).then_some(())
    };
    until(platform, "the end of the attack", stopped).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_begins_with_a_backup() {
    let dir = TempDir::new().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let guild = backups::discord(&platform, &format!("/guilds/{GUILD}")).await;
    let guild = guild.unwrap();
    let staff = guild["public_updates_channel_id"].as_str().unwrap();
    say(&platform, "protection alerts", json!({"channel": staff})).await;
    let every = json!({"backup_hours": 24});
    let set = say(&platform, "protection_policy update", every).await;
    assert!(set.contains("24"), "{set}");
    let on = say(&platform, "protection mode", json!({"mode": 2})).await;
    assert!(on.contains("Protection is on"), "{on}");
    attack(&platform).await;

    let path = format!("/channels/{staff}/messages?limit=20");
    let backup = until(&platform, "the alert with its backup", async || {
        let messages = backups::discord(&platform, &path).await.unwrap();
        let mut messages = messages.as_array().unwrap().iter();
        messages.find_map(|message| {
            let shown = message["embeds"][0]["description"].as_str()?;
            let (_, rest) = shown.split_once(SAYS)?;
            Some(rest.split('`').next()?.to_owned())
        })
    })
    .await;
    // It is whole, and the server can be put back from it.
    let plan = json!({"backup_id": backup, "dry_run": true});
    let shown = until(&platform, "a plan from the backup", async || {
        let name = "backups restore";
        let plan = backups::start(&platform, GUILD, OWNER, name, plan.clone()).await;
        // As long as the backup is being made, a refusal names it.
        let plan = plan.ok().filter(|plan| plan.job_id != backup)?;
        let path = format!("/channels/{}/messages/{}", plan.channel_id, plan.message_id);
        until(&platform, "the end of the plan", async || {
            let message = backups::discord(&platform, &path).await.unwrap();
            let text = message["embeds"][0]["description"].as_str()?.to_owned();
            let over = ["state: completed", "state: failed"];
            over.iter().any(|end| text.contains(end)).then_some(text)
        })
        .await
        .contains("state: completed")
        .then_some(())
    });
    shown.await;
    let list = say(&platform, "incidents list", json!({})).await;
    let line = list.split("\\n").find(|line| line.contains(ADMINISTRATOR));
    let incident = line.and_then(|line| line.split('`').nth(1));
    let incident = incident.unwrap_or_else(|| panic!("{list}"));
    let view = say(&platform, "incidents view", json!({"incident": incident})).await;
    assert!(view.contains(&backup), "{view}");
    let survivors = platform.stop().await.unwrap();
    assert!(survivors.is_empty(), "processes left behind: {survivors:?}");
}
