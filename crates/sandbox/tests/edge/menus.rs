//! Sheet §9: interactions of every kind, as people start them and applications receive them.

use serde_json::{Value, json};
use splashtail_sandbox::control::client::ControlError;
use splashtail_sandbox::control::types::{Act, Interact};
use splashtail_sandbox_world::seed::small;

use crate::client::{ALL_INTENTS, Bench, Client, bench};
use crate::interacting::{callback, register, slash};
use crate::oauth::{REDIRECT, code, exchange};

const DIRECT: Option<&str> = None;

fn wish(channel: &str, fields: Value) -> Interact {
    let mut wish = json!({"guild_id": small::GUILDS[0], "channel_id": channel, "wait_ms": 60_000});
    for (key, value) in fields.as_object().unwrap() {
        wish[key] = value.clone();
    }
    serde_json::from_value(wish).unwrap()
}

/// What the application receives when a user does this; it answers in plain text.
async fn received(b: &Bench, client: &mut Client, wish: &Interact) -> Value {
    let ctl = b.running.client().unwrap();
    let member = small::MEMBER.to_string();
    let answered = async {
        let asked = client.until("INTERACTION_CREATE").await;
        let answer = json!({"type": 4, "data": {"content": "seen"}});
        assert_eq!(callback(b, &asked, answer).await, 204);
        asked
    };
    let (seen, asked) = tokio::join!(ctl.interact(&member, wish), answered);
    assert_eq!(seen.unwrap().messages[0]["content"], "seen");
    asked
}

async fn refused(b: &Bench, wish: &Interact) -> (u16, String) {
    let ctl = b.running.client().unwrap();
    match ctl.interact(&small::MEMBER.to_string(), wish).await {
        Err(ControlError::Refused { status, code, .. }) => (status, code),
        other => panic!("{other:?}"),
    }
}

/// Discord's documentation: data of user and message commands has `target_id` and what it resolves
/// to.
#[tokio::test]
async fn context_menus_resolve_their_target() {
    let b = bench().await;
    let channel = b.channel().await;
    let commands = json!([{"name": "Look up", "type": 2}, {"name": "Report", "type": 3}]);
    register(&b, commands).await;
    let mut client = b.session(ALL_INTENTS).await;
    let target = small::SPARE.to_string();
    let look = json!({"kind": "context_menu", "name": "Look up", "target_id": target});
    let asked = received(&b, &mut client, &wish(&channel, look)).await;
    let data = &asked["data"];
    assert_eq!((&asked["type"], &data["type"]), (&json!(2), &json!(2)));
    assert_eq!(data["target_id"], target);
    assert_eq!(data["resolved"]["users"][&target]["username"], "sam");
    let member = &data["resolved"]["members"][&target];
    assert!(member["roles"].is_array() && member["permissions"].is_string());
    assert!(member.get("user").is_none() && member.get("deaf").is_none());
    let said = b.say(&channel, "buy now").await;
    let message = said["id"].as_str().unwrap();
    let report = json!({"kind": "context_menu", "name": "Report", "target_id": message});
    let asked = received(&b, &mut client, &wish(&channel, report)).await;
    let data = &asked["data"];
    assert_eq!(
        (&data["type"], &data["target_id"]),
        (&json!(3), &json!(message))
    );
    assert_eq!(data["resolved"]["messages"][message]["content"], "buy now");
    let nobody = json!({"kind": "context_menu", "name": "Report", "target_id": "5"});
    assert_eq!(refused(&b, &wish(&channel, nobody)).await.0, 400);
}

