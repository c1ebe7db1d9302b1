//! Refusals: status, code, message and the path of every wrong field, as the documentation lists
//! them under "JSON Error Codes" and "Error Messages".

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox::rest::Response;
use splashtail_sandbox::seed::small;
use splashtail_sandbox::world::{AccessToken, Ban, Id, Message, User};

use crate::harness::{Case, GUILD, code};

/// Who asks.
#[derive(Clone, Copy)]
enum By {
    Bot,
    User(Id),
}
use By::{Bot, User as Person};

const OWNER: By = Person(small::OWNER);
const MEMBER: By = Person(small::MEMBER);
/// Known, but in no guild.
const STRANGER: Id = Id(1_100_000_000_000_000_099);

type Row = (By, Method, String, Value, u16, i64, &'static str);

fn ask(case: &Case, by: By, method: &Method, path: &str, body: &Value) -> Response {
    match by {
        Bot => case.bot(method.clone(), path, body.clone()),
        Person(user) => case.user(user, method.clone(), path, body.clone()),
    }
}

fn check(case: &Case, rows: Vec<Row>) {
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
fn prepared() -> Case {
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
            expires_at: w.now().plus(604_800_000),
        };
        w.access_tokens.insert(token.to_owned(), grant);
    });
}

// §2: 404.
#[tokio::test]
async fn what_does_not_exist() {
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
    case.finish().await;
}

// §2: 401 and 403, and §1: who may ask at all.
#[tokio::test]
async fn what_is_not_allowed() {
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
    case.finish().await;
}

// §2: 400 that no field is to blame for.
#[tokio::test]
async fn what_makes_no_sense() {
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
    case.finish().await;
}

