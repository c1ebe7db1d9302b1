//! Rate limits as clients see them.

use std::collections::HashMap;

use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Response;
use splashtail_sandbox_world::rest::limits::{Rate, Rules};
use splashtail_sandbox_world::seed::small;

use crate::harness::{Case, GUILD};

fn headers(answer: &Response) -> HashMap<&'static str, String> {
    answer.headers.iter().cloned().collect()
}

#[test]
fn every_bucketed_answer_carries_its_bucket() {
    let case = Case::new();
    let say = |name: &str| {
        case.bot(
            Method::POST,
            &format!("/channels/{}/messages", case.channel(name)),
            json!({"content": "x"}),
        )
    };
    let first = headers(&say("general"));
    assert_eq!(
        (
            first["X-RateLimit-Limit"].as_str(),
            first["X-RateLimit-Remaining"].as_str()
        ),
        ("5", "4")
    );
    assert_eq!(first["X-RateLimit-Reset-After"], "5.000");
    assert_eq!(first["X-RateLimit-Reset"], "1772366405.000");
    for _ in 0..4 {
        assert_eq!(say("general").status, 200);
    }
    case.advance_ms(1500);
    let over = say("general");
    assert_eq!(over.status, 429);
    assert_eq!(
        over.json(),
        json!({"message": "You are being rate limited.", "retry_after": 3.5, "global": false})
    );
    let over = headers(&over);
    assert_eq!(
        (
            over["Retry-After"].as_str(),
            over["X-RateLimit-Scope"].as_str()
        ),
        ("4", "user"),
        "whole seconds, rounded up"
    );
    assert_eq!(
        (
            over["X-RateLimit-Remaining"].as_str(),
            &over["X-RateLimit-Bucket"]
        ),
        ("0", &first["X-RateLimit-Bucket"])
    );
    // Another channel has a bucket of its own under the same hash.
    let other = say("media");
    assert_eq!(other.status, 200);
    assert_eq!(
        headers(&other)["X-RateLimit-Bucket"],
        first["X-RateLimit-Bucket"]
    );
    case.advance_ms(3500);
    assert_eq!(say("general").status, 200);
    // Errors carry the headers as well.
    assert!(
        headers(&case.get(&format!("/guilds/{GUILD}/roles/1"))).contains_key("X-RateLimit-Limit")
    );
    case.finish();
}

#[test]
fn deletion_depends_on_the_age_of_the_message() {
    let case = Case::new();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let old = case.get(&format!("{path}?limit=1")).json()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let fresh = case
        .bot(Method::POST, &path, json!({"content": "x"}))
        .json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let limit = |id: &str| {
        let answer = headers(&case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null));
        (
            answer["X-RateLimit-Limit"].clone(),
            answer["X-RateLimit-Bucket"].clone(),
        )
    };
    let (new_limit, new_bucket) = limit(&fresh);
    let (old_limit, old_bucket) = limit(&old);
    assert_eq!((new_limit.as_str(), old_limit.as_str()), ("5", "30"));
    assert_ne!(new_bucket, old_bucket);
}

#[test]
fn names_and_topics_have_a_hidden_limit() {
    let case = Case::new();
    let path = format!("/channels/{}", case.channel("media"));
    let rename = |name: &str| case.bot(Method::PATCH, &path, json!({"name": name}));
    assert_eq!((rename("one").status, rename("two").status), (200, 200));
    let third = rename("three");
    assert_eq!(third.status, 429);
    assert_ne!(
        headers(&third)["X-RateLimit-Remaining"],
        "0",
        "the headers do not tell"
    );
    assert!(third.json()["retry_after"].as_f64().unwrap() > 500.0);
    assert_eq!(
        case.bot(Method::PATCH, &path, json!({"topic": "other"}))
            .status,
        200
    );
}

