//! Every reading route of the small world answers as described.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD};

#[test]
fn every_reading_route_answers_as_described() {
    let case = Case::unlimited();
    let app = small::APPLICATION;
    let general = case.channel("general");
    let help = case.channel("help");
    let post = case.channel("Where are the rules?");
    let media = case.channel("media");
    let admin = case.role("Administrator");
    let member = small::MEMBER;
    let page = case
        .get(&format!("/channels/{general}/messages?limit=2"))
        .json();
    let message = page[0]["id"].as_str().unwrap().to_owned();
    let (emoji, sticker, integration) = case.sandbox.with_world(|w| {
        let guild = &w.guilds[&GUILD];
        (
            *guild.emojis.keys().next().unwrap(),
            *guild.stickers.keys().next().unwrap(),
            *guild.integrations.keys().next().unwrap(),
        )
    });
    let _ = integration;
    for path in [
        "/gateway".to_owned(),
        "/gateway/bot".into(),
        "/users/@me".into(),
        format!("/users/{member}"),
        "/users/@me/guilds?with_counts=true".into(),
        format!("/users/@me/guilds/{GUILD}/member"),
        "/applications/@me".into(),
        "/oauth2/applications/@me".into(),
        format!("/applications/{app}/commands"),
        format!("/applications/{app}/guilds/{GUILD}/commands"),
        format!("/applications/{app}/guilds/{GUILD}/commands/permissions"),
        format!("/guilds/{GUILD}?with_counts=true"),
        format!("/guilds/{GUILD}/preview"),
        format!("/guilds/{GUILD}/audit-logs"),
        format!("/guilds/{GUILD}/prune?days=7"),
        format!("/guilds/{GUILD}/integrations"),
        format!("/guilds/{GUILD}/invites"),
        format!("/guilds/{GUILD}/vanity-url"),
        format!("/guilds/{GUILD}/onboarding"),
        format!("/guilds/{GUILD}/channels"),
        format!("/guilds/{GUILD}/threads/active"),
        format!("/guilds/{GUILD}/members?limit=10"),
        format!("/guilds/{GUILD}/members/search?query=pav"),
        format!("/guilds/{GUILD}/members/{member}"),
        format!("/guilds/{GUILD}/bans"),
        format!("/guilds/{GUILD}/roles"),
        format!("/guilds/{GUILD}/roles/{admin}"),
        format!("/guilds/{GUILD}/roles/member-counts"),
        format!("/guilds/{GUILD}/emojis"),
        format!("/guilds/{GUILD}/emojis/{emoji}"),
        format!("/guilds/{GUILD}/stickers"),
        format!("/guilds/{GUILD}/stickers/{sticker}"),
        format!("/stickers/{sticker}"),
        format!("/guilds/{GUILD}/webhooks"),
        format!("/guilds/{GUILD}/auto-moderation/rules"),
        format!("/channels/{general}"),
        format!("/channels/{help}"),
        format!("/channels/{post}"),
        format!("/channels/{post}/thread-members"),
        format!("/channels/{general}/webhooks"),
        format!("/channels/{general}/invites"),
        format!("/channels/{general}/messages?limit=100"),
        format!("/channels/{media}/messages"),
        format!("/channels/{post}/messages"),
        format!("/channels/{general}/messages/{message}"),
        format!("/channels/{general}/messages/pins"),
        format!("/channels/{general}/threads/archived/public"),
        format!("/channels/{general}/threads/archived/private"),
        format!("/channels/{help}/threads/archived/public"),
        "/voice/regions".into(),
    ] {
        let answer = case.get(&path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.json());
    }
    case.finish();
}

#[test]
fn message_pages_descend_and_cover_the_long_channel_once() {
    let case = Case::unlimited();
    let archive = case.channel("archive");
    let mut seen: Vec<u64> = Vec::new();
    let mut before = String::new();
    loop {
        let page = case
            .get(&format!("/channels/{archive}/messages?limit=100{before}"))
            .json();
        let page = page.as_array().unwrap().clone();
        seen.extend(
            page.iter()
                .map(|m| m["id"].as_str().unwrap().parse::<u64>().unwrap()),
        );
        if page.len() < 100 {
            break;
        }
        before = format!("&before={}", seen.last().unwrap());
    }
    assert_eq!(seen.len(), 1230);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
    // `after` gives the oldest ones after the mark, still newest first.
    let oldest = seen[1229];
    let page = case
        .get(&format!(
            "/channels/{archive}/messages?limit=3&after={oldest}"
        ))
        .json();
    let ids: Vec<u64> = page
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids, [seen[1226], seen[1227], seen[1228]]);
    let around = case
        .get(&format!(
            "/channels/{archive}/messages?limit=5&around={}",
            seen[600]
        ))
        .json();
    assert!(
        around
            .as_array()
            .unwrap()
            .iter()
            .any(|m| m["id"] == json!(seen[600].to_string()))
    );
    assert_eq!(
        case.get(&format!("/channels/{archive}/messages?limit=101"))
            .status,
        400
    );
    // An empty first pair of the query is tolerated.
    assert_eq!(
        case.get(&format!("/channels/{archive}/messages?&limit=5"))
            .json()
            .as_array()
            .unwrap()
            .len(),
        5
    );
    case.finish();
}

#[test]
fn what_the_bot_cannot_see_is_refused() {
    let case = Case::unlimited();
    let vault = case.channel("vault");
    let answer = case.get(&format!("/channels/{vault}/messages"));
    assert_eq!(
        (answer.status, answer.json()),
        (403, json!({"message": "Missing Access", "code": 50001}))
    );
    let help = case.channel("help");
    let answer = case.get(&format!("/channels/{help}/messages"));
    assert_eq!(
        (answer.status, answer.json()["code"].as_i64()),
        (400, Some(50008))
    );
    assert_eq!(case.get("/channels/1").json()["code"], 10003);
    assert_eq!(case.get("/guilds/1").json()["code"], 10004);
    case.finish();
}

#[test]
fn requests_are_checked_before_anything_else() {
    let case = Case::unlimited();
    let me = |headers: &[(&'static str, &str)]| {
        case.http(headers, Method::GET, "/users/@me", &Value::Null)
    };
    let unauthorized = json!({"message": "401: Unauthorized", "code": 0});
    for answer in [
        me(&[]),
        me(&[("authorization", "Bot nonsense")]),
        me(&[("authorization", "nonsense")]),
    ] {
        assert_eq!((answer.status, answer.json()), (401, unauthorized.clone()));
    }
    let bot = crate::harness::bot_header();
    let answer = me(&[("authorization", bot), ("user-agent", " ")]);
    assert_eq!(
        (answer.status, answer.json()["code"].as_i64()),
        (403, Some(40333))
    );
    let unknown = case.get("/nonsense");
    assert_eq!(
        (unknown.status, unknown.json()),
        (404, json!({"message": "404: Not Found", "code": 0}))
    );
    let wrong = case.bot(Method::PUT, "/gateway", Value::Null);
    assert_eq!(
        (wrong.status, wrong.json()),
        (
            405,
            json!({"message": "405: Method Not Allowed", "code": 0})
        )
    );
    // No authorisation is needed for the address of the gateway.
    let open = case.http(&[], Method::GET, "/gateway", &Value::Null);
    assert_eq!(
        (open.status, open.content_type),
        (200, Some("application/json"))
    );
}
