//! Refusals: status, code, message and the path of every wrong field, as the documentation lists
//! them under "JSON Error Codes" and "Error Messages".

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{AccessToken, Ban, Id, User};

use crate::harness::{Case, GUILD};

/// Who asks.
#[derive(Clone, Copy)]
pub enum By {
    Bot,
    User(Id),
}
pub use By::{Bot, User as Person};

pub const OWNER: By = Person(small::OWNER);
pub const MEMBER: By = Person(small::MEMBER);
/// Known, but in no guild.
pub const STRANGER: Id = Id(1_100_000_000_000_000_099);

pub type Row = (By, Method, String, Value, u16, i64, &'static str);

fn ask(case: &Case, by: By, method: &Method, path: &str, body: &Value) -> Response {
    match by {
        Bot => case.bot(method.clone(), path, body.clone()),
        Person(user) => case.user(user, method.clone(), path, body.clone()),
    }
}

pub fn check(case: &Case, rows: Vec<Row>) {
    for (by, method, path, body, status, number, message) in rows {
        let answer = ask(case, by, &method, &path, &body);
        let got = answer.json();
        assert_eq!(
            (answer.status, &got["code"], got["message"].as_str()),
            (status, &json!(number), Some(message)),
            "{method} {path} {body}"
        );
    }
}

/// A world with a stranger and a member of whom nobody may write directly.
pub fn prepared() -> Case {
    let case = Case::unlimited();
    case.sandbox.with_world(|w| {
        w.users.insert(STRANGER, User::new(STRANGER, "stranger"));
        w.users.get_mut(&small::SPARE).unwrap().accepts_dms = false;
    });
    case
}

fn grant(case: &Case, token: &str, user: Id, scopes: &[&str]) {
    case.sandbox.with_world(|w| {
        let grant = AccessToken {
            app: small::APPLICATION,
            user,
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            expires_ms: w.steady_ms() + 604_800_000,
        };
        w.access_tokens.insert(token.to_owned(), grant);
    });
}

// 404.
#[test]
fn what_does_not_exist() {
    let case = prepared();
    let general = case.channel("general");
    let get =
        |path: String, number, message| (Bot, Method::GET, path, Value::Null, 404, number, message);
    let hook = case.bot(
        Method::POST,
        &format!("/channels/{general}/webhooks"),
        json!({"name": "w"}),
    );
    let app = small::APPLICATION;
    check(
        &case,
        vec![
            get("/applications/1".into(), 10002, "Unknown Application"),
            get("/channels/1".into(), 10003, "Unknown Channel"),
            get("/guilds/1".into(), 10004, "Unknown Guild"),
            (
                OWNER,
                Method::DELETE,
                format!("/guilds/{GUILD}/integrations/1"),
                Value::Null,
                404,
                10005,
                "Unknown Integration",
            ),
            get("/invites/none".into(), 10006, "Unknown Invite"),
            get(
                format!("/guilds/{GUILD}/members/{STRANGER}"),
                10007,
                "Unknown Member",
            ),
            get(
                format!("/channels/{general}/messages/1"),
                10008,
                "Unknown Message",
            ),
            (
                Bot,
                Method::DELETE,
                format!("/channels/{general}/permissions/1"),
                Value::Null,
                404,
                10009,
                "Unknown Overwrite",
            ),
            get(format!("/guilds/{GUILD}/roles/1"), 10011, "Unknown Role"),
            get("/users/7".into(), 10013, "Unknown User"),
            get(format!("/guilds/{GUILD}/emojis/1"), 10014, "Unknown Emoji"),
            get(
                format!("/applications/{app}/emojis/1"),
                10014,
                "Unknown Emoji",
            ),
            get("/webhooks/1".into(), 10015, "Unknown Webhook"),
            (
                Bot,
                Method::POST,
                "/webhooks/1/x".into(),
                json!({"content": "x"}),
                404,
                10015,
                "Unknown Webhook",
            ),
            get(
                format!("/guilds/{GUILD}/bans/{STRANGER}"),
                10026,
                "Unknown Ban",
            ),
            get(
                format!("/guilds/{GUILD}/stickers/1"),
                10060,
                "Unknown Sticker",
            ),
            (
                Bot,
                Method::POST,
                "/interactions/1/x/callback".into(),
                json!({"type": 5}),
                404,
                10062,
                "Unknown interaction",
            ),
            get(
                format!("/applications/{app}/commands/1"),
                10063,
                "Unknown application command",
            ),
            get(
                format!("/guilds/{GUILD}/voice-states/{}", small::MEMBER),
                10065,
                "Unknown Voice State",
            ),
            get("/nothing/here".into(), 0, "404: Not Found"),
        ],
    );
    assert_eq!(hook.status, 200);
    case.finish();
}

// 401 and 403, and §1: who may ask at all.
#[test]
fn what_is_not_allowed() {
    let case = prepared();
    let general = case.channel("general");
    let hook = case.bot(
        Method::POST,
        &format!("/channels/{general}/webhooks"),
        json!({"name": "w"}),
    );
    let hook = hook.json()["id"].as_str().unwrap().to_owned();
    let closed = case.bot(
        Method::POST,
        "/users/@me/channels",
        json!({"recipient_id": small::SPARE}),
    );
    let closed = closed.json()["id"].as_str().unwrap().to_owned();
    let theirs = case
        .get(&format!("/channels/{general}/messages?limit=1"))
        .json()[0]["id"]
        .clone();
    let theirs = theirs.as_str().unwrap();
    case.sandbox.with_world(|w| {
        let ban = Ban {
            user: STRANGER,
            reason: None,
        };
        w.guilds.get_mut(&GUILD).unwrap().bans.insert(STRANGER, ban);
    });
    grant(&case, "join", STRANGER, &["guilds.join"]);
    grant(&case, "look", small::SPARE, &["identify"]);
    let app = small::APPLICATION;
    let join = |user: Id, token: &str| {
        (
            format!("/guilds/{GUILD}/members/{user}"),
            json!({"access_token": token}),
        )
    };
    let (banned, with_join) = join(STRANGER, "join");
    let (spare, with_look) = join(small::SPARE, "look");
    check(
        &case,
        vec![
            (
                Bot,
                Method::PUT,
                format!("/applications/{app}/guilds/{GUILD}/commands/1/permissions"),
                json!({"permissions": []}),
                403,
                20001,
                "Bots cannot use this endpoint",
            ),
            (
                MEMBER,
                Method::GET,
                "/gateway/bot".into(),
                Value::Null,
                403,
                20002,
                "Only bots can use this endpoint",
            ),
            (
                MEMBER,
                Method::GET,
                "/applications/@me".into(),
                Value::Null,
                403,
                20002,
                "Only bots can use this endpoint",
            ),
            (
                Bot,
                Method::PUT,
                banned,
                with_join,
                403,
                40007,
                "The user is banned from this guild.",
            ),
            (
                Bot,
                Method::GET,
                format!("/channels/{}", case.channel("vault")),
                Value::Null,
                403,
                50001,
                "Missing Access",
            ),
            (
                Bot,
                Method::PUT,
                format!("/channels/{closed}/permissions/1"),
                json!({"type": 1}),
                403,
                50003,
                "Cannot execute action on a DM channel",
            ),
            (
                Bot,
                Method::PATCH,
                format!("/channels/{general}/messages/{theirs}"),
                json!({"content": "x"}),
                403,
                50005,
                "Cannot edit a message authored by another user",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{closed}/messages"),
                json!({"content": "x"}),
                403,
                50007,
                "Cannot send messages to this user",
            ),
            (
                MEMBER,
                Method::POST,
                format!("/guilds/{GUILD}/channels"),
                json!({"name": "x"}),
                403,
                50013,
                "Missing Permissions",
            ),
            (
                Bot,
                Method::PUT,
                spare.clone(),
                with_look,
                403,
                50026,
                "Missing required OAuth2 scope",
            ),
            (
                Bot,
                Method::PUT,
                spare,
                json!({"access_token": "forged"}),
                401,
                50025,
                "Invalid OAuth2 access token",
            ),
            (
                Bot,
                Method::POST,
                format!("/webhooks/{hook}/forged"),
                json!({"content": "x"}),
                401,
                50027,
                "Invalid Webhook Token",
            ),
        ],
    );
    case.finish();
}

// 400 that no field is to blame for.
#[test]
fn what_makes_no_sense() {
    let case = prepared();
    let (general, news) = (case.channel("general"), case.channel("announcements"));
    let help = case.channel("help");
    let lounge = case.channel("Lounge");
    let messages = format!("/channels/{general}/messages");
    let bulk = format!("{messages}/bulk-delete");
    let day = |days: i64| {
        case.sandbox
            .with_world(|w| Id(((w.now().0 - days * 86_400_000 - 1_420_070_400_000) as u64) << 22))
    };
    let (old, young) = (day(15), day(1));
    let notice = case.sandbox.with_world(|w| {
        w.users.insert(Id(5), User::new(Id(5), "five"));
        assert!(w.add_member(GUILD, Id(5)));
        *w.messages[&general].keys().next_back().unwrap()
    });
    let said = case
        .bot(Method::POST, &messages, json!({"content": "x"}))
        .json();
    let said = said["id"].as_str().unwrap();
    let hidden = case.bot(
        Method::POST,
        &format!("{messages}/{said}/threads"),
        json!({"name": "t"}),
    );
    assert_eq!(hidden.status, 201);
    let thread = hidden.json()["id"].as_str().unwrap().to_owned();
    let lock = case.user(
        small::OWNER,
        Method::PATCH,
        &format!("/channels/{thread}"),
        json!({"archived": true, "locked": true}),
    );
    assert_eq!(lock.status, 200);
    let published = case
        .user(
            small::OWNER,
            Method::POST,
            &format!("/channels/{news}/messages"),
            json!({"content": "n"}),
        )
        .json();
    let published = format!(
        "/channels/{news}/messages/{}/crosspost",
        published["id"].as_str().unwrap()
    );
    assert_eq!(
        case.user(small::OWNER, Method::POST, &published, Value::Null)
            .status,
        200
    );
    let forum_hook = case
        .bot(
            Method::POST,
            &format!("/channels/{}/webhooks", case.channel("help")),
            json!({"name": "w"}),
        )
        .json();
    let plain_hook = case
        .bot(
            Method::POST,
            &format!("/channels/{general}/webhooks"),
            json!({"name": "w"}),
        )
        .json();
    let through = |hook: &Value| {
        format!(
            "/webhooks/{}/{}",
            hook["id"].as_str().unwrap(),
            hook["token"].as_str().unwrap()
        )
    };
    case.sandbox.with_world(|w| {
        w.channels.get_mut(&help).unwrap().flags |= 1 << 4;
    });
    let rules = case.channel("rules");
    let (admin, bots) = (case.role("Administrator"), case.role("Splashtail"));
    let ids: Vec<String> = (0..101u64).map(|n| (young.0 + n).to_string()).collect();
    check(
        &case,
        vec![
            (
                Bot,
                Method::PATCH,
                format!("/guilds/{GUILD}/members/{}", small::MEMBER),
                json!({"mute": true}),
                400,
                40032,
                "Target user is not connected to voice.",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{}/messages", case.channel("help")),
                json!({"content": "x"}),
                400,
                40058,
                "Cannot send a message in a forum channel",
            ),
            (
                Bot,
                Method::PATCH,
                format!("/channels/{}", case.channel("help")),
                json!({"available_tags": [{"name": "one"}, {"name": "one"}]}),
                400,
                40061,
                "Tag names must be unique",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{}/threads", case.channel("help")),
                json!({"name": "p", "message": {"content": "x"}}),
                400,
                40067,
                "A tag is required to create a forum post in this channel",
            ),
            (
                Bot,
                Method::POST,
                messages.clone(),
                json!({"sticker_ids": ["1"]}),
                400,
                50081,
                "Invalid sticker sent",
            ),
            (
                OWNER,
                Method::POST,
                published,
                Value::Null,
                400,
                40033,
                "This message has already been crossposted.",
            ),
            (
                Bot,
                Method::POST,
                messages.clone(),
                json!({"content": ""}),
                400,
                50006,
                "Cannot send an empty message",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{}/messages", case.channel("Talk")),
                json!({"content": "x"}),
                400,
                50008,
                "Cannot send messages in a non-text channel",
            ),
            (
                Bot,
                Method::POST,
                bulk.clone(),
                json!({"messages": [young]}),
                400,
                50016,
                "Provided too few or too many messages to delete. Must provide at least 2 and fewer than 100 messages to delete.",
            ),
            (
                Bot,
                Method::POST,
                bulk.clone(),
                json!({"messages": ids}),
                400,
                50016,
                "Provided too few or too many messages to delete. Must provide at least 2 and fewer than 100 messages to delete.",
            ),
            (
                Bot,
                Method::POST,
                bulk,
                json!({"messages": [young, old]}),
                400,
                50034,
                "You can only bulk delete messages that are under 14 days old.",
            ),
            (
                Person(Id(5)),
                Method::PATCH,
                format!("{messages}/{notice}"),
                json!({"content": "x"}),
                403,
                50021,
                "Cannot execute action on a system message",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{lounge}/threads"),
                json!({"name": "t"}),
                400,
                50024,
                "Cannot execute action on this channel type",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{general}/followers"),
                json!({"webhook_channel_id": general}),
                400,
                50024,
                "Cannot execute action on this channel type",
            ),
            (
                OWNER,
                Method::PUT,
                format!("/guilds/{GUILD}/members/{}/roles/{GUILD}", small::SPARE),
                Value::Null,
                400,
                50028,
                "Invalid Role",
            ),
            (
                OWNER,
                Method::PUT,
                format!("/guilds/{GUILD}/members/{}/roles/{bots}", small::SPARE),
                Value::Null,
                400,
                50028,
                "Invalid Role",
            ),
            (
                OWNER,
                Method::DELETE,
                format!("/guilds/{GUILD}/roles/{GUILD}"),
                Value::Null,
                400,
                50028,
                "Invalid Role",
            ),
            (
                OWNER,
                Method::DELETE,
                format!("/users/@me/guilds/{GUILD}"),
                Value::Null,
                400,
                50055,
                "Invalid Guild",
            ),
            (
                Bot,
                Method::DELETE,
                format!("/channels/{rules}"),
                Value::Null,
                400,
                50074,
                "Cannot delete a channel required for Community guilds",
            ),
            (
                MEMBER,
                Method::POST,
                format!("/channels/{thread}/messages"),
                json!({"content": "x"}),
                400,
                50083,
                "Thread is archived",
            ),
            (
                OWNER,
                Method::PATCH,
                format!("/guilds/{GUILD}"),
                json!({"owner_id": small::APPLICATION}),
                400,
                50132,
                "Ownership cannot be transferred to a bot user",
            ),
            (
                Bot,
                Method::POST,
                format!("{messages}/{said}/threads"),
                json!({"name": "t"}),
                400,
                160004,
                "A thread has already been created for this message",
            ),
            (
                Bot,
                Method::POST,
                through(&forum_hook),
                json!({"content": "x"}),
                400,
                220001,
                "Webhooks posted to forum channels must have a thread_name or thread_id",
            ),
            (
                Bot,
                Method::POST,
                format!("{}?thread_id=1", through(&forum_hook)),
                json!({"content": "x", "thread_name": "t"}),
                400,
                220002,
                "Webhooks posted to forum channels cannot have both a thread_name and thread_id",
            ),
            (
                Bot,
                Method::POST,
                through(&plain_hook),
                json!({"content": "x", "thread_name": "t"}),
                400,
                220003,
                "Webhooks can only create threads in forum channels",
            ),
            (
                Bot,
                Method::PUT,
                format!("/guilds/{GUILD}/onboarding"),
                json!({"enabled": true}),
                400,
                350000,
                "Cannot enable onboarding, requirements are not met",
            ),
            (
                Bot,
                Method::POST,
                format!("/guilds/{GUILD}/bulk-ban"),
                json!({"user_ids": [small::OWNER]}),
                400,
                500000,
                "Failed to ban users",
            ),
        ],
    );
    // Reading the history is needed to reply, not to write.
    case.sandbox.with_world(|w| {
        let everyone = w
            .guilds
            .get_mut(&GUILD)
            .unwrap()
            .roles
            .get_mut(&GUILD)
            .unwrap();
        everyone.permissions &= !(1 << 16);
    });
    let reply = json!({"content": "x", "message_reference": {"message_id": said}});
    check(
        &case,
        vec![(
            Person(small::SPARE),
            Method::POST,
            messages,
            reply,
            400,
            160002,
            "You cannot reply to a message without permission to read message history",
        )],
    );
    assert!(
        case.sandbox
            .with_world(|w| w.guilds[&GUILD].roles.contains_key(&admin))
    );
    case.finish();
}
