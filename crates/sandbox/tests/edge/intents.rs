//! Sheet §5: which intent each event needs, and which it does not; and the permissions beside it.

use std::time::Duration;

use serde_json::{Value, json};
use splashtail_sandbox::control::types::Act;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Id;

use crate::client::{ALL_INTENTS, Bench, Client, bench};

const DOT: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async fn act(b: &Bench, user: Id, name: &str, act: Act) -> Value {
    let client = b.running.client().unwrap();
    let answer = client.act(&user.to_string(), name, &act).await.unwrap();
    let result = &answer.results[0];
    assert!(
        result.status < 300,
        "{name}: {} {}",
        result.status,
        result.body
    );
    result.body.clone()
}

/// What a person's client would ask.
async fn ask(b: &Bench, user: Id, method: &str, path: String, body: Value) -> Value {
    // Past the limits of reactions.
    b.clock.advance(Duration::from_millis(300));
    let body = json!({"method": method, "path": path, "body": body});
    let wish = Act {
        body,
        ..Act::default()
    };
    act(b, user, "request", wish).await
}

async fn identified(b: &Bench, token: Option<&str>, intents: u64) -> Client {
    b.clock.advance(Duration::from_secs(5));
    let mut client = b.client("?v=10").await;
    client.hello().await;
    let mut fields = json!({"intents": intents});
    if let Some(token) = token {
        fields["token"] = token.into();
    }
    client.identify(fields).await;
    client.until("READY").await;
    client
}

/// Names of everything dispatched until now.
async fn heard(client: &mut Client) -> Vec<String> {
    client.send(json!({"op": 1, "d": null})).await;
    let mut names = Vec::new();
    loop {
        let payload = client.next().await.unwrap();
        match payload["op"].as_u64() {
            Some(0) => names.push(payload["t"].as_str().unwrap().to_owned()),
            Some(11) => return names,
            _ => {}
        }
    }
}