// §2: 50035, with the path of each field and the code of each leaf.
#[tokio::test]
async fn every_wrong_field_has_its_path_and_code() {
    let case = prepared();
    let general = case.channel("general");
    let messages = format!("/channels/{general}/messages");
    let channels = format!("/guilds/{GUILD}/channels");
    let roles = format!("/guilds/{GUILD}/roles");
    let long = |n: usize| "x".repeat(n);
    let required = ("BASE_TYPE_REQUIRED", "This field is required");
    let rows: Vec<(String, Value, &str, (&str, &str))> = vec![
        (channels.clone(), json!({}), "/name", required),
        (
            channels.clone(),
            json!({"name": long(101)}),
            "/name",
            (
                "BASE_TYPE_BAD_LENGTH",
                "Must be between 1 and 100 in length.",
            ),
        ),
        (
            channels.clone(),
            json!({"name": "x", "topic": long(1025)}),
            "/topic",
            ("BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer in length."),
        ),
        (
            channels.clone(),
            json!({"name": "x", "type": 15, "topic": long(4097)}),
            "/topic",
            ("BASE_TYPE_MAX_LENGTH", "Must be 4096 or fewer in length."),
        ),
        (
            channels.clone(),
            json!({"name": "x", "type": 9}),
            "/type",
            (
                "BASE_TYPE_CHOICES",
                "Value must be one of {0, 2, 4, 5, 13, 15, 16}.",
            ),
        ),
        (
            channels.clone(),
            json!({"name": "x", "position": "first"}),
            "/position",
            ("NUMBER_TYPE_COERCE", "Value \"first\" is not int."),
        ),
        (
            channels.clone(),
            json!({"name": "x", "rate_limit_per_user": 21_601}),
            "/rate_limit_per_user",
            (
                "NUMBER_TYPE_MAX",
                "int value should be less than or equal to 21600.",
            ),
        ),
        (
            channels.clone(),
            json!({"name": "x", "rate_limit_per_user": -1}),
            "/rate_limit_per_user",
            (
                "NUMBER_TYPE_MIN",
                "int value should be greater than or equal to 0.",
            ),
        ),
        (
            channels,
            json!({"name": "x", "permission_overwrites": [{"type": 0}]}),
            "/permission_overwrites/0/id",
            required,
        ),
        (
            roles.clone(),
            json!({"color": 0x1_00_00_00}),
            "/color",
            (
                "NUMBER_TYPE_MAX",
                "int value should be less than or equal to 16777215.",
            ),
        ),
        (
            roles,
            json!({"colors": {}}),
            "/colors/primary_color",
            required,
        ),
        (
            messages.clone(),
            json!({"content": long(2001)}),
            "/content",
            ("BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length."),
        ),
        (
            messages.clone(),
            json!({"embeds": [{"title": "t"}, {"title": long(257)}]}),
            "/embeds/1/title",
            ("BASE_TYPE_MAX_LENGTH", "Must be 256 or fewer in length."),
        ),
        (
            messages.clone(),
            json!({"embeds": [{"fields": [{"value": "v"}]}]}),
            "/embeds/0/fields/0/name",
            required,
        ),
        (
            messages.clone(),
            json!({"embeds": [{"url": "no address"}]}),
            "/embeds/0/url",
            ("URL_TYPE_INVALID_URL", "Not a well formed URL."),
        ),
        (
            messages.clone(),
            json!({"embeds": vec![json!({"title": "t"}); 11]}),
            "/embeds",
            ("BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length."),
        ),
        (
            messages.clone(),
            json!({"content": "x", "message_reference": {"message_id": "1"}}),
            "/message_reference",
            ("REPLIES_UNKNOWN_MESSAGE", "Unknown message"),
        ),
        (
            format!("/guilds/{GUILD}/bulk-ban"),
            json!({}),
            "/user_ids",
            required,
        ),
        (
            format!("/guilds/{GUILD}/emojis"),
            json!({"name": "x!", "image": "data:,"}),
            "/name",
            (
                "STRING_TYPE_REGEX",
                "String value did not match validation regex.",
            ),
        ),
        (
            format!("{messages}/bulk-delete"),
            json!({}),
            "/messages",
            required,
        ),
        (
            format!("/channels/{general}/webhooks"),
            json!({"name": "Discord helper"}),
            "/name",
            (
                "USERNAME_INVALID_CONTAINS",
                "Username cannot contain \"discord\"",
            ),
        ),
        (
            format!("/channels/{general}/webhooks"),
            json!({"name": long(81)}),
            "/name",
            (
                "BASE_TYPE_BAD_LENGTH",
                "Must be between 1 and 80 in length.",
            ),
        ),
        (
            format!("/channels/{general}/invites"),
            json!({"max_age": 604_801}),
            "/max_age",
            (
                "NUMBER_TYPE_MAX",
                "int value should be less than or equal to 604800.",
            ),
        ),
        (
            format!("/channels/{general}/threads"),
            json!({"name": "t", "auto_archive_duration": 61}),
            "/auto_archive_duration",
            (
                "BASE_TYPE_CHOICES",
                "Value must be one of {60, 1440, 4320, 10080}.",
            ),
        ),
    ];
    for (path, body, pointer, (leaf, message)) in rows {
        let answer = case.bot(Method::POST, &path, body.clone());
        let got = answer.json();
        assert_eq!(
            (answer.status, &got["code"], &got["message"]),
            (400, &json!(50035), &json!("Invalid Form Body")),
            "{path} {body}"
        );
        let leaves = got.pointer(&format!("/errors{pointer}/_errors"));
        let leaves = leaves.unwrap_or_else(|| panic!("{path} {body}: {got}"));
        assert_eq!(
            leaves,
            &json!([{"code": leaf, "message": message}]),
            "{path} {body}"
        );
    }
    // All of them in one answer.
    let both = case
        .bot(
            Method::POST,
            &messages,
            json!({"content": long(2001), "embeds": [{"title": long(257)}]}),
        )
        .json();
    assert!(
        both["errors"]["content"]["_errors"].is_array()
            && both["errors"]["embeds"]["0"]["title"]["_errors"].is_array()
    );
    case.finish().await;
}

