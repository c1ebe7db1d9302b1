//! With `strict`, exchanges that the description forbids are reported with operation and pointer.

use serde_json::json;
use splashtail_sandbox::control::types::Act;
use splashtail_sandbox_world::seed::small;

use crate::client::{ALL_INTENTS, bench_with, settings};

#[tokio::test]
async fn answers_of_the_sandbox_fit_the_description() {
    let b = bench_with(settings()).await;
    let guild = small::GUILDS[0];
    let channel = b.channel().await;
    let paths = [
        "/gateway".to_owned(),
        "/gateway/bot".to_owned(),
        "/users/@me".to_owned(),
        format!("/users/{}", small::OWNER),
        "/users/@me/guilds".to_owned(),
        "/applications/@me".to_owned(),
        "/oauth2/applications/@me".to_owned(),
        format!("/guilds/{guild}"),
        format!("/guilds/{guild}/preview"),
        format!("/guilds/{guild}/channels"),
        format!("/guilds/{guild}/roles"),
        format!("/guilds/{guild}/members?limit=100"),
        format!("/guilds/{guild}/members/{}", small::ADMIN),
        format!("/guilds/{guild}/members/search?query=a"),
        format!("/guilds/{guild}/bans"),
        format!("/guilds/{guild}/emojis"),
        format!("/guilds/{guild}/stickers"),
        format!("/guilds/{guild}/threads/active"),
        format!("/guilds/{guild}/audit-logs"),
        format!("/guilds/{guild}/invites"),
        format!("/guilds/{guild}/webhooks"),
        format!("/guilds/{guild}/integrations"),
        format!("/guilds/{guild}/auto-moderation/rules"),
        format!("/guilds/{guild}/prune?days=7"),
        format!("/channels/{channel}"),
        format!("/channels/{channel}/messages?limit=100"),
        format!("/channels/{channel}/messages/pins"),
        format!("/channels/{channel}/invites"),
        format!("/channels/{channel}/webhooks"),
        format!("/guilds/{guild}/channels?"),
        "/guilds/1".to_owned(),
        "/channels/1".to_owned(),
    ];
    let mut client = b.session(ALL_INTENTS).await;
    for path in &paths {
        let status = b.bot("GET", path).send().await.unwrap().status();
        assert!(
            status.is_success() || path.ends_with("/1"),
            "{path}: {status}"
        );
    }
    let posts = [
        (
            format!("/channels/{channel}/messages"),
            json!({"content": "x", "embeds": [{"title": "t"}]}),
        ),
        (
            format!("/channels/{channel}/messages"),
            json!({"content": ""}),
        ),
        (
            format!("/guilds/{guild}/roles"),
            json!({"name": "r", "permissions": "8"}),
        ),
        (
            format!("/guilds/{guild}/channels"),
            json!({"name": "c", "type": 0}),
        ),
    ];
    for (path, body) in posts {
        b.bot("POST", &path).json(&body).send().await.unwrap();
    }
    // Whatever it dispatches is judged too.
    let ctl = b.running.client().unwrap();
    for act in ["ban", "unban"] {
        let body = Act {
            guild_id: Some(guild.to_string()),
            target_id: Some(small::SPARE.to_string()),
            ..Act::default()
        };
        ctl.act(&small::OWNER.to_string(), act, &body)
            .await
            .unwrap();
    }
    client.until("GUILD_BAN_REMOVE").await;
    let found = ctl.violations().await.unwrap();
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[tokio::test]
async fn a_wrong_request_is_reported() {
    let b = bench_with(settings()).await;
    let channel = b.channel().await;
    let body = json!({"content": "x".repeat(2001)});
    b.bot("POST", &format!("/channels/{channel}/messages"))
        .json(&body)
        .send()
        .await
        .unwrap();
    b.bot("GET", "/no/such/thing").send().await.unwrap();
    let found = b.running.client().unwrap().violations().await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        (found[0].operation.as_str(), found[0].pointer.as_str()),
        ("create_message", "/content")
    );
    assert_eq!(found[1].message, "no such operation");
}
