//! Moderators do things to one person at a time, through the real bot; the server is looked at afterwards.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::NewUser;

/// Far longer than a busy machine needs: what has not come by then never does.
const PATIENCE: Duration = Duration::from_secs(180);
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

/// As soon as the last one is long enough ago.
async fn say(platform: &Platform, user: &str, name: &str, options: Value) -> String {
    until(platform, name, async || {
        let answer = backups::command(platform, GUILD, user, name, options.clone()).await;
        let said = serde_json::to_string(&answer.unwrap().messages).unwrap();
        (!said.contains("Too fast")).then_some(said)
    })
    .await
}

async fn stranger(platform: &Platform, name: &str) -> String {
    let user = NewUser {
        username: Some(name.to_owned()),
        ..NewUser::default()
    };
    let user = platform.control.create_user(&user).await.unwrap();
    user["id"].as_str().unwrap().to_owned()
}

async fn ban(platform: &Platform, user: &str) -> Option<Value> {
    let path = format!("/guilds/{GUILD}/bans/{user}");
    let ban = platform
        .control
        .rest(OWNER, "GET", &path, Value::Null)
        .await;
    let ban = ban.unwrap();
    (ban.status == 200).then_some(ban.body)
}

async fn member(platform: &Platform, user: &str) -> Option<Value> {
    let path = format!("/guilds/{GUILD}/members/{user}");
    let member = platform
        .control
        .rest(OWNER, "GET", &path, Value::Null)
        .await;
    let member = member.unwrap();
    (member.status == 200).then_some(member.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_sanctioned_by_case_and_a_ban_for_a_while_ends_once() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let (one, two) = (
        stranger(&platform, "one").await,
        stranger(&platform, "two").await,
    );
    let reason = "spam";

    let refused = json!({"user": one, "reason": reason});
    let refused = say(&platform, PLAIN_MEMBER, "ban", refused).await;
    assert!(refused.contains("ermission"), "{refused}");
    let refused = json!({"user": OWNER, "reason": reason});
    let refused = say(&platform, ADMINISTRATOR, "ban", refused).await;
    assert!(refused.contains("owner"), "{refused}");

    // Somebody who is not there can be banned. The first to end does so by itself, the second is
    // banned anew by somebody else meanwhile.
    for user in [&one, &two] {
        let options = json!({"user": user, "length": "60s", "reason": reason});
        let done = say(&platform, ADMINISTRATOR, "tempban", options).await;
        assert!(done.contains("banned for a while"), "{done}");
        let ban = ban(&platform, user).await.unwrap();
        let why = ban["reason"].as_str().unwrap();
        assert!(why.starts_with("[#") && why.contains(reason), "{why}");
    }
    let path = format!("/guilds/{GUILD}/bans/{two}");
    platform
        .control
        .rest(OWNER, "DELETE", &path, Value::Null)
        .await
        .unwrap();
    platform
        .control
        .rest(OWNER, "PUT", &path, json!({}))
        .await
        .unwrap();
    until(
        &platform,
        "what an owner does by hand is a case, too",
        async || {
            let listed = say(&platform, ADMINISTRATOR, "case list", json!({"user": two})).await;
            listed.contains("Ban lifted").then_some(())
        },
    )
    .await;

    // That one is not banned for a while by it.
    let options = json!({"user": two, "length": "60s", "reason": reason});
    let refused = say(&platform, ADMINISTRATOR, "tempban", options).await;
    assert!(refused.contains("Lift that ban first"), "{refused}");

    // Stings lead to a timeout, once.
    let rule = json!({"stings": "2", "action": 0, "duration": "1h"});
    say(&platform, OWNER, "punishments create", rule).await;
    let timeout = |stings: u32| json!({"user": PLAIN_MEMBER, "length": "1m", "reason": reason, "stings": stings});
    let first = say(&platform, ADMINISTRATOR, "timeout", timeout(1)).await;
    assert!(!first.contains("were reached"), "{first}");
    let second = say(&platform, ADMINISTRATOR, "timeout", timeout(1)).await;
    assert!(second.contains("2 stings were reached"), "{second}");
    let third = say(&platform, ADMINISTRATOR, "timeout", timeout(1)).await;
    assert!(!third.contains("were reached"), "{third}");
    assert!(third.contains("for longer"), "an hour stands: {third}");
    let held = member(&platform, PLAIN_MEMBER).await.unwrap();
    assert!(held["communication_disabled_until"].is_string(), "{held}");
    let listed = say(
        &platform,
        ADMINISTRATOR,
        "case list",
        json!({"user": PLAIN_MEMBER}),
    )
    .await;
    assert!(listed.contains("3 stings count now"), "{listed}");

    let kicked = json!({"user": PLAIN_MEMBER, "reason": reason});
    let kicked = say(&platform, ADMINISTRATOR, "kick", kicked).await;
    assert!(kicked.contains("is out"), "{kicked}");
    assert!(member(&platform, PLAIN_MEMBER).await.is_none());
    let gone = json!({"user": PLAIN_MEMBER, "length": "5w", "reason": reason});
    let gone = say(&platform, ADMINISTRATOR, "timeout", gone).await;
    assert!(gone.contains("28 days"), "{gone}");

    until(&platform, "the ban for a while ends", async || {
        ban(&platform, &one).await.is_none().then_some(())
    })
    .await;
    assert!(
        ban(&platform, &two).await.is_some(),
        "somebody else's ban stays"
    );
    let viewed = say(&platform, ADMINISTRATOR, "case list", json!({"user": one})).await;
    assert!(viewed.contains("Ban for a while"), "{viewed}");
    assert!(platform.stop().await.unwrap().is_empty());
}
