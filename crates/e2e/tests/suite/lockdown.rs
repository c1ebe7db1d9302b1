//! Locks on a server through the real bot, on each other and with an edit meanwhile.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};

/// Far longer than a busy machine needs: what has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(200);
const SEND: u64 = 1 << 11;
const ADD_REACTIONS: u64 = 1 << 6;

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

/// As soon as the last one is long enough ago.
async fn say(platform: &Platform, user: &str, name: &str, options: Value) -> String {
    until(platform, name, async || {
        let answer = backups::command(platform, GUILD, user, name, options.clone()).await;
        let said = serde_json::to_string(&answer.unwrap().messages).unwrap();
        (!said.contains("Too fast")).then_some(said)
    })
    .await
}

/// Every channel's overwrites but the bot's own, in an order of their own.
async fn overwrites(platform: &Platform) -> Vec<(String, Vec<Value>)> {
    let path = format!("/guilds/{GUILD}/channels");
    let channels = platform
        .control
        .rest(OWNER, "GET", &path, Value::Null)
        .await
        .unwrap();
    let mut all: Vec<(String, Vec<Value>)> = channels
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| {
            let own = channel["permission_overwrites"].as_array().cloned();
            let mut own = own.unwrap_or_default();
            own.retain(|overwrite| overwrite["allow"] != "0" || overwrite["deny"] != "0");
            own.sort_by_key(|overwrite| overwrite["id"].to_string());
            (channel["id"].as_str().unwrap().to_owned(), own)
        })
        .collect();
    all.sort_by_key(|(id, _)| id.clone());
    all
}

async fn everyone(platform: &Platform, channel: &str) -> (u64, u64) {
    let all = overwrites(platform).await;
    let (_, own) = all.iter().find(|(id, _)| id == channel).unwrap();
    let own = own.iter().find(|overwrite| overwrite["id"] == GUILD);
    let bits = |side: &str| own.map_or(0, |own| own[side].as_str().unwrap().parse().unwrap());
    (bits("allow"), bits("deny"))
}

async fn stands(platform: &Platform, number: u32) {
    until(platform, "a lock stands", async || {
        let listed = say(platform, OWNER, "lockdown list", json!({})).await;
        listed.contains(&format!("**{number}**")).then_some(())?;
        let line = listed
            .split("\\n")
            .find(|line| line.contains(&format!("**{number}**")))?;
        line.contains(" stands ").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_stand_on_each_other_and_leave_the_server_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let before = overwrites(&platform).await;
    let refused = json!({"kind": 1, "reason": "x"});
    let refused = say(&platform, PLAIN_MEMBER, "lockdown lock", refused).await;
    assert!(refused.contains("ermission"), "{refused}");

    let channel = {
        let path = format!("/guilds/{GUILD}/channels");
        let channels = backups::discord(&platform, &path).await.unwrap();
        let channels = channels.as_array().unwrap();
        let text = channels
            .iter()
            .find(|channel| channel["type"] == 0)
            .unwrap();
        text["id"].as_str().unwrap().to_owned()
    };
    let one = json!({"kind": 2, "reason": "a quarrel", "channel": channel});
    say(&platform, ADMINISTRATOR, "lockdown lock", one).await;
    stands(&platform, 1).await;
    let (_, denied) = everyone(&platform, &channel).await;
    assert_eq!(denied & SEND, SEND);
    let all = json!({"kind": 1, "reason": "a raid"});
    say(&platform, ADMINISTRATOR, "lockdown lock", all).await;
    stands(&platform, 2).await;

    // Somebody denies something else meanwhile; that stays.
    let (allowed, denied) = everyone(&platform, &channel).await;
    let path = format!("/channels/{channel}/permissions/{GUILD}");
    let edit = json!({"type": 0, "allow": allowed.to_string(),
                      "deny": (denied | ADD_REACTIONS).to_string()});
    platform
        .control
        .rest(OWNER, "PUT", &path, edit)
        .await
        .unwrap();

    say(
        &platform,
        ADMINISTRATOR,
        "lockdown unlock",
        json!({"number": 1}),
    )
    .await;
    until(&platform, "the first is away", async || {
        let listed = say(&platform, OWNER, "lockdown list", json!({})).await;
        (!listed.contains("**1**")).then_some(())
    })
    .await;
    let (_, denied) = everyone(&platform, &channel).await;
    assert_eq!(denied & SEND, SEND, "the other one still stands");
    say(
        &platform,
        ADMINISTRATOR,
        "lockdown unlock",
        json!({"number": 2}),
    )
    .await;
    until(&platform, "both are away", async || {
        let listed = say(&platform, OWNER, "lockdown list", json!({})).await;
        listed.contains("Nothing is locked").then_some(())
    })
    .await;
    let (_, denied) = everyone(&platform, &channel).await;
    assert_eq!(denied & ADD_REACTIONS, ADD_REACTIONS, "the edit stays");
    let mut after = overwrites(&platform).await;
    let mut expected = before;
    // The edited one is compared above.
    for all in [&mut after, &mut expected] {
        all.retain(|(id, _)| *id != channel);
    }
    assert_eq!(after, expected);
    assert!(platform.stop().await.unwrap().is_empty());
}