// §2: the caps, each reached by filling the world up.
#[tokio::test]
async fn caps() {
    let case = prepared();
    let general = case.channel("general");
    let (message, emoji) = case.sandbox.with_world(|w| {
        let message = *w.messages[&general].keys().next().unwrap();
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        let (still, moving) = {
            let pick = |moves| {
                guild
                    .emojis
                    .values()
                    .find(|e| e.animated == moves)
                    .cloned()
                    .unwrap()
            };
            (pick(false), pick(true))
        };
        for n in 0..150u64 {
            for (sort, emoji) in [&still, &moving].into_iter().enumerate() {
                let mut copy = emoji.clone();
                copy.id = Id(1000 + n * 2 + sort as u64);
                guild.emojis.insert(copy.id, copy);
            }
        }
        let sticker = guild.stickers.values().next().cloned().unwrap();
        for n in 0..60u64 {
            let mut copy = sticker.clone();
            copy.id = Id(2000 + n);
            guild.stickers.insert(copy.id, copy);
        }
        let mut pins = Vec::new();
        for n in 0..250u64 {
            let mut pin = Message::new(Id(3000 + n), general, small::OWNER, "x");
            pin.pinned = Some(splashtail_sandbox::world::Stamp(1));
            pins.push(pin);
        }
        let channel = w.channels[&general].clone();
        let overwrite = splashtail_sandbox::world::Overwrite {
            id: Id(0),
            member: true,
            allow: 0,
            deny: 0,
        };
        let guild = w.guilds.get_mut(&GUILD).unwrap();
        for n in guild.channels.len() as u64..500 {
            let mut copy = channel.clone();
            copy.id = Id(4000 + n);
            copy.parent_id = None;
            guild.channels.insert(copy.id);
            w.channels.insert(copy.id, copy);
        }
        let place = w.channels.get_mut(&general).unwrap();
        for n in place.overwrites.len() as u64..1000 {
            let id = Id(9000 + n);
            place
                .overwrites
                .insert(id, splashtail_sandbox::world::Overwrite { id, ..overwrite });
        }
        let all = w.messages.get_mut(&general).unwrap();
        for pin in pins {
            all.insert(pin.id, pin);
        }
        (message, still.id)
    });
    for n in 0..15 {
        let hook = case.bot(
            Method::POST,
            &format!("/channels/{general}/webhooks"),
            json!({"name": format!("w{n}")}),
        );
        assert_eq!(hook.status, 200);
    }
    let reaction = |sign: char| {
        let sign: String = sign
            .to_string()
            .bytes()
            .map(|b| format!("%{b:02X}"))
            .collect();
        format!("/channels/{general}/messages/{message}/reactions/{sign}/@me")
    };
    for n in 0..20 {
        let sign = char::from_u32(0x1F600 + n).unwrap();
        assert_eq!(
            case.bot(Method::PUT, &reaction(sign), Value::Null).status,
            204
        );
    }
    let invites = format!("/channels/{general}/invites");
    let first = case.bot(Method::POST, &invites, json!({"max_age": 0}));
    case.sandbox.with_world(|w| {
        let invite = w.invites[first.json()["code"].as_str().unwrap()].clone();
        for n in 1..1000 {
            let code = format!("copy{n}");
            w.invites.insert(
                code.clone(),
                splashtail_sandbox::world::Invite {
                    code,
                    ..invite.clone()
                },
            );
        }
    });
    let media = case.channel("media");
    case.sandbox.with_world(|w| {
        let hook = w.webhooks.values().next().unwrap().clone();
        for n in 15..1000 {
            let id = Id(20_000 + n);
            let channel = Id(4000);
            let copy = splashtail_sandbox::world::Webhook {
                id,
                channel,
                ..hook.clone()
            };
            w.webhooks.insert(id, copy);
        }
    });
    let png = "data:image/png;base64,iVBORw0KGgo=";
    let gif = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
    let emojis = format!("/guilds/{GUILD}/emojis");
    let last = char::from_u32(0x1F6F0).unwrap();
    check(
        &case,
        vec![
            (
                Bot,
                Method::PUT,
                format!("/channels/{general}/messages/pins/{message}"),
                Value::Null,
                400,
                30003,
                "Maximum number of pins reached for the channel (250)",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{general}/webhooks"),
                json!({"name": "w"}),
                400,
                30007,
                "Maximum number of webhooks reached (15)",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{media}/webhooks"),
                json!({"name": "w"}),
                400,
                30058,
                "Maximum number of webhooks per guild reached (1000)",
            ),
            (
                Bot,
                Method::POST,
                format!("/channels/{}/followers", case.channel("announcements")),
                json!({"webhook_channel_id": general}),
                400,
                30007,
                "Maximum number of webhooks reached (15)",
            ),
            (
                Bot,
                Method::POST,
                emojis.clone(),
                json!({"name": "more", "image": png}),
                400,
                30008,
                "Maximum number of emojis reached",
            ),
            (
                Bot,
                Method::POST,
                emojis,
                json!({"name": "more", "image": gif}),
                400,
                30018,
                "Maximum number of animated emojis reached",
            ),
            (
                Bot,
                Method::PUT,
                reaction(last),
                Value::Null,
                400,
                30010,
                "Maximum number of reactions reached (20)",
            ),
            (
                Bot,
                Method::POST,
                format!("/guilds/{GUILD}/channels"),
                json!({"name": "x"}),
                400,
                30013,
                "Maximum number of guild channels reached (500)",
            ),
            (
                Bot,
                Method::POST,
                invites,
                json!({"max_age": 60}),
                400,
                30016,
                "Maximum number of invites reached (1000)",
            ),
            (
                Bot,
                Method::PUT,
                format!("/channels/{general}/permissions/{}", small::SPARE),
                json!({"type": 1, "allow": "0", "deny": "0"}),
                400,
                30060,
                "Maximum number of permission overwrites reached (1000)",
            ),
        ],
    );
    let sticker = case.upload(
        Method::POST,
        &format!("/guilds/{GUILD}/stickers"),
        &json!({"name": "more", "tags": "x"}),
        &[("a.png", b"\x89PNG")],
    );
    assert_eq!((sticker.status, code(&sticker)), (400, 30039));
    assert!(
        case.sandbox
            .with_world(|w| w.guilds[&GUILD].emojis.contains_key(&emoji))
    );
    case.finish().await;
}

