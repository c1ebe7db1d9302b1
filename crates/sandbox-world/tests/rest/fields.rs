//! 50035 with the path and code of every wrong field, and what is said when several things are
//! wrong.

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::{Actor, Request};

use crate::errors::{Bot, MEMBER, check, prepared};
use crate::harness::{Case, GUILD, code};

// 50035, with the path of each field and the code of each leaf.
#[test]
fn every_wrong_field_has_its_path_and_code() {
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
    case.finish();
}

// the order in which things are looked at.
#[test]
fn what_is_wrong_first_is_said() {
    let case = Case::new();
    let bad = json!({"name": ""});
    let anonymous = case.http(&[], Method::POST, "/nothing/here", &bad);
    assert_eq!(anonymous.status, 401, "authorisation before the route");
    let agentless = {
        let mut request = Request::act(Method::GET, "/users/@me", &Value::Null);
        request.headers.remove("user-agent");
        case.sandbox.dispatch(Actor::Http, request)
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
    case.finish();
}
