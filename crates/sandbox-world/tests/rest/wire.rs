//! Conventions of the wire: versions, ids, times, bodies, queries, headers, order of lists.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::{Actor, Request, Response};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::Id;

use crate::harness::{Case, GUILD, bot_header, code};

fn raw(case: &Case, method: Method, path: &str, kind: &str, body: &'static [u8]) -> Response {
    let mut request = Request::act(method, path, &Value::Null);
    request.body = Bytes::from_static(body);
    for (name, value) in [
        ("content-type", kind),
        ("authorization", bot_header()),
        ("user-agent", "DiscordBot (x, 1)"),
    ] {
        request.headers.insert(name, value.parse().unwrap());
    }
    case.sandbox.dispatch(Actor::Http, request)
}

fn ids(list: &Value, at: &str) -> Vec<u64> {
    let list = list.as_array().unwrap().iter();
    list.map(|v| v.pointer(at).unwrap().as_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn answers_are_json_and_nothing_else() {
    let case = Case::unlimited();
    let channel = case.channel("general");
    let one = case.get(&format!("/channels/{channel}"));
    assert_eq!(
        one.content_type,
        Some("application/json"),
        "without a charset"
    );
    assert_eq!(one.json()["id"], channel.to_string(), "ids are strings");
    let typing = case.bot(
        Method::POST,
        &format!("/channels/{channel}/typing"),
        Value::Null,
    );
    assert_eq!(
        (typing.status, typing.content_type, typing.body.len()),
        (204, None, 0)
    );
    let said = case
        .bot(
            Method::POST,
            &format!("/channels/{channel}/messages"),
            json!({"content": "x"}),
        )
        .json();
    assert_eq!(said["timestamp"], "2026-03-01T12:00:00.000000+00:00");
    let id: u64 = said["id"].as_str().unwrap().parse().unwrap();
    // 2026-03-01T12:00:00Z, counted from the first second of 2015.
    assert_eq!(id >> 22, 1_772_366_400_000 - 1_420_070_400_000);
    let roles = case.get(&format!("/guilds/{GUILD}/roles")).json();
    let everyone = roles
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == "@everyone")
        .unwrap()
        .clone();
    assert_eq!(everyone["id"], GUILD.to_string());
    assert!(everyone["permissions"].is_string());
    assert_eq!(everyone.get("tags"), None, "absent is false");
    case.finish();
}

#[test]
fn only_requests_with_a_name_and_a_token_are_answered() {
    let case = Case::unlimited();
    let get = |headers: &[(&'static str, &str)], path: &str| {
        case.http(headers, Method::GET, path, &Value::Null)
    };
    let refused = json!({"message": "401: Unauthorized", "code": 0});
    for headers in [
        &[][..],
        &[("authorization", "Bot wrong")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", "Basic x")],
        &[("authorization", "")],
    ] {
        let answer = get(headers, "/users/@me");
        assert_eq!(
            (answer.status, answer.json()),
            (401, refused.clone()),
            "{headers:?}"
        );
    }
    assert_eq!(get(&[], "/gateway").status, 200);
    let hooks = format!("/channels/{}/webhooks", case.channel("general"));
    let hook = case.bot(Method::POST, &hooks, json!({"name": "w"})).json();
    let path = format!(
        "/webhooks/{}/{}",
        hook["id"].as_str().unwrap(),
        hook["token"].as_str().unwrap()
    );
    assert_eq!(get(&[], &path).status, 200);
    let agentless = get(&[("user-agent", " ")], "/gateway");
    assert_eq!((agentless.status, code(&agentless)), (403, 40333));
    case.finish();
}

// JSON, forms and multipart say the same; integers may be strings, permissions numbers.
#[test]
fn bodies_come_in_three_forms() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let form = raw(
        &case,
        Method::POST,
        &path,
        "application/x-www-form-urlencoded",
        b"content=a+b%21",
    );
    assert_eq!(
        (form.status, &form.json()["content"]),
        (200, &json!("a b!"))
    );
    let multipart = raw(&case, Method::POST, &path, "multipart/form-data; boundary=b",
        b"--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{\"content\":\"a b!\"}\r\n--b--\r\n");
    assert_eq!(
        (multipart.status, &multipart.json()["content"]),
        (200, &json!("a b!"))
    );
    let charset = raw(
        &case,
        Method::POST,
        &path,
        "application/json; charset=utf-8",
        b"{\"content\":\"x\"}",
    );
    assert_eq!(charset.status, 200);
    let wrong = raw(
        &case,
        Method::POST,
        &path,
        "text/plain",
        b"{\"content\":\"x\"}",
    );
    assert_eq!((wrong.status, code(&wrong)), (400, 50035));
    let broken = raw(
        &case,
        Method::POST,
        &path,
        "application/json",
        b"{\"content\":",
    );
    assert_eq!((broken.status, code(&broken)), (400, 50109));
    assert_eq!(
        broken.json()["message"],
        "The request body contains invalid JSON."
    );
    let roles = format!("/guilds/{GUILD}/roles");
    for permissions in [json!("2048"), json!(2048)] {
        let made = case
            .bot(
                Method::POST,
                &roles,
                json!({"permissions": permissions, "color": "255"}),
            )
            .json();
        assert_eq!(
            (&made["permissions"], &made["color"]),
            (&json!("2048"), &json!(255))
        );
        assert_eq!(
            made["colors"]["primary_color"], 255,
            "both spellings are answered"
        );
    }
    case.finish();
}

#[test]
fn queries_are_read_as_discord_reads_them() {
    let case = Case::unlimited();
    let guild = format!("/guilds/{GUILD}");
    for yes in ["true", "True", "1"] {
        assert_eq!(
            case.get(&format!("{guild}?with_counts={yes}")).json()["approximate_member_count"],
            6,
            "{yes}"
        );
    }
    for no in ["false", "False", "0"] {
        assert_eq!(
            case.get(&format!("{guild}?with_counts={no}"))
                .json()
                .get("approximate_member_count"),
            None,
            "{no}"
        );
    }
    // An empty first pair, as one client sends it.
    let few = case.get(&format!(
        "/channels/{}/messages?&limit=5",
        case.channel("archive")
    ));
    assert_eq!(few.json().as_array().unwrap().len(), 5);
    // Arrays by repetition.
    case.advance_ms(8 * 86_400_000);
    let (regular, manager) = (case.role("Regular"), case.role("Manager"));
    case.sandbox.with_world(|w| {
        w.guilds
            .get_mut(&GUILD)
            .unwrap()
            .members
            .get_mut(&small::SPARE)
            .unwrap()
            .roles = [regular, manager].into();
    });
    let pruned =
        |query: &str| case.get(&format!("{guild}/prune?days=7{query}")).json()["pruned"].clone();
    assert_eq!(pruned(""), 1);
    assert_eq!(pruned(&format!("&include_roles={regular}")), 1);
    // Marta has the same two roles.
    assert_eq!(
        pruned(&format!("&include_roles={regular}&include_roles={manager}")),
        3
    );
    assert_eq!(pruned(&format!("&include_roles={regular},{manager}")), 3);
    case.finish();
}

#[test]
fn reasons_are_percent_encoded_and_bounded() {
    let case = Case::unlimited();
    let rename = |reason: &str| {
        let headers = [
            ("authorization", bot_header()),
            ("x-audit-log-reason", reason),
        ];
        case.http(
            &headers,
            Method::PATCH,
            &format!("/guilds/{GUILD}"),
            &json!({"description": reason.len().to_string()}),
        )
    };
    assert_eq!(rename("%C3%A4%20%F0%9F%8C%8A").status, 200);
    assert_eq!(case.audit().pop().unwrap()["reason"], "ä 🌊");
    // 512 characters, however many bytes.
    assert_eq!(rename(&"%C3%A4".repeat(512)).status, 200);
    let long = rename(&"%C3%A4".repeat(513));
    assert_eq!((long.status, code(&long)), (400, 50035));
    case.finish();
}

#[test]
fn members_and_bans_ascend_and_messages_descend() {
    let case = Case::unlimited();
    let members = ids(
        &case
            .get(&format!("/guilds/{GUILD}/members?limit=1000"))
            .json(),
        "/user/id",
    );
    assert!(members.len() == 6 && members.is_sorted());
    let after = ids(
        &case
            .get(&format!(
                "/guilds/{GUILD}/members?limit=2&after={}",
                members[1]
            ))
            .json(),
        "/user/id",
    );
    assert_eq!(after, members[2..4]);
    for user in [small::SPARE, small::MEMBER] {
        assert_eq!(
            case.bot(
                Method::PUT,
                &format!("/guilds/{GUILD}/bans/{user}"),
                json!({})
            )
            .status,
            204
        );
    }
    let bans = |query: &str| {
        ids(
            &case.get(&format!("/guilds/{GUILD}/bans{query}")).json(),
            "/user/id",
        )
    };
    let [first, second] = [small::MEMBER.0, small::SPARE.0];
    assert_eq!(bans(""), [first, second]);
    assert_eq!(
        bans(&format!("?before={second}&after={first}")),
        [first],
        "`before` wins"
    );
    assert_eq!(bans(&format!("?after={first}")), [second]);
    let archive = case.channel("archive");
    let page = |query: &str| {
        ids(
            &case
                .get(&format!("/channels/{archive}/messages{query}"))
                .json(),
            "/id",
        )
    };
    let newest = page("?limit=100");
    assert!(newest.len() == 100 && newest.is_sorted_by(|a, b| a > b));
    assert_eq!(page("").len(), 50);
    assert_eq!(
        page(&format!("?limit=3&before={}", newest[10])),
        newest[11..14]
    );
    assert_eq!(
        page(&format!("?limit=3&after={}", newest[10])),
        newest[7..10],
        "the nearest, newest first"
    );
    let around = page(&format!("?limit=3&around={}", newest[10]));
    assert!(around.contains(&newest[10]) && around.is_sorted_by(|a, b| a > b));
    assert_eq!(
        code(&case.get(&format!("/channels/{archive}/messages?limit=101"))),
        50035
    );
    case.finish();
}

// Ids grow within one millisecond too.
#[test]
fn ids_are_monotonic() {
    let case = Case::unlimited();
    let path = format!("/channels/{}/messages", case.channel("general"));
    let mut last = Id(0);
    for _ in 0..50 {
        let id = case
            .bot(Method::POST, &path, json!({"content": "x"}))
            .json()["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(id > last);
        last = id;
    }
    case.finish();
}
