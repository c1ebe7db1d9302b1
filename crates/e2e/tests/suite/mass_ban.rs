//! Many people are banned by one command, and that is taken back.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD, OWNER, PLAIN_MEMBER};
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_sandbox::control::types::{Interacted, NewUser};

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

/// As soon as the last one is long enough ago.
async fn command(platform: &Platform, user: &str, name: &str, options: Value) -> Interacted {
    until(platform, name, async || {
        let answer = backups::command(platform, GUILD, user, name, options.clone()).await;
        let answer = answer.unwrap();
        (!said(&answer).contains("Too fast")).then_some(answer)
    })
    .await
}

fn said(seen: &Interacted) -> String {
    serde_json::to_string(&seen.messages).unwrap()
}

async fn say(platform: &Platform, user: &str, name: &str, options: Value) -> String {
    said(&command(platform, user, name, options).await)
}

async fn strangers(platform: &Platform, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for n in 0..count {
        let user = NewUser {
            username: Some(format!("raider{n}")),
            ..NewUser::default()
        };
        let user = platform.control.create_user(&user).await.unwrap();
        ids.push(user["id"].as_str().unwrap().to_owned());
    }
    ids
}

async fn banned(platform: &Platform, users: &[String]) -> usize {
    let path = format!("/guilds/{GUILD}/bans?limit=1000");
    let bans = platform
        .control
        .rest(OWNER, "GET", &path, Value::Null)
        .await;
    let bans = bans.unwrap();
    let list = bans.body.as_array().unwrap().iter();
    let named = list.filter(|ban| users.iter().any(|user| ban["user"]["id"] == *user));
    named.count()
}

/// The newest message with a title like this.
async fn titled(platform: &Platform, channel: &str, title: &str) -> Value {
    let path = format!("/channels/{channel}/messages?limit=50");
    until(platform, title, async || {
        let messages = backups::discord(platform, &path).await.ok()?;
        let mut messages = messages.as_array()?.iter();
        let shows = |message: &&Value| {
            let shown = message["embeds"][0]["title"].as_str();
            shown.is_some_and(|shown| shown.starts_with(title))
        };
        messages.find(shows).cloned()
    })
    .await
}

/// Says the command: where it was said.
async fn mass_ban(platform: &Platform, user: &str, users: String) -> String {
    let options = json!({"users": users, "reason": "a raid", "delete_days": 1});
    let answer = command(platform, user, "massban", options).await;
    let channel = answer
        .messages
        .first()
        .map(|message| &message["channel_id"]);
    let channel = channel.and_then(Value::as_str);
    channel.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn take_back(platform: &Platform, begun: &str, users: &[String]) {
    let (_, task) = begun.split_once("massunban ban:").unwrap();
    let undo = json!({"ban": &task[..36]});
    let undone = command(platform, ADMINISTRATOR, "massunban", undo).await;
    assert!(!said(&undone).contains("not the id"), "{undone:?}");
    let channel = undone.messages[0]["channel_id"].as_str().unwrap();
    let plan = titled(platform, channel, "Lift a mass ban").await;
    assert!(plan.to_string().contains("60 bans"), "{plan}");
    assert_eq!(banned(platform, users).await, users.len(), "nobody so far");
    let asked = backups::press(platform, GUILD, ADMINISTRATOR, &plan, "Free 60").await;
    let asked = asked.unwrap().modal.unwrap();
    let form = (channel, &asked);
    let typed = backups::fill(
        platform,
        GUILD,
        ADMINISTRATOR,
        form,
        json!({"number": "60"}),
    )
    .await;
    let lifting = said(&typed.unwrap());
    assert!(lifting.contains("being lifted"), "{lifting}");
    until(platform, "the bans are lifted", async || {
        (banned(platform, users).await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_banned_when_it_was_confirmed_and_freed_again() {
    let dir = tempfile::tempdir().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    until(&platform, "the server is known", async || {
        let status = say(&platform, OWNER, "guarded status", json!({})).await;
        (!status.contains("getting to know")).then_some(())
    })
    .await;
    let raiders = strangers(&platform, 60).await;
    let nobody = json!({"users": "everybody!"});
    let refused = say(&platform, ADMINISTRATOR, "massban", nobody).await;
    assert!(refused.contains("Name whom to ban"), "{refused}");
    let refused = say(
        &platform,
        PLAIN_MEMBER,
        "massban",
        json!({"users": raiders[0]}),
    )
    .await;
    assert!(refused.contains("ermission"), "{refused}");

    let mut pasted: Vec<String> = raiders.iter().map(|id| format!("<@{id}>")).collect();
    pasted.extend([OWNER.to_owned(), "Mara".to_owned()]);
    let channel = mass_ban(&platform, ADMINISTRATOR, pasted.join(" ")).await;
    let plan = titled(&platform, &channel, "Mass ban").await;
    let shown = plan["embeds"][0]["description"].as_str().unwrap();
    assert!(shown.contains("**60 people** would be banned"), "{shown}");
    assert!(shown.contains(&format!("the owner: <@{OWNER}>")), "{shown}");
    assert!(shown.contains("`Mara`"), "{shown}");
    assert!(shown.contains("Reason: a raid"), "{shown}");
    assert!(shown.contains("last day are deleted"), "{shown}");
    assert!(shown.contains("and 40 more"), "{shown}");
    assert_eq!(plan["attachments"][0]["filename"], "people.txt", "{plan}");
    assert_eq!(banned(&platform, &raiders).await, 0);

    let press = |user| backups::press(&platform, GUILD, user, &plan, "Ban 60");
    let other = press(OWNER).await.unwrap();
    assert!(other.modal.is_none(), "somebody else's: {other:?}");
    let asked = press(ADMINISTRATOR).await.unwrap().modal.unwrap();
    let typed = async |number: &str| {
        let form = (channel.as_str(), &asked);
        let values = json!({"number": number});
        said(
            &backups::fill(&platform, GUILD, ADMINISTRATOR, form, values)
                .await
                .unwrap(),
        )
    };
    let wrong = typed("6").await;
    assert!(wrong.contains("Nobody is banned"), "{wrong}");
    let begun = typed("60").await;
    assert!(begun.contains("has begun"), "{begun}");
    until(&platform, "all are banned", async || {
        (banned(&platform, &raiders).await == 60).then_some(())
    })
    .await;
    take_back(&platform, &begun, &raiders).await;

    // Where it is guarded, a second person has to agree from 21 people on.
    let trusted = json!({"user": ADMINISTRATOR});
    say(&platform, OWNER, "protection trust", trusted).await;
    let on = say(&platform, OWNER, "guarded set", json!({"on": true})).await;
    assert!(on.contains("are on"), "{on}");
    let channel = mass_ban(&platform, ADMINISTRATOR, raiders[..25].join("\n")).await;
    let request = titled(&platform, &channel, "A second person has to agree").await;
    assert!(request.to_string().contains("25 people"), "{request}");
    assert!(request.to_string().contains(&raiders[0]), "{request}");
    assert_eq!(banned(&platform, &raiders).await, 0);
    let agreed = backups::press(&platform, GUILD, OWNER, &request, "Agree").await;
    let agreed = said(&agreed.unwrap());
    assert!(agreed.contains("has begun"), "{agreed}");
    until(&platform, "the agreed are banned", async || {
        (banned(&platform, &raiders).await == 25).then_some(())
    })
    .await;
    assert!(platform.stop().await.unwrap().is_empty());
}