/// Everything this row's events come from, done by the owner.
async fn provoke(b: &Bench, row: &str) {
    let guild = small::GUILDS[0];
    let owner = small::OWNER;
    let channel = b.channel().await;
    let at = |rest: &str| format!("/guilds/{guild}{rest}");
    let of = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let spare = small::SPARE;
    match row {
        "guild" => {
            ask(b, owner, "PATCH", at(""), json!({"name": "Renamed"})).await;
        }
        "roles" => {
            let role = of(&ask(b, owner, "POST", at("/roles"), json!({"name": "r"})).await);
            let path = at(&format!("/roles/{role}"));
            ask(b, owner, "PATCH", path.clone(), json!({"name": "s"})).await;
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        "channels" => {
            let body = json!({"name": "c", "type": 0});
            let made = of(&ask(b, owner, "POST", at("/channels"), body).await);
            let path = format!("/channels/{made}");
            ask(b, owner, "PATCH", path.clone(), json!({"topic": "t"})).await;
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        "threads" => {
            let path = format!("/channels/{channel}/threads");
            let body = json!({"name": "t", "type": 11});
            let made = of(&ask(b, owner, "POST", path, body).await);
            let path = format!("/channels/{made}");
            ask(b, owner, "PATCH", path.clone(), json!({"name": "u"})).await;
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        "pins" => {
            let said = of(&b.say(&channel, "pin me").await);
            let path = format!("/channels/{channel}/messages/pins/{said}");
            ask(b, owner, "PUT", path, Value::Null).await;
        }
        "members" => {
            let newcomer = Act {
                guild_id: Some(guild.to_string()),
                actors: Some(vec!["1300000000000000000".to_owned()]),
                ..Act::default()
            };
            act(b, owner, "join", newcomer).await;
            let path = at("/members/1300000000000000000");
            ask(b, owner, "PATCH", path.clone(), json!({"nick": "n"})).await;
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        "bans" => {
            let path = at(&format!("/bans/{spare}"));
            ask(b, owner, "PUT", path.clone(), json!({})).await;
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        "emojis" => {
            let body = json!({"name": "dot", "image": DOT});
            ask(b, owner, "POST", at("/emojis"), body).await;
        }
        "integrations" => {
            let client = b.running.client().unwrap();
            let app = client.create_app(&Default::default()).await.unwrap();
            let add = Act {
                guild_id: Some(guild.to_string()),
                target_id: Some(app.id),
                ..Act::default()
            };
            act(b, owner, "add_bot", add).await;
            let path = at(&format!("/members/{}", app.bot_id));
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        "webhooks" => {
            let path = format!("/channels/{channel}/webhooks");
            ask(b, owner, "POST", path, json!({"name": "w"})).await;
        }
        "invites" => {
            let path = format!("/channels/{channel}/invites");
            let made = ask(b, owner, "POST", path, json!({})).await;
            let path = format!("/invites/{}", made["code"].as_str().unwrap());
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        "messages" => {
            let ids: Vec<String> = [b.say(&channel, "a").await, b.say(&channel, "b").await]
                .iter()
                .chain([&b.say(&channel, "c").await])
                .map(of)
                .collect();
            let at = format!("/channels/{channel}/messages");
            let one = format!("{at}/{}", ids[0]);
            ask(b, owner, "PATCH", one.clone(), json!({"content": "z"})).await;
            ask(b, owner, "DELETE", one, Value::Null).await;
            let many = json!({"messages": ids[1..]});
            let path = format!("{at}/bulk-delete");
            b.bot("POST", &path).json(&many).send().await.unwrap();
        }
        "reactions" => {
            let said = of(&b.say(&channel, "react").await);
            let at = format!("/channels/{channel}/messages/{said}/reactions");
            ask(
                b,
                owner,
                "PUT",
                format!("{at}/%F0%9F%91%8D/@me"),
                Value::Null,
            )
            .await;
            ask(
                b,
                owner,
                "DELETE",
                format!("{at}/%F0%9F%91%8D/@me"),
                Value::Null,
            )
            .await;
            ask(b, owner, "DELETE", at, Value::Null).await;
        }
        "typing" => {
            let path = format!("/channels/{channel}/typing");
            ask(b, owner, "POST", path, Value::Null).await;
        }
        "direct" => {
            let open = Act {
                target_id: Some(small::APPLICATION.to_string()),
                ..Act::default()
            };
            let dm = of(&act(b, owner, "open_dm", open).await);
            let said = of(&b.say(&dm, "hello").await);
            let path = format!("/channels/{dm}/messages/{said}/reactions/%F0%9F%91%8D/@me");
            ask(b, owner, "PUT", path, Value::Null).await;
            ask(
                b,
                owner,
                "POST",
                format!("/channels/{dm}/typing"),
                Value::Null,
            )
            .await;
        }
        "automod" => {
            let rule = json!({"name": "words", "event_type": 1, "trigger_type": 1, "enabled": true,
                "trigger_metadata": {"keyword_filter": ["forbidden"]}, "actions": [{"type": 1}]});
            let made = of(&ask(b, owner, "POST", at("/auto-moderation/rules"), rule).await);
            let said = Act {
                channel_id: Some(channel),
                body: json!({"content": "a forbidden word"}),
                ..Act::default()
            };
            let client = b.running.client().unwrap();
            let member = small::MEMBER.to_string();
            let blocked = client.act(&member, "say", &said).await.unwrap();
            assert_eq!(blocked.results[0].body["code"], 200_000);
            let path = at(&format!("/auto-moderation/rules/{made}"));
            ask(b, owner, "PATCH", path.clone(), json!({"name": "x"})).await;
            ask(b, owner, "DELETE", path, Value::Null).await;
        }
        other => panic!("no row {other}"),
    }
}

/// Row, the one intent its events need, and the events.
const ROWS: &[(&str, u64, &[&str])] = &[
    ("guild", 0, &["GUILD_UPDATE"]),
    (
        "roles",
        0,
        &[
            "GUILD_ROLE_CREATE",
            "GUILD_ROLE_UPDATE",
            "GUILD_ROLE_DELETE",
        ],
    ),
    (
        "channels",
        0,
        &["CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"],
    ),
    (
        "threads",
        0,
        &["THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE"],
    ),
    ("pins", 0, &["CHANNEL_PINS_UPDATE"]),
    (
        "members",
        1,
        &[
            "GUILD_MEMBER_ADD",
            "GUILD_MEMBER_UPDATE",
            "GUILD_MEMBER_REMOVE",
        ],
    ),
    (
        "bans",
        2,
        &[
            "GUILD_BAN_ADD",
            "GUILD_BAN_REMOVE",
            "GUILD_AUDIT_LOG_ENTRY_CREATE",
        ],
    ),
    ("emojis", 3, &["GUILD_EMOJIS_UPDATE"]),
    (
        "integrations",
        4,
        &[
            "GUILD_INTEGRATIONS_UPDATE",
            "INTEGRATION_CREATE",
            "INTEGRATION_DELETE",
        ],
    ),
    ("webhooks", 5, &["WEBHOOKS_UPDATE"]),
    ("invites", 6, &["INVITE_CREATE", "INVITE_DELETE"]),
    (
        "messages",
        9,
        &[
            "MESSAGE_CREATE",
            "MESSAGE_UPDATE",
            "MESSAGE_DELETE",
            "MESSAGE_DELETE_BULK",
        ],
    ),
    (
        "reactions",
        10,
        &[
            "MESSAGE_REACTION_ADD",
            "MESSAGE_REACTION_REMOVE",
            "MESSAGE_REACTION_REMOVE_ALL",
        ],
    ),
    ("typing", 11, &["TYPING_START"]),
    ("direct", 12, &["MESSAGE_CREATE"]),
    ("direct", 13, &["MESSAGE_REACTION_ADD"]),
    ("direct", 14, &["TYPING_START"]),
    (
        "automod",
        20,
        &[
            "AUTO_MODERATION_RULE_CREATE",
            "AUTO_MODERATION_RULE_UPDATE",
            "AUTO_MODERATION_RULE_DELETE",
        ],
    ),
    ("automod", 21, &["AUTO_MODERATION_ACTION_EXECUTION"]),
];

#[tokio::test]
async fn every_event_needs_exactly_its_intent() {
    for (row, bit, events) in ROWS {
        let b = bench().await;
        let mut with = identified(&b, None, 1 << bit).await;
        let mut without = identified(&b, None, ALL_INTENTS & !(1 << bit)).await;
        heard(&mut with).await;
        heard(&mut without).await;
        provoke(&b, row).await;
        let (got, missed) = (heard(&mut with).await, heard(&mut without).await);
        for event in *events {
            assert!(
                got.iter().any(|e| e == event),
                "{row}: {event} with {bit}: {got:?}"
            );
            assert!(
                !missed.iter().any(|e| e == event),
                "{row}: {event} without {bit}"
            );
        }
    }
}

#[tokio::test]
async fn voice_and_presences_need_theirs() {
    let b = bench().await;
    let guild = small::GUILDS[0];
    let path = format!("/guilds/{guild}/channels");
    let voice = ask(
        &b,
        small::OWNER,
        "POST",
        path,
        json!({"name": "v", "type": 2}),
    )
    .await;
    let mut with = identified(&b, None, 1 << 7 | 1 << 8).await;
    let mut without = identified(&b, None, ALL_INTENTS & !(1 << 7 | 1 << 8)).await;
    heard(&mut with).await;
    heard(&mut without).await;
    let join = json!({"guild_id": guild, "channel_id": voice["id"], "self_mute": false, "self_deaf": false});
    without.send(json!({"op": 4, "d": join})).await;
    let presence = json!({"since": null, "status": "idle", "afk": false, "activities": []});
    without.send(json!({"op": 3, "d": presence})).await;
    let missed = heard(&mut without).await;
    // The voice server comes without any intent: it was asked for.
    assert_eq!(missed, ["VOICE_SERVER_UPDATE"]);
    let got = heard(&mut with).await;
    for event in ["VOICE_STATE_UPDATE", "PRESENCE_UPDATE"] {
        assert!(got.iter().any(|e| e == event), "{event}: {got:?}");
    }
}

#[tokio::test]
async fn some_events_need_no_intent() {
    let b = bench().await;
    let mut client = identified(&b, None, 0).await;
    let me = small::APPLICATION;
    let nick = json!({"nick": "self"});
    let path = format!("/guilds/{}/members/@me", small::GUILDS[0]);
    let answer = b.bot("PATCH", &path).json(&nick).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let update = client.until("GUILD_MEMBER_UPDATE").await;
    assert_eq!(update["user"]["id"], me.to_string());
    // Others it does not hear of.
    let path = format!("/guilds/{}/members/{}", small::GUILDS[0], small::SPARE);
    ask(&b, small::OWNER, "PATCH", path, json!({"nick": "other"})).await;
    assert!(heard(&mut client).await.is_empty());
    let name = json!({"username": "renamed"});
    b.bot("PATCH", "/users/@me")
        .json(&name)
        .send()
        .await
        .unwrap();
    assert_eq!(client.until("USER_UPDATE").await["username"], "renamed");
}

/// Discord's gateway documentation, THREAD_MEMBERS_UPDATE: about others it needs GUILD_MEMBERS,
/// about the bot itself GUILDS is enough.
#[tokio::test]
async fn members_of_threads_are_members() {
    const GUILDS: u64 = 1;
    const GUILD_MEMBERS: u64 = 1 << 1;
    let b = bench().await;
    let channel = b.channel().await;
    let path = format!("/channels/{channel}/threads");
    let thread = json!({"name": "knot", "type": 11});
    let thread = b.bot("POST", &path).json(&thread).send().await.unwrap();
    let thread: Value = thread.json().await.unwrap();
    let members = format!(
        "/channels/{}/thread-members",
        thread["id"].as_str().unwrap()
    );
    let mut without = identified(&b, None, GUILDS).await;
    b.clock.advance(std::time::Duration::from_secs(6));
    let mut with = identified(&b, None, GUILDS | GUILD_MEMBERS).await;
    heard(&mut without).await;
    heard(&mut with).await;
    let joined = |who: &Value| json!(who["added_members"][0]["user_id"]);
    ask(
        &b,
        small::MEMBER,
        "PUT",
        format!("{members}/@me"),
        Value::Null,
    )
    .await;
    let update = with.until("THREAD_MEMBERS_UPDATE").await;
    assert_eq!(joined(&update), small::MEMBER.to_string());
    assert!(heard(&mut without).await.is_empty());
    let left = b
        .bot("DELETE", &format!("{members}/@me"))
        .send()
        .await
        .unwrap();
    assert_eq!(left.status(), 204);
    let update = without.until("THREAD_MEMBERS_UPDATE").await;
    let me = small::APPLICATION.to_string();
    assert_eq!(update["removed_member_ids"], json!([me]));
}

/// Beside the intent, the bot needs a permission: given bit by bit to a bot that has none.
#[tokio::test]
async fn some_events_need_a_permission_too() {
    const VIEW_CHANNEL: u64 = 1 << 10;
    let rows: &[(&str, &str, u64)] = &[
        ("bans", "GUILD_BAN_ADD", 1 << 2),
        ("bans", "GUILD_BAN_ADD", 1 << 7),
        ("bans", "GUILD_AUDIT_LOG_ENTRY_CREATE", 1 << 7),
        ("invites", "INVITE_CREATE", 1 << 4),
        ("automod", "AUTO_MODERATION_RULE_CREATE", 1 << 5),
        ("automod", "AUTO_MODERATION_ACTION_EXECUTION", 1 << 5),
    ];
    for (row, event, permission) in rows {
        for bits in [VIEW_CHANNEL, VIEW_CHANNEL | permission] {
            let b = bench().await;
            let client = b.running.client().unwrap();
            let app = client.create_app(&Default::default()).await.unwrap();
            let add = Act {
                guild_id: Some(small::GUILDS[0].to_string()),
                target_id: Some(app.id),
                body: json!({"permissions": bits.to_string()}),
                ..Act::default()
            };
            act(&b, small::OWNER, "add_bot", add).await;
            let mut session = identified(&b, Some(&app.token), ALL_INTENTS).await;
            heard(&mut session).await;
            provoke(&b, row).await;
            let got = heard(&mut session).await.iter().any(|e| e == event);
            assert_eq!(got, bits != VIEW_CHANNEL, "{event} with {bits:#x}");
        }
    }
}

#[tokio::test]
async fn message_content_is_blanked_but_not_of_own_direct_and_mentioning_messages() {
    let b = bench().await;
    let channel = b.channel().await;
    let no_content = ALL_INTENTS & !(1 << 15);
    let mut client = identified(&b, None, no_content).await;
    heard(&mut client).await;
    let post = |channel: &str, body: Value| {
        let path = format!("/channels/{channel}/messages");
        let owner = small::OWNER;
        let b = &b;
        async move { ask(b, owner, "POST", path, body).await }
    };
    let button = json!([{"type": 1, "components": [
        {"type": 2, "style": 5, "label": "l", "url": "https://example.test"}]}]);
    let full = json!({"content": "c", "embeds": [{"title": "t"}], "components": button});
    let wish = full.clone();
    // A webhook's message may carry everything.
    let hook = ask(
        &b,
        small::OWNER,
        "POST",
        format!("/channels/{channel}/webhooks"),
        json!({"name": "h"}),
    )
    .await;
    let path = format!(
        "/webhooks/{}/{}?wait=true",
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap()
    );
    let sent = ask(&b, small::OWNER, "POST", path, wish).await;
    let seen = client.until("MESSAGE_CREATE").await;
    assert_eq!(seen["id"], sent["id"]);
    assert_eq!(seen["content"], "");
    for list in ["embeds", "attachments", "components"] {
        assert_eq!(seen[list], json!([]), "{list}");
    }
    assert!(seen.get("poll").is_none());
    assert_eq!(seen["webhook_id"], seen["author"]["id"]);
    assert!(seen.get("member").is_none(), "webhooks are no members");
    // Its own, a mention of it, and direct messages come whole.
    let path = format!("/channels/{channel}/messages");
    b.bot("POST", &path).json(&full).send().await.unwrap();
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], "c");
    let mention = format!("<@{}>", small::APPLICATION);
    post(&channel, json!({"content": mention})).await;
    assert_eq!(client.until("MESSAGE_CREATE").await["content"], mention);
    let open = Act {
        target_id: Some(small::APPLICATION.to_string()),
        ..Act::default()
    };
    let dm = act(&b, small::OWNER, "open_dm", open).await;
    post(dm["id"].as_str().unwrap(), json!({"content": "direct"})).await;
    let direct = client.until("MESSAGE_CREATE").await;
    assert_eq!(direct["content"], "direct");
    assert!(direct.get("guild_id").is_none());
}

#[tokio::test]
async fn who_is_listed_in_guild_create() {
    let b = bench().await;
    let guild = small::GUILDS[0].to_string();
    let listed = |created: &Value| {
        let all = created["members"].as_array().unwrap().iter();
        let mut ids: Vec<String> = all
            .map(|m| m["user"]["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    let created = |intents: u64, threshold: u64| {
        let b = &b;
        async move {
            b.clock.advance(Duration::from_secs(5));
            let mut client = b.client("?v=10").await;
            client.hello().await;
            let fields = json!({"intents": intents, "large_threshold": threshold, "shard": [0, 4]});
            client.identify(fields).await;
            client.until("GUILD_CREATE").await
        }
    };
    let me = small::APPLICATION.to_string();
    // Without GUILD_PRESENCES: the bot alone, and who is in voice.
    let few = created(1 | 1 << 1, 50).await;
    assert_eq!(
        (few["id"].as_str().unwrap(), listed(&few)),
        (&*guild, vec![me])
    );
    assert_eq!(few["member_count"], 6);
    assert_eq!(few["presences"], json!([]));
    // With it, everyone below the threshold.
    let all = created(1 | 1 << 8, 50).await;
    assert_eq!(listed(&all).len(), 6);
    assert_eq!(
        (&all["large"], &few["large"]),
        (&json!(false), &json!(false))
    );
    // Above it (50 is the least), whoever stands out.
    let crowd = Act {
        guild_id: Some(guild.clone()),
        actors: Some(
            (0..60)
                .map(|n| (1_300_000_000_000_000_000u64 + n).to_string())
                .collect(),
        ),
        ..Act::default()
    };
    act(&b, small::OWNER, "join", crowd).await;
    let large = created(1 | 1 << 8, 50).await;
    assert_eq!(
        (&large["large"], &large["member_count"]),
        (&json!(true), &json!(66))
    );
    assert!(listed(&large).iter().all(|id| !id.starts_with("13")));
    let wide = created(1 | 1 << 8, 250).await;
    assert_eq!((&wide["large"], listed(&wide).len()), (&json!(false), 66));
}