#[test]
fn fifty_requests_a_second_in_all() {
    let case = Case::new();
    for n in 0..50 {
        assert_eq!(
            case.get(&format!("/guilds/{GUILD}/roles")).status,
            200,
            "{n}"
        );
    }
    let over = case.get("/users/@me");
    assert_eq!((over.status, &over.json()["global"]), (429, &json!(true)));
    let over = headers(&over);
    assert_eq!(
        (
            over["X-RateLimit-Global"].as_str(),
            over["X-RateLimit-Scope"].as_str()
        ),
        ("true", "global")
    );
    assert!(!over.contains_key("X-RateLimit-Bucket"));
    case.advance_ms(1000);
    assert_eq!(case.get("/users/@me").status, 200);
}

#[test]
fn emojis_have_a_limit_that_all_share() {
    let case = Case::new();
    let emoji = case
        .sandbox
        .with_world(|w| *w.guilds[&GUILD].emojis.keys().next().unwrap());
    let path = format!("/guilds/{GUILD}/emojis/{emoji}");
    for n in 0..50 {
        case.advance_ms(100);
        assert_eq!(
            case.bot(Method::PATCH, &path, json!({"name": format!("e{n}")}))
                .status,
            200
        );
    }
    case.advance_ms(1000);
    let over = case.bot(Method::PATCH, &path, json!({"name": "over"}));
    assert_eq!(over.status, 429);
    assert_eq!(
        over.json()["message"],
        "The resource is being rate limited."
    );
    let over = headers(&over);
    assert_eq!(over["X-RateLimit-Scope"], "shared");
    assert_ne!(over["X-RateLimit-Remaining"], "0");
}

#[test]
fn interaction_callbacks_are_exempt() {
    let case = Case::new();
    for _ in 0..60 {
        let answer = case.http(
            &[],
            Method::POST,
            "/interactions/1/x/callback",
            &json!({"type": 5}),
        );
        assert_eq!(answer.status, 404);
        assert!(!headers(&answer).contains_key("X-RateLimit-Limit"));
    }
}

// discord.py waits for a 429 only if it has passed the API's proxies.
#[test]
fn limits_of_the_api_name_what_they_came_through() {
    let case = Case::new();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let say = || case.bot(Method::POST, &path, json!({"content": "x"}));
    let limited = (0..6).map(|_| say()).find(|answer| answer.status == 429);
    let told = headers(&limited.unwrap());
    assert_eq!(told["Via"], "1.1 google");
    assert_eq!(told["X-RateLimit-Remaining"], "0");
}

#[test]
fn too_many_invalid_requests_block_the_address() {
    let case = Case::new();
    case.sandbox.limits.set_rules(Rules {
        invalid: Rate::fixed(3, 600_000),
        ..Rules::default()
    });
    for _ in 0..3 {
        assert_eq!(
            case.http(&[], Method::GET, "/users/@me", &Value::Null)
                .status,
            401
        );
    }
    let blocked = case.get("/users/@me");
    // The edge answers, not the API: the same for everyone, without a time and without `Via`.
    assert_eq!(
        (blocked.status, blocked.content_type, blocked.code),
        (429, Some("application/json"), Some(0))
    );
    let told = headers(&blocked);
    assert!(!told.contains_key("Retry-After") && !told.contains_key("Via"));
    assert!(blocked.json().get("retry_after").is_none());
    case.advance_ms(600_000);
    assert_eq!(case.get("/users/@me").status, 200);
}

#[test]
fn slow_mode_binds_members_only() {
    let case = Case::new();
    let path = format!("/channels/{}/messages", case.channel("media"));
    let say = |user| case.user(user, Method::POST, &path, json!({"content": "x"}));
    assert_eq!(say(small::MEMBER).status, 200);
    let over = say(small::MEMBER);
    assert_eq!((over.status, over.code), (429, Some(20016)));
    assert_eq!(
        (say(small::ADMIN).status, say(small::ADMIN).status),
        (200, 200)
    );
    case.advance_ms(5000);
    assert_eq!(say(small::MEMBER).status, 200);
}