/// Discord's documentation: a select menu sends `values`, those of users and the like with
/// `resolved`.
#[tokio::test]
async fn menus_send_what_was_chosen() {
    let b = bench().await;
    let channel = b.channel().await;
    let mut client = b.session(ALL_INTENTS).await;
    let option = |name: &str| json!({"label": name, "value": name});
    let row = |menu: Value| json!({"type": 1, "components": [menu]});
    let body = json!({"content": "choose", "components": [
        row(json!({"type": 3, "custom_id": "fruit", "min_values": 1, "max_values": 2,
            "options": [option("apple"), option("pear"), option("plum")]})),
        row(json!({"type": 5, "custom_id": "who"})),
        row(json!({"type": 8, "custom_id": "where"}))]});
    let path = format!("/channels/{channel}/messages");
    let sent = b.bot("POST", &path).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    b.clock.set_rate(0.0);
    let choose = |menu: &str, values: &[&str]| {
        wish(
            &channel,
            json!({"kind": "select", "custom_id": menu, "values": values}),
        )
    };
    let asked = received(&b, &mut client, &choose("fruit", &["pear", "plum"])).await;
    assert_eq!(asked["type"], 3);
    let data = &asked["data"];
    assert_eq!(
        (&data["component_type"], &data["custom_id"]),
        (&json!(3), &json!("fruit"))
    );
    assert_eq!(data["values"], json!(["pear", "plum"]));
    assert_eq!(asked["message"]["content"], "choose");
    let who = small::SPARE.to_string();
    let asked = received(&b, &mut client, &choose("who", &[&who])).await;
    let data = &asked["data"];
    assert_eq!(
        (&data["component_type"], &data["values"]),
        (&json!(5), &json!([who]))
    );
    assert_eq!(data["resolved"]["users"][&who]["id"], who);
    let asked = received(&b, &mut client, &choose("where", &[&channel])).await;
    let resolved = &asked["data"]["resolved"]["channels"][&channel];
    assert_eq!(resolved["id"], channel);
    assert!(resolved["app_permissions"].is_string() && resolved["permissions"].is_string());
    assert_ne!(resolved["app_permissions"], resolved["permissions"]);
    assert_eq!(resolved.get("permission_overwrites"), None);
    assert_eq!(asked["channel"].get("permission_overwrites"), None);
    for (menu, values) in [
        ("fruit", &["apple", "pear", "plum"][..]),
        ("fruit", &[]),
        ("fruit", &["nut"]),
        ("who", &["5"]),
    ] {
        let (status, code) = refused(&b, &choose(menu, values)).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "bad_component"),
            "{menu} {values:?}"
        );
    }
    assert_eq!(refused(&b, &choose("nothing", &["x"])).await.0, 404);
}