// §2: 30035 and 30040, whose numbers Discord does not tell: they are settings.
#[tokio::test]
async fn strangers_can_be_banned_and_members_pruned_only_so_often() {
    let case = Case::new();
    let rate = |limit, hours: i64| splashtail_sandbox::rest::limits::Rate {
        limit,
        per_ms: hours * 3_600_000,
    };
    case.sandbox
        .limits
        .set_rules(splashtail_sandbox::rest::limits::Rules {
            stranger_bans: rate(2, 24),
            prunes: rate(1, 24),
            ..Default::default()
        });
    let strangers: Vec<Id> = (0..5).map(|n| Id(STRANGER.0 + n)).collect();
    case.sandbox.with_world(|w| {
        for id in &strangers {
            w.users.insert(*id, User::new(*id, "stranger"));
        }
    });
    let ban = |user: Id| {
        case.bot(
            Method::PUT,
            &format!("/guilds/{GUILD}/bans/{user}"),
            json!({}),
        )
    };
    assert_eq!(
        (ban(strangers[0]).status, ban(strangers[1]).status),
        (204, 204)
    );
    let over = ban(strangers[2]);
    assert_eq!((over.status, code(&over)), (400, 30035));
    assert_eq!(
        over.json()["message"],
        "Maximum number of bans for non-guild members have been exceeded"
    );
    assert_eq!(
        ban(strangers[0]).status,
        204,
        "who is banned already does not count"
    );
    assert_eq!(ban(small::SPARE).status, 204, "nor does a member");
    let bulk = case.bot(
        Method::POST,
        &format!("/guilds/{GUILD}/bulk-ban"),
        json!({"user_ids": [strangers[3], small::MEMBER]}),
    );
    assert_eq!(
        bulk.json(),
        json!({"banned_users": [small::MEMBER], "failed_users": [strangers[3]]})
    );
    let prune = || case.bot(Method::POST, &format!("/guilds/{GUILD}/prune"), json!({}));
    assert_eq!(prune().status, 200);
    let over = prune();
    assert_eq!((over.status, code(&over)), (400, 30040));
    assert_eq!(
        over.json()["message"],
        "Maximum number of prune requests has been reached. Try again later"
    );
    case.advance_ms(24 * 3_600_000);
    assert_eq!((ban(strangers[2]).status, prune().status), (204, 200));
    case.finish().await;
}

// §2: the order in which things are looked at.
#[tokio::test]
async fn what_is_wrong_first_is_said() {
    let case = Case::new();
    let bad = json!({"name": ""});
    let anonymous = case.http(&[], Method::POST, "/nothing/here", &bad);
    assert_eq!(anonymous.status, 401, "authorisation before the route");
    let agentless = {
        let mut request =
            splashtail_sandbox::rest::Request::act(Method::GET, "/users/@me", &Value::Null);
        request.headers.remove("user-agent");
        case.sandbox
            .dispatch(splashtail_sandbox::rest::Actor::Http, request)
    };
    assert_eq!(
        (agentless.status, code(&agentless)),
        (403, 40333),
        "the agent before authorisation"
    );
    let vault = case.channel("vault");
    check(
        &case,
        vec![
            (
                Bot,
                Method::PATCH,
                "/channels/1".into(),
                bad.clone(),
                404,
                10003,
                "Unknown Channel",
            ),
            (
                Bot,
                Method::PATCH,
                format!("/channels/{vault}"),
                bad.clone(),
                403,
                50001,
                "Missing Access",
            ),
            (
                MEMBER,
                Method::PATCH,
                format!("/channels/{}", case.channel("general")),
                bad.clone(),
                403,
                50013,
                "Missing Permissions",
            ),
            (
                Bot,
                Method::PATCH,
                format!("/channels/{}", case.channel("general")),
                bad,
                400,
                50035,
                "Invalid Form Body",
            ),
            (
                Bot,
                Method::PATCH,
                format!("/guilds/{GUILD}/roles/{}", case.role("Splashtail")),
                json!({"color": -1}),
                403,
                50013,
                "Missing Permissions",
            ),
        ],
    );
    let wrong = case.bot(Method::PATCH, "/gateway", Value::Null);
    assert_eq!(
        (wrong.status, wrong.json()),
        (
            405,
            json!({"message": "405: Method Not Allowed", "code": 0})
        )
    );
    let path = format!("/channels/{}/messages", case.channel("general"));
    for _ in 0..5 {
        case.bot(Method::POST, &path, json!({"content": "x"}));
    }
    assert_eq!(
        case.bot(Method::POST, &path, json!({})).status,
        429,
        "the limit before the body"
    );
    case.finish().await;
}