/// The defaults of single routes: how many, and how long until they come back.
#[test]
fn routes_have_their_known_limits() {
    let case = Case::new();
    let general = case.channel("general");
    let messages = format!("/channels/{general}/messages");
    let ids: Vec<String> = (0..3)
        .map(|n| {
            let said = case.bot(Method::POST, &messages, json!({"content": n.to_string()}));
            said.json()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let hook = case
        .bot(
            Method::POST,
            &format!("/channels/{general}/webhooks"),
            json!({"name": "w"}),
        )
        .json();
    let hook = format!(
        "/webhooks/{}/{}",
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap()
    );
    let member = format!("/guilds/{GUILD}/members/{}", small::MEMBER);
    let role = case.role("Muted");
    case.advance_ms(60_000);
    let said = json!({"content": "x"});
    let rows = [
        (Method::POST, messages.clone(), said.clone(), "5", "5.000"),
        (
            Method::PATCH,
            format!("/channels/{}", case.channel("media")),
            json!({"nsfw": true}),
            "5",
            "15.000",
        ),
        (
            Method::PUT,
            format!("{messages}/{}/reactions/%F0%9F%91%8D/@me", ids[0]),
            Value::Null,
            "1",
            "0.250",
        ),
        (
            Method::POST,
            format!("{messages}/bulk-delete"),
            json!({"messages": ids[1..]}),
            "1",
            "3.000",
        ),
        (
            Method::DELETE,
            format!("{messages}/{}", ids[0]),
            Value::Null,
            "3",
            "0.333",
        ),
        (
            Method::POST,
            format!("/channels/{general}/typing"),
            Value::Null,
            "5",
            "5.000",
        ),
        (Method::POST, hook, said, "5", "2.000"),
        (
            Method::PATCH,
            member.clone(),
            json!({"nick": "n"}),
            "10",
            "10.000",
        ),
        (
            Method::PUT,
            format!("{member}/roles/{role}"),
            Value::Null,
            "10",
            "10.000",
        ),
        (
            Method::POST,
            format!("/guilds/{GUILD}/channels"),
            json!({"name": "c"}),
            "50",
            "10.000",
        ),
        (
            Method::PATCH,
            format!("/guilds/{GUILD}/roles/{role}"),
            json!({"hoist": true}),
            "10",
            "1.000",
        ),
        (
            Method::DELETE,
            format!("/guilds/{GUILD}/roles/{role}"),
            Value::Null,
            "10",
            "1.000",
        ),
        (Method::DELETE, member, Value::Null, "5", "1.000"),
    ];
    let buckets = case.sandbox.limits.buckets();
    assert_eq!(
        buckets["create_guild_channel"].rate,
        Rate::fixed(50, 10_000)
    );
    assert_eq!(buckets["delete_message_old"].operations, ["delete_message"]);
    assert_eq!(buckets["guild_member_roles"].operations.len(), 2);
    for (method, path, body, limit, reset) in rows {
        let answer = case.bot(method.clone(), &path, body);
        assert!(answer.is_success(), "{method} {path}: {}", answer.json());
        let shown = headers(&answer);
        assert_eq!(
            (
                shown["X-RateLimit-Limit"].as_str(),
                shown["X-RateLimit-Reset-After"].as_str()
            ),
            (limit, reset),
            "{method} {path}"
        );
    }
    case.finish();
}

/// By age, on one route: under ten seconds, older, and over two weeks, each with a bucket.
#[test]
fn deletions_have_three_buckets() {
    let case = Case::new();
    let general = case.channel("general");
    let path = format!("/channels/{general}/messages");
    let old = case.get(&format!("{path}?limit=3")).json();
    let say = || {
        case.bot(Method::POST, &path, json!({"content": "x"}))
            .json()["id"]
            .clone()
    };
    let middle: Vec<Value> = (0..4).map(|_| say()).collect();
    case.advance_ms(10_001);
    let fresh = say();
    let delete = |id: &Value| {
        case.bot(
            Method::DELETE,
            &format!("{path}/{}", id.as_str().unwrap()),
            Value::Null,
        )
    };
    let shown = |id: &Value| {
        let answer = delete(id);
        assert_eq!(answer.status, 204);
        let shown = headers(&answer);
        (
            shown["X-RateLimit-Limit"].clone(),
            shown["X-RateLimit-Reset-After"].clone(),
            shown["X-RateLimit-Bucket"].clone(),
        )
    };
    let all = [shown(&fresh), shown(&middle[0]), shown(&old[0]["id"])];
    let rates: Vec<_> = all
        .iter()
        .map(|(limit, reset, _)| (limit.as_str(), reset.as_str()))
        .collect();
    assert_eq!(rates, [("5", "1.000"), ("3", "0.333"), ("30", "4.000")]);
    let buckets: std::collections::BTreeSet<_> = all.iter().map(|(.., bucket)| bucket).collect();
    assert_eq!(buckets.len(), 3);
    assert_eq!(
        (delete(&middle[1]).status, delete(&middle[2]).status),
        (204, 204)
    );
    assert_eq!(delete(&middle[3]).status, 429);
    assert_eq!(
        delete(&old[1]["id"]).status,
        204,
        "one full bucket does not stop the others"
    );
    case.advance_ms(333);
    assert_eq!(delete(&middle[3]).status, 204);
    case.finish();
}

/// The key is bucket and major parameter: users, roles and messages in the path share one limit.
#[test]
fn minor_parameters_and_methods_share_a_bucket() {
    let case = Case::new();
    let (muted, regular) = (case.role("Muted"), case.role("Regular"));
    let member = |user, role| format!("/guilds/{GUILD}/members/{user}/roles/{role}");
    let seen: Vec<_> = [
        (Method::PUT, member(small::MEMBER, muted)),
        (Method::DELETE, member(small::MEMBER, muted)),
        (Method::PUT, member(small::SPARE, regular)),
    ]
    .into_iter()
    .map(|(method, path)| {
        let shown = headers(&case.bot(method, &path, Value::Null));
        (
            shown["X-RateLimit-Remaining"].clone(),
            shown["X-RateLimit-Bucket"].clone(),
        )
    })
    .collect();
    assert_eq!(
        seen.iter().map(|s| s.0.as_str()).collect::<Vec<_>>(),
        ["9", "8", "7"]
    );
    assert!(
        seen.iter()
            .all(|s| s.1 == seen[0].1 && !s.1.contains(&GUILD.to_string()))
    );
    let other = format!("/guilds/{}/members/{}", small::GUILDS[1], small::MEMBER);
    let elsewhere = case.bot(Method::PATCH, &other, json!({"nick": "n"}));
    let here = case.bot(
        Method::PATCH,
        &format!("/guilds/{GUILD}/members/{}", small::MEMBER),
        json!({"nick": "n"}),
    );
    let of = |answer: &Response| {
        let shown = headers(answer);
        (
            shown["X-RateLimit-Remaining"].clone(),
            shown["X-RateLimit-Bucket"].clone(),
        )
    };
    assert_eq!(
        of(&elsewhere),
        of(&here),
        "another guild counts apart, under the same name"
    );
    case.finish();
}

/// 250 new roles in 48 hours, however many were deleted again: a bucket that the headers show
/// (Discord.Net#1451), of each caller in each guild.
#[test]
fn whoever_makes_roles_has_250_in_two_days_and_reads_it_in_the_headers() {
    let case = Case::new();
    let wide = Rate::fixed(10_000, 1000);
    case.sandbox.limits.set_rules(Rules {
        global: wide,
        buckets: [("delete_guild_role".to_owned(), wide)].into(),
        ..Rules::default()
    });
    let path = format!("/guilds/{GUILD}/roles");
    for n in 0..250 {
        let made = case.bot(Method::POST, &path, json!({}));
        assert_eq!(made.status, 200, "{n}: {}", made.json());
        let id = made.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(
            case.bot(Method::DELETE, &format!("{path}/{id}"), Value::Null)
                .status,
            204
        );
    }
    case.advance_ms(3_600_000);
    let over = case.bot(Method::POST, &path, json!({}));
    assert_eq!(over.status, 429);
    assert_eq!(over.json()["retry_after"], 47.0 * 3600.0);
    let header = |name: &str| {
        let found = over.headers.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    assert_eq!(header("X-RateLimit-Limit"), "250");
    assert_eq!(header("X-RateLimit-Remaining"), "0");
    assert_eq!(header("X-RateLimit-Reset-After"), "169200.000");
    let attacker = case.user(small::ADMIN, Method::POST, &path, json!({}));
    assert_eq!(attacker.status, 200, "an allowance of its own");
    let elsewhere = format!("/guilds/{}/roles", small::GUILDS[1]);
    assert_eq!(case.bot(Method::POST, &elsewhere, json!({})).status, 200);
    case.advance_ms(47 * 3_600_000);
    assert_eq!(case.bot(Method::POST, &path, json!({})).status, 200);
    case.finish();
}

/// `GET /users/@me/guilds` once a second for each user's token.
#[test]
fn each_users_token_lists_guilds_once_a_second() {
    let case = Case::new();
    case.sandbox.with_world(|w| {
        for (token, user) in [("one", small::MEMBER), ("two", small::SPARE)] {
            let grant = splashtail_sandbox_world::world::AccessToken {
                app: small::APPLICATION,
                user,
                scopes: vec!["guilds".to_owned()],
                expires_ms: w.steady_ms() + 1_000_000,
            };
            w.access_tokens.insert(token.to_owned(), grant);
        }
    });
    let list = |token: &str| {
        let header = format!("Bearer {token}");
        case.http(
            &[("authorization", &header)],
            Method::GET,
            "/users/@me/guilds",
            &Value::Null,
        )
        .status
    };
    assert_eq!([list("one"), list("one"), list("two")], [200, 429, 200]);
    case.advance_ms(1000);
    assert_eq!(list("one"), 200);
    case.finish();
}

/// A 429 of a shared limit is nobody's fault: it does not count as an invalid request.
#[test]
fn shared_refusals_do_not_lead_to_a_block() {
    let case = Case::new();
    let wide = Rate::fixed(10_000, 1000);
    case.sandbox.limits.set_rules(Rules {
        global: wide,
        invalid: Rate::fixed(2, 600_000),
        buckets: [("update_guild_emoji".to_owned(), wide)].into(),
        ..Rules::default()
    });
    let emoji = case
        .sandbox
        .with_world(|w| *w.guilds[&GUILD].emojis.keys().next().unwrap());
    let path = format!("/guilds/{GUILD}/emojis/{emoji}");
    let answers: Vec<u16> = (0..60)
        .map(|n| {
            case.bot(Method::PATCH, &path, json!({"name": format!("e{n}")}))
                .status
        })
        .collect();
    assert_eq!(answers.iter().filter(|s| **s == 429).count(), 10);
    assert_eq!(case.get("/users/@me").status, 200);
    case.finish();
}

/// Without a token the address counts, and does not use up anybody's share.
#[test]
fn the_nameless_are_counted_by_address() {
    let case = Case::new();
    let nobody = || {
        case.http(&[], Method::GET, "/invites/none", &Value::Null)
            .status
    };
    let gateway = || case.http(&[], Method::GET, "/gateway", &Value::Null);
    assert_eq!(nobody(), 401);
    for n in 0..50 {
        assert_eq!(gateway().status, 200, "{n}");
    }
    let over = gateway();
    assert_eq!((over.status, &over.json()["global"]), (429, &json!(true)));
    assert_eq!(case.get("/users/@me").status, 200);
    case.finish();
}