#[tokio::test]
async fn files_of_options_are_fetched_from_the_cdn() {
    let b = bench().await;
    let channel = b.channel().await;
    let file = json!({"type": 11, "name": "file", "description": "A file", "required": true});
    register(
        &b,
        json!([{"name": "read", "description": "Reads", "options": [file]}]),
    )
    .await;
    let mut client = b.session(ALL_INTENTS).await;
    let upload = json!({"file": {"filename": "note.txt", "content_base64": "aGVsbG8="}});
    let asked = received(&b, &mut client, &slash(&channel, "read", upload)).await;
    let id = asked["data"]["options"][0]["value"].as_str().unwrap();
    let file = &asked["data"]["resolved"]["attachments"][id];
    assert_eq!(
        (&file["filename"], &file["size"]),
        (&json!("note.txt"), &json!(5))
    );
    assert_eq!(file["content_type"], "text/plain");
    let fetched = b
        .http
        .get(file["url"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(fetched.text().await.unwrap(), "hello");
    // Ten mebibytes without boosts or Nitro.
    assert_eq!(asked["attachment_size_limit"], 10 * 1024 * 1024);
}

/// Without a guild there is no member, and everything goes to shard 0.
#[tokio::test]
async fn direct_messages_have_commands_too() {
    let b = bench().await;
    register(&b, json!([{"name": "ping", "description": "Pongs"}])).await;
    let mut shards = Vec::new();
    for shard in 0..2 {
        let mut client = b.client("?v=10").await;
        client.hello().await;
        client.identify(json!({"shard": [shard, 2]})).await;
        client.until("READY").await;
        shards.push(client);
    }
    let open = Act {
        target_id: Some(small::APPLICATION.to_string()),
        ..Act::default()
    };
    let ctl = b.running.client().unwrap();
    let member = small::MEMBER.to_string();
    let opened = ctl.act(&member, "open_dm", &open).await.unwrap();
    let channel = opened.results[0].body["id"].as_str().unwrap().to_owned();
    let ping = json!({"kind": "slash", "name": "ping", "guild_id": DIRECT});
    let asked = received(&b, &mut shards[0], &wish(&channel, ping)).await;
    assert_eq!(
        (&asked["channel_id"], &asked["context"]),
        (&json!(channel), &json!(1))
    );
    assert_eq!(asked["user"]["id"], member);
    for absent in ["member", "guild_id", "guild", "guild_locale"] {
        assert!(asked.get(absent).is_none(), "{absent}");
    }
    // The other shard hears of the next thing in its own guild first.
    let name = json!({"name": "marker"});
    let path = format!("/guilds/{}", small::GUILDS[1]);
    ctl.rest(&small::OWNER.to_string(), "PATCH", &path, name)
        .await
        .unwrap();
    loop {
        let next = shards[1].next().await.unwrap();
        assert_ne!(next["t"], "INTERACTION_CREATE");
        if next["t"] == "GUILD_UPDATE" {
            break;
        }
    }
}

/// Discord's documentation, "Application Command Permissions": a user's rule wins over roles', a
/// channel where the command is off has none of it, `"0"` leaves it to administrators.
#[tokio::test]
async fn a_guild_says_who_may_use_a_command() {
    let b = bench().await;
    let channel = b.channel().await;
    let command =
        json!({"name": "door", "description": "Opens", "default_member_permissions": "0"});
    register(&b, json!([command])).await;
    let mut client = b.session(ALL_INTENTS).await;
    let open = slash(&channel, "door", json!({}));
    assert_eq!(refused(&b, &open).await, (403, "not_allowed".to_owned()));
    let rules = Rules::new(&b).await;
    let (member, everyone) = (small::MEMBER.to_string(), small::GUILDS[0].to_string());
    let rule =
        |id: &str, kind: u8, allowed: bool| json!({"id": id, "type": kind, "permission": allowed});
    rules.set(&b, json!([rule(&member, 2, true)])).await;
    received(&b, &mut client, &open).await;
    rules.set(&b, json!([rule(&everyone, 1, true)])).await;
    received(&b, &mut client, &open).await;
    rules
        .set(
            &b,
            json!([rule(&everyone, 1, true), rule(&member, 2, false)]),
        )
        .await;
    assert_eq!(refused(&b, &open).await.0, 403);
    rules
        .set(
            &b,
            json!([rule(&everyone, 1, true), rule(&channel, 3, false)]),
        )
        .await;
    assert_eq!(refused(&b, &open).await.0, 403);
    rules.set(&b, json!([])).await;
    assert_eq!(refused(&b, &open).await.0, 403);
}

/// The rules of a guild for its only command, set with an administrator's token.
struct Rules {
    path: String,
    token: String,
}

impl Rules {
    async fn new(b: &Bench) -> Self {
        let app = small::APPLICATION;
        let path = format!("/applications/{app}/commands");
        let commands = b.bot("GET", &path).send().await.unwrap();
        let commands: Value = commands.json().await.unwrap();
        let id = commands[0]["id"].as_str().unwrap();
        let code = code(b, &[("scope", "applications.commands.permissions.update")]).await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
        ];
        let (_, tokens) = exchange(b, &form).await;
        Self {
            path: format!(
                "/applications/{app}/guilds/{}/commands/{id}/permissions",
                small::GUILDS[0]
            ),
            token: tokens["access_token"].as_str().unwrap().to_owned(),
        }
    }

    async fn set(&self, b: &Bench, rules: Value) {
        let answer = b
            .http
            .put(b.url(&format!("/api/v10{}", self.path)))
            .header("authorization", format!("Bearer {}", self.token))
            .header("user-agent", "DiscordBot (https://example.test, 1)")
            .json(&json!({"permissions": rules}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
}
